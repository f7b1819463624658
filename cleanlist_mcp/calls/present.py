"""The people in a list already, as far as the API shows them: looked at before anybody new is sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.wire import LEADS_PAGE, Lead
from cleanlist_mcp.errors import InsufficientScope, InvalidArguments
from cleanlist_mcp.imports.preparing import OnePerson
from cleanlist_mcp.people.grouping import groups
from cleanlist_mcp.people.identity import Person, person_of
from cleanlist_mcp.people.same_person import marks_of

PAGES = 2
"""Requests that a call may take to see who is in its list."""

IN_THE_LIST = "in the list already"


@dataclass(frozen=True, slots=True)
class Present:
    """The people whom a list shows: how many it has in all, and the marks of those that were looked at.

    `may_read` is False for a key that may not see them.
    """

    total: int
    people: tuple[Person, ...]
    may_read: bool = True

    @property
    def remark(self) -> str | None:
        """A remark about a comparison that could not cover the whole list."""
        if not self.may_read:
            return "nobody was compared with who is in the list, because the key may not read it"
        if self.total > len(self.people):
            return f"compared with the first {len(self.people):,} of {self.total:,} people in the list"
        return None

    def reasons(self, people: Sequence[OnePerson]) -> dict[int, str]:
        """Return the indexes of those of the people who are in the list, each with the reason to leave them out."""
        known = [marks_of(person) for person in self.people]
        found = {}
        for group in groups([*known, *(one.marks for one in people)]):
            there = [self.people[index] for index in group.rows if index < len(known)]
            if there:
                new = (index - len(known) for index in group.rows if index >= len(known))
                found.update({index: _reason(people[index].lead.person, there) for index in new})
        return found


def _reason(person: Person, there: Sequence[Person]) -> str:
    lacking = [
        words
        for name, words in (("email", "the e-mail address"), ("phone", "the phone number"))
        if getattr(person, name) and not any(getattr(one, name) for one in there)
    ]
    return f"{IN_THE_LIST}, without {' and '.join(lacking)} you gave" if lacking else IN_THE_LIST


async def present_in(client: CleanlistClient, list_id: str) -> Present:
    """Return the people whom the list shows on its first pages.

    Raises:
        ApiError: if the API cannot be asked.
    """
    people: list[Person] = []
    total, cursor = 0, ""
    for _ in range(PAGES):
        try:
            page = await client.leads(list_id, limit=LEADS_PAGE, cursor=cursor)
        except InsufficientScope:
            return Present(0, (), may_read=False)
        people += map(person_shown, page.leads)
        total, cursor = max(page.total, len(people)), page.cursor
        if not cursor:
            break
    return Present(total, tuple(people))


def person_shown(lead: Lead) -> Person:
    """Return the person of a row of a list; without any field if a cell of it is too long to be looked at."""
    named = bool(lead.first_name and lead.last_name)
    fields = {
        "email": lead.email,
        "linkedin_url": lead.linkedin_url,
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "full_name": "" if named else lead.name,
        "company_name": lead.company,
        "phone": lead.phone,
    }
    try:
        return person_of(fields)[0]
    except InvalidArguments:
        return Person()  # nobody who could be recognised
