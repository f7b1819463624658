"""Rows are taken out of a list so that a wrong removal is seen, and a lost answer is no riddle."""

from typing import Any

import httpx
import pytest

from cleanlist_mcp.answers.lists import NAMED_ROWS
from cleanlist_mcp.lists.directory import MAX_PAGES
from cleanlist_mcp.sandbox.lists import LeadList
from cleanlist_mcp.sandbox.people import Identity
from tests.support import Edited, Session, World, text_of

REMOVAL = "DELETE /lead-lists/*/leads"


def crowd(count: int) -> list[Identity]:
    return [
        Identity(first_name=f"Ada{number}", last_name="Fable", email=f"p{number}@fable.example")
        for number in range(count)
    ]


def lead_list(world: World, list_id: str) -> LeadList:
    return world.sandbox.lists.get(world.sandbox.account(), list_id)


def removals(world: World) -> list[list[str]]:
    """The ids in the requests that took rows out."""
    return [record.body["lead_ids"] for record in world.sandbox.requests if record.method == "DELETE"]


def pages(world: World) -> int:
    """Count the pages of rows that were asked for."""
    return sum(record.method == "GET" and record.path.endswith("/leads") for record in world.sandbox.requests)


def small_list(world: World, count: int = 5) -> tuple[str, list[str]]:
    list_id = world.sandbox.add_list("Fair", crowd(count))
    return list_id, list(lead_list(world, list_id).leads)


async def test_rows_go_and_the_answer_names_them_and_the_way_back(world: World, era: str) -> None:
    list_id, ids = small_list(world)

    async with world.connect(era) as session:
        shown = await session.call("get_leads", list_id="Fair", details=True)
        assert [row["lead_id"] for row in shown["leads"]] == ids
        answer = await session.call("remove_leads", list_id="fair", lead_ids=[ids[1], ids[3]])
        left = await session.call("get_leads", list_id="Fair")

    assert (answer["removed"], answer["list_name"]) == (2, "Fair")
    assert answer["removed_rows"] == [
        {"lead_id": ids[1], "name": "Ada1 Fable"},
        {"lead_id": ids[3], "name": "Ada3 Fable"},
    ]
    assert answer["summary"] == (
        '2 rows were taken out of "Fair": "Ada1 Fable", "Ada3 Fable". The people themselves stay at Cleanlist.'
    )
    assert answer["next_step"].startswith(
        f'To undo it call add_leads(list_id="{list_id}", lead_ids=[…]) with the same lead_ids,'
    )
    assert "unknown" not in answer and "not_in_list" not in answer
    assert [row["name"] for row in left["leads"]] == ["Ada0 Fable", "Ada2 Fable", "Ada4 Fable"]
    assert world.sandbox.lists.lead(world.sandbox.account(), ids[1]) is not None


async def test_a_row_without_a_name_is_named_by_its_address(world: World) -> None:
    list_id = world.sandbox.add_list("Fair", [Identity(email="a@fable.example")])
    lead_id = next(iter(lead_list(world, list_id).leads))

    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=[lead_id])

    assert answer["summary"].startswith('1 row was taken out of "Fair": "a@fable.example".')


async def test_ids_that_are_in_no_row_are_named_and_not_sent(world: World, era: str) -> None:
    list_id, ids = small_list(world)
    other = next(iter(lead_list(world, world.sandbox.list_id("Q3 Prospects")).leads))

    async with world.connect(era) as session:
        answer = await session.call(
            "remove_leads", list_id=list_id, lead_ids=[other, ids[0], "lead-9", ids[0]]
        )

    assert answer["not_in_list"] == [other, "lead-9"]
    assert (answer["removed"], removals(world)) == (1, [[ids[0]]])
    assert answer["summary"].endswith("2 of the ids are in no row of it.")
    assert "without those in not_in_list" in answer["next_step"]
    assert other in lead_list(world, world.sandbox.list_id("Q3 Prospects")).leads


async def test_ids_that_are_all_elsewhere_send_nothing(world: World) -> None:
    list_id, _ = small_list(world)

    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=["lead-9"])

    assert (answer["removed"], answer["not_in_list"], removals(world)) == (0, ["lead-9"], [])
    assert answer["summary"] == 'Nothing was taken out of "Fair". 1 of the ids is in no row of it.'
    assert "details=true" in answer["next_step"]


async def test_a_hundred_rows_go_at_once_and_twenty_five_of_them_are_named(world: World) -> None:
    list_id, ids = small_list(world, 101)

    async with world.connect() as session:
        too_many = await session.error("remove_leads", list_id=list_id, lead_ids=ids)
        assert world.sandbox.requests == []
        result = await session.result("remove_leads", list_id=list_id, lead_ids=ids[:100])

    answer: dict[str, Any] = result.structured_content or {}
    assert (too_many["code"], too_many["field_errors"][0]["field"]) == ("invalid_arguments", "lead_ids")
    assert (answer["removed"], len(answer["removed_rows"])) == (100, NAMED_ROWS)
    assert '"Ada4 Fable" and 95 more.' in answer["summary"]
    assert list(lead_list(world, list_id).leads) == ids[100:]
    assert len(text_of(result).encode()) < 2_500 * 4


@pytest.mark.parametrize("given", ["one", '["one", "two"]', ["one", "", None, "two"]])
async def test_ids_come_as_a_text_as_json_and_with_gaps(world: World, era: str, given: Any) -> None:
    list_id, ids = small_list(world)
    named = {"one": ids[0], "two": ids[1]}
    if isinstance(given, str):
        for word, lead_id in named.items():
            given = given.replace(word, lead_id)
    else:
        given = [named.get(word, word) for word in given]

    async with world.connect(era) as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=given)

    assert answer["removed"] == len(removals(world)[0]) == (1 if given == ids[0] else 2)


@pytest.mark.parametrize("wrong", [[], None, ["a/b"], ["../leads"], ["x" * 129], [{"lead_id": "x"}], [1.5]])
async def test_what_cannot_be_ids_is_refused_before_any_request(world: World, wrong: Any) -> None:
    async with world.connect() as session:
        error = await session.error("remove_leads", list_id="Q3 Prospects", lead_ids=wrong)

    assert error["code"] == "invalid_arguments"
    assert "lead_ids" in error["message"] or error["field_errors"][0]["field"].startswith("lead_ids")
    assert world.sandbox.requests == []


async def test_an_ambiguous_or_missing_list_loses_no_row(world: World) -> None:
    world.sandbox.add_list("Twins", 2)
    world.sandbox.add_list("twins", 1)

    async with world.connect() as session:
        ambiguous = await session.error("remove_leads", list_id="Twins", lead_ids=["lead-1"])
        missing = await session.error("remove_leads", list_id="Q3 Prospekts", lead_ids=["lead-1"])

    assert (ambiguous["code"], missing["code"], removals(world)) == ("ambiguous_list", "not_found", [])


@pytest.mark.parametrize("kind", ["reset_after", "unreadable", "truncated", "bad_gateway"])
async def test_after_a_lost_answer_the_list_shows_who_has_gone(world: World, era: str, kind: Any) -> None:
    list_id, ids = small_list(world)
    world.sandbox.faults.next(REMOVAL, kind, after=True)

    async with world.connect(era) as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], len(removals(world))) == (2, 1)
    assert "unknown" not in answer
    assert [row["lead_id"] for row in answer["removed_rows"]] == ids[:2]


@pytest.mark.parametrize("kind", ["reset_before", "server_error"])
async def test_a_removal_that_did_not_happen_is_unknown_and_is_not_repeated_from_here(
    world: World, era: str, kind: Any
) -> None:
    list_id, ids = small_list(world)
    world.sandbox.faults.next(REMOVAL, kind)

    async with world.connect(era) as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])
        again = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], answer["unknown"]) == (0, 2)
    assert answer["summary"] == "The removal of 2 rows was sent, and its answer was lost."
    assert answer["next_step"].startswith("Call remove_leads again with the same arguments")
    assert "removed_rows" not in answer
    assert (again["removed"], "unknown" in again) == (2, False)


async def test_without_a_second_look_all_of_it_is_unknown(world: World) -> None:
    list_id, ids = small_list(world)

    def deaf(request: httpx.Request) -> None:
        if request.method == "DELETE":
            world.sandbox.faults.next("GET /lead-lists/*/leads", "server_error", times=9, retryable=False)

    world.transport = _Noticing(world.transport, deaf)
    world.sandbox.faults.next(REMOVAL, "reset_after")
    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])
        world.sandbox.faults.clear()
        again = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], answer["unknown"]) == (0, 2)
    assert (again["removed"], again["not_in_list"]) == (0, ids[:2])


class _Noticing(httpx.AsyncBaseTransport):
    """A network that shows each request before it goes on."""

    def __init__(self, inner: httpx.AsyncBaseTransport, show: Any) -> None:
        self._inner = inner
        self._show = show

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._show(request)
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize("kind", ["refused", "rate_limited", "unavailable"])
async def test_a_removal_that_was_not_looked_at_is_sent_again_and_counted_right(
    world: World, kind: Any
) -> None:
    list_id, ids = small_list(world)
    world.sandbox.faults.next(REMOVAL, kind)

    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], "unknown" in answer) == (2, False)


async def test_a_refusal_of_the_api_is_an_error_and_nothing_went(world: World) -> None:
    list_id, ids = small_list(world)
    account = world.sandbox.account()
    account.scopes = account.scopes - {"lists:write"}

    async with world.connect() as session:
        error = await session.error("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (error["code"], error["charged"]) == ("insufficient_scope", "no")
    assert list(lead_list(world, list_id).leads) == ids


async def test_names_are_looked_for_no_further_than_the_ids_are_found(world: World) -> None:
    list_id, ids = small_list(world, 1_200)

    async with world.connect() as session:
        await session.call("remove_leads", list_id=list_id, lead_ids=[ids[3]])
        assert pages(world) == 1
        await session.call("remove_leads", list_id=list_id, lead_ids=[ids[4], ids[700]])
        assert pages(world) == 3


async def test_in_a_list_that_is_too_long_to_look_through_ids_are_sent_unseen(world: World) -> None:
    list_id, ids = small_list(world, 5_010)

    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=[ids[0], ids[5_005], "lead-9"])

    assert pages(world) == MAX_PAGES
    assert removals(world) == [[ids[0], ids[5_005], "lead-9"]]
    assert answer["removed"] == 2
    assert [row["lead_id"] for row in answer["removed_rows"]] == [ids[0]]
    assert '2 rows were taken out of "Fair": "Ada0 Fable" and 1 more.' in answer["summary"]


async def test_an_answer_that_does_not_say_how_many_counts_the_rows_that_were_seen(world: World) -> None:
    list_id, ids = small_list(world)
    world.transport = Edited(world.transport, lambda data: data.pop("removed", None), "/leads", "DELETE")

    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert answer["removed"] == 2


async def test_rows_that_somebody_else_took_meanwhile_are_not_counted_and_nobody_is_named_wrongly(
    world: World,
) -> None:
    list_id, ids = small_list(world)

    def take_one(request: httpx.Request) -> None:
        if request.method == "DELETE":
            del lead_list(world, list_id).leads[ids[0]]

    world.transport = _Noticing(world.transport, take_one)
    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], "removed_rows" in answer) == (1, False)
    assert answer["summary"] == (
        '1 row was taken out of "Fair". The people themselves stay at Cleanlist. Others had gone already.'
    )


async def test_rows_that_are_shown_without_their_ids_can_be_taken_out_all_the_same(world: World) -> None:
    list_id, ids = small_list(world)

    def without_ids(data: dict[str, Any]) -> None:
        for row in data["leads"]:
            del row["lead_id"]

    world.transport = Edited(world.transport, without_ids, "/leads", "GET")
    async with world.connect() as session:
        answer = await session.call("remove_leads", list_id=list_id, lead_ids=ids[:2])

    assert (answer["removed"], "not_in_list" in answer) == (2, False)
    assert list(lead_list(world, list_id).leads) == ids[2:]


async def test_rows_that_went_are_not_shown_by_an_answer_that_goes_on_in_their_page(world: World) -> None:
    list_id, ids = small_list(world, 60)

    async with world.connect() as session:
        first = await session.call("get_leads", list_id=list_id, limit=25)
        await session.call("remove_leads", list_id=list_id, lead_ids=ids[40:50])
        rest = await session.call("get_leads", list_id=list_id, limit=100, cursor=first["cursor"])

    names = [row["name"] for row in rest["leads"]]
    assert names == [f"Ada{number} Fable" for number in (*range(25, 40), *range(50, 60))]


async def test_the_tool_is_announced_as_one_that_takes_away(world: World) -> None:
    async with world.connect() as session:
        tools = {tool.name: tool for tool in (await session.client.list_tools()).tools}
    async with world.connect(read_only=True) as session:
        names = await _names(session)
        error = await session.error("remove_leads", list_id="Q3 Prospects", lead_ids=["lead-1"])

    hints = tools["remove_leads"].annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (False, True, True)
    assert "remove_leads" not in names
    assert error["code"] == "read_only"


async def _names(session: Session) -> set[str]:
    return {tool.name for tool in (await session.client.list_tools()).tools}


ADDED = [
    {"email": "ada@fable.example"},
    {"email": "grace@fable.example", "first_name": "Grace", "last_name": "Fable", "title": "Admiral"},
    {"email": "edsger@fable.example", "title": "Admiral", "city": "Paris"},
    {"linkedin_url": "https://www.linkedin.com/in/kim-fable"},
    {"first_name": "Lea", "last_name": "Fable", "company_name": "Fable Ltd"},
]


@pytest.mark.parametrize(
    "again", [ADDED, [*ADDED, {"email": "new@fable.example"}]], ids=["alone", "and another"]
)
async def test_whoever_was_taken_out_is_added_again_and_nobody_else(
    world: World, again: list[dict[str, str]]
) -> None:
    list_id = world.sandbox.add_list("Fair")

    async with world.connect() as session:
        await session.call("add_leads", list_id=list_id, people=ADDED)
        for _ in range(2):
            await session.call(
                "remove_leads", list_id=list_id, lead_ids=list(lead_list(world, list_id).leads)
            )
            answer = await session.call("add_leads", list_id=list_id, people=again)

            assert answer["imported"] == len(lead_list(world, list_id).leads) == len(again)
            assert answer["summary"].startswith(f"{len(again)} rows imported, 0 skipped")


async def test_those_who_stayed_are_not_added_again(world: World) -> None:
    list_id = world.sandbox.add_list("Fair")

    async with world.connect() as session:
        await session.call("add_leads", list_id=list_id, people=ADDED)
        gone = list(lead_list(world, list_id).leads)[1]
        await session.call("remove_leads", list_id=list_id, lead_ids=[gone])
    # As for rows that nobody has enriched yet: only the journal has them.
    world.transport = Edited(world.transport, lambda data: data.update(leads=[]), "/leads", "GET")
    async with world.connect() as session:
        answer = await session.call("add_leads", list_id=list_id, people=ADDED)

    assert answer["summary"].startswith("1 row imported, 4 in the list by an earlier call")
    assert len(lead_list(world, list_id).leads) == len(ADDED)
