"""One look at the database, at one moment."""

from collections.abc import Mapping, Sequence
from typing import Any

from cleanlist_mcp.journal.postgres.connections import Connection
from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.money.runs import Moment

_COLUMNS = ", ".join(f"runs.{name}" for name in COLUMNS)

Values = Sequence[Any] | Mapping[str, Any]


class Look:
    """The parts of every look at the database."""

    def __init__(self, connection: Connection, now: Moment) -> None:
        self.now = now
        self._connection = connection

    async def _all(self, statement: str, values: Values = ()) -> list[Sequence[Any]]:
        cursor = await self._connection.execute(statement, values)
        return await cursor.fetchall()

    async def _one(self, statement: str, values: Values = ()) -> Sequence[Any] | None:
        return next(iter(await self._all(statement, values)), None)

    async def _do(self, statement: str, values: Values = ()) -> int:
        """Change rows and return their number."""
        return (await self._connection.execute(statement, values)).rowcount

    async def _runs(self, where: str, values: Values = ()) -> list[Row]:
        found = await self._all(f"SELECT {_COLUMNS} FROM {where}", values)  # noqa: S608 - the names are ours
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]

    async def _run(self, where: str, values: Values = ()) -> Row | None:
        return next(iter(await self._runs(where, values)), None)
