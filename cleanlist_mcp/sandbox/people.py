"""Fictional people, and what a search for one of them finds; the same input finds the same person.

Nobody here exists: domains end in `.example` (RFC 2606), LinkedIn profiles in `-example`, telephone numbers come from
the ranges that regulators keep free for fiction. The words of `magic_words` choose an outcome on purpose. Anything else
is decided by a hash of the identity: an address is found for about 85 in 100 people, a telephone number for about 60
in 100, neither for about 6.
"""

# ruff: noqa: RUF001 -- letters that are no mistake

import hashlib
import re
import unicodedata
from dataclasses import dataclass, fields, replace
from functools import cache

from cleanlist_mcp.sandbox import directory, magic_words

_EMAIL_RATE = 85
_PHONE_RATE = 60
_UNFOLDED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "þ": "th", "ð": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"}
)
_TITLES = (
    "Head of Operations",
    "VP Sales",
    "Marketing Director",
    "Product Manager",
    "Procurement Lead",
    "Chief Financial Officer",
    "Customer Success Lead",
    "Engineering Manager",
)
_PLACES = ("Rotterdam, Netherlands", "Leeds, United Kingdom", "Austin, USA", "Graz, Austria")


@dataclass(frozen=True)
class Identity:
    """The parts of a person that are known beforehand; each may be missing."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    linkedin_url: str | None = None
    phone: str | None = None
    company: str | None = None
    domain: str | None = None
    person_id: str | None = None
    title: str | None = None
    location: str | None = None

    @property
    def identifies(self) -> bool:
        """True if the API's identity rule is met: one strong handle, or a name and a company."""
        if self.email or self.linkedin_url or self.person_id:
            return True
        return bool(self.first_name and self.last_name and (self.company or self.domain))

    @property
    def full_name(self) -> str | None:
        """First and last name together."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or None


@dataclass(frozen=True)
class Finding:
    """The contacts that a search finds, both kinds of contact at once; the caller takes what was paid for."""

    person: Identity
    email: str | None
    email_status: str | None
    phone: str | None


def finding(identity: Identity) -> Finding:
    """Search for `identity`. Pure: the same identity finds the same, in every run and process."""
    person = _complete(identity)
    seed = digest(_key(person))
    has_email = _has(identity, "email", seed[0] * 256 + seed[1])
    has_phone = _has(identity, "phone", seed[2] * 256 + seed[3])
    return Finding(
        person=person,
        email=_address(person) if has_email else None,
        email_status=("valid" if seed[4] % 7 else "risky") if has_email else None,
        phone=_telephone(seed) if has_phone else None,
    )


def texts(identity: Identity) -> list[str]:
    """Return everything that is known about a person, for the magic words."""
    values = (getattr(identity, field.name) for field in fields(identity))
    return [value for value in values if value]


def seeded_lists() -> dict[str, list[Identity]]:
    """Return the members of the seeded lists by name: 12, 40, and 5 people of whom one is never found."""
    return {name: [_member(one) for one in members] for name, members in directory.members().items()}


def identity_of(person: directory.Person) -> Identity:
    """Return what a search shows of a person of the directory."""
    return replace(_searched(person), linkedin_url=_profile(_searched(person)))


def profile(linkedin_url: str | None) -> str:
    """Return what a LinkedIn address has of its own, however it is written; empty without an address."""
    path = re.sub(r"[?#].*", "", (linkedin_url or "").strip().casefold()).rstrip("/")
    return re.sub(r"^(?:https?://)?(?:[a-z0-9-]+\.)*linkedin\.", "linkedin.", path)


def fictional_domain(identity: Identity) -> str:
    """Return a `.example` domain for the person: no real firm's address is ever made up here."""
    domain = (identity.domain or (identity.email or "").partition("@")[2]).casefold()
    label = domain.removeprefix("www.").partition(".")[0] or identity.company or ""
    handle = identity.person_id or identity.linkedin_url or identity.company or domain
    return f"{_slug(label) or 'firm-' + digest(handle).hex()[:6]}.example"


def digest(text: str) -> bytes:
    """Return 32 bytes of chance that are the same for the same text."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()


def crowd(count: int) -> list[Identity]:
    """Return `count` numbered people, for lists of any length."""
    return [
        Identity(first_name="Robin", last_name=f"Sample{index}", domain=f"firm{index}.example")
        for index in range(1, count + 1)
    ]


def as_written(identity: Identity) -> Identity:
    """Return a person as a list holds them before enrichment: name and company, and no way to reach them."""
    return replace(identity, title=None, location=None, email=None, phone=None)


def _member(member: directory.Member) -> Identity:
    return Identity(
        first_name=member.first_name,
        last_name=member.last_name,
        company=member.company,
        domain=member.domain,
        title=member.title,
        location=member.location,
    )


def _searched(person: directory.Person) -> Identity:
    return Identity(
        first_name=person.first_name,
        last_name=person.last_name,
        company=person.company.name,
        domain=person.company.domain,
        title=person.title,
        location=directory.place(person.city, person.state, person.country),
    )


@cache
def _known_people() -> dict[str, Identity]:
    """Return everybody in the seeded lists and the directory by all that identifies them."""
    known: dict[str, Identity] = {}
    listed = [person for members in seeded_lists().values() for person in members]
    for person in (*listed, *map(_searched, directory.people().values())):
        for handle in (_name_at(person, person.domain), _name_at(person, person.company)):
            known[handle] = person
        known[_address(person)] = person
        known[profile(_profile(person))] = person
    return known


@cache
def _romanized() -> dict[str, str]:
    """Return the names in letters that an address does not take, as their owners write them in Latin ones."""
    names = [(one.first_name, one.last_name, one.handle) for one in directory.people().values()]
    for members in directory.members().values():
        names += [(one.first_name, one.last_name, one.handle) for one in members]
    return {f"{first} {last}": handle for first, last, handle in names if handle}


def _has(identity: Identity, contact: magic_words.Contact, chance: int) -> bool:
    decided = magic_words.is_found(contact, *texts(identity))
    rate = _EMAIL_RATE if contact == "email" else _PHONE_RATE
    return chance % 100 < rate if decided is None else decided


def _complete(identity: Identity) -> Identity:
    """Fill the gaps: from the directory, or with what follows from the little that is known."""
    known = _look_up(identity)
    if known is not None:
        return replace(known, linkedin_url=identity.linkedin_url or _profile(known))
    first, last = identity.first_name, identity.last_name
    if not (first and last):
        first, last = _guess_name(identity)
    domain = fictional_domain(identity)
    named = replace(identity, first_name=first, last_name=last, domain=domain)
    seed = digest(_key(named))
    return replace(
        named,
        linkedin_url=identity.linkedin_url or _profile(named),
        company=identity.company or domain.removesuffix(".example").replace("-", " ").title(),
        title=identity.title or _TITLES[seed[5] % len(_TITLES)],
        location=identity.location or _PLACES[seed[6] % len(_PLACES)],
    )


def _look_up(identity: Identity) -> Identity | None:
    handles = [
        (identity.email or "").casefold(),
        profile(identity.linkedin_url),
        _name_at(identity, identity.domain),
        _name_at(identity, identity.company),
    ]
    known = _known_people()
    return next((known[handle] for handle in handles if handle and handle in known), None)


def _guess_name(identity: Identity) -> tuple[str, str]:
    handle = (identity.email or "").partition("@")[0] or (identity.linkedin_url or "")
    words = re.findall(r"[^\W\d_]+", handle.rstrip("/").rpartition("/")[2])
    first = words[0].title() if words else "Sam"
    return identity.first_name or first, identity.last_name or " ".join(words[1:]).title() or "Doe"


def _key(person: Identity) -> str:
    if person.email or person.person_id:
        return (person.email or person.person_id or "").casefold()
    return _name_at(person, person.domain) or (person.linkedin_url or "")


def _name_at(person: Identity, place: str | None) -> str:
    return f"{person.full_name}@{place}".casefold() if person.full_name and place else ""


def _address(person: Identity) -> str:
    local = _romanized().get(person.full_name or "") or _local_part(person)
    return f"{local}@{fictional_domain(person)}"


def _local_part(person: Identity) -> str:
    given = (person.email or "").partition("@")[0].casefold()
    parts = [_slug(part) for part in (person.first_name or "", person.last_name or "")]
    spelt = given or ".".join(part for part in parts if part)
    return spelt or f"p{digest(person.full_name or '').hex()[:6]}"


def _profile(person: Identity) -> str:
    name = _address(replace(person, email=None)).partition("@")[0].replace(".", "-")
    return f"https://www.linkedin.com/in/{name}-{fictional_domain(person).split('.')[0]}-example"


def _slug(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_UNFOLDED))
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[^\x00-\x7f]|['’]", "", folded)).strip("-")


def _telephone(seed: bytes) -> str:
    # Kept free for fiction: 555-0100 to 555-0199 in North America, 7946 0000 to 0999 in London.
    if seed[7] % 2:
        return f"+120255501{seed[8] % 100:02d}"
    return f"+442079460{(seed[8] * 256 + seed[9]) % 1000:03d}"
