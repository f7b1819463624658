"""The one door to the network: a method per endpoint of the vendor's public API, and one `_send`."""

import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import anyio
import httpx
from pydantic import BaseModel, ValidationError

from cleanlist_mcp import __version__, retries
from cleanlist_mcp.answers import What, failure, held_back
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import ApiError, ApiUnavailable, BadResponse, RateLimited
from cleanlist_mcp.models import (
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
from cleanlist_mcp.polling import RateBudget
from cleanlist_mcp.settings import Settings, is_loopback

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Largest answer that is read, decompressed: a page of 500 leads is well under 1 MiB."""

PATIENCE = 10.0
"""Seconds that one call may spend between repeats of a request."""

ModelT = TypeVar("ModelT", bound=BaseModel)


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


class CleanlistClient:
    """The vendor's API over one shared HTTP client.

    Every method raises an `ApiError` for a refusal, a failure or an unreadable answer, and `NotConfigured`
    where there is no usable key. No redirects, no answer over 8 MiB, one request within
    `settings.timeout_seconds` in all, the operating system's trust store.
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
        self._http: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

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
        """Start a paid run for one person. An `ApiError` with `certain` false may have started it.

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
        return await self._send("GET", "/lead-lists/" + quote(list_id, safe=""), LeadList, what="list")

    async def leads(self, list_id: str, *, limit: int, cursor: str = "") -> LeadsPage:
        """One page of a list's rows, from `cursor` on; an empty one begins, and ends."""
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        path = f"/lead-lists/{quote(list_id, safe='')}/leads"
        return await self._send("GET", path, LeadsPage, query=query, what="list")

    async def import_csv(self, list_id: str, request: CsvImportRequest) -> CsvImported:
        """Send one chunk of rows, once; the caller decides about a repeat, which the API guards by key."""
        path = f"/lead-lists/{quote(list_id, safe='')}/csv-import"
        return await self._send("POST", path, CsvImported, body=request, what="list", patience=0)

    async def export(self, list_id: str) -> Export:
        """A signed link to a list as a CSV file."""
        return await self._send(
            "POST", "/export/csv/signed-url", Export, body={"list_id": list_id}, what="list"
        )

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
    ) -> ModelT:
        """One request, repeated where that is safe and within `patience` seconds, read into `model`."""
        if isinstance(body, BaseModel):
            body = body.model_dump(exclude_none=True)
        request = _Request(method, path, body, query, what, spends, polled_run)
        give_up_at = self._clock.monotonic() + patience
        stop = stop or anyio.Event()
        attempt = 1
        while True:
            try:
                return _read(await self._attempt(request), model)
            except ApiError as error:
                attempt += 1
                wait = None
                if retries.may_resend(error, spends=spends):
                    left = give_up_at - self._clock.monotonic()
                    wait = retries.wait_before(attempt, error, patience=left, chance=self._chance())
                if wait is None or await self._clock.wait(stop, wait):
                    raise

    async def _attempt(self, request: "_Request") -> bytes:
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
        response, content = await self._exchange(request, headers)
        if response.status_code < 300:
            return content
        error = failure(response.status_code, response.headers, content, what=request.what)
        if isinstance(error, RateLimited):
            self._budget.block(self._clock.monotonic() + (error.retry_after or 0))
        raise error

    async def _exchange(self, request: "_Request", headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """The answer to one request, whatever it says, within the time that one request has in all."""
        seconds = self._settings.timeout_seconds
        try:
            with anyio.fail_after(seconds):
                async with self._open().stream(
                    request.method, request.path, json=request.body, params=request.query, headers=headers
                ) as response:
                    return response, await _read_capped(response)
        except TimeoutError as exc:
            raise _lost(f"did not answer within {seconds:g} seconds") from exc
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as exc:
            raise _unreachable(exc) from exc
        except (
            httpx.HTTPError,
            httpx.StreamError,
            OSError,
        ) as exc:  # TLS faults after the handshake come as OSError
            raise _lost("broke the connection off before its answer was complete") from exc

    def _open(self) -> httpx.AsyncClient:
        """The shared HTTP client, made on first use: loading the trust store is slow, and many starts
        never need it."""
        if self._http is None:
            base_url = self._settings.base_url
            address = urlsplit(base_url)
            loopback = is_loopback(address.hostname or "")
            try:
                self._http = httpx.AsyncClient(
                    base_url=base_url,
                    transport=self._transport,
                    verify=_trust_store() if self._transport is None and address.scheme == "https" else False,
                    trust_env=not loopback,  # a proxy from the environment must not see loopback traffic
                    follow_redirects=False,
                    timeout=_timeout(self._settings.timeout_seconds),
                    headers={"User-Agent": f"cleanlist-mcp/{__version__}", "Accept": "application/json"},
                )
            except (ValueError, httpx.InvalidURL):
                # Without its cause: the exception's text may hold a proxy's password.
                raise ApiUnavailable(
                    "The proxy settings of this machine cannot be used, so nothing was sent.",
                    "Ask the user to check the variables HTTPS_PROXY, ALL_PROXY and NO_PROXY, or to run "
                    "`cleanlist-mcp doctor`.",
                    retryable=False,
                ) from None
        return self._http


def _timeout(seconds: float) -> httpx.Timeout:
    # Connecting gives up first, so that a request that never left is not taken for a lost answer.
    connecting = min(5.0, seconds * 0.8)
    return httpx.Timeout(seconds, connect=connecting, pool=connecting)


def _trust_store() -> ssl.SSLContext:
    import truststore  # here, because it is needed once there is something to ask over TLS

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _read_capped(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            raise BadResponse(
                "The API's answer is larger than any answer should be, and was not read.",
                "Try again; if it stays, tell the user that the API misbehaves.",
                certain=False,
                status=response.status_code,
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _read(content: bytes, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        # Without its cause: the exception's text would carry what the API sent.
        raise BadResponse(
            "The API reported success, but its answer cannot be read.",
            "Try again in a minute.",
            certain=False,
        ) from None


def _lost(what_happened: str) -> ApiUnavailable:
    return ApiUnavailable(f"The API {what_happened}.", "Try again in a minute.", certain=False)


def _unreachable(exc: Exception) -> ApiUnavailable:
    if "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return ApiUnavailable(
            "The API's TLS certificate is not trusted by this machine, so nothing was sent.",
            "Ask the user to check the machine's clock and its trusted certificates (a proxy that inspects "
            "TLS needs its own in the system store), or to run `cleanlist-mcp doctor`.",
            retryable=False,
        )
    return ApiUnavailable(
        "The API cannot be reached, so nothing was sent.",
        "Ask the user to check the network, or to run `cleanlist-mcp doctor`; then try again.",
        resendable=True,
    )
