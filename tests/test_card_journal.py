"""A journal's memory of cards, whichever engine keeps it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cleanlist_mcp.journal.cards import NAME_LENGTH
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.records import BAN_SECONDS
from cleanlist_mcp.journal.sqlite.store import TRY_AGAIN_AFTER
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.quotes import Quote
from tests.journals import Engine, HandClock, engine_of, engines, quote_for


@pytest.fixture(scope="module", params=engines())
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def journal(engine: Engine, tmp_path: Path, clock: HandClock) -> AsyncIterator[Journal]:
    opened = engine.open(tmp_path, clock)
    yield opened
    await opened.close()


async def judged(journal: Journal, quote: Quote, proof: str, client: str = "Host") -> str:
    return await journal.cards.judged(proof, quote.list_id, quote.scope, quote.quote_id, quote.cost, client)


async def proof_of(journal: Journal, quote: Quote, client: str = "Host") -> str:
    proof = await journal.cards.proof(quote, client)
    assert proof is not None
    return proof


async def test_a_proof_is_good_after_a_restart_and_for_its_own_account_alone(
    engine: Engine, tmp_path: Path, clock: HandClock, journal: Journal
) -> None:
    quote = quote_for(clock)
    proof = await proof_of(journal, quote)
    again, other = engine.open(tmp_path, clock), engine.open(tmp_path, clock, "clapi_test_two")

    assert await judged(again, quote, proof) == "good"
    assert await judged(other, quote, proof) == "foreign"
    assert await judged(again, quote_for(clock, 2), proof) == "forged"
    await again.close()
    await other.close()


async def test_the_journals_own_clock_ends_a_proof(journal: Journal, clock: HandClock) -> None:
    quote = quote_for(clock)
    proof = await proof_of(journal, quote)
    clock.now += 310

    assert await judged(journal, quote, proof) == "expired"
    assert not await journal.cards.is_banned("Host")


async def test_a_shown_card_is_known_to_all_servers_of_the_account_for_a_day(
    engine: Engine, tmp_path: Path, clock: HandClock, journal: Journal
) -> None:
    await journal.cards.note_shown("qte_1")
    again, other = engine.open(tmp_path, clock), engine.open(tmp_path, clock, "clapi_test_two")

    assert await again.cards.was_shown("qte_1")
    assert not await again.cards.was_shown("qte_2")
    assert not await other.cards.was_shown("qte_1")
    for _ in range(3):
        clock.now += DAY + 60
        await journal.remember_quote(quote_for(clock))  # old entries are dropped then
    assert not await again.cards.was_shown("qte_1")
    await again.close()
    await other.close()


async def test_a_ban_is_of_one_client_and_account_holds_30_days_and_can_be_lifted(
    engine: Engine, tmp_path: Path, clock: HandClock, journal: Journal
) -> None:
    quote = quote_for(clock)
    assert await judged(journal, quote, "made up", "Some  Host\u202e") == "forged"
    again, other = engine.open(tmp_path, clock), engine.open(tmp_path, clock, "clapi_test_two")

    assert await again.cards.is_banned("some host") and await again.cards.proof(quote, "Some Host") is None
    assert not await again.cards.is_banned("Another") and not await other.cards.is_banned("Some Host")
    assert [ban.client for ban in await other.cards.bans()] == ["some host"]
    clock.now += BAN_SECONDS - 60
    assert await again.cards.is_banned("Some Host")
    clock.now += 120
    assert not await again.cards.is_banned("Some Host") and await other.cards.bans() == []

    await judged(again, quote, "made up", "x" * 500)
    (ban,) = await again.cards.bans()
    assert len(ban.client) <= NAME_LENGTH
    assert await other.cards.lift_bans() == 2
    assert await other.cards.bans() == []
    await again.close()
    await other.close()


async def test_a_ban_that_cannot_be_written_holds_here_and_is_written_later(
    engine: Engine, tmp_path: Path, clock: HandClock, journal: Journal
) -> None:
    await journal.cards.was_shown("qte_1")
    engine.break_writes(journal)
    await judged(journal, quote_for(clock), "made up")
    assert await journal.cards.is_banned("Host")
    assert await journal.cards.bans() == []
    engine.break_writes(journal, False)
    clock.now += TRY_AGAIN_AFTER + 1
    await journal.recent(1)

    assert [ban.client for ban in await journal.cards.bans()] == ["host"]
