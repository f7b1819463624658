"""Who identifies somebody, and when two are the same."""

from dataclasses import asdict

import pytest
from hypothesis import given

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.identity import Person, identity, person_of
from tests.people_written import only_person, prepared, records, rules


def test_people_are_normalised_field_by_field() -> None:
    person = only_person(
        {
            "email": " ADA@Northwind.example",
            "linkedin_url": "uk.linkedin.com/in/Ada/",
            "person_id": " p_1-2 ",
            "first_name": "Ada\r\nKing",
            "last_name": "Lovelace",
            "company_name": "North  wind",
            "domain": "https://www.northwind.example/",
            "title": "",
        }
    )
    assert person == Person(
        email="ada@northwind.example",
        linkedin_url="https://www.linkedin.com/in/ada",
        person_id="p_1-2",
        first_name="Ada King",
        last_name="Lovelace",
        company_name="North wind",
        domain="northwind.example",
    )


def test_one_person_written_in_two_ways_has_one_identity() -> None:
    assert identity(Person(email=" ADA@x.example", title="a")) == identity(
        Person(email="ada@x.example", first_name="Ada")
    )
    assert identity(Person(linkedin_url="linkedin.com/in/Ada")) == identity(
        Person(linkedin_url="https://de.linkedin.com/in/ada/")
    )
    assert identity(Person("", "", "", "STRAẞE", "Zoe\u0308", "northwind")) == identity(
        Person("", "", "", "Strasse", "Zoë", "Northwind")
    )


def test_different_people_have_different_identities() -> None:
    people = [
        Person(email="a@x.example"),
        Person(person_id="a"),
        Person(person_id="A"),
        Person(first_name="A", last_name="B", company_name="x.example"),
        Person(first_name="A", last_name="B", domain="x.example"),
        Person(first_name="B", last_name="A", domain="x.example"),
    ]
    assert len({identity(person) for person in people}) == len(people)


def test_nobody_has_no_identity() -> None:
    with pytest.raises(InvalidArguments, match="missing last_name") as refused:
        identity(Person(first_name="Ada", company_name="Northwind"))
    assert "linkedin_url" in refused.value.next_step


@rules
@given(records)
def test_whoever_is_accepted_has_an_identity(record: dict[str, object]) -> None:
    for lead in prepared(record).accepted:
        assert identity(lead.person) == identity(person_of(asdict(lead.person))[0])
