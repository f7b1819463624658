"""One request to a place other than the API: the issuer of sign-ins, or a service of this program from outside.

The key goes along only if the caller puts it there. No redirect is followed, and an answer has bounds in bytes and
seconds.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from cleanlist_mcp import __version__, awake
from cleanlist_mcp.api.proxies import proxy_for
from cleanlist_mcp.api.reading import Body, BodyRefused
from cleanlist_mcp.errors import where
from cleanlist_mcp.links import is_loopback

MAX_BYTES = 512 * 1024
"""Largest answer that is read: a set of signing keys has a few thousand bytes."""


class NoReply(Exception):
    """No answer came, or none that can be read. Its text is the end of a sentence and holds nothing of the answer."""


@dataclass(frozen=True)
class Reply:
    """An answer, whatever it says. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


async def ask(
    address: str,
    *,
    seconds: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Reply:
    """Return the answer of `address` to one request, got within `seconds` in all; `transport` replaces the network.

    Raises:
        NoReply: if there is none.
    """
    body = Body(limit=MAX_BYTES)
    try:
        return await awake.within(
            seconds, partial(_converse, address, method, dict(headers or {}), content, transport, body)
        )
    except BodyRefused as exc:
        raise NoReply(f"sent an answer that {exc}") from None
    except awake.TookTooLong:
        raise NoReply(f"did not answer within {seconds:g} seconds") from None
    except Exception as exc:
        # Whatever it is: proxies, names and TLS bring their own, and its text could hold anything.
        raise NoReply(_words(exc)) from None


async def _converse(
    address: str,
    method: str,
    headers: dict[str, str],
    content: bytes | None,
    transport: httpx.AsyncBaseTransport | None,
    body: Body,
) -> Reply:
    async with (
        _opened(address, transport) as http,
        http.stream(method, address, headers=headers, content=content) as response,
    ):
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            body.feed(chunk)
        body.end()
        return Reply(response.status_code, response.headers, body.content)


def _opened(address: str, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    parts = urlsplit(address)
    inside = transport is not None or is_loopback(parts.hostname or "")
    return httpx.AsyncClient(
        transport=transport,
        verify=_trust() if parts.scheme == "https" and transport is None else False,
        proxy=None if inside else proxy_for(address, getproxies()),
        trust_env=False,  # as for the API: httpx stumbles over NO_PROXY
        follow_redirects=False,
        timeout=httpx.Timeout(None),  # `ask` has one limit for all
        headers={"User-Agent": f"cleanlist-mcp/{__version__}", "Accept-Encoding": "identity"},
    )


def _trust() -> ssl.SSLContext:
    import truststore  # here, because it is slow to load and needed for TLS alone

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _words(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLError) or "CERTIFICATE" in str(exc) or "SSL" in str(exc):
        return "has a TLS certificate that this machine does not trust"
    if isinstance(exc, httpx.ConnectError | OSError):
        return "cannot be reached"
    if isinstance(exc, httpx.HTTPError | httpx.StreamError):
        return "broke the connection off before its answer was complete"
    return f"cannot be asked ({where(exc)})"
