"""The sandbox's directory and how it is searched: filters, pages, handles, and companies that are looked up."""

import csv
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.sandbox import directory, magic_words, people, search
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, SECOND_PREFIX, Sandbox
from tests.sandbox_client import assert_balanced, client, error, make, status

DATA = Path(directory.__file__).with_name("data")
LARGEST = 120_000
"""Bytes that the directory may add to what people install."""

VP_SALES = {"titles": ["VP Sales"], "company_industries": ["Software"]}


@cache
def table(name: str) -> list[dict[str, str]]:
    """A file of the directory, read without the sandbox."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def company_of(company_id: str) -> dict[str, str]:
    return next(row for row in table("companies") if row["id"] == company_id)


async def found(http: httpx.AsyncClient, what: str = "people", **body: Any) -> dict[str, Any]:
    answer = await http.post(f"/search/{what}", json=body)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_the_directory_is_large_varied_and_made_up() -> None:
    everybody, firms = table("people"), table("companies")
    assert 550 <= len(everybody) <= 650
    assert len(firms) == 60
    assert sum(file.stat().st_size for file in DATA.glob("*.csv")) <= LARGEST
    assert len({row["country"] for row in everybody}) >= 30
    assert len({row["title"] for row in everybody}) >= 60
    assert len({row["size"] for row in firms}) == 8
    assert sum(not row["last_name"].isascii() for row in everybody) >= 100
    assert all(row["domain"].endswith(".example") for row in (*firms, *table("lists")))
    ids = [row["id"] for row in (*everybody, *firms)]
    assert len(set(ids)) == len(ids)


def test_nobody_in_the_directory_carries_a_magic_word_by_chance() -> None:
    for person in directory.people().values():
        known = people.texts(people.identity_of(person))
        assert magic_words.ending(*known) == "usual", known
        assert not magic_words.is_slow(*known), known
        assert magic_words.is_found("email", *known) is None, known


def test_everybody_has_an_address_and_a_profile_of_their_own() -> None:
    found_ones = [people.finding(people.identity_of(person)) for person in directory.people().values()]
    profiles = [one.person.linkedin_url or "" for one in found_ones]
    emails = [one.email for one in found_ones if one.email]
    assert len(set(profiles)) == len(profiles)
    assert len(set(emails)) == len(emails)
    assert all(email.isascii() and email.endswith(".example") for email in emails)
    assert all(profile.endswith("-example") for profile in profiles)


def test_most_are_found_some_in_part_and_some_not_at_all() -> None:
    found_ones = [people.finding(people.identity_of(person)) for person in directory.people().values()]
    emails = sum(one.email is not None for one in found_ones) / len(found_ones)
    neither = sum(one.email is None and one.phone is None for one in found_ones)
    assert 0.8 < emails < 0.9
    assert 15 < neither < 60


async def test_vps_of_sales_at_software_companies_are_found_however_their_title_is_written() -> None:
    async with client(make()) as http:
        page = await found(http, filters=VP_SALES)
        other_order = await found(http, filters={**VP_SALES, "titles": ["vp of SALES"]})
    assert page["total"] >= 5
    assert len(page["results"]) == min(page["total"], 25)
    assert {row["company_industry"] for row in page["results"]} == {"Software Development"}
    assert all("VP" in row["title"] and "Sales" in row["title"] for row in page["results"])
    assert [row["id"] for row in other_order["results"]] == [row["id"] for row in page["results"]]
    assert page["credits_charged"] == 0
    assert page["task_id"].startswith("cl-task_")
    assert (page["cursor"], page["truncation_warning"]) == (None, None)


async def test_legend_labs_has_people_who_buy_security() -> None:
    async with client(make()) as http:
        filters = {"company_names": ["legend labs"], "departments": ["Information Security", "Procurement"]}
        page = await found(http, filters=filters)
    assert {"CISO", "Head of Security", "Security Procurement Manager"} <= {
        row["title"] for row in page["results"]
    }
    assert {row["company_domain"] for row in page["results"]} == {"legendlabs.example"}


def matches(row: dict[str, str], filters: dict[str, list[str]]) -> bool:
    """Return True if a row has one value of each filter, for the filters that compare whole words."""
    company = company_of(row["company_id"])
    members = {
        "seniority": row["seniority"],
        "management_levels": row["management_level"],
        "departments": row["department"],
        "location_city": row["city"],
        "location_state": row["state"],
        "location_country": row["country"],
        "company_headcount": company["size"],
        "company_domains": company["domain"],
    }
    return all(members[name] in values for name, values in filters.items())


def values_of(name: str) -> list[str]:
    column = {
        "seniority": "seniority",
        "management_levels": "management_level",
        "departments": "department",
        "location_city": "city",
        "location_state": "state",
        "location_country": "country",
    }
    if name in column:
        return sorted({row[column[name]] for row in table("people")} - {""})
    return sorted({row["size" if name == "company_headcount" else "domain"] for row in table("companies")})


WHOLE_WORDS = (
    *("seniority", "management_levels", "departments", "company_headcount", "company_domains"),
    *("location_city", "location_state", "location_country"),
)


@given(
    st.lists(st.sampled_from(WHOLE_WORDS), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.lists(st.sampled_from(values_of(name)), min_size=1, max_size=4) for name in names}
        )
    )
)
def test_all_filters_must_match_and_one_value_of_each_is_enough(filters: dict[str, list[str]]) -> None:
    expected = [int(row["id"]) for row in table("people") if matches(row, filters)]
    assert [person.person_id for person in search.find_people(filters)] == expected


@pytest.mark.parametrize(
    ("filters", "title"),
    [
        ({"titles": ["ciso"], "company_names": ["Legend Labs"]}, "CISO"),
        ({"titles": ["Director Security Operations"], "company_domains": ["www.LegendLabs.example"]}, None),
        ({"locations": ["San Francisco, California"], "titles": ["Head of Security"]}, "Head of Security"),
        ({"location_country": ["türkiye"]}, None),
        ({"location_country": ["TURKIYE"]}, None),
        ({"company_industries": ["network security"]}, None),
        ({"titles": ["VP Sales", "no such title"]}, None),
    ],
)
async def test_case_accents_and_small_words_do_not_matter(filters: dict[str, Any], title: str | None) -> None:
    async with client(make()) as http:
        page = await found(http, filters=filters)
    assert page["total"] >= 1
    assert title is None or title in {row["title"] for row in page["results"]}


@pytest.mark.parametrize(
    "filters",
    [
        {"titles": ["Vice Emperor"]},
        {"management_levels": ["VPs"]},
        {"departments": ["Sale"]},
        {"location_country": ["USA"]},
        {"company_headcount": ["51 to 200"]},
        {"company_names": ["Legend Labs"], "location_country": ["Atlantis"]},
        {"titles": ["of the"]},
    ],
)
async def test_a_word_that_nobody_has_matches_nobody(filters: dict[str, Any]) -> None:
    async with client(make()) as http:
        page = await found(http, filters=filters)
    assert (page["results"], page["total"], page["task_id"], page["cursor"]) == ([], 0, None, None)


async def test_companies_are_searched_by_size_industry_place_name_and_domain() -> None:
    async with client(make()) as http:
        sized = await found(http, "companies", filters={"employee_count_ranges": ["51-200"]}, limit=100)
        software = await found(http, "companies", filters={"industries": ["software"]})
        named = [
            (await found(http, "companies", filters=filters))["results"]
            for filters in (
                {"names": ["legend labs"]},
                {"domains": ["legendlabs.example"]},
                {"locations": ["San Francisco"], "industries": ["Software Development"]},
            )
        ]
    assert sized["total"] == sum(row["size"] == "51-200" for row in table("companies"))
    assert {row["employee_count_range"] for row in sized["results"]} == {"51-200"}
    assert software["total"] == 15
    assert all("Legend Labs" in [row["name"] for row in rows] for rows in named)
    assert all(type(row["id"]) is int for row in sized["results"])


async def test_a_search_is_paged_once_each_and_every_page_has_a_handle_of_its_own() -> None:
    filters = {"management_levels": ["VP", "C-Level"]}
    ids: list[int] = []
    handles: set[str] = set()
    cursor: str | None = None
    async with client(make()) as http:
        while True:
            page = await found(http, filters=filters, limit=40, cursor=cursor)
            ids += [row["id"] for row in page["results"]]
            handles.add(page["task_id"])
            cursor = page["cursor"]
            if cursor is None:
                break
            foreign = await http.post(
                "/search/people", json={"filters": {"departments": ["Sales"]}, "cursor": cursor}
            )
            assert error(foreign)["code"] == "validation_error"
    assert len(ids) == len(set(ids)) == page["total"] > 100
    assert len(handles) == -(-len(ids) // 40)


@pytest.mark.parametrize(
    ("kept", "statuses"),
    [(("public",), (200, 404)), (("v2",), (404, 200)), ((), (404, 404))],
)
async def test_a_search_can_be_missing_under_either_prefix_or_both(
    kept: tuple[Any, ...], statuses: tuple[int, int]
) -> None:
    sandbox = make()
    sandbox.unkind.search_under = frozenset(kept)
    seen = []
    for prefix in (PUBLIC_PREFIX, SECOND_PREFIX):
        async with client(sandbox, prefix=prefix) as http:
            for what in ("people", "companies"):
                filters = {"company_names": ["x"]} if what == "people" else {"names": ["x"]}
                answer = await http.post(f"/search/{what}", json={"filters": filters})
                seen.append(answer.status_code)
                assert answer.status_code == 200 or answer.json() == {"detail": "Not Found"}
    assert tuple(seen[::2]) == tuple(seen[1::2]) == statuses
    assert [record.status for record in sandbox.requests] == seen


@pytest.mark.parametrize(("what", "scope"), [("people", "people:read"), ("companies", "companies:read")])
async def test_a_search_needs_its_scope(what: str, scope: str) -> None:
    sandbox = make()
    key = sandbox.add_account("narrow", scopes={"lists:read"})
    async with client(sandbox, key) as http:
        refused = error(await http.post(f"/search/{what}", json={"filters": {}}))
    assert (refused["code"], refused["details"]["required_scopes"]) == ("insufficient_scope", [scope])


async def test_the_reach_of_a_search_can_end_before_its_hits() -> None:
    sandbox = make()
    sandbox.unkind.search_reach = 30
    async with client(sandbox) as http:
        first = await found(http, filters={"management_levels": ["VP"]}, limit=25)
        last = await found(http, filters={"management_levels": ["VP"]}, limit=25, cursor=first["cursor"])
    assert (len(first["results"]), len(last["results"]), last["cursor"]) == (25, 5, None)
    assert last["total"] > 30
    assert "30" in last["truncation_warning"]
    assert str(last["total"]) in last["truncation_warning"]


async def test_rows_can_be_spelt_otherwise_and_name_the_same() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        plain = await found(http, filters=VP_SALES)
        firms = await found(http, "companies", filters={"names": ["Legend Labs"]})
        sandbox.unkind.other_row_names = True
        other = await found(http, filters=VP_SALES)
        other_firms = await found(http, "companies", filters={"names": ["Legend Labs"]})
        members = {"task_id": other["task_id"], "entity_ids": [str(other["results"][0]["entity_id"])]}
        list_id = sandbox.add_list("Target")
        added = await http.post(f"/lead-lists/{list_id}/leads", json=members)
    for row, twin in zip(plain["results"], other["results"], strict=True):
        assert (row["id"], row["full_name"]) == (twin["entity_id"], twin["full_name"])
        assert (row["title"], row["company_name"]) == (twin["job_title"], twin["company"])
        assert "city" not in twin
        assert twin["location"].endswith(row["country"])
    (firm,), (twin,) = firms["results"], other_firms["results"]
    assert (firm["name"], firm["location"]) == (twin["company_name"], twin["location"])
    assert added.json()["added"] == 1


async def test_who_was_searched_is_found_by_profile_and_by_name_as_one_person() -> None:
    sandbox = make(latency=0)
    async with client(sandbox) as http:
        (row, *_) = (await found(http, filters={"company_names": ["Legend Labs"]}))["results"]
        results = []
        for body in (
            {"linkedin_url": row["linkedin_url"]},
            {"linkedin_url": f"{row['linkedin_url'].removeprefix('https://www.').upper()}/?trk=x"},
            {name: row[name] for name in ("first_name", "last_name", "company_name")},
        ):
            run = (await http.post("/enrichment/person", json=body | {"enrichment_type": "full"})).json()
            result = (await status(http, run["workflow_id"]))["result"]
            results.append({name: result[name] for name in ("full_name", "title", "email", "phone")})
    assert results[0] == results[1] == results[2]
    assert (results[0]["full_name"], results[0]["title"]) == (row["full_name"], row["title"])


async def test_a_company_is_the_same_by_domain_id_name_and_ticker() -> None:
    sandbox = make()
    async with client(sandbox) as http:
        (row,) = (await found(http, "companies", filters={"names": ["Copperline Systems"]}))["results"]
        records = [
            (await http.post("/enrichment/company", json=body)).json()["company"]
            for body in (
                {"domain": "www.copperline.example"},
                {"company_id": str(row["id"])},
                {"company_name": "COPPERLINE SYSTEMS, Inc."},
                {"company_ticker": "cpln"},
            )
        ]
    assert all(record == records[0] for record in records)
    assert (records[0]["company_id"], records[0]["domain"]) == (str(row["id"]), row["domain"])
    assert records[0]["employee_count_range"] == row["employee_count_range"]
    assert sandbox.ledger().charged == 4
    assert_balanced(sandbox)


async def test_a_company_that_is_made_up_on_the_spot_is_found_again_by_its_id() -> None:
    async with client(make()) as http:
        first = (await http.post("/enrichment/company", json={"company_name": "Acme Paper"})).json()
        body = {"company_id": first["company"]["company_id"]}
        again = (await http.post("/enrichment/company", json=body)).json()
    assert first["company"] == again["company"]
    assert first["company"]["domain"] == "acme-paper.example"


@pytest.mark.parametrize(
    "body",
    [
        {"company_id": "7"},
        {"company_id": "no id"},
        {"company_ticker": "ZZZZ"},
        {"company_name": "Nobody & Sons"},
        {"domain": "nobody.example"},
    ],
)
async def test_a_company_that_is_not_known_is_empty_and_free(body: dict[str, str]) -> None:
    sandbox = make()
    async with client(sandbox) as http:
        answer = await http.post("/enrichment/company", json=body)
        sandbox.unkind.missing_companies_are_404 = True
        refused = await http.post("/enrichment/company", json=body)
    assert (answer.json()["company"], answer.json()["credits_charged"]) == ({}, 0)
    assert (refused.status_code, error(refused)["code"]) == (404, "not_found")
    assert sandbox.credits() == 5_000
    assert_balanced(sandbox)


async def test_a_company_without_a_credit_left_is_refused() -> None:
    sandbox = make()
    key = sandbox.add_account("poor", credits=0)
    async with client(sandbox, key) as http:
        answer = await http.post("/enrichment/company", json={"domain": "legendlabs.example"})
    assert error(answer)["code"] == "insufficient_credits"


IDS = (
    "import json; from cleanlist_mcp.sandbox.state import Sandbox; s = Sandbox();"
    "lists = s.lists.visible(s.account());"
    "print(json.dumps([[one.list_id, one.name, list(one.leads)] for one in lists]))"
)


def test_lists_and_leads_have_the_same_ids_in_every_process() -> None:
    printed = {
        subprocess.run([sys.executable, "-c", IDS], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(printed) == 1
    assert "Q3 Prospects" in printed.pop()


def test_two_sandboxes_differ_in_keys_and_in_lists_that_were_made_later() -> None:
    one, other = Sandbox(), Sandbox()
    assert one.key != other.key
    assert one.list_id("Q3 Prospects") == other.list_id("Q3 Prospects")
    assert one.add_list("Mine") != other.add_list("Mine")


def test_the_directory_is_read_by_the_first_who_asks_and_not_on_import() -> None:
    script = (
        "import cleanlist_mcp.sandbox.app; from cleanlist_mcp.sandbox import directory as d;"
        "from cleanlist_mcp.sandbox.state import Sandbox; Sandbox();"
        "print(d.people.cache_info().currsize, d.companies.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0"]
