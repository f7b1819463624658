"""Taking rows out of a list, so that a wrong removal is seen and can be undone."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
import anyio.to_thread

from cleanlist_mcp.answers.list_shapes import RemoveLeadsResult
from cleanlist_mcp.answers.lists import Removal, removed_leads
from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.wire import LEADS_PAGE, MOST_REMOVED, Lead, RemoveLeadsRequest
from cleanlist_mcp.calls.added_people import of_shown
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.present import person_shown
from cleanlist_mcp.errors import ApiError, InvalidArguments, JournalUnusable
from cleanlist_mcp.lists.directory import MAX_PAGES


@dataclass(frozen=True)
class _Found:
    """Rows with the ids that were looked for, by id, and if the whole list was seen, each row with its id."""

    rows: dict[str, Lead]
    everywhere: bool


async def remove_leads(call: Call, id_or_name: str, lead_ids: Sequence[str]) -> RemoveLeadsResult:
    """Take the rows with these ids out of a list, and return which ones went.

    The rows are looked for first, in at most `MAX_PAGES` requests, and only ids that a row has are sent, unless the
    list is longer than that. If the answer is lost, the list is looked at once more: rows that are missing then have
    gone, and the rest is `unknown`. Removing is idempotent, so repeating the call does no harm; it is never repeated
    from here, because a second answer would count the rows of the first as none.

    Raises:
        InvalidArguments: if there are no ids, too many, or one that cannot be an id.
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API refuses; nothing is removed then.
    """
    wanted = _checked(lead_ids)
    list_id, name = await call.services.directory.resolve(id_or_name)
    found = await _look(call, list_id, wanted)
    to_send = [lead_id for lead_id in wanted if lead_id in found.rows or not found.everywhere]
    missing = [lead_id for lead_id in wanted if lead_id not in to_send]
    removal = Removal((), 0, missing)
    if to_send:
        removal = await _removed(call, list_id, to_send, found, missing)
    return removed_leads(removal, list_id, name, call.offers)


async def _removed(
    call: Call, list_id: str, to_send: Sequence[str], found: _Found, missing: Sequence[str]
) -> Removal:
    call.services.pages.forget(list_id)
    rows = [found.rows[lead_id] for lead_id in to_send if lead_id in found.rows]
    try:
        answer = await call.services.client.remove_leads(list_id, RemoveLeadsRequest(lead_ids=list(to_send)))
    except ApiError as error:
        if error.nothing_started:
            raise
        return await _after_lost_answer(call, list_id, to_send, found, missing)
    finally:
        call.services.pages.forget(list_id)
    await _note_gone(call, list_id, rows)
    return Removal(rows, answer.removed, missing)


async def _after_lost_answer(
    call: Call, list_id: str, to_send: Sequence[str], found: _Found, missing: Sequence[str]
) -> Removal:
    """Return what a second look at the list shows of a removal whose answer was lost."""
    try:
        left = (await _look(call, list_id, to_send)).rows
    except ApiError:
        return Removal((), 0, missing, unknown=len(to_send))
    # Rows move up if others go, so that those that are left are in the pages in which they were before.
    gone = [row for lead_id, row in found.rows.items() if lead_id not in left]
    await _note_gone(call, list_id, gone)
    return Removal(gone, len(gone), missing, unknown=len(to_send) - len(gone))


async def _note_gone(call: Call, list_id: str, rows: Sequence[Lead]) -> None:
    """Let `add_leads` add these people again. If the journal cannot be read, they still count as added from here."""
    people = list(map(person_shown, rows))
    with suppress(JournalUnusable):
        digest = await call.services.journal.digester()
        # In a thread: of a hundred people there are thousands of digests.
        digests = await anyio.to_thread.run_sync(of_shown, digest, list_id, people)
        await call.services.journal.imports.taken_out(list_id, digests)


async def _look(call: Call, list_id: str, lead_ids: Collection[str]) -> _Found:
    """Look for the rows with these ids, page by page, until all are found."""
    rows: dict[str, Lead] = {}
    cursor, all_have_ids = "", True
    for _ in range(MAX_PAGES):
        page = await call.services.client.leads(list_id, limit=LEADS_PAGE, cursor=cursor)
        rows |= {lead.lead_id: lead for lead in page.leads if lead.lead_id in lead_ids}
        all_have_ids = all_have_ids and all(lead.lead_id for lead in page.leads)
        cursor = page.cursor
        if not cursor or len(rows) == len(lead_ids):
            break
    return _Found({one: rows[one] for one in lead_ids if one in rows}, everywhere=not cursor and all_have_ids)


def _checked(lead_ids: Sequence[str]) -> list[str]:
    """Return the ids, each once.

    Raises:
        InvalidArguments: if they cannot be sent.
    """
    again = "Take them from get_leads with details=true, then call remove_leads again."
    ids = list(dict.fromkeys(lead_id.strip() for lead_id in lead_ids))
    if not ids:
        raise InvalidArguments("lead_ids is empty.", again)
    if len(ids) > MOST_REMOVED:
        raise InvalidArguments(
            f"lead_ids holds more than {MOST_REMOVED} ids.", "Remove them in several calls."
        )
    wrong = [number for number, lead_id in enumerate(lead_ids, 1) if not is_id(lead_id.strip())]
    if wrong:
        fields = [{"field": f"lead_ids, item {number}", "problem": "is not an id"} for number in wrong[:20]]
        raise InvalidArguments("lead_ids holds what cannot be the id of a row.", again, field_errors=fields)
    return ids
