"""Problems of a team's database, and the advice for its users. No text of the database's own is ever shown: it may
hold the address or what was written."""

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import Health, Locked, Unwritable, error_of

_OPERATOR = "ask whoever runs the team's database or service"

GONE = Unwritable(
    "The team's database, which keeps the journal of runs, does not answer. Nothing was sent.",
    f"Try again in a minute. If that does not help, {_OPERATOR} to look at it; `cleanlist-mcp doctor` says more.",
    "gone",
    passing=True,
    kept="in_database",
)
BUSY = Locked(
    "The team's journal of runs is busy just now. Nothing was sent.",
    f"Try again in a few seconds. If that does not help, {_OPERATOR} what holds the database up.",
    2.0,
    kept="in_database",
)
NEWER = Unwritable(
    "The team's database was brought up to date by a newer version of cleanlist-mcp. Nothing was sent.",
    "Ask whoever runs this server to update cleanlist-mcp and to restart it.",
    "newer",
    kept="in_database",
)
KEYS_CHANGED = Unwritable(
    "The team's secret was changed, and this server does not know the new one yet. Nothing was sent.",
    "Ask whoever runs this server to restart it with the new list in CLEANLIST_SECRET_KEYS.",
    "keys",
    kept="in_database",
)
KEY_MISSING = Unwritable(
    "CLEANLIST_SECRET_KEYS lacks a key that runs of the last 24 hours, or runs whose outcome is open, were written "
    "with. Nothing was sent.",
    "Ask whoever runs this server to put the earlier key back behind the new one, and to leave it there for now.",
    "key missing",
    kept="in_database",
)
NO_RIGHTS = Unwritable(
    "The team's database does not let this server make or use its tables. Nothing was sent.",
    "Ask whoever runs the team's database to give its user the right to create a schema in it.",
    "rights",
    kept="in_database",
)


class DatabaseProblem(JournalUnusable):
    """The database cannot be used now; `health` holds the reason."""

    def __init__(self, health: Health, cause: str = "") -> None:
        """`cause` is the kind of the database's own error, for a log."""
        error = error_of(health)
        super().__init__(error.message, error.next_step, retryable=error.retryable)
        self.health = health
        self.cause = cause
