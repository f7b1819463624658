"""Nobody is paid twice and nobody is lost: files made of one person's spellings, and of two who are alike."""

import csv
import gc
import io
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.imports import csv_file
from cleanlist_mcp.imports.preparing import OnePerson, Prepared, prepare
from tests.people_in_spellings import ALIKE, ALONE, Fields, Somebody, by_id
from tests.people_written import rules

TITLES = {
    "email": ("Email", "E-Mail geschäftlich", "Work Email"),
    "linkedin_url": ("LinkedIn URL", "Person Linkedin Url"),
    "first_name": ("First Name", "Vorname", "Prénom"),
    "last_name": ("Last Name", "Nachname", "Cognome"),
    "company_name": ("Company", "Firma", "Azienda"),
    "domain": ("Website", "Company Domain"),
}
ROWS = st.randoms(use_true_random=False)


def as_file(people: Sequence[Fields], chance: Random) -> Prepared:
    """Write the people as a file, under titles of many languages, and read them back."""
    titles = {name: chance.choice(ways) for name, ways in TITLES.items()}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, titles.values())
    writer.writeheader()
    writer.writerows({titles[name]: cell for name, cell in one.items() if name in titles} for one in people)
    text.seek(0)
    table = csv_file.people_of(csv_file._records(text, ","))
    assert not table.skipped
    return prepare(table.rows)


def shuffled(people: Sequence[Somebody], chance: Random) -> list[tuple[Somebody, Fields]]:
    rows = [(one, spelling) for one in people for spelling in one.spellings]
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("kind", [kind for kind in ALONE if kind is not by_id])
@rules
@given(chance=ROWS)
def test_all_spellings_of_one_person_in_one_file_are_one_row(kind: object, chance: Random) -> None:
    (person,) = kind("quill", chance)  # type: ignore[operator]

    found = as_file([fields for _, fields in shuffled([person], chance)], chance)

    assert len(found.accepted) == 1
    assert len(found.merged) == len(person.spellings) - 1


@pytest.mark.parametrize("kind", ALIKE)
@rules
@given(chance=ROWS)
def test_no_row_is_made_of_two_people_who_are_alike(kind: object, chance: Random) -> None:
    people = kind("quill", chance)  # type: ignore[operator]
    rows = shuffled(people, chance)

    found = as_file([fields for _, fields in rows], chance)

    whose = {number: one for number, (one, _) in enumerate(rows, 2)}
    for one in found.people:
        assert len({whose[row.row].name for row in one.rows}) == 1
    assert {whose[one.lead.row].name for one in found.people} == {one.name for one in people}


@rules
@given(chance=ROWS)
def test_a_crowd_of_people_is_told_apart_and_each_is_one(chance: Random) -> None:
    kinds = [kind for kind in ALONE if kind is not by_id]
    people = [one for number, kind in enumerate(kinds) for one in kind(f"quill{'abcd'[number]}x", chance)]
    rows = shuffled(people, chance)

    found = as_file([fields for _, fields in rows], chance)

    assert len(found.people) == len(people)


@rules
@given(chance=ROWS, halves=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_file_in_two_calls_gives_each_call_one_person(chance: Random, halves: list[bool]) -> None:
    (person,) = ALONE[0]("quill", chance)
    parts = [
        [fields for half, fields in zip(halves, person.spellings, strict=True) if half is which]
        for which in (True, False)
    ]

    found = [as_file(part, chance) for part in parts if part]

    assert all(len(one.accepted) == 1 for one in found)


def fields_of(one: OnePerson) -> Mapping[str, str]:
    return {name: value for name in TITLES if (value := getattr(one.lead.person, name))}


@pytest.mark.parametrize("kind", [kind for kind in ALONE if kind is not by_id])
@rules
@given(chance=ROWS)
def test_a_person_has_every_kind_of_field_that_one_of_the_rows_had(kind: object, chance: Random) -> None:
    (person,) = kind("quill", chance)  # type: ignore[operator]

    found = as_file(person.spellings, chance)

    given_fields = {name for fields in person.spellings for name in fields}
    assert set(fields_of(found.people[0])) >= given_fields - {"person_id"}


def test_the_same_address_six_hundred_rows_apart_is_sent_once() -> None:
    rows = [{"email": f"p{number}@quillworks.example", "last_name": f"P{number}"} for number in range(620)]

    found = prepare(enumerate([*rows, {"email": "P3@quillworks.example"}], 2))

    assert len(found.accepted) == 620
    assert [(one.row, one.into) for one in found.merged] == [(622, 5)]


def test_more_rows_of_one_person_than_are_compared_are_one_all_the_same() -> None:
    """Fifty mailboxes that two people share: without them, each row says the same."""
    rows = [
        {"first_name": first, "last_name": "Fable", "company_name": "Fable", "email": f"x{box}@fable.example"}
        for box in range(50)
        for first in ("Ada", "Bo")
    ]
    prepared = prepare(enumerate(rows, 1))
    assert len(prepared.accepted) == 2
    assert len(prepared.merged) == 98
    assert not prepared.skipped


@pytest.mark.parametrize("was_on", [True, False])
def test_while_rows_are_read_nobody_looks_for_cycles_and_afterwards_all_is_as_before(was_on: bool) -> None:
    seen = []

    def rows() -> Iterator[tuple[int, Fields]]:
        seen.append(gc.isenabled())
        yield 1, {"email": "ada@quillworks.example"}
        raise EOFError

    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(EOFError):
            prepare(rows())
        assert (seen, gc.isenabled()) == ([False], was_on)
    finally:
        gc.enable()


@pytest.mark.parametrize("sign", ["\u02bc", "\u02b9", "\ufe70", "\uff9e"])
def test_a_name_that_is_a_lone_sign_costs_no_other_row_its_import(sign: str) -> None:
    company = {"company_name": "Quillworks"}
    odd = [{"last_name": sign}, {"first_name": sign, "last_name": sign}, {"full_name": f"Ada {sign}"}]

    found = prepare(enumerate([{"first_name": "Ada"} | company | one for one in odd], 1))

    assert len(found.people) + len(found.merged) + len(found.skipped) == len(odd)
