"""Searching people and companies page by page; each search keeps what it showed, so that rows can be added later."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from cleanlist_mcp.answers.search import (
    Shown,
    companies_step,
    company_row,
    people_step,
    person_row,
    search_summary,
)
from cleanlist_mcp.answers.search_shapes import SearchCompaniesResult, SearchPeopleResult
from cleanlist_mcp.answers.shapes import compact
from cleanlist_mcp.api.prospects import (
    CompaniesPage,
    Filters,
    FoundCompany,
    FoundPerson,
    PeoplePage,
    SearchRequest,
)
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import covers_company, covers_row, exclusions_of
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.journal.names import Digester
from cleanlist_mcp.journal.records_found import DIGEST_LENGTH, Search, SearchKind, ShownPage
from cleanlist_mcp.lists.paging import Place
from cleanlist_mcp.people.normal_forms import normal_domain
from cleanlist_mcp.text import visible

Given = Mapping[str, Sequence[str]]
"""The values of each argument, by its name."""

PEOPLE_FILTERS: Mapping[str, str] = {
    "titles": "titles",
    "seniorities": "seniority",
    "management_levels": "management_levels",
    "departments": "departments",
    "cities": "location_city",
    "states": "location_state",
    "countries": "location_country",
    "locations": "locations",
    "company_names": "company_names",
    "company_domains": "company_domains",
    "company_sizes": "company_headcount",
    "company_industries": "company_industries",
}
COMPANY_FILTERS: Mapping[str, str] = {
    "industries": "industries",
    "company_sizes": "employee_count_ranges",
    "locations": "locations",
    "company_names": "names",
    "company_domains": "domains",
}
"""The arguments of the two searches, and the API's names for them."""

ROWS_BYTES = 30_000
"""Room for the rows of one answer: under 8,000 tokens of four bytes, with the rest of it."""

MOST_VALUES, LONGEST_VALUE = 100, 200
"""Values of one filter, and characters of one of them."""

_ID_PREFIX = "search_"


async def search_people(call: Call, given: Given, limit: int, cursor: str) -> SearchPeopleResult:
    """Return the next page of the people who match, and keep what is shown.

    Raises:
        InvalidArguments: if there is no filter, or the cursor is not one of this search.
        NotAvailable: if the account's API has no search.
        ApiError: if the API cannot be asked.
    """
    turn = await _turn(call, "people", _filters(given, PEOPLE_FILTERS), limit, cursor)
    exclusions = await exclusions_of(call)
    page = await call.services.client.search_people(turn.request)
    shown, rows = await _shown(
        call, turn, page, lambda found: person_row(found, excluded=covers_row(exclusions, found))
    )
    return SearchPeopleResult(
        summary=search_summary("people", shown, _asked(turn, PEOPLE_FILTERS)),
        next_step=people_step(call.offers, shown),
        people=rows,
        **_common(page, shown),
    )


async def search_companies(call: Call, given: Given, limit: int, cursor: str) -> SearchCompaniesResult:
    """Return the next page of the companies that match; errors as for `search_people`."""
    turn = await _turn(call, "companies", _filters(given, COMPANY_FILTERS), limit, cursor)
    exclusions = await exclusions_of(call)
    page = await call.services.client.search_companies(turn.request)
    shown, rows = await _shown(
        call, turn, page, lambda found: company_row(found, excluded=covers_company(exclusions, found))
    )
    return SearchCompaniesResult(
        summary=search_summary("companies", shown, _asked(turn, COMPANY_FILTERS)),
        next_step=companies_step(call.offers, shown),
        companies=rows,
        **_common(page, shown),
    )


@dataclass(frozen=True)
class _Turn:
    """One answer of a search: which search, and where in it the answer begins."""

    search: Search
    place: Place

    @property
    def request(self) -> SearchRequest:
        """The API's page in which the answer begins."""
        return request_of(self.search, self.place.cursor, self.place.limit)


def request_of(search: Search, cursor: str, limit: int) -> SearchRequest:
    """Return the request for one page of a search."""
    filters: Filters = {name: list(values) for name, values in search.filters.items()}
    return SearchRequest(filters=filters, limit=limit, cursor=cursor or None)


def fingerprint(digest: Digester, row: FoundPerson | FoundCompany) -> str:
    """Return the digest of a row's name and company, which shows if the row is still the same."""
    company = row.company if isinstance(row, FoundPerson) else row.domain
    return digest("row", row.entity_id, row.name, company)[:DIGEST_LENGTH]


async def _turn(call: Call, kind: SearchKind, filters: Filters, limit: int, cursor: str) -> _Turn:
    if cursor:
        return await _continued(call, kind, filters, cursor)
    if not filters:
        known = PEOPLE_FILTERS if kind == "people" else COMPANY_FILTERS
        raise InvalidArguments("No filter is given.", f"Give at least one of {', '.join(known)}.")
    made = await call.services.journal.searches.now()
    return _Turn(Search(f"{_ID_PREFIX}{uuid4().hex[:16]}", kind, filters, made), Place(limit=limit))


async def _continued(call: Call, kind: SearchKind, filters: Filters, cursor: str) -> _Turn:
    """Return the turn that a cursor stands for; the filters need not be given again."""
    search_id, _, rest = cursor.partition(".")
    place = Place.decoded(rest, search_id) if rest else Place()
    search = await call.services.journal.searches.find(search_id) if place.limit else None
    if search is None or search.kind != kind:
        raise InvalidArguments(
            "cursor is not one of a search that was made from here in the last 24 hours.",
            "Leave cursor out and give the filters, to start a new search.",
        )
    if filters and filters != search.filters:
        raise InvalidArguments(
            "The cursor is of a search with other filters.",
            "Give the cursor alone to go on with that search, or the filters alone to start a new one.",
        )
    return _Turn(search, place)


def _filters(given: Given, names: Mapping[str, str]) -> Filters:
    """Return the filters as the API takes them, without blank and second values."""
    filters = {}
    for argument, values in given.items():
        _check_size(argument, values)
        read = [_value(argument, value) for value in values]
        kept = list(dict.fromkeys(value for value in read if value))
        if kept:
            filters[names[argument]] = kept
    return filters


def _check_size(argument: str, values: Sequence[str]) -> None:
    if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
        problem = f"takes at most {MOST_VALUES} values of {LONGEST_VALUE} characters each"
        raise InvalidArguments(
            f"{argument} {problem}.",
            "Call again with fewer or shorter values.",
            field_errors=[{"field": argument, "problem": problem}],
        )


def _value(argument: str, text: str) -> str:
    plain = visible(text)
    return (normal_domain(plain) or plain) if argument == "company_domains" else plain


def _asked(turn: _Turn, names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the filters of a search by the names of our arguments."""
    return {
        argument: list(turn.search.filters[name])
        for argument, name in names.items()
        if name in turn.search.filters
    }


async def _shown(
    call: Call, turn: _Turn, page: PeoplePage | CompaniesPage, row_of: Callable[[Any], Any]
) -> tuple[Shown, list[Any]]:
    """Return what the answer shows of a page, and its rows; those are kept for a later `add_leads`."""
    usable = [row for row in page.results if row.entity_id]
    taken, rows = _fitting(usable[turn.place.shown :], row_of)
    end = turn.place.shown + len(taken)
    passed = turn.place.passed + len(taken)
    following = Place(turn.place.cursor, turn.place.limit, end, passed)
    if end >= len(usable):
        following = Place(page.cursor, turn.place.limit, 0, passed)
    more = end < len(usable) or bool(page.cursor)
    free = [one for one, row in zip(taken, rows, strict=True) if not row.excluded]
    kept = bool(rows) and await _kept(call, turn, page, free)
    return (
        Shown(
            count=len(rows),
            passed=passed,
            total=page.total,
            cut=len(usable) - end,
            unusable=len(page.results) - len(usable),
            search_id=turn.search.search_id if kept and page.task_id else None,
            cursor=f"{turn.search.search_id}.{following.encoded(turn.search.search_id)}"
            if kept and more
            else None,
            truncated=bool(page.truncation_warning),
        ),
        rows,
    )


def _fitting(found: Sequence[Any], row_of: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """Return as many of the found ones as fit into an answer, and their rows."""
    rows: list[Any] = []
    room = ROWS_BYTES
    for one in found:
        row = row_of(one)
        room -= len(compact(row.model_dump(exclude_none=True)).encode()) + 1
        if rows and room < 0:
            break
        rows.append(row)
    return list(found[: len(rows)]), rows


async def _kept(
    call: Call,
    turn: _Turn,
    page: PeoplePage | CompaniesPage,
    taken: Sequence[FoundPerson | FoundCompany],
) -> bool:
    journal = call.services.journal
    digest = await journal.digester_if_readable()
    if digest is None:
        return False
    rows = tuple((row.entity_id, fingerprint(digest, row)) for row in taken)
    shown = ShownPage(page.task_id, turn.place.cursor, turn.place.limit, page.total, rows)
    search = replace(turn.search, made=await journal.searches.now()) if not turn.search.pages else turn.search
    return await journal.searches.keep(search, shown)


def _common(page: PeoplePage | CompaniesPage, shown: Shown) -> dict[str, Any]:
    return {
        "search_id": shown.search_id,
        "total": page.total,
        "rows_cut": shown.cut or None,
        "truncation_warning": page.truncation_warning or None,
        "cursor": shown.cursor,
    }
