"""The bytes of one file inside the folder that the user shared, and of no other. Reads the disk."""

import os
import stat
from difflib import SequenceMatcher
from pathlib import Path

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.text import quoted

# Ours: 10,000 rows are 17 imports, which the API's 30 requests a minute allow in one go.
MAX_FILE_BYTES = 10_000_000
MAX_FILE_ROWS = 10_000

NAMED_FILES = 10
"""CSV files of the folder that are named if csv_path names none."""

NAME_LENGTH = 255
"""Longest name of a file on the usual systems."""


def _inside(path: str, folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InvalidArguments(
            "The folder that CLEANLIST_CSV_DIR names cannot be reached.",
            "Create the folder or correct CLEANLIST_CSV_DIR, then start the server again.",
        ) from error
    try:
        target = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path, folder) from error
    # Decided before anything is opened, so that the answer does not show what exists elsewhere.
    if not target.is_relative_to(root):
        raise InvalidArguments(
            "The CSV file is not inside the folder that CLEANLIST_CSV_DIR names.",
            f"Copy the file into that folder and give its name as csv_path. {_csv_files(path, folder)}",
        )
    return target


def _unreadable(path: str, folder: Path) -> InvalidArguments:
    return InvalidArguments(
        "There is no CSV file at csv_path that can be read.",
        "Check the file's name and permissions in the folder that CLEANLIST_CSV_DIR names. "
        + _csv_files(path, folder),
    )


def _csv_files(path: str, folder: Path) -> str:
    """Return a sentence with the CSV files of the folder, the names most like the wanted one first."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.lower().endswith(".csv")]
    except OSError:
        names = []
    if not names:
        return "It has no CSV files."
    wanted = SequenceMatcher(b=os.path.basename(path)[:NAME_LENGTH].casefold())
    names.sort(key=lambda name: (-_likeness(wanted, name), name))
    more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    return f"It has these CSV files: {', '.join(map(quoted, names[:NAMED_FILES]))}{more}."


def _likeness(wanted: SequenceMatcher[str], name: str) -> float:
    wanted.set_seq1(name.casefold())
    return wanted.ratio()


def bytes_of(path: str, folder: Path) -> bytes:
    """Return the bytes of a file inside `folder`, at most `MAX_FILE_BYTES`.

    Raises:
        InvalidArguments: if it is elsewhere, no plain file, or too big.
    """
    try:
        with open(_inside(path, folder), "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            # A folder on the way may have become a link outside since it was resolved: what is open has to
            # be what the path leads to when it is resolved again.
            is_same = os.path.samestat(status, os.stat(_inside(path, folder)))
            if not stat.S_ISREG(status.st_mode) or not is_same:
                raise _unreadable(path, folder)
            # Bounded twice, because a file may grow after it was measured.
            fits = status.st_size <= MAX_FILE_BYTES
            data = file.read(MAX_FILE_BYTES + 1) if fits else b""
    except OSError as error:
        raise _unreadable(path, folder) from error
    if not fits or len(data) > MAX_FILE_BYTES:
        raise InvalidArguments(
            f"The CSV file is bigger than {MAX_FILE_BYTES // 1_000_000} MB.",
            f"Split it into files of at most {MAX_FILE_ROWS:,} rows, or remove other columns.",
        )
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting on a pipe and without following a link put there since it was resolved.

    Windows has neither flag and needs neither.
    """
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
