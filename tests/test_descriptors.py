"""The two ends of a connection on the event loop: pipes and sockets in this process, without a server."""

import os
import select
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from pydantic import ValidationError

from cleanlist_mcp.server.descriptors import ReadEnd, WriteEnd, ends
from cleanlist_mcp.server.without_waiting import WRITE_BYTES, can_serve

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="the SDK's loop serves there")

PATIENCE = 10.0
PING = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}'


class Client:
    """A client's two descriptors, and the server's two."""

    def __init__(self, read: int, write: int, source: int, target: int) -> None:
        self.read, self.write, self.source, self.target = read, write, source, target
        self._opened = {read, write, source, target}

    def close(self, descriptor: int) -> None:
        with suppress(OSError):
            os.close(descriptor)
        self._opened.discard(descriptor)

    def close_all(self) -> None:
        for descriptor in set(self._opened):
            self.close(descriptor)

    async def heard(self, count: int) -> bytes:
        """So many bytes of answers; fewer if the server's end is closed before."""
        found = b""
        while len(found) < count:
            piece = await anyio.to_thread.run_sync(os.read, self.read, count - len(found))
            if not piece:
                break
            found += piece
        return found


def over_pipes() -> Client:
    source, write = os.pipe()
    read, target = os.pipe()
    return Client(read, write, source, target)


def over_small_sockets() -> Client:
    """As programs in Node start others, but with the least buffers that the system gives."""
    first, second = socket.socketpair(), socket.socketpair()
    for one in (*first, *second):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    return Client(second[0].detach(), first[1].detach(), first[0].detach(), second[1].detach())


@contextmanager
def opened(make: Callable[[], Client]) -> Iterator[Client]:
    client = make()
    try:
        yield client
    finally:
        client.close_all()


@asynccontextmanager
async def served(make: Callable[[], Client]) -> AsyncIterator[tuple[Client, ReadEnd, WriteEnd]]:
    with opened(make) as client, anyio.fail_after(PATIENCE):
        async with ends(client.source, client.target) as (read, write):
            yield client, read, write
            await read.aclose()


MAKERS = pytest.mark.parametrize("make", [over_pipes, over_small_sockets])


def answer(number: int, size: int = 0) -> SessionMessage:
    return SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "é" * size}))


def line_of(message: SessionMessage) -> bytes:
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"


async def ids(read: ReadEnd) -> list[Any]:
    """The ids of all requests up to the end of the input; of a line that is none, the name of its exception."""
    found: list[Any] = []
    with suppress(anyio.EndOfStream):
        while True:
            item = await read.receive()
            if isinstance(item, SessionMessage):
                assert isinstance(item.message, JSONRPCRequest)
                found.append(item.message.id)
            else:
                found.append(type(item))
    return found


@MAKERS
async def test_lines_arrive_whole_however_they_are_cut(make: Callable[[], Client]) -> None:
    text = b"\n".join([b"\xef\xbb\xbf" + PING % 1, PING % 2, b"", b"no message", PING % 3])
    async with served(make) as (client, read, _):
        async with anyio.create_task_group() as tasks:

            async def trickle() -> None:
                for at in range(0, len(text), 7):
                    os.write(client.write, text[at : at + 7])
                    await anyio.lowlevel.checkpoint()
                client.close(client.write)

            tasks.start_soon(trickle)
            assert await ids(read) == [1, 2, ValidationError, ValidationError, 3]
        with pytest.raises(anyio.EndOfStream):
            await read.receive()


async def test_a_line_of_many_megabytes_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "x" * 5_000_000
    line = b'{"jsonrpc":"2.0","method":"%s"}\n' % name.encode()
    async with served(over_pipes) as (client, read, _), anyio.create_task_group() as tasks:

        async def write() -> None:
            await anyio.to_thread.run_sync(_write_all, client.write, line)

        tasks.start_soon(write)
        item = await read.receive()

    assert isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCNotification)
    assert item.message.method == name


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


async def test_what_nobody_asks_for_stays_in_the_pipe() -> None:
    async with served(over_pipes) as (client, read, _):
        os.write(client.write, PING % 1 + b"\n")
        assert isinstance(await read.receive(), SessionMessage)
        os.set_blocking(client.write, False)
        taken = 0
        with suppress(BlockingIOError):
            while True:  # far more than the pipe holds, if anybody took it
                taken += os.write(client.write, b"\n" * 4_096)
                await anyio.lowlevel.checkpoint()
                assert taken < 1_000_000


@MAKERS
async def test_messages_leave_whole_and_in_their_order_to_a_reader_who_is_late(
    make: Callable[[], Client],
) -> None:
    messages = [answer(number, size=number * 700 % 30_000) for number in range(120)]
    expected = b"".join(map(line_of, messages))
    async with served(make) as (client, _, write), anyio.create_task_group() as tasks:

        async def send_all() -> None:
            for message in messages:
                await write.send(message)

        tasks.start_soon(send_all)
        await anyio.wait_all_tasks_blocked()  # the pipe is full
        assert await client.heard(len(expected)) == expected


@MAKERS
async def test_a_sender_that_is_cancelled_leaves_no_half_message(make: Callable[[], Client]) -> None:
    long, other, last = answer(1, 400_000), answer(2, 10), answer(3)
    async with served(make) as (client, _, write):
        await write.send(long)  # it is taken, and will leave
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write.send, other)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write.send, last)
            expected = line_of(long) + line_of(last)
            assert await client.heard(len(expected)) == expected


async def test_the_loop_goes_on_while_nobody_reads() -> None:
    async with served(over_pipes) as (client, read, write):
        await write.send(answer(1, 400_000))
        os.write(client.write, PING % 7 + b"\n")
        assert isinstance(await read.receive(), SessionMessage)
        await client.heard(len(line_of(answer(1, 400_000))))


@MAKERS
@pytest.mark.parametrize("size", [10, 400_000])
async def test_a_client_that_is_gone_cancels_what_is_served(make: Callable[[], Client], size: int) -> None:
    with opened(make) as client, anyio.fail_after(PATIENCE):
        went_on = False
        async with ends(client.source, client.target) as (_, write):
            client.close(client.read)
            await write.send(answer(1, size))
            await anyio.sleep_forever()
            went_on = True
        with pytest.raises(anyio.ClosedResourceError):
            await write.send(answer(2))
    assert not went_on


async def test_an_input_that_fails_cancels_what_is_served() -> None:
    # A socket whose other end is closed with unread data in it is reset.
    with opened(over_small_sockets) as client, anyio.fail_after(PATIENCE):
        async with ends(client.source, client.target) as (read, _):
            os.write(client.source, b"unread")
            client.close(client.write)
            await read.receive()
            pytest.fail("the failure is no end of the input")


async def test_ends_that_somebody_else_made_non_blocking_serve_as_well() -> None:
    async with served(over_pipes) as (client, read, write):
        for descriptor in (client.source, client.target):
            os.set_blocking(descriptor, False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write.send, answer(1, 400_000))
            assert await client.heard(len(line_of(answer(1, 400_000)))) == line_of(answer(1, 400_000))
        os.write(client.write, PING % 1 + b"\n")
        assert isinstance(await read.receive(), SessionMessage)


@MAKERS
async def test_no_descriptor_becomes_non_blocking(make: Callable[[], Client]) -> None:
    async with served(make) as (client, read, write):
        await write.send(answer(1))
        os.write(client.write, PING % 1 + b"\n")
        await read.receive()
        assert os.get_blocking(client.source) and os.get_blocking(client.target)


async def test_after_its_end_nothing_is_sent() -> None:
    async with served(over_pipes) as (_, _, write):
        await write.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await write.send(answer(1))


def test_only_pipes_and_sockets_are_served_without_threads(tmp_path: Path) -> None:
    import pty

    file = (tmp_path / "file").open("wb+")
    master, slave = pty.openpty()
    with opened(over_pipes) as pipes, opened(over_small_sockets) as sockets, file:
        source = os.fdopen(pipes.source, "rb", closefd=False)
        assert can_serve(source, pipes.target)
        assert can_serve(source, sockets.target)
        assert not can_serve(source, file.fileno())
        assert not can_serve(file, pipes.target)
        assert not can_serve(source, slave)
        assert not can_serve(source, 1_000_000)
    os.close(master)
    os.close(slave)


def test_without_epoll_the_sdks_loop_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    with opened(over_pipes) as pipes, os.fdopen(pipes.source, "rb", closefd=False) as source:
        assert not can_serve(source, pipes.target)


@pytest.mark.skipif(sys.platform != "linux", reason="the figure holds on Linux")
def test_a_write_fits_wherever_poll_finds_room() -> None:
    assert WRITE_BYTES <= select.PIPE_BUF
