"""Exports: a link to a CSV file, and pages of JSON."""

from collections.abc import Sequence

from cleanlist_mcp.sandbox import bodies
from cleanlist_mcp.sandbox.call import Call, Reply, bare, reply
from cleanlist_mcp.sandbox.endpoints.leads import page_of
from cleanlist_mcp.sandbox.exports import csv_file
from cleanlist_mcp.sandbox.lists import Lead, iso
from cleanlist_mcp.sandbox.problems import invalid, missing_field

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


def export_csv(call: Call) -> Reply:
    """POST /export/csv/signed-url: a link to a CSV of the list as it is now, for 24 hours, at the API's own origin."""
    body = bodies.read(bodies.ExportCsv, call.body)
    lead_list = call.sandbox.lists.get(call.key, body.list_id)
    columns = _columns(body.columns)
    leads = call.sandbox.lists.shown(lead_list)
    content = csv_file(columns, map(_exported, leads))
    export_id, export = call.sandbox.remember_export(content)
    link = f"{call.origin}/downloads/{export_id}.csv"
    data = {
        "list_id": lead_list.list_id,
        "download_url": f"{link}?exp={int(export.expires_at)}&sig={export.signature}",
        "expires_at": iso(export.expires_at),
        "row_count": len(leads),
        "file_size_bytes": len(content),
    }
    return bare(data)


def export_json(call: Call) -> Reply:
    """GET /export/json: a page of leads with the chosen columns."""
    list_id = call.query.get("list_id")
    if not list_id:
        raise missing_field("query", "list_id")
    lead_list = call.sandbox.lists.get(call.key, list_id)
    columns = _columns(call.query.getlist("columns"))
    leads, total, cursor = page_of(call, lead_list)
    rows = [{name: _exported(lead)[name] for name in columns} for lead in leads]
    data = {"list_id": lead_list.list_id, "leads": rows, "total": total, "cursor": cursor}
    return reply(call, data)


def _exported(lead: Lead) -> dict[str, str | None]:
    """Return everything of a lead that an export can hold."""
    return {**lead.row(), "domain": lead.known.domain, "company_domain": lead.known.domain}


def _columns(chosen: Sequence[str] | None) -> Sequence[str]:
    unknown = sorted(set(chosen or ()).difference(_COLUMNS, _OTHER_COLUMNS))
    if unknown:
        raise invalid(f"No such column: {', '.join(unknown)}.", field="columns")
    return chosen or _COLUMNS
