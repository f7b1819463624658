"""Searches in SQL."""

import json
from collections.abc import Sequence
from typing import Any

from cleanlist_mcp.journal.records_found import Search, ShownPage
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import checksum
from cleanlist_mcp.money.runs import Moment

STATEMENTS = (
    """
    CREATE TABLE searches (
        account TEXT NOT NULL, search_id TEXT NOT NULL, kind TEXT NOT NULL, filters TEXT NOT NULL,
        made_at REAL NOT NULL, boot TEXT NOT NULL, ticks REAL NOT NULL, checksum TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE search_pages (
        search_id TEXT NOT NULL, place INTEGER NOT NULL, task_id TEXT NOT NULL, cursor TEXT NOT NULL,
        page_limit INTEGER NOT NULL, total INTEGER, shown TEXT NOT NULL, checksum TEXT NOT NULL,
        PRIMARY KEY (search_id, place)
    ) WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX one_search ON searches (account, search_id)",
    "CREATE INDEX searches_by_time ON searches (made_at)",
)
"""The tables of searches."""


class SearchRows(Look):
    """Searches, read and written inside what the store has begun."""

    async def search(self, accounts: Sequence[str], search_id: str) -> Search | None:
        found = (self._search(account, search_id) for account in accounts)
        return next((search for search in found if search is not None), None)

    def _search(self, account: str, search_id: str) -> Search | None:
        row = self._database.execute(
            "SELECT kind, filters, made_at, boot, ticks, checksum FROM searches INDEXED BY one_search "
            "WHERE account = ? AND search_id = ?",
            (account, search_id),
        ).fetchone()
        if row is None or self._checksum(account, search_id, *row[:-1]) != row[-1]:
            return None
        pages = self._database.execute(
            "SELECT place, task_id, cursor, page_limit, total, shown, checksum FROM search_pages WHERE search_id = ? "
            "ORDER BY place",
            (search_id,),
        ).fetchall()
        if any(self._checksum(search_id, *page[:-1]) != page[-1] for page in pages):
            return None
        kind, filters, made_at, boot, ticks, _ = row
        return Search(
            search_id,
            kind,
            json.loads(filters),
            Moment(made_at, boot, ticks),
            tuple(_page(*page[1:-1]) for page in pages),
        )

    async def keep_search(self, account: str, search: Search) -> None:
        made = search.made
        values = (search.kind, json.dumps(search.filters), made.time, made.boot, made.ticks)
        self._database.execute(
            "INSERT INTO searches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (account, search.search_id, *values, self._checksum(account, search.search_id, *values)),
        )

    async def keep_page(self, search_id: str, page: ShownPage) -> None:
        place = self._database.execute(
            "SELECT COALESCE(MAX(place), -1) + 1 FROM search_pages WHERE search_id = ?", (search_id,)
        ).fetchone()[0]
        values = (place, page.task_id, page.cursor, page.limit, page.total, json.dumps(page.rows))
        self._database.execute(
            "INSERT INTO search_pages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (search_id, *values, self._checksum(search_id, *values)),
        )

    def _checksum(self, *values: Any) -> str:
        return checksum(self._key, list(values))


def _page(task_id: str, cursor: str, limit: int, total: int | None, shown: str) -> ShownPage:
    rows = tuple((entity, digest) for entity, digest in json.loads(shown))
    return ShownPage(task_id, cursor, limit, total, rows)
