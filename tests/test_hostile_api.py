"""The ground that the long suites stand on: a right ledger, people who differ, a judge that can convict."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import hostile_faults as faults
from tests import money_fuzz
from tests.hostile_api import KEY, Attempt, HostileApi, Run, address_of
from tests.hostile_faults import Fault
from tests.money_fuzz import Call, Plan, Story, planned, wrong_with
from tests.paid_journals import Ledger, import_of, run_of, without_wait, write_journal
from tests.people_in_spellings import ALIKE, ALONE, Somebody, recogniser
from tests.server_processes import Said, in_process

PATIENCE, IMPATIENCE = 30.0, 0.2
"""Seconds after which a client gives an answer up that comes, and one that does not."""


@pytest.fixture
def api() -> Iterator[HostileApi]:
    with HostileApi() as serving:
        yield serving


def post(
    api: HostileApi, path: str, body: Mapping[str, Any], patience: float = PATIENCE
) -> tuple[int, dict[str, Any]]:
    """Send one request on a connection of its own; return the status and the body of the answer."""
    address = urlsplit(api.url)
    with closing(HTTPConnection(address.netloc, timeout=patience)) as connection:
        headers = {"Authorization": f"Bearer {KEY}"}
        connection.request("POST", address.path + path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def ask_for(api: HostileApi, who: str, patience: float = PATIENCE) -> tuple[int, dict[str, Any]]:
    body = {"email": f"{who}@fable.example", "enrichment_type": "full"}
    return post(api, "/enrichment/person", body, patience)


async def test_an_honest_answer_keeps_a_server_content(api: HostileApi, tmp_path: Path) -> None:
    journal = await write_journal(tmp_path / "state", api, people=4, lists=1, imports=1)
    async with in_process(journal.folder, api) as caller:
        ledger = Ledger(api)
        for arguments, run in journal.people:
            said = await caller.call("enrich_person", **without_wait(arguments))
            assert (said.workflow_id, said.replayed) == (run, True)
        assert (await caller.call("whoami")).data
        assert (await caller.call("credits_balance")).data["credits"] == api.account.credits
        assert (await caller.call("find_lists")).data["total"] == 2

    assert ledger.started == []
    assert [run.reserved for run in api.account.runs] == [1, 11, 1, 11, 3]
    assert len(import_of("state", 0)["people"]) == len(api.account.lists["ll_results"].imported)


EVERY_FAULT = (
    *(*money_fuzz.HARMLESS, *money_fuzz.BEFORE, *money_fuzz.REFUSALS, *money_fuzz.HIDING, *money_fuzz.LOSING),
    *money_fuzz.FREE,
)


@pytest.mark.parametrize(
    "fault", {fault.name: fault for fault in EVERY_FAULT}.values(), ids=lambda fault: fault.name
)
def test_the_ledger_has_what_a_fault_lets_through_and_nothing_else(api: HostileApi, fault: Fault) -> None:
    ask_for(api, "somebody-else")
    ledger = Ledger(api)
    api.next("POST /enrichment/person", fault)
    told: dict[str, Any] = {}
    with suppress(HTTPException, OSError, ValueError):
        _, told = ask_for(api, "kim", PATIENCE if fault.readable else IMPATIENCE)

    run = api.account.runs[-1]
    assert ledger.started == (["email=kim@fable.example"] if fault.works else [])
    assert api.account.attempts[-1].fault == fault.name
    assert (api.account.attempts[-1].run is run) == fault.works
    if fault.readable:
        assert told["workflow_id"] == run.workflow_id
        assert run.told


def test_a_quote_starts_one_run(api: HostileApi) -> None:
    made = api.account.add_list("Prospects")
    spent: dict[str, Any] = {"list_id": made.list_id, "scope": "phone-only"}
    _, quote = post(api, "/credits/estimate", {"tool": "enrich_list", **spent})
    spent |= {"quote_id": quote["quote_id"]}
    bodies = (spent, spent, spent | {"quote_id": "qte_other"})

    assert [post(api, "/enrichment/bulk", body)[0] for body in bodies] == [200, 409, 400]
    assert quote["estimated_cost"] == 30
    assert [run.key for run in api.account.runs] == [
        (f"list {made.list_id}", "phone_only", made.list_id),
    ]


def test_an_unplugged_api_refuses_connections_and_comes_back_at_the_same_place(api: HostileApi) -> None:
    api.unplug()
    with pytest.raises(ConnectionRefusedError):
        ask_for(api, "kim")
    api.plug_in()
    assert ask_for(api, "kim")[0] == 200


@pytest.mark.parametrize("family", [*ALONE, *ALIKE])
def test_every_spelling_is_recognised_as_one_person(family: Any) -> None:
    for seed in range(20):
        people = family(money_fuzz.token_of(seed, 1, 0), Random(seed))  # noqa: S311
        others = family(money_fuzz.token_of(seed, 2, 0), Random(seed))  # noqa: S311
        recognise = recogniser([*people, *others])
        for person in people:
            assert {recognise(spelling) for spelling in person.spellings} == {person.name}
            for spelling in filter(None, (person.bridge, person.beyond)):
                assert recognise(spelling) == person.name


def test_a_round_is_planned_by_its_seed_and_number_alone() -> None:
    lists = {name: name for name in (*money_fuzz.TARGETS, money_fuzz.list_name(3, 4))}
    one, same = (planned(3, 4, 2, lists) for _ in range(2))
    assert (one.calls, one.quotes, one.disturbances) == (same.calls, same.quotes, same.disturbances)
    assert one.people == same.people
    assert [fault.name for fault in one.faults] == [fault.name for fault in same.faults]


# ---- the judge


WHO = Somebody("kim", "kim", ())
WORK = ("kim", "full", "ll_results")


def run_at(moment: float, number: int, **changes: Any) -> Run:
    run = Run(f"w{number}", "person", *WORK, None, 1, 11, moment, moment + 1, told=True)
    return replace(run, **changes)


def attempt_of(run: Run | None, fault: Fault = faults.NO_FAULT, at: float = 0.0) -> Attempt:
    return Attempt(*WORK, None, fault.name, run.started_at if run else at, run)


def answer(at: float, data: Mapping[str, Any] | None = None, error: Mapping[str, Any] | None = None) -> Said:
    return Said("enrich_person", {}, data or {}, error or {}, at, at + 0.1)


def story(
    *attempts: Attempt, said: Iterator[Said] | tuple[Said, ...] = (), again: bool = False, shown: bool = True
) -> Story:
    """Return a round of one piece of work, all of whose runs are shown afterwards, or none."""
    plan = Plan(1, 1, (WHO,), (), (), (), ())
    call = Call(0, 0, {}, WORK, again)
    recent = [{"workflow_id": attempt.run.workflow_id} for attempt in attempts if attempt.run and shown]
    return Story(
        plan, 0.0, [(call, one) for one in said], recent=recent, shown_at=100.0, attempts=list(attempts)
    )


def convictions(told: Story) -> list[str]:
    return [problem.partition(":")[0] for problem in wrong_with(told)]


def test_the_judge_acquits_one_run_and_its_replay() -> None:
    run = run_at(1, 1)
    said = (
        answer(1, {"workflow_id": "w1"}),
        answer(2, {"workflow_id": "w1", "person": {"email": address_of("kim")}}),
    )
    assert convictions(story(attempt_of(run), said=said)) == []


def test_the_judge_finds_a_second_run() -> None:
    assert convictions(story(attempt_of(run_at(1, 1)), attempt_of(run_at(9, 2)))) == ["double"]


def test_the_judge_allows_a_second_run_that_was_asked_for_and_no_third() -> None:
    runs = [attempt_of(run_at(moment, moment)) for moment in (1, 9, 19)]
    said = (answer(8.9),)
    assert convictions(story(*runs[:2], said=said, again=True)) == []
    assert convictions(story(*runs, said=said, again=True)) == ["double"]


@pytest.mark.parametrize(
    "first", [run_at(1, 1, ends_at=50.0), run_at(1, 1, told=False)], ids=["going on", "uncertain"]
)
def test_the_judge_lets_again_override_neither_an_unfinished_nor_an_uncertain_run(first: Run) -> None:
    runs = (attempt_of(first, faults.RESET_AFTER), attempt_of(run_at(9, 2)))
    assert convictions(story(*runs, said=(answer(8.9),), again=True)) == ["double"]


def test_the_judge_finds_a_second_run_of_one_quote() -> None:
    runs = [attempt_of(run_at(moment, moment, kind="list", quote_id="q")) for moment in (1, 9)]
    assert convictions(story(*runs)) == ["double"]


@pytest.mark.parametrize("data", [{"workflow_id": "w9"}, {"person": {"email": address_of("lou")}}])
def test_the_judge_finds_somebody_elses_run_or_address(data: dict[str, Any]) -> None:
    assert convictions(story(attempt_of(run_at(1, 1)), said=(answer(2, data),))) == ["stranger"]


@pytest.mark.parametrize(
    "fault", [*money_fuzz.HIDING, faults.RESET_AFTER, faults.HTML_AFTER, faults.UNREADABLE_AFTER]
)
def test_the_judge_finds_a_no_for_what_was_started(fault: Fault) -> None:
    codes = {"quote_already_used", "duplicate_request", "already_processing", "too_early", "client_closed"}
    code = next((code for code in codes if code in fault.name), "api_unavailable")
    said = (answer(0.95, error={"code": code, "charged": "no"}),)
    assert convictions(story(attempt_of(run_at(1, 1), fault), said=said)) == ["false no"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (money_fuzz.REFUSALS[1], "insufficient_credits"),
        (faults.TOO_MANY, "rate_limited"),
        (faults.BUSY, "api_unavailable"),
    ],
)
def test_the_judge_believes_a_no_that_the_api_said(fault: Fault, code: str) -> None:
    said = (answer(0.95, error={"code": code, "charged": "no"}),)
    assert convictions(story(attempt_of(None, fault, at=1.0), said=said)) == []


def test_the_judge_finds_a_run_that_is_not_shown() -> None:
    lost = attempt_of(run_at(1, 1), faults.RESET_AFTER)
    assert convictions(story(lost, shown=False)) == ["lost"]


def test_the_judge_takes_an_unknown_entry_for_a_lost_answer_and_not_for_a_readable_one() -> None:
    unknown = {"kind": "person", "scope": "full", "status": "unknown"}
    for fault, expected in ((faults.RESET_AFTER, []), (faults.NO_FAULT, ["lost"])):
        told = story(attempt_of(run_at(1, 1), fault), shown=False)
        told.recent.append(unknown)
        assert convictions(told) == expected


def test_the_judge_finds_a_defect_of_the_server() -> None:
    said = (answer(1, error={"code": "internal_error", "charged": "unknown"}),)
    assert convictions(story(said=said)) == ["no answer of a server"]


async def test_a_run_is_named_by_an_answer_or_the_test_fails() -> None:
    with pytest.raises(AssertionError):
        run_of(answer(1, error={"code": "rate_limited"}))
