"""One look at the database, at one moment."""

import sqlite3

from cleanlist_mcp.money.runs import Moment


class Look:
    """The parts of every look at the database."""

    def __init__(self, database: sqlite3.Connection, key: bytes, now: Moment) -> None:
        """`key` is that of the checksums."""
        self.now = now
        self.newest: tuple[int, str] | None = None
        """The number and the claim of the run that was begun in this look."""
        self._database = database
        self._key = key
