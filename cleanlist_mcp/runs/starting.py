"""Runs, started at most once: the journal decides, the request goes out once, its outcome is written down."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.api.wire import PersonRequest
from cleanlist_mcp.clock import Clock, Deadline
from cleanlist_mcp.errors import CleanlistError
from cleanlist_mcp.journal.claims import PersonWork
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.money import runs
from cleanlist_mcp.money.decisions import (
    Busy,
    Outdated,
    Replay,
    Resend,
    Start,
    Unknown,
    Wait,
)
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote, outdated
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.marks import Marks
from cleanlist_mcp.runs.refusals import DEFAULT_LIST, in_progress, unknown
from cleanlist_mcp.runs.sending import SPEND_PATIENCE, Sender
from cleanlist_mcp.runs.spending import START_ROOM, Caller, Spends, Started
from cleanlist_mcp.runs.watching import Watcher

JOIN_SECONDS = 10.0
"""Longest wait for a run that another call or process is starting right now."""

JOIN_STEP = 0.1
"""Seconds between looks at it."""

DATABASE_JOIN_STEP = 0.5
"""The same in a database that a team shares."""

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient


class Workflows:
    """Starts runs, each at most once."""

    def __init__(
        self,
        client: "CleanlistClient",
        journal: Journal,
        clock: Clock,
        watcher: Watcher,
        tasks: TaskGroup,
        *,
        timeout_seconds: float,
        join_seconds: float = JOIN_SECONDS,
        join_step: float = JOIN_STEP,
        stop: anyio.Event | None = None,
        insists_on_list: bool = False,
    ) -> None:
        """One request may take `timeout_seconds`, the wait for another call that starts a run `join_seconds`,
        with a look each `join_step`;
        `stop` is set when nothing may begin any more; `insists_on_list` if the API is known not to take a person
        without a list."""
        self._journal = journal
        self._clock = clock
        self._watcher = watcher
        self._join_seconds = join_seconds
        self._join_step = join_step
        # Two requests with their waits: after that, an intent without an outcome is uncertain.
        self.spends = Spends(journal, clock, tasks, 2 * (timeout_seconds + SPEND_PATIENCE), stop)
        self._sender = Sender(client, journal, self.spends.stop, insists_on_list=insists_on_list)

    async def start_person(
        self,
        request: PersonRequest,
        *,
        marks: Marks,
        into: str,
        label: str,
        list_name: str,
        again: bool,
        caller: Caller,
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
            started = await self._sender.person(decision.run, request)
            return replace(started, first_of_key=isinstance(decision, Start) and decision.first_of_key)

        while True:
            outcome = await self.spends.claim_and_send(
                partial(self._journal.claims.person, work), send, caller
            )
            caller.may_charge()
            match outcome:
                case Started():
                    return outcome
                case Replay():
                    if not (again and await self._is_over(outcome.run)):
                        return Started(outcome.run, replayed=True, basis=outcome.basis)
                case Wait():
                    joined = await self.joined(outcome.run, caller)
                    if joined is not None and joined.workflow_id is not None:
                        # `again` does not matter here: that run is of the same moment.
                        return Started(joined, replayed=True, basis=outcome.basis)
                case Unknown() | Busy() | Outdated():
                    raise self.unknown(outcome.run)
                case _:
                    assert_never(outcome)

    async def start_list(self, quote: Quote, *, may_resend: bool, caller: Caller) -> Started:
        """Start the run that `quote` pays for, or find the one that it started.

        If the call allows the spend, it `may_resend`: an uncertain run of an earlier call, which may have allowed more,
        is otherwise only reported.

        Raises:
            DailyLimit: if the limit would be passed.
            RunInProgress: if the list is being run under another quote in a scope that looks for the same.
            QuoteExpired: if that has happened since the quote was issued.
            OutcomeUnknown: if this or an earlier request may have started a run.
            ApiError: if the API refused, or was never reached.
        """
        claim = partial(self._journal.claims.list, quote, may_resend=may_resend)

        async def send(decision: Start | Resend) -> Started:
            return await self._sender.list(decision.run, quote, lost=isinstance(decision, Resend))

        while True:
            outcome = await self.spends.claim_and_send(claim, send, caller)
            if isinstance(outcome, Busy):
                if not await self._is_over(outcome.run):
                    raise in_progress(outcome.run)
                continue
            if isinstance(outcome, Outdated):
                raise outdated(quote)
            caller.may_charge()
            match outcome:
                case Started():
                    return outcome
                case Replay():
                    return Started(outcome.run, replayed=True)
                case Wait():
                    await self.joined(outcome.run, caller)
                case Unknown():
                    raise self.unknown(outcome.run)
                case _:
                    assert_never(outcome)

    async def require_free(self, quote: Quote) -> None:
        """Raise if another run of the same list stands in the way of `quote`, before anybody is asked.

        Raises:
            RunInProgress: if one goes on.
            QuoteExpired: if one has gone on since the quote was issued.
            OutcomeUnknown: if one may go on.
        """
        found = await self._journal.claims.look_at_list(quote)
        while isinstance(found, Busy) and await self._is_over(found.run):
            found = await self._journal.claims.look_at_list(quote)
        if isinstance(found, Busy):
            raise in_progress(found.run)
        if isinstance(found, Outdated):
            raise outdated(quote)
        if isinstance(found, Unknown):
            raise self.unknown(found.run)

    async def look_again(self, list_id: str, scope: Scope) -> None:
        """Look once, free, at runs over a list that look for the same as `scope` and are not known to have ended.

        A quote that is issued while one goes on is worth nothing once it has ended.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        found = await self._journal.claims.look_at_work(list_id, scope)
        while isinstance(found, Busy) and await self._is_over(found.run):
            found = await self._journal.claims.look_at_work(list_id, scope)

    async def close(self) -> None:
        """Let the spend requests that have left come to their end."""
        await self.spends.close()

    async def _is_over(self, run: Run) -> bool:
        """Return whether a run that is not known to have ended has done so, as one free look shows.

        True only once the journal has it too, so that the next decision is another one.
        """
        if run.state != "running" or run.workflow_id is None:
            return False
        await self._watcher.watch(run.workflow_id, run.started_at, 0)
        known = await self._journal.run(run.run_id)
        return known is not None and known.state == "finished"

    async def joined(self, run: Run, caller: Caller) -> Run | None:
        """Return `run` as it is once another call or process has ended starting it; None if it was refused.

        Raises:
            OutcomeUnknown: if that outlasts this call.
        """
        patience = Deadline(self._clock, self._join_seconds)
        known: Run | None = run
        while known is not None and runs.state_at(known, self._clock.time()) == "starting":
            if min(caller.deadline.left() - START_ROOM, patience.left()) <= 0:
                raise self.unknown(run)
            await self._clock.sleep(self._join_step)
            known = await self._journal.run(run.run_id)
        return known

    def unknown(self, run: Run) -> CleanlistError:
        """Return the error about a run whose outcome nobody here knows, or does not know yet."""
        return unknown(run, self._clock.time())
