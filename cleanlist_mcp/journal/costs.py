"""Statements: what was spent from here, over all keys."""

from collections.abc import Sequence

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.port import PlaceCosts, Reader, Store
from cleanlist_mcp.journal.records import run_of
from cleanlist_mcp.money.costs import (
    MOST_LINES,
    By,
    CostLine,
    Costs,
    Statement,
    added_up,
    costs_of,
    days_of,
    shortened,
    window,
)
from cleanlist_mcp.money.limits import DAY

_WITHOUT_A_LIST = {"person": "single people", "company": "companies"}
"""The label of runs that are known to have gone into no list, by kind."""


class CostJournal:
    """Adds up what runs cost."""

    def __init__(self, store: Store, late: LateWrites) -> None:
        self._store = store
        self._late = late

    async def statement(self, days: int, by: By) -> Statement | None:
        """Return what was spent in the last `days` times 24 hours; None while the journal cannot be read."""
        await self._late.catch_up()
        try:
            async with self._store.read() as reader:
                return await _statement(reader, days, by)
        except JournalUnusable:
            return None


async def _statement(reader: Reader, days: int, by: By) -> Statement:
    since = window(days, reader.now.time)
    lines, whole = await _lines(reader, by, since)
    first = await reader.first_counted(window(1, reader.now.time))
    return Statement(
        days=days,
        by=by,
        whole=whole,
        lines=shortened(lines, whole),
        spent=await reader.spent(),
        frees_at=None if first is None else first + DAY,
    )


async def _lines(reader: Reader, by: By, since: float) -> tuple[list[CostLine], Costs]:
    """Return all lines of a statement (of single runs, as many as are shown), and what they cost together."""
    if by == "run":
        return await _by_run(reader, since), await reader.costs(since)
    if by == "list":
        lines = _by_list(await reader.costs_by_place(since))
    elif by == "day":
        days = days_of(since, reader.now.time)
        lines = [CostLine(day, await reader.costs(first, after)) for day, first, after in days]
    else:
        lines = [CostLine("in all", await reader.costs(since))]
    return [line for line in lines if line.costs.runs], added_up([line.costs for line in lines])


async def _by_run(reader: Reader, since: float) -> list[CostLine]:
    now = reader.now
    runs = [run_of(row, now) for row in await reader.newest_since(since, MOST_LINES)]
    newest = sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)[:MOST_LINES]
    return [CostLine(run.label, costs_of(run, now.time), run.workflow_id, run.started_at) for run in newest]


def _by_list(places: Sequence[PlaceCosts]) -> list[CostLine]:
    """Return one line for each list, the dearest first. A run without its list's id is with the list of that name."""
    ids = {(place.api, place.list_name): place.list_id for place in places if place.list_id}
    labels: dict[tuple[str, str], str] = {}
    parts: dict[tuple[str, str], list[Costs]] = {}
    for place in places:
        label = place.list_name or _WITHOUT_A_LIST.get("" if place.list_id else place.kind, "a lead list")
        key = (place.api, place.list_id or ids.get((place.api, label), label))
        labels[key] = label
        parts.setdefault(key, []).append(place.costs)
    lines = [CostLine(labels[key], added_up(costs)) for key, costs in parts.items()]
    return sorted(lines, key=lambda line: (line.costs.counted, line.costs.runs), reverse=True)
