"""Waiting for runs: one poller per run however many calls watch it, within the key's request budget."""

import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.api.failures import held_back
from cleanlist_mcp.api.minute import ASK_AGAIN, Kind, Sight
from cleanlist_mcp.api.rate_budget import LAST_LOOK_BEFORE_END, SERVED_EARLY, PutOff
from cleanlist_mcp.api.wire import WorkflowStatus
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import ApiError, CleanlistError, InternalError, NotFound, where
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.shared_budget import RENEW_AFTER, SharedBudget
from cleanlist_mcp.runs.schedule import Progress, next_delay

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient

REMEMBERED_RUNS = 256
"""Runs whose last answer is kept in memory; a person's data is kept nowhere else."""

FRESH = 1.0
"""Seconds for which a look is not repeated by a call that does not wait."""

KNOWN_WITHIN = 30.0
"""Seconds after its start within which a run that the API accepted may still be unknown to it."""

RECHECK = 2.0
"""Seconds after which a wait looks whether the API refuses all requests by now."""

TIMER_SLACK = 0.001
"""Seconds by which a timer may ring early without being set again."""

SAME_LOOK = 0.01
"""Seconds by which a look seems later once it went through the notes that processes share."""

FOLLOW_STEP = 1.0
"""Seconds between two glances at what another process saw of a run."""

OnChange = Callable[[WorkflowStatus], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watched:
    """Last sight of a wait: `status` is None if no look succeeded, and `error` is why the last one did not."""

    status: WorkflowStatus | None
    error: CleanlistError | None


@dataclass
class _Poller:
    """One run that is or was watched, `known` if it was started here. Moments are monotonic seconds; `last_looks`
    has one per waiting call."""

    workflow_id: str
    known: bool
    started: float
    wanted: float
    status: WorkflowStatus | None = None
    error: CleanlistError | None = None
    looked_at: float | None = None
    given_up: bool = False
    ended_elsewhere: bool = False
    polling: bool = False
    looking: bool = False
    progress: Progress = field(default_factory=Progress)
    last_looks: dict[object, float] = field(default_factory=dict)
    looked: anyio.Event = field(default_factory=anyio.Event)
    replanned: anyio.Event = field(default_factory=anyio.Event)

    @property
    def over(self) -> bool:
        """True if looking again would bring nothing: the run has ended, or cannot be asked for."""
        return self.given_up or (self.status is not None and self.status.finished)

    @property
    def settled(self) -> bool:
        """True if the run has ended and its charge is decided: nothing about it will change."""
        status = self.status
        return (
            status is not None
            and status.finished
            and status.credits_charged is not None
            and not status.under_review
        )


class Watcher:
    """Watches runs for the calls that wait for them. Cancelling a call ends its wait and nothing else."""

    def __init__(
        self,
        client: "CleanlistClient",
        journal: Journal,
        clock: Clock,
        budget: SharedBudget,
        tasks: TaskGroup,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._journal = journal
        self._clock = clock
        self._budget = budget
        self._tasks = tasks
        self._chance = chance
        self._pollers: OrderedDict[str, _Poller] = OrderedDict()

    @property
    def watches(self) -> bool:
        """True while a call waits for a run, or a look at one is under way."""
        return any(poller.polling or poller.last_looks for poller in self._pollers.values())

    async def watch(
        self, workflow_id: str, started_at: float | None, seconds: float, on_change: OnChange | None = None
    ) -> Watched:
        """Wait up to `seconds` for the end of a run, calling `on_change` at the first look and at each that
        counts more rows than the one before: progress has to grow with every notice (MCP specification).

        `started_at` is in epoch seconds, None if it is not known. Without any wait, the run is looked at
        once, unless that was done a moment ago. The wait ends early if the API refuses all requests for
        longer than it lasts.
        """
        poller = self._poller(workflow_id, started_at)
        if poller.settled and poller.status is not None:
            run = await self._journal.by_workflow(workflow_id)
            if run is not None and run.state == "running":
                await self._record(poller, poller.status)  # the journal was locked when the end was seen
            return Watched(poller.status, None)
        if seconds <= 0 or poller.over:
            return await self._glance(poller)
        end = self._clock.monotonic() + seconds
        ticket = object()
        poller.last_looks[ticket] = end - LAST_LOOK_BEFORE_END
        self._replan(poller)
        try:
            refusal = await self._wait(poller, end, on_change)
        finally:
            del poller.last_looks[ticket]
            self._replan(poller)
        if refusal is None and poller.status is None and poller.error is None and not poller.known:
            refusal = await self._look_at_unknown(poller)
        if refusal is None and poller.ended_elsewhere and not poller.over:
            refusal = self._put_off()  # another process saw the end, and there was no room to look here too
        return Watched(poller.status, refusal or poller.error)

    async def _look_at_unknown(self, poller: _Poller) -> ApiError | None:
        """Look once at a run about which nothing is known, because its wait had no room for a look of its own.

        Returns the refusal if there is no room now either: many such waits at once would use up the API's minute.
        """
        while poller.looking:
            await poller.looked.wait()
        if poller.status is not None or poller.error is not None:
            return None  # another call has asked meanwhile
        if not self._budget.may_look(self._clock.monotonic()):
            return self._put_off()
        put_off = await self._look(poller, "look")
        return held_back(put_off) if put_off else None

    def _put_off(self) -> ApiError:
        now = self._clock.monotonic()
        return held_back(max(self._budget.room_from(now) - now, 1.0))

    def _poller(self, workflow_id: str, started_at: float | None) -> _Poller:
        poller = self._pollers.get(workflow_id)
        if poller is None or poller.given_up:
            now = self._clock.monotonic()
            age = 0.0 if started_at is None else max(self._clock.time() - started_at, 0.0)
            first = next_delay(0, jitter=self._chance())
            wanted = now if started_at is None or age > first else now - age + first
            known = started_at is not None
            poller = self._pollers[workflow_id] = _Poller(workflow_id, known, now - age, wanted)
        self._pollers.move_to_end(workflow_id)
        for name in list(self._pollers)[: max(len(self._pollers) - REMEMBERED_RUNS, 0)]:
            if not self._pollers[name].last_looks:
                del self._pollers[name]
        return poller

    async def _glance(self, poller: _Poller) -> Watched:
        before = poller.looked_at
        while poller.looking:
            # Another call is asking just now, and its answer will do, if one comes.
            await poller.looked.wait()
        if poller.looked_at is None or (poller.looked_at == before and not self._is_fresh(poller)):
            put_off = await self._look(poller, "glance")
            if put_off:
                return Watched(poller.status, held_back(put_off))
        return Watched(poller.status, poller.error)

    def _is_fresh(self, poller: _Poller) -> bool:
        age = self._clock.monotonic() - (poller.looked_at or 0.0)
        return poller.error is None and age <= FRESH

    async def _wait(self, poller: _Poller, end: float, on_change: OnChange | None) -> ApiError | None:
        """Wait until the run has ended or `end` has come; return the refusal if the API refuses all until then."""
        shown: WorkflowStatus | None = None
        while True:
            seen = poller.status
            if seen is not None and (shown is None or seen.processed > shown.processed):
                shown = seen
                if on_change is not None:
                    await on_change(seen)
            now = self._clock.monotonic()
            if poller.over or now >= end:
                return None
            refused_for = self._budget.interactive_wait(now)
            if refused_for > end - now:
                return held_back(refused_for)
            # Not in one piece: another call may just have been refused for longer.
            await self._clock.wait(poller.looked, min(end - now, RECHECK))

    def _replan(self, poller: _Poller) -> None:
        """Plan anew after a call joined or left: for the budget, and for the poll loop."""
        poller.replanned.set()
        if self._pollers.get(poller.workflow_id) is not poller:
            return  # it was given up, and the budget deals with its successor
        if not poller.last_looks:
            self._budget.release(poller.workflow_id)
            return
        self._tell_budget(poller)
        if not poller.polling:
            poller.polling = True
            self._tasks.start_soon(self._poll, poller)

    def _tell_budget(self, poller: _Poller) -> None:
        """Reserve each waiting call's last look, unless the counts show that the run cannot have ended."""
        looked = poller.started if poller.looked_at is None else poller.looked_at
        counted = (
            poller.progress.least_remainder(looked - poller.started) if poller.progress.processed else 0.0
        )
        earliest = looked + max(counted, SERVED_EARLY)
        ends = [at for at in poller.last_looks.values() if at >= earliest]
        self._budget.watch(poller.workflow_id, poller.started, ends)

    async def _poll(self, poller: _Poller) -> None:
        """Look whenever it is time, as long as calls wait for the run."""
        try:
            while poller.last_looks and not poller.over:
                poller.replanned = anyio.Event()
                pause = await self._step(poller)
                if pause >= TIMER_SLACK:
                    await self._clock.wait(poller.replanned, pause)
        except Exception as exc:
            # As in `_ask`: it must not reach the task group.
            log.error("The watch over a run failed in this server itself: %s.", where(exc))
            poller.error, poller.given_up = _OWN_ERROR, True
            self._seen(poller)
        finally:
            poller.polling = False
            if self._pollers.get(poller.workflow_id) is poller:
                self._budget.release(poller.workflow_id)
            await self._budget.leave(poller.workflow_id)

    async def _step(self, poller: _Poller) -> float:
        """Look if it is time, or see what another process saw; return the seconds to the next step."""
        run = poller.workflow_id
        is_ours = await self._budget.lead(run, poller.started, poller.last_looks.values())
        await self._learn(poller, self._budget.sight(run))
        if not poller.last_looks or poller.over:
            return 0.0  # the last call has left meanwhile
        now = self._clock.monotonic()
        # What another process looks at is left to it, but for the last looks that this one has promised.
        wanted = poller.wanted if is_ours or poller.ended_elsewhere else inf
        at = self._budget.poll_at(run, wanted, now)
        if at - now >= TIMER_SLACK:
            return min(at - now, RENEW_AFTER if is_ours else FOLLOW_STEP)
        put_off = await self._look(poller, "look")
        self._tell_budget(poller)
        return min(put_off, ASK_AGAIN)

    async def _learn(self, poller: _Poller, sight: Sight | None) -> None:
        """Take over what another process saw. An end is looked at here too: nobody keeps a person's data."""
        if sight is None or (poller.looked_at is not None and sight.at <= poller.looked_at + SAME_LOOK):
            return
        if sight.finished:
            poller.ended_elsewhere = True
            poller.wanted = min(poller.wanted, self._clock.monotonic())
            run = await self._journal.by_workflow(poller.workflow_id)
            if run is not None and run.settled_report is not None:
                poller.status = WorkflowStatus.model_validate(run.settled_report)
                self._seen(poller)
            return
        age = max(sight.at - poller.started, 0.0)
        counts = {"status": sight.status, "processed": sight.processed, "total": sight.total}
        poller.status = (poller.status or WorkflowStatus(status=sight.status)).model_copy(update=counts)
        poller.progress = poller.progress.seen(age, sight.processed, sight.total)
        poller.looked_at = sight.at
        poller.wanted = sight.at + self._delay(poller, age)
        self._seen(poller)

    def _seen(self, poller: _Poller) -> None:
        """Wake all calls that wait for a look."""
        poller.looked.set()
        poller.looked = anyio.Event()

    def _delay(self, poller: _Poller, age: float) -> float:
        progress = poller.progress if poller.progress.total > 1 else None
        return next_delay(age, jitter=self._chance(), progress=progress)

    async def _look(self, poller: _Poller, kind: Kind) -> float:
        """Look once; return 0, or the seconds for which the look is put off because the minute is used up."""
        now = self._clock.monotonic()
        age = now - poller.started
        put_off = 0.0
        poller.looking = True
        try:
            await self._ask(poller, age, kind)
            poller.looked_at = now
        except PutOff as exc:
            put_off = exc.seconds
        finally:
            if not put_off:
                poller.wanted = now + self._delay(poller, age)
            poller.looking = False
            self._seen(poller)
        return put_off

    async def _ask(self, poller: _Poller, age: float, kind: Kind) -> None:
        """Send one request, and keep what it shows of the run. Only a certain refusal ends the watching.

        Raises:
            PutOff: if the minute is used up.
        """
        try:
            status = await self._client.status(poller.workflow_id, kind=kind)
            poller.error = None
            poller.progress = poller.progress.seen(age, status.processed, status.total)
            if status.finished or not poller.over:  # of two looks at once, the older may answer last
                await self._record(poller, status)
                await self._tell(poller, poller.started + age, status)
        except PutOff:
            raise
        except ApiError as exc:
            poller.error = exc
            poller.given_up = exc.nothing_started and not exc.retryable
            if isinstance(exc, NotFound) and poller.known:
                await self._journal.outcomes.vanished(poller.workflow_id)
                # Accepted a moment ago, it may not be known everywhere at the API yet.
                poller.given_up = age > KNOWN_WITHIN
        except CleanlistError as exc:
            poller.error, poller.given_up = exc, True
        except Exception as exc:
            # It must not reach the task group: that would stop the whole server.
            log.error("A look at a run failed in this server itself: %s.", where(exc))
            poller.error, poller.given_up = _OWN_ERROR, True

    async def _tell(self, poller: _Poller, at: float, status: WorkflowStatus) -> None:
        sight = Sight(at, status.status, status.processed, status.total, status.finished)
        await self._budget.tell(poller.workflow_id, poller.started, sight)

    async def _record(self, poller: _Poller, status: WorkflowStatus) -> None:
        """Keep what was seen, and write down what changed."""
        before, poller.status = poller.status, status
        if status.finished:
            run = await self._journal.by_workflow(poller.workflow_id)
            person = status.result is not None or run is None or run.kind == "person"
            await self._journal.outcomes.finished(
                poller.workflow_id,
                status=status.status,
                charged=None if status.under_review else status.credits_charged,
                refunded=None if status.under_review else status.credits_refunded,
                report=None if person else status.model_dump(exclude={"result"}),
            )
        elif before is None or before.status != status.status:
            await self._journal.outcomes.observed(poller.workflow_id, status=status.status)


_OWN_ERROR = InternalError(
    "This server failed while it looked at the run.",
    "Call workflow_status again; the run itself goes on.",
)
