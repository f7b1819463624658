"""Limits that count only the seconds this process was awake."""

import time

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

from cleanlist_mcp import awake
from cleanlist_mcp.awake import TookTooLong, within

SLICE = 0.05


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "SLICE", SLICE)


async def test_what_the_work_returns_or_raises_comes_out_as_it_is() -> None:
    async def work() -> str:
        await anyio.lowlevel.checkpoint()
        return "done"

    async def failing() -> None:
        raise LookupError("as it is")

    assert await within(5, work) == "done"
    with pytest.raises(LookupError, match="as it is"):
        await within(5, failing)


async def test_work_that_never_ends_is_cancelled_after_its_seconds() -> None:
    ended = []

    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(anyio.current_time())

    began = anyio.current_time()
    with anyio.fail_after(30), pytest.raises(TookTooLong):
        await within(0.2, endless)

    assert ended[0] - began >= 0.2


async def test_cancelling_from_outside_is_not_taken_for_the_limit() -> None:
    with anyio.CancelScope() as outer:

        async def work() -> None:
            outer.cancel()
            await anyio.sleep_forever()

        await within(30, work)

    assert outer.cancelled_caught


@pytest.mark.parametrize("limit", [SLICE / 5, SLICE, 2 * SLICE])
async def test_seconds_that_the_process_slept_through_are_not_counted(limit: float) -> None:
    async def work() -> str:
        await wait_all_tasks_blocked()
        time.sleep(limit + 3 * SLICE)  # noqa: ASYNC251  # nothing in this process goes on, as in a sleep
        for _ in range(20):
            await anyio.lowlevel.checkpoint()  # what came in meanwhile is read in several steps
        return "read"

    assert await within(limit, work) == "read"


async def test_a_sleep_lends_time_once_and_not_for_ever() -> None:
    async def work() -> None:
        await wait_all_tasks_blocked()
        time.sleep(3 * SLICE)  # noqa: ASYNC251
        await anyio.sleep_forever()

    with anyio.fail_after(30), pytest.raises(TookTooLong):
        await within(SLICE, work)
