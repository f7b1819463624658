"""Limits in seconds that this process was awake.

A laptop that sleeps, or a process that is stopped, comes back with its timers overdue and with answers in its
sockets that nobody has read yet. A limit that counted that time would throw them away.
"""

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
    done: list[T] = []
    failed: list[Exception] = []
    with anyio.CancelScope() as limit:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count_down, seconds, limit)
            try:
                done.append(await work())
            except Exception as exc:
                failed.append(exc)  # raised below: a task group would wrap it
            tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if not done:
        raise TookTooLong
    return done[0]


async def count_down(seconds: float, scope: anyio.CancelScope) -> None:
    """Cancel `scope` once this process was awake for `seconds`.

    After a sleep at least one whole slice is left, to read what came in meanwhile.
    """
    left = seconds
    while left > 0:
        piece = min(left, SLICE)
        began = anyio.current_time()
        await anyio.sleep(piece)
        left -= piece
        if anyio.current_time() - began > piece + SLICE:
            left = max(left, SLICE)
    scope.cancel()
