"""Picking rows of a list for a quote: who has it already, who was tried, and who fits. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.prices import LOOKS_FOR, PRICES, Contact, Scope
from cleanlist_mcp.money.runs import Run

TRIED_SECONDS = 30 * DAY
"""Seconds for which a row that was looked for in vain is left out."""

Reason = Literal["excluded", "not_chosen", "complete", "tried"]
"""A reason to leave a row out."""

_SEARCHED = frozenset({"completed", "completed_with_errors"})
"""States of a run that has looked for all of its rows."""


@dataclass(frozen=True)
class ListedRow:
    """A row of a list: the contacts that it has, and those that were looked for from here in vain lately."""

    lead_id: str
    name: str = ""
    has: frozenset[Contact] = frozenset()
    tried: frozenset[Contact] = frozenset()
    is_excluded: bool = False

    def is_complete(self, scope: Scope) -> bool:
        """Return whether the row has everything that `scope` looks for."""
        return LOOKS_FOR[scope] <= self.has

    def was_tried(self, scope: Scope) -> bool:
        """Return whether everything that the row lacks of `scope` was looked for lately."""
        lacks = LOOKS_FOR[scope] - self.has
        return bool(lacks) and lacks <= self.tried


@dataclass(frozen=True)
class Wishes:
    """The rows that a user wants quoted; None is for a wish that was not given.

    Unless `only_missing` is False, the rows that lack what is looked for are meant.
    """

    only_missing: bool | None = None
    lead_ids: frozenset[str] | None = None
    max_rows: int | None = None
    max_credits: int | None = None

    @property
    def choose(self) -> bool:
        """True if a part of the list is wanted, whatever its rows have."""
        return (self.lead_ids, self.max_rows, self.max_credits) != (None, None, None)

    @property
    def are_explicit(self) -> bool:
        """True if a quote for the whole list is not what was asked for."""
        return self.choose or self.only_missing is True

    def most(self, scope: Scope) -> int | None:
        """Return how many rows may be picked at most; None without a limit."""
        limits = [] if self.max_rows is None else [self.max_rows]
        if self.max_credits is not None:
            limits.append(self.max_credits // PRICES[scope])
        return min(limits, default=None)


def reason_against(row: ListedRow, scope: Scope, wishes: Wishes) -> Reason | None:
    """Return why a row is left out; None if it may be picked."""
    if row.is_excluded:
        return "excluded"
    if wishes.lead_ids is not None and row.lead_id not in wishes.lead_ids:
        return "not_chosen"
    if wishes.only_missing is False:
        return None
    if row.is_complete(scope):
        return "complete"
    return "tried" if wishes.lead_ids is None and row.was_tried(scope) else None


def pick(page: Sequence[ListedRow], scope: Scope, wishes: Wishes) -> list[ListedRow]:
    """Return the rows of one page to quote, in the order of the page; with a limit, complete ones come last."""
    wanted = [row for row in page if reason_against(row, scope, wishes) is None]
    most = wishes.most(scope)
    if most is None:
        return wanted
    chosen = {id(row) for row in sorted(wanted, key=lambda row: row.is_complete(scope))[:most]}
    return [row for row in wanted if id(row) in chosen]


def tried_rows(runs: Iterable[tuple[Run, Sequence[str]]], now: float) -> Mapping[str, frozenset[Scope]]:
    """Return by row in which scopes it was looked for in vain within `TRIED_SECONDS`; `now` is in epoch seconds.

    `runs` are runs over one list, each with its rows that were not found.
    """
    tried: dict[str, frozenset[Scope]] = {}
    for run, lead_ids in runs:
        recent = now - (run.finished_at or run.started_at) <= TRIED_SECONDS
        if recent and run.state == "finished" and run.status.casefold() in _SEARCHED:
            for lead_id in lead_ids:
                tried[lead_id] = tried.get(lead_id, frozenset()) | {run.scope}
    return tried


def looked_for(scopes: Iterable[Scope]) -> frozenset[Contact]:
    """Return the contacts that runs of these scopes have looked for."""
    return frozenset().union(*(LOOKS_FOR[scope] for scope in scopes))


def still_missing(rows: Iterable[ListedRow], scope: Scope) -> list[str]:
    """Return the ids of the rows that lack something of what `scope` looks for."""
    return [row.lead_id for row in rows if not row.is_complete(scope)]
