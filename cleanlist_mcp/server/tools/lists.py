"""Lead lists: find, make, fill, show, export. Nothing here enriches."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import BaseModel, ConfigDict, Field

from cleanlist_mcp.answers.lists import created_list, exported_list
from cleanlist_mcp.answers.shapes import (
    AddLeadsResult,
    CreateListResult,
    ExportResult,
    FindListsResult,
    GetLeadsResult,
)
from cleanlist_mcp.api.wire import LIST_NAME, CreateListRequest
from cleanlist_mcp.calls import browsing, importing
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.identity import IMPORT_WAYS
from cleanlist_mcp.people.normal_forms import normal_name
from cleanlist_mcp.server.arguments import LONGEST_LIST, Cell
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.text import clean

ListArgument = Annotated[str, Field(max_length=LONGEST_LIST, description="The list's id or exact name.")]
CursorArgument = Annotated[str, Field(max_length=8192, description="From the answer before, to go on.")]


class PersonRecord(BaseModel):
    """One row for `add_leads`: what identifies the person, and the title."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str | None, Cell, Field(description="E-mail address.")] = None
    linkedin_url: Annotated[str | None, Cell, Field(description="LinkedIn profile address.")] = None
    first_name: Annotated[str | None, Cell, Field(description="First name.")] = None
    last_name: Annotated[str | None, Cell, Field(description="Last name.")] = None
    company_name: Annotated[str | None, Cell, Field(description="Employer.")] = None
    domain: Annotated[str | None, Cell, Field(description="Employer's web domain.")] = None
    title: Annotated[str | None, Cell, Field(description="Job title.")] = None


_WHO = f"Each with {IMPORT_WAYS}."

_NO_PEOPLE: list[PersonRecord] = []

PeopleArgument = Annotated[list[PersonRecord], Field(max_length=500, description=f"1 to 500 people. {_WHO}")]


async def find_lists(
    ctx: Context[Any, Any],
    query: Annotated[str, Field(max_length=200, description="Part of the name; without it, all lists.")] = "",
    limit: Annotated[int, Field(strict=True, ge=1, le=100, description="Lists per answer.")] = 20,
    cursor: CursorArgument = "",
) -> FindListsResult:
    """Find the user's lead lists by name, with their ids and lead counts.

    Use it when the user means a list but not by its exact name; other tools take ids and exact names. The answer
    says how many lists were looked at, because at most 1,000 are looked at per call. Free, changes nothing.
    """
    return await browsing.find_lists(current_call(ctx), query.strip(), limit, cursor)


async def create_list(
    ctx: Context[Any, Any],
    name: Annotated[str, Field(min_length=1, max_length=LIST_NAME, description="The list's name.")],
    description: Annotated[str, Field(max_length=1000, description="What it is for.")] = "",
) -> CreateListResult:
    """Create a lead list, or return the one that has this name already; `reused` says which.

    Use it before add_leads when the user names people and no list. Results of single people need no list of
    their own: they go to "MCP Results". Free; nothing is ever charged.
    """
    services = current_call(ctx).services
    wanted = _list_name(name)
    request = CreateListRequest(name=wanted, description=clean(description) or None)
    made = await services.client.create_list(request)
    services.directory.learn_new(made)
    return created_list(made, wanted)


async def add_leads(
    ctx: Context[Any, Any], list_id: ListArgument, people: PeopleArgument = _NO_PEOPLE
) -> AddLeadsResult:
    """Add up to 500 people to a lead list. It never enriches and spends nothing.

    Rows that identify nobody and second rows of one person are left out and named by row number. Who was added from
    this machine with the very same details is not added again; others in the list are not recognised, so send only
    new people. To find addresses and numbers afterwards: estimate the list, show the quote, then enrich_list.
    """
    if not people:
        raise InvalidArguments("people is missing or empty.", f"Give people, 1 to 500 records. {_WHO}")
    given = [(number, record.model_dump()) for number, record in enumerate(people, 1)]
    return await importing.add_people(current_call(ctx), list_id, given)


async def add_leads_or_file(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    people: PeopleArgument = _NO_PEOPLE,
    csv_path: Annotated[
        str, Field(max_length=4096, description="A CSV file in the shared folder, instead.")
    ] = "",
) -> AddLeadsResult:
    """Add up to 500 people, or the rows of a CSV file, to a lead list. It never enriches and spends nothing.

    Give exactly one of people and csv_path; a file's path is inside the folder that the user shared. Rows that
    identify nobody and second rows of one person are left out and named by row number. Who was added from this
    machine with the very same details is not added again; others in the list are not recognised, so send only new
    people. Afterwards: estimate the list, show the quote, then enrich_list.
    """
    if bool(people) == bool(csv_path.strip()):
        raise InvalidArguments(
            "Give exactly one of people and csv_path.", "Call add_leads again with one of the two."
        )
    if people:
        return await add_leads(ctx, list_id, people)
    return await importing.add_file(current_call(ctx), list_id, csv_path.strip())


async def get_leads(
    ctx: Context[Any, Any],
    list_id: ListArgument,
    limit: Annotated[int, Field(strict=True, ge=1, le=100, description="Rows per answer.")] = 25,
    cursor: CursorArgument = "",
    only: Annotated[
        Literal["all", "with_email", "with_phone", "missing_email", "missing_phone"],
        Field(description="Which rows."),
    ] = "all",
) -> GetLeadsResult:
    """Show the people in a lead list: name, title, company, e-mail, phone, LinkedIn.

    Use it after a run to show what was found, page by page. For all rows of a long list give the user
    export_list's file instead. Free, changes nothing; it enriches nobody.
    """
    return await browsing.get_leads(current_call(ctx), list_id, limit, cursor, only)


async def export_list(ctx: Context[Any, Any], list_id: ListArgument) -> ExportResult:
    """Make a CSV file of a whole lead list and return a signed link to it, valid 24 hours.

    Use it when the user wants the list as a file or it is too long to show; get_leads shows rows here. Whoever
    has the link can download the file: give it to the user alone. Free; nothing is ever charged.
    """
    services = current_call(ctx).services
    found_id, name = await services.directory.resolve(list_id)
    export = await services.client.export(found_id)
    return exported_list(export, found_id, name, made_up=services.settings.sandbox)


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
