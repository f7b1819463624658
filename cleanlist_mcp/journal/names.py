"""Keyed digests: the names under which accounts, tenants and people stand in the journal."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.journal.whose import DigestKey, Whose
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.people.marks import Marks


@dataclass(frozen=True, repr=False)
class Identity:
    """The owner of an account: a key for the API at an address, and for a team that signs in the `member` who calls.

    `api` is the normal form of the address; a member is the issuer and the subject of a sign-in. Only keyed digests
    of all this are stored, and none of it is ever shown.
    """

    api: str
    key: str
    member: tuple[str, str] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Everything that the account is made of."""
        return (self.api, self.key, *(self.member or ()))


class Digester:
    """Makes keyed digests: equal for equal parts, and meaningless without the key. Pure, so a thread may use it."""

    def __init__(self, key: bytes, older: Sequence["Digester"] = ()) -> None:
        """`older` make digests with earlier keys, under which something may still be known."""
        self._key = key
        self.older = tuple(older)

    def __call__(self, *parts: str) -> str:
        """Return the digest of `parts`."""
        return hmac.digest(self._key, json.dumps(parts).encode(), hashlib.sha256).hex()[:32]

    def token(self, mark: str) -> str:
        """Return the digest of one identifier of a person."""
        return hmac.digest(self._key, b"mark " + mark.encode(), hashlib.sha256).hex()[:16]


class KeyNames:
    """The names of one account under one key of digests."""

    def __init__(self, key: DigestKey, identity: Identity) -> None:
        self.key_id = key.key_id
        self.digest = Digester(key.secret)
        self.api = self.digest("api", identity.api)
        self.account = self.digest("account", *identity.parts)
        self.owner = self.digest("owner", identity.api, identity.key)
        """The name under which the tenant of a key is kept, whoever of the team calls."""

    def context(self, scope: Scope, into: str) -> str:
        """Return the name of one scope and list, within which a person is recognised again."""
        return self.digest("context", self.account, scope, into)

    @property
    def company_context(self) -> str:
        """The name within which a company is recognised again."""
        return self.digest("context", self.account, "company")

    def marks(self, marks: Marks) -> Marks:
        """Return the identifiers of a person as digests."""
        return marks.mapped(self.digest.token)


class Names:
    """The names of one account: written with the newest key of digests, looked up under all of them."""

    def __init__(self, under: Sequence[KeyNames], tenants: Sequence[str], *, is_shared: bool) -> None:
        """`under` and `tenants` are newest first; the journal `is_shared` if it counts for each tenant apart."""
        self.under = tuple(under)
        self.newest = self.under[0]
        self.digest = self.newest.digest
        self.digest.older = tuple(one.digest for one in self.under[1:])
        self.tenants = tuple(tenants)
        self.tenant = self.tenants[0]
        self.accounts = tuple(one.account for one in self.under)
        self.account = self.newest.account
        self.whose = Whose(self.tenants if is_shared else None, self.accounts)
