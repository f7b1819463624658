"""Replicas of a service over one database: an intent has its request and a request its intent, whoever is cancelled."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pydantic import SecretStr

from cleanlist_mcp.api.wire import PersonRequest
from cleanlist_mcp.calls import account
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.errors import CleanlistError, DailyLimit
from cleanlist_mcp.journal import opening
from cleanlist_mcp.journal.opening import open_database
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.same_person import marks_of
from cleanlist_mcp.runs.spending import Started
from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from tests.databases import needs_postgres, server
from tests.suspending import SuspendingStore, as_store

pytest.importorskip("psycopg")

from tests.postgres_journals import run_sql

pytestmark = needs_postgres

SECRET = "the secret of one team has thirty-two bytes"


class Service:
    """Replicas of one service over a database of its own."""

    def __init__(self, replicas: list[Services], sandbox: Sandbox, url: str) -> None:
        self.replicas = replicas
        self.sandbox = sandbox
        self.url = url

    async def person(self, who: str, replica: int, *, again: bool = False) -> Started:
        services = self.replicas[replica]
        person = Person(email=f"{who}@fable.example")
        return await services.workflows.start_person(
            PersonRequest(email=person.email, enrichment_type="partial"),
            marks=marks_of(person),
            into="",
            label=who,
            list_name="",
            again=again,
            caller=Call(services, 50),
        )

    async def all_done(self) -> None:
        with anyio.fail_after(20):
            while any(one.workflows.spends.under_way for one in self.replicas):  # noqa: ASYNC110 - there is no event
                await anyio.sleep(0.01)

    def states(self) -> Counter[str]:
        text = run_sql(self.url, "cleanlist_mcp", "SELECT STRING_AGG(state, ' ') FROM runs")
        return Counter((text or "").split())


@asynccontextmanager
async def service(replicas: int = 3, **settings: object) -> AsyncIterator[Service]:
    sandbox = Sandbox(rate_limits=False)
    url = server().new_database()
    values = {
        "api_key": SecretStr(sandbox.key),
        "base_url": sandbox.base_url,
        "database_url": SecretStr(url),
        "team_secrets": SecretStr(SECRET),
        "hourly_unquoted_limit": 10**6,
    } | settings
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        made = [
            Services(Settings.model_validate(values), SystemClock(), tasks, transport(sandbox))
            for _ in range(replicas)
        ]
        for one in made:
            stack.push_async_callback(one.aclose)
        yield Service(made, sandbox, url)


async def test_of_many_spends_that_end_at_random_steps_none_leaves_an_intent_or_a_request_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(11)  # noqa: S311 - a test's chance
    stores: list[SuspendingStore] = []
    scopes: list[anyio.CancelScope] = []

    async def pause(name: str) -> None:
        if scopes and chance.random() < 0.02:
            chance.choice(scopes).cancel()
        await checkpoint()

    def open_suspending(*args: Any) -> Store:
        stores.append(SuspendingStore(open_database(*args), pause))
        return as_store(stores[-1])

    monkeypatch.setattr(opening, "open_database", open_suspending)
    async with service() as team:

        async def call(number: int) -> None:
            with anyio.CancelScope() as scope, suppress(CleanlistError):
                scopes.append(scope)
                await team.person(f"kim-{number % 40}", number % 3)

        async with anyio.create_task_group() as calls:
            for number in range(80):
                calls.start_soon(call, number)
        scopes.clear()
        await team.all_done()
        states = team.states()
        started = len(team.sandbox.runs)

    assert states["starting"] == states["uncertain"] == 0
    assert states["running"] + states["finished"] == started > 10


async def test_one_person_asked_for_on_all_replicas_at_once_is_paid_once() -> None:
    async with service() as team:
        started: list[Started] = []

        async def call(number: int) -> None:
            started.append(await team.person("ada", number % 3))

        async with anyio.create_task_group() as calls:
            for number in range(12):
                calls.start_soon(call, number)
        assert len(team.sandbox.runs) == 1

    assert sorted(one.replayed for one in started) == [False, *[True] * 11]
    assert len({one.run.workflow_id for one in started}) == 1


async def test_the_daily_limit_of_the_organization_holds_over_replicas() -> None:
    async with service(daily_limit=7) as team:
        refused = 0

        async def call(number: int) -> None:
            nonlocal refused
            try:
                await team.person(f"kim-{number}", number % 3)
            except DailyLimit:
                refused += 1

        async with anyio.create_task_group() as calls:
            for number in range(20):
                calls.start_soon(call, number)
        assert (len(team.sandbox.runs), refused) == (7, 13)


async def test_whoami_says_that_runs_are_remembered_in_the_database_and_teaches_the_organization() -> None:
    async with service(1) as team:
        (services,) = team.replicas
        assert (await account.describe(Call(services, 50.0))).remembers_runs == "in_database"
        asked = len(team.sandbox.requests)
        await team.person("ada", 0)
        assert [record.path.rsplit("/", 1)[-1] for record in team.sandbox.requests[asked:]] == ["person"]
        balance = await account.balance(services, by="run")
        assert balance.rows is not None
        assert abs(services.clock.time() - time.time()) < 5
