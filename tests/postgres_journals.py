"""Journals in PostgreSQL for tests: a database's clock to set, and a look below the door."""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.postgres.store import BOOT, PostgresStore
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.runs import Moment
from tests.databases import server
from tests.journals import API, KEY, HandClock, Organization, OwnJournal

DIGEST_KEY = DigestKey("first", b"a secret for digests, 32 bytes +")


class HandTimedStore(PostgresStore):
    """A store whose database has a clock that a test sets; setting the clock of the machine does not change it."""

    def __init__(
        self,
        url: str,
        clock: HandClock,
        keys: Sequence[DigestKey] = (DIGEST_KEY,),
        schema: str = "cleanlist_mcp",
    ) -> None:
        super().__init__(url, clock, keys, (b"a secret for proofs",), schema=schema)
        self.hand_clock = clock
        self.is_broken = False
        self.schema = schema
        self.url = url

    def _moment(self, time: float) -> Moment:
        now = self.hand_clock.now - self.hand_clock.set_by
        return Moment(now, BOOT, now)

    def _transaction(self, begin: str, locks: str = "", **options: Any) -> Any:
        # Nothing is written in a transaction that may only read.
        begin = f"BEGIN READ ONLY{begin.removeprefix('BEGIN')}" if self.is_broken and ";" in begin else begin
        return super()._transaction(begin, locks, **options)


def store_of(journal: Journal) -> HandTimedStore:
    return cast(HandTimedStore, journal._store)


def schema_of(place: Path) -> str:
    """Return the schema of a place."""
    return f"at_{hashlib.sha256(str(place).encode()).hexdigest()[:20]}"


@cache
def database() -> str:
    """Return the address of this process's database."""
    return server().new_database()


class Postgres:
    """A schema of one database for each place. Without a place, an API of its own in a schema for all of those."""

    has_tenants = True

    def open(
        self, place: Path | None, clock: HandClock, key: str = KEY, organization: Organization | None = None
    ) -> Journal:
        schema = "without_a_place" if place is None else schema_of(place)
        api = f"{API}/{secrets.token_hex(8)}" if place is None else API
        ask = (organization or Organization("org_of_all")).ask
        return OwnJournal(HandTimedStore(database(), clock, schema=schema), Identity(api, key), ask)

    def break_writes(self, journal: Journal, broken: bool = True) -> None:
        store_of(journal).is_broken = broken

    def run_sql(self, journal: Journal, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        store = store_of(journal)
        return run_sql(store.url, store.schema, statement, values)

    def put(self, journal: Journal, row: dict[str, Any], ago: float) -> None:
        clock = store_of(journal).hand_clock
        row = {name: value for name, value in row.items() if name != "run_id"}
        row |= {"started_at": clock.now - clock.set_by - ago}
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        self.run_sql(journal, f"INSERT INTO runs ({names}) VALUES ({values})", row)  # noqa: S608 - ours

    def entries(self, place: Path) -> list[dict[str, Any]]:
        with (
            suppress(psycopg.errors.UndefinedTable),  # nothing was opened there yet
            psycopg.connect(database(), autocommit=True, row_factory=dict_row) as connection,
        ):
            return connection.execute(
                f"SELECT * FROM {schema_of(place)}.runs ORDER BY run_id DESC"  # noqa: S608 - ours
            ).fetchall()
        return []


POSTGRES = Postgres()


def run_sql(url: str, schema: str, statement: str, values: Mapping[str, Any] | None = None) -> Any:
    """Run a statement with `:name` for each value; return the first value of its answer, if it has one."""
    asked = re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", statement) if values else statement
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        cursor = connection.execute(asked, values or None)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


class Team:
    """Journals over one schema of a database, each with a store of its own, as replicas have them."""

    def __init__(self, stack: AsyncExitStack, clock: HandClock, place: Path, url: str = "") -> None:
        self._stack = stack
        self.clock = clock
        self.url = url or database()
        self.schema = schema_of(place)
        self.organization = Organization("org_1")

    def store(self, *keys: DigestKey, kind: type[HandTimedStore] = HandTimedStore) -> HandTimedStore:
        store = kind(self.url, self.clock, keys or (DIGEST_KEY,), self.schema)
        self._stack.push_async_callback(store.close)
        return store

    def journal(self, key: str = "clapi_ada", store: PostgresStore | None = None) -> Journal:
        return Journal(store or self.store(), Identity(API, key), self.organization.ask)

    def sql(self, statement: str, values: dict[str, Any] | None = None) -> Any:
        return run_sql(database(), self.schema, statement, values)
