"""Journals for tests: a clock to set, claims in few words, and a look below the door."""

import asyncio
import atexit
import sqlite3
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import anyio

from cleanlist_mcp.journal.claims import PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.sqlite.store import SqliteStore
from cleanlist_mcp.money.decisions import Decision, PersonDecision
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.likeness import marks_of

LIMITS = Limits(hourly_unquoted=100, daily=None)

Result = TypeVar("Result")

_runner: asyncio.Runner | None = None


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
    database = cast(SqliteStore, journal._store)._database
    assert database is not None
    return database


def word(decision: Decision) -> str:
    """Return a decision in one word."""
    return type(decision).__name__.lower()


async def claim_list(
    journal: Journal, quote: Quote, limits: Limits = LIMITS, *, may_resend: bool = False
) -> Decision:
    """Claim the run of a list for a quote."""
    return await journal.claims.list(quote, Terms(limits, 60), may_resend=may_resend)


async def claim_person(
    journal: Journal, person: Person, *, again: bool = False, limits: Limits = LIMITS
) -> PersonDecision:
    """Claim the run of a person."""
    work = PersonWork(marks_of(person), "partial", "Ada Fable", "", "", "MCP Results", again)
    return await journal.claims.person(work, Terms(limits, 60))
