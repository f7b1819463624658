"""An MCP server in a child process, spoken to in raw JSON-RPC: as little client as possible."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


GUARD_SECONDS = 300.0
"""Longest life of a server here: the longest measurement takes about two minutes."""


class Pipe:
    """One server and one connection to it; requests go out one at a time."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        program: Sequence[str] = (sys.executable, "-m"),
        errors: int | None = None,
    ) -> None:
        # One that hangs must not hold up whoever measures: it is killed, and reading from it ends.
        self._guard = threading.Timer(GUARD_SECONDS, self.kill)
        self._guard.daemon = True
        self._process = subprocess.Popen(
            [*program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
        )
        self._guard.start()
        self._last_id = 0
        self._others: dict[int, dict[str, Any]] = {}

    def kill(self) -> None:
        """End the process at once: whoever waits for an answer learns that it has gone."""
        self._process.kill()

    def __enter__(self) -> "Pipe":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._guard.cancel()

    def connect(self) -> None:
        """Shake hands as a client of 2025-11-25 does."""
        self.request("initialize", HANDSHAKE)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        """Send a request and return its result; messages that are no answer are passed over.

        Raises RuntimeError for a protocol error, an error result, and a server that has gone.
        """
        return self.finish(self.begin(method, params))

    def begin(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request and return its number, by which `finish` waits for its answer."""
        self._last_id += 1
        self._write({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    def finish(self, number: int) -> Any:
        """Return the result of a request that was begun; answers to others are kept for them."""
        while number not in self._others:
            message = self._read()
            if "id" in message:
                self._others[message["id"]] = message
        return _result(self._others.pop(number))

    def ask(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Send a request and return the line of its answer as it came."""
        self._last_id += 1
        self._write({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        while True:
            line = self._line()
            message = json.loads(line)
            if message.get("id") == self._last_id:
                _result(message)
                return line

    def ask_many(self, method: str, params: Mapping[str, Any], count: int, width: int) -> None:
        """Send a request so many times, with `width` of them under way, and wait for all answers."""
        sent = answered = 0
        while answered < count:
            while sent < min(count, answered + width):
                self._last_id += 1
                self._write({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
                sent += 1
            answered += "id" in self._read()

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call a tool and return its structured answer."""
        return self.request("tools/call", {"name": tool, "arguments": arguments or {}})["structuredContent"]

    def call_all(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Call tools at once; their structured answers in the order of the calls."""
        return [_result(message)["structuredContent"] for message in self.ask_all(calls)]

    def ask_all(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """Call tools at once; the messages that answer them, in the order of the calls."""
        first = self._last_id + 1
        for tool, arguments in calls:
            self._last_id += 1
            params = {"name": tool, "arguments": arguments}
            self._write({"jsonrpc": "2.0", "id": self._last_id, "method": "tools/call", "params": params})
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < len(calls):
            message = self._read()
            if "id" in message:
                answers[message["id"]] = message
        return [answers[number] for number in range(first, self._last_id + 1)]

    def resident_mib(self) -> float | None:
        """Resident memory in MiB, if the system shows it as Linux does."""
        return resident_mib(self._process.pid)

    def processor_ms(self) -> float | None:
        """Milliseconds of the processor that the server has used, if the system shows it as Linux does."""
        try:
            status = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return sum(map(int, status[11:13])) * 1000 / os.sysconf("SC_CLK_TCK")

    def _read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._line())
        return message

    def _line(self) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - it was asked for
        line = pipe.readline()
        if not line:
            raise RuntimeError("the server has gone")
        return line

    def _write(self, message: Mapping[str, Any]) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - it was asked for
        pipe.write(json.dumps(message).encode() + b"\n")
        pipe.flush()


def _result(message: Mapping[str, Any]) -> Any:
    if "error" in message or message["result"].get("isError"):
        raise RuntimeError(f"a request failed: {message}")
    return message["result"]


def resident_mib(process: int) -> float | None:
    """Resident memory of a process in MiB; None if there is no /proc."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
