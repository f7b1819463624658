"""Single people and whole lists: starting a run, and seeing how far it is."""

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.endpoints.quoting import SCOPES, quote_for, required_quote
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.problems import invalid, missing_field
from cleanlist_mcp.sandbox.quotes import PRICES, EnrichmentType, Quote, Subject
from cleanlist_mcp.sandbox.workflows import Work

DEFAULT_LIST = "MCP Results"


def person(call: Call) -> Reply:
    """POST /enrichment/person: start a search for one person."""
    models: dict[str, type[bodies.Person]] = {"public": bodies.Person, "v2": bodies.SecondPerson}
    body = bodies.read(models[call.version], call.body)
    _insist_on_list(call, body)
    identity = _identity(body)
    scope = body.enrichment_type or ("phone_only" if body.include_phone else "partial")
    lead_list = call.sandbox.lists.get(call.key, body.lead_list_id) if body.lead_list_id else None
    quote = _person_quote(call, body.quote_id, scope)
    if lead_list is None:
        lead_list, _ = call.sandbox.lists.find_or_create(call.key, DEFAULT_LIST, call.now)
    work = Work("person", lead_list.list_id, scope, [identity], quote=quote)
    run = call.sandbox.workflows.start(call.key, work, call.now)
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
    scope = SCOPES[body.scope]
    subject = Subject(call.organization_id, "enrich_list", lead_list.list_id, scope)
    cost = PRICES[scope] * len(leads)
    quote = required_quote(call, body.quote_id, subject, cost)
    people = [lead.asked for lead in leads]
    work = Work("list", lead_list.list_id, scope, people, leads, lead_list.name, quote)
    run = call.sandbox.workflows.start(call.key, work, call.now)
    data = {
        "workflow_id": run.workflow_id,
        "status": "pending",
        "total_leads": len(leads),
        "estimated_cost": cost,
        "credits_reserved": run.credits_reserved,
        "poll_url": call.status_url(run.workflow_id),
    }
    return reply(call, data)


def status(call: Call) -> Reply:
    """GET /enrichment/status/{workflow_id}: how far a run is, and what it cost in the end."""
    run = call.sandbox.workflows.find(call.key, call.path["workflow_id"])
    message = None
    if run.finished and not run.under_review:
        message = f"Done:  {run.credits_charged} credits charged,\n{run.credits_refunded} refunded."
    return reply(call, run.report(), task_id=run.task_id, message=message)


def _person_quote(call: Call, quote_id: str | None, scope: EnrichmentType) -> Quote | None:
    subject = Subject(call.organization_id, "enrich_person", None, scope)
    return quote_for(call, quote_id, subject, PRICES[scope]) if quote_id else None


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
