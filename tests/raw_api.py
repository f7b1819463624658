"""An API of plain bytes over real sockets, for what no well-behaved server would send."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

PREFIX = "/api/v1/public"


@dataclass(frozen=True)
class Seen:
    """One request; `connection` counts the connections from 1 on."""

    connection: int
    method: str
    path: str
    head: bytes
    body: bytes


Reply = Callable[[Seen, ByteStream], Awaitable[None]]
"""The API's doing about a request; closing the stream ends the connection."""


@dataclass
class RawApi:
    """Its address, and all that it has seen; `connections` were made, and so many of them are `open`."""

    base_url: str = ""
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    async def handle(self, stream: ByteStream, reply: Reply) -> None:
        """Serve one connection until somebody closes it."""
        self.connections += 1
        number = self.connections
        incoming = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    seen = await _request(incoming, number)
                    self.seen.append(seen)
                    await reply(seen, stream)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                pass
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                pass


async def _request(incoming: BufferedByteReceiveStream, connection: int) -> Seen:
    head = await incoming.receive_until(b"\r\n\r\n", 65_536)
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    body = await incoming.receive_exactly(length) if length else b""
    method, target = head.decode("latin-1").split(" ")[:2]
    return Seen(connection, method, target.removeprefix(PREFIX).partition("?")[0], head, body)


def answer(data: Any, status: int = 200, **headers: str) -> bytes:
    """The bytes of an answer; `data` is JSON, or bytes as they are."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _behind(tls: ssl.SSLContext, stream: ByteStream) -> ByteStream:
    return await TLSStream.wrap(stream, ssl_context=tls, standard_compatible=False)


@asynccontextmanager
async def serving(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawApi]:
    """Listen on a loopback port in the current event loop; with `tls`, for HTTPS alone."""
    api = RawApi()

    async def handle(stream: ByteStream) -> None:
        api.open += 1
        async with stream:
            # Raised if the client ends the handshake.
            with suppress(ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                await api.handle(stream if tls is None else await _behind(tls, stream), reply)
        api.open -= 1

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        api.port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database here
        api.base_url = f"{'http' if tls is None else 'https'}://127.0.0.1:{api.port}{PREFIX}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            yield api
            tasks.cancel_scope.cancel()
