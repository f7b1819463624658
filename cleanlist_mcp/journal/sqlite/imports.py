"""Imports and their people in SQL."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from cleanlist_mcp.journal.port import ImportRow, Member, Sent
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.money.runs import Moment

_SELECT = """
SELECT import_id, key, people, attempt, rows_imported, digests,
    (SELECT COUNT(*) FROM import_people WHERE import_id = imports.import_id),
    first_time, first_steady, last_time, last_steady, settle
FROM imports"""

# Of an import that the API took as a whole, only the people who are asked for matter.
_ALL_MEMBERS = """
SELECT import_id, place, alias, digest, doubtful
FROM imports INDEXED BY imports_by_list JOIN import_people USING (import_id)
WHERE list_id = ? AND (rows_imported IS NULL OR rows_imported < people)"""
_SOME_MEMBERS = """
SELECT import_id, place, alias, digest, doubtful
FROM json_each(?) CROSS JOIN import_people INDEXED BY imports_by_person ON digest = value
CROSS JOIN imports USING (import_id)
WHERE list_id = ? AND rows_imported IS NOT NULL AND rows_imported >= people"""


class ImportRows(Look):
    """Imports and their people, read and written inside what the store has begun."""

    async def imports_into(
        self, places: Sequence[str], digests: Collection[str]
    ) -> tuple[list[ImportRow], list[Member]]:
        wanted = json.dumps(sorted(set(digests)))
        rows: list[Any] = []
        members: list[Any] = []
        # One view of both tables: between two, another process may add or remove an import with its people.
        self._database.execute("SAVEPOINT looking")
        try:
            for place in places:
                rows += self._database.execute(
                    f"{_SELECT} INDEXED BY imports_by_list WHERE list_id = ? ORDER BY import_id", (place,)
                )
                members += self._database.execute(_ALL_MEMBERS, (place,))
                members += self._database.execute(_SOME_MEMBERS, (wanted, place))
        finally:
            self._database.execute("RELEASE looking")
        return [_import_row(*row) for row in sorted(rows)], [_member(*row) for row in sorted(members)]

    async def import_of(self, key: str) -> ImportRow | None:
        row = self._database.execute(f"{_SELECT} INDEXED BY one_import WHERE key = ?", (key,)).fetchone()
        return None if row is None else _import_row(*row)

    async def members_of(self, import_id: int) -> list[Member]:
        found = self._database.execute(
            "SELECT import_id, place, alias, digest, doubtful FROM import_people WHERE import_id = ? "
            "ORDER BY place, alias",
            (import_id,),
        )
        return [_member(*row) for row in found]

    async def is_taken(self, places: Sequence[str], digests: Collection[str], besides: int | None) -> bool:
        found = self._database.execute(
            "SELECT 1 FROM json_each(?) CROSS JOIN import_people INDEXED BY imports_by_person ON digest = value "
            "CROSS JOIN imports USING (import_id) WHERE list_id IN (SELECT value FROM json_each(?)) "
            "AND import_id IS NOT ? AND (rows_imported IS NULL OR NOT doubtful) LIMIT 1",
            (json.dumps(sorted(set(digests))), json.dumps(list(places)), besides),
        )
        return found.fetchone() is not None

    async def add_import(self, key: str, place: str, people: Sequence[Sequence[str]], settle: float) -> int:
        clocks = (self.now.time, self.now.ticks)
        number = self._database.execute(
            "INSERT INTO imports (key, list_id, people, digests, attempt, first_time, first_steady, last_time, "
            "last_steady, settle) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
            (key, place, len(people), sum(map(len, people)), *clocks, *clocks, settle),
        ).lastrowid
        assert number is not None  # noqa: S101 - a row was inserted
        self._write_people(number, people)
        return number

    async def repeat_import(self, import_id: int, people: Sequence[Sequence[str]], settle: float) -> None:
        self._database.execute(
            "UPDATE imports SET people = ?, digests = ?, attempt = attempt + 1, last_time = ?, last_steady = ?, "
            "settle = ? WHERE import_id = ?",
            (len(people), sum(map(len, people)), self.now.time, self.now.ticks, settle, import_id),
        )
        self._database.execute("DELETE FROM import_people WHERE import_id = ?", (import_id,))
        self._write_people(import_id, people)

    async def answer_import(self, key: str, rows_imported: int, doubtful: Collection[str]) -> None:
        self._database.execute(
            "UPDATE import_people SET doubtful = 1 WHERE digest IN (SELECT value FROM json_each(?)) "
            "AND import_id = (SELECT import_id FROM imports WHERE key = ? AND rows_imported IS NULL)",
            (json.dumps(list(doubtful)), key),
        )
        self._database.execute(
            "UPDATE imports SET rows_imported = ? WHERE key = ? AND rows_imported IS NULL",
            (rows_imported, key),
        )

    async def withdraw_import(self, import_id: int, attempt: int, before: Moment | None) -> None:
        own = "import_id = ? AND attempt = ? AND rows_imported IS NULL"
        if before is not None:
            self._database.execute(
                f"UPDATE imports SET last_time = ?, last_steady = ? WHERE {own}",  # noqa: S608 - ours
                (before.time, before.ticks, import_id, attempt),
            )
        elif self._database.execute(f"DELETE FROM imports WHERE {own}", (import_id, attempt)).rowcount:  # noqa: S608
            self._database.execute("DELETE FROM import_people WHERE import_id = ?", (import_id,))

    async def take_out_people(self, places: Sequence[str], digests: Collection[str]) -> None:
        found = self._database.execute(
            "SELECT import_id, place FROM json_each(?) "
            "CROSS JOIN import_people INDEXED BY imports_by_person ON digest = value "
            "CROSS JOIN imports USING (import_id) WHERE list_id IN (SELECT value FROM json_each(?)) "
            "AND rows_imported IS NOT NULL",
            (json.dumps(sorted(set(digests))), json.dumps(list(places))),
        )
        for import_id, place in set(found):
            own = (import_id, place)
            gone = self._database.execute("DELETE FROM import_people WHERE import_id = ? AND place = ?", own)
            self._database.execute(
                "UPDATE imports SET people = people - 1, digests = digests - ?, "
                "rows_imported = MAX(rows_imported - 1, 0) WHERE import_id = ?",
                (gone.rowcount, import_id),
            )

    def _write_people(self, import_id: int, people: Sequence[Sequence[str]]) -> None:
        self._database.executemany(
            "INSERT INTO import_people (import_id, place, alias, digest) VALUES (?, ?, ?, ?)",
            (
                (import_id, place, alias, digest)
                for place, digests in enumerate(people)
                for alias, digest in enumerate(digests)
            ),
        )


def _import_row(
    import_id: int,
    key: str,
    size: int,
    attempt: int,
    rows_imported: Any,
    digests: Any,
    kept: int,
    *times: Any,
) -> ImportRow:
    is_answer = isinstance(rows_imported, int)
    return ImportRow(
        import_id=import_id,
        key=key,
        size=size,
        attempt=attempt,
        rows_imported=rows_imported if is_answer else None if rows_imported is None else 0,
        readable=(rows_imported is None or is_answer) and digests == kept,
        sent=_sent(times),
    )


def _sent(times: Sequence[Any]) -> Sent | None:
    if not all(isinstance(value, int | float) for value in times):
        return None
    first_time, first_steady, last_time, last_steady, settle = times
    # Kept without the name of the machine's start: whoever sees the steady clock go back knows of a restart.
    return Sent(Moment(first_time, "", first_steady), Moment(last_time, "", last_steady), settle)


def _member(import_id: int, place: int, alias: int, digest: str, doubtful: int) -> Member:
    return Member(import_id, place, alias, digest, bool(doubtful))
