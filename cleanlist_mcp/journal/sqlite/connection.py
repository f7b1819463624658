"""Connections to the journal's database, and the tables in it."""

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cleanlist_mcp.journal.sqlite.problems import CannotOpen
from cleanlist_mcp.journal.sqlite.schema import SCHEMA_VERSION, STATEMENTS


def connect(path: Path | str, patience: float, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Open a database, which waits up to `patience` seconds for other processes."""
    database = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=check_same_thread
    )
    # Damaged text must be read to be noticed: the checksum of its row does not fit then.
    database.text_factory = lambda content: content.decode("utf-8", "replace")
    return database


def in_memory() -> sqlite3.Connection:
    """Return an empty journal that lives as long as this process."""
    database = connect(":memory:", 0.0)
    bring_up_to_date(database)
    return database


def birth(database: sqlite3.Connection) -> str:
    """Return a name that no other journal has, which shows nothing of what is in it."""
    return hashlib.sha256(b"birth" + secret(database)).hexdigest()[:16]


def secret(database: sqlite3.Connection) -> bytes:
    """Return the key of the digests.

    Raises:
        CannotOpen: if it is not what it was: with another key nobody would be recognised.
    """
    row = database.execute("SELECT value, checksum FROM secret").fetchone()
    if row is None or not isinstance(row[0], bytes) or _secret_checksum(row[0]) != row[1]:
        raise CannotOpen("damaged")
    value: bytes = row[0]
    return value


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One write: all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite ends some failed ones itself
            database.execute("ROLLBACK")
        raise


def bring_up_to_date(database: sqlite3.Connection) -> None:
    """Make the tables in a new file, or bring those of an old one up to date after checking them to the letter: a
    changed byte in one could hide entries.

    Raises:
        CannotOpen: if a newer version of this program made the tables, or they are not what they were.
    """
    with transaction(database):
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not _tables(database):
            _make_tables(database)
        elif version > SCHEMA_VERSION:
            raise CannotOpen("newer")
        elif 0 < version < _NINTH:
            raise CannotOpen("earlier")
        elif _tables(database) != _expected_tables(version):
            raise CannotOpen("damaged")
        elif version == _NINTH:
            _bring_from_9(database)
    secret(database)


_NINTH = 9
"""The oldest version that is brought up to date."""


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in STATEMENTS:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    value = secrets.token_bytes(32)
    database.execute("INSERT INTO secret VALUES (?, ?)", (value, _secret_checksum(value)))


def _bring_from_9(database: sqlite3.Connection) -> None:
    from cleanlist_mcp.journal.sqlite.schema_9 import TO_10  # here: hardly any journal needs it

    for statement in TO_10:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _tables(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name"
    ).fetchall()


@cache
def _expected_tables(version: int) -> list[tuple[str, ...]]:
    statements: Sequence[str] = STATEMENTS
    if version == _NINTH:
        from cleanlist_mcp.journal.sqlite import schema_9

        statements = schema_9.STATEMENTS
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA page_size = 512")  # each table takes a page, and memory that is not given back
    for statement in statements:
        database.execute(statement)
    tables = _tables(database)
    database.close()
    return tables


def _secret_checksum(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]
