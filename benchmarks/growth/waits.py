"""The costs of calls that wait at once for the end of runs."""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.page import Grown, Topic
from benchmarks.growth.world import World, world
from benchmarks.pipe import Pipe
from cleanlist_mcp.journal.sqlite.ledger import LEDGER_NAME
from cleanlist_mcp.sandbox.state import Sandbox

SIZES = (0, 1, 10, 100, 256)
"""Calls that wait at once: 256 have room."""

WAIT, QUICK_WAIT = 8, 2
"""Seconds for which each call waits; the runs go on for longer."""

EVERY = 1.5
"""Seconds between two other calls beside them: each uses one of the 30 requests that a minute has for all of them."""

PROCESSOR, LOOKS = "processor of the server, ms", "status requests"
BESIDE, WORST = "whoami beside them, median, ms", "whoami beside them, slowest, ms"
WAITS = Topic(
    "waits",
    "What it costs that calls wait at once, by their number",
    "The processor's time of the server, its status requests, which stay within what a minute has, and the slowest of "
    "the other calls beside them.",
    "calls that wait at once",
    "milliseconds, or requests",
    (PROCESSOR, LOOKS, BESIDE, WORST),
    {
        PROCESSOR: "processor, ms",
        LOOKS: "status requests",
        WORST: "slowest whoami, ms",
        BESIDE: "median whoami, ms",
    },
)


def measured(quick: bool) -> Grown:
    """Return the figures, all sizes in turns."""
    sizes, rounds, wait = ((0, 10, 100), 1, QUICK_WAIT) if quick else (SIZES, 3, WAIT)
    grown = Grown(WAITS)
    for _ in range(rounds):
        for size in sizes:
            with world(Sandbox(rate_limits=False, latency=600.0)) as here:
                state = here.folder / "state"
                runs = started(here, state, size)
                with here.server(CLEANLIST_STATE_DIR=str(state)) as server:
                    _play(here, server, grown, runs, wait)
    return grown


def started(here: World, state: Path, count: int) -> list[str]:
    """Start runs of people by another server on the same journal, and return their ids.

    Its notes of requests are taken away: else the starts would leave no room for looks in this minute.
    """
    with here.server(CLEANLIST_STATE_DIR=str(state), CLEANLIST_HOURLY_UNQUOTED_LIMIT="999999") as server:
        people = ({"email": f"run{number}@fable.example", "wait_seconds": 0} for number in range(count))
        runs = [server.call("enrich_person", person)["workflow_id"] for person in people]
    for file in state.glob(f"{LEDGER_NAME}*"):
        file.unlink()
    return runs


def _play(here: World, server: Pipe, grown: Grown, runs: Sequence[str], wait: int) -> None:
    size = len(runs)
    server.call("workflow_status", {"wait_seconds": 0})
    server.call("whoami")  # what both need is loaded
    used, asked = server.processor_ms() or 0.0, here.requests
    calls = [
        {"name": "workflow_status", "arguments": {"workflow_id": run, "wait_seconds": wait}} for run in runs
    ]
    waiting = [server.begin("tools/call", call) for call in calls]
    beside = _beside(server, wait)
    for number in waiting:
        server.finish(number)
    grown.add(PROCESSOR, size, (server.processor_ms() or 0.0) - used)
    grown.add(LOOKS, size, here.requests - asked - len(beside))
    grown.add(BESIDE, size, *beside)
    grown.add(WORST, size, max(beside))


def _beside(server: Pipe, wait: int) -> list[float]:
    """Return the milliseconds of each other call while they wait; the last meets their answers."""
    began, found = time.perf_counter(), []
    while time.perf_counter() < began + wait:
        time.sleep(min(EVERY, max(0.0, began + wait - time.perf_counter())))
        asked = time.perf_counter()
        server.call("whoami")
        found.append((time.perf_counter() - asked) * 1000)
    return found
