"""The shapes of the answers about quotes, runs and what they found."""

from pydantic import Field

from cleanlist_mcp.answers.shapes import Part, Result, RunKind, RunScope, Status
from cleanlist_mcp.money.prices import Scope


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
