"""Putting rows of a search, or leads of another list, into a list: free, and harmless to repeat.

A list takes each lead once. So a request whose answer was lost is sent once more under its idempotency key, and a call
that is made again skips whoever is in the list by then.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from cleanlist_mcp.answers.list_shapes import AddLeadsAnswer
from cleanlist_mcp.answers.search import Added, added_to_list
from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.prospects import (
    MOST_ENTITIES,
    MOST_LEADS,
    AddedToList,
    AddToListRequest,
)
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import require_same_file_since
from cleanlist_mcp.calls.search import fingerprint, request_of
from cleanlist_mcp.errors import ApiError, ApiUnavailable, CleanlistError, InvalidArguments, NotFound
from cleanlist_mcp.journal.records_found import Search, ShownPage

REQUEST_ROOM = 5.0
"""Least seconds that a call must have left to send another request."""

NAMED_IDS = 10
"""Ids that an error names."""


@dataclass(frozen=True)
class _Choice:
    """Rows of one page that are to be put into the list."""

    page: ShownPage
    entity_ids: tuple[str, ...]


@dataclass
class _Tally:
    """The fate of the rows so far."""

    added: int = 0
    skipped: int = 0
    unknown: int = 0

    @property
    def counted(self) -> int:
        return self.added + self.skipped + self.unknown


async def add_found(call: Call, id_or_name: str, search_id: str, entity_ids: Sequence[str]) -> AddLeadsAnswer:
    """Put rows of a search for people into a list: those with these ids, or without ids all that were shown so far.

    Raises:
        InvalidArguments: if the search is one for companies, which are no leads.
        NotFound: if the search or an id is not known, or its rows have changed since; then nothing is added.
        AmbiguousList: if several lists have that name.
        ApiError: if nothing was added, and nothing is in doubt.
    """
    search = await _known_search(call, search_id.strip())
    await require_same_file_since(call, search.made.time)
    chosen = _all_shown(search) if not entity_ids else _picked(search, entity_ids)
    list_id, name = await call.services.directory.resolve(id_or_name)
    placing = _Placing(call, list_id, search, may_search_again=bool(entity_ids))
    done = await placing.run(chosen)
    totals = [page.total for page in search.pages if page.total is not None]
    total = totals[-1] if totals and not entity_ids else None
    return added_to_list(list_id, name, replace(done, total=total))


async def add_known(call: Call, id_or_name: str, lead_ids: Sequence[str]) -> AddLeadsAnswer:
    """Put leads that exist already into a list, which also undoes a removal.

    Raises:
        InvalidArguments: if there are too many ids, or one cannot be an id.
        AmbiguousList, NotFound: if `id_or_name` names no single list, or the API does not know one of the leads.
        ApiError: if nothing was added, and nothing is in doubt.
    """
    wanted = _ids("lead_ids", lead_ids)
    if len(wanted) > MOST_LEADS:
        raise InvalidArguments(
            f"{len(wanted)} lead_ids are more than one call takes.",
            f"Give at most {MOST_LEADS:,} in a call, and the others in another.",
        )
    list_id, name = await call.services.directory.resolve(id_or_name)
    tally = _Tally()
    await _send(call, list_id, AddToListRequest(lead_ids=wanted, idempotency_key=_key(list_id)), tally)
    return added_to_list(list_id, name, Added(len(wanted), tally.added, tally.skipped, tally.unknown))


async def _known_search(call: Call, search_id: str) -> Search:
    search = await call.services.journal.searches.find(search_id) if is_id(search_id) else None
    if search is None:
        raise _changed("This search was not made from here with this API key in the last 24 hours.")
    if search.kind != "people":
        raise InvalidArguments(
            "This search found companies, and companies cannot be put into a lead list. Nothing was added.",
            "Search for the people who work there, and give that search_id.",
        )
    return search


def _changed(message: str, entity_ids: Sequence[str] = ()) -> NotFound:
    """Return the error about rows that cannot be found again."""
    return NotFound(
        message,
        "Search again with the same filters, and give the new search_id.",
        figures={"entity_ids": list(entity_ids[:NAMED_IDS])} if entity_ids else {},
    )


def _ids(argument: str, given: Sequence[str]) -> list[str]:
    ids = list(dict.fromkeys(one.strip() for one in given))
    wrong = sum(not is_id(one) for one in ids)
    if wrong or not ids:
        raise InvalidArguments(
            f"{argument} holds what cannot be an id. Nothing was added."
            if wrong
            else f"{argument} is empty.",
            "Take the ids from an earlier answer, as they are.",
            field_errors=[{"field": argument, "problem": "holds what is not an id"}],
        )
    return ids


def _all_shown(search: Search) -> list[_Choice]:
    return _picked(search, [entity_id for page in search.pages for entity_id, _ in page.rows])


def _picked(search: Search, entity_ids: Sequence[str]) -> list[_Choice]:
    """Return the pages on which these rows were shown, oldest first; of a page that was shown twice the newer one."""
    page_of = {entity_id: place for place, page in enumerate(search.pages) for entity_id, _ in page.rows}
    wanted = _ids("entity_ids", entity_ids)
    unknown = [one for one in wanted if one not in page_of]
    if unknown:
        raise _changed("The search did not show rows with these ids.", unknown)
    return [
        _Choice(page, tuple(one for one in wanted if page_of[one] == place))
        for place, page in enumerate(search.pages)
        if place in {page_of[one] for one in wanted}
    ]


class _Placing:
    """One call that puts rows of a search into a list, page by page."""

    def __init__(self, call: Call, list_id: str, search: Search, *, may_search_again: bool) -> None:
        self._call = call
        self._list_id = list_id
        self._search = search
        self._may_search_again = may_search_again
        self._tally = _Tally()

    async def run(self, chosen: Sequence[_Choice]) -> Added:
        """Add the rows, and return what became of each.

        Raises:
            CleanlistError: if none was added, and none is in doubt.
        """
        waiting = list(chosen)
        problem = ""
        try:
            while waiting:
                waiting = await self._step(waiting)
        except CleanlistError as exc:
            if not self._tally.counted:
                raise exc.replaced(message=f"{exc.message} Nothing was added.") from exc
            problem = exc.message
        wanted = sum(len(one.entity_ids) for one in chosen)
        tally = self._tally
        return Added(
            wanted, tally.added, tally.skipped, tally.unknown, max(wanted - tally.counted, 0), problem=problem
        )

    async def _step(self, waiting: list[_Choice]) -> list[_Choice]:
        """Add the rows of the first page, and return the pages that are left; or search for all of them again."""
        if await self._placed(waiting[0]):
            return waiting[1:]
        if not self._may_search_again:
            raise _changed("Cleanlist does not keep the rows of this search any more.")
        self._may_search_again = False
        return [await self._found_again(one) for one in waiting]

    async def _placed(self, choice: _Choice) -> bool:
        """Add the rows of a page; return False if its handle is not good any more."""
        if not choice.page.task_id:
            return False
        try:
            for ids in _portions(choice.entity_ids):
                await self._put(choice.page.task_id, ids)
        except ApiError as exc:
            if not _is_expired(exc, choice.page.task_id):
                raise
            return False
        return True

    async def _put(self, task_id: str, ids: Sequence[str]) -> None:
        if self._call.deadline.left() < REQUEST_ROOM:
            raise ApiUnavailable("The time of this call was over.", "Call again.", fate="not_sent")
        request = AddToListRequest(task_id=task_id, entity_ids=list(ids), idempotency_key=_key(self._list_id))
        await _send(self._call, self._list_id, request, self._tally)

    async def _found_again(self, choice: _Choice) -> _Choice:
        """Return the rows under a new handle, if each is still of the same person.

        Raises:
            NotFound: if one is not.
        """
        services = self._call.services
        page = choice.page
        fresh = await services.client.search_people(request_of(self._search, page.cursor, page.limit))
        digest = await services.journal.digester()
        keys = (digest, *digest.older)
        now = {(row.entity_id, fingerprint(key, row)) for row in fresh.results for key in keys}
        before = dict(page.rows)
        changed = [one for one in choice.entity_ids if (one, before[one]) not in now]
        if changed or not fresh.task_id:
            raise _changed("The search returns other rows now.", changed)
        same = tuple(row for row in page.rows if row in now)
        renewed = replace(page, task_id=fresh.task_id, rows=same)
        await services.journal.searches.keep(self._search, renewed)
        return _Choice(renewed, choice.entity_ids)


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), MOST_ENTITIES):
        yield ids[start : start + MOST_ENTITIES]


def _is_expired(error: ApiError, task_id: str) -> bool:
    """Return whether a refusal is about the handle. No code is documented, so one that names the handle counts."""
    fields = " ".join(item["field"] for item in error.field_errors or [])
    named = task_id in error.message or "task" in f"{error.message} {fields}".casefold()
    return error.nothing_started and error.status in (400, 404, 410) and named


def _key(list_id: str) -> str:
    """Return an idempotency key that no other request has.

    Keys are the organization's, so it names the list; and one of an earlier call would bring back its answer, although
    rows were removed since.
    """
    return f"add-{hashlib.sha256(list_id.encode()).hexdigest()[:16]}-{uuid4().hex}"


async def _send(call: Call, list_id: str, request: AddToListRequest, tally: _Tally) -> None:
    """Send a request, once more under the same key if its answer is lost, and count what became of its rows.

    Raises:
        ApiError: if it was refused.
    """
    rows = len(request.entity_ids or request.lead_ids or ())
    answer: AddedToList | None
    try:
        answer = await _asked(call, list_id, request)
    except ApiError as exc:
        if exc.nothing_started:
            raise
        answer = await _asked_again(call, list_id, request)
    if answer is None:
        tally.unknown += rows
        return
    tally.added += min(answer.added, rows)
    tally.skipped += min(answer.skipped_duplicates, rows - min(answer.added, rows))


async def _asked(call: Call, list_id: str, request: AddToListRequest) -> AddedToList:
    return await call.services.client.add_to_list(list_id, request)


async def _asked_again(call: Call, list_id: str, request: AddToListRequest) -> AddedToList | None:
    """Return the answer to the second sending; None without one, and for a refusal: that proves nothing by then."""
    if call.deadline.left() < REQUEST_ROOM:
        return None
    try:
        return await _asked(call, list_id, request)
    except ApiError:
        return None
