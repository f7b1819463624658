"""The results of company lookups, in SQL."""

from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import checksum

STATEMENTS = (
    "CREATE TABLE companies (run_id INTEGER PRIMARY KEY, found TEXT NOT NULL, kept_at REAL NOT NULL, "
    "checksum TEXT NOT NULL)",
    "CREATE INDEX companies_by_time ON companies (kept_at)",
)
"""The table of companies."""


class CompanyRows(Look):
    """The results of company lookups, read and written inside what the store has begun."""

    async def company(self, run_id: int) -> str | None:
        row = self._database.execute(
            "SELECT found, checksum FROM companies WHERE run_id = ?", (run_id,)
        ).fetchone()
        if row is None or checksum(self._key, [run_id, row[0]]) != row[1]:
            return None
        found: str = row[0]
        return found

    async def keep_company(self, run_id: int, found: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO companies VALUES (?, ?, ?, ?)",
            (run_id, found, self.now.time, checksum(self._key, [run_id, found])),
        )
