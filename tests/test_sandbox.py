"""The sandbox as a client meets it: accounts, money, workflows, lists, imports, and faults.

Whatever it answers here is held to the vendor's own models on its way.
"""

import base64
import csv
import io
import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from cleanlist_mcp.sandbox import magic_words, people
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.faults import KINDS, Kind
from cleanlist_mcp.sandbox.problems import Problem
from cleanlist_mcp.sandbox.serve import running, serve
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, SECOND_PREFIX, Sandbox
from tests.sandbox_client import Clock, assert_balanced, client, error, make, quote, start_list, status

PERSON = {"first_name": "Kim", "last_name": "Surely", "domain": "surely.example"}


def csv_file(*rows: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return base64.b64encode(text.getvalue().encode()).decode()


PEOPLE_FILE = csv_file(
    ("First", "Last", "Mail", "Firm"),
    ("Ana", "Ferreira", "ana@mare.example", "Maré"),
    ("Bo", "Lind", "", "Polcirkel"),
    ("Ana", "Again", "ANA@mare.example", "Maré"),
    ("", "", "", "Nobody's Firm"),
)
MAPPING = {"first_name": "First", "last_name": "Last", "email": "Mail", "company_name": "Firm"}


def import_body(**changes: Any) -> dict[str, Any]:
    body = {"csv_content_base64": PEOPLE_FILE, "column_mapping": MAPPING}
    return {**body, "dispatch_enrichment": False, **changes}


@pytest.mark.parametrize("prefix", [PUBLIC_PREFIX, SECOND_PREFIX])
async def test_both_prefixes_answer_with_the_envelope(prefix: str) -> None:
    sandbox = make()
    async with client(sandbox, prefix=prefix) as http:
        me = (await http.get("/whoami")).json()
        balance = (await http.get("/credits/balance")).json()
    assert me["organization_name"] == "Northwind Sandbox"
    assert me["user_email"] == "a***@northwind.example"
    assert me["auth_type"] == "api_key"
    assert balance["credits"] == sandbox.credits() == 5_000
    for answer in (me, balance):
        assert {"task_id", "timestamp_ms", "agent_instructions", "usage", "message"} <= set(answer)
    assert {record.version for record in sandbox.requests} == {"public" if prefix == PUBLIC_PREFIX else "v2"}


@pytest.mark.parametrize("header", [None, "Bearer clapi_unknown", "Bearer clext_browser", "Basic x"])
async def test_a_key_that_is_not_known_is_unauthorized(header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    sandbox = make()
    async with httpx.AsyncClient(
        transport=transport(sandbox), base_url=sandbox.base_url, headers=headers
    ) as http:
        answer = await http.get("/whoami")
    assert answer.status_code == 401
    assert ("error" if header else "detail") in answer.json()
    assert sandbox.requests[-1].key is None


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/credits/balance", "credits:read"),
        ("POST", "/credits/estimate", "credits:read"),
        ("POST", "/enrichment/person", "enrich:write"),
        ("POST", "/enrichment/bulk", "enrich:write"),
        ("GET", "/enrichment/status/enrich-1", "enrich:read"),
        ("POST", "/lead-lists", "lists:write"),
        ("GET", "/lead-lists/1/leads", "lists:read"),
        ("POST", "/export/csv/signed-url", "export:read"),
        ("GET", "/usage", "admin:api_keys"),
    ],
)
async def test_a_key_without_the_scope_is_refused(method: str, path: str, scope: str) -> None:
    sandbox = make()
    key = sandbox.add_account("narrow", scopes={"people:read"})
    async with client(sandbox, key) as http:
        assert (await http.get("/whoami")).json()["scopes"] == ["people:read"]
        answer = await http.request(method, path)
    found = error(answer)
    assert (answer.status_code, found["code"]) == (403, "insufficient_scope")
    assert found["details"] == {"required_scopes": [scope], "granted_scopes": ["people:read"]}


async def test_a_plan_without_the_api_is_refused_everywhere() -> None:
    sandbox = make()
    key = sandbox.add_account("cheap", tier="free", api_access=False)
    async with client(sandbox, key) as http:
        for path in ("/whoami", "/credits/balance", "/lead-lists"):
            answer = await http.get(path)
            assert (answer.status_code, error(answer)["code"]) == (403, "feature_gated")


async def test_a_key_may_send_thirty_requests_in_a_window_of_a_minute() -> None:
    clock = Clock(now=1_750_000_020.0)
    sandbox = make(clock, rate_limits=True)
    async with client(sandbox) as http:
        for _ in range(30):
            assert (await http.get("/whoami")).status_code == 200
        limited = await http.get("/whoami")
        clock.now += 59.5 - clock.now % 60
        late = await http.get("/whoami")
        clock.now += 0.5
        assert (await http.get("/whoami")).status_code == 200
    assert limited.status_code == 429
    assert limited.headers["Retry-After"] == "60"
    assert error(limited)["retry_after_ms"] == 60_000
    assert late.headers["Retry-After"] == "1"
    assert error(late)["retry_after_ms"] == 500


async def test_an_organization_may_send_sixty_requests_over_all_its_keys() -> None:
    sandbox = make(rate_limits=True)
    keys = [sandbox.key, *(sandbox.add_account(n, colleague_of=sandbox.key) for n in ("b", "c"))]
    stranger = sandbox.add_account("stranger")
    counts = []
    for key in (*keys, stranger):
        async with client(sandbox, key) as http:
            answers = [await http.get("/whoami") for _ in range(25)]
        counts.append(sum(answer.status_code == 200 for answer in answers))
    assert counts == [25, 25, 10, 25]


async def test_unknown_routes_and_bad_bodies_answer_in_the_frameworks_shape() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        unknown = await http.get("/no-such-thing")
        method = await http.put("/whoami")
        torn = await http.post("/enrichment/person", content=b"{")
        empty = await http.post("/enrichment/person")
        wrong = await http.post("/enrichment/person", json={"email": 7, "enrichment_type": "all"})
        query = [await http.get("/lead-lists", params={"limit": limit}) for limit in ("0", "101", "x")]
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})
    assert method.status_code == 405
    for answer in (torn, empty, wrong, *query):
        assert answer.status_code == 422
        assert all({"loc", "msg", "type"} == set(fault) for fault in answer.json()["detail"])
    assert [fault["loc"] for fault in wrong.json()["detail"]] == [
        ["body", "email"],
        ["body", "enrichment_type"],
    ]
    assert sandbox.requests[0].path == "/no-such-thing"


async def test_an_estimate_reads_the_rows_from_the_list() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        body = {"tool": "enrich_list", "list_id": list_id, "scope": "phone-only", "row_count": 1}
        answer = (await http.post("/credits/estimate", json=body)).json()
    assert answer["quote_id"].startswith(f"qte_sbx1_{int(clock.now)}_")
    assert answer["expires_at"] == int(clock.now) + 300
    assert (answer["row_count"], answer["estimated_cost"]) == (12, 120)
    assert (answer["available_credits"], answer["sufficient"]) == (5_000, True)


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({"tool": "enrich_person"}, 1),
        ({"tool": "enrich_person", "row_count": 12, "enrichment_type": "phone_only"}, 120),
        ({"tool": "bulk_import_csv", "row_count": 3, "enrichment_type": "full"}, 33),
        ({"tool": "enrich_company"}, 1),
        ({"tool": "enrich_person", "enrichment_type": "phone-only"}, None),
        ({"tool": "bulk_import_csv"}, None),
        ({"tool": "enrich_list"}, None),
        ({"tool": "paint_the_fence"}, None),
    ],
)
async def test_an_estimate_prices_what_it_knows(body: dict[str, Any], cost: int | None) -> None:
    async with client(make()) as http:
        answer = await http.post("/credits/estimate", json=body)
    if cost is None:
        assert (answer.status_code, error(answer)["code"]) == (400, "validation_error")
    else:
        assert answer.json()["estimated_cost"] == cost


async def test_underscores_are_no_scope_of_a_list_estimate() -> None:
    sandbox = make()
    body = {"tool": "enrich_list", "list_id": sandbox.list_id("Q3 Prospects")}
    async with client(sandbox) as http:
        answer = await http.post("/credits/estimate", json={**body, "scope": "phone_only"})
    assert error(answer)["code"] == "validation_error"


async def test_an_estimate_says_when_credits_are_short() -> None:
    sandbox = make()
    key = sandbox.add_account("poor", credits=5)
    list_id = sandbox.add_list("Ten", 10, key=key)
    async with client(sandbox, key) as http:
        answer = await quote(http, list_id)
        refused = await start_list(http, list_id, answer["quote_id"])
        again = await start_list(http, list_id, answer["quote_id"])
    assert answer["sufficient"] is False
    assert refused.status_code == 400
    figures = ("estimated_cost_credits", "available_credits", "shortfall_credits")
    assert [error(refused)[name] for name in figures] == [10, 5, 5]
    assert error(again)["code"] == "insufficient_credits"
    assert sandbox.runs == []


async def test_a_quote_starts_one_run() -> None:
    sandbox = make()
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        quote_id = (await quote(http, list_id))["quote_id"]
        other_id = (await quote(http, list_id))["quote_id"]
        first = await start_list(http, list_id, quote_id)
        second = await start_list(http, list_id, quote_id)
    assert other_id != quote_id
    assert first.json()["credits_reserved"] == first.json()["total_leads"] == 12
    assert (second.status_code, error(second)["code"]) == (409, "quote_used")
    assert [run.quote_id for run in sandbox.runs] == [quote_id]


async def test_a_run_needs_a_quote_that_fits() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id, other = sandbox.list_id("Q3 Prospects"), sandbox.list_id("Conference Leads")
    async with client(sandbox) as http:
        quoted = await quote(http, list_id)
        codes = [
            error(await start_list(http, list_id, None))["code"],
            error(await start_list(http, list_id, "qte_sbx1_1_00"))["code"],
            error(await start_list(http, other, quoted["quote_id"]))["code"],
            error(await start_list(http, list_id, quoted["quote_id"], "full"))["code"],
        ]
        clock.now = quoted["expires_at"]
        codes.append(error(await start_list(http, list_id, quoted["quote_id"]))["code"])
    mismatch = ["quote_mismatch", "quote_mismatch"]
    assert codes == ["quote_required", "quote_invalid", *mismatch, "quote_expired"]
    assert sandbox.runs == []
    assert_balanced(sandbox)


async def test_a_quote_from_long_ago_is_forgotten() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        old = (await quote(http, list_id))["quote_id"]
        clock.now += 86_400
        await quote(http, list_id)
        answer = await start_list(http, list_id, old)
    assert error(answer)["code"] == "quote_invalid"


async def test_a_quote_of_another_organization_does_not_verify() -> None:
    sandbox = make()
    stranger = sandbox.add_account("stranger")
    theirs = sandbox.add_list("Theirs", 3, key=stranger)
    async with client(sandbox, stranger) as http:
        quote_id = (await quote(http, theirs))["quote_id"]
    async with client(sandbox) as http:
        answer = await start_list(http, sandbox.list_id("Q3 Prospects"), quote_id)
    assert error(answer)["code"] == "quote_invalid"


async def test_a_list_that_grew_is_over_the_cap_and_one_that_shrank_costs_less() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Moving", 4)
    async with client(sandbox) as http:
        quoted = await quote(http, list_id)
        rows = (await http.get(f"/lead-lists/{list_id}/leads")).json()["leads"]
        await http.post(f"/lead-lists/{list_id}/csv-import", json=import_body())
        grown = await start_list(http, list_id, quoted["quote_id"])
        leads = [row["lead_id"] for row in sandbox.leads(list_id)][1:]
        await http.request("DELETE", f"/lead-lists/{list_id}/leads", json={"lead_ids": leads})
        shrunk = await start_list(http, list_id, quoted["quote_id"])
    assert len(rows) == 4
    assert (grown.status_code, error(grown)["code"]) == (400, "spend_cap_exceeded")
    assert shrunk.json()["credits_reserved"] == 1


async def test_each_prefix_names_the_list_in_its_own_way() -> None:
    sandbox = make()
    list_id = sandbox.list_id("Q3 Prospects")
    for prefix, name in ((PUBLIC_PREFIX, "lead_list_id"), (SECOND_PREFIX, "list_id")):
        other = {"lead_list_id": "list_id", "list_id": "lead_list_id"}[name]
        async with client(sandbox, prefix=prefix) as http:
            body = {"scope": "partial", "quote_id": (await quote(http, list_id))["quote_id"]}
            wrong = await http.post("/enrichment/bulk", json={**body, other: list_id})
            right = await http.post("/enrichment/bulk", json={**body, name: list_id})
        assert wrong.status_code == 422
        assert wrong.json()["detail"][0]["loc"] == ["body", name]
        assert right.status_code == 200


async def test_a_person_is_pending_then_running_then_found() -> None:
    clock = Clock()
    sandbox = make(clock)
    async with client(sandbox) as http:
        answer = await http.post("/enrichment/person", json={**PERSON, "enrichment_type": "full"})
        started = answer.json()
        seen = [await status(http, started["workflow_id"])]
        clock.now += 1
        seen.append(await status(http, started["workflow_id"]))
        reserved = sandbox.ledger().reserved
        clock.now += 2.1
        seen.append(await status(http, started["workflow_id"]))
        listed = (await http.get(f"/lead-lists/{started['lead_list_id']}/leads")).json()
    assert (answer.status_code, started["status"], started["credits_reserved"]) == (
        200,
        "pending",
        11,
    )
    assert started["poll_url"].endswith(f"/enrichment/status/{started['workflow_id']}")
    assert [one["status"] for one in seen] == ["pending", "running", "completed"]
    assert [one["result"] is None for one in seen] == [True, True, False]
    assert reserved == 11
    result = seen[-1]["result"]
    assert (result["status"], result["email"]) == ("completed", "kim.surely@surely.example")
    assert (seen[-1]["credits_charged"], seen[-1]["credits_refunded"]) == (11, 0)
    assert sandbox.credits() == 4_989
    assert [lead["lead_id"] for lead in listed["leads"]] == [result["lead_id"]]
    assert listed["leads"][0]["phone"] == result["phone"]
    assert_balanced(sandbox)


@pytest.mark.parametrize(
    ("name", "kind", "charged"),
    [
        ("Surely", "partial", 1),
        ("Surely", "phone_only", 10),
        ("Surely", "full", 11),
        ("No-Phone", "full", 1),
        ("No-Email", "full", 10),
        ("No-Email", "partial", 0),
        ("No-Phone", "phone_only", 0),
        ("Nobody", "full", 0),
    ],
)
async def test_only_what_was_found_is_charged(name: str, kind: str, charged: int) -> None:
    sandbox = make(latency=0)
    person = {**PERSON, "last_name": name, "domain": "firm.example", "enrichment_type": kind}
    async with client(sandbox) as http:
        started = (await http.post("/enrichment/person", json=person)).json()
        ended = await status(http, started["workflow_id"])
    assert ended["status"] == "completed"
    assert ended["result"]["status"] == ("completed" if charged else "failed")
    assert bool(ended["result"]["lead_id"]) == bool(charged)
    assert ended["credits_charged"] == charged
    assert ended["credits_refunded"] == started["credits_reserved"] - charged
    assert bool(ended["result"]["phone"]) == (charged >= 10)
    assert sandbox.credits() == 5_000 - charged
    assert_balanced(sandbox)


@pytest.mark.parametrize(
    ("word", "ending", "refunded", "left"),
    [
        ("failing", "failed", 1, 5_000),
        ("cancelled", "cancelled", 1, 5_000),
        ("canceled", "canceled", 1, 5_000),
        ("terminated", "terminated", 1, 5_000),
        ("timed-out", "timed_out", 1, 5_000),
        ("pending-review", "failed", 0, 4_999),
        ("cancelled-pending-review", "cancelled", 0, 4_999),
    ],
)
async def test_a_person_can_end_badly(word: str, ending: str, refunded: int, left: int) -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        body = {"email": f"{word}@firm.example"}
        started = (await http.post("/enrichment/person", json=body)).json()
        ended = await status(http, started["workflow_id"])
    assert (ended["status"], ended["credits_refunded"]) == (ending, refunded)
    review = "pending-review" in word
    assert ended["refund_status"] == ("pending_review" if review else "not_applicable")
    assert ended["credits_charged"] == (1 if review else 0)
    assert bool(ended["refund_message"]) == review
    assert sandbox.credits() == left
    assert_balanced(sandbox)


async def test_a_slow_person_takes_forty_seconds() -> None:
    clock = Clock()
    sandbox = make(clock)
    async with client(sandbox) as http:
        body = {"email": "slow@firm.example"}
        started = (await http.post("/enrichment/person", json=body)).json()
        clock.now += 39.9
        before = await status(http, started["workflow_id"])
        clock.now += 0.2
        after = await status(http, started["workflow_id"])
    assert (before["status"], after["status"]) == ("running", "completed")
    assert not magic_words.is_slow("Slowinski")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"first_name": "Kim", "last_name": "Surely"},
        {"first_name": "Kim", "domain": "firm.example"},
        {"phone": "+442079460001"},
        {"email": "  "},
    ],
)
async def test_half_a_person_is_refused(body: dict[str, str]) -> None:
    sandbox = make()
    async with client(sandbox) as http:
        answer = await http.post("/enrichment/person", json=body)
    assert (answer.status_code, error(answer)["code"]) == (400, "validation_error")
    assert sandbox.runs == []


async def test_the_same_input_finds_the_same_everywhere() -> None:
    found = []
    for body in (
        {"first_name": "Zoë", "last_name": "Müller", "company_name": "Alpenblick Software"},
        {"email": "zoe.muller@alpenblick.example"},
        {"first_name": "Zoë", "last_name": "Müller", "domain": "alpenblick.example"},
    ):
        sandbox = make(latency=0)
        async with client(sandbox) as http:
            started = (await http.post("/enrichment/person", json=body)).json()
            result = (await status(http, started["workflow_id"]))["result"]
        result.pop("lead_id")
        found.append(result)
    assert found[0] == found[1] == found[2]
    assert found[0]["email"] == "zoe.muller@alpenblick.example"


async def test_addresses_are_fictional_whatever_was_asked() -> None:
    for identity in (
        people.Identity(first_name="Kim", last_name="Surely", domain="www.acme.com"),
        people.Identity(first_name="李", last_name="四", company="surely 青山"),
        people.Identity(person_id="surely-7"),
        people.Identity(email="surely@acme.com"),
    ):
        found = people.finding(identity)
        assert found.email is not None
        assert found.email.endswith(".example")
        assert found.email.isascii()


async def test_two_people_of_one_firm_stay_two_leads_and_one_stays_one() -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        for who in ("surely-1", "surely-2", "surely-1"):
            started = await http.post("/enrichment/person", json={"person_id": who})
        list_id = started.json()["lead_list_id"]
        for name in ("一", "二", "一"):
            body = {"first_name": "李", "last_name": name, "company_name": "surely 青山"}
            await http.post("/enrichment/person", json={**body, "lead_list_id": list_id})
    assert len(sandbox.leads(list_id)) == 4


async def test_a_person_who_is_in_the_list_already_is_enriched_there() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.list_id("Q3 Prospects")
    ada = {"first_name": "Ada", "last_name": "Okonkwo", "domain": "brightwater.example"}
    async with client(sandbox) as http:
        await http.post("/enrichment/person", json={**ada, "lead_list_id": list_id})
    rows = sandbox.leads(list_id)
    assert len(rows) == 12
    assert [row["email"] for row in rows if row["email"]] == ["ada.okonkwo@brightwater.example"]


async def test_the_default_list_belongs_to_the_user() -> None:
    sandbox = make(latency=0)
    colleague = sandbox.add_account("cole", colleague_of=sandbox.key)
    ids = []
    for key in (sandbox.key, sandbox.key, colleague):
        async with client(sandbox, key) as http:
            ids.append((await http.post("/enrichment/person", json=PERSON)).json()["lead_list_id"])
    assert ids[0] == ids[1] == sandbox.list_id("MCP Results")
    assert ids[2] != ids[0]


@pytest.mark.parametrize(
    ("insists", "prefix", "code"),
    [(True, PUBLIC_PREFIX, 400), (422, PUBLIC_PREFIX, 422), (False, SECOND_PREFIX, 422)],
)
async def test_the_api_can_insist_on_a_list(insists: Any, prefix: str, code: int) -> None:
    sandbox = make(insists_on_list_id=insists)
    async with client(sandbox, prefix=prefix) as http:
        refused = await http.post("/enrichment/person", json=PERSON)
        made = await http.post("/lead-lists", json={"name": "MCP Results"})
        body = {**PERSON, "lead_list_id": made.json()["list_id"]}
        taken = await http.post("/enrichment/person", json=body)
    assert refused.status_code == code
    assert "lead_list_id" in refused.text
    assert taken.status_code == 200
    assert len(sandbox.runs) == 1


async def test_a_person_can_carry_a_quote_once() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        quoted = (await http.post("/credits/estimate", json={"tool": "enrich_person"})).json()
        body = {**PERSON, "quote_id": quoted["quote_id"]}
        dear = await http.post("/enrichment/person", json={**body, "enrichment_type": "full"})
        first = await http.post("/enrichment/person", json=body)
        second = await http.post("/enrichment/person", json=body)
    assert error(dear)["code"] == "quote_mismatch"
    assert first.status_code == 200
    assert error(second)["code"] == "quote_used"


async def test_a_list_run_advances_with_the_clock_and_settles() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        quote_id = (await quote(http, list_id, "full"))["quote_id"]
        workflow_id = (await start_list(http, list_id, quote_id, "full")).json()["workflow_id"]
        seen = [await status(http, workflow_id)]
        for seconds in (0.5, 1.0, 1.2):
            clock.now += seconds
            seen.append(await status(http, workflow_id))
            assert_balanced(sandbox)
    assert [one["status"] for one in seen] == [
        "pending",
        "running",
        "running",
        "completed_with_errors",
    ]
    assert [one["total"] for one in seen] == [12] * 4
    processed = [one["processed"] for one in seen]
    assert processed == sorted(processed)
    assert 0 < processed[2] < 12
    assert all(one["completed"] + one["failed"] == one["processed"] for one in seen)
    end = seen[-1]
    assert (end["progress"], end["processed"], end["failed"], end["result"]) == (100, 12, 1, None)
    rows = sandbox.leads(list_id)
    emails = sum(1 for row in rows if row["email"])
    phones = sum(1 for row in rows if row["phone"])
    assert end["summary"] == {"emails_found": emails, "phones_found": phones}
    figures = ("summary", "refund_status", "credits_charged", "credits_refunded")
    assert all(one[name] is None for one in seen[:-1] for name in figures)
    assert end["credits_charged"] == emails + 10 * phones
    assert end["credits_charged"] + end["credits_refunded"] == 132
    assert sandbox.credits() == 5_000 - end["credits_charged"]


async def test_a_list_where_everybody_is_found_ends_completed() -> None:
    sandbox = make(latency=0)
    members = [people.Identity("Kim", f"Surely{n}", domain="firm.example") for n in range(3)]
    list_id = sandbox.add_list("All there", members)
    async with client(sandbox) as http:
        quote_id = (await quote(http, list_id))["quote_id"]
        workflow_id = (await start_list(http, list_id, quote_id)).json()["workflow_id"]
        assert (await status(http, workflow_id))["status"] == "completed"
        first = {lead["lead_id"]: lead["email"] for lead in sandbox.leads(list_id)}
        quote_id = (await quote(http, list_id, "phone-only"))["quote_id"]
        await start_list(http, list_id, quote_id, "phone-only")
    assert all(lead["email"] and lead["phone"] for lead in sandbox.leads(list_id))
    assert {lead["lead_id"]: lead["email"] for lead in sandbox.leads(list_id)} == first
    assert sandbox.credits() == 5_000 - 33


@pytest.mark.parametrize(
    ("name", "ending", "left"),
    [
        ("A failing list", "failed", 5_000),
        ("A cancelled list", "cancelled", 5_000),
        ("A pending-review list", "failed", 4_998),
    ],
)
async def test_a_list_can_end_badly_by_its_name(name: str, ending: str, left: int) -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list(name, 2)
    async with client(sandbox) as http:
        quote_id = (await quote(http, list_id))["quote_id"]
        workflow_id = (await start_list(http, list_id, quote_id)).json()["workflow_id"]
        ended = await status(http, workflow_id)
    assert ended["status"] == ending
    assert ended["completed"] == 0
    assert sandbox.credits() == left
    assert all(lead["email"] is None for lead in sandbox.leads(list_id))
    assert_balanced(sandbox)


async def test_a_row_that_fails_does_not_stop_its_list() -> None:
    sandbox = make(latency=0)
    rows = [people.Identity(email=f"{who}@firm.example") for who in ("surely", "failing-surely")]
    list_id = sandbox.add_list("Mixed", rows)
    async with client(sandbox) as http:
        quote_id = (await quote(http, list_id))["quote_id"]
        workflow_id = (await start_list(http, list_id, quote_id)).json()["workflow_id"]
        ended = await status(http, workflow_id)
    assert (ended["status"], ended["completed"], ended["failed"]) == ("completed_with_errors", 1, 1)
    assert ended["credits_charged"] == 1


async def test_an_empty_list_cannot_be_run() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Empty")
    async with client(sandbox) as http:
        quoted = await quote(http, list_id)
        answer = await start_list(http, list_id, quoted["quote_id"])
    assert quoted["estimated_cost"] == 0
    assert error(answer)["code"] == "validation_error"


async def test_workflows_of_others_are_not_found() -> None:
    sandbox = make()
    stranger = sandbox.add_account("stranger")
    async with client(sandbox) as http:
        workflow_id = (await http.post("/enrichment/person", json=PERSON)).json()["workflow_id"]
    async with client(sandbox, stranger) as http:
        answers = [await http.get(f"/enrichment/status/{one}") for one in (workflow_id, "enrich-none")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert [error(answer)["code"] for answer in answers] == ["not_found", "not_found"]


async def test_every_seeded_list_can_be_enriched_in_full() -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        lists = (await http.get("/lead-lists")).json()["lists"]
        for lead_list in lists:
            quoted = await quote(http, lead_list["list_id"], "full")
            run = await start_list(http, lead_list["list_id"], quoted["quote_id"], "full")
            assert run.status_code == 200
    assert [lead_list["lead_count"] for lead_list in lists] == [12, 40, 5]
    assert 11 * sum(lead_list["lead_count"] for lead_list in lists) < 5_000
    assert all(run.finished for run in sandbox.runs)
    assert_balanced(sandbox)


async def test_a_list_is_created_once_per_name_and_user() -> None:
    sandbox = make()
    colleague = sandbox.add_account("cole", colleague_of=sandbox.key)
    async with client(sandbox) as http:
        first = await http.post("/lead-lists", json={"name": "Straße", "description": "d"})
        again = await http.post("/lead-lists", json={"name": "STRASSE"})
        bad = [await http.post("/lead-lists", json={"name": n}) for n in ("", "x" * 201)]
    async with client(sandbox, colleague) as http:
        other = await http.post("/lead-lists", json={"name": "Straße"})
    assert (first.status_code, first.json()["reused"]) == (201, False)
    assert (again.status_code, again.json()["reused"]) == (200, True)
    assert again.json()["list_id"] == first.json()["list_id"]
    assert again.json()["description"] == "d"
    assert other.status_code == 201
    assert [answer.status_code for answer in bad] == [422, 422]


async def test_a_cap_on_lists_can_be_reached() -> None:
    sandbox = make(list_cap=4)
    async with client(sandbox) as http:
        assert (await http.post("/lead-lists", json={"name": "Fourth"})).status_code == 201
        refused = await http.post("/lead-lists", json={"name": "Fifth"})
        reused = await http.post("/lead-lists", json={"name": "fourth"})
    assert (refused.status_code, error(refused)["code"]) == (403, "list_cap_reached")
    assert reused.status_code == 200


async def test_lists_are_paged_to_the_end() -> None:
    sandbox = make()
    for number in range(7):
        sandbox.add_list(f"Extra {number}")
    names: list[str] = []
    cursor: str | None = None
    async with client(sandbox) as http:
        while True:
            query = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
            found = (await http.get("/lead-lists", params=query)).json()
            names += [one["name"] for one in found["lists"]]
            assert found["total"] == 10
            cursor = found["cursor"]
            if not cursor:
                break
        bad = await http.get("/lead-lists", params={"cursor": "garbage"})
    assert len(names) == len(set(names)) == 10
    assert (bad.status_code, error(bad)["code"]) == (400, "validation_error")


async def test_lists_are_filtered_by_folder() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        await http.post("/lead-lists", json={"name": "Filed", "folder_id": "f1"})
        found = (await http.get("/lead-lists", params={"folder_id": "f1"})).json()
    assert [one["name"] for one in found["lists"]] == ["Filed"]


async def test_a_list_is_changed_and_deleted_by_its_owner_alone() -> None:
    sandbox = make()
    colleague = sandbox.add_account("cole", colleague_of=sandbox.key)
    shared = sandbox.add_list("Shared", 1, visibility="organization")
    kept = sandbox.add_list("Kept", protected=True)
    async with client(sandbox, colleague) as http:
        assert (await http.get(f"/lead-lists/{shared}")).json()["lead_count"] == 1
        assert (await http.delete(f"/lead-lists/{shared}")).status_code == 404
        private = await http.get(f"/lead-lists/{kept}")
        assert private.status_code == 404
    async with client(sandbox) as http:
        change = {"name": "Renamed", "description": "new"}
        renamed = await http.patch(f"/lead-lists/{shared}", json=change)
        cleared = await http.patch(f"/lead-lists/{shared}", json={"description": None})
        for body in ({}, {"colour": "red"}, {"name": None}):
            assert (await http.patch(f"/lead-lists/{shared}", json=body)).status_code == 422
        protected = await http.delete(f"/lead-lists/{kept}")
        gone = await http.delete(f"/lead-lists/{shared}")
        again = await http.delete(f"/lead-lists/{shared}")
    assert (renamed.json()["name"], renamed.json()["description"]) == ("Renamed", "new")
    assert (cleared.json()["name"], cleared.json()["description"]) == ("Renamed", None)
    assert error(protected)["code"] == "list_protected"
    assert gone.json()["deleted"] is True
    assert again.status_code == 404


@pytest.mark.long
async def test_ten_thousand_leads_are_paged_once_each() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Long", 10_000)
    seen: set[str] = set()
    cursor: str | None = None
    async with client(sandbox) as http:
        while True:
            query = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            found = (await http.get(f"/lead-lists/{list_id}/leads", params=query)).json()
            seen.update(lead["lead_id"] for lead in found["leads"])
            cursor = found["cursor"]
            if not cursor:
                break
        bad = await http.get(f"/lead-lists/{list_id}/leads", params={"limit": 501})
    assert (len(seen), found["total"]) == (10_000, 10_000)
    assert len(sandbox.requests) == 10_000 // 500 + 1
    assert bad.status_code == 422


async def test_a_cursor_belongs_to_its_list() -> None:
    sandbox = make()
    long, other = sandbox.list_id("Conference Leads"), sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        page = (await http.get(f"/lead-lists/{long}/leads", params={"limit": 5})).json()
        answer = await http.get(f"/lead-lists/{other}/leads", params={"cursor": page["cursor"]})
    assert error(answer)["code"] == "validation_error"


async def test_leads_are_added_once_and_removed_without_complaint() -> None:
    sandbox = make()
    source, target = sandbox.list_id("Q3 Prospects"), sandbox.add_list("Target")
    ids = [lead["lead_id"] for lead in sandbox.leads(source)]
    path = f"/lead-lists/{target}/leads"
    async with client(sandbox) as http:
        first = (await http.post(path, json={"lead_ids": ids[:3]})).json()
        second = (await http.post(path, json={"lead_ids": ids[:5]})).json()
        unknown = await http.post(path, json={"lead_ids": ["nobody"]})
        both = await http.post(path, json={"lead_ids": ids, "task_id": "cl-task_1"})
        removal = {"lead_ids": [*ids[:2], "nobody"]}
        removed = (await http.request("DELETE", path, json=removal)).json()
    assert (first["added"], second["added"], second["skipped_duplicates"]) == (3, 2, 3)
    assert unknown.status_code == 404
    assert both.status_code == 422
    assert removed["removed"] == 2
    assert len(sandbox.leads(target)) == 3
    assert len(sandbox.leads(source)) == 12


async def test_adding_leads_under_one_idempotency_key_happens_once() -> None:
    sandbox = make()
    source, target = sandbox.list_id("Q3 Prospects"), sandbox.add_list("Target")
    body = {"lead_ids": [lead["lead_id"] for lead in sandbox.leads(source)], "idempotency_key": "k"}
    async with client(sandbox) as http:
        answers = [await http.post(f"/lead-lists/{target}/leads", json=body) for _ in range(2)]
    assert [answer.json()["added"] for answer in answers] == [12, 12]
    assert len(sandbox.leads(target)) == 12


async def test_a_page_of_leads_has_a_handle_that_can_be_enriched_on_a_quote() -> None:
    clock = Clock()
    sandbox = make(clock, latency=0)
    source, target = sandbox.list_id("Conference Leads"), sandbox.add_list("Target")
    async with client(sandbox) as http:
        page = (await http.get(f"/lead-lists/{source}/leads", params={"limit": 6})).json()
        wanted = {"task_id": page["task_id"], "data_points": ["Email"]}
        unquoted = await http.post("/enrichment/by-task", json=wanted)
        priced = {"tool": "add_person_enrichments", **wanted}
        quoted = (await http.post("/credits/estimate", json=priced)).json()
        body = {**wanted, "quote_id": quoted["quote_id"], "lead_list_id": target}
        dear = await http.post("/enrichment/by-task", json={**body, "data_points": ["Phone"]})
        started = (await http.post("/enrichment/by-task", json=body)).json()
        ended = await status(http, page["task_id"])
        third = f"/lead-lists/{sandbox.add_list('Third')}/leads"
        saved = {"task_id": page["task_id"], "entity_ids": [page["leads"][0]["lead_id"]]}
        added = await http.post(third, json=saved)
        stranger = await http.post(third, json={**saved, "entity_ids": ["other"]})
        odd = await http.post("/enrichment/by-task", json={**body, "data_points": ["Shoe size"]})
        foreign = await http.post("/enrichment/by-task", json={**body, "entity_ids": ["other"]})
        clock.now += 3_601
        expired = await http.post("/enrichment/by-task", json=body)
    assert error(unquoted)["code"] == "quote_required"
    assert (quoted["row_count"], quoted["estimated_cost"]) == (6, 6)
    assert error(dear)["code"] == "quote_mismatch"
    assert (started["total_entities"], started["entity_kind"]) == (6, "person")
    assert {entity["status"] for entity in started["results"]} == {"queued"}
    assert ended["workflow_id"] == started["workflow_id"]
    assert len(sandbox.leads(target)) == 6
    assert (added.json()["added"], added.json()["created"]) == (1, 0)
    assert {error(one)["code"] for one in (odd, foreign, stranger)} == {"validation_error"}
    assert expired.status_code == 404
    assert_balanced(sandbox)


async def test_a_quote_for_part_of_a_page_is_for_those_rows_in_whichever_order() -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        page = (await http.get(f"/lead-lists/{sandbox.list_id('Q3 Prospects')}/leads")).json()
        ids = [lead["lead_id"] for lead in page["leads"]]
        part = {"task_id": page["task_id"], "data_points": ["Email", "Phone"], "entity_ids": ids[:3]}
        priced = await http.post("/credits/estimate", json={"tool": "add_person_enrichments", **part})
        quoted = part | {"quote_id": priced.json()["quote_id"]}
        others = await http.post("/enrichment/by-task", json={**quoted, "entity_ids": ids[1:4]})
        turned = {"data_points": ["Phone", "Email"], "entity_ids": ids[2::-1]}
        same = await http.post("/enrichment/by-task", json=quoted | turned)
        refused = [
            await http.post("/enrichment/by-task", json={**quoted, "entity_ids": some})
            for some in ([], ids, [*ids[:2], "other"])
        ]
    assert (priced.json()["row_count"], priced.json()["estimated_cost"]) == (3, 33)
    assert error(others)["code"] == "quote_mismatch"
    assert same.json()["total_entities"] == 3
    assert {error(answer)["code"] for answer in refused} == {"validation_error"}


async def test_a_csv_is_imported_with_a_reason_for_each_row_left_out() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    async with client(sandbox) as http:
        answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=import_body())
        rows = (await http.get(f"/lead-lists/{list_id}/leads")).json()["leads"]
    found = answer.json()
    assert answer.status_code == 201
    assert [found[name] for name in ("rows_parsed", "rows_imported", "rows_skipped")] == [4, 2, 2]
    assert found["skip_reasons"] == {"duplicate_email": 1, "missing_required": 1}
    assert found["sample_skip_rows"] == [4, 5]
    assert found["workflow_id"] is None
    assert [(row["full_name"], row["email"], row["company"]) for row in rows] == [
        ("Ana Ferreira", "ana@mare.example", "Maré"),
        ("Bo Lind", None, "Polcirkel"),
    ]
    assert sandbox.credits() == 5_000


async def test_every_field_of_an_import_finds_its_place() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    row = {
        "full_name": "Ana Maria Ferreira",
        "email": "ana@mare.example",
        "phone": "",
        "mobile_phone": "+442079460001",
        "work_phone": "+442079460002",
        "linkedin_url": "https://in.example/ana",
        "company_name": "Maré",
        "company_domain": "mare.example",
        "job_title": "Buyer",
        "city": "Porto",
        "state": "",
        "country": "Portugal",
    }
    content = csv_file(tuple(row), tuple(row.values()))
    body = import_body(csv_content_base64=content, column_mapping={name: name for name in row})
    async with client(sandbox) as http:
        await http.post(f"/lead-lists/{list_id}/csv-import", json=body)
        export = {"list_id": list_id, "columns": ["company_domain", "domain"]}
        (exported,) = (await http.get("/export/json", params=export)).json()["leads"]
    (lead,) = sandbox.leads(list_id)
    assert (lead["first_name"], lead["last_name"]) == ("Ana Maria", "Ferreira")
    assert (lead["phone"], lead["title"], lead["company"]) == ("+442079460001", "Buyer", "Maré")
    assert (lead["location"], lead["linkedin_url"]) == ("Porto, Portugal", "https://in.example/ana")
    assert set(exported.values()) == {"mare.example"}


async def test_rows_over_the_cap_of_an_account_are_left_out_and_counted() -> None:
    sandbox = make(row_cap=2)
    list_id = sandbox.add_list("Import")
    body = import_body(csv_content_base64=_file_of(5), column_mapping={"email": "Mail"})
    async with client(sandbox) as http:
        found = (await http.post(f"/lead-lists/{list_id}/csv-import", json=body)).json()
    assert (found["rows_imported"], found["skip_reasons"]) == (2, {"row_cap_exceeded": 3})
    assert found["sample_skip_rows"] == [4, 5, 6]
    assert len(sandbox.leads(list_id)) == 2


async def test_a_csv_with_a_byte_order_mark_is_read() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    profiles = "\ufeffURL\r\nhttps://in.example/a\r\nhttps://in.example/A\r\n"
    content = base64.b64encode(profiles.encode()).decode()
    body = import_body(csv_content_base64=content, column_mapping={"linkedin_url": "URL"})
    async with client(sandbox) as http:
        found = (await http.post(f"/lead-lists/{list_id}/csv-import", json=body)).json()
    assert found["rows_imported"] == 1
    assert found["skip_reasons"] == {"duplicate_linkedin": 1}


def _file_of(rows: int, width: int = 1) -> str:
    return csv_file(("Mail",), *((f"{'x' * width}{n}@firm.example",) for n in range(rows)))


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"csv_content_base64": "!"}, 400, "validation_error"),
        ({"csv_content_base64": base64.b64encode(b"\xff\xfe").decode()}, 400, "validation_error"),
        ({"csv_content_base64": ""}, 400, "validation_error"),
        ({"csv_content_base64": _file_of(601)}, 413, "payload_too_large"),
        ({"csv_content_base64": _file_of(400, 500)}, 413, "payload_too_large"),
        ({"csv_content_base64": _file_of(300, 486)}, 413, "payload_too_large"),  # 150 KiB, but not KB
        ({"column_mapping": {"email": "Post"}}, 400, "missing_column"),
    ],
)
async def test_a_file_that_cannot_be_imported_changes_nothing(
    changes: dict[str, Any], code: int, word: str
) -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    async with client(sandbox) as http:
        answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=import_body(**changes))
    assert (answer.status_code, error(answer)["code"]) == (code, word)
    assert sandbox.leads(list_id) == []


@pytest.mark.parametrize("prefix", [PUBLIC_PREFIX, SECOND_PREFIX])
@pytest.mark.parametrize(
    "mapping",
    [{}, {"email": None}, *({name: "Mail"} for name in ("domain", "title", "person_id", "company", "Email"))],
)
async def test_a_column_can_only_be_one_of_the_fields_of_an_import(
    prefix: str, mapping: dict[str, str | None]
) -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    async with client(sandbox, prefix=prefix) as http:
        body = import_body(column_mapping=mapping)
        answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", "column_mapping"]
    assert sandbox.leads(list_id) == []


async def test_six_hundred_rows_fit_in_an_import() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Import")
    body = import_body(csv_content_base64=_file_of(600), column_mapping={"email": "Mail"})
    async with client(sandbox) as http:
        found = (await http.post(f"/lead-lists/{list_id}/csv-import", json=body)).json()
    assert found["rows_imported"] == len(sandbox.leads(list_id)) == 600


async def test_an_import_spends_unless_it_is_told_not_to() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Import")
    path = f"/lead-lists/{list_id}/csv-import"
    body = {"csv_content_base64": PEOPLE_FILE, "column_mapping": MAPPING}
    async with client(sandbox) as http:
        unquoted = await http.post(path, json=body)
        nothing = sandbox.leads(list_id)
        priced = {"tool": "bulk_import_csv", "row_count": 2, "enrichment_type": "partial"}
        quoted = (await http.post("/credits/estimate", json=priced)).json()
        started = await http.post(path, json={**body, "quote_id": quoted["quote_id"]})
        ended = await status(http, started.json()["workflow_id"])
        used = await http.post(path, json={**body, "quote_id": quoted["quote_id"]})
    assert error(unquoted)["code"] == "quote_required"
    assert nothing == []
    assert started.json()["enrichment_status_url"].endswith(started.json()["workflow_id"])
    assert ended["total"] == 2
    assert error(used)["code"] == "quote_used"
    assert len(sandbox.leads(list_id)) == 2
    assert_balanced(sandbox)


async def test_under_the_second_prefix_an_import_can_spend_without_a_quote() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Import")
    body = {"csv_content_base64": PEOPLE_FILE, "column_mapping": MAPPING}
    async with client(sandbox, prefix=SECOND_PREFIX) as http:
        answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=body)
    assert answer.status_code == 201
    assert [run.workflow_id for run in sandbox.runs] == [answer.json()["workflow_id"]]


async def test_a_dispatching_import_needs_the_right_to_enrich() -> None:
    sandbox = make()
    key = sandbox.add_account("lister", scopes={"lists:write", "lists:read"})
    list_id = sandbox.add_list("Import", key=key)
    path = f"/lead-lists/{list_id}/csv-import"
    async with client(sandbox, key) as http:
        spending = await http.post(path, json=import_body(dispatch_enrichment=True))
        plain = await http.post(path, json=import_body())
    assert error(spending)["details"]["required_scopes"] == ["enrich:write"]
    assert plain.status_code == 201


async def test_a_finished_import_is_replayed_under_its_key_for_a_day() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.add_list("Import")
    path, body = f"/lead-lists/{list_id}/csv-import", import_body(idempotency_key="k1")
    async with client(sandbox) as http:
        first = await http.post(path, json=body)
        second = await http.post(path, json=body)
        clock.now += 86_400
        third = await http.post(path, json=body)
    replayed = [one.json()["idempotency_replayed"] for one in (first, second, third)]
    assert replayed == [False, True, False]
    assert second.json()["rows_imported"] == 2
    assert len(sandbox.leads(list_id)) == 4


async def test_an_import_that_is_still_running_is_not_protected() -> None:
    clock = Clock()
    sandbox = make(clock, import_seconds=10)
    list_id = sandbox.add_list("Import")
    path, body = f"/lead-lists/{list_id}/csv-import", import_body(idempotency_key="k1")
    async with client(sandbox) as http:
        sandbox.faults.next("POST /lead-lists/*/csv-import", "reset_after", times=2)
        for _ in range(2):
            with pytest.raises(httpx.ReadError):
                await http.post(path, json=body)
        early = len(sandbox.leads(list_id))
        clock.now += 10
        late = len(sandbox.leads(list_id))
        replay = await http.post(path, json=body)
    assert (early, late) == (0, 4)
    assert replay.json()["idempotency_replayed"] is True
    assert len(sandbox.leads(list_id)) == 4


async def test_the_answer_to_an_import_waits_for_its_rows() -> None:
    clock = Clock()
    sandbox = make(clock, import_seconds=10)
    list_id = sandbox.add_list("Import")
    path, body = f"/lead-lists/{list_id}/csv-import", import_body(idempotency_key="k1")
    async with client(sandbox) as http:
        await http.post(path, json=body)
        again = await http.post(path, json=body)
    assert clock.slept == [10]
    assert again.json()["idempotency_replayed"] is True
    assert len(sandbox.leads(list_id)) == 2


async def test_the_import_can_be_switched_off() -> None:
    sandbox = make(csv_import=False)
    list_id = sandbox.add_list("Import")
    async with client(sandbox) as http:
        answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=import_body())
    assert (answer.status_code, error(answer)["retryable"]) == (503, False)


async def test_raw_people_can_stay_out_of_sight_until_they_are_enriched() -> None:
    sandbox = make(shows_raw_people=False, latency=0)
    list_id = sandbox.add_list("Shy", [people.Identity(email="surely@firm.example")])
    async with client(sandbox) as http:
        before = (await http.get(f"/lead-lists/{list_id}/leads")).json()
        count = (await http.get(f"/lead-lists/{list_id}")).json()["lead_count"]
        quoted = await quote(http, list_id)
        await start_list(http, list_id, quoted["quote_id"])
        after = (await http.get(f"/lead-lists/{list_id}/leads")).json()
    assert (before["total"], before["leads"], count, quoted["row_count"]) == (0, [], 0, 1)
    assert after["total"] == 1


async def test_an_export_is_a_link_that_downloads_without_a_key_for_a_day() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        export = (await http.post("/export/csv/signed-url", json={"list_id": list_id})).json()
        chosen = {"list_id": list_id, "columns": ["last_name", "email"]}
        narrow = (await http.post("/export/csv/signed-url", json=chosen)).json()
        odd = await http.post("/export/csv/signed-url", json={"list_id": list_id, "columns": ["shoe_size"]})
    async with httpx.AsyncClient(transport=transport(sandbox)) as http:
        content = (await http.get(export["download_url"])).content
        header = (await http.get(narrow["download_url"])).text.splitlines()[0]
        forged = await http.get(export["download_url"][:-1] + "z")
        unknown = await http.get("http://sandbox.cleanlist.example/downloads/1.csv")
        clock.now += 86_400
        expired = await http.get(export["download_url"])
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert (export["row_count"], export["file_size_bytes"]) == (12, len(content))
    assert list(rows[4]) == [
        *("lead_id", "first_name", "last_name", "email", "title"),
        *("company", "domain", "linkedin_url", "phone", "location"),
    ]
    assert (rows[4]["last_name"], rows[4]["domain"]) == ("小龙", "qingshan.example")
    assert header == "last_name,email"
    assert error(odd)["code"] == "validation_error"
    assert [one.status_code for one in (forged, unknown, expired)] == [403, 404, 403]


async def test_a_list_is_exported_as_json_page_by_page() -> None:
    sandbox = make()
    list_id = sandbox.list_id("Q3 Prospects")
    async with client(sandbox) as http:
        query: dict[str, Any] = {"list_id": list_id, "limit": 10, "columns": ["last_name", "email"]}
        first = (await http.get("/export/json", params=query)).json()
        query["cursor"] = first["cursor"]
        second = (await http.get("/export/json", params=query)).json()
        missing = await http.get("/export/json")
    assert (len(first["leads"]), len(second["leads"]), second["cursor"]) == (10, 2, None)
    assert set(first["leads"][0]) == {"last_name", "email"}
    assert missing.status_code == 422


async def test_a_company_is_found_at_once_for_one_credit() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        found = (await http.post("/enrichment/company", json={"domain": "acme.com"})).json()
        nobody = await http.post("/enrichment/company", json={"company_name": "Nobody Inc"})
        nothing = await http.post("/enrichment/company", json={})
        quoted = (await http.post("/credits/estimate", json={"tool": "enrich_company"})).json()
        body = {"domain": "acme.com", "quote_id": quoted["quote_id"]}
        answers = [await http.post("/enrichment/company", json=body) for _ in range(2)]
    assert (found["company"]["domain"], found["credits_charged"]) == ("acme.example", 1)
    assert (nobody.status_code, nobody.json()["company"], nobody.json()["credits_charged"]) == (200, {}, 0)
    assert error(nothing)["code"] == "validation_error"
    assert [answer.status_code for answer in answers] == [200, 409]
    assert sandbox.credits() == 4_998
    assert_balanced(sandbox)


async def test_usage_counts_this_organizations_requests() -> None:
    sandbox = make()
    stranger = sandbox.add_account("stranger")
    async with client(sandbox, stranger) as http:
        await http.get("/whoami")
    async with client(sandbox) as http:
        await http.get("/whoami")
        await http.get("/lead-lists/unknown")
        by_tool = (await http.get("/usage")).json()
        reports = {
            group: (await http.get("/usage", params={"group_by": group})).json()
            for group in ("key", "day", "error")
        }
        odd = await http.get("/usage", params={"group_by": "mood"})
        keys = (await http.get("/api-keys")).json()["keys"]
    assert {row["group"]: row["errors"] for row in by_tool["rows"]} == {
        "GET /whoami": 0,
        "GET /lead-lists/unknown": 1,
    }
    assert (by_tool["total_calls"], by_tool["total_errors"]) == (2, 1)
    assert [row["group"] for row in reports["key"]["rows"]] == ["key_seeded"]
    assert len(reports["day"]["rows"]) == 1
    assert {row["group"] for row in reports["error"]["rows"]} == {"none", "404"}
    assert odd.status_code == 422
    assert [key["key_last4"] for key in keys] == [sandbox.key[-4:]]
    assert sandbox.key not in json.dumps(keys)


async def test_smart_agents_are_not_part_of_the_plan() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        body = {"list_id": "1", "column_name": "Fit", "quote_id": "qte_1"}
        run = await http.post("/smart-agents/run", json=body)
        price = await http.post("/credits/estimate", json={"tool": "run_smart_agent", "row_count": 3})
        runs = (await http.get("/smart-agents")).json()
        known = await http.get("/smart-agents", params={"list_id": "unknown"})
        one = await http.get("/smart-agents/1")
    assert error(run)["code"] == error(price)["code"] == "feature_gated"
    assert (runs["runs"], runs["total"]) == ([], 0)
    assert (known.status_code, one.status_code) == (404, 404)


async def test_requests_are_recorded_for_assertions() -> None:
    clock = Clock()
    sandbox = make(clock)
    async with client(sandbox) as http:
        await http.post("/enrichment/person", json=PERSON)
        await http.get("/lead-lists", params={"limit": 3})
    first, second = sandbox.requests
    assert (first.method, first.path, first.status) == ("POST", "/enrichment/person", 200)
    assert (first.key, first.body, first.time) == ("seeded", PERSON, clock.now)
    assert (second.query, second.body) == ({"limit": "3"}, None)


async def test_the_record_of_requests_stays_bounded() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        await http.get("/whoami")
        sandbox.requests *= 20_000
        await http.get("/credits/balance")
    assert len(sandbox.requests) == 10_001
    assert sandbox.requests[-1].path == "/credits/balance"


def test_the_oldest_export_makes_room_after_a_thousand() -> None:
    sandbox = make()
    (first_id, first), *_ = [sandbox.remember_export(b"x") for _ in range(1_000)]
    assert sandbox.export(first_id, first.signature) == b"x"
    sandbox.remember_export(b"x")
    with pytest.raises(Problem, match="not_found"):
        sandbox.export(first_id, first.signature)


def test_a_list_that_does_not_exist_is_a_key_error_to_tests() -> None:
    sandbox = make()
    for look_up in (sandbox.list_id, sandbox.leads, sandbox.credits):
        with pytest.raises(KeyError):
            look_up("unknown")


# Kind of fault → runs started, and what the client sees: a status, or an exception.
IN_PROCESS: dict[Kind, tuple[int, int | type[Exception]]] = {
    "refused": (0, httpx.ConnectError),
    "rate_limited": (0, 429),
    "unavailable": (0, 503),
    "server_error": (0, 500),
    "reset_before": (0, httpx.ReadError),
    "reset_after": (1, httpx.ReadError),
    "hang_before": (0, httpx.ReadTimeout),
    "hang_after": (1, httpx.ReadTimeout),
    "unreadable": (1, 200),
    "truncated": (1, 200),
    "bad_gateway": (0, 502),
    "sent_twice": (1, 409),
    "earlier_answer": (1, 200),
    "slow": (1, 200),
}


async def misbehave(http: httpx.AsyncClient, sandbox: Sandbox, kind: Kind) -> Any:
    fault = sandbox.faults.next("POST /enrichment/person", kind, delay=0.01)
    patience = 0.15 if fault.hangs else 10
    try:
        return await http.post("/enrichment/person", json=PERSON, timeout=patience)
    except httpx.TransportError as failure:
        return failure


def assert_seen(kind: Kind, seen: Any, expected: int | type[Exception]) -> None:
    if isinstance(expected, int):
        assert seen.status_code == expected, (kind, seen)
    else:
        assert isinstance(seen, expected), (kind, seen)
    if kind in ("unreadable", "truncated"):
        with pytest.raises(ValueError, match=r"."):
            seen.json()
    if kind == "bad_gateway":
        assert seen.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_happens_once_and_in_the_right_order_with_the_work(kind: Kind) -> None:
    sandbox = make()
    runs, expected = IN_PROCESS[kind]
    async with client(sandbox) as http:
        seen = await misbehave(http, sandbox, kind)
        assert len(sandbox.runs) == runs
        healthy = await http.post("/enrichment/person", json=PERSON)
    assert_seen(kind, seen, expected)
    assert healthy.status_code == 200
    assert len(sandbox.runs) == runs + 1
    first = sandbox.requests[0]
    assert first.fault == kind
    assert first.status == (expected if isinstance(expected, int) else None)
    assert_balanced(sandbox)


@pytest.mark.long
async def test_faults_over_loopback_are_real() -> None:
    sandbox = Sandbox(rate_limits=False)
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    # A connection was accepted before its path was known, so it can only be reset.
    expectations = IN_PROCESS | {"refused": (0, httpx.ReadError)}
    async with (
        running(sandbox) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=headers) as http,
    ):
        for kind, (runs, expected) in expectations.items():
            before = len(sandbox.runs)
            seen = await misbehave(http, sandbox, kind)
            assert_seen(kind, seen, expected)
            assert len(sandbox.runs) - before == runs, kind
            assert (await http.get("/whoami")).status_code == 200


@pytest.mark.parametrize("kind", ["server_error", "unavailable", "bad_gateway", "slow"])
async def test_an_error_can_also_come_after_the_work(kind: Kind) -> None:
    sandbox = make()
    sandbox.faults.next("POST /enrichment/person", kind, after=True)
    async with client(sandbox) as http:
        answer = await http.post("/enrichment/person", json=PERSON)
    assert answer.status_code == IN_PROCESS[kind][1]
    assert len(sandbox.runs) == 1


async def test_faults_match_by_method_and_pattern_and_are_used_in_order() -> None:
    sandbox = make()
    sandbox.faults.next("GET /enrichment/status/*", "server_error")
    sandbox.faults.next("POST /whoami", "bad_gateway")
    sandbox.faults.next("*", "rate_limited", retry_after=2.5, times=2)
    sandbox.faults.next("/whoami", "unavailable", retryable=False)
    async with client(sandbox) as http:
        answers = [await http.get("/whoami") for _ in range(4)]
        status_answer = await http.get("/enrichment/status/enrich-1")
    assert [answer.status_code for answer in answers] == [429, 429, 503, 200]
    assert (answers[0].headers["Retry-After"], error(answers[0])["retry_after_ms"]) == ("3", 2_500)
    assert error(answers[2])["retryable"] is False
    assert status_answer.status_code == 500
    assert [fault.kind for fault in sandbox.faults.pending] == ["bad_gateway"]
    with pytest.raises(ValueError, match="no such fault"):
        sandbox.faults.next("*", "earthquake")  # type: ignore[arg-type]


async def test_a_hang_lasts_until_the_caller_gives_up() -> None:
    sandbox = make()
    sandbox.faults.next("POST /enrichment/person", "hang_after")
    async with client(sandbox) as http:
        with anyio.move_on_after(0.05) as patience:
            await http.post("/enrichment/person", json=PERSON, timeout=None)
    assert patience.cancelled_caught
    assert len(sandbox.runs) == 1


async def test_an_export_downloads_from_the_loopback_server() -> None:
    sandbox = Sandbox()
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    async with running(sandbox) as base_url, httpx.AsyncClient(base_url=base_url) as http:
        list_id = sandbox.list_id("Conference Leads")
        answer = await http.post("/export/csv/signed-url", json={"list_id": list_id}, headers=headers)
        link = answer.json()["download_url"]
        content = (await http.get(link)).text
    assert urlsplit(link).hostname == "127.0.0.1"
    assert len(content.splitlines()) == 41


@pytest.mark.long
async def test_a_server_that_stops_cuts_what_still_hangs() -> None:
    sandbox = Sandbox()
    sandbox.faults.next("GET /whoami", "hang_before")
    seen: list[Exception] = []

    async def ask(base_url: str) -> None:
        async with httpx.AsyncClient(base_url=base_url) as http:
            try:
                await http.get("/whoami", timeout=20)
            except httpx.TransportError as failure:
                seen.append(failure)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks, running(sandbox) as base_url:
            tasks.start_soon(ask, base_url)
            while not sandbox.requests:  # noqa: ASYNC110 -- bounded above; nothing signals it
                await anyio.sleep(0.01)
    assert len(seen) == 1


async def test_a_taken_port_and_a_foreign_address_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running(Sandbox()) as base_url:
        assert await serve(urlsplit(base_url).port or 0) == 1
    assert await serve(0, "192.0.2.1") == 1
    assert await serve(0, "nowhere.example") == 1
    assert await serve(70_000) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 4
    assert all("cannot serve on" in line for line in printed.err.splitlines())


@pytest.mark.long
def test_a_signal_that_comes_with_the_first_line_already_ends_it_in_good_order() -> None:
    script = (
        "import anyio, signal, sys; from cleanlist_mcp.sandbox.serve import serve\n"
        "class Reader:\n"
        "    def write(self, line): signal.raise_signal(signal.SIGINT)\n"
        "    def flush(self): pass\n"
        "sys.stdout = Reader()\n"
        "sys.exit(anyio.run(serve, 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, "")


async def test_the_sandbox_knows_nothing_of_the_rest_of_the_package() -> None:
    script = (
        "import sys, cleanlist_mcp.sandbox.serve\n"
        "names = [n for n in sys.modules if n.startswith('cleanlist_mcp')]\n"
        "print([n for n in names if n != 'cleanlist_mcp' and '.sandbox' not in n])"
    )
    done = await anyio.run_process([sys.executable, "-c", script])
    assert done.stdout.decode().strip() == "[]"


async def test_settled_or_not_the_books_always_balance() -> None:
    clock = Clock()
    sandbox = make(clock, seed_credits=400)
    words = ("surely", "nobody", "failing", "pending-review", "cancelled", "slow", "someone")
    kinds = ("partial", "phone_only", "full")
    async with client(sandbox) as http:
        for index, word in enumerate(words * 3):
            body = {"email": f"{word}{index}@firm.example", "enrichment_type": kinds[index % 3]}
            await http.post("/enrichment/person", json=body)
            assert_balanced(sandbox)
            clock.now += 0.7
        quoted = await quote(http, sandbox.list_id("Q3 Prospects"), "full")
        await start_list(http, sandbox.list_id("Q3 Prospects"), quoted["quote_id"], "full")
        assert_balanced(sandbox)
        clock.now += 60
    assert_balanced(sandbox)
    assert all(run.finished for run in sandbox.runs)
    assert sandbox.ledger().reserved == sum(run.credits_held for run in sandbox.runs) > 0


async def test_a_person_found_into_a_list_that_was_deleted_meanwhile_was_still_found() -> None:
    clock = Clock()
    sandbox = make(clock)
    list_id = sandbox.add_list("Short lived")
    async with client(sandbox) as http:
        started = (await http.post("/enrichment/person", json=PERSON | {"lead_list_id": list_id})).json()
        await http.delete(f"/lead-lists/{list_id}")
        clock.now += 60
        status = (await http.get(f"/enrichment/status/{started['workflow_id']}")).json()

    assert status["credits_charged"] == 1
    assert status["result"]["lead_id"]


async def test_json_that_is_nested_without_end_is_refused_like_any_that_is_none() -> None:
    async with client(make()) as http:
        answer = await http.post("/lead-lists", content=b"[" * 100_000)

    assert answer.status_code == 422
