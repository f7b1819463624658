"""Waiting for runs: how soon an end is seen, at how many requests, and what can never be lost."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any, cast

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from pydantic import SecretStr

from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.minute import Kind
from cleanlist_mcp.api.wire import WorkflowStatus
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import ApiError, InternalError, NotFound, RateLimited
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.outcomes import Outcomes
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.runs.schedule import next_delay
from cleanlist_mcp.runs.watching import FOLLOW_STEP, REMEMBERED_RUNS, Watched, Watcher
from tests.journals import open_journal
from tests.support import Edited, Session, VirtualClock, VirtualNetwork, World, counted, said

STATUS = "GET /enrichment/status/*"
ADA = {"email": "ada@fable.example"}


def latent(world: World, seconds: float) -> World:
    """The same world, with runs of that length."""
    return World(world.folder, latency=seconds)


def looks(world: World) -> int:
    return sum(record.path.startswith("/enrichment/status/") for record in world.sandbox.requests)


def refusals(world: World) -> int:
    return sum(record.status == 429 for record in world.sandbox.requests)


async def settled(session: Session, report: dict[str, Any], wait_seconds: int = 45) -> dict[str, Any]:
    """Wait again, as an assistant does, until the run has ended."""
    for _ in range(20):
        if report["finished"]:
            return report
        report = await session.call(
            "workflow_status", workflow_id=report["workflow_id"], wait_seconds=wait_seconds
        )
    raise AssertionError("the end was never seen")


async def list_arguments(world: World, session: Session, name: str = "Conference Leads") -> dict[str, Any]:
    return await world.quote(session, name)


@pytest.mark.parametrize(("length", "most"), [(0.5, 4), (6, 10), (60, 24)])
async def test_the_end_of_a_run_is_seen_soon_at_few_requests(world: World, length: float, most: int) -> None:
    world = latent(world, length)
    async with world.connect() as session:
        await settled(session, await session.call("enrich_person", **ADA, wait_seconds=45))
        late = world.clock.now - length

    assert 0 <= late <= max(1.0, 0.25 * length)
    assert looks(world) <= most


@pytest.mark.parametrize(("length", "most"), [(0.5, 2), (6, 5), (60, 13)])
async def test_a_list_that_reports_its_progress_costs_fewer_requests(
    world: World, length: float, most: int
) -> None:
    world = latent(world, length)
    async with world.connect() as session:
        arguments = await list_arguments(world, session)
        began = world.clock.now
        await settled(session, await session.call("enrich_list", **arguments, wait_seconds=45))
        late = world.clock.now - began - length

    assert 0 <= late <= max(1.0, 0.25 * length)
    assert looks(world) <= most


async def test_eight_runs_at_once_are_all_seen_within_one_wait(world: World) -> None:
    world = latent(world, 12)
    reports: list[dict[str, Any]] = []

    async def enrich(session: Session, number: int) -> None:
        email = f"person{number}@fable.example"
        reports.append(await session.call("enrich_person", email=email, wait_seconds=25))

    async with world.connect() as session, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(enrich, session, number)

    assert [report["finished"] for report in reports] == [True] * 8
    assert refusals(world) == 0


async def test_twenty_runs_of_a_minute_are_all_seen_without_a_429(world: World) -> None:
    world = latent(world, 60)
    reports: list[dict[str, Any]] = []

    async def enrich(session: Session, number: int) -> None:
        email = f"person{number}@fable.example"
        report = await session.call("enrich_person", email=email, wait_seconds=25)
        reports.append(await settled(session, report, wait_seconds=25))

    async with world.connect() as session, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(enrich, session, number)

    assert [report["status"] for report in reports] == ["completed"] * 20
    assert not any("failed" in report["summary"] for report in reports)
    assert refusals(world) == 0


async def test_many_calls_that_watch_one_run_share_its_poller(world: World) -> None:
    world = latent(world, 6)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=0)
        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(settled, session, report)

    assert looks(world) <= 10


async def test_calls_that_wait_for_one_run_with_different_patience_do_not_use_up_its_looks(
    world: World,
) -> None:
    world = latent(world, 6)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=0)
        async with anyio.create_task_group() as tasks:
            for wait_seconds in range(22, 46):
                tasks.start_soon(settled, session, report, wait_seconds)

        assert world.clock.now <= 6 + 1.5 + 0.1


@pytest.mark.parametrize("seen_before", [0, 5])
async def test_a_429_that_another_call_met_is_told_by_the_waits_it_outlasts(
    world: World, seen_before: int
) -> None:
    world = latent(world, 60)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=seen_before)
        world.sandbox.faults.next("GET /whoami", "rate_limited", retry_after=100)
        await session.error("whoami")
        began = world.clock.now
        wanted = report["workflow_id"]
        answer = said(await session.result("workflow_status", workflow_id=wanted, wait_seconds=20))
        elsewhere = await session.error("workflow_status", workflow_id="enrich-elsewhere", wait_seconds=20)

    assert world.clock.now - began <= 1
    assert elsewhere["code"] == "rate_limited" and elsewhere["retry_after_seconds"] > 95
    if seen_before:
        assert not answer["finished"] and "takes requests again in 100 seconds" in answer["summary"]
    else:
        assert answer["code"] == "rate_limited"


async def test_a_wait_of_one_second_for_an_unknown_run_still_looks_at_it(world: World) -> None:
    async with world.connect() as session:
        error = await session.error("workflow_status", workflow_id="enrich-never-was", wait_seconds=1)

    assert error["code"] == "not_found"


async def test_calls_that_wait_leave_the_others_their_turn(world: World) -> None:
    world = latent(world, 600)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=0)
        async with anyio.create_task_group() as tasks:
            for _ in range(75):
                tasks.start_soon(settled_or_not, session, report)
            await all_at_rest()
            began = world.clock.now
            await session.call("credits_balance")
            took = world.clock.now - began
            tasks.cancel_scope.cancel()

    assert took < 1


async def settled_or_not(session: Session, report: dict[str, Any]) -> None:
    await session.call("workflow_status", workflow_id=report["workflow_id"], wait_seconds=45)


async def test_nobody_polls_once_nobody_watches(world: World) -> None:
    world = latent(world, 60)
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=10)
        before = looks(world)
        await world.clock.sleep(300)

    assert looks(world) == before > 0


async def test_what_has_ended_is_not_asked_for_again(world: World) -> None:
    async with world.connect() as session:
        person = await session.call("enrich_person", **ADA)
        arguments = await list_arguments(world, session)
        listed = await settled(session, await session.call("enrich_list", **arguments, wait_seconds=45))
        before = looks(world)
        for report in (person, listed):
            again = await session.call("workflow_status", workflow_id=report["workflow_id"])
            assert again["credits"] == report["credits"]

    assert looks(world) == before


async def test_after_a_restart_a_list_costs_no_request_and_a_person_one(world: World) -> None:
    async with world.connect() as session:
        person = await session.call("enrich_person", **ADA)
        arguments = await list_arguments(world, session)
        listed = await settled(session, await session.call("enrich_list", **arguments, wait_seconds=45))
    sent = len(world.sandbox.requests)

    async with world.connect() as session:
        again = await session.call("workflow_status", workflow_id=listed["workflow_id"])
        assert len(world.sandbox.requests) == sent
        same = await session.call("workflow_status", workflow_id=person["workflow_id"])
        assert len(world.sandbox.requests) == sent + 1

    assert (again["found"], again["credits"]) == (listed["found"], listed["credits"])
    assert same["person"] == person["person"]


async def test_figures_named_while_a_refund_is_under_review_settle_nothing(world: World) -> None:
    def early(data: dict[str, Any]) -> None:
        if data.get("refund_status") == "pending_review":
            data.update(credits_charged=0, credits_refunded=1)

    world.transport = Edited(world.transport, early, "/enrichment/status/", "GET")
    async with world.connect() as session:
        await session.call(
            "enrich_person", first_name="Ada", last_name="Pending-Review", domain="fable.example"
        )
        balance = await session.call("credits_balance")
    world.sandbox.faults.next(STATUS, "unavailable", times=20, retryable=False)
    async with world.connect() as session:
        known = await session.call("workflow_status", wait_seconds=0)

    assert counted(balance) == 1
    assert not {"charged", "refunded"} & known["credits"].keys()


async def test_a_429_holds_back_looks_and_calls_until_it_has_passed(world: World) -> None:
    world = latent(world, 6)
    world.sandbox.faults.next(STATUS, "rate_limited", retry_after=8)
    answered: list[float] = []

    async def ask(session: Session) -> None:
        await world.clock.sleep(3)
        await session.call("whoami")
        answered.append(world.clock.now)

    async with world.connect() as session, anyio.create_task_group() as tasks:
        tasks.start_soon(ask, session)
        report = await session.call("enrich_person", **ADA, wait_seconds=25)

    moments = [record.time - world.clock.epoch for record in world.sandbox.requests]
    refused = [record.time - world.clock.epoch for record in world.sandbox.requests if record.status == 429]
    assert report["finished"]
    assert len(refused) == 1
    assert not [at for at in moments if refused[0] < at < refused[0] + 8]
    assert refused[0] + 8 <= answered[0] <= refused[0] + 10


async def test_a_429_longer_than_the_wait_is_answered_with_its_seconds(world: World) -> None:
    world = latent(world, 6)
    world.sandbox.faults.next(STATUS, "rate_limited", retry_after=47)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=25)
        assert world.clock.now < 2
        assert not report["finished"]
        assert "47 seconds" in report["summary"]

        error = await session.error("workflow_status", workflow_id=report["workflow_id"])
        assert error["code"] == "rate_limited"
        assert 45 < error["retry_after_seconds"] <= 48
        assert (await session.error("whoami"))["code"] == "rate_limited"
        assert len(world.sandbox.requests) == 2

        await world.clock.sleep(47)
        assert (await settled(session, report))["status"] == "completed"


@pytest.mark.parametrize("kind", ["server_error", "bad_gateway", "reset_before", "unreadable"])
async def test_a_look_that_fails_does_not_end_the_wait(world: World, kind: Any) -> None:
    world = latent(world, 6)
    world.sandbox.faults.next(STATUS, kind, retryable=False)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=25)

    assert report["finished"]
    assert "failed" not in report["summary"]


async def test_a_run_that_the_api_does_not_know_ends_the_wait_at_once(world: World) -> None:
    async with world.connect() as session:
        error = await session.error("workflow_status", workflow_id="enrich-nobody", wait_seconds=45)
        assert world.clock.now == 0

    assert error["code"] == "not_found"


async def test_cancelling_a_wait_is_prompt_and_loses_nothing(world: World, era: str) -> None:
    world = latent(world, 30)
    async with world.connect(era) as session:
        with anyio.move_on_after(60) as patience:
            async with anyio.create_task_group() as tasks:

                async def cancel_soon() -> None:
                    await world.clock.sleep(5)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(cancel_soon)
                await session.call("enrich_person", **ADA, wait_seconds=45)
        assert not patience.cancelled_caught
        assert world.clock.now < 6
        before = looks(world)
        await world.clock.sleep(20)
        assert looks(world) - before <= 1  # one may have been on its way
        found = await session.call("workflow_status", wait_seconds=45)

    assert found["finished"]
    assert world.posts("/enrichment/person") == 1


async def test_progress_grows_with_every_notice(world: World, era: str) -> None:
    world = latent(world, 20)
    async with world.connect(era) as session:
        arguments = await list_arguments(world, session)
        session.progress.clear()
        await session.call("enrich_list", **arguments, wait_seconds=45)
        values = [value for value, _, _ in session.progress]
        messages = [message for _, _, message in session.progress]

    assert len(values) >= 3
    assert all(later > earlier for earlier, later in pairwise(values))
    assert {total for _, total, _ in session.progress} == {40}
    assert all(messages)


async def test_a_run_that_stands_still_gives_one_notice(world: World) -> None:
    world = latent(world, 20)
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=10)
        assert len(session.progress) == 1
    assert looks(world) > 3


async def test_a_wait_out_of_bounds_is_refused(world: World) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "workflow_status": {},
        "enrich_person": ADA,
        "enrich_list": {"list_id": "list", "scope": "partial", "quote_id": "quote"},
    }
    async with world.connect() as session:
        for tool, others in arguments.items():
            for wait_seconds in (-1, 46, 2.5, True):
                error = await session.error(tool, **others, wait_seconds=wait_seconds)
                assert error["code"] == "invalid_arguments"
                assert [field["field"] for field in error["field_errors"]] == ["wait_seconds"]

    assert world.sandbox.requests == []


async def test_the_wait_gets_what_the_requests_left_of_fifty_seconds(world: World) -> None:
    world = latent(world, 300)
    world.sandbox.options.sleep = world.clock.sleep
    world.sandbox.faults.next("GET /lead-lists*", "slow", delay=15)
    world.sandbox.faults.next("POST /enrichment/person", "slow", delay=15)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, list_id="Q3 Prospects", wait_seconds=45)

        assert not report["finished"]
        assert 40 < world.clock.now <= 50


async def test_looks_that_never_answer_do_not_outlast_the_call(world: World) -> None:
    world = latent(world, 300)
    world.transport = VirtualNetwork(world.transport, world.clock)
    world.sandbox.faults.next(STATUS, "hang_before", times=100)
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=45)
        assert not report["finished"]
        assert world.clock.now <= 50


async def test_calls_that_do_not_wait_share_a_look_that_is_under_way(world: World) -> None:
    world = latent(world, 300)
    world.sandbox.options.sleep = world.clock.sleep
    statuses: list[str] = []

    async def glance(session: Session, workflow_id: str) -> None:
        report = await session.call("workflow_status", workflow_id=workflow_id, wait_seconds=0)
        statuses.append(report["status"])

    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, wait_seconds=0)
        world.sandbox.faults.next(STATUS, "slow", delay=2)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(glance, session, report["workflow_id"])

    assert statuses == ["pending"] * 5
    assert looks(world) == 1


async def test_a_defect_in_a_look_leaves_the_server_serving(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ada@fable.example")

    async with world.connect() as session:
        monkeypatch.setattr(Outcomes, "observed", broken)
        report = await session.call("enrich_person", **ADA, wait_seconds=25)
        assert not report["finished"]
        assert "ada@" not in report["summary"]
        monkeypatch.undo()
        assert (await settled(session, report))["finished"]


@pytest.mark.parametrize("servers", [2, 3])
async def test_a_run_that_several_servers_wait_for_is_looked_at_by_one_and_once_by_each_at_its_end(
    world: World, servers: int
) -> None:
    world = latent(world, 30)
    reports: list[dict[str, Any]] = []

    async def wait(session: Session, workflow_id: str) -> None:
        report = await session.call("workflow_status", workflow_id=workflow_id, wait_seconds=45)
        reports.append(report)

    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(world.connect()) for _ in range(servers)]
        report = await sessions[0].call("enrich_person", **ADA, wait_seconds=0)
        async with anyio.create_task_group() as tasks:
            for session in sessions:
                tasks.start_soon(wait, session, report["workflow_id"])
        took = world.clock.now

    assert [report["finished"] for report in reports] == [True] * servers
    assert all(report["person"]["email"] for report in reports)
    assert took <= 30 * 1.25 + 2 * FOLLOW_STEP
    assert looks(world) <= watch_alone_looks(30) + servers - 1


def watch_alone_looks(length: float) -> int:
    """The most looks that one server takes for a run that ends after so long."""
    age, count = 0.0, 0
    while age < length:
        age, count = age + next_delay(age, jitter=1.0), count + 1
    return count


async def test_the_end_of_a_list_is_known_to_the_other_servers_without_a_look(world: World) -> None:
    world = latent(world, 10)
    async with world.connect() as one, world.connect() as other:
        arguments = await list_arguments(world, one)
        report = await one.call("enrich_list", **arguments, wait_seconds=0)
        reports: list[dict[str, Any]] = []

        async def wait(session: Session) -> None:
            reports.append(
                await session.call("workflow_status", workflow_id=report["workflow_id"], wait_seconds=45)
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, one)
            await all_at_rest()
            tasks.start_soon(wait, other)
        at_end = looks(world)

    assert [report["finished"] for report in reports] == [True, True]
    assert reports[0]["credits"] == reports[1]["credits"]
    assert at_end <= 7


async def test_progress_that_another_server_saw_is_told_here_too(world: World) -> None:
    world = latent(world, 40)
    async with world.connect() as one, world.connect() as other:
        arguments = await list_arguments(world, one)
        report = await one.call("enrich_list", **arguments, wait_seconds=0)
        async with anyio.create_task_group() as tasks:

            async def wait(session: Session) -> None:
                await session.call("workflow_status", workflow_id=report["workflow_id"], wait_seconds=30)

            tasks.start_soon(wait, one)
            await all_at_rest()
            tasks.start_soon(wait, other)

    assert len(other.progress) >= 3


async def test_twelve_runs_that_three_servers_wait_for_meet_no_429(world: World) -> None:
    world = latent(world, 20)
    reports: list[dict[str, Any]] = []

    async def wait(session: Session, report: dict[str, Any]) -> None:
        reports.append(await settled(session, report))

    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(world.connect()) for _ in range(3)]
        started = [
            await sessions[number % 3].call(
                "enrich_person", email=f"person{number}@fable.example", wait_seconds=0
            )
            for number in range(12)
        ]
        async with anyio.create_task_group() as tasks:
            for session in sessions:
                for report in started:
                    tasks.start_soon(wait, session, report)

    assert refusals(world) == 0
    assert len(reports) == 36
    # Without room for a look of its own, a server says that the run has ended, and how to see the person.
    told = [report.get("next_step", report["summary"]) for report in reports if "person" not in report]
    assert not [text for text in told if "workflow_status" not in text and "nothing usable" not in text]
    moments = [record.time for record in world.sandbox.requests]
    assert max(sum(at <= other < at + 60 for other in moments) for at in moments) <= 30


async def test_ten_keys_of_an_organization_meet_no_429_and_all_see_their_runs_end(world: World) -> None:
    world = latent(world, 15)
    keys = [world.sandbox.key]
    keys += [world.sandbox.add_account(f"seller{n}", colleague_of=world.sandbox.key) for n in range(1, 10)]
    late: list[float] = []

    async def work(session: Session, number: int) -> None:
        report = await session.call("enrich_person", email=f"person{number}@fable.example", wait_seconds=0)
        began = world.clock.now
        await settled(session, report, wait_seconds=25)
        late.append(world.clock.now - began - 15)

    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(world.connect(api_key=SecretStr(key))) for key in keys]
        for session in sessions:
            await session.call("credits_balance")
        async with anyio.create_task_group() as tasks:
            for number, session in enumerate(sessions):
                tasks.start_soon(work, session, number)

    assert refusals(world) == 0
    assert max(late) <= 25


class Slate:
    """Stands in for the API: each look gets the next answer, once somebody lets it."""

    def __init__(self, clock: Clock) -> None:
        self.budget = SharedBudget(clock)
        self.looks = 0
        self.answers: dict[int, WorkflowStatus | Exception] = {}
        self.released: dict[int, anyio.Event] = {}
        self._clock = clock

    async def status(self, workflow_id: str, *, kind: Kind = "call") -> WorkflowStatus:
        if kind == "look":
            await self.budget.admit(kind, workflow_id)
        self.looks += 1
        number = self.looks
        if number in self.released:
            await self.released[number].wait()
        answer = self.answers.get(number, WorkflowStatus(status="running"))
        if isinstance(answer, Exception):
            raise answer
        return answer


async def all_at_rest() -> None:
    """Let every task that can run do so; enough turns for anything here."""
    for _ in range(20):
        await checkpoint()


async def ignore(status: WorkflowStatus) -> None:
    return None


OPENED: list[Journal] = []


@pytest.fixture(autouse=True)
async def journals_closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().close()


def watcher_of(slate: Slate, clock: Clock, tasks: TaskGroup) -> Watcher:
    journal = open_journal(None, clock, "api", "key")
    OPENED.append(journal)
    return Watcher(cast(CleanlistClient, slate), journal, clock, slate.budget, tasks)


async def test_of_two_looks_at_once_the_older_answer_does_not_undo_the_end() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.released[1] = anyio.Event()
    slate.answers[2] = WorkflowStatus(status="completed")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        watcher = watcher_of(slate, clock, tasks)
        tasks.start_soon(watcher.watch, "run", clock.time(), 0, ignore)
        await all_at_rest()
        ended = await watcher.watch("run", clock.time(), 20, ignore)
        slate.released[1].set()
        await all_at_rest()
        later = await watcher.watch("run", clock.time(), 0, ignore)
        tasks.cancel_scope.cancel()

    assert ended.status is not None
    assert ended.status.finished
    assert later.status is not None
    assert later.status.finished


async def test_a_look_whose_call_was_cancelled_is_made_again_by_the_next() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.released[1] = anyio.Event()
    seen: list[Watched] = []

    async def glance(watcher: Watcher) -> None:
        seen.append(await watcher.watch("run", None, 0, ignore))

    async with anyio.create_task_group() as tasks:
        watcher = watcher_of(slate, clock, tasks)
        async with anyio.create_task_group() as first:
            first.start_soon(glance, watcher)
            await all_at_rest()
            tasks.start_soon(glance, watcher)
            await all_at_rest()
            first.cancel_scope.cancel()
        await all_at_rest()

    assert slate.looks == 2
    assert [item.status and item.status.status for item in seen] == ["running"]


async def test_a_call_that_joins_a_look_which_comes_to_nothing_looks_itself() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.released[2] = anyio.Event()
    seen: list[Watched] = []

    async def glance(watcher: Watcher) -> None:
        seen.append(await watcher.watch("run", None, 0, ignore))

    async with anyio.create_task_group() as tasks:
        watcher = watcher_of(slate, clock, tasks)
        await glance(watcher)
        clock.now += 10
        async with anyio.create_task_group() as first:
            first.start_soon(glance, watcher)
            await all_at_rest()
            tasks.start_soon(glance, watcher)
            await all_at_rest()
            first.cancel_scope.cancel()
        await all_at_rest()

    assert slate.looks == 3
    assert len(seen) == 2


async def test_a_run_given_up_is_asked_for_again_by_the_next_call() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.answers[1] = NotFound("Nobody knows it.", "Check the id.")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        watcher = watcher_of(slate, clock, tasks)
        first = await watcher.watch("run", None, 20, ignore)
        slate.answers[2] = WorkflowStatus(status="completed")
        second = await watcher.watch("run", None, 20, ignore)
        tasks.cancel_scope.cancel()

    assert isinstance(first.error, NotFound)
    assert second.status is not None
    assert second.error is None


async def test_a_defect_in_what_another_server_saw_ends_the_wait_and_nothing_else() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.budget.sight = None  # type: ignore[assignment, method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        watcher = watcher_of(slate, clock, tasks)
        first = await watcher.watch("run", clock.time(), 20, ignore)
        del slate.budget.sight
        slate.answers[1] = WorkflowStatus(status="completed")
        second = await watcher.watch("run", clock.time(), 20, ignore)
        tasks.cancel_scope.cancel()

    assert isinstance(first.error, InternalError)
    assert second.status is not None and second.status.finished


async def test_the_answers_of_old_runs_are_forgotten_and_watched_runs_are_not() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        watcher = watcher_of(slate, clock, tasks)
        watched: list[Watched] = []

        async def wait() -> None:
            watched.append(await watcher.watch("watched", None, 45, ignore))

        tasks.start_soon(wait)
        await all_at_rest()
        for number in range(REMEMBERED_RUNS + 50):
            await watcher.watch(f"run-{number}", None, 0, ignore)
        before = slate.looks
        await watcher.watch("watched", None, 0, ignore)
        assert slate.looks == before  # the run that a call waits for is remembered, however many came since
        await watcher.watch("run-0", None, 0, ignore)
        assert slate.looks == before + 1
        await clock.sleep(60)
        tasks.cancel_scope.cancel()

    assert watched[0].status is not None


async def test_two_looks_asked_for_at_once_are_one_and_both_are_answered() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.released[1] = anyio.Event()
    seen: list[Watched] = []

    async def glance(watcher: Watcher) -> None:
        seen.append(await watcher.watch("run", None, 0, ignore))

    async with anyio.create_task_group() as tasks:
        watcher = watcher_of(slate, clock, tasks)
        for _ in range(2):
            tasks.start_soon(glance, watcher)
        await all_at_rest()
        slate.released[1].set()

    assert slate.looks == 1
    assert [item.status is not None for item in seen] == [True, True]


async def test_waits_for_many_unknown_runs_at_once_stay_within_the_minute_of_the_api(world: World) -> None:
    answers: list[Watched] = []
    async with world.services() as services, anyio.create_task_group() as calls:

        async def wait(number: int) -> None:
            answers.append(await services.watcher.watch(f"enrich-unknown-{number}", None, 20))

        for number in range(100):
            calls.start_soon(wait, number)
    asked = [record for record in world.sandbox.requests if "/enrichment/status/" in record.path]

    assert 0 < len(asked) <= 30
    assert all(isinstance(answer.error, ApiError) for answer in answers)
    assert sum(isinstance(answer.error, RateLimited) for answer in answers) >= 70


async def test_a_wait_for_one_unknown_run_that_is_too_short_for_a_look_gets_one_all_the_same(
    world: World,
) -> None:
    async with world.services() as services:
        answer = await services.watcher.watch("enrich-unknown", None, 0.1)

    assert isinstance(answer.error, NotFound)


async def test_a_run_that_seems_to_start_in_the_future_is_looked_at_as_a_new_one() -> None:
    clock = VirtualClock()
    slate = Slate(clock)
    slate.answers[2] = WorkflowStatus(status="completed")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.drive)
        watcher = watcher_of(slate, clock, tasks)
        watched = await watcher.watch("run", clock.time() + 3600, 20, ignore)  # the clock was set back
        tasks.cancel_scope.cancel()

    assert watched.status is not None and watched.status.finished
    assert clock.now < 4
