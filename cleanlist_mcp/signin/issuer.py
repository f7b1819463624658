"""The issuer of a team's sign-ins: its keys, fetched beside the calls and kept."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.api import web
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import where
from cleanlist_mcp.links import is_loopback
from cleanlist_mcp.signin.refusals import IssuerUnavailable, TokenRefused
from cleanlist_mcp.signin.signing_keys import SigningKey, SigningKeys, json_object, read_keys
from cleanlist_mcp.signin.tokens import TokenHead

if TYPE_CHECKING:
    import httpx

FETCH_SECONDS = 5.0
"""Seconds that one document of the issuer may take."""

LOOK_AGAIN_SECONDS = 600.0
"""Age at which keys are fetched again while the old ones still serve: a key that was withdrawn ends so soon."""

TRUSTED_SECONDS = 24 * 3600.0
"""Age at which keys are used no more, if the issuer does not answer all the time."""

APART_SECONDS = 60.0
"""Least seconds from one fetch to the next for keys that nobody knows: tokens that name such a key are free to make."""

RETRY_SECONDS = 5.0
"""The same while there are no keys at all."""

log = logging.getLogger(__name__)


class _Unusable(Exception):
    """A document of the issuer that cannot be used; its text is the end of a sentence."""


class Issuer:
    """One issuer at an address. Its documents are found as RFC 8414 and OpenID Connect Discovery say.

    A call whose key is known never waits. The fetches run in `tasks`, one at a time, whoever waits for them;
    `transport` stands in for the network.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        tasks: TaskGroup,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        self.address = address
        self._clock = clock
        self._tasks = tasks
        self._transport = transport
        self._keys: SigningKeys | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._problem = "has not answered yet"
        self._fetching: anyio.Event | None = None

    def begin(self) -> None:
        """Start to fetch the keys, so that the first call need not wait."""
        self._start()

    async def key_for(self, head: TokenHead) -> SigningKey:
        """Return the key that a token claims to be signed with.

        Raises:
            TokenRefused: if the issuer publishes no such key.
            IssuerUnavailable: if its keys cannot be had.
        """
        keys = await self._usable()
        found = keys.find(head.key_name, head.algorithm)
        if found is None and await self._looked_again():
            found = (self._keys or keys).find(head.key_name, head.algorithm)
        if found is None:
            raise TokenRefused("is signed with a key that the issuer does not publish")
        return found

    async def _usable(self) -> SigningKeys:
        """Return the keys as they are; only if there are none, wait for them."""
        age = self._clock.monotonic() - self._fetched_at
        if self._keys is None or age > TRUSTED_SECONDS:
            self._keys = None
            await self._fetched(RETRY_SECONDS)
        elif age > LOOK_AGAIN_SECONDS and self._may_fetch(APART_SECONDS):
            self._start()
        if self._keys is None:
            raise IssuerUnavailable(f"The issuer of sign-ins {self._problem}.", RETRY_SECONDS)
        return self._keys

    async def _looked_again(self) -> bool:
        """Return whether the keys were fetched once more just now."""
        before = self._fetched_at
        await self._fetched(APART_SECONDS)
        return self._fetched_at != before

    async def _fetched(self, apart: float) -> None:
        """Wait for the fetch that is under way, or for a new one if the last is `apart` seconds ago."""
        if self._fetching is None and self._may_fetch(apart):
            self._start()
        if self._fetching is not None:
            await self._fetching.wait()

    def _may_fetch(self, apart: float) -> bool:
        return self._fetching is None and (
            self._tried_at is None or self._clock.monotonic() - self._tried_at >= apart
        )

    def _start(self) -> None:
        self._fetching = anyio.Event()
        self._tried_at = self._clock.monotonic()
        self._tasks.start_soon(self._fetch, self._fetching)

    async def _fetch(self, done: anyio.Event) -> None:
        try:
            self._keys = await self._published_keys()
            self._fetched_at = self._clock.monotonic()
        except Exception as exc:  # a stranger's documents must not end the service
            known = isinstance(exc, web.NoReply | _Unusable)
            self._problem = str(exc) if known else f"publishes what cannot be read ({where(exc)})"
            log.warning("The issuer of sign-ins %s.", self._problem)
        finally:
            self._fetching = None
            done.set()

    async def _published_keys(self) -> SigningKeys:
        document = await self._document(await self._keys_address())
        try:
            keys = read_keys(document or b"")
        except ValueError:
            raise _Unusable("publishes no set of keys") from None
        if not len(keys):
            raise _Unusable("publishes no key that can be used here (RS256, ES256 or EdDSA)")
        return keys

    async def _keys_address(self) -> str:
        """Return the address of the keys, out of the issuer's metadata."""
        for address in metadata_addresses(self.address):
            document = await self._document(address)
            if document is not None:
                return self._named_in(document)
        raise _Unusable("publishes no metadata where RFC 8414 and OpenID Connect look for it")

    def _named_in(self, document: bytes) -> str:
        try:
            metadata = json_object(document)
        except ValueError:
            raise _Unusable("publishes metadata that cannot be read") from None
        if metadata.get("issuer") != self.address:
            raise _Unusable(
                "has another name in its metadata; set CLEANLIST_OAUTH_ISSUER exactly as it stands there"
            )
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or not may_hold_keys(address, self.address):
            raise _Unusable("names no safe address of its keys")
        return address

    async def _document(self, address: str) -> bytes | None:
        """Return a document; None if there is none at this address."""
        reply = await web.ask(
            address,
            seconds=FETCH_SECONDS,
            headers={"Accept": "application/json"},
            transport=self._transport,
        )
        if reply.status == 200:
            return reply.content
        if 300 <= reply.status < 500 and reply.status != 429:
            return None
        raise _Unusable(f"answered with HTTP status {reply.status}")


def metadata_addresses(issuer: str) -> Iterator[str]:
    """Yield the addresses at which an issuer's metadata may lie: RFC 8414, and twice OpenID Connect."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


def may_hold_keys(address: str, issuer: str) -> bool:
    """Return whether keys may be fetched from there: over HTTPS, or on loopback for an issuer on loopback."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    if (
        not parts.hostname
        or parts.username
        or parts.password
        or not address.isascii()
        or not address.isprintable()
    ):
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and is_loopback(parts.hostname) and urlsplit(issuer).scheme == "http"
