"""The shapes of the answers about lists, their rows, imports and exports."""

from pydantic import ConfigDict, Field

from cleanlist_mcp.answers.shapes import Part, Result
from cleanlist_mcp.money.prices import Contact


class ListRow(Part):
    list_id: str
    name: str
    lead_count: int
    created_at: str | None = None
    visibility: str | None = None


class FindListsResult(Result):
    lists: list[ListRow]
    looked_at: int
    total: int | None = None
    cursor: str | None = None


class CreateListResult(Result):
    list_id: str
    name: str
    lead_count: int
    reused: bool = Field(description="true: a list of that name was there already")


class SkippedRow(Part):
    row: int
    name: str | None = None
    reason: str


class MergedRowShown(Part):
    row: int
    into: int
    by: str


class SampleRow(Part):
    """One row as it was understood: the fields of `add_leads` that it has, which are published there already."""

    model_config = ConfigDict(extra="allow")

    row: int


class AddLeadsAnswer(Result):
    """The fate of people, rows of a search or leads by id that were to be added to a list."""

    list_id: str
    list_name: str | None = None
    imported: int | None = None
    merged: int | None = None
    skipped: int | None = None
    added: int | None = Field(
        default=None, description="rows of a search or leads by id, in place of imported"
    )
    skipped_duplicates: int | None = Field(default=None, description="of those, in the list already")
    with_email: int | None = None
    with_phone: int | None = None
    with_linkedin: int | None = None
    sample: list[SampleRow] | None = Field(
        default=None, description="the first people as they were understood"
    )
    columns: dict[str, str] | None = Field(default=None, description="title of the file: field")
    merged_rows: list[MergedRowShown] | None = None
    unknown: int | None = Field(default=None, description="rows whose import was sent and not confirmed")
    not_sent: int | None = None
    skipped_rows: list[SkippedRow] | None = None
    skipped_rows_left_out: int | None = None
    notes: list[str] | None = None
    unused_columns: list[str] | None = None


class AddLeadsResult(AddLeadsAnswer):
    """The fate of people who were to be imported."""

    imported: int
    merged: int = 0
    skipped: int
    with_email: int = 0
    with_phone: int = 0
    with_linkedin: int = 0


class LeadRow(Part):
    """One row of a list; the last four with `details` alone."""

    name: str | None = None
    title: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    excluded: bool | None = Field(default=None, description="true: must not be contacted")
    tried: list[Contact] | None = Field(default=None, description="looked for in 30 days, not found")
    lead_id: str | None = None
    location: str | None = None
    linkedin_url: str | None = None
    provider: str | None = None


class GetLeadsResult(Result):
    list_id: str
    list_name: str | None = None
    total: int
    looked_at: int
    leads: list[LeadRow]
    cursor: str | None = None


class RemovedRow(Part):
    lead_id: str
    name: str | None = None


class RemoveLeadsResult(Result):
    list_id: str
    list_name: str | None = None
    removed: int
    removed_rows: list[RemovedRow] | None = None
    unknown: int | None = Field(default=None, description="rows whose removal was sent and not confirmed")
    not_in_list: list[str] | None = Field(default=None, description="lead_ids that no row has")


class ExportResult(Result):
    list_id: str
    list_name: str | None = None
    saved_as: str | None = Field(default=None, description="file in the shared folder")
    download_url: str
    expires_at: str | None = None
    row_count: int | None = None
    file_size_bytes: int | None = None
