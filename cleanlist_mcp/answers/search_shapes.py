"""The shapes of the answers to searches."""

from pydantic import Field

from cleanlist_mcp.answers.shapes import Part, Result


class PersonRow(Part):
    entity_id: str
    name: str | None = None
    title: str | None = None
    company: str | None = None
    domain: str | None = None
    location: str | None = None
    industry: str | None = None
    size: str | None = None
    seniority: str | None = None
    excluded: bool | None = Field(default=None, description="true: must not be contacted")


class CompanyRow(Part):
    entity_id: str
    name: str | None = None
    domain: str | None = None
    industry: str | None = None
    size: str | None = None
    location: str | None = None
    excluded: bool | None = None


class SearchResult(Result):
    """One page of a search. `search_id` stands for all rows that were shown so far."""

    search_id: str | None = Field(default=None, description="all rows shown so far, for 24 hours")
    total: int | None = None
    rows_cut: int | None = None
    """Rows of this page that did not fit."""
    truncation_warning: str | None = None
    cursor: str | None = None


class SearchPeopleResult(SearchResult):
    people: list[PersonRow]


class SearchCompaniesResult(SearchResult):
    companies: list[CompanyRow]
