"""Reading the people of a CSV file that the user shared: one bounded file inside one folder."""

import codecs
import csv
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import chain, islice
from pathlib import Path

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports.csv_titles import columns_of, is_known_title, shown_title, title_key
from cleanlist_mcp.imports.preparing import RowNote
from cleanlist_mcp.people.identity import MAX_CELL, normal_value
from cleanlist_mcp.people.normal_forms import split_name
from cleanlist_mcp.text import quoted

# Ours: 10,000 rows are 17 imports, which the API's 30 requests a minute allow in one go.
MAX_FILE_BYTES = 10_000_000
MAX_FILE_ROWS = 10_000

NAMED_FILES = 10
"""CSV files of the folder that are named where csv_path names none."""

NAME_LENGTH = 255
"""Longest name of a file on the usual systems."""

TITLES_WITHIN = 10
"""Rows among which the titles are looked for."""

_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class CsvPeople:
    """What a CSV file holds: `rows` go to `prepare`, numbered as a spreadsheet shows them.

    `skipped` rows could not be read, `unclear` names the columns that were not used, and `notes` are
    sentences about the file.
    """

    rows: tuple[tuple[int, Mapping[str, str]], ...]
    skipped: tuple[RowNote, ...]
    unclear: tuple[str, ...]
    notes: tuple[str, ...]


def read_csv(path: str, folder: Path | None) -> CsvPeople:
    """Read the people of a CSV file that lies inside `folder`; the only I/O of this module.

    Understands UTF-8, UTF-16 with a byte-order mark and Windows-1252, the delimiters , ; tab |, and
    titles in several languages; full names are split. Raises `InvalidArguments` where reading is off
    (no folder), the file is elsewhere, no plain file, too big, or not to be understood as a whole.
    """
    if folder is None:
        raise InvalidArguments(
            "Reading CSV files is switched off.",
            "Send the people in `people`, or set CLEANLIST_CSV_DIR to the folder of the file.",
        )
    data = _bytes_of(path, folder)
    encoding = _encoding(data)
    # A cell may be as big as the file: the row is then skipped, and quoting around it stays right.
    # Only ever raised, so a second reader at the same time is not disturbed.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FILE_BYTES))
    # A byte that is not UTF-8 costs its row, so it has to come through as something that can be found.
    with io.TextIOWrapper(io.BytesIO(data), encoding, "surrogateescape", newline="") as text:
        people = _people(_records(text, _start(text)))
    if encoding != "cp1252":
        return people
    guess = "The file is not UTF-8 and was read as Windows-1252; check names with accents."
    return replace(people, notes=(guess, *people.notes))


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
    # Decided before anything is opened, so that the answer does not tell what exists elsewhere.
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
    """Say which CSV files the folder has, the names most like the wanted one first."""
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


def _bytes_of(path: str, folder: Path) -> bytes:
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


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


_SMALL = "ß-öø-ÿšœž"
_ACCENTED = "À-ÖØ-ÞŠŒŽŸ" + _SMALL
_SIGNS = r"\xa0\xad¡¢£¥§©«®°±²³µ¶\xb4·¹»¼½¾¿\xd7÷ªº\u2013\u2014\u2018\u2019“”„†‡‰\u2039\u203a•…€™"
# What Western text hardly has, and text in another encoding soon has when it is read as Windows-1252.
# Guessing which encoding it is instead works for longer texts: on names, charset-normalizer takes Western
# ones for Polish, and Cyrillic for a Mac's.
_IMPLAUSIBLE = re.compile(
    # Anything but letters and common signs.
    rf"[^\x00-\x7f{_ACCENTED}{_SIGNS}]"
    # A word of accented letters alone, or four in a row: Cyrillic, Greek, Chinese, Korean.
    rf"|(?<![A-Za-z{_ACCENTED}])[{_ACCENTED}]{{2,}}(?![A-Za-z{_ACCENTED}])|[{_ACCENTED}]{{4}}"
    # A sign or one of these capitals within a word ("C™te", "JosŽ"): a Mac's own encoding, or that of DOS.
    rf"|(?<=[A-Za-z{_ACCENTED}])[¡£§©«®»¿“”„•€™ŠŒŽŸ](?=[a-z{_SMALL}])|(?<=[a-z{_SMALL}])[ŠŒŽŸ]"
    # "Dvoøák", "Nìmec", "£ukasz", "Pawe³": Czech and Polish.
    rf"|[a-z]{{3}}³|ø(?=[áíý])|[ìù](?=[a-z])|£(?=[a-z{_SMALL}]{{3}})"
    # "JosÃ©": UTF-8.
    r"|[ÂÃ][\xa1-\xbf]"
)
_BAD_BYTE = re.compile("[\udc80-\udcff]")


def _encoding(data: bytes) -> str:
    mark = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    # Without a mark, many NULs mean a spreadsheet's own format or UTF-16, never text to guess at.
    is_binary = data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or (
        data[:1_000].count(0) * 4 > len(data[:1_000])
    )
    if mark in (None, "utf-8-sig"):
        if not is_binary and _is_mostly_utf8(data):
            return "utf-8-sig"
    elif _decodes(data, mark):
        return mark
    if mark is None and not is_binary and _is_plausible_cp1252(data):
        return "cp1252"
    raise InvalidArguments(
        "The file is not text in a known encoding (a spreadsheet file is not CSV).",
        'Open it in the spreadsheet and save it as "CSV UTF-8".',
    )


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more characters beyond ASCII are valid UTF-8 than there are bytes that are not.

    In other encodings hardly any are, since such bytes follow one another as UTF-8 by chance only.
    """
    valid = bad = 0
    for line in io.BytesIO(data):
        if not line.isascii():
            text = line.decode("utf-8", "ignore")
            valid += len(text) - len(text.encode("ascii", "ignore"))
            bad += len(line) - len(text.encode())
    return valid > bad or not bad


def _is_plausible_cp1252(data: bytes) -> bool:
    """Whether a reader of Western languages would take the text for text."""
    lines = (line for line in io.BytesIO(data) if not line.isascii())
    try:
        return not any(_IMPLAUSIBLE.search(line.decode("cp1252")) for line in lines)
    except UnicodeError:
        return False


def _decodes(data: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    step = 65_536
    try:
        for start in range(0, len(data), step):
            decoder.decode(data[start : start + step])
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _start(text: io.TextIOWrapper) -> str:
    """Return the delimiter, and leave `text` at its beginning, past a `sep=` line of Excel's."""
    sample = text.read(65_536)
    text.seek(0)
    # Programs that save the file again put quotation marks or delimiters around that line.
    declared = re.match(r'"?sep=([,;\t|])[",;\t|]*(?:\r|\n)', sample, re.IGNORECASE)
    if declared:
        text.readline()
        return declared[1]
    return max(_DELIMITERS, key=lambda delimiter: _title_score(sample, delimiter))


def _title_score(sample: str, delimiter: str) -> tuple[int, int]:
    records = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
    first = list(islice((record for record in records if any(map(title_key, record))), TITLES_WITHIN))
    titles = first[_title_row(first)] if first else []
    return _known_titles(titles), len(titles)


def _title_row(records: Sequence[Sequence[str]]) -> int:
    """Which of the first records has the titles: the first one, unless exports put remarks above them."""
    known = (
        index
        for index, record in enumerate(records)
        if _known_titles(record) > 1 and not any("@" in cell for cell in record)
    )
    return next(known, 0)


def _known_titles(record: Sequence[str]) -> int:
    return sum(map(is_known_title, record))


def _records(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with its number as a spreadsheet counts rows."""
    number = 0
    try:
        for cells in csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True):
            number += 1
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        raise InvalidArguments(
            f"The quotation marks do not pair up from row {number + 1} on.",
            "Close or double the quotation mark there, or save the file as CSV again.",
        ) from error


def _people(records: Iterator[tuple[int, list[str]]]) -> CsvPeople:
    first = list(islice(records, TITLES_WITHIN))
    above = _title_row([cells for _, cells in first])
    header = first[above][1] if first else []
    titles = list(header)
    # A spreadsheet may add empty columns by the hundred.
    while titles and not title_key(titles[-1]):
        titles.pop()
    at, unclear = columns_of(titles)
    untitled = [index for index, title in enumerate(header) if not title_key(title)]
    unused = set(unclear)
    rows: list[tuple[int, Mapping[str, str]]] = []
    skipped: list[RowNote] = []
    short = split = 0
    for number, cells in chain(first[above + 1 :], records):
        if len(rows) + len(skipped) == MAX_FILE_ROWS:
            raise _too_many_rows()
        unused.update(index for index in untitled if index < len(cells) and cells[index].strip())
        if any(cell.strip() for cell in cells[len(header) :]):
            skipped.append(RowNote(number, "more cells than titles (an unquoted delimiter?)"))
            continue
        record = _record(cells, at)
        if any(map(_BAD_BYTE.search, record.values())):
            skipped.append(RowNote(number, "has bytes that are not UTF-8"))
            continue
        short += len(cells) < len(titles)
        split += _split_into(record)
        rows.append((number, record))
    if not rows and not skipped:
        raise InvalidArguments("The CSV file has titles but no rows.", "Add people below the titles.")
    doubled = [name for name, columns in at.items() if len(columns) > 1]
    shown = tuple(shown_title(header[index], index) for index in sorted(unused))
    return CsvPeople(tuple(rows), tuple(skipped), shown, _notes(above, doubled, short, split))


def _too_many_rows() -> InvalidArguments:
    return InvalidArguments(
        f"The CSV file has more than {MAX_FILE_ROWS:,} rows; nothing was imported.",
        f"Split it into files of at most {MAX_FILE_ROWS:,} rows and add them one by one.",
    )


def _notes(above: int, doubled: Sequence[str], short: int, split: int) -> tuple[str, ...]:
    notes = []
    if above:
        notes.append(f"Rows above the titles, not read: {above}.")
    if doubled:
        notes.append(
            f"More than one column is {', '.join(doubled)}: in each row the first one that can be used counts."
        )
    if short:
        notes.append(f"Rows with fewer cells than the title row: {short}; what is missing is empty.")
    if split:
        notes.append(
            f"Full names that were split: {split}. The last word is the last name, with a particle "
            "such as van or de before it; separate columns are safer."
        )
    return tuple(notes)


def _record(cells: Sequence[str], at: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return the filled cells by field, cut where `prepare` sees that they are too long anyway."""
    record = {}
    for name, columns in at.items():
        filled = [cells[i][: MAX_CELL + 1] for i in columns if i < len(cells) and cells[i].strip()]
        if filled:
            record[name] = filled[0] if len(filled) == 1 else _first_usable(name, filled)
    return record


def _first_usable(field: str, cells: Sequence[str]) -> str:
    """Return the first cell that can be the field, else the first, for its fault to be named."""
    usable = (cell for cell in cells if len(cell) <= MAX_CELL and normal_value(field, cell) is not None)
    return next(usable, cells[0])


def _split_into(record: dict[str, str]) -> bool:
    """Replace a full name by the first and last name, where these are not given; True if it was."""
    full = record.pop("full_name", None)
    if full is None:
        return False
    missing = [name for name in ("first_name", "last_name") if not normal_value(name, record.get(name, ""))]
    if not missing:
        return False
    if len(full) > MAX_CELL:
        record["first_name"] = full
        return False
    first, last = split_name(full)
    parts = {"first_name": first, "last_name": last}
    record.update({name: parts[name] for name in missing})
    return bool(last)
