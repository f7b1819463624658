"""Errors about arguments: which one is wrong, why, and which name was meant, in words that repeat no value. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.text import clean, has_address

LONGEST_NAME = 60
"""Characters of the longest name that is taken for another one's misspelling."""

# One thing that the tools name differently, or that people call so.
_SIBLINGS: Mapping[str, Sequence[str]] = {
    "enrichment_type": ("scope",),
    "type": ("scope",),
    "name": ("list_id", "query"),
    "list_name": ("list_id", "query", "name"),
}

_PLAINLY: Sequence[tuple[str, str]] = (
    ("Input ", ""),
    ("String should", "should"),
    ("List should", "should"),
    (" after validation", ""),
    ("a valid integer", "a whole number"),
    ("a valid string", "text"),
    ("a valid boolean", "true or false"),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
)
"""Words of pydantic, and what a person says instead."""


def invalid_arguments(error: ValidationError, schema: Mapping[str, Any]) -> InvalidArguments:
    """Return the error for arguments that validation refused, in words that repeat no value."""
    return refusal(
        [
            _field_error(item["type"], _named(schema, item["loc"]), item["msg"])
            | _hint_inside(item["type"], item["loc"], schema)
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
            if item["type"]
            != "none_required"  # null is the other way to leave an argument out, and not published
        ]
    )


def refusal(fields: list[dict[str, str]]) -> InvalidArguments:
    """Return the error for these fields; each has its name under `field` and what is wrong with it under `problem`."""
    named = "; ".join(dict.fromkeys(field["field"] for field in fields[:20]))
    return InvalidArguments(
        f"Wrong arguments: {named}.",
        "Correct them as field_errors says, then call again.",
        field_errors=fields[:20],
    )


def unknown(name: str, known: Sequence[str]) -> dict[str, str]:
    """Return what is wrong with a name that the tool does not know. A name that is an address is not repeated."""
    shown = ("" if has_address(name) else clean(name, LONGEST_NAME)) or "arguments"
    return {"field": shown, "problem": f"is not an argument of this tool; {_hint(name, known)}"}


def _hint(name: str, known: Sequence[str]) -> str:
    if name in ("name", "full_name") and "first_name" in known:
        return "split it into first_name and last_name"
    if name == "person_id" and not {"first_name", "people"}.isdisjoint(known):
        return "ids cannot be imported; enrich_person takes them"
    if name == "csv_path":
        return "files are read only if the user sets CLEANLIST_CSV_DIR"
    if name == "save_as":
        return "files are saved only if the user sets CLEANLIST_CSV_DIR"
    near = resembled(name, known) or _nearest(name, known)
    if near:
        return f"did you mean {near}?"
    return f"known are {', '.join(known)}" if known else "it takes none"


def resembled(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that was clearly meant: another word for it, its misspelling, or a part of it."""
    for sibling in _SIBLINGS.get(name, ()):
        if sibling in known:
            return sibling
    words = words_of(name)
    if not words or len(name) > LONGEST_NAME:
        return None
    alike = _alike(words, known, 0.75)
    partly = [item for item in known if set(words) <= set(item.split("_"))]
    return next(iter(alike + partly), None)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    words = words_of(name[:LONGEST_NAME])
    near = _alike(words, known, 0.6)
    return next(iter(near + [item for item in known if not set(words).isdisjoint(item.split("_"))]), None)


def _alike(words: Sequence[str], known: Sequence[str], at_least: float) -> list[str]:
    """Return the name that is most like these words, if any is so like them."""
    from difflib import get_close_matches  # here, because few calls need it

    return get_close_matches("_".join(words), known, n=1, cutoff=at_least)


def words_of(name: str) -> list[str]:
    """Return the words of a name, split at signs and at capitals: toolCallId, tool-call-id, TOOL_CALL_ID."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", apart.casefold())


def _field_error(kind: str, location: tuple[int | str, ...], message: str) -> dict[str, str]:
    field = clean(_place(location), LONGEST_NAME) or "arguments"
    if kind == "list_type":
        return {"field": field, "problem": "is not a list, or is broken JSON"}
    if kind == "missing":
        return {"field": field, "problem": "is required"}
    if kind == "too_short" and location == ("lead_ids",):
        return {"field": field, "problem": "is empty; give at least one id"}
    if kind == "too_long" and location == ("people",):
        return {"field": field, "problem": "takes at most 500 people a call; send the rest in another"}
    if kind in ("model_type", "model_attributes_type"):
        return {"field": field, "problem": 'is not a record; give an object such as {"email": "…"}'}
    return {"field": field, "problem": _predicate(message)}


def _hint_inside(kind: str, location: tuple[int | str, ...], schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the problem of a field that records do not have."""
    if kind != "extra_forbidden":
        return {}
    known = _known_at(schema, location)
    kind_of_name = "a field of a person" if len(location) > 1 else "an argument of this tool"
    return {"problem": f"is not {kind_of_name}; {_hint(str(location[-1]), known)}"}


def _named(schema: Mapping[str, Any], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return `location` without pydantic's names for the arms of a union, which nobody outside knows."""
    named: list[int | str] = []
    for part in location:
        node = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if node is None:
            # What the schema does not know is an unknown argument if names are expected, else an arm.
            return (*named, part) if "properties" in schema else tuple(named)
        named.append(part)
        schema = node
    return tuple(named)


def _known_at(schema: Mapping[str, Any], location: tuple[int | str, ...]) -> list[str]:
    """Return the names that the schema knows where `location` points."""
    for part in location[:-1]:
        schema = (
            schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
        )
    return list(schema.get("properties", {}))


def _place(location: tuple[int | str, ...]) -> str:
    """Return an argument's name; inside a list, the row of people and the field, or the argument and the item, counted
    from 1 as in all answers."""
    rows = [part for part in location if isinstance(part, int)]
    if not rows:
        return ".".join(str(part) for part in location)
    if location[0] != "people":
        return f"{location[0]}, item {rows[0] + 1}"
    inside = "" if isinstance(location[-1], int) else f", {location[-1]}"
    return f"row {rows[0] + 1}{inside}"


def _predicate(message: str) -> str:
    # pydantic's wording names types and bounds, never the value.
    for theirs, ours in _PLAINLY:
        message = message.replace(theirs, ours)
    return message[:1].lower() + message[1:200]
