"""The last pages of rows, kept for answers that go on in the middle of one."""

from cleanlist_mcp.api.wire import LeadsPage
from cleanlist_mcp.clock import Clock

KEPT_PAGES = 8
"""Pages that are kept: about as many conversations may page through lists at a time. A page is some 200 KB."""

KEPT_SECONDS = 60.0
"""Seconds for which a page is kept: rows change, and an answer must not show them much older than they are."""

Key = tuple[str, str, int]
"""The list's id, the API's own cursor, and the page size."""


class RecentPages:
    """Pages of rows of this process, the oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: dict[Key, tuple[LeadsPage, float]] = {}

    def keep(self, key: Key, page: LeadsPage) -> None:
        """Keep a page of which the next answer may need the rest; one that was kept before stays as old as it is."""
        if self.find(key) is not page:
            self._pages.pop(key, None)
            self._pages[key] = page, self._clock.monotonic()
        while len(self._pages) > KEPT_PAGES:
            del self._pages[next(iter(self._pages))]

    def find(self, key: Key) -> LeadsPage | None:
        """Return a page that is kept, unless it is too old."""
        page, kept_at = self._pages.get(key, (None, 0.0))
        if page is None or self._clock.monotonic() - kept_at > KEPT_SECONDS:
            self._pages.pop(key, None)
            return None
        return page

    def forget(self, list_id: str) -> None:
        """Forget the pages of a list whose rows have just changed."""
        self._pages = {key: kept for key, kept in self._pages.items() if key[0] != list_id}
