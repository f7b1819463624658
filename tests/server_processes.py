"""Servers as a client has them: real processes over stdio that can be killed and stopped, or one in this process."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import anyio
from anyio.abc import TaskStatus
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client

from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import Settings
from tests.hostile_api import KEY, HostileApi
from tests.support import text_of
from tests.test_stdio import variables

Mode = Literal["auto", "legacy"]

TIMEOUT = 2
"""Seconds for which the servers wait for one answer of the API."""

START_SECONDS = 60.0
"""Seconds that a process has for its start; a guard for loaded machines, never waited for when all is well."""

# The shell writes its number down and becomes the server: the SDK's client does not show which process it started.
_NUMBERED = ("/bin/sh", "-c", 'echo $$ >"$0"; exec "$@"')
_PLENTY = {"CLEANLIST_HOURLY_UNQUOTED_LIMIT": "999999"}
SERVE = "import runpy; runpy.run_module('cleanlist_mcp', run_name='__main__', alter_sys=True)"


@dataclass(frozen=True)
class Said:
    """The answer to a call: `data` if it succeeded, `error` if not, neither if no answer came.

    `began` and `ended` are monotonic seconds.
    """

    tool: str
    arguments: Mapping[str, Any]
    data: Mapping[str, Any]
    error: Mapping[str, Any]
    began: float
    ended: float

    @property
    def code(self) -> str:
        """The error's code, empty if there is none."""
        return str(self.error.get("code", ""))

    @property
    def charged(self) -> str:
        """The error's word about the charge, empty if there is none."""
        return str(self.error.get("charged", ""))

    @property
    def workflow_id(self) -> str:
        """The run that the answer names, empty if it names none."""
        return str(self.data.get("workflow_id") or "")

    @property
    def replayed(self) -> bool:
        return bool(self.data.get("replayed"))


class Caller:
    """A connected client whose answers are read as the contract writes them."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, *, patience: float = 60.0, **arguments: Any) -> Said:
        """Call a tool; a client that has lost patience, or its server, has no answer."""
        began = time.monotonic()
        data: Mapping[str, Any] = {}
        error: Mapping[str, Any] = {}
        with suppress(MCPError, TimeoutError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            with anyio.fail_after(patience):
                result = await self.client.call_tool(tool, arguments)
            spoken = json.loads(text_of(result).removeprefix("Error: "))
            data, error = ({}, spoken["error"]) if result.is_error else (spoken, {})
        return Said(tool, arguments, data, error, began, time.monotonic())


class Process(Caller):
    """A server process. Its life is a task of its own, which `over` ends; `doomed` once it was told to end."""

    def __init__(self, client: Client, pid: int, log: Path) -> None:
        super().__init__(client)
        self.pid = pid
        self.alive = True
        self.doomed = False
        self.over = anyio.Event()
        self.gone = anyio.Event()
        self._log = log
        self._last_log = ""

    @property
    def log(self) -> str:
        """The server's stderr so far."""
        return self._log.read_text(errors="replace") if self.alive else self._last_log

    def ended(self) -> None:
        """Note that the process is no more, while its log is still there."""
        self._last_log, self.alive = self.log, False
        self.gone.set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        self.signal(signal.SIGKILL)
        await self.close()

    async def close(self) -> None:
        """End its input and wait for its end."""
        self.over.set()
        await self.gone.wait()


async def live(
    folder: Path,
    api: HostileApi,
    mode: Mode,
    code: str,
    changes: Mapping[str, str],
    *,
    task_status: TaskStatus[Process],
) -> None:
    """Run a server process until its `over` is set; the started one is the task's value."""
    with tempfile.TemporaryDirectory() as place:
        number, log = Path(place, "pid"), Path(place, "log")
        # A module that is written under a limit on files would be cut off, and read by every later process.
        environment = variables(folder, PYTHONDONTWRITEBYTECODE="1") | _settings(api) | dict(changes)
        arguments = [*_NUMBERED[1:], str(number), sys.executable, "-c", code]
        parameters = StdioServerParameters(command=_NUMBERED[0], args=arguments, env=environment)
        with _writing(log) as errors:
            async with Client(stdio_client(parameters, errlog=errors), mode=mode) as client:
                process = Process(client, _number_in(number), log)
                task_status.started(process)
                await process.over.wait()
        process.ended()


def _writing(path: Path) -> TextIO:
    return path.open("w")


def _number_in(path: Path) -> int:
    return int(path.read_text())


def _settings(api: HostileApi) -> dict[str, str]:
    return {
        "CLEANLIST_API_KEY": KEY,
        "CLEANLIST_BASE_URL": api.url,
        "CLEANLIST_TIMEOUT_SECONDS": str(TIMEOUT),
        **_PLENTY,
    }


@asynccontextmanager
async def process(
    folder: Path,
    api: HostileApi,
    changes: Mapping[str, str] | None = None,
    *,
    mode: Mode = "legacy",
    code: str = SERVE,
) -> AsyncIterator[Process]:
    """A server process on a state folder. `changes` are further variables, `code` is the Python that it runs."""
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(START_SECONDS):
            started: Process = await tasks.start(live, folder, api, mode, code, changes or {})
        try:
            yield started
        finally:
            started.signal(signal.SIGCONT)
            started.over.set()


@asynccontextmanager
async def in_process(folder: Path, api: HostileApi, *, mode: Mode = "auto") -> AsyncIterator[Caller]:
    """A server on a state folder in this very process, for what needs no process of its own."""
    settings = Settings.from_environment(_settings(api) | {"CLEANLIST_STATE_DIR": str(folder)})
    async with Client(build_server(settings), mode=mode) as client:
        yield Caller(client)
