"""The table of tools: each one once, with all that is decided about it before it is called. Pure.

Listing order, toolsets, hints, the read-only rule, missing permissions, instructions and places for waiting calls all
come from here.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

Effect = Literal["reads", "writes", "spends"]
"""The most that a call can do: nothing that stays, a change in the account, a charge."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool. `permissions` are the API's scopes that its key needs; `waits` is true if a call may wait for a run.

    `takes_away` is true if a call may take away what does not come back by itself, other than credits.
    """

    name: str
    title: str
    toolset: str
    effect: Effect
    permissions: frozenset[str] = frozenset()
    waits: bool = False
    takes_away: bool = False

    @property
    def is_destructive(self) -> bool:
        """True if clients should ask their user before each call: spent credits do not come back either."""
        return self.effect == "spends" or self.takes_away


def _needs(*permissions: str) -> frozenset[str]:
    return frozenset(permissions)


# Permissions as the vendor's developer documentation has them; `lists:read` is for lists that are given by name.
TOOLS: tuple[ToolSpec, ...] = (
    ToolSpec("whoami", "Who am I", "core", "reads"),
    ToolSpec("credits_balance", "Credits balance", "core", "reads", _needs("credits:read")),
    ToolSpec("estimate", "Estimate and quote", "core", "reads", _needs("credits:read", "lists:read")),
    ToolSpec(
        "enrich_person",
        "Enrich a person",
        "core",
        "spends",
        _needs("enrich:write", "enrich:read"),
        waits=True,
    ),
    ToolSpec(
        "enrich_list", "Enrich a list", "core", "spends", _needs("enrich:write", "enrich:read"), waits=True
    ),
    ToolSpec("workflow_status", "Workflow status", "core", "reads", _needs("enrich:read"), waits=True),
    ToolSpec("find_lists", "Find lists", "lists", "reads", _needs("lists:read")),
    ToolSpec("create_list", "Create a list", "lists", "writes", _needs("lists:write")),
    ToolSpec("add_leads", "Add leads", "lists", "writes", _needs("lists:write", "lists:read")),
    ToolSpec("get_leads", "Get leads", "lists", "reads", _needs("lists:read")),
    ToolSpec(
        "remove_leads",
        "Remove leads",
        "lists",
        "writes",
        _needs("lists:write", "lists:read"),
        takes_away=True,
    ),
    ToolSpec("export_list", "Export a list", "lists", "writes", _needs("export:read", "lists:read")),
    ToolSpec("search_people", "Search people", "prospecting", "reads", _needs("people:read")),
    ToolSpec("search_companies", "Search companies", "prospecting", "reads", _needs("companies:read")),
    ToolSpec("enrich_company", "Enrich a company", "prospecting", "spends", _needs("enrich:write")),
)
"""Every tool, in the order of `tools/list`."""

CARD_TOOLS: tuple[ToolSpec, ...] = (
    ToolSpec("approve_quote", "Approve a quote", "core", "spends", _needs("enrich:write", "enrich:read")),
    ToolSpec("card_shown", "Card shown", "core", "reads"),
)
"""The tools of the quote card's own: listed for clients that show cards alone, and there for the card alone."""

TOOLSETS: tuple[str, ...] = tuple(dict.fromkeys(spec.toolset for spec in TOOLS))
"""The toolsets that can be chosen; the first one is always on."""

CORE: tuple[str, ...] = tuple(spec.name for spec in TOOLS if spec.toolset == "core")
LISTS: tuple[str, ...] = tuple(spec.name for spec in TOOLS if spec.toolset == "lists")
PROSPECTING: tuple[str, ...] = tuple(spec.name for spec in TOOLS if spec.toolset == "prospecting")


def spec_of(name: str) -> ToolSpec | None:
    """Return the tool of that name, on or off; None if there is none."""
    return next((spec for spec in (*TOOLS, *CARD_TOOLS) if spec.name == name), None)


def switched_on(toolsets: Collection[str], *, read_only: bool) -> tuple[ToolSpec, ...]:
    """Return the tools that are served with these toolsets, in their order; with `read_only`, those that only read."""
    return tuple(_on(toolsets, read_only))


def _on(toolsets: Collection[str], read_only: bool) -> Iterator[ToolSpec]:
    for spec in TOOLS:
        chosen = spec.toolset == "core" or spec.toolset in toolsets
        if chosen and not (read_only and spec.effect != "reads"):
            yield spec
