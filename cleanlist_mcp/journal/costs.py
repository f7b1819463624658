"""Statements: what was spent from here, over all keys or those of one tenant."""

from collections.abc import Awaitable, Callable, Sequence

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.port import PlaceCosts, Reader, Store
from cleanlist_mcp.journal.records import run_of
from cleanlist_mcp.journal.whose import Whose
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
    window_start,
)
from cleanlist_mcp.money.limits import DAY

_WITHOUT_A_LIST = {"person": "single people", "company": "companies"}
"""The label of runs that are known to have gone into no list, by kind."""


class CostJournal:
    """Adds up what runs cost."""

    def __init__(self, store: Store, names: Callable[[], Awaitable[Names]], late: LateWrites) -> None:
        self._store = store
        self._names = names
        self._late = late

    async def statement(self, days: int, by: By) -> Statement | None:
        """Return what was spent in the last `days` times 24 hours; None while the journal cannot be read.

        If many keys share the journal, colleagues' runs are one line without a name.
        """
        await self._late.catch_up()
        try:
            whose = (await self._names()).whose
            async with self._store.read() as reader:
                return await _statement(reader, whose, days, by)
        except JournalUnusable:
            return None


async def _statement(reader: Reader, whose: Whose, days: int, by: By) -> Statement:
    since = window_start(days, reader.now.time)
    own = whose if whose.tenants is None else whose.only("own")
    lines, whole = await _lines(reader, own, by, since)
    shown = list(shortened(lines, whole))
    if whose.tenants is not None:
        colleagues = await reader.costs(whose.only("colleagues"), since)
        shown += [CostLine("colleagues", colleagues)] if colleagues.runs else []
        whole = added_up([whole, colleagues])
    first = await reader.first_counted(whose, window_start(1, reader.now.time))
    return Statement(
        days=days,
        by=by,
        whole=whole,
        lines=tuple(shown),
        spent=await reader.spent(whose),
        frees_at=None if first is None else first + DAY,
    )


async def _lines(reader: Reader, whose: Whose, by: By, since: float) -> tuple[list[CostLine], Costs]:
    """Return all lines of a statement (of single runs, as many as are shown), and what they cost together."""
    if by == "run":
        return await _by_run(reader, whose, since), await reader.costs(whose, since)
    if by == "list":
        lines = _by_list(await reader.costs_by_place(whose, since))
    elif by == "day":
        days = days_of(since, reader.now.time)
        lines = [CostLine(day, await reader.costs(whose, first, after)) for day, first, after in days]
    else:
        lines = [CostLine("in all", await reader.costs(whose, since))]
    return [line for line in lines if line.costs.runs], added_up([line.costs for line in lines])


async def _by_run(reader: Reader, whose: Whose, since: float) -> list[CostLine]:
    now = reader.now
    runs = [run_of(row, now, whose) for row in await reader.newest_since(whose, since, MOST_LINES)]
    newest = sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)[:MOST_LINES]
    return [CostLine(run.label, costs_of(run, now.time), run.workflow_id, run.started_at) for run in newest]


def _by_list(places: Sequence[PlaceCosts]) -> list[CostLine]:
    """Return one line for each list, the dearest first. A run without its list's id is with the list of that name."""
    ids = {(place.tenant, place.list_name): place.list_id for place in places if place.list_id}
    labels: dict[tuple[str, str], str] = {}
    parts: dict[tuple[str, str], list[Costs]] = {}
    for place in places:
        label = place.list_name or _WITHOUT_A_LIST.get("" if place.list_id else place.kind, "a lead list")
        key = (place.tenant, place.list_id or ids.get((place.tenant, label), label))
        labels[key] = label
        parts.setdefault(key, []).append(place.costs)
    lines = [CostLine(labels[key], added_up(costs)) for key, costs in parts.items()]
    return sorted(lines, key=lambda line: (line.costs.counted, line.costs.runs), reverse=True)
