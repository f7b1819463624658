"""Prospecting: searches for people and companies, and the facts about one company."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from cleanlist_mcp.answers.run_shapes import CompanyResult
from cleanlist_mcp.answers.search_shapes import SearchCompaniesResult, SearchPeopleResult
from cleanlist_mcp.calls import company, search
from cleanlist_mcp.calls.company import read_company
from cleanlist_mcp.server.arguments import Cell
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.server.tools.lists import CursorArgument

Values = list[str]
Limit = Annotated[int, Field(strict=True, ge=1, le=100, description="Rows per answer.")]

_NONE: list[str] = []

Names = Annotated[Values, Field(description="Companies by name.")]
Domains = Annotated[Values, Field(description="Companies by web domain.")]
Sizes = Annotated[Values, Field(description="Ranges of employees, such as 51-200.")]
Locations = Annotated[Values, Field(description="Places, each as one text.")]


async def enrich_company(
    ctx: Context[Any, Any],
    domain: Annotated[str, Cell, Field(description="Its web domain, the surest way.")] = "",
    company_name: Annotated[str, Cell, Field(description="Its name.")] = "",
    company_ticker: Annotated[str, Cell, Field(description="Its stock ticker.")] = "",
    company_id: Annotated[str, Cell, Field(description="Its id at Cleanlist.")] = "",
    again: Annotated[
        bool, Field(strict=True, description="Pay again for one that was looked up; ask the user first.")
    ] = False,
) -> CompanyResult:
    """Look one company up; paid."""
    request = read_company(
        domain=domain, company_name=company_name, company_ticker=company_ticker, company_id=company_id
    )
    return await company.enrich_company(current_call(ctx), request, again=again)


async def search_people(
    ctx: Context[Any, Any],
    titles: Annotated[Values, Field(description="Job titles.")] = _NONE,
    seniorities: Annotated[Values, Field(description="Seniorities.")] = _NONE,
    management_levels: Annotated[Values, Field(description="Such as VP, Director.")] = _NONE,
    departments: Annotated[Values, Field(description="Such as Sales.")] = _NONE,
    cities: Annotated[Values, Field(description="Cities.")] = _NONE,
    states: Annotated[Values, Field(description="States or regions.")] = _NONE,
    countries: Annotated[Values, Field(description="Countries, in English.")] = _NONE,
    locations: Locations = _NONE,
    company_names: Names = _NONE,
    company_domains: Domains = _NONE,
    company_sizes: Sizes = _NONE,
    company_industries: Annotated[Values, Field(description="Industries.")] = _NONE,
    limit: Limit = 25,
    cursor: CursorArgument = "",
) -> SearchPeopleResult:
    """Search people; free."""
    given = {
        "titles": titles,
        "seniorities": seniorities,
        "management_levels": management_levels,
        "departments": departments,
        "cities": cities,
        "states": states,
        "countries": countries,
        "locations": locations,
        "company_names": company_names,
        "company_domains": company_domains,
        "company_sizes": company_sizes,
        "company_industries": company_industries,
    }
    return await search.search_people(current_call(ctx), given, limit, cursor.strip())


async def search_companies(
    ctx: Context[Any, Any],
    industries: Annotated[Values, Field(description="Industries.")] = _NONE,
    company_sizes: Sizes = _NONE,
    locations: Locations = _NONE,
    company_names: Names = _NONE,
    company_domains: Domains = _NONE,
    limit: Limit = 25,
    cursor: CursorArgument = "",
) -> SearchCompaniesResult:
    """Search companies; free."""
    given = {
        "industries": industries,
        "company_sizes": company_sizes,
        "locations": locations,
        "company_names": company_names,
        "company_domains": company_domains,
    }
    return await search.search_companies(current_call(ctx), given, limit, cursor.strip())
