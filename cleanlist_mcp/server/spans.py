"""Spans for whoever traces a server: the SDK's own, without the words of clients in them.

The SDK names a span after whatever a client asked for, and gives it the texts of errors. Both can hold a key or an
address, and each value is a new name for the one who keeps the traces.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

UNKNOWN = "unknown"
"""The name of everything in a span that a client made up."""

METHODS = frozenset(
    {
        *("initialize", "notifications/initialized", "notifications/cancelled", "ping", "server/discover"),
        *("tools/list", "tools/call", "resources/list", "resources/read", "resources/templates/list"),
        *("prompts/list", "prompts/get", "completion/complete", "logging/setLevel"),
    }
)
"""Methods that a span names."""


class DiscreetSpans:
    """The SDK's middleware for spans, which is shown each request without its client's words."""

    def __init__(self, spans: ServerMiddleware[Any], names: frozenset[str]) -> None:
        """`names` are the tools and prompts that a span may name."""
        self._spans = spans
        self._names = names

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Handle a request within a span that has a method, a tool and the number of an error, and nothing else.

        If nobody collects spans, none is made: the SDK would make one for nobody, for three hundredths of a call.
        """
        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            return await call_next(ctx)
        errors: list[Exception] = []

        async def handle(shown: ServerRequestContext[Any, Any]) -> HandlerResult:
            try:
                return await call_next(ctx)
            except Exception as exc:
                errors.append(exc)
                raise _nameless(exc) from None

        try:
            return await self._spans(self._shown(ctx), handle)
        except MCPError:
            if errors:
                raise errors[0] from None
            raise

    def _shown(self, ctx: ServerRequestContext[Any, Any]) -> ServerRequestContext[Any, Any]:
        name = (ctx.params or {}).get("name")
        params: Mapping[str, Any] = {"name": name if name in self._names else UNKNOWN} if name else {}
        number = ctx.request_id if isinstance(ctx.request_id, int) else None
        method = ctx.method if ctx.method in METHODS else UNKNOWN
        return replace(ctx, method=method, params=params, request_id=number)


def _nameless(error: Exception) -> MCPError:
    """Return the error as a span shows it: by its number, and one of ours by its type."""
    if isinstance(error, MCPError):
        return MCPError(code=error.error.code, message="")
    return MCPError(code=INTERNAL_ERROR, message=type(error).__name__)
