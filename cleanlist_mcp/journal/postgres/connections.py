"""Connections to the team's database: few, opened as they are needed, and cut when one outlasts its time.

No connection keeps anything from one transaction to the next, so a pooler in transaction mode may stand between.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

import anyio
import psycopg

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.postgres.problems import BUSY, GONE, DatabaseProblem

MOST = 8
"""Connections of one process: a transaction takes milliseconds."""

MOST_OF_ONE_TENANT = 2
"""Connections that the claims of one tenant take: they follow one another, and those that wait for its lock must leave
connections to the others."""

SLOT_PATIENCE = 1.0
"""Seconds to wait for one of them. What is left of a transaction's time is more than the wait for a lock."""

TRANSACTION_SECONDS = 3.5
"""Seconds after which a transaction is cut, however far it is, with the wait for its connection: a call must learn
within 4 that nothing was sent."""

QUIET_SECONDS = 0.5
"""Seconds for which nobody tries again after the database could not be reached: each try takes its caller's time."""

Connection = psycopg.AsyncConnection[Any]
Query = str | psycopg.sql.Composed

log = logging.getLogger(__name__)


class Connections:
    """Connections to one database, for one event loop."""

    def __init__(
        self, url: str, clock: Clock, seconds: float = TRANSACTION_SECONDS, *, logs: bool = True
    ) -> None:
        """`seconds` is the longest that a transaction, or the wait for a new connection, may take. `logs` is
        false for those who can do without: that the database is down is no error then.
        """
        self._url = url
        self._clock = clock
        self._seconds = seconds
        self._logs = logs
        self._idle: list[Connection] = []
        self._slots: anyio.Semaphore | None = None
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._down_until = 0.0
        self._was_down = False

    @asynccontextmanager
    async def one(
        self, opening: Query, tenant: str = ""
    ) -> AsyncIterator[tuple[Connection, psycopg.AsyncCursor[Any]]]:
        """Yield a connection after the statements `opening`, which it has answered; at the last result. Of those that
        claim for one `tenant`, a few have one at a time.

        Raises:
            DatabaseProblem: if there is none within a few seconds. After that, only the caller's own statements raise
                errors of the database.
        """
        if self._clock.monotonic() < self._down_until:
            raise DatabaseProblem(GONE)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._seconds
        async with self._slot(tenant):
            cutting = _Cutting(self._note_down)
            timer = loop.call_at(give_up_at, cutting.cut)
            try:
                connection, cursor = await self._opened(opening, cutting, give_up_at)
                yield connection, cursor
            finally:
                timer.cancel()
                if cutting.connection is not None:
                    await self._give_back(cutting.connection)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def forget_idle(self) -> None:
        """Close what lies idle, so that the next transaction has a new connection."""
        await self.close()

    @asynccontextmanager
    async def _slot(self, tenant: str) -> AsyncIterator[None]:
        if self._slots is None:
            self._slots = anyio.Semaphore(MOST)
        turn = self._turns.setdefault(tenant, _Turn()) if tenant else _Turn()
        async with AsyncExitStack() as places:
            with anyio.move_on_after(min(SLOT_PATIENCE, self._seconds / 2)) as patience:
                await places.enter_async_context(turn.places)
                await places.enter_async_context(self._slots)
            if patience.cancelled_caught:
                raise DatabaseProblem(BUSY)
            yield

    async def _opened(
        self, opening: Query, cutting: "_Cutting", give_up_at: float
    ) -> tuple[Connection, psycopg.AsyncCursor[Any]]:
        """Return a connection that has answered. One that lay idle may be dead: nothing was asked of it yet."""
        while self._idle:
            connection = cutting.connection = self._idle.pop()
            try:
                return connection, await connection.execute(opening)
            except psycopg.OperationalError as exc:
                if exc.sqlstate is not None and not connection.closed:
                    raise  # it answered: an error of the statement itself
                cutting.connection = None
                await connection.close()
                await self.forget_idle()
                if cutting.is_cut:
                    raise DatabaseProblem(GONE, "no answer in time") from None
        try:
            with anyio.fail_after(give_up_at - anyio.current_time()):
                connection = cutting.connection = await self._connect()
        except (psycopg.Error, OSError, TimeoutError) as exc:
            self._note_down(type(exc).__name__)
            raise DatabaseProblem(GONE, type(exc).__name__) from None
        if self._was_down:
            self._was_down = False
            log.warning("The team's database answers again.")
        return connection, await connection.execute(opening)

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=2,
            application_name="cleanlist-mcp",
        )

    def _note_down(self, cause: str) -> None:
        self._down_until = self._clock.monotonic() + QUIET_SECONDS
        if not self._was_down and self._logs:  # once, however often it is tried
            log.error("The team's database cannot be reached (%s).", cause)
        self._was_down = self._logs

    async def _give_back(self, connection: Connection) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if connection.closed or connection.info.transaction_status != idle:
            # Whatever it was about is rolled back by the database.
            with anyio.CancelScope(shield=True):
                await connection.close()
        else:
            self._idle.append(connection)


class _Turn:
    """The places of one tenant's claims, as long as one of them has a place or waits for it."""

    def __init__(self) -> None:
        self.places = anyio.Semaphore(MOST_OF_ONE_TENANT)


class _Cutting:
    """Cuts a connection that does not answer: whoever waits for it gets an error at once."""

    def __init__(self, note: Callable[[str], None]) -> None:
        """`note` is called with the cause if one is cut."""
        self.connection: Connection | None = None
        self.is_cut = False
        self._note = note

    def cut(self) -> None:
        connection = self.connection
        if connection is None or connection.closed:
            return
        self.is_cut = True
        self._note("no answer in time")
        with suppress(OSError, psycopg.Error):
            wire = socket.socket(fileno=connection.fileno())
            try:
                wire.shutdown(socket.SHUT_RDWR)
            finally:
                wire.detach()
