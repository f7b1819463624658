"""Claim and request are one task: at whichever step a call ends, an intent has its request and a request its intent.

The journal's engine lets others run at each of its steps here, as one does that waits for a database.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pydantic import SecretStr

from cleanlist_mcp.api.wire import CreateListRequest, PersonRequest
from cleanlist_mcp.calls import importing
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.quotes import Quotes
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import CleanlistError, InternalError, JournalUnusable, OutcomeUnknown
from cleanlist_mcp.journal import opening
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.sqlite.store import SqliteStore
from cleanlist_mcp.money.picking import Wishes
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.same_person import marks_of
from cleanlist_mcp.runs.spending import Started
from cleanlist_mcp.services import Services
from tests.support import World
from tests.suspending import SuspendingStore, as_store, let_others_run

PERSON_PATH, LIST_PATH = "/enrichment/person", "/enrichment/bulk"


class Bench:
    """A server's services over a journal that suspends."""

    def __init__(self, world: World, services: Services, store: SuspendingStore, engine: SqliteStore) -> None:
        self.world = world
        self.services = services
        self.store = store
        self._engine = engine

    async def person(self, who: str = "ada", *, again: bool = False) -> Started:
        person = Person(email=f"{who}@fable.example")
        return await self.services.workflows.start_person(
            PersonRequest(email=person.email, enrichment_type="partial"),
            marks=marks_of(person),
            into="",
            label=who,
            list_name="",
            again=again,
            caller=Call(self.services, 50),
        )

    async def list(self, quote: Quote) -> Started:
        return await self.services.workflows.start_list(
            quote, may_resend=True, caller=Call(self.services, 50)
        )

    async def all_done(self) -> None:
        with anyio.fail_after(20):
            while self.services.workflows.spends.under_way:
                await checkpoint()

    def intents(self, kind: str = "person") -> int:
        database = self._engine._database
        assert database is not None
        counted = database.execute("SELECT COUNT(*) FROM runs WHERE kind = ?", (kind,))
        return int(counted.fetchone()[0])

    def states(self) -> Counter[str]:
        database = self._engine._database
        assert database is not None
        return Counter(state for (state,) in database.execute("SELECT state FROM runs"))

    def requests(self, kind: str = "person") -> int:
        return self.world.posts(PERSON_PATH if kind == "person" else LIST_PATH)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SuspendingStore, SqliteStore]]:
    """The stores of the journals that are opened from now on."""
    found: list[tuple[SuspendingStore, SqliteStore]] = []

    def open_suspending(folder: Any, clock: Clock, keys: Any) -> Store:
        engine = SqliteStore(folder, clock)
        found.append((SuspendingStore(engine), engine))
        return as_store(found[-1][0])

    monkeypatch.setattr(opening, "open_store", open_suspending)
    return found


@asynccontextmanager
async def bench_in(world: World, opened: list[tuple[SuspendingStore, SqliteStore]]) -> AsyncIterator[Bench]:
    async with world.services() as services:
        await services.journal.health()
        yield Bench(world, services, *opened[-1])


async def ends_at(bench: Bench, call: Callable[[], Coroutine[Any, Any, Started]], step: int) -> str | None:
    """Let a call end at the step of that number; return the step's name, None if the call has fewer."""
    reached: list[str] = []
    with anyio.CancelScope() as scope:

        async def pause(name: str) -> None:
            reached.append(name)
            if len(reached) == step + 1:
                scope.cancel()
            await checkpoint()

        bench.store.pause = pause
        await call()
    bench.store.pause = let_others_run
    await bench.all_done()
    return reached[step] if len(reached) > step else None


async def test_a_person_is_asked_for_if_and_only_if_an_intent_is_written_whenever_the_call_ends(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    begun: dict[str, int] = {}
    async with bench_in(world, opened) as bench:
        for step in range(200):
            before = bench.intents()
            name = await ends_at(bench, partial(bench.person, f"kim-{step}"), step)
            assert bench.intents() == bench.requests()
            if name is None:
                break
            begun.setdefault(name, bench.intents() - before)

    assert name is None, "the call never ended by itself"
    assert begun["before claim"] == begun["before runs_with"] == begun["after is_first_of_key"] == 0
    assert (
        begun["before add_run"]
        == begun["after add_run"]
        == begun["ending claim"]
        == begun["after claim"]
        == 1
    )


async def test_a_list_is_enriched_if_and_only_if_an_intent_is_written_whenever_the_call_ends(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    begun: dict[str, int] = {}
    async with bench_in(world, opened) as bench:
        for step in range(200):
            before = bench.intents("list")
            quote = await quote_in(bench, step)
            name = await ends_at(bench, partial(bench.list, quote), step)
            assert bench.intents("list") == bench.requests("list")
            if name is None:
                break
            begun.setdefault(name, bench.intents("list") - before)

    assert name is None, "the call never ended by itself"
    assert begun["before claim"] == begun["before work_on_list"] == 0
    assert begun["before add_run"] == begun["after claim"] == 1


async def test_a_server_that_is_about_to_end_begins_no_spend_and_finishes_the_ones_that_have_begun(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:

        async def stop_once_written(step: str) -> None:
            if step == "after add_run":
                bench.services.stop_spending()
            await checkpoint()

        bench.store.pause = stop_once_written
        await bench.person("ada")
        with pytest.raises(InternalError):
            await bench.person("kim")
        await bench.all_done()
        assert bench.intents() == bench.requests() == 1
        assert bench.states() == Counter({"running": 1})


async def test_a_server_that_is_about_to_end_before_it_ever_spent_begins_nothing(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:
        bench.services.stop_spending()
        with pytest.raises(InternalError):
            await bench.person("kim")
        assert bench.intents() == bench.requests() == 0


@pytest.mark.parametrize(("database", "looks"), [(None, 100), ("postgresql://db.example/team", 20)])
async def test_who_waits_for_anothers_start_asks_a_team_database_twice_a_second(
    world: World, database: str | None, looks: int
) -> None:
    """Many may wait at once: a file on this machine is asked ten times a second, a database that all share is not."""
    pytest.importorskip("psycopg")
    changes: dict[str, Any] = (
        {} if database is None else {"database_url": SecretStr(database), "team_secrets": SecretStr("s" * 32)}
    )
    now = world.clock.time()
    journal = OneRun(
        Run(1, "person", "starting", "partial", "Ada", 1, started_at=now, in_flight_until=now + 60)
    )
    async with world.services(**changes) as services:
        services.__dict__["journal"] = journal
        with pytest.raises(OutcomeUnknown):
            await services.workflows.joined(journal.known, Call(services, 50))
    assert looks <= journal.looks <= looks + 1


class OneRun:
    """A journal of one run, which stays as it is; it counts how often somebody looks."""

    owes = False

    def __init__(self, known: Run) -> None:
        self.known = known
        self.looks = 0

    async def run(self, run_id: int) -> Run:
        self.looks += 1
        return self.known

    async def close(self) -> None:
        """Nothing is open."""


async def quote_in(bench: Bench, number: int) -> Quote:
    """Return a quote for a list of its own, in a minute of its own."""
    bench.world.clock.now += 61
    made = await bench.services.client.create_list(CreateListRequest(name=f"List {number}"))
    rows = [(1, {"email": f"kim-{number}@fable.example"})]
    call = Call(bench.services, 50)
    await importing.add_people(call, made.list_id, rows)
    shown = await Quotes(call).estimate(made.list_id, f"List {number}", "partial", Wishes(only_missing=False))
    quote = await bench.services.journal.quote(shown.quote_id or "")
    assert quote is not None
    return quote


async def test_of_many_calls_that_end_at_random_none_leaves_an_intent_or_a_request_alone(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    chance = random.Random(7)  # noqa: S311 - a test's chance
    scopes: list[anyio.CancelScope] = []
    async with bench_in(world, opened) as bench:

        async def call(number: int) -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                with suppress(CleanlistError):
                    await bench.person(f"kim-{number % 60}", again=number % 3 == 0)

        async def pause(name: str) -> None:
            if chance.random() < 0.02:
                chance.choice(scopes).cancel()
            await checkpoint()

        bench.store.pause = pause
        async with anyio.create_task_group() as calls:
            for number in range(200):
                calls.start_soon(call, number)
        bench.store.pause = let_others_run
        await bench.all_done()
        states = bench.states()

    assert sum(scope.cancelled_caught for scope in scopes) > 20
    assert states["running"] + states["finished"] == len(world.sandbox.runs) > 20
    assert states["starting"] == states["uncertain"] == 0


async def test_a_commit_that_was_not_answered_is_looked_up_and_its_run_is_sent(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:
        bench.store.commits_lost = 1
        started = await bench.person()
        again = await bench.person()
        assert (bench.intents(), bench.requests()) == (1, 1)

    assert (started.replayed, again.replayed) == (False, True)


async def test_a_commit_that_was_not_made_sends_nothing(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:
        bench.store.commits_dropped = 1
        with pytest.raises(JournalUnusable, match="Nothing was sent"):
            await bench.person()
        assert (bench.intents(), bench.requests()) == (0, 0)
        assert not (await bench.person()).replayed


async def test_a_journal_that_fails_once_a_request_has_left_makes_its_outcome_unknown(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(*_: object) -> None:
        raise JournalUnusable("The journal cannot be read. Nothing was sent.", "Try again.")

    async with bench_in(world, opened) as bench:
        monkeypatch.setattr(bench.services.journal, "by_workflow", unreadable)
        with pytest.raises(OutcomeUnknown) as caught:
            await bench.person()
        assert caught.value.charged == "unknown"
        assert (bench.requests(), bench.states()) == (1, {"uncertain": 1})


async def test_nothing_is_begun_once_the_server_ends(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:

        async def stop(name: str) -> None:
            if name == "after spent":
                bench.services.workflows.spends.stop.set()
            await checkpoint()

        bench.store.pause = stop
        with pytest.raises(InternalError):
            await bench.person()
        bench.store.pause = let_others_run
        assert (bench.intents(), bench.requests()) == (0, 0)


async def test_a_spend_that_has_ended_is_forgotten(
    world: World, opened: list[tuple[SuspendingStore, SqliteStore]]
) -> None:
    async with bench_in(world, opened) as bench:
        for who in ("ada", "grace", "ada"):
            await bench.person(who)
            assert bench.services.workflows.spends.under_way == 0
