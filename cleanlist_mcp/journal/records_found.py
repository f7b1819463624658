"""Searches and companies as the journal keeps them for a day. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment

SearchKind = Literal["people", "companies"]

DIGEST_LENGTH = 16
"""Characters of a row's digest that are kept: it is compared with one other row, that of the same id."""


@dataclass(frozen=True)
class ShownPage:
    """The part of a search that one answer showed.

    `task_id` is the handle of the API's page, which was asked for with `cursor` and `limit`; `rows` are `(id, digest)`
    of what was shown of it. `total` hits were there then, None if that was not said.
    """

    task_id: str
    cursor: str
    limit: int
    total: int | None
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Search:
    """A search that was made here, over all pages that were shown, in their order."""

    search_id: str
    kind: SearchKind
    filters: Mapping[str, Sequence[str]]
    made: Moment
    pages: tuple[ShownPage, ...] = ()

    def is_kept(self, now: Moment) -> bool:
        """Return whether the search is younger than a day, whatever the clock was set to."""
        if self.made.boot == now.boot:
            return 0 <= now.ticks - self.made.ticks <= DAY
        return now.time - self.made.time <= DAY
