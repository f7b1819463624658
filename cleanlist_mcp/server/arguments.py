"""The arguments of a call as given: names that no tool knows, values out of all proportion, damaged text; and what is
wrong with one, in words that repeat no value."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import Field, ValidationError

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.identity import MAX_CELL
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.server.reading import means_nothing
from cleanlist_mcp.text import clean

LARGEST_ARGUMENTS = 1_000_000
"""Characters of all arguments of a call together: the API takes 150 KB of people at once."""

LONGEST_TEXT = 10_000
"""Characters of a single text that is looked at at all; the longest one that a tool takes has fewer."""

LONGEST_NAME = 60
"""Characters of the longest name that is taken for another one's misspelling."""

LONGEST_LIST, LONGEST_ID = 400, 600
"""Characters of the longest list_id, twice as many as a list's name may have, and of the longest other id: generous,
for what people paste with white space around it."""

MOST_VALUES = 10_000
"""Values and names in the arguments of one call: 500 people with every field have 8,500."""

MOST_IGNORED = 10
"""Ignored arguments that an answer names."""

Cell = Field(max_length=MAX_CELL)
"""The length of one field of a person, as it is pasted."""

HOLDING_BACK = frozenset(
    {
        *("dry", "preview", "simulate", "test", "confirm", "approve", "only", "skip", "exclude", "filter"),
        *("row", "first", "count", "page", "offset", "max", "limit", "budget", "cap", "credit"),
    }
)
"""Words of names that hold back or select, in the singular: who sends one of these wants less than the whole. So do
`ids`; a single `id` is what hosts give their calls."""

ADDED_BY_HOSTS = frozenset(
    {"session", "request", "call", "trace", "progress", "reasoning", "thought", "chat", "meta", "task"}
)
"""Words of names that hosts add to calls for themselves, in the singular."""

_ADDED_AS_THEY_ARE = frozenset({"action", "tool"})
"""Whole names that hosts add."""

ALSO_CALLED: Mapping[str, Mapping[str, str]] = {
    "estimate": {"enrichment_type": "scope"},
    "enrich_person": {"enrichment_type": "scope"},
}
"""By tool: the API's own name of an argument, and ours."""

# One thing that the tools name differently, or that people call so.
_SIBLINGS: Mapping[str, Sequence[str]] = {
    "enrichment_type": ("scope",),
    "type": ("scope",),
    "name": ("list_id", "query"),
    "list_name": ("list_id", "query", "name"),
}


@dataclass(frozen=True, slots=True)
class Sifted:
    """The arguments that the tool knows, and the names that were dropped and are worth a mention."""

    known: dict[str, Any]
    ignored: tuple[str, ...]


def sift(tool: str, given: Mapping[str, Any], known: Sequence[str], *, reads: bool) -> Sifted:
    """Take out of `given` what `tool` does not know, if that can do no harm.

    Names that hosts add go without a word. Others go too if the tool only `reads`, and are returned as ignored.

    Raises:
        InvalidArguments: for names that hold back or select or resemble a known one, and, if the tool writes or
            spends, for all others that no host adds.
    """
    named = _by_our_names(tool, given)
    unknown = [name for name in named if name not in known and not _is_added_by_host(name)]
    refused = [name for name in unknown if not reads or _matters(name, known)]
    if refused:
        raise _refusal([_unknown(name, known) for name in refused])
    ignored = [clean(name, LONGEST_NAME) or "a name that cannot be shown" for name in unknown]
    return Sifted(
        {name: value for name, value in named.items() if name in known}, tuple(dict.fromkeys(ignored))
    )


def check_size_and_secrets(arguments: Mapping[str, Any], lists: Container[str] = ()) -> None:
    """Refuse arguments that must not be looked at more closely: out of all proportion, or with a secret in them.

    `lists` are the arguments that may be long because they hold many values, also as JSON in one text. Requests to
    the API are never rewritten, so a secret cannot simply be left out of them.

    Raises:
        InvalidArguments: naming the argument and nothing that stands in it.
    """
    room, count = LARGEST_ARGUMENTS, 0
    for argument, text in _texts(arguments):
        room, count = room - len(text), count + 1
        if room < 0 or count > MOST_VALUES or (len(text) > LONGEST_TEXT and argument not in lists):
            raise InvalidArguments(
                f"{argument} is far longer than anything that this server takes.",
                "Call again with a shorter value, or in several calls.",
                field_errors=[{"field": argument, "problem": "is far too long"}],
            )
    for argument, text in _texts(arguments):
        if holds_secret(text):
            raise InvalidArguments(
                f"{argument} holds what looks like an API key. Nothing was sent.",
                "Call again without it, and tell the user: a key belongs into the client's configuration alone.",
                field_errors=[{"field": argument, "problem": "holds what looks like an API key"}],
            )


def check_undamaged(arguments: Mapping[str, Any], *, reads: bool) -> None:
    """Refuse text that lost letters on its way: a name with one wrong letter is another person's name.

    A tool that only `reads` may look for it, unless nothing can be sent of it: halves of characters have no encoding.

    Raises:
        InvalidArguments: naming the argument that arrived damaged.
    """
    for argument, text in _texts(arguments):
        if re.search(_HALVES, text) if reads else is_damaged(text):
            raise InvalidArguments(
                f"{argument} arrived damaged: letters in it were lost to a wrong text encoding. Nothing was sent.",
                "Call again with the right letters, in UTF-8; ask the user if you do not know them.",
                field_errors=[{"field": argument, "problem": "arrived damaged (wrong text encoding)"}],
            )


def check_required(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse words for nothing in arguments that are required.

    Raises:
        InvalidArguments: naming them.
    """
    missing = [
        name for name in schema.get("required", ()) if name in arguments and means_nothing(arguments[name])
    ]
    if missing:
        refusal = _refusal([{"field": name, "problem": _GIVEN_AS_NOTHING} for name in missing])
        raise InvalidArguments(
            refusal.message,
            _QUOTE_FIRST if "quote_id" in missing else refusal.next_step,
            field_errors=refusal.field_errors,
        )


_QUOTE_FIRST = "Call estimate for this list and scope, and use the list_id and quote_id that it returns."
_GIVEN_AS_NOTHING = "is required, and what was given is blank or a word for nothing"


def is_damaged(text: str) -> bool:
    """Return whether a text holds signs of a wrong encoding: replacement characters, halves of characters, control
    characters that no keyboard has, or UTF-8 that was read as another encoding."""
    if text.isascii():
        return False
    return re.search(_DAMAGE, text) is not None or _is_misread(text)


_HALVES = "[\ud800-\udfff]"
_DAMAGE = "[\ufffd\ud800-\udfff\x80-\x84\x86-\x9f]"


def _is_misread(text: str) -> bool:
    """Return whether a text was UTF-8 and was read as Latin-1 or its Windows kin ("ZoÃ«").

    Real words do not hold such pairs: each letter that UTF-8 begins with is a capital with an accent or a small one,
    and what would have to follow it is a sign or a control character.
    """
    for encoding in ("cp1252", "latin-1"):
        try:
            text.encode(encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        return True
    return False


def invalid_arguments(error: ValidationError, schema: Mapping[str, Any]) -> InvalidArguments:
    """Return the error for arguments that validation refused, in words that repeat no value."""
    return _refusal(
        [
            _field_error(item["type"], _named(schema, item["loc"]), item["msg"])
            | _hint_inside(item["type"], item["loc"], schema)
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
            if item["type"]
            != "none_required"  # null is the other way to leave an argument out, and not published
        ]
    )


def _refusal(fields: list[dict[str, str]]) -> InvalidArguments:
    named = "; ".join(dict.fromkeys(field["field"] for field in fields[:20]))
    return InvalidArguments(
        f"Wrong arguments: {named}.",
        "Correct them as field_errors says, then call again.",
        field_errors=fields[:20],
    )


def _by_our_names(tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the API's names replaced by ours, if ours is left out or has the same value."""
    named = dict(given)
    for theirs, ours in ALSO_CALLED.get(tool, {}).items():
        if means_nothing(named.get(theirs)):
            named.pop(theirs, None)
        elif means_nothing(named.get(ours)) or named[ours] == named[theirs]:
            named[ours] = named.pop(theirs)
    return named


def _matters(name: str, known: Sequence[str]) -> bool:
    return _holds_back(name) or _resembled(name, known) is not None


def _holds_back(name: str) -> bool:
    words = _words(name)
    return not HOLDING_BACK.isdisjoint(_in_both_numbers(words)) or "ids" in words


def _is_added_by_host(name: str) -> bool:
    added = name in _ADDED_AS_THEY_ARE or not ADDED_BY_HOSTS.isdisjoint(_in_both_numbers(_words(name)))
    return added and not _holds_back(name)


def _words(name: str) -> list[str]:
    """Return the words of a name, split at signs and at capitals: toolCallId, tool-call-id, TOOL_CALL_ID."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", apart.casefold())


def _in_both_numbers(words: Sequence[str]) -> list[str]:
    return [*words, *(word.removesuffix("s") for word in words)]


def _unknown(name: str, known: Sequence[str]) -> dict[str, str]:
    shown = clean(name, LONGEST_NAME) or "arguments"
    return {"field": shown, "problem": f"is no argument of this tool; {_hint(name, known)}"}


def _hint(name: str, known: Sequence[str]) -> str:
    if name in ("name", "full_name") and "first_name" in known:
        return "split it into first_name and last_name"
    if name == "person_id" and not {"first_name", "people"}.isdisjoint(known):
        return "ids cannot be imported; enrich_person takes them"
    if name == "csv_path":
        return "files are read only if the user sets CLEANLIST_CSV_DIR"
    near = _resembled(name, known) or _nearest(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(known) or 'none'}"


def _resembled(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that was clearly meant: another word for it, its misspelling, or a part of it."""
    for sibling in _SIBLINGS.get(name, ()):
        if sibling in known:
            return sibling
    words = _words(name)
    if not words or len(name) > LONGEST_NAME:
        return None
    alike = get_close_matches("_".join(words), known, n=1, cutoff=0.75)
    partly = [item for item in known if set(words) <= set(item.split("_"))]
    return next(iter(alike + partly), None)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    words = _words(name[:LONGEST_NAME])
    near = get_close_matches("_".join(words), known, n=1, cutoff=0.5)
    return next(iter(near + [item for item in known if not set(words).isdisjoint(item.split("_"))]), None)


def _texts(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text in the arguments with the argument's name, an empty one for whatever else is there; a name is
    a text too, which cannot be named by itself."""
    for name, value in arguments.items():
        yield "An argument's name", name
        shown = clean(name, LONGEST_NAME) or "An argument"
        waiting = [value]
        while waiting:
            item = waiting.pop()
            yield shown, item if isinstance(item, str) else ""
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list):
                waiting += item


def _field_error(kind: str, location: tuple[int | str, ...], message: str) -> dict[str, str]:
    field = clean(_place(location), LONGEST_NAME) or "arguments"
    if kind == "list_type":
        return {"field": field, "problem": "is no list of records, or broken JSON"}
    if kind == "too_long" and location == ("people",):
        return {"field": field, "problem": "takes at most 500 people a call; send the rest in another"}
    if kind in ("model_type", "model_attributes_type"):
        return {"field": field, "problem": 'is no record; give an object such as {"email": "…"}'}
    return {"field": field, "problem": _decapitalised(message)}


def _hint_inside(kind: str, location: tuple[int | str, ...], schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the problem of a field that records do not have."""
    if kind != "extra_forbidden":
        return {}
    known = _known_at(schema, location)
    kind_of_name = "field of a person" if len(location) > 1 else "argument of this tool"
    return {"problem": f"is no {kind_of_name}; {_hint(str(location[-1]), known)}"}


def _named(schema: Mapping[str, Any], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return `location` without pydantic's names for the arms of a union, which nobody outside knows."""
    named: list[int | str] = []
    for part in location:
        node = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if node is None:
            # What the schema does not know is an unknown argument where names are expected, else an arm.
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
    """Return an argument's name; inside a list, the row and the field, counted from 1 as in all answers."""
    rows = [part for part in location if isinstance(part, int)]
    if not rows:
        return ".".join(str(part) for part in location)
    inside = "" if isinstance(location[-1], int) else f", {location[-1]}"
    return f"row {rows[0] + 1}{inside}"


def _decapitalised(message: str) -> str:
    # pydantic's wording names types and bounds, never the value.
    return message[:1].lower() + message[1:200]
