"""Searches: free, a page at a time, each page with a cohort handle of its own."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.cohorts import CohortKind
from cleanlist_mcp.sandbox.companies import linkedin_page
from cleanlist_mcp.sandbox.directory import Company, Person, place
from cleanlist_mcp.sandbox.lists import page
from cleanlist_mcp.sandbox.people import identity_of
from cleanlist_mcp.sandbox.search import find_companies, find_people

# How rows are spelt where the vendor spells them otherwise.
_OTHER_NAMES = {
    "id": "entity_id",
    "title": "job_title",
    "company_name": "company",
    "name": "company_name",
    "employee_count_range": "size",
}


def search_people(call: Call) -> Reply:
    """POST /search/people."""
    body = bodies.read(bodies.PeopleSearch, call.body)
    filters = body.filters.given()
    rows = [_person(person) for person in find_people(filters)]
    return _page(call, body, "people", filters, rows)


def search_companies(call: Call) -> Reply:
    """POST /search/companies."""
    body = bodies.read(bodies.CompanySearch, call.body)
    filters = body.filters.given()
    rows = [_company(company) for company in find_companies(filters)]
    return _page(call, body, "companies", filters, rows)


def _page(
    call: Call,
    body: bodies.Search,
    kind: CohortKind,
    filters: dict[str, list[str]],
    rows: list[dict[str, Any]],
) -> Reply:
    unkind = call.sandbox.unkind
    reachable = list(islice(rows, unkind.search_reach))
    topic = f"{kind} {json.dumps(filters)}"
    shown, cursor = page(reachable, body.limit, body.cursor, topic)
    ids = [str(row["id"]) for row in shown]
    data = {
        "results": [_respelt(row) for row in shown] if unkind.other_row_names else shown,
        "total": len(rows),
        "cursor": cursor,
        "truncation_warning": _warning(reachable, rows),
        "credits_charged": 0,
    }
    task_id = call.sandbox.cohorts.open(kind, call.organization_id, ids, now=call.now)
    return reply(call, data, task_id=task_id)


def _warning(reachable: Sequence[Any], rows: Sequence[Any]) -> str | None:
    if len(reachable) == len(rows):
        return None
    return f"Only the first {len(reachable)} of {len(rows)} results can be shown; use narrower filters."


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.person_id,
        "full_name": f"{person.first_name} {person.last_name}",
        "first_name": person.first_name,
        "last_name": person.last_name,
        "title": person.title,
        "seniority": person.seniority,
        "management_level": person.management_level,
        "department": person.department,
        "company_name": person.company.name,
        "company_domain": person.company.domain,
        "company_headcount": person.company.size,
        "company_industry": person.company.industry,
        "city": person.city or None,
        "state": person.state or None,
        "country": person.country,
        "linkedin_url": identity_of(person).linkedin_url,
    }


def _company(company: Company) -> dict[str, Any]:
    return {
        "id": company.company_id,
        "name": company.name,
        "domain": company.domain,
        "industry": company.industry,
        "employee_count_range": company.size,
        "location": place(company.city, company.state, company.country),
        "linkedin_url": linkedin_page(company.domain),
    }


def _respelt(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the other names, its place as one text and its name in one piece."""
    parts = ("city", "state", "country")
    location = row.get("location") or place(*(row.get(part) or "" for part in parts))
    left_out = ("first_name", "last_name", *parts)
    whole = {name: value for name, value in row.items() if name not in left_out}
    return {_OTHER_NAMES.get(name, name): value for name, value in whole.items()} | {"location": location}
