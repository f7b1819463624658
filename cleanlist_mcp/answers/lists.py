"""Sentences about lead lists and the people in them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.answers.list_shapes import (
    CreateListResult,
    ExportResult,
    LeadRow,
    ListRow,
    RemovedRow,
    RemoveLeadsResult,
)
from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.api.wire import Export, Lead, LeadList
from cleanlist_mcp.lists.filtering import RowCounts, Wanted
from cleanlist_mcp.text import quoted, rows_text

NAMED_LISTS = 5
"""Most lists that a summary names."""

NAMED_ROWS = 25
"""Most removed rows that an answer names."""

SUMMARY_NAMES = 5
"""Most of them that its summary names."""

_ONLY_TEXT = {
    "all": "",
    "with_email": " with an e-mail address",
    "with_phone": " with a phone number",
    "missing_email": " without an e-mail address",
    "missing_phone": " without a phone number",
}


@dataclass(frozen=True)
class RowsShown:
    """The part of a list of `total` rows that one answer shows.

    `left` rows have not been looked at by this answer and those before it. `counts` are those of the whole list,
    None if not all of it was seen.
    """

    name: str
    shown: int
    looked_at: int
    total: int
    left: int
    counts: RowCounts | None


@dataclass(frozen=True)
class Removal:
    """The outcome of a removal: `rows` went, `unknown` ids were sent and not confirmed, `missing` are in no row.

    `removed` is the number that went. It is more than `rows` if some were not seen before, and None if not known.
    """

    rows: Sequence[Lead]
    removed: int | None
    missing: Sequence[str]
    unknown: int = 0


def created_list(made: LeadList, wanted: str, offers: Offers) -> CreateListResult:
    """Return the answer for a list that was made, or found under that name."""
    name = made.name or wanted
    reused = made.lead_count > 0 if made.reused is None else made.reused
    rows = rows_text(made.lead_count) if made.lead_count else "no rows"
    what = f"There was a list {quoted(name)} already" if reused else f"The list {quoted(name)} was created"
    step = f'Call add_leads(list_id="{made.list_id}", people=[…]) to put people into it.'
    return CreateListResult(
        summary=f"{what}; it has {rows}.",
        next_step=step if offers.spending else None,
        list_id=made.list_id,
        name=name,
        lead_count=made.lead_count,
        reused=reused,
    )


def exported_list(export: Export, list_id: str, name: str, *, inside: bool, saves: bool) -> ExportResult:
    """Return the answer for a link to a list as a file.

    `inside`: only this process can open the link, because it serves the sandbox itself. `saves`: files can be saved.
    """
    step: str | None = "Give the link to the user alone: whoever has it can download the file."
    if inside:
        step = (
            f'Call export_list(list_id="{list_id}", save_as="….csv") to have the file itself.'
            if saves
            else None
        )
    works = "the sandbox's link works inside this server alone" if inside else "the link works for 24 hours"
    return ExportResult(
        summary=f"{_list_text(name)} is ready as a CSV file{_size_text(export)}; {works}.",
        next_step=step,
        list_id=list_id,
        list_name=name or None,
        download_url=export.download_url,
        expires_at=export.expires_at or None,
        row_count=export.row_count,
        file_size_bytes=export.file_size_bytes,
    )


def saved_list(export: Export, list_id: str, name: str, saved_as: str, rows: int, size: int) -> ExportResult:
    """Return the answer for a list that was saved in the shared folder: its `rows` without titles, `size` in bytes."""
    expected = export.row_count
    missing = (
        "" if expected in (None, rows) else f" The API announced {rows_text(expected or 0)}: tell the user."
    )
    return ExportResult(
        summary=f"{_list_text(name)} was saved as {quoted(saved_as)} in the shared folder: {rows_text(rows)}, "
        f"{bytes_text(size)}. Spreadsheets open it; cells that they would run as a formula begin with an "
        f"apostrophe.{missing}",
        list_id=list_id,
        list_name=name or None,
        saved_as=saved_as,
        download_url=export.download_url,
        expires_at=export.expires_at or None,
        row_count=rows,
        file_size_bytes=size,
    )


def removed_leads(removal: Removal, list_id: str, name: str, offers: Offers) -> RemoveLeadsResult:
    """Return the answer for a removal, which names the rows that went, so that a wrong one is seen."""
    count = len(removal.rows) if removal.removed is None else removal.removed
    gone = removal.rows[:NAMED_ROWS] if count >= len(removal.rows) else []
    return RemoveLeadsResult(
        summary=_removal_summary(removal, count, name),
        next_step=_removal_step(removal, count, list_id, offers),
        list_id=list_id,
        list_name=name or None,
        removed=count,
        removed_rows=[RemovedRow(lead_id=lead.lead_id, name=_row_name(lead)) for lead in gone] or None,
        unknown=removal.unknown or None,
        not_in_list=list(removal.missing) or None,
    )


def _removal_summary(removal: Removal, count: int, name: str) -> str:
    parts = []
    if count:
        which = _names(removal.rows, count)
        parts.append(f"{rows_text(count)} {_was(count)} taken out of {_the_list(name)}{which}.")
        parts.append("The people themselves stay at Cleanlist.")
    elif not removal.unknown:
        parts.append(f"Nothing was taken out of {_the_list(name)}.")
    if count < len(removal.rows):
        parts.append("Others had gone already.")
    if removal.unknown:
        parts.append(f"The removal of {rows_text(removal.unknown)} was sent, and its answer was lost.")
    if removal.missing:
        few = len(removal.missing) == 1
        parts.append(f"{len(removal.missing)} of the ids {'is' if few else 'are'} in no row of it.")
    return " ".join(parts)


def _removal_step(removal: Removal, count: int, list_id: str, offers: Offers) -> str | None:
    if removal.unknown:
        return (
            "Call remove_leads again with the same arguments: it skips rows that have gone already, and removes "
            "nothing else."
        )
    if count and offers.lists:
        which = " without those in not_in_list" if removal.missing else ""
        undo = f'add_leads(list_id="{list_id}", lead_ids=[…])'
        return f"To undo it call {undo} with the same lead_ids{which}, or with some of them."
    if removal.missing and offers.lists:
        return f'Call get_leads(list_id="{list_id}", details=true) to see the lead_id of each row.'
    return None


def _row_name(lead: Lead) -> str | None:
    return lead.name or lead.email or lead.linkedin_url or None


def _names(leads: Sequence[Lead], count: int) -> str:
    """Return the names of some of `count` rows, as the end of a sentence; none if fewer went than were seen."""
    if count < len(leads):
        return ""
    named = [name for lead in leads if (name := _row_name(lead)) is not None][:SUMMARY_NAMES]
    more = count - len(named)
    if not named:
        return ""
    return f": {', '.join(quoted(name) for name in named)}" + (f" and {more} more" if more > 0 else "")


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def list_row(item: LeadList) -> ListRow:
    """Return a list as one row of an answer."""
    return ListRow(
        list_id=item.list_id,
        name=item.name,
        lead_count=item.lead_count,
        created_at=item.created_at or None,
        visibility=item.visibility or None,
    )


def lead_row(lead: Lead, *, details: bool = False, excluded: bool = False) -> LeadRow:
    """Return a row as it is shown; with `details`, all that the API shows of it."""
    row = LeadRow(
        name=lead.name or None,
        title=lead.title or None,
        company=lead.company or None,
        email=lead.email or None,
        phone=lead.phone or None,
        excluded=excluded or None,
    )
    if not details:
        return row
    return row.model_copy(
        update={
            "lead_id": lead.lead_id or None,
            "location": lead.location or None,
            "linkedin_url": lead.linkedin_url or None,
            "provider": lead.provider or None,
        }
    )


def lists_summary(found: Sequence[ListRow], looked_at: int, query: str, *, more: bool) -> str:
    """Return a sentence with the lists that were found among those that were looked at."""
    matching = f" with {quoted(query)} in the name" if query else ""
    names = [f"{quoted(item.name)} ({rows_text(item.lead_count)})" for item in found[:NAMED_LISTS]]
    others = len(found) - len(names)
    named = f": {', '.join(names)}" + (f" and {others} more" if others else "") if names else ""
    rest = " There are more to look at." if more else ""
    return f"{len(found)} list{'' if len(found) == 1 else 's'}{matching}{named}; {looked_at} looked at.{rest}"


def lists_step(
    offers: Offers, found: Sequence[ListRow], cursor: str | None, query: str, limit: int
) -> str | None:
    """Return the next step after lists were shown; None if there is none to take."""
    if not offers.lists:
        return None  # a resource shows the lists then
    if cursor:
        same = f"query={_argument(query)}, " if query else ""
        return f'For more call find_lists({same}limit={limit}, cursor="…") with this cursor.'
    if not found and query:
        return "Call find_lists without query to see all names; the user may know the list by another one."
    if not found:
        return "Call create_list to make one." if offers.spending else None
    which = f'"{found[0].list_id}"' if len(found) == 1 else "…"
    return f"Call get_leads(list_id={which}) to see the people of a list."


def leads_summary(shown: RowsShown, wanted: Wanted) -> str:
    """Return a sentence about the list, with counts if all of it was seen, and one about the rows that are shown."""
    which = _ONLY_TEXT[wanted.only]
    if wanted.query:
        which += f"{' and' if which else ''} with {quoted(wanted.query)} in the name, title or company"
    looked = "" if wanted.everything else f", {shown.looked_at} looked at"
    rest = f" {shown.left} more to look at." if shown.left else ""
    rows = f"{rows_text(shown.shown)}{which} {'is' if shown.shown == 1 else 'are'} shown{looked}."
    return f"{_list_text(shown.name)} has {rows_text(shown.total)}{_counts_text(shown.counts)}. {rows}{rest}"


def _counts_text(counts: RowCounts | None) -> str:
    if counts is None or not counts.rows:
        return ""
    lack_email, lack_phone = counts.rows - counts.with_email, counts.rows - counts.with_phone
    return (
        f": {counts.with_email} with an e-mail address and {lack_email} without, {counts.with_phone} with a phone "
        f"number and {lack_phone} without"
    )


def leads_step(
    offers: Offers,
    list_id: str,
    wanted: Wanted,
    limit: int,
    total: int,
    cursor: str | None,
) -> str | None:
    """Return the next step after rows of a list were shown; None if there is none to take."""
    if not offers.lists:
        return None  # a resource shows the rows then
    if cursor:
        query = f", query={_argument(wanted.query)}" if wanted.query else ""
        more = ", details=true" if wanted.details else ""
        same = f'list_id="{list_id}", only="{wanted.only}"{query}, limit={limit}{more}, cursor="…"'
        step = f"For more call get_leads({same}) with this cursor"
        return step + ("; for the whole list call export_list." if offers.spending else ".")
    if not total:
        # Rows imported without enrichment may not be listed by the API (vendor's own SDK).
        return (
            "People who were added but not enriched yet may not show here; find_lists shows how many rows the list "
            "has."
        )
    return None


def _argument(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list_text(name: str) -> str:
    return quoted(name) if name else "The list"


def _the_list(name: str) -> str:
    return quoted(name) if name else "the list"


def _size_text(export: Export) -> str:
    parts = []
    if export.row_count is not None:
        parts.append(rows_text(export.row_count))
    if export.file_size_bytes is not None:
        parts.append(bytes_text(export.file_size_bytes))
    return f" of {', '.join(parts)}" if parts else ""


def bytes_text(size: int) -> str:
    """Return a size in bytes as text: `1 byte`, `740 bytes`, `1.2 KB`, `50 MB`."""
    if size < 1_000:
        return f"{size} byte" + ("" if size == 1 else "s")
    amount, unit = (size / 1_000, "KB") if size < 999_500 else (size / 1_000_000, "MB")
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
