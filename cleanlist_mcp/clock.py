"""The two clocks and the one sleep that everything with a notion of time is given."""

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Time as an argument, so that tests need not wait."""

    def time(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for waits within this process."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        """Wait for `event`, at most `seconds`; whether it came."""


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()


ANSWER_ROOM = 2.0
"""Seconds kept at the end of a call to put its answer together and send it."""


class Deadline:
    """A moment by which a call has to answer; `committed` once the call may have cost something."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.committed = False
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then; negative once it has passed."""
        return self._at - self._clock.monotonic()

    def room(self) -> float:
        """Seconds that may be used before the answer has to be put together; never negative."""
        return max(self.left() - ANSWER_ROOM, 0.0)
