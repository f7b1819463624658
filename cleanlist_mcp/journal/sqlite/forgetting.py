"""Entries past their time, dropped in batches: each by an index, and none on one look at a clock that may be ahead."""

import sqlite3

from cleanlist_mcp.journal.records import BAN_SECONDS, KEEP_SECONDS
from cleanlist_mcp.journal.sqlite.slots import SLOT
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment

BATCH = 1000
"""Entries of each kind that are dropped at once: more would hold up the calls of that moment."""

_OLD = (
    ("runs INDEXED BY runs_by_start WHERE started_at", KEEP_SECONDS),
    ("imports INDEXED BY imports_by_time WHERE last_time", KEEP_SECONDS),
    ("quotes INDEXED BY quotes_by_expiry WHERE expires_at", DAY),
    ("searches INDEXED BY searches_by_time WHERE made_at", DAY),
    ("companies INDEXED BY companies_by_time WHERE kept_at", DAY),
    ("cards INDEXED BY cards_by_time WHERE shown_at", DAY),
    ("card_bans INDEXED BY card_bans_by_time WHERE since", BAN_SECONDS),
    ("added_domains INDEXED BY added_domains_by_time WHERE added_at", KEEP_SECONDS),
)


def forget_old(database: sqlite3.Connection, now: Moment) -> bool:
    """Drop entries past their time, unfinished ones too: a run that old is not going on any more.

    Whatever is old is dropped only once a second look, a day after the first, agrees. Returns whether there may be
    more of it.
    """
    first = database.execute("SELECT old_seen_at, boot, ticks FROM forgetting").fetchone()
    if first is not None and _a_day_ago(first, now):
        if _drop(database, first[0]):
            return True
        first = None
    if first is None or first[0] > now.time:
        database.execute("DELETE FROM forgetting")
        if _has_old(database, now.time):
            database.execute("INSERT INTO forgetting VALUES (?, ?, ?)", (now.time, now.boot, now.ticks))
    return False


def _a_day_ago(first: tuple[float, str, float], now: Moment) -> bool:
    """Return whether a day has passed since the first look, by the clock and by the machine's own seconds."""
    seen_at, boot, ticks = first
    return now.time - seen_at >= DAY and (boot != now.boot or now.ticks - ticks >= DAY)


def _has_old(database: sqlite3.Connection, time: float) -> bool:
    return any(
        database.execute(f"SELECT 1 FROM {where} < ? LIMIT 1", (time - keep,)).fetchone()  # noqa: S608 - ours
        for where, keep in _OLD
    )


def _drop(database: sqlite3.Connection, time: float) -> bool:
    """Drop a batch of what has parts and all of the rest, and return whether a batch was full."""
    is_full = False
    before = time - KEEP_SECONDS
    for table, of_it, number, column, until in (
        ("runs", "identifiers", "run_id", "started_at", before),
        ("imports", "import_people", "import_id", "last_time", before),
        ("searches", "search_pages", "search_id", "made_at", time - DAY),
    ):
        old = database.execute(
            f"SELECT {number} FROM {table} WHERE {column} < ? LIMIT {BATCH}",  # noqa: S608 - ours
            (until,),
        ).fetchall()
        is_full = is_full or len(old) == BATCH
        database.executemany(f"DELETE FROM {of_it} WHERE {number} = ?", old)  # noqa: S608 - ours
        database.executemany(f"DELETE FROM {table} WHERE {number} = ?", old)  # noqa: S608 - ours
        if table == "runs":
            database.executemany("DELETE FROM run_leads WHERE run_id = ?", old)
    database.execute("DELETE FROM quotes WHERE expires_at < ?", (time - DAY,))
    database.execute("DELETE FROM companies WHERE kept_at < ?", (time - DAY,))
    database.execute("DELETE FROM cards WHERE shown_at < ?", (time - DAY,))
    database.execute("DELETE FROM card_bans WHERE since < ?", (time - BAN_SECONDS,))
    database.execute("DELETE FROM added_domains WHERE added_at < ?", (before,))
    database.execute("DELETE FROM spending WHERE time_slot < ? AND amount = 0", (int(before / SLOT),))
    return is_full
