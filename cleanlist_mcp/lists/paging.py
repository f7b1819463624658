"""Opaque cursors of our own: where in which page of the API the next answer begins."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from cleanlist_mcp.errors import InvalidArguments

MAX_POSITION = 10**9
"""More than any list holds; a cursor with a greater number is not ours."""


@dataclass(frozen=True)
class Place:
    """The page of `limit` items at the API's own `cursor`, and how many of its items were shown already.

    `passed` counts all items before the place.
    """

    cursor: str = ""
    limit: int = 0
    shown: int = 0
    passed: int = 0

    def encoded(self, topic: str) -> str:
        """Return the place as a cursor, which a caller sends back unchanged and for the same `topic` only."""
        parts = [_digest(topic), self.cursor, self.limit, self.shown, self.passed]
        return (
            base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")
        )

    @classmethod
    def decoded(cls, text: str, topic: str) -> "Place":
        """Read a cursor; an empty one is the beginning.

        Raises:
            InvalidArguments: if it is not one of ours for this topic.
        """
        if not text:
            return cls()
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            about, *parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            place = cls(*parts)
            genuine = about == _digest(topic) and place._is_sound()
        except (ValueError, TypeError, binascii.Error, RecursionError):
            genuine = False
        if not genuine:
            raise InvalidArguments(
                "cursor is not one that this tool returned for these arguments.",
                "Leave cursor out to begin at the first page, or send back the newest one as it is.",
            )
        return place

    def _is_sound(self) -> bool:
        numbers = (self.limit, self.shown, self.passed)
        if not all(type(number) is int for number in numbers) or not isinstance(self.cursor, str):
            return False
        in_range = 1 <= self.limit <= 500 and 0 <= self.shown <= 500 and 0 <= self.passed <= MAX_POSITION
        return in_range and self.cursor.isascii() and self.cursor.isprintable()


def _digest(topic: str) -> str:
    return hashlib.sha256(topic.encode()).hexdigest()[:8]
