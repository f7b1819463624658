"""The accounts of one process: who is kept, who leaves, and what a refused key costs. On a clock that never waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr

from cleanlist_mcp import accounts as room
from cleanlist_mcp.accounts import Account, Accounts, Caller
from cleanlist_mcp.errors import ApiUnavailable, RateLimited, Unauthorized
from tests.support import VirtualClock


class FakeServices:
    """The part of services that an account needs: an owner to ask for, whether they are busy, and an end."""

    def __init__(self, refuses: bool) -> None:
        self.refuses = refuses
        self.is_down = False
        self.busy = False
        self.asked = 0
        self.closed = False
        self.owes = False
        self.is_writable = True
        self.takes_long = False
        self.may_spend = True

    async def owner(self) -> None:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.is_down:
            raise ApiUnavailable("The API is down.", "Wait.")
        if self.refuses:
            raise Unauthorized("The API does not accept this API key.", "Check it.")

    def stop_spending(self) -> None:
        self.may_spend = False

    async def catch_up(self) -> None:
        if self.owes and self.is_writable:
            self.owes = self.busy = False

    async def aclose(self) -> None:
        if self.takes_long:
            await anyio.lowlevel.checkpoint()
        self.closed = True


class House:
    """Accounts over fake services; a key that ends in "no" is refused."""

    def __init__(self, clock: VirtualClock, tasks: Any) -> None:
        self.clock = clock
        self.made: list[FakeServices] = []
        self.accounts = Accounts(self._make, clock, tasks)

    def _make(self, caller: Caller) -> Any:
        self.made.append(FakeServices(caller.api_key.get_secret_value().endswith("no")))
        return self.made[-1]

    async def call(self, name: str, address: str = "192.0.2.1") -> Account:
        with self.accounts.call(Caller(SecretStr(f"clapi_{name}"))) as account:
            await self.accounts.admit(account, address)
            return account

    @property
    def asked(self) -> int:
        return sum(services.asked for services in self.made)


@asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        yield House(clock, tasks)
        tasks.cancel_scope.cancel()


async def test_an_account_is_made_once_and_asked_about_once() -> None:
    async with a_house() as house:
        first = await house.call("ada")
        assert await house.call("ada") is first
        assert (len(house.made), house.asked) == (1, 1)


async def test_calls_that_come_at_once_with_a_new_key_share_one_account_and_one_question() -> None:
    async with a_house() as house:
        async with anyio.create_task_group() as calls:
            for _ in range(20):
                calls.start_soon(house.call, "ada")
        assert (len(house.made), house.asked) == (1, 1)


async def test_a_refused_key_is_asked_about_again_after_a_minute_and_kept_by_nobody() -> None:
    async with a_house() as house:
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await house.call("no")
        assert (house.asked, len(house.accounts)) == (1, 0)
        await house.clock.sleep(room.REFUSED_SECONDS)
        with pytest.raises(Unauthorized):
            await house.call("no")
        assert house.asked == 2


async def test_an_api_that_is_down_refuses_nobody_and_makes_nobody_known() -> None:
    async with a_house() as house:
        with house.accounts.call(Caller(SecretStr("clapi_ada"))) as account:
            house.made[0].is_down = True
            await house.accounts.admit(account, "192.0.2.1")
        assert len(house.accounts) == 0


async def test_an_unknown_account_stays_as_long_as_something_of_it_is_in_flight() -> None:
    async with a_house() as house:
        with house.accounts.call(Caller(SecretStr("clapi_ada"))):
            house.made[0].busy = True
        assert len(house.accounts) == 1
        house.made[0].busy = False
        await house.clock.sleep(room.IDLE_SECONDS)
        house.accounts.sweep()
        assert len(house.accounts) == 0


async def test_the_least_recently_used_account_leaves_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ACCOUNTS", 3)
    async with a_house() as house:
        for name in ("a", "b", "c", "a", "d"):
            await house.call(name)
        await house.clock.sleep(1)
        assert [services.closed for services in house.made] == [False, True, False, False]


async def test_an_account_that_is_busy_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ACCOUNTS", 2)
    async with a_house() as house:
        await house.call("spends")
        house.made[0].busy = True
        with house.accounts.call(Caller(SecretStr("clapi_waits"))) as waiting:
            await house.accounts.admit(waiting, "192.0.2.1")
            for name in ("c", "d", "e"):
                await house.call(name)
            await house.clock.sleep(room.IDLE_SECONDS)
            house.accounts.sweep()
            assert not house.made[0].closed and not house.made[1].closed
        await house.clock.sleep(1)


async def test_idle_accounts_leave_by_themselves() -> None:
    async with a_house() as house:
        await house.call("ada")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.accounts.sweep_now_and_then)
            await house.clock.sleep(room.IDLE_SECONDS + 2 * room.SWEEP_SECONDS)
            tasks.cancel_scope.cancel()
        assert len(house.accounts) == 0 and house.made[0].closed


async def test_an_account_that_owes_the_journal_an_outcome_leaves_once_that_is_written() -> None:
    async with a_house() as house:
        await house.call("ada")
        [services] = house.made
        services.owes, services.busy, services.is_writable = True, True, False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.accounts.sweep_now_and_then)
            await house.clock.sleep(room.IDLE_SECONDS + 2 * room.SWEEP_SECONDS)
            assert len(house.accounts) == 1 and not services.closed
            services.is_writable = True
            await house.clock.sleep(2 * room.SWEEP_SECONDS)
            tasks.cancel_scope.cancel()
        assert not services.owes and services.closed
        assert len(house.accounts) == 0


async def test_an_account_that_is_leaving_as_the_process_ends_is_closed_all_the_same() -> None:
    async with a_house() as house:
        await house.call("ada")
        await house.clock.sleep(room.IDLE_SECONDS)
        house.made[0].takes_long = True
        house.accounts.sweep()
    assert house.made[0].closed


async def test_once_the_process_is_about_to_end_no_account_begins_a_spend_not_even_a_new_one() -> None:
    async with a_house() as house:
        await house.call("ada")
        assert house.made[0].may_spend
        house.accounts.stop_spending()
        await house.call("kim")
        assert [services.may_spend for services in house.made] == [False, False]


async def test_an_address_that_tries_many_unknown_keys_is_held_back_and_others_are_not() -> None:
    async with a_house() as house:
        for number in range(room.TRIES):
            with pytest.raises(Unauthorized):
                await house.call(f"{number}no")
        with pytest.raises(RateLimited) as held:
            await house.call("one more", "192.0.2.1")
        assert held.value.retry_after == room.TRY_SECONDS
        assert (await house.call("one more", "192.0.2.2")).admitted
        await house.clock.sleep(room.TRY_SECONDS)
        assert (await house.call("another")).admitted


async def test_a_team_that_comes_at_once_from_one_address_comes_in() -> None:
    async with a_house() as house:
        async with anyio.create_task_group() as calls:
            for number in range(500):
                calls.start_soon(house.call, f"member{number}")
        assert len(house.accounts) == 500


def test_a_digest_shows_nothing_and_tells_people_of_one_key_apart() -> None:
    key = SecretStr("clapi_the_key_of_a_team")
    callers = [
        Caller(key),
        Caller(key, ("https://login.example", "ada")),
        Caller(key, ("https://login.example", "bo")),
    ]

    digests = {caller.digest for caller in callers}

    assert len(digests) == 3
    assert not any("clapi" in digest or "ada" in digest for digest in digests)
    assert "clapi" not in repr(callers)


async def test_the_newest_account_stays_while_all_others_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ACCOUNTS", 1)
    async with a_house() as house:
        with house.accounts.call(Caller(SecretStr("clapi_ada"))):
            with house.accounts.call(Caller(SecretStr("clapi_kim"))) as kim:
                await house.accounts.admit(kim, "192.0.2.1")
                with house.accounts.call(Caller(SecretStr("clapi_kim"))) as again:
                    assert again is kim
            await house.clock.sleep(1)
            assert [services.closed for services in house.made] == [False, False]


def _frames_held(error: BaseException) -> int:
    count, trace = 0, error.__traceback__
    while trace is not None:
        count, trace = count + 1, trace.tb_next
    return count


async def test_a_key_that_is_refused_again_and_again_holds_on_to_no_call() -> None:
    refusals = []
    async with a_house() as house:
        for _ in range(5):
            with pytest.raises(Unauthorized) as caught:
                await house.call("no")
            refusals.append(caught.value)
        kept = [_frames_held(error) for _, error in house.accounts._refused.values()]

    assert (house.asked, kept) == (1, [0])
    assert len({id(error) for error in refusals}) == 5
    assert {(error.code, error.message) for error in refusals} == {(refusals[0].code, refusals[0].message)}
    assert _frames_held(refusals[-1]) == _frames_held(refusals[1])
