"""The clocks and the sleep that everything with a notion of time takes as an argument."""

import time
from functools import cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import anyio


class Clock(Protocol):
    """Time as an argument, so that tests need not wait."""

    def time(self) -> float:
        """Return the seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for waits within this process."""

    def since_boot(self) -> tuple[str, float]:
        """Return a name for this start of the machine, and the seconds since then, which setting the clock does not
        change."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Wait for `event`, at most `seconds`; return whether it came."""


@cache
def _boot_name() -> str:
    """Return the system's own name for this start of it; if it has none, one for this process alone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"process {uuid4()}"


def _seconds_since_boot() -> float:
    # CLOCK_BOOTTIME is Linux's; CLOCK_MONOTONIC of macOS counts while the machine sleeps, as that one does.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def since_boot(self) -> tuple[str, float]:
        return _boot_name(), _seconds_since_boot()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()


ANSWER_ROOM = 2.0
"""Seconds kept at the end of a call to put its answer together and send it."""


class Deadline:
    """A moment by which a call has to answer."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds until then; negative once it has passed."""
        return self._at - self._clock.monotonic()

    def room(self) -> float:
        """Return the seconds that may be used before the answer has to be put together; never negative."""
        return max(self.left() - ANSWER_ROOM, 0.0)
