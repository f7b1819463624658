"""Journals for tests: a clock to set, claims in few words, and for each engine a look below its door."""

import asyncio
import atexit
import sqlite3
from collections.abc import Coroutine, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import anyio
import pytest

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.claims import PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.opening import open_store
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.journal.sqlite.store import SqliteStore
from cleanlist_mcp.money.decisions import ListDecision, PersonDecision
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.same_person import marks_of

API, KEY = "api.example:443", "clapi_test_one"

LIMITS = Limits(hourly_unquoted=100, daily=None)

Result = TypeVar("Result")

_runner: asyncio.Runner | None = None


class OwnJournal(Journal):
    """A journal that nobody shares its store with: both are closed together."""

    async def close(self) -> None:
        await super().close()
        await self._store.close()


@dataclass
class Organization:
    """The organization that the API names for a key; `fails` is raised in place of an answer, and `asked` counts."""

    name: str
    fails: Exception | None = None
    asked: int = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return self.name


def open_journal(
    folder: Path | None, clock: Clock, api: str, key: str, organization: Organization | None = None
) -> Journal:
    """Open the journal of a key in a folder, or in memory."""
    ask = None if organization is None else organization.ask
    return OwnJournal(open_store(folder, clock), Identity(api, key), ask)


class HandClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.set_by = 0.0
        self.boot = "this start"

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def since_boot(self) -> tuple[str, float]:
        return self.boot, self.now - self.set_by

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        self.now += 0 if event.is_set() else seconds
        return event.is_set()


def at_once(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine returns, from where nothing can be awaited."""
    global _runner
    if _runner is None:
        _runner = asyncio.Runner()
        atexit.register(_runner.close)
    return _runner.run(coroutine)


def database_of(journal: Journal) -> sqlite3.Connection:
    """Return the connection that a journal works on."""
    return database_in(journal._store)


def database_in(store: Store) -> sqlite3.Connection:
    """Return the connection that a store works on."""
    database = cast(SqliteStore, store)._database
    assert database is not None
    return database


class Engine(Protocol):
    """The keeper of a journal, and the things that tests do to it behind the journal's back.

    If it `has_tenants`, credits without a quote count for each key, and no key hears of others' runs.
    """

    has_tenants: bool

    def open(
        self, place: Path | None, clock: HandClock, key: str = KEY, organization: Organization | None = None
    ) -> Journal:
        """Open the journal of a place: two of one place share their entries. Without a place, nobody else has it.

        With an `organization`, keys of many tenants share it, and the API answers with that one.
        """

    def break_writes(self, journal: Journal, broken: bool = True) -> None:
        """Let nothing be written through this journal from now on, or let it again."""

    def run_sql(self, journal: Journal, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run a statement, with `:name` for each value; return the first value of its answer, if it has one."""

    def put(self, journal: Journal, row: dict[str, Any], ago: float) -> None:
        """Write the row of a run that began some seconds ago, however the clocks were set since."""

    def entries(self, place: Path) -> list[dict[str, Any]]:
        """Return all runs of a place by column, newest first, as they lie there."""


class Sqlite:
    """A file in a folder, which is the place."""

    has_tenants = False

    def open(
        self, place: Path | None, clock: HandClock, key: str = KEY, organization: Organization | None = None
    ) -> Journal:
        return open_journal(place, clock, API, key, organization)

    def break_writes(self, journal: Journal, broken: bool = True) -> None:
        database_of(journal).execute(f"PRAGMA query_only = {int(broken)}")

    def run_sql(self, journal: Journal, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        found = database_of(journal).execute(statement, values or {}).fetchone()
        return found and found[0]

    def put(self, journal: Journal, row: dict[str, Any], ago: float) -> None:
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        self.run_sql(journal, f"INSERT INTO runs ({names}, checksum) VALUES ({values}, 'x')", row)  # noqa: S608 - ours

    def entries(self, place: Path) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(place / FILE_NAME)) as reader:
            reader.row_factory = sqlite3.Row
            return [dict(row) for row in reader.execute("SELECT * FROM runs ORDER BY run_id DESC")]


SQLITE = Sqlite()


def engines() -> list[Any]:
    """Return the engines as parameters of a fixture; one that cannot run here is skipped."""
    from tests.databases import needs_postgres

    return [
        pytest.param(SQLITE, id="sqlite"),
        pytest.param("postgres", id="postgres", marks=needs_postgres),
    ]


def engine_of(request: pytest.FixtureRequest) -> Engine:
    """Return the engine that a fixture is asked for."""
    if request.param == "postgres":
        from tests.postgres_journals import POSTGRES  # here: psycopg may be missing

        return POSTGRES
    engine: Engine = request.param
    return engine


def set_clock(clock: HandClock, seconds: float) -> None:
    """Set the clock of the machine, as a person or a time server does: no time passes."""
    clock.now += seconds
    clock.set_by += seconds


def word(decision: ListDecision) -> str:
    """Return a decision in one word."""
    return type(decision).__name__.lower()


async def claim_list(
    journal: Journal, quote: Quote, limits: Limits = LIMITS, *, may_resend: bool = False
) -> ListDecision:
    """Claim the run of a list for a quote."""
    return await journal.claims.list(quote, Terms(limits, 60), may_resend=may_resend)


async def claim_person(
    journal: Journal, person: Person, *, again: bool = False, limits: Limits = LIMITS
) -> PersonDecision:
    """Claim the run of a person."""
    work = PersonWork(marks_of(person), "partial", "Ada Fable", "", "", "MCP Results", again)
    return await journal.claims.person(work, Terms(limits, 60))


async def claim(
    journal: Journal, who: str = "ada", *, again: bool = False, limits: Limits = LIMITS
) -> ListDecision:
    """Claim the run of a person who is known by an address alone."""
    return await claim_person(journal, Person(email=f"{who}@fable.example"), again=again, limits=limits)


def run_of(decision: ListDecision) -> Run:
    return decision.run


def quote_for(clock: HandClock, number: int = 1, cost: int = 40) -> Quote:
    """Return a good quote for the one list of these tests."""
    return Quote(f"qte_{number}", "list_1", "Prospects", "partial", cost, cost, 500, clock.now + 300)


async def accept(journal: Journal, run: Run, workflow_id: str = "enrich-1") -> Run:
    """Note that the API accepted a run."""
    return await journal.outcomes.started(
        run,
        workflow_id=workflow_id,
        reserved=None,
        list_id=run.list_id,
        list_name=run.list_name,
        status="pending",
    )


async def finish(journal: Journal, workflow_id: str, charged: int | None, refunded: int | None = 0) -> None:
    """Note the end of a run."""
    await journal.outcomes.finished(
        workflow_id, status="completed", charged=charged, refunded=refunded, report=None
    )
