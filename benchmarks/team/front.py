"""The load balancer in front of replicas: each request to the next one, and some answers lost on the way back."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Literal

from benchmarks.team.relay import reset
from benchmarks.team.wire import get, parse_head

Loss = Literal["whole", "part", "unheard"]
LOSSES: tuple[Loss, ...] = ("whole", "part", "unheard")
"""The whole answer had come; a part of it is passed on; the connection ends while the replica works."""

CHECK_SECONDS = 0.05
"""Seconds between two looks at the readiness of a replica, if replicas are checked."""

MOST_PATIENCE_MS = 50
"""Milliseconds after which at the latest a connection ends whose answer nobody is to hear."""

_CONNECTION = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)


@dataclass(frozen=True)
class _Request:
    content: bytes
    loss: Loss | None


class Front:
    """Spreads requests over the ports in `replicas`. Only a connection that was refused is tried at the next replica:
    whatever was sent may have been done.

    `loses` is the part of the answers to tool calls that do not come back, `dice` chooses them.
    """

    def __init__(self, replicas: Sequence[int], dice: Random, *, loses: float = 0.0) -> None:
        self.replicas = list(replicas)
        self.ready = set(replicas)
        self.loses = loses
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        """Answers by the port of the replica that gave them, lost ones too."""
        self._dice = dice
        self._turn = 0

    @asynccontextmanager
    async def listening(self, *, checks: bool = False) -> AsyncIterator["Front"]:
        """Listen on a free loopback port, which `port` is from then on; `checks` keeps to replicas that are ready."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
        self.port = server.sockets[0].getsockname()[1]
        checking = asyncio.create_task(self._check_for_ever()) if checks else None
        try:
            yield self
        finally:
            if checking is not None:
                checking.cancel()
            server.close()

    async def _check_for_ever(self) -> None:
        while True:
            for port in list(self.replicas):
                is_ready = await get(port, "/readyz", patience=1.0) == 200
                (self.ready.add if is_ready else self.ready.discard)(port)
            await asyncio.sleep(CHECK_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, ValueError):
            request = await self._read(reader)
            connected = await self._connect()
            if connected is None:
                self.counts["no replica"] += 1
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
            else:
                await self._pass(request, connected, reader, writer)
        with suppress(OSError):
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> _Request:
        head = await reader.readuntil(b"\r\n\r\n")
        _, headers = parse_head(head)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        loss = None
        if b'"tools/call"' in body and self._dice.random() < self.loses:
            loss = self._dice.choice(LOSSES)
        head = _CONNECTION.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n"
        return _Request(head + body, loss)

    async def _connect(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self.replicas)):
            self._turn += 1
            port = self.replicas[self._turn % len(self.replicas)]
            if port not in self.ready:
                continue
            with suppress(OSError):
                return port, *await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        return None

    async def _pass(
        self,
        request: _Request,
        connected: tuple[int, asyncio.StreamReader, asyncio.StreamWriter],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        port, back, forth = connected
        self.counts["requests"] += 1
        try:
            forth.write(request.content)
            await forth.drain()
            if request.loss is None:
                self.answers[port] += await self._answer(back, reader, writer)
            else:
                self.counts["answers lost"] += 1
                self.counts[f"lost: {request.loss}"] += 1
                self.answers[port] += await self._lose(request.loss, back, writer)
        finally:
            forth.transport.abort()

    async def _answer(
        self, back: asyncio.StreamReader, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Pass the answer on as it comes, and return whether there was one.

        The replica learns of a client that goes away by its connection, which ends.
        """
        gone = asyncio.create_task(reader.read(1))
        coming = asyncio.create_task(_copy(back, writer))
        try:
            await asyncio.wait((gone, coming), return_when=asyncio.FIRST_COMPLETED)
            return coming.done() and coming.result()
        finally:
            gone.cancel()
            coming.cancel()

    async def _lose(self, loss: Loss, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Lose the answer, and return whether there was one."""
        answer = b""
        if loss == "unheard":
            with suppress(TimeoutError):
                answer = await asyncio.wait_for(back.read(1), self._dice.uniform(0, MOST_PATIENCE_MS) / 1000)
        else:
            answer = await back.read()
            if loss == "part":
                writer.write(answer[: len(answer) // 2])
                await writer.drain()
        reset(writer)
        return bool(answer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass on what comes, to its end; return whether anything came."""
    came = False
    with suppress(OSError):
        while piece := await reader.read(65_536):
            came = True
            writer.write(piece)
            await writer.drain()
    return came
