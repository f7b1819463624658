"""The marks by which people and companies are recognised, with digests in their place where they are kept. Pure.

The rules on them stand in `same_person` and `company_marks`, beside what makes marks of names and addresses: whoever
only reads and writes marks loads none of that.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Basis = Literal["details", "LinkedIn profile", "id", "e-mail address", "name and domain", "name and company"]
"""By what a person is recognised; "details" are exactly the same identifiers."""

Tokens = frozenset[str]
NONE: Tokens = frozenset()


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a name: its spellings, its first letters, the name that it is in full, and those it is short for.

    The first letters are its own and those of the names that it is short for: "R." may be Bob.
    """

    spellings: Tokens
    letters: Tokens
    in_full: Tokens
    short_for: Tokens
    is_initial: bool


@dataclass(frozen=True, slots=True)
class Letters:
    """A spelling as one token, and the spelling without its first letter, without its second and so on.

    Their order shows how long a name is and where a letter stands twice, and nothing else. The flags are about the
    last letter: that it is a vowel, and that it may make another first name of the rest.
    """

    whole: str
    without: tuple[str, ...]
    ends_in_vowel: bool
    ends_another: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A first or a last name.

    `letters` is empty if the name is too short or too long to speak of typing errors, `initials` if it has one
    word. `is_listed` says that it stands in the list of first names.
    """

    spellings: Tokens
    letters: tuple[Letters, ...]
    words: tuple[Word, ...]
    initials: Tokens
    is_listed: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name as one call gave it.

    Equal names share a token of `equal`, which holds the suffix too. `is_full` if it is more than a first or
    a last name alone.
    """

    equal: Tokens
    first: Part | None
    last: Part | None
    suffix: str
    is_full: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """All that somebody is recognised by: what one call gave, or several about one person.

    `addresses` are personal, `hosts` their domains; `mailboxes` are read by several people, `placeholders` by nobody;
    `domains` are those of employers. Each text in here is a token.
    """

    details: Tokens = NONE
    profiles: Tokens = NONE
    ids: Tokens = NONE
    addresses: Tokens = NONE
    hosts: Tokens = NONE
    mailboxes: Tokens = NONE
    placeholders: Tokens = NONE
    domains: Tokens = NONE
    companies: Tokens = NONE
    names: frozenset[Name] = frozenset()

    @property
    def keys(self) -> Tokens:
        """The tokens to look somebody up by: two who may be the same person share at least one."""
        addresses = self.addresses | self.mailboxes | self.placeholders
        return self.profiles | self.ids | addresses | self.equal_names

    @property
    def equal_names(self) -> Tokens:
        """The tokens of which equal names share one."""
        return NONE.union(*(name.equal for name in self.names))

    @property
    def full_names(self) -> Tokens:
        """The same of names that mean one person at a company."""
        return NONE.union(*(name.equal for name in self.names if name.is_full))

    def mapped(self, digest: Callable[[str], str]) -> "Marks":
        """Return the marks with `digest` of each token in its place; the rule works on them as before.

        `digest` is called once for each token, and gives different ones for different tokens.
        """
        known: dict[str, str] = {}

        def once(token: str) -> str:
            if token not in known:
                known[token] = digest(token)
            return known[token]

        marks: Marks = _mapped(self, once)
        return marks

    def to_json(self) -> str:
        """Return compact JSON; equal marks give equal text."""
        return _json(_plain(self))

    @staticmethod
    def from_json(text: str) -> "Marks":
        """Return the marks that `to_json` wrote.

        Raises:
            ValueError: if the text is anything else.
        """
        try:
            *sets, names = json.loads(text)
            tokens = dict(zip(_TOKEN_FIELDS, map(_tokens, sets), strict=True))
            marks = Marks(**tokens, names=frozenset(_name(*name) for name in names))
        except (ValueError, TypeError, RecursionError):
            raise ValueError("not the marks of a person") from None
        if marks.to_json() != text:
            raise ValueError("not the marks of a person")
        return marks


_TOKEN_FIELDS = tuple(name for name in Marks.__slots__ if name != "names")


def _mapped(value: Any, digest: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return digest(value) if value else value
    if isinstance(value, (frozenset, tuple)):
        return type(value)([_mapped(one, digest) for one in value])
    if value is None or isinstance(value, bool):
        return value
    return type(value)(*[_mapped(getattr(value, name), digest) for name in value.__slots__])


def _plain(value: Any) -> Any:
    """Return lists in a fixed order for sets, tuples and our own classes."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, frozenset):
        return sorted(map(_plain, value), key=_json)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return [_plain(getattr(value, name)) for name in value.__slots__]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _tokens(value: Any) -> Tokens:
    return frozenset(map(_token, value))


def _token(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _name(equal: Any, first: Any, last: Any, suffix: Any, is_full: Any) -> Name:
    read_first, read_last = (None if part is None else _part(*part) for part in (first, last))
    return Name(
        _tokens(equal), read_first, read_last, suffix if suffix == "" else _token(suffix), _flag(is_full)
    )


def _part(ways: Any, letters: Any, words: Any, initials: Any, is_listed: Any) -> Part:
    return Part(
        _tokens(ways),
        tuple(_letters(*one) for one in letters),
        tuple(_word(*one) for one in words),
        _tokens(initials),
        _flag(is_listed),
    )


def _letters(whole: Any, without: Any, ends_in_vowel: Any, ends_another: Any) -> Letters:
    return Letters(_token(whole), tuple(map(_token, without)), _flag(ends_in_vowel), _flag(ends_another))


def _word(ways: Any, letters: Any, in_full: Any, short_for: Any, is_initial: Any) -> Word:
    return Word(_tokens(ways), _tokens(letters), _tokens(in_full), _tokens(short_for), _flag(is_initial))


def united(one: Marks, other: Marks) -> Marks:
    """Return the marks of both together, for two that are one person's."""
    return Marks(*(getattr(one, name) | getattr(other, name) for name in Marks.__slots__))


COMPANY_KINDS = ("ids", "domains", "tickers", "names")
"""The marks by which a company is recognised, the strongest first."""


@dataclass(frozen=True, slots=True)
class CompanyMarks:
    """Whatever identifies one company, given or answered."""

    ids: Tokens = frozenset()
    domains: Tokens = frozenset()
    tickers: Tokens = frozenset()
    names: Tokens = frozenset()

    @property
    def keys(self) -> Tokens:
        """Everything by which the company can be found."""
        return self.ids | self.domains | self.tickers | self.names

    def mapped(self, digest: Callable[[str], str]) -> "CompanyMarks":
        """Return the marks with `digest` of each token in its place."""
        return CompanyMarks(*(frozenset(map(digest, getattr(self, kind))) for kind in COMPANY_KINDS))

    def to_json(self) -> str:
        """Return the marks as text."""
        return json.dumps({kind: sorted(getattr(self, kind)) for kind in COMPANY_KINDS})

    @staticmethod
    def from_json(text: str) -> "CompanyMarks":
        """Return the marks that `to_json` wrote."""
        read = json.loads(text)
        return CompanyMarks(*(frozenset(read[kind]) for kind in COMPANY_KINDS))
