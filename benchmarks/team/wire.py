"""Clients of the service in both protocol eras, on plain sockets, so that each can hang up at any moment."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import anyio

Era = Literal["2026-07-28", "2025-11-25"]
MODERN: Era = "2026-07-28"
LEGACY: Era = "2025-11-25"
ERAS: tuple[Era, Era] = (MODERN, LEGACY)

FORMS: Mapping[str, Any] = {"elicitation": {"form": {}}}
"""The capabilities of a client that shows dialogs."""

PATIENCE = 60.0
"""Seconds that a client waits for one answer."""

PERSEVERANCE = 10
"""Times that a call is made whose journal is busy: that refusal is no answer."""

_META = "io.modelcontextprotocol/"
_INFO = {"name": "team-proof", "version": "1"}


class AnswerLost(Exception):
    """No answer came, or not the whole of it: the server may have done the work."""


@dataclass(frozen=True)
class Exchange:
    """One HTTP answer that came whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def message(self) -> dict[str, Any]:
        """Return the JSON-RPC answer in the body, plain or as the last event of a stream; {} if there is none."""
        text = self.body.decode(errors="replace")
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
            text = events[-1] if events else ""
        with suppress(ValueError):
            found = json.loads(text)
            if isinstance(found, dict):
                return found
        return {}


@dataclass(frozen=True)
class Said:
    """The answer to a tool call: `data` of a success, `error` of a failure, neither if it was `lost`.

    `began` and `ended` are monotonic seconds. `status` is HTTP's, 0 if the answer was lost.
    """

    tool: str
    arguments: Mapping[str, Any]
    began: float
    ended: float
    status: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    lost: str = ""

    @property
    def code(self) -> str:
        """The error's code, empty if there is none."""
        return str(self.error.get("code", ""))

    @property
    def workflow_id(self) -> str:
        """The run that the answer names, empty if it names none."""
        return str(self.data.get("workflow_id") or "")

    def __str__(self) -> str:
        """A short form for reports of problems."""
        words = self.lost or self.code or self.workflow_id or str(dict(self.result))[:200]
        return f"{self.tool} {dict(self.arguments)}: HTTP {self.status} {words}"


def spent(quote: Said) -> dict[str, Any]:
    """Return the arguments that spend a quote."""
    return {**{name: quote.data.get(name) for name in ("list_id", "scope", "quote_id")}, "wait_seconds": 0}


class Client:
    """A client with a key. One of the older era shakes hands with `open` before its first call.

    `port` may be changed at any time: each request has a connection of its own.
    """

    def __init__(
        self,
        port: int,
        key: str,
        era: Era = MODERN,
        *,
        capabilities: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.era = era
        self.key = key
        self.session = ""
        self.headers = dict(headers or {})
        self._capabilities = dict(capabilities or {})
        self._numbers = count(1)

    async def open(self, patience: float = PATIENCE) -> None:
        """Shake hands, in the older era; what a lost answer leaves undone is tried again by the next call.

        Raises:
            AnswerLost: if the answer did not come.
        """
        if self.era == MODERN or self.session:
            return
        info = {"protocolVersion": LEGACY, "capabilities": self._capabilities, "clientInfo": _INFO}
        exchange = await self.post(self.body("initialize", info), patience=patience)
        if exchange.status != 200:
            raise AnswerLost(f"initialize: HTTP {exchange.status}")
        self.session = exchange.headers.get("mcp-session-id", "")
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, patience=patience)

    async def call(self, tool: str, *, patience: float = PATIENCE, **arguments: Any) -> Said:
        """Call a tool and read its answer as the contract writes it."""
        return await self.call_with(tool, arguments, patience=patience)

    async def call_with(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        patience: float = PATIENCE,
        more: Mapping[str, Any] | None = None,
    ) -> Said:
        """Call a tool; `more` are further parameters of the request beside its arguments."""
        began = time.monotonic()
        try:
            await self.open(patience)
            body = self.body("tools/call", {"name": tool, "arguments": dict(arguments), **(more or {})})
            exchange = await self.post(body, patience=patience)
        except AnswerLost as exc:
            return Said(tool, arguments, began, time.monotonic(), lost=str(exc))
        return _said(tool, arguments, began, exchange)

    async def call_in_calm(self, tool: str, arguments: Mapping[str, Any]) -> Said:
        """Call a tool, and once more while the journal is too busy to say anything."""
        for _ in range(PERSEVERANCE):
            said = await self.call_with(tool, arguments)
            if said.code != "journal_unavailable":
                break
            await anyio.sleep(1.0)
        return said

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send any request and return the JSON-RPC answer, {} if there was none to read."""
        try:
            await self.open()
            return (await self.post(self.body(method, parameters))).message()
        except AnswerLost:
            return {}

    def body(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request with a number of its own."""
        filled = dict(parameters)
        if self.era == MODERN:
            filled["_meta"] = {
                f"{_META}protocolVersion": MODERN,
                f"{_META}clientInfo": _INFO,
                f"{_META}clientCapabilities": self._capabilities,
                **filled.get("_meta", {}),
            }
        return {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": filled}

    async def post(self, body: Mapping[str, Any], *, patience: float = PATIENCE) -> Exchange:
        """Send one message on a connection of its own.

        Raises:
            AnswerLost: if no whole answer came within `patience` seconds.
        """
        return await exchange(self.port, self.request(body), patience=patience)

    def request(self, body: Mapping[str, Any]) -> bytes:
        """Return a message as the bytes of an HTTP request."""
        content = json.dumps(body).encode()
        fields = {
            "Host": f"127.0.0.1:{self.port}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
            **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            **self._era_fields(body),
            **self.headers,
        }
        lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def _era_fields(self, body: Mapping[str, Any]) -> dict[str, str]:
        if self.era == MODERN:
            parameters = body.get("params", {})
            target = parameters.get("name") or parameters.get("uri")
            fields = {"MCP-Protocol-Version": MODERN, "Mcp-Method": str(body["method"])}
            return {**fields, "Mcp-Name": target} if target else fields
        if body["method"] == "initialize":
            return {}
        session = {"Mcp-Session-Id": self.session} if self.session else {}
        return {"MCP-Protocol-Version": LEGACY, **session}


async def exchange(port: int, request: bytes, *, patience: float = PATIENCE) -> Exchange:
    """Send the bytes of a request to a loopback port and return the whole answer.

    Raises:
        AnswerLost: if none came.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        with anyio.fail_after(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
            writer.write(request)
            await writer.drain()
            return await read_exchange(reader)
    except (OSError, EOFError, ValueError, TimeoutError) as exc:
        raise AnswerLost(type(exc).__name__) from exc
    finally:
        if writer is not None:
            writer.transport.abort()


async def get(port: int, path: str, *, patience: float = 5.0) -> int:
    """Return the status of a GET, 0 if there is no answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        return (await exchange(port, request.encode(), patience=patience)).status
    except AnswerLost:
        return 0


async def read_exchange(reader: asyncio.StreamReader) -> Exchange:
    """Read one HTTP answer. Raises EOFError if it is cut off."""
    status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
    if headers.get("transfer-encoding", "").casefold() == "chunked":
        return Exchange(status, headers, await _chunks(reader))
    if "content-length" in headers:
        return Exchange(status, headers, await reader.readexactly(int(headers["content-length"])))
    return Exchange(status, headers, await reader.read())


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers of an answer; a request's first line has status 0."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    word = first.split(" ")[1] if first.startswith("HTTP/") else "0"
    return int(word), {name.strip().casefold(): value.strip() for name, _, value in fields}


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if not size:
            return body


def _said(tool: str, arguments: Mapping[str, Any], began: float, exchange: Exchange) -> Said:
    ended = time.monotonic()
    message = exchange.message()
    result = message.get("result")
    if not isinstance(result, dict):
        found = message.get("error")
        failure = found if isinstance(found, dict) else {"code": f"HTTP {exchange.status}"}
        return Said(tool, arguments, began, ended, exchange.status, error=failure)
    data, error = _spoken(result)
    return Said(tool, arguments, began, ended, exchange.status, data, error, result)


def _spoken(result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    texts = [part.get("text", "") for part in result.get("content", []) if isinstance(part, dict)]
    with suppress(ValueError, KeyError):
        spoken = json.loads("".join(texts).removeprefix("Error: "))
        return ({}, spoken["error"]) if result.get("isError") else (spoken, {})
    return {}, {"code": "unreadable"} if result.get("isError") else {}
