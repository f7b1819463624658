"""A terminal that is closed, with the server or around it: a paid run whose answer is under way is written down."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from tests.test_kill import ask, restarted, started
from tests.test_stdio import HANDSHAKE, PROMPT, Wire, call, posix, variables
from tests.test_stdio import started as started_as

pytestmark = posix

PERSON_PATH = "/enrichment/person"
ADA: dict[str, Any] = {"email": "ada@fable.example", "wait_seconds": 0}

IN_ITS_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "cleanlist_mcp"])
"""

IGNORING_HANG_UPS = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "cleanlist_mcp"])
"""


async def until_sent(sandbox: Sandbox) -> None:
    """Wait until the paid request has reached the API."""
    with anyio.fail_after(PROMPT):
        while not sandbox.requests or sandbox.requests[-1].path != PERSON_PATH:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def assert_written_down(sandbox: Sandbox, url: str, folder: Path) -> None:
    async with restarted(sandbox, url, folder) as client:
        newest = await ask(client, "workflow_status", wait_seconds=0)
    assert [run.workflow_id for run in sandbox.runs] == [newest["workflow_id"]]


async def test_a_hang_up_waits_for_the_answer_of_a_paid_request(tmp_path: Path) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, "cleanlist_mcp") as wire:
            sandbox.faults.next(f"POST {PERSON_PATH}", "slow", delay=1.0)
            await wire.send(call(1, "enrich_person", **ADA))
            await until_sent(sandbox)
            assert await wire.end(signal.SIGHUP) == 128 + signal.SIGHUP
        await assert_written_down(sandbox, url, tmp_path)


class Terminal:
    """A server on a terminal of its own: input, output and errors."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._heard = b""

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await anyio.to_thread.run_sync(os.write, self._master, json.dumps(message).encode() + b"\n")

    async def answer(self, request_id: Any) -> dict[str, Any]:
        while True:
            while b"\n" not in self._heard:
                self._heard += await anyio.to_thread.run_sync(os.read, self._master, 65_536)
            line, _, self._heard = self._heard.partition(b"\n")
            with suppress(ValueError):  # a line of the log
                message: dict[str, Any] = json.loads(line)
                if message.get("id") == request_id:
                    return message

    def close(self) -> None:
        """Close the window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


@asynccontextmanager
async def in_terminal(folder: Path, sandbox: Sandbox, url: str, **changes: str) -> AsyncIterator[Terminal]:
    import pty
    import tty

    reached = {"CLEANLIST_API_KEY": sandbox.key, "CLEANLIST_BASE_URL": url}
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = subprocess.Popen(  # noqa: ASYNC220  # its streams are no pipes
        [sys.executable, "-c", IN_ITS_OWN_TERMINAL],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=variables(folder) | reached | changes,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        with anyio.fail_after(3 * PROMPT):
            await terminal.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE})
            await terminal.answer(0)
            await terminal.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            yield terminal
    finally:
        terminal.close()
        process.kill()
        process.wait()


@pytest.mark.parametrize("level", ["WARNING", pytest.param("DEBUG", marks=pytest.mark.long)])
async def test_a_terminal_that_is_closed_waits_for_the_answer_of_a_paid_request(
    tmp_path: Path, level: str
) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url:
        async with in_terminal(tmp_path, sandbox, url, CLEANLIST_LOG_LEVEL=level) as terminal:
            sandbox.faults.next(f"POST {PERSON_PATH}", "slow", delay=1.0)
            await terminal.send(call(1, "enrich_person", **ADA))
            await until_sent(sandbox)
            terminal.close()
            # What ends it first is chance: the signal, the input's end, or an answer that cannot be written.
            status = await anyio.to_thread.run_sync(terminal.process.wait, PROMPT)
        await assert_written_down(sandbox, url, tmp_path)

    assert status in (0, 128 + signal.SIGHUP)


@pytest.mark.long
async def test_a_terminal_that_is_closed_around_client_and_server_costs_nothing(tmp_path: Path) -> None:
    import pty

    sandbox = Sandbox()
    master, slave = pty.openpty()
    async with running(sandbox) as url:
        environment = variables(tmp_path, CLEANLIST_LOG_LEVEL="DEBUG", CLEANLIST_API_KEY=sandbox.key)
        async with await anyio.open_process(
            [sys.executable, "-c", IN_ITS_OWN_TERMINAL],
            env=environment | {"CLEANLIST_BASE_URL": url},
            stderr=slave,  # the client has the pipes, and lets the log through to its own terminal
            start_new_session=True,
        ) as process:
            os.close(slave)
            wire = Wire(process)
            await wire.shake_hands()
            sandbox.faults.next(f"POST {PERSON_PATH}", "slow", delay=1.0)
            await wire.send(call(1, "enrich_person", **ADA))
            await until_sent(sandbox)
            os.close(master)
            with anyio.fail_after(PROMPT):
                assert await process.wait() == 128 + signal.SIGHUP
        await assert_written_down(sandbox, url, tmp_path)


@pytest.mark.long
async def test_a_terminal_that_is_closed_ends_an_idle_server(tmp_path: Path) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url, in_terminal(tmp_path, sandbox, url) as terminal:
        terminal.close()
        status = await anyio.to_thread.run_sync(terminal.process.wait, PROMPT)

    assert status in (0, 128 + signal.SIGHUP)


@pytest.mark.long
async def test_a_hang_up_that_was_to_be_ignored_is_ignored(tmp_path: Path) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url:
        reached = {"CLEANLIST_API_KEY": sandbox.key, "CLEANLIST_BASE_URL": url}
        async with started_as(tmp_path, changes=reached, code=IGNORING_HANG_UPS) as wire:
            await wire.shake_hands()
            wire.process.send_signal(signal.SIGHUP)
            answer = await wire.ask(1, "tools/call", name="whoami", arguments={})
            assert await wire.end(signal.SIGTERM) == 128 + signal.SIGTERM

    assert not answer["result"]["isError"]
