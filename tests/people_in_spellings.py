"""Fictional people, each in many usual spellings that mean the same person, beside people who are not the same.

Every identifier of a person holds their `token`, a word of plain letters that survives each spelling; if several
people share one token, a word in one field distinguishes them. So an API can recognise whom any spelling means.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import unquote

import idna

Fields = Mapping[str, str]

_FULL_WIDTH = {
    ord(char): ord(char) + 0xFEE0 for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
}


@dataclass(frozen=True)
class Somebody:
    """One person. Any two of `spellings` share what identifies them, whatever the order of the calls.

    `bridge` gives two identifiers at once; whoever was recognised by it is known by `beyond` afterwards, which
    shares only the second of them. `told_by` is a field and the word in it that distinguishes this person from others
    of the token: a word alone, since "Fable" is no "Fable Jr.".
    """

    name: str
    token: str
    spellings: tuple[Fields, ...]
    told_by: tuple[str, str] | None = None
    bridge: Fields | None = None
    beyond: Fields | None = None

    def is_meant(self, body: Mapping[str, object]) -> bool:
        """Return True if a request means this person."""
        if self.token not in folded(" ".join(str(value) for value in body.values())):
            return False
        if self.told_by is None:
            return True
        field, word = self.told_by
        return word in words(str(body.get(field) or ""))


def folded(text: str) -> str:
    """Return a text without differences of case, width and percent-encoding."""
    return unicodedata.normalize("NFKC", unquote(text)).casefold()


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return "".join(char if char.isalnum() else " " for char in folded(text)).split()


def recogniser(people: Iterable[Somebody]) -> Callable[[Mapping[str, object]], str]:
    """Return what names the one person whom a request means."""
    known = list(people)

    def recognise(body: Mapping[str, object]) -> str:
        meant = [person.name for person in known if person.is_meant(body)]
        return meant[0] if len(meant) == 1 else f"nobody known: {dict(body)}"

    return recognise


# ---- spellings of one piece


def _looks(text: str, chance: Random) -> str:
    """Return the text in another case, width or encoding."""
    change = chance.choice((str, str, str.upper, str.lower, _decomposed, _wide))
    return change(text)


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _wide(text: str) -> str:
    return text.translate(_FULL_WIDTH)


# First and last names whose spellings are equal, pair by pair; {} is the token.
_NAMES: tuple[tuple[Sequence[str], Sequence[str]], ...] = (
    (("Siobhan",), ("O'{}", "O\u2019{}", "O\u2018{}", "O\u02bc{}")),
    (("Anna-Lena", "Anna\u2011Lena", "Anna\u2010Lena", "Anna\u2013Lena"), ("{}",)),
    (("J. R.", "J.R."), ("{}",)),
    (("Eva", "Dr. Eva", "Prof. Dr. Eva", "Dr Eva"), ("{}",)),
    (("Jos\u00e9", "Jose"), ("{}",)),
    (("J\u00fcrgen", "Juergen"), ("{}",)),
    (("S\u00f8ren", "Soren"), ("{}",)),
    (("\u0141ukasz", "Lukasz"), ("{}",)),
    (("Ada",), ("Wei\u00df-{}", "Weiss-{}")),
    (("Bj\u00f6rn", "Bjoern"), ("{}-\u00c5berg", "{}-Aaberg")),
)
_COMPANIES: tuple[Sequence[str], ...] = (
    ("{} Inc", "{} Inc.", "{}, Inc", "{}, Inc.", "{}"),
    ("{} GmbH", "{} gmbh", "{}"),
    ("{}'s Bakery", "{}\u2019s Bakery", "{}\u2019s Bakery LLC"),
    ("{} Ltd", "{} Ltd.", "{} Limited"),
    ("Alpha-{} Works", "Alpha\u2011{} Works", "Alpha\u2010{} Works"),
)
_DOMAINS = ("{}.example", "b\u00fccher-{}.example", "stra\u00dfe-{}.example")


def _domain_spellings(domain: str) -> tuple[str, ...]:
    plain = idna.encode(domain).decode()
    return (domain, plain, f"www.{plain}", f"https://www.{domain}/about", plain.upper())


def _profile_spellings(slug: str) -> tuple[str, ...]:
    return (
        f"https://www.linkedin.com/in/{slug}",
        f"linkedin.com/in/{slug}/",
        f"http://uk.linkedin.com/in/{slug.upper()}",
        f"https://www.linkedin.com/in/{slug}?trk=people",
    )


def _address_spellings(address: str) -> tuple[str, ...]:
    return (address, address.upper(), f"mailto:{address}", f"Somebody <{address}>")


class _Writer:
    """Writes one person's pieces, each time otherwise."""

    def __init__(self, token: str, chance: Random) -> None:
        self.token = token
        self.title = token.capitalize()
        self.domain = chance.choice(_DOMAINS).format(token)
        self._chance = chance
        self._names = chance.choice(_NAMES)
        self._company = chance.choice(_COMPANIES)

    def name(self) -> Fields:
        first, last = (self._chance.choice(part) for part in self._names)
        return {
            "first_name": _looks(first, self._chance),
            "last_name": _looks(last.format(self.title), self._chance),
        }

    def company(self) -> Fields:
        return {"company_name": _looks(self._chance.choice(self._company).format(self.title), self._chance)}

    def site(self) -> Fields:
        return {"domain": self._chance.choice(_domain_spellings(self.domain))}

    def address(self, local: str = "kim.lee") -> Fields:
        return {"email": self._chance.choice(_address_spellings(f"{local}@{self.token}.example"))}

    def profile(self, ending: str = "") -> Fields:
        return {"linkedin_url": self._chance.choice(_profile_spellings(f"kim-{self.token}{ending}"))}

    def some(self, *pieces: Callable[[], Fields]) -> dict[str, str]:
        """Return some of these pieces, or none."""
        return {k: v for piece in pieces if self._chance.random() < 0.5 for k, v in piece().items()}


SPELLINGS = 6
"""The number of spellings that are written for each person."""


def _written(*, always: Callable[[], Fields], perhaps: Callable[[], Fields]) -> tuple[Fields, ...]:
    return tuple({**perhaps(), **always()} for _ in range(SPELLINGS))


# ---- one person


def by_address(token: str, chance: Random) -> list[Somebody]:
    """A person whom each call gives the e-mail address of."""
    write = _Writer(token, chance)
    short = chance.choice((("Robert", "Bob"), ("Robert", "R."), ("Katherine", "Kate")))

    def perhaps() -> Fields:
        name = {"first_name": chance.choice(short), "last_name": write.title}
        return (name if chance.random() < 0.5 else {}) | write.some(write.site, write.company)

    spellings = _written(always=write.address, perhaps=perhaps)
    person = Somebody(token, token, spellings, None, {**write.address(), **write.profile()}, write.profile())
    return [person]


def by_profile(token: str, chance: Random) -> list[Somebody]:
    """A person whom each call gives the LinkedIn profile of."""
    write = _Writer(token, chance)
    spellings = _written(
        always=write.profile, perhaps=lambda: write.some(write.name, write.site, write.company, write.address)
    )
    return [Somebody(token, token, spellings)]


def by_id(token: str, chance: Random) -> list[Somebody]:
    """A person whom each call gives the API's id of."""
    write = _Writer(token, chance)
    spellings = _written(
        always=lambda: {"person_id": f"prs_{token}"}, perhaps=lambda: write.some(write.name, write.site)
    )
    return [Somebody(token, token, spellings)]


def by_site(token: str, chance: Random) -> list[Somebody]:
    """A person whom each call names, with the domain of the employer."""
    write = _Writer(token, chance)
    spellings = _written(
        always=lambda: {**write.name(), **write.site()},
        perhaps=lambda: write.some(write.company, write.profile, write.address),
    )
    bridge = {**write.name(), **write.site(), **write.company()}
    beyond = {**write.name(), **write.company()}
    return [Somebody(token, token, spellings, None, bridge, beyond)]


def by_company(token: str, chance: Random) -> list[Somebody]:
    """A person whom each call names, with the employer."""
    write = _Writer(token, chance)
    spellings = _written(
        always=lambda: {**write.name(), **write.company()},
        perhaps=lambda: write.some(write.site, write.profile),
    )
    bridge = {**write.name(), **write.company(), **write.address()}
    return [Somebody(token, token, spellings, None, bridge, write.address())]


# ---- people who have something in common and are not the same


def father_and_son(token: str, chance: Random) -> list[Somebody]:
    """Two of one name at one company, distinguished by what stands behind it."""
    write = _Writer(token, chance)
    endings = chance.choice((("Sr.", "Jr."), ("II", "III"), ("Sr", "Jr")))

    def one(ending: str) -> Somebody:
        name = {"first_name": "Ada", "last_name": f"{write.title} {ending}"}
        spellings = _written(
            always=lambda: {**name, **write.site()}, perhaps=lambda: write.some(write.company)
        )
        word = words(ending)[0]
        return Somebody(f"{token} {word}", token, spellings, ("last_name", word))

    return [one(ending) for ending in endings]


def one_mailbox(token: str, chance: Random) -> list[Somebody]:
    """Two people behind one shared mailbox."""
    write = _Writer(token, chance)
    local = chance.choice(("info", "sales", "office"))

    def one(first: str) -> Somebody:
        name = {"first_name": first, "last_name": write.title}
        spellings = _written(
            always=lambda: {**name, **write.address(local)}, perhaps=lambda: write.some(write.site)
        )
        return Somebody(f"{token} {first}", token, spellings, ("first_name", first.casefold()))

    return [one("Ada"), one("Benedict")]


def two_profiles(token: str, chance: Random) -> list[Somebody]:
    """Two of one name at one company, each with a profile of their own."""
    write = _Writer(token, chance)

    def one(ending: str) -> Somebody:
        spellings = _written(
            always=lambda: {**write.name(), **write.site(), **write.profile(f"-{ending}")},
            perhaps=lambda: write.some(write.company),
        )
        return Somebody(f"{token} {ending}", token, spellings, ("linkedin_url", ending))

    return [one("one"), one("two")]


def two_addresses(token: str, chance: Random) -> list[Somebody]:
    """Two of one name at one company, each with an address of their own."""
    write = _Writer(token, chance)

    def one(local: str) -> Somebody:
        spellings = _written(
            always=lambda: {**write.name(), "domain": f"{token}.example", **write.address(local)},
            perhaps=dict,
        )
        return Somebody(f"{token} {local}", token, spellings, ("email", local))

    return [one("kim"), one("lou")]


def one_letter(token: str, chance: Random) -> list[Somebody]:
    """Two people of one family name and company whose first names begin alike."""
    write = _Writer(token, chance)

    def one(first: str) -> Somebody:
        name = {"first_name": first, "last_name": write.title}
        spellings = _written(
            always=lambda: {**name, **write.site()}, perhaps=lambda: write.some(write.company)
        )
        return Somebody(f"{token} {first}", token, spellings, ("first_name", first.casefold()))

    return [one("Benedict"), one("Bernadette")]


ALONE = (by_address, by_profile, by_id, by_site, by_company)
ALIKE = (father_and_son, one_mailbox, two_profiles, two_addresses, one_letter)
