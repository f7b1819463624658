"""The file of the journal: opened once, and held to be the file that it was.

SQLite keeps what was written last in a side file (`-wal`) until it is copied into the main one. Backups and folder
syncs move, remove or put back these files one by one, so each claim first checks that all of them are still the
ones that were opened, and a small mark beside them shows at the next start whether an entry is missing.
"""

import hashlib
import logging
import os
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import JournalRemoved, JournalUnusable
from cleanlist_mcp.journal.schema import SCHEMA_VERSION, SCRIPT

FILE_NAME = "journal.sqlite3"

BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process's transaction, during which nothing else runs here; one takes milliseconds."""

OPEN_STEP = 0.05
"""Seconds between tries to open a file that another process is just making."""

QUIET_SECONDS = 0.2
"""Seconds without a write after which the side file is copied into the main one and emptied."""

_SIDE_FILES = ("-wal", "-shm")
_MARK = "-mark"
_MARK_LENGTH = 64

Problem = Literal["locked", "damaged", "newer", "earlier", "not a file", "older", "disk"]

log = logging.getLogger(__name__)


class CannotOpen(Exception):
    """A journal is there and cannot be used; `problem` says why, `cause` names the system's own error."""

    def __init__(self, problem: Problem, cause: str = "") -> None:
        super().__init__(problem)
        self.problem: Problem = problem
        self.cause = cause

    def as_error(self) -> JournalUnusable:
        """Return what a call that needs the journal answers."""
        message, next_step = _ADVICE[self.problem]
        return JournalUnusable(
            f"{message} Nothing was sent.", next_step, retryable=self.problem in ("locked", "disk")
        )


_MOVE_AWAY = (
    f"Ask the user to close all clients that use cleanlist-mcp, to move {FILE_NAME} and the files beside it whose "
    "names begin so out of the folder in CLEANLIST_STATE_DIR, and to start the clients again. Runs paid for before "
    "that are then not recognised, so compare with the lists at Cleanlist before anything is enriched again."
)
_ADVICE: dict[Problem, tuple[str, str]] = {
    "locked": (
        "The journal of runs on this machine is locked by another program.",
        "Try again in a minute. If it stays, ask the user which program (a backup, a sync) holds the folder in "
        "CLEANLIST_STATE_DIR.",
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


class JournalFile:
    """An open journal. One process may open a file several times; other processes open it too."""

    def __init__(self, path: Path, database: sqlite3.Connection, descriptor: int) -> None:
        """Take over an open `database` at `path`, and a `descriptor` of the same file."""
        self.database = database
        self._path = path
        self._descriptors = {path: descriptor}
        for suffix in _SIDE_FILES:
            side_file = _beside(path, suffix)
            self._descriptors[side_file] = _hold(side_file)
        self._birth = birth(database)
        self._mark: int | None = None
        self._newest: tuple[int, str] | None = None
        self._seen_at: int | None = None
        self._emptying = _Emptying(_connection(path, 0.0, check_same_thread=False), self.is_same)

    def is_same(self) -> bool:
        """Return whether each file of the journal is still the one that was opened."""
        # Some network folders give a file a new number at times; a descriptor that is open shows the new one too.
        return all(
            _file_id(path) == _id_of(os.fstat(descriptor)) for path, descriptor in self._descriptors.items()
        )

    def require_same(self) -> None:
        """Raise if a file of the journal was removed or replaced since it was opened.

        Raises:
            JournalRemoved: what is written into it now would be lost.
        """
        if not (self.is_same() and self._holds_newest()):
            self._rescue()
            raise JournalRemoved(
                "The journal of runs on this machine was removed or replaced while the server runs. Nothing was sent.",
                "Ask the user to restart the client that started this server, then try again.",
            )

    def _rescue(self) -> None:
        """Copy what a removed side file holds into the main one, if nobody has opened that anew.

        The removed file is open here still, and gone for good once this process ends.
        """
        is_in_place = _file_id(self._path) == _id_of(os.fstat(self._descriptors[self._path]))
        if is_in_place and not any(_beside(self._path, suffix).exists() for suffix in _SIDE_FILES):
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
            with closing(_connection(self._path, BUSY_TIMEOUT)) as fresh:
                found = fresh.execute("SELECT claim FROM runs WHERE run_id = ?", (number,)).fetchone()
        except sqlite3.Error as exc:
            return is_busy(exc)  # then the claim itself will say so
        if found == (claim,):
            self._seen_at = written_at
        return bool(found == (claim,))

    def require_sound(self) -> None:
        """Check the whole file: it takes milliseconds for thousands of runs.

        Raises:
            CannotOpen: if it is damaged.
        """
        with _as_problem():
            if self.database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                raise CannotOpen("damaged")

    def wrote(self, newest: tuple[int, str] | None = None) -> None:
        """Take note of a write; `newest` are the number and the claim of a run that was begun with it."""
        self._emptying.begin()
        if newest is None:
            return
        self._newest = newest
        with suppress(OSError):  # it only helps to notice a loss
            if self._mark is None:
                flags = os.O_RDWR | os.O_CREAT | _NO_LINKS
                self._mark = os.open(_beside(self._path, _MARK), flags, 0o600)
            os.lseek(self._mark, 0, os.SEEK_SET)
            os.write(self._mark, _mark(self._birth, newest[0]))

    def close(self) -> None:
        """Close the database, and only then the descriptors: closing one gives up the locks that SQLite holds."""
        self._emptying.end()
        if _file_id(self._path) == _id_of(os.fstat(self._descriptors[self._path])):
            self.database.close()
            for descriptor in self._descriptors.values():
                _release(descriptor)
        else:
            # Closing would remove the side files that lie there by now, and they are those of another journal.
            _abandoned.append(self.database)
        if self._mark is not None:
            os.close(self._mark)


def open_file(folder: Path, clock: Clock, patience: float) -> JournalFile | None:
    """Open the journal in `folder`, and make it if there is none.

    Waits up to `patience` seconds for other processes. Returns None if there is no journal and none can be made.

    Raises:
        CannotOpen: if there is one that cannot be used now.
    """
    path = folder / FILE_NAME
    if not _has_entries(path) and not _can_make(path, clock, patience):
        return None
    _warn_of_open_folder(folder)
    give_up_at = clock.monotonic() + patience
    while True:
        try:
            return _opened(path, patience)
        except CannotOpen as error:
            # Changing to WAL does not wait its turn: two servers that start together collide here.
            if error.problem != "locked" or clock.monotonic() >= give_up_at:
                raise
        time.sleep(OPEN_STEP)


def in_memory() -> sqlite3.Connection:
    """Return an empty journal that lives as long as this process."""
    database = _connection(":memory:", 0.0)
    _bring_up_to_date(database)
    return database


def birth(database: sqlite3.Connection) -> str:
    """Return what tells this journal from any other, and nothing about what is in it."""
    return hashlib.sha256(b"birth" + secret(database)).hexdigest()[:16]


def secret(database: sqlite3.Connection) -> bytes:
    """Return the key of the digests.

    Raises:
        CannotOpen: if it is not what it was: with another key nobody would be recognised.
    """
    row = database.execute("SELECT value, checksum FROM secret").fetchone()
    if row is None or not isinstance(row[0], bytes) or _secret_checksum(row[0]) != row[1]:
        raise CannotOpen("damaged")
    value: bytes = row[0]
    return value


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One write: all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite ends some failed ones itself
            database.execute("ROLLBACK")
        raise


def is_busy(error: Exception) -> bool:
    """Return whether another program holds the file."""
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _sqlite_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)  # an OSError has none
    return None if code is None else code & 0xFF


_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _has_entries(path: Path) -> bool:
    """Return whether there is a journal that may know something.

    Raises:
        CannotOpen: if that cannot be found out, or something else lies there.
    """
    if any(_is_link(_beside(path, suffix)) for suffix in (*_SIDE_FILES, "-journal", _MARK)):
        raise CannotOpen("not a file")
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as exc:
        raise CannotOpen("disk", type(exc).__name__) from None
    if not stat.S_ISREG(found.st_mode):
        raise CannotOpen("not a file")
    if found.st_size > 0:
        return True
    if _beside(path, _MARK).exists():
        raise CannotOpen("older")  # it held something once
    side_file = _beside(path, "-wal")
    return side_file.exists() and side_file.stat().st_size > 0


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:
        return False


def _can_make(path: Path, clock: Clock, patience: float) -> bool:
    """Make an empty journal; return whether that worked. Nothing is lost if not: there never was one."""
    made = False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # Made with its mode before SQLite opens it: its side files take the mode over.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600))
            made = True
        with suppress(FileNotFoundError):
            _beside(path, _MARK).unlink()  # of a journal that its user has taken away
        _opened(path, patience).close()
    except (OSError, sqlite3.Error, CannotOpen) as exc:
        if isinstance(exc, CannotOpen) and exc.problem == "locked":
            return True  # another process is making it, or uses it already
        if made:
            with suppress(OSError):
                path.unlink()
        cause = exc.cause if isinstance(exc, CannotOpen) else type(exc).__name__
        log.warning(
            "The state folder cannot be used (%s): runs are remembered in memory, for this process alone. Set "
            "CLEANLIST_STATE_DIR to a folder that can be written.",
            cause or "CannotOpen",
        )
        return False
    return True


def _opened(path: Path, patience: float) -> JournalFile:
    with _as_problem():
        descriptor = _hold(path)
        try:
            database = _connection(path, patience)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA wal_autocheckpoint = 0")  # `_Emptying` does it, and looks first
                _bring_up_to_date(database)
                _require_newest(path, database)
                database.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
                if _file_id(path) != _id_of(os.fstat(descriptor)):
                    raise CannotOpen("not a file")
                return JournalFile(path, database, descriptor)
            except BaseException:
                database.close()
                raise
        except BaseException:
            _release(descriptor)
            raise


@contextmanager
def _as_problem() -> Iterator[None]:
    """Turn what SQLite and the system raise into the problem that it means."""
    try:
        yield
    except sqlite3.Error as exc:
        raise CannotOpen(_problem_of(exc), type(exc).__name__) from None
    except OSError as exc:
        raise CannotOpen("disk", type(exc).__name__) from None
    except (ValueError, TypeError) as exc:  # of bytes that are no text, or of another type
        raise CannotOpen("damaged", type(exc).__name__) from None


def _problem_of(error: sqlite3.Error) -> Problem:
    if is_busy(error):
        return "locked"
    on_disk = (
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT),
    )
    return "disk" if _sqlite_code(error) in on_disk else "damaged"


def _connection(path: Path | str, patience: float, *, check_same_thread: bool = True) -> sqlite3.Connection:
    database = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=check_same_thread
    )
    # Damaged text must be read to be noticed: the checksum of its row does not fit then.
    database.text_factory = lambda content: content.decode("utf-8", "replace")
    return database


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    """Make the tables in a new file, and check those of an old one to the letter: a changed byte in one could hide
    entries.

    Raises:
        CannotOpen: if a newer version of this program made the tables, or they are not what they were.
    """
    with transaction(database):
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not _tables(database):
            _make_tables(database)
        elif version > SCHEMA_VERSION:
            raise CannotOpen("newer")
        elif 0 < version < SCHEMA_VERSION:
            raise CannotOpen("earlier")
        elif _tables(database) != _expected_tables():
            raise CannotOpen("damaged")
    secret(database)


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in SCRIPT.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    value = secrets.token_bytes(32)
    database.execute("INSERT INTO secret VALUES (?, ?)", (value, _secret_checksum(value)))


def _tables(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name"
    ).fetchall()


@cache
def _expected_tables() -> list[tuple[str, ...]]:
    database = sqlite3.connect(":memory:", isolation_level=None)
    _make_tables(database)
    tables = _tables(database)
    database.close()
    return tables


def _secret_checksum(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


def _mark(birth_id: str, newest: int) -> bytes:
    text = f"{birth_id} {newest}"
    checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text} {checksum}\n".ljust(_MARK_LENGTH).encode()


def _require_newest(path: Path, database: sqlite3.Connection) -> None:
    """Raise if the mark shows that runs were begun which the file does not hold.

    Raises:
        CannotOpen: if so, or if the mark is of another journal.
    """
    try:
        content = _beside(path, _MARK).read_bytes()[:_MARK_LENGTH]
    except OSError:
        return
    words = content.decode("ascii", "replace").split()
    if len(words) != 3 or not words[1].isdigit() or _mark(words[0], int(words[1])) != content:
        return  # nobody's word: written in part, or damaged itself
    newest = database.execute(
        "SELECT MAX(COALESCE((SELECT MAX(run_id) FROM runs), 0), "
        "COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'runs'), 0))"
    ).fetchone()[0]
    if words[0] != birth(database) or int(words[1]) > newest:
        raise CannotOpen("older")


def _warn_of_open_folder(folder: Path) -> None:
    if _has_modes() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        log.warning(
            "Other users of this machine can write to the state folder, and so change what is remembered of runs. "
            "Set its mode to 0700."
        )


def _has_modes() -> bool:
    """Return whether this system keeps other users out of a folder by its mode."""
    return os.name == "posix"


def _file_id(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another at the same place; None if there is none, or a link."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return _id_of(found) if stat.S_ISREG(found.st_mode) else None


def _id_of(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


_abandoned: list[sqlite3.Connection] = []

# Closing any descriptor of a file gives up all locks that this process holds on it, so each file has one here,
# shared by all journals that are open in this process.
_held: dict[int, int] = {}
_holding = threading.Lock()


def _hold(path: Path) -> int:
    """Return a descriptor of the file at `path`, which must be no link; its owner alone may read it from now on."""
    with _holding:
        for descriptor in _held:
            if _file_id(path) == _id_of(os.fstat(descriptor)):
                _held[descriptor] += 1
                return descriptor
        descriptor = os.open(path, os.O_RDWR | _NO_LINKS)
        try:
            if _has_modes():
                os.fchmod(descriptor, 0o600)
            _held[descriptor] = 1
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _release(descriptor: int) -> None:
    with _holding:
        _held[descriptor] -= 1
        if not _held[descriptor]:
            del _held[descriptor]
            os.close(descriptor)


class _Emptying:
    """Copies the side file into the main one and empties it, in a thread of its own, soon after each write.

    What lies in the main file alone survives a program that removes or damages the side file.
    """

    def __init__(self, database: sqlite3.Connection, is_same: Callable[[], bool]) -> None:
        self._database = database
        self._is_same = is_same
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    def end(self) -> None:
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
