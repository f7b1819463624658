"""Text from outside, made safe to show: data from the API is data, never hidden instructions."""

import re
import unicodedata
from datetime import UTC, datetime

from cleanlist_mcp.secrecy import blot, holds_secret

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
# Planes of nothing but ideographs, to which Unicode keeps adding: what this Python does not know yet are names.
_IDEOGRAPHS = ("\U00020000", "\U0003fffd")
# Invisible characters of other categories: Unicode's Default_Ignorable_Code_Point, and blank symbols. The 256
# variation selectors can carry a byte each; the looks that some give are not worth the exception.
_HIDDEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\U0001d159"
) | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
_JOINERS = frozenset("\u200c\u200d")
# Scripts in which a joiner changes how letters are drawn (Unicode, chapters 9, 12, 13 and 16): Arabic with
# Syriac and N'Ko, the Indic ones with Sinhala, Myanmar, Khmer, Mongolian.
_JOINING_SCRIPTS = (
    *(("\u0600", "\u07ff"), ("\u0840", "\u08ff"), ("\u0900", "\u0dff"), ("\u1000", "\u109f")),
    *(("\u1780", "\u17ff"), ("\u1800", "\u18af")),
)
_WORK_LIMIT = 8
"""Multiple of the wanted length that is looked at: enough to find it behind a good deal of padding."""

_MARGIN = 256
"""Characters beyond what is kept that are read too: in the longest spelling, a secret is known by fewer."""

# "at" and "dot" in brackets, or between blanks and the like, in the place of their signs. Two letters after the dot
# are a country in small letters, and a company's legal form in capitals.
_AT = r"[\s_.-]*[(\[{<]\s*(?:at|a|ät|ä|@)\s*[)\]}>][\s_.-]*"
_BARE_AT = r"[\s_-]+at[\s_-]+"
_DOT = r"(?:\s*[(\[{<]\s*(?:dot|punkt|\.)\s*[)\]}>]\s*|[\s_-]+(?:dot|punkt)[\s_-]+|\s*\.\s*)"
_ENDING = (
    r"(?:com|net|org|edu|gov|mil|int|info|biz|name|app|dev|xyz|online|shop|cloud|tech|example|test|invalid"
    r"|(?-i:[a-z]{2}))\b"
)
_SPELT_DOT = _DOT.replace(r"|\s*\.\s*)", ")")
# Not compiled yet: few starts see their first use.
_ADDRESS = "(?i)" + (
    "|".join(
        (
            "@",
            r"://|www\s*\.|\b(?:mailto|tel|skype|callto|sms)\s*:",
            r"linked[\s._-]*in\b|\b(?:lnkd\.in|wa\.me|t\.me|m\.me|fb\.me|fb\.com|ig\.me|bit\.ly)\b",
            r"\b(?:whatsapp|telegram)\b.*\d|(?:^|[^\w.])(?:in|pub)/(?!out\b)\w|/(?:in|pub)/",
            r"\b[\w-]+\.[a-z]{2,}/\S",  # a page of a site
            rf"\w{_AT}\w[\w-]*(?:{_DOT}\w[\w-]*)*{_DOT}{_ENDING}",
            rf"\w{_BARE_AT}\w[\w-]*(?:{_SPELT_DOT}\w[\w-]*)*{_SPELT_DOT}{_ENDING}",
        )
    )
)
# Five digits in all, with up to three signs between two: a comma is in amounts alone.
_NUMBER = r"\d(?:(?:[^\w,]|_){0,3}\d){4}"
_PHONE = rf"(?i)(?:\+|\b00|\btel\b\W{{0,3}}){_NUMBER}"


def has_contact_data(value: str) -> bool:
    """Return whether `value` looks as if it held an address, a phone number, a profile link or a secret.

    It is looked at as a reader sees it: without invisible characters, compatibility forms as what they stand for,
    digits of every script as digits.
    """
    return has_address(value) or re.search(_NUMBER, _as_read(value)) is not None


def has_address(value: str) -> bool:
    """Return whether `value` looks as if it held an address, a profile link, an international phone number or a secret.

    Unlike `has_contact_data` it lets other digits pass: names of lists often hold a date.
    """
    read = _as_read(value)
    return re.search(_ADDRESS, read) is not None or re.search(_PHONE, read) is not None or holds_secret(value)


def _as_read(value: str) -> str:
    plain = visible(unicodedata.normalize("NFKC", visible(value)))
    return "".join(_digit(char) for char in plain).translate(_FULL_STOPS)


_FULL_STOPS = str.maketrans(dict.fromkeys("\u3002\uff61\u2024\u06d4", "."))


def _digit(char: str) -> str:
    digit = None if char.isascii() else unicodedata.digit(char, None)
    return char if digit is None else str(digit)


def quoted(name: str) -> str:
    """Return a name from outside in quotation marks, which it cannot end itself; cut to 80 characters."""
    return '"' + clean(name, 80).replace('"', "'") + '"'


def clean(value: str, limit: int | None = None) -> str:
    """Return `value` without control, bidirectional, tag or other invisible characters, and without secrets.

    Line breaks and tabs become single spaces, runs of white space collapse, the text is NFC. Zero-width joiners
    stay if they shape letters or make one emoji of several. Secrets are blotted out as `secrecy` says. With
    `limit`, at most that many characters come back, the last one an ellipsis if text was cut; of a text many
    times as long only the beginning is read.
    """
    if limit is None:
        return blot(visible(value))
    room = limit * _WORK_LIMIT + _MARGIN
    text = blot(visible(value[:room]))
    if len(value) > room:
        # What was not read could have shown that these are the beginning of a secret.
        text = text[: max(len(text) - _MARGIN, 0)]
    elif len(text) <= limit:
        return text
    return text[: max(limit - 1, 0)].rstrip(" \u200c\u200d") + "…"


def visible(value: str) -> str:
    """Return `value` as `clean` does, its secrets still in it: for requests, which are never rewritten."""
    if value.isprintable() and (value.isascii() or _HIDDEN.isdisjoint(value)):
        return unicodedata.normalize("NFC", " ".join(value.split()))
    spaced = "".join(" " if char.isspace() else char for char in value)
    visible = "".join(char for char in spaced if char in _JOINERS or not _is_hidden(char))
    # Composed last: what stood on both sides of a dropped joiner may belong together.
    return unicodedata.normalize("NFC", " ".join(_without_stray_joiners(visible).split()))


def _is_hidden(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cn" and _IDEOGRAPHS[0] <= char <= _IDEOGRAPHS[1]:
        return ord(char) & 0xFFFE == 0xFFFE  # the two noncharacters that end each plane
    return category in _HIDDEN_CATEGORIES or char in _HIDDEN


def _without_stray_joiners(text: str) -> str:
    kept = []
    for index, char in enumerate(text):
        if char not in _JOINERS or (
            0 < index < len(text) - 1 and _shapes(char, text[index - 1], text[index + 1])
        ):
            kept.append(char)
    return "".join(kept)


def _shapes(joiner: str, before: str, after: str) -> bool:
    """Return whether the joiner does something that a reader can see."""
    if joiner == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk")  # emoji, with a skin tone or without
    return any(first <= before <= last and first <= after <= last for first, last in _JOINING_SCRIPTS)


def credits_text(amount: int) -> str:
    """Return an amount in words: `1 credit`, `12 credits`."""
    return f"{amount} credit" + ("" if amount == 1 else "s")


def iso(moment: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC, in whole seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rows_text(count: int) -> str:
    """Return a number of rows in words: `1 row`, `12 rows`."""
    return f"{count} row" + ("" if count == 1 else "s")
