"""Point 14: starts that would be unsafe are refused in a line, and safe ones are not."""

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from benchmarks.team.replicas import free_port
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import get
from cleanlist_mcp.secret_keys import SecretKeys

STARTED_SECONDS, REFUSED_STATUS = 30.0, 2
DATABASE = "postgresql://team@127.0.0.1:9/none"
"""The address of a database that nobody needs here: an unsafe start is refused before it."""


@dataclass(frozen=True)
class Start:
    """A start: its name in the table, its arguments, its settings, and whether it is `safe`."""

    name: str
    words: tuple[str, ...] = ("serve", "--http")
    settings: Mapping[str, str] = field(default_factory=dict)
    safe: bool = False


def starts() -> list[Start]:
    """Return the starts to try."""
    secret = secrets.token_hex(32)
    laptop = SecretKeys.read(secret).for_laptops
    public = ("serve", "--http", "--host", "0.0.0.0")  # noqa: S104 - the address that is refused
    with_database = {"CLEANLIST_DATABASE_URL": DATABASE}
    return [
        Start("a public address without hosts", public),
        Start("the same with made-up data", (*public, "--sandbox")),
        Start("a database without a secret", settings=with_database),
        Start("the same over stdio", (), with_database),
        Start("a secret that is too short", settings={**with_database, "CLEANLIST_SECRET_KEYS": "short"}),
        Start(
            "a service with a laptop's secret", settings={**with_database, "CLEANLIST_SECRET_KEYS": laptop}
        ),
        Start("half of a sign-in", settings={"CLEANLIST_AUTH": "oauth"}),
        Start("loopback", safe=True),
        Start(
            "a public address with hosts", public, {"CLEANLIST_ALLOWED_HOSTS": "mcp.acme.example"}, safe=True
        ),
    ]


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(14, "Unsafe starts are refused")
    with tempfile.TemporaryDirectory(prefix="team-starts-") as place:
        for start in starts():
            status, lines = await _tried(start, Path(place))
            words = "served" if status is None else f"status {status}, {len(lines)} lines"
            is_refused = status == REFUSED_STATUS and bool(lines)
            holds = status is None if start.safe else is_refused
            report.holds(start.name, words, holds=holds, demand="served" if start.safe else "refused")
            if not holds:
                report.problems.append(f"{start.name}: {' '.join(lines)[:300]}")
    return report


async def _tried(start: Start, folder: Path) -> tuple[int | None, list[str]]:
    """Return the status with which a start ended, None if it serves, and what it wrote to stderr."""
    port, log = free_port(), folder / "log"
    process = _spawned(start, port, log)
    try:
        with anyio.move_on_after(STARTED_SECONDS):
            while process.poll() is None and not await get(port, "/healthz"):  # noqa: ASYNC110 - there is no event
                await anyio.sleep(0.05)
        return process.poll(), log.read_text(errors="replace").splitlines()
    finally:
        process.kill()
        process.wait()


def _spawned(start: Start, port: int, log: Path) -> subprocess.Popen[bytes]:
    words = [*start.words, *(("--port", str(port)) if "--http" in start.words else ())]
    with log.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "cleanlist_mcp", *words],
            cwd=log.parent,
            env={"HOME": str(log.parent), **start.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
