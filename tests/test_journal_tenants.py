"""Many keys in one journal: limits for each organization, lists that colleagues share, and nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cleanlist_mcp.errors import ApiUnavailable, DailyLimit, HourlyUnquotedLimit, JournalUnusable
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Identity
from cleanlist_mcp.journal.port import CLAIMED_SECONDS, Store
from cleanlist_mcp.money.costs import By
from cleanlist_mcp.money.limits import DAY, Limits
from cleanlist_mcp.people.identity import Person
from tests.journals import (
    API,
    Engine,
    HandClock,
    Organization,
    accept,
    claim,
    claim_list,
    claim_person,
    engine_of,
    engines,
    finish,
    quote_for,
    run_of,
    word,
)

Open = Callable[..., Journal]

BYS: tuple[By, ...] = ("run", "list", "day", "total")


@pytest.fixture(scope="module", params=engines())
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def opened(engine: Engine, tmp_path: Path, clock: HandClock) -> AsyncIterator[Open]:
    """Opens the journal of a key of an organization; all of them share their entries."""
    async with AsyncExitStack() as stack:

        def opens(key: str, organization: str | Organization = "org_1") -> Journal:
            named = Organization(organization) if isinstance(organization, str) else organization
            journal = engine.open(tmp_path, clock, f"clapi_{key}", named)
            stack.push_async_callback(journal.close)
            return journal

        yield opens


async def test_the_daily_limit_counts_for_the_organization_and_the_unquoted_one_for_the_key(
    opened: Open, clock: HandClock
) -> None:
    ada, grace, stranger = opened("ada"), opened("grace"), opened("kim", "org_2")
    limits = Limits(hourly_unquoted=1, daily=41)
    await claim_list(ada, quote_for(clock), limits)
    assert word(await claim(grace, limits=limits)) == "start"
    with pytest.raises(DailyLimit):
        await claim(ada, "edsger", limits=limits)
    with pytest.raises(HourlyUnquotedLimit):
        await claim(grace, "edsger", limits=replace(limits, daily=None))
    assert word(await claim(ada, "edsger", limits=replace(limits, daily=None))) == "start"
    assert word(await claim(stranger, limits=limits)) == "start"
    assert (await stranger.spent()).last_day == 1
    assert (await grace.spent()).last_day == (await ada.spent()).last_day == 42
    assert (await grace.spent()).unquoted_last_hour == 1


async def test_a_list_that_a_colleague_enriches_is_busy_and_shows_no_more_than_its_run(
    opened: Open, clock: HandClock
) -> None:
    ada, grace = opened("ada"), opened("grace")
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    decision = await claim_list(grace, quote_for(clock, 2))

    assert word(decision) == "busy"
    run = decision.run
    assert (run.is_own, run.workflow_id) == (False, "bulk-1")
    assert (run.label, run.list_name, run.quote_id) == ("a list", "", None)
    assert await grace.own_by_workflow("bulk-1") is None
    assert await ada.own_by_workflow("bulk-1") is not None
    assert await grace.recent(10) == []
    assert await grace.quote("qte_1") is None
    assert await grace.run_of_quote("qte_1") is None


async def test_another_organization_sees_nothing_even_of_a_list_with_the_same_id(
    opened: Open, clock: HandClock
) -> None:
    ada, stranger = opened("ada"), opened("kim", "org_2")
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    assert await ada.imports.claim("one", "list_1", [["digest"]], 30) is not None

    assert await stranger.by_workflow("bulk-1") is None
    assert await stranger.last_list_run("list_1") is None
    assert await stranger.tried_in("list_1") == {}
    assert word(await claim_list(stranger, quote_for(clock, 2))) == "start"
    assert await stranger.imports.into("list_1", ["digest"]) == []
    assert await stranger.imports.claim("two", "list_1", [["digest"]], 30) is not None


async def test_what_colleagues_spent_is_one_line_without_their_names(opened: Open, clock: HandClock) -> None:
    ada, grace = opened("ada"), opened("grace")
    for who, journal in (("edsger", grace), ("kim", grace), ("alan", ada)):
        run = await accept(journal, run_of(await claim(journal, who)), f"enrich-{who}")
        await finish(journal, run.workflow_id or "", charged=1)
    for by in BYS:
        statement = await ada.costs.statement(1, by)
        assert statement is not None
        *own, colleagues = statement.lines
        assert (colleagues.label, colleagues.costs.charged, colleagues.workflow_id) == ("colleagues", 2, None)
        assert sum(line.costs.charged for line in own) == 1
        assert (statement.whole.charged, statement.spent.last_day) == (3, 3)
    alone = await opened("grete", "org_2").costs.statement(1, "run")
    assert alone is not None
    assert alone.lines == ()


async def test_two_members_of_one_sign_in_are_two_accounts() -> None:
    one, other = (Identity("api", "key", ("https://issuer.example", who)) for who in ("ada", "grace"))
    assert one.parts != other.parts != Identity("api", "key").parts
    assert "key" not in repr(one)
    assert "ada" not in repr(one)


async def test_the_organization_is_asked_for_once_a_day_and_by_nobody_who_only_looks(
    opened: Open, clock: HandClock
) -> None:
    organization = Organization("org_1")
    ada = opened("ada", organization)
    await ada.recent(5)
    await ada.spent()
    assert organization.asked == 0
    await claim(ada)
    await claim(ada, "grace")
    await claim(opened("ada", organization), "kim")
    assert organization.asked == 1
    clock.now += DAY + 1
    await claim(ada, "edsger")
    assert organization.asked == 2


async def test_while_the_api_does_not_answer_nothing_is_spent_and_looks_still_work(
    opened: Open, clock: HandClock
) -> None:
    silent = Organization("org_1", ApiUnavailable("Cleanlist does not answer.", "Try again."))
    ada = opened("ada", silent)
    with pytest.raises(ApiUnavailable):
        await claim(ada)
    with pytest.raises(ApiUnavailable):
        await claim_list(ada, quote_for(clock))
    await ada.remember_quote(quote_for(clock))
    assert await ada.quote("qte_1") == quote_for(clock)
    assert await ada.recent(5) == []
    silent.fails = None
    assert word(await claim(ada)) == "start"


async def test_a_key_without_an_organization_is_a_tenant_of_its_own(opened: Open, clock: HandClock) -> None:
    ada, grace = opened("ada", ""), opened("grace", "")
    await claim_list(ada, quote_for(clock))
    assert (await ada.spent()).last_day == 40
    assert (await grace.spent()).last_day == 0


async def test_a_change_of_organization_counts_under_both_until_a_day_after_the_last_run(
    opened: Open, clock: HandClock
) -> None:
    organization = Organization("")
    ada = opened("ada", organization)
    colleague = opened("grace", "org_1")
    await claim(colleague, "kim")
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    await finish(ada, "bulk-1", charged=40)
    clock.now += DAY - 60
    organization.name = "org_1"
    clock.now += 59  # not a day yet: the tenant of before
    assert word(await claim(ada, "alan")) == "start"
    clock.now += 2
    assert word(await claim(ada, "edsger")) == "start"
    assert organization.asked == 2

    assert (await ada.by_workflow("bulk-1")) is not None
    assert (await ada.spent()).last_day == (await colleague.spent()).last_day == 2
    clock.now += DAY + 1000
    await claim(ada, "ken")
    assert (await ada.spent()).last_day == (await colleague.spent()).last_day == 1


async def test_what_a_key_spent_before_its_organization_was_named_counts_for_its_colleagues(
    opened: Open, clock: HandClock
) -> None:
    ada, grace, stranger = opened("ada", ""), opened("grace"), opened("kim", "org_2")
    limits = Limits(hourly_unquoted=100, daily=41)
    await accept(ada, run_of(await claim_list(ada, quote_for(clock), limits)), "bulk-1")
    await ada.note_organization("org_1")

    assert word(await claim_list(grace, quote_for(clock, 2))) == "busy"
    await finish(ada, "bulk-1", charged=40)
    assert word(await claim(grace, limits=limits)) == "start"
    with pytest.raises(DailyLimit):
        await claim(grace, "edsger", limits=limits)
    assert (await grace.spent()).last_day == (await ada.spent()).last_day == 41
    assert (await grace.spent()).unquoted_last_hour == 1
    assert await grace.recent(10) != [] and await grace.own_by_workflow("bulk-1") is None
    assert word(await claim(stranger, limits=limits)) == "start"
    assert (await stranger.spent()).last_day == 1

    clock.now += DAY + 1000
    assert word(await claim(grace, "edsger", limits=limits)) == "start"
    assert (await grace.spent()).last_day == 1
    assert len((await grace._naming.names_to_spend()).tenants) == 1


async def test_a_claim_that_does_not_know_of_a_key_which_just_joined_is_refused_once(
    opened: Open, clock: HandClock
) -> None:
    ada, grace = opened("ada", ""), opened("grace")
    limits = Limits(hourly_unquoted=100, daily=41)
    await claim(grace)
    await claim_list(ada, quote_for(clock), limits)
    await ada.note_organization("org_1")

    with pytest.raises(JournalUnusable, match="just changed"):
        await claim(grace, "edsger", limits=limits)
    with pytest.raises(DailyLimit):
        await claim(grace, "edsger", limits=limits)


async def left(ada: Journal, organization: Organization, clock: HandClock, where_to: str = "org_2") -> None:
    """Let a key change its organization, and be past the time in which that may go unnoticed."""
    organization.name = where_to
    clock.now += DAY + 1
    await claim(ada, "alan")
    clock.now += CLAIMED_SECONDS - DAY + 3600


async def test_colleagues_who_stay_do_not_keep_a_key_in_the_organization_that_it_left(
    opened: Open, clock: HandClock
) -> None:
    organization = Organization("org_1")
    ada, colleague = opened("ada", organization), opened("grace", "org_1")
    await accept(ada, run_of(await claim(ada)))
    await finish(ada, "enrich-1", charged=1)
    await left(ada, organization, clock)
    await accept(colleague, run_of(await claim_list(colleague, quote_for(clock))), "bulk-1")
    clock.now += 31

    assert (await ada.spent()).last_day == 1
    assert await ada.by_workflow("bulk-1") is None
    assert await ada.last_list_run("list_1") is None
    assert (await colleague.by_workflow("bulk-1")) is not None


async def test_a_run_of_its_own_that_goes_on_keeps_a_key_in_the_organization_that_it_left(
    opened: Open, clock: HandClock
) -> None:
    organization = Organization("org_1")
    ada = opened("ada", organization)
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    await left(ada, organization, clock)
    clock.now += 31
    assert word(await claim_list(ada, quote_for(clock, 2))) == "busy"
    await finish(ada, "bulk-1", charged=40)
    clock.now += 31
    assert await ada.by_workflow("bulk-1") is None


async def test_a_key_whose_organization_is_not_named_any_more_still_sees_what_goes_on_there(
    opened: Open, clock: HandClock
) -> None:
    """It may belong to it all the same: a list that a colleague enriches must not be paid twice."""
    organization = Organization("org_1")
    ada, colleague = opened("ada", organization), opened("grace", "org_1")
    await claim(ada)
    await left(ada, organization, clock, "")
    await accept(colleague, run_of(await claim_list(colleague, quote_for(clock))), "bulk-1")
    clock.now += 31
    assert word(await claim_list(ada, quote_for(clock, 2))) == "busy"


async def test_people_who_share_a_key_are_kept_in_its_former_organization_by_each_others_runs(
    opened: Open, clock: HandClock
) -> None:
    """The list that one of them enriches is the others' too, and a run does not say with which key it was started."""
    organization = Organization("org_1")
    store = opened("team", organization)._store
    ada, grace = (
        Journal(store, Identity(API, "clapi_team", ("https://issuer.example", who)), organization.ask)
        for who in ("ada", "grace")
    )
    await accept(grace, run_of(await claim_list(grace, quote_for(clock))), "bulk-1")
    await left(ada, organization, clock)
    clock.now += 31
    assert word(await claim_list(ada, quote_for(clock, 2))) == "busy"


async def test_a_claim_that_goes_by_the_former_organization_and_the_next_one_share_a_lock(
    opened: Open, clock: HandClock
) -> None:
    """Without any run yet: the one that the former claim is about to write counts."""
    organization = Organization("org_1")
    former, next_one = opened("ada", organization), opened("ada", organization)
    goes_by = await former._naming.names_to_spend()
    organization.name = "org_2"
    clock.now += 1
    await next_one.note_organization("org_2")
    newer = await next_one._naming.names_to_spend()

    assert newer.tenant not in goes_by.tenants
    assert set(goes_by.tenants) < set(newer.tenants)
    clock.now += DAY + 61
    assert set((await next_one._naming.names_to_spend()).tenants) == {newer.tenant}


async def test_a_person_is_paid_once_by_one_key_whatever_its_organization_is_called_by_then(
    opened: Open, clock: HandClock
) -> None:
    organization = Organization("org_1")
    ada = opened("ada", organization)
    await accept(ada, run_of(await claim_person(ada, Person(email="kim@fable.example"))))
    clock.now += 3600
    await finish(ada, "enrich-1", charged=1)
    organization.name = "org_2"
    clock.now += DAY - 3599
    assert word(await claim_person(ada, Person(email="kim@fable.example"))) == "replay"


class CountedStore:
    """Another store, which counts the looks that begin while a write is under way: each takes a second connection."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._writing = 0
        self.seconds = 0
        self.is_readable = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @asynccontextmanager
    async def record(self, **options: Any) -> AsyncIterator[Any]:
        async with self._inner.record(**options) as writer:
            self._writing += 1
            try:
                yield writer
            finally:
                self._writing -= 1

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        self.seconds += self._writing
        if not self.is_readable:
            raise JournalUnusable("The journal cannot be read.", "Try again.")
        async with self._inner.read() as reader:
            yield reader


async def test_the_end_of_a_run_takes_one_connection_at_a_time(opened: Open, clock: HandClock) -> None:
    """Were the tenant looked up while the write is open, eight ends at once would wait for each other."""
    ada = opened("ada")
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    store = CountedStore(ada._store)
    journal = Journal(cast(Store, store), Identity(API, "clapi_ada"), Organization("org_1").ask)

    await finish(journal, "bulk-1", charged=40)

    ended = await ada.by_workflow("bulk-1")
    assert ended is not None and ended.state == "finished"
    assert store.seconds == 0


async def test_an_end_whose_tenant_cannot_be_looked_up_is_written_later(
    opened: Open, clock: HandClock
) -> None:
    ada = opened("ada")
    await accept(ada, run_of(await claim_list(ada, quote_for(clock))), "bulk-1")
    store = CountedStore(ada._store)
    journal = Journal(cast(Store, store), Identity(API, "clapi_ada"), Organization("org_1").ask)
    store.is_readable = False
    await finish(journal, "bulk-1", charged=40)
    assert journal.owes

    store.is_readable = True
    clock.now += 60
    await journal.catch_up()
    ended = await ada.by_workflow("bulk-1")
    assert ended is not None and ended.state == "finished"
    assert not journal.owes
