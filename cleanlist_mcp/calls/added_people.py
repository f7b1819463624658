"""The digests under which the journal keeps the people who were added to a list from here. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, combinations

from cleanlist_mcp.imports import preparing
from cleanlist_mcp.journal.names import Digester
from cleanlist_mcp.people.identity import Person

DIGEST_LENGTH = 16
"""Characters of a person's digest that are kept, in hexadecimal: 64 bits, which no two people of a list share by
chance."""

_SHOWN = (
    ("email",),
    ("linkedin_url",),
    ("first_name", "last_name", "full_name"),
    ("company_name",),
    ("title",),
    ("phone",),
)
"""The fields that a list shows; an import may have had any of them, since the rest is found later."""


def of_details(digest: Digester, list_id: str, person: Person) -> str:
    """Return the digest of all fields of a person, as they are sent."""
    return digest("lead", list_id, *preparing.all_details(person))[:DIGEST_LENGTH]


def of_identifier(digest: Digester, list_id: str, text: str) -> str:
    """Return the digest of one of the texts by which a person is recognised."""
    return digest("known by", list_id, text)[:DIGEST_LENGTH]


def of_shown(digest: Digester, list_id: str, people: Iterable[Person]) -> frozenset[str]:
    """Return the digests under which people whom a list shows may have been added to it, those of earlier keys too."""
    return frozenset(
        known
        for person in people
        for one in (digest, *digest.older)
        for known in chain(
            (of_details(one, list_id, as_added) for as_added in _as_added(person)),
            (of_identifier(one, list_id, text) for text in preparing.identifiers_of_shown(person)),
        )
    )


def _as_added(person: Person) -> Iterator[Person]:
    """Yield a person as they may have been before the rest was found."""
    given = [names for names in _SHOWN if any(getattr(person, name) for name in names)]
    for count in range(1, len(given) + 1):
        for kept in combinations(given, count):
            yield replace(Person(), **{name: getattr(person, name) for names in kept for name in names})
