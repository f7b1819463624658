"""The journal in PostgreSQL, behind the door that every engine has.

A claim holds one lock for each of its tenants, at READ COMMITTED: so each of its looks sees what the claim before
it wrote, and the same rules as everywhere decide. Windows and holds go by the database's clock, whatever the clocks
of the machines show. Nothing is remembered in memory instead: without the database nothing is spent.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import anyio
import psycopg

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import Health, Usable
from cleanlist_mcp.journal.port import CommitLost, Contradiction
from cleanlist_mcp.journal.postgres.connections import Connection, Connections
from cleanlist_mcp.journal.postgres.costs import CostRows
from cleanlist_mcp.journal.postgres.forgetting import Forgetting
from cleanlist_mcp.journal.postgres.found import CardRows, CompanyRows, OrganizationRows, SearchRows
from cleanlist_mcp.journal.postgres.imports import ImportRows
from cleanlist_mcp.journal.postgres.ledger import PATIENCE, PostgresLedger
from cleanlist_mcp.journal.postgres.making import bring_up_to_date
from cleanlist_mcp.journal.postgres.problems import (
    BUSY,
    GONE,
    KEYS_CHANGED,
    NEWER,
    NO_RIGHTS,
    DatabaseProblem,
)
from cleanlist_mcp.journal.postgres.runs import RunRows
from cleanlist_mcp.journal.postgres.schema import SCHEMA, SCHEMA_VERSION
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money import limits
from cleanlist_mcp.money.runs import Moment

LOCK_TIMEOUT, STATEMENT_TIMEOUT, IDLE_TIMEOUT = 2000, 5000, 5000
"""Milliseconds after which the database itself gives up: on a lock, a statement, a transaction that waits for us."""

RECORD_AGAIN_AFTER = 1.0
"""Seconds after which an outcome that could not be written is tried again."""

FORGET_BATCHES = 3
"""Batches of old entries that one call drops at most: somebody may wait for it."""

BOOT = "database"
"""In place of a machine's start: there is one clock, the database's."""

log = logging.getLogger(__name__)


class Rows(RunRows, CostRows, ImportRows, SearchRows, CompanyRows, CardRows, OrganizationRows, Forgetting):
    """One look at the journal, and changes to it."""


class PostgresStore:
    """The journal in a team's database."""

    schema_version = SCHEMA_VERSION

    def __init__(
        self,
        url: str,
        clock: Clock,
        digest_keys: Sequence[DigestKey],
        proof_secrets: Sequence[bytes] = (),
        *,
        schema: str = SCHEMA,
    ) -> None:
        """`digest_keys` and the `proof_secrets` of cards are newest first. Nothing is opened before the first use."""
        self._clock = clock
        self._digest_keys = tuple(digest_keys)
        self._proof_secrets = tuple(proof_secrets)
        self._schema = schema
        self._url = url
        self._connections = Connections(url, clock)
        self._making: anyio.Lock | None = None
        self._is_made = False
        self._ahead: float | None = None
        self._record_again_at = 0.0
        self._forgot_at: float | None = None

    @cached_property
    def ledger(self) -> PostgresLedger:
        # Connections of its own: neither a claim nor a note waits for the other's.
        connections = Connections(self._url, self._clock, PATIENCE, logs=False)
        return PostgresLedger(connections, self._require_made, self._digest_keys[0].secret, self._schema)

    async def now(self) -> Moment:
        return self._moment(self._time())

    def time(self) -> float:
        return self._moment(self._time()).time

    def _time(self) -> float:
        ahead = self._clock.time() - self._clock.monotonic() if self._ahead is None else self._ahead
        return self._clock.monotonic() + ahead

    async def digest_keys(self) -> Sequence[DigestKey]:
        return self._digest_keys

    async def proof_secrets(self) -> Sequence[bytes]:
        return self._proof_secrets

    async def health(self) -> Health:
        try:
            async with self._transaction("BEGIN READ ONLY", must_be_newest=True):
                return Usable("in_database")
        except DatabaseProblem as exc:
            return exc.health
        except JournalUnusable:
            return GONE

    async def inspect(self) -> Health:
        return await self.health()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Rows]:
        async with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as rows:
            yield rows

    @asynccontextmanager
    async def claim(self, tenants: Sequence[str]) -> AsyncIterator[Rows]:
        locks = "".join(
            f"SELECT pg_advisory_xact_lock({number}); " for number in sorted(map(lock_of, tenants))
        )
        begin = "BEGIN; SET LOCAL synchronous_commit = on"
        try:
            async with self._transaction(
                begin, locks, tenant=tenants[0], must_be_newest=True, raises_lost=True
            ) as rows:
                yield rows
        except DatabaseProblem as exc:
            log.error("The team's journal cannot be written (%s); nothing was sent.", exc.cause)
            raise

    @asynccontextmanager
    async def record(self, *, last_try: bool = False) -> AsyncIterator[Rows]:
        if not last_try and self._clock.monotonic() < self._record_again_at:
            raise DatabaseProblem(GONE)
        try:
            async with self._transaction("BEGIN; SET LOCAL synchronous_commit = off") as rows:
                yield rows
        except _Contradicted:
            raise Contradiction from None
        except DatabaseProblem as exc:
            log.error("An outcome cannot be written to the team's journal yet (%s).", exc.cause)
            self._record_again_at = self._clock.monotonic() + RECORD_AGAIN_AFTER
            raise

    async def forget_old(self) -> None:
        now = (await self.now()).time
        if self._forgot_at is not None and abs(now - self._forgot_at) < limits.HOUR:
            return
        self._forgot_at = now
        try:
            for _ in range(FORGET_BATCHES):
                async with self.record() as rows:
                    if not await rows.forget_old():
                        return
            self._forgot_at = None  # the next call goes on
        except (JournalUnusable, Contradiction):
            log.warning("Old entries could not be dropped from the team's journal.")

    async def close(self) -> None:
        if "ledger" in self.__dict__:
            await self.ledger.close()
        await self._connections.close()

    @asynccontextmanager
    async def _transaction(
        self,
        begin: str,
        locks: str = "",
        *,
        tenant: str = "",
        must_be_newest: bool = False,
        raises_lost: bool = False,
    ) -> AsyncIterator[Rows]:
        """Run one transaction, which begins by taking the `locks`; `tenant` is the one that it claims for.

        Raises:
            DatabaseProblem: if it was not made.
            CommitLost: if `raises_lost`, and it may have been made.
            _Contradicted: if it can never be made.
        """
        await self._require_made()
        opening = f"{begin}; {_limits(self._schema)} {locks}{_state(self._schema)}"
        ending = False
        try:
            async with self._connections.one(opening, tenant) as (connection, cursor):
                now = await self._checked(cursor, must_be_newest=must_be_newest)
                try:
                    yield Rows(connection, now)
                except BaseException:
                    await _rolled_back(connection)
                    raise
                ending = True
                await connection.execute("COMMIT")
        except psycopg.Error as exc:
            if ending and raises_lost and is_unanswered(exc):
                await self._connections.forget_idle()
                raise CommitLost from None
            raise _problem(exc) from None

    async def _checked(self, cursor: psycopg.AsyncCursor[Any], *, must_be_newest: bool) -> Moment:
        """Return the moment of a transaction that has begun, if this program may work with what is there.

        Raises:
            DatabaseProblem: if the tables are newer, or it would claim without knowing the newest key.
        """
        while cursor.nextset():
            pass
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - one row is asked for
        time, version, newest = row
        if must_be_newest and version > self.schema_version:
            raise DatabaseProblem(NEWER)
        if must_be_newest and newest not in [key.key_id for key in self._digest_keys]:
            raise DatabaseProblem(KEYS_CHANGED)
        moment = self._moment(float(time))
        self._ahead = moment.time - self._clock.monotonic()
        return moment

    def _moment(self, time: float) -> Moment:
        """Return the moment for a time of the database's clock, in epoch seconds."""
        return Moment(time, BOOT, time)

    async def _require_made(self) -> None:
        """Make the tables, unless that was done.

        Raises:
            DatabaseProblem: if they cannot be made, or not be used by this program.
        """
        if self._is_made:
            return
        if self._making is None:
            self._making = anyio.Lock()
        async with self._making:
            if not self._is_made:
                await self._make()
                self._is_made = True

    async def _make(self) -> None:
        try:
            async with self._connections.one(f"BEGIN; {_limits(self._schema)}") as (connection, _):
                await bring_up_to_date(
                    connection, self._schema, self._digest_keys, self._moment, self.schema_version
                )
                await connection.execute("COMMIT")
        except psycopg.Error as exc:
            raise _problem(exc) from None


class _Contradicted(DatabaseProblem):
    """A change that can never be made."""


def lock_of(tenant: str) -> int:
    """Return the number of the lock of a tenant."""
    return int.from_bytes(hashlib.sha256(tenant.encode()).digest()[:8], signed=True)


def _limits(schema: str) -> str:
    """Return the SQL that sets the limits of this transaction alone, and whose tables it is about."""
    return (
        f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}; SET LOCAL statement_timeout = {STATEMENT_TIMEOUT}; "
        f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_TIMEOUT}; SET LOCAL search_path = {schema};"
    )


def _state(schema: str) -> str:
    """Return the SQL for the moment, the version of the tables and the newest key, as they are behind the locks."""
    return (
        "SELECT EXTRACT(EPOCH FROM CLOCK_TIMESTAMP())::double precision, "  # noqa: S608 - the names are ours
        f"(SELECT version FROM {schema}.version), "
        f"(SELECT key_id FROM {schema}.digest_keys ORDER BY place DESC LIMIT 1)"
    )


async def _rolled_back(connection: Connection) -> None:
    """Undo what was begun; a connection that cannot do even that is closed by its keeper."""
    if connection.closed:
        return
    with anyio.CancelScope(shield=True):
        try:
            await connection.execute("ROLLBACK")
        except psycopg.Error as exc:
            log.debug("A transaction was not rolled back (%s).", type(exc).__name__)


def is_unanswered(error: psycopg.Error) -> bool:
    """Return whether the error of a commit leaves open if it was made: the connection broke, or a pooler between says
    in an answer of its own (class 08) that its connection to the database did."""
    return error.sqlstate is None or error.sqlstate.startswith("08")


def _problem(error: psycopg.Error) -> DatabaseProblem:
    """Return our error for one of the database's, whose words may hold what was written."""
    cause = type(error).__name__
    match error:
        case (
            psycopg.errors.LockNotAvailable()
            | psycopg.errors.QueryCanceled()
            | psycopg.errors.DeadlockDetected()
        ):
            return DatabaseProblem(BUSY, cause)
        case psycopg.errors.InsufficientPrivilege():
            return DatabaseProblem(NO_RIGHTS, cause)
        case psycopg.IntegrityError() | psycopg.DataError():
            return _Contradicted(GONE, cause)
        case _:
            return DatabaseProblem(GONE, cause)
