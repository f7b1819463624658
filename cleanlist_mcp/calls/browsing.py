"""Showing lists and their rows, page by page, within what one answer may hold."""

from collections.abc import Callable, Collection
from typing import Any

from cleanlist_mcp.answers.list_shapes import FindListsResult, GetLeadsResult, LeadRow
from cleanlist_mcp.answers.lists import (
    RowsShown,
    lead_row,
    leads_step,
    leads_summary,
    list_row,
    lists_step,
    lists_summary,
)
from cleanlist_mcp.answers.shapes import compact
from cleanlist_mcp.api.wire import LEADS_PAGE, LISTS_PAGE, Lead, LeadsPage
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import excluded_rows
from cleanlist_mcp.lists.directory import MAX_PAGES
from cleanlist_mcp.lists.filtering import RowCounts, Wanted, plain
from cleanlist_mcp.lists.paging import Place
from cleanlist_mcp.money.prices import LOOKS_FOR, Contact, Scope
from cleanlist_mcp.text import clean

ANSWER_BYTES = 31_000
"""Room for rows and cursor in one answer: under 8,000 tokens of four bytes, with the rest of it."""

_REST_BYTES = 600
"""Room for the query in the summary and in the next step, and for the counts."""


async def find_lists(call: Call, query: str, limit: int, cursor: str) -> FindListsResult:
    """Return the lists whose name contains `query`, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not of this tool.
        ApiError: if the API cannot be asked.
    """
    query = clean(query)
    collector = _Collector(f"lists {query.casefold()}", cursor, LISTS_PAGE if query else limit, limit)
    total, wanted = 0, plain(query)
    while collector.wants_more:
        page = await call.services.client.lists(limit=collector.place.limit, cursor=collector.place.cursor)
        total = page.total
        for item in page.lists:
            call.services.directory.learn(item)
        collector.take(page.lists, page.cursor, lambda item: wanted in plain(item.name), list_row)
    return FindListsResult(
        summary=lists_summary(
            collector.rows, collector.looked_at, query, more=collector.next_cursor is not None
        ),
        next_step=lists_step(call.offers, collector.rows, collector.next_cursor, query, limit),
        lists=collector.rows,
        looked_at=collector.looked_at,
        total=total or None,
        cursor=collector.next_cursor,
    )


async def get_leads(call: Call, id_or_name: str, limit: int, cursor: str, wanted: Wanted) -> GetLeadsResult:
    """Return the rows of a list that are `wanted`, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not one for this list and these wishes.
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API cannot be asked.
    """
    list_id, name = await call.services.directory.resolve(id_or_name)
    reader = _RowReader(call, list_id)
    room = ANSWER_BYTES - 2 * len(name.encode()) - 3 * len(wanted.query.encode()) - _REST_BYTES
    topic = f"leads {list_id} {wanted.only} {plain(wanted.query)}".rstrip()
    collector = _Collector(topic, cursor, LEADS_PAGE, limit, room=room)
    is_excluded = await excluded_rows(call, list_id)
    tried = await call.services.journal.tried_in(list_id)

    def row_of(lead: Lead) -> LeadRow:
        row = lead_row(lead, details=wanted.details, excluded=is_excluded(lead))
        missed = _missed(lead, tried.get(lead.lead_id, frozenset()))
        return row.model_copy(update={"tried": missed}) if missed else row

    while collector.wants_more:
        page = await reader.read(collector.place)
        collector.take(page.leads, page.cursor, wanted.keeps, row_of)
    if collector.stopped_inside:
        reader.keep_last()
    total = max(reader.total, collector.passed)
    shown = RowsShown(
        name=name,
        shown=len(collector.rows),
        looked_at=collector.looked_at,
        total=total,
        left=total - collector.passed if collector.next_cursor else 0,
        counts=reader.counts_of_all,
    )
    return GetLeadsResult(
        summary=leads_summary(shown, wanted),
        next_step=leads_step(call.offers, list_id, wanted, limit, total, collector.next_cursor),
        list_id=list_id,
        list_name=name or None,
        total=total,
        looked_at=collector.looked_at,
        leads=collector.rows,
        cursor=collector.next_cursor,
    )


def _missed(lead: Lead, scopes: Collection[Scope]) -> list[Contact]:
    """Return the contacts that runs from here looked for in a row in vain, and that it still lacks."""
    looked_for = {contact for scope in scopes for contact in LOOKS_FOR[scope]}
    has = {"email": bool(lead.email), "phone": bool(lead.phone)}
    return sorted(contact for contact in looked_for if not has[contact])


class _RowReader:
    """Reads pages of one list's rows for one answer, and counts what stands in them."""

    def __init__(self, call: Call, list_id: str) -> None:
        self.total = 0
        self._services = call.services
        self._list_id = list_id
        self._counts = RowCounts()
        self._began = False
        self._ended = False
        self._last: tuple[tuple[str, str, int], LeadsPage] | None = None

    @property
    def counts_of_all(self) -> RowCounts | None:
        """The counts of the whole list, if it was seen from its first page to its last."""
        return self._counts if self._began and self._ended else None

    async def read(self, place: Place) -> LeadsPage:
        """Return the page at a place; one in which an answer stopped a moment ago is not asked for again."""
        key = (self._list_id, place.cursor, place.limit)
        page = self._services.pages.find(key) if place.shown else None
        if page is None:
            page = await self._services.client.leads(self._list_id, limit=place.limit, cursor=place.cursor)
        self.total = page.total
        self._counts.add(page.leads)
        self._began = self._began or not place.cursor
        self._ended = not page.cursor
        self._last = key, page
        return page

    def keep_last(self) -> None:
        """Keep the page in the middle of which the answer stopped: the next one may go on there."""
        if self._last is not None:
            self._services.pages.keep(*self._last)


class _Collector:
    """Gathers rows over pages until there are enough, and knows where the next answer begins."""

    def __init__(
        self, topic: str, cursor: str, page_size: int, limit: int, *, room: int = ANSWER_BYTES
    ) -> None:
        place = Place.decoded(cursor, topic)
        # A cursor's own page size: the rows it counts as shown are counted in such pages.
        self.place = place if place.limit else Place(limit=page_size)
        self.rows: list[Any] = []
        self.looked_at = 0
        self.next_cursor: str | None = None
        self.stopped_inside = False
        self._before = self.place.passed
        self._topic = topic
        self._limit = limit
        self._room = room
        self._pages = 0
        self._ended = False

    @property
    def wants_more(self) -> bool:
        return self.next_cursor is None and not self._ended

    @property
    def passed(self) -> int:
        """Items of the whole collection up to where this answer ends."""
        return self._before + self.looked_at

    def take(
        self, items: list[Any], next_page: str, keep: Callable[[Any], bool], row_of: Callable[[Any], Any]
    ) -> None:
        """Take what is wanted of one page."""
        self._pages += 1
        room_here = self._room - 4 * max(len(self.place.cursor), len(next_page)) // 3
        for index, item in enumerate(items[self.place.shown :], self.place.shown):
            if keep(item):
                row = row_of(item)
                size = _size(row)
                if len(self.rows) == self._limit or (self.rows and size > room_here):
                    self._stop(self.place.cursor, index)
                    return
                room_here -= size
                self._room -= size
                self.rows.append(row)
            self.looked_at += 1
        if not next_page:
            self._ended = True
        elif self._pages == MAX_PAGES or len(self.rows) == self._limit:
            self._stop(next_page, 0)
        else:
            self.place = Place(next_page, self.place.limit)

    def _stop(self, cursor: str, shown: int) -> None:
        self.stopped_inside = shown > 0
        self.next_cursor = Place(cursor, self.place.limit, shown, self.passed).encoded(self._topic)


def _size(row: Any) -> int:
    """Bytes of a row in the answer, its comma included."""
    return len(compact(row.model_dump(exclude_none=True)).encode()) + 1
