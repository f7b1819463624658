"""Quotes that cards have shown and clients that are banned, in SQL."""

from collections.abc import Sequence

from cleanlist_mcp.journal.port import CardBan
from cleanlist_mcp.journal.sqlite.look import Look

STATEMENTS = (
    """
    CREATE TABLE cards (
        account TEXT NOT NULL, quote_id TEXT NOT NULL, shown_at REAL NOT NULL, PRIMARY KEY (account, quote_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX cards_by_time ON cards (shown_at)",
    """
    CREATE TABLE card_bans (
        account TEXT NOT NULL, client TEXT NOT NULL, since REAL NOT NULL, PRIMARY KEY (account, client)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX card_bans_by_time ON card_bans (since)",
)
"""The tables of cards."""


class CardRows(Look):
    """Cards, read and written inside what the store has begun."""

    async def has_card(self, accounts: Sequence[str], quote_id: str) -> bool:
        statement = "SELECT 1 FROM cards WHERE account = ? AND quote_id = ?"
        return any(self._database.execute(statement, (one, quote_id)).fetchone() for one in accounts)

    async def card_ban(self, accounts: Sequence[str], client: str) -> float | None:
        statement = "SELECT since FROM card_bans WHERE account = ? AND client = ?"
        found = (self._database.execute(statement, (one, client)).fetchone() for one in accounts)
        return max((float(row[0]) for row in found if row is not None), default=None)

    async def card_bans(self) -> list[CardBan]:
        rows = self._database.execute(
            "SELECT client, since FROM card_bans INDEXED BY card_bans_by_time ORDER BY since DESC"
        )
        return [CardBan(client, since) for client, since in rows]

    async def keep_card(self, account: str, quote_id: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO cards VALUES (?, ?, ?)", (account, quote_id, self.now.time)
        )

    async def ban_card(self, account: str, client: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO card_bans VALUES (?, ?, ?)", (account, client, self.now.time)
        )

    async def lift_card_bans(self) -> int:
        return self._database.execute("DELETE FROM card_bans").rowcount
