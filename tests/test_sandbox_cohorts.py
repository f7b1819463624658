"""Handles of pages and searches in the sandbox: into lists, quoted, enriched, and gone after an hour."""

import csv
import io
import random
from contextlib import suppress
from typing import Any

import httpx
import pytest

from cleanlist_mcp.sandbox import people
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.faults import KINDS, Kind
from cleanlist_mcp.sandbox.problems import Problem
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, SECOND_PREFIX, Sandbox
from tests.sandbox_client import Clock, assert_balanced, client, error, make, quote, start_list, status

FILTERS = {"company_names": ["Legend Labs"]}
Json = dict[str, Any]


async def page_of(http: httpx.AsyncClient, list_id: str, **query: Any) -> Json:
    found: Json = (await http.get(f"/lead-lists/{list_id}/leads", params=query)).json()
    return found


async def searched(http: httpx.AsyncClient, what: str = "people", filters: Any = None) -> Json:
    body = {"filters": filters or FILTERS}
    found: Json = (await http.post(f"/search/{what}", json=body)).json()
    return found


async def priced(
    http: httpx.AsyncClient, tool: str = "add_person_enrichments", **wanted: Any
) -> httpx.Response:
    return await http.post("/credits/estimate", json={"tool": tool, **wanted})


async def ordered(http: httpx.AsyncClient, more: Json | None = None, **wanted: Any) -> httpx.Response:
    """Quote and start in one go; `more` is what the quote is not signed over."""
    quoted = (await priced(http, **wanted)).json()
    body = {**wanted, "quote_id": quoted["quote_id"], **(more or {})}
    return await http.post("/enrichment/by-task", json=body)


def ids_of(page: Json) -> list[str]:
    rows = page.get("leads") or page["results"]
    return [str(row.get("lead_id") or row["id"]) for row in rows]


def mixed(count: int = 8) -> list[people.Identity]:
    """People of whom every second one has an address."""
    return [
        people.Identity(
            "Kim", f"Surely{n}", email=f"kim{n}@firm.example" if n % 2 else None, domain="firm.example"
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("prefix", [PUBLIC_PREFIX, SECOND_PREFIX])
async def test_the_missing_rows_of_a_list_are_enriched_in_that_same_list(prefix: str) -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Mixed", mixed())
    before = sandbox.leads(list_id)
    async with client(sandbox, prefix=prefix) as http:
        page = await page_of(http, list_id)
        missing = [row["lead_id"] for row in page["leads"] if not row["email"]]
        wanted = {"task_id": page["task_id"], "data_points": ["Email"], "entity_ids": missing}
        started = (await ordered(http, **wanted)).json()
        ended = await status(http, started["workflow_id"])
    after = sandbox.leads(list_id)
    assert [row["lead_id"] for row in after] == [row["lead_id"] for row in before]
    assert all(row["email"] for row in after)
    assert [row["email"] for row in after if row["lead_id"] not in missing] == [
        row["email"] for row in before if row["lead_id"] not in missing
    ]
    assert (started["total_entities"], started["credits_reserved"]) == (4, 4)
    assert [one["entity_id"] for one in started["results"]] == missing
    assert (ended["lead_list_id"], ended["total"], ended["credits_charged"]) == (list_id, 4, 4)
    assert sandbox.ledger().charged == 4
    assert [run.kind for run in sandbox.runs] == ["cohort"]
    assert_balanced(sandbox)


async def test_naming_the_list_of_the_page_changes_nothing() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Mixed", mixed())
    async with client(sandbox) as http:
        page = await page_of(http, list_id)
        wanted = {"task_id": page["task_id"], "data_points": ["Phone"], "entity_ids": ids_of(page)[:3]}
        await ordered(http, {"lead_list_id": list_id}, **wanted)
    rows = sandbox.leads(list_id)
    assert len(rows) == 8
    assert sum(bool(row["phone"]) for row in rows) == 3
    assert sandbox.ledger().charged == 30


@pytest.mark.parametrize("seed", range(6))
async def test_any_part_of_a_page_costs_what_it_is_and_the_books_balance(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    clock = Clock()
    sandbox = make(clock)
    async with client(sandbox) as http:
        page = await page_of(http, sandbox.list_id("Conference Leads"))
        part = chance.sample(ids_of(page), chance.randrange(1, 40))
        points, price = chance.choice([(["Email"], 1), (["Phone"], 10), (["Phone", "Email", "LinkedIn"], 11)])
        wanted = {"task_id": page["task_id"], "data_points": points, "entity_ids": part}
        started = (await ordered(http, **wanted)).json()
        assert_balanced(sandbox)
        assert sandbox.ledger().reserved == started["credits_reserved"] == price * len(part)
        clock.now += 60
        ended = await status(http, started["workflow_id"])
    assert ended["credits_charged"] + ended["credits_refunded"] == started["credits_reserved"]
    assert sandbox.ledger().charged == ended["credits_charged"]
    enriched = {
        row["lead_id"] for row in sandbox.leads(sandbox.list_id("Conference Leads")) if row["provider"]
    }
    assert enriched <= set(part)
    assert_balanced(sandbox)


async def test_each_page_of_a_list_has_a_handle_for_its_own_rows() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        list_id = sandbox.list_id("Conference Leads")
        first = await page_of(http, list_id, limit=10)
        second = await page_of(http, list_id, limit=10, cursor=first["cursor"])
        empty = await page_of(http, sandbox.add_list("Empty"))
        wanted: Json = {"data_points": ["Email"], "entity_ids": ids_of(second)[:2]}
        right = await priced(http, task_id=second["task_id"], **wanted)
        wrong = await priced(http, task_id=first["task_id"], **wanted)
    assert first["task_id"] != second["task_id"]
    assert empty["task_id"] is None
    assert right.json()["row_count"] == 2
    assert error(wrong)["code"] == "validation_error"


@pytest.mark.parametrize(
    "change",
    [
        {"data_points": ["Email", "Phone"]},
        {"data_points": ["Phone"]},
        {"entity_ids": ["more"]},
        {"entity_ids": ["fewer"]},
        {"entity_ids": None},
        {"task_id": "other"},
    ],
)
async def test_a_quote_pays_for_exactly_what_it_was_signed_over(change: Json) -> None:
    sandbox = make()
    async with client(sandbox) as http:
        list_id = sandbox.list_id("Q3 Prospects")
        page, again = await page_of(http, list_id), await page_of(http, list_id)
        ids = ids_of(page)
        wanted: Json = {"task_id": page["task_id"], "data_points": ["Email"], "entity_ids": ids[:4]}
        quote_id = (await priced(http, **wanted)).json()["quote_id"]
        if change.get("entity_ids"):
            change = {"entity_ids": ids[:5] if change["entity_ids"] == ["more"] else ids[:3]}
        if "task_id" in change:
            change = {"task_id": again["task_id"]}
        refused = await http.post("/enrichment/by-task", json={**wanted, **change, "quote_id": quote_id})
    assert error(refused)["code"] == "quote_mismatch"
    assert sandbox.runs == []
    assert_balanced(sandbox)


async def test_a_quote_for_rows_starts_one_run_and_expires_like_any() -> None:
    clock = Clock()
    sandbox = make(clock)
    async with client(sandbox) as http:
        page = await page_of(http, sandbox.list_id("Q3 Prospects"))
        wanted = {"task_id": page["task_id"], "data_points": ["Email"]}
        unquoted = await http.post("/enrichment/by-task", json=wanted)
        first, second = [(await priced(http, **wanted)).json()["quote_id"] for _ in range(2)]
        answers = [
            await http.post("/enrichment/by-task", json={**wanted, "quote_id": first}) for _ in range(2)
        ]
        clock.now += 301
        late = await http.post("/enrichment/by-task", json={**wanted, "quote_id": second})
    assert (error(unquoted)["code"], unquoted.status_code) == ("quote_required", 400)
    assert error(unquoted)["estimated_cost_credits"] == 12
    assert [answer.status_code for answer in answers] == [200, 409]
    assert error(late)["code"] == "quote_expired"
    assert len(sandbox.runs) == 1


async def test_a_handle_is_gone_after_an_hour_and_the_refusal_names_it() -> None:
    clock = Clock()
    sandbox = make(clock)
    target = sandbox.add_list("Target")
    async with client(sandbox) as http:
        pages = [await page_of(http, sandbox.list_id("Q3 Prospects")), await searched(http)]
        clock.now += 3_600
        for page in pages:
            assert (await priced(http, task_id=page["task_id"], data_points=["Email"])).status_code == 200
        clock.now += 1
        for task_id in (*(page["task_id"] for page in pages), "cl-task_never", "task_other"):
            body = {"task_id": task_id, "data_points": ["Email"], "quote_id": "qte_1"}
            for answer in (
                await priced(http, task_id=task_id, data_points=["Email"]),
                await http.post("/enrichment/by-task", json=body),
                await http.post(f"/lead-lists/{target}/leads", json={"task_id": task_id}),
            ):
                assert (answer.status_code, error(answer)["code"]) == (404, "not_found")
                assert task_id in error(answer)["problem"]
    assert sandbox.leads(target) == []


async def test_handles_can_be_ended_at_once() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        task_id = (await searched(http))["task_id"]
        sandbox.cohorts.expire()
        gone = await priced(http, task_id=task_id, data_points=["Email"])
        sandbox.cohorts.seconds = 0
        brief = (await searched(http))["task_id"]
        assert (await priced(http, task_id=brief, data_points=["Email"])).status_code == 200
    assert gone.status_code == 404


async def test_a_handle_belongs_to_its_organization() -> None:
    sandbox = make()
    stranger = sandbox.add_account("stranger")
    colleague = sandbox.add_account("cole", colleague_of=sandbox.key)
    async with client(sandbox) as http:
        task_id = (await searched(http))["task_id"]
    codes = []
    for key in (stranger, colleague):
        async with client(sandbox, key) as http:
            answer = await priced(http, task_id=task_id, data_points=["Email"])
            codes.append(answer.status_code)
    assert codes == [404, 200]


async def test_rows_of_a_search_join_a_list_once_and_free() -> None:
    sandbox = make()
    target, other = sandbox.add_list("Target"), sandbox.add_list("Other")
    async with client(sandbox) as http:
        page = await searched(http)
        ids = ids_of(page)
        some = {"task_id": page["task_id"], "entity_ids": ids[:3]}
        first = (await http.post(f"/lead-lists/{target}/leads", json=some)).json()
        whole = {"task_id": (await searched(http))["task_id"]}
        second = (await http.post(f"/lead-lists/{target}/leads", json=whole)).json()
        third = (await http.post(f"/lead-lists/{other}/leads", json=whole)).json()
        foreign = await http.post(f"/lead-lists/{target}/leads", json={**whole, "entity_ids": ["1"]})
        rows = (await page_of(http, target))["leads"]
    figures = ("added", "skipped_duplicates", "created", "credits_charged")
    assert [first[name] for name in figures] == [3, 0, 3, 0]
    assert [second[name] for name in figures] == [len(ids) - 3, 3, len(ids) - 3, 0]
    assert [third[name] for name in figures] == [len(ids), 0, 0, 0]
    assert error(foreign)["code"] == "validation_error"
    assert {row["full_name"] for row in rows} == {row["full_name"] for row in page["results"]}
    assert not set(ids) & {row["lead_id"] for row in rows}
    assert all(row["title"] and row["linkedin_url"] and not row["email"] for row in rows)
    assert sandbox.credits() == 5_000


@pytest.mark.parametrize(
    "body", [{}, {"entity_ids": ["1"]}, {"task_id": "t", "lead_ids": ["l"]}, {"lead_ids": None}]
)
async def test_leads_join_by_handle_or_by_id_and_never_by_both_or_neither(body: Json) -> None:
    sandbox = make()
    list_id = sandbox.add_list("Target")
    for prefix in (PUBLIC_PREFIX, SECOND_PREFIX):
        async with client(sandbox, prefix=prefix) as http:
            assert (await http.post(f"/lead-lists/{list_id}/leads", json=body)).status_code == 422


@pytest.mark.parametrize("named", [True, False])
async def test_rows_of_a_search_are_enriched_into_a_named_list_or_the_default_one(named: bool) -> None:
    sandbox = make(latency=0)
    target = sandbox.add_list("Target")
    async with client(sandbox) as http:
        page = await searched(http)
        wanted = {
            "task_id": page["task_id"],
            "data_points": ["Email", "Phone"],
            "entity_ids": ids_of(page)[:4],
        }
        started = (await ordered(http, {"lead_list_id": target} if named else None, **wanted)).json()
        ended = await status(http, page["task_id"])
    home = target if named else sandbox.list_id("MCP Results")
    rows = sandbox.leads(home)
    assert (ended["workflow_id"], ended["lead_list_id"]) == (started["workflow_id"], home)
    assert [row["full_name"] for row in rows] == [row["full_name"] for row in page["results"][:4]]
    assert ended["summary"] == {
        "emails_found": sum(bool(row["email"]) for row in rows),
        "phones_found": sum(bool(row["phone"]) for row in rows),
    }
    assert started["credits_reserved"] == 44
    assert sandbox.ledger().charged == ended["credits_charged"] > 0
    assert_balanced(sandbox)


async def test_rows_that_were_saved_and_then_enriched_by_their_search_stay_one_each() -> None:
    sandbox = make(latency=0)
    target = sandbox.add_list("Target")
    async with client(sandbox) as http:
        page = await searched(http)
        await http.post(f"/lead-lists/{target}/leads", json={"task_id": page["task_id"]})
        await ordered(http, {"lead_list_id": target}, task_id=page["task_id"], data_points=["Email"])
    rows = sandbox.leads(target)
    assert len(rows) == len(page["results"])
    assert any(row["email"] for row in rows)


async def test_without_the_credits_nothing_starts_and_nobody_joins() -> None:
    sandbox = make()
    key = sandbox.add_account("poor", credits=3)
    target = sandbox.add_list("Target", key=key)
    async with client(sandbox, key) as http:
        page = await searched(http)
        wanted = {"task_id": page["task_id"], "data_points": ["Phone"]}
        quoted = (await priced(http, **wanted)).json()
        refused = await ordered(http, {"lead_list_id": target}, **wanted)
    assert quoted["sufficient"] is False
    assert error(refused)["code"] == "insufficient_credits"
    assert (sandbox.runs, sandbox.leads(target)) == ([], [])
    assert_balanced(sandbox, key)


async def test_a_part_of_a_list_ends_as_its_list_would() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("A failing list", 5)
    async with client(sandbox) as http:
        page = await page_of(http, list_id)
        wanted = {"task_id": page["task_id"], "data_points": ["Email"], "entity_ids": ids_of(page)[:2]}
        started = (await ordered(http, **wanted)).json()
        ended = await status(http, started["workflow_id"])
    assert (ended["status"], ended["credits_charged"], ended["credits_refunded"]) == ("failed", 0, 2)


async def test_rows_of_a_list_that_was_deleted_are_enriched_all_the_same() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Short lived", mixed())
    other = sandbox.add_list("Kept")
    async with client(sandbox) as http:
        page = await page_of(http, list_id)
        await http.post(f"/lead-lists/{other}/leads", json={"lead_ids": ids_of(page)})
        await http.delete(f"/lead-lists/{list_id}")
        started = (await ordered(http, task_id=page["task_id"], data_points=["Email"])).json()
        ended = await status(http, started["workflow_id"])
    assert (ended["status"], ended["lead_list_id"]) == ("completed", list_id)
    assert all(row["email"] for row in sandbox.leads(other))


async def test_a_row_that_was_taken_out_meanwhile_is_enriched_and_stays_out() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Mixed", mixed())
    async with client(sandbox) as http:
        page = await page_of(http, list_id)
        gone = ids_of(page)[:1]
        await http.request("DELETE", f"/lead-lists/{list_id}/leads", json={"lead_ids": gone})
        await ordered(http, task_id=page["task_id"], data_points=["Email"])
        left = ids_of(await page_of(http, list_id))
        await http.post(f"/lead-lists/{list_id}/leads", json={"lead_ids": gone})
    assert left == ids_of(page)[1:]
    assert all(row["email"] for row in sandbox.leads(list_id))


async def test_companies_of_a_search_are_enriched_at_once_at_a_tenth_of_a_credit() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        page = await searched(http, "companies", {"industries": ["Software"]})
        wanted = {"task_id": page["task_id"], "data_points": ["Employees", "Industry"]}
        quoted = (await priced(http, "add_company_enrichments", **wanted)).json()
        body = {**wanted, "quote_id": quoted["quote_id"]}
        done = (await http.post("/enrichment/by-task", json=body)).json()
        used = await http.post("/enrichment/by-task", json=body)
        refused = [
            await priced(http, **wanted),
            await priced(http, "add_company_enrichments", **wanted | {"data_points": ["Email"]}),
            await http.post(f"/lead-lists/{sandbox.add_list('T')}/leads", json={"task_id": page["task_id"]}),
        ]
        people_page = await searched(http)
        odd = await priced(
            http, "add_company_enrichments", task_id=people_page["task_id"], data_points=["Email"]
        )
    assert (quoted["row_count"], quoted["estimated_cost"]) == (15, 2)
    assert (done["entity_kind"], done["workflow_id"], done["status"]) == ("company", None, "completed")
    assert (done["total_entities"], done["credits_reserved"]) == (15, 2)
    assert {one["status"] for one in done["results"]} == {"enriched"}
    assert [one["company"]["company_id"] for one in done["results"]] == ids_of(page)
    assert error(used)["code"] == "quote_used"
    assert {error(one)["code"] for one in (*refused, odd)} == {"validation_error"}
    assert sandbox.ledger().charged == 2
    assert_balanced(sandbox)


@pytest.mark.parametrize("tool", ["add_person_enrichments", "add_company_enrichments"])
async def test_rows_are_not_priced_without_a_handle(tool: str) -> None:
    async with client(make()) as http:
        answer = await priced(http, tool, data_points=["Email"])
    assert (error(answer)["code"], error(answer)["details"]) == ("validation_error", {"field": "task_id"})


async def test_leads_that_were_taken_out_stay_and_can_be_put_back_by_their_ids() -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Mixed", mixed())
    path = f"/lead-lists/{list_id}/leads"
    async with client(sandbox) as http:
        quoted = await quote(http, list_id)
        await start_list(http, list_id, quoted["quote_id"])
        before = sandbox.leads(list_id)
        gone = [row["lead_id"] for row in before[:3]]
        removed = (await http.request("DELETE", path, json={"lead_ids": [*gone, *gone, "unknown"]})).json()
        left = await page_of(http, list_id)
        put_back = (await http.post(path, json={"lead_ids": gone})).json()
        too_many = await http.request("DELETE", path, json={"lead_ids": ["x"] * 101})
    assert removed == {"list_id": list_id, "removed": 3}
    assert left["total"] == 5
    assert (put_back["added"], put_back["created"]) == (3, None)
    by_id = {row["lead_id"]: row for row in before}
    assert {row["lead_id"]: row for row in sandbox.leads(list_id)} == by_id
    assert too_many.status_code == 422


@pytest.mark.parametrize("host", ["sandbox.cleanlist.example", "api.fable.example:8443"])
async def test_the_link_of_an_export_leads_to_the_origin_that_was_asked(host: str) -> None:
    sandbox = make(latency=0)
    base_url, headers = f"https://{host}{PUBLIC_PREFIX}", {"Authorization": f"Bearer {sandbox.key}"}
    async with httpx.AsyncClient(transport=transport(sandbox), base_url=base_url) as http:
        list_id = sandbox.list_id("Conference Leads")
        export = (
            await http.post("/export/csv/signed-url", json={"list_id": list_id}, headers=headers)
        ).json()
        file = await http.get(export["download_url"])
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8"), newline="")))
    assert export["download_url"].startswith(f"https://{host}/downloads/")
    assert (len(rows), len(file.content)) == (40, export["file_size_bytes"])
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["content-disposition"].startswith("attachment")


async def test_a_download_can_go_wrong_like_any_request() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        body = {"list_id": sandbox.list_id("Q3 Prospects")}
        link = (await http.post("/export/csv/signed-url", json=body)).json()["download_url"]
    sandbox.faults.next("GET /downloads/*", "server_error")
    sandbox.faults.next("GET /downloads/*", "truncated")
    async with httpx.AsyncClient(transport=transport(sandbox)) as http:
        answers = [await http.get(link) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 200, 200]
    assert len(answers[1].content) == len(answers[2].content) // 2
    assert [record.fault for record in sandbox.requests[-3:]] == ["server_error", "truncated", None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["by-task", "company"])
async def test_a_fault_around_a_part_or_a_company_charges_once_or_not_at_all(kind: Kind, what: str) -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        body: Json = {"domain": "legendlabs.example"}
        if what == "by-task":
            page = await page_of(http, sandbox.add_list("Sure", mixed()))
            body = {"task_id": page["task_id"], "data_points": ["Email"], "entity_ids": ids_of(page)[:1]}
            body["quote_id"] = (await priced(http, **body)).json()["quote_id"]
        fault = sandbox.faults.next(f"POST /enrichment/{what}", kind, delay=0.01)
        with suppress(httpx.TransportError):
            answer = await http.post(f"/enrichment/{what}", json=body, timeout=0.15 if fault.hangs else 10)
            if kind == "sent_twice":
                code = "quote_used" if what == "by-task" else "duplicate_request"
                assert error(answer)["code"] == code
    assert sandbox.faults.pending == []
    assert sandbox.ledger().charged == int(fault.works_first or kind == "slow")
    assert_balanced(sandbox)


def test_the_oldest_handle_makes_room_after_a_thousand() -> None:
    sandbox = Sandbox()
    handles = [sandbox.cohorts.open("leads", "org", ["1"], now=0.0) for _ in range(1_000)]
    assert sandbox.cohorts.find("org", handles[0] or "", 0.0).entity_ids == ("1",)
    sandbox.cohorts.open("leads", "org", ["1"], now=0.0)
    with pytest.raises(Problem, match="not_found"):
        sandbox.cohorts.find("org", handles[0] or "", 0.0)
    assert sandbox.cohorts.find("org", handles[1] or "", 0.0)
