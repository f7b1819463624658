"""Companies, and what enriching one of them finds: those of the directory, and others that are made up on the spot."""

import re
import unicodedata
from functools import cache
from typing import Any

from cleanlist_mcp.sandbox import magic_words
from cleanlist_mcp.sandbox.directory import Company, companies, place
from cleanlist_mcp.sandbox.people import Identity, digest, fictional_domain

_INDUSTRIES = ("Logistics", "Software Development", "Renewable Energy", "Manufacturing", "Media")
_PLACES = ("Rotterdam, Netherlands", "Leeds, United Kingdom", "Austin, United States", "Graz, Austria")
_SIZES = ((10, "1-10"), (50, "11-50"), (200, "51-200"), (500, "201-500"), (1_000, "501-1000"))
_LEGAL_FORMS = frozenset(
    {"inc", "ltd", "llc", "gmbh", "ag", "ab", "bv", "sa", "plc", "corp", "co", "limited"}
)
# Ids of companies outside the directory, so that an id that was given can be asked for again.
_MADE_UP = "co_"


def company_record(
    *,
    domain: str | None = None,
    company_id: str | None = None,
    name: str | None = None,
    ticker: str | None = None,
) -> dict[str, Any] | None:
    """Return what enrichment knows of a company, by the first of the four that is given, or None for nothing."""
    if magic_words.is_nobody(domain, company_id, name, ticker):
        return None
    if domain:
        return _at(fictional_domain(Identity(domain=domain)))
    if company_id:
        return _with_id(company_id)
    return _named(name) if name else _record(_by_ticker().get((ticker or "").upper()))


def record_of(company: Company) -> dict[str, Any]:
    """Return a company of the directory as enrichment shows it; what is not known is null."""
    return {
        "company_id": str(company.company_id),
        "name": company.name,
        "domain": company.domain,
        "industry": company.industry,
        "industries": [company.industry],
        "employee_count": company.employees,
        "employee_count_range": company.size,
        "revenue_range": company.revenue,
        "hq_location": place(company.city, company.state, company.country),
        "funding_stage": company.funding_stage or None,
        "total_funding_usd": company.funding_usd,
        "tech_stack": list(company.tech_stack),
        "linkedin_url": linkedin_page(company.domain),
    }


def linkedin_page(domain: str) -> str:
    """Return the LinkedIn page of a made-up company."""
    return f"https://www.linkedin.com/company/{domain.removesuffix('.example')}-example"


def _record(company: Company | None) -> dict[str, Any] | None:
    return record_of(company) if company is not None else None


def _at(domain: str) -> dict[str, Any]:
    return _record(_by_domain().get(domain)) or _made_up(domain)


def _with_id(company_id: str) -> dict[str, Any] | None:
    if company_id.startswith(_MADE_UP):
        return _at(f"{company_id.removeprefix(_MADE_UP)}.example")
    return _record(companies().get(int(company_id))) if company_id.isdecimal() else None


def _named(name: str) -> dict[str, Any]:
    known = _by_name().get(_folded(name))
    return record_of(known) if known else _at(fictional_domain(Identity(company=name)))


def _made_up(domain: str) -> dict[str, Any]:
    seed, label = digest(domain), domain.removesuffix(".example")
    employees, industry = 10 + seed[0] * 7, _INDUSTRIES[seed[1] % len(_INDUSTRIES)]
    return {
        "company_id": f"{_MADE_UP}{label}",
        "name": label.replace("-", " ").title(),
        "domain": domain,
        "industry": industry,
        "industries": [industry],
        "employee_count": employees,
        "employee_count_range": next((size for most, size in _SIZES if employees <= most), "1001-5000"),
        "revenue_range": None,
        "hq_location": _PLACES[seed[2] % len(_PLACES)],
        "funding_stage": None,
        "total_funding_usd": None,
        "tech_stack": [],
        "linkedin_url": linkedin_page(domain),
    }


@cache
def _by_domain() -> dict[str, Company]:
    return {company.domain: company for company in companies().values()}


@cache
def _by_name() -> dict[str, Company]:
    return {_folded(company.name): company for company in companies().values()}


@cache
def _by_ticker() -> dict[str, Company]:
    return {company.ticker: company for company in companies().values() if company.ticker}


def _folded(name: str) -> str:
    """Return a name without letter case, accents and legal form."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return " ".join(word for word in re.findall(r"\w+", plain.casefold()) if word not in _LEGAL_FORMS)
