"""Entries past their time, dropped in batches, by one process at a time."""

from cleanlist_mcp.journal.postgres.look import Look
from cleanlist_mcp.journal.records import BAN_SECONDS, KEEP_SECONDS
from cleanlist_mcp.money.limits import DAY

BATCH = 1000
"""Entries of each kind that are dropped at once."""

_OLD = (
    ("runs", "started_at", KEEP_SECONDS),
    ("imports", "last_time", KEEP_SECONDS),
    ("searches", "made_at", DAY),
    ("quotes", "expires_at", DAY),
    ("companies", "kept_at", DAY),
    ("cards", "shown_at", DAY),
    ("card_bans", "since", BAN_SECONDS),
    ("added_domains", "added_at", KEEP_SECONDS),
)
_PARTS = (
    ("runs", "run_id", ("identifiers", "run_leads")),
    ("imports", "import_id", ("import_people",)),
    ("searches", "search_id", ("search_pages",)),
)


class Forgetting(Look):
    """Drops entries past their time, unfinished ones too: a run that old is not going on any more."""

    async def forget_old(self) -> bool:
        """Drop a batch of what is old, once a second look, a day after the first, agrees: a clock may have been ahead.

        Returns whether there may be more of it.
        """
        row = await self._one("SELECT old_seen_at FROM forgetting FOR UPDATE")
        first = None if row is None else float(row[0])
        if first is not None and self.now.time - first >= DAY:
            if await self._drop(first):
                return True
            first = None
        if first is None or first > self.now.time:
            await self._do("DELETE FROM forgetting")
            if await self._has_old():
                await self._do("INSERT INTO forgetting VALUES (%s)", (self.now.time,))
        return False

    async def _has_old(self) -> bool:
        for table, column, keep in _OLD:
            found = await self._one(
                f"SELECT 1 FROM {table} WHERE {column} < %s LIMIT 1",  # noqa: S608 - ours
                (self.now.time - keep,),
            )
            if found is not None:
                return True
        return False

    async def _drop(self, time: float) -> bool:
        """Drop a batch of each kind, and return whether one was full."""
        is_full = False
        parts = {table: (number, of_it) for table, number, of_it in _PARTS}
        for table, column, keep in _OLD:
            number, of_it = parts.get(table, ("ctid", ()))
            dropped = await self._all(
                f"DELETE FROM {table} WHERE {number} IN "  # noqa: S608 - the names are ours
                f"(SELECT {number} FROM {table} WHERE {column} < %s LIMIT {BATCH}) RETURNING {number}",
                (time - keep,),
            )
            is_full = is_full or len(dropped) == BATCH
            for part in of_it:
                await self._do(
                    f"DELETE FROM {part} WHERE {number} = ANY(%s)",  # noqa: S608 - the names are ours
                    ([row[0] for row in dropped],),
                )
        return is_full
