"""Estimates: the price of a paid call, and a signed quote for it."""

from dataclasses import dataclass

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, bare
from cleanlist_mcp.sandbox.endpoints.quoting import COMPANY_PRICE, SCOPES, cohort_order
from cleanlist_mcp.sandbox.problems import invalid, no_smart_agents
from cleanlist_mcp.sandbox.quotes import PRICES, EnrichmentType, Subject

_TYPES: dict[str, EnrichmentType] = {name: name for name in PRICES}
_COHORT_TOOLS = ("add_person_enrichments", "add_company_enrichments")


@dataclass(frozen=True)
class _Priced:
    """The subject of an estimate, how many rows it has, and the credits that it costs at most."""

    subject: Subject
    rows: int
    cost: int


def estimate(call: Call) -> Reply:
    """POST /credits/estimate: price a paid call and sign a quote for it."""
    body = bodies.read(bodies.Estimate, call.body)
    if body.extra:
        raise invalid(f"{body.tool} knows none of these.", field="extra")
    priced = _priced(call, body)
    quote = call.sandbox.quotes.issue(priced.subject, priced.rows, priced.cost, call.now)
    available = call.key.organization.available
    data = {
        "quote_id": quote.quote_id,
        "expires_at": quote.expires_at,
        "estimated_cost": priced.cost,
        "tool": body.tool,
        "row_count": priced.rows,
        "filter_hash": priced.subject.filter_hash,
        "available_credits": available,
        "sufficient": available >= priced.cost,
    }
    return bare(data)


def _priced(call: Call, body: bodies.Estimate) -> _Priced:
    if body.tool == "enrich_list":
        return _priced_list(call, body)
    if body.tool in _COHORT_TOOLS:
        return _priced_cohort(call, body)
    if body.tool == "enrich_company":
        rows = body.row_count or 1
        subject = Subject(call.organization_id, body.tool, None, "company")
        return _Priced(subject, rows, rows * COMPANY_PRICE)
    return _priced_people(call, body)


def _priced_list(call: Call, body: bodies.Estimate) -> _Priced:
    if not body.list_id:
        raise invalid("enrich_list needs a list_id.", field="list_id")
    scope = _one_of(SCOPES, body.scope or "partial", "scope")
    lead_list = call.sandbox.lists.get(call.key, body.list_id)
    subject = Subject(call.organization_id, body.tool, lead_list.list_id, scope)
    return _Priced(subject, len(lead_list.leads), PRICES[scope] * len(lead_list.leads))


def _priced_cohort(call: Call, body: bodies.Estimate) -> _Priced:
    if not body.task_id:
        raise invalid(f"{body.tool} needs a task_id.", field="task_id")
    order = cohort_order(call, body.task_id, body.data_points or [], body.entity_ids)
    if order.subject.tool != body.tool:
        raise invalid(f"This task needs {order.subject.tool}.", field="tool")
    return _Priced(order.subject, len(order.entity_ids), order.cost)


def _priced_people(call: Call, body: bodies.Estimate) -> _Priced:
    if body.tool == "run_smart_agent":
        raise no_smart_agents(call.key.organization.tier)
    if body.tool not in ("enrich_person", "bulk_import_csv"):
        raise invalid(f"Unknown tool: {body.tool}.", field="tool")
    if body.row_count is None and body.tool == "bulk_import_csv":
        raise invalid("bulk_import_csv needs a row_count.", field="row_count")
    chosen = body.enrichment_type or ("phone_only" if body.include_phone else "partial")
    scope = _one_of(_TYPES, chosen, "enrichment_type")
    rows = 1 if body.row_count is None else body.row_count
    return _Priced(Subject(call.organization_id, body.tool, None, scope), rows, rows * PRICES[scope])


def _one_of(words: dict[str, EnrichmentType], word: str, field: str) -> EnrichmentType:
    if word not in words:
        raise invalid(f"{field} must be one of {', '.join(words)}.", field=field)
    return words[word]
