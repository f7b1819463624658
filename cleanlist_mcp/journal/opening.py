"""The journal of a configuration: which engine keeps it, and where."""

from pathlib import Path

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.sqlite.store import SqliteStore


def open_journal(folder: Path | None, clock: Clock, api: str, api_key: str) -> Journal:
    """Open the journal in `folder`, or one in memory if there is no folder, or none can be made in it.

    `api` and `api_key` are what an account is; only keyed digests of them are stored.
    """
    return Journal(SqliteStore(folder, clock), api, api_key)
