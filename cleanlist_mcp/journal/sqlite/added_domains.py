"""The employers' domains of people who were added to lists, in SQL."""

from collections.abc import Collection, Sequence

from cleanlist_mcp.journal.sqlite.look import Look

STATEMENTS = (
    """
    CREATE TABLE added_domains (
        list_id TEXT NOT NULL, domain TEXT NOT NULL, person TEXT NOT NULL, added_at REAL NOT NULL,
        PRIMARY KEY (list_id, domain, person)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX added_domains_by_time ON added_domains (added_at)",
)
"""The table of domains; a row is a person, by digest, who was added with a domain, by digest."""


class AddedDomains(Look):
    """Domains of added people, read and written inside what the store has begun."""

    async def domains_in(self, places: Sequence[str]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for place in places:
            found += self._database.execute(
                "SELECT domain, person FROM added_domains WHERE list_id = ?", (place,)
            )
        return found

    async def keep_domains(self, place: str, given: Collection[tuple[str, str]]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO added_domains VALUES (?, ?, ?, ?)",
            ((place, domain, person, self.now.time) for domain, person in given),
        )
