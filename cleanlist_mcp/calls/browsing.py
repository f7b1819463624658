"""Showing lists and their rows, page by page, within what one answer may hold."""

from collections.abc import Callable
from typing import Any

from cleanlist_mcp.answers.lists import (
    lead_row,
    leads_step,
    leads_summary,
    list_row,
    lists_step,
    lists_summary,
)
from cleanlist_mcp.answers.shapes import (
    FindListsResult,
    GetLeadsResult,
    compact,
)
from cleanlist_mcp.api.wire import LEADS_PAGE, LISTS_PAGE, Lead
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.lists.directory import MAX_PAGES
from cleanlist_mcp.lists.paging import Place
from cleanlist_mcp.text import clean

ANSWER_BYTES = 31_000
"""Room for rows and cursor in one answer: under 8,000 tokens of four bytes, with the rest of it."""

_KEPT: dict[str, Callable[[Lead], bool]] = {
    "all": lambda lead: True,
    "with_email": lambda lead: bool(lead.email),
    "with_phone": lambda lead: bool(lead.phone),
    "missing_email": lambda lead: not lead.email,
    "missing_phone": lambda lead: not lead.phone,
}


async def find_lists(call: Call, query: str, limit: int, cursor: str) -> FindListsResult:
    """Lists whose name contains `query`, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not of this tool.
        ApiError: if the API cannot be asked.
    """
    query = clean(query)
    collector = _Collector(f"lists {query.casefold()}", cursor, LISTS_PAGE if query else limit, limit)
    total = 0
    while collector.wants_more:
        page = await call.services.client.lists(limit=collector.place.limit, cursor=collector.place.cursor)
        total = page.total
        for item in page.lists:
            call.services.directory.learn(item)
        collector.take(
            page.lists, page.cursor, lambda item: query.casefold() in item.name.casefold(), list_row
        )
    found = len(collector.rows)
    return FindListsResult(
        summary=lists_summary(found, collector.looked_at, query, more=collector.next_cursor is not None),
        next_step=lists_step(call.offers, found, collector.next_cursor, query, limit),
        lists=collector.rows,
        looked_at=collector.looked_at,
        total=total or None,
        cursor=collector.next_cursor,
    )


async def get_leads(call: Call, id_or_name: str, limit: int, cursor: str, only: str) -> GetLeadsResult:
    """Rows of a list that `only` keeps, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not one for this list.
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API cannot be asked.
    """
    list_id, name = await call.services.directory.resolve(id_or_name)
    page_size = limit if only == "all" else LEADS_PAGE
    room = ANSWER_BYTES - 2 * len(name.encode())
    collector = _Collector(f"leads {list_id} {only}", cursor, page_size, limit, room=room)
    total = 0
    while collector.wants_more:
        page = await call.services.client.leads(
            list_id, limit=collector.place.limit, cursor=collector.place.cursor
        )
        total = page.total
        collector.take(page.leads, page.cursor, _KEPT[only], lead_row)
    total = max(total, collector.passed)
    left = total - collector.passed if collector.next_cursor else 0
    return GetLeadsResult(
        summary=leads_summary(len(collector.rows), collector.looked_at, total, left, only),
        next_step=leads_step(call.offers, list_id, only, limit, total, collector.next_cursor),
        list_id=list_id,
        list_name=name or None,
        total=total,
        looked_at=collector.looked_at,
        leads=collector.rows,
        cursor=collector.next_cursor,
    )


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
        self.next_cursor = Place(cursor, self.place.limit, shown, self.passed).encoded(self._topic)


def _size(row: Any) -> int:
    """Bytes of a row in the answer, its comma included."""
    return len(compact(row.model_dump(exclude_none=True)).encode()) + 1
