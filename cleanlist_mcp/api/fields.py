"""The kinds of fields in the API's answers: each reads what may be meant, and cleans every text.

An optional field of another type stands for absent: a finished run must not be lost over its vendor's note.
"""

import re
from math import floor
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from cleanlist_mcp.links import is_written_plainly
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.text import clean

TEXT_LIMIT = 500
"""Longest text kept from the API, in characters: names, titles and addresses are far shorter."""

MOST = 10**12
"""A number that no count and no amount of credits reaches; the journal keeps whole numbers of 64 bits."""

WORD_LIMIT, WORDS = 60, 200
"""Longest name of a scope or feature that is kept, in characters, and how many of them: there are about ten."""

LONGEST_ID, LONGEST_QUOTE_ID = 128, 512
"""Characters of the longest ids: of a list, a run, a person; and of a quote, which is signed."""

ID = rf"[A-Za-z0-9_-]{{1,{LONGEST_ID}}}"
"""Shape of the id of a list, a run, a person or an organization."""

# Nothing that ends the quotation marks in which a next step spells it.
_QUOTE_ID = re.compile(rf"[A-Za-z0-9_.~:+/=-]{{1,{LONGEST_QUOTE_ID}}}")


def is_id(value: Any) -> bool:
    """Return whether `value` can be the id of a list, a run, a person or an organization."""
    return isinstance(value, str) and re.fullmatch(ID, value) is not None and not holds_secret(value)


def is_quote_id(value: Any) -> bool:
    """Return whether `value` can be the id of a quote."""
    return isinstance(value, str) and _QUOTE_ID.fullmatch(value) is not None and not holds_secret(value)


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    text = _number_as_text(value)
    return clean(text, TEXT_LIMIT) if isinstance(text, str) else ""


def _identifier(value: Any) -> str:
    # An id is compared and sent back, so it is taken as it is or not at all.
    text = _number_as_text(value)
    return text if is_id(text) else ""


def _required_id(value: str) -> str:
    if not is_id(value):
        raise ValueError("is no id")
    return value


def _required_quote_id(value: str) -> str:
    if not is_quote_id(value):
        raise ValueError("is no quote's id")
    return value


def _no_secret(value: str) -> str:
    if holds_secret(value):
        raise ValueError("cannot be passed on")
    return value


def _link(value: str) -> str:
    if not is_written_plainly(value):
        raise ValueError("is no plain web address")
    return value


def _whole(value: Any) -> int | None:
    """Return a whole number of zero or more, however it is spelt; anything else stands for absent."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and 0 <= number < MOST else None


def _count(value: Any) -> int:
    return _whole(value) or 0


def _percent(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    return float(value) if known else None


def _reasons(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    counts = {clean(str(name), 60): _whole(count) for name, count in list(value.items())[:20]}
    return {name: count for name, count in counts.items() if count}


def _row_numbers(value: Any) -> list[int]:
    numbers = [_whole(item) for item in value[:50]] if isinstance(value, list) else []
    return [number for number in numbers if number is not None]


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _words(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [clean(item, WORD_LIMIT) for item in value[:WORDS] if isinstance(item, str)]


def _records(value: Any) -> Any:
    if value is None:
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else value


def _lists(value: Any) -> Any:
    # One without an id that can be one can be neither meant nor used.
    records = _records(value)
    if not isinstance(records, list):
        return records
    return [item for item in records if is_id(_number_as_text(item.get("list_id")))]


def _moment(value: Any) -> float:
    number = _whole(value) if not isinstance(value, float) else value
    return float(number) if number is not None and 0 <= number < MOST else 0.0


def _amount(value: Any) -> int:
    """Return a whole number that is spelt as one: a price must not come from a text, a truth value or a fraction."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise ValueError("no whole number")
    return int(value)


def _reserved(value: Any) -> int:
    try:
        amount = _amount(value)
    except ValueError:
        return 0
    return amount if 0 <= amount < MOST else 0


def _credits(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("no amount")
    return floor(value) if isinstance(value, float) and abs(value) < MOST else value


def _status(value: Any) -> str:
    return _text(value) or "unknown"


def _record(value: Any) -> Any:
    return value if isinstance(value, dict) else None


def _cursor(value: Any) -> Any:
    # Strict if there is one: a cursor that is not understood must not look like the end.
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
RequiredId = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_required_id)]
QuoteId = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_required_quote_id)]
Cursor = Annotated[
    str,
    BeforeValidator(_cursor),
    Field(max_length=4096, pattern=r"^[\x21-\x7e]*$"),
    AfterValidator(_no_secret),
]
Url = Annotated[str, AfterValidator(_link)]
Count = Annotated[int, BeforeValidator(_count)]
Amount = Annotated[int, BeforeValidator(_amount), Field(ge=0, lt=MOST)]
Reserved = Annotated[int, BeforeValidator(_reserved)]
Credits = Annotated[int, BeforeValidator(_credits), Field(gt=-MOST, lt=MOST)]
MaybeCount = Annotated[int | None, BeforeValidator(_whole)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Words = Annotated[list[str] | None, BeforeValidator(_words)]
Moment = Annotated[float, BeforeValidator(_moment)]
Percent = Annotated[float | None, BeforeValidator(_percent)]
Status = Annotated[str, BeforeValidator(_status)]
RowNumbers = Annotated[list[int], BeforeValidator(_row_numbers)]
Reasons = Annotated[dict[str, int], BeforeValidator(_reasons)]

MaybeRecord = BeforeValidator(_record)
"""Reads whatever is no object as absent."""

Records = BeforeValidator(_records)
"""Leaves out the items that are no objects."""

Lists = BeforeValidator(_lists)
"""Leaves out the lists without a usable id."""
