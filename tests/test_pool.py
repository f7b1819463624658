"""The pool of connections to the API, over real sockets."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpcore
import httpx
import pytest
from anyio.abc import ByteStream

from cleanlist_mcp.api import pool
from cleanlist_mcp.api.pool import ConnectionPool
from tests.raw_api import RawApi, Seen, answer, serving

DONE = answer({"is": "done"})


async def reply_at_once(seen: Seen, stream: ByteStream) -> None:
    await stream.send(DONE)


@asynccontextmanager
async def opened(*, most: int = 9, kept: int = 9) -> AsyncIterator[ConnectionPool]:
    made = ConnectionPool(trust=None, proxy=None, most=most, kept=kept)
    try:
        yield made
    finally:
        await made.aclose()


def request(api: RawApi, path: str = "/", *, patience: float = 30.0) -> httpx.Request:
    return httpx.Request("GET", api.base_url + path, extensions={"timeout": {"pool": patience}})


async def read(made: ConnectionPool, wanted: httpx.Request) -> bytes:
    response = await made.handle_async_request(wanted)
    try:
        return await response.aread()
    finally:
        await response.aclose()


class Gate:
    """A reply that waits until so many requests are there, or until it is opened."""

    def __init__(self, count: int) -> None:
        self.waiting = 0
        self.most = 0
        self.is_full = anyio.Event()
        self.opened = anyio.Event()
        self._count = count

    async def reply(self, seen: Seen, stream: ByteStream) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting == self._count:
            self.is_full.set()
        await self.opened.wait()
        self.waiting -= 1
        await stream.send(DONE)


async def burst(made: ConnectionPool, api: RawApi, gate: Gate, count: int) -> None:
    """Send so many requests at once; the API has them all before it answers any."""
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(read, made, request(api))
        await gate.is_full.wait()
        gate.opened.set()


async def test_after_a_burst_one_of_its_connections_carries_the_reads_that_follow() -> None:
    gate = Gate(5)
    async with serving(gate.reply) as api, opened() as made:
        await burst(made, api, gate, 5)
        for _ in range(4):
            await read(made, request(api))

    assert api.connections == 5
    assert len({seen.connection for seen in api.seen[5:]}) == 1


async def test_no_more_connections_are_kept_than_there_is_room_for() -> None:
    first, second = Gate(5), Gate(3)

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await (second if first.opened.is_set() else first).reply(seen, stream)

    async with serving(reply) as api, opened(kept=2) as made:
        await burst(made, api, first, 5)
        await burst(made, api, second, 3)

    assert api.connections == 5 + 1


@pytest.mark.parametrize(("ages", "left"), [((0.6, 1.2), 1), ((1.2,), 0)])
async def test_connections_that_nobody_used_for_long_are_closed_while_one_in_use_goes_on(
    ages: tuple[float, ...], left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(3)
    async with serving(gate.reply) as api, opened() as made:
        await burst(made, api, gate, 3)
        began = time.monotonic()
        for age in ages:
            monkeypatch.setattr("time.monotonic", lambda age=age: began + age * pool.KEPT_SECONDS)
            await read(made, request(api))
        monkeypatch.undo()
        await anyio.wait_all_tasks_blocked()
        assert api.open == 1

    assert api.connections == 4 - left


async def test_a_connection_that_the_api_closed_meanwhile_is_not_used() -> None:
    closed = anyio.Event()

    async def reply_once(seen: Seen, stream: ByteStream) -> None:
        await stream.send(DONE)
        if seen.connection == 1:
            await stream.aclose()
            closed.set()

    async with serving(reply_once) as api, opened() as made:
        await read(made, request(api))
        await closed.wait()
        await anyio.wait_all_tasks_blocked()
        await read(made, request(api))

    assert [seen.connection for seen in api.seen] == [1, 2]


async def test_a_request_beyond_the_most_waits_for_a_connection_to_come_free() -> None:
    gate = Gate(2)
    async with serving(gate.reply) as api, opened(most=2) as made, anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(read, made, request(api))
        await gate.is_full.wait()
        await anyio.wait_all_tasks_blocked()
        gate.opened.set()

    assert gate.most == 2
    assert len(api.seen) == 6
    assert api.connections == 2


async def test_a_request_that_gets_no_connection_in_time_is_not_sent_and_takes_no_place() -> None:
    gate = Gate(1)
    async with serving(gate.reply) as api, opened(most=1) as made, anyio.create_task_group() as tasks:
        tasks.start_soon(read, made, request(api, "/first"))
        await gate.is_full.wait()
        with anyio.fail_after(30), pytest.raises(httpx.PoolTimeout):
            await read(made, request(api, "/late", patience=0.01))
        gate.opened.set()
        await read(made, request(api, "/next"))

    assert [seen.path for seen in api.seen] == ["/first", "/next"]


async def test_a_cancelled_request_gives_its_place_back_and_its_connection_is_closed() -> None:
    gate = Gate(1)
    async with serving(gate.reply) as api, opened(most=1) as made:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, made, request(api, "/cancelled"))
            await gate.is_full.wait()
            tasks.cancel_scope.cancel()
        gate.opened.set()
        await read(made, request(api, "/next"))

    assert [(seen.path, seen.connection) for seen in api.seen] == [("/cancelled", 1), ("/next", 2)]


async def test_an_answer_that_is_not_read_to_its_end_ends_its_connection() -> None:
    async with serving(reply_at_once) as api, opened(most=1) as made:
        response = await made.handle_async_request(request(api))
        await response.aclose()
        await read(made, request(api))

    assert [seen.connection for seen in api.seen] == [1, 2]


async def test_a_request_that_reaches_nobody_takes_no_place() -> None:
    async with serving(reply_at_once) as gone:
        pass

    async with opened(most=1) as made:
        for _ in range(3):
            with pytest.raises(httpcore.ConnectError):
                await read(made, request(gone))


async def test_a_pool_that_was_closed_keeps_no_connection_of_a_request_that_was_under_way() -> None:
    gate = Gate(1)
    ended = anyio.Event()

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await gate.reply(seen, stream)
        with anyio.fail_after(30), pytest.raises(anyio.EndOfStream):
            await stream.receive()
        ended.set()

    async with serving(reply) as api, opened() as made:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, made, request(api))
            await gate.is_full.wait()
            await made.aclose()
            gate.opened.set()
        with anyio.fail_after(30):
            await ended.wait()
