"""The rule for who is the same person, on marks that are compared for equality alone. Pure.

A person's marks are made once, from what a call or a row gave, and may then be replaced by digests: the rule never
looks into one. So whatever it distinguishes is a mark of its own, down to a name without each of its letters, by which
typing errors are found.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations, product

from cleanlist_mcp.people.identity import Person
from cleanlist_mcp.people.mailboxes import is_provider, readers
from cleanlist_mcp.people.marks import NONE, Basis, Letters, Marks, Name, Part, Tokens, Word
from cleanlist_mcp.people.names import split_name
from cleanlist_mcp.people.normal_forms import ascii_domain
from cleanlist_mcp.people.short_forms import forms_of
from cleanlist_mcp.people.spellings import (
    Reading,
    company_spellings,
    ends_in_another_form,
    ends_in_vowel,
    read_name,
    spellings,
)

# Making marks.


def marks_of(person: Person) -> Marks:
    """Return the marks of a person in normal form: of all identifiers that were given, in every spelling."""
    first, last = _readings(person)
    companies = company_spellings(person.company_name) if person.company_name else ()
    domain = ascii_domain(person.domain) if person.domain else ""
    address, host, reader = _address(person.email)
    employers = {domain, "" if reader == "nobody" else host}
    given = (address, person.linkedin_url or "", person.person_id or "", domain)
    return Marks(
        details=_details(given, first, last, companies),
        profiles=_if_any("profile", person.linkedin_url),
        ids=_if_any("id", person.person_id),
        addresses=_if_any("email", address if reader == "one" else ""),
        hosts=_if_any("domain", host if reader == "one" else ""),
        mailboxes=_if_any("email", address if reader == "several" else ""),
        placeholders=_if_any("email", address if reader == "nobody" else ""),
        domains=_each("domain", [name for name in employers if name and not is_provider(name)]),
        companies=_each("company", companies),
        names=frozenset(_names(first, last)),
    )


def _each(kind: str, texts: Iterable[str]) -> Tokens:
    return frozenset([f"{kind}:{text}" for text in texts]) if texts else NONE


def _if_any(kind: str, text: str | None) -> Tokens:
    return frozenset((f"{kind}:{text}",)) if text else NONE


def _address(email: str | None) -> tuple[str, str, str]:
    """Return the address with its domain as the DNS has it, that domain, and who reads it."""
    if not email:
        return "", "", ""
    local, _, domain = email.rpartition("@")
    host = ascii_domain(domain)
    return f"{local}@{host}", host, readers(email)


_NOT_GIVEN = Reading((), "")


def _readings(person: Person) -> tuple[Reading, Reading]:
    """Return the first and the last name, both with the suffix that one of them has."""
    first, last = person.first_name, person.last_name
    if person.full_name and not (first or last):
        first, last = split_name(person.full_name)
    read_first = read_name(first, "first", alone=not last) if first else _NOT_GIVEN
    read_last = read_name(last, "last", alone=not first) if last else _NOT_GIVEN
    suffix = read_last.suffix or read_first.suffix
    return read_first._replace(suffix=suffix), read_last._replace(suffix=suffix)


def _details(given: Sequence[str], first: Reading, last: Reading, companies: Sequence[str]) -> Tokens:
    """Return a token of everything that was given, for each way to write it."""
    if not (any(given) or first.words or last.words or companies):
        return NONE
    names = (spellings("".join(reading.words)) for reading in (first, last))
    ways = product(*names, companies or ("",))
    return frozenset("\n".join(("details:", *given, *sorted(way[:2]), first.suffix, way[2])) for way in ways)


def _names(first: Reading, last: Reading) -> Iterator[Name]:
    words = first.words + last.words
    if words:
        yield Name(
            equal=_each("name", (f"{pair}|{first.suffix}" for pair in _pairs(words, len(first.words)))),
            first=_part_of(first.words),
            last=_part_of(last.words),
            suffix=f"suffix:{first.suffix}" if first.suffix else "",
            is_full=len(words) > 1,
        )


_MOST_SPLITS = 6


def _pairs(words: Sequence[str], given: int) -> Iterator[str]:
    """Yield the name cut in two between each of its words, and the pieces in no order.

    So "Anna Lena" + "Meyer", "Anna" + "Lena Meyer", "Meyer" + "Annalena" are equal, and "Li" + "Nan" is not "Lin" +
    "An". Of a very long name only the cut that was `given` counts.
    """
    cuts = range(1, len(words)) if len(words) <= _MOST_SPLITS else range(given, given + 1)
    for cut in cuts or (0,):
        pieces = (spellings("".join(piece)) for piece in (words[:cut], words[cut:]))
        yield from ("|".join(sorted(pair)) for pair in product(*pieces))


_LEAST_LETTERS, _MOST_LETTERS = 4, 30


@lru_cache(maxsize=512)  # most people share their first name with others
def _part_of(words: tuple[str, ...]) -> Part | None:
    if not words:
        return None
    text = "".join(words)
    read = tuple(map(_word_of, words))
    whole = read[0] if len(words) == 1 else _word_of(text)
    ways = spellings(text)
    # The shortest and the longest way are enough for typing errors; few names have a third.
    return Part(
        spellings=whole.spellings,
        letters=tuple(_letters_of(way) for way in ways[:2] if _LEAST_LETTERS <= len(way) <= _MOST_LETTERS),
        words=read,
        initials=_each("text", ("".join(spellings(word)[0][0] for word in words),))
        if len(words) > 1
        else NONE,
        is_listed=bool(whole.in_full or whole.short_for),
    )


def _word_of(word: str) -> Word:
    ways, forms = spellings(word), forms_of(word)
    return Word(
        spellings=_each("text", ways),
        letters=_each("letter", {ways[0][0], *(name[0] for name in forms.short_for)}),
        in_full=_each("first name", forms.in_full),
        short_for=_each("first name", forms.short_for),
        is_initial=len(word) == 1 and word.upper() != word,
    )


def _letters_of(text: str) -> Letters:
    without = [f"text:{text[:index]}{text[index + 1 :]}" for index in range(len(text))]
    return Letters(f"text:{text}", tuple(without), ends_in_vowel(text), ends_in_another_form(text))


# The rule.


def recognised(asked: Marks, known: Marks, contested: Tokens = NONE) -> Basis | None:
    """Return by what two are the same person, the strongest first; None if they are not.

    `contested` are addresses under which incompatible names stand, so that they prove as little as a shared mailbox.
    """
    if asked.details & known.details:
        return "details"
    if _suffixes_differ(asked, known):
        return None
    if asked.profiles & known.profiles:
        return "LinkedIn profile"
    if asked.ids & known.ids:
        return "id"
    if _same_by_address(asked, known, contested):
        return "e-mail address"
    if not asked.full_names & known.full_names or _contradict(asked, known, contested):
        return None
    if asked.domains & known.domains:
        return "name and domain"
    return "name and company" if asked.companies & known.companies else None


def are_different(one: Marks, other: Marks, *, contested: Tokens = NONE) -> bool:
    """Return whether two are certainly two people: by names, a suffix, profiles, ids, or addresses of one domain.

    `contested` addresses are nobody's own, so they prove nothing.
    """
    if recognised(one, other, contested):
        return False
    return not _names_fit(one.names, other.names) or _contradict(one, other, contested)


def are_same_employer(one: Person, other: Person) -> bool:
    """Return whether two may work for one company: nothing that both give speaks against it, or one thing for it."""
    names = [set(company_spellings(person.company_name)) for person in (one, other) if person.company_name]
    domains = [{ascii_domain(person.domain)} for person in (one, other) if person.domain]
    pairs = [pair for pair in (names, domains) if len(pair) == 2]
    return not pairs or any(ours & theirs for ours, theirs in pairs)


def names_fit(one: Marks, other: Marks) -> bool:
    """Return whether the names of two may be one person's; no name at all contradicts nobody."""
    return _names_fit(one.names, other.names)


_STRENGTHS: tuple[tuple[Basis, ...], ...] = (
    ("LinkedIn profile", "id"),
    ("e-mail address",),
    ("name and domain", "name and company"),
)


def whose(asked: Marks, known: Sequence[Marks]) -> list[int]:
    """Return the indexes of those in `known` who are the person asked for, in ascending order.

    Empty if nobody is, or if two different people might be. What is stronger decides: a profile or an id
    before an address, an address before names. Exactly the same details always find their like: of two different
    people who have them, the earlier one in `known`.
    """
    contested = _contested(asked, known)
    found: dict[Basis, list[int]] = {}
    for index, one in enumerate(known):
        basis = recognised(asked, one, contested)
        if basis:
            found.setdefault(basis, []).append(index)
    chosen = _without_different(found.pop("details", []), known, contested)
    for strength in _STRENGTHS:
        candidates = chain.from_iterable(found.get(basis, []) for basis in strength)
        fitting = [index for index in candidates if not _differs(index, chosen, known, contested)]
        if len(_without_different(fitting, known, contested)) < len(fitting):
            break
        chosen += fitting
    return sorted(chosen)


def _without_different(indexes: Iterable[int], known: Sequence[Marks], contested: Tokens) -> list[int]:
    kept: list[int] = []
    for index in indexes:
        if not _differs(index, kept, known, contested):
            kept.append(index)
    return kept


def _differs(index: int, others: Iterable[int], known: Sequence[Marks], contested: Tokens) -> bool:
    return any(are_different(known[index], known[other], contested=contested) for other in others)


def _contested(asked: Marks, known: Sequence[Marks]) -> Tokens:
    """Return those of the addresses asked for that people with incompatible names have."""
    holders = {
        address: [asked, *(one for one in known if address in one.addresses)] for address in asked.addresses
    }
    return frozenset(
        address
        for address, people in holders.items()
        if any(not _names_fit(one.names, other.names) for one, other in combinations(people, 2))
    )


def _suffixes_differ(one: Marks, other: Marks) -> bool:
    found = [{name.suffix for name in marks.names} for marks in (one, other)]
    return all(found) and found[0] != found[1]


def _same_by_address(one: Marks, other: Marks, contested: Tokens) -> bool:
    addresses = one.addresses & other.addresses
    if addresses - contested and _names_fit(one.names, other.names):
        return True
    if _contradict(one, other, contested):
        return False
    by_mailbox = not one.mailboxes.isdisjoint(other.mailboxes) or (
        not one.placeholders.isdisjoint(other.placeholders) and not _work_elsewhere(one, other)
    )
    if one.equal_names & other.equal_names:
        return by_mailbox or bool(addresses)
    # A shared mailbox alone is what was asked for, if nothing else says who is meant.
    return by_mailbox and not any(marks.names or marks.profiles or marks.ids for marks in (one, other))


def _work_elsewhere(one: Marks, other: Marks) -> bool:
    """Return whether two have employers that can be compared, and none in common."""
    pairs = ((one.companies, other.companies), (one.domains, other.domains))
    return any(_are_two(*pair) for pair in pairs) and not any(ours & theirs for ours, theirs in pairs)


def _contradict(one: Marks, other: Marks, contested: Tokens) -> bool:
    """Return whether there are two profiles, two ids or two personal addresses of one domain."""
    return (
        _are_two(one.profiles, other.profiles)
        or _are_two(one.ids, other.ids)
        or (
            bool(one.hosts & other.hosts) and _are_two(one.addresses - contested, other.addresses - contested)
        )
    )


def _are_two(some: Tokens, others: Tokens) -> bool:
    return bool(some and others) and some.isdisjoint(others)


# Names that may be one person's.


def _names_fit(some: frozenset[Name], others: frozenset[Name]) -> bool:
    """Return whether the names that two have may be one person's; no name at all contradicts nobody.

    Of several names one has to fit, with all that only blur it: who was "A." and is known as Ada is not Alan. A name
    of its own, such as one before a marriage, need not fit.
    """
    if not some or not others:
        return True
    if {name.suffix for name in some} != {name.suffix for name in others}:
        return False
    return any(
        all(_are_compatible(*pair) for pair in product(_kin(one, some), _kin(other, others)))
        for one, other in product(some, others)
    )


def _kin(name: Name, names: frozenset[Name]) -> list[Name]:
    return [one for one in names if one is name or _are_compatible(one, name, typos=False)]


def _are_compatible(one: Name, other: Name, *, typos: bool = True) -> bool:
    """Return whether two names with one suffix may be one person's.

    One of first and last name is equal, and the other equal, an initial, a part, a short form or a typing error
    away; also if they are given crosswise. If one is missing, the other is compared.
    """
    if one.equal & other.equal:
        return True
    if one.first and one.last and other.first and other.last:
        return (
            _fit(one.first, other.first, typos)
            and _fit(one.last, other.last, typos, is_first=False)
            and (_are_equal(one.first, other.first) or _are_equal(one.last, other.last))
        ) or (
            _fit(one.first, other.last, typos)
            and _fit(one.last, other.first, typos)
            and (_are_equal(one.first, other.last) or _are_equal(one.last, other.first))
        )
    return _fits_incomplete(one, other, typos) or _fits_incomplete(other, one, typos)


def _fits_incomplete(name: Name, other: Name, typos: bool) -> bool:
    """Return whether a first or last name alone, or a whole name in its place, may be the other one."""
    part = name.first or name.last
    if part is None or (name.first and name.last):
        return False
    same, crosswise = (other.first, other.last) if name.first else (other.last, other.first)
    if same is None or _fit(part, same, typos, is_first=name.first is not None):
        return True
    if crosswise is None:
        return False
    if len(part.words) == 1:
        return _fit(part, crosswise, typos)
    words = same.words + crosswise.words
    return _are_words_of(part.words, words) or _are_words_of(words, part.words)


def _are_equal(one: Part, other: Part) -> bool:
    return bool(one.spellings & other.spellings)


def _fit(one: Part, other: Part, typos: bool, *, is_first: bool = True) -> bool:
    """Return whether two are equal, an initial, a part or a short form of the other, or with `typos` an error away."""
    return (
        _are_equal(one, other)
        or _are_words_of(one.words, other.words)
        or _are_words_of(other.words, one.words)
        or _are_initials_of(one, other)
        or _are_initials_of(other, one)
        or (typos and _is_mistyped(one, other, is_first))
    )


def _are_words_of(some: Sequence[Word], words: Sequence[Word]) -> bool:
    return len(some) <= len(words) and all(any(_same_word(one, other) for other in words) for one in some)


def _same_word(one: Word, other: Word) -> bool:
    if one.spellings & other.spellings or one.in_full & other.short_for or one.short_for & other.in_full:
        return True
    if not one.in_full and not other.in_full and one.short_for & other.short_for:
        return True
    return (one.is_initial or other.is_initial) and not one.letters.isdisjoint(other.letters)


def _are_initials_of(one: Part, other: Part) -> bool:
    return not one.is_listed and bool(one.spellings & other.initials)


def _is_mistyped(one: Part, other: Part, is_first: bool) -> bool:
    """Return whether one letter is missing, too much, another one, or has changed places with its neighbour.

    Two first names that are in our list are two ("Ronald", "Donald").
    """
    if is_first and one.is_listed and other.is_listed:
        return False
    return any(_is_one_error(*pair, is_first) for pair in product(one.letters, other.letters))


def _is_one_error(one: Letters, other: Letters, is_first: bool) -> bool:
    if len(one.without) == len(other.without):
        return _differ_in_a_letter(one, other, is_first) or _have_swapped_letters(one, other)
    shorter, longer = sorted((one, other), key=lambda letters: len(letters.without))
    if is_first and longer.ends_another and shorter.whole == longer.without[-1]:
        return False  # "Paul" and "Paula"
    return shorter.whole in longer.without


def _differ_in_a_letter(one: Letters, other: Letters, is_first: bool) -> bool:
    pairs = list(zip(one.without, other.without, strict=True))
    if is_first and one.ends_in_vowel and other.ends_in_vowel:
        pairs.pop()  # "Mario" and "Maria"
    return any(a == b for a, b in pairs)


def _have_swapped_letters(one: Letters, other: Letters) -> bool:
    ours, theirs = one.without, other.without
    return any(
        ours[index] == theirs[index + 1] and ours[index + 1] == theirs[index]
        for index in range(len(ours) - 1)
    )
