"""Imports into a list: who is in it by them, who may be in it, and who is free to be sent. Pure.

A person belongs to an import from before it is sent until it was certainly refused, and to one import of a list at
a time: meanwhile no other sends them there. A person is one or more keyed digests, each of which they are recognised
by; the first is that of the row that was sent. Digests cover the list, so they are the same whatever API key is in
use.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cleanlist_mcp.journal.port import ImportRow, Member, Sent
from cleanlist_mcp.money.runs import Moment

REMEMBERED_SECONDS = 23 * 3600.0
"""Seconds for which the key of an import without an answer is relied on: the API keeps it for 24 hours (vendor's
own SDK), counted from the first sending that arrived."""


@dataclass(frozen=True)
class Import:
    """One import into a list, as far as it is known.

    `size` is how many people were sent; `people` are those that matter by their first digests, in their order, or None
    if that cannot be read, so that anybody may be among them; `digests` are all of theirs. It may be under way for
    `wait` seconds more, 0 or less if it cannot be; if it is `expired`, the API may have forgotten its key.
    `rows_imported` is the API's answer, None without one; people with `doubtful` digests may be in the list or not.
    """

    key: str
    size: int
    people: tuple[str, ...] | None
    digests: frozenset[str]
    wait: float
    expired: bool
    rows_imported: int | None
    doubtful: frozenset[str]

    @property
    def unsettled(self) -> bool:
        """True if it is not known whether its people are in the list."""
        return self.rows_imported is None or self.people is None

    @property
    def short(self) -> bool:
        """True if the API imported fewer people than were sent."""
        return self.rows_imported is not None and self.rows_imported < self.size


@dataclass(frozen=True)
class Claim:
    """The right to send an import now, by its `key`. `before` is when it was last sent without an answer, if it was."""

    import_id: int
    key: str
    attempt: int
    before: Moment | None


@dataclass(frozen=True)
class Standing:
    """The places of the people of one call in a list, by their first digests; each is in exactly one of the first four.

    `there` are in the list. `held` may be, each by the import that was sent with them, in the order of the call.
    `answered` are all the people of an import that the API took in part; its figures hold for them. `free` may be
    sent. `repeatable` are the imports that hold nobody but people of this call and may be sent again by their key.
    """

    there: frozenset[str]
    held: Mapping[str, Import]
    answered: Mapping[str, Import]
    free: tuple[str, ...]
    repeatable: tuple[Import, ...]


def decide(people: Sequence[Sequence[str]], imports: Sequence[Import]) -> Standing:
    """Return the places of people, each given by their digests, by what is known about the imports into a list."""
    whose = {digest: digests[0] for digests in people for digest in digests}
    there = {whose[digest] for digest in _surely_there(imports) if digest in whose}
    holders = _holders(whose, imports)
    held = {one[0]: holders[one[0]] for one in people if one[0] in holders and one[0] not in there}
    answered = {
        whose[digest]: one
        for one in imports
        if one.people is not None and one.short and all(digest in whose for digest in one.people)
        for digest in one.people
        if whose[digest] not in held
    }
    settled = there | held.keys() | answered.keys()
    return Standing(
        there=frozenset(there - answered.keys()),
        held=held,
        answered=answered,
        free=tuple(one[0] for one in people if one[0] not in settled),
        repeatable=tuple(one for one in imports if _is_repeatable(one, whose, held)),
    )


def _surely_there(imports: Iterable[Import]) -> set[str]:
    return {digest for one in imports if not one.unsettled for digest in one.digests - one.doubtful}


def _holders(whose: Mapping[str, str], imports: Iterable[Import]) -> dict[str, Import]:
    """Return the unsettled import that holds each person; one that cannot be read comes last."""
    holders: dict[str, Import] = {}
    unsettled = [one for one in imports if one.unsettled]
    for one in sorted(unsettled, key=lambda one: one.people is None):
        for digest in whose if one.people is None else one.digests & whose.keys():
            holders.setdefault(whose[digest], one)
    return holders


def _is_repeatable(one: Import, whose: Mapping[str, str], held: Mapping[str, Import]) -> bool:
    """Return whether the call has the very rows that were sent, each of another person whom no other import added."""
    if one.rows_imported is not None or one.expired:
        return False
    people = [whose.get(digest, "") for digest in one.people or ()]
    return len(people) == len(set(people)) and all(held.get(person) is one for person in people)


def import_of(row: ImportRow, members: Sequence[Member], now: Moment) -> Import:
    """Return an import by what is stored of it; `members` are those that matter, by place and alias."""
    wait, expired = _under_way(row.sent, now)
    return Import(
        key=row.key,
        size=row.size,
        people=tuple(one.digest for one in members if not one.alias) if row.readable else None,
        digests=frozenset(one.digest for one in members),
        wait=wait,
        expired=expired,
        rows_imported=row.rows_imported,
        doubtful=frozenset(one.digest for one in members if one.doubtful),
    )


def next_key(key: str) -> str:
    """Return the key by which the people of an import are sent once all of them were taken out of the list again."""
    first, _, number = key.partition(_AGAIN)
    return f"{first}{_AGAIN}{int(number or 1) + 1}"


def is_key_of(key: str, first: str) -> bool:
    """Return whether `key` is that of an import whose people and list make the key `first`."""
    return key.partition(_AGAIN)[0] == first


_AGAIN = "-again-"


def may_repeat(row: ImportRow, now: Moment) -> bool:
    """Return whether an import may be sent again by its key: it was not answered, and has settled."""
    wait, expired = _under_way(row.sent, now)
    return row.rows_imported is None and not expired and wait <= 0


def _under_way(sent: Sent | None, now: Moment) -> tuple[float, bool]:
    """Return for how many seconds an import may still be under way, and whether its key may be forgotten by now.

    One whose times cannot be read is not, and is not to be repeated either.
    """
    if sent is None:
        return 0.0, True
    return sent.settle - _at_least(sent.last, now), _at_most(sent.first, now) >= REMEMBERED_SECONDS


def _at_least(then: Moment, now: Moment) -> float:
    """Return the seconds that have passed since `then` for certain, even if somebody set the clock."""
    # A steady clock that shows less than it did has begun anew: the machine was started since.
    steady = now.ticks - then.ticks if now.ticks >= then.ticks else now.ticks
    # The other clock counts too: on a shared folder the steady one may have been another machine's.
    wall = now.time - then.time
    return min(wall, steady) if wall >= 0 else steady


def _at_most(then: Moment, now: Moment) -> float:
    """Return the seconds that may have passed since `then`."""
    return max(now.time - then.time, now.ticks - then.ticks)
