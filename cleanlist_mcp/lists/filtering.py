"""The rows of a list that a call asks for, and their counts. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cleanlist_mcp.api.wire import Lead
from cleanlist_mcp.people.spellings import folded, unaccented

ONLY: Mapping[str, Callable[[Lead], bool]] = {
    "all": lambda lead: True,
    "with_email": lambda lead: bool(lead.email),
    "with_phone": lambda lead: bool(lead.phone),
    "missing_email": lambda lead: not lead.email,
    "missing_phone": lambda lead: not lead.phone,
}
"""The words for rows that have something or lack it."""


@dataclass(frozen=True)
class Wanted:
    """Rows that `only` keeps (a key of `ONLY`), and in which all words of `query` stand.

    `details`: all that is known about them is wanted, and not the usual columns alone.
    """

    only: str = "all"
    query: str = ""
    details: bool = False

    @property
    def everything(self) -> bool:
        """True if no row is left out."""
        return self.only == "all" and not self.query

    def keeps(self, lead: Lead) -> bool:
        """Return whether a row is asked for: each word in the name, title or company, in any case and spelling."""
        if not ONLY[self.only](lead):
            return False
        text = plain(" ".join((lead.name, lead.title, lead.company)))
        return all(word in text for word in plain(self.query).split())


@dataclass
class RowCounts:
    """The number of rows seen, and of those with an e-mail address and with a phone number."""

    rows: int = 0
    with_email: int = 0
    with_phone: int = 0

    def add(self, leads: Iterable[Lead]) -> None:
        """Count more rows."""
        for lead in leads:
            self.rows += 1
            self.with_email += bool(lead.email)
            self.with_phone += bool(lead.phone)


def plain(text: str) -> str:
    """Return text without differences of case, of accents and of compatibility forms."""
    return unaccented(folded(text))
