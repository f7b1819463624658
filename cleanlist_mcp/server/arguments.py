"""The arguments of a call as given: names that no tool knows, values out of all proportion, damaged text. Pure."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.sizes import MAX_CELL
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.server.reading import means_nothing
from cleanlist_mcp.server.wrong_arguments import LONGEST_NAME, refusal, resembled, unknown, words_of
from cleanlist_mcp.text import clean

LARGEST_ARGUMENTS = 1_000_000
"""Characters of all arguments of a call together: the API takes 150 KB of people at once."""

LONGEST_TEXT = 10_000
"""Characters of a single text that is looked at at all; the longest one that a tool takes has fewer."""

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
    others = [name for name in named if name not in known and not _is_added_by_host(name)]
    refused = [name for name in others if not reads or _matters(name, known)]
    if refused:
        raise refusal([unknown(name, known) for name in refused])
    ignored = [clean(name, LONGEST_NAME) or "a name that cannot be shown" for name in others]
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
                "Call again without it, and tell the user: a key belongs in the client's configuration alone.",
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
        error = refusal([{"field": name, "problem": _GIVEN_AS_NOTHING} for name in missing])
        next_step = _QUOTE_FIRST if "quote_id" in missing else error.next_step
        raise InvalidArguments(error.message, next_step, field_errors=error.field_errors)


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
    return _holds_back(name) or resembled(name, known) is not None


def _holds_back(name: str) -> bool:
    words = words_of(name)
    return not HOLDING_BACK.isdisjoint(_in_both_numbers(words)) or "ids" in words


def _is_added_by_host(name: str) -> bool:
    added = name in _ADDED_AS_THEY_ARE or not ADDED_BY_HOSTS.isdisjoint(_in_both_numbers(words_of(name)))
    return added and not _holds_back(name)


def _in_both_numbers(words: Sequence[str]) -> list[str]:
    return [*words, *(word.removesuffix("s") for word in words)]


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
