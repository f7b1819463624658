"""Growth: no statement of the journal reads or sorts a whole table, however many entries there are."""

import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cleanlist_mcp.errors import DailyLimit
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.money.costs import By
from cleanlist_mcp.money.limits import DAY, Limits
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.people.identity import Person
from tests.journals import HandClock, Organization, claim_list, claim_person, database_of, open_journal

BYS: tuple[By, ...] = ("total", "day", "list", "run")

LARGE = ("runs", "quotes", "identifiers", "spending", "imports", "import_people")
"""The tables that grow."""


def quote_of(number: int, clock: HandClock) -> Quote:
    return Quote(f"qte_{number}", f"list_{number}", "Prospects", "partial", 40, 40, 500, clock.now + 300)


async def claims(journal: Journal, clock: HandClock) -> None:
    ada = Person(email="ada@fable.example")
    await claim_person(journal, ada)
    await claim_person(journal, Person(email="ada@fable.example", linkedin_url="https://linkedin.com/in/ada"))
    await claim_list(journal, quote_of(1, clock))
    clock.now += 120
    await claim_list(journal, quote_of(1, clock), may_resend=True)
    await claim_list(journal, quote_of(2, clock))
    await journal.claims.look_at_list(quote_of(1, clock))
    with pytest.raises(DailyLimit):
        await claim_list(journal, quote_of(3, clock), Limits(1, 1))


async def outcomes(journal: Journal, clock: HandClock) -> None:
    run = (await claim_person(journal, Person(email="grace@fable.example"))).run
    other = (await claim_person(journal, Person(email="kim@fable.example"))).run
    await journal.outcomes.started(
        run, workflow_id="enrich-1", reserved=1, list_id="list_1", list_name="Results", status="pending"
    )
    assert await journal.may_be_same_person(run, other) is False
    await journal.outcomes.observed("enrich-1", status="running")
    await journal.outcomes.vanished("enrich-1")
    await journal.outcomes.finished("enrich-1", status="completed", charged=1, refunded=0, report=None)
    await journal.outcomes.counted("enrich-1", {"rows": 1})
    await journal.outcomes.same_as(other, run)
    await journal.outcomes.refused(other)
    await journal.outcomes.uncertain(run)


async def looks(journal: Journal, clock: HandClock) -> None:
    await journal.remember_quote(quote_of(1, clock))
    await journal.quote("qte_1")
    await journal.run(1)
    await journal.by_workflow("enrich-1")
    await journal.run_of_quote("qte_1")
    await journal.recent(11)
    await journal.last_list_run("list_1")
    await journal.list_named("Results")
    await journal.spent()
    await claims(journal, clock)
    for by in BYS:
        await journal.costs.statement(90, by)
    async with journal._store.read() as reader:
        await reader.run_of_claim("no such claim")


async def imports(journal: Journal, clock: HandClock) -> None:
    people = [["a", "A"], ["b"]]
    claim = await journal.imports.claim("key", "list_1", people, 30)
    assert claim is not None
    clock.now += 60
    again = await journal.imports.claim("key", "list_1", people, 30)
    assert again is not None
    await journal.imports.refused(again)
    await journal.imports.into("list_1", ["a", "b", "c"])
    await journal.imports.finished("key", 1, ["b"])
    await journal.imports.taken_out("list_1", ["b", "z"])
    await journal.imports.into("list_1", ["a", "b", "c"])
    first = await journal.imports.claim("other", "list_1", [["c"]], 30)
    assert first is not None
    await journal.imports.refused(first)


async def forgetting(journal: Journal, clock: HandClock) -> None:
    await claims(journal, clock)
    await imports(journal, clock)
    for _ in range(3):
        clock.now += 91 * DAY
        await journal._store.forget_old()
    assert await journal.recent(5) == []


@pytest.mark.parametrize("organization", [None, Organization("org_1")], ids=["alone", "shared"])
@pytest.mark.parametrize("step", [claims, outcomes, looks, imports, forgetting])
async def test_every_statement_finds_its_rows_in_the_order_of_an_index(
    tmp_path: Path,
    step: Callable[[Journal, HandClock], Awaitable[None]],
    organization: Organization | None,
) -> None:
    clock = HandClock()
    journal = open_journal(tmp_path, clock, "api", "key", organization)
    database = database_of(journal)
    statements: set[str] = set()
    database.set_trace_callback(statements.add)
    await step(journal, clock)
    database.set_trace_callback(None)
    wanting = {statement: plan for statement in statements if (plan := bad_plan(database, statement))}
    await journal.close()

    assert len(statements) > 3
    assert wanting == {}


def bad_plan(database: sqlite3.Connection, statement: str) -> list[str]:
    """Return the steps of a statement's plan that read or sort a whole table."""
    if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement):
        return []
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return [line for line in plan if "TEMP B-TREE" in line or re.match(rf"SCAN ({'|'.join(LARGE)})\b", line)]


def test_a_plan_that_reads_or_sorts_a_whole_table_is_seen(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, HandClock(), "api", "key")
    database = database_of(journal)

    assert bad_plan(database, "SELECT run_id FROM runs WHERE status = 'x'")
    assert bad_plan(database, "SELECT run_id FROM runs WHERE account = 'x' ORDER BY claim")
    assert not bad_plan(database, "SELECT run_id FROM runs WHERE run_id = 1")
