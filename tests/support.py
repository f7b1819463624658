"""The ground that the behaviour tests stand on: a sandbox, a clock that never makes anyone wait, a real client."""

import asyncio
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import jsonschema
from anyio.lowlevel import checkpoint
from mcp import Client
from mcp.client.extension import ClientExtension
from mcp.types import CallToolResult, Implementation, TextContent
from pydantic import SecretStr

from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.server.declared import CARD_TYPE, CARDS
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import TOOLS

ERAS = ("auto", "legacy")
"""The ways in which the in-memory client connects: protocol 2026-07-28, and the handshake of 2025-11-25."""


ANSWER_BYTES = 8_000 * 4
"""The most that one answer may take: 8,000 tokens of four bytes."""


class VirtualClock:
    """A clock that jumps to the next sleeper as soon as every task is blocked."""

    def __init__(self, epoch: float = 1_795_000_000.0) -> None:
        self.epoch = epoch
        self.now = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._driving = anyio.Lock()

    def time(self) -> float:
        return self.epoch + self.now

    def monotonic(self) -> float:
        return self.now

    def since_boot(self) -> tuple[str, float]:
        return "this start", self.now

    async def sleep(self, seconds: float) -> None:
        await self.wait(anyio.Event(), seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        if seconds > 0 and not event.is_set():
            woken = anyio.Event()
            heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_forward, event, woken)
                    await woken.wait()
                    tasks.cancel_scope.cancel()
            finally:
                woken.set()  # nobody waits for this moment any more
        else:
            await checkpoint()
        return event.is_set()

    async def drive(self) -> None:
        """Move on, for ever: cancel it when the test is over. Of several drivers one works at a time."""
        # The queue of callbacks that are due is private, and the one thing that shows "all are blocked" at once.
        ready = cast(Any, asyncio.get_running_loop())._ready
        threads = anyio.to_thread.current_default_thread_limiter()
        async with self._driving:
            while True:
                await checkpoint()
                if ready:
                    continue
                if not self._sleepers or threads.borrowed_tokens:
                    await asyncio.sleep(0.001)
                    continue
                at, _, woken = heappop(self._sleepers)
                if woken.is_set():
                    continue
                self.now = max(self.now, at)
                woken.set()


async def _forward(event: anyio.Event, woken: anyio.Event) -> None:
    await event.wait()
    woken.set()


class VirtualNetwork(httpx.AsyncBaseTransport):
    """A way to the sandbox on which answers that never come are waited for in virtual time."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: VirtualClock, patience: float = 20.0) -> None:
        self._inner = inner
        self._clock = clock
        self._patience = patience

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        outcome: list[httpx.Response | httpx.HTTPError] = []
        came = anyio.Event()

        async def ask() -> None:
            try:
                outcome.append(await self._inner.handle_async_request(request))
            except httpx.HTTPError as exc:
                outcome.append(exc)
            came.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await self._clock.wait(came, self._patience)
            tasks.cancel_scope.cancel()
        answer = outcome[0] if outcome else httpx.ReadTimeout("", request=request)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer


class Answering(httpx.AsyncBaseTransport):
    """A network on which requests to a path, or below it, get one answer, whatever the API would say."""

    def __init__(self, inner: httpx.AsyncBaseTransport, path: str, answer: httpx.Response) -> None:
        self._inner = inner
        self._path = path
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._path in request.url.path:
            return httpx.Response(self._answer.status_code, content=self._answer.content, request=request)
        return await self._inner.handle_async_request(request)


class Edited(httpx.AsyncBaseTransport):
    """A network on which answers (to spend requests, unless it is told others) are changed on their way."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        edit: Callable[[dict[str, Any]], object],
        path: str = "/enrichment/",
        method: str = "POST",
    ) -> None:
        self._inner = inner
        self._edit = edit
        self._path = path
        self._method = method

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if request.method != self._method or self._path not in request.url.path:
            return response
        data = json.loads(await response.aread())
        self._edit(data)
        return httpx.Response(response.status_code, json=data, request=request)


class Session:
    """A connected client. Every answer is checked against what the server published about it."""

    def __init__(self, client: Client, schemas: dict[str, dict[str, Any]]) -> None:
        self.client = client
        self.progress: list[tuple[float, float | None, str | None]] = []
        self._schemas = schemas

    async def result(self, tool: str, /, **arguments: Any) -> CallToolResult:
        async def note(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        result = await self.client.call_tool(tool, arguments, progress_callback=note)
        assert_presentable(text_of(result), self._schemas)
        return result

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that succeeds."""
        result = await self.result(tool, **arguments)
        text = text_of(result)
        assert not result.is_error, text
        answer: dict[str, Any] | None = result.structured_content
        assert answer is not None
        jsonschema.Draft202012Validator(self._schemas[tool]).validate(answer)
        assert text == json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        assert next(iter(answer)) == "summary"
        assert_no_null(answer)
        return answer

    async def error(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The error object of a call that fails."""
        return error_of(await self.result(tool, **arguments))


def assert_presentable(text: str, listed: Container[str]) -> None:
    """Check what holds for every text of the server: it names no tool that is off, hides nothing, and has an end."""
    for name in (spec.name for spec in TOOLS):
        assert name in listed or not re.search(rf"\b{name}\b", text), f"{name} is off: {text}"
    joiners = "\u200c\u200d"
    assert not any(unicodedata.category(char)[0] == "C" and char not in joiners for char in text), ascii(text)
    assert len(text.encode()) < ANSWER_BYTES


def error_of(result: CallToolResult) -> dict[str, Any]:
    """The error object of a call that failed, checked against the contract's shape."""
    assert result.is_error, text_of(result)
    assert result.structured_content is None
    word, _, told = text_of(result).partition(" ")
    assert word == "Error:"
    body = json.loads(told)
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert error["message"] and error["next_step"]
    assert error["charged"] in ("no", "yes", "unknown")
    assert isinstance(error["retryable"], bool)
    return error


def said(result: CallToolResult) -> dict[str, Any]:
    """Return what a call answered, whether it failed or not."""
    body: dict[str, Any] = json.loads(text_of(result).removeprefix("Error: "))
    return body.get("error", body)  # type: ignore[no-any-return]


def counted(balance: dict[str, Any]) -> int:
    """The credits of an answer of `credits_balance` that count against a limit."""
    return int(balance["charged"] + balance["reserved"] + balance["unknown"])


def assert_no_null(value: Any) -> None:
    """Absent members are left out, however deep."""
    assert value is not None
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_no_null(item)


def text_of(result: CallToolResult) -> str:
    assert len(result.content) == 1
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


class ShowsCards(ClientExtension):
    """The extension that a client declares if it shows cards."""

    identifier = CARDS

    def settings(self) -> dict[str, Any]:
        return {"mimeTypes": [CARD_TYPE]}


class World:
    """One account at the API, one machine with its state folder, and as many servers as a test starts."""

    def __init__(self, folder: Path, **sandbox: Any) -> None:
        self.clock = VirtualClock()
        self.folder = folder
        self.sandbox = Sandbox(clock=self.clock.time, **sandbox)
        self.transport: httpx.AsyncBaseTransport = transport(self.sandbox)

    def settings(self, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "api_key": SecretStr(self.sandbox.key),
            "base_url": self.sandbox.base_url,
            "state_dir": self.folder,
        }
        return Settings(**(values | changes))

    @asynccontextmanager
    async def connect(
        self,
        mode: str = "auto",
        elicitation: Callable[..., Any] | None = None,
        cards: bool = False,
        name: str = "mcp",
        cards_setting: str = "auto",
        **changes: Any,
    ) -> AsyncIterator[Session]:
        """A server over this world's sandbox with a client of that name on it, in virtual time; with `cards`, one that
        says that it shows them."""
        settings = self.settings(**({"cards": cards_setting} | changes))
        server = build_server(settings, self.transport, clock=self.clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.clock.drive)
            async with Client(
                server,
                mode=cast(Any, mode),
                elicitation_callback=elicitation,
                client_info=Implementation(name=name, version="1"),
                extensions=[ShowsCards()] if cards else None,
            ) as client:
                listed = (await client.list_tools()).tools
                yield Session(client, {tool.name: tool.output_schema or {} for tool in listed})
            tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def services(self, **changes: Any) -> AsyncIterator[Services]:
        """Yield what a server's tools work with, without the server: for tests that would start very many."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.clock.drive)
            services = Services(self.settings(**changes), self.clock, tasks, self.transport)
            yield services
            await services.aclose()
            tasks.cancel_scope.cancel()

    async def quote(
        self, session: Session, name: str = "Q3 Prospects", scope: str = "partial", **wishes: Any
    ) -> dict[str, Any]:
        """A quote, and the arguments that spend it; `wishes` are further arguments of the estimate."""
        quote = await session.call("estimate", list_id=name, scope=scope, **wishes)
        return {"list_id": quote["list_id"], "scope": quote["scope"], "quote_id": quote["quote_id"]}

    def posts(self, path: str) -> int:
        """Count the POST requests to this path that reached the API."""
        return sum(record.method == "POST" and record.path.endswith(path) for record in self.sandbox.requests)
