"""Replicas of the service as real processes: started, asked whether they are ready, ended and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from benchmarks.team.wire import get

START_SECONDS = 60.0
"""Seconds that a replica has for its start; a guard for loaded machines, never waited for when all is well."""

_LOOK_SECONDS = 0.02


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StartRefused(Exception):
    """A replica ended instead of becoming ready; the text is the end of its log."""


class Replica:
    """One process of `serve --http` on a port that it keeps over restarts."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.environment = dict(environment)
        self.starts = 0
        self._log = folder / f"replica-{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """True while the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything that the process and its predecessors wrote to stdout and stderr."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def spawn(self) -> None:
        """Start the process, without waiting until it is ready."""
        command = [sys.executable, "-m", "cleanlist_mcp", "serve", "--http", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._log.parent,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.starts += 1

    async def start(self) -> float:
        """Start the process and return after how many seconds it was ready.

        Raises:
            StartRefused: if it ended instead.
        """
        began = time.monotonic()
        self.spawn()
        with anyio.fail_after(START_SECONDS):
            while not await self.ready():
                if not self.alive:
                    raise StartRefused(self.log[-2_000:])
                await anyio.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    async def ready(self) -> bool:
        """Return whether the replica says that it takes calls."""
        return await get(self.port, "/readyz", patience=1.0) == 200

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal, if it is still there."""
        if self._process is not None and self.alive:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def gone(self, patience: float) -> float:
        """Wait for the end of the process, and return after how many seconds it came, or `patience`."""
        began = time.monotonic()
        while self.alive and time.monotonic() - began < patience:  # noqa: ASYNC110 - a process has no event
            await anyio.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    def memory(self) -> float:
        """Return the megabytes that the process holds."""
        if self._process is None:
            return 0.0
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _variables(self) -> dict[str, str]:
        usual = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        own = {"HOME": str(self._log.parent), "CLEANLIST_LOG_LEVEL": "INFO"}
        return {**usual, **own, **self.environment}
