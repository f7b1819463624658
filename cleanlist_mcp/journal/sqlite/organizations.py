"""The tenants of keys in SQL: each as it was learnt, the earlier ones too."""

import json
from collections.abc import Collection

from cleanlist_mcp.journal.port import CLAIMED_SECONDS, KnownTenant
from cleanlist_mcp.journal.sqlite.look import Look
from cleanlist_mcp.journal.sqlite.slots import SLOT
from cleanlist_mcp.money.limits import DAY

STATEMENTS = (
    """
    CREATE TABLE organizations (
        owner TEXT NOT NULL, tenant TEXT NOT NULL, since REAL NOT NULL, checked_at REAL NOT NULL,
        PRIMARY KEY (owner, tenant)
    ) WITHOUT ROWID
    """,
)
"""The table of tenants."""


class OrganizationRows(Look):
    """Tenants, read and written inside what the store has begun."""

    async def tenants_of(
        self, owners: Collection[str], accounts: Collection[str] | None
    ) -> list[KnownTenant]:
        known = [
            KnownTenant(owner, tenant, since, checked_at, self._is_live(tenant, checked_at, accounts))
            for owner in owners
            for tenant, since, checked_at in self._database.execute(
                "SELECT tenant, since, checked_at FROM organizations WHERE owner = ?", (owner,)
            ).fetchall()
        ]
        return sorted(known, key=lambda one: one.since, reverse=True)

    async def keep_tenant(self, owner: str, tenant: str, *, since: float) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO organizations VALUES (?, ?, ?, ?)", (owner, tenant, since, self.now.time)
        )

    def _is_live(self, tenant: str, checked_at: float, accounts: Collection[str] | None) -> bool:
        """Return whether a run of a tenant, by one of the `accounts` or anybody, is younger than a day, or is not known
        to have ended, or may be claimed.
        """
        if checked_at > self.now.time - CLAIMED_SECONDS:
            return True
        theirs = "" if accounts is None else " AND account IN (SELECT value FROM json_each(:accounts))"
        values = {
            "tenant": tenant,
            "accounts": json.dumps(list(accounts or ())),
            "slot": int((self.now.time - DAY) / SLOT),
        }
        young = self._database.execute(
            "SELECT 1 FROM spending INDEXED BY spending_by_time "  # noqa: S608 - the names are ours
            f"WHERE time_slot >= :slot AND tenant = :tenant{theirs} LIMIT 1",
            values,
        )
        going_on = self._database.execute(
            "SELECT 1 FROM runs INDEXED BY runs_unfinished "  # noqa: S608 - the names are ours
            f"WHERE state = 'running' AND tenant = :tenant{theirs} LIMIT 1",
            values,
        )
        return young.fetchone() is not None or going_on.fetchone() is not None
