"""One key in many hands: what the API met from several processes that use one key, or one organization's keys.

`python -m benchmarks.team_budget` takes somewhat over three minutes, `--quick` one; `--json` prints JSON. The API is
the sandbox over loopback HTTP with its own rate limits, which judge; it keeps a record of each request.
"""

import argparse
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from benchmarks.overhead import OURS, environment
from benchmarks.pipe import Pipe
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox

RUNS = 12
RUN_SECONDS = 15.0
WAIT_SECONDS = 25
"""Seconds that a call waits for a run, as many clients do before they give up."""

STDIO, COLLEAGUES = 5, 10

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
class Followed:
    """What the members learnt of the runs, by the moment at which the last of them did."""

    started_at: dict[str, float] = field(default_factory=dict)
    known: int = 0
    late: list[float] = field(default_factory=list)
    failed_calls: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.team_budget", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="one minute of each instead of three")
    arguments = parser.parse_args()
    seconds = 50.0 if arguments.quick else 180.0
    rows = anyio.run(both, seconds)
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if arguments.json else table(rows))


async def both(seconds: float) -> list[Row]:
    """One key in five processes, and ten keys of one organization in ten, side by side with an API each."""
    rows: dict[int, Row] = {}

    async def measure(place: int, play: Callable[[float], Awaitable[Row]]) -> None:
        rows[place] = await play(seconds)

    async with anyio.create_task_group() as tasks:
        for place, play in enumerate((one_key, colleagues)):
            tasks.start_soon(measure, place, play)
    return [rows[place] for place in sorted(rows)]


async def one_key(seconds: float) -> Row:
    """Twelve runs of one key, followed by each of its processes at once."""
    sandbox = Sandbox(latency=RUN_SECONDS)
    async with running(sandbox) as base_url, members_of(base_url, [sandbox.key] * STDIO) as members:
        found = Followed()
        with anyio.move_on_after(seconds):
            while True:
                started = await start(members, found, RUNS)
                async with anyio.create_task_group() as tasks:
                    for member in members:
                        tasks.start_soon(follow, member, started, found)
    return judged(f"{RUNS} runs of one key, each followed by {len(members)} processes", sandbox, found)


async def colleagues(seconds: float) -> Row:
    """Ten people of one organization, each with a key and runs of their own."""
    sandbox = Sandbox(latency=RUN_SECONDS)
    keys = [sandbox.key]
    keys += [sandbox.add_account(f"seller{n}", colleague_of=sandbox.key) for n in range(1, COLLEAGUES)]
    async with running(sandbox) as base_url, members_of(base_url, keys) as members:
        found = Followed()

        async def work(member: Member) -> None:
            await member.ask([("credits_balance", {})])
            while True:
                await follow(member, await start([member], found, 1), found)

        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for member in members:
                    tasks.start_soon(work, member)
    return judged(f"{len(members)} keys of one organization, a run each", sandbox, found)


@asynccontextmanager
async def members_of(base_url: str, keys: Sequence[str]) -> AsyncIterator[list[Member]]:
    """A server over stdio for each key, all on one state folder."""
    with environment() as base:
        async with AsyncExitStack() as stack:
            members: list[Member] = []
            pipes: list[Pipe] = []
            for key in keys:
                variables = base | {"CLEANLIST_BASE_URL": base_url, "CLEANLIST_API_KEY": key}
                pipe = stack.enter_context(Pipe(OURS, variables | {"CLEANLIST_HOURLY_UNQUOTED_LIMIT": "500"}))
                await anyio.to_thread.run_sync(pipe.connect)
                pipes.append(pipe)
                members.append(StdioMember(pipe))
            try:
                yield members
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
                found.known += 1
                found.late.append(time.monotonic() - found.started_at[run] - RUN_SECONDS)


def judged(what: str, sandbox: Sandbox, found: Followed) -> Row:
    """What the API saw."""
    moments = sorted(record.time for record in sandbox.requests)
    by_key: dict[str | None, list[float]] = {}
    for record in sandbox.requests:
        by_key.setdefault(record.key, []).append(record.time)
    late = sorted(found.late) or [0.0]
    return {
        "what": what,
        "requests": len(moments),
        "refused_429": sum(record.status == 429 for record in sandbox.requests),
        "most_in_60_s_of_a_key": max(map(most_in_a_minute, by_key.values())),
        "most_in_60_s": most_in_a_minute(moments),
        "ends_known": found.known,
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
    main()
