"""People as they are given: which of them can be imported, and how they are written as CSV."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleanlist_mcp.imports import chunks
from cleanlist_mcp.imports.chunks import IMPORT_FIELDS, Chunk, neutral, to_csv_chunks
from cleanlist_mcp.imports.preparing import MergedRow, prepare, starts_formula
from cleanlist_mcp.people.identity import LIMITS, Person
from tests.people_written import ADA, full_width, only_person, prepared, rules, some_records

NOT_AN_ADDRESS = "email is not an e-mail address"


def reason_for(record: Mapping[str, object]) -> str:
    found = prepared(record)
    assert found.accepted == ()
    return found.skipped[0].reason


def read_back(chunk: Chunk) -> list[list[str]]:
    return list(csv.reader(io.StringIO(chunk.content.decode(), newline=""), strict=True))


@pytest.mark.parametrize(
    "record",
    [
        {"email": "ada@northwind.example"},
        {"linkedin_url": "linkedin.com/in/ada"},
        ADA,
        {"first_name": "Ada", "last_name": "Lovelace", "domain": "northwind.example"},
    ],
)
def test_each_way_to_identify_a_person_is_enough(record: dict[str, object]) -> None:
    assert len(prepared(record).accepted) == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "the row is empty"),
        ({"title": " \u200b", "email": None}, "the row is empty"),
        ({"title": "Engineer"}, "nothing identifies a person"),
        ({**ADA, "last_name": "-"}, "missing last_name (or an email or linkedin_url)"),
        (
            {"first_name": "Ada"},
            "missing last_name, company_name or domain (or an email or linkedin_url)",
        ),
        ({"email": "ada at northwind"}, f"{NOT_AN_ADDRESS}; nothing identifies a person"),
        ({"email": 7}, "email is not text"),
        ({**ADA, "title": ["x"]}, "title is not text"),
    ],
)
def test_a_row_that_identifies_nobody_says_why(record: dict[str, object], reason: str) -> None:
    assert reason_for(record) == reason


def test_a_bad_cell_is_left_out_and_said_where_another_identifies_the_person() -> None:
    found = prepared({**ADA, "email": "ada at northwind", "domain": "Northwind Ltd."})
    assert found.accepted[0].person == Person(**ADA)
    assert [note.reason for note in found.notes] == [
        f"left out: {NOT_AN_ADDRESS}",
        "left out: domain is not a domain name or web address",
    ]


def test_rows_keep_their_numbers() -> None:
    found = prepared(ADA, {}, {"email": "a@b.example"}, {"title": "x"})
    assert [lead.row for lead in found.accepted] == [1, 3]
    assert [note.row for note in found.skipped] == [2, 4]


def test_an_exact_duplicate_is_merged_and_names_the_row_it_repeats() -> None:
    found = prepared({}, ADA, {**ADA, "first_name": " ADA ", "title": "-"})
    assert [lead.row for lead in found.accepted] == [2]
    assert found.merged == (MergedRow(3, 2, "the same identifiers"),)
    assert [note.row for note in found.skipped] == [1]


def test_the_same_person_with_other_details_is_one_with_all_of_them() -> None:
    found = prepared({"email": "a@b.example"}, {"email": "A@b.example", "title": "Engineer"})
    assert [lead.person for lead in found.accepted] == [Person(email="a@b.example", title="Engineer")]
    assert found.merged == (MergedRow(2, 1, "the same identifiers"),)


@pytest.mark.parametrize("field", IMPORT_FIELDS)
def test_a_cell_of_ten_megabytes_skips_its_row_at_once(field: str) -> None:
    record = {**ADA, "email": "ada@northwind.example", field: "x" * 10_000_000}
    assert reason_for(record) == f"{field} is longer than {LIMITS[field]} characters"


def test_a_name_at_its_limit_is_taken_and_one_beyond_is_not() -> None:
    assert only_person({**ADA, "last_name": "é" * 200}).last_name == "é" * 200
    assert reason_for({**ADA, "last_name": "é" * 201}) == "last_name is longer than 200 characters"


def test_a_long_tracking_query_does_not_make_an_address_too_long() -> None:
    assert only_person({"linkedin_url": f"linkedin.com/in/ada?x={'y' * 3_000}"}).linkedin_url


def test_no_reason_repeats_what_stands_in_a_cell() -> None:
    secret = "Zebedee"
    found = prepared(
        *({field: f"{secret} {field}"} for field in LIMITS),
        *({field: secret * 2_000} for field in LIMITS),
        {**ADA, "email": f"={secret}@northwind.example"},
    )
    assert len(found.skipped) == 2 * len(LIMITS)
    said = " ".join(note.reason for note in (*found.skipped, *found.notes))
    assert secret.lower() not in said.lower()


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+cmd", "+49 30 x", "-son", "@cmd", " =1", "\t1", "\r1", "\n1", "\u00a0=1", "\u3000@x"),
        *(full_width(sign) for sign in "=+-@"),
        *("\ufe631", "\u22121"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert starts_formula(text)
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "Ada", "Jean-Luc", "C++", "R&D = fun", "'=1", "田中", "ada@x.example", "+49 (30) 1/2.3"]
)
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text


def test_formulas_are_neutralised_and_counted() -> None:
    found = prepared({**ADA, "title": "=SUM(A1)", "company_name": "\uff1d1+1"})
    chunk = next(to_csv_chunks(found.accepted, "list-1"))
    assert read_back(chunk)[1][2:] == ["'\uff1d1+1", "'=SUM(A1)"]
    assert chunk.neutralised == 2


def test_an_address_is_left_out_rather_than_changed_by_an_apostrophe() -> None:
    address = {"email": "+ada@northwind.example"}
    found = prepared(ADA | address)
    assert found.accepted[0].person == Person(**ADA)
    assert found.notes[0].reason == "left out: email begins like a spreadsheet formula"
    assert reason_for(address).startswith("email begins like a spreadsheet formula")


NO_IDS = "person_id cannot be imported; enrich_person takes it"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"person_id": "p1"}, NO_IDS),
        ({"person_id": "p1", "title": "Engineer"}, NO_IDS),
        ({"person_id": "p 1 !", "domain": "northwind.example"}, f"{NO_IDS}; missing first_name, last_name"),
        ({"person_id": "p1", "email": "ada at northwind"}, f"{NO_IDS}; {NOT_AN_ADDRESS}"),
    ],
)
def test_a_row_that_has_only_an_id_is_left_out_and_says_who_takes_ids(
    record: dict[str, object], reason: str
) -> None:
    assert reason_for(record).startswith(reason)
    assert " or person_id" not in reason_for(record)


@pytest.mark.parametrize("value", ["p1", " p_1-2 ", "p 1 !", "-p1", 17, "x" * 10_000_000])
def test_a_row_with_more_than_an_id_loses_the_id_alone(value: object) -> None:
    found = prepared({**ADA, "person_id": value})
    assert found.accepted[0].person == Person(**ADA)
    assert [note.reason for note in found.notes] == [f"left out: {NO_IDS}"]


@pytest.mark.parametrize("value", [None, "", " ", "-", "N/A", "\u200b"])
def test_a_gap_where_an_id_could_be_is_not_worth_a_note(value: object) -> None:
    assert prepared({**ADA, "person_id": value}).notes == ()


def test_a_csv_has_only_the_columns_that_occur_and_maps_them_to_the_fields_of_an_import() -> None:
    work = {"domain": "northwind.example", "title": "Engineer"}
    found = prepared({"email": "a@b.example"}, ADA | work)
    (chunk,) = to_csv_chunks(found.accepted, "list-1")
    assert read_back(chunk) == [
        ["email", "first_name", "last_name", "company_name", "company_domain", "job_title"],
        ["a@b.example", "", "", "", "", ""],
        ["", "Ada", "Lovelace", "Northwind", "northwind.example", "Engineer"],
    ]
    assert chunk.column_mapping == {
        "email": "email",
        "first_name": "first_name",
        "last_name": "last_name",
        "company_name": "company_name",
        "company_domain": "company_domain",
        "job_title": "job_title",
    }


def test_quotes_commas_line_breaks_and_nuls_in_cells_do_not_break_the_csv() -> None:
    title = 'Head, "R&D"\r\nand\0 more;\ttabs'
    (chunk,) = to_csv_chunks(prepared({**ADA, "title": title}).accepted, "list-1")
    assert read_back(chunk)[1][3] == 'Head, "R&D" and more; tabs'
    assert chunk.content.count(b"\n") == 2


def test_no_leads_make_no_csv() -> None:
    assert list(to_csv_chunks([], "list-1")) == []


def test_small_rows_are_split_at_six_hundred() -> None:
    found = prepared(*({"email": f"p{n}@x.example"} for n in range(1_201)))
    chunks = list(to_csv_chunks(found.accepted, "list-1"))
    assert [len(chunk.leads) for chunk in chunks] == [600, 600, 1]
    assert [chunk.leads[0].row for chunk in chunks] == [1, 601, 1_201]


def test_big_rows_are_split_before_the_byte_limit() -> None:
    record = {**ADA, "company_name": "田" * 200, "title": '"' * 20 + "😀" * 250}
    found = prepared(*({**record, "email": f"p{n}@x.example"} for n in range(600)))
    chunks = list(to_csv_chunks(found.accepted, "list-1"))
    sizes = [len(chunk.content) for chunk in chunks]
    assert max(sizes) <= 149_000
    assert min(sizes[:-1]) > 145_000


def test_the_titles_of_a_csv_count_towards_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = prepared({"email": "a@x.example"}, {"email": "b@x.example"}).accepted
    (whole,) = to_csv_chunks(accepted, "list-1")
    monkeypatch.setattr(chunks, "MAX_CHUNK_BYTES", len(whole.content))
    assert list(to_csv_chunks(accepted, "list-1")) == [whole]
    monkeypatch.setattr(chunks, "MAX_CHUNK_BYTES", len(whole.content) - 1)
    assert [chunk.leads for chunk in to_csv_chunks(accepted, "list-1")] == [accepted[:1], accepted[1:]]


def test_the_fullest_row_that_prepare_accepts_fits_one_csv() -> None:
    widest = {name: '"' * (LIMITS[name] - 1) + "\U00020000" for name in ("first_name", "last_name", "title")}
    (lead,) = prepared({**widest, "company_name": "😀" * 200, "domain": "x.example"}).accepted
    (chunk,) = to_csv_chunks([lead], "list-1")
    assert len(chunk.content) < chunks.MAX_CHUNK_BYTES / 10


def test_the_idempotency_key_depends_on_the_list_and_the_content_alone() -> None:
    first = next(to_csv_chunks(prepared(ADA).accepted, "list-1"))
    later = next(to_csv_chunks(prepared({}, {}, ADA).accepted, "list-1"))
    elsewhere = next(to_csv_chunks(prepared(ADA).accepted, "list-2"))
    other = next(to_csv_chunks(prepared({**ADA, "title": "x"}).accepted, "list-1"))
    assert first.idempotency_key == later.idempotency_key
    assert len({first.idempotency_key, elsewhere.idempotency_key, other.idempotency_key}) == 3


def test_another_process_makes_the_same_idempotency_key() -> None:
    code = (
        "from cleanlist_mcp.people.identity import Person\n"
        "from cleanlist_mcp.imports.chunks import to_csv_chunks\n"
        "from cleanlist_mcp.imports.preparing import Lead\n"
        "lead = Lead(1, Person(email='ada@northwind.example', first_name='Zo\\u00eb'))\n"
        "print(next(to_csv_chunks([lead], 'list-1')).idempotency_key)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30
    )
    person = prepared({"email": "ada@northwind.example", "first_name": "Zoë"})
    assert run.stdout.strip() == next(to_csv_chunks(person.accepted, "list-1")).idempotency_key


def named(first: str = "", last: str = "", full: str = "") -> list[dict[str, object]]:
    names = {"first_name": first, "last_name": last, "full_name": full}
    return [{"email": "a@fable.example", **{name: text for name, text in names.items() if text}}]


@rules
@given(some_records)
@example(named(last="A\u00a6", full="e"))
@example(named(last="A, PhD", full="Ada"))
@example(named(last="GmbH", full="Ada"))
@example(named(last="Ada, MBA", full="Dr."))
@example(named(last="Ada, MBA"))
@example(named(last="Fable Inc"))
@example(named(first="|", last="Ada Fable"))
@example(named(first="J??rgen", last="Ada Fable"))
@example(named(last="Ada Fable", full="J??rgen Fable"))
def test_preparing_twice_changes_nothing(people: list[dict[str, object]]) -> None:
    once = prepared(*people)
    again = prepare((lead.row, asdict(lead.person)) for lead in once.accepted)
    assert again.accepted == once.accepted
    assert again.skipped == ()


@pytest.mark.parametrize(
    ("given_as", "first", "last", "company"),
    [
        (named(last="A\u00a6", full="Ada"), "Ada", "A", None),
        (named(last="Fable, PhD", full="Ada"), "Ada", "Fable", None),
        (named(last="GmbH", full="Fable"), None, None, "Fable GmbH"),
        (named(last="Fable Inc"), None, None, "Fable Inc"),
        (named(last="Fable, PhD"), None, "Fable", None),
        (named(first="Ada, PhD"), "Ada", None, None),
        (named(first="|", last="Ada Fable"), "Ada", "Fable", None),
        (named(last="Ada Fable", full="J??rgen Fable"), "Ada", "Fable", None),
        (named(last="Rahman, Md"), "Md", "Rahman", None),
    ],
)
def test_a_name_that_stands_alone_is_read_as_beside_another(
    given_as: list[dict[str, object]], first: str | None, last: str | None, company: str | None
) -> None:
    (lead,) = prepared(*given_as).accepted
    assert (lead.person.first_name, lead.person.last_name, lead.person.company_name) == (first, last, company)


@rules
@given(some_records)
def test_every_row_is_accepted_merged_or_skipped_once(people: list[dict[str, object]]) -> None:
    found = prepared(*people)
    rows = [lead.row for lead in found.accepted] + [one.row for one in found.merged]
    rows += [note.row for note in found.skipped]
    assert sorted(rows) == list(range(1, len(people) + 1))


@rules
@given(some_records, st.integers(1, 4), st.integers(400, 900))
def test_chunks_rejoin_to_the_accepted_rows(
    people: list[dict[str, object]], most_rows: int, most_bytes: int
) -> None:
    accepted = prepared(*people).accepted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MAX_CHUNK_ROWS", most_rows)
        patch.setattr(chunks, "MAX_CHUNK_BYTES", most_bytes)
        files = list(to_csv_chunks(accepted, "list-1"))
    assert [lead for chunk in files for lead in chunk.leads] == list(accepted)
    found: list[dict[str, str]] = []
    for chunk in files:
        titles, *rows = read_back(chunk)
        assert len(rows) == len(chunk.leads) <= most_rows
        assert len(chunk.content) <= most_bytes or len(rows) == 1
        found.extend(dict(zip(titles, row, strict=True)) for row in rows)
    expected = [
        {IMPORT_FIELDS[name]: neutral(value) for name, value in asdict(lead.person).items() if value}
        for lead in accepted
    ]
    assert [{k: v for k, v in row.items() if v} for row in found] == expected


@rules
@given(some_records)
def test_no_cell_of_a_csv_starts_a_formula(people: list[dict[str, object]]) -> None:
    for chunk in to_csv_chunks(prepared(*people).accepted, "list-1"):
        assert not any(starts_formula(cell) for row in read_back(chunk) for cell in row)


@rules
@given(some_records, some_records)
def test_keys_are_equal_exactly_where_the_content_is(
    these: list[dict[str, object]], those: list[dict[str, object]]
) -> None:
    def written(people: Iterable[dict[str, object]]) -> list[Chunk]:
        return list(to_csv_chunks(prepared(*people).accepted, "list-1"))

    for this in written(these):
        for that in written([*those, *these]) + written(these):
            same_key = this.idempotency_key == that.idempotency_key
            assert same_key == (this.content == that.content)
