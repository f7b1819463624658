"""Answers about texts, remembered for a short while, because each cell of a row is asked about many times. Pure."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

MOST = 256
"""Texts about which one function remembers its answers: those of the last rows."""

LONGEST = 500
"""Characters of the longest text that is remembered."""

AnswerT = TypeVar("AnswerT")


def remembered(answer: Callable[[str], AnswerT]) -> Callable[[str], AnswerT]:
    """Return a function that answers as `answer` does, whose answers depend on the text alone and cannot be changed."""
    known = lru_cache(maxsize=MOST)(answer)

    @wraps(answer)
    def ask(text: str) -> AnswerT:
        return known(text) if len(text) <= LONGEST else answer(text)

    return ask
