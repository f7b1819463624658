"""CSV files that spreadsheets open as what they are: in UTF-8, and without a cell that they would run. Pure."""

import csv
import io
import re
from collections.abc import Iterable
from typing import TextIO

from cleanlist_mcp.errors import BadResponse

LONGEST_CELL = 1_000_000
"""Characters of the longest cell that is read."""

# Signs of full width too, and behind spaces: some programs drop those before they look.
_RUNS = re.compile("[ \u00a0]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# With a digit in it: a plus with brackets and dashes alone is no number.
_PHONE = re.compile(r" *\+[ ()\-./]*[0-9][0-9 ()\-./]*")


def harmless(cell: str) -> str:
    """Return a cell that a spreadsheet shows and does not run: with an apostrophe before what begins a formula.

    An international phone number begins none.
    """
    return f"'{cell}" if _RUNS.match(cell) and not _PHONE.fullmatch(cell) else cell


def rewrite(content: bytes, into: TextIO) -> int:
    """Write the CSV file `content` into a text stream, its cells made harmless; return its rows without the titles.

    Raises:
        BadResponse: if it is no CSV file in UTF-8.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))  # only ever raised
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start or start.startswith((b"<", b"{")):
        raise _no_csv("is empty" if not start else "is not a CSV file")
    writer = csv.writer(into)
    lines = 0
    try:
        with io.TextIOWrapper(io.BytesIO(content.replace(b"\0", b"")), "utf-8-sig", newline="") as text:
            for row in csv.reader(text):
                if row:
                    writer.writerow(_harmless_row(row))
                    lines += 1
    except UnicodeDecodeError:
        raise _no_csv("is not in UTF-8") from None
    except csv.Error:
        raise _no_csv("is not a CSV file") from None
    return lines - 1


def _harmless_row(row: Iterable[str]) -> list[str]:
    return [harmless(cell) for cell in row]


def _no_csv(what: str) -> BadResponse:
    return BadResponse(
        f"The file that the API made {what}, so it was not saved.",
        "Call export_list without save_as: the user can open the link.",
        retryable=False,
    )
