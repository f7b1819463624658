"""The store of a configuration: which engine keeps the journal, and where."""

from pathlib import Path

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.journal.sqlite.store import SqliteStore


def open_store(folder: Path | None, clock: Clock) -> Store:
    """Open the store in `folder`, or one in memory if there is no folder, or none can be made in it.

    One store serves any number of `Journal`s; whoever opens it closes it, after them.
    """
    return SqliteStore(folder, clock)
