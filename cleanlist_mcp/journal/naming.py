"""The names of one account in a journal, and the tenant whose limits it shares."""

from collections.abc import Awaitable, Callable, Sequence

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.names import Identity, KeyNames, Names
from cleanlist_mcp.journal.port import KnownTenant, Reader, Store
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.limits import DAY

Ask = Callable[[], Awaitable[str]]
"""Asks the API for the id of the organization that a key belongs to; empty if it does not say."""

REMEMBERED_SECONDS = 30.0
"""Seconds for which a look takes the tenant as it was read last; a claim reads it anew."""


class Naming:
    """Knows the names of one account.

    On one computer the API's address is the tenant. If many keys share a journal it is the organization of the
    key, which is learnt by asking the API once, checked daily, and kept by the key's digest. Until 24 hours after the
    key's last run in it the tenant that it had before counts too. If the API names the organization late, what the key
    started until then, as a tenant of its own, counts for its colleagues as well.
    """

    def __init__(self, store: Store, identity: Identity, ask: Ask | None = None) -> None:
        """`ask` is given if many keys share the journal."""
        self._store = store
        self._identity = identity
        self._ask = ask
        self._keys: tuple[DigestKey, ...] = ()
        self._under: tuple[KeyNames, ...] = ()
        self._read: tuple[float, Sequence[KnownTenant]] | None = None

    async def names(self) -> Names:
        """Return the names to look with.

        Raises:
            JournalUnusable: while they cannot be read.
        """
        under = await self._known_under()
        if self._ask is None:
            return Names(under, [one.api for one in under], is_shared=False)
        return _names(under, self._identity, await self._known_tenants(under))

    async def under(self, key_id: str | None) -> KeyNames:
        """Return the names under one key of digests; under the newest if that key is not known.

        Raises:
            JournalUnusable: while the keys cannot be read.
        """
        known = await self._known_under()
        return next((one for one in known if one.key_id == key_id), known[0])

    async def names_to_spend(self) -> Names:
        """Return the names to claim with, after learning the tenant if it is not known, or was not checked for a day.

        Raises:
            ApiError: if it has to be asked for, and the API does not answer.
            JournalUnusable: while the journal cannot be read or written.
        """
        if self._ask is not None:
            under = await self._known_under()
            known = await self._known_tenants(under)
            if not _is_checked(under, known, (await self._store.now()).time):
                await self.note(await self._ask())
        return await self.names()

    async def note(self, organization: str) -> None:
        """Keep the organization that the API has named for the key just now; empty if it named none.

        Raises:
            JournalUnusable: if it cannot be kept.
        """
        if self._ask is not None:
            await self._keep(await self._known_under(), organization)

    async def require_current(self, reader: Reader, names: Names) -> None:
        """Raise if the tenant has changed since `names` were read, as a claim that has the locks of the old one sees.

        Raises:
            JournalUnusable: if so; the next try takes the new one.
        """
        if self._ask is None:
            return
        known = await self._tenants_in(reader, names.under)
        if not set(_names(names.under, self._identity, known).tenants) <= set(names.tenants):
            self._read = None
            raise JournalUnusable(
                "The organization of this key has just changed. Nothing was sent.", "Try again."
            )

    async def _known_under(self) -> tuple[KeyNames, ...]:
        keys = tuple(await self._store.digest_keys())
        if keys != self._keys:
            self._under = tuple(KeyNames(key, self._identity) for key in keys)
            self._keys, self._read = keys, None
        return self._under

    async def _known_tenants(self, under: Sequence[KeyNames]) -> Sequence[KnownTenant]:
        read, now = self._read, (await self._store.now()).time
        if read is not None and 0 <= now - read[0] < REMEMBERED_SECONDS:
            return read[1]
        async with self._store.read() as reader:
            known = await self._tenants_in(reader, under)
        self._read = now, known
        return known

    async def _tenants_in(self, reader: Reader, under: Sequence[KeyNames]) -> Sequence[KnownTenant]:
        """Return what is known of the tenants of the key, with the keys that were tenants before they joined one."""
        known = await self._own_tenants_in(reader, under)
        current = _current(known)
        joined = await reader.tenants_of(
            [current[one.owner].tenant for one in under if one.owner in current], None
        )
        return [*known, *joined]

    async def _own_tenants_in(self, reader: Reader, under: Sequence[KeyNames]) -> Sequence[KnownTenant]:
        # A run records its account and not its key: people who sign in share a key, and its lists.
        owners = [one.owner for one in under]
        if self._identity.member is not None:
            return await reader.tenants_of(owners, None)
        known = await reader.tenants_of(owners, [one.account for one in under])
        if len(known) > 1 and not _is_named(under, self._identity, known):
            # It may be there still, and its lists with it: colleagues' runs over them must stay in sight.
            return await reader.tenants_of(owners, None)
        return known

    async def _keep(self, under: Sequence[KeyNames], organization: str) -> None:
        """Keep the tenant of the key, under each key of digests; one that was known already since it was learnt.

        A key that was a tenant of its own until now is kept as one that joined the organization.
        """
        # A call waits for it, so it is tried at once.
        async with self._store.record(last_try=True) as writer:
            current = _current(await self._tenants_in(writer, under))
            for one in under:
                tenant = _tenant(one, self._identity, organization)
                known = current.get(one.owner)
                is_same = known is not None and known.tenant == tenant
                alone = _tenant(one, self._identity, "")
                if known is not None and known.tenant == alone != tenant:
                    await writer.keep_tenant(tenant, alone, since=writer.now.time)
                await writer.keep_tenant(
                    one.owner, tenant, since=known.since if known and is_same else writer.now.time
                )
        self._read = None


def _is_checked(under: Sequence[KeyNames], known: Sequence[KnownTenant], now: float) -> bool:
    """Return whether the tenant is known under each key of digests, and was checked within a day."""
    current = _current(known)
    own = [current.get(one.owner) for one in under]
    return all(one is not None and 0 <= now - one.checked_at < DAY for one in own)


def _is_named(under: Sequence[KeyNames], identity: Identity, known: Sequence[KnownTenant]) -> bool:
    """Return whether the API named an organization when the tenant was learnt last."""
    current = _current(known)
    return all(
        current[one.owner].tenant != _tenant(one, identity, "") for one in under if one.owner in current
    )


def _tenant(under: KeyNames, identity: Identity, organization: str) -> str:
    """Return the name of an organization; of the key itself, if the API does not say to whom it belongs."""
    if not organization:
        return under.digest("tenant of a key", identity.api, identity.key)
    return under.digest("tenant", identity.api, organization)


def _current(known: Sequence[KnownTenant]) -> dict[str, KnownTenant]:
    """Return the tenant that each owner was last learnt to have."""
    return {one.owner: one for one in sorted(known, key=lambda one: one.since)}


def _names(under: Sequence[KeyNames], identity: Identity, known: Sequence[KnownTenant]) -> Names:
    current = _current(known)
    of_now = [
        current[one.owner].tenant if one.owner in current else _tenant(one, identity, "") for one in under
    ]
    earlier = [one.tenant for one in known if one.is_live]
    return Names(under, tuple(dict.fromkeys((*of_now, *earlier))), is_shared=True)
