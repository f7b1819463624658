"""Fetching the files that the API links to: without the key, from nowhere private, within bounds."""

import logging
import ssl
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from cleanlist_mcp import __version__, awake
from cleanlist_mcp.api.reading import Body, BodyRefused
from cleanlist_mcp.errors import ApiError, ApiUnavailable, BadResponse
from cleanlist_mcp.links import is_loopback, is_of_the_api, is_public, is_public_address

MAX_FILE_BYTES = 50_000_000
"""Largest file that is fetched."""

CONNECT_SECONDS = 5.0
"""Seconds in which a connection has to come about."""

_FOR_THE_LINK = "Call export_list without save_as: the user can open the link."


class Downloads:
    """Fetches files from links of the API at `base_url`; `transport` stands in for the network.

    A link is as good as the file that it leads to, so it goes into no log and no error.
    """

    def __init__(self, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base_url = base_url
        self._transport = transport

    async def fetch(self, link: str, seconds: float) -> bytes:
        """Return the file behind a link, which takes at most `seconds`.

        No key and no cookie is sent, and no redirect is followed. The address that is connected to must be a public
        one, unless the link leads to the API's own origin. Behind a proxy, which connects by itself, only that counts.

        Raises:
            BadResponse: if the link leads elsewhere, or the file is too big or none.
            ApiUnavailable: if it does not come, or not in time.
        """
        is_ours = is_of_the_api(link, self._base_url)
        if not is_ours and not is_public(link):
            raise _private()
        way = _Way(link, may_go_anywhere=is_ours)
        body = Body(limit=MAX_FILE_BYTES)
        try:
            await awake.within(seconds, partial(self._receive, link, way, body))
        except ApiError:
            raise
        except BodyRefused:
            raise _refused(
                f"The file is larger than {MAX_FILE_BYTES // 1_000_000} MB, so it was not saved."
            ) from None
        except awake.TookTooLong:
            raise _unavailable(f"The file did not come within {seconds:.0f} seconds.") from None
        except Exception as exc:
            # Without its text, which could hold the link.
            raise way.refusal or _unavailable(
                f"The file could not be fetched ({type(exc).__name__})."
            ) from None
        return body.content

    async def _receive(self, link: str, way: "_Way", body: Body) -> None:
        if self._transport is not None:
            request = httpx.Request("GET", link, headers=_HEADERS, extensions={"trace": way})
            response = await self._transport.handle_async_request(request)
            try:
                await _read(response, way, body)
            finally:
                await response.aclose()
            return
        fetching = _fetches_a_link.set(True)
        try:
            async with (
                self._open(link) as http,
                http.stream("GET", link, extensions={"trace": way}) as response,
            ):
                await _read(response, way, body)
        finally:
            _fetches_a_link.reset(fetching)

    def _open(self, link: str) -> httpx.AsyncClient:
        loopback = is_loopback(urlsplit(link).hostname or "")
        return httpx.AsyncClient(
            verify=_trust(link),
            trust_env=not loopback,  # a proxy from the environment must not see loopback traffic
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            headers=_HEADERS,
        )


_fetches_a_link: ContextVar[bool] = ContextVar("fetches_a_link", default=False)


def _shows_no_link(record: logging.LogRecord) -> bool:
    """Return whether a record may be logged: httpx writes down each address that it asks, at the level INFO."""
    return not _fetches_a_link.get()


logging.getLogger("httpx").addFilter(_shows_no_link)

_HEADERS = {
    "User-Agent": f"cleanlist-mcp/{__version__}",
    "Accept": "text/csv, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class _Way:
    """Follows a download on its way, as the network layer shows it, and stops it before anything is sent astray.

    `is_safe` becomes true once a connection to a public address is there; `refusal` is why it was stopped.
    """

    def __init__(self, link: str, *, may_go_anywhere: bool) -> None:
        self.is_safe = may_go_anywhere
        self.refusal: ApiError | None = None
        self._may_go_anywhere = may_go_anywhere
        self._host = (urlsplit(link).hostname or "").rstrip(".")

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take one event of httpcore's trace extension, such as `connection.connect_tcp.complete`.

        Raises:
            ApiError: if the request must not go there. Nothing of it has been sent then.
        """
        if self._may_go_anywhere:
            return
        step, _, moment = event.partition(".")[2].rpartition(".")
        if step == "connect_tcp" and moment == "started":
            self._check_host(info.get("host", self._host))
        elif step == "connect_tcp" and moment == "complete":
            await self._check_connection(info.get("return_value"))

    def _check_host(self, host: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if name.strip("[]").rstrip(".").lower() != self._host:
            self._stop(
                _refused(
                    "This machine reaches the Internet through a proxy, and the file lies on another host than the "
                    "API, so it was not fetched."
                )
            )

    async def _check_connection(self, connection: Any) -> None:
        with suppress(AttributeError, IndexError, TypeError):
            peer = connection.get_extra_info("server_addr")
            self.is_safe = is_public_address(str(peer[0]))
        if not self.is_safe:
            with suppress(Exception):
                await connection.aclose()
            self._stop(_private())

    def _stop(self, refusal: ApiError) -> None:
        self.refusal = refusal
        raise refusal


async def _read(response: httpx.Response, way: _Way, body: Body) -> None:
    """Put the file into `body`.

    Raises:
        ApiError: if the answer is no file.
        BodyRefused: if it is too large.
    """
    if not way.is_safe:
        raise _private()  # nobody showed where the connection leads
    _check_status(response)
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        body.feed(chunk)
    body.end()


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status >= 500 or status in (408, 429):
        raise _unavailable(f"The file's host answered with HTTP status {status}.")
    if 300 <= status < 400:
        raise _refused("The link leads on to another address, which is not followed.")
    if status != 200:
        raise _refused(f"The file's host refused the link with HTTP status {status}.")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _refused("The file came packed in a way that was not asked for, so it was not saved.")


def _private() -> BadResponse:
    return _refused("The link leads to a private address, so the file was not fetched.")


def _refused(message: str) -> BadResponse:
    return BadResponse(message, _FOR_THE_LINK, retryable=False)


def _unavailable(message: str) -> ApiUnavailable:
    return ApiUnavailable(message, f"Try again in a minute, or: {_FOR_THE_LINK}")


def _trust(link: str) -> ssl.SSLContext | bool:
    if urlsplit(link).scheme.lower() != "https":
        return False
    import truststore  # here, because it is slow to load and few calls need it

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
