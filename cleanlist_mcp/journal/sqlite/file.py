"""The file of the journal: held to be the file that it was.

SQLite keeps what was written last in a side file (`-wal`) until it is copied into the main one. Backups and folder
syncs move, remove or put back these files one by one, so each claim first checks that all of them are still the
ones that were opened, and a small mark beside them shows at the next start whether an entry is missing.
"""

import hashlib
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from cleanlist_mcp.journal.sqlite.checking import Check
from cleanlist_mcp.journal.sqlite.connection import birth, connect
from cleanlist_mcp.journal.sqlite.emptying import Emptying
from cleanlist_mcp.journal.sqlite.held import NO_LINKS, SIDE_FILES, beside, file_id, hold, id_of, release
from cleanlist_mcp.journal.sqlite.problems import CannotOpen, is_busy

MARK = "-mark"
"""Ending of the journal's name for the mark beside it."""

LOOK_PATIENCE = 2.0
"""Seconds to wait for another process while it is looked if the newest run is there."""

_MARK_LENGTH = 64


class JournalFile:
    """An open journal. One process may open a file several times; other processes open it too."""

    def __init__(self, path: Path, database: sqlite3.Connection, descriptor: int) -> None:
        """Take over an open `database` at `path`, and a `descriptor` of the same file."""
        self.database = database
        self._path = path
        self._descriptors = {path: descriptor}
        for suffix in SIDE_FILES:
            side_file = beside(path, suffix)
            self._descriptors[side_file] = hold(side_file)
        self._birth = birth(database)
        self._mark: int | None = None
        self._newest: tuple[int, str] | None = None
        self._seen_at: int | None = None
        self.check = Check(path)
        self._emptying = Emptying(connect(path, 0.0, check_same_thread=False), self.is_same)

    def is_same(self) -> bool:
        """Return whether each file of the journal is still the one that was opened."""
        # Some network folders give a file a new number at times; a descriptor that is open shows the new one too.
        return all(
            file_id(path) == id_of(os.fstat(descriptor)) for path, descriptor in self._descriptors.items()
        )

    def is_as_it_was(self) -> bool:
        """Return whether no file of the journal was removed or replaced since it was opened.

        Whatever is written into one that was would be lost.
        """
        if self.is_same() and self._holds_newest():
            return True
        self._rescue()
        return False

    def _rescue(self) -> None:
        """Copy what a removed side file holds into the main one, if nobody has opened that anew.

        The removed file is open here still, and gone for good once this process ends.
        """
        is_in_place = file_id(self._path) == id_of(os.fstat(self._descriptors[self._path]))
        if is_in_place and not any(beside(self._path, suffix).exists() for suffix in SIDE_FILES):
            with suppress(sqlite3.Error):
                self.database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _holds_newest(self) -> bool:
        """Return whether the files hold the run that was begun last here, if the main one was written since.

        Whoever writes an older copy into the very file changes nothing that `is_same` sees, and what SQLite has read
        before it does not read again: another connection looks.
        """
        written_at = self._path.stat().st_mtime_ns
        if self._newest is None or written_at == self._seen_at:
            return True
        number, claim = self._newest
        try:
            with closing(connect(self._path, LOOK_PATIENCE)) as fresh:
                found = fresh.execute("SELECT claim FROM runs WHERE run_id = ?", (number,)).fetchone()
        except sqlite3.Error as exc:
            return is_busy(exc)  # then the claim itself will fail
        if found == (claim,):
            self._seen_at = written_at
        return bool(found == (claim,))

    def wrote(self, newest: tuple[int, str] | None = None) -> None:
        """Take note of a write; `newest` are the number and the claim of a run that was begun with it."""
        self._emptying.begin()
        if newest is None:
            return
        self._newest = newest
        with suppress(OSError):  # it only helps to notice a loss
            if self._mark is None:
                flags = os.O_RDWR | os.O_CREAT | NO_LINKS
                self._mark = os.open(beside(self._path, MARK), flags, 0o600)
            os.lseek(self._mark, 0, os.SEEK_SET)
            os.write(self._mark, _mark(self._birth, newest[0]))

    def close(self) -> None:
        """Close the database, and only then the descriptors: closing one gives up the locks that SQLite holds."""
        self.check.end()
        self._emptying.end()
        if file_id(self._path) == id_of(os.fstat(self._descriptors[self._path])):
            self.database.close()
            for descriptor in self._descriptors.values():
                release(descriptor)
        else:
            # Closing would remove the side files that lie there by now, and they are those of another journal.
            _abandoned.append(self.database)
        if self._mark is not None:
            os.close(self._mark)


_abandoned: list[sqlite3.Connection] = []


def _mark(birth_id: str, newest: int) -> bytes:
    text = f"{birth_id} {newest}"
    checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text} {checksum}\n".ljust(_MARK_LENGTH).encode()


def require_newest(path: Path, database: sqlite3.Connection) -> None:
    """Raise if the mark shows that runs were begun which the file does not hold.

    Raises:
        CannotOpen: if so, or if the mark is of another journal.
    """
    try:
        content = beside(path, MARK).read_bytes()[:_MARK_LENGTH]
    except OSError:
        return
    words = content.decode("ascii", "replace").split()
    if len(words) != 3 or not words[1].isdigit() or _mark(words[0], int(words[1])) != content:
        return  # proves nothing: written in part, or damaged itself
    newest = database.execute(
        "SELECT MAX(COALESCE((SELECT MAX(run_id) FROM runs), 0), "
        "COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'runs'), 0))"
    ).fetchone()[0]
    if words[0] != birth(database) or int(words[1]) > newest:
        raise CannotOpen("older")
