"""A relay for TCP connections that can be late, cut, reset, or swallow what it is given."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """The state of a network.

    `delay` seconds pass before each piece of an answer; `resets` ends connections, old and new ones; `swallows` takes
    everything and gives nothing back; `cut_after` ends a connection after so many bytes of answers.
    """

    delay: float = 0.0
    resets: bool = False
    swallows: bool = False
    cut_after: int | None = None


FINE = Fault()
RESET = Fault(resets=True)
BLACK_HOLE = Fault(swallows=True)


class Relay:
    """Passes connections on to a port; `set` changes how, for those that are open too."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.passed = 0
        """Bytes of answers that were passed on."""
        self._fault = FINE
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Relay"]:
        """Listen on a free loopback port, which `port` is from then on."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self._reset_all()

    def set(self, fault: Fault) -> None:
        """Let the network be so from now on."""
        self._fault = fault
        if fault.resets:
            self._reset_all()

    def _reset_all(self) -> None:
        for writer in list(self._open):
            reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._connect(reader, writer)
        finally:
            self._open.discard(writer)
            reset(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault.resets:
            return
        with suppress(OSError):
            back, forth = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(forth)
            ways = [
                asyncio.create_task(self._pass(reader, forth, answers=False)),
                asyncio.create_task(self._pass(back, writer, answers=True)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                self._open.discard(forth)
                forth.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        passed = 0
        with suppress(OSError):
            while piece := await reader.read(65_536):
                fault = self._fault
                if fault.swallows:
                    continue
                if answers:
                    await asyncio.sleep(fault.delay)
                    if fault.cut_after is not None:
                        piece = piece[: max(fault.cut_after - passed, 0)]
                    passed += len(piece)
                    self.passed += len(piece)
                writer.write(piece)
                await writer.drain()
                if answers and fault.cut_after is not None and passed >= fault.cut_after:
                    return
            await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by a reset, not in good order."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
