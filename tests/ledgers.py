"""A ledger in memory, clocks that differ, and what is needed to try a shared budget in virtual time."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from cleanlist_mcp.journal.port import LedgerUnusable, Note, Rewrite
from tests.support import VirtualClock

T = TypeVar("T")


@dataclass
class Hour:
    """The time that all clocks of a test go by, in seconds."""

    now: float = 0.0


class OwnClock(VirtualClock):
    """The clock of one process: as many seconds ahead of the others as it pleases."""

    def __init__(self, hour: Hour, ahead: float = 0.0, boot: str = "this start") -> None:
        super().__init__()
        self.hour = hour
        self.ahead = ahead
        self.boot = boot

    def time(self) -> float:
        return self.epoch + self.hour.now + self.ahead

    def monotonic(self) -> float:
        return self.hour.now + self.ahead

    def since_boot(self) -> tuple[str, float]:
        return self.boot, self.hour.now

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        raise AssertionError("nothing here waits")


@dataclass
class MemoryLedger:
    """Notes that several budgets of a test share; locked while a test says so."""

    hour: Hour
    locked: bool = False
    notes: dict[str, tuple[str, float]] = field(default_factory=dict)
    writes: int = 0

    async def name(self, *parts: str) -> str:
        self._require_usable()
        return "/".join(parts)

    async def rewrite(self, names: Sequence[str], change: Rewrite) -> None:
        self._require_usable()
        now = self.hour.now
        found = {name: self.notes.get(name) for name in names}
        texts = change(
            {name: Note() if at is None else Note(at[0], now - at[1]) for name, at in found.items()}
        )
        self.notes.update((name, (text, now)) for name, text in texts.items())
        self.writes += bool(texts)

    async def add(self, names: Sequence[str], word: str) -> bool:
        return False  # it cannot know who has read what

    async def close(self) -> None:
        return None

    def _require_usable(self) -> None:
        if self.locked:
            raise LedgerUnusable


def done(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never has to wait."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("it waited for something")
