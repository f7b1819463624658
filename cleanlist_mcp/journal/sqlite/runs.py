"""Runs and quotes in SQL. Each statement names the index in whose order it reads."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cleanlist_mcp.journal.quoted_parts import written_part
from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.rows import (
    as_written,
    quote_as_written,
    quote_checksum,
    run_checksum,
)
from cleanlist_mcp.journal.sqlite.spending import spent
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.limits import Spent
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote

_COLUMNS = ", ".join(COLUMNS)
_QUOTE_COLUMNS = ", ".join(
    (
        *("quote_id", "list_id", "list_name", "scope", "row_count", "cost", "available", "expires_at"),
        *("rows_in_list", "after_run", "part"),
    )
)
_INSERT = f"INSERT INTO runs ({_COLUMNS}, checksum) VALUES ({', '.join('?' * len(COLUMNS))}, ?)"  # noqa: S608 - ours


class RunRows(Look):
    """Runs and quotes, read and written inside what the store has begun."""

    async def quote(self, accounts: Sequence[str], quote_id: str) -> Quote | None:
        for account in accounts:
            row = self._database.execute(
                f"SELECT {_QUOTE_COLUMNS}, checksum "  # noqa: S608 - ours
                "FROM quotes INDEXED BY one_quote WHERE account = ? AND quote_id = ?",
                (account, quote_id),
            ).fetchone()
            if row is not None:
                return quote_as_written(row, self._key, account)
        return None

    async def keep_quote(self, account: str, quote: Quote) -> None:
        values = (
            *(account, quote.quote_id, quote.list_id, quote.list_name, quote.scope, quote.row_count),
            *(quote.cost, quote.available, quote.expires_at, quote.rows_in_list, quote.after_run),
            *(written_part(quote), quote_checksum(self._key, account, quote)),
        )
        self._database.execute("INSERT OR REPLACE INTO quotes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", values)

    async def run(self, run_id: int) -> Row | None:
        return self._one("runs WHERE run_id = ? AND state <> 'refused'", run_id)

    async def run_of_claim(self, claim: str) -> Row | None:
        return self._one("runs INDEXED BY one_run_per_claim WHERE claim = ? AND state <> 'refused'", claim)

    async def run_of_quote(self, accounts: Sequence[str], quote_id: str) -> Row | None:
        return self._newest(
            "runs INDEXED BY one_run_per_quote WHERE account = ? AND quote_id = ? AND state <> 'refused'",
            [(account, quote_id) for account in accounts],
        )

    async def run_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> Row | None:
        return self._newest(
            "runs INDEXED BY runs_by_workflow WHERE tenant = ? AND workflow_id = ? AND state <> 'refused' "
            "ORDER BY run_id DESC LIMIT 1",
            [(tenant, workflow_id) for tenant in tenants],
        )

    async def newest_runs(self, accounts: Sequence[str], limit: int) -> list[Row]:
        found = self._each(
            "runs INDEXED BY runs_by_account WHERE account = ? AND state <> 'refused' "
            "ORDER BY run_id DESC LIMIT ?",
            [(account, limit) for account in accounts],
        )
        return found[:limit]

    async def newest_of_list(self, tenants: Sequence[str], list_id: str) -> Row | None:
        return self._newest(
            "runs INDEXED BY runs_by_list WHERE kind = 'list' AND tenant = ? AND list_id = ? "
            "AND state <> 'refused' ORDER BY run_id DESC LIMIT 1",
            [(tenant, list_id) for tenant in tenants],
        )

    async def work_on_list(self, tenants: Sequence[str], list_id: str, scope: Scope) -> list[Row]:
        places = [(tenant, list_id, scope) for tenant in tenants]
        newest = self._each(
            "runs INDEXED BY runs_by_work WHERE kind = 'list' AND tenant = ? AND list_id = ? AND scope = ? "
            "AND state <> 'refused' ORDER BY run_id DESC LIMIT 1",
            places,
        )
        going_on = self._each(
            "runs INDEXED BY work_going_on WHERE kind = 'list' AND tenant = ? AND list_id = ? AND scope = ? "
            "AND state IN ('starting', 'running') ORDER BY run_id DESC",
            places,
        )
        known = {row["run_id"] for row in newest}
        return [*newest, *(row for row in going_on if row["run_id"] not in known)]

    async def newest_into(self, accounts: Sequence[str], list_name: str) -> Row | None:
        return self._newest(
            "runs INDEXED BY runs_by_list_name WHERE account = ? AND list_name = ? AND kind = 'person' "
            "AND list_id <> '' AND state <> 'refused' ORDER BY run_id DESC LIMIT 1",
            [(account, list_name) for account in accounts],
        )

    async def runs_with(self, wanted: Mapping[str, Collection[str]]) -> list[Row]:
        return self._each(
            "runs WHERE run_id IN (SELECT run_id FROM identifiers WHERE context = ? "
            "AND token IN (SELECT value FROM json_each(?))) AND state <> 'refused'",
            [(context, json.dumps(sorted(tokens))) for context, tokens in wanted.items()],
        )

    async def is_first_of_key(self, tenants: Sequence[str], accounts: Sequence[str]) -> bool:
        of_key = self._any("runs_by_account WHERE account = ?", accounts)
        return not of_key and self._any("runs_by_workflow WHERE tenant = ?", tenants)

    async def spent(self, whose: Whose) -> Spent:
        return spent(self._database, self.now, whose)

    async def add_run(self, row: Row) -> int:
        values = [row[name] for name in COLUMNS]
        number = self._database.execute(_INSERT, (*values, run_checksum(self._key, row))).lastrowid
        assert number is not None  # noqa: S101 - a row was inserted
        self.newest = number, row["claim"]
        return number

    async def change_run(self, before: Row, row: Row) -> None:
        # Only what is different: a column that is written costs a write in each of its indexes.
        changed = {name: row[name] for name in COLUMNS if row[name] != before[name]}
        changed["checksum"] = run_checksum(self._key, row)
        self._database.execute(
            f"UPDATE runs SET {', '.join(f'{name} = ?' for name in changed)} WHERE run_id = ?",  # noqa: S608 - ours
            (*changed.values(), row["run_id"]),
        )

    async def identify(self, run_id: int, context: str, tokens: Collection[str]) -> None:
        self._database.executemany(
            "INSERT OR IGNORE INTO identifiers (context, token, run_id) VALUES (?, ?, ?)",
            [(context, token, run_id) for token in sorted(tokens)],
        )

    async def any_run(self, run_id: int) -> Row | None:
        return self._one("runs WHERE run_id = ?", run_id)

    async def any_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> list[Row]:
        return self._each(
            "runs INDEXED BY runs_by_workflow WHERE tenant = ? AND workflow_id = ?",
            [(tenant, workflow_id) for tenant in tenants],
        )

    def _any(self, where: str, names: Sequence[str]) -> bool:
        statement = f"SELECT 1 FROM runs INDEXED BY {where} AND state <> 'refused' LIMIT 1"  # noqa: S608 - ours
        return any(self._database.execute(statement, (name,)).fetchone() is not None for name in names)

    def _newest(self, where: str, each: Sequence[tuple[Any, ...]]) -> Row | None:
        return next(iter(self._each(where, each)), None)

    def _each(self, where: str, each: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Return the rows for each of these values, the newest first: in one statement SQL would sort them."""
        found = [row for values in each for row in self._all(where, *values)]
        return sorted(found, key=lambda row: int(row["run_id"]), reverse=True)

    def _one(self, where: str, *values: Any) -> Row | None:
        return next(iter(self._all(where, *values)), None)

    def _all(self, where: str, *values: Any) -> list[Row]:
        found = self._database.execute(f"SELECT {_COLUMNS}, checksum FROM {where}", values)  # noqa: S608 - ours
        return [as_written(columns, self._key, self.now.time) for columns in found]
