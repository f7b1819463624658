"""Looking one company up: synchronous, settled before the answer."""

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.companies import company_record
from cleanlist_mcp.sandbox.endpoints.quoting import COMPANY_PRICE, quote_for
from cleanlist_mcp.sandbox.problems import invalid, not_found
from cleanlist_mcp.sandbox.quotes import Quote, Subject


def company(call: Call) -> Reply:
    """POST /enrichment/company: one credit if it is found, else nothing and an empty company."""
    body = bodies.read(bodies.Company, call.body)
    if not (body.domain or body.company_id or body.company_name or body.company_ticker):
        raise invalid("Give domain, company_id, company_name or company_ticker.", field="domain")
    quote = _quote(call, body)
    record = company_record(
        domain=body.domain, company_id=body.company_id, name=body.company_name, ticker=body.company_ticker
    )
    charged = COMPANY_PRICE if record else 0
    call.key.organization.reserve(COMPANY_PRICE)
    call.key.organization.settle(COMPANY_PRICE, charged)
    if quote is not None:
        quote.used = True
    if record is None and call.sandbox.unkind.missing_companies_are_404:
        raise not_found("Company")
    return reply(call, {"company": record or {}, "credits_charged": charged})


def _quote(call: Call, body: bodies.Company) -> Quote | None:
    subject = Subject(call.organization_id, "enrich_company", None, "company")
    return quote_for(call, body.quote_id, subject, COMPANY_PRICE) if body.quote_id else None
