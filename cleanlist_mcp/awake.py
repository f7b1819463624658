"""Limits in seconds that this process was awake.

A laptop that sleeps, or a process that is stopped, comes back with its timers overdue and with answers in its
sockets that nobody has read yet. A limit that counted that time would throw them away.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

SLICE = 0.5
"""Seconds that are waited for in one piece. However late the timer rings, no more than these are counted."""

T = TypeVar("T")


class TookTooLong(Exception):
    """The limit was reached first."""


async def within(seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns, unless that takes longer than `seconds` of being awake: then it is cancelled.

    Raises:
        TookTooLong: if it was cancelled; otherwise whatever `work` raises.
    """
    with anyio.CancelScope() as limit:
        count_down = _CountDown(seconds, limit.cancel)
        try:
            return await work()
        finally:
            count_down.stop()
    raise TookTooLong


class _CountDown:
    """Calls `over` once this process was awake for `seconds`; a timer of the loop, since a task would cost each request
    as much as its way through the network's layers.

    After a sleep at least one whole slice is left, to read what came in meanwhile.
    """

    def __init__(self, seconds: float, over: Callable[[], None]) -> None:
        self._left = seconds
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._wait()

    def stop(self) -> None:
        self._timer.cancel()

    def _wait(self) -> None:
        piece = max(min(self._left, SLICE), 0.0)
        self._left -= piece
        self._due = self._loop.time() + piece
        self._timer = self._loop.call_at(self._due, self._rung)

    def _rung(self) -> None:
        if self._loop.time() - self._due > SLICE:
            self._left = max(self._left, SLICE)
        if self._left > 0:
            self._wait()
        else:
            self._over()
