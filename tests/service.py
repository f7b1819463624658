"""The HTTP service in the test's own event loop, on a loopback port, over a sandbox with keys as a test wants them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.opening import open_store
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.secret_keys import SecretKeys
from cleanlist_mcp.server.http.app import Deployment, build_app
from cleanlist_mcp.server.http.callers import KeyVerifier, Verifier
from cleanlist_mcp.server.http.guard import Guard
from cleanlist_mcp.server.http.serve import Server
from cleanlist_mcp.settings import Settings

SECRET = b"a made-up secret of the deployment"


@dataclass
class Service:
    """One running replica: where it is, and what is inside."""

    url: str
    host: str
    port: int
    guard: Guard
    server: Server

    @asynccontextmanager
    async def client(
        self, key: str, mode: str = "auto", headers: dict[str, str] | None = None, **kwargs: Any
    ) -> AsyncIterator[Client]:
        """The SDK's client with a key of its own."""
        given = {"Authorization": f"Bearer {key}"} | (headers or {})
        async with create_mcp_http_client(headers=given) as http:
            way = streamable_http_client(self.url, http_client=http)
            async with Client(way, mode=cast(Any, mode), **kwargs) as client:
                yield client

    async def raw(self, request: bytes, *, seconds: float = 20.0) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are, and return status, headers and body of the answer; status 0 if it was cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(answer_of(reader), seconds)
        finally:
            writer.close()

    def post(self, message: dict[str, Any], *lines: str, key: str = "", host: str = "") -> bytes:
        """The bytes of a POST of one message, with further header lines."""
        body = json.dumps(message).encode()
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: {host or self.host}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
            *([f"Authorization: Bearer {key}"] if key else []),
            *lines,
        ]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer; status 0 if none came."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = await reader.readline()
        if not line:
            return 0, {}, b""
        head += line
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = b""
    return int(first.split()[1]), headers, body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


@asynccontextmanager
async def serving(
    sandbox: Sandbox,
    folder: Path | None = None,
    *,
    secret: bytes = SECRET,
    verifier: Verifier | None = None,
    way: httpx.AsyncBaseTransport | None = None,
    hosts: tuple[str, ...] = (),
    **changes: Any,
) -> AsyncIterator[Service]:
    """A replica over `sandbox`; several with one `folder` and `secret` are one deployment."""
    settings = Settings(base_url=sandbox.base_url, state_dir=folder, over_http=True, **changes)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    clock = SystemClock()
    guard = build_app(
        Deployment(
            settings=settings,
            store=open_store(folder, clock),
            keys=SecretKeys([secret]),
            verifier=verifier or KeyVerifier(),
            hosts=hosts or (f"127.0.0.1:{port}",),
            origins=settings.allowed_origins,
            transport=way or transport(sandbox),
            clock=clock,
        )
    )
    server = Server(guard)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Service(f"http://127.0.0.1:{port}/mcp", f"127.0.0.1:{port}", port, guard, server)
    finally:
        server.should_exit = True
        await task


def call(tool: str, number: int = 1, **arguments: Any) -> dict[str, Any]:
    """The message that calls a tool."""
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def initialize(capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
    """The message that shakes hands."""
    return {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities or {},
            "clientInfo": {"name": "a test", "version": "1"},
        },
    }
