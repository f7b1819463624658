"""A look at a list before it is quoted: the rows to quote, and the reasons to leave out the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cleanlist_mcp.answers.estimate import RowsSeen
from cleanlist_mcp.api.wire import LEADS_PAGE, Lead
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import InsufficientScope, InvalidArguments
from cleanlist_mcp.lists.directory import MAX_PAGES
from cleanlist_mcp.money.picking import ListedRow, Wishes, looked_for, pick, reason_against
from cleanlist_mcp.money.prices import Contact, Scope
from cleanlist_mcp.money.quotes import Part

IsExcluded = Callable[[Lead], bool]
"""Returns whether a row is about somebody who must not be contacted."""

NAMED_IDS = 5
"""Ids of rows that an error names."""


def nobody(lead: Lead) -> bool:
    """Exclude nobody."""
    return False


@dataclass(frozen=True)
class Page:
    """One page of a list under its handle, empty if the API gave none; `unpickable` rows have no id, or
    stand on an earlier page too."""

    task_id: str
    rows: Sequence[ListedRow]
    unpickable: int = 0


@dataclass
class Looked:
    """The pages of a list that were looked at. `is_all`: there are no others; `total`: rows, as the API counts them."""

    pages: list[Page] = field(default_factory=list)
    is_all: bool = False
    total: int = 0

    @property
    def rows(self) -> list[ListedRow]:
        """All rows that were looked at."""
        return [row for page in self.pages for row in page.rows]


@dataclass(frozen=True)
class Picked:
    """The rows that a quote is to be asked for: `part` None is the whole list, and `is_nothing` none at all.

    Without a handle (`has_handle`) rows cannot be named to the API.
    """

    seen: RowsSeen
    part: Part | None = None
    is_nothing: bool = False
    has_handle: bool = True


class Selection:
    """Looks at the rows of one list and picks those that a quote is for. Nothing here costs or changes anything."""

    def __init__(
        self, call: Call, list_id: str, scope: Scope, wishes: Wishes, is_excluded: IsExcluded = nobody
    ) -> None:
        self._call = call
        self._list_id = list_id
        self._scope: Scope = scope
        self._wishes = wishes
        self._is_excluded = is_excluded

    async def picked(self) -> Picked:
        """Return the rows to quote, after looking at as many pages as that takes, at most `MAX_PAGES`.

        Raises:
            InvalidArguments: if chosen rows are not in the list.
            InsufficientScope: if the key may not read the list, and rows of it are wanted.
            ApiError: if the API cannot be asked.
        """
        try:
            looked = await self._looked()
        except InsufficientScope:
            if self._wishes.are_explicit:
                raise
            return Picked(RowsSeen())
        if looked.rows:
            self._require_chosen(looked)
        if not looked.rows or self._is_whole(looked):
            return self._whole(looked)
        page, rows = self._first_page(looked)
        hidden = 0 if rows and self._wishes.are_explicit else await self._hidden(looked)
        out_of_sight = hidden or not _has_handle(page)
        if out_of_sight and not self._wishes.are_explicit and not self._excludes(looked):
            return self._whole(looked, hidden)
        seen = self._seen(looked, rows, hidden)
        if page is None or not rows or not _has_handle(page):
            return Picked(seen, is_nothing=True, has_handle=_has_handle(page))
        ids = tuple(row.lead_id for row in rows)
        return Picked(seen, Part(page.task_id, ids, len(ids) == len(page.rows) and not page.unpickable))

    def _whole(self, looked: Looked, hidden: int = 0) -> Picked:
        return Picked(replace(self._seen(looked, looked.rows, hidden), unlooked=0))

    async def _looked(self) -> Looked:
        tried = await self._call.services.journal.tried_in(self._list_id)
        looked = Looked()
        cursor = ""
        for _ in range(MAX_PAGES):
            page = await self._call.services.client.leads(self._list_id, limit=LEADS_PAGE, cursor=cursor)
            known = {row.lead_id for row in looked.rows}  # a row that moved stands on two pages
            fresh = {lead.lead_id: lead for lead in page.leads if lead.lead_id and lead.lead_id not in known}
            rows = [self._row(lead, looked_for(tried.get(lead_id, ()))) for lead_id, lead in fresh.items()]
            others = len({lead.lead_id for lead in page.leads if lead.lead_id} - fresh.keys())
            unpickable = others + sum(not lead.lead_id for lead in page.leads)
            looked.pages.append(Page(page.task_id, rows, unpickable))
            looked.total = max(looked.total, page.total)
            looked.is_all = not page.cursor
            cursor = page.cursor
            if looked.is_all or self._is_enough(looked):
                break
        return looked

    def _row(self, lead: Lead, tried: frozenset[Contact]) -> ListedRow:
        return listed(lead, tried, is_excluded=self._is_excluded(lead))

    def _is_enough(self, looked: Looked) -> bool:
        chosen = self._wishes.lead_ids
        if chosen is not None:
            return chosen <= {row.lead_id for row in looked.rows}
        if not self._may_be_whole(looked):
            return any(pick(page.rows, self._scope, self._wishes) for page in looked.pages)
        return self._wishes.only_missing is False and self._is_excluded is nobody

    def _may_be_whole(self, looked: Looked) -> bool:
        """Return whether no row that was looked at has to be left out of a quote for the whole list."""
        return not self._wishes.choose and all(
            reason_against(row, self._scope, self._wishes) is None for row in looked.rows
        )

    def _is_whole(self, looked: Looked) -> bool:
        takes_all = self._wishes.only_missing is False and self._is_excluded is nobody
        return self._may_be_whole(looked) and (looked.is_all or takes_all)

    def _excludes(self, looked: Looked) -> bool:
        return any(row.is_excluded for row in looked.rows)

    def _require_chosen(self, looked: Looked) -> None:
        strangers = (self._wishes.lead_ids or frozenset()) - {row.lead_id for row in looked.rows}
        if strangers and looked.is_all:
            named = ", ".join(sorted(strangers)[:NAMED_IDS])
            source = f'get_leads(list_id="{self._list_id}", details=true)'
            way = f"Take lead_ids from {source}." if self._call.offers.lists else "Leave them out."
            are = "is not a row" if len(strangers) == 1 else "are not rows"
            raise InvalidArguments(
                f"{len(strangers)} of the lead_ids {are} of this list, as far as the API shows it; nothing was quoted.",
                f"{way} Not in the list: {named}.",
            )

    async def _hidden(self, looked: Looked) -> int:
        """Return how many rows the list counts that the API does not show; 0 if that matters to nobody, or not all
        of the list was looked at."""
        if not looked.is_all or self._wishes.lead_ids is not None:
            return 0
        detail = await self._call.services.client.list_detail(self._list_id)
        shown = len(looked.rows) + sum(page.unpickable for page in looked.pages)
        return max(looked.total - shown, detail.lead_count - shown, 0)

    def _first_page(self, looked: Looked) -> tuple[Page | None, list[ListedRow]]:
        """Return the first page that holds rows to pick, and these."""
        for page in looked.pages:
            rows = pick(page.rows, self._scope, self._wishes)
            if rows:
                return page, rows
        return None, []

    def _seen(self, looked: Looked, picked: Sequence[ListedRow], hidden: int) -> RowsSeen:
        rows = looked.rows
        chosen = self._wishes.lead_ids
        asked_for = [row for row in rows if chosen is None or row.lead_id in chosen]
        wanted = [row for row in rows if reason_against(row, self._scope, self._wishes) is None]
        return RowsSeen(
            in_list=max(looked.total, len(rows) + hidden),
            shown=looked.total or (len(rows) if looked.is_all else 0),
            looked_at=len(rows),
            with_email=sum("email" in row.has for row in rows),
            with_phone=sum("phone" in row.has for row in rows),
            complete=sum(row.is_complete(self._scope) for row in asked_for),
            tried=sum(row.was_tried(self._scope) for row in asked_for),
            excluded=sum(row.is_excluded for row in rows),
            hidden=hidden,
            wanted_too=max(len(wanted) - len(picked), 0),
            unlooked=0 if looked.is_all else max(looked.total - len(rows), 0),
            picked_complete=sum(row.is_complete(self._scope) for row in picked),
            picked_tried=sum(row.was_tried(self._scope) for row in picked),
            picked_with_email=sum("email" in row.has for row in picked),
            picked_with_phone=sum("phone" in row.has for row in picked),
            takes_all=self._wishes.only_missing is False,
            names=tuple(row.name for row in (picked or rows) if row.name),
        )


def listed(lead: Lead, tried: frozenset[Contact] = frozenset(), *, is_excluded: bool = False) -> ListedRow:
    """Return a row of the API as the rules see it."""
    found: dict[Contact, str] = {"email": lead.email, "phone": lead.phone}
    has = frozenset(contact for contact, value in found.items() if value)
    return ListedRow(lead.lead_id, lead.name, has, tried, is_excluded)


def _has_handle(page: Page | None) -> bool:
    return page is None or bool(page.task_id)
