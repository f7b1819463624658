"""Showing lists and their rows, page by page, within what one answer may hold."""

import json
from collections.abc import Callable
from typing import Any

from cleanlist_mcp.answers.shapes import (
    FindListsResult,
    GetLeadsResult,
    LeadRow,
    ListRow,
    compact,
    rows_text,
)
from cleanlist_mcp.api.wire import LEADS_PAGE, LISTS_PAGE, Lead, LeadList
from cleanlist_mcp.lists.directory import MAX_PAGES
from cleanlist_mcp.lists.paging import Place
from cleanlist_mcp.services import Services
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


async def find_lists(services: Services, query: str, limit: int, cursor: str) -> FindListsResult:
    """Lists whose name contains `query`, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not of this tool.
        ApiError: if the API cannot be asked.
    """
    query = clean(query)
    collector = _Collector(f"lists {query.casefold()}", cursor, LISTS_PAGE if query else limit, limit)
    total = 0
    while collector.wants_more:
        page = await services.client.lists(limit=collector.place.limit, cursor=collector.place.cursor)
        total = page.total
        for item in page.lists:
            services.directory.learn(item)
        collector.take(
            page.lists, page.cursor, lambda item: query.casefold() in item.name.casefold(), _list_row
        )
    found = len(collector.rows)
    return FindListsResult(
        summary=_lists_summary(found, query, collector),
        next_step=_lists_step(services, found, collector.next_cursor, query, limit),
        lists=collector.rows,
        looked_at=collector.looked_at,
        total=total or None,
        cursor=collector.next_cursor,
    )


async def get_leads(
    services: Services, id_or_name: str, limit: int, cursor: str, only: str
) -> GetLeadsResult:
    """Rows of a list that `only` keeps, up to `limit`, from `cursor` on.

    Raises:
        InvalidArguments: if the cursor is not one for this list.
        AmbiguousList, NotFound: if `id_or_name` names no single list.
        ApiError: if the API cannot be asked.
    """
    list_id, name = await services.directory.resolve(id_or_name)
    page_size = limit if only == "all" else LEADS_PAGE
    room = ANSWER_BYTES - 2 * len(name.encode())
    collector = _Collector(f"leads {list_id} {only}", cursor, page_size, limit, room=room)
    total = 0
    while collector.wants_more:
        page = await services.client.leads(
            list_id, limit=collector.place.limit, cursor=collector.place.cursor
        )
        total = page.total
        collector.take(page.leads, page.cursor, _KEPT[only], _lead_row)
    total = max(total, collector.passed)
    return GetLeadsResult(
        summary=_leads_summary(total, only, collector),
        next_step=_leads_step(services, list_id, only, limit, total, collector.next_cursor),
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


def _list_row(item: LeadList) -> ListRow:
    return ListRow(
        list_id=item.list_id,
        name=item.name,
        lead_count=item.lead_count,
        created_at=item.created_at or None,
        visibility=item.visibility or None,
    )


def _lead_row(lead: Lead) -> LeadRow:
    return LeadRow(
        name=lead.name or None,
        title=lead.title or None,
        company=lead.company or None,
        email=lead.email or None,
        phone=lead.phone or None,
        linkedin_url=lead.linkedin_url or None,
    )


def _lists_summary(found: int, query: str, collector: _Collector) -> str:
    matching = f' with "{query}" in the name' if query else ""
    more = " There are more to look at." if collector.next_cursor else ""
    return f"{found} list{'' if found == 1 else 's'}{matching}; {collector.looked_at} looked at.{more}"


def _lists_step(services: Services, found: int, cursor: str | None, query: str, limit: int) -> str | None:
    if not services.settings.lists_on:
        return None  # a resource shows the lists then
    if cursor:
        same = f"query={_argument(query)}, " if query else ""
        return f'For more call find_lists({same}limit={limit}, cursor="…") with this cursor.'
    if not found and query:
        return "Call find_lists without query to see all names; the user may know the list by another one."
    if not found:
        return None if services.settings.read_only else "Call create_list to make one."
    return "Call estimate with a list_id for a quote, or get_leads to see its people."


def _argument(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _leads_summary(total: int, only: str, collector: _Collector) -> str:
    which = "" if only == "all" else f" {only.replace('_', ' ')}"
    looked = "" if only == "all" else f", {collector.looked_at} looked at"
    left = total - collector.passed
    rest = f" {left} more to look at." if left and collector.next_cursor else ""
    return f"{rows_text(len(collector.rows))}{which}{looked}; the list has {rows_text(total)}.{rest}"


def _leads_step(
    services: Services, list_id: str, only: str, limit: int, total: int, cursor: str | None
) -> str | None:
    if not services.settings.lists_on:
        return None  # as above
    if cursor:
        call = f'get_leads(list_id="{list_id}", only="{only}", limit={limit}, cursor="…")'
        more = f"For more call {call} with this cursor"
        return more + ("." if services.settings.read_only else "; for all of them call export_list.")
    if not total:
        # Rows imported without enrichment may not be listed by the API (vendor's own SDK).
        return (
            "People who were added but not enriched yet may not show; "
            f'estimate(list_id="{list_id}") tells how many rows can be enriched.'
        )
    return None
