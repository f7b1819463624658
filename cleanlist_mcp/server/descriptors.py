"""The two ends of a connection, read and written by the event loop itself.

The SDK's loop has a thread for each end, and a call passes three times between threads: a third of its time. Here epoll
names the end that is ready. Neither end becomes non-blocking, because that would hold for everybody who shares it, the
client included. Instead, each call on a socket names the wish not to wait; a pipe is read once it is ready, and written
in pieces that fit wherever poll finds room.
"""

import asyncio
import os
import select
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import BinaryIO

import anyio
import anyio.lowlevel
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from cleanlist_mcp.server.streams import text_of

READ_BYTES = 65_536
"""Most bytes of one read: all that a pipe of Linux holds."""

WRITE_BYTES = 4_096
"""Most bytes of one write. On Linux, poll reports a pipe as ready only if so many fit; a socket may take fewer."""

WRITES_IN_A_ROW = 16
"""Writes after which other tasks have their turn."""

Reading = Callable[[], bytes]
Writing = Callable[[bytearray], int]


def can_serve(source: BinaryIO, target: int) -> bool:
    """Return whether both ends are pipes or sockets, on a system with epoll.

    Of a file, epoll knows nothing. A terminal that is ready may still take less than a write holds; and what macOS
    means by ready was not tried.
    """
    if not hasattr(select, "epoll"):
        return False
    try:
        modes = [os.fstat(descriptor).st_mode for descriptor in (source.fileno(), target)]
    except OSError:
        return False
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


@asynccontextmanager
async def ends(source: int, target: int) -> AsyncIterator[tuple["ReadEnd", "WriteEnd"]]:
    """Serve a pair of descriptors as the SDK's message streams, as `stdio_server` does for any.

    The body is cancelled if one of the ends fails, which means that the client is gone.
    """
    with anyio.CancelScope() as scope, _as_socket(source) as asked, _as_socket(target) as answered:
        write = WriteEnd(target, _writing(target, answered), scope.cancel)
        yield ReadEnd(source, _reading(source, asked), scope.cancel), write
        await write.flush()


@contextmanager
def _as_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """Yield the socket that a descriptor stands for, and leave it open afterwards; None for a pipe."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        yield None
        return
    found = socket.socket(fileno=descriptor)
    try:
        yield found
    finally:
        found.detach()


def _reading(descriptor: int, end: socket.socket | None) -> Reading:
    """Return a function that reads what is there, empty at the end; BlockingIOError means that there is nothing yet."""
    if end is not None:
        return partial(end.recv, READ_BYTES, socket.MSG_DONTWAIT)
    return partial(os.read, descriptor, READ_BYTES)


def _writing(descriptor: int, end: socket.socket | None) -> Writing:
    """Return a function that writes what fits of some bytes; BlockingIOError means that there is no room now."""
    if end is not None:
        return lambda data: end.send(data, socket.MSG_DONTWAIT)
    room = select.poll()
    room.register(descriptor, select.POLLOUT)

    def write(data: bytearray) -> int:
        if not room.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data)

    return write


class ReadEnd:
    """A read stream of messages. A line that is none comes as the exception that it raised; the last one may lack its
    end."""

    def __init__(self, descriptor: int, take: Reading, on_failure: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._searched = 0
        self._ended = False
        self._more = anyio.Event()
        self._watched = False

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message.

        Raises:
            anyio.EndOfStream: after the last one.
        """
        line = await self._line()
        if not line:
            raise anyio.EndOfStream
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(text_of(line), by_name=False))
        except Exception as exc:
            return exc

    async def aclose(self) -> None:
        self._watch(False)

    async def _line(self) -> bytearray:
        """Return the next line with its end; an empty one at the end of the input."""
        line = self._whole_line()
        if line is not None:
            await anyio.lowlevel.checkpoint()  # others have their turn between lines that came together
            return line
        while line is None:
            self._more = anyio.Event()
            self._watch(True)
            await self._more.wait()
            line = self._whole_line()
        return line

    def _whole_line(self) -> bytearray | None:
        end = self._read.find(b"\n", self._searched) + 1
        if not end and not self._ended:
            self._searched = len(self._read)
            return None
        line = self._read[: end or len(self._read)]
        del self._read[: len(line)]
        self._searched = 0
        return line

    def _on_ready(self) -> None:
        if self._more.is_set():
            self._watch(False)  # nobody asks for more: it stays in the pipe, and its sender has to wait
            return
        try:
            came = self._take()
        except BlockingIOError:
            return  # somebody else reads it too
        except OSError:
            self._watch(False)
            self._on_failure()
            return
        self._read += came
        if not came:
            self._ended = True
            self._watch(False)
        self._more.set()

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._loop.add_reader(self._descriptor, self._on_ready)
        elif self._watched and not wanted:
            self._loop.remove_reader(self._descriptor)
        self._watched = wanted


class WriteEnd:
    """A write stream of messages: each leaves whole and in its turn, however slowly the client reads."""

    def __init__(self, descriptor: int, put: Writing, on_failure: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._put = put
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._turn = anyio.Lock(fast_acquire=True)
        self._rest = bytearray()
        self._closed = False
        self._written = anyio.Event()
        self._watched = False

    async def send(self, item: SessionMessage) -> None:
        """Take one message, once those before it are written; a sender that is cancelled by then has sent nothing.

        Raises:
            anyio.ClosedResourceError: if the stream is closed, or the client is gone.
        """
        async with self._turn:
            await self.flush()
            if self._closed:
                raise anyio.ClosedResourceError
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            self._rest += line.encode() + b"\n"
            self._write()

    async def flush(self) -> None:
        """Wait until all that was taken is written."""
        while self._rest:
            await self._written.wait()

    async def aclose(self) -> None:
        self._closed = True

    def _write(self) -> None:
        """Write as much as the client takes now. The loop goes on with the rest."""
        try:
            for _ in range(WRITES_IN_A_ROW):
                if not self._rest:
                    break
                del self._rest[: self._put(self._rest[:WRITE_BYTES])]
        except BlockingIOError:
            pass
        except OSError:
            self._rest.clear()
            self._closed = True
            self._on_failure()
        self._watch(bool(self._rest))

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._written = anyio.Event()
            self._loop.add_writer(self._descriptor, self._write)
        elif self._watched and not wanted:
            self._loop.remove_writer(self._descriptor)
            self._written.set()
        self._watched = wanted
