"""What the journal adds to a call, in milliseconds: `python -m benchmarks.journal`.

Measured over a journal of 10,000 older entries, on the disk of the temporary folder (`TMPDIR` chooses another).
"""

import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import anyio

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.records import COLUMNS
from cleanlist_mcp.journal.sqlite import FILE_NAME
from cleanlist_mcp.money.limits import DAY, Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.likeness import marks_of

OLDER = 10_000
ROUNDS = 200
LIMITS = Limits(hourly_unquoted=10**6, daily=10**6)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = anyio.run(measured, Path(folder))
    print("| step | median ms | 95 % ms |\n|---|---|---|")
    for name, (median, high) in rows.items():
        print(f"| {name} | {median:.3f} | {high:.3f} |")


async def measured(folder: Path) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile of each step, in milliseconds."""
    disk, memory = (Journal.open(where, SystemClock(), "api", "key") for where in (folder, None))
    for journal in (disk, memory):
        await fill(journal)
    rows = {
        "paid call: intent, outcome and end, in memory": await timed(lambda number: paid(memory, number)),
        "paid call: intent, outcome and end, on this disk": await timed(lambda number: paid(disk, number)),
        "of that, one fsync of this disk": await timed(lambda _: synced(folder / FILE_NAME)),
        "free call that quotes": await timed(lambda number: disk.remember_quote(quote(number))),
        "free call that reads (balance, recent runs)": await timed(lambda number: read(disk)),
    }
    for journal in (disk, memory):
        await journal.close()
    return rows


async def fill(journal: Journal) -> None:
    """Make entries of the last two months, as a busy machine has them: one as the journal writes it, then copies."""
    await paid(journal, 0)
    copied = ", ".join(
        column for column in COLUMNS if column not in ("run_id", "claim", "started_at", "ticks")
    )
    now = time.time()
    entries = [(str(part), now - 60 * DAY * part / OLDER - DAY) for part in range(OLDER)]
    with journal._transaction():
        journal._db.executemany(
            f"INSERT INTO runs ({copied}, claim, started_at, ticks, checksum) "  # noqa: S608 - the names are ours
            f"SELECT {copied}, ?, ?, -1e9, checksum FROM runs WHERE run_id = 1",
            entries,
        )
        journal._db.execute(
            "INSERT INTO identifiers SELECT context, token || runs.run_id, runs.run_id FROM runs "
            "JOIN identifiers USING (context) WHERE identifiers.run_id = 1 AND runs.run_id > 1"
        )


def someone() -> Person:
    """Somebody whom the journal does not know yet."""
    number = secrets.token_hex(4)
    return Person(
        email=f"{number}@fable.example",
        linkedin_url=f"https://www.linkedin.com/in/{number}",
        first_name="Ada",
        last_name=f"Fable{number}",
        company_name=f"Fable {number} Ltd",
        domain=f"{number}.example",
    )


async def paid(journal: Journal, number: int) -> None:
    """All that the journal does in one paid call, from the intent to the end of the run."""
    decision = await journal.claim_person(
        marks=marks_of(someone()),
        into="",
        scope="partial",
        label="Ada Fable",
        list_id="",
        list_name="MCP Results",
        again=False,
        limits=LIMITS,
        seconds=60,
    )
    run = cast(Run, decision.run)
    name = f"enrich-{run.run_id}"
    await journal.started(run, workflow_id=name, reserved=1, list_id="list_1", list_name="", status="pending")
    await journal.finished(name, status="completed", charged=1, refunded=0, report=None)


async def read(journal: Journal) -> None:
    """What credits_balance and workflow_status ask it."""
    await journal.spent()
    await journal.recent(11)


def quote(number: int) -> Quote:
    return Quote(f"qte_{number}", "list_1", "Prospects", "partial", 40, 40, 500, time.time() + 300)


async def synced(path: Path) -> None:
    """A small write that waits for the disk."""
    descriptor = os.open(path.with_name("fsync"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, b"x" * 4096)
    os.fsync(descriptor)
    os.close(descriptor)


async def timed(step: Callable[[int], Awaitable[None]]) -> tuple[float, float]:
    """Median and 95th percentile of one step over all rounds, in milliseconds."""
    times = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        await step(number)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
