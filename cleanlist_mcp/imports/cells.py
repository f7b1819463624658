"""The meaning of a cell in a file or record: gaps, links and decoration around a value. Pure."""

import re
from typing import NamedTuple

from cleanlist_mcp.people import placeholders
from cleanlist_mcp.people.mailboxes import is_provider, readers
from cleanlist_mcp.people.name_words import SALUTATIONS, word_set
from cleanlist_mcp.people.normal_forms import normal_email, normal_name
from cleanlist_mcp.people.spellings import folded, unaccented


class Link(NamedTuple):
    """A linked text: what a reader sees, and where it leads."""

    text: str
    address: str


_FORMULA = re.compile(
    r"""^\s*[=+@]+\s*(?:hyperlink|hiperv[ií]nculo|lien[_.]hypertexte|colleg\.?ipertestuale|hiperlink)\s*\(\s*"""
    r""""([^"]*)"\s*(?:[,;]\s*"([^"]*)"\s*)?\)\s*$""",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"^\s*\[([^\[\]]+)\]\(\s*<?([^()\s<>]+)>?(?:\s[^()]*)?\)\s*$")
_HTML = re.compile(r"""^\s*<a\s[^<>]*?href\s*=\s*["']([^"'<>]*)["'][^<>]*>([^<>]*)</a>\s*$""", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'^\s*=\s*"((?:[^"]|"")*)"\s*$')


def link_in(cell: str) -> Link | None:
    """Return the linked text that a cell is, as a spreadsheet's formula, Markdown or HTML; None for other cells."""
    if "(" not in cell and "<" not in cell:
        return None
    if found := _FORMULA.match(cell):
        return Link(found[2] or found[1], found[1])
    if found := _MARKDOWN.match(cell):
        return Link(found[1], found[2])
    if found := _HTML.match(cell):
        return Link(found[2] or found[1], found[1])
    return None


def plain_cell(cell: str) -> str:
    """Return a cell without what only keeps a spreadsheet from reading it otherwise: `="…"` and an apostrophe."""
    if "=" not in cell and "'" not in cell:
        return cell
    if found := _TEXT_FORMULA.match(cell):
        cell = found[1].replace('""', '"')
    return re.sub(r"^\s*'(?=\s*[=+@\t-])", "", cell) if re.match(r"\s*'\s*[+]?[\d(]", cell) else cell


# What spreadsheets show for an error, in several languages, and what programs write for nothing.
_ERROR = re.compile(
    r"#\u00a1?(?:[^\W\d_][\w./]*[!?]|\w/\w[!?]?|div/0|n/?[avd]|nd|nv|nd|нд|н/д|yok|hiányzik|nedostupný|leer|null|"
    r"getting_data|field|busy|unknown|ref|value|name)?[!?/]*"
)
_NOTHING = re.compile(
    r"err:\d+|\u2026|\.{3,}|[<(\[{#]*\s*(?:null|none|undefined|nan|nil|n/a|n\.a\.|n/d|n\.d\.|n/v|nat|error|"
    r"no data|not found|(?:loading|lädt|cargando|chargement|caricamento|wird geladen|laden)[.\u2026]*)\s*[>)\]}#]*|"
    r"[<(\[](?:blank|empty|leer|vide|vacío|vuoto|leeg|unknown)[>)\]]"
)


def is_gap(cell: str) -> bool:
    """Return whether a cell only marks a gap: an error of a spreadsheet, a word for nothing, dashes."""
    text = (normal_name(cell) or "").casefold().strip(" '\"*")
    words = text.split()
    if len(words) > 1 and len(set(words)) == 1:
        text = words[0]
    if text in ("<na>", "(na)", "[na]"):
        return True  # without brackets it is a name
    return (
        not text
        or placeholders.is_template(cell)
        or _NOTHING.fullmatch(text) is not None
        or (text[0] == "#" and _ERROR.fullmatch(text) is not None)
    )


def is_gap_in_name(cell: str) -> bool:
    """Return whether the cell of one name is a gap, though the other is a name: beside it "Null" may be one too."""
    return is_gap(cell) and not re.fullmatch(r"\s*(?:Null|None|Nan|Nil)\s*", cell)


def is_no_employer(cell: str) -> bool:
    """Return whether a company is none that somebody could be found by: "Self-employed", "unknown", "#N/A"."""
    return is_gap(cell) or placeholders.is_no_employer(cell)


def is_salutation(cell: str) -> bool:
    """Return whether a cell is a form of address ("Mr", "Frau Dr."), and so no job."""
    words = [
        unaccented(folded(word)).replace(".", "") for word in re.split(r"[\s.]+", cell) if word.strip(".")
    ]
    joined = unaccented(folded(cell)).replace(".", "").replace(" ", "")
    return joined in SALUTATIONS or (bool(words) and all(word in SALUTATIONS for word in words))


_ADDRESS = re.compile(r"[^\s`„“”()<>\[\]{}:;,\\\"'@/|*=•·]+@[^\s`„“”()<>\[\]{}:;,\\\"'@/|*=•·?!]+")
_AT_IN_BRACKETS = re.compile(r"\s*[\[({]\s*(?:at|@|ät)\s*[\])}]\s*", re.IGNORECASE)
_DOT_IN_BRACKETS = re.compile(r"\s*[\[({]\s*(?:dot|punkt|\.)\s*[\])}]\s*", re.IGNORECASE)
_PICTURES_AND_BREAKS = re.compile(r"[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]|\\[nrt]")
_NUMBER = re.compile(r"\d{1,3}[.)%]|\d{4}-\d\d-\d\d")
_LABELS = word_set(
    """
    work office business private personal home email e-mail mail primary secondary main new old and or
    und oder et ou y o e og och en of geschäftlich privat dienstlich pro perso bounced invalid valid
    verified catch-all bzw sowie lub oraz eller samt oppure és vagy tai ja ve \u0438\u043b\u0438 \u0438
    ili
    """
)


def addresses_in(cell: str) -> list[str]:
    """Return the e-mail addresses of a cell in normal form, without what is written around them.

    Empty if a slip could make somebody else's address of one ("ada,fable@…", "ada fable@…").
    """
    link = link_in(cell)
    if link is not None:
        return addresses_in(link.address) or addresses_in(link.text)
    text = _PICTURES_AND_BREAKS.sub(" ", plain_cell(cell))
    if "[" in text or "(" in text or "{" in text:
        text = _DOT_IN_BRACKETS.sub(".", _AT_IN_BRACKETS.sub("@", text))
    whole = normal_email(text)
    found = list(_ADDRESS.finditer(text))
    if whole is not None and len(found) < 2:
        return [whole]
    if not found or not _stand_alone(text, found):
        return [whole] if whole is not None else []
    normal = [normal_email(one[0].strip(".*'_-")) for one in found]
    return list(dict.fromkeys(address for address in normal if address))


def _stand_alone(text: str, found: list[re.Match[str]]) -> bool:
    """Return whether nothing before, between and behind the addresses could be a part of one."""
    starts = [0, *(one.end() for one in found)]
    ends = [*(one.start() for one in found), len(text)]
    pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    before, *between, behind = pieces
    return _may_stand_before(before) and all(map(_may_stand_between, between)) and _may_stand_behind(behind)


def _may_stand_before(text: str) -> bool:
    text = text.strip()
    if (
        not any(map(str.isalnum, text))
        or text[-1] in "<([{\"'=:/|*•·>\u2013-"
        or all(map(_is_label, text.split()))
    ):
        return True
    # "Ada Fable ada@…" is a name and an address, "ada fable@…" a slip.
    words = text.split()
    return len(words) > 1 and all(word[:1].isupper() for word in words) and "," not in text


def _may_stand_between(text: str) -> bool:
    stripped = text.strip()
    return not stripped or not any(map(str.isalnum, stripped)) or _may_stand_before(stripped)


def _may_stand_behind(text: str) -> bool:
    stripped = text.strip()
    if not any(map(str.isalnum, stripped)):
        return not stripped.startswith("@")
    is_apart = text[0].isspace() or stripped[0] not in ".@_-"
    return (is_apart and not stripped[0].isalnum()) or all(map(_is_label, stripped.split()))


def _is_label(word: str) -> bool:
    return word.casefold().strip(":.,;()") in _LABELS or _NUMBER.fullmatch(word) is not None


def address_rank(address: str) -> int:
    """Return the place of an address among a person's, from 0: an employer's and read by one, a mail provider's and
    read by one, read by several, read by nobody.
    """
    reader = readers(address)
    if reader == "nobody":
        return 3
    return 2 if reader == "several" else int(is_provider(address.rpartition("@")[2]))
