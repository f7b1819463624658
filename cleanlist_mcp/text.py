"""Text from outside, made safe to show: data from the API is data, never hidden instructions."""

import re
import unicodedata

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
"""How many times the wanted length is looked at: enough to find it behind a good deal of padding."""

_IDENTIFYING = re.compile(r"@|://|www\.|linkedin|\d[\d ().-]{4,}\d", re.IGNORECASE)


def has_contact_data(value: str) -> bool:
    """Whether `value` looks as if it held an address, a phone number or a profile link."""
    return _IDENTIFYING.search(value) is not None


def quoted(name: str) -> str:
    """A name from outside in quotation marks, which it cannot end itself; cut to 80 characters."""
    return '"' + clean(name, 80).replace('"', "'") + '"'


def clean(value: str, limit: int | None = None) -> str:
    """Return `value` without control, bidirectional, tag or other invisible characters.

    Line breaks and tabs become single spaces, runs of white space collapse, the text is NFC. Zero-width joiners
    stay where they shape letters or make one emoji of several. With `limit`, at most that many characters come
    back, the last one an ellipsis where text was cut; of a text many times as long only the beginning is read.
    """
    if limit is None:
        return _visible(value)
    text = _visible(value[: limit * _WORK_LIMIT])
    if len(text) <= limit and len(value) <= limit * _WORK_LIMIT:
        return text
    return text[: max(limit - 1, 0)].rstrip(" \u200c\u200d") + "…"


def _visible(value: str) -> str:
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
    """Whether the joiner does something that a reader can see."""
    if joiner == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk")  # emoji, with a skin tone or without
    return any(first <= before <= last and first <= after <= last for first, last in _JOINING_SCRIPTS)
