"""The request budget of a key, shared by all processes that use it: each request is noted where the others see it.

Each process keeps a copy of what it read last. If the notes cannot be used it goes on with that alone, and writes
down later what it sent: no call ever waits for the others.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import anyio

from cleanlist_mcp.api import minute as rules
from cleanlist_mcp.api.minute import Kind, Minute, Sent, Sight, Watch
from cleanlist_mcp.api.rate_budget import PutOff, RateBudget
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.port import Ledger, LedgerUnusable, Note, Rewrite
from cleanlist_mcp.journal.records import kept_status

TRY_AGAIN_AFTER = 2.0
"""Seconds after which notes that could not be used are tried again."""

RENEW_AFTER = 3.0
"""Seconds after which the lease of a watched run is renewed; the others may take it over after ten."""

LOOK_UP_AFTER = 0.9
"""Seconds after which a process that waits for another's looks reads the notes again."""

LEAVE_SECONDS = 1.0
"""The longest that giving up a lease may take."""

_ADDED: tuple[Kind, ...] = ("call", "start")
"""Requests that no budget holds back, only a 429."""

_LIMITS = (rules.REQUESTS_PER_MINUTE, rules.REQUESTS_OF_ALL)

Change = Callable[[Minute, Minute | None], bool]
"""Changes the minute of the key and of its organization, if that is known; returns whether there is something to
write."""

_Rewrite = Callable[[Sequence[str], Sequence[Sent], Mapping[str, Note]], Mapping[str, str]]
"""Changes the notes of some names; the requests are those that were sent meanwhile and are not in the notes yet."""


@dataclass
class _Lease:
    """A run that this process looks at; moments are monotonic seconds."""

    renewed_at: float
    last_looks: tuple[float, ...]


class SharedBudget:
    """The requests of one key in this process, and what others sent and saw with it.

    `rules` of api/minute.py decide about each request, `RateBudget` about the moments of looks. One process at a time
    holds the lease of a run and looks at it; the others read what it saw.
    """

    def __init__(self, clock: Clock, ledger: Ledger | None = None, api: str = "", key: str = "") -> None:
        """`ledger` keeps the notes under digests of both, None if nobody else uses the `key` for this `api`."""
        self._clock = clock
        self._ledger = ledger
        self._api = api
        self._key = key
        self._memory = _Memory(clock)
        self._local = RateBudget()
        self._owner = uuid4().hex[:12]
        self._name = ""
        self._organization = self._tenant = ""
        self._leases: dict[str, _Lease] = {}
        self._unshared: list[Sent] = []
        self._added: list[Sent] = []
        self._early: list[Sent] = []
        self._known = Minute()
        self._known_at = -rules.KEPT_SECONDS
        self._try_again_at = 0.0

    async def get_ready(self) -> None:
        """Open the notes that all processes share, if they can be used."""
        if self._ledger is not None and not self._name:
            with suppress(LedgerUnusable):
                self._name = await self._ledger.name("key", self._api, self._key)

    async def belongs_to(self, organization: str) -> None:
        """Count requests for an organization too, with those of before it was known.

        An answer that names none changes nothing.
        """
        if organization in ("", self._organization) or self._ledger is None:
            return
        with suppress(LedgerUnusable):  # the next answer that names it will do
            self._tenant = await self._ledger.name("organization", self._api, organization)
            self._organization = organization
            await self._count_early()

    async def _count_early(self) -> None:
        """Count for the organization what was sent while it was not known: each process asks for it once."""
        now, early = self._clock.monotonic(), self._early
        self._early = []

        def count(minute: Minute, of_all: Minute | None) -> bool:
            if of_all is not None:
                rules.add(of_all, (one._replace(at=one.at - now, key=self._name) for one in early))
            return of_all is not None

        if early:
            await self._exchange(count, counts=True)

    async def admit(self, kind: Kind, run: str | None = None) -> float:
        """Note a request that is about to be sent; returns and raises as `Admission.admit`."""
        blocked = self.interactive_wait(self._clock.monotonic())
        if blocked > 0:
            return blocked
        if kind in _ADDED and await self._add(kind):
            return 0.0
        wait = 0.0

        def ask(minute: Minute, of_all: Minute | None) -> bool:
            nonlocal wait
            wait = rules.wait_before(kind, minute, of_all, self._name)
            if of_all is not None:
                self._local.spread(rules.share_of_key(of_all))
            if wait <= 0:
                minute.note(rules.sent_as(kind))
                if of_all is not None:
                    of_all.note(rules.sent_as(kind), self._name)
            return wait <= 0

        is_shared = await self._exchange(ask, counts=True)
        now = self._clock.monotonic()
        if wait > 0:
            if blocked := self.interactive_wait(now):
                return blocked
            raise PutOff(wait)
        self._remember(Sent(now, rules.sent_as(kind)), is_shared)
        if run is not None:
            self._local.looked(self._run(run), now)
        return 0.0

    async def _add(self, kind: Kind) -> bool:
        """Note a request that nothing but a 429 could hold back, if nobody else has written since this process read.

        Then there was none, and the notes need not be read: the common case costs half.
        """
        ledger = self._usable_ledger()
        if ledger is None or not self._name or self._unshared:
            return False
        try:
            if not await ledger.add(self._names(counts=True), kind):
                return False
        except LedgerUnusable:
            self._try_later()
            return False
        now = self._clock.monotonic()
        self._local.record(now, starts=kind == "start")
        self._added.append(Sent(now, kind))
        self._remember(self._added[-1], is_shared=True)
        return True

    def _remember(self, request: Sent, is_shared: bool) -> None:
        """Keep a request of the last minute until the notes of the organization and of the other processes have it."""
        oldest = request.at - rules.WINDOW_SECONDS
        if not self._tenant:
            self._early = [*(one for one in self._early if one.at > oldest), request]
        if not is_shared:
            self._unshared = [*(one for one in self._unshared if one.at > oldest), request]

    async def block(self, seconds: float) -> None:
        """Let nobody send anything for so long, because the API answered 429."""
        self._local.block(self._clock.monotonic() + seconds)

        def note(minute: Minute, of_all: Minute | None) -> bool:
            minute.blocked_until = max(minute.blocked_until, seconds)
            return True

        await self._exchange(note)

    def interactive_wait(self, now: float) -> float:
        """Return the seconds until a 429 has passed, as far as it is known here."""
        return self._local.interactive_wait(now)

    def watch(self, run: str, started: float, last_looks: Iterable[float]) -> None:
        """Plan looks at a run; see `RateBudget.watch`."""
        self._local.watch(self._run(run), started, last_looks)

    def release(self, run: str) -> None:
        """Plan no more looks at a run."""
        self._local.release(self._run(run))

    def poll_at(self, run: str, wanted: float, now: float) -> float:
        """Return when a watched run may be looked at; see `RateBudget.poll_at`."""
        return self._local.poll_at(self._run(run), wanted, now)

    def may_look(self, now: float) -> bool:
        """Return whether a look that nobody planned may go out at once, as far as it is known here."""
        return self._local.may_look(now)

    def room_from(self, now: float) -> float:
        """Return when the next request leaves the minute."""
        return self._local.room_from(now)

    async def lead(self, run: str, started: float, last_looks: Iterable[float]) -> bool:
        """Take or renew the lease of a run; return whether it is ours: then nobody else looks at it by a schedule.

        It is asked for at each turn of a watch, and asks the others only every few seconds.
        """
        now = self._clock.monotonic()
        name, planned = self._run(run), tuple(sorted(last_looks))
        held = self._leases.get(name)
        if held is not None and held.last_looks == planned and now < held.renewed_at + RENEW_AFTER:
            return True
        if held is None and now < self._known_at + LOOK_UP_AFTER and self._is_led_elsewhere(name):
            return False
        moments = tuple(at - now for at in planned)
        mine = Watch(self._owner, rules.LEASE_SECONDS, started - now, moments)
        is_ours = False

        def claim(minute: Minute, of_all: Minute | None) -> bool:
            nonlocal is_ours
            is_ours = rules.claim_watch(minute, name, mine)
            return is_ours

        await self._exchange(claim)
        if is_ours:
            self._leases[name] = _Lease(now, planned)
        else:
            self._leases.pop(name, None)
        return is_ours

    async def leave(self, run: str) -> None:
        """Give a lease up, if it is ours: the next process that watches the run takes over at once."""
        name = self._run(run)
        if self._leases.pop(name, None) is None:
            return

        def give_up(minute: Minute, of_all: Minute | None) -> bool:
            rules.give_up_watch(minute, name, self._owner)
            return True

        with anyio.move_on_after(LEAVE_SECONDS, shield=True):
            await self._exchange(give_up)

    async def tell(self, run: str, started: float, sight: Sight) -> None:
        """Tell the others what a look showed; `started` and the moment of `sight` are monotonic seconds."""
        now = self._clock.monotonic()
        kept = replace(sight, at=sight.at - now, status=kept_status(sight.status))

        def note(minute: Minute, of_all: Minute | None) -> bool:
            rules.note_sight(minute, self._run(run), started - now, kept)
            return True

        await self._exchange(note)

    def sight(self, run: str) -> Sight | None:
        """Return what was last seen of a run by whoever looked, as far as it is known here."""
        watch = self._known.watches.get(self._run(run))
        if watch is None or watch.sight is None:
            return None
        return replace(watch.sight, at=watch.sight.at + self._known_at)

    def _is_led_elsewhere(self, name: str) -> bool:
        watch = self._known.watches.get(name)
        return watch is not None and watch.is_held() and watch.owner != self._owner

    def _run(self, run: str) -> str:
        """Return the name of a run in the notes: a digest that nobody without the key can make."""
        return hashlib.sha256(f"{self._api}\n{self._key}\n{run}".encode()).hexdigest()[:16]

    async def _exchange(self, change: Change, *, counts: bool = False) -> bool:
        """Change the notes, or if that is not possible the copy in memory, and learn what is in them.

        Returns whether all processes share it. The organization's note is changed too if the change `counts` there.
        """
        learnt: list[tuple[float, Minute]] = []
        texts: dict[str, str] = {}

        def rewrite(
            names: Sequence[str], unshared: Sequence[Sent], notes: Mapping[str, Note]
        ) -> Mapping[str, str]:
            now = self._clock.monotonic()
            minutes = []
            for name, key, limit in zip(names, ("", self._name), _LIMITS, strict=False):
                minute = rules.from_text(notes[name].text, notes[name].age, limit)
                added = (one._replace(by=one.by if key else "") for one in notes[name].added)
                rules.add(minute, (Sent(-age, word, by) for age, word, by in added if word in _ADDED))
                rules.add(minute, (one._replace(at=one.at - now, key=key) for one in unshared))
                minutes.append(minute)
            is_changed = change(minutes[0], minutes[1] if len(minutes) > 1 else None)
            learnt[:] = [(now, minutes[0])]
            texts.update((name, rules.as_text(minute)) for name, minute in zip(names, minutes, strict=True))
            return texts if is_changed or unshared else {}

        is_shared = await self._rewrite_shared(rewrite, counts)
        if is_shared:
            self._memory.keep(texts)
        else:
            names = self._names(counts)
            await self._memory.rewrite(names, partial(rewrite, names, tuple(self._added)))
        self._added.clear()
        self._learn(*learnt[0])
        return is_shared

    async def _rewrite_shared(self, rewrite: _Rewrite, counts: bool) -> bool:
        """Return whether the notes that all share could be used."""
        ledger = self._usable_ledger()
        if ledger is None:
            return False
        try:
            if not self._name:
                self._name = await ledger.name("key", self._api, self._key)
            names, unshared = self._names(counts), tuple(self._unshared)
            await ledger.rewrite(names, partial(rewrite, names, unshared))
        except LedgerUnusable:
            self._try_later()
            return False
        self._unshared = [one for one in self._unshared if one not in unshared]
        return True

    def _usable_ledger(self) -> Ledger | None:
        """Return the notes that all processes share; None if there are none, or they could not be used just now."""
        return None if self._clock.monotonic() < self._try_again_at else self._ledger

    def _try_later(self) -> None:
        self._try_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER

    def _names(self, counts: bool) -> list[str]:
        return [self._name, self._tenant] if counts and self._tenant else [self._name]

    def _learn(self, now: float, minute: Minute) -> None:
        if now < self._known_at:
            return  # two exchanges at once ended the other way round
        self._known, self._known_at = minute, now
        elsewhere = [name for name in minute.watches if self._is_led_elsewhere(name)]
        self._local.learn(now, minute, elsewhere)


class _Memory:
    """The notes of this process alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notes: dict[str, tuple[str, float]] = {}

    async def rewrite(self, names: Sequence[str], change: Rewrite) -> None:
        """Do what a ledger does."""
        now = self._clock.monotonic()
        known = {name: self._notes[name] for name in names if name in self._notes}
        notes = {name: Note() for name in names} | {
            name: Note(text, now - written_at) for name, (text, written_at) in known.items()
        }
        self.keep(change(notes))

    def keep(self, texts: Mapping[str, str]) -> None:
        """Remember texts that were just written."""
        now = self._clock.monotonic()
        self._notes.update((name, (text, now)) for name, text in texts.items())
