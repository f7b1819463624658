"""Runs, started at most once: the journal decides, the request goes out once, its outcome is written down."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp import text
from cleanlist_mcp.api.failures import REFUSED, names_field
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
from cleanlist_mcp.errors import (
    ApiError,
    ApiRefusal,
    CleanlistError,
    JournalUnusable,
    JsonValue,
    OutcomeUnknown,
    QuoteUnknown,
    RunInProgress,
    where,
)
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.money import decisions, runs
from cleanlist_mcp.money.decisions import Decision
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.likeness import Basis, Marks
from cleanlist_mcp.runs.watching import Watcher
from cleanlist_mcp.text import quoted

DEFAULT_LIST = "MCP Results"
"""Where single results go unless the user says otherwise (vendor's quickstart, step 4)."""

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


@dataclass(frozen=True)
class Started:
    """A run that exists: started by this call, or (`replayed`) known from before.

    `basis` says by what its person was recognised, `first_of_key` that all earlier runs here had other API keys.
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
        """`timeout_seconds` is how long one request may take, `insists_on_list` whether the API is known not to
        take a person without a list."""
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
            HourlyUnquotedLimit, DailyLimit: where a limit would be passed.
            OutcomeUnknown: where this or an earlier request may have started a run.
            ApiError: where the API refused, or was never reached.
        """
        while True:
            decision = await self._journal.claim_person(
                marks=marks,
                into=into,
                scope=request.enrichment_type,
                label=label,
                list_id=request.lead_list_id or "",
                list_name=list_name if request.lead_list_id else DEFAULT_LIST,
                again=again,
                limits=self._limits,
                seconds=self._spend_seconds,
            )
            deadline.committed = True
            run = _run_of(decision)
            if decision.action == "start":
                started = await self._spend(partial(self._send_person, run, request), run, deadline)
                return replace(started, first_of_key=decision.first_of_key)
            if decision.action == "replay":
                if not (again and await self._is_over(run)):
                    return Started(run, replayed=True, basis=decision.basis)
            elif decision.action == "unknown" or not await self._join(run, deadline):
                raise self.unknown(run)
            else:
                joined = await self._journal.run(run.run_id)
                if joined is not None and joined.workflow_id is not None:
                    # Whatever `again` says: it is of the same moment.
                    return Started(joined, replayed=True, basis=decision.basis)

    async def start_list(
        self, quote: Quote, *, known_here: bool, may_resend: bool, deadline: Deadline
    ) -> Started:
        """Start the run that `quote` pays for, or find the one that it started.

        `known_here` says whether this machine was given the quote, `may_resend` whether this call allows the
        spend: an uncertain run of an earlier call, which may have allowed more, is then only told of.

        Raises:
            DailyLimit: where the limit would be passed.
            RunInProgress: where the same list and scope is being run under another quote.
            OutcomeUnknown: where this or an earlier request may have started a run.
            ApiError, QuoteUnknown: where the API refused, or was never reached.
        """
        while True:
            decision = await self._journal.claim_list(quote, limits=self._limits, seconds=self._spend_seconds)
            run = _run_of(decision)
            if decision.action == "busy":
                if not await self._is_over(run):
                    raise _in_progress(run)
                continue
            deadline.committed = True
            if decision.action == "start":
                return await self._spend(partial(self._send_list, run, quote, known_here), run, deadline)
            if decision.action == "replay":
                return Started(run, replayed=True)
            now = self._clock.time()
            if decision.action == "resend" and may_resend and runs.may_send(run, quote, now):
                try:
                    taken = await self._journal.reclaim(run, seconds=self._spend_seconds)
                except JournalUnusable:
                    raise self.unknown(run) from None
                if taken is not None:
                    send = partial(self._send_list, taken, quote, known_here, lost=True)
                    return await self._spend(send, taken, deadline)
            elif decision.action != "wait" or not await self._join(run, deadline):
                raise self.unknown(run)

    async def require_free(self, quote: Quote) -> None:
        """Raise where another run of the same list and scope stands in the way of `quote`, before anybody is asked.

        Raises:
            RunInProgress: where one goes on.
            OutcomeUnknown: where one may.
        """
        decision = await self._journal.list_decision(quote)
        while decision.action == "busy" and await self._is_over(_run_of(decision)):
            decision = await self._journal.list_decision(quote)
        if decision.action == "busy":
            raise _in_progress(_run_of(decision))
        if decision.action == "unknown":
            raise self.unknown(_run_of(decision))

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
        """Whether a run that is not known to have ended has done so, as one free look tells.

        True only once the journal says so too, so that the next decision is another one.
        """
        if run.state != "running" or run.workflow_id is None:
            return False
        await self._watcher.watch(run.workflow_id, run.started_at, 0)
        known = await self._journal.run(run.run_id)
        return known is not None and known.state == "finished"

    async def _join(self, run: Run, deadline: Deadline) -> bool:
        """Wait while another call or process is starting `run`; false if that outlasts this call."""
        patience = Deadline(self._clock, JOIN_SECONDS)
        known: Run | None = run
        while known is not None and runs.state_at(known, self._clock.time()) == "starting":
            if min(deadline.left() - START_ROOM, patience.left()) <= 0:
                return False
            await self._clock.sleep(JOIN_STEP)
            known = await self._journal.run(run.run_id)
        return True

    async def _spend(self, send: Callable[[], Awaitable[Started]], run: Run, deadline: Deadline) -> Started:
        """Let a spend request run to its end in the background, and wait for it as long as the call may."""
        spending = _Spend(run)
        # No await since the claim: neither a cancelled call nor the server's end comes between.
        self._tasks.start_soon(self._run_to_the_end, send, spending)
        self._under_way.add(spending)
        await self._clock.wait(spending.done, max(deadline.left() - START_ROOM, 0))
        if spending.error is not None:
            raise spending.error
        if spending.started is None:
            raise self.unknown(await self._journal.run(run.run_id) or run)
        return spending.started

    async def _run_to_the_end(self, send: Callable[[], Awaitable[Started]], spending: "_Spend") -> None:
        try:
            with spending.scope:
                spending.started = await send()
        except CleanlistError as exc:
            spending.error = exc
        except Exception as exc:
            log.error("A spend request failed in this server itself: %s.", where(exc))
        finally:
            if spending.started is None and spending.error is None:
                await self._journal.uncertain(spending.run)
            self._under_way.discard(spending)
            spending.done.set()

    async def _send_person(self, run: Run, request: PersonRequest) -> Started:
        try:
            answer = await self._request_person(request)
        except CleanlistError as exc:
            if _is_certain(exc):
                await self._journal.refused(run)
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

    async def _send_list(self, run: Run, quote: Quote, known_here: bool, lost: bool = False) -> Started:
        """Send the quote, and once more where the answer was lost: single-use, it cannot start twice.

        `lost` says that the answer of an earlier call was lost already.
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
                if not known_here:
                    await self._journal.remember_quote(
                        quote
                    )  # it will be asked about again, with these figures
                if self._stop.is_set() or _workflow_id_in(exc):
                    return await self._confirmed(run, exc)
                return await self._send_list(run, quote, known_here, lost=True)
            if await self._journal.refused(run):
                raise _quote_error(exc, quote, known_here) from exc
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
            await self._journal.uncertain(run)
            raise _answered_with(known, run)
        await self._journal.same_as(run, known)  # the API itself knew the work again: it is charged once
        return Started(known, replayed=True)

    async def _recorded(
        self, run: Run, workflow_id: str, reserved: int, list_id: str, status: str
    ) -> Started:
        run = await self._journal.started(
            run,
            workflow_id=workflow_id,
            reserved=reserved or None,  # an answer without the figure frees nothing
            list_id=list_id,
            list_name=run.list_name,
            status=status,
        )
        return Started(run, replayed=False)

    async def _confirmed(self, run: Run, error: CleanlistError) -> Started:
        """The run, if the failed answer named a workflow, and a look at that confirms the work.

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
        """The run, if another attempt of the same quote has learnt its id meanwhile.

        Once an answer was lost even a refusal proves nothing: "already used" may be our own doing.

        Raises:
            OutcomeUnknown: otherwise.
        """
        await self._journal.uncertain(run)
        known = await self._journal.run(run.run_id)
        if known is None or known.workflow_id is None:
            raise outcome_unknown(run) from error
        return Started(known, replayed=True)

    def unknown(self, run: Run) -> OutcomeUnknown:
        """What is said of a run whose outcome nobody here knows, or does not know yet."""
        return outcome_unknown(run, under_way=runs.state_at(run, self._clock.time()) == "starting")


def outcome_unknown(run: Run, *, under_way: bool = False) -> OutcomeUnknown:
    """What is said of a run whose request left and whose answer was lost, each time it is asked for; or, with
    `under_way`, is not there yet."""
    amount = text.credits_text(run.reserved)
    sent = f"The request to spend up to {amount} was sent at {text.iso(run.started_at)}"
    figures: dict[str, JsonValue] = {"reserved_at_most": run.reserved, "sent_at": text.iso(run.started_at)}
    if under_way:
        return OutcomeUnknown(
            f"{sent} and has not been answered yet.",
            "Call workflow_status without arguments in a few seconds to see what became of it.",
            charged="unknown",
            figures=figures,
        )
    hold = int(decisions.UNCERTAIN_HOLD // 60)
    if run.kind == "person":
        where = f"the list {quoted(run.list_name or run.list_id or DEFAULT_LIST)}"
        way_out = (
            f"If the person is not in {where} {hold} minutes after the first try, the same call with "
            "again=true starts a new run."
        )
    else:
        call = f'enrich_list(list_id="{run.list_id}", scope="{run.scope}", quote_id="{run.quote_id}")'
        way_out = (
            f"While its quote lives, {call} may clear this up: one quote cannot start twice. If nothing has changed "
            f"{hold} minutes after the first try, a new estimate of the list can be run."
        )
    return OutcomeUnknown(
        f"{sent} and its answer was lost: the run may or may not have started. It is not sent again by itself.",
        f"Call credits_balance to see whether credits were reserved. {way_out} Tell the user that the "
        "charge is unknown.",
        charged="unknown",
        figures=figures,
    )


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


def _answered_with(known: Run, run: Run) -> OutcomeUnknown:
    """What is said if the API answers a request with the id of other work."""
    error = outcome_unknown(run)
    message = (
        f"Cleanlist answered with the id of an earlier run ({known.workflow_id}), which is not what was asked for. "
        f"Whether this run was started, and up to {text.credits_text(run.reserved)} taken for it, is not known."
    )
    return error.replaced(message=message, figures={**error.figures, "answered_with": known.workflow_id})


def _in_progress(run: Run) -> RunInProgress:
    which = f'workflow_id="{run.workflow_id}"' if run.workflow_id else ""
    return RunInProgress(
        "This list is being enriched in this scope already, under another quote; nothing was started.",
        f"Call workflow_status({which}) to follow that run.",
        figures={"workflow_id": run.workflow_id},
    )


def _is_certain(error: CleanlistError) -> bool:
    """Whether nothing was started: the API said so, or nothing was sent."""
    return not isinstance(error, ApiError) or error.nothing_started


def _run_of(decision: Decision) -> Run:
    assert decision.run is not None, "every decision of the journal carries its run"  # noqa: S101 - invariant
    return decision.run


def _quote_error(error: CleanlistError, quote: Quote, known_here: bool) -> CleanlistError:
    """The API's refusal of a quote, with the call that gives a good one."""
    remedy = f'Call estimate(list_id="{quote.list_id}", scope="{quote.scope}") for a new quote and show it to the user.'
    if isinstance(error, ApiRefusal) and _is_about_the_quote(error):
        if not known_here and error.code not in _QUOTE_CODES:
            said = error.message.removeprefix(REFUSED).lstrip()
            return QuoteUnknown(
                f"The API does not accept this quote. {said}",
                remedy,
                figures={"request_id": error.answered.request_id, "docs_url": error.answered.docs_url},
            )
        return error.replaced(next_step=remedy)
    return error


def _is_about_the_quote(error: ApiRefusal) -> bool:
    """Whether a new quote may help: the API refuses quotes with 400 or 409, and with codes still to come."""
    return error.status in (400, 409) and error.code not in _NOT_ABOUT_THE_QUOTE


_NOT_ABOUT_THE_QUOTE = frozenset(
    {"validation_error", "list_protected", "list_cap_reached", "approval_required"}
)
_QUOTE_CODES = frozenset({"quote_expired", "quote_mismatch", "quote_used", "spend_cap_exceeded"})


class _Spend:
    """A spend request on its way, and what came of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        # Shielded: neither the call's end nor the server's may cut a request that has left.
        self.scope = anyio.CancelScope(shield=True)
        self.done = anyio.Event()
        self.started: Started | None = None
        self.error: CleanlistError | None = None
