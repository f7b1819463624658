"""The sandbox when it is as unkind as the vendor may be, and that it is kind until somebody says otherwise."""

import base64
import csv
import io
from typing import Any

import httpx
import pytest

from cleanlist_mcp.sandbox import people
from cleanlist_mcp.sandbox.unkindness import Unkindness
from tests.sandbox_client import Clock, assert_balanced, client, make, quote, start_list, status

Json = dict[str, Any]


async def imported(http: httpx.AsyncClient, list_id: str, rows: list[Json]) -> None:
    """Import rows that all have the same columns."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    body = {
        "csv_content_base64": base64.b64encode(text.getvalue().encode()).decode(),
        "column_mapping": {name: name for name in rows[0]},
        "dispatch_enrichment": False,
    }
    answer = await http.post(f"/lead-lists/{list_id}/csv-import", json=body)
    assert answer.json()["rows_imported"] == len(rows), answer.text


async def enriched(http: httpx.AsyncClient, list_id: str, scope: str = "partial") -> Json:
    """Enrich a whole list; only for sandboxes in which runs take no time."""
    quoted = await quote(http, list_id, scope)
    run = await start_list(http, list_id, quoted["quote_id"], scope)
    return await status(http, run.json()["workflow_id"])


async def found(http: httpx.AsyncClient, **person: str) -> Json:
    run = (await http.post("/enrichment/person", json={**person, "enrichment_type": "full"})).json()
    result: Json = (await status(http, run["workflow_id"]))["result"]
    return result


async def seen(http: httpx.AsyncClient, list_id: str) -> tuple[int, int]:
    """Return how many rows a page shows and how many the list counts."""
    page = (await http.get(f"/lead-lists/{list_id}/leads")).json()
    assert page["total"] == len(page["leads"])
    return page["total"], (await http.get(f"/lead-lists/{list_id}")).json()["lead_count"]


ROWS = [{"email": f"surely{n}@firm.example"} for n in range(3)] + [{"email": "nobody@firm.example"}]


def test_nothing_is_unkind_unless_it_is_switched_on() -> None:
    sandbox = make()
    assert sandbox.unkind == Unkindness()
    assert not any((sandbox.unkind.hides_imports, sandbox.unkind.never_found, sandbox.unkind.late_seconds))
    assert make(unkind=Unkindness(late_seconds=3)).unkind.late_seconds == 3


@pytest.mark.parametrize("counts", [False, True])
async def test_imported_people_stay_out_of_sight_until_they_are_found(counts: bool) -> None:
    sandbox = make(latency=0, unkind=Unkindness(hides_imports=True, counts_hidden=counts))
    list_id = sandbox.add_list("Mixed", [people.Identity(email="old@firm.example")])
    async with client(sandbox) as http:
        await imported(http, list_id, ROWS)
        before = await seen(http, list_id)
        priced = (await quote(http, list_id))["row_count"]
        link = (await http.post("/export/csv/signed-url", json={"list_id": list_id})).json()
        ended = await enriched(http, list_id)
        after = await seen(http, list_id)
    assert before == (1, 5 if counts else 1)
    assert (priced, link["row_count"]) == (5, 1)
    assert ended["total"] == 5
    assert after == (4, 5 if counts else 4)
    assert len(sandbox.leads(list_id)) == 5


async def test_the_switch_can_be_turned_while_people_wait() -> None:
    sandbox = make()
    list_id = sandbox.add_list("Imported")
    async with client(sandbox) as http:
        await imported(http, list_id, ROWS)
        counts = []
        for hides in (False, True, False):
            sandbox.unkind.hides_imports = hides
            counts.append((await seen(http, list_id))[0])
    assert counts == [4, 0, 4]


async def test_people_of_lists_and_searches_are_no_imports() -> None:
    sandbox = make(unkind=Unkindness(hides_imports=True))
    list_id = sandbox.add_list("Searched")
    async with client(sandbox) as http:
        task = (await http.post("/search/people", json={"filters": {"titles": ["CISO"]}})).json()
        await http.post(f"/lead-lists/{list_id}/leads", json={"task_id": task["task_id"]})
        assert (await seen(http, list_id))[0] == len(task["results"]) > 0
        assert (await seen(http, sandbox.list_id("Q3 Prospects")))[0] == 12


@pytest.mark.parametrize(
    "by",
    ["Kim Surely", "KIM@firm.example", "firm.example", "https://www.linkedin.com/in/kim-surely-firm-example"],
)
async def test_who_is_named_is_never_found_and_never_charged(by: str) -> None:
    sandbox = make(latency=0, unkind=Unkindness(never_found={by}))
    person = {
        "first_name": "Kim",
        "last_name": "Surely",
        "domain": "firm.example",
        "email": "kim@firm.example",
    }
    list_id = sandbox.add_list("Kim", [people.Identity("Kim", "Surely", domain="firm.example")])
    async with client(sandbox) as http:
        alone = await found(http, **person)
        if by != "KIM@firm.example":
            ended = await enriched(http, list_id)
            assert (ended["failed"], ended["credits_charged"]) == (1, 0)
        sandbox.unkind.never_found.clear()
        later = await found(http, **person)
    assert (alone["status"], alone["email"], alone["phone"], alone["lead_id"]) == ("failed", None, None, "")
    assert later["status"] == "completed"
    assert_balanced(sandbox)


async def test_every_fourth_answer_comes_late() -> None:
    clock = Clock()
    sandbox = make(clock, unkind=Unkindness(late_seconds=7.0))
    async with client(sandbox) as http:
        for _ in range(8):
            await http.get("/whoami")
    assert clock.slept == [7.0, 7.0]


async def test_every_third_run_takes_longer() -> None:
    clock = Clock()
    sandbox = make(clock, latency=1.0, unkind=Unkindness(late_runs=30.0))
    ended = []
    async with client(sandbox) as http:
        for number in range(6):
            body = {"email": f"surely{number}@firm.example"}
            run = (await http.post("/enrichment/person", json=body)).json()
            clock.now += 1
            ended.append((await status(http, run["workflow_id"]))["status"])
        clock.now += 30
    assert [status == "completed" for status in ended] == [True, True, False] * 2
    assert all(run.finished for run in sandbox.runs)


@pytest.mark.parametrize("scope", ["partial", "full"])
async def test_a_part_of_a_list_can_come_back_as_copies(scope: str) -> None:
    sandbox = make(latency=0, unkind=Unkindness(copies_cohorts=True))
    list_id = sandbox.list_id("Späte Zusagen")
    points = ["Email"] if scope == "partial" else ["Email", "Phone"]
    async with client(sandbox) as http:
        page = (await http.get(f"/lead-lists/{list_id}/leads")).json()
        ids = [row["lead_id"] for row in page["leads"]][:2]
        wanted = {"task_id": page["task_id"], "data_points": points, "entity_ids": ids}
        tool = {"tool": "add_person_enrichments", **wanted}
        quote_id = (await http.post("/credits/estimate", json=tool)).json()["quote_id"]
        await http.post("/enrichment/by-task", json={**wanted, "quote_id": quote_id})
        assert (await seen(http, list_id))[0] == 7
    assert [row["email"] for row in sandbox.leads(list_id)[:5]] == [None] * 5
    assert_balanced(sandbox)


@pytest.mark.parametrize(
    "person",
    [
        {"first_name": "Zoë", "last_name": "Müller", "company_name": "Alpenblick Software"},
        {"first_name": "Олена", "last_name": "Шевченко", "domain": "kalyna.example"},
        {"first_name": "Kim", "last_name": "Surely", "domain": "fable.example"},
        {"first_name": "Jean-Luc", "last_name": "D'Aubigné-Surely", "company_name": "Vent & Fils"},
        {"email": "surely.nine@fable.example"},
        {"person_id": "surely-77"},
    ],
)
async def test_a_profile_that_was_given_out_can_be_imported_and_is_the_same_person(
    person: dict[str, str],
) -> None:
    sandbox = make(latency=0)
    list_id = sandbox.add_list("Imported")
    async with client(sandbox) as http:
        first = await found(http, **person)
        profile = first["linkedin_url"]
        shorter = profile.removeprefix("https://www.")
        spellings = [
            {"linkedin_url": one} for one in (profile, f"http://{shorter.upper()}/", f"{shorter}?x=1")
        ]
        for row in spellings:
            await imported(http, list_id, [row])
        await enriched(http, list_id, "full")
        again = await found(http, linkedin_url=profile)
    assert profile.startswith("https://www.linkedin.com/in/")
    assert profile.isascii()
    rows = sandbox.leads(list_id)
    names = ("full_name", "email", "phone", "title", "company")
    for row in (*rows, again):
        assert {name: row[name] for name in names} == {name: first[name] for name in names}
    assert len(rows) == 3


async def test_a_profile_that_was_never_given_out_is_somebody_else() -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        first = await found(http, first_name="Kim", last_name="Surely", domain="fable.example")
        other = await found(http, linkedin_url="https://www.linkedin.com/in/surely-somebody-else")
    assert first["email"] != other["email"]
