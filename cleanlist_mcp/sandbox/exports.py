"""Finished CSV files behind signed links that expire after a day."""

import csv
import io
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cleanlist_mcp.sandbox.problems import Problem

EXPORT_SECONDS = 86_400
# A sandbox that serves for weeks forgets its oldest files.
_KEPT = 1_000


@dataclass(frozen=True)
class Export:
    """A finished CSV file; whoever has the signature may load it until it expires (epoch seconds)."""

    content: bytes
    signature: str
    expires_at: float


class Exports:
    """The files of all organizations by their ids."""

    def __init__(self) -> None:
        """Nothing has been exported yet."""
        self._exports: dict[str, Export] = {}

    def keep(self, content: bytes, now: float) -> tuple[str, Export]:
        """Keep a file for a day from `now` on and return it under its new id."""
        if len(self._exports) >= _KEPT:
            del self._exports[next(iter(self._exports))]
        export_id = secrets.token_hex(12)
        export = self._exports[export_id] = Export(content, secrets.token_hex(20), now + EXPORT_SECONDS)
        return export_id, export

    def load(self, export_id: str, signature: str, now: float) -> bytes:
        """Return a file by id and signature. Raises 404 for an unknown one, 403 for a bad or expired link."""
        export = self._exports.get(export_id)
        if export is None:
            raise Problem(404, "not_found", "Export not found.")
        genuine = secrets.compare_digest(export.signature.encode(), signature.encode())
        if not genuine or now >= export.expires_at:
            raise Problem(403, "link_expired", "This link is not valid any more.")
        return export.content


def csv_file(columns: Sequence[str], rows: Iterable[Mapping[str, str | None]]) -> bytes:
    """Return rows as a CSV file in UTF-8 with a header; members that are no columns are left out."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
