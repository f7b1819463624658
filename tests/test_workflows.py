"""Spending, as a client sees it: at most once, always accounted for, never lost."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.types import ElicitResult
from pydantic import SecretStr

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal import opening
from cleanlist_mcp.journal.opening import open_store
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.sqlite import store
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.runs import spending
from cleanlist_mcp.runs.sending import Sender
from cleanlist_mcp.server import build
from cleanlist_mcp.settings import Settings
from tests.journals import database_in
from tests.support import ERAS, Answering, Edited, Session, VirtualNetwork, counted, said
from tests.support import World as EveryWorld

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}
PERSON_PATH, LIST_PATH = "/enrichment/person", "/enrichment/bulk"
QUARTER_HOUR = 900
SLOW_LIST = "Slow Prospects"


class World(EveryWorld):
    """A world whose servers have the core tools alone: they are made faster, and nothing else is used here."""

    def settings(self, **changes: Any) -> Settings:
        return super().settings(**({"toolsets": frozenset({"core"})} | changes))


def slow(world: World, route: str, seconds: float, times: int = 1) -> None:
    """Answers to `route` take `seconds` of virtual time; the work is done when they are over."""
    world.sandbox.options.sleep = world.clock.sleep
    world.sandbox.faults.next(f"POST {route}", "slow", delay=seconds, times=times)


async def arrival(world: World, path: str, number: int = 1) -> None:
    """Wait until the API has been asked `number` times for `path`."""
    await until(lambda: world.posts(path) >= number)


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, half a minute at most; there is no event for it."""
    with anyio.fail_after(30):
        while not happened():  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """The answers of calls that run together, in their order."""
    answers: list[Any] = [None] * len(calls)

    async def keep(number: int) -> None:
        answers[number] = await calls[number]()

    async with anyio.create_task_group() as tasks:
        for number in range(len(calls)):
            tasks.start_soon(keep, number)
    return answers


@asynccontextmanager
async def interrupted(session: Session, tool: str, **arguments: Any) -> AsyncIterator[None]:
    """A call that is cancelled by its client when the block ends."""
    async with anyio.create_task_group() as tasks:

        async def call() -> None:
            await session.result(tool, **arguments)

        tasks.start_soon(call)
        yield
        tasks.cancel_scope.cancel()


async def test_a_quote_works_once_and_then_returns_its_run(world: World, era: str) -> None:
    async with world.connect(era) as session:
        arguments = await world.quote(session)
        first = await session.call("enrich_list", **arguments)
        second = await session.call("enrich_list", **arguments, wait_seconds=30)
        third = await session.call("enrich_list", **arguments)

    assert not first["replayed"]
    assert second["replayed"]
    assert second["finished"]
    assert third["credits"] == second["credits"]
    assert {first["workflow_id"], second["workflow_id"], third["workflow_id"]} == {first["workflow_id"]}
    assert world.posts(LIST_PATH) == len(world.sandbox.runs) == 1


async def test_a_quote_that_was_used_returns_its_run_even_after_it_expired(world: World) -> None:
    async with world.connect() as session:
        arguments = await world.quote(session)
        first = await session.call("enrich_list", **arguments)
        world.clock.now += 3600
        assert (await session.call("enrich_list", **arguments))["workflow_id"] == first["workflow_id"]
        wrong = await session.error("enrich_list", **(arguments | {"scope": "full"}))

    assert wrong["code"] == "quote_mismatch"


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_calls_at_the_same_moment_start_one_run(world: World, tool: str) -> None:
    async with world.connect() as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        slow(world, "/enrichment/*", 2)
        reports = await at_once(*[lambda: session.call(tool, **arguments, wait_seconds=20)] * 5)

    assert [report["replayed"] for report in reports].count(False) == 1
    assert len({report["workflow_id"] for report in reports}) == len(world.sandbox.runs) == 1


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_two_servers_at_the_same_moment_start_one_run(world: World, tool: str) -> None:
    async with world.connect() as one, world.connect() as other:
        arguments = ADA if tool == "enrich_person" else await world.quote(one)
        slow(world, "/enrichment/*", 2)
        reports = await at_once(*[lambda s=s: s.call(tool, **arguments) for s in (one, other)])

    assert sorted(report["replayed"] for report in reports) == [False, True]
    assert len({report["workflow_id"] for report in reports}) == len(world.sandbox.runs) == 1


async def test_who_waits_for_a_run_that_is_refused_is_told_the_refusal(tmp_path: Path) -> None:
    world = World(tmp_path, seed_credits=0)
    async with world.connect() as one, world.connect() as other:
        slow(world, PERSON_PATH, 3, times=2)
        errors = await at_once(*[lambda s=s: s.error("enrich_person", **ADA) for s in (one, other)])

    assert [(error["code"], error["charged"]) for error in errors] == [("insufficient_credits", "no")] * 2


async def test_who_waits_for_a_run_waits_ten_seconds_at_most(world: World) -> None:
    async with world.connect() as one, world.connect() as other:
        slow(world, PERSON_PATH, 15)
        async with interrupted(one, "enrich_person", **ADA):
            await arrival(world, PERSON_PATH)
            began = world.clock.now
            error = await other.error("enrich_person", **ADA)
            waited = world.clock.now - began
            pending = await other.call("workflow_status", wait_seconds=0)

    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert "has not been answered yet" in error["message"]
    assert 9.5 <= waited <= 11
    assert pending["status"] == "pending"
    assert len(world.sandbox.runs) == 1


async def test_who_waits_for_a_run_waits_no_longer_than_the_user_lets_a_call_wait(world: World) -> None:
    async with world.connect() as one, world.connect(max_wait_seconds=2) as other:
        slow(world, PERSON_PATH, 15)
        async with interrupted(one, "enrich_person", **ADA):
            await arrival(world, PERSON_PATH)
            began = world.clock.now
            error = await other.error("enrich_person", **ADA)
            waited = world.clock.now - began

    assert error["code"] == "outcome_unknown"
    assert 1.5 <= waited <= 3
    assert len(world.sandbox.runs) == 1


async def test_the_same_person_is_started_again_only_when_asked_and_only_once_it_has_ended(
    world: World, era: str
) -> None:
    async with world.connect(era) as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=0)
        running = await session.call("enrich_person", **ADA, again=True, wait_seconds=0)
        replayed = await session.call("enrich_person", **ADA | {"last_name": " FABLE "})
        paid_again = await session.call("enrich_person", **ADA, again=True)
        world.clock.now += 2 * 86400
        another_day = await session.call("enrich_person", **ADA)

    assert running["replayed"]
    assert replayed["replayed"]
    assert replayed["finished"]
    assert first["workflow_id"] == running["workflow_id"] == replayed["workflow_id"]
    assert not paid_again["replayed"]
    assert not another_day["replayed"]
    assert len(world.sandbox.runs) == 3


async def test_a_lost_answer_of_a_person_is_not_sent_again_until_the_user_may_know_better(
    world: World, era: str
) -> None:
    world.sandbox.faults.next(f"POST {PERSON_PATH}", "reset_after")
    async with world.connect(era) as session:
        lost = await session.error("enrich_person", **ADA)
        at_once_again = await session.error("enrich_person", **ADA, again=True)
        seen = await session.call("workflow_status")
        world.clock.now += QUARTER_HOUR
        without_again = await session.error("enrich_person", **ADA)
        later = await session.call("enrich_person", **ADA, again=True)

    for error in (lost, at_once_again, without_again):
        assert (error["code"], error["charged"], error["reserved_at_most"]) == (
            "outcome_unknown",
            "unknown",
            1,
        )
        assert '"MCP Results"' in error["next_step"]
    assert seen["status"] == "unknown"
    assert "workflow_id" not in seen
    assert not later["replayed"]
    assert world.posts(PERSON_PATH) == 2


async def test_a_lost_answer_names_the_list_that_the_person_was_to_go_to(world: World) -> None:
    world.sandbox.faults.next(f"POST {PERSON_PATH}", "unreadable")
    async with world.connect() as session:
        error = await session.error("enrich_person", **ADA, list_id="q3 prospects")

    assert 'the list "Q3 Prospects"' in error["next_step"]


async def test_a_list_whose_request_never_arrived_is_sent_once_more_with_the_same_quote(world: World) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before")
    async with world.connect() as session:
        report = await session.call("enrich_list", **await world.quote(session), wait_seconds=30)

    assert report["finished"]
    assert world.posts(LIST_PATH) == 2
    assert len(world.sandbox.runs) == 1


async def test_an_uncertain_list_blocks_a_new_quote_for_a_quarter_of_an_hour(world: World) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_after")
    async with world.connect() as session:
        arguments = await world.quote(session)
        lost = await session.error("enrich_list", **arguments)
        still = await session.error("enrich_list", **arguments)  # the API refuses a quote that was used
        blocked = await session.error("enrich_list", **await world.quote(session))
        balance = await session.call("credits_balance")
        world.clock.now += QUARTER_HOUR
        later = await session.call("enrich_list", **await world.quote(session))

    assert lost["charged"] == still["charged"] == blocked["charged"] == "unknown"
    assert balance["reserved_now"] == counted(balance) == lost["reserved_at_most"]
    assert not later["replayed"]
    assert len(world.sandbox.runs) == 2


async def test_another_quote_for_a_list_that_is_being_run_is_refused_with_the_run(world: World) -> None:
    world.sandbox.add_list(SLOW_LIST, 4)
    async with world.connect() as session:
        first = await session.call("enrich_list", **await world.quote(session, SLOW_LIST))
        error = await session.error("enrich_list", **await world.quote(session, SLOW_LIST))
        world.clock.now += 120
        anew = await world.quote(session, SLOW_LIST, only_missing=False)
        second = await session.call("enrich_list", **anew)

    assert (error["code"], error["charged"]) == ("run_in_progress", "no")
    assert error["workflow_id"] == first["workflow_id"]
    assert not second["replayed"]


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_a_run_that_the_api_forgot_does_not_block_for_ever(world: World, tool: str) -> None:
    async with world.connect() as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        await session.call(tool, **arguments, wait_seconds=0)
    world.sandbox.workflows._by_handle.clear()
    world.clock.now += 3 * 86400
    async with world.connect() as session:
        arguments = ADA | {"again": True} if tool == "enrich_person" else await world.quote(session)
        report = await session.call(tool, **arguments, wait_seconds=0)

    assert not report["replayed"]


async def test_a_call_that_runs_out_of_patience_loses_nothing(world: World) -> None:
    world.transport = VirtualNetwork(world.transport, world.clock, patience=120)
    async with world.connect(timeout_seconds=120) as session:
        slow(world, PERSON_PATH, 55)
        began = world.clock.now
        error = await session.error("enrich_person", **ADA)
        waited = world.clock.now - began
        repeated = await session.call("enrich_person", **ADA)  # waits for the answer that is on its way
        found = await session.call("workflow_status")

    assert waited < 50
    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert found["workflow_id"] == repeated["workflow_id"] == world.sandbox.runs[0].workflow_id
    assert repeated["replayed"]
    assert world.posts(PERSON_PATH) == 1


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_a_cancelled_call_loses_nothing(world: World, era: str, tool: str) -> None:
    async with world.connect(era) as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        slow(world, "/enrichment/*", 3)
        async with interrupted(session, tool, **arguments):
            await arrival(world, PERSON_PATH if tool == "enrich_person" else LIST_PATH)
        repeated = await session.call(tool, **arguments)

    assert repeated["replayed"]
    assert [run.workflow_id for run in world.sandbox.runs] == [repeated["workflow_id"]]


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_a_client_that_goes_away_loses_nothing(world: World, era: str, tool: str) -> None:
    async with world.connect(era) as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        slow(world, "/enrichment/*", 3)
        async with interrupted(session, tool, **arguments):
            await arrival(world, PERSON_PATH if tool == "enrich_person" else LIST_PATH)
    async with world.connect(era) as session:
        found = await session.call("workflow_status", wait_seconds=0)

    assert [run.workflow_id for run in world.sandbox.runs] == [found["workflow_id"]]


async def test_a_server_that_stops_does_not_wait_to_send_again(world: World) -> None:
    world.sandbox.faults.next(f"POST {PERSON_PATH}", "rate_limited", retry_after=8, times=1000)
    stopping = build.build_server(world.settings(), world.transport, clock=SystemClock())
    with anyio.fail_after(30):
        async with Client(stopping) as client, interrupted(Session(client, {}), "enrich_person", **ADA):
            await arrival(world, PERSON_PATH)
            await anyio.sleep(0.05)
    async with world.connect() as session:
        assert (await session.call("workflow_status"))["status"] == "none"

    assert world.posts(PERSON_PATH) == 1


@pytest.mark.parametrize("servers", [1, 2])
async def test_parallel_calls_never_pass_the_hourly_limit_for_people(world: World, servers: int) -> None:
    slow(world, PERSON_PATH, 1, times=100)
    people = [{"email": f"person{number}@fable.example"} for number in range(6)]
    async with world.connect(hourly_unquoted_limit=3) as one, world.connect(hourly_unquoted_limit=3) as other:
        sessions = [one, other][:servers]
        calls = [
            lambda n=n: sessions[n % servers].result("enrich_person", **people[n], wait_seconds=0)
            for n in range(6)
        ]
        answers = [said(result) for result in await at_once(*calls)]

    refused = [answer for answer in answers if "code" in answer]
    assert len(world.sandbox.runs) == 3
    assert [(error["code"], error["charged"]) for error in refused] == [("hourly_unquoted_limit", "no")] * 3
    assert "create_list" in refused[0]["next_step"] or "lead list" in refused[0]["next_step"]


@pytest.mark.parametrize("era", ERAS)
async def test_dialogs_answered_late_never_pass_the_daily_limit_together(world: World, era: str) -> None:
    ids = [world.sandbox.add_list(name, 30) for name in ("First", "Second")]
    asked = 0

    async def approve(context: Any, params: Any) -> ElicitResult:
        nonlocal asked
        asked += 1
        await until(lambda: asked == 2)
        return ElicitResult(action="accept", content={"approve": True})

    async with world.connect(era, elicitation=approve, daily_limit=50) as session:
        quotes = [await world.quote(session, name) for name in ids]
        calls = [lambda q=q: session.result("enrich_list", **q) for q in quotes]
        answers = [said(result) for result in await at_once(*calls)]

    assert asked == 2
    assert len(world.sandbox.runs) == 1
    assert [answer["code"] for answer in answers if "code" in answer] == ["daily_limit"]


async def test_a_daily_limit_counts_what_was_charged_and_not_what_came_back(world: World) -> None:
    world.sandbox.add_list("Nobody", 0)
    async with world.connect(daily_limit=41) as session:
        quote = await world.quote(session)
        report = await session.call("enrich_list", **quote, wait_seconds=45)
        balance = await session.call("credits_balance")

    assert report["credits"]["refunded"] > 0
    assert counted(balance) == report["credits"]["charged"]
    assert balance["reserved_now"] == 0


async def test_a_daily_limit_that_no_journal_can_keep_refuses_to_spend(world: World) -> None:
    world.folder.parent.mkdir(parents=True, exist_ok=True)
    world.folder.write_text("a file where the folder should be")
    async with world.connect(daily_limit=100) as session:
        person = await session.error("enrich_person", **ADA)
        bulk = await session.error("enrich_list", **await world.quote(session))
        assert (await session.call("whoami"))["remembers_runs"] == "until_restart"
    async with world.connect() as session:
        assert not (await session.call("enrich_person", **ADA))["replayed"]

    assert person["code"] == bulk["code"] == "daily_limit"
    assert "doctor" in person["next_step"]


async def test_a_quote_that_was_not_issued_here_is_unknown_and_nothing_is_sent(
    world: World, era: str, tmp_path: Path
) -> None:
    async with world.connect() as session:
        arguments = await world.quote(session)
    sent = len(world.sandbox.requests)
    async with world.connect(era, state_dir=tmp_path / "other") as session:
        foreign = await session.error("enrich_list", **arguments)
        forged = await session.error("enrich_list", **arguments | {"quote_id": "qte_x_1_0000"})

    assert {(error["code"], error["charged"]) for error in (foreign, forged)} == {("quote_unknown", "no")}
    call = f'estimate(list_id="{arguments["list_id"]}", scope="partial")'
    assert call in foreign["next_step"] and call in forged["next_step"]
    assert len(world.sandbox.requests) == sent


async def test_another_machine_cannot_spend_a_quote_that_was_spent_elsewhere(
    world: World, tmp_path: Path
) -> None:
    async with world.connect() as session:
        arguments = await world.quote(session)
        await session.call("enrich_list", **arguments)
    async with world.connect(state_dir=tmp_path / "other") as session:
        used = await session.error("enrich_list", **arguments)

    assert (used["code"], used["charged"]) == ("quote_unknown", "no")
    assert len(world.sandbox.runs) == 1


async def test_a_list_that_cannot_be_made_costs_nothing_and_frees_the_claim(tmp_path: Path) -> None:
    world = World(tmp_path, insists_on_list_id=True)
    world.sandbox.faults.next("POST /lead-lists", "server_error", times=100, retryable=False)
    async with world.connect() as session:
        error = await session.error("enrich_person", **ADA)
        world.sandbox.faults.clear()
        report = await session.call("enrich_person", **ADA)

    assert error["charged"] == "no"
    assert not report["replayed"]


def looks_at(world: World, edit: Callable[[dict[str, Any]], object]) -> Edited:
    return Edited(world.transport, edit, "/enrichment/status/", "GET")


@pytest.mark.parametrize(
    "odd",
    [
        {"message": ["ok"]},
        {"agent_instructions": {}},
        {"status": 1},
        {"lead_list_id": "a b"},
        {"credits_reserved": "?"},
    ],
)
@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_an_odd_side_field_loses_no_run(world: World, tool: str, odd: dict[str, Any]) -> None:
    world.transport = Edited(world.transport, lambda data: data.update(odd))
    async with world.connect() as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        report = await session.call(tool, **arguments, wait_seconds=30)

    assert report["workflow_id"] == world.sandbox.runs[0].workflow_id
    assert report["finished"]


@pytest.mark.parametrize("odd", [{"phone": 15550100}, {"lead_id": ["x"]}, {"title": None}])
async def test_an_odd_field_of_a_result_loses_no_run(world: World, odd: dict[str, Any]) -> None:
    world.transport = looks_at(world, lambda data: (data["result"] or {}).update(odd))
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=30)

    assert report["finished"]
    assert report["credits"]["charged"] == world.sandbox.runs[0].credits_charged


async def test_an_answer_about_another_run_settles_nothing(world: World) -> None:
    real = world.transport
    world.transport = looks_at(world, lambda data: data.update(workflow_id="enrich-somebody-elses"))
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=20)
        world.transport = real
    async with world.connect() as session:
        settled = await session.call("workflow_status")

    assert not report["finished"] and "person" not in report
    assert "another run" in report["summary"]
    assert settled["finished"] and settled["found"]


async def test_a_run_whose_charge_is_not_settled_yet_is_looked_at_again(world: World) -> None:
    early = [True]
    world.transport = looks_at(world, lambda data: data.update(credits_charged=None) if early else None)
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=20)
        early.clear()
        world.clock.now += 2
        second = await session.call("workflow_status", workflow_id=first["workflow_id"])

    assert first["finished"] and "charged" not in first["credits"]
    assert "charge is not known yet" in first["summary"]
    assert second["credits"]["charged"] == 1


class Unaware(httpx.AsyncBaseTransport):
    """A network on which the first looks at a run meet an API that does not know it yet."""

    def __init__(self, inner: httpx.AsyncBaseTransport, looks: int) -> None:
        self._inner = inner
        self._left = looks

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._left and "/enrichment/status/" in request.url.path:
            self._left -= 1
            return httpx.Response(404, json={"detail": "Not found"}, request=request)
        return await self._inner.handle_async_request(request)


async def test_a_run_that_the_api_does_not_know_yet_is_waited_for(world: World) -> None:
    world.transport = Unaware(world.transport, looks=2)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=20)

    assert report["finished"]


async def test_while_the_journal_is_locked_everything_but_spending_works(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
    monkeypatch.setattr(store, "BUSY_TIMEOUT", 0.0)
    holder = sqlite3.connect(world.folder / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    async with world.connect() as session:
        who = await session.call("whoami")
        await session.call("credits_balance")
        quote = await world.quote(session)
        refused = [await session.error("enrich_person", **ADA), await session.error("enrich_list", **quote)]
        holder.close()
        world.clock.now += store.TRY_AGAIN_AFTER
        repeated = await session.call("enrich_person", **ADA)

    assert who["remembers_runs"] == "on_disk"
    assert {(error["code"], error["charged"], error["retryable"]) for error in refused} == {
        ("journal_unavailable", "no", True)
    }
    assert repeated["replayed"] and repeated["workflow_id"] == first["workflow_id"]
    assert world.posts(PERSON_PATH) == 1


async def test_an_end_that_was_seen_while_the_journal_was_locked_is_written_down_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_list", **await world.quote(session))
    monkeypatch.setattr(store, "BUSY_TIMEOUT", 0.0)
    holder = sqlite3.connect(world.folder / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    async with world.connect() as session:
        ended = await session.call("workflow_status", workflow_id=first["workflow_id"], wait_seconds=30)
        balance = await session.call("credits_balance")
        newest = await session.error("workflow_status")
        holder.close()
        world.clock.now += store.TRY_AGAIN_AFTER
        await session.call("workflow_status", workflow_id=first["workflow_id"])
        second = await session.call("enrich_list", **await world.quote(session, only_missing=False))

    assert ended["finished"]
    assert "What was spent from here is not known" in balance["summary"]
    assert "locked by another program" in newest["message"]
    assert second["workflow_id"] != first["workflow_id"]


async def test_a_run_that_the_api_has_forgotten_is_over(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=0)
        world.sandbox.workflows._by_handle.clear()
        world.clock.now += 2 * 86400
        for _ in range(2):
            report = await session.call("workflow_status", wait_seconds=5)

    assert report["workflow_id"] == first["workflow_id"]
    assert report["finished"] and report["status"] == "unknown"
    assert "does not know this run any more" in report["summary"]


async def test_a_run_that_stays_unknown_to_the_api_is_given_up(world: World) -> None:
    world.transport = Unaware(world.transport, looks=10_000)
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=45)
        before = world.clock.now
        await session.error("workflow_status", workflow_id=first["workflow_id"], wait_seconds=45)

    assert not first["finished"]
    assert world.clock.now - before < 5


@pytest.mark.parametrize(
    ("status", "code", "needs_a_quote"),
    [
        (400, "signature_invalid", True),
        (409, "quote_invalid", True),
        (403, "list_protected", False),
        (400, "approval_required", False),
    ],
)
async def test_a_refused_quote_leads_to_a_new_one_and_other_refusals_are_passed_on(
    world: World, status: int, code: str, needs_a_quote: bool
) -> None:
    refused = httpx.Response(status, json={"error": {"code": code, "problem": "So it is."}})
    world.transport = Answering(world.transport, LIST_PATH, refused)
    async with world.connect() as session:
        error = await session.error("enrich_list", **await world.quote(session))

    assert error["code"] == code
    assert ("estimate(" in error["next_step"]) == needs_a_quote


async def test_what_a_client_with_a_dialog_sends_again_is_asked_for_again(world: World) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as session:
        arguments = await world.quote(session)
        await session.error("enrich_list", **arguments)
    sent = world.posts(LIST_PATH)

    async def decline(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    async with world.connect("legacy", decline, confirm="always") as session:
        error = await session.error("enrich_list", **arguments)

    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert world.posts(LIST_PATH) == sent


async def test_nobody_is_asked_about_a_lost_spend_that_cannot_be_sent_again(world: World) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as session:
        arguments = await world.quote(session)
        await session.error("enrich_list", **arguments)
    world.clock.now += 600
    asked: list[Any] = []

    async def approve(context: Any, params: Any) -> ElicitResult:
        asked.append(params)
        return ElicitResult(action="accept", content={"approve": True})

    async with world.connect("legacy", approve) as session:
        error = await session.error("enrich_list", **arguments)

    assert error["code"] == "outcome_unknown"
    assert asked == []
    assert world.posts(LIST_PATH) == 2


async def test_waiting_for_a_lost_spend_does_not_widen_what_this_call_allows(world: World) -> None:
    world.transport = VirtualNetwork(world.transport, world.clock)
    world.sandbox.faults.next(f"POST {LIST_PATH}", "hang_before", times=2)
    async with world.connect() as one, world.connect() as other:
        arguments = await world.quote(one)

        async def later() -> Any:
            await world.clock.sleep(35)
            return await other.result("enrich_list", **arguments, max_credits=1)

        first, second = await at_once(lambda: one.result("enrich_list", **arguments), later)

    assert said(first)["code"] == said(second)["code"] == "outcome_unknown"
    assert world.sandbox.runs == []


async def test_a_run_that_ended_unseen_may_be_started_again_at_once(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=0)
        world.clock.now += 3 * 3600
        again = await session.call("enrich_person", **ADA, again=True)

    assert not again["replayed"]
    assert again["workflow_id"] != first["workflow_id"]


@pytest.mark.parametrize("case", ["max_credits", "always"])
async def test_a_lost_spend_is_not_sent_again_beyond_what_this_call_allows(world: World, case: str) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as session:
        arguments = await world.quote(session)
        lost = await session.error("enrich_list", **arguments)
    sent = world.posts(LIST_PATH)
    narrower = {"max_credits": 1} if case == "max_credits" else {}
    async with world.connect(confirm="always" if case == "always" else "auto") as session:
        error = await session.error("enrich_list", **arguments, **narrower)

    assert lost["code"] == error["code"] == "outcome_unknown"
    assert world.posts(LIST_PATH) == sent
    assert world.sandbox.runs == []


@pytest.mark.parametrize(("named", "held"), [(None, 11), (7, 11), (13, 13)])
async def test_what_the_api_says_it_reserved_counts_and_never_less_than_the_price(
    world: World, named: int | None, held: int
) -> None:
    world.transport = Edited(world.transport, lambda data: data.update(credits_reserved=named))
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, scope="full", wait_seconds=0)
        balance = await session.call("credits_balance")

    assert report["credits"]["reserved"] == balance["reserved_now"] == counted(balance) == held


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> list[Store]:
    """The stores that servers open from now on."""
    opened: list[Store] = []

    def remember(*args: Any) -> Store:
        opened.append(open_store(*args))
        return opened[-1]

    monkeypatch.setattr(opening, "open_store", remember)
    return opened


async def test_an_answer_that_cannot_be_written_down_is_not_lost(world: World, stores: list[Store]) -> None:
    def no_more_writes(data: dict[str, Any]) -> None:
        database_in(stores[0]).execute("PRAGMA query_only = 1")

    world.transport = Edited(world.transport, no_more_writes)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA)
        database_in(stores[0]).execute("PRAGMA query_only = 0")
        repeated = await session.call("enrich_person", **ADA)
    async with world.connect() as session:
        found = await session.call("workflow_status")

    assert report["finished"]
    assert repeated["replayed"]
    assert report["workflow_id"] == repeated["workflow_id"] == found["workflow_id"]
    assert len(world.sandbox.runs) == 1


async def test_without_an_intent_nothing_is_sent(world: World, stores: list[Store]) -> None:
    async with world.connect() as session:
        arguments = await world.quote(session)
        database_in(stores[0]).execute("PRAGMA query_only = 1")
        errors = [
            await session.error("enrich_person", **ADA),
            await session.error("enrich_list", **arguments),
        ]
        await session.call("workflow_status")
        await session.call("estimate", list_id=arguments["list_id"])

    assert [(error["code"], error["charged"]) for error in errors] == [("journal_unavailable", "no")] * 2
    assert world.posts(PERSON_PATH) == world.posts(LIST_PATH) == 0


async def test_while_runs_cannot_be_read_the_balance_and_the_price_of_people_are_still_told(
    world: World, stores: list[Store]
) -> None:
    async with world.connect() as session:
        before = await session.call("credits_balance")
        database_in(stores[0]).execute("ALTER TABLE spending RENAME TO gone")
        balance = await session.call("credits_balance")
        price = await session.call("estimate", people_count=2)
        database_in(stores[0]).execute("ALTER TABLE gone RENAME TO spending")
        later = await session.call("credits_balance")

    assert before == later
    assert balance["credits"] == later["credits"]
    assert "the journal cannot be used just now" in balance["summary"]
    assert "journal" not in later["summary"]
    assert price["estimated_cost"] == 2


@pytest.mark.parametrize(
    ("tool", "step"),
    [("enrich_person", "server.tools.enrichment.label"), ("enrich_list", "calls.quotes.Quotes.known")],
)
async def test_a_defect_before_the_spend_charged_nothing_and_one_after_it_is_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch, tool: str, step: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Run:
        raise RuntimeError("a defect")

    async with world.connect() as session:
        arguments = ADA if tool == "enrich_person" else await world.quote(session)
        monkeypatch.setattr(f"cleanlist_mcp.{step}", fail)
        before = await session.error(tool, **arguments)
        monkeypatch.undo()
        monkeypatch.setattr("cleanlist_mcp.calls.run.report", fail)
        after = await session.error(tool, **arguments)
        monkeypatch.undo()
        report = await session.call(tool, **arguments)

    assert (before["code"], before["charged"]) == ("internal_error", "no")
    assert (after["code"], after["charged"]) == ("internal_error", "unknown")
    assert report["replayed"]


async def test_the_journal_holds_neither_the_key_nor_the_address(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", email="ada.private@fable.example")

    content = b"".join(file.read_bytes() for file in world.folder.iterdir())
    assert (world.folder / FILE_NAME).exists()
    assert world.sandbox.key.encode() not in content
    assert b"ada.private" not in content


async def test_the_default_list_named_by_its_id_is_the_same_list(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
        repeated = await session.call("enrich_person", **ADA, list_id=first["list_id"])
    assert repeated["replayed"]
    assert world.posts(PERSON_PATH) == 1


async def test_a_defect_while_a_spend_is_under_way_leaves_it_unknown(
    world: World, monkeypatch: Any, caplog: Any
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("ada@fable.example")

    async with world.connect() as session:
        monkeypatch.setattr(Sender, "_accepted", broken)
        error = await session.error("enrich_person", **ADA)
        monkeypatch.undo()
        seen = await session.call("workflow_status")
    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert seen["status"] == "unknown"
    assert "ada@" not in caplog.text
    assert "RuntimeError at test_workflows.py" in caplog.text


async def test_a_spend_that_hangs_longer_than_the_shutdown_allows_is_unknown_afterwards(
    world: World, monkeypatch: Any
) -> None:
    monkeypatch.setattr(spending, "SHUTDOWN_SECONDS", 0.05)
    world.sandbox.faults.next(f"POST {PERSON_PATH}", "hang_after")
    stopping = build.build_server(world.settings(), world.transport, clock=SystemClock())
    with anyio.fail_after(30):
        async with Client(stopping) as client, interrupted(Session(client, {}), "enrich_person", **ADA):
            await arrival(world, PERSON_PATH)
    async with world.connect() as session:
        found = await session.call("workflow_status")
    assert found["status"] == "unknown"


async def test_a_quote_that_was_forgotten_still_returns_its_run(world: World) -> None:
    async with world.connect() as session:
        arguments = await world.quote(session)
        first = await session.call("enrich_list", **arguments, wait_seconds=45)
        world.clock.now += 2 * 86400
        await world.quote(session, only_missing=False)  # forgets what is old
        sent = len(world.sandbox.requests)
        again = await session.call("enrich_list", **arguments)
    assert again["replayed"] and again["workflow_id"] == first["workflow_id"]
    assert len(world.sandbox.requests) == sent


class Failing(httpx.AsyncBaseTransport):
    """A network on which the first list run is refused, or lost, after some seconds of virtual time."""

    def __init__(self, world: World, seconds: float, *, lost: bool = False) -> None:
        self._inner, self._clock, self._seconds = world.transport, world.clock, seconds
        self._lost = lost
        self.arrived = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith(LIST_PATH) or self.arrived.is_set():
            return await self._inner.handle_async_request(request)
        self.arrived.set()
        await self._clock.sleep(self._seconds)
        if self._lost:
            raise httpx.ReadError("", request=request)
        return httpx.Response(403, json={"error": {"code": "insufficient_scope"}}, request=request)


@pytest.mark.parametrize("own_limit", ["max_credits", "dialog", "always"])
async def test_waiting_for_a_run_that_is_refused_does_not_widen_what_this_call_allows(
    world: World, era: str, own_limit: str
) -> None:
    world.transport = Failing(world, 4)
    asked: list[str] = []

    async def decline(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    dialog = decline if own_limit == "dialog" else None
    confirm = "always" if own_limit == "always" else "auto"
    async with world.connect() as one, world.connect(era, dialog, confirm=confirm) as other:
        arguments = await world.quote(one)
        limited = arguments | ({"max_credits": 1} if own_limit == "max_credits" else {})

        async def later() -> Any:
            await world.clock.sleep(1)
            return await other.result("enrich_list", **limited)

        await at_once(lambda: one.result("enrich_list", **arguments), later)

    assert world.sandbox.runs == []
    assert len(asked) == (own_limit == "dialog")


async def test_a_quote_that_expired_meanwhile_starts_nothing(world: World) -> None:
    world.transport = Failing(world, 8)
    async with world.connect() as one, world.connect() as other:
        arguments = await world.quote(one)
        world.clock.now += 298

        async def later() -> Any:
            await world.clock.sleep(7)
            return await other.result("enrich_list", **arguments)

        _, late = await at_once(lambda: one.result("enrich_list", **arguments), later)

    assert said(late)["code"] == "quote_expired"
    assert world.posts(LIST_PATH) == 0


@pytest.mark.parametrize("own_limit", ["max_credits", "always"])
async def test_a_clock_that_is_set_back_does_not_widen_what_a_waiting_call_allows(
    world: World, own_limit: str
) -> None:
    confirm = "always" if own_limit == "always" else "auto"
    async with world.connect() as one, world.connect(confirm=confirm) as other:
        arguments = await world.quote(one)
        limited = arguments | ({"max_credits": 1} if own_limit == "max_credits" else {})
        slow(world, LIST_PATH, 12)
        world.clock.now += 298

        async def once_it_has_expired() -> Any:
            await world.clock.sleep(8)
            return await other.result("enrich_list", **limited)

        async def set_back() -> None:
            await world.clock.sleep(9)
            world.clock.epoch -= 60

        calls = (lambda: one.result("enrich_list", **arguments), once_it_has_expired, set_back)
        first, second, _ = await at_once(*calls)

    assert said(second)["replayed"] is True
    assert said(first)["workflow_id"] == said(second)["workflow_id"] == world.sandbox.runs[0].workflow_id
    assert world.posts(LIST_PATH) == 1


@pytest.mark.parametrize("second_takes", [2, 12])
async def test_a_refusal_proves_nothing_once_another_call_has_sent_the_same_quote(
    world: World, second_takes: float
) -> None:
    world.transport = Failing(world, 40)
    slow(world, LIST_PATH, second_takes)
    async with world.connect(timeout_seconds=5) as one, world.connect(timeout_seconds=5) as other:
        arguments = await world.quote(one)

        async def once_it_counts_as_lost() -> Any:
            await world.clock.sleep(31)
            return await other.result("enrich_list", **arguments)

        first, second = await at_once(lambda: one.result("enrich_list", **arguments), once_it_counts_as_lost)
        after = await one.call("enrich_list", **arguments)

    assert said(second)["workflow_id"] == after["workflow_id"] == world.sandbox.runs[0].workflow_id
    if second_takes < 9:
        assert said(first)["replayed"] and said(first)["workflow_id"] == after["workflow_id"]
    else:
        assert (said(first)["code"], said(first)["charged"]) == ("outcome_unknown", "unknown")
    assert len(world.sandbox.runs) == 1


async def test_a_quote_that_is_sent_twice_with_its_waits_is_not_taken_for_lost_meanwhile(
    world: World,
) -> None:
    world.transport = VirtualNetwork(world.transport, world.clock, patience=5)
    world.sandbox.faults.next(f"POST {LIST_PATH}", "hang_before")
    world.sandbox.faults.next(f"POST {LIST_PATH}", "rate_limited", retry_after=9)
    slow(world, LIST_PATH, 4)
    async with world.connect(timeout_seconds=5) as one, world.connect(timeout_seconds=5) as other:
        arguments = await world.quote(one)

        async def meanwhile() -> Any:
            await world.clock.sleep(16)
            return await other.call("enrich_list", **arguments)

        first, second = await at_once(lambda: one.call("enrich_list", **arguments), meanwhile)

    assert second["replayed"] and first["workflow_id"] == second["workflow_id"]
    assert world.posts(LIST_PATH) == 3


async def test_a_call_waits_for_anothers_run_no_longer_than_it_may_take_itself(world: World) -> None:
    async def approve(context: Any, params: Any) -> ElicitResult:
        await world.clock.sleep(43)
        return ElicitResult(action="accept", content={"approve": True})

    async with world.connect() as one, world.connect("legacy", approve) as other:
        arguments = await world.quote(one)
        slow(world, LIST_PATH, 30)

        async def meanwhile() -> Any:
            await world.clock.sleep(41)
            return await one.result("enrich_list", **arguments)

        async def asking() -> Any:
            error = await other.error("enrich_list", **arguments)
            return error, world.clock.now

        (error, ended), _ = await at_once(asking, meanwhile)

    assert error["code"] == "outcome_unknown" and "has not been answered yet" in error["message"]
    assert 43 < ended <= 50


async def test_a_list_whose_answer_is_lost_while_the_server_stops_is_not_sent_again(world: World) -> None:
    failing = world.transport = Failing(world, 3, lost=True)
    async with world.connect() as session:
        arguments = await world.quote(session)
        async with interrupted(session, "enrich_list", **arguments):
            await failing.arrived.wait()
    async with world.connect() as session:
        assert (await session.call("workflow_status"))["status"] == "unknown"

    assert world.posts(LIST_PATH) == 0


async def test_a_lost_spend_stays_unknown_where_its_repeat_cannot_be_written_down(
    world: World, stores: list[Store]
) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as session:
        arguments = await world.quote(session)
        await session.error("enrich_list", **arguments)
        database_in(stores[0]).execute("PRAGMA query_only = 1")
        error = await session.error("enrich_list", **arguments)

    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert world.posts(LIST_PATH) == 2


async def test_a_refusal_that_cannot_be_written_down_is_told_all_the_same(
    world: World, stores: list[Store]
) -> None:
    refused = Answering(
        world.transport, LIST_PATH, httpx.Response(403, json={"error": {"code": "insufficient_scope"}})
    )
    world.transport = Edited(refused, lambda _: database_in(stores[0]).execute("PRAGMA query_only = 1"))
    async with world.connect() as session:
        error = await session.error("enrich_list", **await world.quote(session))

    assert (error["code"], error["charged"]) == ("insufficient_scope", "no")


@pytest.mark.parametrize(("servers", "lasts"), [(1, 5), (2, 5), (2, 0)])
async def test_the_same_paid_repeat_at_the_same_moment_pays_once(
    tmp_path: Path, servers: int, lasts: float
) -> None:
    world = World(tmp_path, latency=lasts)
    async with world.connect() as one, world.connect() as other:
        await one.call("enrich_person", **ADA, wait_seconds=20)
        world.clock.now += 60
        slow(world, PERSON_PATH, 3)
        sessions = (one, one) if servers == 1 else (one, other)
        again = ADA | {"again": True, "wait_seconds": 20}
        reports = await at_once(*[lambda s=s: s.call("enrich_person", **again) for s in sessions])

    assert sorted(report["replayed"] for report in reports) == [False, True]
    assert len({report["workflow_id"] for report in reports}) == 1
    assert len(world.sandbox.runs) == 2


async def test_a_no_to_a_run_that_another_call_started_meanwhile_returns_that_run(world: World) -> None:
    started = anyio.Event()

    async def decline(context: Any, params: Any) -> ElicitResult:
        await started.wait()
        return ElicitResult(action="decline")

    async with world.connect() as one, world.connect("legacy", decline) as other:
        arguments = await world.quote(one)

        async def first() -> Any:
            report = await one.call("enrich_list", **arguments)
            started.set()
            return report

        ran, declined = await at_once(lambda: other.call("enrich_list", **arguments), first)

    assert ran["replayed"] and ran["workflow_id"] == declined["workflow_id"]


async def test_a_dialog_without_a_yes_on_a_lost_spend_leaves_its_charge_unknown(
    world: World, era: str
) -> None:
    async def odd(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": "perhaps"})

    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_after", times=2)
    async with world.connect() as one, world.connect(era, odd) as other:
        arguments = await world.quote(one)
        await one.error("enrich_list", **arguments)
        error = await other.error("enrich_list", **arguments)

    assert error["charged"] == "unknown"
    assert "was sent at" in error["message"]


async def test_an_uncertain_list_names_the_call_that_may_clear_it_up(world: World) -> None:
    world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as session:
        lost = await world.quote(session)
        await session.error("enrich_list", **lost)
        estimate = await session.call("estimate", list_id=lost["list_id"])
        new = {name: estimate[name] for name in lost}
        blocked = await session.error("enrich_list", **new)
        cleared = await session.call("enrich_list", **lost)

    for text in (estimate["next_step"], blocked["next_step"]):
        assert f'quote_id="{lost["quote_id"]}"' in text
    assert not cleared["replayed"]


async def test_a_running_scope_is_seen_behind_a_newer_run_of_another(world: World) -> None:
    world.sandbox.add_list(SLOW_LIST, 4)
    async with world.connect() as session:
        quote = await world.quote(session, SLOW_LIST, "phone_only")
        phones = await session.call("enrich_list", **quote, wait_seconds=0)
        await session.call("enrich_list", **await world.quote(session, SLOW_LIST), wait_seconds=0)
        estimate = await session.call("estimate", list_id=SLOW_LIST, scope="phone_only")

    assert phones["workflow_id"] in estimate["next_step"]


@pytest.mark.parametrize(
    ("fate", "code"), [("it runs", "run_in_progress"), ("its answer was lost", "outcome_unknown")]
)
async def test_nobody_is_asked_about_a_list_that_another_quote_may_have_started(
    world: World, era: str, fate: str, code: str
) -> None:
    async def unused(context: Any, params: Any) -> ElicitResult:
        raise AssertionError("nothing could be spent")

    world.sandbox.add_list(SLOW_LIST, 4)
    if fate != "it runs":
        world.sandbox.faults.next(f"POST {LIST_PATH}", "reset_before", times=2)
    async with world.connect() as one, world.connect(era, unused) as other:
        await one.result("enrich_list", **await world.quote(one, SLOW_LIST))
        error = await other.error("enrich_list", **await world.quote(other, SLOW_LIST))

    assert error["code"] == code


async def test_work_that_the_api_knew_again_is_counted_once(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=20)
        known = {"workflow_id": first["workflow_id"], "status": "completed", "credits_reserved": 0}
        world.transport = Answering(world.transport, PERSON_PATH, httpx.Response(200, json=known))
    async with world.connect() as session:
        again = await session.call("enrich_person", **ADA, again=True)
        balance = await session.call("credits_balance")

    assert again["replayed"] and again["workflow_id"] == first["workflow_id"]
    assert counted(balance) == first["credits"]["charged"]


@pytest.mark.parametrize("other", ["reserved again", "another scope", "another person"])
async def test_the_id_of_other_work_in_an_answer_leaves_the_outcome_unknown_and_frees_nothing(
    world: World, other: str
) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", email="ada@fable.example", wait_seconds=20)
    named = {"workflow_id": first["workflow_id"], "credits_reserved": 1 if other == "reserved again" else 0}
    world.transport = Edited(world.transport, lambda data: data.update(named))
    scope: Scope = "full" if other == "another scope" else "partial"
    email = "ada@fable.example" if other != "another person" else "grace@fable.example"
    async with world.connect() as session:
        sent = world.posts(PERSON_PATH)
        errors = [
            await session.error("enrich_person", email=email, scope=scope, again=True) for _ in range(3)
        ]
        balance = await session.call("credits_balance")

    assert {(error["code"], error["charged"]) for error in errors} == {("outcome_unknown", "unknown")}
    assert first["workflow_id"] in errors[0]["message"]
    assert world.posts(PERSON_PATH) == sent + 1
    assert balance["reserved_now"] == PRICES[scope]


async def test_counting_a_finished_list_overwrites_no_charge_that_was_settled_meanwhile(world: World) -> None:
    class Late(httpx.AsyncBaseTransport):
        """The first look at the end shows no charge yet, and counting the list takes a while."""

        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self.inner, self.ends = inner, 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await self.inner.handle_async_request(request)
            if request.url.path.endswith("/leads"):
                await world.clock.sleep(4)
            if "/enrichment/status/" not in request.url.path:
                return answer
            body = json.loads(await answer.aread())
            if body["status"].startswith("completed"):
                self.ends += 1
                if self.ends == 1:
                    body |= {"credits_charged": None, "credits_refunded": None}
            return httpx.Response(200, json=body, request=request)

    world.transport = Late(world.transport)
    both = frozenset({"core", "lists"})
    async with world.connect(toolsets=both) as one, world.connect() as other:
        run = await one.call("enrich_list", **await world.quote(one))
        world.clock.now += 60

        async def later() -> Any:
            await world.clock.sleep(2)
            return await other.call("workflow_status", workflow_id=run["workflow_id"], wait_seconds=0)

        _, settled = await at_once(
            lambda: one.call("workflow_status", workflow_id=run["workflow_id"], wait_seconds=0), later
        )
        balance = await other.call("credits_balance")
        report = await one.call("workflow_status", workflow_id=run["workflow_id"])

    assert counted(balance) == settled["credits"]["charged"] == report["credits"]["charged"]
    assert "The list now has" in report["summary"]


async def test_more_than_was_quoted_is_said_loudly(world: World) -> None:
    world.transport = Edited(world.transport, lambda data: data.update(credits_reserved=999))
    async with world.connect() as session:
        quote = await world.quote(session)
        report = await session.call("enrich_list", **quote)

    assert "Warning: Cleanlist reserved 999 credits, more than quoted" in report["summary"]


async def test_a_charge_above_the_price_is_said_loudly(world: World) -> None:
    def charged(data: dict[str, Any]) -> None:
        if data["status"].startswith("completed"):
            data["credits_charged"] = 99

    world.transport = Edited(world.transport, charged, "/enrichment/status/", "GET")
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=30)

    assert "Warning: Cleanlist charged 99 credits, more than the price (1 credit)" in report["summary"]


async def test_figures_within_the_quote_bring_no_warning(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_list", **await world.quote(session))
        report = await session.call("workflow_status", wait_seconds=30)

    assert "Warning" not in report["summary"]


async def test_a_run_that_was_seen_to_end_does_not_go_back(world: World) -> None:
    async with world.connect() as session:
        ended = await session.call("enrich_person", **ADA, wait_seconds=30)

    def backwards(data: dict[str, Any]) -> None:
        data.update(status="running", credits_charged=None, credits_refunded=None, result=None)

    world.transport = Edited(world.transport, backwards, "/enrichment/status/", "GET")
    async with world.connect() as session:
        later = await session.call("workflow_status", workflow_id=ended["workflow_id"], wait_seconds=5)
        newest = await session.call("workflow_status", wait_seconds=5)
        repeated = await session.call("enrich_person", **ADA, wait_seconds=5)

    for report in (later, newest, repeated):
        assert report["finished"] and report["status"] == "completed"
        assert report["credits"]["charged"] == ended["credits"]["charged"]


async def test_a_list_that_goes_on_is_found_whatever_the_key_and_the_spelling_of_the_address(
    world: World,
) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_list", **await world.quote(session), wait_seconds=0)
    usual = world.sandbox.base_url
    for base_url in (
        usual,
        usual.replace("/v1/public", "/v2"),
        usual.upper().replace("/API/V1/PUBLIC", "/api/v2"),
    ):
        async with world.connect(api_key=second_key(world), base_url=base_url) as session:
            quote = await world.quote(session)
            error = await session.error("enrich_list", **quote)
        assert (error["code"], error["charged"]) == ("run_in_progress", "no")
        assert error["workflow_id"] == first["workflow_id"]


def second_key(world: World) -> SecretStr:
    """Another key of the same user."""
    account = world.sandbox.account()
    return SecretStr(
        world.sandbox._add_key("second", account.user, account.organization, frozenset(account.scopes))
    )


async def test_a_person_is_the_same_under_every_spelling_of_the_address(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
    async with world.connect(base_url=world.sandbox.base_url.replace("/v1/public", "/v2")) as session:
        second = await session.call("enrich_person", **ADA)

    assert second["replayed"] and second["workflow_id"] == first["workflow_id"]


async def test_the_first_answer_under_a_new_key_says_that_nobody_is_recognised(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
    async with world.connect(api_key=second_key(world)) as session:
        second = await session.call("enrich_person", **ADA)
        third = await session.call("enrich_person", email="grace@fable.example")

    sentence = "first run with this API key"
    assert [sentence in report["summary"] for report in (first, second, third)] == [False, True, False]


@pytest.mark.parametrize("names_run", [True, False])
@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_a_gateway_that_sends_twice_neither_frees_the_claim_nor_loses_the_run(
    world: World, tool: str, names_run: bool
) -> None:
    async with world.connect() as session:
        arguments: dict[str, Any] = ADA if tool == "enrich_person" else await world.quote(session)
        path = PERSON_PATH if tool == "enrich_person" else LIST_PATH
        world.sandbox.faults.next(f"POST {path}", "sent_twice", names_run=names_run)
        first = await session.result(tool, **arguments)
        again = await session.result(tool, **arguments)
        newest = await session.call("workflow_status", wait_seconds=0)

    assert len(world.sandbox.runs) == 1
    if names_run:
        assert said(first)["workflow_id"] == said(again)["workflow_id"] == world.sandbox.runs[0].workflow_id
    else:
        assert {said(result)["charged"] for result in (first, again)} == {"unknown"}
        assert newest["status"] == "unknown"


@pytest.mark.parametrize("shown", ["another list", "another scope", "nothing"])
async def test_an_id_in_a_refusal_is_no_acceptance_if_a_look_shows_other_work(
    world: World, shown: str
) -> None:
    changes = {
        "another list": {"lead_list_id": "list_of_others"},
        "another scope": {"enrichment_type": "full"},
    }

    def other_work(data: dict[str, Any]) -> None:
        data.update(changes[shown])

    if shown != "nothing":
        world.transport = Edited(world.transport, other_work, "/enrichment/status/", "GET")
    async with world.connect() as session:
        arguments = await world.quote(session)
        world.sandbox.faults.next(f"POST {LIST_PATH}", "sent_twice", names_run=True, times=2)
        if shown == "nothing":
            world.sandbox.faults.next("GET /enrichment/status/*", "server_error", times=9)
        error = await session.error("enrich_list", **arguments)

    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert len(world.sandbox.runs) == 1


@pytest.mark.parametrize("tool", ["enrich_person", "enrich_list"])
async def test_a_report_names_its_list_without_a_wait(world: World, tool: str) -> None:
    async with world.connect() as session:
        quote = await world.quote(session)
        arguments = ADA | {"list_id": quote["list_id"]} if tool == "enrich_person" else quote
        report = await session.call(tool, **arguments, wait_seconds=0)

    assert report["list_id"] == quote["list_id"]
