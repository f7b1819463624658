"""Serving over stdio: the process itself, from its first line to its exit status."""

import asyncio
import io
import logging
import os
import re
import select
import signal
import sys
import threading
import time
from contextlib import AbstractAsyncContextManager, suppress
from types import FrameType
from typing import Any, BinaryIO, TextIO

import anyio
from mcp.server.stdio import stdio_server

from cleanlist_mcp.errors import traceback_of, where
from cleanlist_mcp.loops import loop_options
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.server import descriptors
from cleanlist_mcp.server.build import CleanlistServer, build_server
from cleanlist_mcp.server.front import Front
from cleanlist_mcp.server.streams import LAST_ANSWERS_SECONDS, Answers, Lines, Requests
from cleanlist_mcp.server.without_waiting import can_serve
from cleanlist_mcp.settings import Settings

log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, but for the ends of lines and tabs."""

# Each may be missing: SIGBREAK exists on Windows alone, where SIGTERM cannot be sent and no terminal hangs up.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)

PARENT_SECONDS = 1.0
"""Seconds between two looks if the parent is still there."""


def serve(settings: Settings, front: Front | None = None) -> None:
    """Serve until stdin ends, the output is closed, the parent is gone, or a signal comes; then leave with its status.

    First it lets a spend request that has left finish and writes it down, within 15 seconds.
    """
    try:
        anyio.run(_serve, build_server(settings), front, backend_options=loop_options(settings))
    except* OSError:
        # The client closed its end while an answer was on its way: nobody is left to read it.
        log.info("The client closed the connection.")


def has_stream_door(server: CleanlistServer) -> bool:
    """Return whether the SDK still lets us bring our own streams to an `MCPServer`.

    The door is private, and an update may close it. Then the SDK's own stdio loop serves: clients that probe and then
    shake hands are refused, and lines that cannot be read are dropped.
    """
    lowlevel = getattr(server, "_lowlevel_server", None)
    return all(callable(getattr(lowlevel, name, None)) for name in ("run", "create_initialization_options"))


async def _serve(server: CleanlistServer, front: Front | None) -> None:
    if not has_stream_door(server):
        for number in _ending_signals():
            signal.signal(number, lambda number, frame: os._exit(128 + number))
        await server.run_stdio_async()
        return
    output = _copy_of_stdout()  # before stdout points elsewhere
    async with _streams(front) as (read_stream, write_stream):
        with anyio.CancelScope() as scope:
            ending = _Ending(scope)
            ending.watch(output)
            try:
                answers = Answers(write_stream)
                server.gets_ready, server.front = True, front
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


def _streams(front: Front | None) -> AbstractAsyncContextManager[tuple[Any, Any]]:
    """Return the client's two ends as message streams: without threads if possible, else the SDK's."""
    if front is not None:
        front.stop()
    source = _claimed_stdin()
    if can_serve(source, 1):
        return descriptors.ends(source.fileno(), _claimed_stdout(), front)
    lines: Any = Lines(source)
    return stdio_server(stdin=lines)


def _ending_signals() -> list[signal.Signals]:
    """Return the signals that end the serving. A hang-up that is ignored from the start, as by nohup, stays so."""
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
        """Begin to watch signals, the parent and `output`, the descriptor that answers go to (None if it has none)."""
        for number in _ending_signals():
            signal.signal(number, self._on_signal)
        if output is not None and hasattr(select, "poll"):
            threading.Thread(target=self._until_nobody_reads, args=(output,), daemon=True).start()
        if _has_parent_to_lose():
            threading.Thread(target=self._until_parent_is_gone, args=(os.getppid(),), daemon=True).start()

    def served(self) -> None:
        """End the process soon: all is written down, and answers that nobody takes off the pipe are not waited for."""
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
        self._cancel()

    def _until_parent_is_gone(self, parent: int) -> None:
        """Wait until the parent is gone: if it is killed while another child holds its pipes, nothing is closed."""
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        self._cancel()

    def _cancel(self) -> None:
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._scope.cancel)


def _has_parent_to_lose() -> bool:
    """Return whether the end of the parent means that nobody is left: not for a server that was made to outlive it,
    as by nohup, nor for one whose parent was gone at its start."""
    hangup = getattr(signal, "SIGHUP", None)
    return hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN and os.getppid() > 1


def _claimed_stdin() -> BinaryIO:
    """Return the client's end of stdin for this process alone: what else reads descriptor 0 meets its end.

    The SDK does the same for a stdin that it opens itself, which it then reads with losses. Windows keeps the plain
    one: nothing here starts another process there.
    """
    if sys.stdin is None:
        return io.BytesIO()  # closed from the start
    if sys.platform == "win32":
        return sys.stdin.buffer
    import fcntl

    private = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return os.fdopen(private, "rb", closefd=False)  # a thread may be reading it to the last


def _claimed_stdout() -> int:
    """Return the client's end of stdout for the answers alone: what else is printed goes to stderr, if there is one."""
    import fcntl

    private = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        elsewhere = os.dup(2)
    except OSError:
        elsewhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(elsewhere, 1)
    os.close(elsewhere)
    return private


def _copy_of_stdout() -> int | None:
    try:
        return os.dup(1)
    except OSError:
        return None  # there is none


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


def log_lines_alone(name: str) -> None:
    """Write the messages of one logger to stderr as they are, each a line: programs read them."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter("%(message)s"))
    logger = logging.getLogger(name)
    logger.handlers, logger.propagate = [handler], False


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Report that a record could not be written; the standard library would print what it holds."""
        with suppress(OSError, ValueError, AttributeError):
            self.stream.write(f"cleanlist-mcp: a log record of {record.name} cannot be written.\n")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the whole record, its exception included, without secrets and what moves a terminal's cursor."""
        shown = logging.makeLogRecord(record.__dict__)
        shown.exc_text = None  # another formatter may have put the exception's text there
        if record.name == "asyncio":
            # What follows are tasks and futures as Python shows them, with the exceptions in them.
            shown.msg, shown.args = re.split(r"\n|<", record.getMessage())[0], None
        return _CONTROL.sub("", blot(super().format(shown)))

    def formatException(self, ei: Any) -> str:
        """Return the place that an exception came from: its text could hold anything."""
        return traceback_of(ei[1])
