"""Secrets are blotted out of texts here: the one place that every text passes on its way out and into the journal.

What counts as one: each secret that is `keep`t, written plainly or in any other way that is read again with ease (in
another case, with white space or invisible characters inside, in full-width or other compatibility forms, with escapes
of JSON, Python, URLs or HTML, as base64 or in hexadecimal digits), whole or any `PIECE` characters of it; every word
shaped like a key of Cleanlist, whoever's it is; and whatever follows "Bearer" and looks like a token.

Ordinary texts are the rule and come by the thousand, so a quick look decides for nearly all of them: a piece of
`PIECE` characters cannot hide between samples of `_GRAM` characters that are taken often enough.
"""

import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from cleanlist_mcp.as_read import OTHER, View, ascii_of, escapes_read, pressed_of, unescaped, view_of

MARK = "[secret removed]"
"""Words that take a secret's place."""

PIECE = 16
"""A piece of a secret of so many characters counts as the secret; of one that is shorter, the whole."""

SHORTEST = 8
"""Characters of the shortest secret: a shorter one looks like ordinary text."""

KEPT = 256
"""Secrets that are known at once; of more, the older half is forgotten."""

MOST_PLAIN, LONGEST_PLAIN = 500, 2_000
"""Texts without a secret that are remembered, and the characters of the longest."""

_GRAM = 7
_LAYERS = 4
"""Times that an escape may be escaped, or an encoding be encoded."""

_SHORTEST_TOKEN = 22
"""Characters of base64 that hold the shortest word shaped like a key."""

# Only what every text meets is compiled at once; the others are compiled at their first use.
_TOKEN = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST_TOKEN},}}")
_DIGITS = re.compile(rf"[0-9A-Fa-f]{{{2 * PIECE},}}")
_READABLE = rb"[\x20-\x7e]{16,}"
_SHAPED = r"(?i:cl(?:api|ext)_)[A-Za-z0-9_-]{10,}"
_BEARER = r"(?i:bearer)[\s:+]{1,4}([A-Za-z0-9._~+/=-]{20,})"
_STANDARD_BASE64 = str.maketrans("-_", "+/")
DataT = TypeVar("DataT")


class _Known:
    """Marks of the secrets in use: `spellings` of them all, in lower case and without white space, by how many
    characters of one count; `grams`, every `_GRAM` characters of them; `step`, how far apart samples of a text
    may be; `shortest`, the fewest characters of a text that can hold any."""

    def __init__(self) -> None:
        self.grams: set[str] = set()
        self.spellings: dict[int, str] = {}
        self.step = PIECE - _GRAM + 1
        self.shortest = PIECE

    def learn(self, spellings: tuple[str, ...]) -> None:
        """Recognise one more secret."""
        for spelling in spellings:
            length = min(PIECE, len(spelling))
            self.grams.update(spelling[at : at + _GRAM] for at in range(len(spelling) - _GRAM + 1))
            self.spellings[length] = f"{self.spellings.get(length, '')}\n{spelling}"
            self.shortest = min(self.shortest, length)
        self.step = self.shortest - _GRAM + 1


_secrets: dict[str, tuple[str, ...]] = {}
_known = _Known()
# Texts that hold none of the secrets in use: each is looked at when it comes in and again on its way out.
_plain: set[str] = set()


def keep(secret: str) -> None:
    """Blot out `secret` from now on, wherever it comes up; one of fewer than `SHORTEST` characters is not kept."""
    global _plain
    known_before = _secrets.pop(secret, None)
    if known_before is not None:
        _secrets[secret] = known_before  # the last to be forgotten
        return
    if len(pressed_of(ascii_of(secret).lower())) < SHORTEST:
        return
    _secrets[secret] = _spellings(secret)
    _known.learn(_secrets[secret])
    _plain = set()  # a new one, and last: another thread may just be looking at a text
    if len(_secrets) > KEPT:
        _forget_older_half()


def keep_proxies(environment: Mapping[str, str]) -> None:
    """Keep the names and passwords that the variables of proxies hold."""
    for name, value in environment.items():
        if not name.casefold().endswith("_proxy"):
            continue
        try:
            address = urlsplit(value if "://" in value else f"http://{value}")
            user, password = address.username or "", address.password
        except ValueError:
            continue
        if password:
            for secret in {f"{user}:{password}", unquote(f"{user}:{password}")}:
                keep(secret)
            if len(password) >= 12:  # a shorter one alone may be a word of any text
                keep(unquote(password))


def keep_address(address: str) -> None:
    """Keep the address of a database as a whole, and the password in it."""
    keep(address)
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    for secret in {password or "", unquote(password or "")}:
        keep(secret)


def blot(text: str) -> str:
    """Return `text` with `MARK` in the place of each secret; a text that holds none comes back as it is."""
    if _is_plain(text):
        return text
    for _ in range(_LAYERS):
        spans = _merged(_spans(text, _LAYERS))
        if not spans:
            return text
        text = _without(text, spans)
    return MARK if holds_secret(text) else text


def blot_all(data: DataT) -> DataT:
    """Return `data` with each text in it blotted: keys and values of dicts, and items of lists, however deep."""
    return _blotted(data)  # type: ignore[return-value]


def holds_secret(text: str) -> bool:
    """Return whether `text` holds a secret that `blot` would take out."""
    return not _is_plain(text) and next(_spans(text, _LAYERS), None) is not None


def _is_plain(text: str) -> bool:
    """Return whether a quick look, now or before, found nothing."""
    plain = _plain
    if text in plain:
        return True
    if _is_suspect(text, _LAYERS):
        return False
    if len(text) <= LONGEST_PLAIN:
        if len(plain) >= MOST_PLAIN:
            plain.clear()
        plain.add(text)
    return True


def _blotted(data: object) -> object:
    if isinstance(data, str):
        return blot(data)
    if isinstance(data, dict):
        return {_blotted(name): _blotted(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_blotted(item) for item in data]
    return data


def _holds(text: str, layers: int) -> bool:
    return _is_suspect(text, layers) and next(_spans(text, layers), None) is not None


# The quick look: it never says no if there is a secret.


def _is_suspect(text: str, layers: int) -> bool:
    if len(text) < _known.shortest or layers == 0:
        return False
    plain = ascii_of(text)
    if _seems_to_hold(plain, layers):
        return True
    read = escapes_read(plain)
    return read != plain and _is_suspect(read, layers - 1)


def _seems_to_hold(plain: str, layers: int) -> bool:
    low = plain.lower()
    if ("_" in low and ("clapi_" in low or "clext_" in low)) or "bearer" in low:
        return True
    words = low.split()
    pressed = "".join(words)
    if not _known.grams.isdisjoint(_samples(pressed)):
        return True
    if len(pressed) < _SHORTEST_TOKEN or max(map(len, words)) < _SHORTEST_TOKEN:
        return False
    return next(_encoded(plain, layers), None) is not None


def _samples(pressed: str) -> list[str]:
    return [pressed[at : at + _GRAM] for at in range(0, len(pressed) - _GRAM + 1, _known.step)]


def _encoded(plain: str, layers: int) -> Iterator[tuple[int, int]]:
    """Find words that are base64 or hexadecimal digits of a text with a secret in it."""
    if not plain.islower():  # base64 of any such text has capital letters
        for token in _TOKEN.finditer(plain):
            if any(_holds(reading, layers - 1) for reading in _from_base64(token[0])):
                yield token.span()
    for digits in _DIGITS.finditer(plain):
        if any(_holds(reading, layers - 1) for reading in _from_digits(digits[0])):
            yield digits.span()


def _from_base64(token: str) -> Iterator[str]:
    """Yield the texts that a word may be the base64 of, wherever in it the code begins."""
    standard = token.translate(_STANDARD_BASE64)
    for start in range(4):
        code = standard[start:]
        for readable in re.findall(_READABLE, a2b_base64(code + "A" * (-len(code) % 4))):
            yield readable.decode("ascii")


def _from_digits(digits: str) -> Iterator[str]:
    for start in range(2):
        whole = (len(digits) - start) // 2 * 2
        for readable in re.findall(_READABLE, bytes.fromhex(digits[start : start + whole])):
            yield readable.decode("ascii")


# The exact look: the places in the text.


def _spans(text: str, layers: int) -> Iterator[tuple[int, int]]:
    """Yield where secrets begin and end in `text`; they may overlap."""
    view: View | None = view_of(text)
    while view is not None and layers > 0:
        for start, end in _hits(view.text, layers):
            yield view.origin(start, end)
        view = unescaped(view)
        layers -= 1


def _hits(seen: str, layers: int) -> Iterator[tuple[int, int]]:
    """Yield where secrets begin and end in what a reader sees."""
    for found in re.finditer(_SHAPED, seen):
        yield found.span()
    for found in re.finditer(_BEARER, seen):
        if _looks_random(found[1]):
            yield found.start(1), found.end(1) - (len(found[1]) - len(found[1].rstrip(".")))
    yield from _pieces(seen)
    yield from _encoded(seen, layers)


def _looks_random(token: str) -> bool:
    """Return whether a word has a digit, or letters of both cases after its first one."""
    rest = "".join(char for char in token if char.isalpha())[1:]
    return any(char.isdigit() for char in token) or not (rest.islower() or rest.isupper() or not rest)


def _pieces(seen: str) -> Iterator[tuple[int, int]]:
    """Yield where pieces of the secrets in use stand, white space and other scripts disregarded."""
    if _known.grams.isdisjoint(_samples(pressed_of(ascii_of(seen)).lower())):
        return
    places = [index for index, char in enumerate(seen) if char not in (" ", OTHER)]
    pressed = "".join(seen[index] for index in places).lower()
    for at in range(len(pressed) - _GRAM + 1):
        if pressed[at : at + _GRAM] in _known.grams:
            for length, spellings in _known.spellings.items():
                piece = pressed[at : at + length]
                if len(piece) == length and piece in spellings:
                    yield places[at], places[at + length - 1] + 1


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    parts = []
    done = 0
    for start, end in spans:
        parts += [text[done:start], MARK]
        done = end
    return "".join(parts) + text[done:]


# The spellings that a secret is recognised by.


def _spellings(secret: str) -> tuple[str, ...]:
    """Return a secret plainly, in hexadecimal digits and as base64, in lower case: each as in any surroundings."""
    found = [pressed_of(ascii_of(secret).lower())]
    for cased in dict.fromkeys((secret, secret.lower(), secret.upper())):
        data = cased.encode("utf-8", "surrogatepass")  # a variable may hold any bytes
        found.append(data.hex())
        for before in range(3):
            standard = _base64_of(data, before)
            found += [standard.lower(), standard.lower().replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(found))


def _base64_of(data: bytes, before: int) -> str:
    """Return the characters of base64 that `data` alone decides if `before` bytes precede it in a group of three."""
    whole = b64encode(bytes(before) + data + bytes(2)).decode("ascii")
    return whole[-(-8 * before // 6) : 8 * (before + len(data)) // 6]


def _forget_older_half() -> None:
    global _known
    for old in list(_secrets)[: KEPT // 2]:
        del _secrets[old]
    known = _Known()
    for spellings in _secrets.values():
        known.learn(spellings)
    _known = known
