"""The endpoints that are free: identity, credits, lists, leads, imports, exports, usage."""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cleanlist_mcp.sandbox import bodies, imports
from cleanlist_mcp.sandbox.call import Call, Reply, bare, reply
from cleanlist_mcp.sandbox.enrichment import import_quote
from cleanlist_mcp.sandbox.lists import Lead, LeadList, iso, page
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.problems import FrameworkProblem, Problem, invalid, no_smart_agents, not_found
from cleanlist_mcp.sandbox.state import Cohort, RequestRecord
from cleanlist_mcp.sandbox.workflows import Run

# The columns of an export unless others are chosen (vendor's schema), and one that its examples choose.
_COLUMNS = (
    "lead_id",
    "first_name",
    "last_name",
    "email",
    "title",
    "company",
    "domain",
    "linkedin_url",
    "phone",
    "location",
)
_OTHER_COLUMNS = ("company_domain",)
_DAY = 86_400


def whoami(call: Call) -> Reply:
    """GET /whoami."""
    key, organization = call.key, call.key.organization
    data = {
        "user_email": key.user.masked_email,
        "user_id": key.user.user_id,
        "user_name": key.user.name,
        "organization_id": organization.organization_id,
        "organization_name": organization.name,
        "auth_type": "api_key",
        "scopes": sorted(key.scopes),
        "tier": organization.tier,
        "appsumo_tier": None,
        "features": sorted(organization.features),
    }
    return reply(call, data)


def balance(call: Call) -> Reply:
    """GET /credits/balance."""
    credits_left = call.key.organization.available
    data = {"organization_id": call.organization_id, "credits": credits_left}
    return reply(call, data, instructions=f"{credits_left} credits remain.")


def api_keys(call: Call) -> Reply:
    """GET /api-keys: the caller's own, without their secrets."""
    keys = [
        {
            "key_id": key.key_id,
            "key_prefix": "clapi_",
            "key_last4": key.token[-4:],
            "name": key.label,
            "scopes": sorted(key.scopes),
            "created_at": iso(key.created_at),
            "last_used_at": iso(key.last_used_at) if key.last_used_at is not None else None,
            "is_active": True,
        }
        for key in call.sandbox.accounts()
        if key.user == call.key.user and key.organization is call.key.organization
    ]
    return bare({"keys": keys})


def usage(call: Call) -> Reply:
    """GET /usage: this organization's requests; credits are not attributed, as at the vendor."""
    days = call.whole_number("days", 7, at_most=365)
    group_by = call.word("group_by", "tool", of=_BUCKETS)
    buckets: dict[str, list[RequestRecord]] = defaultdict(list)
    for record in call.sandbox.requests:
        ours = record.organization_id == call.organization_id
        if ours and record.status is not None and record.time > call.now - days * _DAY:
            buckets[_BUCKETS[group_by](record)].append(record)
    rows = [
        {
            "group": group,
            "calls": len(records),
            "credits_spent": 0.0,
            "errors": sum(1 for record in records if (record.status or 0) >= 400),
        }
        for group, records in sorted(buckets.items())
    ]
    data = {
        "days": days,
        "group_by": group_by,
        "total_calls": sum(len(records) for records in buckets.values()),
        "total_credits_spent": 0.0,
        "total_errors": sum(int(str(row["errors"])) for row in rows),
        "rows": rows,
    }
    return bare(data)


def create_list(call: Call) -> Reply:
    """POST /lead-lists: 201, or 200 with `reused` for the caller's own list of that name."""
    body = bodies.read(bodies.NewList, call.body)
    lead_list, reused = call.sandbox.lists.find_or_create(
        call.key, body.name, call.now, description=body.description, folder_id=body.folder_id
    )
    detail = call.sandbox.lists.detail(lead_list, reused=reused)
    return reply(call, detail, status=200 if reused else 201)


def list_lists(call: Call) -> Reply:
    """GET /lead-lists, a page at a time."""
    limit = call.whole_number("limit", 50, at_most=100)
    folder = call.query.get("folder_id")
    lists = call.sandbox.lists.visible(call.key)
    if folder is not None:
        lists = [lead_list for lead_list in lists if lead_list.folder_id == folder]
    shown, cursor = page(lists, limit, call.query.get("cursor"), f"lists {folder}")
    summaries = [call.sandbox.lists.summary(lead_list) for lead_list in shown]
    return reply(call, {"lists": summaries, "total": len(lists), "cursor": cursor})


def get_list(call: Call) -> Reply:
    """GET /lead-lists/{list_id}."""
    return reply(call, call.sandbox.lists.detail(_list(call)))


def update_list(call: Call) -> Reply:
    """PATCH /lead-lists/{list_id}: only what is present changes; null clears."""
    body = bodies.read(bodies.ListChange, call.body)
    changes = body.model_dump(exclude_unset=True)
    if not changes or ("name" in changes and changes["name"] is None):
        fault = {"loc": ["body"], "msg": "Nothing to change", "type": "value_error"}
        raise FrameworkProblem(422, [fault])
    lead_list = call.sandbox.lists.get_own(call.key, call.path["list_id"])
    for name, value in changes.items():
        setattr(lead_list, name, value)
    return reply(call, call.sandbox.lists.detail(lead_list))


def delete_list(call: Call) -> Reply:
    """DELETE /lead-lists/{list_id}: the leads stay in the workspace."""
    lead_list = call.sandbox.lists.get_own(call.key, call.path["list_id"])
    call.sandbox.lists.delete(lead_list)
    return reply(call, {"list_id": lead_list.list_id, "deleted": True})


def get_leads(call: Call) -> Reply:
    """GET /lead-lists/{list_id}/leads: a page, with a cohort handle for it in `task_id`."""
    lead_list = _list(call)
    leads, total, cursor = _lead_page(call, lead_list)
    task_id = _cohort(call, lead_list, leads) if leads else None
    rows = [lead.row() for lead in leads]
    data = {"list_id": lead_list.list_id, "leads": rows, "total": total, "cursor": cursor}
    return reply(call, data, task_id=task_id)


def add_leads(call: Call) -> Reply:
    """POST /lead-lists/{list_id}/leads: leads by their ids, or those behind a cohort handle."""
    lead_list = _list(call)
    body = _either(call.body)
    again = body.idempotency_key and call.sandbox.recall(
        call.organization_id, f"leads {lead_list.list_id}", body.idempotency_key
    )
    if again:
        return bare(again)
    leads = _wanted_leads(call, body)
    fresh = {lead.lead_id: lead for lead in leads if lead.lead_id not in lead_list.leads}
    lead_list.leads.update(fresh)
    data = {
        "list_id": lead_list.list_id,
        "added": len(fresh),
        "skipped_duplicates": len(leads) - len(fresh),
        "created": 0 if isinstance(body, bodies.AddByCohort) else None,
        "credits_charged": 0,
    }
    if body.idempotency_key:
        topic = f"leads {lead_list.list_id}"
        call.sandbox.remember(call.organization_id, topic, body.idempotency_key, data)
    return bare(data)


def remove_leads(call: Call) -> Reply:
    """DELETE /lead-lists/{list_id}/leads: unknown ids are passed over."""
    body = bodies.read(bodies.RemoveLeads, call.body)
    lead_list = _list(call)
    removed = [lead_list.leads.pop(lead_id, None) for lead_id in body.lead_ids]
    gone = sum(1 for lead in removed if lead is not None)
    return bare({"list_id": lead_list.list_id, "removed": gone})


def csv_import(call: Call) -> Reply:
    """POST /lead-lists/{list_id}/csv-import. Enriches, and so spends, unless told not to.

    The answer waits for the import. Rows land, and the idempotency key starts to protect, when the
    import has finished; if the caller is gone by then, the import still finishes at its time.
    """
    body = bodies.read(bodies.CsvImport, call.body)
    if body.dispatch_enrichment:
        call.key.require("enrich:write")
    _refuse_if_switched_off(call)
    if body.idempotency_key:
        again = call.sandbox.recall(call.organization_id, "csv-import", body.idempotency_key)
        if again:
            return reply(call, {**again, "idempotency_replayed": True}, status=201)
    lead_list = _list(call)
    row_cap = call.sandbox.options.row_cap
    parsed = imports.parse(body.csv_content_base64, body.column_mapping, row_cap)
    run = _import(call, body, lead_list, parsed.people)
    return _imported(call, body, lead_list, parsed, run)


def export_csv(call: Call) -> Reply:
    """POST /export/csv/signed-url: a link to a CSV of the list as it is now, for 24 hours."""
    body = bodies.read(bodies.ExportCsv, call.body)
    lead_list = call.sandbox.lists.get(call.key, body.list_id)
    columns = _columns(body.columns)
    rows = [_exported(lead) for lead in call.sandbox.lists.shown(lead_list)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    export_id, export = call.sandbox.remember_export(content)
    link = f"{call.origin}/downloads/{export_id}.csv"
    data = {
        "list_id": lead_list.list_id,
        "download_url": f"{link}?exp={int(export.expires_at)}&sig={export.signature}",
        "expires_at": iso(export.expires_at),
        "row_count": len(rows),
        "file_size_bytes": len(content),
    }
    return bare(data)


def export_json(call: Call) -> Reply:
    """GET /export/json: a page of leads with the chosen columns."""
    list_id = call.query.get("list_id")
    if not list_id:
        fault = {"loc": ["query", "list_id"], "msg": "Field required", "type": "missing"}
        raise FrameworkProblem(422, [fault])
    lead_list = call.sandbox.lists.get(call.key, list_id)
    columns = _columns(call.query.getlist("columns"))
    leads, total, cursor = _lead_page(call, lead_list)
    rows = [{name: _exported(lead)[name] for name in columns} for lead in leads]
    data = {"list_id": lead_list.list_id, "leads": rows, "total": total, "cursor": cursor}
    return reply(call, data)


def run_smart_agent(call: Call) -> Reply:
    """POST /smart-agents/run: not part of the sandbox's plan."""
    bodies.read(bodies.SmartAgentRun, call.body)
    raise no_smart_agents(call.key.organization.tier)


def list_smart_agents(call: Call) -> Reply:
    """GET /smart-agents: there can be no runs."""
    call.whole_number("limit", 20, at_most=100)
    if "list_id" in call.query:
        call.sandbox.lists.get(call.key, call.query["list_id"])
    return reply(call, {"runs": [], "total": 0})


def get_smart_agent(call: Call) -> Reply:
    """GET /smart-agents/{id}: there can be no such run."""
    raise not_found("Smart agent run")


_BUCKETS: dict[str, Callable[[RequestRecord], str]] = {
    "tool": lambda record: f"{record.method} {record.path}",
    "key": lambda record: f"key_{record.key}",
    "day": lambda record: iso(record.time)[:10],
    "error": lambda record: str(record.status) if (record.status or 0) >= 400 else "none",
}


def _list(call: Call) -> LeadList:
    return call.sandbox.lists.get(call.key, call.path["list_id"])


def _lead_page(call: Call, lead_list: LeadList) -> tuple[list[Lead], int, str | None]:
    limit = call.whole_number("limit", 100, at_most=500)
    shown = call.sandbox.lists.shown(lead_list)
    leads, cursor = page(shown, limit, call.query.get("cursor"), lead_list.list_id)
    return leads, len(shown), cursor


def _cohort(call: Call, lead_list: LeadList, leads: Sequence[Lead]) -> str:
    lead_ids = tuple(lead.lead_id for lead in leads)
    digest = hashlib.sha256("\n".join((lead_list.list_id, *lead_ids)).encode()).hexdigest()[:24]
    task_id = f"cl-task_{digest}"
    call.sandbox.remember_cohort(Cohort(task_id, call.organization_id, lead_list.list_id, lead_ids, call.now))
    return task_id


def _either(body: Any) -> bodies.AddByIds | bodies.AddByCohort:
    if isinstance(body, dict) and "task_id" in body:
        return bodies.read(bodies.AddByCohort, body)
    return bodies.read(bodies.AddByIds, body)


def _wanted_leads(call: Call, body: bodies.AddByIds | bodies.AddByCohort) -> list[Lead]:
    if isinstance(body, bodies.AddByIds):
        lead_ids: Sequence[str] = body.lead_ids
    else:
        cohort = call.sandbox.cohort(call.key, body.task_id)
        chosen = set(cohort.lead_ids if body.entity_ids is None else body.entity_ids)
        if not chosen.issubset(cohort.lead_ids):
            raise invalid("The ids must be among the task's.", field="entity_ids")
        lead_ids = [lead_id for lead_id in cohort.lead_ids if lead_id in chosen]
    leads = []
    for lead_id in lead_ids:
        lead = call.sandbox.lists.lead(call.key, lead_id)
        if lead is None:
            raise not_found(f"Lead {lead_id}")
        leads.append(lead)
    return leads


def _refuse_if_switched_off(call: Call) -> None:
    if not call.sandbox.options.csv_import:
        raise Problem(
            503,
            "feature_disabled",
            "CSV import is switched off for this account.",
            fix="Ask support to switch it on; trying again does not help.",
        )


def _import(call: Call, body: bodies.CsvImport, lead_list: LeadList, people: list[Identity]) -> Run | None:
    """Take the people in, and start the enrichment if one is asked for and paid for."""
    lists, scope = call.sandbox.lists, body.enrichment_type or "partial"
    enriches = bool(body.dispatch_enrichment and people)
    quote = import_quote(call, body.quote_id, scope, len(people)) if enriches else None
    leads = lists.new_leads(lead_list.organization_id, people)
    run = None
    if enriches:
        run = call.sandbox.workflows.start(
            "import",
            call.key,
            lead_list.list_id,
            scope,
            people,
            now=call.now,
            leads=leads,
            list_name=lead_list.name,
            quote=quote,
        )
    lead_list.arriving.append((call.now + call.sandbox.options.import_seconds, leads))
    lead_list.settle(call.now)
    return run


def _imported(
    call: Call,
    body: bodies.CsvImport,
    lead_list: LeadList,
    parsed: imports.ParsedFile,
    run: Run | None,
) -> Reply:
    """The answer to an import, to be given when it has finished."""
    data = {
        "list_id": lead_list.list_id,
        "rows_parsed": parsed.rows_parsed,
        "rows_imported": len(parsed.people),
        "rows_skipped": len(parsed.skipped_rows),
        "skip_reasons": dict(parsed.skip_reasons),
        "sample_skip_rows": parsed.skipped_rows[:10],
        "workflow_id": run.workflow_id if run else None,
        "enrichment_status_url": call.status_url(run.workflow_id) if run else None,
        "idempotency_replayed": False,
    }
    seconds = call.sandbox.options.import_seconds
    done_at = call.now + seconds
    kept = None
    if body.idempotency_key:
        kept = call.sandbox.remember(
            call.organization_id, "csv-import", body.idempotency_key, data, after=seconds
        )

    def finish() -> None:
        # Whoever has the answer sees its rows, whatever the clock makes of the wait.
        lead_list.settle(done_at)
        if kept is not None:
            kept.finished_at = min(kept.finished_at, call.sandbox.clock())

    return replace(reply(call, data, status=201), wait=seconds, finish=finish)


def _exported(lead: Lead) -> dict[str, str | None]:
    """Everything of a lead that an export can hold."""
    return {**lead.row(), "domain": lead.known.domain, "company_domain": lead.known.domain}


def _columns(chosen: Sequence[str] | None) -> Sequence[str]:
    unknown = sorted(set(chosen or ()).difference(_COLUMNS, _OTHER_COLUMNS))
    if unknown:
        raise invalid(f"No such column: {', '.join(unknown)}.", field="columns")
    return chosen or _COLUMNS
