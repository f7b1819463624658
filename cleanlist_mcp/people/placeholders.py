"""Words that fill the place of a name or an employer that nobody gave. Pure."""

import re

from cleanlist_mcp.people.data import words_in
from cleanlist_mcp.people.remembered import remembered
from cleanlist_mcp.people.spellings import folded, unaccented

_TEMPLATE = re.compile(
    r"\$?\{+[^{}]*\}+|<<[^<>]*>>|%+[a-z_. -]+%+|\*\|[\w:]+\|\*|\[object[ _]\w+\]|\\+n|"
    r"[<\[(](?:(?:first|last|full|company|contact|your)?[ _-]?(?:name|company))[>\])]",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(r"[ko]\.\s?a\.?|s\.?/\.?d\.?|s\.d\.|n\.?/?k\.?", re.IGNORECASE)


def is_template(text: str) -> bool:
    """Return whether a text is what a program should have replaced: "{{first_name}}", "[object Object]"."""
    bare = text.strip()
    return not bare[:1].isalnum() and _TEMPLATE.fullmatch(bare) is not None


@remembered
def is_no_employer(text: str) -> bool:
    """Return whether a company is none that somebody could be found by: "Self-employed", "unknown", a number."""
    bare = _bare(text)
    return (
        is_template(text)
        or text.strip() in ("TRUE", "FALSE")
        or _ABBREVIATED.fullmatch(text.strip()) is not None
        or bare in words_in("no_employers.txt")
        or bare in ("", "0", "00", "1")
    )


def is_nobody(name: str) -> bool:
    """Return whether a whole name, first and last, is nobody's: "LinkedIn Member", "Unknown Unknown"."""
    return _bare(name) in words_in("no_names.txt")


def has_lost_letters(name: str) -> bool:
    """Return whether a wrong encoding left question marks in the place of a name's letters ("M?ller")."""
    return "?" in name and re.search(r"[^\W\d_]\?+[^\W\d_]", name) is not None


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, unaccented(folded(text))))
