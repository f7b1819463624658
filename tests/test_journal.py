"""What this machine remembers of its runs, on disk and across processes; and the rules over it, at random."""

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cleanlist_mcp import journal as journal_module
from cleanlist_mcp import spend
from cleanlist_mcp.errors import DailyLimit, InternalError, JournalUnusable, PersonAllowance
from cleanlist_mcp.journal import FILE_NAME, TRY_AGAIN_AFTER, Journal, label_list
from cleanlist_mcp.spend import DAY, HOUR, PRICES, UNCERTAIN_HOLD, Decision, Limits, Quote, Run

LIMITS = Limits(person_allowance=100, daily=None)
KEY = "https://api.example clapi_test_one"


class HandClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        self.now += 0 if event.is_set() else seconds
        return event.is_set()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path, clock: HandClock) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "state", clock, KEY)
    yield opened
    opened.close()


def claim(journal: Journal, who: str = "ada", *, again: bool = False, limits: Limits = LIMITS) -> Decision:
    return journal.claim_person(
        fingerprint=journal.digest("person", who),
        scope="partial",
        label="Ada Fable",
        list_id="",
        list_name="MCP Results",
        again=again,
        limits=limits,
        seconds=60,
    )


def run_of(decision: Decision) -> Run:
    assert decision.run is not None
    return decision.run


def accept(journal: Journal, run: Run, workflow_id: str = "enrich-1") -> Run:
    return journal.started(
        run,
        workflow_id=workflow_id,
        reserved=None,
        list_id=run.list_id,
        list_name=run.list_name,
        status="pending",
    )


def quote_for(clock: HandClock, number: int = 1, cost: int = 40) -> Quote:
    return Quote(f"qte_{number}", "list_1", "Prospects", "partial", cost, cost, 500, clock.now + 300)


def finish(journal: Journal, workflow_id: str, charged: int | None, refunded: int | None = 0) -> None:
    journal.finished(workflow_id, status="completed", charged=charged, refunded=refunded, report=None)


def break_writes(journal: Journal, broken: bool = True) -> None:
    journal._db.execute(f"PRAGMA query_only = {int(broken)}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_files_are_for_their_owner_alone(tmp_path: Path, clock: HandClock) -> None:
    former = os.umask(0)
    try:
        journal = Journal.open(tmp_path / "state", clock, KEY)
        claim(journal)
    finally:
        os.umask(former)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "state").iterdir()}
    journal.close()
    assert modes == {FILE_NAME: 0o600, f"{FILE_NAME}-wal": 0o600, f"{FILE_NAME}-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_several_processes_can_write_at_once_because_the_file_is_in_wal_mode(journal: Journal) -> None:
    assert journal.durable
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_neither_the_key_nor_the_person_stands_in_the_file(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    claim(journal, "ada@fable.example")
    journal.close()

    content = (tmp_path / FILE_NAME).read_bytes()
    assert b"clapi_" not in content
    assert b"ada@fable" not in content
    assert b"Ada Fable" in content


def test_a_run_is_found_again_after_a_restart(tmp_path: Path, clock: HandClock) -> None:
    before = Journal.open(tmp_path, clock, KEY)
    accept(before, run_of(claim(before)))
    before.close()

    after = Journal.open(tmp_path, clock, KEY)
    decision = claim(after)
    found = after.by_workflow("enrich-1")
    after.close()

    assert decision.action == "replay"
    assert decision.run == found
    assert run_of(decision).workflow_id == "enrich-1"


def test_another_key_sees_none_of_it_but_shares_the_limits(tmp_path: Path, clock: HandClock) -> None:
    one, other = (Journal.open(tmp_path, clock, f"https://api.example clapi_{name}") for name in "ab")
    limits = Limits(person_allowance=100, daily=41)
    one.remember_quote(quote_for(clock))
    one.claim_list(quote_for(clock), limits=limits, seconds=60)

    assert other.recent(10) == []
    assert other.quote("qte_1") is None
    assert other.run_of_quote("qte_1") is None
    assert other.spent().last_day == 40
    assert claim(other, limits=limits).action == "start"
    with pytest.raises(DailyLimit):
        claim(other, "grace", limits=limits)
    one.close()
    other.close()


def test_the_allowance_is_kept_for_people_and_frees_up_with_the_hour(
    journal: Journal, clock: HandClock
) -> None:
    limits = Limits(person_allowance=2, daily=None)
    for who in ("ada", "grace"):
        assert claim(journal, who, limits=limits).action == "start"
    with pytest.raises(PersonAllowance):
        claim(journal, "edsger", limits=limits)
    clock.now += HOUR + 1
    assert claim(journal, "edsger", limits=limits).action == "start"


def test_what_was_refunded_does_not_count(journal: Journal) -> None:
    run = accept(journal, run_of(claim(journal)))
    assert (journal.spent().people_last_hour, journal.spent().reserved_now) == (1, 1)
    finish(journal, run.workflow_id or "", charged=0, refunded=1)
    assert journal.spent() == spend.Spent(0, 0, 0)


def test_a_refund_under_review_still_counts_in_full(journal: Journal) -> None:
    run = accept(journal, run_of(claim(journal)))
    finish(journal, run.workflow_id or "", charged=None, refunded=None)
    assert journal.spent().last_day == 1


def test_a_refusal_frees_the_claim_and_an_unknown_outcome_does_not(journal: Journal) -> None:
    first = run_of(claim(journal))
    assert journal.refused(first)
    second = run_of(claim(journal))
    assert second.run_id != first.run_id
    journal.uncertain(second)
    assert claim(journal).action == "unknown"
    assert journal.spent().last_day == 1


def test_a_late_answer_is_proof_whatever_was_thought_before(journal: Journal, clock: HandClock) -> None:
    run = run_of(claim(journal))
    journal.uncertain(run)
    clock.now += HOUR
    accept(journal, run)

    assert run_of(claim(journal)).workflow_id == "enrich-1"


def test_one_of_two_takes_an_uncertain_run_up_and_the_other_proves_nothing_any_more(
    tmp_path: Path, clock: HandClock
) -> None:
    one, other = (Journal.open(tmp_path, clock, KEY) for _ in range(2))
    mine = run_of(one.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    clock.now += 61
    decision = other.claim_list(quote_for(clock), limits=LIMITS, seconds=60)
    assert decision.action == "resend"
    taken = other.reclaim(run_of(decision), seconds=60)
    assert taken is not None
    assert one.reclaim(run_of(decision), seconds=60) is None

    accept(other, taken, "bulk-1")
    assert not one.refused(mine)
    one.uncertain(mine)

    found = one.by_workflow("bulk-1")
    assert found is not None
    assert found.state == "running"
    one.close()
    other.close()


@pytest.mark.parametrize("end", ["refused", "lost"])
def test_the_end_of_an_attempt_says_nothing_about_the_one_that_took_its_run_over(
    journal: Journal, clock: HandClock, end: str
) -> None:
    earlier = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    clock.now += 61
    lost = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    assert journal.reclaim(lost, seconds=60) is not None

    if end == "refused":
        assert not journal.refused(earlier)
    else:
        journal.uncertain(earlier)

    assert journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60).action == "wait"


def test_a_run_whose_answer_came_after_all_is_not_taken_up_again(journal: Journal, clock: HandClock) -> None:
    run = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    clock.now += 61
    lost = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    accept(journal, run, "bulk-1")

    assert journal.reclaim(lost, seconds=60) is None
    assert journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60).action == "replay"


def test_a_refusal_that_could_not_be_written_frees_the_claim_once_it_can(
    journal: Journal, clock: HandClock
) -> None:
    run = run_of(claim(journal))
    break_writes(journal)
    journal.refused(run)
    break_writes(journal, False)
    clock.now += TRY_AGAIN_AFTER
    assert claim(journal).action == "start"


def test_a_run_that_goes_on_stays_reserved_however_long_ago_it_began(
    journal: Journal, clock: HandClock
) -> None:
    accept(journal, run_of(claim(journal)))
    clock.now += DAY + 1
    assert journal.spent() == spend.Spent(people_last_hour=0, last_day=0, reserved_now=1)


def test_a_later_look_corrects_the_charge_and_does_not_move_the_end(
    journal: Journal, clock: HandClock
) -> None:
    accept(journal, run_of(claim(journal)))
    finish(journal, "enrich-1", charged=1)
    clock.now += DAY / 2
    finish(journal, "enrich-1", charged=0, refunded=1)

    found = journal.by_workflow("enrich-1")
    assert found is not None and (found.charged, found.refunded) == (0, 1)
    assert journal.spent().last_day == 0
    clock.now += DAY / 2 + 1
    assert claim(journal).action == "start"  # a day after the end that was seen first


def test_what_a_later_look_does_not_find_undoes_no_end(journal: Journal, clock: HandClock) -> None:
    accept(journal, run_of(claim(journal)))
    finish(journal, "enrich-1", charged=1)
    journal.observed("enrich-1", status="running")
    clock.now += 2 * DAY
    journal.vanished("enrich-1")

    found = journal.by_workflow("enrich-1")
    assert found is not None and found.status == "completed"


def test_an_intent_waits_for_the_disk_and_an_outcome_does_not(journal: Journal) -> None:
    full, normal = (2,), (1,)
    run = run_of(claim(journal))
    assert journal._db.execute("PRAGMA synchronous").fetchone() == full
    accept(journal, run)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == normal


def test_an_outcome_that_contradicts_the_journal_holds_up_none_behind_it(
    journal: Journal, clock: HandClock
) -> None:
    first = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    journal.refused(first)
    second = run_of(journal.claim_list(quote_for(clock), limits=LIMITS, seconds=60))
    accept(journal, first, "bulk-1")  # of one quote two runs cannot be
    accept(journal, second, "bulk-2")

    assert [run.workflow_id for run in journal.recent(2)] == ["bulk-2"]


def test_entries_go_after_ninety_days_and_quotes_after_one(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    journal.remember_quote(quote_for(clock))
    accept(journal, run_of(claim(journal)))
    clock.now += 89 * DAY
    journal.remember_quote(quote_for(clock, 2))
    assert journal.quote("qte_1") is None
    assert journal.by_workflow("enrich-1") is not None
    journal.close()

    clock.now += 2 * DAY
    journal = Journal.open(tmp_path, clock, KEY)
    assert journal.by_workflow("enrich-1") is None
    assert journal.recent(10) == []
    journal.close()


def test_a_run_that_the_api_has_forgotten_no_longer_blocks(journal: Journal, clock: HandClock) -> None:
    run = accept(journal, run_of(claim(journal)))
    clock.now += DAY / 2
    journal.vanished(run.workflow_id or "")
    assert claim(journal).action == "replay"
    clock.now += DAY
    journal.vanished(run.workflow_id or "")
    assert claim(journal).action == "start"


def test_without_a_folder_that_can_be_written_it_remembers_in_memory_and_says_so(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    journal = Journal.open(tmp_path / "state", clock, KEY)

    assert not journal.durable
    assert claim(journal).action == "start"
    assert claim(journal).action == "wait"
    assert "CLEANLIST_STATE_DIR" in caplog.text
    journal.close()


@pytest.mark.parametrize("content", [b"this is no database, and long enough to look at" * 30, b"\0" * 4096])
def test_a_file_that_is_no_journal_is_left_alone(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    journal = Journal.open(tmp_path, clock, KEY)
    usable = claim(journal).action == "start"
    journal.close()

    assert usable
    assert not journal.durable
    assert (tmp_path / FILE_NAME).read_bytes() == content
    assert "is damaged" in caplog.text


def test_a_journal_of_a_newer_version_is_left_alone(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    Journal.open(tmp_path, clock, KEY).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()

    journal = Journal.open(tmp_path, clock, KEY)

    assert not journal.durable
    assert not journal.locked
    assert journal.recent(10) == []
    assert "newer version" in caplog.text
    journal.close()


VERSION_1 = """
    CREATE TABLE secret (value BLOB NOT NULL);
    INSERT INTO secret VALUES (x'00112233445566778899aabbccddeeff');
    CREATE TABLE quotes (
        quote_id TEXT NOT NULL, account TEXT NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL,
        scope TEXT NOT NULL, row_count INTEGER NOT NULL, cost INTEGER NOT NULL, available INTEGER NOT NULL,
        expires_at REAL NOT NULL, PRIMARY KEY (account, quote_id)
    ) WITHOUT ROWID;
    CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, scope TEXT NOT NULL, label TEXT NOT NULL, reserved INTEGER NOT NULL,
        started_at REAL NOT NULL, in_flight_until REAL NOT NULL, list_id TEXT NOT NULL DEFAULT '',
        list_name TEXT NOT NULL DEFAULT '', quote_id TEXT, quoted INTEGER, fingerprint TEXT,
        workflow_id TEXT, status TEXT NOT NULL DEFAULT 'pending', charged INTEGER, refunded INTEGER,
        finished_at REAL, report TEXT
    );
    CREATE UNIQUE INDEX one_run_per_quote ON runs (account, quote_id) WHERE state <> 'refused';
    CREATE TABLE imports (
        key TEXT NOT NULL, account TEXT NOT NULL, sent_at REAL NOT NULL, finished_at REAL,
        rows_imported INTEGER, PRIMARY KEY (account, key)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("durable", [True, False])
def test_a_journal_of_version_1_is_opened_with_all_that_is_in_it(
    tmp_path: Path, clock: HandClock, durable: bool
) -> None:
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.executescript(f"PRAGMA journal_mode = WAL; {VERSION_1}")
    database.execute(
        "INSERT INTO runs (account, kind, state, scope, label, reserved, started_at, in_flight_until, list_id, "
        "quote_id, workflow_id) VALUES ('another', 'list', 'running', 'partial', 'Prospects', 40, ?, ?, "
        "'list_1', 'qte_1', 'bulk-1')",
        (clock.now - 60, clock.now - 10),
    )
    database.commit()
    database.close()
    if not durable:
        block_sharing(tmp_path)

    journal = Journal.open(tmp_path, clock, KEY)
    spent = journal.spent()
    started = claim(journal).action
    journal.close()

    assert journal.durable == durable
    assert (spent.last_day, spent.reserved_now, started) == (40, 40, "start")


def test_no_intent_means_no_request(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    break_writes(journal)
    with pytest.raises(InternalError) as caught:
        claim(journal)
    break_writes(journal, False)

    assert caught.value.charged == "no"
    assert "nothing was sent" in caught.value.message
    assert claim(journal).action == "start"


def test_a_full_disk_refuses_the_intent_and_leaves_the_journal_usable(
    journal: Journal, clock: HandClock
) -> None:
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    written = 0
    while written < 2000 and claims_long_entry(journal, written):
        written += 1
    journal._db.execute(f"PRAGMA max_page_count = {pages * 100}")

    assert 0 < written < 2000
    assert journal.spent().last_day == written
    assert claim(journal).action == "start"


def claims_long_entry(journal: Journal, number: int) -> bool:
    quote = Quote(f"qte_{number:0300}", f"list_{number}", "", "partial", 1, 1, 1, 2e9)
    try:
        return journal.claim_list(quote, limits=LIMITS, seconds=60).action == "start"
    except InternalError:
        return False


def test_an_outcome_that_cannot_be_written_is_kept_and_written_later(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    run = run_of(claim(journal))
    break_writes(journal)
    accepted = accept(journal, run)
    finish(journal, "enrich-1", charged=1)
    journal.remember_quote(quote_for(clock))
    break_writes(journal, False)

    assert accepted.workflow_id == "enrich-1"
    assert "cannot be written" in caplog.text
    journal.close()
    after = Journal.open(tmp_path, clock, KEY)
    found = after.by_workflow("enrich-1")
    after.close()
    assert found is not None
    assert (found.state, found.charged) == ("finished", 1)


def test_a_file_that_another_program_holds_locked_refuses_spending_but_not_reading(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    accept(journal, run_of(claim(journal)))
    journal._db.execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(InternalError):
        claim(journal, "grace")
    assert [run.workflow_id for run in journal.recent(10)] == ["enrich-1"]
    assert journal.spent().last_day == 1

    assert claim(journal).action == "replay"  # what needs no writing is answered
    holder.close()
    clock.now += TRY_AGAIN_AFTER
    assert claim(journal, "grace").action == "start"
    journal.close()


def test_a_locked_file_is_waited_for_once_and_not_by_each_call(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    journal._db.execute("PRAGMA busy_timeout = 10")
    tries: list[str] = []
    journal._db.set_trace_callback(tries.append)
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    for who in ("ada", "grace", "edsger"):
        with pytest.raises(JournalUnusable):
            claim(journal, who)
    journal.remember_quote(quote_for(clock))

    assert tries.count("BEGIN IMMEDIATE") == 1
    holder.close()
    journal.close()


def test_a_lock_that_stops_readers_too_is_waited_for_once(tmp_path: Path, clock: HandClock) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    accept(journal, run_of(claim(journal)))
    # As on a disk without shared memory, where SQLite cannot use its WAL.
    journal._db.execute("PRAGMA journal_mode = DELETE")
    journal._db.execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(JournalUnusable, match="locked by another program"):
        journal.spent()
    holder.close()
    with pytest.raises(JournalUnusable, match="locked by another program"):
        journal.spent()  # without another try
    clock.now += TRY_AGAIN_AFTER
    assert journal.spent().last_day == 1
    journal.close()


@pytest.mark.parametrize("still_open", [False, True])  # by another server, whose entries are in the WAL alone
def test_a_journal_that_cannot_be_written_still_knows_what_was_paid(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, still_open: bool
) -> None:
    before = Journal.open(tmp_path, clock, KEY)
    accept(before, run_of(claim(before)))
    if not still_open:
        before.close()

    def full(database: sqlite3.Connection, now: float) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(journal_module, "_forget_old", full)
    journal = Journal.open(tmp_path, clock, KEY)

    assert not journal.durable
    assert claim(journal).action == "replay"
    assert claim(journal, "grace").action == "start"
    journal.close()
    if still_open:
        before.close()


def test_a_journal_that_cannot_be_opened_for_sharing_still_knows_what_was_paid(
    tmp_path: Path, clock: HandClock
) -> None:
    before = Journal.open(tmp_path, clock, KEY)
    accept(before, run_of(claim(before)))
    before.close()
    block_sharing(tmp_path)

    journal = Journal.open(tmp_path, clock, KEY)

    assert not journal.durable
    assert claim(journal).action == "replay"
    assert claim(journal, "grace").action == "start"
    journal.close()


def block_sharing(folder: Path) -> None:
    """What a folder that cannot be written does, whoever runs this: SQLite cannot make its shared memory there."""
    if sys.platform == "win32":
        pytest.skip("links need rights there")
    shared = folder / f"{FILE_NAME}-shm"
    shared.symlink_to(shared)


def test_a_journal_with_a_damaged_page_is_named_and_not_used(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    root, size = (
        journal._db.execute(query).fetchone()[0]
        for query in ("SELECT rootpage FROM sqlite_master WHERE name = 'runs_by_list'", "PRAGMA page_size")
    )
    journal.close()
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[(root - 1) * size : (root - 1) * size + 64] = b"\xff" * 64
    (tmp_path / FILE_NAME).write_bytes(content)

    journal = Journal.open(tmp_path, clock, KEY)

    assert not journal.durable
    assert "is damaged" in caplog.text and FILE_NAME in caplog.text
    assert claim(journal).action == "start"
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_journal_that_was_put_back_from_an_older_copy_stops_spending(
    tmp_path: Path, clock: HandClock
) -> None:
    Journal.open(tmp_path, clock, KEY).close()
    older = (tmp_path / FILE_NAME).read_bytes()
    journal = Journal.open(tmp_path, clock, KEY)
    accept(journal, run_of(claim(journal)))
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / FILE_NAME).write_bytes(older)

    with pytest.raises(JournalUnusable, match="was removed"):
        claim(journal, "grace")
    journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_journal_that_is_removed_under_a_running_server_stops_spending(
    tmp_path: Path, clock: HandClock, replaced: bool
) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    accept(journal, run_of(claim(journal)))
    for path in tmp_path.iterdir():
        path.unlink()
    if replaced:
        Journal.open(tmp_path, clock, KEY).close()

    with pytest.raises(JournalUnusable, match="was removed"):
        claim(journal, "grace")
    assert claim(journal).action == "replay"
    journal.close()


def test_a_file_that_is_locked_at_the_start_is_not_replaced_by_a_memory_that_would_pay_twice(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Journal.open(tmp_path, clock, KEY)
    accept(before, run_of(claim(before)))
    before.close()
    quote = Quote("qte_1", "list_1", "Prospects", "partial", 4, 4, 500, clock.time() + 300)
    monkeypatch.setattr(journal_module, "BUSY_TIMEOUT", 0.0)
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    journal = Journal.open(tmp_path, clock, KEY)
    assert not journal.durable
    assert journal.by_workflow("enrich-1") is None
    with pytest.raises(JournalUnusable, match="locked by another program"):
        journal.recent(5)
    with pytest.raises(JournalUnusable, match="locked by another program"):
        journal.digest("person", "ada")
    with pytest.raises(JournalUnusable, match="locked by another program"):
        journal.claim_list(quote, limits=LIMITS, seconds=60)

    clock.now += TRY_AGAIN_AFTER
    journal.unlock()
    assert not journal.durable

    holder.close()
    clock.now += TRY_AGAIN_AFTER
    journal.unlock()
    assert journal.durable
    assert journal.spent().last_day == 1
    assert journal.claim_list(quote, limits=LIMITS, seconds=60).action == "start"
    journal.close()


def test_an_uncertain_run_stays_unknown_where_nothing_can_be_written(
    journal: Journal, clock: HandClock
) -> None:
    journal.uncertain(run_of(claim(journal)))
    journal._db.execute("PRAGMA query_only = ON")

    assert claim(journal).action == "unknown"
    with pytest.raises(JournalUnusable):
        claim(journal, "grace")


def test_outcomes_that_cannot_be_written_are_not_tried_at_every_step(
    journal: Journal, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [
        accept(journal, run_of(claim(journal, name)), f"enrich-{name}") for name in ("ada", "grace", "kim")
    ]
    journal._db.execute("PRAGMA query_only = ON")
    for run in runs:
        journal.observed(run.workflow_id or "", status="running")
    assert caplog.text.count("cannot be written") == 1

    journal._db.execute("PRAGMA query_only = OFF")
    clock.now += TRY_AGAIN_AFTER
    assert [run.status for run in journal.recent(3)] == ["running"] * 3


def test_a_journal_that_cannot_be_read_any_more_says_so_and_a_report_goes_without(journal: Journal) -> None:
    journal._db.execute("ALTER TABLE runs RENAME TO gone")
    with pytest.raises(InternalError) as caught:
        journal.recent(1)
    assert "cannot be read" in caught.value.message
    assert journal.by_workflow("enrich-1") is None
    assert journal.run(1) is None
    journal._db.execute("ALTER TABLE gone RENAME TO runs")
    assert journal.recent(1) == []  # at once: only a lock is given time


def test_a_list_without_a_name_has_a_label_all_the_same() -> None:
    assert label_list("") == "a lead list"
    assert label_list("P" * 200) == "P" * 60


OPENER = """
import sys
from pathlib import Path
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal import Journal
from cleanlist_mcp.spend import Limits, Quote
sys.stdin.readline()
journal = Journal.open(Path(sys.argv[1]), SystemClock(), "key")
quote = Quote("qte_1", "list_1", "", "partial", 1, 1, 1, 2e9)
print(journal.durable, journal.claim_list(quote, limits=Limits(1, None), seconds=60).action)
"""


@pytest.mark.long
def test_servers_that_start_together_on_a_fresh_folder_share_one_journal(tmp_path: Path) -> None:
    for attempt in range(4):
        command = [sys.executable, "-c", OPENER, str(tmp_path / str(attempt))]
        openers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write("go\n")
            opener.stdin.flush()
        said = sorted(opener.communicate(timeout=30)[0].strip() for opener in openers)
        assert said == ["True start", "True wait", "True wait", "True wait"]


@dataclass
class Attempt:
    """A request that has left server number `server`, about run number `run_id` of the true record."""

    server: int
    run: Run
    resent: bool


@dataclass
class Truth:
    """What really became of a run: `accepted` by the API, and `charged` once it is settled."""

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
BUDGET = Limits(person_allowance=2, daily=30)


class Money(RuleBasedStateMachine):
    """Three servers with two keys on one journal, an API that keeps its promises, and a network that does not.

    The rules do what workflows.py does with the journal; the API here is a set of used quotes and a list of runs.
    """

    @initialize()
    def begin(self) -> None:
        self.clock = HandClock()
        self.folder = Path(tempfile.mkdtemp())
        self.servers = [Journal.open(self.folder, self.clock, key) for key in KEYS]
        self.reader = sqlite3.connect(self.folder / FILE_NAME)
        self.quotes: list[tuple[str, Quote]] = []
        self.used: set[str] = set()
        self.truths: dict[int, Truth] = {}
        self.attempts: list[Attempt] = []

    def teardown(self) -> None:
        for server in self.servers:
            break_writes(server, False)
            server.close()
        self.reader.close()
        shutil.rmtree(self.folder)

    @rule(server=SERVERS, number=st.integers(1, 2), rows=st.integers(1, 2), scope=SCOPES)
    def estimate(self, server: int, number: int, rows: int, scope: Any) -> None:
        name, cost = f"qte_{len(self.quotes)}", rows * PRICES[scope]
        quote = Quote(name, f"list_{number}", "Prospects", scope, rows, cost, 999, self.clock.now + 300)
        self.servers[server].remember_quote(quote)
        self.quotes.append((KEYS[server], quote))

    @precondition(lambda self: self.quotes)
    @rule(server=SERVERS, pick=PICK)
    def enrich_list(self, server: int, pick: int) -> None:
        key, quote = self.quotes[pick % len(self.quotes)]
        server = server if KEYS[server] == key else KEYS.index(key)
        work = (key, quote.list_id, quote.scope)
        journal = self.servers[server]
        journal.recent(1)  # what it could not write before is written now
        before = self.rows(work)
        if journal.run_of_quote(quote.quote_id) is None and self.clock.now > quote.expires_at + 5:
            return
        try:
            decision = journal.claim_list(quote, limits=BUDGET, seconds=60)
        except (DailyLimit, InternalError):
            return
        run = run_of(decision)
        if decision.action == "start":
            assert quote.quote_id not in {row["quote_id"] for row in before}
            assert not any(self.goes_on(row) for row in before)
            self.begin_run(server, run, Truth(work, "list", quote.cost, self.clock.now))
        elif decision.action == "resend" and self.clock.now <= quote.expires_at:
            taken = journal.reclaim(run, seconds=60)
            if taken is not None:
                self.attempts.append(Attempt(server, taken, resent=True))
        elif decision.action == "replay":
            assert run.quote_id == quote.quote_id
            assert run.workflow_id == self.truths[run.run_id].accepted
        elif decision.action == "busy":
            assert any(self.goes_on(row) for row in before)

    @rule(server=SERVERS, who=st.sampled_from(["ada", "ada", "grace"]), again=st.booleans())
    def enrich_person(self, server: int, who: str, again: bool) -> None:
        journal, work = self.servers[server], (KEYS[server], who)
        journal.recent(1)
        before = self.rows(work)
        try:
            decision = claim(journal, who, again=again, limits=BUDGET)
        except (DailyLimit, PersonAllowance, InternalError):
            return
        run = run_of(decision)
        if decision.action == "start":
            assert not any(self.goes_on(row) for row in before)
            if before and before[0]["state"] != "finished":
                assert again
                assert self.clock.now - before[0]["started_at"] >= UNCERTAIN_HOLD
            self.begin_run(server, run, Truth(work, "person", 1, self.clock.now))
        elif decision.action == "replay":
            assert run.workflow_id == self.truths[run.run_id].accepted

    @precondition(lambda self: self.attempts)
    @rule(pick=PICK, fate=st.sampled_from(["accept", "accept", "lose answer", "refuse", "lose request"]))
    def deliver(self, pick: int, fate: str) -> None:
        attempt = self.attempts.pop(pick % len(self.attempts))
        run, journal = attempt.run, self.servers[attempt.server]
        accepted = fate in ("accept", "lose answer") and self.api_accepts(run)
        if fate == "accept" and accepted:
            accept(journal, run, f"workflow-{run.run_id}")
        elif fate in ("accept", "refuse") and not attempt.resent:
            if journal.refused(run) and self.truths[run.run_id].accepted is None:
                self.truths[run.run_id].refused = True
        else:
            journal.uncertain(run)

    @rule(server=SERVERS, works=st.booleans())
    def crash(self, server: int, works: bool) -> None:
        lost = [attempt for attempt in self.attempts if attempt.server == server]
        self.attempts = [attempt for attempt in self.attempts if attempt.server != server]
        for attempt in lost:
            if works:
                self.api_accepts(attempt.run)
        self.servers[server]._db.close()
        self.servers[server] = Journal.open(self.folder, self.clock, KEYS[server])
        assert self.servers[server].durable

    @precondition(lambda self: any(truth.accepted for truth in self.truths.values()))
    @rule(pick=PICK, share=st.floats(0, 1), server=SERVERS)
    def settle(self, pick: int, share: float, server: int) -> None:
        accepted = [truth for truth in self.truths.values() if truth.accepted]
        truth = accepted[pick % len(accepted)]
        if truth.charged is None:
            truth.charged = int(share * truth.reserved)
        if KEYS[server] == truth.work[0]:
            finish(self.servers[server], truth.accepted or "", charged=truth.charged)

    @rule(seconds=st.sampled_from([20, 61, 301, 901, 901, 3601, 86401, -2, -3000]))
    def jump(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(server=SERVERS, broken=st.booleans())
    def disk_trouble(self, server: int, broken: bool) -> None:
        break_writes(self.servers[server], broken)

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
        assert truth.kind == "list" or sum(item.amount for item in hour) <= BUDGET.person_allowance

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
        """Whether an entry is known to go on, as the rules have it."""
        now = self.clock.now
        under_way = row["started_at"] - 5 <= now <= row["in_flight_until"]
        return bool(row["state"] == "running" or (row["state"] == "starting" and under_way))

    def rows(self, work: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """All entries, or the unrefused ones of the same work, newest first."""
        self.reader.row_factory = sqlite3.Row
        found = self.reader.execute("SELECT * FROM runs ORDER BY run_id DESC")
        rows = [dict(row) for row in found]
        if not work:
            return rows
        return [row for row in rows if self.truths[row["run_id"]].work == work and row["state"] != "refused"]


def play(examples: int, steps: int, **options: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=checks,
        **options,
    )
    run_state_machine_as_test(Money, settings=chosen)


def test_no_interleaving_reserves_too_much_or_starts_anything_twice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    play(examples=12, steps=50, derandomize=True)


@pytest.mark.long
def test_no_interleaving_does_in_ten_thousand_operations(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    play(examples=125, steps=80)


def test_a_folder_that_numbers_its_files_anew_stops_nothing(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, clock, KEY)
    numbers = iter(range(100))
    monkeypatch.setattr(journal_module, "_file_id", lambda path: (0, next(numbers)))

    assert claim(journal).action == "start"
    journal.close()


def test_a_locked_file_that_cannot_be_written_holds_nothing_up(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal.open(tmp_path, clock, KEY).close()
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    def unwritable(*args: object) -> sqlite3.Connection:
        raise PermissionError

    monkeypatch.setattr(journal_module, "BUSY_TIMEOUT", 0.0)
    monkeypatch.setattr(journal_module, "_connect", unwritable)
    journal = Journal.open(tmp_path, clock, KEY)

    assert not journal.durable
    journal.close()
    holder.close()


def test_a_locked_file_that_is_out_of_reach_for_a_moment_stays_locked(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    def gone(*args: object) -> sqlite3.Connection:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_connect", busy)
        journal = Journal.open(tmp_path, clock, KEY)
        patch.setattr(journal_module, "_connect", gone)
        clock.now += TRY_AGAIN_AFTER
        journal.unlock()
        assert journal.locked
    clock.now += TRY_AGAIN_AFTER
    journal.unlock()

    assert not journal.locked and journal.durable
    journal.close()
