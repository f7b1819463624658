"""Changes to the journal's files while nobody looks: it is removed, replaced, full, locked away or damaged.

Where a journal was, nothing is paid into a memory that forgets, and nobody is paid twice. Each test that takes a
process of its own is marked `long`.
"""

import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.hostile_api import HostileApi
from tests.paid_journals import (
    FILE_NAME,
    Ledger,
    PaidJournal,
    assert_not_paid_again,
    run_of,
    write_journal,
)
from tests.server_processes import SERVE, Caller, Said, in_process, process
from tests.test_stdio import posix

pytestmark = posix
long = pytest.mark.long
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of a running process are set as Linux does"
)


@pytest.fixture
def api() -> Iterator[HostileApi]:
    with HostileApi() as serving:
        yield serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def person(number: int) -> dict[str, Any]:
    """Return the arguments that pay one of many people."""
    return {"email": f"kim-{number}@fable.example", "scope": "full", "wait_seconds": 0}


async def pay(caller: Caller, *numbers: int) -> dict[int, str]:
    """Pay people who were not paid before; return their runs."""
    return {number: run_of(await ask_for(caller, number)) for number in numbers}


async def ask_for(caller: Caller, number: int) -> Said:
    return await caller.call("enrich_person", **person(number))


async def ask_for_all(caller: Caller, *numbers: int) -> list[Said]:
    return [await ask_for(caller, number) for number in numbers]


def assert_refused(said: Said) -> None:
    """Hold that the journal was named as the reason, and that nothing is said to be charged."""
    assert (said.code, said.charged) == ("journal_unavailable", "no"), said


def assert_nobody_twice(api: HostileApi) -> None:
    started = Counter(run.who for run in api.account.runs)
    assert [who for who, runs in started.items() if runs > 1] == []


async def assert_reading_goes_on(caller: Caller, run: str) -> None:
    """Hold that what only asks the API works, whatever became of the journal."""
    for tool in ("whoami", "credits_balance", "find_lists"):
        assert (await caller.call(tool)).data, tool
    looked = await caller.call("workflow_status", workflow_id=run, wait_seconds=0)
    assert looked.workflow_id == run, looked


async def assert_a_new_server_works(folder: Path, api: HostileApi, paid: dict[int, str]) -> None:
    """Hold that a server that starts now knows who was paid, and pays others."""
    async with in_process(folder, api) as caller:
        ledger = Ledger(api)
        for number, run in paid.items():
            said = await ask_for(caller, number)
            assert_not_paid_again(said, run, ledger)
            assert said.workflow_id == run, said
        await pay(caller, 900)


def run_command(*words: object) -> None:
    """Run a command of the system: copies made in this process would drop the locks of its own databases."""
    subprocess.run([str(word) for word in words], check=True)


# ---- side files


def _remove_side_files(folder: Path) -> None:
    for side in folder.glob(f"{FILE_NAME}-*"):
        side.unlink()


@long
async def test_nobody_is_paid_twice_after_side_files_were_removed_and_the_server_was_killed(
    folder: Path, api: HostileApi
) -> None:
    async with process(folder, api) as one:
        await pay(one, 0)
        _remove_side_files(folder)
        await ask_for_all(one, 1, 2, 3)
        await one.kill()
    async with in_process(folder, api) as other:
        await ask_for_all(other, 0, 1, 2, 3)

    assert_nobody_twice(api)


@long
async def test_nobody_is_paid_twice_by_another_server_after_side_files_were_removed(
    folder: Path, api: HostileApi
) -> None:
    async with process(folder, api) as one:
        await pay(one, 0)
        _remove_side_files(folder)
        await ask_for_all(one, 1)
        async with in_process(folder, api) as other:
            await ask_for_all(other, 0, 1, 2)
            await ask_for_all(one, 2, 0, 3)
            await ask_for_all(other, 3)

    assert_nobody_twice(api)


# ---- the journal is another file than it was


def _copy_over(folder: Path, older: Path) -> None:
    run_command("cp", "-p", folder / FILE_NAME, folder / "copy")
    run_command("mv", folder / "copy", folder / FILE_NAME)


def _rename_and_copy_back(folder: Path, older: Path) -> None:
    run_command("mv", folder, folder.with_name("elsewhere"))
    run_command("cp", "-a", folder.with_name("elsewhere"), folder)


def _move_older_file_over(folder: Path, older: Path) -> None:
    run_command("mv", older / FILE_NAME, folder / FILE_NAME)


def _move_older_files_over(folder: Path, older: Path) -> None:
    run_command("mv", *older.glob("*"), folder)


def _remove_file(folder: Path, older: Path) -> None:
    (folder / FILE_NAME).unlink()


def _rename_folder(folder: Path, older: Path) -> None:
    run_command("mv", folder, folder.with_name("elsewhere"))


def _remove_folder(folder: Path, older: Path) -> None:
    run_command("rm", "-r", folder)


def _replace_by_an_empty_file(folder: Path, older: Path) -> None:
    run_command("touch", folder / "empty")
    run_command("mv", folder / "empty", folder / FILE_NAME)


def _exchange_folders(folder: Path, older: Path) -> None:
    run_command("mv", folder, folder.with_name("elsewhere"))
    run_command("mv", older, folder)


Change = Callable[[Path, Path], None]
KEEPING: Sequence[Change] = (_copy_over, _rename_and_copy_back)
"""Changes that leave everything at its place, in other files."""

FORGETTING: Sequence[Change] = (
    *(_move_older_file_over, _move_older_files_over, _exchange_folders),
    *(_remove_file, _remove_folder, _rename_folder, _replace_by_an_empty_file),
)
"""Changes that take the newest entries away."""


@pytest.mark.parametrize("change", [*KEEPING, *FORGETTING])
async def test_a_running_server_spends_nothing_once_its_journal_is_another_file(
    folder: Path, api: HostileApi, change: Change
) -> None:
    async with in_process(folder, api) as one:
        paid = await pay(one, 0)
        run_command("cp", "-a", folder, folder.with_name("older"))
        paid |= await pay(one, 1)
        change(folder, folder.with_name("older"))
        ledger = Ledger(api)
        for number, run in paid.items():
            assert_not_paid_again(await ask_for(one, number), run, ledger)
        for said in await ask_for_all(one, 2, 3):
            assert_refused(said)
        assert ledger.started == []
        await assert_reading_goes_on(one, paid[0])

    if change is _replace_by_an_empty_file:  # the files beside it show that it held something
        async with in_process(folder, api) as other:
            assert_refused(await ask_for(other, 900))
        return
    known = paid if change in KEEPING else {}
    await assert_a_new_server_works(folder, api, known)


@pytest.mark.parametrize("change", [*KEEPING, *FORGETTING])
async def test_a_running_server_starts_no_list_once_its_journal_is_another_file(
    folder: Path, api: HostileApi, change: Change
) -> None:
    api.account.add_list("Prospects")
    async with in_process(folder, api) as one:
        await pay(one, 0)
        run_command("cp", "-a", folder, folder.with_name("older"))
        quote = await one.call("estimate", list_id="Prospects")
        change(folder, folder.with_name("older"))
        spent = {name: quote.data[name] for name in ("list_id", "scope", "quote_id")}
        said = await one.call("enrich_list", **spent, wait_seconds=0)

    assert_refused(said)
    assert api.posts("/enrichment/bulk") == 0


def _rewrite(files: Path, folder: Path) -> None:
    """Write the files of a copy over those of the folder, which stay the files that they are."""
    for path in files.glob("*"):
        run_command("cp", path, folder / path.name)


@long
async def test_files_rewritten_in_place_by_the_same_bytes_let_nobody_be_paid_twice(
    folder: Path, api: HostileApi
) -> None:
    async with process(folder, api) as one:
        paid = await pay(one, 0, 1)
        run_command("cp", "-a", folder, folder.with_name("copy"))
        _rewrite(folder.with_name("copy"), folder)
        await ask_for_all(one, 0, 1, 2)
        await one.kill()
    async with in_process(folder, api) as other:
        ledger = Ledger(api)
        for number, run in paid.items():
            assert_not_paid_again(await ask_for(other, number), run, ledger)
        await ask_for_all(other, 2)

    assert_nobody_twice(api)


@long
@pytest.mark.parametrize(
    "closed", [False, True], ids=["copied while it was open", "copied when it was closed"]
)
async def test_files_rewritten_in_place_by_older_ones_stop_the_running_server(
    folder: Path, api: HostileApi, closed: bool
) -> None:
    older = folder.with_name("older")
    if closed:
        async with in_process(folder, api) as before:
            await pay(before, 0)
        run_command("cp", "-a", folder, older)
    async with process(folder, api) as one:
        if not closed:
            await pay(one, 0)
            run_command("cp", "-a", folder, older)
        paid = await pay(one, 1)
        if closed:
            _remove_side_files(folder)
        _rewrite(older, folder)
        ledger = Ledger(api)
        assert_not_paid_again(await ask_for(one, 1), paid[1], ledger)
        assert_refused(await ask_for(one, 2))
        assert ledger.started == []

    await assert_a_new_server_works(folder, api, {})


# ---- links and open folders


def _a_file(place: Path) -> Path:
    place.write_bytes(b"somebody else's notes\n")
    place.chmod(0o644)
    return place


def _an_empty_file(place: Path) -> Path:
    place.touch(0o644)
    return place


def _another_journal(place: Path) -> Path:
    with closing(sqlite3.connect(place)) as database:
        database.execute("CREATE TABLE runs (run_id INTEGER)")
    place.chmod(0o644)
    return place


def plant(link: Path, target: Path) -> None:
    """Put a link into a state folder that is not there yet."""
    link.parent.mkdir(0o700)
    link.symlink_to(target)


def make_open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("make", [_a_file, _an_empty_file, _another_journal])
async def test_a_planted_link_is_not_followed(
    folder: Path, api: HostileApi, make: Callable[[Path], Path]
) -> None:
    target = make(folder.with_name("target"))
    before, mode = target.read_bytes(), target.stat().st_mode
    plant(folder / FILE_NAME, target)
    async with in_process(folder, api) as caller:
        said = await ask_for(caller, 0)
        assert (await caller.call("whoami")).data

    assert_refused(said)
    assert api.account.runs == []
    assert (target.read_bytes(), target.stat().st_mode) == (before, mode)


async def test_a_link_that_leads_nowhere_makes_no_file_there(folder: Path, api: HostileApi) -> None:
    target = folder.with_name("target")
    plant(folder / FILE_NAME, target)
    async with in_process(folder, api) as caller:
        said = await ask_for(caller, 0)

    assert_refused(said)
    assert not target.exists()


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
async def test_a_link_planted_as_a_side_file_is_not_written_through(
    folder: Path, api: HostileApi, ending: str
) -> None:
    target = _a_file(folder.with_name("target"))
    before = target.read_bytes()
    plant(folder / f"{FILE_NAME}{ending}", target)
    async with in_process(folder, api) as caller:
        await ask_for_all(caller, 0, 1)
    async with in_process(folder, api) as caller:
        await ask_for_all(caller, 0, 1)

    assert target.read_bytes() == before
    assert_nobody_twice(api)


@long
async def test_a_state_folder_that_others_can_write_is_warned_of(folder: Path, api: HostileApi) -> None:
    make_open_to_all(folder)
    async with process(folder, api) as one:
        await pay(one, 0)
        await one.kill()

    warnings = [line for line in one.log.splitlines() if "WARNING" in line]
    assert any(re.search("folder", line) for line in warnings), one.log


@long
async def test_a_state_folder_of_ones_own_is_not_warned_of(folder: Path, api: HostileApi) -> None:
    async with process(folder, api) as one:
        await pay(one, 0)
        await one.kill()

    # Settings that this version does not know are named too; the tests set those of several versions.
    assert [line for line in one.log.splitlines() if "is not a setting" not in line] == []


# ---- no room, no leave to write


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system with room for a journal and little else; only an administrator can make one."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=520k", "tmpfs", place], capture_output=True)  # noqa: S607
    if made.returncode:
        pytest.skip("no leave to mount a small file system")
    try:
        yield place
    finally:
        run_command("umount", "-l", place)


def fill(disk: Path) -> Path:
    """Use up all the room, and return the file that holds it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 512, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


def remount(disk: Path, how: str) -> None:
    run_command("mount", "-o", f"remount,{how}", disk)


async def test_a_full_disk_at_the_start_pays_nobody_twice(tmp_path: Path, api: HostileApi) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        async with in_process(folder, api) as caller:
            await pay(caller, 0)
        filler = fill(disk)
        for _ in range(2):
            async with in_process(folder, api) as caller:
                await ask_for_all(caller, 0, 1, 2)
                assert (await caller.call("whoami")).data
        filler.unlink()
        async with in_process(folder, api) as caller:
            await ask_for_all(caller, 0, 1, 2)

    assert_nobody_twice(api)


async def test_a_disk_that_fills_up_while_the_server_runs_lets_nobody_be_paid_twice(
    tmp_path: Path, api: HostileApi
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        async with in_process(folder, api) as caller:
            await pay(caller, 0)
            filler = fill(disk)
            # Emptying the log of the database can make room for one more entry: not each of them is refused.
            refused = [one for one in await ask_for_all(caller, *range(1, 80)) if one.code]
            assert refused
            for one in refused:
                assert_refused(one)
            async with in_process(folder, api) as other:
                await ask_for_all(other, *range(80))
            filler.unlink()
        async with in_process(folder, api) as caller:
            await ask_for_all(caller, *range(80))

    assert_nobody_twice(api)


@long
async def test_a_server_killed_on_a_full_disk_lets_nobody_be_paid_twice(
    tmp_path: Path, api: HostileApi
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        async with process(folder, api) as one:
            await pay(one, 0)
            filler = fill(disk)
            await ask_for_all(one, *range(1, 40))
            await one.kill()
        async with in_process(folder, api) as other:
            await ask_for_all(other, *range(40))
        filler.unlink()
        async with in_process(folder, api) as other:
            await ask_for_all(other, *range(40))

    assert_nobody_twice(api)


async def test_a_journal_that_cannot_be_written_any_more_pays_nothing(
    tmp_path: Path, api: HostileApi
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        async with in_process(folder, api) as caller:
            paid = await pay(caller, 0)
        remount(disk, "ro")
        async with in_process(folder, api) as caller:
            ledger = Ledger(api)
            assert_not_paid_again(await ask_for(caller, 0), paid[0], ledger)
            assert_refused(await ask_for(caller, 1))
            assert ledger.started == []
            await assert_reading_goes_on(caller, paid[0])
        remount(disk, "rw")
        await assert_a_new_server_works(folder, api, paid)


@long
async def test_a_server_that_found_its_journal_locked_away_pays_once_it_is_free(
    tmp_path: Path, api: HostileApi
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        async with in_process(folder, api) as caller:
            paid = await pay(caller, 0)
        remount(disk, "ro")
        async with in_process(folder, api) as caller:
            assert_refused(await ask_for(caller, 1))
            remount(disk, "rw")
            said = await once_it_pays(caller, 1)
            assert run_of(said)
            ledger = Ledger(api)
            assert_not_paid_again(await ask_for(caller, 0), paid[0], ledger)
        await assert_a_new_server_works(folder, api, paid | {1: said.workflow_id})


async def once_it_pays(caller: Caller, number: int) -> Said:
    """Ask for a person until the journal is not the reason for a refusal any more, half a minute at most."""
    with anyio.fail_after(30):
        while True:
            said = await ask_for(caller, number)
            if said.code != "journal_unavailable":
                return said
            await anyio.sleep(0.5)


async def test_a_full_disk_on_which_there_never_was_a_journal_is_stood_in_for_by_memory(
    tmp_path: Path, api: HostileApi
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = disk / "state"
        folder.mkdir(0o700)
        fill(disk)
        await assert_memory_stands_in(folder, api)


async def test_where_no_folder_can_be_made_memory_stands_in(tmp_path: Path, api: HostileApi) -> None:
    await assert_memory_stands_in(_a_file(tmp_path / "file") / "state", api)


async def assert_memory_stands_in(folder: Path, api: HostileApi) -> None:
    """Hold that a server pays, says that it forgets, and pays the same person once as long as it lives."""
    async with in_process(folder, api) as caller:
        paid = await pay(caller, 0)
        ledger = Ledger(api)
        assert_not_paid_again(await ask_for(caller, 0), paid[0], ledger)
        told = (await caller.call("whoami")).data

    assert told.get("remembers_runs", told.get("journal")) in ("until_restart", "memory")


@long
async def test_memory_that_stands_in_is_told_on_stderr(tmp_path: Path, api: HostileApi) -> None:
    async with process(_a_file(tmp_path / "file") / "state", api) as one:
        await pay(one, 0)
        await one.kill()

    assert "WARNING" in one.log
    assert "memory" in one.log


# ---- limits of a process


def limited(name: str, most: int) -> str:
    """Return the code of a server that is begun under a limit."""
    return f"import resource; resource.setrlimit(resource.{name}, ({most}, {most})); {SERVE}"


async def ask_under_a_limit(folder: Path, api: HostileApi, code: str, *numbers: int) -> None:
    """Let a limited server try to pay, and kill it. One that is too limited to start cannot spend either."""
    with suppress(ExceptionGroup):
        async with process(folder, api, code=code) as one:
            await ask_for_all(one, *numbers)
            await one.kill()


@long
@linux
@pytest.mark.parametrize("most", [0, 4096, 8192, 24_576, 32_768, 40_000, 65_536])
async def test_files_that_may_not_grow_let_nobody_be_paid_twice(
    folder: Path, api: HostileApi, most: int
) -> None:
    async with in_process(folder, api) as caller:
        await pay(caller, 0)
    await ask_under_a_limit(folder, api, limited("RLIMIT_FSIZE", most), *range(12))
    async with in_process(folder, api) as caller:
        await ask_for_all(caller, *range(12))

    assert_nobody_twice(api)


@long
@linux
@pytest.mark.parametrize("most", range(7, 19))
async def test_too_few_open_files_let_nobody_be_paid_twice(folder: Path, api: HostileApi, most: int) -> None:
    async with in_process(folder, api) as caller:
        await pay(caller, 0)
    await ask_under_a_limit(folder, api, limited("RLIMIT_NOFILE", most), 0, 1, 2)
    async with in_process(folder, api) as caller:
        await ask_for_all(caller, 0, 1, 2)

    assert_nobody_twice(api)


@long
@linux
@pytest.mark.parametrize(
    ("name", "most"), [("RLIMIT_FSIZE", 0), ("RLIMIT_FSIZE", 16_384), ("RLIMIT_NOFILE", 6)]
)
async def test_a_limit_set_on_a_running_server_lets_nobody_be_paid_twice(
    folder: Path, api: HostileApi, name: str, most: int
) -> None:
    resource = pytest.importorskip("resource")
    async with process(folder, api) as one:
        await pay(one, 0)
        resource.prlimit(one.pid, getattr(resource, name), (most, most))
        await ask_for_all(one, *range(12))
        await one.kill()
    async with in_process(folder, api) as other:
        await ask_for_all(other, *range(12))

    assert_nobody_twice(api)


# ---- damage inside


async def damaged(folder: Path, api: HostileApi, *statements: str, people: int = 3) -> PaidJournal:
    """Let a server write a journal, and change it by hand."""
    journal = await write_journal(folder, api, people=people, lists=1, imports=1)
    change_by_hand(folder, *statements)
    return journal


def change_by_hand(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


FIRST_RUN = "run_id = (SELECT MIN(run_id) FROM runs)"


@pytest.mark.parametrize(
    "change",
    [
        "report = '{bad'",
        "status = x'fffe'",
        "charged = 'much'",
        "started_at = 'yesterday'",
        "reserved = x'00'",
        "label = 5",
        "state = 'paid'",
    ],
)
async def test_a_damaged_row_is_an_uncertain_run_and_stops_nothing_else(
    folder: Path, api: HostileApi, change: str
) -> None:
    journal = await damaged(folder, api, f"UPDATE runs SET {change} WHERE {FIRST_RUN}")  # noqa: S608
    async with in_process(folder, api) as caller:
        ledger = Ledger(api)
        for again in (False, True):
            said = await caller.call("enrich_person", **journal.people[0][0], again=again)
            assert (said.code, said.charged) == ("outcome_unknown", "unknown"), said
        for arguments, run in journal.people[1:]:
            assert_not_paid_again(await caller.call("enrich_person", **arguments), run, ledger)
        newest = await caller.call("workflow_status", wait_seconds=0)
        shown = [newest.data, *newest.data.get("recent", [])]
        assert "unknown" in [entry.get("status") for entry in shown]
        assert (await caller.call("estimate", list_id=journal.lists[0][0]["list_id"])).data
        await assert_reading_goes_on(caller, journal.people[1][1])
        await pay(caller, 900)


async def test_a_damaged_row_of_a_list_run_is_an_uncertain_run(folder: Path, api: HostileApi) -> None:
    journal = await damaged(folder, api, "UPDATE runs SET report = '{bad' WHERE kind = 'list'")
    spent, run = journal.lists[0]
    async with in_process(folder, api) as caller:
        ledger = Ledger(api)
        said = await caller.call("enrich_list", **spent, wait_seconds=0)
        assert said.workflow_id == run or said.charged == "unknown", said
        quote = await caller.call("estimate", list_id=spent["list_id"], scope=spent["scope"])
        assert quote.code != "internal_error", quote
        if quote_id := quote.data.get("quote_id"):
            await caller.call("enrich_list", **spent | {"quote_id": quote_id}, wait_seconds=0)

    assert ledger.started == []


def columns_of(folder: Path) -> list[tuple[str, str]]:
    """Return the tables of a journal with their columns."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, row[1])
            for table in tables
            if not table.startswith("sqlite_")
            for row in database.execute(f"PRAGMA table_info({table})")
        ]


@long
@pytest.mark.parametrize("value", ["'{bad'", "x'fffe00'", "-7", "1e300", "''"])
async def test_no_value_in_any_column_lets_somebody_be_paid_again_or_brings_a_tool_down(
    folder: Path, api: HostileApi, value: str
) -> None:
    journal = await write_journal(folder, api, people=3, lists=1, imports=1)
    wrong = []
    for table, column in columns_of(folder):
        place = journal.copy(folder.with_name(f"{table}-{column}"))
        with suppress(sqlite3.IntegrityError):  # two rows that have to differ cannot both have it
            change_by_hand(place, f"UPDATE OR IGNORE {table} SET {column} = {value}")  # noqa: S608
        async with in_process(place, api) as caller:
            ledger = Ledger(api)
            said = [await caller.call("enrich_person", **arguments) for arguments, _ in journal.people]
            said.append(await caller.call("enrich_list", **journal.lists[0][0], wait_seconds=0))
            said += [await caller.call(tool) for tool in ("whoami", "credits_balance")]
            said.append(await caller.call("workflow_status", wait_seconds=0))
        down = {one.tool for one in said if one.code == "internal_error"}
        down |= {one.tool for one in said[-3:-1] if one.error}
        if ledger.started or down:
            wrong.append(f"{table}.{column} = {value}: paid again {ledger.started}, down {sorted(down)}")

    assert not wrong, "\n".join(wrong)


def _schema_change(change: str, where: str) -> tuple[str, ...]:
    return (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET {change} WHERE {where}",  # noqa: S608
    )


SCHEMAS = {
    "a column of the runs renamed": _schema_change(
        "sql = replace(sql, 'started_at', 'started_xx')", "name = 'runs'"
    ),
    "every column of that name renamed": _schema_change("sql = replace(sql, 'account', 'accxunt')", "1"),
    "the secret's column renamed": _schema_change("sql = replace(sql, 'value', 'valve')", "name = 'secret'"),
    "the runs' table renamed": _schema_change("name = 'rvns', tbl_name = 'rvns'", "name = 'runs'"),
    "a statement that is none": _schema_change("sql = 'CREATE TABLE'", "name = 'runs'"),
    "a text that is none": _schema_change("sql = CAST(x'43524541544520fffe' AS TEXT)", "name = 'runs'"),
    "a root page of another table": _schema_change("rootpage = 2", "name = 'runs'"),
}


@pytest.mark.parametrize("statements", SCHEMAS.values(), ids=SCHEMAS)
async def test_a_damaged_schema_stops_spending_and_nothing_else(
    folder: Path, api: HostileApi, statements: Sequence[str]
) -> None:
    journal = await damaged(folder, api, *statements)
    await assert_spending_stops(journal)


async def assert_spending_stops(journal: PaidJournal) -> None:
    async with in_process(journal.folder, journal.api) as caller:
        ledger = Ledger(journal.api)
        for arguments, _ in journal.people:
            said = await caller.call("enrich_person", **arguments)
            assert said.code in ("journal_unavailable", "outcome_unknown"), said
        assert_refused(await ask_for(caller, 900))
        assert ledger.started == []
        await assert_reading_goes_on(caller, journal.people[0][1])
        newest = await caller.call("workflow_status", wait_seconds=0)
        assert newest.data or newest.code == "journal_unavailable", newest


def _a_text(content: bytes) -> bytes:
    return b"This is no database.\n" * 100


def _cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _no_header(content: bytes) -> bytes:
    return bytes(100) + content[100:]


def _a_page_of_zeros(content: bytes) -> bytes:
    return content[:4096] + bytes(4096) + content[8192:]


@pytest.mark.parametrize("change", [_a_text, _cut_in_half, _no_header, _a_page_of_zeros])
async def test_a_damaged_file_stops_spending_and_nothing_else(
    folder: Path, api: HostileApi, change: Callable[[bytes], bytes]
) -> None:
    journal = await write_journal(folder, api, people=8, lists=1, imports=1)
    path = folder / FILE_NAME
    path.write_bytes(change(path.read_bytes()))
    await assert_spending_stops(journal)
