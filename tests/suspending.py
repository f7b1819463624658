"""A journal's engine that lets others run at each step, as one does that waits for a database."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import anyio
from anyio.lowlevel import checkpoint

from cleanlist_mcp.journal.port import CommitLost, Store

Pause = Callable[[str], Coroutine[Any, Any, None]]
"""Called at each step with its name; it may let others run, or end somebody."""


async def let_others_run(step: str) -> None:
    await checkpoint()


class SuspendingStore:
    """Another store, one look at a time, with a pause before and after each of its steps.

    `commits_lost` commits are made and not answered; `commits_dropped` are neither.
    """

    def __init__(self, inner: Store, pause: Pause = let_others_run) -> None:
        self._inner = inner
        self._lock = anyio.Lock()
        self.pause = pause
        self.commits_lost = 0
        self.commits_dropped = 0

    def __getattr__(self, name: str) -> Any:
        return _paused(getattr(self._inner, name), self, name)

    def read(self) -> AbstractAsyncContextManager[Any]:
        return self._alone(self._inner.read(), "read")

    def record(self, **options: Any) -> AbstractAsyncContextManager[Any]:
        return self._alone(self._inner.record(**options), "record")

    @asynccontextmanager
    async def claim(self, tenants: Sequence[str]) -> AsyncIterator[Any]:
        drops = self.commits_dropped > 0
        try:
            async with self._alone(self._inner.claim(tenants), "claim") as writer:
                yield writer
                if drops:
                    raise _Dropped
        except _Dropped:
            self.commits_dropped -= 1
            raise CommitLost from None
        if self.commits_lost:
            self.commits_lost -= 1
            raise CommitLost

    @asynccontextmanager
    async def _alone(self, look: AbstractAsyncContextManager[Any], name: str) -> AsyncIterator[Any]:
        await self.pause(f"before {name}")
        async with self._lock, look as rows:
            await self.pause(f"begun {name}")
            yield _Paused(rows, self)
            await self.pause(f"ending {name}")
        await self.pause(f"after {name}")


class _Dropped(Exception):
    pass


class _Paused:
    """A look whose methods pause before and after."""

    def __init__(self, inner: Any, store: SuspendingStore) -> None:
        self._inner = inner
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return _paused(getattr(self._inner, name), self._store, name)


def _paused(value: Any, store: SuspendingStore, name: str) -> Any:
    if not inspect.iscoroutinefunction(value):
        return value

    async def paused(*arguments: Any, **options: Any) -> Any:
        await store.pause(f"before {name}")
        outcome = await value(*arguments, **options)
        await store.pause(f"after {name}")
        return outcome

    return paused


def as_store(store: SuspendingStore) -> Store:
    """Return the same store, for mypy: `__getattr__` gives it the members of `Store` that it lacks."""
    return cast(Store, store)
