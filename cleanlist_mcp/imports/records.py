"""One row of a file or call, understood: each field what it was meant to be, or a gap. Pure.

Reasons name rows and fields, never what stands in a cell: they are shown, logged and passed on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cleanlist_mcp.imports.cells import (
    address_rank,
    addresses_in,
    is_gap,
    is_gap_in_name,
    is_no_employer,
    is_salutation,
    link_in,
    plain_cell,
)
from cleanlist_mcp.people.identity import PLACEHOLDER, normal_value
from cleanlist_mcp.people.mailboxes import readers
from cleanlist_mcp.people.names import (
    clean_first_name,
    clean_last_name,
    is_company,
    is_listed,
    is_of_several,
    is_suffix,
    read_full_name,
)
from cleanlist_mcp.people.normal_forms import has_letter, normal_linkedin, normal_name
from cleanlist_mcp.people.remembered import remembered
from cleanlist_mcp.people.sizes import MAX_CELL
from cleanlist_mcp.people.spellings import ends_in_legal_form

OTHER_EMAILS = "other_emails"
"""The key of a record for further addresses of the person, between spaces: they identify and are not sent."""


@dataclass(frozen=True, slots=True)
class RowNote:
    """A remark about one row, in a few words that start in lower case; `name` is that of its person, "" if unknown."""

    row: int
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Understood:
    """The fields of one row as they were meant, further addresses of the person, and what had to be left out."""

    fields: dict[str, object]
    other_emails: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def understood(record: Mapping[str, object]) -> Understood:
    """Return the fields of a row's person; cells that are no text or too long stay as they are."""
    return _Reading(record).understood()


def is_usable(name: str, cell: str) -> bool:
    """Return whether a cell holds a value for this field."""
    plain = plain_cell(cell)
    if is_gap(plain) or (name == "company_name" and is_no_employer(plain)):
        return False
    if name == "title" and is_salutation(plain):
        return False
    link = link_in(plain)
    if link is not None:
        plain = link.address if name in _ADDRESS_FIELDS else link.text
    return normal_value(name, plain) is not None


_NAMES = ("first_name", "last_name", "full_name")
_ADDRESS_FIELDS = frozenset({"linkedin_url", "domain"})


class _Reading:
    def __init__(self, record: Mapping[str, object]) -> None:
        self._odd: dict[str, object] = {}
        self._cells: dict[str, str] = {}
        for name, value in record.items():
            if isinstance(value, str) and len(value) <= MAX_CELL:
                self._cells[name] = plain_cell(value)
            elif value is not None:
                self._odd[name] = value
        self._problems: list[str] = []
        self._others: list[str] = []

    def understood(self) -> Understood:
        self._follow_links()
        self._drop_gaps()
        self._read_name_with_address()
        self._read_addresses()
        self._read_place()
        self._read_names()
        return Understood(self._cells | self._odd, tuple(self._others), tuple(self._problems))

    def _follow_links(self) -> None:
        """Take a linked text apart: a name's link may be the profile, a company's its site."""
        for name, cell in list(self._cells.items()):
            link = link_in(cell) if name != "email" else None
            if link is None:
                continue
            self._cells[name] = link.address if name in _ADDRESS_FIELDS else link.text
            if name in (*_NAMES, "company_name"):
                self._take_address(name, link.address)

    def _take_address(self, name: str, address: str) -> None:
        if normal_linkedin(address):
            self._add("linkedin_url", address)
        elif addresses_in(address):
            self._add("email", address)
        elif name == "company_name":
            self._add("domain", address)

    def _add(self, name: str, cell: str) -> None:
        if is_gap(self._cells.get(name, "")):
            self._cells[name] = cell

    def _drop_gaps(self) -> None:
        named = [not is_gap(self._cells.get(name, "")) for name in ("first_name", "last_name")]
        for name, cell in list(self._cells.items()):
            is_one_of_two = name in ("first_name", "last_name") and any(named)
            is_none = is_gap_in_name(cell) if is_one_of_two else is_gap(cell)
            if name == "company_name":
                is_none = is_no_employer(cell)
            elif name == "title":
                is_none = is_none or is_salutation(cell) or not has_letter(cell)
            elif name in ("city", "state", "country", "domain", "linkedin_url", "phone"):
                is_none = is_none or cell.strip(" '") == "0"
            if is_none:
                del self._cells[name]

    def _read_name_with_address(self) -> None:
        """Take an address out of a name: "Ada Fable <ada@fable.example>"."""
        for name in _NAMES:
            cell = self._cells.get(name, "")
            found = addresses_in(cell) if "@" in cell else []
            if not found:
                continue
            self._add("email", found[0])
            rest = re.sub(r"[<(\[]?\s*(?:mailto:)?[^\s<>()\[\]]+@[^\s<>()\[\]]+\s*[>)\]]?", " ", cell).strip(
                " \"',;:-"
            )
            self._cells.pop(name)
            if has_letter(rest):
                self._cells[name] = rest

    def _read_addresses(self) -> None:
        """Keep the best of several addresses, an employer's if there is one; placeholders are none."""
        cell = self._cells.get("email", "")
        found = addresses_in(cell)
        real = sorted((address for address in found if readers(address) != "nobody"), key=address_rank)
        if found and not real:
            del self._cells["email"]
            self._problems.append(PLACEHOLDER)
        elif real:
            self._cells["email"] = real[0]
        others = [*real[1:], *self._cells.pop(OTHER_EMAILS, "").split()]
        self._others = [address for address in dict.fromkeys(others) if readers(address) == "one"]

    def _read_place(self) -> None:
        """Cut "City, State, Country" if the three have no cells of their own."""
        parts = [part.strip() for part in self._cells.pop("location", "").split(",") if part.strip()]
        if len(parts) < 2 or any(name in self._cells for name in ("city", "state", "country")):
            return
        if len(parts) == 2:
            is_state = re.fullmatch(r"[A-Z]{2}(?: \d{5})?", parts[1]) is not None
            self._cells |= {"city": parts[0], "state" if is_state else "country": parts[1]}
            return
        self._cells |= {"city": parts[0], "state": parts[-2], "country": parts[-1]}

    def _read_names(self) -> None:
        self._read_suffix()
        infix = normal_name(self._cells.pop("infix", "")) or ""
        if infix and self._cells.get("last_name"):
            self._cells["last_name"] = f"{infix} {self._cells['last_name']}"
        self._read_both()
        full = self._cells.get("full_name", "")
        if full and is_of_several(full) and not is_company(full):
            self._drop("full_name")
            self._problems.append("full_name holds more than one person, or a company")
        elif full and is_company(full):
            self._add("company_name", full)
            self._drop("full_name")
        self._complete()

    def _read_both(self) -> None:
        """Clean two names, unless they are a company that was cut in two."""
        first, last = self._names()
        if _is_company(first, last):
            self._add("company_name", f"{first} {last}")
            self._drop("first_name", "last_name")
        elif first and last:
            self._clean(first, last)

    def _read_suffix(self) -> None:
        """Put "Jr." and its like behind the name; degrees in the same column are left out."""
        suffix = normal_name(self._cells.pop("suffix", "")) or ""
        whole = next((name for name in ("last_name", "full_name") if self._cells.get(name)), None)
        if whole and is_suffix(suffix) and not self._cells[whole].casefold().endswith(suffix.casefold()):
            self._cells[whole] = f"{self._cells[whole]} {suffix}"

    def _drop(self, *names: str) -> None:
        for name in names:
            self._cells.pop(name, None)

    def _clean(self, first: str, last: str) -> None:
        first, last = clean_first_name(first), clean_last_name(last)
        # "Ada Fable" in the column of first names, beside "Fable".
        if first.casefold().endswith(f" {last.casefold()}"):
            first = first[: -len(last)].strip()
        self._cells |= {"first_name": first, "last_name": last}

    def _complete(self) -> None:
        """Fill the names that are missing from the full one, or from a whole name in the place of one of them."""
        first, last = self._names()
        full = _if_name(self._cells.get("full_name", ""))
        if first and last:
            self._drop("full_name")
            return
        if full:
            self._split(full, first, last)
        whole = first or last
        is_completed = all(self._names())
        if len(whole.split()) > 1 and not is_completed:
            self._drop("first_name", "last_name")
            self._split(whole, "", "", alone_in="first_name" if first else "last_name")
        if whole:
            self._read_both()  # it was alone until now

    def _names(self) -> tuple[str, str]:
        """Return first and last name as far as they can be used."""
        return _if_name(self._cells.get("first_name", "")), _if_name(self._cells.get("last_name", ""))

    def _split(self, full: str, first: str, last: str, *, alone_in: str = "") -> None:
        """Fill the names that are missing; a name that stood `alone_in` a field stays there if it is one word."""
        name = read_full_name(full)
        self._drop("full_name")
        if not (first or last) and (not name.is_sure or (alone_in and is_listed(name.last))):
            whole = name.whole or full
            # One word is no full name for the API.
            self._cells["full_name" if len(whole.split()) > 1 else alone_in or "first_name"] = whole
            return
        for field, given, part in (("first_name", first, name.first), ("last_name", last, name.last)):
            if not given and part:
                self._cells[field] = part


@remembered
def _if_name(cell: str) -> str:
    """Return the cell of a name; empty if it will be left out."""
    return cell if normal_value("full_name", cell) else ""


def _is_company(first: str, last: str) -> bool:
    """Return whether a company was cut in two, so that its legal form is the last name."""
    return (
        bool(first)
        and len(last.split()) == 1
        and ends_in_legal_form(f"{first} {last}")
        and last.casefold() != "sa"
    )
