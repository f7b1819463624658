"""The endpoints that price and spend: estimates, people, lists, cohorts, companies, and status."""

import hashlib
import json
from collections.abc import Sequence

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, bare, reply
from cleanlist_mcp.sandbox.lists import Lead
from cleanlist_mcp.sandbox.people import Identity, company_record
from cleanlist_mcp.sandbox.problems import Problem, invalid, missing_field, no_smart_agents, not_found
from cleanlist_mcp.sandbox.quotes import PRICES, EnrichmentType, Quote, Subject

DEFAULT_LIST = "MCP Results"
_SCOPES: dict[str, EnrichmentType] = {
    "partial": "partial",
    "phone-only": "phone_only",
    "full": "full",
}
_TYPES: dict[str, EnrichmentType] = {name: name for name in PRICES}
_COHORT_TOOL = "add_person_enrichments"
_DATA_POINTS = frozenset({"Email", "Phone", "LinkedIn"})
_COMPANY_PRICE = 1


def estimate(call: Call) -> Reply:
    """POST /credits/estimate: price a paid call and sign a quote for it."""
    body = bodies.read(bodies.Estimate, call.body)
    subject, rows, price = _priced(call, body)
    cost = rows * price
    quote = call.sandbox.quotes.issue(subject, rows, cost, call.now)
    available = call.key.organization.available
    data = {
        "quote_id": quote.quote_id,
        "expires_at": quote.expires_at,
        "estimated_cost": cost,
        "tool": body.tool,
        "row_count": rows,
        "filter_hash": subject.filter_hash,
        "available_credits": available,
        "sufficient": available >= cost,
    }
    return bare(data)


def person(call: Call) -> Reply:
    """POST /enrichment/person: start a search for one person."""
    models: dict[str, type[bodies.Person]] = {"public": bodies.Person, "v2": bodies.SecondPerson}
    body = bodies.read(models[call.version], call.body)
    _insist_on_list(call, body)
    identity = _identity(body)
    scope = body.enrichment_type or ("phone_only" if body.include_phone else "partial")
    lead_list = call.sandbox.lists.get(call.key, body.lead_list_id) if body.lead_list_id else None
    quote = None
    if body.quote_id:
        subject = Subject(call.organization_id, "enrich_person", None, scope)
        quote = _quote(call, body.quote_id, subject, PRICES[scope])
    if lead_list is None:
        lead_list, _ = call.sandbox.lists.find_or_create(call.key, DEFAULT_LIST, call.now)
    run = call.sandbox.workflows.start(
        "person", call.key, lead_list.list_id, scope, [identity], now=call.now, quote=quote
    )
    data = {
        "workflow_id": run.workflow_id,
        "status": "pending",
        "credits_reserved": run.credits_reserved,
        "lead_list_id": run.list_id,
        "poll_url": call.status_url(run.workflow_id),
    }
    return reply(call, data)


def bulk(call: Call) -> Reply:
    """POST /enrichment/bulk: start a search for everybody in a list, on a quote."""
    models: dict[str, type[bodies.Bulk]] = {"public": bodies.PublicBulk, "v2": bodies.SecondBulk}
    body = bodies.read(models[call.version], call.body)
    lead_list = call.sandbox.lists.get(call.key, body.target)
    leads = list(lead_list.leads.values())
    if not leads:
        raise invalid("The list is empty.", fix="Add leads to the list first.")
    scope = _SCOPES[body.scope]
    subject = Subject(call.organization_id, "enrich_list", lead_list.list_id, scope)
    cost = PRICES[scope] * len(leads)
    quote = _required_quote(call, body.quote_id, subject, cost)
    run = call.sandbox.workflows.start(
        "list",
        call.key,
        lead_list.list_id,
        scope,
        [lead.asked for lead in leads],
        now=call.now,
        leads=leads,
        list_name=lead_list.name,
        quote=quote,
    )
    data = {
        "workflow_id": run.workflow_id,
        "status": "pending",
        "total_leads": len(leads),
        "estimated_cost": cost,
        "credits_reserved": run.credits_reserved,
        "poll_url": call.status_url(run.workflow_id),
    }
    return reply(call, data)


def by_task(call: Call) -> Reply:
    """POST /enrichment/by-task: start a search for the page of leads behind a cohort handle.

    The leads are enriched where they are; with `lead_list_id` they join that list as well.
    """
    body = bodies.read(bodies.Cohort, call.body)
    leads, list_id = _cohort_leads(call, body.task_id, body.entity_ids)
    scope = _scope_of(body.data_points)
    digest = _digest(body.task_id, body.data_points, body.entity_ids)
    subject = Subject(call.organization_id, _COHORT_TOOL, None, scope, digest)
    target = call.sandbox.lists.get(call.key, body.lead_list_id) if body.lead_list_id else None
    quote = _required_quote(call, body.quote_id, subject, PRICES[scope] * len(leads))
    run = call.sandbox.workflows.start(
        "cohort",
        call.key,
        target.list_id if target else list_id,
        scope,
        [lead.asked for lead in leads],
        now=call.now,
        leads=leads,
        quote=quote,
        task_id=body.task_id,
    )
    if target is not None:
        target.leads.update((lead.lead_id, lead) for lead in leads)
    queued = [
        {"entity_id": lead.lead_id, "status": "queued", "error": None, "company": None} for lead in leads
    ]
    data = {
        "entity_kind": "person",
        "workflow_id": run.workflow_id,
        "status": "pending",
        "total_entities": len(leads),
        "credits_reserved": run.credits_reserved,
        "results": queued,
    }
    return reply(call, data, task_id=body.task_id)


def company(call: Call) -> Reply:
    """POST /enrichment/company: look one company up at once, for one credit when it is found."""
    body = bodies.read(bodies.Company, call.body)
    handle = body.domain or body.company_id or body.company_name or body.company_ticker
    if not handle:
        raise invalid("Give domain, company_id, company_name or company_ticker.", field="domain")
    quote = None
    if body.quote_id:
        subject = Subject(call.organization_id, "enrich_company", None, "company")
        quote = _quote(call, body.quote_id, subject, _COMPANY_PRICE)
    record = company_record(handle)
    if record is None:
        raise not_found("Company")
    wallet = call.key.organization
    wallet.reserve(_COMPANY_PRICE)
    wallet.settle(_COMPANY_PRICE, _COMPANY_PRICE)
    if quote is not None:
        quote.used = True
    return reply(call, {"company": record, "credits_charged": _COMPANY_PRICE})


def status(call: Call) -> Reply:
    """GET /enrichment/status/{workflow_id}: how far a run is, and what it cost in the end."""
    run = call.sandbox.workflows.find(call.key, call.path["workflow_id"])
    message = None
    if run.finished and not run.under_review:
        message = f"Done:  {run.credits_charged} credits charged,\n{run.credits_refunded} refunded."
    return reply(call, run.report(), task_id=run.task_id, message=message)


def import_quote(call: Call, quote_id: str | None, scope: EnrichmentType, rows: int) -> Quote | None:
    """The quote of a dispatching CSV import, or the refusal; under /api/v2 it may spend without one."""
    if call.version == "v2" and not quote_id:
        return None
    subject = Subject(call.organization_id, "bulk_import_csv", None, scope)
    return _required_quote(call, quote_id, subject, PRICES[scope] * rows)


def _priced(call: Call, body: bodies.Estimate) -> tuple[Subject, int, int]:
    """What an estimate is about, how many rows it has, and the credits per row."""
    organization_id = call.organization_id
    if body.extra:
        raise invalid(f"{body.tool} knows none of these.", field="extra")
    if body.tool == "enrich_list":
        if not body.list_id:
            raise invalid("enrich_list needs a list_id.", field="list_id")
        scope = _one_of(_SCOPES, body.scope or "partial", "scope")
        lead_list = call.sandbox.lists.get(call.key, body.list_id)
        subject = Subject(organization_id, body.tool, lead_list.list_id, scope)
        return subject, len(lead_list.leads), PRICES[scope]
    if body.tool == _COHORT_TOOL:
        leads, _ = _cohort_leads(call, body.task_id or "", body.entity_ids)
        scope = _scope_of(body.data_points or [])
        digest = _digest(body.task_id, body.data_points or [], body.entity_ids)
        return Subject(organization_id, body.tool, None, scope, digest), len(leads), PRICES[scope]
    if body.tool == "enrich_company":
        subject = Subject(organization_id, body.tool, None, "company")
        return subject, body.row_count or 1, _COMPANY_PRICE
    return _priced_people(call, body)


def _priced_people(call: Call, body: bodies.Estimate) -> tuple[Subject, int, int]:
    if body.tool == "run_smart_agent":
        raise no_smart_agents(call.key.organization.tier)
    if body.tool not in ("enrich_person", "bulk_import_csv"):
        raise invalid(f"Unknown tool: {body.tool}.", field="tool")
    if body.row_count is None and body.tool == "bulk_import_csv":
        raise invalid("bulk_import_csv needs a row_count.", field="row_count")
    chosen = body.enrichment_type or ("phone_only" if body.include_phone else "partial")
    scope = _one_of(_TYPES, chosen, "enrichment_type")
    rows = 1 if body.row_count is None else body.row_count
    return Subject(call.organization_id, body.tool, None, scope), rows, PRICES[scope]


def _one_of(words: dict[str, EnrichmentType], word: str, field: str) -> EnrichmentType:
    if word not in words:
        raise invalid(f"{field} must be one of {', '.join(words)}.", field=field)
    return words[word]


def _scope_of(data_points: Sequence[str]) -> EnrichmentType:
    if not data_points or not _DATA_POINTS.issuperset(data_points):
        raise invalid("data_points must be of Email, Phone, LinkedIn.", field="data_points")
    if "Phone" in data_points:
        return "full" if "Email" in data_points else "phone_only"
    return "partial"


def _quote(call: Call, quote_id: str, subject: Subject, cost: int) -> Quote:
    return call.sandbox.quotes.verify(quote_id, subject, cost, call.now)


def _required_quote(call: Call, quote_id: str | None, subject: Subject, cost: int) -> Quote:
    if not quote_id:
        raise Problem(
            400,
            "quote_required",
            "Bulk spending needs a quote.",
            fix="Call POST /credits/estimate and pass its quote_id.",
            estimated_cost_credits=cost,
        )
    return _quote(call, quote_id, subject, cost)


def _insist_on_list(call: Call, body: bodies.Person) -> None:
    insists = call.sandbox.options.insists_on_list_id
    if not insists or body.lead_list_id:
        return
    if insists is True:
        raise invalid("lead_list_id is required.", field="lead_list_id")
    raise missing_field("body", "lead_list_id")


def _identity(body: bodies.Person) -> Identity:
    identity = Identity(
        first_name=_text(body.first_name),
        last_name=_text(body.last_name),
        email=_text(body.email),
        linkedin_url=_text(body.linkedin_url),
        phone=_text(body.phone),
        company=_text(body.company_name),
        domain=_text(body.domain),
        person_id=_text(body.person_id),
    )
    if not identity.identifies:
        raise invalid(
            "Nobody is identified.",
            fix="Give email, linkedin_url, person_id, or first_name, last_name and company_name or domain.",
        )
    return identity


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


def _cohort_leads(call: Call, task_id: str, entity_ids: Sequence[str] | None) -> tuple[list[Lead], str]:
    """The leads of a cohort, or of the part of it that is wanted: at least one, and not all of them."""
    cohort = call.sandbox.cohort(call.key, task_id)
    chosen = set(cohort.lead_ids if entity_ids is None else entity_ids)
    if not chosen or (entity_ids is not None and not chosen < set(cohort.lead_ids)):
        raise invalid("The ids must be a strict subset of the task's.", field="entity_ids")
    found = [call.sandbox.lists.lead(call.key, one) for one in cohort.lead_ids if one in chosen]
    return [lead for lead in found if lead is not None], cohort.list_id


def _digest(task_id: str | None, data_points: Sequence[str], entity_ids: Sequence[str] | None) -> str:
    """What a quote for a cohort is bound to, in whichever order it was given."""
    ids = None if entity_ids is None else sorted(set(entity_ids))
    shape = json.dumps([task_id, sorted(set(data_points)), ids])
    return hashlib.sha256(shape.encode()).hexdigest()[:16]
