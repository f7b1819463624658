"""The wall clock of the machine jumps, forward or back, while servers run: the money holds.

Only the time of day is patched, in the servers' processes: `time.time` adds what stands in a file. Clocks that count
since the machine was started go on as they do.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests import hostile_faults as faults
from tests.hostile_api import HostileApi
from tests.paid_journals import Ledger, assert_not_paid_again, run_of
from tests.server_processes import Process, Said, process
from tests.test_stdio import posix

pytestmark = [pytest.mark.long, posix]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FORWARD = {"15 minutes": 15 * MINUTE, "25 hours": 25 * HOUR, "100 days": 100 * DAY}
BACK = {"an hour back": -HOUR, "two days back": -2 * DAY}

PATCH = """
import os, time
try:
    import without_epoll  # if it is there, its own sitecustomize.py is hidden by this one
except ImportError:
    pass
real = time.time
def shifted():
    with open(os.environ["CLOCK_JUMPS"]) as file:
        return real() + float(file.read())
time.time = shifted
time.time_ns = lambda: int(shifted() * 1e9)
"""

KIM: dict[str, Any] = {"email": "kim@fable.example", "scope": "full", "wait_seconds": 0}
LIST = "Prospects"


@pytest.fixture
def api() -> Iterator[HostileApi]:
    with HostileApi() as serving:
        serving.account.list_seconds = HOUR
        serving.account.add_list(LIST)
        yield serving


class Machine:
    """A machine whose wall clock a test sets, with a state folder and servers."""

    def __init__(self, place: Path, api: HostileApi) -> None:
        self._api = api
        self._folder = place / "state"
        self._offset = place / "offset"
        self._code = place / "code"
        self._code.mkdir()
        (self._code / "sitecustomize.py").write_text(PATCH)
        self.jump(0)

    def jump(self, seconds: float) -> None:
        """Set the wall clock to so many seconds after the real time."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._offset)

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Process]:
        code = os.pathsep.join(filter(None, [str(self._code), os.environ.get("PYTHONPATH")]))
        clock = {"PYTHONPATH": code, "CLOCK_JUMPS": str(self._offset)}
        async with process(self._folder, self._api, clock) as started:
            yield started


@pytest.fixture
def machine(tmp_path: Path, api: HostileApi) -> Machine:
    return Machine(tmp_path, api)


async def lose_an_answer(api: HostileApi, server: Process, tool: str, **arguments: Any) -> None:
    """Make a paid call that is carried out and whose answer does not arrive, as often as it is sent."""
    path = "/enrichment/person" if tool == "enrich_person" else "/enrichment/bulk"
    api.next(f"POST {path}", faults.RESET_AFTER, faults.RESET_AFTER)
    said = await server.call(tool, **arguments)
    api.forget_faults()
    assert (said.code, said.charged) == ("outcome_unknown", "unknown")


def assert_unknown(said: Said, ledger: Ledger) -> None:
    assert ledger.started == [], said
    assert (said.code, said.charged) == ("outcome_unknown", "unknown"), said


async def quote(server: Process) -> dict[str, Any]:
    """Return the arguments that spend a new quote."""
    quoted = await server.call("estimate", list_id=LIST)
    return {name: quoted.data[name] for name in ("list_id", "scope", "quote_id")} | {"wait_seconds": 0}


async def spend_another_quote(server: Process) -> Said | None:
    """Spend a new quote of the list, if one is given."""
    quoted = await server.call("estimate", list_id=LIST)
    if "quote_id" not in quoted.data:
        return None
    spent = {name: quoted.data[name] for name in ("list_id", "scope", "quote_id")}
    return await server.call("enrich_list", **spent, wait_seconds=0)


async def test_the_servers_clock_is_the_one_that_is_set(machine: Machine, api: HostileApi) -> None:
    machine.jump(100 * DAY)
    async with machine.server() as one:
        run_of(await one.call("enrich_person", **KIM))
        newest = await one.call("workflow_status", wait_seconds=0)

    started = time.strptime(newest.data["started_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(started) - time.timezone - time.time() - 100 * DAY) < DAY


@pytest.mark.parametrize("seconds", FORWARD.values(), ids=FORWARD)
async def test_a_start_with_the_clock_ahead_forgets_nobody(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        paid = run_of(await one.call("enrich_person", **KIM))
    machine.jump(seconds)
    async with machine.server() as ahead:
        assert (await ahead.call("credits_balance")).data
        assert (await ahead.call("estimate", list_id=LIST)).data
    machine.jump(0)
    async with machine.server() as other:
        ledger = Ledger(api)
        assert_not_paid_again(await other.call("enrich_person", **KIM), paid, ledger)
        assert_not_paid_again(await other.call("enrich_person", **KIM), paid, ledger)


@pytest.mark.parametrize("seconds", FORWARD.values(), ids=FORWARD)
async def test_an_estimate_with_the_clock_ahead_forgets_nobody(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        paid = run_of(await one.call("enrich_person", **KIM))
        machine.jump(seconds)
        for _ in range(2):
            await one.call("estimate", list_id=LIST)
        await one.call("enrich_person", email="lou@fable.example", wait_seconds=0)
        machine.jump(0)
        ledger = Ledger(api)
        assert_not_paid_again(await one.call("enrich_person", **KIM), paid, ledger)
    async with machine.server() as other:
        assert_not_paid_again(await other.call("enrich_person", **KIM), paid, ledger)


@pytest.mark.parametrize("seconds", BACK.values(), ids=BACK)
async def test_a_clock_that_is_set_back_lets_nobody_be_paid_again(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        paid = run_of(await one.call("enrich_person", **KIM))
        machine.jump(seconds)
        ledger = Ledger(api)
        assert_not_paid_again(await one.call("enrich_person", **KIM), paid, ledger)
        async with machine.server() as other:
            assert_not_paid_again(await other.call("enrich_person", **KIM), paid, ledger)


@pytest.mark.parametrize("seconds", (FORWARD | BACK).values(), ids=FORWARD | BACK)
async def test_a_jump_while_a_list_run_is_being_started_starts_no_second_one(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one, machine.server() as other:
        spent = await quote(one)
        api.next("POST /enrichment/bulk", faults.late(1.5))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: one.call("enrich_list", **spent))
            with anyio.fail_after(20):
                while not api.posts("/enrichment/bulk"):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            machine.jump(seconds)
            await spend_another_quote(other)
            machine.jump(0)
        await spend_another_quote(other)

    assert [run.quote_id for run in api.account.runs] == [spent["quote_id"]]


@pytest.mark.parametrize("seconds", (FORWARD | BACK).values(), ids=FORWARD | BACK)
async def test_a_jump_while_a_list_run_goes_on_starts_no_second_one(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        run = run_of(await one.call("enrich_list", **await quote(one)))
        machine.jump(seconds)
        await spend_another_quote(one)
        async with machine.server() as other:
            await spend_another_quote(other)
            machine.jump(0)
            await spend_another_quote(other)

    assert [started.workflow_id for started in api.account.runs] == [run]


@pytest.mark.parametrize("seconds", (FORWARD | BACK).values(), ids=FORWARD | BACK)
async def test_a_jump_does_not_end_the_quarter_hour_of_an_uncertain_person(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        await lose_an_answer(api, one, "enrich_person", **KIM)
        ledger = Ledger(api)
        machine.jump(seconds)
        for again in (True, False):
            assert_unknown(await one.call("enrich_person", **KIM, again=again), ledger)
        async with machine.server() as other:
            for again in (True, False):
                assert_unknown(await other.call("enrich_person", **KIM, again=again), ledger)
            machine.jump(0)
            assert_unknown(await other.call("enrich_person", **KIM, again=True), ledger)


@pytest.mark.parametrize("seconds", (FORWARD | BACK).values(), ids=FORWARD | BACK)
async def test_a_jump_does_not_end_the_quarter_hour_of_an_uncertain_list(
    machine: Machine, api: HostileApi, seconds: float
) -> None:
    async with machine.server() as one:
        await lose_an_answer(api, one, "enrich_list", **await quote(one))
        ledger = Ledger(api)
        machine.jump(seconds)
        await spend_another_quote(one)
        async with machine.server() as other:
            await spend_another_quote(other)

    assert ledger.started == []


async def test_a_killed_servers_request_stays_uncertain_through_a_jump(
    machine: Machine, api: HostileApi
) -> None:
    async with machine.server() as one:
        api.next("POST /enrichment/person", faults.late(5))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: one.call("enrich_person", **KIM))
            with anyio.fail_after(20):
                while not api.posts("/enrichment/person"):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            await one.kill()
    ledger = Ledger(api)
    machine.jump(25 * HOUR)
    async with machine.server() as other:
        assert_unknown(await other.call("enrich_person", **KIM, again=True), ledger)
        assert_unknown(await other.call("enrich_person", **KIM), ledger)
