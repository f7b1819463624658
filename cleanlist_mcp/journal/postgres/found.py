"""Searches, looked up companies, cards and the tenants of keys, in SQL."""

import json
from collections.abc import Collection, Sequence

from cleanlist_mcp.journal.port import CLAIMED_SECONDS, CardBan, KnownTenant
from cleanlist_mcp.journal.postgres.look import Look
from cleanlist_mcp.journal.records_found import Search, ShownPage
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment


class SearchRows(Look):
    """Searches, read and written inside what the store has begun."""

    async def search(self, accounts: Sequence[str], search_id: str) -> Search | None:
        row = await self._one(
            "SELECT kind, filters, made_at FROM searches WHERE account = ANY(%s) AND search_id = %s",
            (list(accounts), search_id),
        )
        if row is None:
            return None
        kind, filters, made_at = row
        pages = await self._all(
            "SELECT task_id, cursor, page_limit, total, shown FROM search_pages WHERE search_id = %s ORDER BY place",
            (search_id,),
        )
        made = Moment(made_at, self.now.boot, made_at)
        return Search(search_id, kind, json.loads(filters), made, tuple(_page(*page) for page in pages))

    async def keep_search(self, account: str, search: Search) -> None:
        await self._do(
            "INSERT INTO searches VALUES (%s, %s, %s, %s, %s)",
            (account, search.search_id, search.kind, json.dumps(search.filters), search.made.time),
        )

    async def keep_page(self, search_id: str, page: ShownPage) -> None:
        await self._do(
            "INSERT INTO search_pages SELECT %s, COALESCE(MAX(place), -1) + 1, %s, %s, %s, %s::bigint, %s "
            "FROM search_pages WHERE search_id = %s",
            (
                *(search_id, page.task_id, page.cursor, page.limit, page.total),
                *(json.dumps(page.rows), search_id),
            ),
        )


class CompanyRows(Look):
    """The results of company lookups, read and written inside what the store has begun."""

    async def company(self, run_id: int) -> str | None:
        row = await self._one("SELECT found FROM companies WHERE run_id = %s", (run_id,))
        return None if row is None else str(row[0])

    async def keep_company(self, run_id: int, found: str) -> None:
        await self._do(
            "INSERT INTO companies VALUES (%s, %s, %s) "
            "ON CONFLICT (run_id) DO UPDATE SET found = excluded.found, kept_at = excluded.kept_at",
            (run_id, found, self.now.time),
        )


class CardRows(Look):
    """Cards, read and written inside what the store has begun."""

    async def has_card(self, accounts: Sequence[str], quote_id: str) -> bool:
        found = await self._one(
            "SELECT 1 FROM cards WHERE account = ANY(%s) AND quote_id = %s LIMIT 1",
            (list(accounts), quote_id),
        )
        return found is not None

    async def card_ban(self, accounts: Sequence[str], client: str) -> float | None:
        row = await self._one(
            "SELECT MAX(since) FROM card_bans WHERE account = ANY(%s) AND client = %s",
            (list(accounts), client),
        )
        return None if row is None or row[0] is None else float(row[0])

    async def card_bans(self) -> list[CardBan]:
        found = await self._all("SELECT client, since FROM card_bans ORDER BY since DESC")
        return [CardBan(client, since) for client, since in found]

    async def keep_card(self, account: str, quote_id: str) -> None:
        await self._do(
            "INSERT INTO cards VALUES (%s, %s, %s) "
            "ON CONFLICT (account, quote_id) DO UPDATE SET shown_at = excluded.shown_at",
            (account, quote_id, self.now.time),
        )

    async def ban_card(self, account: str, client: str) -> None:
        await self._do(
            "INSERT INTO card_bans VALUES (%s, %s, %s) "
            "ON CONFLICT (account, client) DO UPDATE SET since = excluded.since",
            (account, client, self.now.time),
        )

    async def lift_card_bans(self) -> int:
        return await self._do("DELETE FROM card_bans")


class OrganizationRows(Look):
    """Tenants of keys, read and written inside what the store has begun."""

    async def tenants_of(
        self, owners: Collection[str], accounts: Collection[str] | None
    ) -> list[KnownTenant]:
        theirs = "" if accounts is None else " AND account = ANY(%(accounts)s)"
        found = await self._all(
            "SELECT owner, tenant, since, checked_at, "  # noqa: S608 - the names are ours
            "EXISTS (SELECT 1 FROM runs WHERE runs.tenant = organizations.tenant AND state <> 'refused' "
            f"AND started_at > %(day)s{theirs}) OR EXISTS (SELECT 1 FROM runs "
            f"WHERE runs.tenant = organizations.tenant AND state = 'running'{theirs}) OR checked_at > %(claimed)s "
            "FROM organizations WHERE owner = ANY(%(owners)s) ORDER BY since DESC",
            {
                "owners": list(owners),
                "accounts": list(accounts or ()),
                "day": self.now.time - DAY,
                "claimed": self.now.time - CLAIMED_SECONDS,
            },
        )
        return [KnownTenant(*row) for row in found]

    async def keep_tenant(self, owner: str, tenant: str, *, since: float) -> None:
        await self._do(
            "INSERT INTO organizations VALUES (%s, %s, %s, %s) ON CONFLICT (owner, tenant) "
            "DO UPDATE SET since = excluded.since, checked_at = excluded.checked_at",
            (owner, tenant, since, self.now.time),
        )


def _page(task_id: str, cursor: str, limit: int, total: int | None, shown: str) -> ShownPage:
    rows = tuple((entity, digest) for entity, digest in json.loads(shown))
    return ShownPage(task_id, cursor, limit, total, rows)
