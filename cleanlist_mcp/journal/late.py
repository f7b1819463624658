"""Outcomes that cannot be written yet: kept in memory, and written in their order once they can be."""

import logging
from collections import deque

import anyio

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.port import Change, Contradiction, Store

NOT_YET = -1
"""In place of a count: the outcome is not written yet, or can never be."""

MOST = 10_000
"""Outcomes that are kept; beyond that the newest are dropped, and their entries hold less than is known."""

log = logging.getLogger(__name__)


class LateWrites:
    """Writes outcomes now, or later if that fails.

    Until then an entry holds less than is known, and everything that is decided on it is on the safe side.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Change] = deque()
        self._catching_up = anyio.Lock()

    @property
    def owes(self) -> bool:
        """True while an outcome waits to be written."""
        return bool(self._waiting)

    async def write(self, change: Change) -> int:
        """Write an outcome and return how many entries changed; `NOT_YET` if it has to wait. Never raises."""
        await self.catch_up()
        if not self._waiting:
            changed = await self._try(change)
            if changed is not None:
                return changed
        if len(self._waiting) < MOST:
            self._waiting.append(change)
        return NOT_YET

    async def catch_up(self, *, last_try: bool = False) -> None:
        """Write what waits, in its order, until that fails. Never raises.

        Only the last try waits for another one that is under way: that one may be about to be cancelled.
        """
        if not self._waiting or (self._catching_up.locked() and not last_try):
            return
        async with self._catching_up:
            while self._waiting and await self._try(self._waiting[0], last_try=last_try) is not None:
                self._waiting.popleft()

    async def _try(self, change: Change, *, last_try: bool = False) -> int | None:
        """Return how many entries changed; None if the store cannot be written now."""
        try:
            async with self._store.record(last_try=last_try) as writer:
                return await change(writer)
        except Contradiction:
            log.error("An outcome contradicts the journal and was left out.")
            return NOT_YET
        except JournalUnusable:
            return None
