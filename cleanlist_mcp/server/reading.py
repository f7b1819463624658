"""Generous reading: arguments as clients, proxies and models really write them become what was clearly meant.

One step before validation, for every tool. What can be understood in one way is understood; everything else stays
as it was given, and validation refuses it. Pure.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cleanlist_mcp.text import visible

Schema = Mapping[str, Any]

LEFT_OUT: Any = object()
"""Stands for an argument that was given as nothing."""

_EMPTY_WORDS = frozenset({"null", "none", "undefined", "nan", "nil", "n/a"})
"""Words that proxies and models write for nothing. Closed: "na" is a surname, and so are many others."""

_EMPTY_BEGINNINGS = frozenset("nNuU<(#->)")
"""Printable ASCII characters that a text for nothing can begin with."""

_SCOPE_WORDS: dict[str, str] = {"email": "partial", "phone": "phone_only", "both": "full"}
"""Words that people use for the scopes."""

READ_STRICTLY = frozenset({"max_credits"})
"""Limits on spending: only null and blank leave one out, since a misread limit costs money."""

_LONGEST_NUMBER = 15
"""Digits of the longest number that is read from a text, and still exact as a float."""

_LONGEST_WORD = 200
"""Characters of the longest text that is looked at as a word."""


def read(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the arguments as they were meant, optional ones that were given as nothing left out.

    `schema` is the flat schema that the arguments are validated against. A required argument that was given as
    nothing stays as it is, so that its validation can name it.
    """
    required = frozenset(schema.get("required", ()))
    given = without_empty_names(arguments)
    read_ones = {
        name: _argument(name, value, schema["properties"].get(name), name in required)
        for name, value in given.items()
    }
    return {name: value for name, value in read_ones.items() if value is not LEFT_OUT}


def is_blank(value: Any) -> bool:
    """Return whether a value is null, or a text without a visible character."""
    if isinstance(value, str):
        # The beginning decides for nearly all texts, some of which are very long.
        return not visible(value[:_LONGEST_WORD]) and not visible(value)
    return value is None


def means_nothing(value: Any) -> bool:
    """Return whether a value is blank, a word for nothing (also repeated, also in brackets), or dashes alone."""
    if isinstance(value, str) and "!" <= value[:1] <= "~" and value[0] not in _EMPTY_BEGINNINGS:
        return False  # as nearly all are
    if is_blank(value):
        return True
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return False
    words = _seen(value).casefold().split()
    return all(_is_dash(word) for word in words) or all(word.strip("<>()#") in _EMPTY_WORDS for word in words)


def without_empty_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record whose first and last name are not both words for nothing.

    Null and None are family names too: a single such word stays a name if the other name is a real one.
    """
    kept = dict(record)
    for name, other in (("first_name", "last_name"), ("last_name", "first_name")):
        value = record.get(name)
        if means_nothing(value) and not (_may_be_a_name(value) and _is_a_name(record.get(other))):
            kept.pop(name, None)
    return kept


def _may_be_a_name(value: Any) -> bool:
    return isinstance(value, str) and value.strip().isalpha()


def _is_a_name(value: Any) -> bool:
    return isinstance(value, str) and not means_nothing(value) and any(char.isalpha() for char in value)


def _argument(name: str, value: Any, schema: Schema | None, required: bool) -> Any:
    if schema is None:
        return value
    if name in READ_STRICTLY:
        return LEFT_OUT if is_blank(value) else _whole_number(value)
    if name not in ("first_name", "last_name") and means_nothing(value):
        return value if required else LEFT_OUT
    understood = _value(value, schema)
    if schema.get("minimum") == 1 and understood == 0 and not isinstance(understood, bool) and not required:
        return LEFT_OUT
    if (
        schema.get("type") == "array"
        and isinstance(understood, list)
        and all(map(_holds_nothing, understood))
    ):
        return [] if required else LEFT_OUT
    return understood


def _holds_nothing(item: Any) -> bool:
    return item == {} or is_blank(item)


def _value(value: Any, schema: Schema) -> Any:
    if "enum" in schema:
        return _word(value, schema["enum"])
    reader = _READERS.get(schema.get("type", ""))
    return value if reader is None else reader(value, schema)


def _word(value: Any, known: Iterable[str]) -> Any:
    """Return the known word that was meant, whatever its case and whatever stands between its parts."""
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        return value
    by_folded = {_folded(word): word for word in known}
    if _folded("phone_only") in by_folded:
        by_folded = _SCOPE_WORDS | by_folded
    return by_folded.get(_folded(value), value)


def _folded(word: str) -> str:
    return re.sub(r"[\s_\-\u2010-\u2015]+", "", _seen(word)).casefold()


def _whole_number(value: Any, schema: Schema | None = None) -> Any:
    """Return 5 for 5, 5.0, "5" and "5.0"; never for 5.5, true or "1,000", which could mean something else."""
    if isinstance(value, str):
        written = re.fullmatch(rf"\s*(-?[0-9]{{1,{_LONGEST_NUMBER}}})(?:\.0+)?\s*", value)
        return int(written[1]) if written else value
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**_LONGEST_NUMBER:
        return int(value)
    return value


def _boolean(value: Any, schema: Schema) -> Any:
    words = {"true": True, "false": False}
    return words.get(value.strip().casefold(), value) if isinstance(value, str) else value


def _text(value: Any, schema: Schema) -> Any:
    """Return a number as its text: lists and companies are called 2026 and 1492."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return value
        value = int(value) if value.is_integer() and abs(value) < 10**_LONGEST_NUMBER else value
    return str(value) if abs(value) < 10**30 else value


def _list(value: Any, schema: Schema) -> Any:
    """Return the list that was meant: itself, its JSON, or one item of it."""
    items = schema["items"]
    given = _from_json(value)
    if not isinstance(given, list):
        given = [given] if _is_item(given, items) else given
    if not isinstance(given, list):
        return value
    if items.get("type") == "object":
        return [_record(item, items) for item in given]
    return [_value(item, items) for item in given if not is_blank(item)]


def _is_item(value: Any, schema: Schema) -> bool:
    if schema.get("type") == "object":
        return isinstance(value, dict)
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _record(item: Any, schema: Schema) -> Any:
    """Return one record; a blank one stays in its place as a record of nothing, so that rows keep their numbers."""
    if is_blank(item):
        return {}
    record = _from_json(item)
    return read(record, schema) if isinstance(record, dict) else item


def _from_json(value: Any) -> Any:
    """Return the list or object that a text is the JSON of, else the value itself."""
    if not isinstance(value, str) or not value.strip().startswith(("[", "{")):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, list | dict) else value


_READERS: Mapping[str, Callable[[Any, Schema], Any]] = {
    "integer": _whole_number,
    "boolean": _boolean,
    "string": _text,
    "array": _list,
}


def _seen(text: str) -> str:
    """Return a text in compatibility form, without characters that nobody sees."""
    return visible(unicodedata.normalize("NFKC", visible(text)))


def _is_dash(word: str) -> bool:
    return all(unicodedata.category(char) == "Pd" or char == "\u2212" for char in word)
