"""One minute for all processes that use a key, and for all keys of an organization."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cleanlist_mcp.api.minute import (
    HELD_BACK,
    HELD_BACK_OF_ALL,
    KEPT_SECONDS,
    LEASE_SECONDS,
    REQUESTS_OF_ALL,
    REQUESTS_PER_MINUTE,
    Kind,
    Minute,
    Sent,
    Sight,
    Watch,
    as_text,
    from_text,
)
from cleanlist_mcp.api.rate_budget import PutOff
from cleanlist_mcp.journal.port import Ledger
from cleanlist_mcp.journal.shared_budget import TRY_AGAIN_AFTER, SharedBudget
from cleanlist_mcp.journal.sqlite.ledger import ADDED_IN_A_ROW, FORGET_AFTER, LEDGER_NAME, SqliteLedger
from tests.ledgers import Hour, MemoryLedger, OwnClock, done

AN_HOUR = 3600.0


class Team:
    """Processes of one organization; `sent` has what each key really sent."""

    def __init__(
        self, keys: int, processes: int = 1, *, ledger: Ledger | None = None, folder: Path | None = None
    ) -> None:
        """They share a `ledger`, or have one each on a `folder`."""
        self.folder = folder
        self.on_disk: list[SqliteLedger] = []
        self.hour = Hour()
        self.ledger = ledger or MemoryLedger(self.hour)
        self.sent: dict[int, list[float]] = {key: [] for key in range(keys)}
        self.members = [
            (key, self.process(key, ahead=AN_HOUR * number))
            for key in range(keys)
            for number in range(processes)
        ]

    def process(self, key: int = 0, ahead: float = 0.0) -> SharedBudget:
        clock = OwnClock(self.hour, ahead)
        if self.folder is not None:
            self.on_disk.append(SqliteLedger(self.folder, clock))
        budget = SharedBudget(clock, self.on_disk[-1] if self.on_disk else self.ledger, "api", f"key {key}")
        done(budget.belongs_to("organization"))
        return budget

    def send(self, member: int, kind: Kind) -> bool:
        """Send one request if the budget lets it through; return whether it did."""
        key, budget = self.members[member]
        try:
            if done(budget.admit(kind, "run" if kind == "look" else None)) > 0:
                return False
        except PutOff:
            return False
        self.sent[key].append(self.hour.now)
        return True

    def everything(self) -> list[float]:
        return sorted(at for moments in self.sent.values() for at in moments)


def most_in_a_minute(moments: list[float]) -> int:
    return max((sum(start <= at < start + 60 for at in moments) for start in moments), default=0)


def in_the_last_minute(moments: list[float], now: float) -> int:
    return sum(at > now - 60 for at in moments)


steps = st.lists(
    st.tuples(st.floats(0, 3), st.integers(0, 7), st.sampled_from(["look", "look", "look", "glance", "call", "start"])),
    max_size=250,
)  # fmt: skip


@given(steps=steps)
@example(steps=[(0.0, number % 8, "look") for number in range(200)])
def test_no_interleaving_of_processes_sends_more_than_a_key_and_an_organization_may(
    steps: list[tuple[float, int, Kind]],
) -> None:
    team = Team(keys=4, processes=2)
    waited_for: dict[int, list[float]] = {key: [] for key in team.sent}
    for pause, member, kind in steps:
        team.hour.now += pause
        key = team.members[member][0]
        if kind != "look":
            if in_the_last_minute(waited_for[key], team.hour.now) >= HELD_BACK:
                continue
            waited_for[key].append(team.hour.now)
        assert team.send(member, kind) or kind == "look"
    assert all(most_in_a_minute(moments) <= REQUESTS_PER_MINUTE for moments in team.sent.values())
    assert most_in_a_minute(team.everything()) <= REQUESTS_OF_ALL


def test_requests_of_before_the_organization_was_known_count_for_it_too() -> None:
    team = Team(keys=10)
    team.members = [
        (key, SharedBudget(OwnClock(team.hour, 0.0), team.ledger, "api", f"key {key}")) for key in range(10)
    ]
    for member in range(10):
        assert all(team.send(member, "call") for _ in range(4))
        done(team.members[member][1].belongs_to("organization"))
    for tick in range(20):
        team.hour.now = tick / 2
        for member in range(10):
            team.send(member, "look")
    assert 40 < len(team.everything()) <= REQUESTS_OF_ALL


@pytest.mark.parametrize("keys", [2, 3, 10])
def test_eager_keys_of_an_organization_look_equally_often(keys: int) -> None:
    team = Team(keys)
    for tick in range(1200):
        team.hour.now = tick / 2
        for member in range(keys):
            team.send(member, "look")
    counts = [len(moments) for moments in team.sent.values()]
    whole = 10 * (REQUESTS_OF_ALL - HELD_BACK_OF_ALL)
    assert max(counts) - min(counts) <= 10  # a look a minute
    assert 0.75 * whole <= sum(counts) <= whole


@pytest.mark.parametrize("others", [1, 2, 5])
def test_a_key_that_comes_late_finds_room_although_others_are_eager(others: int) -> None:
    team = Team(others + 1)
    for tick in range(200):
        team.hour.now = tick / 2
        for member in range(others):
            team.send(member, "look")
    assert team.send(others, "look")


def test_one_key_of_an_organization_has_its_own_minute_to_itself() -> None:
    team = Team(keys=1)
    assert sum(team.send(0, "look") for _ in range(100)) == REQUESTS_PER_MINUTE - HELD_BACK


@pytest.mark.parametrize("kind", ["call", "start"])
def test_what_a_person_waits_for_goes_out_however_many_looks_there_were(kind: Kind) -> None:
    team = Team(keys=1, processes=2)
    while team.send(0, "look"):
        pass
    assert all(team.send(1, kind) for _ in range(40))
    assert not team.send(0, "look")


def test_a_glance_is_put_off_once_the_minute_is_used_up_and_goes_out_when_it_is_over() -> None:
    team = Team(keys=1, processes=2)
    for _ in range(REQUESTS_PER_MINUTE):
        assert team.send(0, "glance")
    with pytest.raises(PutOff) as put_off:
        done(team.members[1][1].admit("glance"))
    assert put_off.value.seconds == pytest.approx(61.0)
    team.hour.now = 50.0
    with pytest.raises(PutOff) as put_off:
        done(team.members[1][1].admit("glance"))
    assert put_off.value.seconds == pytest.approx(11.0)
    team.hour.now = 61.0
    assert team.send(1, "glance")


def test_a_429_that_one_process_met_holds_back_all_that_use_the_key_and_nobody_else() -> None:
    team = Team(keys=2, processes=2)
    one, other, colleague = (team.members[number][1] for number in (0, 1, 2))
    done(one.block(20.0))
    assert done(other.admit("call")) == pytest.approx(20.0)
    assert done(colleague.admit("call")) == 0.0
    team.hour.now = 12.0
    assert done(other.admit("start")) == pytest.approx(8.0)
    team.hour.now = 20.1
    assert done(other.admit("call")) == 0.0


def test_locked_notes_stop_no_call_and_learn_later_what_was_sent_meanwhile() -> None:
    team = Team(keys=1, processes=2)
    assert isinstance(team.ledger, MemoryLedger)
    assert team.send(0, "call")
    team.ledger.locked = True
    assert all(team.send(0, "call") for _ in range(10))
    assert sum(team.send(0, "look") for _ in range(100)) == REQUESTS_PER_MINUTE - 11
    team.ledger.locked = False
    team.hour.now += TRY_AGAIN_AFTER
    assert team.send(0, "call")
    assert not team.send(1, "look")


def test_notes_that_are_locked_from_the_first_request_on_stop_no_call() -> None:
    hour = Hour()
    team = Team(keys=1, ledger=MemoryLedger(hour, locked=True))
    assert all(team.send(0, "start") for _ in range(3))


def test_the_run_of_one_process_is_left_to_it_until_its_lease_ends() -> None:
    team = Team(keys=1, processes=2)
    one, other = (budget for _, budget in team.members)
    assert done(one.lead("run", AN_HOUR * 0, [20.0]))
    assert not done(other.lead("run", AN_HOUR, [AN_HOUR + 20.0]))
    for second in range(1, 30):
        team.hour.now = float(second)
        assert done(one.lead("run", 0.0, [40.0]))
        assert not done(other.lead("run", AN_HOUR, [AN_HOUR + 40.0]))
    team.hour.now += LEASE_SECONDS + 1  # `one` was killed
    assert done(other.lead("run", AN_HOUR, [AN_HOUR + 60.0]))
    assert not done(one.lead("run", 0.0, [60.0]))


async def test_a_lease_that_is_given_up_is_free_at_once() -> None:
    team = Team(keys=1, processes=2)
    one, other = (budget for _, budget in team.members)
    assert done(one.lead("run", 0.0, [20.0]))
    assert not done(other.lead("run", AN_HOUR, []))
    await one.leave("run")
    team.hour.now = 1.0
    assert done(other.lead("run", AN_HOUR, []))


def test_the_others_see_what_the_holder_of_the_lease_saw() -> None:
    team = Team(keys=1, processes=2)
    one, other = (budget for _, budget in team.members)
    team.hour.now = 5.0
    done(one.lead("run", 0.0, [20.0]))
    done(one.tell("run", 0.0, Sight(4.5, "running", 3, 10, finished=False)))
    team.hour.now = 6.0
    done(other.lead("run", AN_HOUR, []))
    assert other.sight("run") == Sight(AN_HOUR + 4.5, "running", 3, 10, finished=False)


def test_the_end_of_a_run_is_not_undone_by_an_older_sight() -> None:
    team = Team(keys=1)
    _, budget = team.members[0]
    done(budget.tell("run", 0.0, Sight(0.0, "completed", 1, 1, finished=True)))
    done(budget.tell("run", 0.0, Sight(0.0, "running", 0, 1, finished=False)))
    sight = budget.sight("run")
    assert sight is not None and sight.finished


def test_last_looks_that_another_process_promised_are_kept_free() -> None:
    team = Team(keys=1, processes=2)
    one, other = (budget for _, budget in team.members)
    for number in range(24):
        done(one.lead(f"run {number}", 0.0, [20.0]))
    other.watch("mine", AN_HOUR, [])
    assert other.poll_at("mine", AN_HOUR, AN_HOUR) == AN_HOUR
    team.hour.now = 1.0
    done(other.lead("mine", AN_HOUR, []))
    assert other.poll_at("mine", AN_HOUR + 1, AN_HOUR + 1) > AN_HOUR + 1


async def test_what_nobody_watches_is_forgotten() -> None:
    team = Team(keys=1)
    assert isinstance(team.ledger, MemoryLedger)
    _, budget = team.members[0]
    for number in range(50):
        run = f"run {number}"
        done(budget.lead(run, team.hour.now, []))
        done(budget.tell(run, team.hour.now, Sight(team.hour.now, "completed", 1, 1, finished=True)))
        await budget.leave(run)
    team.hour.now = KEPT_SECONDS + 1
    done(budget.admit("call"))
    assert len(team.ledger.notes["key/api/key 0"][0]) < 100


moments = st.floats(-60, 0)


@given(
    sent=st.lists(
        st.tuples(moments, st.sampled_from(["look", "start", "call"]), st.sampled_from(["", "key"]))
    ),
    blocked=st.floats(0, 60),
    age=st.floats(0, 1),
)
def test_a_minute_is_read_as_it_was_written_only_older(
    sent: list[tuple[float, Kind, str]], blocked: float, age: float
) -> None:
    requests = sorted((Sent(*one) for one in sent), key=lambda one: one.at)
    watch = Watch("me", 5.0, -3.0, (2.0,), Sight(-1.0, "running", 1, 2, finished=False))
    read = from_text(as_text(Minute(60, requests, blocked, {"run": watch})), age, 60)
    assert read.blocked_until == pytest.approx(max(blocked - age, 0.0), abs=0.001)
    assert [one.kind for one in read.sent] == [one.kind for one in requests[-60:]]
    assert all(
        abs(one.at + age - sent.at) < 0.001 for one, sent in zip(read.sent, requests[-60:], strict=True)
    )
    assert read.watches["run"].last_looks == pytest.approx((2.0 - age,))


@given(
    text=st.text()
    | st.sampled_from(["{}", "[]", "null", '{"sent":[[1]]}', '{"sent":[],"blocked_until":"x"}'])
)
def test_notes_that_cannot_be_read_are_none(text: str) -> None:
    assert from_text(text, 0.0).sent == []


def on_disk(folder: Path, hour: Hour, **clock: float | str) -> SharedBudget:
    own = OwnClock(hour, **clock)  # type: ignore[arg-type]
    return SharedBudget(own, SqliteLedger(folder, own), "api", "key")


def looks_until_full(budget: SharedBudget) -> int:
    count = 0
    try:
        while done(budget.admit("look", "run")) == 0:
            count += 1
    except PutOff:
        return count
    raise AssertionError("only a 429 says so")


@pytest.mark.parametrize("boot", ["this start", "another start"])
def test_processes_of_a_machine_share_their_minute_in_a_file(tmp_path: Path, boot: str) -> None:
    hour = Hour()
    one, other = on_disk(tmp_path, hour), on_disk(tmp_path, hour, boot=boot)
    assert looks_until_full(one) == 24
    assert looks_until_full(other) == 0
    hour.now = 61.0
    assert looks_until_full(other) == 24


@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.integers(0, 3),
            st.sampled_from(["look", "look", "call", "call", "start", "429"]),
        ),
        max_size=150,
    )
)
@example(steps=[(0, number % 2, "call") for number in range(80)] + [(0, 1, "look")])
@example(steps=[(0, 0, "call"), (0, 0, "call"), (0, 1, "429"), (0, 0, "call"), (4, 0, "start")])
@settings(max_examples=30)
def test_what_is_added_unread_counts_for_all_as_what_is_written(steps: list[tuple[int, int, Any]]) -> None:
    with TemporaryDirectory() as folder:
        teams = [Team(keys=2, processes=2), Team(keys=2, processes=2, folder=Path(folder))]
        for quarters, member, kind in steps:
            answers = []
            for team in teams:
                team.hour.now += quarters / 4
                if kind == "429":
                    done(team.members[member][1].block(3.0))
                else:
                    answers.append(team.send(member, kind))
            assert len(set(answers)) <= 1
        for ledger in teams[1].on_disk:
            done(ledger.close())


def test_words_that_were_added_are_written_into_the_text_now_and_then(tmp_path: Path) -> None:
    budget = on_disk(tmp_path, Hour())
    for _ in range(10 * ADDED_IN_A_ROW):
        assert done(budget.admit("call")) == 0
    with sqlite3.connect(tmp_path / LEDGER_NAME) as database:
        (added,) = database.execute("SELECT COUNT(*) FROM added").fetchone()
    database.close()
    assert 0 < added <= ADDED_IN_A_ROW


def test_requests_that_were_added_before_a_file_was_lost_are_still_known_here(tmp_path: Path) -> None:
    hour = Hour()
    budget = on_disk(tmp_path, hour)
    assert all(done(budget.admit("call")) == 0 for _ in range(20))
    holder = sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert looks_until_full(budget) == REQUESTS_PER_MINUTE - 20
    holder.execute("ROLLBACK")
    holder.close()


def test_a_clock_that_is_set_changes_nothing(tmp_path: Path) -> None:
    hour = Hour()
    one, other = on_disk(tmp_path, hour), on_disk(tmp_path, hour, ahead=AN_HOUR)
    assert looks_until_full(one) == 24
    assert looks_until_full(other) == 0


def test_the_file_names_no_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    hour = Hour()
    own = OwnClock(hour)
    budget = SharedBudget(own, SqliteLedger(tmp_path, own), "api", "clapi_fictional_key")
    done(budget.admit("look", "enrich-fable"))
    done(budget.lead("enrich-fable", 0.0, []))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"clapi_fictional_key" not in content and b"enrich-fable" not in content
    if sys.platform != "win32":
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_file_that_another_program_holds_stops_no_call(tmp_path: Path) -> None:
    hour = Hour()
    one, other = on_disk(tmp_path, hour), on_disk(tmp_path, hour)
    assert done(one.admit("call")) == 0
    holder = sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert looks_until_full(one) == 24
    holder.execute("ROLLBACK")
    holder.close()
    hour.now = TRY_AGAIN_AFTER
    assert done(one.admit("call")) == 0
    assert looks_until_full(other) == 0


@pytest.mark.parametrize("damage", ["garbage", "removed", "a folder"])
def test_a_file_that_is_lost_is_made_anew_for_all(tmp_path: Path, damage: str) -> None:
    hour = Hour()
    one, other = on_disk(tmp_path, hour), on_disk(tmp_path, hour)
    assert done(one.admit("call")) == 0
    assert done(other.admit("call")) == 0
    path = tmp_path / LEDGER_NAME
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    else:
        path.unlink()
    if damage == "a folder":
        path.mkdir()
    for _ in range(3):
        assert done(one.admit("call")) == 0
        assert done(other.admit("call")) == 0
        hour.now += TRY_AGAIN_AFTER + 0.1
    hour.now += 61
    assert looks_until_full(one) == 24
    assert looks_until_full(other) == (24 if damage == "a folder" else 0)


def test_a_folder_that_cannot_be_made_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert looks_until_full(on_disk(tmp_path / "state", Hour())) == 24


def test_notes_of_keys_that_nobody_uses_are_dropped_at_a_start(tmp_path: Path) -> None:
    hour = Hour()
    done(on_disk(tmp_path, hour).admit("call"))
    hour.now = FORGET_AFTER + 1
    own = OwnClock(hour)
    done(SharedBudget(own, SqliteLedger(tmp_path, own), "api", "another key").admit("call"))
    with sqlite3.connect(tmp_path / LEDGER_NAME) as database:
        assert database.execute("SELECT COUNT(*) FROM notes").fetchone() == (1,)
    database.close()


def test_a_process_that_goes_on_drops_them_every_hour(tmp_path: Path) -> None:
    hour = Hour()
    ledger = SqliteLedger(tmp_path, OwnClock(hour))
    done(SharedBudget(OwnClock(hour), ledger, "api", "refused").admit("call"))
    hour.now = FORGET_AFTER + 1
    done(SharedBudget(OwnClock(hour), ledger, "api", "another key").admit("call"))
    with sqlite3.connect(tmp_path / LEDGER_NAME) as database:
        assert database.execute("SELECT COUNT(*) FROM notes").fetchone() == (1,)
    database.close()
    done(ledger.close())


EAGER = """
import asyncio, os, sys
from pathlib import Path
from cleanlist_mcp.api.rate_budget import PutOff
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.journal.sqlite import ledger
from cleanlist_mcp.journal.sqlite.ledger import SqliteLedger

ledger.BUSY_SECONDS = 10.0  # a busy machine may stop a process while it writes

async def main():
    clock = SystemClock()
    budget = SharedBudget(clock, SqliteLedger(Path(sys.argv[1]), clock), "api", "key")
    assert await budget.lead(f"run of {os.getpid()}", clock.monotonic(), [])
    print("ready", flush=True)
    sys.stdin.readline()
    sent = 0
    for _ in range(300):
        try:
            sent += await budget.admit("look", "run") == 0
        except PutOff:
            pass
    print(sent, flush=True)
    os._exit(9)

asyncio.run(main())
"""


def test_two_processes_that_look_as_fast_as_they_can_stay_within_one_minute(tmp_path: Path) -> None:
    command = [sys.executable, "-c", EAGER, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate()[0]) for process in processes]
    assert sum(counts) == 24
