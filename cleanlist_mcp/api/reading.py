"""The body of an answer: decoded within bounds, and read once more if a text in it is damaged."""

import json
import re
import zlib
from collections.abc import Iterable
from typing import Any

from cleanlist_mcp.api.fields import ID, is_id

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Largest answer that is read, decoded: a page of 500 leads is well under 1 MiB."""

SECOND_READING_BYTES = 2 * 1024 * 1024
"""Largest body that is read leniently: Python's objects for it may take thirty times its size."""

LONGEST_NUMBER = 640
"""Digits of the longest whole number that every Python reads and writes, however it is set up."""

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_GZIP_MAGIC = b"\x1f\x8b"
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_NAMED = re.compile(rf'"workflow_id"\s*:\s*"({ID})"'.encode())
_WRAPPERS = ("error", "details", "detail", "data")
_DEEPEST_WRAPPER = 4


class BodyRefused(Exception):
    """A body that is larger than any should be, or encoded in a way that is not decoded."""


class Body:
    """The body of one answer, as far as it has come in.

    One layer of gzip or deflate is decoded, although none was asked for. Every other encoding, and several
    layers, are taken as they are, and refused at the end.
    """

    def __init__(self, encodings: Iterable[str] = (), limit: int = MAX_RESPONSE_BYTES) -> None:
        """`encodings` are the members of the header Content-Encoding, `limit` is the most that is taken, in bytes."""
        self._limit = limit
        layers = [
            name for name in (name.strip().lower() for name in encodings) if name not in ("", "identity")
        ]
        self._known = not layers or (len(layers) == 1 and layers[0] in _WINDOW_BITS)
        self._layer = layers[0] if layers and self._known else ""
        self._inflate: Any = None  # zlib's own type has no public name
        self._head = b""
        self._taken = 0
        self._decoded = bytearray()

    @property
    def content(self) -> bytes:
        """The part of the body that could be decoded, or was taken as it is."""
        return bytes(self._decoded)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece as it came.

        Raises:
            BodyRefused: for the piece that makes the body too large, encoded or decoded; and for one that is not
                encoded as the header says.
        """
        self._taken += len(chunk)
        piece = self._decode(chunk) if self._layer else chunk
        self._decoded += piece[: self._limit - len(self._decoded) + 1]
        if max(self._taken, len(self._decoded)) > self._limit:
            raise BodyRefused("is larger than any answer should be")

    def end(self) -> None:
        """Check a body that has come to its end.

        Raises:
            BodyRefused: if it could not be decoded.
        """
        if self._taken and not self._known:
            raise BodyRefused("is encoded in a way that was not asked for")

    def _decode(self, chunk: bytes) -> bytes:
        if self._inflate is None:
            self._head += chunk
            if len(self._head) < 2:
                return b""
            chunk = self._head
            bits = _WINDOW_BITS[self._layer]
            if self._layer == "deflate":
                if not _has_zlib_header(chunk):
                    bits = -zlib.MAX_WBITS  # as some servers understand the word
            elif not chunk.startswith(_GZIP_MAGIC):
                self._layer = ""  # decoded on its way, by something that left the header as it was
                return chunk
            self._inflate = zlib.decompressobj(bits)
        try:
            # At most one byte too many is unpacked, however much more there is.
            decoded: bytes = self._inflate.decompress(chunk, self._limit - len(self._decoded) + 1)
        except zlib.error:
            raise BodyRefused("is not encoded as it says") from None
        return decoded


def _has_zlib_header(start: bytes) -> bool:
    return start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0


def lenient_json(content: bytes) -> Any:
    """Return the JSON in `content`, past the damage that strict readers refuse.

    Half surrogate pairs and bytes that are no UTF-8 become replacement characters, a byte-order mark is dropped,
    control characters stay, a number too long for Python stays a text, NaN and Infinity are numbers, and of
    two members of one name the last one counts.

    Raises:
        ValueError: if it is no JSON even so, nests too deep, or is over `SECOND_READING_BYTES`.
    """
    if len(content) > SECOND_READING_BYTES:
        raise ValueError("too large")
    text = content.decode(json.detect_encoding(content), "replace")
    try:
        data = json.loads(text, strict=False, parse_int=_whole_number)
        return _without_halves(data) if _HALF_ESCAPED.search(text) else data
    except RecursionError:
        raise ValueError("nested too deep") from None


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(item) for name, item in value.items()}
    return value


def workflow_id_in(content: bytes) -> str | None:
    """Return the id of the workflow that a body names, whatever else of it cannot be read.

    It is looked for at the top and in the wrappers of errors. If the body is no JSON, because it was cut off
    for instance, a member of that name counts wherever it stands, if there are no two different ones.
    """
    try:
        return _named_by(lenient_json(content), _DEEPEST_WRAPPER)
    except ValueError:
        named = {found.decode() for found in _NAMED.findall(content)}
        return next(filter(is_id, named), None) if len(named) == 1 else None


def _named_by(data: Any, deep: int) -> str | None:
    if not isinstance(data, dict):
        return None
    value = data.get("workflow_id")
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if is_id(text):
        return text
    wrapped = (_named_by(data.get(name), deep - 1) for name in _WRAPPERS) if deep else ()
    return next((found for found in wrapped if found is not None), None)
