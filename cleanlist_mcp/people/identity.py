"""One person: their fields, what identifies somebody, and when two are the same. Pure.

Reasons and messages name fields, never what stands in one: they are shown, logged and passed on.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.mailboxes import is_provider, readers
from cleanlist_mcp.people.normal_forms import (
    MAX_DOMAIN,
    MAX_EMAIL,
    is_page_elsewhere,
    normal_domain,
    normal_email,
    normal_linkedin,
    normal_name,
    normal_person_id,
    normal_person_name,
    normal_phone,
)
from cleanlist_mcp.people.placeholders import has_lost_letters, is_no_employer, is_nobody, is_template
from cleanlist_mcp.people.sizes import MAX_CELL
from cleanlist_mcp.secrecy import holds_secret

LIMITS: Mapping[str, int] = {
    "email": MAX_EMAIL,
    "linkedin_url": 500,
    "person_id": 128,
    "first_name": 200,
    "last_name": 200,
    "full_name": 400,
    "company_name": 200,
    "domain": MAX_DOMAIN,
    "title": 300,
    "phone": 60,
    "city": 100,
    "state": 100,
    "country": 100,
}
"""The fields of a person in the order of the CSV columns, each with the most characters it may have;
those without a standard are generous guesses."""


WAYS = "email, linkedin_url or person_id, or first_name and last_name with company_name or domain"
"""The ways to identify a person, in words."""

IMPORT_WAYS = "email or linkedin_url, or first_name and last_name with company_name or domain"
"""The same for a person who is imported into a list: an import holds no ids."""

NOT_IMPORTED = "person_id cannot be imported; enrich_person takes it"
"""The reason to leave an id out of an import (vendor's schema: the fields of an import are a closed list)."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person. `person_of` and `prepare` make it with every field in its normal form.

    Only imports use `full_name`: for a name that cannot be split with confidence.
    """

    email: str | None = None
    linkedin_url: str | None = None
    person_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    company_name: str | None = None
    domain: str | None = None
    title: str | None = None
    phone: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None

    @property
    def name(self) -> str:
        """The whole name, empty if none was given."""
        return self.full_name or " ".join(part for part in (self.first_name, self.last_name) if part)


NOTHING = "nothing identifies a person"
"""The reason why nobody is meant, if nothing at all was given that could be completed."""


def _employers_domain(text: str) -> str | None:
    domain = normal_domain(text)
    return None if domain is None or is_provider(domain) else domain


def _own_email(text: str) -> str | None:
    address = normal_email(text)
    return None if address is None or readers(address) == "nobody" else address


def _employer(text: str) -> str | None:
    return None if is_no_employer(text) else normal_name(text)


def _name(text: str) -> str | None:
    return None if is_template(text) or has_lost_letters(text) else normal_person_name(text)


_NORMAL_FORMS: Mapping[str, Callable[[str], str | None]] = {
    "email": _own_email,
    "linkedin_url": normal_linkedin,
    "person_id": normal_person_id,
    "first_name": _name,
    "last_name": _name,
    "full_name": _name,
    "company_name": _employer,
    "domain": _employers_domain,
    "phone": normal_phone,
}
PLACEHOLDER = "email is a placeholder that nobody reads"
_STANDS_FOR_NOBODY = "only fills the place of one that nobody gave"
# Names are missing here: one without a letter only marks a gap, which is no problem.
_PROBLEMS: Mapping[str, str] = {
    "email": "is not an e-mail address",
    "linkedin_url": "is not a LinkedIn profile address (linkedin.com/in/…)",
    "person_id": "is not an id",
    "domain": "is not a domain name or web address",
    "phone": "is not a phone number",
}


def normal_value(field: str, text: str) -> str | None:
    """Return a field's text in its normal form, or None if it marks a gap or cannot be that field."""
    plain = normal_name(text)
    return None if plain is None else _NORMAL_FORMS.get(field, normal_name)(plain)


def person_of(record: Mapping[str, object]) -> tuple[Person, tuple[str, ...]]:
    """Return the person in normal form, and a reason for each cell that had to be left out.

    Keys that are no field of `Person` are not looked at.

    Raises:
        InvalidArguments: if a cell is too long, not text, or holds what looks like an API key.
    """
    values: dict[str, str] = {}
    problems = []
    for name, limit in LIMITS.items():
        given = record.get(name)
        if given in (None, ""):
            continue
        text = _cell(name, given)
        value = normal_value(name, text)
        if value is None:
            problems.extend(_problems(name, text))
        elif len(value) > limit:
            raise _too_long(name)
        else:
            values[name] = value
    for name in _without_nobody(values):
        problems.append(f"{name} {_STANDS_FOR_NOBODY}")
    return Person(**values), tuple(problems)


def _without_nobody(values: dict[str, str]) -> list[str]:
    """Take out a whole name that is nobody's, and return the fields that it stood in."""
    taken: list[str] = []
    for names in (("first_name", "last_name"), ("full_name",)):
        given = [name for name in names if name in values]
        if given and is_nobody("".join(values[name] for name in given)):
            taken += given
    for name in taken:
        del values[name]
    return taken


def _cell(name: str, value: object) -> str:
    """Return the cell's text; its size is checked before anything looks at each character.

    One with a secret is refused: what is sent is never rewritten, and nobody means to send that.
    """
    if not isinstance(value, str):
        raise InvalidArguments(f"{name} is not text", f"Send {name} as a string.")
    if len(value) > MAX_CELL:
        raise _too_long(name)
    if holds_secret(value):
        raise InvalidArguments(f"{name} holds what looks like an API key", f"Take it out of {name}.")
    return value


def _problems(name: str, text: str) -> list[str]:
    """Return why a cell has no normal form; nothing for a gap."""
    if normal_name(text) is None:
        return []
    if name in ("first_name", "last_name", "full_name") and has_lost_letters(text):
        return [f"{name} has question marks where letters were lost"]
    if name == "company_name" or is_template(text):
        return [f"{name} {_STANDS_FOR_NOBODY}"]
    if name not in _PROBLEMS:
        return []
    if name == "email" and normal_email(text):
        return [PLACEHOLDER]
    if name == "domain" and is_page_elsewhere(text):
        return ["domain is a page on another site, not the company's own"]
    if name == "domain" and is_provider(normal_domain(text) or ""):
        return ["domain is a mail provider's, and nobody's employer"]
    return [f"{name} {_PROBLEMS[name]}"]


def _too_long(name: str) -> InvalidArguments:
    limit = LIMITS[name]
    return InvalidArguments(f"{name} is longer than {limit} characters", f"Shorten {name}.")


def why_nobody(person: Person, *, by_id: bool = True) -> str | None:
    """Return what is missing to identify the person, or None if nothing is.

    `by_id` is true if an id can identify somebody there.
    """
    if person.email or person.linkedin_url or (by_id and person.person_id):
        return None
    names = () if person.full_name else ("first_name", "last_name")
    missing = [name for name in names if not getattr(person, name)]
    if not (person.company_name or person.domain):
        missing.append("company_name or domain")
    if len(missing) == 3:
        return NOTHING
    if missing:
        others = "an email, linkedin_url or person_id" if by_id else "an email or linkedin_url"
        return f"missing {', '.join(missing)} (or {others})"
    return None


def identity(person: Person) -> tuple[str, ...]:
    """Return what a person in normal form is recognised by, equal for the same person however they were written.

    It is the e-mail, else the LinkedIn address, else the id, else both names with the domain, else with the
    company; `why_nobody` has to be None.
    """
    for name in ("email", "linkedin_url", "person_id"):
        value = getattr(person, name)
        if value:
            return (name, value)
    # A domain keeps its letters: "straße" and "strasse" are two.
    place = (
        ("domain", person.domain) if person.domain else ("company_name", without_case(person.company_name))
    )
    names = (person.full_name,) if person.full_name else (person.first_name, person.last_name)
    return ("name", *map(without_case, names), *place)


def without_case(value: str | None) -> str:
    """Return a name without the differences of case, and of how accents are encoded."""
    return unicodedata.normalize("NFC", (value or "").casefold())
