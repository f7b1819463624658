"""The API's words for runs, made ours: states of a run, and remarks that say something new."""

import re
from collections.abc import Collection

from cleanlist_mcp.answers.shapes import RunStatus
from cleanlist_mcp.api.wire import WorkflowStatus
from cleanlist_mcp.text import clean

NOTE_LIMIT = 300
"""Longest vendor text passed on in an answer, in characters."""

_STATES: dict[str, RunStatus] = {
    "completed": "completed",
    "completed_with_errors": "completed",
    "failed": "failed",
    "timed_out": "failed",
    **dict.fromkeys(("cancelled", "canceled", "terminated"), "cancelled"),
    "unknown": "unknown",
    **dict.fromkeys(("", "pending", "queued", "created", "accepted", "scheduled", "submitted"), "pending"),
}

_FIGURES = """
a all an and are back be been by charge charged complete completed contact contacts credit credits done e email emails
enriched enrichment finished for found from have has in is job lead leads mail no not number numbers of on people person
phone phones processed record records refund refunded released reserved result results returned row rows run spent
status success successful successfully the to total used was were with workflow you your
"""
# The words of a remark that repeats the figures of its run: any other word may be news.
_KNOWN_WORDS = frozenset(_FIGURES.split())


def state_word(word: str) -> RunStatus:
    """Return the contract's word for the API's; an unknown word counts as that of a run that goes on."""
    return _STATES.get(word.casefold(), "running")


def vendor_note(status: WorkflowStatus, figures: Collection[int | None]) -> str | None:
    """Return the API's own remark, cleaned and cut, unless it only repeats `figures`.

    A remark about a refund under review is meant for the user as it is.
    """
    if status.under_review and status.refund_message:
        return clean(status.refund_message, NOTE_LIMIT) or None
    note = clean(status.note or status.refund_message, NOTE_LIMIT)
    return None if not note or _only_repeats(note, figures) else note


def _only_repeats(note: str, figures: Collection[int | None]) -> bool:
    words = re.findall(r"[^\W\d_]+", note.casefold())
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\d(?:[\d,]{0,12}\d)?", note)}
    return set(words) <= _KNOWN_WORDS and numbers <= {0, *figures}
