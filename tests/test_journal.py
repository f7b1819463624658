"""A journal's memory of runs, whichever engine keeps it; and the rules over it, at random."""

import logging
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cleanlist_mcp.errors import DailyLimit, HourlyUnquotedLimit, JournalUnusable
from cleanlist_mcp.journal.health import Usable
from cleanlist_mcp.journal.imports import decide, is_key_of
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.records import COLUMNS, label_list
from cleanlist_mcp.journal.sqlite.store import TRY_AGAIN_AFTER
from cleanlist_mcp.money import limits
from cleanlist_mcp.money.decisions import UNCERTAIN_HOLD, Wait
from cleanlist_mcp.money.limits import DAY, HOUR, Limits, Spent
from cleanlist_mcp.money.prices import PRICES
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from tests.journals import (
    Engine,
    HandClock,
    accept,
    at_once,
    claim,
    claim_list,
    claim_person,
    engine_of,
    engines,
    finish,
    quote_for,
    run_of,
    set_clock,
    word,
)


@pytest.fixture(scope="module", params=engines())
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def journal(engine: Engine, tmp_path: Path, clock: HandClock) -> AsyncIterator[Journal]:
    opened = engine.open(tmp_path, clock)
    yield opened
    await opened.close()


async def test_a_run_is_found_again_after_a_restart(engine: Engine, tmp_path: Path, clock: HandClock) -> None:
    before = engine.open(tmp_path, clock)
    await accept(before, run_of(await claim(before)))
    await before.close()

    after = engine.open(tmp_path, clock)
    decision = await claim(after)
    found = await after.by_workflow("enrich-1")
    await after.close()

    assert word(decision) == "replay"
    assert decision.run == found
    assert run_of(decision).workflow_id == "enrich-1"


async def test_another_key_sees_none_of_it_but_shares_the_limits(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    one, other = (engine.open(tmp_path, clock, f"clapi_{name}") for name in "ab")
    limits = Limits(hourly_unquoted=100, daily=41)
    await one.remember_quote(quote_for(clock))
    await claim_list(one, quote_for(clock), limits)

    assert await other.recent(10) == []
    assert await other.quote("qte_1") is None
    assert await other.run_of_quote("qte_1") is None
    assert word(await claim(other, limits=limits)) == "start"
    assert (await other.spent()).last_day == 41
    with pytest.raises(DailyLimit):
        await claim(other, "grace", limits=limits)
    await one.close()
    await other.close()


@dataclass(frozen=True)
class Past:
    """A run of `ago` seconds ago; since then the clock was set by `set_by`, or the machine was restarted."""

    kind: Any
    state: str
    reserved: int
    charged: int | None
    ago: float
    set_by: float | None

    @property
    def amount(self) -> int:
        return self.reserved if self.charged is None else self.charged


PASTS = st.builds(
    Past,
    kind=st.sampled_from(["person", "list"]),
    state=st.sampled_from(["starting", "uncertain", "running", "finished", "refused"]),
    reserved=st.integers(0, 50),
    charged=st.none() | st.integers(0, 50),
    ago=st.integers(1, 2 * int(DAY)).map(lambda seconds: seconds + 0.5),
    set_by=st.none() | st.sampled_from([0.0, -2 * DAY, 3 * HOUR, 100 * DAY]),
)


async def put(engine: Engine, journal: Journal, clock: HandClock, past: Past) -> None:
    """Write the row of a run as it would stand there by now."""
    names = await journal._names()
    row = dict.fromkeys(COLUMNS, "x") | {
        **dict.fromkeys(("run_id", "quote_id", "workflow_id", "finished_at", "finished_ticks")),
        **dict.fromkeys(("quoted", "refunded", "in_flight_until", "attempt"), 0),
        "claim": secrets.token_hex(),
        "tenant": names.tenant,
        "account": names.account,
        **{name: getattr(past, name) for name in ("kind", "state", "reserved", "charged")},
        "started_at": clock.time() - past.ago - (past.set_by or 0),
        "boot": "before" if past.set_by is None else clock.boot,
        "ticks": clock.since_boot()[1] - past.ago,
    }
    engine.put(journal, row, past.ago)


@given(st.lists(PASTS, max_size=8))
async def test_every_run_counts_what_it_was_charged_or_else_all_that_it_may_cost(
    engine: Engine, pasts: list[Past]
) -> None:
    clock = HandClock()
    journal = engine.open(None, clock)
    await journal.spent()
    for past in pasts:
        await put(engine, journal, clock, past)
    spent = await journal.spent()
    await journal.close()

    real = [past for past in pasts if past.state != "refused"]
    day = [past for past in real if past.ago < DAY]
    hour = [past for past in day if past.kind == "person" and past.ago < HOUR]
    unsettled = [past for past in day if past.state in ("starting", "uncertain")]
    unfinished = [past for past in real if past.state == "running"] + unsettled
    assert spent == Spent(*(sum(past.amount for past in some) for some in (hour, day, unfinished)))


async def test_the_allowance_is_kept_for_people_and_frees_up_with_the_hour(
    journal: Journal, clock: HandClock
) -> None:
    limits = Limits(hourly_unquoted=2, daily=None)
    for who in ("ada", "grace"):
        assert word(await claim(journal, who, limits=limits)) == "start"
    with pytest.raises(HourlyUnquotedLimit):
        await claim(journal, "edsger", limits=limits)
    clock.now += HOUR + 1
    assert word(await claim(journal, "edsger", limits=limits)) == "start"


async def test_what_was_refunded_does_not_count(journal: Journal) -> None:
    run = await accept(journal, run_of(await claim(journal)))
    assert ((await journal.spent()).unquoted_last_hour, (await journal.spent()).reserved_now) == (1, 1)
    await finish(journal, run.workflow_id or "", charged=0, refunded=1)
    assert await journal.spent() == limits.Spent(0, 0, 0)


async def test_a_refund_under_review_still_counts_in_full(journal: Journal) -> None:
    run = await accept(journal, run_of(await claim(journal)))
    await finish(journal, run.workflow_id or "", charged=None, refunded=None)
    assert (await journal.spent()).last_day == 1


async def test_a_refusal_frees_the_claim_and_an_unknown_outcome_does_not(journal: Journal) -> None:
    first = run_of(await claim(journal))
    assert await journal.outcomes.refused(first)
    second = run_of(await claim(journal))
    assert second.run_id != first.run_id
    await journal.outcomes.uncertain(second)
    assert word(await claim(journal)) == "unknown"
    assert (await journal.spent()).last_day == 1


async def test_a_late_answer_is_proof_whatever_was_thought_before(journal: Journal, clock: HandClock) -> None:
    run = run_of(await claim(journal))
    await journal.outcomes.uncertain(run)
    clock.now += HOUR
    await accept(journal, run)

    assert run_of(await claim(journal)).workflow_id == "enrich-1"


async def test_one_of_two_takes_an_uncertain_run_up_and_the_other_proves_nothing_any_more(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    one, other = (engine.open(tmp_path, clock) for _ in range(2))
    mine = run_of(await claim_list(one, quote_for(clock)))
    clock.now += 61
    decision = await claim_list(other, quote_for(clock), may_resend=True)
    assert word(decision) == "resend"
    assert word(await claim_list(one, quote_for(clock), may_resend=True)) == "wait"

    await accept(other, run_of(decision), "bulk-1")
    assert not await one.outcomes.refused(mine)
    await one.outcomes.uncertain(mine)

    found = await one.by_workflow("bulk-1")
    assert found is not None
    assert found.state == "running"
    await one.close()
    await other.close()


@pytest.mark.parametrize("end", ["refused", "lost"])
async def test_the_end_of_an_attempt_says_nothing_about_the_one_that_took_its_run_over(
    journal: Journal, clock: HandClock, end: str
) -> None:
    earlier = run_of(await claim_list(journal, quote_for(clock)))
    clock.now += 61
    taken = await claim_list(journal, quote_for(clock), may_resend=True)
    assert run_of(taken).attempt == earlier.attempt + 1

    if end == "refused":
        assert not await journal.outcomes.refused(earlier)
    else:
        await journal.outcomes.uncertain(earlier)

    assert word(await claim_list(journal, quote_for(clock))) == "wait"


async def test_a_run_whose_answer_came_after_all_is_not_taken_up_again(
    journal: Journal, clock: HandClock
) -> None:
    run = run_of(await claim_list(journal, quote_for(clock)))
    clock.now += 61
    assert word(await claim_list(journal, quote_for(clock))) == "unknown"
    await accept(journal, run, "bulk-1")

    assert word(await claim_list(journal, quote_for(clock), may_resend=True)) == "replay"


async def test_a_refusal_that_could_not_be_written_frees_the_claim_once_it_can(
    engine: Engine, journal: Journal, clock: HandClock
) -> None:
    run = run_of(await claim(journal))
    engine.break_writes(journal)
    await journal.outcomes.refused(run)
    engine.break_writes(journal, False)
    clock.now += TRY_AGAIN_AFTER
    assert word(await claim(journal)) == "start"


async def test_a_run_that_goes_on_stays_reserved_however_long_ago_it_began(
    journal: Journal, clock: HandClock
) -> None:
    await accept(journal, run_of(await claim(journal)))
    clock.now += DAY + 1
    assert await journal.spent() == limits.Spent(unquoted_last_hour=0, last_day=0, reserved_now=1)


async def test_a_later_look_corrects_the_charge_and_does_not_move_the_end(
    journal: Journal, clock: HandClock
) -> None:
    await accept(journal, run_of(await claim(journal)))
    await finish(journal, "enrich-1", charged=1)
    clock.now += DAY / 2
    await finish(journal, "enrich-1", charged=0, refunded=1)

    found = await journal.by_workflow("enrich-1")
    assert found is not None and (found.charged, found.refunded) == (0, 1)
    assert (await journal.spent()).last_day == 0
    clock.now += DAY / 2 + 1
    assert word(await claim(journal)) == "start"  # a day after the end that was seen first


async def test_what_a_later_look_does_not_find_undoes_no_end(journal: Journal, clock: HandClock) -> None:
    await accept(journal, run_of(await claim(journal)))
    await finish(journal, "enrich-1", charged=1)
    await journal.outcomes.observed("enrich-1", status="running")
    clock.now += 2 * DAY
    await journal.outcomes.vanished("enrich-1")

    found = await journal.by_workflow("enrich-1")
    assert found is not None and found.status == "completed"


async def test_an_outcome_that_contradicts_the_journal_holds_up_none_behind_it(
    journal: Journal, clock: HandClock
) -> None:
    first = run_of(await claim_list(journal, quote_for(clock)))
    await journal.outcomes.refused(first)
    second = run_of(await claim_list(journal, quote_for(clock)))
    await accept(journal, first, "bulk-1")  # of one quote two runs cannot be
    await accept(journal, second, "bulk-2")

    assert [run.workflow_id for run in await journal.recent(2)] == ["bulk-2"]


async def test_a_day_with_more_old_entries_than_one_batch_leaves_none_of_them(
    engine: Engine, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("postgres", "sqlite"):
        monkeypatch.setattr(f"cleanlist_mcp.journal.{module}.forgetting.BATCH", 2)
    journal = engine.open(tmp_path, clock)
    for who in ("ada", "grace", "kim", "alan", "edsger", "ken", "barbara"):
        await journal.outcomes.uncertain(run_of(await claim(journal, who)))
    for days in (91, 1):  # a second look has to agree
        clock.now += days * DAY
        await journal._store.forget_old()
    for _ in range(4):  # within the same hour
        await journal._store.forget_old()
    assert await journal.recent(10) == []
    await journal.close()


async def look_for_old(engine: Engine, place: Path, clock: HandClock) -> None:
    """Start and end once, and look for old entries meanwhile."""
    journal = engine.open(place, clock)
    await journal._store.forget_old()
    await journal.close()


async def test_entries_go_after_ninety_days_once_two_looks_a_day_apart_agree(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    await journal.remember_quote(quote_for(clock))
    await accept(journal, run_of(await claim(journal)))
    clock.now += 89 * DAY
    await journal.remember_quote(quote_for(clock, 2))  # the first look at what is old: a quote
    assert await journal.quote("qte_1") is not None
    clock.now += DAY
    await journal.remember_quote(quote_for(clock, 3))
    assert await journal.quote("qte_1") is None
    assert await journal.by_workflow("enrich-1") is not None
    await journal.close()

    for _ in range(3):
        clock.now += DAY
        await look_for_old(engine, tmp_path, clock)
    journal = engine.open(tmp_path, clock)
    assert await journal.by_workflow("enrich-1") is None
    assert await journal.recent(10) == []
    assert engine.run_sql(journal, "SELECT COUNT(*) FROM identifiers") == 0
    await journal.close()


async def test_a_server_that_only_ever_pays_for_single_people_forgets_too(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    for number, days in enumerate((91, 1.5, 0)):  # the second look sees what is old, the third agrees
        await accept(journal, run_of(await claim(journal, f"ada{number}")), f"enrich-{number}")
        await finish(journal, f"enrich-{number}", 1)
        clock.now += days * DAY

    assert [run.workflow_id for run in await journal.recent(10)] == ["enrich-2", "enrich-1"]
    assert await journal.by_workflow("enrich-0") is None
    await journal.close()


async def test_a_server_that_only_ever_adds_people_forgets_too(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    clock.now += 91 * DAY
    for days in (1.5, 0):
        await journal.imports.finished("key", 1, [])
        clock.now += days * DAY

    assert await journal.by_workflow("enrich-1") is None
    await journal.close()


async def added(journal: Journal, key: str, people: list[list[str]], imported: int, *doubtful: str) -> str:
    """Add people to a list, and return the key by which they were sent."""
    claim = await journal.imports.claim(key, "list_1", people, 30)
    assert claim is not None
    await journal.imports.finished(claim.key, imported, doubtful)
    return claim.key


async def test_whoever_was_taken_out_of_a_list_is_sent_again_by_another_key(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    assert await added(journal, "key", [["ada", "ada too"]], 1) == "key"
    keys = []
    for _ in range(2):
        assert await journal.imports.claim("key", "list_1", [["ada", "ada too"]], 30) is None
        await journal.imports.taken_out("list_2", ["ada too"])  # another list
        assert await journal.imports.claim("key", "list_1", [["ada", "ada too"]], 30) is None
        await journal.imports.taken_out("list_1", ["ada too"])
        keys.append(await added(journal, "key", [["ada", "ada too"]], 1))

    assert len({"key", *keys}) == 3
    assert all(is_key_of(key, "key") for key in keys)
    await journal.close()


async def test_only_whoever_was_taken_out_of_a_list_is_free(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    people = [["ada", "a"], ["grace"], ["kim"]]
    await added(journal, "key", people, 2, "kim")
    await journal.imports.taken_out("list_1", ["a", "nobody"])

    standing = decide(people, await journal.imports.into("list_1", ["ada", "a", "grace", "kim"]))
    assert (set(standing.answered), standing.free) == ({"grace", "kim"}, ("ada",))
    (one,) = await journal.imports.into("list_1", ["ada"])
    assert (one.size, one.rows_imported, one.people) == (2, 1, ("grace", "kim"))
    assert await journal.imports.claim("key", "list_1", people, 30) is None  # the others are there
    await journal.close()


async def test_whoever_was_sent_without_an_answer_stays_held_although_they_were_taken_out(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    assert await journal.imports.claim("key", "list_1", [["ada"]], 30) is not None
    await journal.imports.taken_out("list_1", ["ada"])

    (one,) = await journal.imports.into("list_1", ["ada"])
    assert one.unsettled and one.people == ("ada",)
    assert await journal.imports.claim("other", "list_1", [["ada"]], 30) is None
    await journal.close()


@pytest.mark.parametrize("look", ["a start", "a quote"])
async def test_nothing_is_forgotten_on_one_look_at_a_clock_that_is_ahead(
    engine: Engine, tmp_path: Path, clock: HandClock, look: str
) -> None:
    journal = engine.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    set_clock(clock, 100 * DAY)
    if look == "a quote":
        await journal.remember_quote(quote_for(clock))
    await journal.close()
    await look_for_old(engine, tmp_path, clock)
    set_clock(clock, -100 * DAY)

    journal = engine.open(tmp_path, clock)
    assert word(await claim(journal)) == "replay"
    await journal.close()


async def test_a_look_at_a_clock_that_was_ahead_does_not_hold_up_forgetting(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    await journal.close()
    set_clock(clock, 1000 * DAY)
    await look_for_old(engine, tmp_path, clock)
    set_clock(clock, -1000 * DAY)

    clock.now += 91 * DAY
    for _ in range(3):
        await look_for_old(engine, tmp_path, clock)
        clock.now += DAY

    journal = engine.open(tmp_path, clock)
    assert await journal.by_workflow("enrich-1") is None
    await journal.close()


@pytest.mark.parametrize("jump", [UNCERTAIN_HOLD + 61, 2 * DAY, 100 * DAY, -2 * DAY])
async def test_a_hold_survives_a_clock_that_is_set(journal: Journal, clock: HandClock, jump: float) -> None:
    quote = quote_for(clock)
    await claim_list(journal, quote)
    person = run_of(await claim(journal))
    await journal.outcomes.uncertain(person)
    await accept(journal, run_of(await claim(journal, "grace")), "enrich-grace")
    await finish(journal, "enrich-grace", charged=1)
    set_clock(clock, jump)

    assert word(await claim_list(journal, quote_for(clock, 2))) == "busy"
    assert word(await claim(journal, again=True)) == "unknown"
    assert word(await claim(journal, "grace")) == "replay"
    assert (await journal.spent()).last_day == 42

    clock.now += UNCERTAIN_HOLD
    assert word(await claim(journal, again=True)) == "start"


async def test_after_a_restart_of_the_machine_only_the_clock_is_left(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    journal = engine.open(tmp_path, clock)
    await journal.outcomes.uncertain(run_of(await claim(journal)))
    clock.boot = "the next start"
    clock.now += UNCERTAIN_HOLD
    assert word(await claim(journal, again=True)) == "start"
    await journal.close()


async def test_a_run_that_the_api_has_forgotten_no_longer_blocks(journal: Journal, clock: HandClock) -> None:
    run = await accept(journal, run_of(await claim(journal)))
    clock.now += DAY / 2
    await journal.outcomes.vanished(run.workflow_id or "")
    assert word(await claim(journal)) == "replay"
    clock.now += DAY
    await journal.outcomes.vanished(run.workflow_id or "")
    assert word(await claim(journal)) == "start"


async def test_no_intent_means_no_request(
    engine: Engine, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    engine.break_writes(journal)
    with pytest.raises(JournalUnusable) as caught:
        await claim(journal)
    engine.break_writes(journal, False)

    assert caught.value.charged == "no"
    assert "Nothing was sent" in caught.value.message
    assert word(await claim(journal)) == "start"


async def test_an_outcome_that_cannot_be_written_is_kept_and_written_later(
    engine: Engine, tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = engine.open(tmp_path, clock)
    run = run_of(await claim(journal))
    engine.break_writes(journal)
    accepted = await accept(journal, run)
    await finish(journal, "enrich-1", charged=1)
    await journal.remember_quote(quote_for(clock))
    engine.break_writes(journal, False)

    assert accepted.workflow_id == "enrich-1"
    assert "cannot be written" in caplog.text
    await journal.close()
    after = engine.open(tmp_path, clock)
    found = await after.by_workflow("enrich-1")
    await after.close()
    assert found is not None
    assert (found.state, found.charged) == ("finished", 1)


async def test_an_uncertain_run_stays_unknown_where_nothing_can_be_written(
    engine: Engine, journal: Journal, clock: HandClock
) -> None:
    await journal.outcomes.uncertain(run_of(await claim(journal)))
    engine.break_writes(journal)

    assert word(await claim(journal)) == "unknown"
    with pytest.raises(JournalUnusable):
        await claim(journal, "grace")


async def test_outcomes_that_cannot_be_written_are_not_tried_at_every_step(
    engine: Engine, journal: Journal, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [
        await accept(journal, run_of(await claim(journal, name)), f"enrich-{name}")
        for name in ("ada", "grace", "kim")
    ]
    engine.break_writes(journal)
    for run in runs:
        await journal.outcomes.observed(run.workflow_id or "", status="running")
    assert caplog.text.count("cannot be written") == 1

    engine.break_writes(journal, False)
    clock.now += TRY_AGAIN_AFTER
    assert [run.status for run in await journal.recent(3)] == ["running"] * 3


def test_a_list_without_a_name_has_a_label_all_the_same() -> None:
    assert label_list("") == "a lead list"
    assert label_list("P" * 200) == "P" * 59 + "…"


@dataclass
class Attempt:
    """A request that has left server number `server`, about run number `run_id` of the true record."""

    server: int
    run: Run
    resent: bool


@dataclass
class Truth:
    """The real outcome of a run: `accepted` by the API, and `charged` once it is settled."""

    work: tuple[str, ...]
    kind: str
    reserved: int
    started_at: float
    accepted: str | None = None
    charged: int | None = None
    refused: bool = False

    def __post_init__(self) -> None:
        self.settled = False

    @property
    def amount(self) -> int:
        return 0 if self.refused else self.reserved if self.charged is None else self.charged


KEYS = ("key a", "key a", "key b")
SCOPES: Any = st.sampled_from(["partial", "phone_only"])
SERVERS = st.integers(0, len(KEYS) - 1)
PICK = st.integers(0, 10**6)
BUDGET = Limits(hourly_unquoted=2, daily=30)


class Money(RuleBasedStateMachine):
    """Three servers with two keys on one journal, an API that keeps its promises, and a network that does not.

    The rules do what workflows.py does with the journal; the API here is a set of used quotes and a list of runs.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    @initialize()
    def begin(self) -> None:
        self.clock = HandClock()
        self.folder = Path(tempfile.mkdtemp())
        self.servers = [self.engine.open(self.folder, self.clock, key) for key in KEYS]
        self.quotes: list[tuple[str, Quote]] = []
        self.used: set[str] = set()
        self.truths: dict[int, Truth] = {}
        self.attempts: list[Attempt] = []

    def teardown(self) -> None:
        for server in self.servers:
            self.engine.break_writes(server, False)
            at_once(server.close())
        shutil.rmtree(self.folder)

    @rule(server=SERVERS, number=st.integers(1, 2), rows=st.integers(1, 2), scope=SCOPES)
    def estimate(self, server: int, number: int, rows: int, scope: Any) -> None:
        name, cost = f"qte_{len(self.quotes)}", rows * PRICES[scope]
        quote = Quote(name, f"list_{number}", "Prospects", scope, rows, cost, 999, self.clock.now + 300)
        at_once(self.servers[server].remember_quote(quote))
        self.quotes.append((KEYS[server], quote))

    @precondition(lambda self: self.quotes)
    @rule(server=SERVERS, pick=PICK)
    def enrich_list(self, server: int, pick: int) -> None:
        key, quote = self.quotes[pick % len(self.quotes)]
        server = server if KEYS[server] == key else KEYS.index(key)
        work = (quote.list_id, quote.scope)  # whatever the key
        journal = self.servers[server]
        at_once(journal.recent(1))  # what it could not write before is written now
        before = self.rows(work)
        if at_once(journal.run_of_quote(quote.quote_id)) is None and self.clock.now > quote.expires_at + 5:
            return
        try:
            decision = at_once(claim_list(journal, quote, BUDGET, may_resend=True))
        except (DailyLimit, JournalUnusable):
            return
        run = run_of(decision)
        if word(decision) == "start":
            assert quote.quote_id not in {row["quote_id"] for row in before}
            assert not any(self.goes_on(row) for row in before)
            self.begin_run(server, run, Truth(work, "list", quote.cost, self.clock.now))
        elif word(decision) == "resend":
            assert self.clock.now <= quote.expires_at + 5
            self.attempts.append(Attempt(server, run, resent=True))
        elif word(decision) == "replay":
            assert run.quote_id == quote.quote_id
            assert run.workflow_id == self.truths[run.run_id].accepted
        elif word(decision) == "busy":
            assert any(self.goes_on(row) for row in before)

    @rule(server=SERVERS, who=st.sampled_from(["ada", "ada", "grace"]), again=st.booleans())
    def enrich_person(self, server: int, who: str, again: bool) -> None:
        journal, work = self.servers[server], (KEYS[server], who)
        at_once(journal.recent(1))
        before = self.rows(work)
        try:
            decision = at_once(claim(journal, who, again=again, limits=BUDGET))
        except (DailyLimit, HourlyUnquotedLimit, JournalUnusable):
            return
        run = run_of(decision)
        if word(decision) == "start":
            assert not any(self.goes_on(row) for row in before)
            if before and before[0]["state"] != "finished":
                assert again
                assert self.clock.now - before[0]["started_at"] >= UNCERTAIN_HOLD
            self.begin_run(server, run, Truth(work, "person", 1, self.clock.now))
        elif word(decision) == "replay":
            assert run.workflow_id == self.truths[run.run_id].accepted

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, fate=st.sampled_from(["accept", "accept", "lose answer", "refuse", "lose request"]))
    def deliver(self, pick: int, fate: str) -> None:
        attempt = self.attempts.pop(pick % len(self.attempts))
        run, journal = attempt.run, self.servers[attempt.server]
        accepted = fate in ("accept", "lose answer") and self.api_accepts(run)
        if fate == "accept" and accepted:
            at_once(accept(journal, run, f"workflow-{run.run_id}"))
        elif fate in ("accept", "refuse") and not attempt.resent:
            if at_once(journal.outcomes.refused(run)) and self.truths[run.run_id].accepted is None:
                self.truths[run.run_id].refused = True
        else:
            at_once(journal.outcomes.uncertain(run))

    @rule(server=SERVERS, works=st.booleans())
    def crash(self, server: int, works: bool) -> None:
        lost = [attempt for attempt in self.attempts if attempt.server == server]
        self.attempts = [attempt for attempt in self.attempts if attempt.server != server]
        for attempt in lost:
            if works:
                self.api_accepts(attempt.run)
        self.servers[server]._late._waiting.clear()
        self.engine.break_writes(self.servers[server], False)
        at_once(self.servers[server].close())
        self.servers[server] = self.engine.open(self.folder, self.clock, KEYS[server])
        assert isinstance(at_once(self.servers[server].health()), Usable)

    @precondition(lambda self: any(truth.accepted for truth in self.truths.values()))
    @rule(pick=PICK, share=st.floats(0, 1), server=SERVERS)
    def settle(self, pick: int, share: float, server: int) -> None:
        accepted = [truth for truth in self.truths.values() if truth.accepted]
        truth = accepted[pick % len(accepted)]
        if truth.charged is None:
            truth.charged = int(share * truth.reserved)
        at_once(finish(self.servers[server], truth.accepted or "", charged=truth.charged))

    @rule(seconds=st.sampled_from([20, 61, 301, 901, 901, 3601, 86401, -2, -3000]))
    def jump(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(server=SERVERS, broken=st.booleans())
    def disk_trouble(self, server: int, broken: bool) -> None:
        self.engine.break_writes(self.servers[server], broken)

    @invariant()
    def what_is_written_is_true(self) -> None:
        rows = {row["run_id"]: row for row in self.rows()}
        assert rows.keys() == self.truths.keys()
        for run_id, truth in self.truths.items():
            row = rows[run_id]
            assert row["state"] != "refused" or truth.accepted is None
            assert row["workflow_id"] in (None, truth.accepted)
            assert row["charged"] in (None, truth.charged)
            assert row["state"] in ("starting", "uncertain", "refused") or truth.accepted

    def begin_run(self, server: int, run: Run, truth: Truth) -> None:
        assert run.run_id not in self.truths
        self.truths[run.run_id] = truth
        self.attempts.append(Attempt(server, run, resent=False))
        now, truths = self.clock.now, self.truths.values()
        hour = [item for item in truths if item.kind == "person" and item.started_at > now - HOUR]
        day = [item for item in truths if item.started_at > now - DAY]
        assert BUDGET.daily is not None
        assert sum(item.amount for item in day) <= BUDGET.daily
        if self.engine.has_tenants:  # then what is started without a quote counts for each key apart
            hour = [item for item in hour if item.work[0] == truth.work[0]]
        assert truth.kind == "list" or sum(item.amount for item in hour) <= BUDGET.hourly_unquoted

    def api_accepts(self, run: Run) -> bool:
        """A quote starts one run; a person without a quote starts one each time it is asked for."""
        if run.quote_id is not None and run.quote_id in self.used:
            return False
        self.used.add(run.quote_id or "")
        truth = self.truths[run.run_id]
        assert truth.accepted is None
        truth.accepted = f"workflow-{run.run_id}"
        truth.refused = False
        return True

    def goes_on(self, row: dict[str, Any]) -> bool:
        """Return True if an entry is known to go on, as the rules have it."""
        now = self.clock.now
        under_way = row["started_at"] - 5 <= now <= row["in_flight_until"]
        return bool(row["state"] == "running" or (row["state"] == "starting" and under_way))

    def rows(self, work: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """All entries, or the unrefused ones of the same work, newest first."""
        rows = self.engine.entries(self.folder)
        if not work:
            return rows
        return [row for row in rows if self.truths[row["run_id"]].work == work and row["state"] != "refused"]


def play(engine: Engine, examples: int, steps: int, **options: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=checks,
        **options,
    )
    machine: Any = lambda: Money(engine)  # noqa: E731 - hypothesis takes whatever makes a machine
    run_state_machine_as_test(machine, settings=chosen)


def test_no_interleaving_reserves_too_much_or_starts_anything_twice(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    play(engine, examples=12, steps=50, derandomize=True)


@pytest.mark.long
def test_no_interleaving_does_in_thousands_of_operations(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    play(engine, examples=30 if engine.has_tenants else 125, steps=80)


async def test_a_list_that_goes_on_under_another_key_is_busy(
    engine: Engine, tmp_path: Path, clock: HandClock
) -> None:
    one, other = (engine.open(tmp_path, clock, f"clapi_{name}") for name in "ab")
    await claim_list(one, quote_for(clock))

    decision = await claim_list(other, quote_for(clock, 2))

    assert word(decision) == "busy"
    await one.close()
    await other.close()


async def test_a_reservation_below_the_price_frees_nothing(journal: Journal) -> None:
    run = run_of(await claim(journal))
    started = await journal.outcomes.started(
        run, workflow_id="enrich-1", reserved=0, list_id="", list_name="", status="pending"
    )
    assert started.reserved == 1
    assert (await journal.spent()).last_day == 1


async def test_what_a_repeat_gives_in_addition_is_remembered_with_the_run(journal: Journal) -> None:
    claimed = run_of(await claim_person(journal, Person(email="ada@fable.example")))
    both = {"email": "ada@fable.example", "linkedin_url": "https://www.linkedin.com/in/ada-fable"}

    decision = await claim_person(journal, Person(**both))
    assert isinstance(decision, Wait)
    assert (decision.run.run_id, decision.basis) == (claimed.run_id, "e-mail address")
    decision = await claim_person(journal, Person(linkedin_url=both["linkedin_url"]))
    assert isinstance(decision, Wait)
    assert (decision.run.run_id, decision.basis) == (claimed.run_id, "LinkedIn profile")


async def test_a_repeat_that_says_more_than_can_be_written_is_refused(
    engine: Engine, journal: Journal, clock: HandClock
) -> None:
    await accept(journal, run_of(await claim_person(journal, Person(email="ada@fable.example"))))
    engine.break_writes(journal)
    with pytest.raises(JournalUnusable):
        await claim_person(
            journal, Person(email="ada@fable.example", linkedin_url="https://www.linkedin.com/in/ada-fable")
        )
    assert word(await claim_person(journal, Person(email="ada@fable.example"))) == "replay"
    engine.break_writes(journal, False)
    clock.now += TRY_AGAIN_AFTER

    both = await claim_person(
        journal, Person(email="ada@fable.example", linkedin_url="https://www.linkedin.com/in/ada-fable")
    )
    assert word(both) == "replay"


async def test_the_list_that_a_name_went_to_last_is_the_one_that_counts(journal: Journal) -> None:
    for number, who in enumerate(("ada", "grace"), 1):
        run = run_of(await claim(journal, who))
        await journal.outcomes.started(
            run,
            workflow_id=f"enrich-{number}",
            reserved=1,
            list_id=f"list_{number}",
            list_name="MCP Results",
            status="pending",
        )

    assert await journal.list_named("MCP Results") == "list_2"
