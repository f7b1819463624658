"""The leads of a list: reading them page by page, adding and removing."""

from collections.abc import Sequence
from typing import Any

from cleanlist_mcp.sandbox import bodies, directory
from cleanlist_mcp.sandbox.call import Call, Reply, bare, reply
from cleanlist_mcp.sandbox.cohorts import Cohort
from cleanlist_mcp.sandbox.lists import Lead, LeadList, page
from cleanlist_mcp.sandbox.problems import invalid, not_found


def get_leads(call: Call) -> Reply:
    """GET /lead-lists/{list_id}/leads: a page, with a cohort handle for it in `task_id`."""
    lead_list = call.lead_list()
    leads, total, cursor = page_of(call, lead_list)
    ids = [lead.lead_id for lead in leads]
    task_id = call.sandbox.cohorts.open(
        "leads", call.organization_id, ids, now=call.now, list_id=lead_list.list_id
    )
    rows = [lead.row() for lead in leads]
    data = {"list_id": lead_list.list_id, "leads": rows, "total": total, "cursor": cursor}
    return reply(call, data, task_id=task_id)


def add_leads(call: Call) -> Reply:
    """POST /lead-lists/{list_id}/leads: leads by their ids, or those behind a cohort handle."""
    lead_list = call.lead_list()
    body = _either(call.body)
    if not body.idempotency_key:
        return bare(_added(call, lead_list, body))
    name = (call.organization_id, f"leads {lead_list.list_id}", body.idempotency_key)
    answer = call.sandbox.answers.recall(name, call.now)
    if answer is None:
        answer = _added(call, lead_list, body)
        call.sandbox.answers.remember(name, answer, call.now)
    return bare(answer)


def remove_leads(call: Call) -> Reply:
    """DELETE /lead-lists/{list_id}/leads: unknown ids are passed over."""
    body = bodies.read(bodies.RemoveLeads, call.body)
    lead_list = call.lead_list()
    removed = [lead_list.leads.pop(lead_id, None) for lead_id in body.lead_ids]
    gone = sum(1 for lead in removed if lead is not None)
    return bare({"list_id": lead_list.list_id, "removed": gone})


def page_of(call: Call, lead_list: LeadList) -> tuple[list[Lead], int, str | None]:
    """Return the page of visible leads that the query asks for, how many there are in all, and the next cursor."""
    limit = call.whole_number("limit", 100, at_most=500)
    shown = call.sandbox.lists.shown(lead_list)
    leads, cursor = page(shown, limit, call.query.get("cursor"), lead_list.list_id)
    return leads, len(shown), cursor


def leads_behind(call: Call, cohort: Cohort, entity_ids: Sequence[str]) -> tuple[list[Lead], int]:
    """Return rows of a cohort of people as leads, and how many of them became leads only now. Raises 400."""
    if cohort.kind == "companies":
        raise invalid("The task holds companies, not people.", field="task_id")
    if cohort.kind == "people":
        searched = [directory.people()[int(one)] for one in entity_ids]
        return call.sandbox.lists.leads_of(call.organization_id, searched)
    return [_lead(call, lead_id) for lead_id in entity_ids], 0


def _either(body: Any) -> bodies.AddByIds | bodies.AddByCohort:
    """Return the one of the two bodies that this is. Raises 422 for both at once, and for neither."""
    if isinstance(body, dict) and "task_id" in body:
        return bodies.read(bodies.AddByCohort, body)
    return bodies.read(bodies.AddByIds, body)


def _added(call: Call, lead_list: LeadList, body: bodies.AddByIds | bodies.AddByCohort) -> dict[str, Any]:
    """Put the leads into the list and return the answer; `created` is null for leads that were named by id."""
    created: int | None = None
    if isinstance(body, bodies.AddByIds):
        leads = [_lead(call, lead_id) for lead_id in body.lead_ids]
    else:
        cohort = call.cohort(body.task_id)
        leads, created = leads_behind(call, cohort, cohort.all_or_some(body.entity_ids))
    added = lead_list.take_in(leads)
    return {
        "list_id": lead_list.list_id,
        "added": added,
        "skipped_duplicates": len(leads) - added,
        "created": created,
        "credits_charged": 0,
    }


def _lead(call: Call, lead_id: str) -> Lead:
    lead = call.sandbox.lists.lead(call.key, lead_id)
    if lead is None:
        raise not_found(f"Lead {lead_id}")
    return lead
