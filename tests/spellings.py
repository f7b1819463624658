"""Ways to write a key so that it can still be read, and an eye of our own for what is left of one."""

import base64
import html
import json
import random
import re
import string
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from functools import cache

PIECE = 16

_TOKEN = string.ascii_letters + string.digits + "_-"


def fictional_key(seed: int, length: int = 48) -> str:
    """Return a key that no other test has, and nobody else."""
    return "clapi_" + "".join(random.Random(seed).choices(_TOKEN, k=length))  # noqa: S311


_INVISIBLE = "\u200b"


def each(form: str) -> Callable[[str], str]:
    """Write every character by its number, as `form` says."""
    return lambda key: "".join(form.format(ord(char)) for char in key)


def full_width(key: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) for char in key)


def bold(key: str) -> str:
    return "".join(chr(0x1D41A + ord(char) - ord("a")) if char.islower() else char for char in key)


def in_base64(before: str, *, upper: bool = False, safe: bool = False) -> Callable[[str], str]:
    encode = base64.urlsafe_b64encode if safe else base64.b64encode

    def encoded(key: str) -> str:
        return encode((before + (key.upper() if upper else key)).encode()).decode()

    return encoded


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "cases swapped": str.swapcase,
    "zero width between": lambda key: _INVISIBLE.join(key),
    "one zero width": lambda key: key[:30] + _INVISIBLE + key[30:],
    "soft hyphens": lambda key: "\u00ad".join(key),
    "variation selectors": lambda key: "\ufe0f".join(key),
    "struck through": lambda key: "\u0336".join(key),
    "hangul fillers": lambda key: "\u3164".join(key),
    "controls": lambda key: "\x1b".join(key),
    "spaces": lambda key: " ".join(key),
    "wide spaces": lambda key: "\u3000".join(key),
    "broken lines": lambda key: "\r\n".join(key[at : at + 7] for at in range(0, len(key), 7)),
    "full width": full_width,
    "bold": bold,
    "JSON escapes": each("\\u{:04x}"),
    "JSON escapes twice": each("\\\\u{:04X}"),
    "long escapes": each("\\U{:08x}"),
    "braced escapes": each("\\u{{{:x}}}"),
    "byte escapes": each("\\x{:02x}"),
    "octal escapes": each("\\{:03o}"),
    "percent escapes": each("%{:02X}"),
    "percent escapes twice": each("%25{:02x}"),
    "percent escapes of a script": each("%u{:04X}"),
    "entities": each("&#{:d};"),
    "hexadecimal entities": each("&#x{:X};"),
    "entities twice": each("&amp;#{:d};"),
    "zero width entities": lambda key: "&#8203;".join(key),
    "zero width escapes": lambda key: "\\u200b".join(key),
    "full width percent": lambda key: urllib.parse.quote(full_width(key)),
    "full width bytes": lambda key: repr(full_width(key).encode()),
    "bold in JSON": lambda key: json.dumps(bold(key)),
    "Markdown": lambda key: key.replace("_", "\\_"),
    "base64": in_base64(""),
    "base64 shifted by one": in_base64("a"),
    "base64 shifted by two": in_base64("ab"),
    "base64 of user and key": in_base64("user:"),
    "base64 for URLs": in_base64("user:", safe=True),
    "base64 in upper case": in_base64("user:", upper=True),
    "base64 in lines": lambda key: base64.encodebytes(key.encode()).decode(),
    "base64 of base64": lambda key: in_base64("x")(in_base64("yz")(key)),
    "base64 of escapes": lambda key: in_base64("")(each("%{:02x}")(key)),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
    "hexadecimal with blanks": lambda key: key.encode().hex(" "),
    "hexadecimal of the upper case": lambda key: key.upper().encode().hex(),
    "hexadecimal base64": lambda key: in_base64("")(key).encode().hex(),
}
"""By name, how each writes a key."""


def readings(text: str) -> Iterator[str]:
    """Yield what may be read in a text, in lower case: as it is, and with its escapes resolved once and twice."""
    seen = {text}
    for _ in range(2):
        for one in list(seen):
            seen |= {html.unescape(one), urllib.parse.unquote(one), _without_backslashes(one)}
    for one in seen:
        plain = unicodedata.normalize("NFKD", one)
        yield "".join(char for char in plain if "!" <= char <= "~").lower()


def _without_backslashes(text: str) -> str:
    def character(escape: re.Match[str]) -> str:
        return chr(int(escape[1] or escape[2], 16))

    return re.sub(r"\\+u([0-9a-fA-F]{4})|\\+x([0-9a-fA-F]{2})", character, text)


def left_of(key: str, text: str) -> set[str]:
    """Return the pieces of a key, or of its base64 or hexadecimal digits, that can be read in a text."""
    return {piece for reading in readings(text) for piece in _pieces(key).intersection(_cut(reading))}


@cache
def _pieces(key: str) -> frozenset[str]:
    needles = {key, key.encode().hex(), *(_decided_base64(key, before) for before in range(3))}
    return frozenset(piece for needle in needles for piece in _cut(needle.lower()))


def _cut(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(len(text) - PIECE + 1))


def _decided_base64(key: str, before: int) -> str:
    code = base64.b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
    return code[2 if before else 0 : -1]
