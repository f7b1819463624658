"""A proxy between a program and its database, which loses, holds back or refuses what passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Passes bytes on to `port`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.lose_answer_to = b""
        """A part of a request that is passed on, and whose answer is lost with the connection."""
        self.lose_request = b""
        """A part of a request that is lost with the connection."""
        self.is_hanging = False
        """True while nothing passes either way, and nobody gets an error."""
        self.connections = 0
        self._losing: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Close all connections and take no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.append(writer)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers.append(to_writer)
        requests = asyncio.create_task(self._pass_requests(reader, to_writer, writer))
        with suppress(asyncio.CancelledError, OSError):
            await self._pass_answers(to_reader, writer)
        requests.cancel()
        for one in (writer, to_writer):
            one.transport.abort()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._hang()
                if self.lose_request and self.lose_request in data:
                    self.lose_request = b""
                    back.transport.abort()
                    to.transport.abort()
                    return
                if self.lose_answer_to and self.lose_answer_to in data:
                    self.lose_answer_to = b""
                    self._losing.add(back)
                to.write(data)
                await to.drain()
        to.transport.abort()

    async def _pass_answers(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._hang()
            if to in self._losing:
                return
            to.write(data)
            await to.drain()

    async def _hang(self) -> None:
        while self.is_hanging:  # noqa: ASYNC110 - a test switches it, and waits for nothing
            await asyncio.sleep(0.01)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy to a port on loopback."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.end()
