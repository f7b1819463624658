"""The two ends of a connection, read and written by the event loop itself.

The SDK's loop has a thread for each end, and a call passes three times between threads: a third of its time. Here epoll
names the end that is ready. Neither end becomes non-blocking, because that would hold for everybody who shares it, the
client included. Instead, each call on a socket names the wish not to wait; a pipe is read once it is ready, and written
in pieces that fit wherever poll finds room.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter

from cleanlist_mcp.server.front import Front
from cleanlist_mcp.server.streams import text_of
from cleanlist_mcp.server.without_waiting import WRITE_BYTES, Reading, Writing, as_socket, reading, writing

WRITES_IN_A_ROW = 16
"""Writes after which other tasks have their turn."""


@asynccontextmanager
async def ends(
    source: int, target: int, front: Front | None = None
) -> AsyncIterator[tuple["ReadEnd", "WriteEnd"]]:
    """Serve a pair of descriptors as the SDK's message streams, as `stdio_server` does for any; `front` has begun to.

    The body is cancelled if one of the ends fails, which means that the client is gone.
    """
    with anyio.CancelScope() as scope, as_socket(source) as asked, as_socket(target) as answered:
        write = WriteEnd(target, writing(target, answered), scope.cancel, front)
        yield ReadEnd(source, reading(source, asked), scope.cancel, front), write
        await write.flush()


class ReadEnd:
    """A read stream of messages. A line that is none comes as the exception that it raised; the last one may lack its
    end."""

    def __init__(
        self, descriptor: int, take: Reading, on_failure: Callable[[], None], front: Front | None = None
    ) -> None:
        self._descriptor = descriptor
        self._take = take
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._front = front
        self._read = bytearray() if front is None else front.came
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
        if self._front is not None:
            self._front.hears(line)
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

    def __init__(
        self, descriptor: int, put: Writing, on_failure: Callable[[], None], front: Front | None = None
    ) -> None:
        self._descriptor = descriptor
        self._put = put
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._turn = anyio.Lock(fast_acquire=True)
        self._front = front
        self._rest = bytearray() if front is None else front.unwritten
        self._closed = False
        self._written = anyio.Event()
        self._watched = False
        self._write()

    async def send(self, item: SessionMessage) -> None:
        """Take one message, once those before it are written; a sender that is cancelled by then has sent nothing.

        Raises:
            anyio.ClosedResourceError: if the stream is closed, or the client is gone.
        """
        async with self._turn:
            await self.flush()
            if self._closed:
                raise anyio.ClosedResourceError
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
            message, front = item.message, self._front
            if (
                front is not None
                and isinstance(message, JSONRPCResponse | JSONRPCError)
                and front.has_given(message.id, line)
            ):
                return
            self._rest += line + b"\n"
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
