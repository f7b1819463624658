"""The request budget of one key, which its runs share.

Pure: the clock is an argument, nothing here waits or sends. The figures come from
`python -m benchmarks.polling`; docs/polling.md explains them.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Protocol

from cleanlist_mcp.api.minute import ASK_AGAIN, REQUESTS_PER_MINUTE, WINDOW_SECONDS, Kind, Minute, looks_left

LAST_LOOK_BEFORE_END = 0.75  # s before a wait ends: room for one request
SERVED_EARLY = 0.3  # s: a look this shortly before a last look is that last look
JUST_BEFORE = 0.01  # s: to ask what is left right before a request leaves the window
PLENTY = 0.5  # roots of a second per look: with no more than this the schedule needs no pacing
REMEMBERED_SECONDS = 600.0  # how long a released run keeps its place in the queue


class PutOff(Exception):
    """A look or glance is not sent, because the minute is used up; it may be after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Admission(Protocol):
    """The budget that is asked before each request of a key."""

    async def admit(self, kind: Kind, run: str | None = None) -> float:
        """Note a request that is about to be sent, a look of that `run`; return 0.

        Returns the seconds for which the API refuses all requests, if it does; then nothing was noted.

        Raises:
            PutOff: for a look or a glance, if the minute is used up.
        """

    async def block(self, seconds: float) -> None:
        """Let nobody send anything for so long, because the API answered 429."""

    async def belongs_to(self, organization: str) -> None:
        """Take note of the organization of the key, whose other keys share a minute too; empty if it is not known."""


@dataclass
class _Watch:
    started: float
    last_looks: list[float]


class RateBudget:
    """The requests of one key: every one is recorded, only looks at runs ("polls") are delayed.

    Moments are seconds on one clock that never goes back. In any 61 s at most 24 polls go out,
    and fewer if other calls have used more than the 6 requests held back for them, so that all
    together stay within 30. A fixed 60 s window of the API lies inside one of ours, however it is
    aligned. Runs started in a burst count on top of the 6: their user has other calls to make.

    A run's poller uses it like this; between `poll_at` and `record` nothing may be awaited:

        budget.watch(run, started, last_looks)   # again whenever a call joins or leaves
        wanted = looked + next_delay(...)        # looked: the last look, or the start
        while (at := budget.poll_at(run, wanted, now())) > now():
            sleep until `at`, or until a call joins or leaves
        budget.record(now(), run)                # then send the request, finished or failed
        budget.release(run)                      # when the run has ended or nobody watches

    A last look is `LAST_LOOK_BEFORE_END` before a call's wait ends. A call whose wait ends
    without one answers with what the last look showed. Every other request is recorded with
    `record(now())` as it is sent, after `interactive_wait`; one that starts a run is marked.
    """

    def __init__(self) -> None:
        self._polls: list[float] = []
        self._starts: list[float] = []
        self._calls: list[float] = []
        self._learnt: tuple[float, Minute] | None = None
        self._watches: dict[str, _Watch] = {}
        self._elsewhere: dict[str, _Watch] = {}
        self._share = REQUESTS_PER_MINUTE
        self._looked: dict[str, float] = {}
        self._blocked_until = 0.0

    def learn(self, now: float, minute: Minute, elsewhere: Iterable[str] = ()) -> None:
        """Take over what all processes that use the key have sent, and their 429.

        The runs `elsewhere` are watched by others of them: their last looks are kept free as those here are.
        """
        self._learnt = now, minute
        if minute.blocked_until > 0:
            self.block(now + minute.blocked_until)
        self._elsewhere = {}
        for run in elsewhere:
            watch = minute.watches[run]
            self._elsewhere[run] = _Watch(now + watch.started, [now + at for at in watch.last_looks])
            if watch.sight is not None:
                self.looked(run, now + watch.sight.at)

    def _sent(self) -> tuple[list[float], list[float], list[float]]:
        """Return the moments of looks, starts and calls; what was learnt last is read only now."""
        if self._learnt is not None:
            now, minute = self._learnt
            self._learnt = None
            self._polls, self._starts, self._calls = (
                [now + one.at for one in minute.sent if one.kind == kind]
                for kind in ("look", "start", "call")
            )
        return self._polls, self._starts, self._calls

    def spread(self, looks: int) -> None:
        """Spread looks as if no more than so many a minute were left: colleagues use the rest."""
        self._share = looks

    def record(self, now: float, run: str | None = None, *, starts: bool = False) -> None:
        """Note one request, as it is sent: a look at `run`, one that `starts` a run, or any other."""
        polls, started, calls = self._sent()
        (polls if run is not None else started if starts else calls).append(now)
        for moments in (polls, started, calls):
            del moments[: bisect_right(moments, now - WINDOW_SECONDS)]
        if run is not None:
            self.looked(run, now)

    def looked(self, run: str, at: float) -> None:
        """Note that `run` was looked at, here or by another process."""
        oldest = at - REMEMBERED_SECONDS
        self._looked = {name: before for name, before in self._looked.items() if before > oldest}
        self._looked[run] = max(at, self._looked.get(run, -inf))
        if watch := self._watches.get(run):
            watch.last_looks = [moment for moment in watch.last_looks if moment > at + SERVED_EARLY]

    def block(self, until: float) -> None:
        """Send nothing before `until`, because the API answered 429."""
        self._blocked_until = max(self._blocked_until, until)

    def interactive_wait(self, now: float) -> float:
        """Return the seconds that a call which is no poll waits: for a 429 to pass, never for the budget."""
        return max(self._blocked_until - now, 0.0)

    def watch(self, run: str, started: float, last_looks: Iterable[float] = ()) -> None:
        """Watch `run`, which started at `started`, for calls with these last looks.

        The last looks replace those given before; those already had are left out.
        """
        served = self._looked.get(run, -inf) + SERVED_EARLY
        known = self._watches.setdefault(run, _Watch(started, []))
        known.started = started
        known.last_looks = sorted(at for at in last_looks if at > served)

    def release(self, run: str) -> None:
        """Free the reservations of a `run` that nobody watches any more."""
        self._watches.pop(run, None)

    def poll_at(self, run: str, wanted: float, now: float) -> float:
        """Return when the poller of the watched `run` may look, which its schedule wants at `wanted`.

        A moment up to `now`: look at once. A later one: sleep until then and ask again, with the
        same `wanted`. A last look comes at its moment even if `wanted` is later.

        Raises:
            KeyError: if `run` is not watched.
        """
        if run not in self._watches:
            raise KeyError(run)
        reserved = self._reserved(now)
        own = [at for at, name in reserved if name == run]
        # If many calls wait for a run, only the first and the last of their looks are kept free: those between
        # would use up the minute, and all calls would wait without news.
        kept_free = sorted([*(at for at, name in reserved if name != run), *{*own[:1], *own[-1:]}])
        ordinary = self._ordinary(run, wanted, now, kept_free)
        return max(min([*own, ordinary]), self._blocked_until)

    def may_look(self, now: float) -> bool:
        """Return whether a look that nobody reserved may go out at once."""
        reserved = len(self._reserved(now))
        return now >= self._blocked_until and self._room(now) > reserved

    def room_from(self, now: float) -> float:
        """Return when the next of the requests that were sent leaves the window; `now` if none was."""
        return max(min((at for at in self._expiries() if at > now), default=now), self._blocked_until)

    def _last_look(self, run: str) -> float:
        return self._looked.get(run, self._all_watches()[run].started)

    def _all_watches(self) -> dict[str, _Watch]:
        return {**self._elsewhere, **self._watches}

    def _room(self, at: float) -> int:
        """Return how many polls could still go out at `at`, if nothing else is sent until then."""
        since = at - WINDOW_SECONDS
        polls, starts, calls = (len(moments) - bisect_right(moments, since) for moments in self._sent())
        return min(looks_left(polls, starts, calls), self._share - polls)

    def _reserved(self, now: float) -> list[tuple[float, str]]:
        """Return the looks promised to runs, by moment, as far as they fit; the longest unseen goes first.

        That is every call's last look, and one at once for a run that nobody has looked at for a
        whole window: most likely it has ended by now.
        """
        wishes = []
        for run, watch in self._all_watches().items():
            before = self._last_look(run)
            if before <= now - WINDOW_SECONDS:
                wishes.append((before, now, run))
                before = now
            for at in watch.last_looks:
                wishes.append((before, max(at, now), run))
                before = at
        rooms = {at: self._room(at) for _, at, _ in wishes}
        most = max(rooms.values(), default=0)
        reserved: list[tuple[float, str]] = []
        for _, at, run in sorted(wishes):
            if len(reserved) >= most:
                break
            place = bisect_right(reserved, (at, run))
            later = enumerate(reserved[place:], start=place + 1)
            if rooms[at] > place and all(rooms[moment] > earlier for earlier, (moment, _) in later):
                reserved.insert(place, (at, run))
        return reserved

    def _ordinary(self, run: str, wanted: float, now: float, reserved: list[float]) -> float:
        """Return when `run` may be looked at from what the reserved last looks leave over."""
        if wanted > now:
            return wanted
        rooms = [self._room(moment) - used for used, moment in enumerate(reserved, start=1)]
        free = min([self._room(now), *rooms])
        if free < 1:
            return min([now + ASK_AGAIN, *(at for at in self._expiries() if at > now)])
        return min(max(self._paced(run, now), now), now + ASK_AGAIN)

    def _paced(self, run: str, now: float) -> float:
        """Return the moment from which `run` may use its fair share of what is left of the minute.

        The share is spread evenly over the square root of the run's age, close to the best
        spacing for runs of unknown length. One run alone needs 0.31 of a root per look.
        """
        started = self._watches[run].started
        root = sqrt(max(now - started, 0.0))
        watched = len(self._all_watches())
        step = 0.0
        for end in [*self._expiries(), now + WINDOW_SECONDS]:
            share = self._room(max(end - JUST_BEFORE, now)) / watched
            reach = sqrt(root * root + max(end - now, 0.0)) - root
            step = max(step, reach / share if share > 0 else inf)
        if step < PLENTY:
            return now
        looked_age = max(self._last_look(run) - started, 0.0)
        return started + (sqrt(looked_age) + step) ** 2

    def _expiries(self) -> list[float]:
        return [at + WINDOW_SECONDS for moments in self._sent() for at in moments]
