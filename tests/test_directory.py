"""The list that a user means, found with as few requests as that takes."""

import anyio
import httpx
import pytest

from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.wire import CreateListRequest, LeadList
from cleanlist_mcp.errors import AmbiguousList, ApiUnavailable, InsufficientScope, InvalidArguments, NotFound
from cleanlist_mcp.lists.directory import LOOK_SECONDS, MEMORY_SECONDS, REMEMBERED_PAGES
from tests.support import Answering, World


def requests(world: World) -> list[str]:
    """Paths asked for since the last look."""
    found = [record.path for record in world.sandbox.requests]
    world.sandbox.requests.clear()
    return found


async def test_a_list_is_found_by_its_id_and_by_its_exact_name_in_any_case(world: World) -> None:
    list_id = world.sandbox.list_id("Späte Zusagen")

    async with world.services() as services:
        for text in (list_id, "Späte Zusagen", " SPÄTE  zusagen\u200b ", "Spa\u0308te Zusagen"):
            assert await services.directory.resolve(text) == (list_id, "Späte Zusagen")

    assert requests(world) == ["/lead-lists"] + [f"/lead-lists/{list_id}"] * 3


async def test_part_of_a_name_finds_nothing_and_the_error_names_what_is_close(world: World) -> None:
    async with world.services() as services:
        with pytest.raises(NotFound) as missed:
            await services.directory.resolve("Q3 Prospect")

    assert missed.value.message == "No list has that id or exact name."
    assert missed.value.next_step == 'Names close to it: "Q3 Prospects". Call find_lists to see the names.'


async def test_a_name_that_looks_like_an_id_and_is_none_is_said_to_be_neither(world: World) -> None:
    async with world.services() as services:
        with pytest.raises(NotFound, match="No list has that id or exact name"):
            await services.directory.resolve("Prospects")

    assert requests(world) == ["/lead-lists", "/lead-lists/Prospects"]


async def test_two_lists_of_one_name_are_named_by_their_ids(world: World) -> None:
    ids = [world.sandbox.add_list("Twins", 2), world.sandbox.add_list("TWINS", 1)]

    async with world.services() as services:
        with pytest.raises(AmbiguousList) as refused:
            await services.directory.resolve("twins")
        assert await services.directory.resolve(ids[1]) == (ids[1], "TWINS")

    assert refused.value.figures["list_ids"] == ids
    assert refused.value.figures["lead_counts"] == [2, 1]
    created = refused.value.figures["created"]
    assert isinstance(created, list) and len(created) == 2


async def test_a_list_that_moves_to_the_next_page_meanwhile_is_one_list(world: World) -> None:
    for number in range(101):
        world.sandbox.add_list(f"list-{number}")
    shown = {"list_id": "list_id_twice", "name": "Moving"}
    pages = iter([{"lists": [shown], "cursor": "next"}, {"lists": [shown], "cursor": None}])

    class Paging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json=next(pages), request=request)

    world.transport = Answering(Paging(), "/lead-lists/", httpx.Response(404))
    async with world.services() as services:
        assert await services.directory.resolve("moving") == ("list_id_twice", "Moving")


async def test_names_close_to_a_missing_one_are_offered_in_any_case(world: World) -> None:
    async with world.services() as services:
        with pytest.raises(NotFound) as refused:
            await services.directory.resolve("Q3 PROSPECT")

    assert '"Q3 Prospects"' in refused.value.next_step


async def test_an_id_comes_before_a_name(world: World) -> None:
    list_id = world.sandbox.list_id("Q3 Prospects")
    world.sandbox.add_list(list_id)

    async with world.services() as services:
        assert await services.directory.resolve(list_id) == (list_id, "Q3 Prospects")


@pytest.mark.parametrize("blank", ["", "  ", "\u200b", "\n"])
async def test_a_blank_text_is_refused_before_any_request(world: World, blank: str) -> None:
    async with world.services() as services:
        with pytest.raises(InvalidArguments, match="blank"):
            await services.directory.resolve(blank)

    assert requests(world) == []


async def test_a_name_means_the_list_that_has_it_now_because_money_may_follow(world: World) -> None:
    first, second = world.sandbox.list_id("Q3 Prospects"), world.sandbox.list_id("Conference Leads")
    lists = world.sandbox.lists

    async with world.services() as services:
        assert await services.directory.resolve("Q3 Prospects") == (first, "Q3 Prospects")
        lists.by_id(first).name, lists.by_id(second).name = "Old", "Q3 Prospects"  # type: ignore[union-attr]
        assert await services.directory.resolve("Q3 Prospects") == (second, "Q3 Prospects")


async def test_the_name_of_an_id_is_remembered_for_a_while(world: World) -> None:
    list_id = world.sandbox.list_id("Q3 Prospects")

    async with world.services() as services:
        for pause in (0, MEMORY_SECONDS - 1, 2):
            await world.clock.sleep(pause)
            await services.directory.resolve(list_id)

    assert requests(world) == ["/lead-lists", f"/lead-lists/{list_id}"]


async def test_completions_look_at_the_lists_once_in_a_while(world: World) -> None:
    async with world.services() as services:
        for pause in (0, MEMORY_SECONDS - 1, 2):
            await world.clock.sleep(pause)
            assert await services.directory.remembered()

    assert requests(world) == ["/lead-lists"] * 2


async def test_completions_leave_the_tools_their_requests(world: World) -> None:
    for number in range(500):
        world.sandbox.add_list(f"list-{number}")

    async with world.services() as services, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(services.directory.remembered)

    assert requests(world) == ["/lead-lists"] * REMEMBERED_PAGES


async def test_a_list_that_was_just_made_is_offered(world: World) -> None:
    async with world.services() as services:
        await services.directory.remembered()
        made = await services.client.create_list(CreateListRequest(name="Brand new"))
        services.directory.learn_new(made)
        names = [item.name for item in await services.directory.remembered()]

    assert "Brand new" in names


async def test_completions_do_not_ask_an_api_that_just_failed(world: World) -> None:
    world.sandbox.faults.next("GET /lead-lists", "server_error", times=50)

    async with world.services() as services:
        with pytest.raises(ApiUnavailable):
            await services.directory.remembered()
        assert requests(world)
        assert await services.directory.remembered() == ()

    assert requests(world) == []


@pytest.mark.parametrize("status", [400, 422])
async def test_an_api_that_refuses_a_name_as_an_id_is_asked_for_the_name_all_the_same(
    world: World, status: int
) -> None:
    for number in range(150):
        world.sandbox.add_list(f"list-{number}")
    refused = httpx.Response(status, json={"detail": [{"loc": ["path", "list_id"], "msg": "no UUID"}]})
    world.transport = Answering(world.transport, "/lead-lists/", refused)

    async with world.services() as services:
        far = world.sandbox.list_id("list-140")
        assert await services.directory.resolve("list-140") == (far, "list-140")
        with pytest.raises(NotFound, match="No list has that id or exact name"):
            await services.directory.resolve("list-150")


async def test_a_list_made_elsewhere_is_found_although_others_are_remembered(world: World) -> None:
    async with world.services() as services:
        await services.directory.resolve("Q3 Prospects")
        made = world.sandbox.add_list("Brand new")
        assert await services.directory.resolve("Brand new") == (made, "Brand new")


async def test_a_list_that_was_just_made_costs_no_request(world: World) -> None:
    async with world.services() as services:
        services.directory.learn(LeadList(list_id="list-9", name="Mine"))
        assert await services.directory.resolve("list-9") == ("list-9", "Mine")

    assert requests(world) == []


async def test_among_a_thousand_lists_an_id_costs_two_requests_and_a_name_at_most_eleven(
    world: World,
) -> None:
    for number in range(1_100):
        world.sandbox.add_list(f"list {number}")

    async with world.services() as services:
        far = world.sandbox.list_id("list 1050")
        assert await services.directory.resolve(far) == (far, "list 1050")
        assert requests(world) == ["/lead-lists", f"/lead-lists/{far}"]
        assert (await services.directory.resolve("list 900"))[1] == "list 900"
        assert len(requests(world)) == 10
        with pytest.raises(NotFound, match="None of the first 1000 lists has that id or exact name"):
            await services.directory.resolve("list 1099")


async def test_among_a_thousand_lists_a_name_costs_a_look_once_and_one_request_afterwards(
    world: World,
) -> None:
    for number in range(997):  # and the three that are there
        world.sandbox.add_list(f"list {number}")
    near, far = world.sandbox.list_id("list 7"), world.sandbox.list_id("list 950")

    async with world.services() as services:
        assert (await services.directory.resolve("list 950"))[0] == far
        assert requests(world) == ["/lead-lists"] * 10
        for name, list_id in (("list 950", far), ("List 7", near), ("LIST 950", far)):
            await world.clock.sleep(LOOK_SECONDS / 4)
            assert (await services.directory.resolve(name))[0] == list_id
            assert requests(world) == [f"/lead-lists/{list_id}"]
        await world.clock.sleep(LOOK_SECONDS)
        assert (await services.directory.resolve("list 950"))[0] == far
        assert requests(world) == ["/lead-lists"] * 10


async def test_a_name_beyond_the_first_thousand_is_found_once_it_was_shown(world: World) -> None:
    for number in range(1_100):
        world.sandbox.add_list(f"list {number}")

    async with world.connect() as session:
        first = await session.call("find_lists", query="list 1099")
        missed = await session.error("get_leads", list_id="list 1099")
        await session.call("find_lists", query="list 1099", cursor=first["cursor"])
        for _ in range(2):
            shown = await session.call("get_leads", list_id="LIST 1099")
            await world.clock.sleep(LOOK_SECONDS - 1)

    assert missed["code"] == "not_found"
    assert shown["list_id"] == world.sandbox.list_id("list 1099")


async def test_a_second_list_of_that_name_is_found_once_the_last_look_is_some_minutes_old(
    world: World,
) -> None:
    first = world.sandbox.list_id("Q3 Prospects")

    async with world.services() as services:
        await services.directory.resolve("Q3 Prospects")
        second = world.sandbox.add_list("q3 prospects")
        assert await services.directory.resolve("Q3 Prospects") == (first, "Q3 Prospects")
        await world.clock.sleep(LOOK_SECONDS + 1)
        with pytest.raises(AmbiguousList) as refused:
            await services.directory.resolve("Q3 Prospects")

    assert refused.value.figures["list_ids"] == [first, second]


async def test_a_namesake_that_any_tool_has_seen_counts_at_once(world: World) -> None:
    async with world.connect() as session:
        await session.call("get_leads", list_id="Q3 Prospects")
        world.sandbox.add_list("Q3 PROSPECTS")
        await session.call("find_lists", query="q3")
        error = await session.error("estimate", list_id="Q3 Prospects")

    assert error["code"] == "ambiguous_list"


async def test_of_two_namesakes_the_one_that_is_left_is_found_and_costs_one_request_then(
    world: World,
) -> None:
    ids = [world.sandbox.add_list("Twins", 2), world.sandbox.add_list("Twins", 1)]
    lists = world.sandbox.lists

    async with world.services() as services:
        with pytest.raises(AmbiguousList):
            await services.directory.resolve("Twins")
        lists.delete(lists.get(world.sandbox.account(), ids[0]))
        requests(world)
        for _ in range(2):
            assert await services.directory.resolve("Twins") == (ids[1], "Twins")

    assert requests(world) == ["/lead-lists", f"/lead-lists/{ids[1]}"]


async def test_a_list_that_is_gone_is_not_found_by_the_name_or_id_that_was_seen(world: World) -> None:
    lists, list_id = world.sandbox.lists, world.sandbox.list_id("Q3 Prospects")

    async with world.services() as services:
        await services.directory.resolve("Q3 Prospects")
        lists.delete(lists.get(world.sandbox.account(), list_id))
        with pytest.raises(NotFound):
            await services.directory.resolve("Q3 Prospects")
        with pytest.raises(NotFound):
            await services.directory.resolve(list_id)


async def test_a_name_that_is_also_a_lists_id_means_that_list_although_the_name_was_seen(
    world: World,
) -> None:
    list_id = world.sandbox.list_id("Q3 Prospects")
    world.sandbox.add_list(list_id)

    async with world.services() as services:
        await services.directory.resolve(list_id)
        await world.clock.sleep(MEMORY_SECONDS + 1)
        assert await services.directory.resolve(list_id) == (list_id, "Q3 Prospects")


async def test_a_name_is_not_taken_from_memory_while_the_api_is_down(world: World) -> None:
    async with world.services() as services:
        await services.directory.resolve("Q3 Prospects")
        world.sandbox.faults.next("GET /lead-lists/*", "server_error", times=9, retryable=False)
        with pytest.raises(ApiUnavailable):
            await services.directory.resolve("Q3 Prospects")


async def test_a_key_that_cannot_read_lists_can_still_use_ids(world: World) -> None:
    key = world.sandbox.add_account("writer", scopes={"lists:write"})

    async with world.services(api_key=key) as services:
        assert await services.directory.resolve("list-1") == ("list-1", "")
        with pytest.raises(InsufficientScope):
            await services.directory.resolve("Q3 Prospects")


async def test_a_name_is_not_taken_for_an_id_because_the_api_is_down(world: World) -> None:
    world.sandbox.faults.next("GET /lead-lists", "server_error", times=9, retryable=False)

    async with world.services() as services:
        with pytest.raises(ApiUnavailable):
            await services.directory.resolve("Prospects")


async def test_without_the_list_tools_the_advice_names_none_of_them(world: World) -> None:
    async with world.services(toolsets=frozenset({"core"})) as services:
        with pytest.raises(NotFound) as missed:
            await services.directory.resolve("No such list", lists_on=False)

    assert missed.value.next_step == "Ask the user for the list's exact name."


@pytest.mark.parametrize("text", ["", "a b", "a/b", "é", "x" * 129, "a\n", "../x"])
def test_what_cannot_be_an_id(text: str) -> None:
    assert not is_id(text)
