"""Searches: free, a page at a time, each page with a cohort handle of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.cohorts import CohortKind
from cleanlist_mcp.sandbox.companies import linkedin_page
from cleanlist_mcp.sandbox.directory import Company, Person, place
from cleanlist_mcp.sandbox.lists import page
from cleanlist_mcp.sandbox.people import identity_of
from cleanlist_mcp.sandbox.search import find_companies, find_people

T = TypeVar("T")

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
    return _page(call, body, _Hits("people", dict(sorted(body.filters.items())), find_people, _person))


def search_companies(call: Call) -> Reply:
    """POST /search/companies."""
    body = bodies.read(bodies.CompanySearch, call.body)
    return _page(call, body, _Hits("companies", dict(sorted(body.filters.items())), find_companies, _company))


@dataclass(frozen=True)
class _Hits(Generic[T]):
    """A search that is to be shown: its filters, and how a hit becomes a row."""

    kind: CohortKind
    filters: dict[str, list[str]]
    find: Callable[[dict[str, list[str]]], list[T]]
    row: Callable[[T], dict[str, Any]]


def _page(call: Call, body: bodies.Search, hits: _Hits[T]) -> Reply:
    unkind, found = call.sandbox.unkind, hits.find(hits.filters)
    reachable = found[: unkind.search_reach]
    shown, cursor = page(reachable, body.limit, body.cursor, f"{hits.kind} {json.dumps(hits.filters)}")
    rows = [hits.row(one) for one in shown]
    ids = [str(row["id"]) for row in rows]
    data = {
        "results": [_respelt(row) for row in rows] if unkind.other_row_names else rows,
        "total": len(found),
        "cursor": cursor,
        "truncation_warning": _warning(len(reachable), len(found)),
        "credits_charged": 0,
    }
    task_id = call.sandbox.cohorts.open(hits.kind, call.organization_id, ids, now=call.now)
    return reply(call, data, task_id=task_id)


def _warning(reachable: int, found: int) -> str | None:
    if reachable == found:
        return None
    return f"Only the first {reachable} of {found} results can be shown; use narrower filters."


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
