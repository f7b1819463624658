"""Starts with the first answers of an earlier one, and without: `python -m benchmarks.front` prints the table.

Milliseconds from the start of the process to each answer, medians with the least in brackets; the two kinds take turns.
No API is there: the first call is one that needs none.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from benchmarks.pipe import Pipe
from cleanlist_mcp.server.front import FILE_NAME

ROUNDS = 9
ANSWERS = ("initialize", "tools/list", "workflow_status")


def started(folder: str, front: str) -> tuple[Pipe, float]:
    """Return a server on a state folder, and the time of its start in seconds."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLEANLIST_", "PYTHON"))
    }
    settings = {"CLEANLIST_STATE_DIR": folder, "CLEANLIST_FRONT": front, "CLEANLIST_API_KEY": "clapi_made_up"}
    begun = time.perf_counter()
    return Pipe(["cleanlist_mcp"], kept | settings | {"CLEANLIST_BASE_URL": "http://127.0.0.1:1"}), begun


def times(folder: str, front: str) -> list[float]:
    """Return the milliseconds from the start to each of the answers."""
    server, begun = started(folder, front)
    found = []
    with server:
        server.connect()
        found.append(time.perf_counter() - begun)
        server.request("tools/list", {})
        found.append(time.perf_counter() - begun)
        server.call("workflow_status")
        found.append(time.perf_counter() - begun)
    return [1000 * seconds for seconds in found]


def pings(folder: str) -> list[float]:
    """Return the milliseconds of pings that were answered while the server loaded."""
    server, _ = started(folder, "auto")
    found = []
    with server:
        server.connect()
        until = time.perf_counter() + 0.4  # seconds; loading takes longer
        while time.perf_counter() < until:
            begun = time.perf_counter()
            server.request("ping", {})
            found.append(1000 * (time.perf_counter() - begun))
            time.sleep(0.003)
    return found


def learn(folder: str) -> None:
    """Have a start keep its first answers."""
    server, _ = started(folder, "auto")
    with server:
        server.connect()
        server.request("tools/list", {})
        while not (Path(folder) / FILE_NAME).exists():
            time.sleep(0.1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        learn(folder)
        found: dict[str, list[list[float]]] = {"auto": [], "never": []}
        for _ in range(ROUNDS):
            for front, rounds in found.items():
                rounds.append(times(folder, front))
        waited = [one for _ in range(3) for one in pings(folder)]
    print(f"| CLEANLIST_FRONT | {' | '.join(ANSWERS)} |\n|---|---|---|---|")
    for front, rounds in found.items():
        cells = [f"{median(column):.0f} ({min(column):.0f})" for column in zip(*rounds, strict=True)]
        print(f"| {front} | {' | '.join(cells)} |")
    cuts = quantiles(waited, n=20)
    print(
        f"\n{len(waited)} pings while loading: median {median(waited):.1f} ms, 95 % within {cuts[18]:.1f} ms,"
    )
    print(f"at most {max(waited):.1f} ms.")


if __name__ == "__main__":
    main()
