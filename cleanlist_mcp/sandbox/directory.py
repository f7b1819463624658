"""The sandbox's people and companies, out of CSV files that are read when somebody first asks.

About six hundred people in sixty companies can be searched; the members of the seeded lists stand apart, so that a
search finds nobody who is in a list already. All of them are made up.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("data")


@dataclass(frozen=True)
class Company:
    """A company of the directory. `funding_usd` is in whole dollars; texts that are not known are empty."""

    company_id: int
    name: str
    domain: str
    industry: str
    employees: int
    size: str
    revenue: str
    city: str
    state: str
    country: str
    funding_stage: str
    funding_usd: int | None
    tech_stack: tuple[str, ...]
    ticker: str


@dataclass(frozen=True)
class Person:
    """A person of the directory. `handle` is the name in the letters of an address, if the name has others."""

    person_id: int
    first_name: str
    last_name: str
    handle: str
    title: str
    seniority: str
    management_level: str
    department: str
    company: Company
    city: str
    state: str
    country: str


@dataclass(frozen=True)
class Member:
    """A member of a seeded list."""

    first_name: str
    last_name: str
    handle: str
    title: str
    company: str
    domain: str
    location: str


@cache
def companies() -> dict[int, Company]:
    """Return every company by its id."""
    return {company.company_id: company for company in map(_company, _rows("companies"))}


@cache
def people() -> dict[int, Person]:
    """Return every person who can be searched, by id, in the order in which a search shows them."""
    return {person.person_id: person for person in map(_person, _rows("people"))}


@cache
def members() -> dict[str, tuple[Member, ...]]:
    """Return the members of the seeded lists by the name of the list."""
    lists: dict[str, tuple[Member, ...]] = {}
    for row in _rows("lists"):
        name = row.pop("list")
        lists[name] = (*lists.get(name, ()), Member(**row))
    return lists


def place(city: str, state: str, country: str) -> str | None:
    """Return a location as one text, or None if nothing of it is known."""
    return ", ".join(part for part in (city, state, country) if part) or None


def _company(row: dict[str, str]) -> Company:
    texts = (
        "name",
        "domain",
        "industry",
        "size",
        "revenue",
        "city",
        "state",
        "country",
        "funding_stage",
        "ticker",
    )
    return Company(
        company_id=int(row["id"]),
        employees=int(row["employees"]),
        funding_usd=int(row["funding_usd"]) if row["funding_usd"] else None,
        tech_stack=tuple(row["tech_stack"].split(";")) if row["tech_stack"] else (),
        **{name: row[name] for name in texts},
    )


def _person(row: dict[str, str]) -> Person:
    numbers = {"id", "company_id"}
    texts = {name: text for name, text in row.items() if name not in numbers}
    return Person(person_id=int(row["id"]), company=companies()[int(row["company_id"])], **texts)


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
