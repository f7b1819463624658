"""A team's secret is changed while it works: the same person before, during and after is paid once."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import error_in
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.journal.names import Digester, Identity
from cleanlist_mcp.journal.opening import open_database
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.secret_keys import SecretKeys
from tests.databases import needs_postgres, server
from tests.journals import (
    HandClock,
    Organization,
    accept,
    claim,
    claim_list,
    claim_person,
    finish,
    quote_for,
    run_of,
    word,
)

pytest.importorskip("psycopg")

from tests.postgres_journals import Team

pytestmark = needs_postgres

A, B = (DigestKey(name, name.encode() * 32) for name in "ab")


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with AsyncExitStack() as stack:
        yield Team(stack, HandClock(), tmp_path)


async def test_who_was_paid_before_is_known_during_and_after(team: Team) -> None:
    before = team.journal(store=team.store(A))
    await accept(before, run_of(await claim(before, "ada")), "enrich-1")
    await accept(before, run_of(await claim_list(before, quote_for(team.clock))), "bulk-1")
    await before.remember_quote(quote_for(team.clock, 2))

    during = team.journal(store=team.store(B, A))
    assert (await claim(during, "ada")).run.workflow_id == "enrich-1"
    assert word(await claim_list(during, quote_for(team.clock))) == "replay"
    assert word(await claim_list(during, quote_for(team.clock, 2))) == "busy"
    assert await during.quote("qte_2") == quote_for(team.clock, 2)
    assert (await during.by_workflow("bulk-1")) is not None
    assert [run.workflow_id for run in await during.recent(5)] == ["bulk-1", "enrich-1"]
    assert (await during.spent()).last_day == 41
    assert (await during.spent()).unquoted_last_hour == 1
    assert word(await claim(during, "grace")) == "start"
    assert team.sql("SELECT digest_key FROM runs ORDER BY run_id DESC LIMIT 1") == "b"

    for workflow, charged in (("enrich-1", 1), ("bulk-1", 40)):
        await finish(during, workflow, charged=charged)
    run = run_of(await claim(during, "grace"))
    await accept(during, run, "enrich-2")
    await finish(during, "enrich-2", charged=1)
    team.clock.now += DAY + 1
    after = team.journal(store=team.store(B))
    assert word(await claim(after, "kim")) == "start"
    assert (await after.spent()).last_day == 1


async def test_what_a_later_call_gives_is_kept_with_the_run_of_before_under_its_own_key(team: Team) -> None:
    before = team.journal(store=team.store(A))
    await accept(before, run_of(await claim_person(before, Person(email="kim@fable.example"))), "enrich-1")
    during = team.journal(store=team.store(B, A))
    both = Person(email="kim@fable.example", linkedin_url="https://www.linkedin.com/in/kim")
    assert (await claim_person(during, both)).run.workflow_id == "enrich-1"
    alone = Person(linkedin_url="https://www.linkedin.com/in/kim")
    assert (await claim_person(during, alone)).run.workflow_id == "enrich-1"


async def test_a_server_that_does_not_know_the_new_secret_claims_nothing_more(team: Team) -> None:
    old = team.journal(store=team.store(A))
    await accept(old, run_of(await claim(old, "ada")), "enrich-1")
    new = team.journal(store=team.store(B, A))
    assert word(await claim(new, "grace")) == "start"

    with pytest.raises(JournalUnusable, match="does not know the new one"):
        await claim(old, "kim")
    assert error_in(await old.health()) is not None
    assert word(await claim(old, "ada")) == "replay"  # what needs no writing
    assert word(await claim(team.journal(store=team.store(B, A)), "kim")) == "start"
    assert word(await claim(team.journal(store=team.store(A, B)), "edsger")) == "start"


@pytest.mark.parametrize("state", ["just ended", "running", "unknown", "starting"])
async def test_a_start_without_a_key_that_somebody_is_recognised_by_is_refused(
    team: Team, state: str
) -> None:
    before = team.journal(store=team.store(A))
    run = run_of(await claim(before))
    if state == "unknown":
        await before.outcomes.uncertain(run)
    elif state != "starting":
        await accept(before, run)
    if state == "just ended":
        await finish(before, "enrich-1", charged=1)
    else:
        team.clock.now += 5 * DAY
    early = team.journal(store=team.store(B))
    with pytest.raises(JournalUnusable, match="lacks a key"):
        await claim(early, "grace")
    assert "lacks a key" in str(error_in(await early.health()))
    assert word(await claim(team.journal(store=team.store(B, A)), "grace")) == "start"


async def test_people_who_were_added_under_the_old_secret_are_not_added_again(team: Team) -> None:
    def digests(*keys: DigestKey) -> list[str]:
        return [Digester(key.secret)("lead", "list_1", "kim") for key in keys]

    before = team.journal(store=team.store(A))
    assert await before.imports.claim("one", "list_1", [digests(A)], 30, [("domain", "person")]) is not None
    await before.imports.finished("one", 1, [])
    during = team.journal(store=team.store(B, A))
    assert [one.rows_imported for one in await during.imports.into("list_1", digests(B, A))] == [1]
    assert (await during.digester()).older[0]("lead", "list_1", "kim") == digests(A)[0]
    assert await during.imports.with_domains("list_1", ["domain"]) == {"person"}


async def test_an_approval_of_before_is_good_during_a_change(team: Team) -> None:
    quote = quote_for(team.clock)
    proof = await team.journal(store=team.store(A)).cards.proof(quote, "Host")
    during = team.journal(store=team.store(B, A))
    judged = during.cards.judged
    assert await judged(proof or "", quote.list_id, quote.scope, quote.quote_id, quote.cost, "Host") == "good"


def started_with(url: str, secrets: str) -> tuple[int, str]:
    """Start a server whose client leaves at once; return its status and what it complained about."""
    settings = {
        "CLEANLIST_DATABASE_URL": url,
        "CLEANLIST_SECRET_KEYS": secrets,
        "CLEANLIST_API_KEY": "clapi_" + "a" * 32,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "cleanlist_mcp"],
        env=dict(os.environ) | settings,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stderr


async def test_a_server_does_not_start_without_a_secret_that_is_needed_and_says_so_in_one_line() -> None:
    old, new = "an old secret of thirty-two bytes", "a new secret of thirty-two bytes!"
    url = server().new_database()
    store = open_database(url, SystemClock(), SecretKeys.read(old))
    await claim(Journal(store, Identity("api", "key"), Organization("org_1").ask))
    await store.close()

    status, complaint = started_with(url, new)
    assert (status, complaint.count("\n")) == (2, 1)
    assert "CLEANLIST_SECRET_KEYS lacks a key" in complaint
    assert started_with(url, f"{new},{old}") == (0, "")
    assert started_with(url, SecretKeys.read(f"{new},{old}").for_laptops) == (0, "")
