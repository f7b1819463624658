"""Keyed digests: the names under which accounts and people stand in the journal."""

import hashlib
import hmac
import json

from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.people.same_person import Marks


class Digester:
    """Makes keyed digests: equal for equal parts, and meaningless without the key. Pure, so a thread may use it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, *parts: str) -> str:
        """Return the digest of `parts`."""
        return hmac.digest(self._key, json.dumps(parts).encode(), hashlib.sha256).hex()[:32]

    def token(self, mark: str) -> str:
        """Return the digest of one identifier of a person."""
        return hmac.digest(self._key, b"mark " + mark.encode(), hashlib.sha256).hex()[:16]


class Names:
    """The names of one API and one account on it."""

    def __init__(self, key: bytes, api: str, api_key: str) -> None:
        """`key` is that of the digests; `api` is the API's address, and `api_key` the user's key for it."""
        self.digest = Digester(key)
        self.api = self.digest("api", api)
        self.account = self.digest("account", api, api_key)

    def context(self, scope: Scope, into: str) -> str:
        """Return the name of one scope and list, within which a person is recognised again."""
        return self.digest("context", self.account, scope, into)

    def marks(self, marks: Marks) -> Marks:
        """Return the identifiers of a person as digests."""
        return marks.mapped(self.digest.token)
