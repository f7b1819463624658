"""Cards over MCP: the extra facts for clients that show them, and the page itself.

Everything here is made for the first client that asks for it: the others pay nothing for it and see none of it.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.tools import Tool
from mcp.types import Tool as ListedTool

from cleanlist_mcp.server import boundary
from cleanlist_mcp.server.declared import CARD_TYPE, CARD_URI, CARDS
from cleanlist_mcp.server.tools import cards
from cleanlist_mcp.toolset import CARD_TOOLS, ToolSpec

SHOWN = frozenset(
    {"credits_balance", "estimate", "enrich_list", "workflow_status", "get_leads", "search_people"}
)
"""The tools whose answers have a card."""

_LISTED: dict[str, Any] = {
    "uri": CARD_URI,
    "name": "card",
    "title": "Card",
    "description": "Quotes, runs, people and spending to look at instead of to read.",
    "mimeType": CARD_TYPE,
    "_meta": {"ui": {"prefersBorder": True}},
}


def with_cards(method: str, answer: dict[str, Any], *, spending: bool) -> dict[str, Any]:
    """Return an answer of the protocol's own methods with the extra facts for a client that shows cards."""
    if method in ("initialize", "server/discover"):
        capabilities = answer["capabilities"]
        extensions = {**capabilities.get("extensions", {}), CARDS: {}}
        return answer | {"capabilities": capabilities | {"extensions": extensions}}
    if method == "tools/list":
        return answer | {"tools": [*map(_with_card, answer["tools"]), *_listed_tools(spending)]}
    if method == "resources/list":
        return answer | {"resources": [*answer["resources"], _LISTED]}
    return answer


def _with_card(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["name"] not in SHOWN:
        return tool
    return tool | {"_meta": {**tool.get("_meta", {}), "ui": {"resourceUri": CARD_URI}}}


@cache
def page() -> str:
    """Return the page, which is read when the first client asks for it."""
    return Path(__file__).with_name("card.html").read_text("utf-8")


def contents() -> ReadResourceContents:
    """Return the page as `resources/read` answers with it."""
    return ReadResourceContents(page(), CARD_TYPE, _LISTED["_meta"])


@cache
def card_tools(spending: bool, sandbox: bool) -> dict[str, Tool]:
    """Return the card's own tools by name; with `spending` off, none can be of use."""
    functions: dict[str, Callable[..., Any]] = {
        "approve_quote": cards.approve_quote,
        "card_shown": cards.card_shown,
    }
    specs: tuple[ToolSpec, ...] = CARD_TOOLS if spending else ()
    return {
        spec.name: boundary.make_tool(spec, functions[spec.name], off=(), sandbox=sandbox) for spec in specs
    }


def _listed_tools(spending: bool) -> list[dict[str, Any]]:
    return [_listed(tool) for tool in card_tools(spending, False).values()]


def _listed(tool: Tool) -> dict[str, Any]:
    """Return a tool as `tools/list` answers with it, kept from models by those hosts that heed the word."""
    listed = ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.parameters,
        output_schema=tool.output_schema,
        annotations=tool.annotations,
        _meta={"ui": {"visibility": ["app"]}},
    )
    return listed.model_dump(mode="json", by_alias=True, exclude_none=True)
