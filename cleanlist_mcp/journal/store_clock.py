"""The clock of a server whose journal goes by another one: the time of day is the journal's."""

from collections.abc import Callable

import anyio

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.port import Store


class StoreClock:
    """A machine's clock that shows the time of a store: replicas whose clocks differ decide and report alike."""

    def __init__(self, clock: Clock, store: Callable[[], Store]) -> None:
        """`store` is asked for at each look: it may be opened by then, or not yet."""
        self._clock = clock
        self._store = store

    def time(self) -> float:
        return self._store().time()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def since_boot(self) -> tuple[str, float]:
        return self._clock.since_boot()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        return await self._clock.wait(event, seconds)
