"""Do not contact: whom the user's file names is left alone at every door."""

import os
from pathlib import Path
from typing import Any

import pytest

from cleanlist_mcp.errors import Excluded
from cleanlist_mcp.imports.exclusion_file import ExclusionFile
from cleanlist_mcp.people.exclusions import Exclusions
from tests.support import World

FILE = """# never again
kim@fable.example
@tale.example
saga.example
https://www.linkedin.com/in/ada-fable/
Fable, Tale & Co. KG   # our lawyers
"""


def read(path: Path, text: str) -> Exclusions:
    path.write_text(text, "utf-8")
    return ExclusionFile(path).current()


@pytest.mark.parametrize(
    "who",
    [
        {"email": "Kim@Fable.example"},
        {"email": "anybody@tale.example"},
        {"email": "anybody@mail.saga.example"},
        {"domain": "https://www.saga.example/about"},
        {"linkedin_url": "linkedin.com/in/Ada-Fable?trk=x"},
        {"company_name": "FABLE, TALE & CO"},
    ],
)
def test_an_entry_covers_every_spelling_of_what_it_names(tmp_path: Path, who: dict[str, str]) -> None:
    assert read(tmp_path / "file.txt", FILE).covers(**who)


@pytest.mark.parametrize(
    "who",
    [
        {},
        {"email": "kim2@fable.example"},
        {"email": "kim@notsaga.example"},
        {"domain": "fable.example"},
        {"linkedin_url": "linkedin.com/in/ada-fable-2"},
        {"company_name": "Fable"},
    ],
)
def test_nobody_else_is_covered(tmp_path: Path, who: dict[str, str]) -> None:
    assert not read(tmp_path / "file.txt", FILE).covers(**who)


def test_a_table_excludes_by_every_column_and_takes_no_persons_name_for_a_company(tmp_path: Path) -> None:
    text = "First name;Last name;E-mail;Company;Website\nAda;Fable;ada@fable.example;Tale GmbH;saga.example\n"

    found = read(tmp_path / "file.csv", text)

    assert found.covers(email="ada@fable.example")
    assert found.covers(company_name="Tale")
    assert found.covers(domain="saga.example")
    assert not found.covers(company_name="Ada") and not found.covers(company_name="Fable")


def test_a_table_needs_no_titles_if_every_line_has_its_delimiter(tmp_path: Path) -> None:
    found = read(tmp_path / "file.csv", "ada@fable.example;saga.example\nkim@tale.example;legend.example\n")

    assert found.covers(email="kim@tale.example") and found.covers(domain="saga.example")


def test_a_delimiter_in_one_line_alone_makes_no_table(tmp_path: Path) -> None:
    found = read(tmp_path / "file.txt", "Fable; Tale & Co. KG\nkim@tale.example\n")

    assert found.covers(company_name="Fable; Tale & Co.") and found.covers(email="kim@tale.example")


SEVERAL_IN_A_LINE = [
    "kim@fable.example, ada@tale.example; saga.example\n",
    'Kim <kim@fable.example>, "Tale, Ada" <ada@tale.example>, saga.example\n',
    "saga.example, linkedin.com/in/kim-fable\nkim@fable.example,ada@tale.example",
    'E-mail,Website\n"kim@fable.example, ada@tale.example","tale.example; saga.example"\n',
]


@pytest.mark.parametrize("text", SEVERAL_IN_A_LINE)
def test_everybody_whom_a_line_names_is_covered_and_not_only_the_first(tmp_path: Path, text: str) -> None:
    found = read(tmp_path / "file.txt", text)

    assert found.covers(email="kim@fable.example")
    assert found.covers(email="ada@tale.example")
    assert found.covers(domain="www.saga.example")


def test_a_companys_name_with_a_comma_and_a_remark_in_brackets_stay_one_entry(tmp_path: Path) -> None:
    found = read(tmp_path / "file.txt", "Fable, Tale, Inc.\nkim@saga.example (office, home)\n")

    assert found.covers(company_name="Fable, Tale") and not found.covers(company_name="Fable")
    assert found.covers(email="kim@saga.example")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kim@fable.example\n\n12345\n", "line 3"),
        ("# people\nkim@fable\n", "line 2"),
        ("kim@fable.example, ada@tale\n", "line 1"),
    ],
)
def test_a_line_that_is_none_of_the_kinds_is_named(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(Excluded) as refused:
        read(tmp_path / "file.txt", text)

    assert line in refused.value.message
    assert "kim" not in refused.value.message


def test_a_cell_that_is_too_long_is_named_as_the_problem(tmp_path: Path) -> None:
    with pytest.raises(Excluded, match="too long"):
        read(tmp_path / "file.csv", f"E-mail,Notes\nkim@fable.example,{'x' * 11_000_000}\n")


def test_a_file_that_had_entries_and_is_empty_now_is_refused_and_an_empty_one_excludes_nobody(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("", "utf-8")
    file = ExclusionFile(path)
    assert not file.current()

    path.write_text("kim@fable.example", "utf-8")
    assert file.current().covers(email="kim@fable.example")
    path.write_text("# nobody", "utf-8")
    for _ in range(2):
        with pytest.raises(Excluded, match="empty now"):
            file.current()


async def test_whoever_is_excluded_is_not_enriched_alone_and_nothing_is_sent(
    world: World, era: str, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("fable.example", "utf-8")
    people: list[dict[str, Any]] = [
        {"email": "ada@fable.example"},
        {"first_name": "Ada", "last_name": "Fable", "domain": "mail.fable.example"},
    ]
    async with world.connect(era, exclude_file=path) as session:
        errors = [await session.error("enrich_person", **person) for person in people]
        assert world.sandbox.requests == []
        path.write_text("tale.example", "utf-8")
        report = await session.call("enrich_person", **people[0])

    assert {(error["code"], error["charged"]) for error in errors} == {("excluded", "no")}
    assert report["workflow_id"]


async def test_while_the_file_cannot_be_read_nothing_is_spent(world: World, tmp_path: Path) -> None:
    async with world.connect(exclude_file=tmp_path / "gone.txt") as session:
        error = await session.error("enrich_person", email="ada@fable.example")

    assert (error["code"], error["charged"]) == ("excluded", "no")
    assert "cannot be read" in error["message"]
    assert world.sandbox.requests == []


ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}
KIM = {"email": "kim@tale.example", "first_name": "Kim", "last_name": "Tale"}


async def test_whoever_is_excluded_is_not_added_and_named(world: World, era: str, tmp_path: Path) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("fable.example", "utf-8")
    list_id = world.sandbox.add_list("Mine")
    async with world.connect(era, exclude_file=path) as session:
        answer = await session.call("add_leads", list_id=list_id, people=[ADA, KIM])
        alone = await session.call("add_leads", list_id=list_id, people=[ADA])

    assert (answer["imported"], answer["skipped"]) == (1, 1)
    assert answer["skipped_rows"] == [
        {"row": 1, "name": "Ada Fable", "reason": "is in the file of people who must not be contacted"}
    ]
    assert alone["summary"] == (
        "0 rows imported, 1 skipped; nothing was enriched or charged. Reasons: is in the file of people who "
        "must not be contacted (1 row)."
    )
    assert "estimate" not in alone["next_step"]
    assert [lead["email"] for lead in world.sandbox.leads(list_id)] == ["kim@tale.example"]


async def test_a_row_of_an_excluded_person_takes_all_their_rows_along(world: World, tmp_path: Path) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("linkedin.com/in/ada-fable", "utf-8")
    list_id = world.sandbox.add_list("Mine")
    people = [ADA | {"linkedin_url": "https://linkedin.com/in/ada-fable"}, ADA, KIM]
    async with world.connect(exclude_file=path) as session:
        answer = await session.call("add_leads", list_id=list_id, people=people)

    assert answer["imported"] == 1
    assert len(world.sandbox.leads(list_id)) == 1


async def test_rows_of_lists_and_searches_are_marked_and_no_excluded_one_is_added(
    world: World, era: str, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("Legend Labs", "utf-8")
    os.utime(path, (world.clock.now - 60,) * 2)
    list_id = world.sandbox.add_list("Mine")
    async with world.connect(era, exclude_file=path) as session:
        found = await session.call("search_people", company_names=["Legend Labs"])
        marked = [row for row in found["people"] if row.get("excluded")]
        error = await session.error(
            "add_leads",
            list_id=list_id,
            search_id=found["search_id"],
            entity_ids=[marked[0]["entity_id"]],
        )
        path.write_text("somebody@fable.example", "utf-8")
        await session.call("search_people", company_names=["Legend Labs"])
        changed = await session.error("add_leads", list_id=list_id, search_id=found["search_id"])

    assert len(marked) == len(found["people"]) > 1
    assert (error["code"], error["charged"]) == ("not_found", "no")
    assert (changed["code"], changed["charged"]) == ("excluded", "no")
    assert world.sandbox.leads(list_id) == []


async def test_leads_that_must_not_be_contacted_are_marked(world: World, tmp_path: Path) -> None:
    async with world.connect() as session:
        await session.call("enrich_list", **await world.quote(session), wait_seconds=40)
        rows = (await session.call("get_leads", list_id="Q3 Prospects"))["leads"]
    chosen = next(row for row in rows if row.get("email"))
    path = tmp_path / "exclude.txt"
    path.write_text(chosen["email"], "utf-8")
    async with world.connect(exclude_file=path) as session:
        shown = (await session.call("get_leads", list_id="Q3 Prospects"))["leads"]

    assert [row.get("email") for row in shown if row.get("excluded")] == [chosen["email"]]


async def test_a_quote_leaves_excluded_rows_out_and_counts_them(
    world: World, era: str, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    leads = world.sandbox.leads(world.sandbox.list_id("Q3 Prospects"))
    path.write_text(leads[0]["linkedin_url"] or leads[0]["company"] or "", "utf-8")
    async with world.connect() as session:
        whole = await session.call("estimate", list_id="Q3 Prospects")
    async with world.connect(era, exclude_file=path) as session:
        quote = await session.call("estimate", list_id="Q3 Prospects")
        arguments = {name: quote[name] for name in ("list_id", "scope", "quote_id")}
        report = await session.call("enrich_list", **arguments, wait_seconds=40)

    assert quote["excluded"] >= 1
    assert quote["row_count"] == whole["row_count"] - quote["excluded"]
    assert "must not be contacted" in quote["summary"]
    assert report["total"] == quote["row_count"]


async def test_a_domain_covers_the_rows_that_were_added_with_it_although_no_row_shows_it(
    world: World, era: str, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("fable.example", "utf-8")
    list_id = world.sandbox.add_list("Mine")
    people = [
        {"first_name": "Zoë", "last_name": "Müller", "domain": "https://shop.fable.example/team"},
        {"first_name": "Ada", "last_name": "Other", "domain": "notfable.example"},
        {"first_name": "Kim", "last_name": "Tale", "company_name": "Fable"},
    ]
    async with world.connect(era) as session:
        await session.call("add_leads", list_id=list_id, people=people)
    async with world.connect(era, exclude_file=path) as session:
        rows = (await session.call("get_leads", list_id=list_id))["leads"]
        quote = await session.call("estimate", list_id=list_id)

    assert [row["name"] for row in rows if row.get("excluded")] == ["Zoë Müller"]
    assert (quote["excluded"], quote["row_count"]) == (1, 2)


async def test_with_a_file_a_list_whose_rows_do_not_show_is_not_quoted(world: World, tmp_path: Path) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("fable.example", "utf-8")
    world.sandbox.unkind.hides_imports = True
    world.sandbox.unkind.counts_hidden = True
    list_id = world.sandbox.add_list("Mine")
    async with world.connect(exclude_file=path) as session:
        await session.call("add_leads", list_id=list_id, people=[KIM])
        error = await session.error("estimate", list_id=list_id)

    assert (error["code"], error["charged"]) == ("not_available", "no")


async def test_a_quote_of_before_is_not_spent_while_the_file_cannot_be_read(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("somebody@fable.example", "utf-8")
    async with world.connect(exclude_file=path) as session:
        quote = await world.quote(session)
        path.write_text("12345", "utf-8")
        error = await session.error("enrich_list", **quote)

    assert (error["code"], error["charged"]) == ("excluded", "no")
    assert world.sandbox.runs == []


async def test_a_result_that_shows_an_excluded_person_warns(world: World, era: str, tmp_path: Path) -> None:
    async with world.connect() as session:
        found = await session.call("enrich_person", **ADA, wait_seconds=40)
        whole = await session.call("enrich_list", **await world.quote(session), wait_seconds=45)
        rows = (await session.call("get_leads", list_id="Q3 Prospects"))["leads"]
    path = tmp_path / "exclude.txt"
    path.write_text(
        "\n".join([found["person"]["email"], *(row["email"] for row in rows if "email" in row)][:3]), "utf-8"
    )
    async with world.connect(era, exclude_file=path) as session:
        again = await session.call("workflow_status", workflow_id=found["workflow_id"])
        settled = await session.call("workflow_status", workflow_id=whole["workflow_id"])

    assert "This person is in the user's file of people who must not be contacted" in again["summary"]
    assert "must not be contacted" not in settled["summary"]  # it was counted before the file was there


async def test_rows_that_turn_out_to_be_excluded_are_counted_at_the_end_of_a_run(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("nobody@fable.example", "utf-8")
    async with world.connect(exclude_file=path) as session:
        run = await session.call("enrich_list", **await world.quote(session), wait_seconds=0)
        companies = {lead["company"] for lead in world.sandbox.leads(run["list_id"]) if lead["company"]}
        path.write_text("\n".join(companies), "utf-8")
        await world.clock.sleep(60)
        shown = await session.call("workflow_status", workflow_id=run["workflow_id"])
        rows = (await session.call("get_leads", list_id=run["list_id"]))["leads"]

    excluded = sum(bool(row.get("excluded")) for row in rows)
    assert excluded > 1
    assert f"{excluded} of the people are in the user's file" in shown["summary"]
