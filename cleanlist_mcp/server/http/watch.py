"""Watching a service: one line of JSON and a few figures for each request.

Both are made of words of ours alone: known methods and tools, known codes. Names, addresses, arguments, texts of errors
and keys go into neither, whatever the level of the log.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleanlist_mcp import errors
from cleanlist_mcp.measures import CALL_SECONDS, CALLS, Stopwatch
from cleanlist_mcp.server.boundary import ERROR_META
from cleanlist_mcp.server.spans import METHODS
from cleanlist_mcp.toolset import spec_of

CHECKS = ("/healthz", "/readyz")
"""Paths that nobody wants to read about every few seconds."""

SHOWN_DIGEST = 8
"""Characters of an account's digest that are written: enough to follow it through a day, and not to find it out."""

_PLACE = "cleanlist_mcp.seen"
_RPC_CODES = {
    -32700: "parse_error",
    -32600: "invalid_request",
    -32601: "method_not_found",
    -32602: "invalid_params",
}

REQUESTS = "cleanlist_mcp.requests"
"""The logger of the lines, one for each request."""

log = logging.getLogger(REQUESTS)


@dataclass
class Seen:
    """The facts about one request, as far as they are known."""

    method: str = "none"
    tool: str = "none"
    outcome: str = ""
    status: int = 0
    account: str = ""
    taking: Stopwatch = field(default_factory=Stopwatch)

    def line(self) -> str:
        """Return the line of the log."""
        facts = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "method": self.method,
            "tool": self.tool,
            "outcome": self.outcome,
            "status": self.status,
            "seconds": round(self.taking.seconds, 3),
            "account": self.account,
        }
        return json.dumps({name: value for name, value in facts.items() if value not in ("none", "")})


class Watched:
    """An application of which every request is written down once it is answered, or its client is gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as the application inside does."""
        if scope["type"] != "http" or scope["path"] in CHECKS:
            await self._app(scope, receive, send)
            return
        seen = scope[_PLACE] = Seen()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            _finished(seen)


def _finished(seen: Seen) -> None:
    seen.outcome = seen.outcome or (f"http_{seen.status}" if seen.status else "disconnected")
    CALLS.add(method=seen.method, tool=seen.tool, outcome=seen.outcome)
    CALL_SECONDS.add(seen.taking.seconds, method=seen.method, tool=seen.tool)
    log.info("%s", seen.line())


def note_account(scope: Scope, digest: str) -> None:
    """Note whose request it is, by the digest of the account."""
    seen = scope.get(_PLACE)
    if seen is not None:
        seen.account = digest[:SHOWN_DIGEST]


async def note_outcome(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Note what a message asks for and how it ends: a middleware of the SDK's server."""
    seen = ctx.request.scope.get(_PLACE) if ctx.request is not None else None
    with _outcome_of(seen or Seen(), ctx) as noted:
        answer = await call_next(ctx)
        noted.outcome = outcome_of(answer)
        return answer


@contextmanager
def _outcome_of(seen: Seen, ctx: ServerRequestContext[Any, Any]) -> Iterator[Seen]:
    seen.method = ctx.method if ctx.method in METHODS else "other"
    name = (ctx.params or {}).get("name") if ctx.method == "tools/call" else None
    if name is not None:
        seen.tool = name if isinstance(name, str) and spec_of(name) is not None else "unknown"
    try:
        yield seen
    except MCPError as exc:
        seen.outcome = _RPC_CODES.get(exc.error.code, "rpc_error")
        raise
    except Exception:
        seen.outcome = "internal_error"
        raise
    except BaseException:
        seen.outcome = "cancelled"
        raise


def outcome_of(answer: HandlerResult) -> str:
    """Return how a request ended: `ok`, `input_required` for a dialog, or the code of its error if it is one of
    ours."""
    if not isinstance(answer, dict):
        return "ok"
    if answer.get("isError"):
        code = answer.get("_meta", {}).get(ERROR_META, {}).get("code")
        return code if code in CODES else errors.ApiError.code
    return "input_required" if answer.get("resultType") == "input_required" else "ok"


def _codes(kind: type[errors.CleanlistError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _codes(below)


CODES = frozenset(_codes(errors.CleanlistError))
"""Codes of our own. The API's own codes, which it may invent, are written as `api_error`."""
