"""Connections to the API: one request goes out, one answer comes in, and it is known if the request has left."""

import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from traceback import walk_tb
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import anyio
import anyio.to_thread
import httpx

from cleanlist_mcp import __version__, awake
from cleanlist_mcp.api.failures import What
from cleanlist_mcp.api.minute import Kind
from cleanlist_mcp.api.pool import FAILURES, ConnectionPool, Content
from cleanlist_mcp.api.proxies import proxy_for
from cleanlist_mcp.api.reading import Body, BodyRefused, workflow_id_in
from cleanlist_mcp.errors import (
    Advice,
    Answered,
    ApiUnavailable,
    BadResponse,
    CertificateRefused,
    ProxyUnusable,
    where,
)
from cleanlist_mcp.links import is_loopback
from cleanlist_mcp.settings import Settings

CONNECTIONS, KEPT_CONNECTIONS = 100, 20
"""Most connections at a time for reads, and as many for all else; and those that are kept after an answer."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One request. `what` names the thing it asks for, `run` the run that is looked at."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    query: dict[str, str] | None
    what: What
    kind: Kind
    run: str | None

    @property
    def spends(self) -> bool:
        """True if it starts something that costs."""
        return self.kind == "start"


@dataclass
class Answer:
    """The part of an answer that has come in; `status` is 0 before its head is there, and `complete` becomes true
    once all of it is."""

    status: int = 0
    complete: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    content: Content | None = None
    """Its content, which knows the connection that it came over."""

    async def distrust(self) -> None:
        """Have nothing more sent over this answer's connection: the next answer on it may be another's."""
        if self.content is not None:
            with suppress(Exception):
                await self.content.drop_connection()


class _Departure:
    """Follows one request on its way by the events of the network layer: has any of it `left` this machine?

    `heard` is false if there were no events, because another transport stands in for the network.
    """

    def __init__(self) -> None:
        self.heard = False
        self.left = False
        self._opened: Any = None
        self._events: dict[str, Any] = {}

    def follow(self, request: httpx.Request) -> None:
        """Take the events of a request until it has left: each costs a few microseconds."""
        self._events = request.extensions
        self._events["trace"] = self

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take one event of httpcore's trace extension, such as `http11.send_request_headers.started`."""
        self.heard = True
        step, _, moment = event.partition(".")[2].rpartition(".")
        if step == "connect_tcp" and moment == "complete":
            self._opened = info.get("return_value")
        # Steps that nobody here knows count as a departure, and so does all that follows the request's head.
        if moment == "started" and step not in _BEFORE_DEPARTURE and not _is_for_a_proxy(info):
            self.left = True
            self._events.pop("trace", None)

    async def close(self) -> None:
        """Close the connection of a request that came to nothing before it left; httpcore forgets some."""
        if self._opened is not None and not self.left:
            with anyio.CancelScope(shield=True):
                await self._opened.aclose()


_BEFORE_DEPARTURE = frozenset({"connect_tcp", "start_tls", "setup_socks5_connection", "response_closed"})
"""Steps of httpcore by which nothing of a request leaves."""

_NEVER_OPENED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures of requests that have not left, for a transport without events."""


def _is_for_a_proxy(info: Mapping[str, Any]) -> bool:
    return getattr(info.get("request"), "method", b"") == b"CONNECT"


class Connections:
    """The connections to one API.

    No redirects, no answer over 8 MiB, one request within `settings.timeout_seconds` in all, the operating system's
    trust store. Reads share connections that are kept. Every other request has a connection of its own, because the
    answer that waits on a used one may be a superfluous copy of an earlier answer, and must not be taken for the
    start of a run or for a quote.
    """

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport | None, *, most: int | None = None
    ) -> None:
        """`most` is how many are open at a time for several accounts; then each request has a connection of its own,
        because what waits on a used one may be another account's."""
        self._settings = settings
        self._most = most
        self._transport = transport
        self._http: dict[bool, httpx.AsyncBaseTransport] = {}  # by whether it keeps connections
        self._base_url = settings.base_url.rstrip("/")
        self._timeout = _timeout(settings.timeout_seconds).as_dict()

    async def aclose(self) -> None:
        """Close the connections."""
        while self._http:
            await self._http.popitem()[1].aclose()

    async def get_ready(self) -> None:
        """Load the trust store, in a thread, if one is needed, and make the pool for reads. Nothing is sent."""
        if self._needs_trust:
            await anyio.to_thread.run_sync(getattr, self, "_trust", abandon_on_cancel=True)
        self._open(keeps=True)

    def is_open(self, *, keeps: bool) -> bool:
        """Return whether the pool for reads, or the other, was made."""
        return keeps in self._http

    async def exchange(self, request: Request, headers: dict[str, str]) -> Answer:
        """Return the answer to one request, whatever it says, got within the time that one request has in all.

        Raises:
            ApiUnavailable: if there is none, or not all of it.
            BadResponse: if it is too large, or encoded in a way that was not asked for.
        """
        keeps = request.method == "GET" and self._most is None
        http = self._open(keeps=keeps)
        departure = _Departure()
        answer = Answer()
        leaving = partial(self._request, request, _headers(keeps=keeps) | headers, departure)
        try:
            await self._within_the_limit(partial(_converse, http, leaving, answer), departure, answer)
        except BodyRefused as exc:
            await answer.distrust()
            raise _not_read(exc, answer) from None
        finally:
            await departure.close()
        return answer

    async def _within_the_limit(
        self, work: Callable[[], Awaitable[None]], departure: _Departure, answer: Answer
    ) -> None:
        seconds = self._settings.timeout_seconds
        try:
            await awake.within(seconds, work)
        except BodyRefused:
            raise
        except Exception as exc:
            # Whatever it is, proxies and TLS bring their own: it matters only whether the request has left.
            if not isinstance(
                exc, (*FAILURES, httpx.HTTPError, httpx.StreamError, OSError, awake.TookTooLong)
            ):
                log.info("A request failed in an unusual way: %s.", where(exc))
            if _never_left(exc, departure):
                raise _unreachable(exc) from exc
            if not answer.complete:  # what goes wrong with a connection afterwards takes nothing back
                raise _lost(exc, seconds, answer) from exc

    def _request(self, request: Request, headers: dict[str, str], departure: _Departure) -> httpx.Request:
        relative = request.path.startswith("/")  # else it is an address under the API's other prefix
        url = _url(self._base_url + request.path if relative else request.path)
        content = b"" if request.body is None else _json(request.body)
        about = {"Content-Length": str(len(content)), "Content-Type": "application/json"} if content else {}
        # With a stream, httpx adds nothing to the headers, for which it takes longer than for all else.
        made = httpx.Request(
            request.method,
            url,
            params=request.query,
            headers={"Host": url.netloc.decode("ascii")} | headers | about,
            stream=httpx.ByteStream(content),
            extensions={"timeout": self._timeout},
        )
        departure.follow(made)
        return made

    def _open(self, *, keeps: bool) -> httpx.AsyncBaseTransport:
        """Return the pool whose connections are kept, or the one that uses each for one request.

        Each is made on first use: loading the trust store is slow, and many starts never need it.

        Raises:
            ProxyUnusable: if the environment names a proxy whose address is none.
        """
        if keeps not in self._http:
            try:
                self._http[keeps] = self._made(keeps=keeps)
            except (ValueError, httpx.InvalidURL):
                # Without its cause: the exception's text may hold a proxy's password.
                raise ProxyUnusable(
                    "The proxy settings of this machine cannot be used, so nothing was sent.",
                    Advice("Correct or remove the variables HTTPS_PROXY and ALL_PROXY."),
                    fate="not_sent",
                    retryable=False,
                ) from None
        return self._http[keeps]

    def _made(self, *, keeps: bool) -> httpx.AsyncBaseTransport:
        # A client around it would look after cookies, redirects and passwords, of which this API has none, and cost a
        # fifth of each call.
        if self._transport is not None:
            return self._transport
        proxy = self._proxy
        return ConnectionPool(
            trust=self._trust,
            proxy=None if proxy is None else httpx.Proxy(proxy),
            most=self._most or CONNECTIONS,
            kept=KEPT_CONNECTIONS if keeps else 0,
        )

    @property
    def _proxy(self) -> str | None:
        """The proxy to go through; none for another transport, and none for loopback, which no proxy may see."""
        base_url = self._settings.base_url
        if self._transport is not None or is_loopback(urlsplit(base_url).hostname or ""):
            return None
        return proxy_for(base_url, getproxies())

    @property
    def _needs_trust(self) -> bool:
        return self._transport is None and urlsplit(self._settings.base_url).scheme == "https"

    @cached_property
    def _trust(self) -> ssl.SSLContext | None:
        """The trust store that certificates are checked against; None if none is shown."""
        if not self._needs_trust:
            return None
        import truststore  # here, because it is needed once there is something to ask over TLS

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@lru_cache(maxsize=64)
def _url(address: str) -> httpx.URL:
    """Return an address as httpx reads it. Reading one takes half of the time of making a request."""
    return httpx.URL(address)


def _headers(*, keeps: bool) -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # an answer is small, and what is packed could be anything
        "Connection": "keep-alive" if keeps else "close",
        "User-Agent": f"cleanlist-mcp/{__version__}",
    }


async def _converse(
    http: httpx.AsyncBaseTransport, leaving: Callable[[], httpx.Request], answer: Answer
) -> None:
    """Send a request and put what comes into `answer`, so that what has come is there whatever breaks it off."""
    request = leaving()
    response = await http.handle_async_request(request)
    try:
        answer.content = response.stream if isinstance(response.stream, Content) else None
        answer.body = Body(response.headers.get_list("content-encoding", split_commas=True))
        answer.headers = response.headers
        answer.status = response.status_code
        # As they came: httpx would unpack them without a limit.
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            answer.body.feed(chunk)
        answer.body.end()
        answer.complete = True
    finally:
        await response.aclose()


def _never_left(exc: Exception, departure: _Departure) -> bool:
    """Return whether a request that failed so has certainly not left this machine."""
    return not departure.left if departure.heard else isinstance(exc, _NEVER_OPENED)


def _timeout(seconds: float) -> httpx.Timeout:
    # Connecting gives up first, so that a request that never left is not taken for a lost answer. What comes after
    # has one limit for all, by another clock than httpx has.
    connecting = min(5.0, seconds * 0.8)
    return httpx.Timeout(None, connect=connecting, pool=connecting)


def _not_read(exc: BodyRefused, answer: Answer) -> BadResponse:
    return BadResponse(
        f"The API's answer {exc}, and was not read.",
        "Try again; if it happens again, tell the user that the API misbehaves.",
        fate="unknown",
        answered=Answered(status=answer.status, workflow_id=workflow_id_in(answer.body.content)),
    )


def _lost(exc: Exception, seconds: float, answer: Answer) -> ApiUnavailable:
    happened = (
        f"did not answer within {seconds:g} seconds"
        if isinstance(exc, awake.TookTooLong)
        else "broke the connection off before its answer was complete"
    )
    return ApiUnavailable(
        f"The API {happened}.",
        "Try again in a minute.",
        fate="unknown",
        answered=Answered(workflow_id=workflow_id_in(answer.body.content)),
    )


def _unreachable(exc: Exception) -> ApiUnavailable:
    if any(_is_about_a_certificate(cause) for cause in _causes(exc)):
        return CertificateRefused(
            "This machine does not trust the API's TLS certificate, so nothing was sent.",
            Advice(
                "Check the machine's clock. A proxy or virus scanner that inspects TLS needs its own certificate in "
                "the system's trust store."
            ),
            fate="not_sent",
            retryable=False,
        )
    return ApiUnavailable(
        "The API cannot be reached, so nothing was sent.",
        Advice("Check the network, or run `cleanlist-mcp doctor`; then try again."),
        fate="not_sent",
    )


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it came from."""
    waiting, seen = [exc], set[int]()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        waiting += [error.__cause__, error.__context__, *inside]


def _is_about_a_certificate(error: BaseException) -> bool:
    """Return whether a certificate was refused, in the words of whichever system."""
    if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return True
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    # On macOS and Windows truststore asks the system, and some of its refusals are errors of other types.
    return bool(frames) and str(frames[-1].f_globals.get("__name__")).partition(".")[0] == "truststore"
