"""The bodies of requests and answers: strict in what is sent, tolerant in what is read.

Field names and meanings follow the vendor's published schema of `/api/v2`. Unknown fields are ignored, null
stands for absent, and every text is cleaned on the way in, so that nothing invisible goes further.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cleanlist_mcp.api.fields import (
    Amount,
    Count,
    Credits,
    Cursor,
    Flag,
    Identifier,
    Lists,
    MaybeCount,
    MaybeRecord,
    Moment,
    Percent,
    QuoteId,
    Reasons,
    Records,
    RequiredId,
    Reserved,
    RowNumbers,
    Status,
    Text,
    Url,
    Words,
)
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.runs import STOPPED_STATUSES

ListScope = Literal["partial", "phone-only", "full"]
LIST_SCOPES: dict[Scope, ListScope] = {"partial": "partial", "phone_only": "phone-only", "full": "full"}
"""A scope as list endpoints spell it."""

DataPoint = Literal["Email", "Phone"]
DATA_POINTS: Mapping[Scope, tuple[DataPoint, ...]] = {
    "partial": ("Email",),
    "phone_only": ("Phone",),
    "full": ("Email", "Phone"),
}
"""A scope as the endpoints for rows of a page spell it."""

ImportField = Literal[
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "mobile_phone",
    "work_phone",
    "linkedin_url",
    "company_name",
    "company_domain",
    "job_title",
    "city",
    "state",
    "country",
]
"""The fields that a column of an import can be (vendor's OpenAPI file of `/api/v2`, a closed list)."""

LIST_NAME = 200
"""Longest name of a list, in characters (vendor's schema)."""

MOST_REMOVED = 100
"""Rows that one request takes out of a list (vendor's schema)."""

LISTS_PAGE, LEADS_PAGE = 100, 500
"""The API's largest pages of lists and of a list's rows (vendor's schema)."""

TERMINAL_STATUSES = frozenset({"completed", "completed_with_errors"}) | STOPPED_STATUSES
"""Statuses that end a workflow (quickstart, developer documentation, public clients); any other word means
unfinished."""


class Sent(BaseModel):
    """A request body: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Received(BaseModel):
    """An answer: these fields, whatever else is there."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class EstimateRequest(Sent):
    """`POST /credits/estimate` for a list; `scope` is spelt with a hyphen there."""

    tool: Literal["enrich_list"] = "enrich_list"
    list_id: str
    scope: ListScope


class PartEstimateRequest(Sent):
    """`POST /credits/estimate` for rows of a page of a list, named by the page's handle; without ids for all of it."""

    tool: Literal["add_person_enrichments"] = "add_person_enrichments"
    task_id: str
    data_points: list[DataPoint]
    entity_ids: Annotated[list[str], Field(min_length=1)] | None = None


class PersonRequest(Sent):
    """`POST /enrichment/person`; `enrichment_type` is spelt with an underscore there."""

    email: str | None = None
    linkedin_url: str | None = None
    person_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    domain: str | None = None
    enrichment_type: Scope
    lead_list_id: str | None = None


class ListRequest(Sent):
    """`POST /enrichment/bulk`."""

    lead_list_id: str
    scope: ListScope
    quote_id: str


class PartRequest(Sent):
    """`POST /enrichment/by-task`: the rows that were quoted, in the list that they stand in."""

    task_id: str
    data_points: list[DataPoint]
    entity_ids: Annotated[list[str], Field(min_length=1)] | None = None
    lead_list_id: str
    quote_id: str


class CreateListRequest(Sent):
    """`POST /lead-lists`."""

    name: Annotated[str, Field(min_length=1, max_length=LIST_NAME)]
    description: str | None = None


class CsvImportRequest(Sent):
    """`POST /lead-lists/{id}/csv-import`; enrichment is never dispatched from here, which has to stand there: left
    out, it would be."""

    csv_content_base64: str
    column_mapping: Annotated[dict[ImportField, str], Field(min_length=1)]
    dispatch_enrichment: Literal[False] = False
    idempotency_key: Annotated[str, Field(max_length=128)]


class RemoveLeadsRequest(Sent):
    """`DELETE /lead-lists/{id}/leads`; ids that are not in the list are passed over."""

    lead_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_REMOVED)]


class Whoami(Received):
    """The owner of the key, with the plan and the permissions, which the API calls scopes."""

    user_email: Text = ""
    user_name: Text = ""
    organization_id: Identifier = ""
    organization_name: Text = ""
    auth_type: Text = ""
    tier: Text = ""
    scopes: Words = None
    features: Words = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        """Refuse an answer that names nobody: it is none of this endpoint."""
        if not (self.organization_id or self.organization_name or self.user_email or self.user_name):
            raise ValueError("names nobody")
        return self


class Balance(Received):
    """Whole credits left; below zero if the account owes some."""

    organization_id: Identifier = ""
    credits: Credits


class Estimate(Received):
    """A signed quote. `expires_at` is in epoch seconds, 0 if it cannot be read; `estimated_cost` is the most
    that can be charged. One that would give rows away is not understood."""

    quote_id: QuoteId
    expires_at: Moment
    estimated_cost: Amount
    row_count: Amount
    available_credits: Credits

    @model_validator(mode="after")
    def _rows_have_a_price(self) -> Self:
        if self.row_count and not self.estimated_cost:
            raise ValueError("rows without a price")
        return self


class PersonStarted(Received):
    """A single run that was accepted; 0 credits reserved if the answer does not name them."""

    workflow_id: RequiredId
    status: Text = "pending"
    credits_reserved: Reserved = 0
    lead_list_id: Identifier = ""


class ListStarted(Received):
    """A list run that was accepted; 0 credits reserved if the answer does not name them."""

    workflow_id: RequiredId
    status: Text = "pending"
    credits_reserved: Reserved = 0


class Lead(Received):
    """A person as the API describes one: a row of a list."""

    lead_id: Identifier = ""
    first_name: Text = ""
    last_name: Text = ""
    full_name: Text = ""
    email: Text = ""
    phone: Text = ""
    title: Text = ""
    company: Text = ""
    location: Text = ""
    linkedin_url: Text = ""
    provider: Text = ""

    @property
    def name(self) -> str:
        """The whole name, put together if it is not given."""
        return self.full_name or " ".join(part for part in (self.first_name, self.last_name) if part)


class PersonFound(Lead):
    """The person whom a finished single run found; with an empty `lead_id`, nothing usable was found. `provider` names
    the third party that found something."""

    status: Text = ""
    email_status: Text = ""
    provider: Text = ""


class WorkflowStatus(Received):
    """The state of a run. Credits are null until it is settled."""

    workflow_id: Identifier = ""
    status: Status
    progress: Percent = None
    total: Count = 0
    processed: Count = 0
    completed: Count = 0
    enrichment_type: Text = ""
    lead_list_id: Identifier = ""
    refund_status: Text = ""
    refund_message: Text = ""
    message: Text = ""
    agent_instructions: Text = ""
    result: Annotated[PersonFound | None, MaybeRecord] = None
    credits_charged: MaybeCount = None
    credits_refunded: MaybeCount = None

    @property
    def note(self) -> str:
        """The text that the vendor means for a reader."""
        return self.message or self.agent_instructions

    @property
    def finished(self) -> bool:
        """True if the run has ended, in whichever way."""
        return self.status.casefold() in TERMINAL_STATUSES

    @property
    def under_review(self) -> bool:
        """True if the refund of a failed run is still being decided: nothing has been refunded yet."""
        return self.refund_status == "pending_review"


class LeadList(Received):
    """A lead list, as listed or as created (`reused`: a list of that name was there already)."""

    list_id: RequiredId
    name: Text = ""
    lead_count: Count = 0
    created_at: Text = ""
    visibility: Text = ""
    reused: Flag = None


class ListsPage(Received):
    """One page of lists; an empty `cursor` is the end."""

    lists: Annotated[list[LeadList], Lists]
    total: Count = 0
    cursor: Cursor = ""


class LeadsPage(Received):
    """One page of a list's rows; an empty `cursor` is the end, an empty `list_id` was left out.

    `task_id` is the handle under which the API knows the page for a while; empty if it gave none.
    """

    list_id: Identifier = ""
    task_id: Identifier = ""
    leads: Annotated[list[Lead], Records]
    total: Count = 0
    cursor: Cursor = ""


class Removed(Received):
    """The number of rows that were taken out of a list; None if the answer has none."""

    removed: MaybeCount = None


class CsvImported(Received):
    """The outcome of an import."""

    rows_imported: int = Field(ge=0)
    sample_skip_rows: RowNumbers = []
    skip_reasons: Reasons = {}
    idempotency_replayed: Flag = None


class Export(Received):
    """A signed link to a CSV file."""

    download_url: Url
    expires_at: Text = ""
    row_count: MaybeCount = None
    file_size_bytes: MaybeCount = None
