"""One key in many hands: what the API met from three replicas and two stdio servers that use one key, and from ten
keys of one organization on three replicas.

`python -m benchmarks.team_budget` takes somewhat over three minutes, `--quick` one; `--json` prints JSON. The API is
the sandbox over loopback HTTP with its own rate limits, which judge; it keeps a record of each request. All share a
PostgreSQL, or with `--engine sqlite` a state folder. The exit status is 1 if the API refused anything.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from benchmarks.overhead import OURS, environment
from benchmarks.pipe import Pipe
from benchmarks.team.database import NoPostgres
from benchmarks.team.wire import Client
from benchmarks.team.world import Engine, World, world
from cleanlist_mcp.sandbox.state import Sandbox

REPLICAS, STDIO, COLLEAGUES = 3, 2, 10

RUNS = 12
RUN_SHARE = 0.3
"""Length of the twelve runs, as a share of the time: after it each of the others looks once at each."""

COLLEAGUES_RUN_SECONDS = 15.0
WAIT_SECONDS = 25
"""Seconds that a call waits for a run, as many clients do before they give up."""

LIMITS = {"CLEANLIST_HOURLY_UNQUOTED_LIMIT": "500"}
KEY_LIMIT, ORGANIZATION_LIMIT = 30, 60

Call = tuple[str, Mapping[str, Any]]
Row = dict[str, Any]


class Member(Protocol):
    """One process that uses a key."""

    async def ask(self, calls: Sequence[Call]) -> list[Row]:
        """Call tools at once; the structured answer of each, empty for an error."""


@dataclass
class StdioMember:
    """A server over stdio."""

    pipe: Pipe

    async def ask(self, calls: Sequence[Call]) -> list[Row]:
        messages = await anyio.to_thread.run_sync(self.pipe.ask_all, calls, abandon_on_cancel=True)
        return [message.get("result", {}).get("structuredContent") or {} for message in messages]


@dataclass
class HttpMember:
    """A key at one replica of a service."""

    client: Client

    async def ask(self, calls: Sequence[Call]) -> list[Row]:
        answers: dict[int, Row] = {}

        async def one(place: int, tool: str, arguments: Mapping[str, Any]) -> None:
            answers[place] = dict((await self.client.call_with(tool, arguments)).data)

        async with anyio.create_task_group() as tasks:
            for place, (tool, arguments) in enumerate(calls):
                tasks.start_soon(one, place, tool, arguments)
        return [answers[place] for place in range(len(calls))]


@dataclass
class Followed:
    """The ends of runs that the members saw; each run takes `length` seconds."""

    length: float
    started_at: dict[str, float] = field(default_factory=dict)
    ends: int = 0
    people: int = 0
    late: list[float] = field(default_factory=list)
    failed_calls: int = 0


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team_budget", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="under a minute instead of three")
    parser.add_argument("--engine", choices=("postgres", "sqlite"), default="postgres")
    arguments = parser.parse_args()
    rows: list[Row] = []
    try:
        rows = anyio.run(both, 45.0 if arguments.quick else 180.0, arguments.engine)
    except* NoPostgres:
        sys.stderr.write("PostgreSQL is not installed; --engine sqlite does without it.\n")
    if not rows:
        return 2
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if arguments.json else table(rows))
    return int(any(row["refused_429"] or row["over_the_limit"] for row in rows))


async def both(seconds: float, engine: Engine) -> list[Row]:
    """Play both, side by side, with an API and a store each."""
    rows: dict[int, Row] = {}

    async def measure(place: int, play: Callable[[float, Engine], Awaitable[Row]]) -> None:
        rows[place] = await play(seconds, engine)

    async with anyio.create_task_group() as tasks:
        for place, play in enumerate((one_key, colleagues)):
            tasks.start_soon(measure, place, play)
    return [rows[place] for place in sorted(rows)]


async def one_key(seconds: float, engine: Engine) -> Row:
    """Twelve runs of one key, followed by each of its processes at once."""
    found = Followed(seconds * RUN_SHARE)
    sandbox = Sandbox(latency=found.length)
    async with deployment(sandbox, engine) as made, stdio_members(made, sandbox.key) as laptops:
        replicas = [HttpMember(made.client(sandbox.key, at=replica)) for replica in made.replicas]
        members: list[Member] = [*replicas, *laptops]
        with anyio.move_on_after(seconds):
            started = await start(members, found, RUNS)
            async with anyio.create_task_group() as tasks:
                for member in members:
                    tasks.start_soon(follow, member, started, found)
            await anyio.sleep(max(seconds - found.length, 0))  # the minute after it counts too
    return judged(f"{RUNS} runs of one key, each followed by {len(members)} processes", sandbox, found)


async def colleagues(seconds: float, engine: Engine) -> Row:
    """Ten people of one organization, each with a key and runs of their own, one after the other."""
    found = Followed(COLLEAGUES_RUN_SECONDS)
    sandbox = Sandbox(latency=found.length)
    keys = [sandbox.key]
    keys += [sandbox.add_account(f"seller{n}", colleague_of=sandbox.key) for n in range(1, COLLEAGUES)]
    async with deployment(sandbox, engine) as made:

        async def work(place: int, key: str) -> None:
            member = HttpMember(made.client(key, at=made.replicas[place % REPLICAS]))
            while True:
                await follow(member, await start([member], found, 1), found)

        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for place, key in enumerate(keys):
                    tasks.start_soon(work, place, key)
    return judged(f"{len(keys)} keys of one organization at {REPLICAS} replicas", sandbox, found)


def deployment(sandbox: Sandbox, engine: Engine) -> Any:
    """Three replicas of one service."""
    dice = random.Random(5)  # noqa: S311 - nothing secret
    return world(dice, engine=engine, replicas=REPLICAS, sandbox=sandbox, settings=LIMITS)


@asynccontextmanager
async def stdio_members(made: World, key: str) -> AsyncIterator[list[StdioMember]]:
    """Servers over stdio, which share the store of a service."""
    usual = made.replicas[0].environment
    with environment() as base:
        async with AsyncExitStack() as stack:
            pipes: list[Pipe] = []
            for _ in range(STDIO):
                pipe = stack.enter_context(Pipe(OURS, base | usual | {"CLEANLIST_API_KEY": key}))
                await anyio.to_thread.run_sync(pipe.connect)
                pipes.append(pipe)
            try:
                yield [StdioMember(pipe) for pipe in pipes]
            finally:
                for pipe in pipes:
                    pipe.kill()


async def start(members: Sequence[Member], found: Followed, count: int) -> list[str]:
    """Start runs, each member its share; return their ids."""
    started: list[str] = []

    async def share(member: Member, numbers: range) -> None:
        calls = [
            ("enrich_person", {"email": f"person{time.time_ns()}x{number}@fable.example", "wait_seconds": 0})
            for number in numbers
        ]
        for report in await member.ask(calls):
            if "workflow_id" in report:
                started.append(report["workflow_id"])
                found.started_at[report["workflow_id"]] = time.monotonic()
            else:
                found.failed_calls += 1

    async with anyio.create_task_group() as tasks:
        for place, member in enumerate(members):
            tasks.start_soon(share, member, range(place, count, len(members)))
    return started


async def follow(member: Member, runs: Sequence[str], found: Followed) -> None:
    """Ask for all runs at once, again and again, until each is known to have ended."""
    left = list(runs)
    while left:
        calls = [("workflow_status", {"workflow_id": run, "wait_seconds": WAIT_SECONDS}) for run in left]
        for run, report in zip(tuple(left), await member.ask(calls), strict=True):
            found.failed_calls += not report
            if report.get("finished"):
                left.remove(run)
                found.ends += 1
                found.people += "person" in report
                found.late.append(time.monotonic() - found.started_at[run] - found.length)


def judged(what: str, sandbox: Sandbox, found: Followed) -> Row:
    """Return the row of figures from what the API saw."""
    requests = sandbox.requests
    by_key: dict[str | None, list[float]] = {}
    for record in requests:
        by_key.setdefault(record.key, []).append(record.time)
    of_key = max(map(most_in_a_minute, by_key.values()))
    of_all = most_in_a_minute([record.time for record in requests])
    late = sorted(found.late) or [0.0]
    return {
        "what": what,
        "requests": len(requests),
        "refused_429": sum(record.status == 429 for record in requests),
        "most_in_60_s_of_a_key": of_key,
        "most_in_60_s": of_all,
        "over_the_limit": of_key > KEY_LIMIT or of_all > ORGANIZATION_LIMIT,
        "runs": len(found.started_at),
        "ends_known": found.ends,
        "with_the_person": found.people,
        "median_late_s": round(late[len(late) // 2], 1),
        "failed_calls": found.failed_calls,
    }


def most_in_a_minute(moments: Sequence[float]) -> int:
    """The most requests in any 60 seconds."""
    return max(sum(begin <= at < begin + 60 for at in moments) for begin in moments)


def table(rows: list[Row]) -> str:
    """The rows as one Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
