"""Getting ready for the first call while nobody waits for an answer.

A start loads only what a client lists. What the first call needs besides is loaded here once no request has been there
for a while, one piece after the other, so that a request in between waits for one piece at most. Nothing is sent. Files
are opened later than all else, and only those that are there: whoever just lists tools has left by then, and finds none
made. What fails here is left to the call that needs it.
"""

import gc
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module

import anyio
import anyio.lowlevel
from mcp.server.mcpserver.tools import Tool

from cleanlist_mcp.errors import where
from cleanlist_mcp.server.front import Front
from cleanlist_mcp.server.kept import made
from cleanlist_mcp.services import Services

QUIET_SECONDS = 0.2
"""Seconds without a request before anything is loaded."""

LONG_QUIET_SECONDS = 0.7
"""Seconds without a request before a file is opened."""

FOREIGN = ("httpx", "sqlite3")
OURS = (
    *("answers.shapes", "api.wire", "api.client", "money.costs", "journal.records", "journal.journal"),
    *("journal.sqlite.store", "journal.opening", "server.tools.account"),
)
"""Modules that any call needs, in the order in which they need each other, so that each piece is short. Those of single
tools, 20 ms and two MiB of them, load with the first call of one."""

log = logging.getLogger(__name__)


class Quiet:
    """The times without a request of one connection."""

    def __init__(self) -> None:
        self._under_way = 0
        self._since: float | None = None

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Note a request, as long as it is under way."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._since = time.monotonic()

    async def wait(self, seconds: float) -> None:
        """Wait until a request was answered, and then none was there for so long."""
        while (left := self._left(seconds)) > 0:  # noqa: ASYNC110 - there is no event for what does not happen
            await anyio.sleep(left)

    def _left(self, seconds: float) -> float:
        if self._under_way or self._since is None:
            return seconds
        return self._since + seconds - time.monotonic()


async def warm_up(
    services: Services, quiet: Quiet, tools: Sequence[Tool], front: Front | None = None
) -> None:
    """Load what any first call needs, make the HTTP client with its trust store, and the likely first of `tools`; then
    keep what `front` needs for the next start."""
    names = (*FOREIGN, *(f"cleanlist_mcp.{name}" for name in OURS))
    pieces: list[Callable[[], object]] = [partial(import_module, name) for name in names]
    pieces += [partial(made, tool) for tool in tools]
    for work in pieces:
        await quiet.wait(QUIET_SECONDS)
        _tried(work)
        await anyio.lowlevel.checkpoint()
    await quiet.wait(QUIET_SECONDS)
    await _awaited(services.connections.get_ready)
    await quiet.wait(LONG_QUIET_SECONDS)
    await _awaited(services.open_ahead)
    folder = services.settings.state_dir
    if front is not None and folder is not None and not services.settings.sandbox:  # which stores nothing
        _tried(partial(front.keep, folder))
    gc.freeze()  # as after the start: what is loaded by now stays


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception as exc:
        log.info("Something cannot be made ready: %s.", where(exc))


def _tried(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as exc:
        log.info("Something cannot be loaded ahead: %s.", where(exc))
