"""A journal in a team's database: its locks, its end and return, other versions, lost commits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.errors import DailyLimit, JournalUnusable
from cleanlist_mcp.journal.health import Usable, error_in
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.money.limits import Limits
from tests.databases import (
    NEWEST,
    PROGRAMS,
    Server,
    needs_pooler,
    needs_postgres,
    pooler,
    server,
    server_of,
)
from tests.journals import (
    API,
    HandClock,
    Organization,
    OwnJournal,
    accept,
    claim,
    claim_list,
    finish,
    quote_for,
    run_of,
    word,
)
from tests.proxies import Proxy, proxy_to

psycopg = pytest.importorskip("psycopg")

from cleanlist_mcp.journal.postgres import connections, schema  # noqa: E402
from cleanlist_mcp.journal.postgres.store import PostgresStore, is_unanswered, lock_of  # noqa: E402
from tests.postgres_journals import DIGEST_KEY, HandTimedStore, Team, database, schema_of  # noqa: E402

pytestmark = needs_postgres


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def team(stack: AsyncExitStack, clock: HandClock, tmp_path: Path) -> Team:
    return Team(stack, clock, tmp_path)


class Timed(SystemClock):
    """The real clock."""


@asynccontextmanager
async def real(url: str, tmp_path: Path) -> AsyncIterator[Journal]:
    """Open a journal that goes by the database's own clock."""
    store = PostgresStore(url, Timed(), (DIGEST_KEY,), schema=schema_of(tmp_path))
    journal = OwnJournal(store, Identity(API, "clapi_ada"), Organization("org_1").ask)
    try:
        yield journal
    finally:
        await journal.close()


@pytest.mark.parametrize("version", [program.version for program in PROGRAMS])
async def test_a_journal_lives_in_each_version_of_the_database_by_its_own_clock(
    tmp_path: Path, version: str
) -> None:
    async with real(server_of(version).url(), tmp_path) as journal:
        before = time.time()
        run = run_of(await claim(journal))
        assert before - 1 <= run.started_at <= time.time() + 1
        assert word(await claim(journal)) == "wait"
        assert (await journal.spent()).last_day == 1
        assert await journal.health() == Usable("in_database")
        for by in ("total", "day", "list", "run"):
            assert await journal.costs.statement(90, by) is not None


async def test_many_first_starts_at_once_make_one_schema(team: Team) -> None:
    journals = [team.journal(f"clapi_{number}") for number in range(6)]
    async with anyio.create_task_group() as tasks:
        for journal in journals:
            tasks.start_soon(claim, journal)
    assert team.sql("SELECT COUNT(*) FROM version") == 1
    assert (await journals[0].spent()).last_day == 6


async def test_of_many_claims_at_once_one_starts_and_the_limit_holds(team: Team) -> None:
    replicas = [team.journal() for _ in range(4)]
    decisions: list[str] = []

    async def ask(journal: Journal) -> None:
        decisions.append(word(await claim_list(journal, quote_for(team.clock))))

    async def ask_for(journal: Journal, who: str) -> None:
        try:
            decisions.append(word(await claim(journal, who, limits=Limits(1000, 45))))
        except DailyLimit:
            decisions.append("limit")

    async with anyio.create_task_group() as tasks:
        for journal in replicas * 3:
            tasks.start_soon(ask, journal)
    assert sorted(decisions) == ["start", *["wait"] * 11]
    decisions.clear()
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask_for, replicas[number % 4], f"kim-{number}")
    assert sorted(decisions) == [*["limit"] * 15, *["start"] * 5]


async def test_an_older_program_beside_newer_tables_spends_nothing_and_says_so(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Newer(HandTimedStore):
        schema_version = schema.SCHEMA_VERSION + 1

    old = team.journal()
    assert word(await claim(old)) == "start"
    later = {schema.SCHEMA_VERSION + 1: ("ALTER TABLE runs ADD COLUMN later TEXT",)}
    monkeypatch.setattr("cleanlist_mcp.journal.postgres.making.VERSIONS", {**schema.VERSIONS, **later})
    newer = team.journal(store=team.store(kind=Newer))
    assert word(await claim(newer, "grace")) == "start"

    for journal in (old, team.journal()):
        with pytest.raises(JournalUnusable, match="newer version of cleanlist-mcp"):
            await claim(journal, "kim")
        assert "newer version" in str(error_in(await journal.health()))
    assert word(await claim(newer)) == "wait"


async def test_a_database_that_is_killed_loses_no_intent_and_is_back_without_a_restart(
    tmp_path: Path,
) -> None:
    assert NEWEST is not None
    own = Server(NEWEST, durable=True)
    try:
        async with real(own.url(), tmp_path) as journal:
            run = run_of(await claim(journal))
            own.kill()
            for work in (claim(journal, "grace"), claim_list(journal, quote_for(HandClock()))):
                began = time.monotonic()
                with pytest.raises(JournalUnusable, match="Nothing was sent"):
                    await work
                assert time.monotonic() - began < 4
            assert error_in(await journal.health()) is not None
            accepted = await accept(journal, run)
            own.start()
            back = time.monotonic()
            while True:
                try:
                    decision = await claim(journal)
                    break
                except JournalUnusable:
                    assert time.monotonic() - back < 5
                    await anyio.sleep(0.05)
            assert decision.run.run_id == run.run_id
            await anyio.sleep(1.1)
            await journal.recent(1)
            found = await journal.by_workflow(accepted.workflow_id or "")
            assert found is not None
            assert found.state == "running"
    finally:
        own.end()


async def test_a_lock_that_is_held_for_too_long_refuses_and_known_runs_are_still_answered(team: Team) -> None:
    journal = team.journal()
    await accept(journal, run_of(await claim(journal)))
    tenant = (await journal._names()).tenant
    with psycopg.connect(team.url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (lock_of(tenant),))
        began = time.monotonic()
        with pytest.raises(JournalUnusable, match="busy"):
            await claim(journal, "grace")
        assert time.monotonic() - began < 4
        assert word(await claim(journal)) == "replay"
    assert word(await claim(journal, "grace")) == "start"


async def test_a_database_without_a_free_connection_refuses_within_four_seconds(team: Team) -> None:
    journal = team.journal()
    await claim(journal)
    async with AsyncExitStack() as held:
        for _ in range(connections.MOST):
            await held.enter_async_context(journal._store.read())
        with anyio.fail_after(4), pytest.raises(JournalUnusable, match="busy"):
            await claim(journal, "grace")
    assert word(await claim(journal, "grace")) == "start"


async def test_a_tenant_whose_lock_is_held_leaves_connections_to_the_others(team: Team) -> None:
    store = team.store()
    held = team.journal(store=store)
    other = Journal(store, Identity(API, "clapi_kim"), Organization("org_2").ask)
    await claim(held)
    await claim(other)
    refused = []

    async def ask(number: int) -> None:
        with pytest.raises(JournalUnusable, match="busy"):
            await claim(held, f"grace-{number}")
        refused.append(number)

    with psycopg.connect(team.url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (lock_of((await held._names()).tenant),))
        async with anyio.create_task_group() as tasks:
            for number in range(2 * connections.MOST):
                tasks.start_soon(ask, number)
            while not team.sql("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
            assert word(await claim(other, "edsger")) == "start"
            assert not refused
    assert len(refused) == 2 * connections.MOST
    assert word(await claim(held, "grace")) == "start"
    assert not store._connections._turns


async def test_who_gives_up_on_a_connection_does_so_within_the_time_of_a_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "SLOT_PATIENCE", 60.0)
    monkeypatch.setattr(connections, "MOST", 1)
    crowded = Opened(1.0)
    with anyio.fail_after(20):
        async with crowded.one("SELECT 1"):
            with pytest.raises(JournalUnusable, match="busy"):
                async with crowded.one("SELECT 1"):
                    pass


async def test_the_wait_for_a_connection_is_part_of_the_time_that_a_transaction_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST", 1)
    crowded = Opened(600.0)
    released_at = 0.0

    async def follow() -> None:
        async with crowded.one("SELECT 1"):
            pass

    async with anyio.create_task_group() as tasks, crowded.one("SELECT 1"):
        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        await asyncio.sleep(0.01)
        released_at = anyio.current_time()
    first, second = crowded.give_up_at
    assert first < second < released_at + 600.0


class Opened(connections.Connections):
    """Connections that need no database, and know when each transaction is given up."""

    def __init__(self, seconds: float) -> None:
        super().__init__("", SystemClock(), seconds)
        self.give_up_at: list[float] = []

    async def _opened(self, opening: Any, cutting: Any, give_up_at: float) -> Any:
        self.give_up_at.append(give_up_at)
        return None, None


@asynccontextmanager
async def behind_a_proxy(
    stack: AsyncExitStack, clock: HandClock, place: Path
) -> AsyncIterator[tuple[Team, Proxy]]:
    async with proxy_to(server().port) as proxy:
        address = database().replace(f":{server().port}/", f":{proxy.port}/")
        yield Team(stack, clock, place, address), proxy


async def test_a_commit_whose_answer_is_lost_is_looked_up_and_goes_on(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    async with behind_a_proxy(stack, clock, tmp_path) as (team, proxy):
        journal = team.journal()
        await claim(journal, "grace")
        proxy.lose_answer_to = b"COMMIT"
        decision = await claim(journal)
        assert (proxy.lose_answer_to, word(decision)) == (b"", "start")
        assert word(await claim(journal)) == "wait"
        assert team.sql("SELECT COUNT(*) FROM runs WHERE run_id = :id", {"id": decision.run.run_id}) == 1


@pytest.mark.parametrize(
    ("error", "is_open"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.errors.ProtocolViolation("server conn crashed?"), True),  # a pooler's word for that
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.AdminShutdown(), False),
        (psycopg.errors.IdleInTransactionSessionTimeout(), False),
        (psycopg.errors.UniqueViolation(), False),
    ],
)
def test_a_commit_is_open_if_its_connection_broke_wherever_that_was(error: Any, is_open: bool) -> None:
    assert is_unanswered(error) is is_open


async def test_an_import_whose_commit_was_not_answered_sends_nobody_and_holds_its_people(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    async with behind_a_proxy(stack, clock, tmp_path) as (team, proxy):
        journal = team.journal()
        await claim(journal, "grace")
        proxy.lose_answer_to = b"COMMIT"
        with pytest.raises(JournalUnusable, match="Nothing was sent"):
            await journal.imports.claim("one", "list_1", [["kim"]], 30)
        assert await journal.imports.claim("two", "list_1", [["kim"]], 30) is None
        clock.now += 31
        assert await journal.imports.claim("one", "list_1", [["kim"]], 30) is not None


async def test_a_commit_that_never_arrived_sends_nothing(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    async with behind_a_proxy(stack, clock, tmp_path) as (team, proxy):
        journal = team.journal()
        await claim(journal, "grace")
        proxy.lose_request = b"COMMIT"
        with pytest.raises(JournalUnusable, match="Nothing was sent"):
            await claim(journal)
        assert word(await claim(journal)) == "start"


async def test_connections_that_died_in_the_meantime_are_replaced_unnoticed(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    async with behind_a_proxy(stack, clock, tmp_path) as (team, proxy):
        journal = team.journal()
        await claim(journal)
        await proxy.end()
        await proxy.start()
        assert word(await claim(journal, "grace")) == "start"


async def test_a_database_that_answers_nothing_any_more_is_given_up_within_four_seconds(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    async with behind_a_proxy(stack, clock, tmp_path) as (team, proxy):
        journal = team.journal()
        await claim(journal)
        proxy.is_hanging = True
        began = time.monotonic()
        with pytest.raises(JournalUnusable, match="Nothing was sent"):
            await claim(journal, "grace")
        assert time.monotonic() - began < 4
        proxy.is_hanging = False
        clock.now += 2
        assert word(await claim(journal, "grace")) == "start"


async def test_a_call_that_is_cancelled_at_any_step_leaves_no_lock_behind(team: Team) -> None:
    journal = team.journal()
    await claim(journal, "first")
    for number in range(12):
        task = asyncio.create_task(claim(journal, f"kim-{number}"))
        await asyncio.sleep(number / 2000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    with anyio.fail_after(3):
        assert word(await claim(journal, "last")) == "start"


async def test_no_state_is_left_on_a_connection_by_which_a_pooler_could_mix_up_its_users(team: Team) -> None:
    store = team.store()
    journal = team.journal(store=store)
    await claim(journal)
    await finish(journal, "enrich-1", charged=1)
    async with store._connections.one("SELECT 1") as (connection, _):
        for setting, value in (
            ("search_path", '"$user", public'),
            ("lock_timeout", "0"),
            ("synchronous_commit", "on"),
        ):
            row = await (await connection.execute(f"SHOW {setting}")).fetchone()
            assert row == (value,)
        cursor = await connection.execute("SELECT COUNT(*) FROM pg_prepared_statements")
        assert await cursor.fetchone() == (0,)


async def test_the_address_of_the_database_and_what_was_written_are_shown_nowhere(
    team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wrong = team.url.replace("127.0.0.1", "127.0.0.1").replace(str(server().port), "1")
    store = PostgresStore(wrong, SystemClock(), (DIGEST_KEY,))
    journal = OwnJournal(store, Identity(API, "clapi_canary_key"), Organization("org_1").ask)
    with pytest.raises(JournalUnusable) as caught:
        await claim(journal)
    await journal.close()
    seen = f"{caught.value!r} {caught.value} {caplog.text} {store!r} {journal!r} {error_in(await store.health())}"
    assert "canary" not in seen
    assert "127.0.0.1" not in seen


async def test_a_dump_shows_neither_keys_nor_people(team: Team) -> None:
    journal = team.journal("clapi_canary_key")
    await accept(journal, run_of(await claim(journal, "canary")))
    tables = (
        *("runs", "identifiers", "quotes", "organizations", "digest_keys", "imports", "import_people"),
        *("added_domains", "cards"),
    )
    with psycopg.connect(team.url) as connection:
        dump = " ".join(
            str(connection.execute(f"SELECT * FROM {team.schema}.{table}").fetchall())  # noqa: S608 - ours
            for table in tables
        )
    assert "enrich-1" in dump
    assert "canary" not in dump
    assert "org_1" not in dump


async def test_replicas_whose_clocks_differ_by_an_hour_decide_alike(team: Team, tmp_path: Path) -> None:
    class Ahead(SystemClock):
        def time(self) -> float:
            return super().time() + 3600

    stores = [
        PostgresStore(team.url, clock, (DIGEST_KEY,), schema=team.schema)
        for clock in (SystemClock(), Ahead())
    ]
    one, other = (OwnJournal(store, Identity(API, "clapi_ada"), team.organization.ask) for store in stores)
    run = run_of(await claim(one))
    assert word(await claim(other)) == "wait"
    assert abs((await one.now()).time - (await other.now()).time) < 5
    assert (await other.run(run.run_id)) == run
    await one.close()
    await other.close()


@needs_pooler
async def test_everything_works_behind_a_pooler_in_transaction_mode(
    stack: AsyncExitStack, clock: HandClock, tmp_path: Path
) -> None:
    with pooler(server()) as url:
        team = Team(stack, clock, tmp_path, url)
        replicas = [team.journal() for _ in range(3)]
        decisions: list[str] = []

        async def ask(journal: Journal, who: str) -> None:
            decisions.append(word(await claim(journal, who)))

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(ask, replicas[number % 3], f"kim-{number // 3}")
        assert sorted(decisions) == [*["start"] * 4, *["wait"] * 8]
        run = run_of(await claim(replicas[0], "kim-0"))
        await accept(replicas[1], run)
        assert (await replicas[2].by_workflow("enrich-1")) is not None
        assert (await replicas[0].spent()).last_day == 4
        await stack.aclose()
