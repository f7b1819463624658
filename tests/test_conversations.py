"""Whole jobs in one conversation: few calls, short answers, and nobody copied by hand."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conversations import (
    MOST_CALLS,
    MOST_TOKENS,
    SCRIPTS,
    Conversation,
    Script,
    played,
    table,
)

DOCS = Path(__file__).parents[1] / "docs" / "conversations.md"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.title)
async def test_a_whole_job_takes_few_calls_and_short_answers(script: Script, tmp_path: Path) -> None:
    talk = await played(script, tmp_path)

    assert len(talk.steps) <= MOST_CALLS
    assert talk.tokens <= MOST_TOKENS, table(script.title, talk)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.title)
async def test_no_row_is_copied_by_hand(script: Script, tmp_path: Path) -> None:
    talk = await played(script, tmp_path)

    for answer in talk.answers:
        assert "people" not in answer["arguments"], answer["tool"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.title)
async def test_what_a_job_cost_is_what_its_balance_says(script: Script, tmp_path: Path) -> None:
    talk = await played(script, tmp_path)

    balance = newest(talk, "credits_balance")
    assert balance["charged"] == talk.world.sandbox.ledger().charged > 0
    assert (balance["reserved"], balance["unknown"]) == (0, 0)
    assert sum(row["charged"] for row in balance["rows"]) == balance["charged"]


async def test_a_search_becomes_a_file_of_those_who_can_be_written_to(tmp_path: Path) -> None:
    talk = await played(SCRIPTS[0], tmp_path)

    found = newest(talk, "search_people")
    shown = newest(talk, "get_leads")
    assert newest(talk, "add_leads")["added"] == len(found["people"]) == found["total"]
    assert shown["leads"] and all(lead["email"] for lead in shown["leads"])
    assert len(shown["leads"]) == newest(talk, "credits_balance")["charged"] <= 60
    assert (tmp_path / "files" / newest(talk, "export_list")["saved_as"]).exists()


async def test_only_the_chosen_rows_are_completed_within_the_limit_for_a_day(tmp_path: Path) -> None:
    talk = await played(SCRIPTS[1], tmp_path)

    run, balance = newest(talk, "enrich_list"), newest(talk, "credits_balance")
    assert (run["total"], run["scope"]) == (3, "phone_only")
    assert run["credits"]["charged"] <= run["credits"]["quoted"] == 30
    assert balance["daily_left"] == 60 - balance["charged"]
    assert {row["label"] for row in balance["rows"]} == {"Q3 Prospects", "legendlabs.example"}


async def test_rows_that_were_taken_out_can_be_put_back(tmp_path: Path) -> None:
    talk = await played(SCRIPTS[1], tmp_path)

    asked = {one["tool"]: one["arguments"] for one in talk.answers}
    taken = asked["remove_leads"]["lead_ids"]
    assert len(taken) == 12 - newest(talk, "enrich_list")["found"]
    assert newest(talk, "add_leads")["added"] == 1
    async with talk.world.connect() as session:
        rows = await session.call("get_leads", list_id="Q3 Prospects", details=True)
    assert [row["lead_id"] for row in rows["leads"] if "phone" not in row] == asked["add_leads"]["lead_ids"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.title)
async def test_the_page_says_what_a_job_takes(script: Script, tmp_path: Path) -> None:
    talk = await played(script, tmp_path)

    row = re.search(rf"^\| {script.title} \| (\d+) \| ([\d,]+) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert int(row[1]) == len(talk.steps)
    assert int(row[2].replace(",", "")) == pytest.approx(talk.tokens, rel=0.1)


def newest(talk: Conversation, tool: str) -> dict[str, Any]:
    """Return the newest answer of a tool in a conversation."""
    return next(one["answer"] for one in reversed(talk.answers) if one["tool"] == tool)
