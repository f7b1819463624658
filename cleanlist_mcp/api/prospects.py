"""Searches, rows that are put into a list, and single companies: what the API takes and gives.

The vendor's public clients show the filters of searches; rows are read by every name that one of them has met.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from cleanlist_mcp.api.fields import Count, Cursor, Identifier, MaybeCount, Records, Text, Words
from cleanlist_mcp.api.wire import Received, Sent

SEARCH_PAGE = 500
"""Most rows of one page of a search."""

MOST_ENTITIES, MOST_LEADS = 2_000, 1_000
"""Most ids that one request puts into a list: rows of a search, and leads that exist already (vendor's schema)."""

IDEMPOTENCY_KEY = 128
"""Characters of the longest idempotency key (vendor's schema)."""

Filters = dict[str, list[str]]
"""The values of each filter, by the API's name; one of them has to match."""


class SearchRequest(Sent):
    """`POST /search/people` and `POST /search/companies`: all filters have to match, and one value of each."""

    filters: Annotated[Filters, Field(min_length=1)]
    limit: Annotated[int, Field(ge=1, le=SEARCH_PAGE)]
    cursor: str | None = None


class AddToListRequest(Sent):
    """`POST /lead-lists/{id}/leads`: rows of a search by its handle and their ids, or leads by theirs."""

    task_id: str | None = None
    entity_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MOST_ENTITIES)] = None
    lead_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MOST_LEADS)] = None
    idempotency_key: Annotated[str, Field(max_length=IDEMPOTENCY_KEY)]


class CompanyRequest(Sent):
    """`POST /enrichment/company`: by one of the four."""

    domain: str | None = None
    company_id: str | None = None
    company_name: str | None = None
    company_ticker: str | None = None


def _first(row: Mapping[str, Any], *names: str) -> Any:
    """Return the first of these members that is not empty."""
    return next((row[name] for name in names if row.get(name) not in (None, "", [], {})), "")


def _words_of(value: Any) -> Any:
    """Return the first of several texts, or the one that is there."""
    return next(iter(value), "") if isinstance(value, list) else value


def _place(row: Mapping[str, Any]) -> Any:
    """Return the place of somebody: as one text, or put together from its parts."""
    whole = _first(row, "location", "hq_location")
    if isinstance(whole, str) and whole:
        return whole
    parts = whole if isinstance(whole, dict) else row
    named = (
        _first(parts, "city", "location_city"),
        _first(parts, "state", "location_state"),
        _first(parts, "country", "location_country"),
    )
    return ", ".join(part for part in named if isinstance(part, str) and part)


def _company_in(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the company of a person's row, which may be in a record of its own."""
    inside = row.get("company")
    own = inside if isinstance(inside, dict) else {}
    named = _first(row, "company_name") or ("" if own else row.get("company"))
    return {
        "company": named or _first(own, "name", "company_name"),
        "domain": _first(row, "company_domain", "domain") or _first(own, "domain", "website"),
        "industry": _first(row, "company_industry", "industry") or _first(own, "industry"),
        "size": _first(row, "company_headcount", "company_size", "headcount", "size")
        or _first(own, "employee_count_range", "size", "headcount"),
    }


class FoundPerson(Received):
    """Somebody whom a search shows; `entity_id` is empty if the row has none that can be used."""

    entity_id: Identifier = ""
    name: Text = ""
    title: Text = ""
    seniority: Text = ""
    company: Text = ""
    domain: Text = ""
    industry: Text = ""
    size: Text = ""
    location: Text = ""
    linkedin_url: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _by_any_name(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        names = (_first(row, "first_name"), _first(row, "last_name"))
        put_together = " ".join(name for name in names if isinstance(name, str) and name)
        return _company_in(row) | {
            "entity_id": _first(row, "id", "entity_id", "person_id", "lead_id"),
            "name": _first(row, "full_name", "name") or put_together,
            "title": _first(row, "title", "job_title"),
            "seniority": _words_of(_first(row, "seniority", "management_level", "management_levels")),
            "location": _place(row),
            "linkedin_url": _first(row, "linkedin_url"),
        }


class FoundCompany(Received):
    """A company that a search shows; `entity_id` as for people."""

    entity_id: Identifier = ""
    name: Text = ""
    domain: Text = ""
    industry: Text = ""
    size: Text = ""
    location: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _by_any_name(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        return {
            "entity_id": _first(row, "id", "entity_id", "company_id"),
            "name": _first(row, "name", "company_name"),
            "domain": _first(row, "domain", "company_domain", "website"),
            "industry": _words_of(_first(row, "industry", "company_industry", "industries")),
            "size": _first(
                row, "employee_count_range", "company_headcount", "size", "headcount", "employee_count"
            ),
            "location": _place(row),
        }


class _SearchPage(Received):
    """One page; `task_id` is the handle by which its rows are put into a list, an empty `cursor` the end."""

    task_id: Identifier = ""
    total: MaybeCount = None
    cursor: Cursor = ""
    truncation_warning: Text = ""


class PeoplePage(_SearchPage):
    """One page of a search for people."""

    results: Annotated[list[FoundPerson], Records]


class CompaniesPage(_SearchPage):
    """One page of a search for companies."""

    results: Annotated[list[FoundCompany], Records]


class AddedToList(Received):
    """The number of leads that a list took, and of those that it had already."""

    added: int = Field(ge=0)
    skipped_duplicates: Count = 0


class Company(Received):
    """The API's facts about a company; a fact that it does not know is empty."""

    company_id: Identifier = ""
    name: Text = ""
    domain: Text = ""
    industry: Text = ""
    industries: Words = None
    employee_count: MaybeCount = None
    employee_count_range: Text = ""
    revenue_range: Text = ""
    hq_location: Text = ""
    funding_stage: Text = ""
    total_funding_usd: MaybeCount = None
    tech_stack: Words = None
    linkedin_url: Text = ""
    ticker: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _by_any_name(cls, record: Any) -> Any:
        if not isinstance(record, dict):
            return record
        return record | {
            "company_id": _first(record, "company_id", "id"),
            "name": _first(record, "name", "company_name"),
            "domain": _first(record, "domain", "company_domain", "website"),
            "ticker": _first(record, "ticker", "company_ticker"),
        }

    @property
    def is_found(self) -> bool:
        """True if the answer holds any fact about a company."""
        return any(value for value in self.model_dump().values())


def _record(value: Any) -> Any:
    return {} if value is None else value


class CompanyAnswer(Received):
    """The result of a lookup and its charge; the company is empty if the API does not know it."""

    company: Annotated[Company, BeforeValidator(_record)]
    credits_charged: MaybeCount = None
