"""Quote, spend, follow: what a user of the six tools sees."""

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.support import Answering, World, counted, error_of

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}


async def test_a_person_is_enriched_and_settled_within_the_wait(world: World, era: str) -> None:
    before = world.sandbox.credits()

    async with world.connect(era) as session:
        report = await session.call("enrich_person", **ADA)

    assert report["finished"] and report["status"] == "completed"
    assert report["list_name"] == "MCP Results"
    assert report["person"]["email"].endswith("@fable.example")
    assert report["credits"]["charged"] == before - world.sandbox.credits() == 1
    assert not report["replayed"]


async def test_a_quoted_list_is_enriched_and_every_credit_accounted_for(world: World, era: str) -> None:
    async with world.connect(era) as session:
        before = (await session.call("credits_balance"))["credits"]
        report = await session.call("enrich_list", **await world.quote(session), wait_seconds=30)
        after = (await session.call("credits_balance"))["credits"]

    assert report["finished"]
    bill = report["credits"]
    assert bill["charged"] == before - after
    assert bill["charged"] + bill["refunded"] == bill["reserved"] == bill["quoted"]
    assert report["found"] + report["not_found"] == report["total"] == 12


async def test_a_person_who_is_not_found_costs_nothing_and_is_no_error(world: World, era: str) -> None:
    async with world.connect(era) as session:
        report = await session.call("enrich_person", **(ADA | {"last_name": "Nobody"}))

    assert (report["found"], report["not_found"]) == (0, 1)
    assert "person" not in report and "next_step" not in report
    assert report["credits"]["charged"] == 0
    assert 'nothing usable was found for "Ada Nobody at fable.example"' in report["summary"]
    assert world.sandbox.credits() == 5000


async def test_a_run_that_outlasts_the_wait_is_a_normal_answer_with_its_id(world: World, era: str) -> None:
    async with world.connect(era) as session:
        report = await session.call("enrich_person", **(ADA | {"last_name": "Slow"}), wait_seconds=5)
        assert not report["finished"]
        assert report["workflow_id"] in report["next_step"]

        later = await session.call("workflow_status", workflow_id=report["workflow_id"], wait_seconds=45)

    assert later["finished"]
    assert world.posts("/enrichment/person") == 1


@pytest.mark.parametrize("longest", [0.0, 4.0])
async def test_no_call_waits_longer_than_the_user_lets_it(world: World, era: str, longest: float) -> None:
    async with world.connect(era, max_wait_seconds=longest) as session:
        began = world.clock.monotonic()
        run = await session.call("enrich_person", email="slow@fable.example", wait_seconds=45)
        seen = await session.call("workflow_status", workflow_id=run["workflow_id"], wait_seconds=45)
        took = world.clock.monotonic() - began

    assert (run["finished"], seen["finished"]) == (False, False)
    assert took <= 2 * longest + 1


async def test_progress_is_reported_while_a_list_run_is_waited_for(world: World, era: str) -> None:
    async with world.connect(era) as session:
        await session.call("enrich_list", **await world.quote(session, "Conference Leads"), wait_seconds=30)

    counts = [count for count, _, _ in session.progress]
    assert counts == sorted(counts)
    assert counts[-1] == 40
    assert session.progress[-1][2] == "The run has ended."


@pytest.mark.parametrize(
    ("name", "status", "charged"),
    [
        ("Failing", "failed", 0),
        ("Cancelled", "cancelled", 0),
        ("Canceled", "cancelled", 0),
        ("Terminated", "cancelled", 0),
        ("Timed-Out", "failed", 0),
        ("Nobody", "completed", 0),
    ],
)
async def test_every_end_of_a_run_is_an_end(world: World, name: str, status: str, charged: int) -> None:
    async with world.connect() as session:
        report = await session.call("enrich_person", **(ADA | {"last_name": name}))

    assert report["finished"]
    assert report["status"] == status
    assert report["credits"]["charged"] == charged
    assert "enrich_person" not in report.get("next_step", "")  # nobody asked for another spend


async def test_the_advice_after_a_miss_works(world: World) -> None:
    missed = ADA | {"last_name": "Nobody"}
    async with world.connect() as session:
        first = await session.call("enrich_person", **missed)
        richer = await session.call(
            "enrich_person", **missed, linkedin_url="linkedin.com/in/ada-nobody", again=True
        )

    assert first["found"] == 0 and "LinkedIn address" in first["summary"]
    assert not richer["replayed"]


async def test_a_result_from_before_says_how_to_search_anew(world: World) -> None:
    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
        repeated = await session.call("enrich_person", **ADA)

    assert "next_step" not in first and "next_step" not in repeated
    assert repeated["replayed"] and "again=true would start a new search" in repeated["summary"]


async def test_a_refund_under_review_is_said_and_no_charge_is_made_up(world: World, era: str) -> None:
    async with world.connect(era) as session:
        report = await session.call("enrich_person", **(ADA | {"last_name": "Pending-Review"}))
        balance = await session.call("credits_balance")

    assert report["status"] == "failed" and report["finished"]
    assert "charged" not in report["credits"]
    assert "under review" in report["summary"]
    assert counted(balance) == 1


async def test_the_estimate_spells_the_whole_next_call_out(world: World, era: str) -> None:
    async with world.connect(era) as session:
        quote = await session.call("estimate", list_id="q3 prospects", scope="full")

    assert quote["row_count"] == 12
    assert quote["estimated_cost"] == 132 == quote["credits_per_row"] * quote["row_count"]
    assert quote["balance_after"] == quote["available_credits"] - 132
    assert 290 <= quote["expires_in_seconds"] <= 300
    for part in (quote["list_id"], quote["quote_id"], 'scope="full"', "max_credits=132"):
        assert part in quote["next_step"]


async def test_phone_only_is_understood_in_both_spellings(world: World) -> None:
    async with world.connect() as session:
        hyphen = await session.call("estimate", list_id="Q3 Prospects", scope="phone-only")
        report = await session.call("enrich_person", **ADA, scope="phone-only", wait_seconds=20)

    assert hyphen["scope"] == "phone_only"
    assert report["scope"] == "phone_only"
    bodies = [record.body for record in world.sandbox.requests if record.method == "POST"]
    assert bodies[0]["scope"] == "phone-only"
    assert bodies[1]["enrichment_type"] == "phone_only"


async def test_the_estimate_for_people_compares_with_the_hourly_limit(world: World) -> None:
    async with world.connect() as session:
        few = await session.call("estimate", people_count=3, scope="full")
        many = await session.call("estimate", people_count=30, scope="full")

    assert few["estimated_cost"] == 33 and "quote_id" not in few
    assert "enrich_person" in few["next_step"]
    assert "lead list" in many["next_step"]


async def test_too_many_people_for_balance_and_hourly_limit_are_told_of_both(world: World) -> None:
    async with world.connect() as session:
        quote = await session.call("estimate", people_count=50_000, scope="full")

    assert "shortfall" in quote["next_step"] and "lead list" in quote["next_step"]
    assert "scope partial" not in quote["next_step"]  # 50,000 are too many for that as well


async def test_too_few_credits_name_the_shortfall_and_the_cheaper_scope(world: World) -> None:
    key = world.sandbox.add_account("poor", credits=20)
    world.sandbox.add_list("Small Hopes", 4, key=key)

    async with world.connect(api_key=SecretStr(key)) as session:
        quote = await session.call("estimate", list_id="Small Hopes", scope="full")

    assert not quote["sufficient"]
    assert quote["shortfall_credits"] == 24
    assert "Scope partial would cost at most 4 credits." in quote["summary"]
    assert "enrich_list(" not in quote["next_step"]


async def test_an_estimate_remembers_the_last_run_of_the_list(world: World) -> None:
    async with world.connect() as session:
        run = await session.call("enrich_list", **await world.quote(session), wait_seconds=30)
        quote = await session.call("estimate", list_id="Q3 Prospects")

    assert quote["last_run"]["workflow_id"] == run["workflow_id"]
    assert quote["last_run"]["status"] == run["status"]


async def test_an_empty_list_is_said_to_be_empty_and_cannot_be_spent_on(world: World) -> None:
    world.sandbox.add_list("Blank")

    async with world.connect() as session:
        quote = await session.call("estimate", list_id="Blank")

    assert quote["row_count"] == 0 and "empty" in quote["summary"]
    assert "quote_id" not in quote


BAD_ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("enrich_person", {}, "email"),
    ("enrich_person", {"first_name": "Ada"}, "last_name"),
    ("enrich_person", {"first_name": "Ada", "last_name": "Fable"}, "company_name or domain"),
    ("enrich_person", {"email": "not an address"}, "email"),
    ("enrich_person", {"linkedin_url": "https://example.example/ada"}, "linkedin_url"),
    ("enrich_person", ADA | {"scope": "everything"}, "scope"),
    ("enrich_person", ADA | {"enrichment_type": "everything"}, "scope"),
    ("enrich_person", ADA | {"wait_seconds": 46}, "wait_seconds"),
    ("enrich_person", ADA | {"wait_seconds": -1}, "wait_seconds"),
    ("enrich_person", ADA | {"wait_seconds": True}, "wait_seconds"),
    ("enrich_person", ADA | {"again": "yes"}, "again"),
    ("enrich_person", {"emial": "ada@fable.example"}, "did you mean email?"),
    ("create_list", {"name": "x", "key": None}, "key"),
    ("estimate", {"name": "Q3 Prospects"}, "did you mean list_id?"),
    ("find_lists", {"name": "Q3"}, "did you mean query?"),
    ("enrich_person", {"name": "Ada Fable", "domain": "fable.example"}, "first_name and last_name"),
    ("add_leads", {"list_id": "Q3 Prospects", "csv_path": "x.csv"}, "CLEANLIST_CSV_DIR"),
    ("add_leads", {"list_id": "Q3 Prospects", "people": '[{"email": '}, "broken JSON"),
    ("estimate", {}, "exactly one"),
    ("estimate", {"list_id": "   "}, "exactly one"),
    ("estimate", {"list_id": "Q3 Prospects", "people_count": 3}, "exactly one"),
    ("estimate", {"people_count": 0}, "exactly one"),
    ("enrich_list", {"list_id": "x", "scope": "partial"}, "quote_id"),
    ("enrich_list", {"list_id": "x", "scope": "partial", "quote_id": ""}, "quote_id"),
    ("enrich_list", {"list_id": "Q3 Prospects", "scope": "partial", "quote_id": "qte_1"}, "takes no names"),
    (
        "enrich_list",
        {"list_id": "x", "scope": "partial", "quote_id": "q", "max_credits": "none"},
        "max_credits",
    ),
    ("workflow_status", {"workflow_id": "no/such id"}, "workflow_id"),
]


@pytest.mark.parametrize(("tool", "arguments", "named"), BAD_ARGUMENTS)
async def test_bad_arguments_get_one_clear_error_and_reach_no_api(
    world: World, era: str, tool: str, arguments: dict[str, Any], named: str
) -> None:
    async with world.connect(era) as session:
        error = await session.error(tool, **arguments)

    assert error["code"] == "invalid_arguments"
    assert error["charged"] == "no"
    assert named in str(error)
    assert world.sandbox.requests == []


async def test_an_argument_that_is_null_counts_as_left_out(world: World) -> None:
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, email=None, list_id=None)

    assert report["finished"]


@pytest.mark.parametrize("name", ["Null", "True", "1e5", '["Bo"]'])
async def test_a_name_that_looks_like_json_stays_a_name(world: World, name: str) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **(ADA | {"last_name": name}))

    assert world.sandbox.requests[0].body["last_name"] == name


async def test_what_is_sent_is_normalised_and_nothing_more(world: World) -> None:
    async with world.connect() as session:
        await session.call(
            "enrich_person", first_name=" Ada ", last_name="Fable", domain="https://www.Fable.example/"
        )

    assert world.sandbox.requests[0].body == {
        "first_name": "Ada",
        "last_name": "Fable",
        "domain": "fable.example",
        "enrichment_type": "partial",
    }


async def test_results_go_to_the_list_that_the_user_names(world: World) -> None:
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA, list_id="conference leads")

    assert report["list_name"] == "Conference Leads"
    assert report["list_id"] == world.sandbox.list_id("Conference Leads")


async def test_two_lists_of_one_name_are_told_apart_by_the_user(world: World) -> None:
    colleague = world.sandbox.add_account("colleague", colleague_of=world.sandbox.key)
    other = world.sandbox.add_list("Q3 prospects", 3, key=colleague, visibility="organization")

    async with world.connect() as session:
        error = await session.error("estimate", list_id="q3 Prospects")

    assert error["code"] == "ambiguous_list"
    assert set(error["list_ids"]) == {other, world.sandbox.list_id("Q3 Prospects")}


async def test_a_list_that_does_not_exist_is_not_found_and_close_names_are_offered(world: World) -> None:
    async with world.connect() as session:
        error = await session.error("estimate", list_id="Q3 Prospect")

    assert error["code"] == "not_found"
    assert "Q3 Prospects" in error["next_step"]


@pytest.mark.parametrize("insists", [True, 422])
async def test_mcp_results_is_used_where_the_api_insists_on_a_list(tmp_path: Any, insists: Any) -> None:
    world = World(tmp_path, insists_on_list_id=insists)

    async with world.connect() as session:
        first = await session.call("enrich_person", **ADA)
        second = await session.call("enrich_person", **(ADA | {"first_name": "Grace"}))

    assert first["list_name"] == second["list_name"] == "MCP Results"
    assert first["list_id"] == world.sandbox.list_id("MCP Results")
    assert world.posts("/enrichment/person") == 3


async def test_no_run_yet_is_said_so(world: World, era: str) -> None:
    async with world.connect(era) as session:
        report = await session.call("workflow_status")

    assert report["status"] == "none"
    assert report["finished"]
    assert world.sandbox.requests == []


async def test_the_newest_run_is_found_without_its_id_and_the_others_are_listed(
    world: World, era: str
) -> None:
    async with world.connect(era) as session:
        person = await session.call("enrich_person", **ADA)
        listed = await session.call("enrich_list", **await world.quote(session))
        report = await session.call("workflow_status", wait_seconds=30)

    assert report["workflow_id"] == listed["workflow_id"]
    assert report["finished"]
    assert [run["workflow_id"] for run in report["recent"]] == [person["workflow_id"]]
    assert report["recent"][0]["label"] == "Ada Fable at fable.example"


async def test_a_run_that_was_started_elsewhere_can_be_looked_up(world: World, tmp_path: Any) -> None:
    async with world.connect() as session:
        run = await session.call("enrich_list", **await world.quote(session), wait_seconds=30)
    world.folder = tmp_path / "another-machine"

    async with world.connect() as session:
        report = await session.call("workflow_status", workflow_id=run["workflow_id"])

    assert report["kind"] == "list"
    assert report["scope"] == "partial"
    assert report["credits"]["charged"] == run["credits"]["charged"]


async def test_an_unknown_workflow_is_not_found(world: World) -> None:
    async with world.connect() as session:
        error = await session.error("workflow_status", workflow_id="enrich-0000")

    assert error["code"] == "not_found"


@pytest.mark.parametrize(
    "identity",
    [
        {"email": "ada.fable@fable.example"},
        {"linkedin_url": "https://www.linkedin.com/in/ada-fable/"},
        ADA | {"email": "ada.fable@fable.example"},
    ],
)
async def test_labels_carry_no_address_phone_or_profile_link(world: World, identity: dict[str, str]) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **identity)
        await session.call("enrich_person", **(ADA | {"last_name": "Other"}), company_name="+1 202 555 0166")
        report = await session.call("workflow_status")

    labels = [run["label"] for run in report["recent"]]
    assert labels and not any("@" in label or "linkedin" in label for label in labels)
    assert b"ada.fable@" not in (world.folder / "journal.sqlite3").read_bytes()


async def test_a_settled_charge_is_told_from_the_journal_while_the_api_is_away(
    world: World, era: str
) -> None:
    async with world.connect(era) as session:
        paid = await session.call("enrich_person", **ADA)
    for _ in range(20):
        world.sandbox.faults.next("GET /enrichment/status/*", "unavailable", retryable=False)

    async with world.connect(era) as session:
        repeat = await session.call("enrich_person", **ADA, wait_seconds=0)
        by_id = await session.call("workflow_status", workflow_id=paid["workflow_id"], wait_seconds=0)

    for report in (repeat, by_id):
        assert report["finished"]
        assert report["credits"]["charged"] == 1
        assert "the run itself goes on" not in report["summary"]


async def test_the_estimate_does_not_propose_what_a_limit_would_refuse(world: World, era: str) -> None:
    async with world.connect(era, daily_limit=5) as session:
        listed = await session.call("estimate", list_id="Q3 Prospects")
        people = await session.call("estimate", people_count=6)

    for quote in (listed, people):
        assert "CLEANLIST_DAILY_LIMIT" in quote["next_step"]
        assert "enrich_list(" not in quote["next_step"]


async def test_the_estimate_says_that_the_list_is_running_or_was_enriched(world: World) -> None:
    async with world.connect() as session:
        run = await session.call("enrich_list", **await world.quote(session), wait_seconds=0)
        running = await session.call("estimate", list_id="Q3 Prospects")
        await session.call("workflow_status", wait_seconds=45)
        ended = await session.call("estimate", list_id="Q3 Prospects", only_missing=False)
        dearer = await session.call("estimate", list_id="Q3 Prospects", scope="full")

    assert run["workflow_id"] in running["next_step"]
    assert "enrich_list(" not in running["next_step"]
    assert "may be charged again" in ended["summary"]
    assert "what is there may be charged again" in dearer["summary"]
    assert "enriched in this scope" not in dearer["summary"]


async def test_runs_that_nobody_watched_are_settled_when_they_are_listed(world: World) -> None:
    async with world.connect() as session:
        for name in ("Ada", "Grace", "Edsger"):
            await session.call("enrich_person", **(ADA | {"first_name": name}), wait_seconds=0)
        await world.clock.sleep(600)
        report = await session.call("workflow_status", wait_seconds=0)
        balance = await session.call("credits_balance")

    assert [run["status"] for run in report["recent"]] == ["completed", "completed"]
    assert balance["reserved_now"] == 0
    assert balance["credits"] + counted(balance) == 5000


async def test_a_failed_list_run_claims_to_have_searched_nobody(world: World) -> None:
    list_id = world.sandbox.add_list("failing", 3)

    async with world.connect() as session:
        report = await session.call("enrich_list", **await world.quote(session, list_id), wait_seconds=45)

    assert report["status"] == "failed"
    assert "found" not in report and "not_found" not in report
    assert "get_leads" not in report["next_step"]


async def test_a_list_named_like_an_address_is_labelled_without_it(world: World) -> None:
    world.sandbox.add_list("ada@fable.example +44 20 7946 0687", 2)

    async with world.connect() as session:
        await session.call("enrich_list", **await world.quote(session, "ada@fable.example +44 20 7946 0687"))
        await session.call("enrich_person", **ADA)
        report = await session.call("workflow_status")

    assert report["recent"][0]["label"] == "a lead list"


async def test_reservations_that_were_not_seen_to_settle_lead_to_a_look(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA, wait_seconds=0)
        balance = await session.call("credits_balance")

    assert balance["reserved_now"] == 1
    assert "may not have ended" in balance["summary"]
    assert "workflow_status" in balance["next_step"]


async def test_credits_under_review_are_not_called_those_of_a_run_that_goes_on(world: World) -> None:
    async with world.connect() as session:
        await session.call("enrich_person", **ADA | {"last_name": "Pending-Review"}, scope="full")
        balance = await session.call("credits_balance")

    assert (balance["charged"], balance["reserved"]) == (0, 11)
    assert "or whose refund is under review, hold up to 11 credits more" in balance["summary"]
    assert "see whether those runs have ended" not in balance["next_step"]


async def test_an_empty_list_is_filled_first(world: World) -> None:
    list_id = world.sandbox.add_list("Empty")

    async with world.connect() as session:
        quote = await session.call("estimate", list_id="Empty")

    assert f'add_leads(list_id="{list_id}"' in quote["next_step"]


async def test_a_limit_that_waiting_cannot_help_is_said_so(world: World) -> None:
    async with world.connect(daily_limit=0) as session:
        quote = await session.call("estimate", list_id="Q3 Prospects")
    async with world.connect(hourly_unquoted_limit=0) as session:
        error = await session.error("enrich_person", **ADA)

    for told in (quote["next_step"], error["next_step"]):
        assert "is smaller than" in told and "roll" not in told


@pytest.mark.parametrize(("asked", "code"), [("cl-task_1", None), ("enrich-other", "bad_response")])
async def test_only_a_cohorts_handle_may_be_answered_with_the_id_of_a_run(
    world: World, asked: str, code: str | None
) -> None:
    body = {"workflow_id": "enrich-1", "status": "running", "total": 3, "processed": 1}
    world.transport = Answering(world.transport, "/enrichment/status/", httpx.Response(200, json=body))
    async with world.connect() as session:
        if code is None:
            assert (await session.call("workflow_status", workflow_id=asked, wait_seconds=0))[
                "processed"
            ] == 1
        else:
            error = await session.error("workflow_status", workflow_id=asked, wait_seconds=0)
            assert error["code"] == code


@pytest.mark.parametrize(
    ("scope", "max_credits", "fits"),
    [("partial", 0, False), ("partial", 1, True), ("phone_only", 9, False), ("full", 11, True)],
)
async def test_a_single_person_costs_no_more_than_the_caller_allows(
    world: World, era: str, scope: str, max_credits: int, fits: bool
) -> None:
    async with world.connect(era) as session:
        result = await session.result("enrich_person", **ADA, scope=scope, max_credits=max_credits)

    assert result.is_error is not fits
    assert len(world.sandbox.runs) == (1 if fits else 0)
    if not fits:
        error = error_of(result)
        assert (error["code"], error["charged"]) == ("over_max_credits", "no")
        assert error["max_credits"] == max_credits
