"""Requests that spend: each sent once, and its outcome written down."""

from typing import TYPE_CHECKING

import anyio

from cleanlist_mcp.api.failures import names_field
from cleanlist_mcp.api.wire import (
    DATA_POINTS,
    LIST_SCOPES,
    CreateListRequest,
    ListRequest,
    ListStarted,
    PartRequest,
    PersonRequest,
    PersonStarted,
    WorkflowStatus,
)
from cleanlist_mcp.errors import ApiError, ApiRefusal, CleanlistError
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.measures import CREDITS
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.runs.refusals import DEFAULT_LIST, answered_with, outcome_unknown, quote_error
from cleanlist_mcp.runs.spending import Started

SPEND_PATIENCE = 10.0
"""Seconds that a spend request may wait between its repeats."""

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient


class Sender:
    """Sends what was claimed. The journal has every outcome before an error is raised."""

    def __init__(
        self, client: "CleanlistClient", journal: Journal, stop: anyio.Event, *, insists_on_list: bool
    ) -> None:
        """Nothing is repeated once `stop` is set; `insists_on_list` if the API takes no person without a list."""
        self._client = client
        self._journal = journal
        self._stop = stop
        self._insists_on_list = insists_on_list

    async def person(self, run: Run, request: PersonRequest) -> Started:
        """Send a claimed run over one person, and record what the API answered.

        Raises:
            CleanlistError: if it was refused, or its outcome is unknown.
        """
        try:
            answer = await self._request_person(request)
        except CleanlistError as exc:
            if is_certain(exc):
                await self._journal.outcomes.refused(run)
                raise
            return await self._confirmed(run, exc)
        return await self._accepted(run, answer, answer.lead_list_id or run.list_id)

    async def _request_person(self, request: PersonRequest) -> PersonStarted:
        if request.lead_list_id is None and self._insists_on_list:
            request = await self._into_default_list(request)
        try:
            return await self._client.start_person(request, patience=SPEND_PATIENCE, stop=self._stop)
        except ApiRefusal as exc:
            if request.lead_list_id is not None or not names_field(exc, "lead_list_id"):
                raise
        # The vendor's sources disagree on whether the list may be left out; this account's API insists.
        self._insists_on_list = True
        request = await self._into_default_list(request)
        return await self._client.start_person(request, patience=SPEND_PATIENCE, stop=self._stop)

    async def _into_default_list(self, request: PersonRequest) -> PersonRequest:
        try:
            default = await self._client.create_list(CreateListRequest(name=DEFAULT_LIST))
        except ApiError as exc:
            raise exc.replaced(fate="not_sent") from exc  # about the spend
        return request.model_copy(update={"lead_list_id": default.list_id})

    async def list(self, run: Run, quote: Quote, lost: bool = False) -> Started:
        """Send the quote, and once more if the answer was lost: single-use, it cannot start twice.

        `lost` is true if the answer of an earlier call was lost already.
        """
        try:
            answer = await self._request_list(quote)
        except CleanlistError as exc:
            if lost:
                return await self._confirmed(run, exc)
            if not is_certain(exc):
                if self._stop.is_set() or _workflow_id_in(exc):
                    return await self._confirmed(run, exc)
                return await self.list(run, quote, lost=True)
            if await self._journal.outcomes.refused(run):
                raise quote_error(exc, quote) from exc
            return await self._still_unknown(run, exc)
        return await self._accepted(run, answer, quote.list_id)

    async def _request_list(self, quote: Quote) -> ListStarted:
        part = quote.part
        if part is None:
            whole = ListRequest(
                lead_list_id=quote.list_id, scope=LIST_SCOPES[quote.scope], quote_id=quote.quote_id
            )
            return await self._client.start_list(whole, patience=SPEND_PATIENCE, stop=self._stop)
        picked = PartRequest(
            task_id=part.task_id,
            data_points=list(DATA_POINTS[quote.scope]),
            entity_ids=part.sent_ids,
            lead_list_id=quote.list_id,
            quote_id=quote.quote_id,
        )
        return await self._client.start_part(picked, patience=SPEND_PATIENCE, stop=self._stop)

    async def _accepted(self, run: Run, answer: PersonStarted | ListStarted, list_id: str) -> Started:
        known = await self._journal.by_workflow(answer.workflow_id)
        if known is None or known.run_id == run.run_id:
            return await self._recorded(
                run, answer.workflow_id, answer.credits_reserved, list_id, answer.status
            )
        is_same = _is_same_work(run, known) and await self._journal.may_be_same_person(run, known)
        if answer.credits_reserved or not is_same:
            # The id of other work proves nothing about this one, for which credits may have been taken.
            await self._journal.outcomes.uncertain(run)
            raise answered_with(known, run)
        if not known.is_own:
            # A colleague's: this account gets an entry of its own, and nothing of theirs.
            return await self._recorded(run, answer.workflow_id, 0, list_id, answer.status)
        # The API itself recognised the work: it is charged once.
        await self._journal.outcomes.same_as(run, known)
        return Started(known, replayed=True)

    async def _recorded(
        self, run: Run, workflow_id: str, reserved: int, list_id: str, status: str
    ) -> Started:
        run = await self._journal.outcomes.started(
            run,
            workflow_id=workflow_id,
            reserved=reserved or None,  # an answer without the figure frees nothing
            list_id=list_id,
            list_name=run.list_name,
            status=status,
        )
        CREDITS.add(run.reserved, state="reserved", kind=run.kind)
        return Started(run, replayed=False)

    async def _confirmed(self, run: Run, error: CleanlistError) -> Started:
        """Return the run, if the failed answer named a workflow, and a look at that confirms the work.

        Raises:
            OutcomeUnknown: otherwise.
        """
        workflow_id = _workflow_id_in(error)
        if workflow_id is None or await self._journal.by_workflow(workflow_id) is not None:
            return await self._still_unknown(run, error)
        try:
            status = await self._client.status(workflow_id)
        except CleanlistError:
            return await self._still_unknown(run, error)
        if not _confirms(status, workflow_id, run):
            return await self._still_unknown(run, error)
        return await self._recorded(run, workflow_id, 0, run.list_id or status.lead_list_id, status.status)

    async def _still_unknown(self, run: Run, error: CleanlistError) -> Started:
        """Return the run, if another attempt of the same quote has learnt its id meanwhile.

        Once an answer was lost even a refusal proves nothing: "already used" may be our own doing.

        Raises:
            OutcomeUnknown: otherwise.
        """
        await self._journal.outcomes.uncertain(run)
        known = await self._journal.run(run.run_id)
        if known is None or known.workflow_id is None:
            raise outcome_unknown(run) from error
        return Started(known, replayed=True)


def _workflow_id_in(error: CleanlistError) -> str | None:
    return error.workflow_id if isinstance(error, ApiError) else None


def _is_same_work(run: Run, known: Run) -> bool:
    """Return whether two runs are for the same scope and list."""
    return (run.kind, run.scope) == (known.kind, known.scope) and (
        run.list_id == known.list_id
        or (run.list_name == known.list_name and not (run.list_id and known.list_id))
    )


def _confirms(status: WorkflowStatus, workflow_id: str, run: Run) -> bool:
    """Return whether a look at a workflow shows the work of `run`."""
    scope = status.enrichment_type.casefold().replace("-", "_")
    return (
        status.workflow_id in ("", workflow_id)
        and scope in ("", run.scope)
        and (not run.list_id or status.lead_list_id in ("", run.list_id))
    )


def is_certain(error: CleanlistError) -> bool:
    """Return whether nothing was started: the API refused, or nothing was sent."""
    return not isinstance(error, ApiError) or error.nothing_started
