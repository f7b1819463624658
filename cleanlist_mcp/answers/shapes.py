"""The shapes of the answers, one for each tool: plain words first, and no field without a value."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from cleanlist_mcp.money.prices import Contact, Kind, Scope


class Part(BaseModel):
    """Absent members are left out of what is sent, never null."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Result(Part):
    """Every answer: `summary` is a plain sentence, `next_step` one that names the tool and its arguments."""

    summary: str
    next_step: str | None = None


def compact(data: dict[str, Any]) -> str:
    """The JSON of an answer as it goes out: a model reads it, and pays for each blank."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


Memory = Literal["on_disk", "in_database", "until_restart"]
"""The memory for runs that were started from here, by how long it lasts."""


class WhoamiResult(Result):
    mode: Literal["live", "sandbox"]
    organization_id: str | None = None
    organization_name: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    plan: str | None = None
    auth_type: str | None = None
    missing_scopes: list[str]
    scopes: list[str] | None = Field(default=None, description="what the key has, while something is missing")
    remembers_runs: Memory
    cannot_do: list[str]


RunStatus = Literal[
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "unknown",
    "none",
    "declined",
    "not_confirmed",
    "awaiting_approval",
]
"""The state of a run. From `unknown` on, the words are ours."""

_WORD = WithJsonSchema({"type": "string"})
"""A word of a closed list, published without the list: it would stand in the schemas of five answers."""

Status = Annotated[RunStatus, _WORD]
RunKind = Annotated[Kind, _WORD]
RunScope = Annotated[Scope, _WORD]


class CostRow(Part):
    """The cost of one day, list or run, or of all of them; the row of a run has its id and time."""

    label: str
    scope: RunScope | None = None
    charged: int
    refunded: int
    reserved: int
    unknown: int
    runs: int
    rows: int
    found: int
    workflow_id: str | None = None
    started_at: str | None = None


class BalanceResult(Result):
    """Credits left, and what was spent from here; what only the journal knows is left out while it cannot be read.

    `reserved` is held by runs that are not settled, `unknown` by uncertain ones.
    """

    credits: int
    organization_id: str | None = None
    reserved_now: int | None = None
    charged: int | None = None
    refunded: int | None = None
    reserved: int | None = None
    unknown: int | None = None
    rows: list[CostRow] | None = None
    daily_limit: int | None = None
    daily_left: int | None = None
    daily_frees_at: str | None = None
    hourly_unquoted_limit: int
    hourly_unquoted_left: int | None = None


class RecentRun(Part):
    """One line of `recent`; `credits` are charged, or reserved while it is unfinished.

    An uncertain run has the status `unknown` and no `workflow_id`.
    """

    workflow_id: str | None = None
    kind: RunKind
    label: str
    status: Status
    scope: RunScope | None = None
    started_at: str
    credits: int


class EstimateResult(Result):
    quote_id: str | None = None
    list_id: str | None = None
    list_name: str | None = None
    scope: Scope
    row_count: int = Field(description="rows that are quoted")
    rows_in_list: int | None = None
    rows_with_email: int | None = None
    rows_with_phone: int | None = None
    already_complete: int | None = None
    tried_before: int | None = Field(default=None, description="tried in 30 days, not found")
    excluded: int | None = None
    names: list[str] | None = None
    credits_per_row: int
    estimated_cost: int = Field(description="the most that can be charged")
    available_credits: int | None = None
    balance_after: int | None = None
    daily_left: int | None = None
    daily_left_after: int | None = None
    sufficient: bool | None = None
    fits_limits: bool | None = None
    shortfall_credits: int | None = None
    hourly_unquoted_left: int | None = None
    expires_at: str | None = None
    expires_in_seconds: int | None = None
    last_run: RecentRun | None = None


class Person(Part):
    name: str | None = None
    title: str | None = None
    company: str | None = None
    email: str | None = None
    email_status: str | None = None
    phone: str | None = None
    linkedin_url: str | None = None
    lead_id: str | None = None
    provider: str | None = None


class Credits(Part):
    """Credits of one run; `charged` and `refunded` are there once it is settled."""

    reserved: int | None = None
    charged: int | None = None
    refunded: int | None = None
    quoted: int | None = None


class CompanyResult(Result):
    """The facts about one company."""

    found: bool
    company_id: str | None = None
    name: str | None = None
    domain: str | None = None
    industry: str | None = None
    industries: list[str] | None = None
    employee_count: int | None = None
    employee_count_range: str | None = None
    revenue_range: str | None = None
    hq_location: str | None = None
    funding_stage: str | None = None
    total_funding_usd: int | None = None
    tech_stack: list[str] | None = None
    linkedin_url: str | None = None
    ticker: str | None = None
    credits: Credits
    replayed: bool


class RunReport(Result):
    """The state of one run, its result and its cost.

    If it is `replayed`, this call started nothing new; the `vendor_note` is in the API's words.
    """

    workflow_id: str | None = None
    kind: RunKind | None = None
    status: Status
    finished: bool
    scope: RunScope | None = None
    list_id: str | None = None
    list_name: str | None = None
    total: int | None = None
    processed: int | None = None
    found: int | None = None
    not_found: int | None = None
    person: Person | None = None
    credits: Credits | None = None
    started_at: str | None = None
    elapsed_seconds: int | None = None
    replayed: bool | None = None
    vendor_note: str | None = None


class WorkflowReport(RunReport):
    """The same, with the runs before it."""

    recent: list[RecentRun] | None = None


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


class PersonRow(Part):
    entity_id: str
    name: str | None = None
    title: str | None = None
    company: str | None = None
    domain: str | None = None
    location: str | None = None
    industry: str | None = None
    size: str | None = None
    seniority: str | None = None
    excluded: bool | None = Field(default=None, description="true: must not be contacted")


class CompanyRow(Part):
    entity_id: str
    name: str | None = None
    domain: str | None = None
    industry: str | None = None
    size: str | None = None
    location: str | None = None
    excluded: bool | None = None


class SearchResult(Result):
    """One page of a search. `search_id` stands for all rows that were shown so far."""

    search_id: str | None = Field(default=None, description="all rows shown so far, for 24 hours")
    total: int | None = None
    rows_cut: int | None = None
    """Rows of this page that did not fit."""
    truncation_warning: str | None = None
    cursor: str | None = None


class SearchPeopleResult(SearchResult):
    people: list[PersonRow]


class SearchCompaniesResult(SearchResult):
    companies: list[CompanyRow]


class ExportResult(Result):
    list_id: str
    list_name: str | None = None
    saved_as: str | None = Field(default=None, description="file in the shared folder")
    download_url: str
    expires_at: str | None = None
    row_count: int | None = None
    file_size_bytes: int | None = None
