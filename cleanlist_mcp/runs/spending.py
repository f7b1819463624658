"""Spends: a claim and its request in one background task, which ends with neither the call nor the server."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.clock import Clock, Deadline
from cleanlist_mcp.errors import CleanlistError, InternalError, JournalUnusable, where
from cleanlist_mcp.journal.claims import CallGone, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.measures import CLAIMS
from cleanlist_mcp.money.decisions import (
    Busy,
    ListDecision,
    Outdated,
    PersonDecision,
    Replay,
    Resend,
    Start,
    Unknown,
    Wait,
)
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.marks import Basis
from cleanlist_mcp.runs.refusals import unknown

SHUTDOWN_SECONDS = 15.0
"""Longest wait for spend requests under way when the server stops."""

START_ROOM = 1.0
"""Seconds kept at the end of a call to report what became of a start: without a wait for the run, that is little."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Started:
    """A run that exists: started by this call, or (`replayed`) known from before.

    `basis` names what its person was recognised by; if it is the `first_of_key`, all earlier runs here had other keys.
    """

    run: Run
    replayed: bool
    basis: Basis | None = None
    first_of_key: bool = False


class Caller(Protocol):
    """The call that asks for a run, as far as runs need to know it."""

    @property
    def limits(self) -> Limits:
        """The limits that hold for what the call spends."""

    @property
    def deadline(self) -> Deadline:
        """The moment by which the call has to answer."""

    def may_charge(self) -> None:
        """Note that from now on the call may have cost something."""


Claim = Callable[[Terms], Awaitable[PersonDecision | ListDecision]]
Send = Callable[[Start | Resend], Awaitable["Started"]]


class Spends:
    """The spends of a server. A call that is cancelled stops waiting for its own, and nothing else."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        tasks: TaskGroup,
        request_seconds: float,
        stop: anyio.Event | None = None,
    ) -> None:
        """A request may be under way for `request_seconds`: after that, an intent without an outcome is uncertain.
        `stop` is set when the server is about to end."""
        self._journal = journal
        self._clock = clock
        self._tasks = tasks
        self._request_seconds = request_seconds
        self._under_way: set[_Spend] = set()
        self.stop = stop or anyio.Event()
        """Set when the server ends: nothing is begun or repeated any more."""

    async def claim_and_send(
        self, claim: Claim, send: Send, caller: Caller
    ) -> Started | Replay | Wait | Unknown | Busy | Outdated:
        """Claim and send in one background task, and wait for it as long as the call may.

        A claim is a point at which a call can be cancelled. In one task that nothing cancels, an intent cannot be left
        without its request; and a call that has ended before its intent is written starts nothing.

        Raises:
            OutcomeUnknown: if the answer is not there in time, or was lost.
            CleanlistError: as `claim` and `send` raise it.
        """
        spending = _Spend(self.stop, caller.limits)
        self._under_way.add(spending)
        self._tasks.start_soon(self._run_to_the_end, claim, send, spending)
        try:
            await spending.decided.wait()
        finally:
            spending.is_gone = not spending.decided.is_set()
            if spending.is_gone and spending.has_begun:
                caller.may_charge()
        if spending.sent is None:
            return spending.answer()
        caller.may_charge()
        await self._clock.wait(spending.done, max(caller.deadline.left() - START_ROOM, 0))
        if spending.error is not None:
            raise spending.error
        if spending.started is None:
            run = await self._journal.run(spending.sent.run_id) or spending.sent
            raise unknown(run, self._clock.time())
        return spending.started

    async def _run_to_the_end(self, claim: Claim, send: Send, spending: "_Spend") -> None:
        try:
            with spending.scope:
                await self._carry_out(claim, send, spending)
        except CallGone:
            log.info("A call ended before its run was begun; nothing was sent.")
        except CleanlistError as exc:
            if spending.decision is None:
                CLAIMS.add(decision="refused")
            spending.error = exc
        except Exception as exc:
            log.error("A spend request failed in this server itself: %s.", where(exc))
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(spending)

    async def _carry_out(self, claim: Claim, send: Send, spending: "_Spend") -> None:
        decision = await claim(Terms(spending.limits, self._request_seconds, spending.may_begin))
        spending.decision = decision
        CLAIMS.add(decision=type(decision).__name__.lower())
        if not isinstance(decision, Start | Resend):
            return
        spending.sent = decision.run
        spending.decided.set()
        try:
            spending.started = await send(decision)
        except JournalUnusable:
            # It says that nothing was sent, and a request may have left: only the outcome is missing.
            log.error("The journal could not be read after a spend request; its outcome is not known.")

    async def _end(self, spending: "_Spend") -> None:
        if spending.sent is not None and spending.started is None and spending.error is None:
            await self._journal.outcomes.uncertain(spending.sent)
        self._under_way.discard(spending)
        spending.decided.set()
        spending.done.set()

    @property
    def under_way(self) -> int:
        """Number of spends that have not come to their end."""
        return len(self._under_way)

    async def close(self) -> None:
        """Let the spend requests that have left come to their end, within `SHUTDOWN_SECONDS`; nothing is sent
        again."""
        self.stop.set()
        with anyio.move_on_after(SHUTDOWN_SECONDS, shield=True):
            await self._all_done()
        for spending in self._under_way:
            spending.scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._all_done()

    async def _all_done(self) -> None:
        for spending in list(self._under_way):
            await spending.done.wait()


class _Spend:
    """The claim and the request of one spend, and their outcome."""

    def __init__(self, stop: anyio.Event, limits: Limits) -> None:
        """Nothing is begun any more once `stop` is set, and nothing beyond `limits`."""
        self.limits = limits
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

    def answer(self) -> Replay | Wait | Unknown | Busy | Outdated:
        """Return the decision that needed no request.

        Raises:
            CleanlistError: as the claim raised it.
        """
        if self.error is not None:
            raise self.error
        if self.decision is None or isinstance(self.decision, Start | Resend):
            raise InternalError("The run could not be begun in this server.", "Try the same call again.")
        return self.decision
