"""Calls whose people overlap, at once or after a lost answer: everybody lands once, and each row is accounted for."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.fault_matrix import FAULTS
from benchmarks.import_faults import ROUTE, make_world
from cleanlist_mcp.answers import imports
from cleanlist_mcp.answers.list_shapes import AddLeadsResult
from cleanlist_mcp.calls import importing
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import ApiError, JournalUnusable
from cleanlist_mcp.imports import chunks
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.server.boundary import CALL_SECONDS
from cleanlist_mcp.services import Services
from tests.journals import database_of
from tests.support import Answering, VirtualNetwork, World

HOUR = 3600.0
NAME = "Imported"


def people(*numbers: int) -> list[dict[str, str]]:
    """A person for each number, the same one for the same number; every third has only a name."""
    return [
        {"first_name": f"Ada{number}", "last_name": "Fable", "domain": "fable.example"}
        if number % 3 == 0
        else {"email": f"p{number}@fable.example"}
        for number in numbers
    ]


def rows_of(records: Sequence[Mapping[str, object]]) -> list[tuple[int, Mapping[str, object]]]:
    return list(enumerate(records, 1))


async def add(
    world: World, services: Services, records: Sequence[Mapping[str, object]], name: str = NAME
) -> AddLeadsResult:
    """Do what `add_leads` does; each row given is in exactly one of the five counts, and the time is kept."""
    began = world.clock.monotonic()
    answer = await importing.add_people(Call(services, CALL_SECONDS), name, rows_of(records))
    assert world.clock.monotonic() - began <= CALL_SECONDS
    counted = (answer.imported, answer.merged, answer.skipped, answer.unknown or 0, answer.not_sent or 0)
    assert sum(counted) == len(records)
    return answer


def copies(world: World, name: str = NAME) -> Counter[str]:
    """Count how often each person is in the list, imports under way included."""
    lead_list = world.sandbox.lists.get(world.sandbox.account(), world.sandbox.list_id(name))
    arriving = [lead for _, found in lead_list.arriving for lead in found]
    found = [lead.row() for lead in (*lead_list.leads.values(), *arriving)]
    return Counter(str(row["email"] or row["first_name"]) for row in found)


def once(*numbers: int) -> dict[str, int]:
    """Return the `copies` of a list in which everybody landed once."""
    return {str(one.get("email") or one["first_name"]): 1 for one in people(*numbers)}


def imports_sent(world: World) -> int:
    return sum(record.path.endswith("/csv-import") for record in world.sandbox.requests)


@pytest.fixture
def listed(tmp_path: Path) -> World:
    """A world in virtual time with an empty list."""
    world = make_world(tmp_path / "state", 0.0)
    world.sandbox.add_list(NAME)
    return world


async def lose(world: World, services: Services, *numbers: int, landed: bool) -> None:
    """A call all of whose answers are lost; its people landed, or did not."""
    world.sandbox.faults.next(ROUTE, "reset_after" if landed else "reset_before", times=50)
    answer = await add(world, services, people(*numbers))
    world.sandbox.faults.clear()
    assert (answer.imported, answer.unknown) == (0, len(numbers))


class Dying(httpx.AsyncBaseTransport):
    """A network on which the sender of an import ends, before it has left or after it arrived."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, arrives: bool) -> None:
        self._inner = inner
        self._arrives = arrives
        self.end = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/csv-import"):
            return await self._inner.handle_async_request(request)
        if self._arrives:
            await self._inner.handle_async_request(request)
        self.end.set()
        await anyio.sleep_forever()
        raise AssertionError


async def die(world: World, *numbers: int, arrives: bool) -> None:
    """A process that ends in the middle of an import, so that nothing is written down after its intent."""
    healthy = world.transport
    world.transport = dying = Dying(healthy, arrives=arrives)

    async def call(services: Services) -> None:
        with suppress(ApiError):
            await add(world, services, people(*numbers))
        dying.end.set()  # there was nobody to send, or a refusal came first

    async with world.services() as services, anyio.create_task_group() as tasks:
        tasks.start_soon(call, services)
        await dying.end.wait()
        tasks.cancel_scope.cancel()
    world.transport = healthy


@asynccontextmanager
async def servers(world: World, count: int) -> AsyncIterator[list[Services]]:
    """That many servers on one state folder, five at most."""
    async with (
        world.services() as a,
        world.services() as b,
        world.services() as c,
        world.services() as d,
        world.services() as e,
    ):
        yield [a, b, c, d, e][:count]


async def at_once(
    world: World, running: Sequence[Services], sets: Sequence[Sequence[int]]
) -> list[AddLeadsResult]:
    """The answers to parallel calls, each to the next of the servers, in the order of the sets."""
    answers: dict[int, AddLeadsResult] = {}

    async def call(number: int) -> None:
        answers[number] = await add(world, running[number % len(running)], people(*sets[number]))

    async with anyio.create_task_group() as tasks:
        for number in range(len(sets)):
            tasks.start_soon(call, number)
    return [answers[number] for number in range(len(sets))]


async def one_after_another(
    world: World, running: Sequence[Services], *sets: Sequence[int]
) -> list[AddLeadsResult]:
    """The answers to calls, each of which begins a second after the one before and is not waited for."""
    answers: dict[int, AddLeadsResult] = {}

    async def call(number: int) -> None:
        await world.clock.sleep(number)
        answers[number] = await add(world, running[number % len(running)], people(*sets[number]))

    async with anyio.create_task_group() as tasks:
        for number in range(len(sets)):
            tasks.start_soon(call, number)
    return [answers[number] for number in range(len(sets))]


OVERLAPS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((1, 2), (2, 3)),
    ((1, 2, 3), (2,)),
    ((2,), (1, 2, 3)),
    ((1, 2, 3), (3, 1, 2)),
    ((1, 2), (2, 3), (3, 1)),
    ((1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6), (5, 6, 1), (1, 4)),
)


@pytest.mark.parametrize("import_seconds", [0.0, 6.0])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("sets", OVERLAPS, ids=str)
async def test_overlapping_calls_at_once_put_everybody_in_once_and_all_of_them_say_so(
    listed: World, sets: tuple[tuple[int, ...], ...], count: int, import_seconds: float
) -> None:
    listed.sandbox.options.import_seconds = import_seconds
    async with servers(listed, count) as running:
        answers = await at_once(listed, running, sets)

    assert copies(listed) == once(*{number for one in sets for number in one})
    assert [answer.imported for answer in answers] == [len(one) for one in sets]
    new = sum(one.imported - (one.imported if "earlier call" in one.summary else 0) for one in answers)
    assert new <= len(copies(listed))


async def test_people_whom_a_parallel_call_sends_are_waited_for_and_not_called_new(listed: World) -> None:
    listed.sandbox.options.import_seconds = 10.0
    async with servers(listed, 2) as running:
        first, second = await one_after_another(listed, running, (1, 2), (2, 3))

    assert first.summary.startswith("2 rows imported, 0 skipped;")
    assert second.summary.startswith("1 row imported, 1 in the list by an earlier call, not added again,")
    assert copies(listed) == once(1, 2, 3)
    assert listed.clock.monotonic() < 13  # the free one went out at once


async def test_people_whose_parallel_import_outlasts_the_call_are_unknown_and_the_wait_is_named(
    listed: World,
) -> None:
    listed.sandbox.options.import_seconds = 100.0
    async with listed.services(timeout_seconds=120.0) as one, listed.services(timeout_seconds=120.0) as other:
        first, second = await one_after_another(listed, [one, other], (1, 2), (2,))

    assert (first.unknown, second.unknown) == (2, 1)
    assert "another call has sent these people and waits for its answer" in second.summary
    assert second.next_step and second.next_step.startswith("Wait 8")
    assert imports_sent(listed) == 1


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("wait", [0.0, 70.0])
async def test_a_part_of_a_lost_import_is_held_and_the_others_are_sent(
    listed: World, landed: bool, wait: float
) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, 3, landed=landed)
        await listed.clock.sleep(wait)
        overlap = await add(listed, services, people(3, 4, 2, 5))

        assert (overlap.imported, overlap.unknown) == (2, 2)
        assert overlap.summary.startswith("2 rows imported, 0 skipped;")
        assert (
            "2 rows not sent: an earlier call sent these people, with others or in another spelling, and its answer "
            "was lost: they may or may not be in the list. Repeat that earlier add_leads call with the very same "
            "people"
        ) in overlap.summary
        assert "look with get_leads" in overlap.summary
        assert overlap.next_step == imports.HELD_ELSEWHERE

        await listed.clock.sleep(70)
        settled = await add(listed, services, people(1, 2, 3))
        again = await add(listed, services, people(3, 4, 2, 5))

    assert (settled.imported, again.imported) == (3, 4)
    assert copies(listed) == once(1, 2, 3, 4, 5)


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("numbers", [(2,), (3, 1), (1, 2)], ids=str)
async def test_a_subset_of_a_lost_import_sends_nobody(
    listed: World, numbers: tuple[int, ...], landed: bool
) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, 3, landed=landed)
        before = imports_sent(listed)
    async with listed.services() as services:
        await listed.clock.sleep(70)
        answer = await add(listed, services, people(*numbers))

    assert (answer.imported, answer.unknown) == (0, len(numbers))
    assert "imported, 0 skipped" in answer.summary and answer.summary.startswith("0 rows")
    assert imports_sent(listed) == before
    assert copies(listed) == (once(1, 2, 3) if landed else {})


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("numbers", [(1, 2, 3), (3, 1, 2), (4, 3, 2, 1, 5)], ids=str)
async def test_a_call_with_all_people_of_a_lost_import_settles_it(
    listed: World, numbers: tuple[int, ...], landed: bool
) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, 3, landed=landed)
    async with listed.services() as services:
        answer = await add(listed, services, people(*numbers))

    assert (answer.imported, answer.unknown) == (len(numbers), None)
    assert copies(listed) == once(*numbers)
    assert ("in the list by an earlier call" in answer.summary) == landed


async def test_a_lost_import_of_several_chunks_is_settled_by_a_call_with_one_of_them(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 3)
    titled = people(1, 2) + [one | {"title": "Boss"} for one in people(3, 4)]  # the first chunk has no titles
    async with listed.services() as services:
        listed.sandbox.faults.next(ROUTE, "reset_after", times=2)
        await add(listed, services, titled)
        await listed.clock.sleep(70)
        answer = await add(listed, services, titled[2::-1])

    assert answer.imported == 3
    assert set(copies(listed).values()) == {1}


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_process_that_ends_while_it_sends_leaves_people_whom_nobody_else_sends(
    listed: World, arrives: bool
) -> None:
    await die(listed, 1, 2, 3, arrives=arrives)
    async with listed.services() as services:
        part = await add(listed, services, people(2, 4))
        whole = await add(listed, services, people(1, 2, 3))
        part_again = await add(listed, services, people(2, 4))

    assert (part.imported, part.unknown) == (1, 1)
    assert (whole.imported, whole.unknown, part_again.imported) == (3, None, 2)
    assert copies(listed) == once(1, 2, 3, 4)


@pytest.mark.parametrize("again", [(1, 2), (1,), (2, 3)], ids=str)
async def test_a_certain_refusal_frees_its_people_at_once(listed: World, again: tuple[int, ...]) -> None:
    async with listed.services() as services:
        listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)
        with pytest.raises(ApiError):
            await add(listed, services, people(1, 2))
    async with listed.services() as services:
        await listed.clock.sleep(60.0)  # a refusal holds for all processes that use the key
        answer = await add(listed, services, people(*again))

    assert answer.imported == len(again)
    assert copies(listed) == once(*again)


REFUSALS = [(400, "missing_column"), (401, ""), (403, "list_protected"), (404, ""), (413, ""), (422, "")]
PERHAPS = [
    *((408, ""), (425, ""), (499, ""), (500, ""), (502, ""), (504, "")),
    *((408, "timed_out"), (425, "too_early"), (499, "closed"), (500, "internal_error")),
    *(
        (400, "already_processing"),
        (409, "duplicate_request"),
        (422, "import_in_progress"),
        (403, "key-used"),
    ),
]


def saying(status: int, code: str) -> httpx.Response:
    """A refusal by the API, or by a proxy if it has no code."""
    if not code:
        return httpx.Response(status, content=b"<html>no</html>")
    return httpx.Response(status, json={"error": {"code": code, "problem": "No.", "retryable": False}})


@pytest.mark.parametrize(("status", "code"), REFUSALS)
async def test_a_refusal_that_proves_that_nobody_was_added_frees_everybody(
    listed: World, status: int, code: str
) -> None:
    healthy = listed.transport
    listed.transport = Answering(healthy, "/csv-import", saying(status, code))
    async with listed.services() as services:
        with pytest.raises(ApiError):
            await add(listed, services, people(1, 2))
    listed.transport = healthy
    async with listed.services() as services:
        assert (await add(listed, services, people(2, 3))).imported == 2


@pytest.mark.parametrize(("status", "code"), PERHAPS)
async def test_a_refusal_that_may_hide_an_import_holds_everybody(
    listed: World, status: int, code: str
) -> None:
    healthy = listed.transport
    listed.transport = Answering(healthy, "/csv-import", saying(status, code))
    async with listed.services() as services:
        assert (await add(listed, services, people(1, 2))).unknown == 2
    listed.transport = healthy
    async with listed.services() as services:
        part = await add(listed, services, people(2, 3))
        whole = await add(listed, services, people(1, 2))

    assert (part.imported, part.unknown, whole.imported) == (1, 1, 2)


@pytest.mark.parametrize("numbers", [(1, 2), (2,), (2, 1, 3)], ids=str)
async def test_after_a_day_the_people_of_a_lost_import_stay_unknown_and_the_others_are_sent(
    listed: World, numbers: tuple[int, ...]
) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=True)
        await listed.clock.sleep(23 * HOUR)
        answer = await add(listed, services, people(*numbers))

    others = set(numbers) - {1, 2}
    held = len(numbers) - len(others)
    assert (answer.imported, answer.unknown) == (len(others), held)
    assert "they may or may not be in the list, and a repeat could add them twice" in answer.summary
    assert answer.next_step == imports.NOT_REPEATABLE
    assert copies(listed) == once(1, 2, *others)


async def test_a_repeat_does_not_prolong_the_day_for_which_the_api_knows_a_key(listed: World) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=True)
        await listed.clock.sleep(20 * HOUR)
        listed.sandbox.faults.next(ROUTE, "reset_before", times=50)
        await add(listed, services, people(1, 2))
        listed.sandbox.faults.clear()
        await listed.clock.sleep(10 * HOUR)
        answer = await add(listed, services, people(1, 2))

    assert answer.unknown == 2
    assert copies(listed) == once(1, 2)


@pytest.mark.parametrize("jump", [-2 * HOUR, 25 * HOUR, 400 * HOUR])
async def test_a_clock_that_is_set_while_an_import_is_under_way_changes_nothing(
    listed: World, jump: float
) -> None:
    listed.sandbox.options.import_seconds = 15.0
    answers = []

    async def call(services: Services, *numbers: int) -> None:
        answers.append(await add(listed, services, people(*numbers)))

    async with servers(listed, 2) as (one, other), anyio.create_task_group() as tasks:
        tasks.start_soon(call, one, 1, 2)
        await listed.clock.sleep(5)
        listed.sandbox.clock = lambda: listed.clock.now + 1_795_000_000.0  # the API's own clock goes on
        listed.clock.epoch += jump
        tasks.start_soon(call, other, 2, 1)

    assert imports_sent(listed) == 1
    assert sum(answer.imported for answer in answers) >= 2
    assert copies(listed) == once(1, 2)


async def test_a_clock_set_back_does_not_make_a_forgotten_key_good_again(listed: World) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=True)
        await listed.clock.sleep(30 * HOUR)
        listed.clock.epoch -= 20 * HOUR
        answer = await add(listed, services, people(1, 2))

    assert answer.unknown == 2
    assert imports_sent(listed) == 2


async def test_rows_of_one_person_go_in_once_also_where_they_would_be_in_two_chunks(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    ada, grace = people(3, 1)
    records = [
        *(ada, grace, *people(2, 4)),
        *(ada | {"title": "Countess"}, {"email": "P1@fable.example", "title": "Admiral"}, ada, *people(5)),
    ]
    async with listed.services() as services:
        answer = await add(listed, services, records)

    assert copies(listed) == once(1, 2, 3, 4, 5)
    assert [(one.row, one.into) for one in answer.merged_rows or []] == [(5, 1), (7, 1), (6, 2)]


OWN_DUPLICATES = (
    *({"email": "ada@fable.example"}, {"email": "ada@fable.example", "title": "Countess"}),
    {"email": "Ada@Fable.example", "first_name": "Ada", "last_name": "Fable"},
)


@pytest.mark.parametrize("landed", [None, False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2), (2,), (0,)], ids=str)
async def test_rows_of_one_person_are_recognised_in_any_order_and_number(
    listed: World, order: tuple[int, ...], landed: bool | None
) -> None:
    async with listed.services() as services:
        if landed is not None:
            listed.sandbox.faults.next(ROUTE, "reset_after" if landed else "reset_before", times=50)
        first = await add(listed, services, [*OWN_DUPLICATES, *people(1)])
        listed.sandbox.faults.clear()
        await listed.clock.sleep(70)
        again = await add(listed, services, [OWN_DUPLICATES[number] for number in order])
        await listed.clock.sleep(70)
        settled = await add(listed, services, [*people(1), *reversed(OWN_DUPLICATES)])

    assert (first.imported or first.unknown, first.merged, first.skipped) == (2, 2, 0)
    assert (again.imported, again.unknown) == ((1, None) if landed is None else (0, 1))
    assert settled.imported == 2
    assert copies(listed) == {"ada@fable.example": 1, **once(1)}


async def test_calls_at_once_with_the_rows_of_one_person_in_other_orders_send_one_of_them(
    listed: World,
) -> None:
    listed.sandbox.options.import_seconds = 5.0
    answers = []

    async def call(services: Services, *order: int) -> None:
        answers.append(await add(listed, services, [OWN_DUPLICATES[number] for number in order]))

    async with servers(listed, 3) as running, anyio.create_task_group() as tasks:
        for services, order in zip(running, [(0, 1, 2), (2, 1), (1, 0)], strict=True):
            tasks.start_soon(call, services, *order)

    assert [answer.imported for answer in answers] == [1, 1, 1]
    assert imports_sent(listed) == 1


async def test_rows_that_were_two_people_then_and_are_one_now_are_not_repeated_as_two(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    office = {"email": "kim@fable.example"}
    named = [office | {"first_name": name, "last_name": "Fable"} for name in ("Ada", "Grace")]
    async with listed.services() as services:
        listed.sandbox.faults.next(ROUTE, "reset_before", times=50)
        await add(listed, services, [office, *named])  # by Grace the address is nobody's own
        listed.sandbox.faults.clear()
        await listed.clock.sleep(70)
        answer = await add(listed, services, [office, named[0]])
        whole = await add(listed, services, [office, *named])

    assert (answer.imported, answer.merged, answer.unknown) == (0, 1, 1)
    assert (whole.imported, whole.skipped) == (2, 1)


async def test_people_who_share_an_address_are_all_sent(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 1)
    office = {"email": "office@fable.example"}
    named = [office | {"first_name": name, "last_name": "Fable"} for name in ("Ada", "Grace")]
    async with listed.services() as services:
        answer = await add(listed, services, [*named, office, named[1] | {"title": "Admiral"}])

    assert (answer.imported, answer.merged) == (3, 1)
    assert [row.row for row in answer.merged_rows or []] == [4]


async def test_a_person_is_held_for_one_list_alone(listed: World) -> None:
    listed.sandbox.add_list("Elsewhere")
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=False)
        answer = await add(listed, services, people(1, 2), "Elsewhere")

    assert answer.imported == 2
    assert copies(listed, "Elsewhere") == once(1, 2)


async def test_another_key_of_the_account_neither_repeats_nor_forgets(listed: World) -> None:
    other_key = listed.sandbox.add_account("other", colleague_of=listed.sandbox.key)
    shared = listed.sandbox.add_list("Shared", visibility="organization")
    async with listed.services() as services:
        await add(listed, services, people(1, 2), shared)
        listed.sandbox.faults.next(ROUTE, "reset_after", times=50)
        await add(listed, services, people(3, 4), shared)
        listed.sandbox.faults.clear()
    async with listed.services(api_key=SecretStr(other_key)) as services:
        answer = await add(listed, services, people(2, 3, 5), shared)

    assert (answer.imported, answer.unknown) == (2, 1)
    assert copies(listed, "Shared") == once(1, 2, 3, 4, 5)


async def test_without_a_journal_that_can_be_written_nobody_is_sent_and_who_is_held_stays_so(
    listed: World,
) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=False)
        await listed.clock.sleep(70)
        before = imports_sent(listed)
        database_of(services.journal).execute("PRAGMA query_only = ON")
        answer = await add(listed, services, people(2, 3))
        with pytest.raises(JournalUnusable, match=r"(?i)nothing was sent"):
            await add(listed, services, people(3))
        database_of(services.journal).execute("PRAGMA query_only = OFF")

    assert (answer.unknown, answer.not_sent) == (1, 1)
    assert imports_sent(listed) == before


async def test_a_journal_that_cannot_be_read_stops_the_call_with_what_was_done_until_then(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    async with listed.services() as services:
        looks = 0
        look = services.journal.imports.into

        def fail_later(*arguments: Any) -> Any:
            nonlocal looks
            looks += 1
            if looks > 3:
                raise JournalUnusable("The journal cannot be read; nothing was sent.", "Try again.")
            return look(*arguments)

        monkeypatch.setattr(services.journal.imports, "into", fail_later)
        listed.sandbox.faults.next(ROUTE, "slow")
        listed.sandbox.faults.next(ROUTE, "reset_after")
        answer = await add(listed, services, people(1, 2, 4, 5, 7, 8))

    assert (answer.imported, answer.unknown, answer.not_sent) == (2, 2, 2)
    assert answer.next_step == "Try again."
    assert copies(listed) == once(1, 2, 4, 5)


async def test_rows_stay_unknown_where_a_repeat_was_refused_and_the_journal_cannot_be_read_then(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed.services() as services:
        look = services.journal.imports.into

        def fail_later(*arguments: Any) -> Any:
            if imports_sent(listed) < 2:
                return look(*arguments)
            raise JournalUnusable("The journal cannot be read; nothing was sent.", "Try again.")

        monkeypatch.setattr(services.journal.imports, "into", fail_later)
        listed.sandbox.faults.next(ROUTE, "reset_after")
        listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)
        answer = await add(listed, services, people(1, 2))

    assert (answer.unknown, answer.not_sent) == (2, None)


async def test_a_server_with_less_patience_does_not_repeat_what_another_still_waits_for(
    listed: World,
) -> None:
    listed.sandbox.options.import_seconds = 45.0
    listed.transport = VirtualNetwork(transport(listed.sandbox), listed.clock, patience=120.0)
    async with listed.services(timeout_seconds=120.0) as patient, listed.services() as hasty:
        await one_after_another(listed, [patient, hasty], (1, 2), (1, 2))

    assert imports_sent(listed) == 1


async def test_nobody_new_is_sent_while_an_answer_to_the_call_is_missing(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    listed.sandbox.faults.next(ROUTE, "reset_after", times=2)
    async with listed.services() as services:
        answer = await add(listed, services, people(1, 2, 4, 5))

    assert (answer.imported, answer.unknown, answer.not_sent) == (0, 2, 2)
    assert answer.summary.endswith("2 rows not sent yet: an answer is waited for.")
    assert copies(listed) == once(1, 2)


async def test_the_repeat_of_the_call_that_lost_an_answer_is_waited_for(listed: World) -> None:
    await die(listed, 1, 2, arrives=True)
    listed.clock.now += importing.SETTLE_SECONDS + 0.5
    async with servers(listed, 2) as running:
        part, whole = await one_after_another(listed, running, (2, 3), (1, 2))

    assert (part.imported, whole.imported) == (2, 2)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM import_people WHERE place = 1",
        "DELETE FROM import_people",
        "UPDATE imports SET digests = -1",
        "UPDATE imports SET rows_imported = 'many'",
    ],
)
@pytest.mark.parametrize("answered", [True, False])
async def test_where_the_people_of_an_import_cannot_be_read_anybody_may_be_among_them(
    listed: World, damage: str, answered: bool
) -> None:
    async with listed.services() as services:
        await (
            add(listed, services, people(1, 2, 4))
            if answered
            else lose(listed, services, 1, 2, 4, landed=True)
        )
        database_of(services.journal).execute(damage)
        before = imports_sent(listed)
        await listed.clock.sleep(70)
        answer = await add(listed, services, people(2, 5))

    assert (answer.imported, answer.unknown) == (0, 2)
    assert imports_sent(listed) == before


async def test_a_lost_import_whose_time_cannot_be_read_is_not_repeated(listed: World) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, landed=True)
        database_of(services.journal).execute("UPDATE imports SET last_time = 'x', first_steady = 'y'")
        await listed.clock.sleep(70)
        answer = await add(listed, services, people(1, 2, 4))

    assert (answer.imported, answer.unknown) == (1, 2)
    assert copies(listed) == once(1, 2, 4)


async def test_a_lost_import_whose_people_cannot_be_read_is_settled_by_the_same_call(listed: World) -> None:
    async with listed.services() as services:
        await lose(listed, services, 1, 2, 4, landed=True)
        database_of(services.journal).execute("DELETE FROM import_people")
        await listed.clock.sleep(70)
        held = await add(listed, services, people(5))
        settled = await add(listed, services, people(1, 2, 4))
        free = await add(listed, services, people(5, 2))

    assert (held.unknown, settled.imported, free.imported) == (1, 3, 2)
    assert "a repeat could add them twice" in held.summary
    assert copies(listed) == once(1, 2, 4, 5)


crowds = st.lists(st.integers(1, 6), unique=True, min_size=1, max_size=5)
events = st.one_of(
    st.tuples(st.just("calls"), st.lists(crowds, min_size=1, max_size=4)),
    st.tuples(st.just("calls"), st.lists(crowds, min_size=1, max_size=4)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.integers(1, 3)),
    st.tuples(st.just("die"), crowds, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 31.0, 70.0])),
    st.tuples(st.just("set clock"), st.sampled_from([-0.5 * HOUR, 2 * HOUR])),
)


@settings(max_examples=20)
@given(st.lists(events, min_size=2, max_size=7), st.sampled_from([0.0, 8.0, 27.0]), st.integers(1, 4))
async def test_no_order_of_overlapping_calls_faults_and_ends_puts_anybody_in_twice(
    order: list[tuple[Any, ...]], import_seconds: float, chunk_rows: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MAX_CHUNK_ROWS", chunk_rows)
        world = make_world(Path(folder), import_seconds)
        world.sandbox.options.rate_limits = False
        world.sandbox.clock = lambda: world.clock.now  # nobody sets the API's
        world.sandbox.add_list(NAME)
        asked = [one for event in order for one in await _happen(world, event)]
        await _settle(world, asked)

        assert copies(world) == once(*{number for one in asked for number in one})


async def _happen(world: World, event: tuple[Any, ...]) -> list[list[int]]:
    """Let something happen; the sets of people that were asked for are returned."""
    name, *details = event
    if name == "calls":
        async with servers(world, 3) as running:
            await _calls(world, running, details[0])
        return list(details[0])
    if name == "die":
        await die(world, *details[0], arrives=details[1])
        return [details[0]]
    if name == "fault":
        (_, kind, options), times = details
        world.sandbox.faults.next(ROUTE, kind, times=times, **options)
    elif name == "wait":
        world.clock.now += details[0]
    else:
        world.clock.epoch += details[0]
    return []


async def _calls(world: World, running: Sequence[Services], sets: Sequence[Sequence[int]]) -> None:
    """Parallel calls, whose answers say nothing of the list that is not so."""

    async def call(number: int) -> None:
        wanted = people(*sets[number])
        with suppress(ApiError):
            answer = await add(world, running[number % len(running)], wanted)
            there = copies(world)
            assert answer.imported <= sum(there[str(one.get("email") or one["first_name"])] for one in wanted)

    async with anyio.create_task_group() as tasks:
        for number in range(len(sets)):
            tasks.start_soon(call, number)


async def _settle(world: World, asked: Sequence[Sequence[int]]) -> None:
    """Repeat every call without faults: the one that lost an answer settles what holds people of the others.

    If an import outlasts the request, one call settles one chunk, and there are six people.
    """
    world.sandbox.faults.clear()
    async with world.services() as services:
        for _ in range(8):
            await world.clock.sleep(60)
            answers = [await add(world, services, people(*numbers)) for numbers in asked]
            if all(answer.imported == len(numbers) for answer, numbers in zip(answers, asked, strict=True)):
                return
    raise AssertionError(answers)
