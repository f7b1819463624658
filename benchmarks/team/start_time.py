"""Point 13: a server over stdio starts as quickly as before there was a service, and loads none of it."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.team.report import Conditions, Report

BEFORE = "da3c3ef"
"""The last commit before the service was begun."""

MOST_SLOWER = 1.05
ROOT = Path(__file__).resolve().parents[2]

FOREIGN = (
    "psycopg",
    "psycopg_pool",
    "opentelemetry.sdk",
    "cleanlist_mcp.server.http",
    "cleanlist_mcp.journal.postgres",
    "cleanlist_mcp.accounts",
)
"""Modules that a server over stdio with a journal in a file has no use for."""

_HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "proof", "version": "1"},
}
_MESSAGES = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _HANDSHAKE},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
)


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(13, "A server over stdio starts as before")
    dice = Random(conditions.seed)  # noqa: S311 - a seed, no secret
    with tempfile.TemporaryDirectory(prefix="team-start-") as place:
        folder = Path(place)
        former = _checked_out(folder / "before")
        if former is None:
            report.left_out = f"the commit {BEFORE} is not in this clone."
            return report
        pairs = int(conditions.choose(7, 40))
        _compare(report, folder, former, pairs, dice)
        loaded, loaded_before = _loaded(ROOT, folder), _loaded(former, folder)
    report.at_least("modules that a start loads", len(loaded), 100)
    foreign = sorted(name for name in loaded if name.startswith(FOREIGN))
    report.none("modules of the service or a database among them", [f"{name} is loaded" for name in foreign])
    more = sorted(name for name in loaded - loaded_before if not name.startswith("cleanlist_mcp"))
    report.none(
        "modules of other packages that were not loaded before", [f"{name} is loaded" for name in more]
    )
    return report


def _checked_out(place: Path) -> Path | None:
    """Return the folder with the files of the earlier commit, None if it is not here."""
    command = ["git", "-C", str(ROOT), "archive", BEFORE, "cleanlist_mcp"]
    archived = subprocess.run(command, capture_output=True, check=False)
    if archived.returncode:
        return None
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place


def _compare(report: Report, folder: Path, former: Path, pairs: int, dice: Random) -> None:
    """Start both in turns, in a random order, with the same interpreter and packages.

    Processor seconds are compared: on a busy machine the clock on the wall measures the neighbours.
    """
    sources = {"before": former, "now": ROOT}
    seconds: dict[str, list[tuple[float, float]]] = {"before": [], "now": []}
    for source in sources.values():
        _start(source, folder)  # compiles what was not compiled yet
    for _ in range(pairs):
        for name in dice.sample(("before", "now"), 2):
            seconds[name].append(_start(sources[name], folder))
    wall, processor = ({name: [one[at] for one in ones] for name, ones in seconds.items()} for at in (0, 1))
    report.show("pairs of starts, until the tools are listed", pairs)
    report.show(
        "before, median", f"{median(wall['before']):.3f} s, processor {median(processor['before']):.3f} s"
    )
    report.show("now, median", f"{median(wall['now']):.3f} s, processor {median(processor['now']):.3f} s")
    ratio = median(now / then for now, then in zip(processor["now"], processor["before"], strict=True))
    report.at_most("now against before, processor time", round(ratio, 3), MOST_SLOWER)
    fastest = min(wall["now"]) / min(wall["before"])
    report.show("now against before, fastest by the clock", round(fastest, 3))


def _start(source: Path, folder: Path, *options: str) -> tuple[float, float]:
    """Start a server, list its tools and end it; return its seconds by the clock until then, and of processor time."""
    before, began = os.times(), time.monotonic()
    with _server(source, folder, *options) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The server was started without pipes.")
        process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in _MESSAGES))
        process.stdin.flush()
        for _ in range(2):
            process.stdout.readline()
        listed = time.monotonic() - began
        process.stdin.close()
        process.wait()
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return listed, spent


def _server(source: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    variables = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(source),
        "CLEANLIST_STATE_DIR": str(folder / "state"),
        "CLEANLIST_API_KEY": "clapi_" + "none" * 8,
    }
    return subprocess.Popen(
        [sys.executable, *options, "-m", "cleanlist_mcp"],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if options else subprocess.DEVNULL,
    )


def _loaded(source: Path, folder: Path) -> set[str]:
    """Return the modules that a start loads, as the interpreter itself reports them."""
    with _server(source, folder, "-X", "importtime") as process:
        lines = b"".join(json.dumps(one).encode() + b"\n" for one in _MESSAGES)
        _, errors = process.communicate(lines)
    reports = (line for line in errors.decode().splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in reports}
