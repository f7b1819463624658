"""The journal's share of a call, in milliseconds: `python -m benchmarks.journal`.

Measured over a journal of 10,000 older entries, on the disk of the temporary folder (`TMPDIR` chooses another).
`--grow` compares journals of 100, 10,000 and 1,000,000 runs of the last 88 days; `--grow 100000` ends sooner.
"""

import argparse
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import anyio
from anyio.abc import TaskGroup
from pydantic import SecretStr

from cleanlist_mcp.calls import account
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.claims import PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.records import COLUMNS
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.journal.sqlite.schema import AMOUNT
from cleanlist_mcp.journal.sqlite.slots import SLOT
from cleanlist_mcp.money.limits import DAY, Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.same_person import marks_of
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from tests.journals import open_journal

OLDER = 10_000
ROUNDS = 200
LIMITS = Limits(hourly_unquoted=10**9, daily=10**9)
KEPT_DAYS = 88
"""Days over which the entries are spread: of a million, 11,000 began on the last day."""

SIZES = (100, 10_000, 1_000_000)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grow", nargs="?", type=int, const=SIZES[-1], metavar="MOST")
    most = parser.parse_args().grow
    with tempfile.TemporaryDirectory() as folder:
        if most is None:
            print_steps(anyio.run(measured, Path(folder)))
        else:
            print_growth(anyio.run(grown, Path(folder), [*SIZES[:2], most]))


def print_steps(rows: dict[str, tuple[float, float]]) -> None:
    """Print the steps of a paid and a free call."""
    print("| step | median ms | 95 % ms |\n|---|---|---|")
    for name, (median, high) in rows.items():
        print(f"| {name} | {median:.3f} | {high:.3f} |")


def print_growth(sizes: dict[int, dict[str, float]]) -> None:
    """Print each step over journals of each size, and how many times slower it is in the largest."""
    print("| step, median ms |" + "".join(f" {size:,} runs |" for size in sizes) + " last / first |")
    print("|---|" + "---|" * (len(sizes) + 1))
    for step in next(iter(sizes.values())):
        times = [rows[step] for rows in sizes.values()]
        print(f"| {step} |" + "".join(f" {ms:.3f} |" for ms in times) + f" {times[-1] / times[0]:.2f} |")


async def measured(folder: Path) -> dict[str, tuple[float, float]]:
    """Return the median and the 95th percentile of each step, in milliseconds."""
    disk = open_journal(folder, SystemClock(), "api", "key")
    await paid(disk)
    await disk.close()
    copy_runs_in(folder, OLDER)
    disk = open_journal(folder, SystemClock(), "api", "key")
    memory = open_journal(None, SystemClock(), "api", "key")
    rows = {
        "paid call: intent, outcome and end, in memory": await timed(lambda number: paid(memory)),
        "paid call: intent, outcome and end, on this disk": await timed(lambda number: paid(disk)),
        "of that, one fsync of this disk": await timed(lambda number: synced(folder / FILE_NAME)),
        "free call that quotes": await timed(lambda number: disk.remember_quote(quote(number))),
        "free call that reads (balance, recent runs)": await timed(lambda number: read(disk)),
    }
    for journal in (disk, memory):
        await journal.close()
    return rows


async def grown(folder: Path, sizes: list[int]) -> dict[int, dict[str, float]]:
    """Return the median of each step over journals of these sizes, in milliseconds."""
    found = {}
    sandbox = Sandbox(rate_limits=False)
    for size in sizes:
        async with anyio.create_task_group() as tasks:
            services = services_over(sandbox, folder / str(size), tasks)
            await paid(services.journal)
            await services.aclose()
            copy_runs_in(folder / str(size), size)
            services = services_over(sandbox, folder / str(size), tasks)
            found[size] = {name: (await timed(step))[0] for name, step in steps_over(services).items()}
            await services.aclose()
    return found


def services_over(sandbox: Sandbox, folder: Path, tasks: TaskGroup) -> Services:
    """Return what a server's tools work with, over a journal on disk."""
    settings = Settings(api_key=SecretStr(sandbox.key), base_url=sandbox.base_url, state_dir=folder)
    return Services(settings, SystemClock(), tasks, transport(sandbox))


def steps_over(services: Services) -> dict[str, Callable[[int], Awaitable[object]]]:
    """Return the steps that could grow with the journal."""
    journal = services.journal
    return {
        "workflow_status without an id": lambda number: RunFollower(Call(services, 50)).newest(0),
        "of that, the recent runs": lambda number: journal.recent(11),
        "credits_balance": lambda number: account.balance(services),
        "of that, the sums": lambda number: journal.spent(),
        "a claim": lambda number: claimed(journal),
        "a quote": lambda number: journal.remember_quote(quote(number)),
        "the list of a name": lambda number: journal.list_named("MCP Results"),
        "what a list claim finds": lambda number: journal.claims.look_at_list(quote(1)),
    }


def copy_runs_in(folder: Path, count: int) -> None:
    """Make entries of the last months, as a busy machine has them: copies of the one that was written."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = OFF")
        with without_indexes(database):
            copy_runs(database, count)
        database.execute("PRAGMA journal_mode = WAL")


@contextmanager
def without_indexes(database: sqlite3.Connection) -> Iterator[None]:
    """Make the indexes and triggers of runs anew after a change: many times faster than row by row."""
    made = database.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ('runs', 'identifiers') "
        "AND type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    database.execute("BEGIN")
    for kind, name, _ in made:
        database.execute(f"DROP {kind} {name}")
    yield
    for _, _, statement in made:
        database.execute(statement)
    database.execute("COMMIT")


def copy_runs(database: sqlite3.Connection, count: int) -> None:
    """Copy the one run to others of the last months, and count them all as the triggers would."""
    copied = ", ".join(name for name in COLUMNS if name not in ("run_id", "claim", "started_at", "ticks"))
    now, (_, ticks) = time.time(), SystemClock().since_boot()
    ages = (KEPT_DAYS * DAY * part / count + 60 for part in range(count))
    database.executemany(
        f"INSERT INTO runs ({copied}, claim, started_at, ticks, checksum) "  # noqa: S608 - the names are ours
        f"SELECT {copied}, ?, ?, ?, checksum FROM runs WHERE run_id = 1",
        ((str(place), now - age, ticks - age) for place, age in enumerate(ages)),
    )
    database.execute(
        "INSERT INTO identifiers SELECT context, token || runs.run_id, runs.run_id FROM runs "
        "JOIN identifiers USING (context) WHERE identifiers.run_id = 1 AND runs.run_id > 1"
    )
    database.execute("DELETE FROM spending")
    database.execute(
        f"INSERT INTO spending SELECT boot, CAST(ticks / {SLOT} AS INTEGER), "  # noqa: S608 - the names are ours
        f"CAST(started_at / {SLOT} AS INTEGER), kind, 0, tenant, account, SUM({AMOUNT}) FROM runs "
        "GROUP BY 1, 2, 3, 4, 6, 7"
    )


def someone() -> Person:
    """Return somebody whom the journal does not know yet."""
    number = secrets.token_hex(4)
    return Person(
        email=f"{number}@fable.example",
        linkedin_url=f"https://www.linkedin.com/in/{number}",
        first_name="Ada",
        last_name=f"Fable{number}",
        company_name=f"Fable {number} Ltd",
        domain=f"{number}.example",
    )


async def claimed(journal: Journal) -> int:
    """Claim the run of somebody new, and return its number."""
    work = PersonWork(marks_of(someone()), "partial", "Ada Fable", "", "", "MCP Results", again=False)
    decision = await journal.claims.person(work, Terms(LIMITS, 60))
    return decision.run.run_id


async def paid(journal: Journal) -> None:
    """Do all that the journal does in one paid call, from the intent to the end of the run."""
    run = cast(Run, await journal.run(await claimed(journal)))
    name = f"enrich-{run.run_id}"
    await journal.outcomes.started(
        run, workflow_id=name, reserved=1, list_id="list_1", list_name="MCP Results", status="pending"
    )
    await journal.outcomes.finished(name, status="completed", charged=1, refunded=0, report=None)


async def read(journal: Journal) -> None:
    """Read what credits_balance and workflow_status ask for."""
    await journal.spent()
    await journal.recent(11)


def quote(number: int) -> Quote:
    return Quote(f"qte_{number}", "list_1", "Prospects", "partial", 40, 40, 500, time.time() + 300)


async def synced(path: Path) -> None:
    """Make a small write that waits for the disk."""
    descriptor = os.open(path.with_name("fsync"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, b"x" * 4096)
    os.fsync(descriptor)
    os.close(descriptor)


async def timed(step: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """Return the median and the 95th percentile of one step over all rounds, in milliseconds."""
    times = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        await step(number)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
