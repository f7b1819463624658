"""Files as people have them: each gives the people who stand beside it, each of them once.

The files and what is expected of them lie in tests/files, one `.json` beside each `.csv`.
"""

from pathlib import Path

import anyio
import httpx
import pytest

from benchmarks.files import FILES, Expected, Outcome, all_expected, play, rows_at_risk, sent
from cleanlist_mcp.sandbox.people import Identity
from tests.support import Answering, World

EXPECTED = all_expected()

NOT_YET: frozenset[str] = frozenset()
"""Files that are not read right yet; a file that is has to leave this set."""


def marked(one: Expected) -> object:
    marks = [pytest.mark.xfail(strict=True)] if one.name in NOT_YET else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.mark.parametrize("expected", [marked(one) for one in EXPECTED])
async def test_a_file_gives_its_people_each_once(expected: Expected, tmp_path: Path) -> None:
    outcome = await play(tmp_path, expected.name)

    assert by_fields(outcome.people) == by_fields(expected.people), outcome.answer
    assert rows_at_risk(expected, outcome) == 0
    assert_accounted(expected, outcome)
    assert_explained(expected, outcome)


def by_fields(people: list[dict[str, str]]) -> list[list[tuple[str, str]]]:
    return sorted(sorted(person.items()) for person in people)


def assert_accounted(expected: Expected, outcome: Outcome) -> None:
    """Every row is a person, part of one, or skipped with its reason."""
    answer = outcome.answer
    assert answer["imported"] == len(expected.people)
    assert answer["skipped"] == len(expected.skipped)
    reasons = {str(row["row"]): row["reason"] for row in answer.get("skipped_rows", [])}
    assert reasons.keys() == expected.skipped.keys()
    for row, reason in expected.skipped.items():
        assert reason in reasons[row]
    assert answer.get("merged", 0) == sum(len(rows) - 1 for rows in expected.merged)
    merged = {(one["row"], one["into"]) for one in answer.get("merged_rows", [])}
    assert merged == {(row, first) for first, *rows in expected.merged for row in rows}


def assert_explained(expected: Expected, outcome: Outcome) -> None:
    """The answer says how each column was understood, what came of it, and what a person should look at."""
    answer = outcome.answer
    assert answer["columns"] == expected.columns
    assert answer.get("unused_columns", []) == expected.unused
    assert len(answer["sample"]) == min(3, len(expected.people))
    for field in ("email", "phone", "linkedin"):
        name = "linkedin_url" if field == "linkedin" else field
        assert answer[f"with_{field}"] == sum(name in person for person in expected.people)
    told = answer["summary"] + " ".join(answer.get("notes", []))
    for words in expected.says:
        assert words in told


def test_every_file_has_its_people_and_every_shape_that_people_meet_is_there() -> None:
    assert {path.stem for path in FILES.glob("*.csv")} == {one.name for one in EXPECTED}
    assert len(EXPECTED) >= 60
    assert len({one.shape for one in EXPECTED}) >= 20


async def export(world: World, list_id: str, path: Path) -> None:
    """Save what the API exports of a list, each formula and phone number made safe for spreadsheets."""
    async with world.connect() as session:
        link = (await session.call("export_list", list_id=list_id))["download_url"]
    request = httpx.Request("GET", link)
    content = await (await world.transport.handle_async_request(request)).aread()
    await anyio.Path(path).write_bytes(content.replace(b",+", b",'+"))


async def test_a_list_that_is_exported_and_added_again_doubles_nobody(world: World, tmp_path: Path) -> None:
    people = [
        {
            "first_name": "Mira",
            "last_name": "Quill",
            "company_name": "Quill Works",
            "domain": "quillworks.example",
        },
        {"linkedin_url": "linkedin.com/in/tomas-brandt", "first_name": "Tomas", "last_name": "Brandt"},
        {"email": "ines@valdo.example", "phone": "+34 555 010 101"},
    ]
    list_id = world.sandbox.add_list("Again")
    async with world.connect(csv_dir=tmp_path) as session:
        await session.call("add_leads", list_id=list_id, people=people)
        await session.call("enrich_list", **await world.quote(session, list_id, "full"), wait_seconds=40)
        await export(world, list_id, tmp_path / "again.csv")
        before = len(list(sent(world)))
        again = await session.call("add_leads", list_id=list_id, csv_path="again.csv")

    assert len(list(sent(world))) == before == 3
    assert again["imported"] + again["skipped"] == 3
    assert len(world.sandbox.leads(list_id)) == 3


async def test_whom_somebody_else_put_into_the_list_is_not_added_again(world: World, era: str) -> None:
    shown = Identity(first_name="Mira", last_name="Quill", company="Quill Works Ltd")
    list_id = world.sandbox.add_list("Shown", [shown])
    known = {"full_name": "QUILL Mira", "company_name": "Quill Works", "phone": "+1 555 010 0199"}

    async with world.connect(era) as session:
        answer = await session.call(
            "add_leads", list_id=list_id, people=[known, {"email": "new@quillworks.example"}]
        )

    assert (answer["imported"], answer["skipped"]) == (1, 1)
    assert answer["skipped_rows"][0]["reason"] == "in the list already, without the phone number you gave"
    assert [person["email"] for person in sent(world)] == ["new@quillworks.example"]


async def test_people_who_have_an_address_are_left_out_where_that_is_asked_for(
    world: World, era: str
) -> None:
    list_id = world.sandbox.add_list("Missing")
    people = [
        {"email": "mira@quillworks.example", "first_name": "Mira"},
        {
            "first_name": "Tomas",
            "last_name": "Brandt",
            "company_name": "Harbor & Pine",
            "phone": "+47 555 01 010",
        },
    ]
    async with world.connect(era) as session:
        by_email = await session.call("add_leads", list_id=list_id, people=people, leave_out="with_email")
        by_phone = await session.call("add_leads", list_id=list_id, people=people, leave_out="with_phone")

    assert [(row["row"], row["name"], row["reason"]) for row in by_email["skipped_rows"]] == [
        (1, "Mira", "has an e-mail address already")
    ]
    assert [(row["row"], row["reason"]) for row in by_phone["skipped_rows"]] == [
        (2, "has a phone number already")
    ]
    assert [person.get("email", person.get("phone")) for person in sent(world)] == [
        "+47 555 01 010",
        "mira@quillworks.example",
    ]


NEW = [{"email": "new@quillworks.example"}]


async def test_when_it_cannot_be_seen_who_is_in_the_list_nobody_is_added(world: World, era: str) -> None:
    list_id = world.sandbox.add_list("Unseen")
    world.transport = Answering(world.transport, "/leads", httpx.Response(500, content=b"oops"))

    async with world.connect(era) as session:
        error = await session.error("add_leads", list_id=list_id, people=NEW)

    assert error["charged"] == "no"
    assert list(sent(world)) == []


async def test_a_key_that_may_not_read_lists_adds_people_and_the_answer_says_that_it_compared_nobody(
    world: World, era: str
) -> None:
    list_id = world.sandbox.add_list("Unseen")
    refusal = {
        "error": {"code": "insufficient_scope", "problem": "lists:read is missing", "retryable": False}
    }
    world.transport = Answering(world.transport, "/leads", httpx.Response(403, json=refusal))

    async with world.connect(era) as session:
        answer = await session.call("add_leads", list_id=list_id, people=NEW)

    assert answer["imported"] == 1
    assert "nobody was compared with who is in the list" in answer["notes"][0]


async def test_of_a_long_list_the_answer_says_how_much_was_compared(world: World, era: str) -> None:
    crowd = [Identity(email=f"p{number}@quillworks.example") for number in range(1_001)]
    list_id = world.sandbox.add_list("Long", crowd)

    async with world.connect(era) as session:
        answer = await session.call("add_leads", list_id=list_id, people=NEW)

    assert answer["imported"] == 1
    assert "compared with the first 1,000 of 1,001 people in the list" in answer["notes"][0]
