"""CSV imports: from a base64 file and a column mapping to people, with a reason for each row lost."""

import base64
import binascii
import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cleanlist_mcp.sandbox.bodies import ImportField
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.problems import Problem, invalid

# The vendor's caps on one import; over them 413. Read strictly: a kilobyte may be 1,000 bytes there.
MAX_BYTES = 150_000
MAX_ROWS = 600

_PLACE: tuple[ImportField, ...] = ("city", "state", "country")


@dataclass
class ParsedFile:
    """The content of a file: people to import, and the rows that are not, by reason and number."""

    people: list[Identity] = field(default_factory=list)
    rows_parsed: int = 0
    skip_reasons: Counter[str] = field(default_factory=Counter)
    skipped_rows: list[int] = field(default_factory=list)

    def skip(self, row_number: int, reason: str) -> None:
        """Leave a row out. Numbers begin at 1 with the header."""
        self.skip_reasons[reason] += 1
        self.skipped_rows.append(row_number)


def parse(content_base64: str, mapping: Mapping[ImportField, str], row_cap: int | None = None) -> ParsedFile:
    """Read a file; of its rows, at most `row_cap` are taken.

    Raises 413, 400 `validation_error` or 400 `missing_column`.
    """
    reader = csv.reader(io.StringIO(_decode(content_base64), newline=""))
    try:
        header, *rows = [row for row in reader if any(cell.strip() for cell in row)]
    except (csv.Error, ValueError) as error:
        raise invalid("The file is not a CSV with a header.", field="csv_content_base64") from error
    if len(rows) > MAX_ROWS:
        raise Problem(413, "payload_too_large", f"At most {MAX_ROWS} rows fit in one import.")
    columns = _columns(header, mapping)
    return _collect(rows, columns, len(rows) if row_cap is None else row_cap)


def _decode(content_base64: str) -> str:
    try:
        content = base64.b64decode(content_base64, validate=True)
        if len(content) > MAX_BYTES:
            raise Problem(413, "payload_too_large", "At most 150 KB fit in one import.")
        return content.decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid("The file must be UTF-8, sent as base64.", field="csv_content_base64") from error


def _columns(header: list[str], mapping: Mapping[ImportField, str]) -> dict[ImportField, int]:
    columns = {}
    for name, column in mapping.items():
        if column not in header:
            raise Problem(
                400,
                "missing_column",
                f"The file has no column {column!r}.",
                fix="Map only headers that stand in the first line.",
                details={"field": name, "column": column, "header": header},
            )
        columns[name] = header.index(column)
    return columns


def _collect(rows: list[list[str]], columns: Mapping[ImportField, int], row_cap: int) -> ParsedFile:
    parsed = ParsedFile(rows_parsed=len(rows))
    emails: set[str] = set()
    profiles: set[str] = set()
    for number, row in enumerate(rows, start=2):
        person = _person({name: _cell(row, index) for name, index in columns.items()})
        email, profile = (person.email or "").casefold(), (person.linkedin_url or "").casefold()
        if number - 1 > row_cap:
            parsed.skip(number, "row_cap_exceeded")
        elif not person.identifies:
            parsed.skip(number, "missing_required")
        elif email in emails:
            parsed.skip(number, "duplicate_email")
        elif profile in profiles:
            parsed.skip(number, "duplicate_linkedin")
        else:
            parsed.people.append(person)
            emails.update({email} - {""})
            profiles.update({profile} - {""})
    return parsed


def _person(row: Mapping[ImportField, str | None]) -> Identity:
    """The person of a row; a full name stands in for the two names if these are missing."""
    first, _, last = (row.get("full_name") or "").rpartition(" ")
    return Identity(
        first_name=row.get("first_name") or first or None,
        last_name=row.get("last_name") or last or None,
        email=row.get("email"),
        linkedin_url=row.get("linkedin_url"),
        phone=row.get("phone") or row.get("mobile_phone") or row.get("work_phone"),
        company=row.get("company_name"),
        domain=row.get("company_domain"),
        title=row.get("job_title"),
        location=", ".join(part for name in _PLACE if (part := row.get(name))) or None,
    )


def _cell(row: list[str], index: int) -> str | None:
    return (row[index].strip() if index < len(row) else "") or None
