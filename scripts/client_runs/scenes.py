"""The scenes that a scripted model plays: the enrichment of a list, and one wrong call."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from client_runs.scripted_model import Call, Read

LIST = "Q3 Prospects"
FLOW = ["estimate", "enrich_list", "workflow_status"]


def enrichment(read: Sequence[Read]) -> Call | str:
    """Quote the list, enrich it, wait for its end, and close with the last answer's own summary."""
    if not read:
        return Call("estimate", {"list_id": LIST})
    answer = object_in(read[-1].text)
    if answer is None:
        return read[-1].text
    follow = FOLLOWING.get(tool_of(read[-1]))
    return (follow(answer) if follow else None) or str(answer.get("summary", read[-1].text))


def _spend(quote: Mapping[str, Any]) -> Call:
    names = ("list_id", "scope", "quote_id")
    limit = {"max_credits": quote["estimated_cost"], "wait_seconds": 1}
    return Call("enrich_list", {name: quote[name] for name in names} | limit)


def _watch(run: Mapping[str, Any]) -> Call | None:
    """Return the look at a run that started; a declined one has no id."""
    if "workflow_id" not in run:
        return None
    return Call("workflow_status", {"workflow_id": run["workflow_id"], "wait_seconds": 30})


FOLLOWING: dict[str, Callable[[Mapping[str, Any]], Call | None]] = {
    "estimate": _spend,
    "enrich_list": _watch,
}


def wrong_call(read: Sequence[Read]) -> Call | str:
    """Ask once for an estimate of a list that does not exist: no client can see that from the schema."""
    return "I read the answer." if read else Call("estimate", {"list_id": "A list that nobody made"})


def tool_of(read: Read) -> str:
    """Return the server's own name of the tool, whatever the client put before it."""
    return next((tool for tool in FLOW if read.tool.endswith(tool)), read.tool)


def object_in(text: str) -> dict[str, Any] | None:
    """Return the first JSON object in `text`, or None: clients put words around it, or answer in their own."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text[max(text.find("{"), 0) :])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
