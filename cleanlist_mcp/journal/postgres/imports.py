"""Imports, their people and the domains of those, in SQL."""

from collections.abc import Collection, Sequence

from cleanlist_mcp.journal.port import ImportRow, Member, Sent
from cleanlist_mcp.journal.postgres.look import Look
from cleanlist_mcp.money.runs import Moment

_SELECT = "SELECT import_id, key, people, attempt, rows_imported, first_time, last_time, settle FROM imports"
_MEMBERS = "SELECT import_id, import_people.place, alias, digest, doubtful FROM import_people"


class ImportRows(Look):
    """Imports and their people, read and written inside what the store has begun."""

    async def imports_into(
        self, places: Sequence[str], digests: Collection[str]
    ) -> tuple[list[ImportRow], list[Member]]:
        rows = await self._all(f"{_SELECT} WHERE place = ANY(%s) ORDER BY import_id", (list(places),))
        # Of an import that the API took as a whole, only the people who are asked for matter.
        members = await self._all(
            f"{_MEMBERS} JOIN imports USING (import_id) WHERE imports.place = ANY(%s) "
            "AND (rows_imported IS NULL OR rows_imported < people OR digest = ANY(%s)) "
            "ORDER BY import_id, import_people.place, alias",
            (list(places), list(digests)),
        )
        return [_import_row(*row) for row in rows], [Member(*row) for row in members]

    async def import_of(self, key: str) -> ImportRow | None:
        row = await self._one(f"{_SELECT} WHERE key = %s", (key,))
        return None if row is None else _import_row(*row)

    async def members_of(self, import_id: int) -> list[Member]:
        found = await self._all(f"{_MEMBERS} WHERE import_id = %s ORDER BY place, alias", (import_id,))
        return [Member(*row) for row in found]

    async def is_taken(self, places: Sequence[str], digests: Collection[str], besides: int | None) -> bool:
        found = await self._one(
            "SELECT 1 FROM import_people JOIN imports USING (import_id) WHERE digest = ANY(%s) "
            "AND imports.place = ANY(%s) AND import_id IS DISTINCT FROM %s "
            "AND (rows_imported IS NULL OR NOT doubtful) LIMIT 1",
            (list(digests), list(places), besides),
        )
        return found is not None

    async def add_import(self, key: str, place: str, people: Sequence[Sequence[str]], settle: float) -> int:
        now = self.now.time
        row = await self._one(
            "INSERT INTO imports (key, place, people, attempt, first_time, last_time, settle) "
            "VALUES (%s, %s, %s, 1, %s, %s, %s) RETURNING import_id",
            (key, place, len(people), now, now, settle),
        )
        assert row is not None  # noqa: S101 - a row was inserted
        await self._write_people(row[0], people)
        return int(row[0])

    async def repeat_import(self, import_id: int, people: Sequence[Sequence[str]], settle: float) -> None:
        await self._do(
            "UPDATE imports SET people = %s, attempt = attempt + 1, last_time = %s, settle = %s WHERE import_id = %s",
            (len(people), self.now.time, settle, import_id),
        )
        await self._do("DELETE FROM import_people WHERE import_id = %s", (import_id,))
        await self._write_people(import_id, people)

    async def answer_import(self, key: str, rows_imported: int, doubtful: Collection[str]) -> None:
        row = await self._one(
            "UPDATE imports SET rows_imported = %s WHERE key = %s AND rows_imported IS NULL RETURNING import_id",
            (rows_imported, key),
        )
        if row is not None:
            await self._do(
                "UPDATE import_people SET doubtful = TRUE WHERE import_id = %s AND digest = ANY(%s)",
                (row[0], list(doubtful)),
            )

    async def withdraw_import(self, import_id: int, attempt: int, before: Moment | None) -> None:
        own = "import_id = %s AND attempt = %s AND rows_imported IS NULL"
        if before is not None:
            await self._do(
                f"UPDATE imports SET last_time = %s WHERE {own}",  # noqa: S608 - the names are ours
                (before.time, import_id, attempt),
            )
        elif await self._do(f"DELETE FROM imports WHERE {own}", (import_id, attempt)):  # noqa: S608
            await self._do("DELETE FROM import_people WHERE import_id = %s", (import_id,))

    async def domains_in(self, places: Sequence[str]) -> list[tuple[str, str]]:
        found = await self._all(
            "SELECT domain, person FROM added_domains WHERE place = ANY(%s)", (list(places),)
        )
        return [(domain, person) for domain, person in found]

    async def keep_domains(self, place: str, given: Collection[tuple[str, str]]) -> None:
        pairs = sorted(set(given))
        await self._do(
            "INSERT INTO added_domains SELECT %s, domain, person, %s "
            "FROM UNNEST(%s::text[], %s::text[]) AS given (domain, person) "
            "ON CONFLICT (place, domain, person) DO UPDATE SET added_at = excluded.added_at",
            (place, self.now.time, [domain for domain, _ in pairs], [person for _, person in pairs]),
        )

    async def take_out_people(self, places: Sequence[str], digests: Collection[str]) -> None:
        await self._do(
            "WITH people AS (SELECT DISTINCT import_id, import_people.place FROM import_people "
            "JOIN imports USING (import_id) WHERE digest = ANY(%s) AND imports.place = ANY(%s) "
            "AND rows_imported IS NOT NULL), "
            "gone AS (DELETE FROM import_people USING people WHERE import_people.import_id = people.import_id "
            "AND import_people.place = people.place), "
            "counts AS (SELECT import_id, COUNT(*) AS persons FROM people GROUP BY import_id) "
            "UPDATE imports SET people = people - persons, rows_imported = GREATEST(rows_imported - persons, 0) "
            "FROM counts WHERE imports.import_id = counts.import_id",
            (list(digests), list(places)),
        )

    async def _write_people(self, import_id: int, people: Sequence[Sequence[str]]) -> None:
        rows = [
            (place, alias, digest)
            for place, digests in enumerate(people)
            for alias, digest in enumerate(digests)
        ]
        await self._do(
            "INSERT INTO import_people (import_id, place, alias, digest) "
            "SELECT %s, * FROM UNNEST(%s::bigint[], %s::bigint[], %s::text[])",
            (import_id, *([row[column] for row in rows] for column in range(3))),
        )


def _import_row(
    import_id: int,
    key: str,
    size: int,
    attempt: int,
    rows_imported: int | None,
    first_time: float,
    last_time: float,
    settle: float,
) -> ImportRow:
    first, last = (Moment(time, "", time) for time in (first_time, last_time))
    return ImportRow(
        import_id=import_id,
        key=key,
        size=size,
        attempt=attempt,
        rows_imported=rows_imported,
        readable=True,
        sent=Sent(first, last, settle),
    )
