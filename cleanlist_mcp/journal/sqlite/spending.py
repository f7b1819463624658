"""Sums that count against the limits, kept per slot of some minutes: a large journal is as quick as a small one.

The age of a run is what the seconds since the machine started give, if it has not been started again since, and else
what the clock gives. The slots at the edge of an hour or a day are counted run by run. All of it is read from indexes
alone, which the integrity check compares with the rows.
"""

import json
import sqlite3

from cleanlist_mcp.journal.sqlite.schema import AMOUNT
from cleanlist_mcp.journal.sqlite.slots import SLOT
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.limits import DAY, HOUR, Spent
from cleanlist_mcp.money.runs import Moment

_SUM = "MIN(MAX(CAST(amount AS INTEGER), 0), 1000000000000)"
"""The sum of a slot, whatever a damaged row holds."""

_OF_TENANTS = " AND tenant IN (SELECT value FROM json_each(:tenants))"
_OF_ACCOUNT = " AND account IN (SELECT value FROM json_each(:accounts))"


def _slots(source: str, slot: str, clock: str, own: str) -> str:
    """Return the SQL that sums up whole slots: of the day, the unsettled of it, and the unquoted of the hour."""
    return f"""
    SELECT SUM({_SUM}) AS day, SUM({_SUM} * (unsettled = 1)) AS unsettled,
        SUM({_SUM} * (kind <> 'list' AND {slot} > :{clock}_hour_slot{own})) AS unquoted
    FROM {source} AND {slot} > :{clock}_day_slot
    """  # noqa: S608 - the names are ours


def _edge(source: str, column: str, window: str, sums: str) -> str:
    """Return the SQL that sums up the runs at the edge of a window, which cuts their slot in two."""
    return f"""
    SELECT {sums} FROM {source} AND {column} > :{window} AND {column} < :{window} + {2 * SLOT}
        AND CAST({column} / {SLOT} AS INTEGER) = :{window}_slot AND state <> 'refused'
    """  # noqa: S608 - the names are ours


def _spent(of_all: str, own: str) -> str:
    """Return the SQL for all that counts, of the runs that `of_all` chooses; of the unquoted ones, `own`."""
    of_day = f"SUM({AMOUNT}), SUM({AMOUNT} * (state IN ('starting', 'uncertain'))), 0"
    of_hour = f"0, 0, SUM({AMOUNT} * (kind <> 'list'{own}))"
    ticks = f"runs INDEXED BY runs_by_ticks WHERE boot = :boot{of_all}"
    times = f"runs INDEXED BY runs_by_start WHERE boot <> :boot{of_all}"
    running = f"runs INDEXED BY runs_unfinished WHERE state = 'running'{of_all}"
    parts = (
        _slots(f"spending WHERE boot = :boot{of_all}", "tick_slot", "tick", own),
        _slots(f"spending INDEXED BY spending_by_time WHERE boot <> :boot{of_all}", "time_slot", "time", own),
        _edge(ticks, "ticks", "tick_day", of_day),
        _edge(ticks, "ticks", "tick_hour", of_hour),
        _edge(times, "started_at", "time_day", of_day),
        _edge(times, "started_at", "time_hour", of_hour),
        f"SELECT 0, SUM({AMOUNT}), 0 FROM {running}",  # noqa: S608 - the names are ours
    )
    return f"""
    SELECT COALESCE(SUM(day), 0), COALESCE(SUM(unsettled), 0), COALESCE(SUM(unquoted), 0)
    FROM ({" UNION ALL ".join(parts)})
    """  # noqa: S608 - the names are ours


_OF_ALL_KEYS = _spent("", "")
_OF_A_TENANT = _spent(_OF_TENANTS, _OF_ACCOUNT)


def spent(database: sqlite3.Connection, now: Moment, whose: Whose) -> Spent:
    """Return what counts against the limits now: over all keys, or of one tenant and its account."""
    edges = {
        f"{clock}_{window}": at - seconds
        for clock, at in (("tick", now.ticks), ("time", now.time))
        for window, seconds in (("day", DAY), ("hour", HOUR))
    }
    slots = {f"{name}_slot": int(edge / SLOT) for name, edge in edges.items()}
    statement = _OF_ALL_KEYS if whose.tenants is None else _OF_A_TENANT
    values = {"boot": now.boot, **edges, **slots, **names_in(whose)}
    day, unfinished, unquoted = database.execute(statement, values).fetchone()
    return Spent(unquoted_last_hour=unquoted, last_day=day, reserved_now=unfinished)


def names_in(whose: Whose) -> dict[str, str]:
    """Return the names as values for SQL."""
    return {"tenants": json.dumps(whose.tenants or ()), "accounts": json.dumps(whose.accounts)}
