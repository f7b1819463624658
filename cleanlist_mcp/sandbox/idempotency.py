"""Answers that are kept under an idempotency key, for a day after the request has finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REMEMBERED_SECONDS = 86_400
Name = tuple[str, str, str]


@dataclass
class Remembered:
    """An answer kept under an idempotency key. It counts from `finished_at` (epoch seconds) on, not before."""

    finished_at: float
    answer: dict[str, Any]


class Answers:
    """Kept answers by organization, topic (a route, or one with its list) and key."""

    def __init__(self) -> None:
        """Nothing has been answered yet."""
        self._kept: dict[Name, Remembered] = {}

    def recall(self, name: Name, now: float) -> dict[str, Any] | None:
        """Return the answer of a finished request within its 24 hours, or None."""
        kept = self._kept.get(name)
        if kept is None or not 0 <= now - kept.finished_at < REMEMBERED_SECONDS:
            return None
        return kept.answer

    def remember(self, name: Name, answer: Mapping[str, Any], finished_at: float) -> Remembered:
        """Keep an answer from `finished_at` on; the first one of a name stays."""
        self._kept = {
            other: kept
            for other, kept in self._kept.items()
            if finished_at - kept.finished_at < 2 * REMEMBERED_SECONDS
        }
        return self._kept.setdefault(name, Remembered(finished_at, dict(answer)))
