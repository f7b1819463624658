"""Serving over stdio: the process itself, from its first line to its exit status."""

import asyncio
import io
import json
import logging
import os
import re
import select
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from cleanlist_mcp.errors import traceback_of, where
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.server.build import CleanlistServer, build_server
from cleanlist_mcp.settings import Settings

log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, but for the ends of lines and tabs."""

# Each may be missing: SIGBREAK exists on Windows alone, where SIGTERM cannot be sent and no terminal hangs up.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


LAST_ANSWERS_SECONDS = 2.0
"""How long the answers to requests may take that stood before the end of the input, and then their reader."""


def serve(settings: Settings) -> None:
    """Serve until stdin ends, the output is closed, or a signal says so; then leave with the status for it.

    A spend request that has left is let finish and written down first, within 15 seconds.
    """
    try:
        anyio.run(_serve, build_server(settings))
    except* OSError:
        # The client closed its end while an answer was on its way: nobody is left to tell.
        log.info("The client closed the connection.")


def has_stream_door(server: CleanlistServer) -> bool:
    """Whether the SDK still lets us bring our own streams to an `MCPServer`: the door is private, and an
    update may close it. Without it the SDK's own stdio loop serves, and clients that probe and then shake
    hands are refused."""
    lowlevel = getattr(server, "_lowlevel_server", None)
    return all(callable(getattr(lowlevel, name, None)) for name in ("run", "create_initialization_options"))


async def _serve(server: CleanlistServer) -> None:
    if not has_stream_door(server):
        for number in _ending_signals():
            signal.signal(number, lambda number, frame: os._exit(128 + number))
        await server.run_stdio_async()
        return
    output = _copy_of_stdout()  # before the SDK points stdout elsewhere
    async with stdio_server() as (read_stream, write_stream):
        with anyio.CancelScope() as scope:
            ending = _Ending(scope)
            ending.watch(output)
            try:
                answers = Answers(write_stream)
                await server.serve_streams(Requests(server, read_stream, answers), answers)
                if not scope.cancel_called:
                    # What somebody printed goes to stderr, as long as stdout points there and can be written to.
                    with suppress(OSError):
                        sys.stdout.flush()
                    ending.served()
                    return  # stdin has ended, and with it the thread that reads it
            except anyio.get_cancelled_exc_class():
                pass  # a signal, or the output is closed
            except Exception as exc:
                log.error("The server stopped: %s.", where(exc))
                ending.status = 1
            # The thread that reads stdin cannot be interrupted, so an orderly end would wait for it.
            # All that must not be lost is written by now: the lifespan has ended.
            logging.shutdown()
            os._exit(ending.status)


def _ending_signals() -> list[signal.Signals]:
    """The signals that end the serving. A hang-up that was ignored from the start, as by nohup, stays ignored."""
    kept = getattr(signal, "SIGHUP", None)
    return [number for number in _SIGNALS if number != kept or signal.getsignal(number) is not signal.SIG_IGN]


class _Ending:
    """Ends the serving on a signal, or once nobody can read the output; `status` is the exit status for it."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.status = 0
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._served = False

    def watch(self, output: int | None) -> None:
        """Begin; `output` is where the answers go."""
        for number in _ending_signals():
            signal.signal(number, self._on_signal)
        if output is not None and hasattr(select, "poll"):
            threading.Thread(target=self._until_nobody_reads, args=(output,), daemon=True).start()

    def served(self) -> None:
        """All is done and written down. Answers that nobody takes off the pipe are not waited for longer."""
        self._served = True
        self._loop.call_later(LAST_ANSWERS_SECONDS, os._exit, 0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._served:
            os._exit(128 + number)
        self.status = 128 + number
        self._loop.call_soon_threadsafe(self._scope.cancel)

    def _until_nobody_reads(self, output: int) -> None:
        poll = select.poll()
        poll.register(output, 0)  # nothing but that the other end is gone
        poll.poll()
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._scope.cancel)


def _copy_of_stdout() -> int | None:
    try:
        return os.dup(1)
    except OSError:
        return None  # there is none


class Answers:
    """A write stream of the SDK that knows which requests still wait for their answer."""

    def __init__(self, write_stream: Any) -> None:
        self._write = write_stream
        self._awaited: set[int | str] = set()
        self._answered = anyio.Event()

    def expect(self, request_id: int | str) -> None:
        """A request has come in."""
        self._awaited.add(request_id)

    def forget(self, request_id: int | str) -> None:
        """The request was answered, or needs no answer any more."""
        self._awaited.discard(request_id)
        self._answered.set()
        self._answered = anyio.Event()

    async def all_sent(self) -> None:
        """Wait until no request waits for its answer."""
        while self._awaited:
            await self._answered.wait()

    async def send(self, item: SessionMessage) -> None:
        await self._write.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError) and item.message.id is not None:
            self.forget(item.message.id)

    async def aclose(self) -> None:
        await self._write.aclose()

    async def __aenter__(self) -> "Answers":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.aclose()


class Requests:
    """A read stream of the SDK, except for what it would refuse or drop without an answer: probes with
    `server/discover` before the first request are answered aside, since some clients then send `initialize`;
    and lines that are no message are refused where they name a request."""

    def __init__(self, server: CleanlistServer, read_stream: Any, answers: Answers) -> None:
        self._server = server
        self._read = read_stream
        self._answers = answers
        self._probing = True

    @property
    def last_context(self) -> Any:
        """The SDK's context of the message received last."""
        return getattr(self._read, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        while True:
            item = await self._next()
            if isinstance(item, Exception) and (refusal := _refusal(item)) is not None:
                await self._answers.send(refusal)
                continue
            if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCRequest):
                self._forget_cancelled(item)
                return item
            self._answers.expect(item.message.id)
            if not self._probing or item.message.method != "server/discover":
                self._probing = False
                return item
            await self._answers.send(await self._server.answer_alone(item))

    def _forget_cancelled(self, item: SessionMessage | Exception) -> None:
        """A request that the client cancelled gets no answer."""
        message = item.message if isinstance(item, SessionMessage) else None
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            request_id = (message.params or {}).get("requestId")
            if isinstance(request_id, int | str):
                self._answers.forget(request_id)

    async def _next(self) -> SessionMessage | Exception:
        try:
            item: SessionMessage | Exception = await self._read.receive()
            return item
        except anyio.EndOfStream:
            # The SDK drops what is under way when the input ends; a shell line that pipes requests in has
            # ended it before the first answer.
            with anyio.move_on_after(LAST_ANSWERS_SECONDS):
                await self._answers.all_sent()
            raise

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._read.aclose()

    async def __aenter__(self) -> "Requests":
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.aclose()


def _refusal(fault: Exception) -> SessionMessage | None:
    """The answer to a line that is no message, where it can be told which request it was meant to be.

    The SDK drops such lines, and the host would wait for its answer in vain. JavaScript hosts send them: half
    an emoji, cut by length, is valid to them and to no JSON parser that keeps to Unicode.
    """
    if not isinstance(fault, ValidationError):
        return None
    for error in fault.errors(include_url=False, include_context=False):
        # The line itself, or, where it is JSON, the object in which a member is missing: nothing inside it.
        whole = not error["loc"] or (error["type"] == "missing" and len(error["loc"]) == 2)
        request_id = _request_id(error["input"]) if whole else None
        if request_id is not None:
            refused = ErrorData(
                code=INVALID_REQUEST,
                message="The request is no valid JSON-RPC, or not in UTF-8; nothing was done.",
            )
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=refused))
    return None


def _request_id(line: Any) -> int | str | None:
    """The id of a request, given as its line or as the object in it, where it has one that can be sent back."""
    try:
        data = json.loads(line) if isinstance(line, str | bytes) else line
    except (ValueError, RecursionError):
        return None
    found = data.get("id") if isinstance(data, dict) and "method" in data else None
    if isinstance(found, str) and not any("\ud800" <= char <= "\udfff" for char in found):
        return found
    return found if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63 else None


def log_to_stderr(level: str) -> None:
    """Send this package's log to stderr, in ASCII: stdout carries JSON-RPC alone, and some hosts read cp1252.

    Whoever logs, no secret and no text of an exception comes out.
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="ascii", errors="backslashreplace")
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter("cleanlist-mcp %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("cleanlist_mcp").setLevel(level)
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a record could not be written; the standard library would print what it holds."""
        with suppress(OSError, ValueError, AttributeError):
            self.stream.write(f"cleanlist-mcp: a log record of {record.name} cannot be written.\n")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the whole record, its exception included, without secrets and what moves a terminal's cursor."""
        told = logging.makeLogRecord(record.__dict__)
        told.exc_text = None  # another formatter may have put the exception's text there
        if record.name == "asyncio":
            # What follows are tasks and futures as Python shows them, with the exceptions in them.
            told.msg, told.args = re.split(r"\n|<", record.getMessage())[0], None
        return _CONTROL.sub("", blot(super().format(told)))

    def formatException(self, ei: Any) -> str:
        """Say where an exception came from: its text could hold anything."""
        return traceback_of(ei[1])
