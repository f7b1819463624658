"""Enriching the rows behind a cohort handle: people in a run that is polled, companies at once."""

from cleanlist_mcp.sandbox import bodies, directory
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.companies import record_of
from cleanlist_mcp.sandbox.endpoints.leads import leads_behind
from cleanlist_mcp.sandbox.endpoints.quoting import CohortOrder, cohort_order, required_quote
from cleanlist_mcp.sandbox.endpoints.runs import DEFAULT_LIST
from cleanlist_mcp.sandbox.lists import Lead, LeadList
from cleanlist_mcp.sandbox.quotes import Quote
from cleanlist_mcp.sandbox.workflows import Run, Work


def by_task(call: Call) -> Reply:
    """POST /enrichment/by-task: enrich all rows of a page or a part of them, on a quote for exactly these.

    People of a list are enriched where they are, people of a search in `lead_list_id` or the caller's default list.
    """
    body = bodies.read(bodies.Cohort, call.body)
    order = cohort_order(call, body.task_id, body.data_points, body.entity_ids)
    quote = required_quote(call, body.quote_id, order.subject, order.cost)
    if order.cohort.kind == "companies":
        return _companies(call, order, quote)
    given = call.sandbox.lists.get(call.key, body.lead_list_id) if body.lead_list_id else None
    return _people(call, order, quote, given)


def _companies(call: Call, order: CohortOrder, quote: Quote) -> Reply:
    wallet = call.key.organization
    wallet.reserve(order.cost)
    wallet.settle(order.cost, order.cost)
    quote.used = True
    results = [
        _result(entity_id, "enriched", record_of(directory.companies()[int(entity_id)]))
        for entity_id in order.entity_ids
    ]
    data = {"entity_kind": "company", "workflow_id": None, "status": "completed"}
    return reply(call, data | _figures(order, results), task_id=order.cohort.task_id)


def _people(call: Call, order: CohortOrder, quote: Quote, given: LeadList | None) -> Reply:
    run = _start(call, order, quote, given)
    results = [_result(entity_id, "queued") for entity_id in order.entity_ids]
    data = {"entity_kind": "person", "workflow_id": run.workflow_id, "status": "pending"}
    return reply(call, data | _figures(order, results), task_id=order.cohort.task_id)


def _start(call: Call, order: CohortOrder, quote: Quote, given: LeadList | None) -> Run:
    leads = _leads(call, order)
    home, joins = _home(call, order, given)
    work = Work(
        "cohort",
        home.list_id if home else order.cohort.list_id or "",
        order.scope,
        [lead.asked for lead in leads],
        leads,
        home.name if home else None,
        quote,
        order.cohort.task_id,
    )
    run = call.sandbox.workflows.start(call.key, work, call.now)
    if home is not None and joins:
        home.take_in(leads)
    return run


def _leads(call: Call, order: CohortOrder) -> list[Lead]:
    leads, _ = leads_behind(call, order.cohort, order.entity_ids)
    if order.cohort.kind == "leads" and call.sandbox.unkind.copies_cohorts:
        return call.sandbox.lists.new_leads(call.organization_id, [lead.asked for lead in leads])
    return leads


def _home(call: Call, order: CohortOrder, given: LeadList | None) -> tuple[LeadList | None, bool]:
    """Return the list that the run belongs to (None if it was deleted), and if the rows join it."""
    if given is not None:
        return given, True
    if order.cohort.kind == "people":
        return call.sandbox.lists.find_or_create(call.key, DEFAULT_LIST, call.now)[0], True
    return call.sandbox.lists.by_id(order.cohort.list_id or ""), call.sandbox.unkind.copies_cohorts


def _figures(order: CohortOrder, results: list[dict[str, object]]) -> dict[str, object]:
    return {"total_entities": len(results), "credits_reserved": order.cost, "results": results}


def _result(entity_id: str, status: str, company: object = None) -> dict[str, object]:
    return {"entity_id": entity_id, "status": status, "error": None, "company": company}
