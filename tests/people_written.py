"""People as they are written in calls and files: fixed, and made up by hypothesis."""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st

from cleanlist_mcp.imports.preparing import Prepared, prepare
from cleanlist_mcp.people.identity import LIMITS, Person

ADA = {"first_name": "Ada", "last_name": "Lovelace", "company_name": "Northwind"}

rules = settings(deadline=None, max_examples=30, database=None)

any_text = st.text(st.characters(), max_size=12)
fragments = st.sampled_from(
    [
        *("=", "+", "-", "@", "\uff1d", "\uff0d", "'", '"', ",", ";", "\r\n", "\t", "\0", " ", "|"),
        *("\u200b", "\u200d", "\u202e", "\u0301", "e", "İ", "ß", "Σ", "田", "😀", "Ada", "N/A", "<"),
        *("www.", "https://", "linkedin.com/in/", "x.example", "ada@", "mailto:", ">", "xn--", "."),
        *("%C3", "%", "/", "?"),
    ]
)
cells = st.one_of(any_text, st.lists(fragments, max_size=7).map("".join))
records = st.fixed_dictionaries({}, optional=dict.fromkeys(LIMITS, cells))
# Rows that mostly identify somebody, so that the rules below look at leads and not at refusals.
some_records = st.lists(
    st.one_of(
        records,
        records.map(lambda record: {"first_name": "Ada", "last_name": "L", "domain": "x.example"} | record),
        records.map(lambda record: {**record, "email": "ada@x.example"}),
    ),
    max_size=8,
)


def full_width(text: str) -> str:
    """The same ASCII text as East Asian keyboards type it."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


def prepared(*people: Mapping[str, object]) -> Prepared:
    return prepare(enumerate(people, 1))


def only_person(record: Mapping[str, object]) -> Person:
    found = prepared(record)
    assert found.skipped == ()
    return found.accepted[0].person
