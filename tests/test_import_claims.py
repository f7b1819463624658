"""Claims of imports: one import for each person, whatever was lost, refused, damaged, or done to the clock."""

import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cleanlist_mcp.journal.import_journal import ImportJournal
from cleanlist_mcp.journal.imports import Claim, Import, decide
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.naming import Naming
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.records import KEEP_SECONDS
from cleanlist_mcp.journal.sqlite.forgetting import forget_old
from cleanlist_mcp.journal.sqlite.schema import STATEMENTS
from cleanlist_mcp.journal.sqlite.store import Rows
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment
from tests.journals import at_once

HOUR = 3600.0
SETTLE = 30.0
API_REMEMBERS = 24 * HOUR
NOW = Moment(1_795_000_000.0, "", 5_000.0)
EVERYBODY = tuple("abcdefgh")


def make_database(path: str = ":memory:") -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    for statement in STATEMENTS:
        database.execute(statement)
    return database


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(make_database()) as opened:
        yield opened


def after(seconds: float, start: Moment = NOW) -> Moment:
    return Moment(start.time + seconds, "", start.ticks + seconds)


class OneMoment:
    """A store that works on one database at one moment."""

    def __init__(self, database: sqlite3.Connection, now: Moment) -> None:
        self._rows = Rows(database, b"", now)

    async def digest_keys(self) -> Sequence[DigestKey]:
        return [DigestKey(None, b"")]

    @asynccontextmanager
    async def read(self, *_: object, **__: object) -> AsyncIterator[Rows]:
        yield self._rows

    claim = record = read

    async def forget_old(self) -> None:
        """Nothing here is old."""


def journal_of(database: sqlite3.Connection, now: Moment = NOW) -> ImportJournal:
    store = cast(Store, OneMoment(database, now))
    return ImportJournal(store, Naming(store, Identity("api", "key")), LateWrites(store))


def claim(
    database: sqlite3.Connection, people: Sequence[Sequence[str]], now: Moment = NOW, list_id: str = "L"
) -> Claim | None:
    """Claim an import whose key, as in life, follows from the list and the rows that are sent.

    In most tests a person has one digest, a letter: "ab" are two people.
    """
    return at_once(journal_of(database, now).claim(key_of(people, list_id), list_id, people, SETTLE))


def key_of(people: Sequence[Sequence[str]], list_id: str = "L") -> str:
    return f"{list_id} {' '.join(digests[0] for digests in people)}"


def imports(database: sqlite3.Connection, now: Moment = NOW, list_id: str = "L") -> list[Import]:
    return at_once(journal_of(database, now).into(list_id, EVERYBODY))


def free(database: sqlite3.Connection, now: Moment = NOW) -> str:
    return "".join(decide(EVERYBODY, imports(database, now)).free)


def answer(
    database: sqlite3.Connection, people: Sequence[Sequence[str]], rows: int, doubtful: Sequence[str] = ()
) -> None:
    at_once(journal_of(database).finished(key_of(people), rows, doubtful))


def refuse(database: sqlite3.Connection, claimed: Claim | None) -> None:
    assert claimed is not None
    at_once(journal_of(database).refused(claimed))


def test_whoever_was_sent_is_held_until_the_answer_and_is_there_after_it(
    database: sqlite3.Connection,
) -> None:
    claim(database, "ab")
    held = decide(EVERYBODY, imports(database))
    answer(database, "ab", 2)
    settled = decide(EVERYBODY, imports(database))

    assert (set(held.held), "".join(held.free)) == ({"a", "b"}, "cdefgh")
    assert [one.key for one in held.repeatable] == [key_of("ab")]
    assert settled.there == {"a", "b"}
    assert not settled.repeatable


@pytest.mark.parametrize("people", ["ab", "b", "bc", "abc", "ba"])
def test_nobody_is_claimed_twice(database: sqlite3.Connection, people: str) -> None:
    assert claim(database, "ab") is not None
    in_flight = claim(database, people, after(10))
    lost = claim(database, people, after(100)) if people != "ab" else None
    answer(database, "ab", 2)

    assert (in_flight, lost, claim(database, people, after(200))) == (None, None, None)
    assert claim(database, "cd") is not None
    assert claim(database, people, list_id="other") is not None


def test_only_a_lost_import_with_the_same_key_is_claimed_again_and_only_when_it_has_settled(
    database: sqlite3.Connection,
) -> None:
    claim(database, "ab")

    assert claim(database, "ab", after(SETTLE - 1)) is None
    again = claim(database, "ab", after(SETTLE))
    assert again is not None and again.before == NOW
    assert claim(database, "ab", after(SETTLE + 1)) is None


def test_an_import_is_under_way_for_as_long_as_its_sender_says(database: sqlite3.Connection) -> None:
    at_once(journal_of(database).claim(key_of("ab"), "L", "ab", 130.0))

    assert imports(database, after(SETTLE))[0].wait == 130 - SETTLE
    assert claim(database, "ab", after(129)) is None
    assert claim(database, "ab", after(130)) is not None


def test_a_refusal_frees_everybody_of_a_first_sending_and_nobody_of_a_repeat(
    database: sqlite3.Connection,
) -> None:
    refuse(database, claim(database, "ab"))
    assert free(database) == "abcdefgh"
    claim(database, "bc")
    refuse(database, claim(database, "bc", after(SETTLE)))

    assert free(database) == "adefgh"
    assert imports(database, after(SETTLE))[0].wait == 0  # as it was before the repeat
    assert database.execute("SELECT COUNT(*) FROM import_people").fetchone() == (2,)


def test_a_refusal_that_is_written_late_does_not_free_whom_another_has_sent_since(
    database: sqlite3.Connection,
) -> None:
    first = claim(database, "ab")
    second = claim(database, "ab", after(SETTLE))
    refuse(database, first)
    assert free(database) == "cdefgh"
    answer(database, "ab", 2)
    refuse(database, second)

    assert decide("ab", imports(database)).there == {"a", "b"}


def test_a_refusal_that_is_written_late_does_not_make_a_newer_repeat_look_old(
    database: sqlite3.Connection,
) -> None:
    claim(database, "ab")
    second = claim(database, "ab", after(SETTLE))
    claim(database, "ab", after(2 * SETTLE))
    refuse(database, second)

    assert imports(database, after(2 * SETTLE))[0].wait == SETTLE


def test_the_first_answer_stays(database: sqlite3.Connection) -> None:
    claim(database, "ab")
    answer(database, "ab", 2)
    answer(database, "ab", 0, "ab")

    assert decide("ab", imports(database)).there == {"a", "b"}


def test_the_figures_of_an_import_taken_in_part_hold_for_all_its_people_and_the_doubtful_may_come_alone(
    database: sqlite3.Connection,
) -> None:
    claim(database, "abc")
    answer(database, "abc", 2, "c")
    whole = decide("cbad", imports(database))
    part = decide("bc", imports(database))

    assert {person: one.rows_imported for person, one in whole.answered.items()} == dict.fromkeys("abc", 2)
    assert whole.free == ("d",)
    assert part.there == {"b"}
    assert part.free == ("c",)
    assert claim(database, "c") is not None
    assert claim(database, "b") is None


def test_an_import_with_somebody_who_is_there_already_is_not_repeated(database: sqlite3.Connection) -> None:
    claim(database, "ab")
    answer(database, "ab", 1, "ab")
    claim(database, "b")
    claim(database, "cd")
    answer(database, "cd", 1, "cd")
    claim(database, "d")
    answer(database, "d", 1)

    assert [one.key for one in decide(EVERYBODY, imports(database)).repeatable] == [key_of("b")]
    assert claim(database, "ab", after(100)) is None


@pytest.mark.parametrize(("seconds", "expired"), [(23 * HOUR - 1, False), (23 * HOUR, True)])
def test_a_key_is_relied_on_for_23_hours_from_its_first_sending(
    database: sqlite3.Connection, seconds: float, expired: bool
) -> None:
    claim(database, "ab")
    claim(database, "ab", after(20 * HOUR))

    assert imports(database, after(seconds))[0].expired == expired
    assert (claim(database, "ab", after(seconds)) is None) == expired
    assert set("ab").isdisjoint(free(database, after(seconds)))


@pytest.mark.parametrize(
    ("wall", "steady", "age"),
    [
        *((10, 10, 10), (HOUR, 10, 10), (10, HOUR, 10), (-HOUR, 10, 10)),
        *((HOUR, -4_990, 10), (-HOUR, -4_990, 10), (HOUR, -4_000, 1_000)),  # the machine was started since
    ],
)
def test_no_more_time_has_passed_than_both_clocks_say(
    database: sqlite3.Connection, wall: float, steady: float, age: float
) -> None:
    claim(database, "ab")

    assert imports(database, Moment(NOW.time + wall, "", NOW.ticks + steady))[0].wait == SETTLE - age


@pytest.mark.parametrize(("wall", "steady"), [(-HOUR, 24 * HOUR), (24 * HOUR, 10), (24 * HOUR, -4_990)])
def test_a_key_that_either_clock_calls_old_is_not_relied_on(
    database: sqlite3.Connection, wall: float, steady: float
) -> None:
    claim(database, "ab")

    assert imports(database, Moment(NOW.time + wall, "", NOW.ticks + steady))[0].expired


def test_old_imports_go_with_their_people_and_younger_ones_stay(database: sqlite3.Connection) -> None:
    claim(database, "ab")
    claim(database, "cd", after(2 * DAY))
    for days in (0, 1):  # a second look has to agree
        forget_old(database, after(KEEP_SECONDS + 50 + days * DAY))

    assert free(database) == "abefgh"
    assert database.execute("SELECT COUNT(*) FROM import_people").fetchone() == (2,)


def test_domains_of_added_people_go_when_they_are_as_old(database: sqlite3.Connection) -> None:
    for key, moment in (("ab", NOW), ("cd", after(2 * DAY))):
        domains = [("fable", key), ("tale", key)]
        at_once(journal_of(database, moment).claim(key, "L", [[key]], SETTLE, domains))
    journal = journal_of(database)
    before = at_once(journal.with_domains("L", {"fable", "saga"}))
    for days in (0, 1):
        forget_old(database, after(KEEP_SECONDS + 50 + days * DAY))

    assert before == {"ab", "cd"}
    assert at_once(journal.with_domains("L", {"fable", "saga"})) == {"cd"}
    assert at_once(journal.with_domains("other", {"fable"})) == frozenset()


people = st.lists(st.sampled_from(EVERYBODY), unique=True, min_size=1)


@st.composite
def with_digests(draw: st.DrawFn) -> list[str]:
    """People with one digest or two, such as "a", "A", "aA" or "Aa"."""
    forms = ((one, one.upper(), one + one.upper(), one.upper() + one) for one in draw(people))
    return [draw(st.sampled_from(spelt)) for spelt in forms]


@st.composite
def known_imports(draw: st.DrawFn) -> Import:
    members = draw(with_digests())
    digests = frozenset("".join(members))
    rows = draw(st.none() | st.integers(0, len(members)))
    short = rows is not None and rows < len(members)
    first = tuple(one[0] for one in members)
    return Import(
        key=str(draw(st.integers(0, 10**9))),
        size=len(members),
        people=draw(st.sampled_from([first, first, first, None])),
        digests=digests,
        wait=draw(st.sampled_from([30.0, 1.0, -1.0, -90_000.0])),
        expired=draw(st.booleans()),
        rows_imported=rows,
        doubtful=frozenset(draw(st.sets(st.sampled_from(sorted(digests))))) if short else frozenset(),
    )


known = st.lists(known_imports(), max_size=5, unique_by=lambda one: one.key)


@given(with_digests(), known)
def test_everybody_stands_in_one_place_and_nobody_is_free_who_may_be_there(
    wanted: list[str], imports: list[Import]
) -> None:
    standing = decide(wanted, imports)
    places = [*standing.there, *standing.held, *standing.answered, *standing.free]
    unsettled = [one for one in imports if one.rows_imported is None or one.people is None]
    digests = {one[0]: set(one) for one in wanted}

    assert sorted(places) == sorted(digests)
    for person in standing.free:
        for one in imports:
            among = digests[person] & one.digests
            assert one.people is not None and (not among if one in unsettled else among <= one.doubtful)
    for person in standing.there:
        assert any(digests[person] & (one.digests - one.doubtful) for one in imports if one not in unsettled)
    for person, one in standing.held.items():
        assert one in unsettled and (one.people is None or digests[person] & one.digests)
    for one in standing.repeatable:
        assert one.rows_imported is None and not one.expired
        for digest in one.people or ():
            assert [standing.held.get(who) for who in digests if digest in digests[who]] == [one]


@given(with_digests(), known, st.randoms())
def test_where_people_stand_does_not_depend_on_an_order(
    wanted: list[str], imports: list[Import], chance: random.Random
) -> None:
    before = decide(wanted, imports)
    chance.shuffle(wanted)
    standing = decide(wanted, imports)

    assert (standing.there, set(standing.held), set(standing.free)) == (
        before.there,
        set(before.held),
        set(before.free),
    )


@pytest.mark.parametrize(
    ("sent", "asked"), [("aA", "A"), ("Aa", "A"), ("a", "Aa"), ("aA", "Aa"), ("aA", "Ab")]
)
def test_a_person_is_recognised_by_each_of_their_digests(
    database: sqlite3.Connection, sent: str, asked: str
) -> None:
    claim(database, [sent])
    held = decide([asked], at_once(journal_of(database).into("L", asked)))
    taken = claim(database, [asked])
    answer(database, [sent], 1)
    there = decide([asked], at_once(journal_of(database).into("L", asked)))

    assert set(held.held) == set(there.there) == {asked[0]}
    assert taken is None
    assert bool(held.repeatable) == (sent[0] in asked)  # it takes the very row that was sent


def test_a_repeat_keeps_the_digests_by_which_an_earlier_call_knew_a_person(
    database: sqlite3.Connection,
) -> None:
    claim(database, ["aA", "b"])
    claim(database, ["aX", "b"], after(SETTLE))

    for asked in ("A", "X", "a"):
        assert claim(database, [asked], after(SETTLE)) is None
    assert imports(database, after(SETTLE))[0].people == ("a", "b")


def test_who_may_have_been_left_out_may_be_so_by_each_of_their_digests(database: sqlite3.Connection) -> None:
    claim(database, ["aA", "b"])
    answer(database, ["aA", "b"], 1, "aA")

    assert decide(["A"], at_once(journal_of(database).into("L", "A"))).free == ("A",)


@dataclass
class Sending:
    """An import on its way: the API takes it at once, later, or never."""

    claimed: Claim
    people: tuple[str, ...]
    sent_at: float
    arrived: bool = False


class Lists(RuleBasedStateMachine):
    """Calls that overlap over an API which loses answers, on a machine whose clock is set and which is restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.database = make_database()
        self.real = 0.0
        self.wall = NOW.time
        self.boot = -NOW.ticks
        self.set_back = self.restarted = False
        self.under_way: list[Sending] = []
        self.landed: dict[str, float] = {}
        self.list: Counter[str] = Counter()
        self.may_be_there: set[str] = set()

    def teardown(self) -> None:
        self.database.close()

    def now(self) -> Moment:
        return Moment(self.wall + self.real, "", self.real - self.boot)

    @rule(wanted=people, size=st.integers(1, 4))
    def call(self, wanted: list[str], size: int) -> None:
        """Do in one step what a call does: repeat a lost import, or send some who are free."""
        standing = decide(wanted, at_once(journal_of(self.database, self.now()).into("L", wanted)))
        ripe = [one.people for one in standing.repeatable if one.wait <= 0 and one.people]
        chosen = ripe[0] if ripe else standing.free[:size]
        if not chosen:
            return
        claimed = claim(self.database, chosen, self.now())
        assert claimed is not None
        self.under_way.append(Sending(claimed, tuple(chosen), self.real))
        self.may_be_there.update(chosen)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        sending = data.draw(st.sampled_from(self.under_way))
        sending.arrived = True
        key = key_of(sending.people)
        if self.real - self.landed.get(key, -1e9) >= API_REMEMBERS:
            self.list.update(sending.people)
            self.landed[key] = self.real

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from(["answer", "refuse", "lose"]))
    def end(self, data: st.DataObject, outcome: str) -> None:
        sending = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(sending)
        if outcome == "answer" and sending.arrived:
            answer(self.database, sending.people, len(sending.people))
        elif outcome == "refuse" and not sending.arrived:
            refuse(self.database, sending.claimed)
            if sending.claimed.before is None:
                self.may_be_there.difference_update(sending.people)

    @rule(seconds=st.sampled_from([1.0, 20.0, 31.0, HOUR, 5 * HOUR, 22 * HOUR, 25 * HOUR]))
    def wait(self, seconds: float) -> None:
        """Let time pass; a request is given up before its import has settled."""
        self.real += seconds
        self.under_way = [one for one in self.under_way if self.real - one.sent_at < SETTLE - 5]

    @precondition(lambda self: not self.restarted)
    @rule(seconds=st.sampled_from([-HOUR, -30 * HOUR]))
    def set_clock_back(self, seconds: float) -> None:
        self.wall += seconds
        self.set_back = True

    @rule(seconds=st.sampled_from([25.0, HOUR, 400 * HOUR]))
    def set_clock_forward(self, seconds: float) -> None:
        self.wall += seconds

    @precondition(lambda self: not self.set_back)
    @rule()
    def restart_the_machine(self) -> None:
        self.boot = self.real
        self.restarted = True

    @invariant()
    def nobody_is_there_twice(self) -> None:
        assert all(count == 1 for count in self.list.values()), self.list

    @invariant()
    def whoever_cannot_be_there_is_free(self) -> None:
        standing = decide(EVERYBODY, imports(self.database, self.now()))
        assert set(standing.free) == {*EVERYBODY} - self.may_be_there


def test_no_order_of_calls_losses_and_clocks_puts_anybody_in_twice() -> None:
    run_state_machine_as_test(Lists, settings=settings(settings.default, stateful_step_count=40))


def fill(path: Path) -> None:
    """Imports of 40 people each: some answered, some in part, some not."""
    with closing(make_database(str(path))) as database:
        for number in range(12):
            crowd = [[f"{number:02}{place:014x}", f"{number:02}{place:013x}A"] for place in range(40)]
            assert claim(database, crowd, after(number), f"list-{number % 3}")
            if number % 2:
                left_out = [digest for one in crowd[:5] for digest in one] if number % 4 == 1 else []
                key = key_of(crowd, f"list-{number % 3}")
                at_once(journal_of(database).finished(key, 40 - len(left_out) // 2, left_out))


def free_in_file(path: Path) -> set[str] | None:
    """Everybody who may be sent by what the file says, the others being held or there; None if it is damaged."""
    crowd = [
        [f"{number:02}{place:014x}", f"{number:02}{place:013x}A"]
        for number in range(12)
        for place in range(40)
    ]
    found: set[str] = set()
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            if database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return None
            for number in range(3):
                here = [person for person in crowd if int(person[0][:2]) % 3 == number]
                digests = [digest for person in here for digest in person]
                known = at_once(journal_of(database, after(500)).into(f"list-{number}", digests))
                found.update(decide(here, known).free)
    except (sqlite3.Error, UnicodeError):
        return None
    return found


def test_no_flipped_bit_frees_anybody_unless_an_integrity_check_tells(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.sqlite3", tmp_path / "bad.sqlite3"
    fill(good)
    content = good.read_bytes()
    chance = random.Random(11)  # noqa: S311 - a test's chance
    assert free_in_file(good) == set()
    seen = 0
    for _ in range(400):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        bad.write_bytes(flipped)
        free_now = free_in_file(bad)
        seen += free_now is None
        assert not free_now

    assert 50 < seen < 400
