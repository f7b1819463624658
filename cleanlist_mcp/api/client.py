"""The one door to the network: a method per endpoint of the vendor's public API, and one `_send`."""

import logging
import random
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

import anyio
import httpx
from pydantic import BaseModel, ValidationError

from cleanlist_mcp import __version__, awake
from cleanlist_mcp.api import retries
from cleanlist_mcp.api.failures import What, failure, held_back
from cleanlist_mcp.api.rate_budget import RateBudget
from cleanlist_mcp.api.reading import Body, BodyRefused, lenient_json, workflow_id_in
from cleanlist_mcp.api.wire import (
    LISTS_PAGE,
    Balance,
    CreateListRequest,
    CsvImported,
    CsvImportRequest,
    Estimate,
    EstimateRequest,
    Export,
    LeadList,
    LeadsPage,
    ListRequest,
    ListsPage,
    ListStarted,
    PersonRequest,
    PersonStarted,
    Whoami,
    WorkflowStatus,
)
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import Advice, Answered, ApiError, ApiUnavailable, BadResponse, RateLimited, where
from cleanlist_mcp.links import is_loopback, may_be_handed_on
from cleanlist_mcp.settings import Settings

PATIENCE = 10.0
"""Seconds that one call may spend between repeats of a request."""

CONNECTIONS, KEPT_CONNECTIONS = 100, 20
"""Most connections at a time for reads, and as many for all else; and those that are kept after an answer."""

ModelT = TypeVar("ModelT", bound=BaseModel)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    """One request. `what` names the thing it asks for, `polled_run` the run that a poll looks at."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    query: dict[str, str] | None
    what: What
    spends: bool
    polled_run: str | None


@dataclass
class _Answer:
    """The part of an answer that has come in; `status` is 0 before its head is there, and `complete` becomes true
    once all of it is."""

    status: int = 0
    complete: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    kept: Any = None
    """The connection that it came over, without a type in httpx, where that may be used again."""

    async def distrust(self) -> None:
        """Have nothing more sent over this answer's connection: the next answer on it may be another's."""
        if self.kept is not None:
            with suppress(Exception):
                await self.kept.aclose()


class _Departure:
    """Follows one request on its way, as the network layer tells it: has any of it `left` this machine?

    `heard` is false where nothing was told, because another transport stands in for the network.
    """

    def __init__(self) -> None:
        self.heard = False
        self.left = False
        self._opened: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take one event of httpcore's trace extension, such as `http11.send_request_headers.started`."""
        self.heard = True
        step, _, moment = event.partition(".")[2].rpartition(".")
        if step == "connect_tcp" and moment == "complete":
            self._opened = info.get("return_value")
        # Steps that nobody here knows count as a departure, and so does all that follows the request's head.
        if moment == "started" and step not in _BEFORE_DEPARTURE and not _is_for_a_proxy(info):
            self.left = True

    async def close(self) -> None:
        """Close the connection of a request that came to nothing before it left; httpcore forgets some."""
        if self._opened is not None and not self.left:
            with anyio.CancelScope(shield=True):
                await self._opened.aclose()


_BEFORE_DEPARTURE = frozenset({"connect_tcp", "start_tls", "setup_socks5_connection", "response_closed"})
"""Steps of httpcore by which nothing of a request leaves."""

_NEVER_OPENED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures of requests that have not left, for where the network layer does not tell."""


def _is_for_a_proxy(info: Mapping[str, Any]) -> bool:
    return getattr(info.get("request"), "method", b"") == b"CONNECT"


class CleanlistClient:
    """The vendor's API over HTTP.

    Every method raises an `ApiError` for a refusal, a failure or an unreadable answer, and `NotConfigured`
    where there is no usable key. No redirects, no answer over 8 MiB, one request within
    `settings.timeout_seconds` in all, the operating system's trust store.

    Reads share connections that are kept. Every other request has a connection of its own, because the answer
    that waits on a used one may be a superfluous copy of an earlier answer, and must not be taken for the
    start of a run or for a quote.
    """

    def __init__(
        self,
        settings: Settings,
        budget: RateBudget,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._transport = transport
        self._clock = clock or SystemClock()
        self._chance = chance
        self._http: dict[bool, httpx.AsyncClient] = {}  # by whether it keeps connections

    async def aclose(self) -> None:
        """Close the connections."""
        while self._http:
            await self._http.popitem()[1].aclose()

    async def whoami(self) -> Whoami:
        """Who the key belongs to, with its plan and scopes."""
        return await self._send("GET", "/whoami", Whoami)

    async def balance(self) -> Balance:
        """The whole credits that are left."""
        return await self._send("GET", "/credits/balance", Balance)

    async def estimate(self, request: EstimateRequest) -> Estimate:
        """A signed quote for a list; free, and starts nothing."""
        return await self._send("POST", "/credits/estimate", Estimate, body=request, what="list")

    async def start_person(
        self, request: PersonRequest, *, patience: float, stop: anyio.Event | None = None
    ) -> PersonStarted:
        """Start a paid run for one person. An `ApiError` of unknown fate may have started it.

        Once `stop` is set, nothing is sent again.
        """
        return await self._send(
            "POST",
            "/enrichment/person",
            PersonStarted,
            body=request,
            spends=True,
            what="list" if request.lead_list_id else "person" if request.person_id else "address",
            patience=patience,
            stop=stop,
        )

    async def start_list(
        self, request: ListRequest, *, patience: float, stop: anyio.Event | None = None
    ) -> ListStarted:
        """Start a paid run for a list; `stop` and errors as for `start_person`."""
        body = request.model_dump()
        if self._settings.base_url.endswith("/v2"):
            body["list_id"] = body.pop("lead_list_id")  # the vendor's schema of /api/v2 names it so
        return await self._send(
            "POST",
            "/enrichment/bulk",
            ListStarted,
            body=body,
            spends=True,
            what="list",
            patience=patience,
            stop=stop,
        )

    async def status(self, workflow_id: str, *, poll: bool = False) -> WorkflowStatus:
        """How a run stands. A `poll` comes from the rate budget and is not repeated: the next one is near."""
        path = "/enrichment/status/" + quote(workflow_id, safe="")
        return await self._send(
            "GET",
            path,
            WorkflowStatus,
            what="workflow",
            patience=0 if poll else PATIENCE,
            polled_run=workflow_id if poll else None,
            # A cohort is asked for by its own handle and names its run.
            is_meant=lambda status: status.workflow_id in ("", workflow_id) or workflow_id.startswith("cl-"),
        )

    async def create_list(self, request: CreateListRequest) -> LeadList:
        """Find or create a list; idempotent on the name, so it may be repeated."""
        return await self._send("POST", "/lead-lists", LeadList, body=request)

    async def lists(self, *, limit: int = LISTS_PAGE, cursor: str = "") -> ListsPage:
        """One page of the user's lists, from `cursor` on; an empty one begins, and ends."""
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        return await self._send("GET", "/lead-lists", ListsPage, query=query)

    async def list_detail(self, list_id: str) -> LeadList:
        """One list by its id."""
        path = "/lead-lists/" + quote(list_id, safe="")
        return await self._send(
            "GET", path, LeadList, what="list", is_meant=lambda found: _is_same(found.list_id, list_id)
        )

    async def leads(self, list_id: str, *, limit: int, cursor: str = "") -> LeadsPage:
        """One page of a list's rows, from `cursor` on; an empty one begins, and ends."""
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        path = f"/lead-lists/{quote(list_id, safe='')}/leads"
        return await self._send(
            "GET",
            path,
            LeadsPage,
            query=query,
            what="list",
            is_meant=lambda page: not page.list_id or _is_same(page.list_id, list_id),
        )

    async def import_csv(self, list_id: str, request: CsvImportRequest) -> CsvImported:
        """Send one chunk of rows, once; the caller decides about a repeat, which the API guards by key."""
        path = f"/lead-lists/{quote(list_id, safe='')}/csv-import"
        return await self._send("POST", path, CsvImported, body=request, what="list", patience=0)

    async def export(self, list_id: str) -> Export:
        """A signed link to a list as a CSV file, safe to hand on."""
        export = await self._send(
            "POST", "/export/csv/signed-url", Export, body={"list_id": list_id}, what="list"
        )
        if not may_be_handed_on(export.download_url, self._settings.base_url):
            raise BadResponse(
                "The API gave a link that leads nowhere safe, so it is not handed on.",
                "Tell the user; the list can be exported at portal.cleanlist.ai.",
                retryable=False,
            )
        return export

    async def _send(
        self,
        method: str,
        path: str,
        model: type[ModelT],
        *,
        body: BaseModel | Mapping[str, Any] | None = None,
        query: dict[str, str] | None = None,
        spends: bool = False,
        what: What = "address",
        patience: float = PATIENCE,
        polled_run: str | None = None,
        stop: anyio.Event | None = None,
        is_meant: Callable[[ModelT], bool] = lambda answer: True,
    ) -> ModelT:
        """Send one request, repeated where that is safe and within `patience` seconds, and read its answer into
        `model`; `is_meant` says whether that is about what was asked for."""
        if isinstance(body, BaseModel):
            body = body.model_dump(exclude_none=True)
        request = _Request(method, path, body, query, what, spends, polled_run)
        give_up_at = self._clock.monotonic() + min(patience, self._settings.max_wait_seconds)
        stop = stop or anyio.Event()
        attempt = 1
        while True:
            try:
                return await self._attempt(request, model, is_meant)
            except ApiError as error:
                attempt += 1
                wait = None
                if retries.may_resend(error, spends=spends):
                    left = give_up_at - self._clock.monotonic()
                    wait = retries.wait_before(attempt, error, patience=left, chance=self._chance())
                if wait is None or await self._clock.wait(stop, wait):
                    raise

    async def _attempt(
        self, request: _Request, model: type[ModelT], is_meant: Callable[[ModelT], bool]
    ) -> ModelT:
        """Send it once.

        Raises:
            ApiError: for whatever is not a readable success.
        """
        headers = {"Authorization": f"Bearer {self._settings.require_key()}"}
        now = self._clock.monotonic()
        refused_for = self._budget.interactive_wait(now)
        if refused_for > 0:
            # The API said so a moment ago; asking again would only prolong it.
            raise held_back(refused_for)
        self._budget.record(now, request.polled_run, starts=request.spends)
        answer = await self._exchange(request, headers)
        try:
            return self._understood(request, answer, model, is_meant)
        except ApiError:
            await answer.distrust()
            raise

    def _understood(
        self, request: _Request, answer: _Answer, model: type[ModelT], is_meant: Callable[[ModelT], bool]
    ) -> ModelT:
        content = answer.body.content
        if answer.status < 300:
            found = _read(content, model)
            if not is_meant(found):
                thing = "run" if request.what == "workflow" else request.what
                raise BadResponse(
                    f"The API answered about another {thing} than the one that was asked for.",
                    "Try again in a minute.",
                    fate="unknown",
                )
            return found
        error = failure(answer.status, answer.headers, content, what=request.what, spends=request.spends)
        if isinstance(error, RateLimited):
            self._budget.block(self._clock.monotonic() + (error.retry_after or 0))
        raise error

    async def _exchange(self, request: _Request, headers: dict[str, str]) -> _Answer:
        """Return the answer to one request, whatever it says, got within the time that one request has in all.

        Raises:
            ApiUnavailable: if there is none, or not all of it.
            BadResponse: if it is too large, or encoded in a way that was not asked for.
        """
        seconds = self._settings.timeout_seconds
        http = self._open(keeps=request.method == "GET")
        departure = _Departure()
        answer = _Answer()
        try:
            await awake.within(seconds, partial(_converse, http, request, headers, departure, answer))
        except BodyRefused as exc:
            raise _not_read(exc, answer) from None
        except awake.TookTooLong as exc:
            if _never_left(exc, departure):
                raise _unreachable(exc) from exc
            if not answer.complete:
                raise _lost(f"did not answer within {seconds:g} seconds", answer) from exc
        except Exception as exc:
            # Whatever it is, proxies and TLS bring their own: it matters only whether the request has left.
            if not isinstance(exc, httpx.HTTPError | httpx.StreamError | OSError):
                log.info("A request failed in an unusual way: %s.", where(exc))
            if _never_left(exc, departure):
                raise _unreachable(exc) from exc
            if not answer.complete:  # what goes wrong with a connection afterwards takes nothing back
                raise _lost("broke the connection off before its answer was complete", answer) from exc
        finally:
            await departure.close()
        return answer

    def _open(self, *, keeps: bool) -> httpx.AsyncClient:
        """Return the HTTP client whose connections are kept, or the one that uses each for one request.

        Each is made on first use: loading the trust store is slow, and many starts never need it.
        """
        if keeps not in self._http:
            base_url = self._settings.base_url
            loopback = is_loopback(urlsplit(base_url).hostname or "")
            headers = {
                "User-Agent": f"cleanlist-mcp/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # an answer is small, and what is packed could be anything
            }
            try:
                self._http[keeps] = httpx.AsyncClient(
                    base_url=base_url,
                    transport=self._transport,
                    verify=self._trust,
                    trust_env=not loopback,  # a proxy from the environment must not see loopback traffic
                    follow_redirects=False,
                    timeout=_timeout(self._settings.timeout_seconds),
                    limits=httpx.Limits(
                        max_connections=CONNECTIONS,
                        max_keepalive_connections=KEPT_CONNECTIONS if keeps else 0,
                    ),
                    headers=headers if keeps else headers | {"Connection": "close"},
                )
            except (ValueError, httpx.InvalidURL):
                # Without its cause: the exception's text may hold a proxy's password.
                raise ApiUnavailable(
                    "The proxy settings of this machine cannot be used, so nothing was sent.",
                    Advice(
                        "Check the variables HTTPS_PROXY, ALL_PROXY and NO_PROXY, or run `cleanlist-mcp doctor`."
                    ),
                    fate="not_sent",
                    retryable=False,
                ) from None
        return self._http[keeps]

    @cached_property
    def _trust(self) -> ssl.SSLContext | bool:
        """The trust store that certificates are checked against; false where none is shown."""
        if self._transport is not None or urlsplit(self._settings.base_url).scheme != "https":
            return False
        import truststore  # here, because it is needed once there is something to ask over TLS

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _converse(
    http: httpx.AsyncClient,
    request: _Request,
    headers: dict[str, str],
    departure: _Departure,
    answer: _Answer,
) -> None:
    """Send a request and put what comes into `answer`, so that what has come is there whatever breaks it off."""
    async with http.stream(
        request.method,
        request.path,
        json=request.body,
        params=request.query,
        headers=headers,
        extensions={"trace": departure},
    ) as response:
        answer.kept = response.extensions.get("network_stream") if request.method == "GET" else None
        answer.body = Body(response.headers.get_list("content-encoding", split_commas=True))
        answer.headers = response.headers
        answer.status = response.status_code
        # As they came: httpx would unpack them without a limit.
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            answer.body.feed(chunk)
        answer.body.end()
        answer.complete = True


def _never_left(exc: Exception, departure: _Departure) -> bool:
    """Return whether a request that failed so has certainly not left this machine."""
    return not departure.left if departure.heard else isinstance(exc, _NEVER_OPENED)


def _is_same(list_id: str, asked_for: str) -> bool:
    return list_id.casefold() == asked_for.casefold()


def _timeout(seconds: float) -> httpx.Timeout:
    # Connecting gives up first, so that a request that never left is not taken for a lost answer. What comes after
    # has one limit for all, by another clock than httpx has.
    connecting = min(5.0, seconds * 0.8)
    return httpx.Timeout(None, connect=connecting, pool=connecting)


def _read(content: bytes, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        pass
    try:
        return model.model_validate(lenient_json(content))
    except ValueError:  # pydantic's own is one
        # Without its cause: the exception's text would carry what the API sent.
        raise BadResponse(
            "The API reported success, but its answer cannot be read.",
            "Try again in a minute.",
            fate="unknown",
            answered=Answered(workflow_id=workflow_id_in(content)),
        ) from None


def _not_read(exc: BodyRefused, answer: _Answer) -> BadResponse:
    return BadResponse(
        f"The API's answer {exc}, and was not read.",
        "Try again; if it stays, tell the user that the API misbehaves.",
        fate="unknown",
        answered=Answered(status=answer.status, workflow_id=workflow_id_in(answer.body.content)),
    )


def _lost(what_happened: str, answer: _Answer) -> ApiUnavailable:
    return ApiUnavailable(
        f"The API {what_happened}.",
        "Try again in a minute.",
        fate="unknown",
        answered=Answered(workflow_id=workflow_id_in(answer.body.content)),
    )


def _unreachable(exc: Exception) -> ApiUnavailable:
    if "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return ApiUnavailable(
            "The API's TLS certificate is not trusted by this machine, so nothing was sent.",
            Advice(
                "Check the machine's clock and its trusted certificates (a proxy that inspects TLS needs its own in "
                "the system's store), or run `cleanlist-mcp doctor`."
            ),
            fate="not_sent",
            retryable=False,
        )
    return ApiUnavailable(
        "The API cannot be reached, so nothing was sent.",
        Advice("Check the network, or run `cleanlist-mcp doctor`; then try again."),
        fate="not_sent",
    )
