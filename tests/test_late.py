"""Outcomes that could not be written at once: who writes them in the end, and who waits for that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
from pydantic import SecretStr

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import NOT_YET, LateWrites
from cleanlist_mcp.journal.port import Store, Writer
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from tests.journals import SQLITE, HandClock, accept, claim, run_of


class HeldStore:
    """A store that fails, or holds a write until it is let go; a write that is cancelled takes a moment to end."""

    def __init__(self) -> None:
        self.fails = True
        self.begun = anyio.Event()
        self.go_on = anyio.Event()

    @asynccontextmanager
    async def record(self, *, last_try: bool = False) -> AsyncIterator[Writer]:
        if self.fails:
            raise JournalUnusable("Locked.", "Wait.")
        self.begun.set()
        try:
            await self.go_on.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.go_on.wait()
            raise
        yield cast(Writer, self)


async def test_the_last_try_waits_for_one_that_is_being_cancelled_and_writes_what_is_left() -> None:
    store, written = HeldStore(), []
    late = LateWrites(cast(Store, store))

    async def change(writer: Writer) -> int:
        written.append("outcome")
        return 1

    assert await late.write(change) == NOT_YET
    assert late.owes
    store.fails = False
    with anyio.fail_after(10):
        async with anyio.create_task_group() as ending, anyio.create_task_group() as tasks:
            tasks.start_soon(late.catch_up)
            await store.begun.wait()
            tasks.cancel_scope.cancel()
            ending.start_soon(lambda: late.catch_up(last_try=True))
            ending.start_soon(_let_go, store)
    assert written == ["outcome"]
    assert not late.owes


async def _let_go(store: HeldStore) -> None:
    await anyio.wait_all_tasks_blocked()
    store.go_on.set()


async def test_who_only_looks_does_not_wait_for_a_try_that_is_under_way() -> None:
    store = HeldStore()
    late = LateWrites(cast(Store, store))

    async def change(writer: Writer) -> int:
        return 1

    await late.write(change)
    store.fails = False
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(late.catch_up)
            await store.begun.wait()
            await late.catch_up()
            assert await late.write(change) == NOT_YET, "it follows what waits"
            store.go_on.set()
    assert not late.owes


async def test_services_are_busy_until_what_they_owe_the_journal_is_written(tmp_path: Path) -> None:
    settings = Settings(api_key=SecretStr("clapi_late"), base_url="http://api.example", state_dir=tmp_path)
    found: Run | None = None
    async with anyio.create_task_group() as tasks:
        services = Services(settings, cast(Any, HandClock()), tasks, None)
        await services.catch_up()
        assert not services.busy
        run = run_of(await claim(services.journal))
        SQLITE.break_writes(services.journal)
        await accept(services.journal, run)
        await services.catch_up()
        assert services.busy
        SQLITE.break_writes(services.journal, broken=False)
        await services.clock.sleep(60)
        await services.catch_up()
        assert not services.busy
        found = await services.journal.run(run.run_id)
        await services.aclose()
    assert found is not None and found.workflow_id == "enrich-1"
