"""Texts as a reader sees them: compatibility forms as what they stand for, nothing invisible, escapes read.

Escapes are those of JSON, Python, URLs and HTML. Only ASCII is kept: no secret has more.
"""

import re
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Iterator

_MAY_BE_ESCAPED = re.compile(r"\\|%[0-9A-Fa-fu]|&(?:#|[A-Za-z]{2,31};)")
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
# Runs, because a text of nothing but escapes has very many: of UTF-16, of UTF-8, of single characters. Each time that
# an escape is escaped, its backslashes double.
_ESCAPED = (
    r"(?P<units>(?:(?:\\{1,8}u|%u)[0-9A-Fa-f]{4})+)"
    r"|(?P<bytes>(?:(?:\\{1,8}x|%)[0-9A-Fa-f]{2})+)"
    r"|(?P<codes>(?:&#(?:[xX][0-9A-Fa-f]{1,7}|[0-9]{1,8});?|\\{1,8}u\{[0-9A-Fa-f]{1,7}\}|\\{1,8}U[0-9A-Fa-f]{8}"
    r"|\\{1,8}[0-3][0-7]{2}|\\{1,8}[nrt!-/:-@\[\]-`{-~]|&[A-Za-z]{2,31};)+)"
)
_UNIT = r"[u%\\]+([0-9A-Fa-f]{4})"
_BYTE = r"[x%\\]+([0-9A-Fa-f]{2})"
_CODE = (
    r"(?:&#[xX]|\\{1,8}u\{|\\{1,8}U)(?P<hex>[0-9A-Fa-f]+)[;}]?|&#(?P<decimal>[0-9]+);?|\\{1,8}(?P<octal>[0-7]{3})"
    r"|\\{1,8}(?P<itself>.)|&[A-Za-z]+;"
)
_BASES = {"hex": 16, "decimal": 10, "octal": 8}
# Letters and symbols that show nothing, beside the categories of characters that never do.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159")
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"})
OTHER = "\0"
"""Character in the place of each one of another script: it ends a word."""


def ascii_of(text: str) -> str:
    """Return the ASCII characters of `text`, of compatibility forms those that they stand for; white space stays."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return text if text.isprintable() else re.sub(_CONTROL, "", text)


def pressed_of(text: str) -> str:
    """Return `text` without white space."""
    return "".join(text.split())


class View:
    """A text as it reads; `origins` says where in the original each of its characters begins and ends, None that it
    is as long as the original."""

    def __init__(self, text: str, origins: list[tuple[int, int]] | None) -> None:
        self.text = text
        self.origins = origins

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where in the original the characters from `start` to `end` stand."""
        return (start, end) if self.origins is None else (self.origins[start][0], self.origins[end - 1][1])


def view_of(text: str) -> View:
    """Return a text as it reads, its escapes still in it."""
    if text.isascii() and text.isprintable():
        return View(text, None)
    seen: list[str] = []
    origins: list[tuple[int, int]] = []
    for index, char in enumerate(text):
        shown = _shown(char)
        seen.append(shown)
        origins += [(index, index + 1)] * len(shown)
    return View("".join(seen), origins)


def _shown(char: str) -> str:
    """Return the ASCII that a character reads as: nothing for an invisible one, `OTHER` for one of another script."""
    if " " <= char <= "~":
        return char
    if char.isspace():
        return " "
    if unicodedata.category(char) in _UNSEEN or char in _BLANK:
        return ""
    return ascii_of(char) or OTHER


def unescaped(view: View) -> View | None:
    """Return the view with its escapes read, or None if it has none."""
    if not _MAY_BE_ESCAPED.search(view.text):
        return None
    seen: list[str] = []
    origins: list[tuple[int, int]] = []
    done = 0
    for escape in re.finditer(_ESCAPED, view.text):
        seen.append(view.text[done : escape.start()])
        origins += [view.origin(at, at + 1) for at in range(done, escape.start())]
        for char, start, end in _meanings(escape):
            shown = _shown(char)
            seen.append(shown)
            origins += [view.origin(start, end)] * len(shown)
        done = escape.end()
    if done == 0:
        return None
    origins += [view.origin(at, at + 1) for at in range(done, len(view.text))]
    return View("".join(seen) + view.text[done:], origins)


def escapes_read(text: str) -> str:
    """Return an ASCII text with its escapes read, once."""
    return re.sub(_ESCAPED, _meaning, text) if _MAY_BE_ESCAPED.search(text) else text


def _meaning(escape: re.Match[str]) -> str:
    """Return the plain ASCII that a run of escapes stands for."""
    if escape["units"]:
        return ascii_of(bytes.fromhex("".join(re.findall(_UNIT, escape[0]))).decode("utf-16-be", "ignore"))
    if escape["bytes"]:
        return ascii_of(bytes.fromhex("".join(re.findall(_BYTE, escape[0]))).decode("utf-8", "ignore"))
    return ascii_of("".join(_character(code) for code in re.finditer(_CODE, escape[0])))


def _meanings(escape: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the characters that a run of escapes stands for, and where each stands."""
    start = escape.start()
    if escape["codes"]:
        for code in re.finditer(_CODE, escape[0]):
            for char in _character(code):
                yield char, start + code.start(), start + code.end()
        return
    item, encoding = (_UNIT, "utf-16-be") if escape["units"] else (_BYTE, "utf-8")
    decoder = getincrementaldecoder(encoding)("ignore")
    before = start
    for unit in re.finditer(item, escape[0]):
        for char in decoder.decode(bytes.fromhex(unit[1])):
            yield char, before, start + unit.end()
            before = start + unit.end()


def _character(escape: re.Match[str]) -> str:
    if escape.lastgroup is None:
        from html import unescape  # here, because its long table is almost never needed

        return unescape(escape[0])
    if escape.lastgroup == "itself":
        return " " if escape["itself"] in "nrt" else escape["itself"]
    code = int(escape[escape.lastgroup], _BASES[escape.lastgroup])
    return chr(code) if code <= 0x10FFFF else ""
