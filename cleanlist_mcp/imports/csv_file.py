"""The people of a CSV file that the user shared: its titles, and a record for each row that is a person's."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports.cells import address_rank, addresses_in, is_gap, link_in, plain_cell
from cleanlist_mcp.imports.csv_titles import (
    Columns,
    columns_of,
    field_of_title,
    holds_contact_data,
    is_known_title,
    looks_like_data,
    shown_columns,
    shown_title,
    title_key,
    title_rank,
)
from cleanlist_mcp.imports.encoding import BAD_BYTE, encoding_of
from cleanlist_mcp.imports.records import OTHER_EMAILS, RowNote, is_usable
from cleanlist_mcp.imports.shared_folder import MAX_FILE_BYTES, MAX_FILE_ROWS, bytes_of
from cleanlist_mcp.people.identity import NOTHING
from cleanlist_mcp.people.sizes import MAX_CELL

TITLES_WITHIN = 10
"""Rows among which the titles are looked for."""

LOOKED_AT = 500
"""Most rows whose cells are looked at to see what a column is."""

REMARK = "a remark, not a person"
REPEATED = "repeats the titles"

_DELIMITERS = (",", ";", "\t", "|")

Record = Mapping[str, str]
Numbered = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class CsvPeople:
    """The content of a CSV file: `rows` go to `prepare`, numbered as a spreadsheet shows them.

    `skipped` rows are nobody's or could not be read. `columns` is the field that each title was taken for. `unused`
    are the titles of columns that were not used, and `unused_contacts` those of them whose columns hold addresses,
    profiles or phone numbers. `notes` are sentences about the file.
    """

    rows: tuple[tuple[int, Record], ...]
    skipped: tuple[RowNote, ...]
    columns: Mapping[str, str]
    unused: tuple[str, ...]
    unused_contacts: tuple[str, ...]
    notes: tuple[str, ...]


def read_csv(path: str, folder: Path | None) -> CsvPeople:
    """Return the people of a CSV file that lies inside `folder`. Reads the disk.

    Understands UTF-8, UTF-16 with a byte-order mark and Windows-1252, the delimiters , ; tab |, and titles in several
    languages.

    Raises:
        InvalidArguments: if there is no folder, so that reading is off; if the file is elsewhere, no plain file, too
            big, or cannot be understood as a whole.
    """
    if folder is None:
        raise InvalidArguments(
            "Reading CSV files is switched off.",
            "Send the people in `people`, or set CLEANLIST_CSV_DIR to the folder of the file.",
        )
    data = bytes_of(path, folder)
    encoding = encoding_of(data)
    # A cell may be as big as the file: the row is then skipped, and quoting around it stays right.
    # Only ever raised, so a second reader at the same time is not disturbed.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FILE_BYTES))
    # A byte that is not UTF-8 costs its row, so it has to come through as something that can be found.
    with io.TextIOWrapper(io.BytesIO(data), encoding, "surrogateescape", newline="") as text:
        people = people_of(_records(text, _start(text)))
    if encoding != "cp1252":
        return people
    guess = "The file is not UTF-8 and was read as Windows-1252; check names with accents."
    return replace(people, notes=(guess, *people.notes))


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
    """Return which of the first records has the titles: the first one, unless exports put remarks above them.

    A row with an address in it is data, and so is one with words such as "LinkedIn" below titles that are known.
    """
    may_be = [index for index, record in enumerate(records) if not any(map(looks_like_data, record))]
    known = [_known_titles(record) for record in records]
    if 0 in may_be and known[0]:
        better = (
            index for index in may_be if known[index] > 2 * known[0] and _is_mostly_known(records[index])
        )
        return next(better, 0)
    least = min(2, max((known[index] for index in may_be), default=2))
    return next((index for index in may_be if known[index] >= max(least, 1)), 0)


def _is_mostly_known(record: Sequence[str]) -> bool:
    return 2 * _known_titles(record) >= sum(1 for cell in record if cell.strip())


def _known_titles(record: Sequence[str]) -> int:
    return sum(map(is_known_title, record))


def _records(text: Iterable[str], delimiter: str) -> Iterator[Numbered]:
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


def people_of(records: Iterator[Numbered]) -> CsvPeople:
    """Return the people of numbered records, the titles among the first of them."""
    first = list(islice(records, TITLES_WITHIN + LOOKED_AT))
    above = _title_row([cells for _, cells in first[:TITLES_WITHIN]])
    header = first[above][1] if first else []
    body = first[above + 1 :]
    reader = _Reader(header, [cells for _, cells in body], first[above - 1][1] if above else ())
    for number, cells in chain(body, records):
        reader.take(number, cells)
    return reader.result(above)


def _spread(groups: Sequence[str], width: int) -> list[str]:
    """Return the name of each column's group: it stands above the first of them."""
    if sum(1 for cell in groups if cell.strip()) < 2:
        return []
    names, name = [], ""
    for index in range(width):
        name = (groups[index] if index < len(groups) else "").strip() or name
        names.append(name)
    return names


@dataclass
class _Reader:
    """The rows of one file under its titles."""

    header: Sequence[str]
    looked_at: Sequence[Sequence[str]]
    groups: Sequence[str]
    rows: list[tuple[int, Record]] = field(default_factory=list)
    skipped: list[RowNote] = field(default_factory=list)
    short: int = 0
    won: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        titles = list(self.header)
        # A spreadsheet may add empty columns by the hundred.
        while titles and not title_key(titles[-1]):
            titles.pop()
        self.titles = titles
        looked_at = [cells for cells in self.looked_at if not self._repeats_titles(cells)]
        self.columns: Columns = columns_of(titles, looked_at, _spread(self.groups, len(titles)))
        self.used = {index for columns in self.columns.at.values() for index in columns}
        self.untitled = [index for index, title in enumerate(self.header) if not title_key(title)]
        self.unused = set(self.columns.unclear)
        self.unused_contacts = [
            index for index in self.columns.unclear if holds_contact_data(looked_at, index)
        ]

    def take(self, number: int, cells: list[str]) -> None:
        """Read one row, or note why it is skipped."""
        if len(self.rows) + len(self.skipped) == MAX_FILE_ROWS:
            raise _too_many_rows()
        self.unused.update(index for index in self.untitled if index < len(cells) and cells[index].strip())
        why = self._why_nobody(cells)
        if why is not None:
            self.skipped.append(RowNote(number, why))
            return
        record = self._record(cells)
        if any(map(BAD_BYTE.search, record.values())):
            self.skipped.append(RowNote(number, "has bytes that are not UTF-8"))
        elif not record:
            self.skipped.append(RowNote(number, NOTHING))
        else:
            self.short += len(cells) < len(self.titles)
            self.rows.append((number, record))

    def _why_nobody(self, cells: Sequence[str]) -> str | None:
        if any(cell.strip() for cell in cells[len(self.header) :]):
            return "more cells than titles (an unquoted delimiter?)"
        if self._repeats_titles(cells):
            return REPEATED
        return REMARK if self._is_remark(cells) else None

    def _repeats_titles(self, cells: Sequence[str]) -> bool:
        """Return whether a row is titles again, as in joined exports and below a survey tool's first titles."""
        pairs = [
            (cell, self.header[index]) for index, cell in enumerate(cells[: len(self.header)]) if cell.strip()
        ]
        if not pairs or any(map(looks_like_data, cells)):
            return False
        if all(_is_for_machines(cell) for cell, _ in pairs):
            return True
        same = sum(_are_one_title(cell, title) for cell, title in pairs)
        return same == len(pairs) or (same > 1 and 4 * same >= 3 * len(pairs))

    def _is_remark(self, cells: Sequence[str]) -> bool:
        """Return whether a row is a total or notice of a report: a text by itself."""
        filled = [(index, cell.strip()) for index, cell in enumerate(cells) if cell.strip()]
        if len(self.titles) < 2 or not 1 <= len(filled) <= 2 or any("@" in cell for _, cell in filled):
            return False
        index, text = filled[0]
        if len(filled) == 2 and not re.fullmatch(r"[\d.,\s%€$£]+", filled[1][1]):
            return False
        if index in self.columns.at.get("linkedin_url", ()) or "linkedin.com/" in text.lower():
            return False
        if index not in self.used and (index == 0 or len(cells) == 1):
            return True
        return index == 0 and (_is_of_a_report(text) or len(text.split()) > 4)

    def _record(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the filled cells by field; one that is too long is cut to a length that `prepare` still refuses."""
        record: dict[str, str] = {}
        for name, columns in self.columns.at.items():
            filled = [(i, cells[i][: MAX_CELL + 1]) for i in columns if i < len(cells) and cells[i].strip()]
            if name == "email":
                self._take_addresses(record, filled)
            elif filled:
                record[name] = _first_usable(name, [cell for _, cell in filled])
        return record

    def _take_addresses(self, record: dict[str, str], filled: Sequence[tuple[int, str]]) -> None:
        """Take the best address, an employer's if there is one, and keep the others to recognise the person by."""
        found = [
            (_order(address, self.titles[index]), place, address, index)
            for place, (index, cell) in enumerate(filled)
            if len(cell) <= MAX_CELL
            for address in addresses_in(cell)
        ]
        if not found:
            if filled:
                record["email"] = next(
                    (cell for _, cell in filled if not is_gap(plain_cell(cell))), filled[0][1]
                )
            return
        _, _, address, index = min(found, key=lambda one: one[:2])
        self.won[index] += 1
        record["email"] = address
        others = [one[2] for one in found if one[2] != address]
        if others:
            record[OTHER_EMAILS] = " ".join(dict.fromkeys(others))

    def result(self, above: int) -> CsvPeople:
        """Return everything that was read; `above` rows stood above the titles."""
        if not self.rows and not self.skipped:
            raise InvalidArguments("The CSV file has titles but no rows.", "Add people below the titles.")
        return CsvPeople(
            rows=tuple(self.rows),
            skipped=tuple(self.skipped),
            columns=shown_columns(self.titles, self.columns.at),
            unused=tuple(shown_title(self.header[index], index) for index in sorted(self.unused)),
            unused_contacts=tuple(shown_title(self.header[index], index) for index in self.unused_contacts),
            notes=tuple(self._notes(above)),
        )

    def _notes(self, above: int) -> Iterator[str]:
        if above:
            yield f"Rows above the titles, not read: {above}."
        at = self.columns.at
        doubled = [
            name
            for name, columns in at.items()
            if len(columns) > 1 and name not in ("email", "infix", "suffix")
        ]
        if doubled:
            yield f"More than one column is {', '.join(doubled)}: in each row the first one that can be used counts."
        if len(at.get("email", ())) > 1:
            yield f"E-mail addresses come from {self._sources()}; a work address counts before a private one."
        if self.short:
            yield f"Rows with fewer cells than the title row: {self.short}; what is missing is empty."

    def _sources(self) -> str:
        return " and ".join(
            f"{shown_title(self.titles[index], index)} ({self.won[index]})"
            for index in self.columns.at["email"]
        )


def _order(address: str, title: str) -> int:
    """Return the place of an address, from 0: what a title calls work, then an employer's, then a mail provider's."""
    by_address, by_title = address_rank(address), title_rank(title)
    if by_address > 1:
        return 8 + by_address
    return 0 if by_title == 0 else 2 * by_address + by_title


def _first_usable(name: str, cells: Sequence[str]) -> str:
    """Return the first cell that can be the field, else the first, for its problem to be named."""
    usable = (cell for cell in cells if len(cell) <= MAX_CELL and is_usable(name, cell))
    return next(usable, cells[0])


_MACHINE = re.compile(
    r'\{\s*"?ImportId"?.*|(?:open-?ended )?response|other \(please specify\)|'
    r"\(?(?:required|optional|pflichtfeld|obligatoire|text|string|varchar(?:\(\d+\))?|single line text|email|url)\)?",
    re.IGNORECASE | re.DOTALL,
)


def _is_for_machines(cell: str) -> bool:
    return _MACHINE.fullmatch(cell.strip()) is not None


def _are_one_title(cell: str, title: str) -> bool:
    """Return whether a cell is its column's title, or another one of the same field."""
    if title_key(cell) == title_key(title) != "":
        return True
    meant = field_of_title(cell)
    if meant is not None and meant == field_of_title(title):
        return True
    return (
        is_known_title(cell)
        and is_known_title(title)
        and "name" in title_key(cell)
        and "name" in title_key(title)
    )


_REPORT = re.compile(
    r"(?:grand )?totals?\b|sub-?total|sum(?:me|a|ma)?\b|gesamt|totale?\b|anzahl|count\b|records?\b|copyright|©|\(c\)|"
    r"confidential|vertraulich|generated|exported|created by|erstellt|export|report|filter|as of|stand\b|"
    r"page \d|seite \d|source\b|quelle\b|notes?\b|note:|end of|--|\*\*",
    re.IGNORECASE,
)


def _is_of_a_report(text: str) -> bool:
    """Return whether a text begins like a report's totals or notices: "Total: 12", "Exported on 3 May"."""
    return link_in(text) is None and (
        (_REPORT.match(text) is not None and re.search(r"[\d:©]|\(c\)|by\b|of\b", text) is not None)
        or text.casefold() in ("total", "totals", "summe", "gesamt", "grand total", "totale", "suma")
    )


def _too_many_rows() -> InvalidArguments:
    return InvalidArguments(
        f"The CSV file has more than {MAX_FILE_ROWS:,} rows; nothing was imported.",
        f"Split it into files of at most {MAX_FILE_ROWS:,} rows and add them one by one.",
    )
