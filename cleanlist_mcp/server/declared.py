"""The client as it describes itself: the one place that looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context

CARDS = "io.modelcontextprotocol/ui"
"""The name of the extension for cards, MCP Apps."""

CARD_TYPE = "text/html;profile=mcp-app"
"""The kind of page that hosts show as a card."""

CARD_URI = "ui://cleanlist/card"
"""The address of the page; it looks at the answer beside it to know which card it is."""


@dataclass(frozen=True)
class Declared:
    """A client by its own description: its `name`, and its extensions with their settings."""

    name: str = ""
    extensions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shows_cards(self) -> bool:
        """True if it declares that it shows cards of our kind. Some that declare it show none."""
        settings = self.extensions.get(CARDS)
        types = settings.get("mimeTypes") if isinstance(settings, Mapping) else None
        return isinstance(types, list | tuple) and CARD_TYPE in types


def declared_by(ctx: Context[Any, Any] | ServerRequestContext[Any, Any]) -> Declared:
    """Return the description that the client of a request gave of itself."""
    handshake = getattr(ctx, "params", None) if getattr(ctx, "method", "") == "initialize" else None
    if isinstance(handshake, Mapping):
        return _in_handshake(handshake.get("clientInfo"), handshake.get("capabilities"))
    capabilities, params = ctx.session.client_capabilities, ctx.session.client_params
    extensions = capabilities.extensions if capabilities else None
    return Declared(params.client_info.name if params else "", extensions or {})


def _in_handshake(info: Any, capabilities: Any) -> Declared:
    """Return the client of a handshake, from its two parts as they came over the wire."""
    name = info.get("name") if isinstance(info, Mapping) else None
    extensions = capabilities.get("extensions") if isinstance(capabilities, Mapping) else None
    return Declared(
        name if isinstance(name, str) else "", extensions if isinstance(extensions, Mapping) else {}
    )
