"""The store of a configuration: which engine keeps the journal, and where."""

import secrets
from pathlib import Path

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.port import Ledger, Store
from cleanlist_mcp.journal.sqlite.ledger import LEDGER_NAME, SqliteLedger
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.journal.sqlite.store import SqliteStore
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.secret_keys import SecretKeys


def open_store(folder: Path | None, clock: Clock, keys: SecretKeys | None = None) -> Store:
    """Open the store in `folder`, or one in memory if there is no folder, or none can be made in it.

    One store serves any number of `Journal`s; whoever opens it closes it, after them. Digests are made with the
    file's own secret; approvals too, unless there are `keys`.
    """
    return SqliteStore(folder, clock, _proofs(keys))


def open_ahead(folder: Path, clock: Clock, keys: SecretKeys | None = None) -> Store | None:
    """Open the store of a journal that is there and free; None for any other: that is left to whoever needs it."""
    if not (folder / FILE_NAME).exists():
        return None
    store = SqliteStore(folder, clock, _proofs(keys), patience=0.0)
    return store if store.is_open else None


def _proofs(keys: SecretKeys | None) -> tuple[bytes, ...]:
    return () if keys is None else tuple(key.secret for key in keys.proof_keys())


def has_ledger(folder: Path) -> bool:
    """Return whether processes have shared notes about requests in `folder` before."""
    return (folder / LEDGER_NAME).exists()


def open_database(url: str, clock: Clock, keys: SecretKeys) -> Store:
    """Open the store in a team's PostgreSQL at `url`; nothing is asked of it before the first use."""
    # Here: psycopg takes long to load, and is there with the extra alone.
    from cleanlist_mcp.journal.postgres.store import PostgresStore

    digests = [DigestKey(key.key_id, key.secret) for key in keys.digest_keys()]
    # A laptop's approvals are for itself: it cannot make those of the team's service.
    proofs = [key.secret for key in keys.proof_keys()] or [secrets.token_bytes(32)]
    return PostgresStore(url, clock, digests, proofs)


def open_ledger(folder: Path | None, clock: Clock) -> Ledger | None:
    """Return the notes about requests that the processes with this `folder` share; None if there is no folder.

    It needs no store: asking the API for the balance does not wait for a journal that somebody holds.
    """
    return None if folder is None else SqliteLedger(folder, clock)
