"""Do not contact: the user's exclusions, at the doors of a call."""

from collections.abc import Iterable
from dataclasses import replace

import anyio

from cleanlist_mcp.api.prospects import FoundCompany, FoundPerson
from cleanlist_mcp.api.wire import Lead
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.selection import IsExcluded, nobody
from cleanlist_mcp.errors import Advice, Excluded
from cleanlist_mcp.imports.preparing import Prepared, shown_name
from cleanlist_mcp.imports.records import RowNote
from cleanlist_mcp.journal.names import Digester
from cleanlist_mcp.people.exclusions import Exclusions, added_as
from cleanlist_mcp.people.hosts import with_parents
from cleanlist_mcp.people.identity import Person

EXCLUDED_ROW = "is in the file of people who must not be contacted"
"""The reason for which a row is skipped. It does not call the file the user's: over HTTP it is the service's."""


async def exclusions_of(call: Call) -> Exclusions:
    """Return the people whom the user's file excludes now; nobody if there is no such file.

    Raises:
        Excluded: if the file cannot be used.
    """
    file = call.services.exclusion_file
    return Exclusions() if file is None else await anyio.to_thread.run_sync(file.current)


async def exclusions_if_readable(call: Call) -> Exclusions:
    """Return the same; nobody if the file cannot be used, because a report must come out after a spend."""
    try:
        return await exclusions_of(call)
    except Excluded:
        return Exclusions()


async def require_allowed(call: Call, person: Person) -> None:
    """Raise if a person must not be contacted, by anything that is known about them.

    Raises:
        Excluded: if they are in the file, or the file cannot be used.
    """
    if covers(await exclusions_of(call), person):
        raise Excluded(
            "This person is in the user's file of people who must not be contacted. Nothing was sent.",
            Advice("If they may be contacted, take them out of the file that CLEANLIST_EXCLUDE_FILE names."),
        )


async def excluded_rows(call: Call, list_id: str) -> IsExcluded:
    """Return the rule for rows of a list whose people must not be contacted; without a file it is true of none.

    A domain also covers the rows that were added from here with it, although the API does not show it.

    Raises:
        Excluded: if the file cannot be used.
        JournalUnusable: if the domains of the rows cannot be read.
    """
    exclusions = await exclusions_of(call)
    if not exclusions:
        return nobody
    digest = await call.services.journal.digester()
    # In a thread: a file may hold a hundred thousand domains.
    domains = await anyio.to_thread.run_sync(_all_domain_digests, digest, list_id, exclusions.domains)
    added = await call.services.journal.imports.with_domains(list_id, domains) if domains else frozenset()

    def is_excluded(lead: Lead) -> bool:
        if covers_row(exclusions, lead):
            return True
        return bool(added) and not added.isdisjoint(
            known
            for one in (digest, *digest.older)
            for known in _person_digests(one, list_id, lead.name, lead.linkedin_url)
        )

    return is_excluded


def added_domains(digest: Digester, list_id: str, people: Iterable[Person]) -> list[tuple[str, str]]:
    """Return the employers' domains of people who are added to a list, each with a person, both as digests."""
    return [
        (domain, known)
        for person in people
        if person.domain
        for known in _person_digests(digest, list_id, person.name, person.linkedin_url or "")
        for domain in _domain_digests(digest, list_id, with_parents(person.domain))
    ]


def _all_domain_digests(digest: Digester, list_id: str, domains: Iterable[str]) -> frozenset[str]:
    """Return the digests of domains, those of earlier keys too."""
    given = list(domains)
    return frozenset().union(*(_domain_digests(one, list_id, given) for one in (digest, *digest.older)))


def _domain_digests(digest: Digester, list_id: str, domains: Iterable[str]) -> frozenset[str]:
    return frozenset(digest("domain", list_id, domain) for domain in domains)


def _person_digests(digest: Digester, list_id: str, name: str, linkedin_url: str) -> list[str]:
    return [digest("added as", list_id, known) for known in added_as(name, linkedin_url)]


async def require_same_file_since(call: Call, moment: float) -> None:
    """Raise if the file has changed since `moment` (epoch seconds), when rows were compared with it.

    Raises:
        Excluded: if it has, or if it cannot be used.
    """
    await exclusions_of(call)
    file = call.services.exclusion_file
    if file is not None and file.changed_at > moment:
        raise Excluded(
            "The file of people who must not be contacted has changed since this search. Nothing was added.",
            "Search again with the same filters, and give the new search_id.",
        )


async def allowed(call: Call, prepared: Prepared) -> Prepared:
    """Return the people who may be added; whoever must not be contacted is among the skipped, by each of their rows.

    Raises:
        Excluded: if the file cannot be used.
    """
    exclusions = await exclusions_of(call)
    if not exclusions:
        return prepared
    stopped = [
        one
        for one in prepared.people
        if any(covers(exclusions, lead.person) for lead in (one.lead, *one.rows))
    ]
    notes = [RowNote(one.lead.row, EXCLUDED_ROW, shown_name(one.lead.person)) for one in stopped]
    rows = {one.lead.row for one in stopped}
    return replace(
        prepared,
        people=tuple(one for one in prepared.people if one.lead.row not in rows),
        skipped=(*prepared.skipped, *notes),
        merged=tuple(row for row in prepared.merged if row.into not in rows),
        notes=tuple(note for note in prepared.notes if note.row not in rows),
    )


def covers_company(exclusions: Exclusions, row: FoundCompany) -> bool:
    """Return whether a company of a search must not be contacted."""
    return bool(exclusions) and exclusions.covers(company_name=row.name, domain=row.domain)


def covers_row(exclusions: Exclusions, row: Lead | FoundPerson) -> bool:
    """Return whether a row of a list or of a search is of somebody who must not be contacted."""
    return bool(exclusions) and exclusions.covers(
        email=row.email if isinstance(row, Lead) else "",
        linkedin_url=row.linkedin_url,
        company_name=row.company,
        domain=row.domain if isinstance(row, FoundPerson) else "",
    )


def covers(exclusions: Exclusions, person: Person) -> bool:
    """Return whether a person is excluded by an identifier that is known about them."""
    return bool(exclusions) and exclusions.covers(
        email=person.email or "",
        linkedin_url=person.linkedin_url or "",
        company_name=person.company_name or "",
        domain=person.domain or "",
    )
