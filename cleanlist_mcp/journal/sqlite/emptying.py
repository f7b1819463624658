"""The side file, emptied soon after each write."""

import sqlite3
import threading
from collections.abc import Callable

QUIET_SECONDS = 0.2
"""Seconds without a write after which the side file is copied into the main one and emptied."""


class Emptying:
    """Copies the side file into the main one and empties it, in a thread of its own, soon after each write.

    What lies in the main file alone survives a program that removes or damages the side file.
    """

    def __init__(self, database: sqlite3.Connection, is_same: Callable[[], bool]) -> None:
        """Take over `database`; `is_same` returns whether the files are still those that were opened."""
        self._database = database
        self._is_same = is_same
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take note of a write."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop, and close the connection."""
        self._ending.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        self._database.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wanted.wait()
            while self._wanted.is_set() and not self._ending.is_set():
                self._wanted.clear()
                self._ending.wait(QUIET_SECONDS)
            if not self._ending.is_set() and not self._emptied():
                self._wanted.set()  # somebody reads or writes just now

    def _emptied(self) -> bool:
        if not self._is_same():
            return True  # another server may write there through side files of its own
        try:
            busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return True  # a full or removed disk: the side file goes on to hold what was written
        return not busy
