"""A sandbox over loopback HTTP, without rate limits, and servers that reach it: each with a state folder of its own."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio.from_thread

from benchmarks.pipe import Pipe
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox

OURS = ("cleanlist_mcp",)


class World:
    """The sandbox, its address, and a folder that goes away with it."""

    def __init__(self, sandbox: Sandbox, url: str, folder: Path) -> None:
        self.sandbox = sandbox
        self.url = url
        self.folder = folder
        self._started = 0

    @contextmanager
    def server(self, key: str | None = None, **variables: str) -> Iterator[Pipe]:
        """A connected server that has not been asked yet, with a key of the sandbox."""
        self._started += 1
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CLEANLIST_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        own = {
            "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),
            "CLEANLIST_STATE_DIR": str(self.folder / f"state-{self._started}"),
            "CLEANLIST_BASE_URL": self.url,
            "CLEANLIST_API_KEY": key or self.sandbox.key,
        }
        with Pipe(OURS, kept | own | variables) as server:
            server.connect()
            yield server

    @property
    def requests(self) -> int:
        """The number of requests that have reached the sandbox."""
        return len(self.sandbox.requests)


@contextmanager
def world(sandbox: Sandbox) -> Iterator[World]:
    """Serve a sandbox from a thread of this process, which waits while a server works."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        portal = stack.enter_context(anyio.from_thread.start_blocking_portal())
        url = stack.enter_context(portal.wrap_async_context_manager(running(sandbox)))
        yield World(sandbox, url, folder)


@contextmanager
def timed(found: list[float]) -> Iterator[None]:
    """Add the milliseconds of the body to what was found."""
    began = time.perf_counter()
    yield
    found.append((time.perf_counter() - began) * 1000)
