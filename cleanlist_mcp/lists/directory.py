"""Lead lists by id or exact name; the API can only page through them."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import anyio

from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.wire import LISTS_PAGE, LeadList
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import AmbiguousList, ApiRefusal, InsufficientScope, InvalidArguments, NotFound
from cleanlist_mcp.text import clean, quoted

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient

MAX_PAGES = 10
"""Pages of lists or of rows that one call looks at."""

REMEMBERED_PAGES = 2
"""Pages of lists that completions offer: they must not use up the requests that the tools need."""

MEMORY_SECONDS = 120.0
"""Seconds for which the name of an id counts without a request, and for which completions offer the same lists."""

LOOK_SECONDS = 300.0
"""Seconds for which a look at all lists shows that a name has no second list: others make and rename lists too, and
money may be spent on the list that a name means."""

NAMED = 20
"""Lists of one name that an error names."""


@dataclass(frozen=True)
class Looked:
    """The lists of one look, and whether these are all."""

    lists: tuple[LeadList, ...]
    complete: bool


_FIND_HINT = {True: "Call find_lists to see the names.", False: "Ask the user for the list's exact name."}


class ListDirectory:
    """Finds the list that a user means.

    Requests for one `resolve`, if there are up to 1,000 lists. Of more, the first 1,000 are looked at, and a name
    further on is found only if `find_lists` or the like has shown it lately:

    | the list was given by | requests |
    |---|---|
    | an id that was seen in the last `MEMORY_SECONDS` | none |
    | an id that was seen before | 1: the list itself |
    | an id that was never seen | 1, or 2 if there are more than `LISTS_PAGE` lists |
    | a name that was seen, all lists were looked at in the last `LOOK_SECONDS` | 1: the list itself |
    | any other name | a look: 1 for each `LISTS_PAGE` lists, and 1 more if the name could be an id |

    A name that belongs to two lists costs a look each time, since both have to be shown as they are now. Without a
    second look, only a namesake that was made in the last `LOOK_SECONDS` can be missed; whatever spends shows the
    list and its rows first.
    """

    def __init__(self, client: "CleanlistClient", clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._offered: tuple[LeadList, ...] = ()
        self._offered_at: float | None = None
        self._names: dict[str, tuple[str, float]] = {}
        self._all_looked_at: float | None = None
        self._remembering = anyio.Lock()

    async def resolve(self, id_or_name: str, *, lists_on: bool = True) -> tuple[str, str]:
        """Return the id and name of the list that `id_or_name` means; the name is empty if it cannot be known.

        An id comes before a name. `lists_on` is false if the caller has no tool that finds lists.

        Raises:
            InvalidArguments: if it is blank.
            AmbiguousList: if several lists have that name.
            NotFound: if no list has that id or name.
            ApiError: if the API cannot be asked.
        """
        wanted = clean(id_or_name)
        if not wanted:
            raise InvalidArguments(
                "list_id is blank.", f"Give a list's id or its exact name. {_FIND_HINT[lists_on]}"
            )
        try:
            return await self._found(wanted, _FIND_HINT[lists_on])
        except InsufficientScope:
            # A key without lists:read can still use ids.
            if not is_id(wanted):
                raise
            return wanted, ""

    async def remembered(self) -> tuple[LeadList, ...]:
        """Return the first `REMEMBERED_PAGES` of lists as they were up to `MEMORY_SECONDS` ago; none while they
        cannot be had.

        One look at a time: a client asks for this with each key that somebody presses.
        """
        async with self._remembering:
            if not self._is_recent(self._offered_at, MEMORY_SECONDS):
                self._offered, self._offered_at = (), self._clock.monotonic()
                self._offered = (await self._look("", REMEMBERED_PAGES)).lists
            return self._offered

    def learn(self, found: LeadList) -> None:
        """Remember a list that was just found."""
        self._names[found.list_id] = (found.name, self._clock.monotonic())

    def learn_new(self, made: LeadList) -> None:
        """Remember a list that was just made: it is in none of the pages that were looked at before."""
        self.learn(made)
        self._offered_at = None

    async def _found(self, wanted: str, hint: str) -> tuple[str, str]:
        name = self._name_of(wanted)
        if name is not None:
            return wanted, name
        return await self._confirmed(wanted) or await self._looked_up(wanted, hint)

    async def _confirmed(self, wanted: str) -> tuple[str, str] | None:
        """Return the list that was seen under that id or name, if one request shows that it still has it."""
        list_id = wanted if wanted in self._names else self._only_one_named(wanted)
        if list_id is None or not await self._is_id(list_id):
            return None
        name = self._names[list_id][0]
        return (list_id, name) if list_id == wanted or name.casefold() == wanted.casefold() else None

    def _only_one_named(self, wanted: str) -> str | None:
        """Return the id of the list with that name, if a recent look at all lists has shown no other with it."""
        if not self._is_recent(self._all_looked_at, LOOK_SECONDS):
            return None
        folded = wanted.casefold()
        ids = [list_id for list_id, (name, _) in self._names.items() if name.casefold() == folded]
        return ids[0] if len(ids) == 1 else None

    async def _looked_up(self, wanted: str, hint: str) -> tuple[str, str]:
        known = await self._look(wanted)
        name = self._name_of(wanted)
        if name is not None:
            return wanted, name
        same_name = _named(known.lists, wanted)
        if len(same_name) > 1:
            raise self._ambiguous(same_name)
        if same_name:
            return same_name[0].list_id, same_name[0].name
        # With more lists it was asked already.
        if len(known.lists) <= LISTS_PAGE and await self._is_id(wanted):
            return wanted, self._names[wanted][0]
        further = None if known.complete else await self._confirmed(wanted)
        if further is not None:
            return further
        raise self._not_found(wanted, known, hint)

    def _name_of(self, list_id: str) -> str | None:
        name, seen_at = self._names.get(list_id, ("", None))
        return name if self._is_recent(seen_at, MEMORY_SECONDS) else None

    def _is_recent(self, moment: float | None, seconds: float) -> bool:
        return moment is not None and self._clock.monotonic() - moment <= seconds

    async def _look(self, wanted: str, pages: int = MAX_PAGES) -> Looked:
        """Page through the lists; no further once it is clear that `wanted` is an id."""
        began = self._clock.monotonic()
        lists: dict[str, LeadList] = {}  # by id: one that is made meanwhile moves others to the next page
        cursor = ""
        for number in range(pages):
            page = await self._client.lists(limit=LISTS_PAGE, cursor=cursor)
            for item in page.lists:
                lists[item.list_id] = item
                self.learn(item)
            cursor = page.cursor
            if not cursor:
                break
            # Asking for the list itself spares up to nine pages.
            if self._name_of(wanted) is not None or (wanted and number == 0 and await self._is_id(wanted)):
                return Looked(tuple(lists.values()), complete=False)
        if not cursor or pages == MAX_PAGES:
            self._all_looked_at = began
            # Of more lists than are looked at, others may have been seen by other means a moment ago.
            self._forget_all_but(lists, began if not cursor else began - LOOK_SECONDS)
        return Looked(tuple(lists.values()), complete=not cursor)

    def _forget_all_but(self, lists: Container[str], moment: float) -> None:
        """Forget other lists that were last seen at `moment` or before: lists are deleted and renamed elsewhere."""
        self._names = {
            list_id: seen for list_id, seen in self._names.items() if list_id in lists or seen[1] > moment
        }

    async def _is_id(self, wanted: str) -> bool:
        """Ask the API for a list of that id: not every list needs to be listed."""
        if not is_id(wanted):
            return False
        try:
            self.learn(await self._client.list_detail(wanted))
        except NotFound:
            self._names.pop(wanted, None)
            return False
        except ApiRefusal as error:
            # An API whose ids have a form of their own refuses a name as malformed.
            if error.code != "validation_error" and error.status not in (400, 422):
                raise
            self._names.pop(wanted, None)
            return False
        return wanted in self._names

    def _ambiguous(self, lists: list[LeadList]) -> AmbiguousList:
        return AmbiguousList(
            f"{len(lists)} lists have that name.",
            "Ask the user which one is meant, then call again with its id as list_id.",
            figures={
                "list_ids": [item.list_id for item in lists[:NAMED]],
                "lead_counts": [item.lead_count for item in lists[:NAMED]],
                "created": [item.created_at for item in lists[:NAMED]],
            },
        )

    def _not_found(self, wanted: str, known: Looked, find_hint: str) -> NotFound:
        names = {item.name.casefold(): item.name for item in known.lists}
        close = get_close_matches(wanted.casefold(), names, n=3, cutoff=0.5)
        near = [quoted(names[name]) for name in close]
        where = "No list" if known.complete else f"None of the first {len(known.lists)} lists"
        hint = f"Names close to it: {', '.join(near)}. " if near else ""
        return NotFound(f"{where} has that id or exact name.", f"{hint}{find_hint}")


def _named(lists: Iterable[LeadList], wanted: str) -> list[LeadList]:
    folded = wanted.casefold()
    return [item for item in lists if item.name.casefold() == folded]
