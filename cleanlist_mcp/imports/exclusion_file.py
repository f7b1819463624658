"""The file of people who must not be contacted: read once, and again when it changes."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from cleanlist_mcp.errors import Advice, Excluded
from cleanlist_mcp.imports.csv_titles import is_known_title, title_key
from cleanlist_mcp.people.exclusions import Exclusions, entry_of, united

LARGEST_FILE = 20_000_000
"""Bytes of the largest file that is read: about half a million addresses."""

_COMPANY_TITLES = frozenset(
    {"company", "companyname", "account", "accountname", "organization", "organisation", "firma"}
)
_DELIMITERS = ("\t", ";", ",")


class ExclusionFile:
    """The file of exclusions, read again after each change. Several threads may use it; one at a time reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._had_entries = False
        self._exclusions = Exclusions()
        self._reading = Lock()

    def current(self) -> Exclusions:
        """Return the exclusions of the file as it is now. Reads the disk.

        Raises:
            Excluded: if the file cannot be read, a line of it cannot be understood, or it had entries and is now empty.
        """
        with self._reading:
            try:
                found = self._path.stat()
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                if stamp != self._seen:
                    self._exclusions = self._read()
                    self._seen = stamp
            except (OSError, UnicodeDecodeError, csv.Error) as exc:
                self._seen = None
                raise _unreadable(f"it cannot be read ({_reason(exc)})") from None
            return self._exclusions

    @property
    def changed_at(self) -> float:
        """The time of the last change that was read, by the disk's clock, in epoch seconds; 0 if none was."""
        return 0.0 if self._seen is None else self._seen[0] / 1e9

    def _read(self) -> Exclusions:
        with self._path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise _unreadable(f"it is larger than {LARGEST_FILE // 1_000_000} MB")
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        exclusions = united(_entries(data.decode(encoding)))
        if self._had_entries and not exclusions:
            raise _unreadable("it had entries before and is empty now")
        self._had_entries = self._had_entries or bool(exclusions)
        return exclusions


def _entries(text: str) -> Iterator[Exclusions]:
    lines = text.splitlines()
    delimiter = _delimiter(lines)
    titles: list[str] | None = None
    for number, line in enumerate(lines, 1):
        cells = _cells(line, delimiter)
        if not cells:
            continue
        if titles is None:
            titles = []
            if _are_titles(cells):
                titles = cells
                continue
        entries = _found(cells, titles)
        if not entries:
            raise _unreadable(
                f"line {number} is not an e-mail address, domain, LinkedIn profile or company name"
            )
        yield from entries


def _are_titles(cells: Sequence[str]) -> bool:
    return any(map(is_known_title, cells)) and not any(entry_of(cell, may_be_company=False) for cell in cells)


def _found(cells: Sequence[str], titles: Sequence[str]) -> list[Exclusions]:
    """Return what the cells of a line exclude. In a table, only a column of companies holds names of companies."""
    found = []
    for index, cell in enumerate(cells):
        title = title_key(titles[index]) if index < len(titles) else ""
        may_be_company = (len(cells) == 1 and not titles) or title in _COMPANY_TITLES
        found += _entries_of(cell, may_be_company=may_be_company)
    return found


def _entries_of(cell: str, *, may_be_company: bool) -> list[Exclusions]:
    """Return what one cell excludes: itself, and every address or domain of several in it ("ada@…, kim@…")."""
    whole = entry_of(cell, may_be_company=may_be_company)
    parts = [part for part in re.split("[,;]", cell) if part.strip()]
    entries = [entry_of(part, may_be_company=False) for part in parts] if len(parts) > 1 else [whole]
    # If one of several addresses is not understood, the cell is not: whoever it means would be contacted.
    unread = [part for part, entry in zip(parts, entries, strict=True) if entry is None]
    if (whole is None and unread) or (cell.count("@") > 1 and "@" in "".join(unread)):
        return []
    return [entry for entry in (whole, *entries) if entry is not None]


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates cells, "" if the file is no table; a comma in a company's name makes none."""
    used = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for delimiter in (one for one in _DELIMITERS if used and one in used[0]):
        is_titled = any(map(is_known_title, used[0].split(delimiter)))
        is_in_all = all(line.count(delimiter) == used[0].count(delimiter) for line in used)
        if is_titled or (is_in_all and delimiter != ","):
            return delimiter
    return ""


def _cells(line: str, delimiter: str) -> list[str]:
    if line.lstrip().startswith("#"):
        return []
    text = line if "@" in line.partition("#")[2] else line.partition(" #")[0]
    cells = next(csv.reader([text], delimiter=delimiter)) if delimiter else [text]
    return list(cells) if any(cell.strip() for cell in cells) else []


def _unreadable(why: str) -> Excluded:
    return Excluded(
        f"The file of people who must not be contacted cannot be used: {why}. Nothing was sent.",
        Advice("Correct the file that CLEANLIST_EXCLUDE_FILE names, then try again."),
    )


def _reason(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return exc.strerror or type(exc).__name__
    return "it has a cell that is too long" if isinstance(exc, csv.Error) else "it is not text in UTF-8"
