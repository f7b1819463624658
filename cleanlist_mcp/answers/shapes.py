"""The shapes of the answers, one for each tool: plain words first, and no field without a value.

Those of runs, lists and searches stand beside this and load with the tools that give them.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from cleanlist_mcp.money.prices import Kind, Scope


class Part(BaseModel):
    """Absent members are left out of what is sent, never null."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Result(Part):
    """Every answer: `summary` is a plain sentence, `next_step` one that names the tool and its arguments."""

    summary: str
    next_step: str | None = None


def compact(data: dict[str, Any]) -> str:
    """The JSON of an answer as it goes out: a model reads it, and pays for each blank."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


Memory = Literal["on_disk", "in_database", "until_restart"]
"""The memory for runs that were started from here, by how long it lasts."""


class WhoamiResult(Result):
    mode: Literal["live", "sandbox"]
    organization_id: str | None = None
    organization_name: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    plan: str | None = None
    auth_type: str | None = None
    missing_scopes: list[str]
    scopes: list[str] | None = Field(default=None, description="what the key has, while something is missing")
    remembers_runs: Memory
    cannot_do: list[str]


RunStatus = Literal[
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "unknown",
    "none",
    "declined",
    "not_confirmed",
    "awaiting_approval",
]
"""The state of a run. From `unknown` on, the words are ours."""

_WORD = WithJsonSchema({"type": "string"})
"""A word of a closed list, published without the list: it would stand in the schemas of five answers."""

Status = Annotated[RunStatus, _WORD]
RunKind = Annotated[Kind, _WORD]
RunScope = Annotated[Scope, _WORD]


class CostRow(Part):
    """The cost of one day, list or run, or of all of them; the row of a run has its id and time."""

    label: str
    scope: RunScope | None = None
    charged: int
    refunded: int
    reserved: int
    unknown: int
    runs: int
    rows: int
    found: int
    workflow_id: str | None = None
    started_at: str | None = None


class BalanceResult(Result):
    """Credits left, and what was spent from here; what only the journal knows is left out while it cannot be read.

    `reserved` is held by runs that are not settled, `unknown` by uncertain ones.
    """

    credits: int
    organization_id: str | None = None
    reserved_now: int | None = None
    charged: int | None = None
    refunded: int | None = None
    reserved: int | None = None
    unknown: int | None = None
    rows: list[CostRow] | None = None
    daily_limit: int | None = None
    daily_left: int | None = None
    daily_frees_at: str | None = None
    hourly_unquoted_limit: int
    hourly_unquoted_left: int | None = None
