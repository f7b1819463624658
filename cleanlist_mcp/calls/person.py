"""The one person that a call is about: checked, normalised, recognised again."""

from dataclasses import asdict, dataclass

from cleanlist_mcp.api.wire import PersonRequest
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.runs import LABEL_LENGTH
from cleanlist_mcp.people import identity
from cleanlist_mcp.runs.refusals import DEFAULT_LIST
from cleanlist_mcp.text import has_contact_data


@dataclass(frozen=True)
class Target:
    """The person to enrich and the list for the result: its id and name, both empty for the default one."""

    person: identity.Person
    request: PersonRequest
    list_name: str


def read_person(**fields: str) -> identity.Person:
    """The person that the arguments identify, in normal form.

    Raises:
        InvalidArguments: naming each field that is wrong, or what is missing.
    """
    try:
        person, problems = identity.person_of(fields)
    except InvalidArguments as error:
        person, problems = identity.Person(), (error.message,)
    if problems:
        errors = [_field_error(problem) for problem in problems]
        named = ", ".join(error["field"] for error in errors)
        raise InvalidArguments(
            f"Wrong arguments: {named}.", "Correct or leave out these fields.", field_errors=errors
        )
    missing = identity.why_nobody(person)
    if missing is not None:
        nothing = missing == identity.NOTHING
        problem = "No person is named." if nothing else f"This identifies nobody: {missing}."
        raise InvalidArguments(problem, f"Give {identity.WAYS}.")
    return person


async def aim(call: Call, person: identity.Person, scope: Scope, list_id: str) -> Target:
    """Turn the person into a request for the list that is meant.

    Raises:
        AmbiguousList, NotFound: if `list_id` names no single list.
    """
    found_id, list_name = "", ""
    if list_id.strip() and list_id.strip().casefold() != DEFAULT_LIST.casefold():
        found_id, list_name = await call.services.directory.resolve(list_id, lists_on=call.settings.lists_on)
    fields = {name: value for name, value in asdict(person).items() if value and name != "title"}
    request = PersonRequest(**fields, enrichment_type=scope, lead_list_id=found_id or None)
    return Target(person, request, list_name)


async def into(call: Call, target: Target) -> str:
    """Return the id of the list for the result, empty for the default one, however that was given."""
    list_id = target.request.lead_list_id or ""
    named_so = target.list_name.casefold() == DEFAULT_LIST.casefold()
    if named_so or (list_id and list_id == await call.services.journal.list_named(DEFAULT_LIST)):
        return ""
    return list_id


def label(person: identity.Person) -> str:
    """Return the name of the run in `recent`: never an address, a phone number or a profile link."""
    domain = person.domain or (person.email or "").rpartition("@")[2]
    place = person.company_name or domain
    text = f"{person.name or 'a person'} at {place}" if place else person.name or "a person"
    return "a person" if has_contact_data(text) else text[:LABEL_LENGTH]


def _field_error(problem: str) -> dict[str, str]:
    field, _, what = problem.partition(" ")
    return {"field": field, "problem": what}
