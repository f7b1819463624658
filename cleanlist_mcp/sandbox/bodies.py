"""The bodies of requests; one that does not fit gives FastAPI's 422.

These are the sandbox's own reading of the vendor's OpenAPI schema of `/api/v2`, on purpose not shared with the
product's client; searches, which that schema lacks, are read as the API's users send them. Every body there is closed.
Of `/api/v1/public` no schema is published; its bodies are the same but for what the vendor's quickstart shows:
`lead_list_id` names the list of a bulk run and may be left out for a person.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from cleanlist_mcp.sandbox.problems import FrameworkProblem, missing_field
from cleanlist_mcp.sandbox.quotes import EnrichmentType

Scope = Literal["partial", "full", "phone-only"]
Handle = Annotated[StrictStr, Field(min_length=1)]
Ids = list[StrictStr]
ListName = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Words = Annotated[list[Annotated[StrictStr, Field(min_length=1)]], Field(min_length=1)]
IdempotencyKey = Annotated[StrictStr, Field(max_length=128)]
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
PeopleFilter = Literal[
    "titles",
    "seniority",
    "management_levels",
    "departments",
    "location_city",
    "location_state",
    "location_country",
    "locations",
    "company_names",
    "company_domains",
    "company_headcount",
    "company_industries",
]
CompanyFilter = Literal["industries", "employee_count_ranges", "locations", "names", "domains"]
AgentType = Literal[
    "custom_ai", "cold_intro_email", "title_normalizer", "company_intel", "pain_point_hypothesis"
]


class Body(BaseModel):
    """A field that is not named here is refused. Models are built when first read: not every server needs them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Estimate(Body):
    """POST /credits/estimate."""

    tool: StrictStr
    list_id: StrictStr | None = None
    filters: dict[str, Any] | None = None
    row_count: Annotated[StrictInt, Field(ge=0)] | None = None
    scope: StrictStr | None = None
    agent_type: StrictStr | None = None
    include_phone: StrictBool = False
    provider: StrictStr | None = None
    sub_action: StrictStr | None = None
    enrichment_type: StrictStr | None = None
    task_id: StrictStr | None = None
    data_points: list[StrictStr] | None = None
    entity_ids: Ids | None = None
    extra: dict[str, Any] | None = None


class Person(Body):
    """POST /enrichment/person. Without a list it goes to one of the caller's, under the public prefix alone."""

    lead_list_id: StrictStr | None = None
    email: StrictStr | None = None
    linkedin_url: StrictStr | None = None
    phone: StrictStr | None = None
    first_name: StrictStr | None = None
    last_name: StrictStr | None = None
    company_name: StrictStr | None = None
    domain: StrictStr | None = None
    person_id: StrictStr | None = None
    enrichment_type: EnrichmentType | None = None
    include_phone: StrictBool = False
    quote_id: StrictStr | None = None


class SecondPerson(Person):
    """The same under /api/v2, which requires the list."""

    lead_list_id: StrictStr


class Bulk(Body):
    """POST /enrichment/bulk.

    The field that names the list differs between the prefixes, so each has its model.
    """

    target: Handle
    scope: Scope = "partial"
    quote_id: StrictStr | None = None


class PublicBulk(Bulk):
    """The same under /api/v1/public, which has a refusal of its own for a missing quote."""

    target: Handle = Field(alias="lead_list_id")


class SecondBulk(Bulk):
    """Under /api/v2, whose schema requires the quote."""

    target: Handle = Field(alias="list_id")
    quote_id: StrictStr


class Cohort(Body):
    """POST /enrichment/by-task."""

    task_id: Handle
    data_points: Annotated[list[StrictStr], Field(min_length=1)]
    entity_ids: Ids | None = None
    lead_list_id: StrictStr | None = None
    quote_id: StrictStr | None = None


class Company(Body):
    """POST /enrichment/company."""

    domain: StrictStr | None = None
    company_name: StrictStr | None = None
    company_ticker: StrictStr | None = None
    company_id: StrictStr | None = None
    quote_id: StrictStr | None = None


class Search(Body):
    """A page of a search."""

    limit: Annotated[StrictInt, Field(ge=1, le=500)] = 25
    cursor: StrictStr | None = None


class PeopleSearch(Search):
    """POST /search/people."""

    filters: Annotated[dict[PeopleFilter, Words], Field(min_length=1)]


class CompanySearch(Search):
    """POST /search/companies."""

    filters: Annotated[dict[CompanyFilter, Words], Field(min_length=1)]


class NewList(Body):
    """POST /lead-lists."""

    name: ListName
    description: StrictStr | None = None
    folder_id: StrictStr | None = None


class ListChange(Body):
    """PATCH /lead-lists/{id}: only what is present changes."""

    name: ListName | None = None
    description: StrictStr | None = None
    folder_id: StrictStr | None = None


class AddByIds(Body):
    """POST /lead-lists/{id}/leads with leads that exist already."""

    lead_ids: Annotated[Ids, Field(min_length=1, max_length=1000)]
    idempotency_key: IdempotencyKey | None = None


class AddByCohort(Body):
    """POST /lead-lists/{id}/leads with the page of leads behind a cohort handle."""

    task_id: Handle
    entity_ids: Annotated[Ids, Field(max_length=2000)] | None = None
    idempotency_key: IdempotencyKey | None = None


class RemoveLeads(Body):
    """DELETE /lead-lists/{id}/leads."""

    lead_ids: Annotated[Ids, Field(min_length=1, max_length=100)]


class CsvImport(Body):
    """POST /lead-lists/{id}/csv-import. It spends unless told not to: that is the vendor's default."""

    csv_content_base64: StrictStr
    column_mapping: Annotated[dict[ImportField, StrictStr], Field(min_length=1)]
    dispatch_enrichment: StrictBool = True
    enrichment_type: EnrichmentType | None = None
    quote_id: StrictStr | None = None
    idempotency_key: IdempotencyKey | None = None


class ExportCsv(Body):
    """POST /export/csv/signed-url."""

    list_id: Handle
    columns: list[StrictStr] | None = None
    include_smart_agents: StrictBool = True


class SmartAgentRun(Body):
    """POST /smart-agents/run."""

    list_id: StrictStr
    agent_type: AgentType = "custom_ai"
    prompt: StrictStr | None = None
    column_name: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    lead_scope: Literal["subset", "all"] = "subset"
    max_rows: Annotated[StrictInt, Field(ge=1, le=10_000)] = 100
    quote_id: StrictStr
    overwrite: StrictBool = False


B = TypeVar("B", bound=BaseModel)


def read(model: type[B], body: Any) -> B:
    """Return `body` as a `model`, or raise FastAPI's 422 with the place of each problem."""
    if body is None:
        raise missing_field("body")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        detail = [
            {"loc": ["body", *wrong["loc"]], "msg": wrong["msg"], "type": wrong["type"]}
            for wrong in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise FrameworkProblem(422, detail) from error
