"""People: what identifies one, and when two are the same."""

from dataclasses import asdict

import pytest
from hypothesis import given

from cleanlist_mcp.people.identity import Person, identity, person_of
from tests.people_written import prepared, records, rules


def test_people_are_normalised_field_by_field() -> None:
    person, _ = person_of(
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


def identity_of(**fields: str) -> tuple[str, ...]:
    return identity(person_of(fields)[0])


def test_one_person_written_in_two_ways_has_one_identity() -> None:
    assert identity_of(email=" ADA@x.example", title="a") == identity_of(
        email="ada@x.example", first_name="Ada"
    )
    assert identity_of(linkedin_url="linkedin.com/in/Ada") == identity_of(
        linkedin_url="https://de.linkedin.com/in/ada/"
    )
    assert identity_of(first_name="STRAẞE", last_name="Zoe\u0308", company_name="northwind") == identity_of(
        first_name="Strasse", last_name="Zoë", company_name="Northwind"
    )


def test_different_people_have_different_identities() -> None:
    people = [
        identity_of(email="a@x.example"),
        identity_of(person_id="a"),
        identity_of(person_id="A"),
        identity_of(first_name="A", last_name="B", company_name="x.example"),
        identity_of(first_name="A", last_name="B", domain="x.example"),
        identity_of(first_name="B", last_name="A", domain="x.example"),
    ]
    assert len(set(people)) == len(people)


def test_one_domain_is_one_identity_in_any_spelling_and_another_is_another() -> None:
    ada = {"first_name": "Ada", "last_name": "Lovelace"}
    in_punycode = identity_of(**ada, domain="https://www.XN--STRAE-OQA.example/")
    assert identity_of(**ada, domain="straße.example") == in_punycode
    assert identity_of(**ada, domain="strasse.example") != in_punycode
    assert identity_of(email="ada@straße.example") == identity_of(email="ada@xn--strae-oqa.example")
    assert identity_of(email="ada@straße.example") != identity_of(email="ada@strasse.example")


def test_a_name_without_a_letter_is_a_missing_one() -> None:
    assert person_of({"first_name": "🚀", "last_name": "12345", "company_name": "4711"}) == (
        Person(company_name="4711"),
        (),
    )


def test_a_profile_page_is_named_as_what_is_wrong_with_a_domain() -> None:
    _, problems = person_of({"domain": "https://www.linkedin.com/company/northwind"})
    assert problems == ("domain is a page on another site, not the company's own",)


@rules
@given(records)
def test_whoever_is_accepted_has_an_identity(record: dict[str, object]) -> None:
    for lead in prepared(record).accepted:
        assert identity(lead.person) == identity(person_of(asdict(lead.person))[0])


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("email", "email_not_unlocked@domain.com"), ("email", "noemail@quill.example")),
        *(("company_name", "Self-employed"), ("company_name", "unknown"), ("company_name", "k.A.")),
        *(("company_name", "FALSE"), ("company_name", "{{company}}"), ("company_name", "Freelance")),
        *(("company_name", "Yrittäjä"), ("company_name", "Własna działalność"), ("company_name", "自由职业")),
        *(("first_name", "{{first_name}}"), ("last_name", "[object Object]"), ("last_name", "%LAST_NAME%")),
        *(("first_name", "*|FNAME|*"), ("last_name", "<last_name>"), ("first_name", "${contact.first}")),
        *(("last_name", "M?ller"), ("first_name", "Zo??e")),
    ],
)
def test_what_only_fills_a_place_names_nobody(field: str, text: str) -> None:
    person, problems = person_of({field: text})
    assert getattr(person, field) is None
    assert len(problems) == 1
    assert problems[0].startswith(f"{field} ")
    assert text not in problems[0]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *(("LinkedIn", "Member"), ("LinkedIn", "Mitglied"), ("Unknown", "Unknown"), ("UNKNOWN", "User")),
        *(("N.", "N."), ("Membre", "LinkedIn"), ("Test", "User"), ("Deleted", "User")),
    ],
)
def test_a_whole_name_that_is_nobodys_is_left_out(first: str, last: str) -> None:
    person, problems = person_of({"first_name": first, "last_name": last, "company_name": "Quill"})
    assert (person.first_name, person.last_name) == (None, None)
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("first", "last"), [("Ada", "Null"), ("None", "Quill"), ("Test", "Quill"), ("Nn", "Quill")]
)
def test_a_name_with_one_odd_word_is_somebodys(first: str, last: str) -> None:
    person, problems = person_of({"first_name": first, "last_name": last, "company_name": "Test Quill"})
    assert (person.first_name, person.last_name, problems) == (first, last, ())
