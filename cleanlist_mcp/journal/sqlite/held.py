"""Files of a journal, held open so that one that is exchanged is noticed."""

import os
import stat
import threading
from pathlib import Path

SIDE_FILES = ("-wal", "-shm")
"""Endings that SQLite adds to the name of a database for the files beside it."""

NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file beside the journal."""
    return path.with_name(path.name + suffix)


def has_modes() -> bool:
    """Return whether this system keeps other users out of a folder by its mode."""
    return os.name == "posix"


def file_id(path: Path) -> tuple[int, int] | None:
    """Return the system's number of the file at a place; None if there is none, or a link."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return id_of(found) if stat.S_ISREG(found.st_mode) else None


def id_of(found: os.stat_result) -> tuple[int, int]:
    """Return the system's number of a file."""
    return found.st_dev, found.st_ino


# Closing any descriptor of a file gives up all locks that this process holds on it, so each file has one here,
# shared by all journals that are open in this process.
_held: dict[int, int] = {}
_holding = threading.Lock()


def hold(path: Path) -> int:
    """Return a descriptor of the file at `path`, which must be no link; its owner alone may read it from now on."""
    with _holding:
        for descriptor in _held:
            if file_id(path) == id_of(os.fstat(descriptor)):
                _held[descriptor] += 1
                return descriptor
        descriptor = os.open(path, os.O_RDWR | NO_LINKS)
        try:
            if has_modes():
                os.fchmod(descriptor, 0o600)
            _held[descriptor] = 1
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def release(descriptor: int) -> None:
    """Give a descriptor back; the last one of its file is closed."""
    with _holding:
        _held[descriptor] -= 1
        if not _held[descriptor]:
            del _held[descriptor]
            os.close(descriptor)
