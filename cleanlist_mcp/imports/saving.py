"""Saving a file in the folder that the user shared: under a plain name, whole or not at all, over no other file."""

import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from cleanlist_mcp.errors import Advice, InvalidArguments
from cleanlist_mcp.text import quoted, visible

ENDING = ".csv"

LONGEST_NAME = 200
"""Bytes of the longest file name: the usual systems take 255, and a name is written in several ways."""

_ANOTHER_NAME = "Call export_list again with a plain file name, such as prospects.csv."
_NOT_IN_NAMES = re.compile(r'[/\\:<>"|?*]')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])")
_MOST_NUMBERS = 99


def file_name(wanted: str) -> str:
    """Return the name under which a file is saved, which ends in `.csv`.

    Raises:
        InvalidArguments: if it is no plain name of a file on every system.
    """
    name = unicodedata.normalize("NFC", wanted.strip(" "))
    if not name.casefold().endswith(ENDING):
        name += ENDING
    problem = _problem_with(name)
    if problem is not None:
        raise InvalidArguments(
            f"save_as {problem}.", _ANOTHER_NAME, field_errors=[{"field": "save_as", "problem": problem}]
        )
    return name


def _problem_with(name: str) -> str | None:
    stem = name[: -len(ENDING)]
    if not stem.strip(" ."):
        return "is blank"
    if stem.startswith("."):
        return "begins with a dot"
    if _NOT_IN_NAMES.search(name):
        return "holds a folder, a colon or another sign that no file name has on every system"
    if visible(name) != name:
        return "holds characters that cannot be seen, or several spaces in a row"
    if _RESERVED.fullmatch(stem.partition(".")[0].rstrip(" ")):
        return "is a name that Windows keeps for a device"
    if len(name.encode()) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} bytes"
    return None


class SharedFile:
    """A file that is to be made in the shared folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Check that it can be made there.

        Raises:
            InvalidArguments: if there is a file of that name already, or the folder cannot be reached.
        """
        self.name = name
        self._folder = folder
        self._check_folder()
        if os.path.lexists(folder / name):
            raise self._exists()

    def write(self, fill: Callable[[TextIO], int]) -> "WrittenFile":
        """Write the file under a name for now: `fill` puts rows into a text stream, and returns how many.

        The encoding is UTF-8 with a byte-order mark. The file has its name only after `WrittenFile.place`. Writes the
        disk.

        Raises:
            InvalidArguments: if the disk refuses; otherwise whatever `fill` raises. Nothing is left then.
        """
        with self._as_cannot_save():
            number, path = tempfile.mkstemp(dir=self._folder, prefix=".cleanlist-", suffix=".part")
        try:
            with (
                self._as_cannot_save(),
                open(number, "w", encoding="utf-8-sig", newline="") as text,
            ):
                rows = fill(text)
                text.flush()
                os.fsync(number)
                size = os.fstat(number).st_size
        except BaseException:
            _remove(path)
            raise
        return WrittenFile(self, Path(path), rows, size)

    def place(self, written: Path) -> None:
        """Give a written file its name, unless another file has it by now.

        Raises:
            InvalidArguments: if another file has it, or the disk refuses.
        """
        target = self._folder / self.name
        try:
            os.link(written, target)
        except FileExistsError:
            raise self._exists() from None
        except (OSError, NotImplementedError):
            self._copy(written, target)  # some disks, such as memory cards, have no links

    def _copy(self, written: Path, target: Path) -> None:
        with self._as_cannot_save():
            try:
                number = os.open(
                    target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
                )
            except FileExistsError:
                raise self._exists() from None
            try:
                with open(number, "wb") as copy, open(written, "rb") as original:
                    while piece := original.read(1_000_000):
                        copy.write(piece)
            except BaseException:
                _remove(target)
                raise

    def _check_folder(self) -> None:
        if not self._folder.is_dir():
            raise _cannot_save("is not there any more")

    def _exists(self) -> InvalidArguments:
        problem = "names a file that is there already"
        return InvalidArguments(
            "There is a file of that name already, and it was left as it is.",
            f"Call export_list again with another name, such as {quoted(self._free_name())}.",
            field_errors=[{"field": "save_as", "problem": problem}],
        )

    def _free_name(self) -> str:
        stem = self.name[: -len(ENDING)]
        names = (f"{stem}-{number}{ENDING}" for number in range(2, _MOST_NUMBERS))
        return next((name for name in names if not os.path.lexists(self._folder / name)), "another-name.csv")

    @contextmanager
    def _as_cannot_save(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            # Without its text, which holds the path.
            raise _cannot_save(f"cannot be written to ({type(exc).__name__})") from None


class WrittenFile:
    """A file that was written and has no name yet: `rows` without titles, `size` in bytes. Gone after the `with`."""

    def __init__(self, file: SharedFile, path: Path, rows: int, size: int) -> None:
        self.rows = rows
        self.size = size
        self._file = file
        self._path = path

    def __enter__(self) -> "WrittenFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove it; under its name, if it was given one, it stays."""
        _remove(self._path)

    def place(self) -> None:
        """Give it its name; errors as for `SharedFile.place`."""
        self._file.place(self._path)


def _cannot_save(problem: str) -> InvalidArguments:
    return InvalidArguments(
        f"The folder that CLEANLIST_CSV_DIR names {problem}, so nothing was saved.",
        Advice("Check that the folder exists, that it may be written to, and that the disk has room."),
    )


def _remove(path: "str | Path") -> None:
    with suppress(OSError):
        os.unlink(path)
