"""The one door to the network: a method per endpoint of the vendor's public API, and one `_send`."""

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import anyio
import httpx
from pydantic import BaseModel, ValidationError

from cleanlist_mcp.api import retries
from cleanlist_mcp.api.connections import Answer, Connections, Request
from cleanlist_mcp.api.failures import What, failure, held_back
from cleanlist_mcp.api.minute import Kind
from cleanlist_mcp.api.prefixes import Prefixes
from cleanlist_mcp.api.rate_budget import Admission
from cleanlist_mcp.api.reading import lenient_json, workflow_id_in
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
    PartEstimateRequest,
    PartRequest,
    PersonRequest,
    PersonStarted,
    Removed,
    RemoveLeadsRequest,
    Whoami,
    WorkflowStatus,
)
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import Answered, ApiError, BadResponse, RateLimited
from cleanlist_mcp.links import may_be_handed_on
from cleanlist_mcp.measures import API_SECONDS, Stopwatch
from cleanlist_mcp.settings import Settings

# Few calls need these; the methods import what they read.
if TYPE_CHECKING:
    from cleanlist_mcp.api.prospects import (
        AddedToList,
        AddToListRequest,
        CompaniesPage,
        CompanyAnswer,
        CompanyRequest,
        PeoplePage,
        SearchRequest,
    )

PATIENCE = 10.0
"""Seconds that one call may spend between repeats of a request."""

ModelT = TypeVar("ModelT", bound=BaseModel)


class CleanlistClient:
    """The vendor's API over HTTP.

    Every method raises an `ApiError` for a refusal, a failure or an unreadable answer, and `NotConfigured`
    if there is no usable key. Repeats of a request wait no longer than `settings.max_wait_seconds`.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Admission,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        connections: Connections | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`connections` are those of all accounts, if there are several; else this client has its own."""
        self._settings = settings
        self._budget = budget
        self._connections = connections or Connections(settings, transport)
        self._clock = clock or SystemClock()
        self._chance = chance
        self._prefixes = Prefixes(settings.base_url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def whoami(self) -> Whoami:
        """Return the owner of the key, with plan and permissions."""
        owner = await self._send("GET", "/whoami", Whoami)
        await self._budget.belongs_to(owner.organization_id)
        return owner

    async def balance(self) -> Balance:
        """Return the whole credits that are left."""
        balance = await self._send("GET", "/credits/balance", Balance)
        await self._budget.belongs_to(balance.organization_id)
        return balance

    async def estimate(self, request: EstimateRequest | PartEstimateRequest) -> Estimate:
        """Return a signed quote for a list, or for rows of it; free, and starts nothing."""
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
            kind="start",
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
            kind="start",
            what="list",
            patience=patience,
            stop=stop,
        )

    async def start_part(
        self, request: PartRequest, *, patience: float, stop: anyio.Event | None = None
    ) -> ListStarted:
        """Start a paid run for rows of a list; `stop` and errors as for `start_person`."""
        return await self._send(
            "POST",
            "/enrichment/by-task",
            ListStarted,
            body=request,
            kind="start",
            what="list",
            patience=patience,
            stop=stop,
        )

    async def status(self, workflow_id: str, *, kind: Kind = "call") -> WorkflowStatus:
        """Return the state of a run. A look is not repeated: the next one is near.

        Raises:
            PutOff: for a look or a glance, if the minute is used up.
        """
        path = "/enrichment/status/" + quote(workflow_id, safe="")
        return await self._send(
            "GET",
            path,
            WorkflowStatus,
            what="workflow",
            patience=0 if kind == "look" else PATIENCE,
            kind=kind,
            run=workflow_id if kind in ("look", "glance") else None,
            # A cohort is asked for by its own handle and names its run.
            is_meant=lambda status: status.workflow_id in ("", workflow_id) or workflow_id.startswith("cl-"),
        )

    async def create_list(self, request: CreateListRequest) -> LeadList:
        """Find or create a list; idempotent on the name, so it may be repeated."""
        return await self._send("POST", "/lead-lists", LeadList, body=request)

    async def lists(self, *, limit: int = LISTS_PAGE, cursor: str = "") -> ListsPage:
        """Return one page of the user's lists, from `cursor` on; an empty cursor begins, and ends."""
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        return await self._send("GET", "/lead-lists", ListsPage, query=query)

    async def list_detail(self, list_id: str) -> LeadList:
        """Return one list by its id."""
        path = "/lead-lists/" + quote(list_id, safe="")
        return await self._send(
            "GET", path, LeadList, what="list", is_meant=lambda found: _is_same(found.list_id, list_id)
        )

    async def leads(self, list_id: str, *, limit: int, cursor: str = "") -> LeadsPage:
        """Return one page of a list's rows, from `cursor` on; an empty cursor begins, and ends."""
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

    async def remove_leads(self, list_id: str, request: RemoveLeadsRequest) -> Removed:
        """Take rows out of a list; the leads themselves stay in the workspace.

        Repeated only if it was certainly not carried out: a second removal does no harm, but it counts the rows that
        the first one took as none.
        """
        path = f"/lead-lists/{quote(list_id, safe='')}/leads"
        return await self._send("DELETE", path, Removed, body=request, what="list", repeats_lost=False)

    async def import_csv(self, list_id: str, request: CsvImportRequest) -> CsvImported:
        """Send one chunk of rows, once; the caller decides about a repeat, which the API guards by key."""
        path = f"/lead-lists/{quote(list_id, safe='')}/csv-import"
        return await self._send("POST", path, CsvImported, body=request, what="list", patience=0)

    async def add_to_list(self, list_id: str, request: "AddToListRequest") -> "AddedToList":
        """Put rows of a search, or leads, into a list, once; free. The caller decides about a repeat, which the API
        guards by key."""
        from cleanlist_mcp.api.prospects import AddedToList

        path = f"/lead-lists/{quote(list_id, safe='')}/leads"
        return await self._send("POST", path, AddedToList, body=request, what="row", patience=0)

    async def search_people(self, request: "SearchRequest") -> "PeoplePage":
        """Return one page of the people who match; free."""
        from cleanlist_mcp.api.prospects import PeoplePage

        return await self._search("/search/people", PeoplePage, request)

    async def search_companies(self, request: "SearchRequest") -> "CompaniesPage":
        """Return one page of the companies that match; free."""
        from cleanlist_mcp.api.prospects import CompaniesPage

        return await self._search("/search/companies", CompaniesPage, request)

    async def company(
        self, request: "CompanyRequest", *, patience: float, stop: anyio.Event | None = None
    ) -> "CompanyAnswer":
        """Look one company up; paid. An `ApiError` of unknown fate may have charged for it; `stop` as for a person."""
        from cleanlist_mcp.api.prospects import CompanyAnswer

        return await self._send(
            "POST",
            "/enrichment/company",
            CompanyAnswer,
            body=request,
            kind="start",
            what="company",
            patience=patience,
            stop=stop,
            is_meant=lambda answer: (
                request.company_id in (None, answer.company.company_id or request.company_id)
            ),
        )

    async def _search(self, path: str, model: type[ModelT], request: "SearchRequest") -> ModelT:
        """Search under the prefix of this API that has the search.

        Raises:
            NotAvailable: if none has.
        """
        return await self._prefixes.asked(
            path, lambda address: self._send("POST", address, model, body=request)
        )

    async def export(self, list_id: str) -> Export:
        """Return a signed link to a list as a CSV file, safe to hand on."""
        export = await self._send(
            "POST", "/export/csv/signed-url", Export, body={"list_id": list_id}, what="list"
        )
        if not may_be_handed_on(export.download_url, self._settings.base_url):
            raise BadResponse(
                "The API gave a link that is not safe to open, so it is not handed on.",
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
        kind: Kind = "call",
        what: What = "address",
        patience: float = PATIENCE,
        run: str | None = None,
        stop: anyio.Event | None = None,
        repeats_lost: bool = True,
        is_meant: Callable[[ModelT], bool] = lambda answer: True,
    ) -> ModelT:
        """Send one request, repeated if that is safe and within `patience` seconds, and read its answer into `model`.

        `is_meant` returns whether the answer is about what was asked for. A free request may be repeated after its
        answer was lost, unless `repeats_lost` is false.
        """
        if isinstance(body, BaseModel):
            body = body.model_dump(exclude_none=True)
        request = Request(method, path, body, query, what, kind, run)
        give_up_at = self._clock.monotonic() + min(patience, self._settings.max_wait_seconds)
        stop = stop or anyio.Event()
        attempt = 1
        while True:
            try:
                return await self._attempt(request, model, is_meant)
            except ApiError as error:
                attempt += 1
                wait = None
                if retries.may_resend(error, spends=request.spends or not repeats_lost):
                    left = give_up_at - self._clock.monotonic()
                    wait = retries.wait_before(attempt, error, patience=left, chance=self._chance())
                if wait is None or await self._clock.wait(stop, wait):
                    raise

    async def _attempt(
        self, request: Request, model: type[ModelT], is_meant: Callable[[ModelT], bool]
    ) -> ModelT:
        """Send it once.

        Raises:
            ApiError: for whatever is not a readable success.
        """
        headers = {"Authorization": f"Bearer {self._settings.require_key()}"}
        refused_for = await self._budget.admit(request.kind, request.run)
        if refused_for > 0:
            # The API refused a moment ago; asking again would only prolong that.
            raise held_back(refused_for)
        answer = await self._answer(request, headers)
        try:
            return self._understood(request, answer, model, is_meant)
        except ApiError as error:
            await answer.distrust()  # at once: after any wait, another request may be using the connection
            if isinstance(error, RateLimited):
                await self._budget.block(error.retry_after or 0)
            raise

    async def _answer(self, request: Request, headers: dict[str, str]) -> Answer:
        taking, outcome = Stopwatch(), "none"
        try:
            answer = await self._connections.exchange(request, headers)
            outcome = "429" if answer.status == 429 else f"{answer.status // 100}xx"
            return answer
        finally:
            API_SECONDS.add(taking.seconds, method=request.method, outcome=outcome)

    def _understood(
        self, request: Request, answer: Answer, model: type[ModelT], is_meant: Callable[[ModelT], bool]
    ) -> ModelT:
        content = answer.body.content
        if answer.status < 300:
            found = _read(content, model)
            if not is_meant(found):
                thing = "run" if request.what == "workflow" else request.what
                raise BadResponse(
                    f"The API's answer is about another {thing} than the call.",
                    "Try again in a minute.",
                    fate="unknown",
                )
            return found
        raise failure(answer.status, answer.headers, content, what=request.what, spends=request.spends)


def _is_same(list_id: str, asked_for: str) -> bool:
    return list_id.casefold() == asked_for.casefold()


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
