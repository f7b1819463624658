"""The field of a person that each column of a CSV file holds: by its title, in doubt by its cells. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports import title_words
from cleanlist_mcp.imports.cells import is_salutation, plain_cell
from cleanlist_mcp.people.identity import LIMITS, NOT_IMPORTED, NOTHING, Person, why_nobody
from cleanlist_mcp.people.normal_forms import normal_email, normal_linkedin, normal_phone
from cleanlist_mcp.people.spellings import ends_in_legal_form
from cleanlist_mcp.text import clean

MAX_FILE_COLUMNS = 200

NAMED_TITLES = 10
"""Most titles that are not understood and that a refusal names."""

MOSTLY = 0.6
"""The share of a column's filled cells that makes it a column of addresses, profiles, companies and so on."""

# A column of LinkedIn's export of one's connections and of nothing else: "URL" beside it is the profile.
_ONLY_LINKEDIN = "connectedon"

NEARLY_ALL = 0.8
"""The same, for cells of which a few look like something else: companies among names."""

Rows = Sequence[Sequence[str]]


class Columns(NamedTuple):
    """The columns of each field, the one that counts first in front, and those with any other title."""

    at: dict[str, list[int]]
    unclear: list[int]


def title_key(title: str) -> str:
    """Return a title without what does not matter in one; empty if nothing is left."""
    letters = unicodedata.normalize("NFKD", clean(title).casefold())
    return "".join(char for char in letters if char.isalnum())


_FIELD_OF_TITLE = {title_key(title): name for name, titles in title_words.TITLES.items() for title in titles}


def title_words_of(title: str) -> list[str]:
    """Return the words of a title in lower case, those of "RecipientFirstName" too."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", clean(title))
    return re.findall(
        r"[^\W_]+", unicodedata.normalize("NFC", spaced.casefold()).replace("\u2019", "'").replace("'s", "")
    )


def is_known_title(title: str) -> bool:
    """Return whether a title names a field, or part of a name."""
    return field_of_title(title) is not None or title_key(title) in title_words.AMBIGUOUS_NAMES


def field_of_title(title: str) -> str | None:
    """Return the field that a title means by itself; None for one that depends on the others."""
    # Every CRM has a "Person ID" of its own. Spelled like the API's field it is Cleanlist's.
    if clean(title).casefold() == "person_id":
        return "person_id"
    key = title_key(title)
    if "#" in title and _FIELD_OF_TITLE.get(key) != "phone":
        return None  # a number of their own: "Attendee #"
    if key in _FIELD_OF_TITLE or key in title_words.AMBIGUOUS_NAMES:
        return _FIELD_OF_TITLE.get(key)
    words = [word for word in title_words_of(title) if word not in title_words.FILLERS and not word.isdigit()]
    return _FIELD_OF_TITLE.get(title_key("".join(words)))


def columns_of(titles: Sequence[str], rows: Rows = (), groups: Sequence[str] = ()) -> Columns:
    """Return the columns of each field found (`full_name` is one here), and those with any other title.

    `rows` are cells below the titles, and `groups` what a row above them calls each column. A column without a
    title is among neither. If several columns are one field, those for work count before those that are private.

    Raises:
        InvalidArguments: if there are no titles, too many, or none that identify a person.
    """
    if not titles:
        raise InvalidArguments("The CSV file is empty.", "Choose a file with a title row and people.")
    if len(titles) > MAX_FILE_COLUMNS:
        raise InvalidArguments(
            f"The CSV file has more than {MAX_FILE_COLUMNS} columns.",
            "Keep only the columns that say who the people are.",
        )
    found = _Sorting(titles, rows, groups).sorted()
    if not found.at and any(map(looks_like_data, titles)):
        raise InvalidArguments(
            "The first row of the CSV file is somebody's data, and no row of titles was found.",
            "Put a first row above it with titles such as Email, LinkedIn URL, First Name, Last Name and Company.",
        )
    # If the first row holds an address or a number, it may well be a person and not titles.
    may_show = found.at or not any(map(looks_like_data, titles))
    _require_identifying(found.at, [shown_title(titles[index], index) for index in found.unclear if may_show])
    return found


@dataclass
class _Sorting:
    """The columns of one file on their way to their fields."""

    titles: Sequence[str]
    rows: Rows
    groups: Sequence[str]
    at: dict[str, list[int]] = field(default_factory=dict)

    def sorted(self) -> Columns:
        for index, title in enumerate(self.titles):
            if title_key(title) not in title_words.AMBIGUOUS_NAMES:
                self._put(index, self._field(index))
        # Ambiguous names last: what they mean depends on the other columns.
        for index, title in enumerate(self.titles):
            if title_key(title) in title_words.AMBIGUOUS_NAMES:
                self._put(index, self._name_field(index))
        for columns in self.at.values():
            columns.sort(key=lambda index: title_rank(self.titles[index]))
        used = {index for columns in self.at.values() for index in columns}
        unclear = [index for index, title in enumerate(self.titles) if title_key(title) and index not in used]
        return Columns(self.at, unclear)

    def _put(self, index: int, name: str | None) -> None:
        if name is not None:
            self.at.setdefault(name, []).append(index)

    def _field(self, index: int) -> str | None:
        """Return the field of a column whose title does not depend on the others'."""
        title, key = self.titles[index], title_key(self.titles[index])
        if looks_like_data(title):
            return None
        if key == "url" and self._has_title(_ONLY_LINKEDIN):
            return "linkedin_url"
        if self._lists_businesses():
            named = {
                "title": "company_name",
                "owner": "full_name",
                "ownername": "full_name",
                "ownertitle": None,
            }
            if key in named:
                return named[key]
            if field_of_title(title) in {"phone", "city", "state", "country", "location"}:
                return None
        name = field_of_title(title)
        if name == "title" and self._mostly(index, is_salutation):
            return None
        if name and self._group(index) == "company":
            return {"full_name": "company_name"}.get(
                name, name if name in ("company_name", "domain") else None
            )
        return name or self._field_by_cells(index)

    def _field_by_cells(self, index: int) -> str | None:
        """Return the field of a column whose title mentions mail, phones or LinkedIn, if most of its cells are such."""
        words = title_words_of(self.titles[index])
        if title_words.OF_OTHERS.intersection(words):
            return None
        text = " ".join(words)
        if text in title_words.CONTACTS and self._mostly(index, _is_whole_name):
            return "full_name"
        if re.search(_MAIL, text) and self._mostly(index, is_address):
            return "email"
        if re.search(r"phone|tel|mobil|handy|cell|fon\b|gsm|電話", text) and not {
            "fax",
            "hq",
            "company",
            "corporate",
        } & set(words):
            return "phone" if self._mostly(index, is_phone) else None
        may_be_profile = "linkedin" in text.replace(" ", "") or {
            "url",
            "link",
            "profile",
            "profil",
        }.intersection(words)
        return "linkedin_url" if may_be_profile and self._mostly(index, is_profile) else None

    def _name_field(self, index: int) -> str | None:
        """Return the field of a column "Name": one of the two names beside the other, a company, or the full name."""
        if self._group(index) == "company" or self._lists_businesses():
            return None if "company_name" in self.at else "company_name"
        has_first, has_last = "first_name" in self.at, "last_name" in self.at
        if has_last and not has_first:
            return "first_name"
        if has_first and not has_last:
            is_first = title_key(self.titles[index]) in title_words.FIRST_BESIDE_LAST
            return "full_name" if is_first else "last_name"
        if self._is_company(index):
            return "company_name" if "company_name" not in self.at else None
        return "full_name"

    def _is_company(self, index: int) -> bool:
        if "full_name" in self.at and "company_name" not in self.at:
            return True
        if mostly(self.rows, index, ends_in_legal_form, least=NEARLY_ALL):
            return True
        if "last_name" not in self.at or "company_name" in self.at:
            return False
        filled = [row for row in self.rows if index < len(row) and row[index].strip()]
        whole = sum(self._holds_both_names(row, row[index]) for row in filled)
        return bool(filled) and 2 * whole < len(filled)

    def _holds_both_names(self, row: Sequence[str], cell: str) -> bool:
        """Return whether a cell has the words of the row's first and last name, and not those of a company."""
        words = set(cell.casefold().split())
        for name in ("first_name", "last_name"):
            given = [row[at].casefold().split()[:1] for at in self.at.get(name, ()) if at < len(row)]
            if any(given) and not any(one and words.issuperset(one) for one in given):
                return False
        return True

    def _group(self, index: int) -> str | None:
        if index >= len(self.groups):
            return None
        words = title_words_of(self.groups[index])
        return next((title_words.GROUPS[word] for word in words if word in title_words.GROUPS), None)

    def _has_title(self, key: str) -> bool:
        return any(title_key(title) == key for title in self.titles)

    def _lists_businesses(self) -> bool:
        keys = {title_key(title) for title in self.titles}
        return len(keys & title_words.SCRAPERS) > 1 and bool(keys - {"category", "categories", "rating"})

    def _mostly(self, index: int, test: Callable[[str], bool]) -> bool:
        return mostly(self.rows, index, test)


def mostly(rows: Rows, index: int, test: Callable[[str], bool], *, least: float = MOSTLY) -> bool:
    """Return whether most filled cells of a column pass a test; False if none is filled."""
    filled = [plain_cell(row[index]) for row in rows if index < len(row) and row[index].strip()]
    return bool(filled) and sum(map(test, filled)) >= least * len(filled)


_MAIL = "mail|courriel|correo|e.?post|mejl|sähköposti|почт|メール|邮箱|邮件|郵箱|郵件|信箱|이메일|메일"


def _is_whole_name(cell: str) -> bool:
    words = cell.split()
    return 1 < len(words) < 6 and not re.search(r"[\d@/]", cell) and not ends_in_legal_form(cell)


def is_address(cell: str) -> bool:
    """Return whether a cell is an e-mail address."""
    return normal_email(cell) is not None


def is_profile(cell: str) -> bool:
    """Return whether a cell is the address of a LinkedIn profile."""
    return normal_linkedin(cell) is not None


def is_phone(cell: str) -> bool:
    """Return whether a cell can be a phone number, if its title says that it is one."""
    return normal_phone(cell) is not None


def is_number(cell: str) -> bool:
    """Return whether a cell is a phone number, as no other number is written."""
    is_other = re.match(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", cell)
    return (
        not is_other
        and re.match(r"[+(0]", cell) is not None
        and len(re.sub(r"\D", "", cell)) > 6
        and (normal_phone(cell) is not None)
    )


def holds_contact_data(rows: Rows, index: int) -> bool:
    """Return whether most cells of a column are addresses, profiles or phone numbers."""
    return any(mostly(rows, index, test) for test in (is_address, is_profile, is_number))


def title_rank(title: str) -> int:
    """Return 0 for a title with a word for work in it, 2 for a private or further one, 1 for others."""
    words = set(title_words_of(title))
    if words & title_words.PERSONAL:
        return 2
    return 0 if words & title_words.WORK else 1


def shown_title(title: str, index: int) -> str:
    """Return a title as it may be shown: in a file without titles it can be somebody's data."""
    if not title_key(title):
        return f"column {index + 1} (no title)"
    text = clean(title, 40)
    return f"column {index + 1}" if looks_like_data(text) else text


def shown_columns(titles: Sequence[str], at: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return the field of each title that was used, in the file's order; a title that stands twice has its number."""
    return dict(_shown_columns(titles, {index: name for name, columns in at.items() for index in columns}))


def _shown_columns(titles: Sequence[str], fields: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    shown = set[str]()
    for index in sorted(fields):
        title = shown_title(titles[index], index)
        yield (
            (f"{title} (column {index + 1})" if title in shown else title),
            _SHOWN.get(fields[index], fields[index]),
        )
        shown.add(title)


_SHOWN = {"infix": "last_name", "suffix": "last_name"}


def looks_like_data(title: str) -> bool:
    """Return whether a cell in the place of a title is somebody's data: an address, a link, a year."""
    return re.search(r"@|://|\d{4}|(?i:linkedin\.com/|\bwww\.)", title) is not None


def _require_identifying(at: Mapping[str, object], not_understood: Sequence[str]) -> None:
    advice = (
        "Give the first row titles such as Email, LinkedIn URL, First Name, Last Name, Company and Website."
    )
    if not at:
        message = f"No title in the title row of the CSV file is a known one.{_named(not_understood)}"
        raise InvalidArguments(message, advice)
    why = why_nobody(Person(**{name: name for name in at if name in LIMITS}), by_id=False)
    if why and "person_id" in at:
        why = NOT_IMPORTED if why == NOTHING else f"{NOT_IMPORTED}; {why}"
    if why == NOTHING:
        raise InvalidArguments(
            f"No column of the CSV file says who is meant.{_named(not_understood)}", advice
        )
    # A full name may hold an address ("Ada Fable <ada@…>") or a link to a profile.
    if why and "full_name" not in at:
        message = f"The columns of the CSV file identify nobody: {why}.{_named(not_understood)}"
        raise InvalidArguments(message, advice)


def _named(not_understood: Sequence[str]) -> str:
    if not not_understood:
        return ""
    more = len(not_understood) - NAMED_TITLES
    titles = ", ".join(not_understood[:NAMED_TITLES]) + (f" and {more} more" if more > 0 else "")
    return f" Not understood: {titles}."
