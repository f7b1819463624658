"""The minute of a team in its database: one clock for all, and a database that is away stops no call."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from tests.databases import needs_postgres

pytest.importorskip("psycopg")

import psycopg

from cleanlist_mcp.api.minute import Sight
from cleanlist_mcp.api.rate_budget import PutOff
from cleanlist_mcp.journal.port import LedgerUnusable
from cleanlist_mcp.journal.postgres.store import PostgresStore
from cleanlist_mcp.journal.shared_budget import SharedBudget
from tests.databases import server
from tests.ledgers import Hour, OwnClock
from tests.postgres_journals import DIGEST_KEY

pytestmark = needs_postgres

AN_HOUR = 3600.0

Member = Callable[..., SharedBudget]


@pytest.fixture
async def member() -> AsyncIterator[Member]:
    """Makes a process of a team with a database of its own."""
    url = server().new_database()
    stores: list[PostgresStore] = []

    def join(hour: Hour, ahead: float = 0.0, key: str = "key", **options: Any) -> SharedBudget:
        clock = OwnClock(hour, ahead)
        stores.append(PostgresStore(options.get("url", url), clock, [DIGEST_KEY]))
        return SharedBudget(clock, stores[-1].ledger, "api", key)

    yield join
    for store in stores:
        await store.close()


async def looks_until_full(budget: SharedBudget) -> int:
    count = 0
    try:
        while await budget.admit("look", "run") == 0:
            count += 1
    except PutOff:
        return count
    raise AssertionError("only a 429 says so")


async def test_replicas_whose_clocks_are_an_hour_apart_share_one_minute(member: Member) -> None:
    hour = Hour()
    one, other = member(hour), member(hour, ahead=AN_HOUR)
    counts = [0, 0]
    for turn in range(60):
        try:
            counts[turn % 2] += await (one, other)[turn % 2].admit("look", "run") == 0
        except PutOff:
            continue
    assert counts == [12, 12]


async def test_many_replicas_that_look_at_once_stay_within_one_minute(member: Member) -> None:
    hour = Hour()
    replicas = [member(hour, ahead=AN_HOUR * number) for number in range(3)]
    counts: list[int] = []

    async def look(budget: SharedBudget) -> None:
        counts.append(await looks_until_full(budget))

    for replica in replicas:
        assert await replica.admit("call") == 0
    async with anyio.create_task_group() as tasks:
        for replica in replicas:
            for _ in range(3):
                tasks.start_soon(look, replica)
    assert sum(counts) == 24


async def test_keys_of_one_organization_share_its_minute(member: Member) -> None:
    hour = Hour()
    colleagues = [member(hour, key=f"key {number}") for number in range(3)]
    for colleague in colleagues:
        await colleague.belongs_to("org_fable")
        assert await colleague.admit("call") == 0
    counts = [await looks_until_full(colleague) for colleague in colleagues]
    assert counts[0] == 24
    assert 0 < counts[2] <= counts[1] and sum(counts) <= 36


async def test_a_429_is_shared_by_the_database(member: Member) -> None:
    hour = Hour()
    one, other = member(hour), member(hour, ahead=AN_HOUR)
    await one.block(20.0)
    assert await other.admit("call") == pytest.approx(20.0, abs=2.0)


async def test_the_lease_of_a_run_and_what_was_seen_of_it_are_shared(member: Member) -> None:
    hour = Hour()
    one, other = member(hour), member(hour, ahead=AN_HOUR)
    assert await one.lead("run", 0.0, [20.0])
    await one.tell("run", 0.0, Sight(0.0, "running", 3, 10, finished=False))
    assert not await other.lead("run", AN_HOUR, [])
    sight = other.sight("run")
    assert sight is not None and (sight.processed, sight.total) == (3, 10)
    assert sight.at == pytest.approx(AN_HOUR, abs=2.0)
    await one.leave("run")
    hour.now = 1.0
    assert await other.lead("run", AN_HOUR, [])


async def test_a_database_that_is_away_stops_no_call(member: Member) -> None:
    away = member(Hour(), url="postgresql://team@127.0.0.1:9/none")
    assert await away.admit("call") == 0
    assert await looks_until_full(away) == 24


async def test_a_row_that_somebody_holds_delays_one_call_and_stops_none(member: Member) -> None:
    url = server().new_database()
    budget = member(Hour(), url=url)
    assert await budget.admit("call") == 0
    async with await psycopg.AsyncConnection.connect(url) as holder:
        await holder.execute("SELECT * FROM cleanlist_mcp.notes FOR UPDATE")
        for _ in range(5):
            assert await budget.admit("start") == 0
        await holder.rollback()


async def test_notes_of_keys_that_nobody_uses_are_dropped(member: Member) -> None:
    url = server().new_database()
    assert await member(Hour(), url=url).admit("call") == 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE cleanlist_mcp.notes SET written_at = written_at - 3700")
        assert await member(Hour(), url=url, key="another").admit("call") == 0
        cursor = await connection.execute("SELECT COUNT(*) FROM cleanlist_mcp.notes")
        assert await cursor.fetchone() == (1,)


async def test_a_process_that_goes_on_drops_them_every_hour_and_waits_for_nobody(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server().new_database()
    budget, refused = member(Hour(), url=url), member(Hour(), url=url, key="refused")
    for one in (budget, refused):
        assert await one.admit("call") == 0
    own, other = [await one._ledger.name("key", "api", one._key) for one in (budget, refused)]  # type: ignore[union-attr]
    monkeypatch.setattr(budget._ledger, "_tidied_at", 0.0, raising=False)  # as an hour later
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
        await psycopg.AsyncConnection.connect(url) as holder,
    ):
        await connection.execute("UPDATE cleanlist_mcp.notes SET written_at = written_at - 3700")
        await connection.execute("INSERT INTO cleanlist_mcp.notes VALUES ('held', '', 1)")
        await holder.execute("SELECT * FROM cleanlist_mcp.notes WHERE name = 'held' FOR UPDATE")
        assert await budget.admit("call") == 0
        cursor = await connection.execute("SELECT name FROM cleanlist_mcp.notes ORDER BY name")
        assert {name for (name,) in await cursor.fetchall()} == {own, "held"}
        assert other != own
        await holder.rollback()


async def test_no_key_and_no_run_stands_in_the_database(member: Member) -> None:
    url = server().new_database()
    budget = member(Hour(), url=url, key="clapi_fictional_key")
    assert await budget.admit("look", "enrich-fable") == 0
    await budget.lead("enrich-fable", 0.0, [])
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("SELECT * FROM cleanlist_mcp.notes")
        content = repr(await cursor.fetchall())
    assert "clapi" not in content and "fable" not in content


async def test_an_error_of_the_database_is_one_of_the_ledger(member: Member) -> None:
    store = PostgresStore("postgresql://team@127.0.0.1:9/none", OwnClock(Hour()), [DIGEST_KEY])
    with pytest.raises(LedgerUnusable):
        await store.ledger.rewrite(["name"], lambda notes: {})
    await store.close()
