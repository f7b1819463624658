"""Costs: the sums of what runs cost, for whoever asks what was spent. Pure; amounts are whole credits.

`limits` counts what a run may still cost; this module separates what it did cost, what it still holds, and what
nobody here can know. A run counts whole at the moment it started.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cleanlist_mcp.money.limits import DAY, Spent
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.runs import STOPPED_STATUSES, Run, state_at

By = Literal["total", "day", "list", "run"]
"""The unit of a statement's rows."""

MOST_LINES = 50
"""Lines of a statement; what is beyond them is added up in the last one."""


@dataclass(frozen=True)
class Costs:
    """The cost of some runs together.

    `reserved` is held by runs that go on or whose refund is not decided yet, `unknown` by those of which nobody here
    can know. Of `rows` (a single person or company is one), `found` brought something; `missed` were searched in vain.
    `scope` is what all of them looked for, None if they differ.
    """

    charged: int = 0
    refunded: int = 0
    reserved: int = 0
    unknown: int = 0
    runs: int = 0
    rows: int = 0
    found: int = 0
    missed: int = 0
    scope: Scope | None = None

    @property
    def counted(self) -> int:
        """The credits that count against a limit."""
        return self.charged + self.reserved + self.unknown


@dataclass(frozen=True)
class CostLine:
    """One line of a statement; `workflow_id` and `started_at` (epoch seconds) are those of a single run."""

    label: str
    costs: Costs
    workflow_id: str | None = None
    started_at: float | None = None


@dataclass(frozen=True)
class Statement:
    """The credits spent from here in the last `days` times 24 hours, over all keys; `lines` split them by `by`.

    `spent` counts against the limits. At `frees_at` (epoch seconds) the first of it leaves the limit for a day; None
    if nothing counts.
    """

    days: int
    by: By
    whole: Costs
    lines: tuple[CostLine, ...]
    spent: Spent
    frees_at: float | None


def costs_of(run: Run, now: float) -> Costs:
    """Return what one run cost, as it is known at `now`."""
    rows = _rows(run)
    found = _found(run, rows)
    held = 0 if run.charged is not None else run.reserved
    lost = state_at(run, now) == "uncertain" or (run.state == "finished" and run.status == "unknown")
    return Costs(
        charged=run.charged or 0,
        refunded=run.refunded or 0,
        reserved=0 if lost else held,
        unknown=held if lost else 0,
        runs=1,
        rows=rows,
        found=found,
        missed=rows - found if _was_searched(run) else 0,
        scope=None if run.kind == "company" else run.scope,
    )


def added_up(parts: Sequence[Costs]) -> Costs:
    """Return what all of these cost together."""
    parts = [one for one in parts if one.runs]
    scopes = {one.scope for one in parts}
    return Costs(
        charged=sum(one.charged for one in parts),
        refunded=sum(one.refunded for one in parts),
        reserved=sum(one.reserved for one in parts),
        unknown=sum(one.unknown for one in parts),
        runs=sum(one.runs for one in parts),
        rows=sum(one.rows for one in parts),
        found=sum(one.found for one in parts),
        missed=sum(one.missed for one in parts),
        scope=scopes.pop() if len(scopes) == 1 else None,
    )


def less(whole: Costs, parts: Sequence[Costs]) -> Costs:
    """Return what is left of `whole` without its `parts`."""
    taken = added_up(parts)
    return Costs(
        charged=max(whole.charged - taken.charged, 0),
        refunded=max(whole.refunded - taken.refunded, 0),
        reserved=max(whole.reserved - taken.reserved, 0),
        unknown=max(whole.unknown - taken.unknown, 0),
        runs=max(whole.runs - taken.runs, 0),
        rows=max(whole.rows - taken.rows, 0),
        found=max(whole.found - taken.found, 0),
        missed=max(whole.missed - taken.missed, 0),
        scope=whole.scope,
    )


def shortened(lines: Sequence[CostLine], whole: Costs) -> tuple[CostLine, ...]:
    """Return at most `MOST_LINES` lines that add up to `whole`: the first ones, and one of all others if need be."""
    if sum(line.costs.runs for line in lines) == whole.runs and len(lines) <= MOST_LINES:
        return tuple(lines)
    shown = tuple(lines[: MOST_LINES - 1])
    return (*shown, CostLine("all others", less(whole, [line.costs for line in shown])))


def window_start(days: int, now: float) -> float:
    """Return the first moment of the last `days` times 24 hours: a run that started exactly so long ago is outside."""
    return math.nextafter(now - days * DAY, math.inf)


def days_of(since: float, now: float) -> Iterator[tuple[str, float, float | None]]:
    """Yield the days in UTC from `now` back to `since`: name, first moment, and the one after the last.

    The newest has no end: what seems to have started in the future belongs to it, because a clock was set.
    """
    end: float | None = None
    start = math.floor(now / DAY) * DAY
    while end is None or end > since:
        yield f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d}", max(start, since), end
        start, end = start - DAY, start


def _rows(run: Run) -> int:
    """Return how many rows a run is about: as the API counted them, or else as they were paid for."""
    if run.kind != "list":
        return 1
    paid = (run.reserved if run.quoted is None else run.quoted) // PRICES[run.scope]
    return _figure(run, "total") or paid


def _found(run: Run, rows: int) -> int:
    if run.state != "finished" or run.charged is None:
        return 0
    return min(_figure(run, "completed"), rows) if run.kind == "list" else int(run.charged > 0)


def _was_searched(run: Run) -> bool:
    """Return whether a run went through all of its rows, as far as it is known what came of them."""
    ended = run.state == "finished" and run.charged is not None
    counted = run.kind != "list" or _figure(run, "total") > 0
    return ended and counted and run.status.casefold() not in STOPPED_STATUSES


def _figure(run: Run, name: str) -> int:
    value = (run.report or {}).get(name)
    return value if isinstance(value, int) and value > 0 else 0
