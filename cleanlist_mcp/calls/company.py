"""The one company that a call is about: checked, normalised, looked up or remembered."""

from cleanlist_mcp.answers.company import company_result
from cleanlist_mcp.answers.run_shapes import CompanyResult
from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.prospects import CompanyRequest
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.quotes import Quotes
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.journal.companies import CompanyWork
from cleanlist_mcp.money.runs import LABEL_LENGTH
from cleanlist_mcp.people.company_marks import company_marks
from cleanlist_mcp.people.marks import CompanyMarks
from cleanlist_mcp.people.normal_forms import is_page_elsewhere, normal_domain, normal_name
from cleanlist_mcp.text import has_contact_data, visible

LONGEST_NAME, LONGEST_TICKER = 200, 20
"""Most characters of a company's name and of a ticker."""

_WAYS = "Give one of domain, company_name, company_ticker and company_id."


async def enrich_company(call: Call, request: CompanyRequest, *, again: bool) -> CompanyResult:
    """Look a company up for 1 credit, or return what was found in the last day.

    Raises:
        HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
        OutcomeUnknown: if it may have been charged and the answer is lost.
        JournalUnusable: if nothing can be spent with the journal as it is.
        ApiError: if the API refused, or was never reached.
    """
    await Quotes(call).require_usable_journal()
    marks = _marks(request)
    work = CompanyWork(marks, _label(request), again)
    known = await call.services.companies.look_up(request, work, call)
    return company_result(known, asked=marks, offers=call.offers)


def read_company(*, domain: str, company_name: str, company_ticker: str, company_id: str) -> CompanyRequest:
    """Return the request for the company that the arguments identify, each in its normal form.

    Raises:
        InvalidArguments: naming what is wrong, or if nothing is given.
    """
    read = {
        "domain": (domain, normal_domain(domain)),
        "company_name": (company_name, _within(normal_name(company_name), LONGEST_NAME)),
        "company_ticker": (company_ticker, _ticker(company_ticker)),
        "company_id": (company_id, _id(company_id)),
    }
    wrong = [name for name, (given, value) in read.items() if given.strip() and value is None]
    if wrong:
        raise InvalidArguments(
            f"Wrong arguments: {', '.join(wrong)}.",
            "Correct or leave out these fields.",
            field_errors=[{"field": name, "problem": _problem(name, read[name][0])} for name in wrong],
        )
    given = {name: value for name, (_, value) in read.items() if value}
    if not given:
        raise InvalidArguments("No company is named.", _WAYS)
    return CompanyRequest(**given)


def _problem(name: str, value: str) -> str:
    if name == "domain" and is_page_elsewhere(value):
        return "is a profile page, not the company's own site"
    return {
        "domain": "is not a domain name or web address",
        "company_name": f"is not a name, or is longer than {LONGEST_NAME} characters",
        "company_ticker": f"is not a ticker of up to {LONGEST_TICKER} characters",
        "company_id": "is not an id",
    }[name]


def _within(text: str | None, limit: int) -> str | None:
    return text if text and len(text) <= limit else None


def _ticker(value: str) -> str | None:
    text = visible(value).upper()
    plain = text.replace(":", "").replace(".", "").replace("-", "")
    return text if plain.isalnum() and plain.isascii() and len(text) <= LONGEST_TICKER else None


def _id(value: str) -> str | None:
    text = visible(value)
    return text if is_id(text) else None


def _marks(request: CompanyRequest) -> CompanyMarks:
    return company_marks(
        company_id=request.company_id or "",
        domain=request.domain or "",
        ticker=request.company_ticker or "",
        name=request.company_name or "",
    )


def _label(request: CompanyRequest) -> str:
    """Return the name of the run in `recent`."""
    text = request.company_name or request.domain or request.company_ticker or ""
    return "a company" if not text or has_contact_data(text) else text[:LABEL_LENGTH]
