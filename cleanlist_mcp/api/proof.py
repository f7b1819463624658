"""The answers that prove that a paid request started nothing (money rule 4)."""

import re
from collections.abc import Iterable
from typing import Any

from cleanlist_mcp.api.error_bodies import PROBLEM_LIMIT, word_of
from cleanlist_mcp.api.reading import lenient_json

_CERTAIN = frozenset({400, 401, 402, 403, 404, 407, 413, 422})
"""Statuses that prove that a paid request started nothing, whoever answered (money rule 4)."""

_OF_EARLIER_WORK = frozenset({"already", "duplicate", "progress", "processing", "used"})
"""Words of a code for something that exists already: it may be the run that this very request, sent twice on its way,
has started."""

_EARLIER_WORK_IN_TEXT = re.compile(r"\b(already|duplicate|processing|in progress)\b")
_OTHER_REASONS = frozenset(
    {"expired", "mismatch", "exceeded", "insufficient", "invalid", "required", "missing", "protected", "cap"}
)
"""Words of a code that names another reason for a conflict."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TEXTS = (
    *("problem", "cause", "message", "msg", "detail", "details", "error", "errors"),
    *("title", "description", "reason", "status"),
)
_DEEPEST = 5
_PLAIN_TEXT_READ = 2000


def proves_nothing_started(status: int, content: bytes) -> bool:
    """Return whether an answer with a status from 300 to 499 proves that a paid request started nothing.

    Somebody on the way may have sent the request twice, and this may be the answer to the second: an answer
    about work that exists already proves nothing. A 429 and a 503 are judged elsewhere.
    """
    if status != 409 and status not in _CERTAIN:
        return False
    codes, texts = _words_of(content)
    words = _split(codes)
    if words:
        return words.isdisjoint(_OF_EARLIER_WORK) and (status != 409 or not words.isdisjoint(_OTHER_REASONS))
    return status != 409 and not _speaks_of_earlier_work(texts)


def _speaks_of_earlier_work(texts: list[str]) -> bool:
    # One word alone is a code in the place of a text.
    lone = _split(text for text in texts if " " not in text.strip())
    said = " ".join(word.lower() for text in texts for word in _WORD.findall(text))
    return not lone.isdisjoint(_OF_EARLIER_WORK) or _EARLIER_WORK_IN_TEXT.search(said) is not None


def _split(codes: Iterable[str]) -> set[str]:
    """Return the words of codes, however they are joined."""
    return {word.lower() for code in codes for word in _WORD.findall(code)}


def _words_of(content: bytes) -> tuple[list[str], list[str]]:
    """Return the codes and the texts of an error body, wherever they stand in it.

    Of what is no JSON plain text counts, and a page does not: those say "processing your request" whatever has
    happened.
    """
    codes: list[str] = []
    texts: list[str] = []
    try:
        _gather(lenient_json(content), codes, texts, _DEEPEST)
    except ValueError:
        text = content[:_PLAIN_TEXT_READ].decode("utf-8", "replace")
        return [], [] if "<" in text else [text]
    return codes, texts


def _gather(data: Any, codes: list[str], texts: list[str], deep: int) -> None:
    if isinstance(data, str):
        texts.append(data)
    elif isinstance(data, list) and deep:
        for item in data[:20]:
            _gather(item, codes, texts, deep - 1)
    elif isinstance(data, dict) and deep:
        codes.append(word_of(data.get("code"), PROBLEM_LIMIT))
        for name in _TEXTS:
            _gather(data.get(name), codes, texts, deep - 1)
