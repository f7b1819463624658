"""Our server beside others: `python -m benchmarks.peers` measures them in turns and prints a table.

The others are the bare SDK with one tool that makes the same request, FastMCP with the same tool and, if npm is
there, three servers on Node. Each runs in an environment of its own, which this script makes. The API is a stub on
loopback that costs next to nothing (`benchmarks/stub.py`). --quick takes fewer rounds and leaves Node out; --write puts
the tables into docs/performance.md; --json prints every figure.

Servers take turns in every round, so that a busy moment of the machine meets all of them. Read the ratios.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from benchmarks.peer_environments import ROOT, SDK, Peer, node_peers, python_peers, surroundings
from benchmarks.pipe import Pipe

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
IDLE_SECONDS = 1.0
"""Seconds between the answered list and the first call: people type for longer."""

BLOCK = 100
"""Calls of one server before it is the next one's turn."""

WIDTHS = (16, 64)
"""Calls that are under way at once."""


@dataclass
class Figures:
    """The measurements of one server, in ms, MiB and bytes; `rates` are calls per second by calls at once."""

    start: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    rates: dict[int, list[float]] = field(default_factory=lambda: {width: [] for width in (1, *WIDTHS)})
    idle_mib: list[float] = field(default_factory=list)
    used_mib: list[float] = field(default_factory=list)
    list_bytes: int = 0
    answer_bytes: int = 0


Measured = dict[str, Figures]


@dataclass(frozen=True)
class Bound:
    """A goal: our figure against another server's, at most or at least `times` it."""

    what: str
    against: str
    figure: Callable[[Figures], float]
    times: float
    at_least: bool = False

    @property
    def goal(self) -> str:
        """The goal in words."""
        return f"at {'least' if self.at_least else 'most'} {self.times:g}"

    def row(self, measured: Measured) -> tuple[str, ...]:
        """Return the cells of its row; the goal is missed, and marked so, if the ratio is on its wrong side."""
        ratio = self.figure(measured["ours"]) / self.figure(measured[self.against])
        held = ratio >= self.times if self.at_least else ratio <= self.times
        return self.what, self.against, f"{ratio:.2f}", self.goal, "" if held else "missed"


BOUNDS = (
    Bound("start to tools/list", "bare SDK", lambda one: median(one.start), 1.05),
    Bound("first call", "bare SDK", lambda one: median(one.first), 2.5),
    Bound("call, p50", "bare SDK", lambda one: median(one.calls), 0.7),
    Bound("call, p50", "FastMCP", lambda one: median(one.calls), 0.6),
    Bound("calls per second, 16 at once", "bare SDK", lambda one: median(one.rates[16]), 1.8, at_least=True),
    Bound("memory after the calls", "bare SDK", lambda one: median(one.used_mib), 1.12),
)


def main() -> int:
    """Measure, print, and write if asked to."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, stub() as url:
        peers = python_peers() + ([] if options.quick else node_peers())
        started = {peer.name: _starter(peer, url, Path(folder)) for peer in peers}
        measured: Measured = {peer.name: Figures() for peer in peers}
        starts(peers, started, measured, 3 if options.quick else 9)
        calls(peers, started, measured, 3 if options.quick else 9)
    page = text(measured)
    if options.json:
        page = json.dumps({name: asdict(figures) for name, figures in measured.items()}, indent=1) + "\n"
    sys.stdout.write(page)
    if options.write:
        write(page)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no servers on Node")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print every figure")
    output.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


@contextmanager
def stub() -> Iterator[str]:
    """Serve the API; yields its address."""
    command = [sys.executable, "-m", "benchmarks.stub"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as api:
        assert api.stdout is not None  # noqa: S101 - it was asked for
        assert api.stdin is not None  # noqa: S101 - and so was this
        try:
            yield api.stdout.readline().strip()
        finally:
            api.stdin.close()


def _starter(peer: Peer, url: str, folder: Path) -> Callable[[], Pipe]:
    home = folder / peer.name.replace(" ", "-")
    home.mkdir()
    environment = surroundings(peer, url, home)
    return lambda: Pipe((), environment, program=peer.command, errors=subprocess.DEVNULL)


Starters = Mapping[str, Callable[[], Pipe]]


def starts(peers: Sequence[Peer], started: Starters, measured: Measured, rounds: int) -> None:
    """Start each server so often: until tools/list is answered, its memory then, and its first call."""
    for turn in range(rounds + 1):
        for peer in peers:
            figures = Figures() if turn == 0 else measured[peer.name]  # the first start of each compiles
            began = time.perf_counter()
            with started[peer.name]() as server:
                server.connect()
                measured[peer.name].list_bytes = len(server.ask("tools/list", {}))
                figures.start.append(_ms_since(began))
                figures.idle_mib.append(server.resident_mib() or 0.0)
                time.sleep(IDLE_SECONDS)
                began = time.perf_counter()
                measured[peer.name].answer_bytes = len(server.ask("tools/call", _call(peer)))
                figures.first.append(_ms_since(began))


def calls(peers: Sequence[Peer], started: Starters, measured: Measured, rounds: int) -> None:
    """Call each server in blocks, one call after the other and then many at once; memory after all of it."""
    with ExitStack() as stack:
        servers = {peer.name: stack.enter_context(started[peer.name]()) for peer in peers}
        for server in servers.values():
            server.connect()
        for turn in range(rounds + 1):
            for peer in peers:
                figures = Figures() if turn == 0 else measured[peer.name]
                _block(servers[peer.name], peer, figures)
        for name, server in servers.items():
            measured[name].used_mib.append(server.resident_mib() or 0.0)


def _block(server: Pipe, peer: Peer, figures: Figures) -> None:
    used, began = server.processor_ms() or 0.0, time.perf_counter()
    for _ in range(BLOCK):
        asked = time.perf_counter()
        server.ask("tools/call", _call(peer))
        figures.calls.append(_ms_since(asked))
    figures.rates[1].append(BLOCK / (time.perf_counter() - began))
    figures.processor.append(((server.processor_ms() or 0.0) - used) / BLOCK)
    for width in WIDTHS:
        began = time.perf_counter()
        server.ask_many("tools/call", _call(peer), 4 * width, width)
        figures.rates[width].append(4 * width / (time.perf_counter() - began))


def _call(peer: Peer) -> dict[str, object]:
    return {"name": peer.tool, "arguments": dict(peer.arguments)}


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "start, ms": lambda one: f"{median(one.start):.0f}",
    "first call, ms": lambda one: f"{median(one.first):.1f}",
    "call p50, ms": lambda one: f"{median(one.calls):.2f}",
    "p99, ms": lambda one: f"{quantiles(one.calls, n=100)[98]:.2f}",
    "processor, ms a call": lambda one: f"{median(one.processor):.2f}",
    "calls/s at 1": lambda one: f"{median(one.rates[1]):,.0f}",
    "at 16": lambda one: f"{median(one.rates[16]):,.0f}",
    "at 64": lambda one: f"{median(one.rates[64]):,.0f}",
    "MiB idle": lambda one: f"{median(one.idle_mib):.0f}",
    "MiB after": lambda one: f"{median(one.used_mib):.0f}",
    "list, bytes": lambda one: f"{one.list_bytes:,}",
    "answer, bytes": lambda one: f"{one.answer_bytes:,}",
}


def text(measured: Measured) -> str:
    """Return both tables, and with what they were made, as Markdown."""
    rounds = len(next(iter(measured.values())).start)
    head = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()}, {SDK}: medians of "
        f"{rounds} starts and {rounds * BLOCK} calls of each.\n\n"
    )
    rows = [(name, *(cell(one) for cell in COLUMNS.values())) for name, one in measured.items()]
    bounds = [bound.row(measured) for bound in BOUNDS]
    return (
        head
        + _table(("server", *COLUMNS), rows)
        + "\n"
        + _table(("ours against", "server", "ratio", "goal", ""), bounds)
    )


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(page: str) -> None:
    """Put the tables between the marks of docs/performance.md."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{page}{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
