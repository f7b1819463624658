"""Who is in a list, who may be, and who may be sent to it: imports and their people, in the journal's database.

A person belongs to an import from before it is sent until it was certainly refused, and to one import of a list at
a time: meanwhile no other sends them there. A person is one or more keyed digests, each of which they are recognised
by; the first is that of the row that was sent. Digests cover the list, so they are the same whatever API key is in
use. Whatever takes a database works inside the transaction of its caller.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

REMEMBERED_SECONDS = 23 * 3600.0
"""Seconds for which the key of an import without an answer is relied on: the API keeps it for 24 hours (vendor's
own SDK), counted from the first sending that arrived."""

_TIMES = "first_time, first_steady, last_time, last_steady, settle"

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Moment:
    """A point in time on two clocks: `time` in epoch seconds, `steady` in seconds since the machine started."""

    time: float
    steady: float


@dataclass(frozen=True)
class Import:
    """One import into a list, as far as it is known.

    `size` is how many people were sent; `people` are those that matter by their first digests, in their order, None
    where that cannot be read, so that anybody may be among them; `digests` are all of theirs. `wait` is for how many
    seconds more it may be under way, 0 or less where it cannot; `expired` says that the API may have forgotten its
    key. `rows_imported` is the API's answer, None without one; about the people with `doubtful` digests it leaves
    open whether they are in the list.
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
        """Whether its people may be in the list or not."""
        return self.rows_imported is None or self.people is None

    @property
    def short(self) -> bool:
        """Whether the API imported fewer people than were sent."""
        return self.rows_imported is not None and self.rows_imported < self.size


@dataclass(frozen=True)
class Claim:
    """The right to send an import now. `before` is when it was last sent without an answer, if it was."""

    import_id: int
    attempt: int
    before: Moment | None


@dataclass(frozen=True)
class Standing:
    """Where the people of one call stand in a list, by their first digests; each is in exactly one of the first four.

    `there` are in the list. `held` may be, each by the import that was sent with them, in the order of the call.
    `answered` are all the people of an import that the API took in part; its figures hold for them. `free` may be
    sent. `repeatable` are the imports that hold nobody but people of this call and may be told again by their key.
    """

    there: frozenset[str]
    held: Mapping[str, Import]
    answered: Mapping[str, Import]
    free: tuple[str, ...]
    repeatable: tuple[Import, ...]


def decide(people: Sequence[Sequence[str]], imports: Sequence[Import]) -> Standing:
    """Return where people, each given by their digests, stand by what is known of the imports into a list. Pure."""
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
    """The unsettled import that holds each person; one of which nobody can say whom it holds comes last."""
    holders: dict[str, Import] = {}
    unsettled = [one for one in imports if one.unsettled]
    for one in sorted(unsettled, key=lambda one: one.people is None):
        for digest in whose if one.people is None else one.digests & whose.keys():
            holders.setdefault(whose[digest], one)
    return holders


def _is_repeatable(one: Import, whose: Mapping[str, str], held: Mapping[str, Import]) -> bool:
    """Whether the call has the very rows that were sent, each of somebody else whom no other import has added."""
    if one.rows_imported is not None or one.expired:
        return False
    people = [whose.get(digest, "") for digest in one.people or ()]
    return len(people) == len(set(people)) and all(held.get(person) is one for person in people)


def claim(
    database: sqlite3.Connection,
    key: str,
    list_id: str,
    people: Sequence[Sequence[str]],
    now: Moment,
    settle: float,
) -> Claim | None:
    """Write down that these people are sent to the list now, by this key, if that may be.

    `people` are the digests of each, in the order of their rows; `settle` is how many seconds the import may be under
    way. Returns None where it may not be sent: somebody of them is there, or held by another import, or this one was
    answered, has expired, or may still be under way.
    """
    row = database.execute(
        f"SELECT import_id, attempt, rows_imported, {_TIMES} FROM imports WHERE key = ?",  # noqa: S608 - constants
        (key,),
    ).fetchone()
    if _is_taken(database, list_id, people, besides=None if row is None else row[0]):
        return None
    if row is None:
        return _first(database, key, list_id, people, now, settle)
    import_id, attempt, rows_imported, *times = row
    wait, expired = _passed(times, now)
    if rows_imported is not None or expired or wait > 0:
        return None
    # Written anew: whom it held may have been unreadable, and is known from here on.
    all_digests = _with_former(database, import_id, people)
    database.execute(
        "UPDATE imports SET people = ?, digests = ?, attempt = ?, last_time = ?, last_steady = ?, settle = ? "
        "WHERE import_id = ?",
        (len(people), sum(map(len, all_digests)), attempt + 1, now.time, now.steady, settle, import_id),
    )
    database.execute("DELETE FROM import_people WHERE import_id = ?", (import_id,))
    _write_people(database, import_id, all_digests)
    return Claim(import_id, attempt + 1, Moment(*times[2:4]))


def _first(
    database: sqlite3.Connection,
    key: str,
    list_id: str,
    people: Sequence[Sequence[str]],
    now: Moment,
    settle: float,
) -> Claim:
    inserted = database.execute(
        f"INSERT INTO imports (key, list_id, people, digests, attempt, {_TIMES}) "  # noqa: S608 - constants
        "VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
        (key, list_id, len(people), sum(map(len, people)), *(now.time, now.steady) * 2, settle),
    )
    assert inserted.lastrowid is not None  # noqa: S101 - a row was inserted
    _write_people(database, inserted.lastrowid, people)
    return Claim(inserted.lastrowid, 1, None)


def _with_former(
    database: sqlite3.Connection, import_id: int, people: Sequence[Sequence[str]]
) -> list[list[str]]:
    """The digests of each, and after them those by which an earlier call knew the same person."""
    known: dict[int, list[str]] = defaultdict(list)
    for place, digest in database.execute(
        "SELECT place, digest FROM import_people WHERE import_id = ? ORDER BY place, alias", (import_id,)
    ):
        known[place].append(digest)
    return [list(dict.fromkeys((*digests, *known[place]))) for place, digests in enumerate(people)]


def _write_people(database: sqlite3.Connection, import_id: int, people: Sequence[Sequence[str]]) -> None:
    database.executemany(
        "INSERT INTO import_people (import_id, place, alias, digest) VALUES (?, ?, ?, ?)",
        (
            (import_id, place, alias, digest)
            for place, digests in enumerate(people)
            for alias, digest in enumerate(digests)
        ),
    )


def _is_taken(
    database: sqlite3.Connection, list_id: str, people: Sequence[Sequence[str]], *, besides: int | None
) -> bool:
    """Whether another import than `besides` holds somebody of them, or has put them into the list."""
    found = database.execute(
        "SELECT 1 FROM import_people JOIN imports USING (import_id) "
        "WHERE digest IN (SELECT value FROM json_each(?)) AND list_id = ? AND import_id IS NOT ? "
        "AND (rows_imported IS NULL OR NOT doubtful)",
        (json.dumps([digest for digests in people for digest in digests]), list_id, besides),
    )
    return found.fetchone() is not None


def imports_into(
    database: sqlite3.Connection, list_id: str, digests: Collection[str], now: Moment
) -> list[Import]:
    """Return all imports into a list that are kept, oldest first, as far as they matter for people with these digests.

    Of an import that the API took as a whole, only they are named.
    """
    members: dict[int, list[_Member]] = defaultdict(list)
    # One view of both tables: between two, another process may add or remove an import with its people.
    database.execute("SAVEPOINT looking")
    try:
        found = database.execute(
            f"SELECT import_id, key, rows_imported, people, digests, {_TIMES}, "  # noqa: S608 - constants
            "(SELECT COUNT(*) FROM import_people WHERE import_id = imports.import_id) "
            "FROM imports WHERE list_id = ? ORDER BY import_id",
            (list_id,),
        ).fetchall()
        for import_id, *member in database.execute(
            "SELECT import_id, digest, alias, doubtful FROM imports JOIN import_people USING (import_id) "
            "WHERE list_id = ? AND (rows_imported IS NULL OR rows_imported < people "
            "OR digest IN (SELECT value FROM json_each(?))) ORDER BY import_id, place, alias",
            (list_id, json.dumps(list(digests))),
        ):
            members[import_id].append(_Member(*member))
    finally:
        database.execute("RELEASE looking")
    return [_import_of(members[row[0]], *row[1:], now=now) for row in found]


class _Member(NamedTuple):
    digest: str
    alias: int
    doubtful: int


def _import_of(
    members: Sequence[_Member],
    key: str,
    rows_imported: int | None,
    size: int,
    digests: int,
    *times_and_count: Any,
    now: Moment,
) -> Import:
    *times, count = times_and_count
    wait, expired = _passed(times, now)
    readable = (rows_imported is None or _is_number(rows_imported)) and digests == count
    return Import(
        key=key,
        size=size,
        people=tuple(one.digest for one in members if not one.alias) if readable else None,
        digests=frozenset(one.digest for one in members),
        wait=wait,
        expired=expired,
        rows_imported=rows_imported if rows_imported is None or readable else 0,
        doubtful=frozenset(one.digest for one in members if one.doubtful),
    )


def _passed(times: Sequence[Any], now: Moment) -> tuple[float, bool]:
    """Seconds for which an import may still be under way, and whether its key may be forgotten by now.

    One whose times cannot be read is not, and is not to be repeated either.
    """
    if not all(map(_is_number, times)):
        return 0.0, True
    first, last, settle = Moment(*times[:2]), Moment(*times[2:4]), times[4]
    return settle - _at_least(last, now), _at_most(first, now) >= REMEMBERED_SECONDS


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _at_least(then: Moment, now: Moment) -> float:
    """Seconds that have passed since `then` for certain, also where somebody set the clock."""
    # A steady clock that shows less than it did has begun anew: the machine was started since.
    steady = now.steady - then.steady if now.steady >= then.steady else now.steady
    # The other clock counts too: on a shared folder the steady one may have been another machine's.
    wall = now.time - then.time
    return min(wall, steady) if wall >= 0 else steady


def _at_most(then: Moment, now: Moment) -> float:
    """Seconds that may have passed since `then`."""
    return max(now.time - then.time, now.steady - then.steady)


def finished(key: str, rows_imported: int, doubtful: Collection[str]) -> Iterator[Statement]:
    """Yield what records, in this order, how many rows of an import the API took.

    `doubtful` are the digests of the people who may be among those that it left out. The first answer stays.
    """
    if doubtful:
        yield (
            "UPDATE import_people SET doubtful = 1 WHERE digest IN (SELECT value FROM json_each(?)) "
            "AND import_id = (SELECT import_id FROM imports WHERE key = ? AND rows_imported IS NULL)",
            (json.dumps(list(doubtful)), key),
        )
    yield (
        "UPDATE imports SET rows_imported = ? WHERE key = ? AND rows_imported IS NULL",
        (rows_imported, key),
    )


def refused(claimed: Claim) -> Iterator[Statement]:
    """Yield what records, in this order, that an import did certainly not arrive this time.

    Its people are free again, unless it was sent before: then they stay held as they were. Nothing changes where
    another attempt has begun meanwhile.
    """
    import_id, attempt, before = claimed.import_id, claimed.attempt, claimed.before
    if before is not None:
        yield (
            "UPDATE imports SET last_time = ?, last_steady = ? "
            "WHERE import_id = ? AND attempt = ? AND rows_imported IS NULL",
            (before.time, before.steady, import_id, attempt),
        )
        return
    # The import first: people without one are nobody's, an import without its people could be anybody's.
    yield (
        "DELETE FROM imports WHERE import_id = ? AND attempt = ? AND rows_imported IS NULL",
        (import_id, attempt),
    )
    yield (
        "DELETE FROM import_people WHERE import_id = ? AND import_id NOT IN (SELECT import_id FROM imports)",
        (import_id,),
    )


def forget(database: sqlite3.Connection, before: float) -> None:
    """Drop the imports that were last sent before that time, in epoch seconds, and their people."""
    if database.execute("DELETE FROM imports WHERE last_time < ?", (before,)).rowcount:
        database.execute("DELETE FROM import_people WHERE import_id NOT IN (SELECT import_id FROM imports)")
