"""Sentences about one company: its facts, and what they cost."""

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.answers.run_shapes import CompanyResult, Credits, WorkflowReport
from cleanlist_mcp.api.prospects import Company
from cleanlist_mcp.money.prices import COMPANY_PRICE
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.company_marks import company_marks
from cleanlist_mcp.people.marks import CompanyMarks
from cleanlist_mcp.runs.companies import LookedUp
from cleanlist_mcp.text import clean, credits_text, iso, quoted

CELL = 300
"""Longest text of a company, in characters."""

NAMED_TECHNOLOGIES = 40
"""Technologies that an answer names."""


def company_result(known: LookedUp, *, asked: CompanyMarks, offers: Offers) -> CompanyResult:
    """Return the facts about a company; `asked` is what the call named."""
    company = known.company
    texts = {
        name: clean(getattr(company, name), CELL) or None
        for name in (
            *("name", "domain", "industry", "employee_count_range", "revenue_range", "hq_location"),
            *("funding_stage", "linkedin_url", "ticker"),
        )
    }
    technologies = [clean(word, CELL) for word in company.tech_stack or []]
    return CompanyResult(
        summary=" ".join(_sentences(known, asked)),
        next_step=_next_step(known, offers),
        found=company.is_found,
        company_id=company.company_id or None,
        **texts,
        industries=_others(company),
        employee_count=company.employee_count,
        total_funding_usd=company.total_funding_usd,
        tech_stack=technologies[:NAMED_TECHNOLOGIES] or None,
        credits=Credits(reserved=known.run.reserved, charged=known.run.charged),
        replayed=known.replayed,
    )


def _others(company: Company) -> list[str] | None:
    """Return the industries, unless the one that is named says it all."""
    named = [clean(word, CELL) for word in (company.industries or [])[:NAMED_TECHNOLOGIES]]
    return None if named in ([], [clean(company.industry, CELL)]) else named


def _sentences(known: LookedUp, asked: CompanyMarks) -> list[str]:
    said = []
    if known.replayed:
        said.append(f"Known from {iso(known.run.finished_at or known.run.started_at)}; nothing was sent.")
    said.append(_portrait(known.company) if known.company.is_found else "Cleanlist knows no such company.")
    if known.company.is_found and _differs(known.company, asked):
        said.append("Its domain, id or ticker differs from what was asked for; tell the user.")
    said.append(_bill(known.run, replayed=known.replayed))
    return said


def _portrait(company: Company) -> str:
    facts = [
        clean(fact, 80)
        for fact in (
            company.domain,
            company.industry,
            company.employee_count_range and f"{company.employee_count_range} employees",
            company.hq_location,
        )
        if fact
    ]
    name = quoted(company.name or company.domain or company.company_id)
    return f"Found {name}{': ' if facts else ''}{', '.join(facts)}."


def _differs(company: Company, asked: CompanyMarks) -> bool:
    """Return whether the company has another domain, id or ticker than the call named."""
    theirs = company_marks(company_id=company.company_id, domain=company.domain, ticker=company.ticker)
    pairs = ((asked.ids, theirs.ids), (asked.domains, theirs.domains), (asked.tickers, theirs.tickers))
    return any(one and other and one.isdisjoint(other) for one, other in pairs)


def _bill(run: Run, *, replayed: bool) -> str:
    if replayed:
        then = "" if run.charged is None else f" {credits_text(run.charged)} then,"
        return f"Charged:{then} nothing now."
    if run.charged is None:
        return f"The answer named no charge; it is {credits_text(run.reserved)} at most."
    if run.charged > COMPANY_PRICE:
        return (
            f"Warning: Cleanlist charged {credits_text(run.charged)}, more than the price "
            f"({credits_text(COMPANY_PRICE)}); tell the user."
        )
    return f"{credits_text(run.charged)} charged."


def _next_step(known: LookedUp, offers: Offers) -> str | None:
    if known.company.is_found or not known.replayed:
        return None
    return (
        "Another domain or name may find it. The same search again may cost credits: call enrich_company with "
        "again=true only if the user wants that."
    )


def company_report(run: Run, now: float) -> WorkflowReport:
    """Return the report about a company that was looked up: no run of it can be followed."""
    charged = "what it cost is not known" if run.charged is None else f"{credits_text(run.charged)} charged"
    return WorkflowReport(
        summary=f"A company was looked up ({quoted(run.label)}); {charged}.",
        kind="company",
        status=run.status,
        finished=True,
        credits=Credits(reserved=run.reserved, charged=run.charged),
        started_at=iso(run.started_at),
        elapsed_seconds=max(int((run.finished_at or now) - run.started_at), 0),
    )
