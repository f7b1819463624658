"""Rows of lists in SQL: those that were picked for a run, or that it still missed at its end. Ids only."""

import json
import sqlite3
from collections.abc import Sequence
from itertools import chain

from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import as_written, checksum

MOST_RUNS = 200
"""Runs over one list whose rows are looked at: with one a day, more than 30 days have."""

_COLUMNS = ", ".join(f"runs.{name}" for name in COLUMNS)


class RunLeads(Look):
    """Rows of list runs, read and written inside what the store has begun."""

    async def leads_of_run(self, run_id: int) -> tuple[str, ...] | None:
        found = self._database.execute(
            "SELECT lead_ids, checksum FROM run_leads WHERE run_id = ?", (run_id,)
        ).fetchone()
        return None if found is None else self._as_written(run_id, *found)

    async def leads_tried(self, tenants: Sequence[str], list_id: str) -> list[tuple[Row, tuple[str, ...]]]:
        known = []
        for *values, lead_ids, written in chain(*(self._tried(tenant, list_id) for tenant in tenants)):
            row = as_written(values, self._key, self.now.time)
            ids = self._as_written(row["run_id"], lead_ids, written)
            known += [] if ids is None else [(row, ids)]
        return sorted(known, key=lambda one: int(one[0]["run_id"]), reverse=True)

    def _tried(self, tenant: str, list_id: str) -> sqlite3.Cursor:
        return self._database.execute(
            f"SELECT {_COLUMNS}, runs.checksum, run_leads.lead_ids, run_leads.checksum "  # noqa: S608 - ours
            "FROM runs INDEXED BY runs_by_list CROSS JOIN run_leads ON run_leads.run_id = runs.run_id "
            "WHERE kind = 'list' AND tenant = ? AND list_id = ? AND state <> 'refused' "
            "ORDER BY runs.run_id DESC LIMIT ?",
            (tenant, list_id, MOST_RUNS),
        )

    async def keep_leads(self, run_id: int, lead_ids: Sequence[str]) -> None:
        text = json.dumps(list(lead_ids))
        self._database.execute(
            "INSERT OR REPLACE INTO run_leads VALUES (?, ?, ?)",
            (run_id, text, checksum(self._key, [run_id, text])),
        )

    def _as_written(self, run_id: int, text: str, written: str) -> tuple[str, ...] | None:
        """Return the ids as they were written; None if their checksum does not fit."""
        return tuple(json.loads(text)) if checksum(self._key, [run_id, text]) == written else None
