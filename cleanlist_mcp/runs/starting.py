"""Runs, started at most once: the journal decides, the request goes out once, its outcome is written down."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.api.failures import names_field
from cleanlist_mcp.api.wire import (
    LIST_SCOPES,
    CreateListRequest,
    ListRequest,
    ListStarted,
    PersonRequest,
    PersonStarted,
    WorkflowStatus,
)
from cleanlist_mcp.clock import Clock, Deadline
from cleanlist_mcp.errors import ApiError, ApiRefusal, CleanlistError, InternalError, OutcomeUnknown, where
from cleanlist_mcp.journal.claims import CallGone, PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.money import runs
from cleanlist_mcp.money.decisions import (
    Busy,
    ListDecision,
    PersonDecision,
    Replay,
    Resend,
    Start,
    Unknown,
    Wait,
)
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.likeness import Basis, Marks
from cleanlist_mcp.runs.refusals import DEFAULT_LIST, answered_with, in_progress, outcome_unknown, quote_error
from cleanlist_mcp.runs.watching import Watcher

SPEND_PATIENCE = 10.0
"""Seconds that a spend request may wait between its repeats."""

SHUTDOWN_SECONDS = 15.0
"""Longest wait for spend requests under way when the server stops."""

START_ROOM = 1.0
"""Seconds kept at the end of a call to say what became of a start: without a wait for the run, that is little."""

JOIN_SECONDS = 10.0
"""Longest wait for a run that another call or process is starting right now."""

JOIN_STEP = 0.1
"""Seconds between looks at it."""

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient

log = logging.getLogger(__name__)

Claim = Callable[[Terms], Awaitable[PersonDecision | ListDecision]]
Send = Callable[[Start | Resend], Awaitable["Started"]]


@dataclass(frozen=True)
class Started:
    """A run that exists: started by this call, or (`replayed`) known from before.

    `basis` names what its person was recognised by; if it is the `first_of_key`, all earlier runs here had other keys.
    """

    run: Run
    replayed: bool
    basis: Basis | None = None
    first_of_key: bool = False


class Workflows:
    """Starts runs. Spend requests live in `tasks`, not in the calls that began them: a call that is cancelled
    stops waiting, and nothing else."""

    def __init__(
        self,
        client: "CleanlistClient",
        journal: Journal,
        limits: Limits,
        clock: Clock,
        watcher: Watcher,
        tasks: TaskGroup,
        *,
        timeout_seconds: float,
        insists_on_list: bool = False,
    ) -> None:
        """One request may take `timeout_seconds`; `insists_on_list` if the API is known not to take a person without
        a list."""
        self._client = client
        self._journal = journal
        self._clock = clock
        self._watcher = watcher
        self._tasks = tasks
        self._limits = limits
        # Two requests with their waits: after that, an intent without an outcome is uncertain.
        self._spend_seconds = 2 * (timeout_seconds + SPEND_PATIENCE)
        self._insists_on_list = insists_on_list
        self._under_way: set[_Spend] = set()
        self._stop = anyio.Event()

    async def start_person(
        self,
        request: PersonRequest,
        *,
        marks: Marks,
        into: str,
        label: str,
        list_name: str,
        again: bool,
        deadline: Deadline,
    ) -> Started:
        """Start a run for one person, or find the one that is the same.

        `marks` are all identifiers of the person, `into` what the list of the result is known by.

        Raises:
            HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
            OutcomeUnknown: if this or an earlier request may have started a run.
            ApiError: if the API refused, or was never reached.
        """
        work = PersonWork(
            marks=marks,
            scope=request.enrichment_type,
            label=label,
            into=into,
            list_id=request.lead_list_id or "",
            list_name=list_name if request.lead_list_id else DEFAULT_LIST,
            again=again,
        )

        async def send(decision: Start | Resend) -> Started:
            started = await self._send_person(decision.run, request)
            return replace(started, first_of_key=isinstance(decision, Start) and decision.first_of_key)

        while True:
            outcome = await self._claim_and_send(partial(self._journal.claims.person, work), send, deadline)
            deadline.committed = True
            match outcome:
                case Started():
                    return outcome
                case Replay():
                    if not (again and await self._is_over(outcome.run)):
                        return Started(outcome.run, replayed=True, basis=outcome.basis)
                case Wait():
                    joined = await self._joined(outcome.run, deadline)
                    if joined is not None and joined.workflow_id is not None:
                        # Whatever `again` is: it is of the same moment.
                        return Started(joined, replayed=True, basis=outcome.basis)
                case Unknown() | Busy():
                    raise self.unknown(outcome.run)
                case _:
                    assert_never(outcome)

    async def start_list(self, quote: Quote, *, may_resend: bool, deadline: Deadline) -> Started:
        """Start the run that `quote` pays for, or find the one that it started.

        If the call allows the spend, it `may_resend`: an uncertain run of an earlier call, which may have allowed more,
        is otherwise only reported.

        Raises:
            DailyLimit: if the limit would be passed.
            RunInProgress: if the same list and scope is being run under another quote.
            OutcomeUnknown: if this or an earlier request may have started a run.
            ApiError: if the API refused, or was never reached.
        """
        claim = partial(self._journal.claims.list, quote, may_resend=may_resend)

        async def send(decision: Start | Resend) -> Started:
            return await self._send_list(decision.run, quote, lost=isinstance(decision, Resend))

        while True:
            outcome = await self._claim_and_send(claim, send, deadline)
            if isinstance(outcome, Busy):
                if not await self._is_over(outcome.run):
                    raise in_progress(outcome.run)
                continue
            deadline.committed = True
            match outcome:
                case Started():
                    return outcome
                case Replay():
                    return Started(outcome.run, replayed=True)
                case Wait():
                    await self._joined(outcome.run, deadline)
                case Unknown():
                    raise self.unknown(outcome.run)
                case _:
                    assert_never(outcome)

    async def require_free(self, quote: Quote) -> None:
        """Raise if another run of the same list and scope stands in the way of `quote`, before anybody is asked.

        Raises:
            RunInProgress: if one goes on.
            OutcomeUnknown: if one may.
        """
        found = await self._journal.claims.look_at_list(quote)
        while isinstance(found, Busy) and await self._is_over(found.run):
            found = await self._journal.claims.look_at_list(quote)
        if isinstance(found, Busy):
            raise in_progress(found.run)
        if isinstance(found, Unknown):
            raise self.unknown(found.run)

    async def close(self) -> None:
        """Let the spend requests that have left come to their end, within `SHUTDOWN_SECONDS`; nothing is sent
        again."""
        self._stop.set()
        with anyio.move_on_after(SHUTDOWN_SECONDS, shield=True):
            await self._all_done()
        for spending in self._under_way:
            spending.scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._all_done()

    async def _all_done(self) -> None:
        for spending in list(self._under_way):
            await spending.done.wait()

    async def _is_over(self, run: Run) -> bool:
        """Return whether a run that is not known to have ended has done so, as one free look shows.

        True only once the journal has it too, so that the next decision is another one.
        """
        if run.state != "running" or run.workflow_id is None:
            return False
        await self._watcher.watch(run.workflow_id, run.started_at, 0)
        known = await self._journal.run(run.run_id)
        return known is not None and known.state == "finished"

    async def _joined(self, run: Run, deadline: Deadline) -> Run | None:
        """Return `run` as it is once another call or process has ended starting it; None if it was refused.

        Raises:
            OutcomeUnknown: if that outlasts this call.
        """
        patience = Deadline(self._clock, JOIN_SECONDS)
        known: Run | None = run
        while known is not None and runs.state_at(known, self._clock.time()) == "starting":
            if min(deadline.left() - START_ROOM, patience.left()) <= 0:
                raise self.unknown(run)
            await self._clock.sleep(JOIN_STEP)
            known = await self._journal.run(run.run_id)
        return known

    async def _claim_and_send(
        self, claim: Claim, send: Send, deadline: Deadline
    ) -> Started | Replay | Wait | Unknown | Busy:
        """Claim and send in one background task, and wait for it as long as the call may.

        A claim is a point at which a call can be cancelled. In one task that nothing cancels, an intent cannot be left
        without its request; and a call that has ended before its intent is written starts nothing.

        Raises:
            OutcomeUnknown: if the answer is not there in time, or was lost.
            CleanlistError: as `claim` and `send` raise it.
        """
        spending = _Spend(self._stop)
        self._under_way.add(spending)
        self._tasks.start_soon(self._run_to_the_end, claim, send, spending)
        try:
            await spending.decided.wait()
        finally:
            spending.is_gone = not spending.decided.is_set()
            if spending.is_gone and spending.has_begun:
                deadline.committed = True
        if spending.sent is None:
            return spending.answer()
        deadline.committed = True
        await self._clock.wait(spending.done, max(deadline.left() - START_ROOM, 0))
        if spending.error is not None:
            raise spending.error
        if spending.started is None:
            raise self.unknown(await self._journal.run(spending.sent.run_id) or spending.sent)
        return spending.started

    async def _run_to_the_end(self, claim: Claim, send: Send, spending: "_Spend") -> None:
        try:
            with spending.scope:
                await self._carry_out(claim, send, spending)
        except CallGone:
            log.info("A call ended before its run was begun; nothing was sent.")
        except CleanlistError as exc:
            spending.error = exc
        except Exception as exc:
            log.error("A spend request failed in this server itself: %s.", where(exc))
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(spending)

    async def _carry_out(self, claim: Claim, send: Send, spending: "_Spend") -> None:
        decision = await claim(Terms(self._limits, self._spend_seconds, spending.may_begin))
        spending.decision = decision
        if not isinstance(decision, Start | Resend):
            return
        spending.sent = decision.run
        spending.decided.set()
        spending.started = await send(decision)

    async def _end(self, spending: "_Spend") -> None:
        if spending.sent is not None and spending.started is None and spending.error is None:
            await self._journal.outcomes.uncertain(spending.sent)
        self._under_way.discard(spending)
        spending.decided.set()
        spending.done.set()

    async def _send_person(self, run: Run, request: PersonRequest) -> Started:
        try:
            answer = await self._request_person(request)
        except CleanlistError as exc:
            if _is_certain(exc):
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

    async def _send_list(self, run: Run, quote: Quote, lost: bool = False) -> Started:
        """Send the quote, and once more if the answer was lost: single-use, it cannot start twice.

        `lost` is true if the answer of an earlier call was lost already.
        """
        request = ListRequest(
            lead_list_id=quote.list_id, scope=LIST_SCOPES[quote.scope], quote_id=quote.quote_id
        )
        try:
            answer = await self._client.start_list(request, patience=SPEND_PATIENCE, stop=self._stop)
        except CleanlistError as exc:
            if lost:
                return await self._confirmed(run, exc)
            if not _is_certain(exc):
                if self._stop.is_set() or _workflow_id_in(exc):
                    return await self._confirmed(run, exc)
                return await self._send_list(run, quote, lost=True)
            if await self._journal.outcomes.refused(run):
                raise quote_error(exc, quote) from exc
            return await self._still_unknown(run, exc)
        return await self._accepted(run, answer, quote.list_id)

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
        await self._journal.outcomes.same_as(
            run, known
        )  # the API itself knew the work again: it is charged once
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

    def unknown(self, run: Run) -> OutcomeUnknown:
        """Return the error about a run whose outcome nobody here knows, or does not know yet."""
        return outcome_unknown(run, under_way=runs.state_at(run, self._clock.time()) == "starting")


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


def _is_certain(error: CleanlistError) -> bool:
    """Return whether nothing was started: the API refused, or nothing was sent."""
    return not isinstance(error, ApiError) or error.nothing_started


class _Spend:
    """A claim and its request on their way, and what came of them."""

    def __init__(self, stop: anyio.Event) -> None:
        """Nothing is begun any more once `stop` is set."""
        # Shielded: neither the call's end nor the server's may cut a request that has left.
        self.scope = anyio.CancelScope(shield=True)
        self.decided = anyio.Event()
        self.done = anyio.Event()
        self.is_gone = False
        self.has_begun = False
        self.decision: PersonDecision | ListDecision | None = None
        self.sent: Run | None = None
        self.started: Started | None = None
        self.error: CleanlistError | None = None
        self._stop = stop

    def may_begin(self) -> bool:
        """Return whether the intent may be written: the call is still there, and the server goes on."""
        self.has_begun = not self.is_gone and not self._stop.is_set()
        return self.has_begun

    def answer(self) -> Replay | Wait | Unknown | Busy:
        """Return the decision that needed no request.

        Raises:
            CleanlistError: as the claim raised it.
        """
        if self.error is not None:
            raise self.error
        if self.decision is None or isinstance(self.decision, Start | Resend):
            raise InternalError("The run could not be begun in this server.", "Try the same call again.")
        return self.decision
