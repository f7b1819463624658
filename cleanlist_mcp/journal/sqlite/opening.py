"""The journal in a folder, found, made or refused."""

import logging
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.sqlite.connection import bring_up_to_date, connect
from cleanlist_mcp.journal.sqlite.file import MARK, JournalFile, require_newest
from cleanlist_mcp.journal.sqlite.held import (
    NO_LINKS,
    SIDE_FILES,
    beside,
    file_id,
    has_modes,
    hold,
    id_of,
    release,
)
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME, CannotOpen, as_problem

BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process's transaction, during which nothing else runs here; one takes milliseconds."""

OPEN_STEP = 0.05
"""Seconds between tries to open a file that another process is just making."""

log = logging.getLogger(__name__)


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


def _has_entries(path: Path) -> bool:
    """Return whether there is a journal that may know something.

    Raises:
        CannotOpen: if that cannot be found out, or something else lies there.
    """
    if any(_is_link(beside(path, suffix)) for suffix in (*SIDE_FILES, "-journal", MARK)):
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
    if beside(path, MARK).exists():
        raise CannotOpen("older")  # it held something once
    side_file = beside(path, "-wal")
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
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINKS, 0o600))
            made = True
        with suppress(FileNotFoundError):
            beside(path, MARK).unlink()  # of a journal that its user has taken away
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
    with as_problem():
        descriptor = hold(path)
        try:
            database = connect(path, patience)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA wal_autocheckpoint = 0")  # `Emptying` does it, and looks first
                bring_up_to_date(database)
                require_newest(path, database)
                database.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
                if file_id(path) != id_of(os.fstat(descriptor)):
                    raise CannotOpen("not a file")
                return JournalFile(path, database, descriptor)
            except BaseException:
                database.close()
                raise
        except BaseException:
            release(descriptor)
            raise


def _warn_of_open_folder(folder: Path) -> None:
    if has_modes() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        log.warning(
            "Other users of this machine can write to the state folder, and so change what is remembered of runs. "
            "Set its mode to 0700."
        )
