"""Lead lists: find, make, fill, show, export. Nothing here enriches."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import BaseModel, ConfigDict, Field

from cleanlist_mcp.answers.list_shapes import (
    AddLeadsAnswer,
    CreateListResult,
    ExportResult,
    FindListsResult,
    GetLeadsResult,
    RemoveLeadsResult,
)
from cleanlist_mcp.answers.lists import created_list
from cleanlist_mcp.api.wire import LIST_NAME, MOST_REMOVED, CreateListRequest
from cleanlist_mcp.calls import browsing, importing, placing, removing, saving
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.imports.preparing import LeaveOut
from cleanlist_mcp.lists.filtering import Wanted
from cleanlist_mcp.people.identity import IMPORT_WAYS
from cleanlist_mcp.people.normal_forms import normal_name
from cleanlist_mcp.server.arguments import LONGEST_ID, LONGEST_LIST, Cell
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.text import clean

ListArgument = Annotated[str, Field(max_length=LONGEST_LIST, description="The list's id or exact name.")]
CursorArgument = Annotated[str, Field(max_length=8192, description="From the last answer, for more.")]


class PersonRecord(BaseModel):
    """One row for `add_leads`: what identifies the person, and what else is known."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str | None, Cell, Field(description="E-mail address.")] = None
    linkedin_url: Annotated[str | None, Cell, Field(description="LinkedIn profile address.")] = None
    first_name: Annotated[str | None, Cell, Field(description="First name.")] = None
    last_name: Annotated[str | None, Cell, Field(description="Last name.")] = None
    full_name: Annotated[str | None, Cell, Field(description="Instead of the two names.")] = None
    company_name: Annotated[str | None, Cell, Field(description="Employer.")] = None
    domain: Annotated[str | None, Cell, Field(description="Employer's web domain.")] = None
    title: Annotated[str | None, Cell, Field(description="Job title.")] = None
    phone: Annotated[str | None, Cell, Field(description="Phone number.")] = None
    city: Annotated[str | None, Cell, Field(description="City.")] = None
    state: Annotated[str | None, Cell, Field(description="State or region.")] = None
    country: Annotated[str | None, Cell, Field(description="Country.")] = None


_WHO = f"Each with {IMPORT_WAYS}."

_NO_PEOPLE: list[PersonRecord] = []

LeaveOutArgument = Annotated[
    LeaveOut, Field(description="Leaves out people who have an e-mail or a phone already; empty: nobody.")
]

PeopleArgument = Annotated[list[PersonRecord], Field(max_length=500, description=f"1 to 500 people. {_WHO}")]


async def find_lists(
    ctx: Context[Any, Any],
    query: Annotated[str, Field(max_length=200, description="Part of the name; without it, all lists.")] = "",
    limit: Annotated[int, Field(strict=True, ge=1, le=100, description="Lists per answer.")] = 20,
    cursor: CursorArgument = "",
) -> FindListsResult:
    """Find lists by name."""
    return await browsing.find_lists(current_call(ctx), query.strip(), limit, cursor)


async def create_list(
    ctx: Context[Any, Any],
    name: Annotated[str, Field(min_length=1, max_length=LIST_NAME, description="The list's name.")],
    description: Annotated[str, Field(max_length=1000, description="What it is for.")] = "",
) -> CreateListResult:
    """Create a list, or find the one of that name."""
    call = current_call(ctx)
    services = call.services
    wanted = _list_name(name)
    request = CreateListRequest(name=wanted, description=clean(description) or None)
    made = await services.client.create_list(request)
    services.directory.learn_new(made)
    return created_list(made, wanted, call.offers)


SearchArgument = Annotated[
    str, Field(max_length=LONGEST_ID, description="A search, instead: all its rows shown so far.")
]
EntitiesArgument = Annotated[list[str], Field(description="With search_id: only these rows.")]
LeadsArgument = Annotated[
    list[str], Field(description="Up to 1,000 leads of any list, instead; also puts back who was removed.")
]

_NO_IDS: list[str] = []


async def add_leads(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    people: PeopleArgument = _NO_PEOPLE,
    search_id: SearchArgument = "",
    entity_ids: EntitiesArgument = _NO_IDS,
    lead_ids: LeadsArgument = _NO_IDS,
    leave_out: LeaveOutArgument = "",
) -> AddLeadsAnswer:
    """Add people, rows of a search, or leads of another list to a list."""
    _require_one({"people": people, "search_id": search_id.strip(), "lead_ids": lead_ids}, entity_ids)
    call = current_call(ctx)
    if search_id.strip():
        return await placing.add_found(call, list_id, search_id, entity_ids)
    if lead_ids:
        return await placing.add_known(call, list_id, lead_ids)
    given = [(number, record.model_dump()) for number, record in enumerate(people, 1)]
    return await importing.add_people(call, list_id, given, leave_out)


def _require_one(sources: Mapping[str, object], entity_ids: list[str]) -> None:
    """Raise unless exactly one source of rows is given, and ids of rows only with their search.

    Raises:
        InvalidArguments: naming the sources.
    """
    given = [name for name, value in sources.items() if value]
    if len(given) != 1:
        *some, last = sources
        raise InvalidArguments(
            f"Give exactly one of {', '.join(some)} and {last}. Nothing was added.",
            f"Call add_leads again with one of them; people: 1 to 500 records. {_WHO}",
        )
    if entity_ids and given != ["search_id"]:
        raise InvalidArguments(
            "entity_ids are rows of a search, but no search_id is given; nothing was added.",
            "Give the search_id that came with these ids, or lead_ids for leads of a list.",
        )


async def add_leads_or_file(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    people: PeopleArgument = _NO_PEOPLE,
    csv_path: Annotated[
        str, Field(max_length=4096, description="A CSV file in the shared folder, instead.")
    ] = "",
    search_id: SearchArgument = "",
    entity_ids: EntitiesArgument = _NO_IDS,
    lead_ids: LeadsArgument = _NO_IDS,
    leave_out: LeaveOutArgument = "",
) -> AddLeadsAnswer:
    """Add people, the rows of a file, rows of a search, or leads of another list to a list."""
    path = csv_path.strip()
    sources = {"people": people, "csv_path": path, "search_id": search_id.strip(), "lead_ids": lead_ids}
    _require_one(sources, entity_ids)
    if path:
        return await importing.add_file(current_call(ctx), list_id, path, leave_out)
    return await add_leads(ctx, list_id, people, search_id, entity_ids, lead_ids, leave_out)


async def get_leads(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    limit: Annotated[int, Field(strict=True, ge=1, le=100, description="Rows per answer.")] = 25,
    cursor: CursorArgument = "",
    only: Annotated[
        Literal["all", "with_email", "with_phone", "missing_email", "missing_phone"],
        Field(description="Which rows."),
    ] = "all",
    query: Annotated[
        str, Field(max_length=200, description="Words in the name, title or company; all must be there.")
    ] = "",
    details: Annotated[bool, Field(description="Also lead_id, location, LinkedIn and provider.")] = False,
) -> GetLeadsResult:
    """Show the people of a list."""
    wanted = Wanted(only, clean(query), details)
    return await browsing.get_leads(current_call(ctx), list_id, limit, cursor, wanted)


async def remove_leads(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    lead_ids: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=MOST_REMOVED,
            description="The rows, by lead_id: get_leads(details=true).",
        ),
    ],
) -> RemoveLeadsResult:
    """Take rows out of a list."""
    return await removing.remove_leads(current_call(ctx), list_id, lead_ids)


async def export_list(ctx: Context[Any, Any], list_id: ListArgument) -> ExportResult:
    """Make a CSV file of a list."""
    return await saving.export_list(current_call(ctx), list_id)


async def export_list_or_file(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    save_as: Annotated[
        str, Field(max_length=255, description="Save it in the shared folder under this name.")
    ] = "",
) -> ExportResult:
    """Make a CSV file of a list, and save it if a name for it is given."""
    call = current_call(ctx)
    folder = call.settings.csv_dir
    if not save_as.strip() or folder is None:
        return await saving.export_list(call, list_id)
    return await saving.save_list(call, list_id, save_as, folder)


def _list_name(name: str) -> str:
    """Return the name of a list in its normal form, which may be longer: some letters are two when composed.

    Raises:
        InvalidArguments: if nothing is left of it, or too much.
    """
    wanted = normal_name(name)
    if wanted is None:
        raise InvalidArguments(
            "name is blank, or only marks a gap.", "Ask the user for a name, then call create_list again."
        )
    if len(wanted) > LIST_NAME:
        raise InvalidArguments(
            f"name is longer than {LIST_NAME} characters.", "Shorten it, then call create_list again."
        )
    return wanted
