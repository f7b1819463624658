"""The people in rows who may be imported, each of them once. Pure.

Reasons name rows and fields, never what stands in a cell: they are shown, logged and passed on.
"""

import gc
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from typing import Literal

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports.cells import address_rank
from cleanlist_mcp.imports.records import RowNote, understood
from cleanlist_mcp.people.grouping import MOST_COMPARED, Group, groups, shared_addresses
from cleanlist_mcp.people.identity import (
    LIMITS,
    NOT_IMPORTED,
    NOTHING,
    Person,
    person_of,
    why_nobody,
    without_case,
)
from cleanlist_mcp.people.mailboxes import is_provider
from cleanlist_mcp.people.marks import Marks, Tokens, united
from cleanlist_mcp.people.normal_forms import normal_name
from cleanlist_mcp.people.same_person import are_same_employer, marks_of, recognised
from cleanlist_mcp.people.sizes import MAX_CELL
from cleanlist_mcp.text import clean

LeaveOut = Literal["", "with_email", "with_phone"]
"""The people whom a call leaves out: nobody, or those who have an e-mail address or a phone number already."""

NAME_LENGTH = 60
"""Most characters of a row's name that an answer shows."""

NOBODYS_OWN = "email stands with several people, so it is nobody's own"

_HAS_ALREADY: Mapping[str, tuple[str, str]] = {
    "with_email": ("email", "has an e-mail address already"),
    "with_phone": ("phone", "has a phone number already"),
}

HAS_ALREADY = frozenset(reason for _, reason in _HAS_ALREADY.values())
"""The reasons for which rows are left out because the call wishes it."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A person who may be imported, with the number of the first row that named them."""

    row: int
    person: Person


@dataclass(frozen=True, slots=True)
class MergedRow:
    """A row of a person whom an earlier row named already, and by what they were recognised."""

    row: int
    into: int
    by: str


@dataclass(frozen=True, slots=True)
class OnePerson:
    """A person who may be imported: `lead` has the fields of all rows, `rows` are those rows by themselves."""

    lead: Lead
    rows: tuple[Lead, ...]
    marks: Marks


@dataclass(frozen=True, slots=True)
class Prepared:
    """`people` may be imported, `skipped` rows may not; `notes` are about rows of people."""

    people: tuple[OnePerson, ...]
    skipped: tuple[RowNote, ...]
    merged: tuple[MergedRow, ...]
    notes: tuple[RowNote, ...]

    @property
    def accepted(self) -> tuple[Lead, ...]:
        """The people as they may be sent."""
        return tuple(one.lead for one in self.people)


def prepare(rows: Iterable[tuple[int, Mapping[str, object]]], leave_out: LeaveOut = "") -> Prepared:
    """Return the people in numbered rows who may be imported: `prepare(enumerate(people, 1))`.

    Cells are understood and normalised; rows that identify nobody and rows with a cell that is too long are
    skipped, each with its reason. Rows of one person become one, its empty fields filled from the others. An
    accepted row gets a note if a cell was left out, as an id always is.
    """
    with _uncollected():
        sorting = _Sorting()
        for number, record in rows:
            sorting.take(number, record)
        return sorting.result(leave_out)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let nobody look for cycles meanwhile: rows make none, and a look at all that they make takes long each time."""
    if not gc.isenabled():
        yield  # whoever turned it off turns it on again
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    person: Person
    marks: Marks


class _Sorting:
    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._skipped: list[RowNote] = []
        self._notes: list[RowNote] = []
        self._merged: list[MergedRow] = []

    def take(self, number: int, record: Mapping[str, object]) -> None:
        """Understand one row."""
        try:
            person, others, problems = _importable(record)
        except InvalidArguments as error:
            self._skipped.append(RowNote(number, error.message))
            return
        why = why_nobody(person, by_id=False)
        if why:
            self._skipped.append(RowNote(number, _reason(person, problems, why), shown_name(person)))
            return
        self._notes.extend(RowNote(number, f"left out: {problem}") for problem in problems)
        marks = [marks_of(person), *(marks_of(Person(email=address)) for address in others)]
        self._rows.append(_Row(number, person, reduce(united, marks)))

    def result(self, leave_out: LeaveOut) -> Prepared:
        """Return the rows of each person as one, and why others are left out."""
        found = groups([row.marks for row in self._rows])
        shared = shared_addresses([group.marks for group in found])
        people = self._without_doubles(
            one for group in found if (one := self._person(group, shared, leave_out))
        )
        return Prepared(
            tuple(people), tuple(self._skipped), tuple(self._merged), tuple(self._notes_on(people))
        )

    def _without_doubles(self, people: Iterable[OnePerson]) -> list[OnePerson]:
        """Join people for whom the same would be sent: among more than `MOST_COMPARED` rows, some were not compared."""
        by_details: dict[tuple[str, ...], OnePerson] = {}
        for one in people:
            earlier = by_details.setdefault(all_details(one.lead.person), one)
            if earlier is not one:
                self._merged.append(MergedRow(one.lead.row, earlier.lead.row, "the same identifiers"))
                joined = OnePerson(earlier.lead, earlier.rows + one.rows, united(earlier.marks, one.marks))
                by_details[all_details(one.lead.person)] = joined
        return list(by_details.values())

    def _person(self, group: Group, shared: Tokens, leave_out: LeaveOut) -> OnePerson | None:
        rows = [self._rows[index] for index in group.rows]
        first = rows[0]
        person = _united([row.person for row in rows])
        why = None
        if person.email and _is_shared(person, group.marks, shared):
            person = _without_address(person)
            self._notes.append(RowNote(first.number, f"left out: {NOBODYS_OWN}"))
            why = why_nobody(person, by_id=False) and f"{NOBODYS_OWN}, and nothing else says who is meant"
        why = why or _left_out(person, leave_out)
        if why:
            self._skipped.extend(RowNote(row.number, why, shown_name(row.person)) for row in rows)
            return None
        self._merged.extend(_merged(rows))
        leads = tuple(Lead(row.number, row.person) for row in rows)
        return OnePerson(Lead(first.number, person), leads, group.marks)

    def _notes_on(self, people: Sequence[OnePerson]) -> Iterator[RowNote]:
        accepted = {row.row for one in people for row in one.rows}
        return (note for note in self._notes if note.row in accepted)


def shown_name(person: Person) -> str:
    """Return a person's name as an answer may show it, empty if none was given."""
    return clean(person.name, NAME_LENGTH)


def _merged(rows: Sequence[_Row]) -> Iterator[MergedRow]:
    """Yield for each row but the first how its person was recognised, in an earlier row if possible."""
    known = [rows[0].marks]
    for index, row in enumerate(rows[1:], 1):
        if row.marks in known:
            by = "the same identifiers"
        else:
            before = (recognised(row.marks, marks) for marks in known)
            behind = (
                recognised(row.marks, other.marks) for other in rows[index + 1 : index + 1 + MOST_COMPARED]
            )
            by = next(filter(None, chain(before, behind)), "another row")
            known.append(row.marks)
        yield MergedRow(row.number, rows[0].number, "the same identifiers" if by == "details" else by)


def _is_shared(person: Person, marks: Marks, shared: Tokens) -> bool:
    if shared.isdisjoint(marks.addresses | marks.mailboxes | marks.placeholders):
        return False
    own = marks_of(Person(email=person.email))
    if own.mailboxes and not (marks.names or marks.profiles):
        return False  # the mailbox itself is meant
    return not shared.isdisjoint(own.addresses | own.mailboxes | own.placeholders)


def _without_address(person: Person) -> Person:
    """Return the person without an address that several have; its domain is the employer's, if nothing else is."""
    domain = (person.email or "").rpartition("@")[2]
    alone = replace(person, email=None)
    if why_nobody(alone, by_id=False) is None or is_provider(domain):
        return alone
    return replace(alone, domain=domain)


def _left_out(person: Person, leave_out: LeaveOut) -> str | None:
    name, reason = _HAS_ALREADY.get(leave_out, ("", ""))
    return reason if name and getattr(person, name) else None


_EMPLOYMENT = ("company_name", "domain", "title")
_PLACE = ("city", "state", "country")
_NAME = ("first_name", "last_name", "full_name")


def _united(people: Sequence[Person]) -> Person:
    """Return one person with the fields of several rows, the earlier ones first.

    What belongs together is not mixed: a title or domain of another employer, a city in another country.
    """
    person = people[0]
    for other in people[1:]:
        names = _better_name(person, other)
        taken = {
            name: getattr(other, name)
            for name in LIMITS
            if name not in _NAME and getattr(person, name) is None and _may_take(name, person, other)
        }
        if other.email and person.email and address_rank(other.email) < address_rank(person.email):
            taken["email"] = other.email
        person = replace(person, **names, **taken)
    return person


def _may_take(name: str, person: Person, other: Person) -> bool:
    if name in _EMPLOYMENT:
        return are_same_employer(person, other)
    if name in _PLACE:
        return all(
            without_case(getattr(person, part)) == without_case(getattr(other, part))
            for part in _PLACE
            if getattr(person, part) and getattr(other, part)
        )
    return True


def _better_name(person: Person, other: Person) -> dict[str, str | None]:
    """Return the other's name if it says more: both names, and none of them an initial."""
    ours, theirs = _name_worth(person), _name_worth(other)
    return {name: getattr(other if theirs > ours else person, name) for name in _NAME}


def _name_worth(person: Person) -> tuple[bool, bool, bool]:
    parts = [part for part in (person.first_name, person.last_name) if part]
    is_whole = len(parts) == 2 or bool(person.full_name)
    return is_whole, len(parts) == 2, is_whole and not any(re.fullmatch(r"\w\.?", part) for part in parts)


def all_details(person: Person) -> tuple[str, ...]:
    """Return every filled field with its name, without differences of case; two rows with the same are duplicates.

    Journals keep digests of it: after a change here nobody is found in them any more.
    """
    given = ((name, value) for name in LIMITS if (value := getattr(person, name)))
    return tuple(f"{name}={value if name in _WITH_CASE else without_case(value)}" for name, value in given)


_WITH_CASE = frozenset({"linkedin_url", "person_id"})


def identifiers(people: Sequence[OnePerson]) -> list[tuple[str, ...]]:
    """Return for each person the texts that recognise them in another call, which compares for equality alone.

    They are a profile; an address with one of the names, or alone if there is none; without either, a name with its
    employer. A text that two of the people have is left out.
    """
    found = [tuple(_identifiers(one)) for one in people]
    counts = Counter(text for texts in found for text in set(texts))
    return [tuple(text for text in dict.fromkeys(texts) if counts[text] == 1) for texts in found]


def identifiers_of_shown(person: Person) -> list[str]:
    """Return the texts that may have recognised a person whom a list shows, when they were added.

    They may have been known by a name with its employer, or by an address without a name: the rest is found later.
    """
    domain = (person.email or "").rpartition("@")[2]
    employer = None if is_provider(domain) else domain or None
    by_name = replace(person, email=None, linkedin_url=None, domain=person.domain or employer)
    by_address = Person(email=person.email)
    as_added = (OnePerson(Lead(0, one), (), marks_of(one)) for one in (person, by_name, by_address))
    return list(dict.fromkeys(text for one in as_added for text in _identifiers(one)))


def _identifiers(one: OnePerson) -> Iterator[str]:
    marks = one.marks
    suffix = "".join(sorted({name.suffix for name in marks.names}))
    yield from (f"{token}|{suffix}" for token in sorted(marks.profiles))
    for address in sorted(marks.addresses):
        yield from (f"{address}|{name}" for name in sorted(marks.equal_names or {""}))
    if not marks.profiles and not marks.addresses:
        places = sorted(marks.domains | marks.companies)
        yield from (f"{name}|{place}" for name in sorted(marks.full_names) for place in places)


def _reason(person: Person, problems: Sequence[str], why: str) -> str:
    if person == Person() and not problems:
        return "the row is empty"
    if tuple(problems) == (NOT_IMPORTED,) and why == NOTHING:
        return NOT_IMPORTED
    return "; ".join((*problems, why))


def _importable(record: Mapping[str, object]) -> tuple[Person, tuple[str, ...], tuple[str, ...]]:
    """Return the person of a row, their further addresses, and why parts of the row were left out.

    An import holds no id, and no e-mail address that begins like a formula: made harmless, it would be another one.
    """
    meant = understood({name: cell for name, cell in record.items() if name != "person_id"})
    person, problems = person_of(meant.fields)
    problems = (*meant.problems, *problems)
    if starts_formula(person.email or ""):
        person = replace(person, email=None)
        problems = (*problems, "email begins like a spreadsheet formula")
    has_id = not _is_gap(record.get("person_id"))
    return person, meant.other_emails, (NOT_IMPORTED, *problems) if has_id else problems


def _is_gap(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and normal_name(cell[:MAX_CELL]) is None)


def starts_formula(text: str) -> bool:
    """Return whether a spreadsheet may run the cell: a sign, also full-width or after white space.

    A phone number that begins with a plus sign is no formula.
    """
    if text.startswith("+") and re.fullmatch(r"\+[\d\s()./-]*", text):
        return False
    first = unicodedata.normalize("NFKC", text.lstrip()[:1])[:1]
    return text[:1] in {"\t", "\r", "\n"} or first in {"=", "+", "-", "@", "\u2212"}
