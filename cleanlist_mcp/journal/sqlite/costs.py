"""What runs cost, summed up in SQL: each sum reads the runs of its own time or list alone, by an index.

As in `spending`, the age of a run is what the seconds since the machine started give, if it has not been started again
since, and else what the clock gives.
"""

from typing import Any

from cleanlist_mcp.journal.port import PlaceCosts
from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import as_written
from cleanlist_mcp.journal.sqlite.schema import AMOUNT
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
_SUMS = f"""
SUM(CASE WHEN charged IS NULL THEN 0 ELSE {AMOUNT} END), SUM({_whole("refunded")}),
SUM(CASE WHEN charged IS NULL AND NOT {_LOST} THEN {AMOUNT} ELSE 0 END),
SUM(CASE WHEN charged IS NULL AND {_LOST} THEN {AMOUNT} ELSE 0 END),
COUNT(*), SUM({_ROWS}), SUM({_FOUND}), SUM(CASE WHEN {_SEARCHED} THEN {_ROWS} - {_FOUND} ELSE 0 END),
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
_PLACE = """
runs INDEXED BY runs_by_place WHERE api = :api AND list_id = :list_id AND kind = :kind AND state <> 'refused'
AND CASE WHEN boot = :boot THEN ticks >= :since_ticks ELSE started_at >= :since END
"""
_NEXT_PLACE = """
SELECT api, list_id, kind FROM runs INDEXED BY runs_by_place
WHERE (api, list_id, kind) > (?, ?, ?) AND state <> 'refused' ORDER BY api, list_id, kind LIMIT 1
"""
_COLUMNS = ", ".join(COLUMNS)
_NO_END = 1e300


class CostRows(Look):
    """The costs of runs, read inside what the store has begun."""

    async def costs(self, since: float, until: float | None = None) -> Costs:
        return added_up([self._sums(source, self._window(since, until)) for source in (_TICKS, _TIMES)])

    async def costs_by_place(self, since: float) -> list[PlaceCosts]:
        found = []
        api = list_id = kind = ""
        while place := self._database.execute(_NEXT_PLACE, (api, list_id, kind)).fetchone():
            api, list_id, kind = place
            values = self._window(since) | {"api": api, "list_id": list_id, "kind": kind}
            costs = self._sums(_PLACE, values)
            if costs.runs:
                found.append(PlaceCosts(api, list_id, kind, self._name_of(values), costs))
        return found

    async def newest_since(self, since: float, limit: int) -> list[Row]:
        ticks, times = (
            self._database.execute(
                f"SELECT {_COLUMNS}, checksum FROM {source} ORDER BY {clock} DESC LIMIT {int(limit)}",  # noqa: S608 - ours
                self._window(since),
            ).fetchall()
            for source, clock in ((_TICKS, "ticks"), (_TIMES, "started_at"))
        )
        return [as_written(columns, self._key, self.now.time) for columns in (*ticks, *times)]

    async def first_counted(self, since: float) -> float | None:
        values = self._window(since)
        ticks, times = (
            self._database.execute(
                f"SELECT {clock} FROM {source} AND {AMOUNT} > 0 ORDER BY {clock} LIMIT 1",  # noqa: S608 - ours
                values,
            ).fetchone()
            for source, clock in ((_TICKS, "ticks"), (_TIMES, "started_at"))
        )
        since_start = [self.now.time - self.now.ticks + float(row[0]) for row in (ticks,) if row]
        return min([*since_start, *(float(row[0]) for row in (times,) if row)], default=None)

    def _sums(self, source: str, values: dict[str, Any]) -> Costs:
        row = self._database.execute(f"SELECT {_SUMS} FROM {source}", values).fetchone()  # noqa: S608 - ours
        known = next((known for known in PRICES if known == row[-1]), None)
        charged, refunded, reserved, unknown, runs, rows, found, missed = (
            int(sum_ or 0) for sum_ in row[:-1]
        )
        return Costs(charged, refunded, reserved, unknown, runs, rows, found, missed, known)

    def _name_of(self, place: dict[str, Any]) -> str:
        """Return the name by which a list was last known here."""
        row = self._database.execute(
            f"SELECT list_name FROM {_PLACE} ORDER BY run_id DESC LIMIT 1",  # noqa: S608 - ours
            place,
        ).fetchone()
        return str(row[0]) if row else ""

    def _window(self, since: float, until: float | None = None) -> dict[str, Any]:
        """Return the edges of a time by both clocks."""
        set_apart = self.now.ticks - self.now.time
        return {
            "boot": self.now.boot,
            "ticks": self.now.ticks,
            "time": self.now.time,
            "since": since,
            "until": _NO_END if until is None else until,
            "since_ticks": since + set_apart,
            "until_ticks": _NO_END if until is None else until + set_apart,
        }
