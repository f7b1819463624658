"""Searching the directory: which filters there are, and who matches them.

All filters have to match, and one value of each is enough. Titles, names, industries and places match if every word of
the value stands in them; levels, departments, sizes and domains match whole. A word that nobody has matches nobody.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from cleanlist_mcp.sandbox.directory import Company, Person, companies, people, place

T = TypeVar("T")
Filters = Mapping[str, Sequence[str]]
Test = Callable[[T, str], bool]
# "VP of Sales" and "VP Sales" are one title.
_SMALL_WORDS = frozenset({"of", "the", "and", "for"})


def find_people(filters: Filters) -> list[Person]:
    """Return the people who match, in the order of the directory."""
    return _matching(people().values(), filters, _PEOPLE)


def find_companies(filters: Filters) -> list[Company]:
    """Return the companies that match, in the order of the directory."""
    return _matching(companies().values(), filters, _COMPANIES)


def _matching(everything: Iterable[T], filters: Filters, tests: Mapping[str, Test[T]]) -> list[T]:
    return [
        one
        for one in everything
        if all(any(tests[name](one, value) for value in values) for name, values in filters.items())
    ]


def _same(text: str, value: str) -> bool:
    return _folded(text) == _folded(value)


def _holds(text: str | None, value: str) -> bool:
    wanted = _words(value)
    return bool(wanted) and wanted <= _words(text or "")


def _is_domain(domain: str, value: str) -> bool:
    return domain == value.strip().casefold().removeprefix("www.")


def _located(one: Person | Company, value: str) -> bool:
    return _holds(place(one.city, one.state, one.country), value)


@lru_cache(maxsize=4_096)
def _folded(text: str) -> str:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return plain.casefold().strip()


@lru_cache(maxsize=4_096)
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", _folded(text))) - _SMALL_WORDS


_PEOPLE: dict[str, Test[Person]] = {
    "titles": lambda one, value: _holds(one.title, value),
    "seniority": lambda one, value: _same(one.seniority, value),
    "management_levels": lambda one, value: _same(one.management_level, value),
    "departments": lambda one, value: _same(one.department, value),
    "location_city": lambda one, value: _same(one.city, value),
    "location_state": lambda one, value: _same(one.state, value),
    "location_country": lambda one, value: _same(one.country, value),
    "locations": _located,
    "company_names": lambda one, value: _holds(one.company.name, value),
    "company_domains": lambda one, value: _is_domain(one.company.domain, value),
    "company_headcount": lambda one, value: one.company.size == value.strip(),
    "company_industries": lambda one, value: _holds(one.company.industry, value),
}
_COMPANIES: dict[str, Test[Company]] = {
    "industries": lambda one, value: _holds(one.industry, value),
    "employee_count_ranges": lambda one, value: one.size == value.strip(),
    "locations": _located,
    "names": lambda one, value: _holds(one.name, value),
    "domains": lambda one, value: _is_domain(one.domain, value),
}
