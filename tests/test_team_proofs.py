"""The judges and the networks of benchmarks/team: they find what they are there to find, and pass on what is well."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.team import ledger, relay
from benchmarks.team.__main__ import grouped
from benchmarks.team.front import Front
from benchmarks.team.ledger import Start, token_of
from benchmarks.team.people import spellings
from benchmarks.team.points import POINTS
from benchmarks.team.relay import Fault, Relay
from benchmarks.team.report import Report, table
from benchmarks.team.wire import ERAS, LEGACY, MODERN, AnswerLost, Client, Era, exchange
from cleanlist_mcp.calls.person import read_person
from cleanlist_mcp.people.same_person import marks_of, recognised

ONE = Start("w1", "kim", "org", "kim quillbbbbbb partial", "", at=100.0, ended_at=101.0, holds=11, charged=1)


def dice() -> Random:
    return Random(1)  # noqa: S311 - a test's chance


Handler = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[int]:
    """A server that answers each request with what `handler` makes of its body, and yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split()[1]) for line in head.split("\r\n") if line.lower().startswith("content-l")
        )
        body = await handler(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def result_of(body: bytes, **more: Any) -> bytes:
    text = json.dumps({"workflow_id": "w1", **more})
    result = {"content": [{"type": "text", "text": text}], "isError": False}
    return json.dumps({"jsonrpc": "2.0", "id": json.loads(body)["id"], "result": result}).encode()


# ---- judges


def test_a_second_start_of_one_work_is_found() -> None:
    assert ledger.started_twice([ONE, replace(ONE, workflow_id="w2")])
    assert not ledger.started_twice([ONE, replace(ONE, work="kim quillcccccc partial")])


def test_a_quote_that_starts_while_another_over_its_list_goes_on_is_found() -> None:
    first = replace(ONE, place="l1 partial", work="quote q1")
    during = replace(first, work="quote q2", at=100.5)
    assert ledger.bought_at_once([first, during])
    assert not ledger.bought_at_once([first, replace(during, at=101.0)])
    assert not ledger.bought_at_once([first, replace(during, place="l2 partial")])


def test_credits_count_whole_until_the_end_and_by_their_charge_afterwards() -> None:
    def counted(at: float) -> int:
        return ledger.peaks([ONE, replace(ONE, at=at, ended_at=at + 1)], lambda one: one.key, 3_600)["kim"]

    assert counted(100.5) == 22
    assert counted(101.0) == 12
    assert counted(100.0 + 3_600) == 11
    assert ledger.over_limit({"kim": 22}, 21)
    assert not ledger.over_limit({"kim": 22}, 22)


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.floats(0.1, 50), st.integers(1, 11)), min_size=1, max_size=20)
)
def test_a_peak_is_never_below_what_is_set_aside_at_any_one_moment(
    runs: list[tuple[float, float, int]],
) -> None:
    starts = [
        replace(ONE, workflow_id=str(at), at=at, ended_at=at + length, holds=held, charged=0)
        for at, length, held in runs
    ]
    peak = ledger.peaks(starts, lambda one: one.organization, 86_400)["org"]
    for moment in (start.at for start in starts):
        assert peak >= sum(one.holds for one in starts if one.at <= moment < one.ended_at)


@given(st.sets(st.integers(0, 20**6 - 1), min_size=2, max_size=20))
def test_people_of_other_numbers_have_other_names(numbers: set[int]) -> None:
    assert len({token_of(number) for number in numbers}) == len(numbers)


def are_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return recognised(marks_of(read_person(**one)), marks_of(read_person(**other))) is not None


@given(st.integers(0, 600_000), st.integers(1, 40))
def test_the_spellings_of_a_person_mean_that_person_and_nobody_else(number: int, further: int) -> None:
    first, *others = spellings(number)
    assert all(are_same(other, first) for other in others)
    assert not any(are_same(other, first) for other in spellings(number + further))


def test_a_point_with_a_broken_figure_does_not_pass() -> None:
    report = Report(1, "Title")
    report.at_least("kills", 60, 60)
    assert report.passed
    report.at_most("seconds", 5.5, 5.0)
    assert not report.passed
    assert "BROKEN" in table(report)


def test_a_point_that_was_left_out_does_not_pass() -> None:
    assert not Report(1, "Title", left_out="no database here").passed


def test_points_that_measure_have_the_machine_to_themselves() -> None:
    groups = grouped(list(POINTS))
    assert [name for group in groups for part in group for name in part] == list(POINTS)
    for beside, others in groups:
        assert not beside or not any(POINTS[name].alone for name in others)


# ---- clients and the front


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_reads_the_answer_of_its_era(era: Era) -> None:
    async def handler(body: bytes) -> bytes:
        is_call = json.loads(body)["method"] == "tools/call"
        return result_of(body) if is_call else b'{"jsonrpc":"2.0","id":1,"result":{}}'

    async with answering(handler) as port:
        said = await Client(port, "clapi_none", era).call("enrich_person", email="ada@fable.example")
    assert (said.workflow_id, said.lost) == ("w1", "")


def test_a_request_carries_the_headers_of_its_era() -> None:
    for era, wanted in ((MODERN, b"Mcp-Name: whoami"), (LEGACY, b"MCP-Protocol-Version: 2025-11-25")):
        client = Client(80, "clapi_none", era)
        assert wanted in client.request(client.body("tools/call", {"name": "whoami", "arguments": {}}))


async def test_the_front_takes_turns_and_goes_past_a_replica_that_is_not_there() -> None:
    asked: list[int] = []

    def handler(number: int) -> Handler:
        async def handle(body: bytes) -> bytes:
            asked.append(number)
            return result_of(body)

        return handle

    async with (
        answering(handler(1)) as one,
        answering(handler(2)) as two,
        Front([one, two, 1], dice()).listening() as front,
    ):
        for _ in range(6):
            await Client(front.port, "clapi_none").call("whoami")
    assert sorted(asked) in ([1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 2, 2])


async def test_an_answer_that_the_front_loses_was_worked_for() -> None:
    asked: list[bytes] = []

    async def handler(body: bytes) -> bytes:
        asked.append(body)
        return result_of(body)

    async with answering(handler) as port, Front([port], dice(), loses=1.0).listening() as front:
        said = [await Client(front.port, "clapi_none").call("whoami") for _ in range(9)]
    assert all(one.lost for one in said)
    assert len(asked) == front.counts["answers lost"] == 9


async def test_a_front_without_replicas_answers_502() -> None:
    async with Front([1], dice()).listening() as front:
        assert (await Client(front.port, "clapi_none").call("whoami")).status == 502


# ---- the relay


async def echoed(port: int, patience: float = 5.0) -> bytes:
    request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    return (await exchange(port, request, patience=patience)).body


async def shout(body: bytes) -> bytes:
    return body.upper()


async def test_a_relay_passes_on_what_it_is_given() -> None:
    async with answering(shout) as port, Relay(port).listening() as between:
        assert await echoed(between.port) == b"HELLO"


@pytest.mark.parametrize("fault", [relay.RESET, Fault(cut_after=20)], ids=["reset", "cut"])
async def test_a_relay_cuts_connections(fault: Fault) -> None:
    async with answering(shout) as port, Relay(port).listening() as between:
        between.set(fault)
        with pytest.raises(AnswerLost):
            await echoed(between.port)
        between.set(relay.FINE)
        assert await echoed(between.port) == b"HELLO"


async def test_a_black_hole_answers_nothing() -> None:
    async with answering(shout) as port, Relay(port).listening() as between:
        between.set(relay.BLACK_HOLE)
        with pytest.raises(AnswerLost, match="TimeoutError"):
            await echoed(between.port, patience=0.2)


async def test_a_reset_ends_connections_that_were_open_before() -> None:
    begun = asyncio.Event()

    async def slow(body: bytes) -> bytes:
        begun.set()
        await asyncio.Event().wait()
        return body

    async with answering(slow) as port, Relay(port).listening() as between:
        asking = asyncio.create_task(echoed(between.port))
        await begun.wait()
        between.set(relay.RESET)
        with pytest.raises(AnswerLost):
            await asking
