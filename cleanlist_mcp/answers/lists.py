"""Sentences about lead lists and the people in them."""

import json

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.answers.shapes import CreateListResult, ExportResult, LeadRow, ListRow
from cleanlist_mcp.api.wire import Export, Lead, LeadList
from cleanlist_mcp.text import rows_text


def created_list(made: LeadList, wanted: str) -> CreateListResult:
    """A list that was made, or found under that name."""
    name = made.name or wanted
    reused = made.reused is True
    what = "There was a list of that name already" if reused else "The list was created"
    return CreateListResult(
        summary=f"{what}; it has {rows_text(made.lead_count)}.",
        next_step=f'Call add_leads(list_id="{made.list_id}", people=[…]) to put people into it.',
        list_id=made.list_id,
        name=name,
        lead_count=made.lead_count,
        reused=reused,
    )


def exported_list(export: Export, list_id: str, name: str, *, made_up: bool) -> ExportResult:
    """A link to a list as a file; `made_up` where the sandbox in this process made it, which serves no files."""
    ready = "The list is ready as a CSV file"
    if export.row_count is not None:
        ready += f" of {rows_text(export.row_count)}"
    return ExportResult(
        summary=f"{ready}; the link is made up." if made_up else f"{ready}; the link works for 24 hours.",
        next_step="Tell the user that `cleanlist-mcp sandbox --port 8000` serves links that download."
        if made_up
        else "Give the link to the user alone: whoever has it can download the file.",
        list_id=list_id,
        list_name=name or None,
        download_url=export.download_url,
        expires_at=export.expires_at or None,
        row_count=export.row_count,
        file_size_bytes=export.file_size_bytes,
    )


def list_row(item: LeadList) -> ListRow:
    return ListRow(
        list_id=item.list_id,
        name=item.name,
        lead_count=item.lead_count,
        created_at=item.created_at or None,
        visibility=item.visibility or None,
    )


def lead_row(lead: Lead) -> LeadRow:
    return LeadRow(
        name=lead.name or None,
        title=lead.title or None,
        company=lead.company or None,
        email=lead.email or None,
        phone=lead.phone or None,
        linkedin_url=lead.linkedin_url or None,
    )


def lists_summary(found: int, looked_at: int, query: str, *, more: bool) -> str:
    """Return how many lists were found among those that were looked at."""
    matching = f' with "{query}" in the name' if query else ""
    rest = " There are more to look at." if more else ""
    return f"{found} list{'' if found == 1 else 's'}{matching}; {looked_at} looked at.{rest}"


def lists_step(offers: Offers, found: int, cursor: str | None, query: str, limit: int) -> str | None:
    if not offers.lists:
        return None  # a resource shows the lists then
    if cursor:
        same = f"query={_argument(query)}, " if query else ""
        return f'For more call find_lists({same}limit={limit}, cursor="…") with this cursor.'
    if not found and query:
        return "Call find_lists without query to see all names; the user may know the list by another one."
    if not found:
        return "Call create_list to make one." if offers.spending else None
    return "Call estimate with a list_id for a quote, or get_leads to see its people."


def _argument(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def leads_summary(shown: int, looked_at: int, total: int, left: int, only: str) -> str:
    """Return how many rows are shown of how many, `left` of which this and earlier answers have not looked at."""
    which = "" if only == "all" else f" {only.replace('_', ' ')}"
    looked = "" if only == "all" else f", {looked_at} looked at"
    rest = f" {left} more to look at." if left else ""
    return f"{rows_text(shown)}{which}{looked}; the list has {rows_text(total)}.{rest}"


def leads_step(
    offers: Offers, list_id: str, only: str, limit: int, total: int, cursor: str | None
) -> str | None:
    if not offers.lists:
        return None  # as above
    if cursor:
        call = f'get_leads(list_id="{list_id}", only="{only}", limit={limit}, cursor="…")'
        more = f"For more call {call} with this cursor"
        return more + ("; for all of them call export_list." if offers.spending else ".")
    if not total:
        # Rows imported without enrichment may not be listed by the API (vendor's own SDK).
        return (
            "People who were added but not enriched yet may not show; "
            f'estimate(list_id="{list_id}") tells how many rows can be enriched.'
        )
    return None
