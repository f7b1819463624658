"""Which leads may be imported, and how they are written as CSV. Pure.

Reasons name rows and fields, never what stands in a cell: they are shown, logged and passed on.
"""

import csv
import hashlib
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cleanlist_mcp.api.wire import ImportField
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.identity import (
    LIMITS,
    MAX_CELL,
    NOT_IMPORTED,
    NOTHING,
    Person,
    folded,
    identity,
    person_of,
    why_nobody,
)
from cleanlist_mcp.people.normal_forms import normal_name

# The API's limits of one CSV import (150 KB and about 600 rows, beyond them 413), with some room.
MAX_CHUNK_BYTES = 149_000
MAX_CHUNK_ROWS = 600

IMPORT_FIELDS: Mapping[str, ImportField] = {
    "email": "email",
    "linkedin_url": "linkedin_url",
    "first_name": "first_name",
    "last_name": "last_name",
    "company_name": "company_name",
    "domain": "company_domain",
    "title": "job_title",
}
"""The columns of a CSV in their order: each field of a person that can be imported, and its name in the API."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A person who may be imported, with the number of the row that named them."""

    row: int
    person: Person


@dataclass(frozen=True, slots=True)
class RowNote:
    """What there is to say about one row, in a few words that start in lower case."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """`accepted` may be imported, `skipped` may not; `notes` are about accepted rows."""

    accepted: tuple[Lead, ...]
    skipped: tuple[RowNote, ...]
    notes: tuple[RowNote, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One CSV import: UTF-8 `content` whose titles `column_mapping` names per API field.

    `leads[i]` is the CSV's data row i, so the API's row n (its title row is 1) is `leads[n - 2]`.
    `neutralised` counts the cells that were kept from running as a formula.
    """

    content: bytes
    column_mapping: dict[ImportField, str]
    idempotency_key: str
    leads: tuple[Lead, ...]
    neutralised: int


def prepare(rows: Iterable[tuple[int, Mapping[str, object]]]) -> Prepared:
    """Return which of the numbered rows may be imported: `prepare(enumerate(people, 1))`.

    Cells are normalised; exact duplicates, rows that identify nobody and rows with a cell that is
    too long are skipped, each with its reason. An accepted row gets a note where a cell was left
    out, as an id always is, or where an earlier row with other details has the same `identity`.
    """
    sorting = _Sorting()
    for number, record in rows:
        try:
            person, problems = _importable(record)
        except InvalidArguments as error:
            sorting.skipped.append(RowNote(number, error.message))
        else:
            sorting.take(number, person, problems)
    return Prepared(tuple(sorting.accepted), tuple(sorting.skipped), tuple(sorting.notes))


@dataclass(slots=True)
class _Sorting:
    accepted: list[Lead] = field(default_factory=list)
    skipped: list[RowNote] = field(default_factory=list)
    notes: list[RowNote] = field(default_factory=list)
    first_with: dict[tuple[str, ...], int] = field(default_factory=dict)

    def take(self, number: int, person: Person, problems: tuple[str, ...]) -> None:
        why = why_nobody(person, by_id=False)
        if why:
            self.skipped.append(RowNote(number, _reason(person, problems, why)))
            return
        details = ("all", *all_details(person))
        if details in self.first_with:
            self.skipped.append(RowNote(number, f"repeats row {self.first_with[details]}"))
            return
        self.first_with[details] = number
        self.notes.extend(RowNote(number, f"left out: {problem}") for problem in problems)
        same = self.first_with.setdefault(identity(person), number)
        if same != number:
            self.notes.append(RowNote(number, f"same person as row {same}, with other details"))
        self.accepted.append(Lead(number, person))


def all_details(person: Person) -> tuple[str, ...]:
    """What makes a row an exact duplicate: every filled field with its name, without differences of case where it
    does not matter. Journals keep digests of it: whatever changes here makes everybody a stranger."""
    return tuple(f"{name}={_detail(person, name)}" for name in LIMITS if getattr(person, name))


def _detail(person: Person, name: str) -> str:
    value = getattr(person, name)
    return value or "" if name in {"linkedin_url", "person_id"} else folded(value)


def _reason(person: Person, problems: tuple[str, ...], why: str) -> str:
    if person == Person() and not problems:
        return "the row is empty"
    if problems == (NOT_IMPORTED,) and why == NOTHING:
        return NOT_IMPORTED
    return "; ".join((*problems, why))


def _importable(record: Mapping[str, object]) -> tuple[Person, tuple[str, ...]]:
    """Return the person of a row without what an import cannot hold, and a reason for each cell left out.

    That is an id, and an e-mail address that begins like a formula: neutralised, it would be another one.
    """
    person, problems = person_of({name: cell for name, cell in record.items() if name != "person_id"})
    if starts_formula(person.email or ""):
        person = replace(person, email=None)
        problems = (*problems, "email begins like a spreadsheet formula")
    has_id = not _is_gap(record.get("person_id"))
    return person, (NOT_IMPORTED, *problems) if has_id else problems


def _is_gap(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and normal_name(cell[:MAX_CELL]) is None)


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet may run the cell: a sign, also full-width or after white space."""
    first = unicodedata.normalize("NFKC", text.lstrip()[:1])[:1]
    return text[:1] in {"\t", "\r", "\n"} or first in {"=", "+", "-", "@", "\u2212"}


def neutral(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; other text stays as it is.

    That holds for "+49 30 …" and "-son" as well: what a sign starts depends on the spreadsheet,
    and an apostrophe in a free-text field hurts nobody. Whoever exports the list opens it safely.
    """
    return f"'{text}" if starts_formula(text) else text


@dataclass(frozen=True, slots=True)
class _Line:
    lead: Lead
    content: bytes
    neutralised: int


def to_csv_chunks(leads: Sequence[Lead], list_id: str) -> Iterator[Chunk]:
    """Yield the leads as CSV files within the API's limits, as few as their order allows.

    Takes leads from `prepare` and the resolved id of the list. Only columns that occur are written,
    titled like the API's fields. The same list and content make the same idempotency key anywhere,
    and others another: the API knows a key in all lists of an organization.
    """
    columns = [name for name in IMPORT_FIELDS if any(getattr(lead.person, name) for lead in leads)]
    titles = [IMPORT_FIELDS[name] for name in columns]
    header = _csv_line(titles)
    lines = (_line(lead, columns) for lead in leads)
    for group in _grouped(lines, MAX_CHUNK_BYTES - len(header)):
        content = header + b"".join(line.content for line in group)
        yield Chunk(
            content=content,
            column_mapping={title: title for title in titles},
            idempotency_key=_idempotency_key(list_id, content),
            leads=tuple(line.lead for line in group),
            neutralised=sum(line.neutralised for line in group),
        )


def _line(lead: Lead, columns: Sequence[str]) -> _Line:
    cells = [getattr(lead.person, name) or "" for name in columns]
    return _Line(
        lead,
        _csv_line([neutral(cell) for cell in cells]),
        sum(starts_formula(cell) for cell in cells),
    )


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _grouped(lines: Iterable[_Line], room: int) -> Iterator[list[_Line]]:
    group: list[_Line] = []
    size = 0
    for line in lines:
        if group and (len(group) == MAX_CHUNK_ROWS or size + len(line.content) > room):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line.content)
    if group:
        yield group


def _idempotency_key(list_id: str, content: bytes) -> str:
    digest = hashlib.sha256(list_id.encode() + b"\n" + content)
    return f"add-leads-{digest.hexdigest()[:40]}"
