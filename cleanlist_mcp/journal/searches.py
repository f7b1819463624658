"""Searches in the journal: what was asked for and which rows were shown, so that they can be put into a list later.

A row is kept by its id and a keyed digest of its name and company: enough to see if it is still the same one.
"""

import logging
from collections.abc import Awaitable, Callable

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.records_found import Search, ShownPage
from cleanlist_mcp.money.runs import Moment

log = logging.getLogger(__name__)


class SearchJournal:
    """Keeps the searches of one account for a day."""

    def __init__(self, store: Store, names: Callable[[], Awaitable[Names]]) -> None:
        self._store = store
        self._names = names

    async def keep(self, search: Search, page: ShownPage) -> bool:
        """Keep a page of a search, and the search itself with its first page; return whether that worked.

        Never raises: a search is free, and can be made again.
        """
        try:
            account = (await self._names()).account
            async with self._store.record() as writer:
                if not search.pages:
                    await writer.keep_search(account, search)
                await writer.keep_page(search.search_id, page)
        except JournalUnusable:
            log.warning("A search could not be remembered.")
            return False
        await self._store.forget_old()
        return True

    async def now(self) -> Moment:
        """Return the moment by the journal's clock."""
        return await self._store.now()

    async def find(self, search_id: str) -> Search | None:
        """Return a search of this account that was made in the last day; None if there is none.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        accounts = (await self._names()).accounts
        async with self._store.read() as reader:
            found = await reader.search(accounts, search_id)
            return found if found is not None and found.is_kept(reader.now) else None
