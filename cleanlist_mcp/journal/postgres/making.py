"""Making the tables in an empty database, and bringing them up to date: by one process at a time."""

from collections.abc import Callable, Sequence

import psycopg

from cleanlist_mcp.journal.postgres.connections import Connection
from cleanlist_mcp.journal.postgres.problems import KEY_MISSING, NEWER, NO_RIGHTS, DatabaseProblem
from cleanlist_mcp.journal.postgres.schema import SCHEMA_VERSION, VERSIONS
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment

MAKING_LOCK = 4_216_093_550_771_283
"""The number of the lock for making tables; those of tenants are digests."""


async def bring_up_to_date(
    connection: Connection,
    schema: str,
    keys: Sequence[DigestKey],
    moment: Callable[[float], Moment],
    version: int = SCHEMA_VERSION,
) -> None:
    """Make or change the tables as this program needs them, and enter its newest key of digests.

    Runs within a transaction that the caller has begun; `moment` is that of a time by the database's clock.

    Raises:
        DatabaseProblem: if a newer program made the tables, or a key is missing that is still needed; or if the
            database does not allow it.
    """
    try:
        await _made(connection, schema, version)
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseProblem(NO_RIGHTS) from None
    cursor = await connection.execute("SELECT EXTRACT(EPOCH FROM CLOCK_TIMESTAMP())::double precision")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - one row is asked for
    await _require_keys(connection, [key.key_id for key in keys], moment(row[0]).time)
    await connection.execute(
        "INSERT INTO digest_keys (key_id) VALUES (%s) ON CONFLICT DO NOTHING", (keys[0].key_id,)
    )


async def _made(connection: Connection, schema: str, wanted: int) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING_LOCK,))
    version = await _version(connection, schema)
    if version > wanted:
        raise DatabaseProblem(NEWER)
    if version == 0:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute("CREATE TABLE version (version BIGINT NOT NULL)")
        await connection.execute("INSERT INTO version VALUES (0)")
    for number in range(version + 1, wanted + 1):
        await connection.execute("; ".join(VERSIONS[number]))
        await connection.execute("UPDATE version SET version = %s", (number,))


async def _version(connection: Connection, schema: str) -> int:
    cursor = await connection.execute("SELECT TO_REGCLASS(%s)", (f"{schema}.version",))
    if await cursor.fetchone() == (None,):
        return 0
    row = await (await connection.execute("SELECT version FROM version")).fetchone()
    return int(row[0]) if row is not None else 0


async def _require_keys(connection: Connection, known: Sequence[str | None], now: float) -> None:
    """Raise if a key is not known here that somebody may still be recognised by, or is held by."""
    cursor = await connection.execute(
        """
        SELECT 1 FROM digest_keys WHERE key_id <> ALL(%(known)s) AND (
            EXISTS (
                SELECT 1 FROM runs WHERE digest_key = key_id AND state IN ('starting', 'running', 'uncertain')
            ) OR EXISTS (
                SELECT 1 FROM runs WHERE digest_key = key_id AND state <> 'refused' AND (
                    started_at > %(since)s OR finished_at > %(since)s
                )
            )
        ) LIMIT 1
        """,
        {"known": list(known), "since": now - DAY},
    )
    if await cursor.fetchone() is not None:
        raise DatabaseProblem(KEY_MISSING)
