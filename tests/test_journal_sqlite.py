"""A journal that is a file: its rights, its damage, its locks, and who removes or replaces it."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import Usable, error_in
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.sqlite import connection, file, held, opening, schema_9, store
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.journal.sqlite.store import TRY_AGAIN_AFTER
from cleanlist_mcp.money.decisions import UNCERTAIN_HOLD, Start
from cleanlist_mcp.money.quotes import Quote
from tests.journals import (
    SQLITE,
    HandClock,
    accept,
    claim,
    claim_list,
    database_of,
    finish,
    quote_for,
    run_of,
    word,
)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: HandClock) -> AsyncIterator[Journal]:
    opened = SQLITE.open(tmp_path / "state", clock)
    yield opened
    await opened.close()


def remove_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_the_files_are_for_their_owner_alone(tmp_path: Path, clock: HandClock) -> None:
    former = os.umask(0)
    try:
        journal = SQLITE.open(tmp_path / "state", clock)
        await claim(journal)
    finally:
        os.umask(former)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "state").iterdir()}
    await journal.close()
    assert modes == {f"{FILE_NAME}{suffix}": 0o600 for suffix in ("", "-wal", "-shm", "-mark")}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_several_processes_can_write_at_once_because_the_file_is_in_wal_mode(journal: Journal) -> None:
    assert await journal.health() == Usable()
    assert database_of(journal).execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_neither_the_key_nor_the_person_stands_in_the_file(tmp_path: Path, clock: HandClock) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await claim(journal, "ada@fable.example")
    await journal.close()

    content = (tmp_path / FILE_NAME).read_bytes()
    assert b"clapi_" not in content
    assert b"ada@fable" not in content
    assert b"Ada Fable" in content


async def test_an_intent_waits_for_the_disk_and_an_outcome_does_not(journal: Journal) -> None:
    full, normal = (2,), (1,)
    run = run_of(await claim(journal))
    assert database_of(journal).execute("PRAGMA synchronous").fetchone() == full
    await accept(journal, run)
    assert database_of(journal).execute("PRAGMA synchronous").fetchone() == normal


async def test_without_a_folder_that_can_be_written_it_remembers_in_memory_and_says_so(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    journal = SQLITE.open(tmp_path / "state", clock)

    assert await journal.health() == Usable("until_restart")
    assert word(await claim(journal)) == "start"
    assert word(await claim(journal)) == "wait"
    assert "CLEANLIST_STATE_DIR" in caplog.text
    await journal.close()


@pytest.mark.parametrize("content", [b"this is no database, and long enough to look at" * 30, b"\0" * 4096])
async def test_a_file_that_is_no_journal_is_left_alone_and_nothing_is_spent(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    journal = SQLITE.open(tmp_path, clock)
    with pytest.raises(JournalUnusable, match="is damaged"):
        await claim(journal)
    await journal.close()

    assert (tmp_path / FILE_NAME).read_bytes() == content
    assert "is damaged" in caplog.text


def make_ninth(place: Path) -> None:
    """Write the runs of a journal into one of version 9 in its place."""
    entries = SQLITE.entries(place)
    with closing(sqlite3.connect(place / FILE_NAME)) as database:
        value = database.execute("SELECT value, checksum FROM secret").fetchone()
    for path in place.glob(f"{FILE_NAME}*"):
        path.unlink()
    columns = [name for name in entries[0] if name not in ("tenant", "digest_key")]
    with closing(sqlite3.connect(place / FILE_NAME, isolation_level=None)) as database:
        for statement in schema_9.STATEMENTS:
            database.execute(statement)
        database.execute("PRAGMA user_version = 9")
        database.execute("INSERT INTO secret VALUES (?, ?)", value)
        database.executemany(
            f"INSERT INTO runs ({', '.join(columns)}, api) VALUES ({', '.join('?' * len(columns))}, ?)",  # noqa: S608
            [(*(row[name] for name in columns), row["tenant"]) for row in reversed(entries)],
        )


async def test_a_journal_of_version_nine_keeps_its_runs_and_their_sums(
    tmp_path: Path, clock: HandClock
) -> None:
    before = SQLITE.open(tmp_path, clock)
    run = await accept(before, run_of(await claim(before)))
    await claim_list(before, quote_for(clock))
    spent = await before.spent()
    await before.close()
    make_ninth(tmp_path)

    after = SQLITE.open(tmp_path, clock)
    decision = await claim(after)
    assert (word(decision), decision.run.run_id) == ("replay", run.run_id)
    assert word(await claim_list(after, quote_for(clock))) == "wait"
    assert await after.spent() == spent
    assert await after.inspect() == Usable()
    await finish(after, "enrich-1", charged=0)
    assert (await after.spent()).last_day == spent.last_day - 1
    await after.close()
    again = SQLITE.open(tmp_path, clock)
    assert word(await claim(again)) == "replay"
    await again.close()


async def test_a_journal_of_version_nine_that_was_tampered_with_is_left_alone(
    tmp_path: Path, clock: HandClock
) -> None:
    before = SQLITE.open(tmp_path, clock)
    await claim(before)
    await before.close()
    make_ninth(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.execute("DROP INDEX one_run_per_quote")

    journal = SQLITE.open(tmp_path, clock)
    with pytest.raises(JournalUnusable, match="is damaged"):
        await claim(journal)
    await journal.close()


@pytest.mark.parametrize(("version", "words"), [(99, "newer version"), (2, "early version")])
async def test_a_journal_of_another_version_is_left_alone_and_nothing_is_spent(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture, version: int, words: str
) -> None:
    await SQLITE.open(tmp_path, clock).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as database:
        database.execute(f"PRAGMA user_version = {version}")
    database.close()

    journal = SQLITE.open(tmp_path, clock)

    with pytest.raises(JournalUnusable, match=words):
        await claim(journal)
    with pytest.raises(JournalUnusable, match=words):
        await journal.recent(10)
    assert words in caplog.text
    await journal.close()


async def test_a_full_disk_refuses_the_intent_and_leaves_the_journal_usable(
    journal: Journal, clock: HandClock
) -> None:
    pages = database_of(journal).execute("PRAGMA page_count").fetchone()[0]
    database_of(journal).execute(f"PRAGMA max_page_count = {pages}")
    written = 0
    while written < 2000 and await claims_long_entry(journal, written):
        written += 1
    database_of(journal).execute(f"PRAGMA max_page_count = {pages * 100}")

    assert 0 < written < 2000
    assert (await journal.spent()).last_day == written
    assert word(await claim(journal)) == "start"


async def claims_long_entry(journal: Journal, number: int) -> bool:
    quote = Quote(f"qte_{number:0300}", f"list_{number}", "", "partial", 1, 1, 1, 2e9)
    try:
        return word(await claim_list(journal, quote)) == "start"
    except JournalUnusable:
        return False


async def test_a_file_that_another_program_holds_locked_refuses_spending_but_not_reading(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    database_of(journal).execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(JournalUnusable):
        await claim(journal, "grace")
    assert [run.workflow_id for run in await journal.recent(10)] == ["enrich-1"]
    assert (await journal.spent()).last_day == 1

    assert word(await claim(journal)) == "replay"  # what needs no writing is answered
    holder.close()
    clock.now += TRY_AGAIN_AFTER
    assert word(await claim(journal, "grace")) == "start"
    await journal.close()


async def test_a_locked_file_is_waited_for_once_and_not_by_each_call(
    tmp_path: Path, clock: HandClock
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    database_of(journal).execute("PRAGMA busy_timeout = 10")
    tries: list[str] = []
    database_of(journal).set_trace_callback(tries.append)
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    for who in ("ada", "grace", "edsger"):
        with pytest.raises(JournalUnusable):
            await claim(journal, who)
    await journal.remember_quote(quote_for(clock))

    assert tries.count("BEGIN IMMEDIATE") == 1
    holder.close()
    await journal.close()


async def test_a_lock_that_stops_readers_too_is_waited_for_once(tmp_path: Path, clock: HandClock) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    # As on a disk without shared memory, where SQLite cannot use its WAL.
    database_of(journal).execute("PRAGMA journal_mode = DELETE")
    database_of(journal).execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(JournalUnusable, match="locked by another program"):
        await journal.spent()
    holder.close()
    with pytest.raises(JournalUnusable, match="locked by another program"):
        await journal.spent()  # without another try
    clock.now += TRY_AGAIN_AFTER
    assert (await journal.spent()).last_day == 1
    await journal.close()


async def test_a_journal_that_cannot_be_opened_stops_spending_until_it_can(
    tmp_path: Path, clock: HandClock
) -> None:
    before = SQLITE.open(tmp_path, clock)
    await accept(before, run_of(await claim(before)))
    await before.close()
    block_sharing(tmp_path)

    journal = SQLITE.open(tmp_path, clock)

    assert error_in(await journal.health()) is not None
    for who in ("ada", "grace"):
        with pytest.raises(JournalUnusable, match="a link or a folder"):
            await claim(journal, who)
    (tmp_path / f"{FILE_NAME}-shm").unlink()
    clock.now += TRY_AGAIN_AFTER
    assert word(await claim(journal)) == "replay"
    await journal.close()


def block_sharing(folder: Path) -> None:
    """Keep SQLite from making its shared memory, as a folder that cannot be written does, whoever runs this."""
    if sys.platform == "win32":
        pytest.skip("links need rights there")
    shared = folder / f"{FILE_NAME}-shm"
    shared.symlink_to(shared)


async def test_a_journal_with_a_damaged_page_is_named_and_nothing_is_spent(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    root, size = (
        database_of(journal).execute(query).fetchone()[0]
        for query in ("SELECT rootpage FROM sqlite_master WHERE name = 'runs_by_list'", "PRAGMA page_size")
    )
    await journal.close()
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[(root - 1) * size : (root - 1) * size + 64] = b"\xff" * 64
    (tmp_path / FILE_NAME).write_bytes(content)

    journal = SQLITE.open(tmp_path, clock)

    with pytest.raises(JournalUnusable, match="is damaged") as caught:
        await claim(journal)
    assert "is damaged" in caplog.text and FILE_NAME in caught.value.next_step
    await journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
async def test_a_journal_that_was_put_back_from_an_older_copy_stops_spending(
    tmp_path: Path, clock: HandClock
) -> None:
    await SQLITE.open(tmp_path, clock).close()
    older = (tmp_path / FILE_NAME).read_bytes()
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    remove_files(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(older)

    with pytest.raises(JournalUnusable, match="was removed or replaced"):
        await claim(journal, "grace")
    await journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("replaced", [False, True])
async def test_a_journal_that_is_removed_under_a_running_server_stops_spending(
    tmp_path: Path, clock: HandClock, replaced: bool
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    remove_files(tmp_path)
    if replaced:
        await SQLITE.open(tmp_path, clock).close()

    with pytest.raises(JournalUnusable, match="was removed or replaced"):
        await claim(journal, "grace")
    assert word(await claim(journal)) == "replay"
    await journal.close()


async def test_a_file_that_is_locked_at_the_start_is_not_replaced_by_a_memory_that_would_pay_twice(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SQLITE.open(tmp_path, clock)
    await accept(before, run_of(await claim(before)))
    await before.close()
    quote = Quote("qte_1", "list_1", "Prospects", "partial", 4, 4, 500, clock.time() + 300)
    monkeypatch.setattr(store, "BUSY_TIMEOUT", 0.0)
    holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    journal = SQLITE.open(tmp_path, clock)
    assert error_in(await journal.health()) is not None
    assert await journal.by_workflow("enrich-1") is None
    with pytest.raises(JournalUnusable, match="locked by another program"):
        await journal.recent(5)
    with pytest.raises(JournalUnusable, match="locked by another program"):
        await journal.digester()
    with pytest.raises(JournalUnusable, match="locked by another program"):
        await claim_list(journal, quote)

    clock.now += TRY_AGAIN_AFTER
    assert error_in(await journal.health()) is not None

    holder.close()
    clock.now += TRY_AGAIN_AFTER
    assert await journal.health() == Usable()
    assert (await journal.spent()).last_day == 1
    assert word(await claim_list(journal, quote)) == "start"
    await journal.close()


async def test_a_journal_that_cannot_be_read_any_more_says_so_and_a_report_goes_without(
    journal: Journal,
) -> None:
    database_of(journal).execute("ALTER TABLE runs RENAME TO gone")
    with pytest.raises(JournalUnusable, match="cannot be read"):
        await journal.recent(1)
    assert await journal.by_workflow("enrich-1") is None
    assert await journal.run(1) is None
    database_of(journal).execute("ALTER TABLE gone RENAME TO runs")
    assert await journal.recent(1) == []  # at once: only a lock is given time


OPENER = """
import sys
from pathlib import Path
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.opening import open_store
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.money.quotes import Quote
from tests.journals import at_once, claim_list, word
sys.stdin.readline()
journal = Journal(open_store(Path(sys.argv[1]), SystemClock()), Identity("api", "key"))
quote = Quote("qte_1", "list_1", "", "partial", 1, 1, 1, 2e9)
health = at_once(journal.health())
print(health.kept, word(at_once(claim_list(journal, quote, Limits(1, None)))))
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
        assert said == ["on_disk start", "on_disk wait", "on_disk wait", "on_disk wait"]


async def test_a_folder_that_numbers_its_files_anew_stops_nothing(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    number = 10**6
    really = held.id_of

    def renumbered(found: os.stat_result) -> tuple[int, int]:
        device, inode = really(found)
        return device, inode + number

    for module in (held, file):
        monkeypatch.setattr(module, "id_of", renumbered)
    assert word(await claim(journal)) == "start"
    await journal.close()


async def test_a_file_that_is_out_of_reach_for_a_moment_is_tried_again(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await SQLITE.open(tmp_path, clock).close()

    def busy(*args: object) -> None:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    def gone(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(store, "BUSY_TIMEOUT", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "connect", only_for_files(busy))
        journal = SQLITE.open(tmp_path, clock)
        patch.setattr(opening, "connect", only_for_files(gone))
        clock.now += TRY_AGAIN_AFTER
        assert error_in(await journal.health()) is not None
    clock.now += TRY_AGAIN_AFTER

    assert await journal.health() == Usable()
    await journal.close()


def only_for_files(fails: Callable[..., None]) -> Callable[..., sqlite3.Connection]:
    """Open databases in memory as ever, and fail for those on disk."""
    really = connection.connect

    def connect(path: Path | str, *args: Any, **options: Any) -> sqlite3.Connection:
        if path != ":memory:":
            fails()
        return really(path, *args, **options)

    return connect


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_a_journal_that_loses_one_of_its_files_stops_spending_and_forgets_nobody(
    tmp_path: Path, clock: HandClock, suffix: str
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    (tmp_path / f"{FILE_NAME}{suffix}").rename(tmp_path / "elsewhere")

    with pytest.raises(JournalUnusable, match="was removed or replaced") as caught:
        await claim(journal, "grace")
    assert (caught.value.code, caught.value.charged) == ("journal_unavailable", "no")
    assert word(await claim(journal)) == "replay"
    await journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("copy_is_older", [False, True])
async def test_a_journal_that_was_replaced_by_a_copy_stops_spending(
    tmp_path: Path, clock: HandClock, copy_is_older: bool
) -> None:
    journal = SQLITE.open(tmp_path, clock)
    if copy_is_older:
        wait_for_main_file(tmp_path)
        shutil.copy(tmp_path / FILE_NAME, tmp_path / "copy")
    await accept(journal, run_of(await claim(journal)))
    wait_for_main_file(tmp_path)
    if not copy_is_older:
        shutil.copy(tmp_path / FILE_NAME, tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / FILE_NAME)

    with pytest.raises(JournalUnusable, match="was removed or replaced"):
        await claim(journal, "grace")
    await journal.close()

    after = SQLITE.open(tmp_path, clock)
    if copy_is_older:
        with pytest.raises(JournalUnusable, match="lacks entries"):
            await claim(after)
    else:
        assert word(await claim(after)) == "replay"
    await after.close()


def wait_for_main_file(folder: Path) -> None:
    """Wait until nothing lies in the side file alone."""
    side = folder / f"{FILE_NAME}-wal"
    give_up_at = time.monotonic() + 10
    while side.stat().st_size:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


async def test_what_was_written_lies_in_the_main_file_soon_after(tmp_path: Path, clock: HandClock) -> None:
    journal = SQLITE.open(tmp_path, clock)
    await accept(journal, run_of(await claim(journal)))
    wait_for_main_file(tmp_path)
    (tmp_path / "copies").mkdir()
    shutil.copy(tmp_path / FILE_NAME, tmp_path / "copies" / FILE_NAME)
    await journal.close()

    copy = SQLITE.open(tmp_path / "copies", clock)
    assert word(await claim(copy)) == "replay"
    await copy.close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_a_link_in_place_of_the_journal_is_not_followed(tmp_path: Path, clock: HandClock) -> None:
    target = tmp_path / "mine"
    target.write_bytes(b"")
    target.chmod(0o644)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE_NAME).symlink_to(target)

    journal = SQLITE.open(tmp_path / "state", clock)

    with pytest.raises(JournalUnusable, match="a link or a folder"):
        await claim(journal)
    await journal.close()
    assert target.read_bytes() == b""
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize(
    ("mode", "warns"), [(0o777, True), (0o720, True), (0o702, True), (0o755, False), (0o700, False)]
)
async def test_a_folder_that_others_can_write_to_is_warned_about_and_no_other(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)

    await SQLITE.open(tmp_path / "state", clock).close()

    assert ("Other users of this machine can write to the state folder" in caplog.text) == warns


async def test_a_server_without_a_journal_stops_spending_once_another_has_made_one(
    tmp_path: Path, clock: HandClock
) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file where the folder should be")
    journal = SQLITE.open(folder, clock)
    assert word(await claim(journal)) == "start"
    folder.unlink()
    other = SQLITE.open(folder, clock)

    with pytest.raises(JournalUnusable, match="has appeared"):
        await claim(journal, "grace")
    await journal.close()
    await other.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("report", "{bad"),
        ("started_at", "yesterday"),
        ("reserved", -5),
        ("state", "finishes"),
        ("marks", "[1, 2]"),
        ("label", "another"),
        ("scope", "everything"),
        ("charged", 0),
    ],
)
async def test_a_row_that_is_not_as_it_was_written_is_an_uncertain_run(
    journal: Journal, clock: HandClock, column: str, value: object
) -> None:
    await accept(journal, run_of(await claim(journal)))
    await finish(journal, "enrich-1", charged=1)
    database_of(journal).execute(f"UPDATE runs SET {column} = ?", (value,))  # noqa: S608 - the column is ours

    decision = await claim(journal)
    assert word(decision) == "unknown"
    assert run_of(decision).state == "uncertain"
    assert [run.state for run in await journal.recent(5)] == ["uncertain"]
    clock.now += UNCERTAIN_HOLD
    assert word(await claim(journal)) == "unknown"
    assert word(await claim(journal, again=True)) == "start"


async def test_the_key_of_the_digests_is_held_by_a_checksum(tmp_path: Path, clock: HandClock) -> None:
    journal = SQLITE.open(tmp_path, clock)
    database_of(journal).execute("UPDATE secret SET value = zeroblob(32)")
    await journal.close()

    after = SQLITE.open(tmp_path, clock)
    with pytest.raises(JournalUnusable, match="is damaged"):
        await claim(after)
    await after.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_a_journal_that_others_could_read_is_closed_to_them_again(
    tmp_path: Path, clock: HandClock
) -> None:
    await SQLITE.open(tmp_path, clock).close()
    (tmp_path / FILE_NAME).chmod(0o644)

    await SQLITE.open(tmp_path, clock).close()

    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("value", ["many", -5, 1e300, b"\xff"])
@pytest.mark.parametrize("column", ["amount", "unsettled", "kind"])
async def test_sums_that_are_damaged_are_still_whole_amounts(
    journal: Journal, column: str, value: object
) -> None:
    await claim(journal)
    database_of(journal).execute(f"UPDATE spending SET {column} = ?", (value,))  # noqa: S608 - the column is ours
    spent = await journal.spent()

    assert all(isinstance(amount, int) and amount >= 0 for amount in vars(spent).values())


async def test_a_quote_that_is_not_as_it_was_written_is_unknown(journal: Journal, clock: HandClock) -> None:
    await journal.remember_quote(quote_for(clock))
    SQLITE.run_sql(journal, "UPDATE quotes SET cost = 1")
    assert await journal.quote("qte_1") is None


async def test_the_first_run_with_another_key_is_told_from_the_first_of_all(
    tmp_path: Path, clock: HandClock
) -> None:
    one, other = (SQLITE.open(tmp_path, clock, f"clapi_{name}") for name in "ab")
    firsts = [await claim(one), await claim(other), await claim(other, "grace")]

    assert [isinstance(first, Start) and first.first_of_key for first in firsts] == [False, True, False]
    await one.close()
    await other.close()
