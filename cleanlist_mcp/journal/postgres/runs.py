"""Runs and quotes in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from cleanlist_mcp.journal.postgres.look import Look
from cleanlist_mcp.journal.postgres.schema import AMOUNT
from cleanlist_mcp.journal.quoted_parts import part_of, written_part
from cleanlist_mcp.journal.records import COLUMNS, Row
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.limits import DAY, HOUR, Spent
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote

MOST_RUNS = 200
"""Runs over one list whose rows are looked at: with one a day, more than 30 days have."""

_QUOTE_COLUMNS = ", ".join(
    (
        *("quote_id", "list_id", "list_name", "scope", "row_count", "cost", "available", "expires_at"),
        *("rows_in_list", "after_run"),
    )
)
_WRITTEN = COLUMNS[1:]
_INSERT = (
    f"INSERT INTO runs ({', '.join(_WRITTEN)}) "  # noqa: S608 - the names are ours
    f"VALUES ({', '.join(f'%({name})s' for name in _WRITTEN)}) RETURNING run_id"
)
_NEWEST = "ORDER BY run_id DESC LIMIT 1"
_SPENT = f"""
SELECT
    COALESCE(SUM(amount) FILTER (WHERE kind <> 'list' AND started_at > %(hour)s AND account = ANY(%(accounts)s)), 0),
    COALESCE(SUM(amount), 0),
    COALESCE(SUM(amount) FILTER (WHERE state IN ('starting', 'uncertain')), 0) + (
        SELECT COALESCE(SUM({AMOUNT}), 0) FROM runs WHERE tenant = ANY(%(tenants)s) AND state = 'running'
    )
FROM (
    SELECT account, kind, state, started_at, {AMOUNT} AS amount FROM runs
    WHERE tenant = ANY(%(tenants)s) AND started_at > %(day)s AND state <> 'refused'
) AS counted
"""  # noqa: S608 - the names are ours


class RunRows(Look):
    """Runs and quotes, read and written inside what the store has begun."""

    async def quote(self, accounts: Sequence[str], quote_id: str) -> Quote | None:
        row = await self._one(
            f"SELECT {_QUOTE_COLUMNS}, part FROM quotes WHERE account = ANY(%s) AND quote_id = %s LIMIT 1",  # noqa: S608
            (list(accounts), quote_id),
        )
        return None if row is None else replace(Quote(*row[:-1]), part=part_of(row[-1]))

    async def keep_quote(self, account: str, quote: Quote) -> None:
        names = [name.strip() for name in _QUOTE_COLUMNS.split(",")]
        values = {name: getattr(quote, name) for name in names}
        values |= {"account": account, "part": written_part(quote)}
        await self._do(
            f"INSERT INTO quotes ({', '.join(values)}) VALUES ({', '.join(f'%({name})s' for name in values)}) "  # noqa: S608
            "ON CONFLICT (account, quote_id) DO UPDATE SET "
            + ", ".join(
                f"{name} = excluded.{name}" for name in values if name not in ("account", "quote_id")
            ),
            values,
        )

    async def run(self, run_id: int) -> Row | None:
        return await self._run("runs WHERE run_id = %s AND state <> 'refused'", (run_id,))

    async def run_of_claim(self, claim: str) -> Row | None:
        return await self._run("runs WHERE claim = %s AND state <> 'refused'", (claim,))

    async def run_of_quote(self, accounts: Sequence[str], quote_id: str) -> Row | None:
        return await self._run(
            f"runs WHERE account = ANY(%s) AND quote_id = %s AND state <> 'refused' {_NEWEST}",
            (list(accounts), quote_id),
        )

    async def run_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> Row | None:
        return await self._run(
            f"runs WHERE tenant = ANY(%s) AND workflow_id = %s AND state <> 'refused' {_NEWEST}",
            (list(tenants), workflow_id),
        )

    async def newest_runs(self, accounts: Sequence[str], limit: int) -> list[Row]:
        return await self._runs(
            "runs WHERE account = ANY(%s) AND state <> 'refused' ORDER BY run_id DESC LIMIT %s",
            (list(accounts), limit),
        )

    async def newest_of_list(self, tenants: Sequence[str], list_id: str) -> Row | None:
        return await self._run(
            f"runs WHERE kind = 'list' AND tenant = ANY(%s) AND list_id = %s AND state <> 'refused' {_NEWEST}",
            (list(tenants), list_id),
        )

    async def work_on_list(self, tenants: Sequence[str], list_id: str, scope: Scope) -> list[Row]:
        of_work = (
            "kind = 'list' AND tenant = ANY(%(tenants)s) AND list_id = %(list_id)s AND scope = %(scope)s"
        )
        return await self._runs(
            f"runs WHERE {of_work} AND (state IN ('starting', 'running') OR run_id = ("  # noqa: S608 - ours
            f"SELECT MAX(run_id) FROM runs WHERE {of_work} AND state <> 'refused')) ORDER BY run_id DESC",
            {"tenants": list(tenants), "list_id": list_id, "scope": scope},
        )

    async def newest_into(self, accounts: Sequence[str], list_name: str) -> Row | None:
        return await self._run(
            "runs WHERE account = ANY(%s) AND list_name = %s AND kind = 'person' AND list_id <> '' "
            f"AND state <> 'refused' {_NEWEST}",
            (list(accounts), list_name),
        )

    async def runs_with(self, wanted: Mapping[str, Collection[str]]) -> list[Row]:
        pairs = [(context, token) for context, tokens in wanted.items() for token in tokens]
        return await self._runs(
            "runs WHERE run_id IN (SELECT run_id FROM identifiers JOIN UNNEST(%s::text[], %s::text[]) "
            "AS asked (context, token) USING (context, token)) AND state <> 'refused' ORDER BY run_id DESC",
            ([context for context, _ in pairs], [token for _, token in pairs]),
        )

    async def is_first_of_key(self, tenants: Sequence[str], accounts: Sequence[str]) -> bool:
        row = await self._one(
            "SELECT NOT EXISTS (SELECT 1 FROM runs WHERE account = ANY(%s) AND state <> 'refused') "
            "AND EXISTS (SELECT 1 FROM runs WHERE tenant = ANY(%s) AND state <> 'refused')",
            (list(accounts), list(tenants)),
        )
        return row is not None and bool(row[0])

    async def spent(self, whose: Whose) -> Spent:
        row = await self._one(
            _SPENT,
            {
                "tenants": list(whose.tenants or ()),
                "accounts": list(whose.accounts),
                "hour": self.now.time - HOUR,
                "day": self.now.time - DAY,
            },
        )
        return Spent(*map(int, row or (0, 0, 0)))

    async def add_run(self, row: Row) -> int:
        found = await self._one(_INSERT, row)
        assert found is not None  # noqa: S101 - a row was inserted
        return int(found[0])

    async def change_run(self, before: Row, row: Row) -> None:
        changed = [name for name in COLUMNS if row[name] != before[name]]
        if changed:
            await self._do(
                f"UPDATE runs SET {', '.join(f'{name} = %({name})s' for name in changed)} "  # noqa: S608 - ours
                "WHERE run_id = %(run_id)s",
                row,
            )

    async def identify(self, run_id: int, context: str, tokens: Collection[str]) -> None:
        await self._do(
            "INSERT INTO identifiers SELECT %s, UNNEST(%s::text[]), %s ON CONFLICT DO NOTHING",
            (context, sorted(tokens), run_id),
        )

    async def any_run(self, run_id: int) -> Row | None:
        # Held until the end of the transaction: two outcomes of one run follow one another.
        return await self._run("runs WHERE run_id = %s FOR UPDATE", (run_id,))

    async def any_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> list[Row]:
        return await self._runs(
            "runs WHERE tenant = ANY(%s) AND workflow_id = %s ORDER BY run_id FOR UPDATE",
            (list(tenants), workflow_id),
        )

    async def leads_of_run(self, run_id: int) -> tuple[str, ...] | None:
        row = await self._one("SELECT lead_ids FROM run_leads WHERE run_id = %s", (run_id,))
        return None if row is None else tuple(json.loads(row[0]))

    async def leads_tried(self, tenants: Sequence[str], list_id: str) -> list[tuple[Row, tuple[str, ...]]]:
        found = await self._all(
            f"SELECT {', '.join(f'runs.{name}' for name in COLUMNS)}, lead_ids "  # noqa: S608 - ours
            "FROM runs JOIN run_leads USING (run_id) WHERE kind = 'list' AND tenant = ANY(%s) AND list_id = %s "
            "AND state <> 'refused' ORDER BY run_id DESC LIMIT %s",
            (list(tenants), list_id, MOST_RUNS),
        )
        return [(dict(zip(COLUMNS, row[:-1], strict=True)), tuple(json.loads(row[-1]))) for row in found]

    async def keep_leads(self, run_id: int, lead_ids: Sequence[str]) -> None:
        await self._do(
            "INSERT INTO run_leads VALUES (%s, %s) ON CONFLICT (run_id) DO UPDATE SET lead_ids = excluded.lead_ids",
            (run_id, json.dumps(list(lead_ids))),
        )
