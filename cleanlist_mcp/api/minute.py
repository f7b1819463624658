"""The minute of a key or of an organization, as the processes that use it share it.

Pure. All moments are seconds from now, so what is past is negative: processes whose clocks differ mean the same.
docs/polling.md explains the figures.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Literal, NamedTuple, get_args

REQUESTS_PER_MINUTE = 30  # per key, in fixed 60 s windows (the vendor's documentation)
REQUESTS_OF_ALL = 60  # per organization, in the same windows
HELD_BACK = 6  # of a key's, for calls that a person is waiting for
HELD_BACK_OF_ALL = 24  # of an organization's, for those of all its keys
STARTS_AMONG_THEM = 2  # more starts of a key than this in a minute are a burst, on top of those calls
STARTS_OF_ALL = 8  # the same for an organization
WINDOW_SECONDS = 61.0  # the API's minute, and a second for requests that travel unequally long
ASK_AGAIN = 5.0  # s: the longest a watcher sleeps without asking whether budget came free
SHORTEST_WAIT = 0.05  # s: two requests that leave together are not asked for one by one

LEASE_SECONDS = 10.0
"""Seconds after which another process takes a run over, unless the one that looks at it renews its lease."""

KEPT_SECONDS = 120.0
"""Seconds for which the sight of a run that nobody watches is kept."""

Kind = Literal["look", "glance", "start", "call"]
"""A look that the schedule wants, one that a call wants at once, a request that spends, and any other."""

_AT = itemgetter(0)
_COMPACT = json.JSONEncoder(separators=(",", ":"))
_LETTERS = {kind[0]: kind for kind in get_args(Kind)}


class Sent(NamedTuple):
    """One request; `key` is whose it was, if several keys share a minute. Each look reads and writes 90 of them,
    and a tuple is made in a quarter of the time."""

    at: float
    kind: Kind
    key: str = ""


@dataclass(frozen=True)
class Sight:
    """The sight that a look had of a run: nothing of a person."""

    at: float
    status: str
    processed: int
    total: int
    finished: bool


@dataclass(frozen=True)
class Watch:
    """A run that the process `owner` looks at, until its lease ends; without an owner, one that was looked at."""

    owner: str
    until: float
    started: float
    last_looks: tuple[float, ...] = ()
    sight: Sight | None = None

    def is_held(self) -> bool:
        """Return whether its owner still looks at it."""
        return self.owner != "" and self.until > 0


@dataclass
class _AsKept:
    """Requests as a text keeps them, in milliseconds of the text's own time, of which `now` is this moment.

    There are up to ninety, and most changes of the notes only add one or none: those need not look at them.
    """

    at: list[int]
    kinds: str
    keys: list[str]
    now: int

    def read(self) -> list[Sent]:
        """Return those of the last 61 s, oldest first; none if the text is damaged."""
        with suppress(ValueError, TypeError, KeyError):
            all_kept = zip(self.at, self.kinds, self.keys, strict=True)
            found = [Sent((at - self.now) / 1000, _LETTERS[kind], key) for at, kind, key in all_kept]
            return sorted([one for one in found if one.at > -WINDOW_SECONDS], key=_AT)
        return []


class Minute:
    """The requests of the last 61 s, the newest ones up to the `limit`: with more of them it is used up all the same.

    Of a key also the end of its last 429, and the runs that are watched.
    """

    def __init__(
        self,
        limit: int = REQUESTS_PER_MINUTE,
        sent: Iterable[Sent] = (),
        blocked_until: float = 0.0,
        watches: Mapping[str, Watch] | None = None,
    ) -> None:
        self.limit = limit
        self.blocked_until = blocked_until
        self.watches = dict(watches or {})
        self._sent = list(sent)
        self._kept: _AsKept | None = None

    @property
    def sent(self) -> list[Sent]:
        """The requests, oldest first."""
        if self._kept is not None:
            self._sent, self._kept = self._kept.read(), None
        return self._sent

    @sent.setter
    def sent(self, sent: list[Sent]) -> None:
        self._sent, self._kept = sent, None

    def note(self, kind: Kind, key: str = "") -> None:
        """Count a request that is sent now."""
        if self._kept is None:
            self._sent.append(Sent(0.0, kind, key))
            return
        self._kept.at.append(self._kept.now)
        self._kept.kinds += kind[0]
        self._kept.keys.append(key)

    def keep_read(self, at: list[int], kinds: str, keys: list[str], now: int) -> None:
        """Hold requests as a text kept them, until somebody looks at them."""
        self._kept = _AsKept(at, kinds, keys, now)

    def to_keep(self) -> tuple[list[int], str, list[str], int]:
        """Return the newest requests as `keep_read` takes them."""
        if self._kept is not None:
            kept = self._kept
            return kept.at[-self.limit :], kept.kinds[-self.limit :], kept.keys[-self.limit :], kept.now
        sent = [one for one in self._sent[-self.limit :] if one.at > -WINDOW_SECONDS]
        kinds = "".join([one.kind[0] for one in sent])
        return [round(one.at * 1000) for one in sent], kinds, [one.key for one in sent], 0

    def keys(self) -> set[str]:
        """Return whose requests they are."""
        if self._kept is None:
            return {one.key for one in self._sent}
        oldest = self._kept.now - round(WINDOW_SECONDS * 1000)
        return {key for at, key in zip(self._kept.at, self._kept.keys, strict=False) if at > oldest}

    def count(self, kind: Kind, key: str | None = None) -> int:
        """Return how many requests of a kind went out, of one key or of all."""
        return sum(one.kind == kind and key in (None, one.key) for one in self.sent)

    def until_one_leaves(self) -> float:
        """Return the seconds until the oldest request no longer counts."""
        oldest = min((one.at for one in self.sent), default=0.0)
        return max(oldest + WINDOW_SECONDS, SHORTEST_WAIT)


def looks_left(looks: int, starts: int, calls: int) -> int:
    """Return how many looks a key may still make, after these requests of the last 61 s."""
    return _left(REQUESTS_PER_MINUTE, HELD_BACK, STARTS_AMONG_THEM, (looks, starts, calls))


def looks_left_of_all(minute: Minute) -> int:
    """Return how many looks an organization may still make."""
    return _left(REQUESTS_OF_ALL, HELD_BACK_OF_ALL, STARTS_OF_ALL, _counts(minute))


def share_of_key(of_all: Minute) -> int:
    """Return about how many looks a minute a key has, if all that use the organization's minute are eager."""
    keys = max(len(of_all.keys()), 1)
    return max(2 * (REQUESTS_OF_ALL - HELD_BACK_OF_ALL) // (2 * keys + 1), 1)


def wait_before(kind: Kind, minute: Minute, of_all: Minute | None = None, key: str = "") -> float:
    """Return the seconds before a request of `key` may be sent; 0 means now.

    Only a 429 holds back what a person waits for. A glance waits if the minute is used up. A look also leaves what is
    held back for the others, and the looks of one key stay under twice those that are left for all: however many
    keys are eager, they get the same, and another one finds room at once.
    """
    if minute.blocked_until > 0:
        return minute.blocked_until
    if kind == "glance":
        full = [one for one in (minute, of_all) if one is not None and len(one.sent) >= one.limit]
        return max((one.until_one_leaves() for one in full), default=0.0)
    if kind == "look":
        if looks_left(*_counts(minute)) < 1:
            return minute.until_one_leaves()
        if of_all is not None and 2 * looks_left_of_all(of_all) <= of_all.count("look", key):
            return of_all.until_one_leaves()
    return 0.0


def add(minute: Minute, requests: Iterable[Sent]) -> None:
    """Count requests that were sent before and are not in the notes yet."""
    more = [one for one in requests if one.at > -WINDOW_SECONDS]
    if more:
        minute.sent = sorted([*minute.sent, *more], key=_AT)


def sent_as(kind: Kind) -> Kind:
    """Return as what a request counts: a glance is a call that somebody waits for."""
    return "call" if kind == "glance" else kind


def claim_watch(minute: Minute, run: str, mine: Watch) -> bool:
    """Let the owner of `mine` look at a run from now on, unless another does; return whether it does."""
    known = minute.watches.get(run)
    if known is not None and known.is_held() and known.owner != mine.owner:
        return False
    minute.watches[run] = replace(mine, sight=None if known is None else known.sight)
    return True


def give_up_watch(minute: Minute, run: str, owner: str) -> None:
    """End a lease of `owner`; the next process that asks takes over at once."""
    known = minute.watches.get(run)
    if known is not None and known.owner == owner:
        minute.watches[run] = replace(known, owner="", until=0.0, last_looks=())


def note_sight(minute: Minute, run: str, started: float, sight: Sight) -> None:
    """Tell the others what a look showed. The older of two sights counts for nothing, and an end stays one."""
    known = minute.watches.get(run) or Watch("", 0.0, started)
    if known.sight is not None and (known.sight.at > sight.at or known.sight.finished):
        return
    minute.watches[run] = replace(known, sight=sight)


def _left(limit: int, held_back: int, starts_among: int, counts: tuple[int, int, int]) -> int:
    looks, starts, calls = counts
    among = min(starts, starts_among)
    return limit - max(held_back, calls + among) - (starts - among) - looks


def _counts(minute: Minute) -> tuple[int, int, int]:
    return minute.count("look"), minute.count("start"), minute.count("call")


def as_text(minute: Minute) -> str:
    """Return what is still of use of a minute, to be kept with the moment at which it is written."""
    watches = {run: _watch_values(watch) for run, watch in minute.watches.items() if _is_of_use(watch)}
    at, kinds, keys, now = minute.to_keep()
    content = {
        "at": at,
        "kinds": kinds,
        "keys": keys[0] if len(set(keys)) == 1 else keys,  # mostly one's own alone
        "now": now,
        "blocked_until": round(max(minute.blocked_until, 0.0), 3),
        "watches": watches,
    }
    return _COMPACT.encode(content)


def from_text(text: str | None, age: float, limit: int = REQUESTS_PER_MINUTE) -> Minute:
    """Return the minute that was written `age` seconds ago; an empty one if nothing was, or it cannot be read."""
    minute = Minute(limit)
    if text is None:
        return minute
    with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
        content = json.loads(text)
        now = content["now"] + round(age * 1000)
        at, keys = content["at"], content["keys"]
        minute.keep_read(at, content["kinds"], [keys] * len(at) if isinstance(keys, str) else keys, now)
        minute.blocked_until = max(content["blocked_until"] - age, 0.0)
        minute.watches = dict(_watches_in(content["watches"], age))
    return minute


def _is_of_use(watch: Watch) -> bool:
    seen_at = -KEPT_SECONDS if watch.sight is None else watch.sight.at
    return watch.is_held() or seen_at > -KEPT_SECONDS


def _watch_values(watch: Watch) -> list[Any]:
    sight = watch.sight
    seen = sight and [round(sight.at, 3), sight.status, sight.processed, sight.total, sight.finished]
    moments = (round(at, 3) for at in (watch.until, watch.started))
    return [watch.owner, *moments, [round(at, 3) for at in watch.last_looks], seen]


def _watches_in(content: Mapping[str, Any], age: float) -> Iterable[tuple[str, Watch]]:
    for run, (owner, until, started, last_looks, seen) in content.items():
        sight = seen and Sight(seen[0] - age, *seen[1:])
        moments = tuple(at - age for at in last_looks)
        yield run, Watch(owner, until - age, started - age, moments, sight or None)
