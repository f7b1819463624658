"""The server's cost beside the bare SDK: per call, at the start, in memory, and in requests per run.

`python -m benchmarks.overhead` prints a table, `--json` the same as JSON, `--quick` fewer rounds and no
runs of a minute. The API is the sandbox over loopback HTTP without rate limits, in a process of its own. Servers
take turns in every round, so that a busy moment of the machine meets all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median, quantiles
from typing import Any

import anyio
import httpx

from benchmarks.pipe import Pipe
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox

OURS = ("cleanlist_mcp",)
API = """
import anyio
from cleanlist_mcp.sandbox.serve import serve
from cleanlist_mcp.sandbox.state import Sandbox

anyio.run(serve, 0, "127.0.0.1", Sandbox(rate_limits=False))
"""
CALLS = {"whoami": "/whoami", "credits_balance": "/credits/balance"}
_STARTS = ("/enrichment/person", "/enrichment/bulk")
START_FLOOR = 1.15
CALL_FLOOR = 1.35

Row = dict[str, Any]


@dataclass(frozen=True)
class Runs:
    """Runs that start together: how many, of what kind, for how many seconds each; the calls that wait for
    them do so for `wait` seconds at a time, and at most `most` status requests are to go out. All of it is done
    `repeats` times, one after the other."""

    count: int
    kind: str
    length: float
    wait: int = 45
    most: int | None = None
    repeats: int = 1

    @property
    def late_at_most(self) -> float:
        """Seconds after its end at which a single run is to be seen, plus the request's own time."""
        return max(1.0, 0.25 * self.length)


RUNS = (
    Runs(1, "person", 0.5, most=4, repeats=5),
    Runs(1, "person", 6, most=10, repeats=5),
    Runs(1, "person", 60, most=24),
    Runs(1, "list", 0.5, most=2, repeats=5),  # a list shows how far it is, so half the looks have to do
    Runs(1, "list", 6, most=5, repeats=5),
    Runs(1, "list", 60, most=13),
    Runs(8, "person", 12, wait=25),
    Runs(20, "person", 60, wait=25),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no runs of a minute")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 9
    runs = [entry for entry in RUNS if entry.length < 60 or not arguments.quick]
    if arguments.quick:
        runs = [replace(entry, repeats=1) for entry in runs]
    with environment() as base:
        with sandbox_process(base) as reached:
            rows = [*starts(reached, rounds), *calls(reached, rounds, 100)]
        rows += anyio.run(settled_runs, base, runs)
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if arguments.json else table(rows))


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Variables for the servers: nothing of ours from outside, bytecode kept in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CLEANLIST_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        yield kept | {
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "CLEANLIST_STATE_DIR": f"{folder}/state",
            "CLEANLIST_FRONT": "never",  # benchmarks.front measures what a start gains from the one before
        }


@contextmanager
def sandbox_process(base: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Serve the sandbox; yields the variables that lead a server to it."""
    process = subprocess.Popen([sys.executable, "-c", API], stdout=subprocess.PIPE, env=dict(base))
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        hello = json.loads(process.stdout.readline())
        yield dict(base) | {
            "CLEANLIST_BASE_URL": hello["base_url"],
            "CLEANLIST_API_KEY": hello["api_key"],
        }
    finally:
        process.terminate()
        process.communicate()


def starts(variables: Mapping[str, str], rounds: int) -> list[Row]:
    """Milliseconds from the start of the process to an answered tools/list; memory when idle after it."""
    servers = {"ours": OURS, "bare": ("benchmarks.bare_start",)}
    times: dict[str, list[float]] = {name: [] for name in servers}
    memory: dict[str, list[float | None]] = {name: [] for name in servers}
    for turn in range(rounds + 1):
        for name, module in servers.items():
            began = time.perf_counter()
            with Pipe(module, variables) as server:
                server.connect()
                server.request("tools/list", {})
                if turn:  # the first start of each compiles
                    times[name].append((time.perf_counter() - began) * 1000)
                    memory[name].append(server.resident_mib())
    return [
        _row("cold start to tools/list, ms", times["ours"], times["bare"], most=START_FLOOR),
        _row("resident memory when idle, MiB", _known(memory["ours"]), _known(memory["bare"])),
    ]


def calls(variables: Mapping[str, str], rounds: int, repeats: int) -> list[Row]:
    """Milliseconds of one call over stdio, one after the other, and memory after all of them."""
    rows = []
    for tool, path in CALLS.items():
        with ExitStack() as stack:
            ours = stack.enter_context(Pipe(OURS, variables))
            bare = stack.enter_context(Pipe(("benchmarks.bare_server", tool), variables))
            plain = stack.enter_context(plain_client(variables, path))
            for server in (ours, bare):
                server.connect()
            sides: dict[str, Callable[[], object]] = {
                "ours": partial(ours.call, tool),
                "bare": partial(bare.call, tool),
                "plain": plain,
            }
            times = _in_turns(sides, rounds, repeats)
            rows.append(
                _row(f"{tool}, ms, p50", times["ours"], times["bare"], times["plain"], most=CALL_FLOOR)
            )
            rows.append(_row(f"{tool}, ms, p99", *(_p99(times[name]) for name in ("ours", "bare", "plain"))))
            memory = [_known([server.resident_mib()]) for server in (ours, bare)]
        rows.append(_row(f"resident memory after {rounds * repeats} calls of {tool}, MiB", *memory))
    return rows


@contextmanager
def plain_client(variables: Mapping[str, str], path: str) -> Iterator[Callable[[], object]]:
    """A function that makes the same request with an async httpx client and no server in between."""
    with anyio.from_thread.start_blocking_portal() as portal:
        headers = {"Authorization": f"Bearer {variables['CLEANLIST_API_KEY']}"}
        client = httpx.AsyncClient(base_url=variables["CLEANLIST_BASE_URL"], headers=headers, verify=False)  # noqa: S501
        try:
            yield lambda: portal.call(_timed_get, client, path)
        finally:
            portal.call(client.aclose)


async def _timed_get(client: httpx.AsyncClient, path: str) -> float:
    """Seconds of one request, measured inside the loop: the way into it is no part of the comparison."""
    began = time.perf_counter()
    (await client.get(path)).raise_for_status().json()
    return time.perf_counter() - began


def _in_turns(sides: Mapping[str, Callable[[], object]], rounds: int, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of every call of every side, the first round left out as a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            for _ in range(repeats):
                began = time.perf_counter()
                answer = side()
                seconds = answer if isinstance(answer, float) else time.perf_counter() - began
                if turn:
                    times[name].append(seconds * 1000)
    return times


async def settled_runs(base: Mapping[str, str], runs: Sequence[Runs]) -> list[Row]:
    """Measure what it takes to see runs end, each entry with a server and an account of its own, all at once."""
    rows: dict[Runs, Row] = {}

    async def measure(entry: Runs) -> None:
        turns = [await _settled(base, entry, turn) for turn in range(entry.repeats)]
        rows[entry] = _runs_row(entry, turns)

    async with anyio.create_task_group() as tasks:
        for entry in runs:
            tasks.start_soon(measure, entry)
    return [rows[entry] for entry in runs]


async def _settled(base: Mapping[str, str], runs: Runs, turn: int) -> tuple[int, float, int]:
    """Status requests, seconds between the end of the last run and its answer in the client's hands, and 429s."""
    sandbox = Sandbox(latency=runs.length)
    async with running(sandbox) as base_url:
        reached = dict(base) | {"CLEANLIST_BASE_URL": base_url, "CLEANLIST_API_KEY": sandbox.key}
        reached["CLEANLIST_STATE_DIR"] += f"-{runs.count}-{runs.kind}-{runs.length:g}-{turn}"
        seen_at = await anyio.to_thread.run_sync(_follow, runs, reached)
    started_at = max(record.time for record in sandbox.requests if record.path in _STARTS)
    looks = sum(record.path.startswith("/enrichment/status/") for record in sandbox.requests)
    refused = sum(record.status == 429 for record in sandbox.requests)
    return looks, seen_at - started_at - runs.length, refused


def _runs_row(runs: Runs, turns: Sequence[tuple[int, float, int]]) -> Row:
    """The worst of all turns."""
    times = "" if runs.repeats == 1 else f", worst of {runs.repeats}"
    row: Row = {
        "what": f"{runs.count} {runs.kind} run(s) of {runs.length:g} s: status requests{times}",
        "ours": max(looks for looks, _, _ in turns),
        "seen_late_s": round(max(late for _, late, _ in turns), 2),
        "refused_429": max(refused for _, _, refused in turns),
    }
    if runs.count == 1:
        row["late_at_most_s"] = runs.late_at_most
    return row if runs.most is None else row | {"most": runs.most}


def _follow(runs: Runs, variables: Mapping[str, str]) -> float:
    """Start the runs at once, wait for their ends as an assistant does, and say when the last of them was seen, in
    epoch seconds."""
    with Pipe(OURS, variables) as server:
        server.connect()
        calls: list[tuple[str, dict[str, Any]]] = [
            ("enrich_person", {"email": f"person{number}@fable.example"}) for number in range(runs.count)
        ]
        if runs.kind == "list":
            quote = server.call("estimate", {"list_id": "Conference Leads"})
            calls = [("enrich_list", {name: quote[name] for name in ("list_id", "scope", "quote_id")})]
        while calls:
            reports = server.call_all([(tool, found | {"wait_seconds": runs.wait}) for tool, found in calls])
            calls = [
                ("workflow_status", {"workflow_id": report["workflow_id"]})
                for report in reports
                if not report["finished"]
            ]
        return time.time()


def _row(
    what: str,
    ours: list[float],
    bare: list[float],
    plain: list[float] | None = None,
    *,
    most: float | None = None,
) -> Row:
    row: Row = {"what": what}
    for name, figures in (("ours", ours), ("bare", bare), ("plain", plain or [])):
        if figures:
            row[name] = round(median(figures), 2)
    if ours and bare:
        row["ratio"] = round(median(ours) / median(bare), 2)
    return row if most is None else row | {"most": most}


def _p99(figures: list[float]) -> list[float]:
    return [quantiles(figures, n=100)[98]]


def _known(figures: list[float | None]) -> list[float]:
    return [figure for figure in figures if figure is not None]


def table(rows: list[Row]) -> str:
    """The rows as one Markdown table; `most` is what the ratio or the count is to stay within."""
    columns = (
        "what",
        "ours",
        "bare",
        "plain",
        "ratio",
        "most",
        "seen_late_s",
        "late_at_most_s",
        "refused_429",
    )
    head = ["measured", "ours", "bare SDK", "plain httpx", "ours / bare", "at most"]
    head += ["seen late, s", "late at most, s", "429s"]
    lines = [tuple(head), ("---",) * len(head)]
    lines += [tuple(str(row.get(column, "")) for column in columns) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
