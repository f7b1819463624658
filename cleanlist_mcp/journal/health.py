"""Health of a journal as a value: asking for it changes nothing, and each engine fills in its own words."""

from dataclasses import dataclass
from typing import Literal, assert_never

from cleanlist_mcp.errors import JournalRemoved, JournalUnusable

Kept = Literal["on_disk", "in_database", "until_restart"]
"""The place of entries: this computer, a team's database, or the memory of this process."""


@dataclass(frozen=True)
class Usable:
    """A journal that can be read and written, and where it is kept."""

    kept: Kept = "on_disk"


@dataclass(frozen=True)
class Locked:
    """A journal that another program holds; it may be free again after `retry_after` seconds."""

    message: str
    next_step: str
    retry_after: float
    kept: Kept = "on_disk"


@dataclass(frozen=True)
class Replaced:
    """A journal that was removed or exchanged while the server runs; only a restart helps."""

    message: str
    next_step: str
    kept: Kept = "on_disk"


@dataclass(frozen=True)
class Unwritable:
    """A journal that cannot be relied on; `reason` is a word for why, and `passing` is true if time alone may help."""

    message: str
    next_step: str
    reason: str
    passing: bool = False
    kept: Kept = "on_disk"


Health = Usable | Locked | Replaced | Unwritable


def error_in(health: Health) -> JournalUnusable | None:
    """Return the error of a call that needs a journal in this state; None if it can be used."""
    match health:
        case Usable():
            return None
        case Locked():
            return JournalUnusable(health.message, health.next_step)
        case Replaced():
            return JournalRemoved(health.message, health.next_step)
        case Unwritable():
            return JournalUnusable(health.message, health.next_step, retryable=health.passing)
    assert_never(health)


def error_of(health: Health) -> JournalUnusable:
    """Return the error of a call that needs a journal in this state, in which it cannot be used."""
    error = error_in(health)
    assert error is not None, "it cannot be used"  # noqa: S101 - an invariant
    return error


def is_durable(health: Health) -> bool:
    """Return whether entries outlive the process; a journal that cannot be used just now is there all the same."""
    return health.kept != "until_restart"
