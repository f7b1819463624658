"""Sums that count against the limits, kept per slot of some minutes: a large journal is as quick as a small one.

The age of a run is what the seconds since the machine started give, if it has not been started again since, and else
what the clock gives. The slots at the edge of an hour or a day are counted run by run. All of it is read from indexes
alone, which the integrity check compares with the rows.
"""

import sqlite3

from cleanlist_mcp.journal.sqlite.schema import AMOUNT, SLOT
from cleanlist_mcp.money.limits import DAY, HOUR, Spent
from cleanlist_mcp.money.runs import Moment

_SUM = "MIN(MAX(CAST(amount AS INTEGER), 0), 1000000000000)"
"""The sum of a slot, whatever a damaged row holds."""


def _slots(source: str, slot: str, clock: str) -> str:
    """Return the SQL that sums up whole slots: of the day, the unsettled of it, and the unquoted of the hour."""
    return f"""
    SELECT SUM({_SUM}) AS day, SUM({_SUM} * (unsettled = 1)) AS unsettled,
        SUM({_SUM} * (kind <> 'list' AND {slot} > :{clock}_hour_slot)) AS people
    FROM {source} AND {slot} > :{clock}_day_slot
    """  # noqa: S608 - the names are ours


def _edge(source: str, column: str, window: str, sums: str) -> str:
    """Return the SQL that sums up the runs at the edge of a window, which cuts their slot in two."""
    return f"""
    SELECT {sums} FROM {source} AND {column} > :{window} AND {column} < :{window} + {2 * SLOT}
        AND CAST({column} / {SLOT} AS INTEGER) = :{window}_slot AND state <> 'refused'
    """  # noqa: S608 - the names are ours


_TICKS = "runs INDEXED BY runs_by_ticks WHERE boot = :boot"
_TIMES = "runs INDEXED BY runs_by_start WHERE boot <> :boot"
_OF_DAY = f"SUM({AMOUNT}), SUM({AMOUNT} * (state IN ('starting', 'uncertain'))), 0"
_OF_HOUR = f"0, 0, SUM({AMOUNT} * (kind <> 'list'))"
_PARTS = (
    _slots("spending WHERE boot = :boot", "tick_slot", "tick"),
    _slots("spending INDEXED BY spending_by_time WHERE boot <> :boot", "time_slot", "time"),
    _edge(_TICKS, "ticks", "tick_day", _OF_DAY),
    _edge(_TICKS, "ticks", "tick_hour", _OF_HOUR),
    _edge(_TIMES, "started_at", "time_day", _OF_DAY),
    _edge(_TIMES, "started_at", "time_hour", _OF_HOUR),
    f"SELECT 0, SUM({AMOUNT}), 0 FROM runs INDEXED BY runs_unfinished WHERE state = 'running'",  # noqa: S608
)
_SPENT = f"""
SELECT COALESCE(SUM(day), 0), COALESCE(SUM(unsettled), 0), COALESCE(SUM(people), 0)
FROM ({" UNION ALL ".join(_PARTS)})
"""  # noqa: S608 - the names are ours


def spent(database: sqlite3.Connection, now: Moment) -> Spent:
    """Return what counts against the limits now, over all keys."""
    edges = {
        f"{clock}_{window}": at - seconds
        for clock, at in (("tick", now.ticks), ("time", now.time))
        for window, seconds in (("day", DAY), ("hour", HOUR))
    }
    slots = {f"{name}_slot": int(edge / SLOT) for name, edge in edges.items()}
    day, unfinished, people = database.execute(_SPENT, {"boot": now.boot, **edges, **slots}).fetchone()
    return Spent(people_last_hour=people, last_day=day, reserved_now=unfinished)
