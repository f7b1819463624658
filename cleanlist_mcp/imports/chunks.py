"""People written as CSV files within the API's limits, safe to open in a spreadsheet. Pure."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cleanlist_mcp.api.wire import ImportField
from cleanlist_mcp.imports.preparing import Lead, starts_formula

# The API's limits of one CSV import (150 KB and about 600 rows, beyond them 413), with some room.
MAX_CHUNK_BYTES = 149_000
MAX_CHUNK_ROWS = 600

IMPORT_FIELDS: Mapping[str, ImportField] = {
    "email": "email",
    "linkedin_url": "linkedin_url",
    "first_name": "first_name",
    "last_name": "last_name",
    "full_name": "full_name",
    "company_name": "company_name",
    "domain": "company_domain",
    "title": "job_title",
    "phone": "phone",
    "city": "city",
    "state": "state",
    "country": "country",
}
"""The columns of a CSV in their order: each field of a person that can be imported, and its name in the API."""


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


def neutral(text: str) -> str:
    """Return the text of a cell, with an apostrophe before what a spreadsheet would run.

    That holds for "-son" as well: what a sign starts depends on the spreadsheet, and an apostrophe in a free-text
    field hurts nobody. Whoever exports the list opens it safely.
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
