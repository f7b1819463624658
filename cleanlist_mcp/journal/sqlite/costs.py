"""The costs of runs, summed up in SQL: each sum reads the runs of its own time alone, by an index.

As in `spending`, the age of a run is what the seconds since the machine started give, if it has not been started again
since, and else what the clock gives.
"""

from collections.abc import Sequence
from typing import Any

from cleanlist_mcp.journal.port import PlaceCosts
from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import as_written
from cleanlist_mcp.journal.sqlite.schema import AMOUNT
from cleanlist_mcp.journal.sqlite.spending import names_in
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.costs import Costs, added_up
from cleanlist_mcp.money.prices import PRICES
from cleanlist_mcp.money.quotes import CLOCK_TOLERANCE
from cleanlist_mcp.money.runs import STOPPED_STATUSES


def _whole(value: str) -> str:
    """Return the SQL for an amount or a count, whatever a damaged row holds."""
    return f"MIN(MAX(CAST(COALESCE({value}, 0) AS INTEGER), 0), 1000000000)"


def _figure(name: str) -> str:
    """Return the SQL for a figure at the end of a list run, 0 if there is none."""
    return _whole(f"CASE WHEN json_valid(report) THEN json_extract(report, '$.{name}') END")


_UNDER_WAY = f"""
(state = 'starting' AND CASE WHEN boot = :boot
    THEN ticks <= :ticks + {CLOCK_TOLERANCE} AND :ticks - ticks <= in_flight_until - started_at
    ELSE started_at <= :time + {CLOCK_TOLERANCE} AND :time <= in_flight_until END)
"""
_LOST = f"""
(state = 'uncertain' OR (state = 'starting' AND NOT {_UNDER_WAY}) OR (state = 'finished' AND status = 'unknown'))
"""
_ENDED = "(state = 'finished' AND charged IS NOT NULL)"
_STOPPED = f"LOWER(status) IN ({', '.join(repr(word) for word in sorted(STOPPED_STATUSES))})"
_PRICE = (
    f"CASE scope {' '.join(f'WHEN {scope!r} THEN {price}' for scope, price in PRICES.items())} ELSE 1 END"
)
_ROWS = f"""
CASE WHEN kind <> 'list' THEN 1 ELSE COALESCE(NULLIF({_figure("total")}, 0),
    {_whole("COALESCE(quoted, reserved)")} / ({_PRICE})) END
"""
_FOUND = f"""
CASE WHEN NOT {_ENDED} THEN 0 WHEN kind = 'list' THEN MIN({_figure("completed")}, {_ROWS}) ELSE charged > 0 END
"""
_SEARCHED = f"({_ENDED} AND NOT {_STOPPED} AND (kind <> 'list' OR {_figure('total')} > 0))"
_SCOPE = "CASE WHEN kind = 'company' THEN '' ELSE scope END"
_FIGURES = (
    f"CASE WHEN charged IS NULL THEN 0 ELSE {AMOUNT} END",
    _whole("refunded"),
    f"CASE WHEN charged IS NULL AND NOT {_LOST} THEN {AMOUNT} ELSE 0 END",
    f"CASE WHEN charged IS NULL AND {_LOST} THEN {AMOUNT} ELSE 0 END",
    "1",
    _ROWS,
    _FOUND,
    f"CASE WHEN {_SEARCHED} THEN {_ROWS} - {_FOUND} ELSE 0 END",
)
"""The figures of one run, in the order of `Costs`."""

_EACH = f"{', '.join(_FIGURES)}, {_SCOPE}"
_SUMS = f"""
{", ".join(f"SUM({figure})" for figure in _FIGURES)},
CASE WHEN MIN({_SCOPE}) = MAX({_SCOPE}) THEN MIN({_SCOPE}) END
"""

_TICKS = """
runs INDEXED BY runs_by_ticks WHERE boot = :boot AND ticks >= :since_ticks AND ticks < :until_ticks
AND state <> 'refused'
"""
_TIMES = """
runs INDEXED BY runs_by_start WHERE boot <> :boot AND started_at >= :since AND started_at < :until
AND state <> 'refused'
"""
_COLUMNS = ", ".join(COLUMNS)
_NO_END = 1e300

_IS_OF_TENANT = " AND tenant IN (SELECT value FROM json_each(:tenants))"
_IS_OWN = "account IN (SELECT value FROM json_each(:accounts))"


def _shared(whose: Whose) -> str:
    """Return the SQL that leaves the runs that are asked for."""
    own = {"all": "", "own": f" AND {_IS_OWN}", "colleagues": f" AND NOT {_IS_OWN}"}[whose.share]
    return own if whose.tenants is None else _IS_OF_TENANT + own


class CostRows(Look):
    """The costs of runs, read inside what the store has begun."""

    async def costs(self, whose: Whose, since: float, until: float | None = None) -> Costs:
        values = self._window(whose, since, until)
        return added_up([self._sums(source + _shared(whose), values) for source in (_TICKS, _TIMES)])

    async def costs_by_place(self, whose: Whose, since: float) -> list[PlaceCosts]:
        parts: dict[tuple[str, str, str], list[Costs]] = {}
        names: dict[tuple[str, str, str], str] = {}
        for source, clock in ((_TIMES, "started_at"), (_TICKS, "ticks")):
            # Grouped here: SQL would sort all of them first.
            for tenant, list_id, kind, name, *figures in self._database.execute(
                f"SELECT tenant, list_id, kind, list_name, {_EACH} FROM {source}{_shared(whose)} "  # noqa: S608 - ours
                f"ORDER BY {clock}",
                self._window(whose, since),
            ):
                place = (str(tenant), str(list_id), str(kind))
                parts.setdefault(place, []).append(_costs(figures))
                names[place] = str(name)  # the newest one stays
        return [PlaceCosts(*place, names[place], added_up(costs)) for place, costs in parts.items()]

    async def newest_since(self, whose: Whose, since: float, limit: int) -> list[Row]:
        ticks, times = (
            self._database.execute(
                f"SELECT {_COLUMNS}, checksum FROM {source}{_shared(whose)} "  # noqa: S608 - ours
                f"ORDER BY {clock} DESC LIMIT {int(limit)}",
                self._window(whose, since),
            ).fetchall()
            for source, clock in ((_TICKS, "ticks"), (_TIMES, "started_at"))
        )
        return [as_written(columns, self._key, self.now.time) for columns in (*ticks, *times)]

    async def first_counted(self, whose: Whose, since: float) -> float | None:
        values = self._window(whose, since)
        ticks, times = (
            self._database.execute(
                f"SELECT {clock} FROM {source}{_shared(whose)} AND {AMOUNT} > 0 "  # noqa: S608 - ours
                f"ORDER BY {clock} LIMIT 1",
                values,
            ).fetchone()
            for source, clock in ((_TICKS, "ticks"), (_TIMES, "started_at"))
        )
        since_start = [self.now.time - self.now.ticks + float(row[0]) for row in (ticks,) if row]
        return min([*since_start, *(float(row[0]) for row in (times,) if row)], default=None)

    def _sums(self, source: str, values: dict[str, Any]) -> Costs:
        return _costs(self._database.execute(f"SELECT {_SUMS} FROM {source}", values).fetchone())  # noqa: S608 - ours

    def _window(self, whose: Whose, since: float, until: float | None = None) -> dict[str, Any]:
        """Return the edges of a time by both clocks, and whose runs are asked for."""
        set_apart = self.now.ticks - self.now.time
        return names_in(whose) | {
            "boot": self.now.boot,
            "ticks": self.now.ticks,
            "time": self.now.time,
            "since": since,
            "until": _NO_END if until is None else until,
            "since_ticks": since + set_apart,
            "until_ticks": _NO_END if until is None else until + set_apart,
        }


def _costs(figures: Sequence[Any]) -> Costs:
    """Return the costs in a row of figures, whose last one is the scope."""
    charged, refunded, reserved, unknown, runs, rows, found, missed = (
        int(sum_ or 0) for sum_ in figures[:-1]
    )
    scope = next((known for known in PRICES if known == figures[-1]), None)
    return Costs(charged, refunded, reserved, unknown, runs, rows, found, missed, scope)
