"""Do not contact: the user's exclusions, at the doors of a call."""

import anyio

from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import Advice, Excluded
from cleanlist_mcp.people.exclusions import Exclusions
from cleanlist_mcp.people.identity import Person


async def exclusions_of(call: Call) -> Exclusions:
    """Return whom the user's file excludes now; nobody if there is no such file.

    Raises:
        Excluded: if the file cannot be used.
    """
    file = call.services.exclusion_file
    return Exclusions() if file is None else await anyio.to_thread.run_sync(file.current)


async def require_allowed(call: Call, person: Person) -> None:
    """Raise if a person must not be contacted, by anything that is known about them.

    Raises:
        Excluded: if they are in the file, or the file cannot be used.
    """
    if covers(await exclusions_of(call), person):
        raise Excluded(
            "This person is in the user's file of people who must not be contacted. Nothing was sent.",
            Advice("Take them out of the file that CLEANLIST_EXCLUDE_FILE names, if they may be contacted."),
        )


def covers(exclusions: Exclusions, person: Person) -> bool:
    """Return whether a person is excluded by an identifier that is known about them."""
    return bool(exclusions) and exclusions.covers(
        email=person.email or "",
        linkedin_url=person.linkedin_url or "",
        company_name=person.company_name or "",
        domain=person.domain or "",
    )
