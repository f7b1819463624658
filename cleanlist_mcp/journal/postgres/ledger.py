"""The notes that all processes of a team write about requests, in the team's database: one row a key, one a team.

A row is locked while it is read and rewritten, for a millisecond. Nothing of it waits for the disk or is replicated,
and nobody waits for it longer than a moment: what is lost with the database was of use for a minute.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from psycopg import sql

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.port import LedgerUnusable, Note, Rewrite
from cleanlist_mcp.journal.postgres.connections import Connection, Connections

PATIENCE = 1.0
"""Seconds after which the database is taken for unusable: so long may a request be late, once in a while."""

LOCK_TIMEOUT = 300
"""Milliseconds to wait for another process's turn."""

FORGET_AFTER = 3600
"""Seconds after which the notes of a key that nobody uses are dropped."""

_NOW = sql.SQL("EXTRACT(EPOCH FROM CLOCK_TIMESTAMP())::double precision")
# What somebody holds is in use, and is not waited for.
_FORGET_OLD = sql.SQL(
    "DELETE FROM notes WHERE name IN (SELECT name FROM notes WHERE written_at < {} - {} FOR UPDATE SKIP LOCKED)"
).format(_NOW, FORGET_AFTER)
_OPENING = sql.SQL(
    """
    BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = {lock_timeout};
    SET LOCAL statement_timeout = {patience}; SET LOCAL idle_in_transaction_session_timeout = {patience};
    SET LOCAL search_path = {schema};
    INSERT INTO notes VALUES {empty} ON CONFLICT DO NOTHING;
    WITH locked AS MATERIALIZED (
        SELECT name, text, written_at FROM notes WHERE name IN ({names}) ORDER BY name FOR UPDATE
    ) SELECT name, text, written_at, {now} FROM locked
    """
)


class PostgresLedger:
    """The notes in a database; their age is by the database's clock."""

    def __init__(
        self,
        connections: Connections,
        require_made: Callable[[], Awaitable[None]],
        secret: bytes,
        schema: str,
    ) -> None:
        """`require_made` makes the tables, unless that was done; `secret` is for the digests that name notes."""
        self._connections = connections
        self._require_made = require_made
        self._secret = secret
        self._schema = schema
        self._tidied_at: float | None = None  # by the database's clock

    async def name(self, *parts: str) -> str:
        return hmac.digest(self._secret, json.dumps(parts).encode(), hashlib.sha256).hex()[:16]

    async def rewrite(self, names: Sequence[str], change: Rewrite) -> None:
        try:
            await self._require_made()
            async with self._connections.one(self._opening(sorted(names))) as (connection, cursor):
                await self._rewrite(connection, await _last_rows(cursor), names, change)
        except (psycopg.Error, JournalUnusable):
            raise LedgerUnusable from None

    async def add(self, names: Sequence[str], word: str) -> bool:
        return False  # it would take as many turns with the database as `rewrite`

    async def close(self) -> None:
        await self._connections.close()

    async def _rewrite(
        self,
        connection: Connection,
        rows: Sequence[tuple[str, str, float, float]],
        names: Sequence[str],
        change: Rewrite,
    ) -> None:
        notes = {name: Note() for name in names}
        notes |= {name: Note(text, max(now - at, 0.0)) for name, text, at, now in rows if text}
        now = max((row[3] for row in rows), default=0.0)
        statements = [_written(name, text, now) for name, text in change(notes).items()]
        is_tidy = self._tidied_at is not None and now - self._tidied_at < FORGET_AFTER
        if not is_tidy:
            statements.append(_FORGET_OLD)
        await connection.execute(sql.SQL("; ").join([*statements, sql.SQL("COMMIT")]))
        self._tidied_at = self._tidied_at if is_tidy else now

    def _opening(self, names: Sequence[str]) -> sql.Composed:
        """Return the SQL that begins, and reads the notes behind their locks, always in the same order.

        A row that is not there yet is made first: it could not be locked.
        """
        return _OPENING.format(
            lock_timeout=LOCK_TIMEOUT,
            patience=int(PATIENCE * 1000),
            schema=sql.Identifier(self._schema),
            empty=sql.SQL(", ").join(sql.SQL("({}, '', 0)").format(name) for name in names),
            names=sql.SQL(", ").join(map(sql.Literal, names)),
            now=_NOW,
        )


def _written(name: str, text: str, now: float) -> sql.Composed:
    return sql.SQL("UPDATE notes SET text = {}, written_at = {} WHERE name = {}").format(text, now, name)


async def _last_rows(
    cursor: psycopg.AsyncCursor[tuple[str, str, float, float]],
) -> list[tuple[str, str, float, float]]:
    while cursor.nextset():
        pass
    return await cursor.fetchall()
