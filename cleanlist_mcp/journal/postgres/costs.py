"""The costs of runs, summed up in SQL."""

from collections.abc import Sequence
from typing import Any

from cleanlist_mcp.journal.port import PlaceCosts
from cleanlist_mcp.journal.postgres.look import Look
from cleanlist_mcp.journal.postgres.schema import AMOUNT
from cleanlist_mcp.journal.records import Row
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.costs import Costs
from cleanlist_mcp.money.prices import PRICES
from cleanlist_mcp.money.quotes import CLOCK_TOLERANCE
from cleanlist_mcp.money.runs import STOPPED_STATUSES


def _figure(name: str) -> str:
    """Return the SQL for a figure at the end of a list run, 0 if there is none; a report is JSON as we write it."""
    return f"""COALESCE(SUBSTRING(report FROM '"{name}": ([0-9]{{1,9}})[,}}]')::bigint, 0)"""


_UNDER_WAY = (
    f"(state = 'starting' AND started_at <= %(now)s + {CLOCK_TOLERANCE} AND %(now)s <= in_flight_until)"
)
_LOST = f"""
(state = 'uncertain' OR (state = 'starting' AND NOT {_UNDER_WAY}) OR (state = 'finished' AND status = 'unknown'))
"""
_ENDED = "(state = 'finished' AND charged IS NOT NULL)"
_STOPPED = f"LOWER(status) IN ({', '.join(repr(word) for word in sorted(STOPPED_STATUSES))})"
_PRICE = (
    f"(CASE scope {' '.join(f'WHEN {scope!r} THEN {price}' for scope, price in PRICES.items())} ELSE 1 END)"
)
_ROWS = f"""
(CASE WHEN kind <> 'list' THEN 1
    ELSE COALESCE(NULLIF({_figure("total")}, 0), GREATEST(COALESCE(quoted, reserved), 0) / {_PRICE}) END)
"""
_FOUND = f"""
(CASE WHEN NOT {_ENDED} THEN 0 WHEN kind = 'list' THEN LEAST({_figure("completed")}, {_ROWS})
    ELSE (charged > 0)::int END)
"""
_SEARCHED = f"({_ENDED} AND NOT {_STOPPED} AND (kind <> 'list' OR {_figure('total')} > 0))"
_FIGURES = (
    f"CASE WHEN charged IS NULL THEN 0 ELSE {AMOUNT} END",
    "GREATEST(COALESCE(refunded, 0), 0)",
    f"CASE WHEN charged IS NULL AND NOT {_LOST} THEN {AMOUNT} ELSE 0 END",
    f"CASE WHEN charged IS NULL AND {_LOST} THEN {AMOUNT} ELSE 0 END",
    "1",
    _ROWS,
    _FOUND,
    f"CASE WHEN {_SEARCHED} THEN {_ROWS} - {_FOUND} ELSE 0 END",
)
"""The figures of one run, in the order of `Costs`."""

_SCOPE = "(CASE WHEN kind = 'company' THEN '' ELSE scope END)"
_SUMS = (
    ", ".join(f"COALESCE(SUM({figure}), 0)" for figure in _FIGURES)
    + f", CASE WHEN MIN({_SCOPE}) = MAX({_SCOPE}) THEN MIN({_SCOPE}) END"
)
_WINDOW = (
    "runs WHERE state <> 'refused' AND started_at >= %(since)s "
    "AND started_at < COALESCE(%(until)s::double precision, 'infinity')"
)
_SHARES = {
    "all": "tenant = ANY(%(tenants)s)",
    "own": "tenant = ANY(%(tenants)s) AND account = ANY(%(accounts)s)",
    "colleagues": "tenant = ANY(%(tenants)s) AND account <> ALL(%(accounts)s)",
}


class CostRows(Look):
    """The costs of runs, read inside what the store has begun."""

    async def costs(self, whose: Whose, since: float, until: float | None = None) -> Costs:
        row = await self._one(f"SELECT {_SUMS} FROM {_source(whose)}", self._window(whose, since, until))  # noqa: S608
        return _costs(row or ())

    async def costs_by_place(self, whose: Whose, since: float) -> list[PlaceCosts]:
        found = await self._all(
            "SELECT tenant, list_id, kind, (ARRAY_AGG(list_name ORDER BY run_id DESC))[1], "  # noqa: S608 - ours
            f"{_SUMS} FROM {_source(whose)} GROUP BY tenant, list_id, kind",
            self._window(whose, since),
        )
        return [PlaceCosts(row[0], row[1], row[2], row[3], _costs(row[4:])) for row in found]

    async def newest_since(self, whose: Whose, since: float, limit: int) -> list[Row]:
        window = self._window(whose, since) | {"limit": limit}
        return await self._runs(f"{_source(whose)} ORDER BY started_at DESC LIMIT %(limit)s", window)

    async def first_counted(self, whose: Whose, since: float) -> float | None:
        row = await self._one(
            f"SELECT MIN(started_at) FROM {_source(whose)} AND {AMOUNT} > 0",  # noqa: S608 - the names are ours
            self._window(whose, since),
        )
        return None if row is None or row[0] is None else float(row[0])

    def _window(self, whose: Whose, since: float, until: float | None = None) -> dict[str, Any]:
        return {
            "tenants": list(whose.tenants or ()),
            "accounts": list(whose.accounts),
            "since": since,
            "until": until,
            "now": self.now.time,
        }


def _source(whose: Whose) -> str:
    return f"{_WINDOW} AND {_SHARES[whose.share]}"


def _costs(figures: Sequence[Any]) -> Costs:
    """Return the costs in a row of figures, whose last one is the scope."""
    charged, refunded, reserved, unknown, runs, rows, found, missed = map(int, figures[:-1])
    scope = next((known for known in PRICES if known == figures[-1]), None)
    return Costs(charged, refunded, reserved, unknown, runs, rows, found, missed, scope)
