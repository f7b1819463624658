"""The sandbox over loopback HTTP: for `cleanlist-mcp sandbox`, other processes, any API client."""

import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleanlist_mcp.sandbox.app import ABORT_EXTENSION, build_app
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, Sandbox

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Closing with a linger of zero seconds sends a reset instead of an orderly end.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


async def serve(port: int, host: str = "127.0.0.1", sandbox: Sandbox | None = None) -> int:
    """Serve until SIGINT or SIGTERM and return the exit status: 130 or 143, or 1 for no port.

    Port 0 picks a free one. Once the port is ours, one flushed line on stdout says where it is:
    `{"base_url":"http://127.0.0.1:8123/api/v1/public","api_key":"clapi_sandbox_…"}`; nothing else
    goes there. A port that is taken, or a host that is not loopback, is one line on stderr.
    """
    sandbox = Sandbox() if sandbox is None else sandbox
    try:
        listener = _listen(host, port)
    except (OSError, OverflowError, ValueError) as error:
        sys.stderr.write(f"cleanlist-mcp sandbox: cannot serve on {host}:{port}: {error}\n")
        return 1
    hello = {"base_url": _base_url(listener), "api_key": sandbox.key}
    server = _Server(build_app(sandbox))
    with server.stopping_on_signals():  # before the line: whoever reads it may send a signal at once
        sys.stdout.write(json.dumps(hello, separators=(",", ":")) + "\n")
        sys.stdout.flush()
        await server.serve(sockets=[listener])
    return 128 + server.stopped_by if server.stopped_by else 0


@contextlib.asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[str]:
    """Serve `sandbox` on a free loopback port in the current event loop; yields the base URL.

    Connections that still hang at the end are cut.
    """
    listener = _listen("127.0.0.1", 0)
    server = _Server(build_app(sandbox))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield _base_url(listener)
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Uvicorn, quiet and leaving signals to us."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
            )
        )
        self.stopped_by = 0

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: a server inside somebody's event loop takes no signals from them."""
        yield

    @contextlib.contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """Stop in good order on SIGINT and SIGTERM, and put the former handlers back."""
        former = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut what is still open first: an answer that hangs on purpose would never end."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Protocol):
                connection.transport.abort()
        await super().shutdown(sockets)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = number
        self.should_exit = True


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application cut its own connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app: Any = _WithAbort(self.app, transport)


class _WithAbort:
    """An application that finds a way to reset its connection in the scope."""

    def __init__(self, app: ASGIApp, transport: asyncio.Transport) -> None:
        self._app = app
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[ABORT_EXTENSION] = self._abort
        await self._app(scope, receive, send)

    def _abort(self) -> None:
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()


def _listen(host: str, port: int) -> socket.socket:
    """A listening loopback socket: from here on clients may connect and are queued."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError("the sandbox serves on loopback addresses only")
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    # With the protocol named, asyncio sends small answers at once; without it each took 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            # On Windows this option would let two sandboxes share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen()
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{PUBLIC_PREFIX}"
