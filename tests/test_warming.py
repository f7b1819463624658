"""Loading ahead: what the first call needs is loaded while nobody waits."""

import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.server import warming
from cleanlist_mcp.server.build import make_tools
from cleanlist_mcp.server.warming import Quiet, warm_up
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings

PATIENCE = 30.0
OPENING = {"client", "store", "journal", "_ledger", "budget"}
"""Parts of the services that open files."""


@pytest.fixture(autouse=True)
def quiet_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(warming, "LONG_QUIET_SECONDS", 0.01)


@asynccontextmanager
async def services(folder: Path) -> AsyncIterator[Services]:
    settings = Settings(state_dir=folder, base_url="http://127.0.0.1:1", api_key="clapi_made_up")
    async with anyio.create_task_group() as tasks:
        made = Services(settings, SystemClock(), tasks, None)
        yield made
        await made.aclose()


def answered() -> Quiet:
    quiet = Quiet()
    with quiet.broken():
        pass
    return quiet


async def test_a_connection_without_a_request_is_not_quiet_but_new() -> None:
    with anyio.move_on_after(0.1) as waiting:
        await Quiet().wait(0.01)

    assert waiting.cancelled_caught


async def test_it_is_quiet_once_all_requests_are_answered() -> None:
    quiet = answered()
    seen: list[str] = []

    async def waits() -> None:
        await quiet.wait(0.01)
        seen.append("quiet")

    with anyio.fail_after(PATIENCE), quiet.broken():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits)
            with anyio.move_on_after(0.1):
                await anyio.sleep_forever()
            assert seen == []
            tasks.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE):
        await waits()
    assert seen == ["quiet"]


async def test_it_makes_the_pool_for_reads_and_no_file(tmp_path: Path) -> None:
    async with services(tmp_path) as made:
        with anyio.fail_after(PATIENCE):
            await warm_up(made, answered(), make_tools(Settings())[:2])

        assert vars(made).keys() & OPENING == set()
        assert made.connections.is_open(keeps=True)
        assert not made.connections.is_open(keeps=False)
        assert os.listdir(tmp_path) == []
    assert {"httpx", "sqlite3", "cleanlist_mcp.server.tools.account"} <= sys.modules.keys()


async def used(folder: Path) -> None:
    """Leave the files of an earlier server."""
    async with services(folder) as made:
        await made.journal.health()
        await made.budget.admit("call")


async def test_files_that_are_there_are_opened_ahead(tmp_path: Path) -> None:
    await used(tmp_path)
    async with services(tmp_path) as made:
        with anyio.fail_after(PATIENCE):
            await warm_up(made, answered(), ())

        assert {"store", "budget"} <= vars(made).keys()
        assert (await made.journal.health()).kept == "on_disk"


async def test_files_wait_for_a_longer_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "LONG_QUIET_SECONDS", 3600.0)
    await used(tmp_path)
    async with services(tmp_path) as made, anyio.create_task_group() as tasks:
        tasks.start_soon(warm_up, made, answered(), ())
        with anyio.fail_after(PATIENCE):
            while "connections" not in vars(made) or not made.connections.is_open(keeps=True):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert vars(made).keys() & OPENING == set()
        tasks.cancel_scope.cancel()


async def test_a_file_that_another_process_holds_is_left_to_the_call_that_needs_it(tmp_path: Path) -> None:
    await used(tmp_path)
    holding = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    holding.execute("PRAGMA locking_mode = EXCLUSIVE")
    holding.execute("BEGIN EXCLUSIVE")
    try:
        async with services(tmp_path) as made:
            with anyio.fail_after(PATIENCE):
                await warm_up(made, answered(), ())
            assert "store" not in vars(made)
            holding.execute("ROLLBACK")
            holding.close()
            assert (await made.journal.health()).kept == "on_disk"
    finally:
        holding.close()


async def test_what_cannot_be_loaded_is_left_to_the_call_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warming, "FOREIGN", ("no_such_module",))
    monkeypatch.setattr(warming, "OURS", ("journal.no_such_part",))
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://a proxy")
    caplog.set_level("INFO")

    async with services(tmp_path) as made:
        made.settings = Settings(base_url="https://api.fable.example", api_key="clapi_made_up")
        with anyio.fail_after(PATIENCE):
            await warm_up(made, answered(), ())

    assert [record.levelname for record in caplog.records] == ["INFO"] * 3
    assert "nonsense" not in caplog.text
