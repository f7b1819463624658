"""Problems of a journal's file, and the advice for its user."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import Health, Locked, Replaced, Unwritable

FILE_NAME = "journal.sqlite3"

Problem = Literal["locked", "damaged", "newer", "earlier", "not a file", "older", "disk"]


class CannotOpen(Exception):
    """A journal is there and cannot be used; with the `problem`, and the kind of the system's own error as `cause`."""

    def __init__(self, problem: Problem, cause: str = "") -> None:
        super().__init__(problem)
        self.problem: Problem = problem
        self.cause = cause

    def health(self, retry_after: float = 0.0) -> Health:
        """Return the state of a journal with this problem, which is looked at again after some seconds."""
        message, next_step = _ADVICE[self.problem]
        message = f"{message} Nothing was sent."
        if self.problem == "locked":
            return Locked(message, next_step, retry_after)
        return Unwritable(message, next_step, self.problem, passing=self.problem == "disk")


REPLACED = Replaced(
    "The journal of runs on this machine was removed or replaced while the server runs. Nothing was sent.",
    "Ask the user to restart the client that started this server, then try again.",
)
APPEARED = Unwritable(
    "A journal of runs has appeared on this machine since the server was started without one. Nothing was sent.",
    "Ask the user to restart the client that started this server, then try again.",
    "appeared",
)


def trouble(what: str) -> JournalUnusable:
    """Return the error of a journal that cannot be `what`, which is "read" or "written"."""
    return JournalUnusable(
        f"The journal of runs on this machine cannot be {what}. Nothing was sent.",
        "Ask the user to check the disk and the folder in CLEANLIST_STATE_DIR, or to run `cleanlist-mcp doctor`; then "
        "try again.",
    )


_MOVE_AWAY = (
    f"Ask the user to close all clients that use cleanlist-mcp, to move {FILE_NAME} and all files whose names "
    "begin with it out of the folder in CLEANLIST_STATE_DIR, and to start the clients again. Earlier "
    "runs are then not recognised, so compare with the lists at Cleanlist before anything is enriched again."
)
_ADVICE: dict[Problem, tuple[str, str]] = {
    "locked": (
        "The journal of runs on this machine is locked by another program.",
        "Try again in a minute. If that does not help, ask the user which program (a backup, a sync) holds the "
        "folder in CLEANLIST_STATE_DIR.",
    ),
    "damaged": ("The journal of runs on this machine is damaged.", _MOVE_AWAY),
    "newer": (
        "The journal of runs on this machine was written by a newer version of cleanlist-mcp.",
        "Ask the user to update cleanlist-mcp and to restart the client.",
    ),
    "earlier": (
        "The journal of runs on this machine was made by an early version of cleanlist-mcp that was never released.",
        _MOVE_AWAY,
    ),
    "not a file": (
        f"In place of the journal of runs on this machine ({FILE_NAME}) there is a link or a folder.",
        "Ask the user to put the file itself into the folder in CLEANLIST_STATE_DIR, or to move the link away.",
    ),
    "older": (
        "The journal of runs on this machine lacks entries that were written: a backup or a sync put an older copy "
        "back, or removed a file beside it.",
        _MOVE_AWAY,
    ),
    "disk": (
        "The journal of runs on this machine cannot be opened.",
        "Ask the user to check the disk and the folder in CLEANLIST_STATE_DIR, or to run `cleanlist-mcp doctor`; "
        "then try again.",
    ),
}


def is_busy(error: Exception) -> bool:
    """Return whether another program holds the file."""
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _sqlite_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)  # an OSError has none
    return None if code is None else code & 0xFF


@contextmanager
def as_problem() -> Iterator[None]:
    """Turn the errors of SQLite and the system into the problem that they mean."""
    try:
        yield
    except sqlite3.Error as exc:
        raise CannotOpen(_problem_of(exc), type(exc).__name__) from None
    except OSError as exc:
        raise CannotOpen("disk", type(exc).__name__) from None
    except (ValueError, TypeError) as exc:  # from bytes that are no text, or of another type
        raise CannotOpen("damaged", type(exc).__name__) from None


def _problem_of(error: sqlite3.Error) -> Problem:
    if is_busy(error):
        return "locked"
    on_disk = (
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT),
    )
    return "disk" if _sqlite_code(error) in on_disk else "damaged"
