"""The credits that were spent from here: statements of the journal, and `credits_balance` that shows them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cleanlist_mcp.errors import DailyLimit
from cleanlist_mcp.journal.claims import PersonWork, Terms
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.money.costs import By, Costs, Statement, added_up, costs_of, days_of, window_start
from cleanlist_mcp.money.decisions import ListDecision, Start
from cleanlist_mcp.money.limits import DAY, Limits
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.same_person import marks_of
from tests.journals import HandClock, at_once, claim_list, database_of, open_journal
from tests.support import Edited, World, counted

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}
BYS: tuple[By, ...] = ("total", "day", "list", "run")
AMPLE = Limits(10**9, None)
MONEY = ("charged", "refunded", "reserved", "unknown", "runs", "rows", "found")


@pytest.mark.parametrize("by", BYS)
async def test_what_a_list_and_a_person_cost_is_one_call(world: World, era: str, by: By) -> None:
    async with world.connect(era) as session:
        before = (await session.call("credits_balance"))["credits"]
        person = await session.call("enrich_person", **ADA, scope="full", wait_seconds=40)
        listed = await session.call("enrich_list", **await world.quote(session), wait_seconds=40)
        balance = await session.call("credits_balance", by=by)

    assert balance["charged"] == before - balance["credits"]
    assert balance["charged"] == person["credits"]["charged"] + listed["credits"]["charged"]
    assert balance["refunded"] == listed["credits"]["refunded"]
    assert (balance["reserved"], balance["unknown"], balance["reserved_now"]) == (0, 0, 0)
    rows = balance["rows"]
    assert {name: sum(row[name] for row in rows) for name in MONEY} == {
        "charged": balance["charged"],
        "refunded": balance["refunded"],
        "reserved": 0,
        "unknown": 0,
        "runs": 2,
        "rows": 13,
        "found": 1 + listed["found"],
    }
    missed = listed["not_found"]
    assert f"Of 13 rows, {1 + listed['found']} found, {missed} not found." in balance["summary"]
    assert "2 runs from here in the last 24 hours" in balance["summary"]
    assert "today" not in balance["summary"]


async def test_rows_stand_for_days_lists_or_runs(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
        listed = await session.call("enrich_list", **await world.quote(session), wait_seconds=40)
        days = (await session.call("credits_balance", by="day"))["rows"]
        lists = await session.call("credits_balance", by="list")
        runs = (await session.call("credits_balance", by="run"))["rows"]

    assert [day["label"] for day in days] == ["2026-11-18"]
    assert [row["label"] for row in lists["rows"]] == ["Q3 Prospects", "MCP Results"]
    assert '"Q3 Prospects" ' in lists["summary"]
    assert [row["label"] for row in runs] == ["Q3 Prospects", "Ada Fable at fable.example"]
    assert runs[0]["workflow_id"] == listed["workflow_id"]
    assert runs[0]["started_at"] == listed["started_at"]
    assert (runs[0]["scope"], runs[0]["rows"]) == ("partial", 12)
    assert "workflow_id" not in lists["rows"][0]


async def test_a_run_counts_on_the_day_on_which_it_started(world: World) -> None:
    world.clock.epoch = 1_795_046_390.0  # ten seconds before midnight in UTC
    async with world.connect() as session:
        slow = await session.call("enrich_person", email="slow@fable.example", wait_seconds=45)
        settled = await session.call("workflow_status", workflow_id=slow["workflow_id"], wait_seconds=45)
        await session.call("enrich_person", **ADA, wait_seconds=40)
        days = (await session.call("credits_balance", by="day"))["rows"]

    assert settled["finished"]
    assert [(day["label"], day["runs"]) for day in days] == [("2026-11-19", 1), ("2026-11-18", 1)]


async def test_older_runs_are_seen_by_looking_back_further(world: World, era: str) -> None:
    async with world.connect(era) as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
        world.clock.now += 3 * DAY
        short = await session.call("credits_balance")
        long = await session.call("credits_balance", days=7, by="day")

    assert (short["charged"], short["rows"]) == (0, [])
    assert "Nothing was spent from here in the last 24 hours." in short["summary"]
    assert long["charged"] == 1
    assert "in the last 7 days" in long["summary"]


async def test_days_beyond_those_that_are_kept_are_refused(world: World) -> None:
    async with world.connect() as session:
        assert (await session.error("credits_balance", days=91))["code"] == "invalid_arguments"
        assert (await session.error("credits_balance", days=5.5))["code"] == "invalid_arguments"
        assert (await session.error("credits_balance", by="week"))["code"] == "invalid_arguments"
        assert (await session.call("credits_balance", days=0, by="Day"))["charged"] == 0


async def test_a_lost_answer_is_unknown_and_no_charge(world: World, era: str) -> None:
    world.transport = _Losing(world.transport)
    async with world.connect(era) as session:
        await session.error("enrich_person", **ADA, scope="full")
        balance = await session.call("credits_balance", by="run")

    assert (balance["charged"], balance["reserved"], balance["unknown"]) == (0, 0, 11)
    assert "up to 11 credits is unknown" in balance["summary"]
    assert "workflow_id" not in balance["rows"][0]
    assert balance["next_step"].startswith(
        "Tell the user what is unknown; workflow_status "
    )  # which names this tool


class _Losing(httpx.AsyncBaseTransport):
    """A network that loses the answers to paid requests for one person."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if request.url.path.endswith("/enrichment/person"):
            raise httpx.ReadError("", request=request)
        return answer


async def test_credits_whose_refund_is_under_review_are_reserved(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **(ADA | {"last_name": "Pending-Review"}), wait_seconds=40)
        balance = await session.call("credits_balance")

    assert (balance["charged"], balance["reserved"], balance["unknown"]) == (0, 1, 0)
    assert "hold up to 1 credit more" in balance["summary"]


async def test_the_limit_for_a_day_says_what_is_left_and_when_it_grows(world: World, era: str) -> None:
    async with world.connect(era, daily_limit=20) as session:
        fresh = await session.call("credits_balance")
        report = await session.call("enrich_person", **ADA, scope="full", wait_seconds=40)
        world.clock.now += 3600
        used = await session.call("credits_balance", days=30)
        world.clock.now += DAY - 3600
        free = await session.call("credits_balance", days=30)

    assert (fresh["daily_limit"], fresh["daily_left"]) == (20, 20)
    assert "daily_frees_at" not in fresh
    assert used["daily_left"] == 20 - report["credits"]["charged"]
    assert used["daily_frees_at"][:10] == "2026-11-19"
    assert used["daily_frees_at"] >= report["started_at"].replace("11-18", "11-19")
    assert used["daily_frees_at"] in used["summary"]
    assert free["daily_left"] == 20 and "daily_frees_at" not in free
    assert free["charged"] == report["credits"]["charged"]


async def test_without_a_limit_for_a_day_nothing_is_said_of_one(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
        balance = await session.call("credits_balance")

    assert not {"daily_limit", "daily_left", "daily_frees_at"} & set(balance)


async def test_what_other_keys_on_this_machine_spent_is_there_too(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
    other = world.sandbox.add_account("colleague")
    async with world.connect(api_key=SecretStr(other)) as session:
        balance = await session.call("credits_balance", by="run")

    assert [row["label"] for row in balance["rows"]] == ["Ada Fable at fable.example"]


async def test_while_the_journal_cannot_be_used_nothing_is_made_up(world: World, era: str) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
    for file in world.folder.glob("journal*"):
        file.write_bytes(b"damaged" * 2000)
    async with world.connect(era, daily_limit=20) as session:
        balance = await session.call("credits_balance", days=7, by="run")

    assert balance["credits"] == 4999
    assert "is not known" in balance["summary"]
    assert not {"charged", "rows", "reserved_now", "daily_left", "hourly_unquoted_left"} & set(balance)


async def test_the_resource_of_the_account_has_the_same_figures(world: World, era: str) -> None:
    async with world.connect(era) as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
        balance = await session.call("credits_balance")
        read = await session.client.read_resource("cleanlist://account")

    assert json.loads(read.contents[0].text)["balance"] == balance  # type: ignore[union-attr]


def test_days_in_utc_cover_a_time_without_a_gap() -> None:
    now = 1_795_000_000.0
    days = list(days_of(window_start(90, now), now))

    assert len(days) == 91
    assert days[0][0] == "2026-11-18" and days[0][2] is None
    assert all(newer[1] == older[2] for newer, older in pairwise(days))
    assert days[-1][1] == window_start(90, now)


# ---- the rule: whatever happened, every kind of row adds up to the same


Event = tuple[str, Scope, int, str, float]

events = st.lists(
    st.tuples(
        st.sampled_from(["person", "list"]),
        st.sampled_from(list(PRICES)),
        st.integers(1, 60),
        st.sampled_from(
            ["lost", "under way", "running", "refused", "completed", "failed", "under review", "vanished"]
        ),
        st.sampled_from([0.0, 1.0, 61.0, 3600.0, DAY / 2, DAY, 3 * DAY]),
    ),
    max_size=12,
)


async def write(journal: Journal, clock: HandClock, history: list[Event]) -> None:
    """Let runs happen, one after the other."""
    for number, (kind, scope, rows, end, pause) in enumerate(history):
        run = await begun(journal, clock, number, kind, scope, rows)
        await ended(journal, clock, run, rows, end)
        clock.now += pause


async def begun(journal: Journal, clock: HandClock, number: int, kind: str, scope: Scope, rows: int) -> Run:
    if kind == "list":
        cost = rows * PRICES[scope]
        name, until = f"List {number % 3}", clock.now + 300
        quote = Quote(f"qte_{number}", f"l{number}", name, scope, rows, cost, 9999, until)
        decision: ListDecision = await journal.claims.list(quote, Terms(AMPLE, 60), may_resend=False)
    else:
        marks = marks_of(Person(email=f"kim{number}@fable.example"))
        work = PersonWork(marks, scope, f"Kim {number}", "", "", "MCP Results", again=False)
        decision = await journal.claims.person(work, Terms(AMPLE, 60))
    assert isinstance(decision, Start)
    return decision.run


async def ended(journal: Journal, clock: HandClock, run: Run, rows: int, end: str) -> None:
    outcomes = journal.outcomes
    if end == "refused":
        await outcomes.refused(run)
    if end == "lost":
        await outcomes.uncertain(run)
    if end in ("lost", "refused", "under way"):
        return
    workflow_id = f"wf_{run.run_id}"
    list_id = run.list_id or "scratch"
    await outcomes.started(
        run,
        workflow_id=workflow_id,
        reserved=run.reserved,
        list_id=list_id,
        list_name=run.list_name,
        status="pending",
    )
    if end == "running":
        return
    if end == "vanished":
        clock.now += 2 * DAY
        await outcomes.vanished(workflow_id)
        return
    found = rows // 2 if run.kind == "list" else rows % 2
    charged = None if end == "under review" else found * PRICES[run.scope]
    await outcomes.finished(
        workflow_id,
        status="completed" if end == "completed" else "failed",
        charged=charged,
        refunded=None if charged is None else run.reserved - charged,
        report={"total": rows, "completed": found} if run.kind == "list" else None,
    )


def figures(costs: Costs) -> dict[str, Any]:
    return {name: getattr(costs, name) for name in (*MONEY, "missed")}


async def statement(journal: Journal, days: int, by: By) -> Statement:
    found = await journal.costs.statement(days, by)
    assert found is not None
    return found


@given(
    history=events,
    days=st.sampled_from([1, 2, 7, 90]),
    set_by=st.sampled_from([0.0, 7200.0, -7200.0]),
    restarted=st.booleans(),
)
def test_all_rows_add_up_to_the_same_and_to_what_the_limits_count(
    history: list[Event], days: int, set_by: float, restarted: bool
) -> None:
    async def play() -> None:
        clock = HandClock()
        journal = open_journal(None, clock, "api", "key")
        await write(journal, clock, history)
        if restarted:
            clock.boot = "another start"
        else:
            clock.now, clock.set_by = clock.now + set_by, clock.set_by + set_by
        statements = [await statement(journal, days, by) for by in BYS]
        runs = [run for run in await journal.recent(99) if run.started_at >= window_start(days, clock.now)]
        await journal.close()

        each = figures(added_up([costs_of(run, clock.now) for run in runs]))
        for one in statements:
            assert figures(one.whole) == each, one.by
            assert figures(added_up([line.costs for line in one.lines])) == each, one.by
        if days == 1:
            assert statements[0].whole.counted == statements[0].spent.last_day

    at_once(play())


async def test_more_runs_than_are_shown_are_added_up_in_the_last_row(tmp_path: Path) -> None:
    clock = HandClock()
    journal = open_journal(tmp_path, clock, "api", "key")
    await write(journal, clock, [("list", "partial", 4, "completed", 60.0)] * 57)
    by_run = await statement(journal, 1, "run")
    by_list = await statement(journal, 1, "list")
    await journal.close()

    for one in (by_run, by_list):
        assert len(one.lines) == 50
        assert one.lines[-1].label == "all others" and one.lines[-1].costs.runs == 8
        assert added_up([line.costs for line in one.lines]) == one.whole
    assert by_run.whole.runs == 57


async def test_a_damaged_figure_does_not_stop_a_statement(tmp_path: Path) -> None:
    clock = HandClock()
    journal = open_journal(tmp_path, clock, "api", "key")
    await write(
        journal, clock, [("list", "full", 4, "completed", 60.0), ("person", "partial", 1, "completed", 60.0)]
    )
    database_of(journal).execute(
        "UPDATE runs SET report = '{\"total', refunded = 'x', scope = 'y' WHERE kind = 'list'"
    )
    found = [await statement(journal, 1, by) for by in BYS]
    await journal.close()

    assert all(one.whole.runs == 2 for one in found)


async def test_a_statement_says_what_the_refusal_of_a_limit_says(tmp_path: Path) -> None:
    clock = HandClock()
    journal = open_journal(tmp_path, clock, "api", "key")
    await write(journal, clock, [("list", "partial", 40, "completed", 60.0)])
    found = await statement(journal, 1, "total")
    quote = Quote("qte_x", "other", "Other", "partial", 5, 5, 9, clock.now + 300)
    with pytest.raises(DailyLimit) as refused:
        await claim_list(journal, quote, Limits(100, 24))
    await journal.close()

    assert refused.value.figures["spent_last_24h"] == found.whole.counted == 20
    assert found.frees_at == pytest.approx(clock.now - 60 + DAY)


async def test_figures_beyond_what_was_quoted_are_counted_as_charged(world: World) -> None:
    world.transport = Edited(
        world.transport,
        lambda data: data.update(credits_charged=3) if data.get("result") else None,
        "/status/",
        "GET",
    )
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=40)
        balance = await session.call("credits_balance")

    assert balance["charged"] == counted(balance) == 3
