"""What requests may carry; a body that does not fit gives FastAPI's 422.

These are the sandbox's own reading of the API, on purpose not shared with the product's client.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from cleanlist_mcp.sandbox.problems import FrameworkProblem, missing_field
from cleanlist_mcp.sandbox.quotes import EnrichmentType

Scope = Literal["partial", "full", "phone-only"]
Handle = Annotated[StrictStr, Field(min_length=1)]
ListName = Annotated[StrictStr, Field(min_length=1, max_length=200)]
IdempotencyKey = Annotated[StrictStr, Field(max_length=128)]


class Body(BaseModel):
    """Unknown fields are ignored, as FastAPI does by default."""

    model_config = ConfigDict(extra="ignore")


class Estimate(Body):
    """POST /credits/estimate."""

    tool: StrictStr
    list_id: StrictStr | None = None
    filters: dict[str, Any] | None = None
    row_count: Annotated[StrictInt, Field(ge=0)] | None = None
    scope: StrictStr | None = None
    enrichment_type: StrictStr | None = None
    include_phone: StrictBool = False
    task_id: StrictStr | None = None
    data_points: list[StrictStr] | None = None
    entity_ids: list[StrictStr] | None = None


class Person(Body):
    """POST /enrichment/person."""

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


class Bulk(Body):
    """POST /enrichment/bulk; a missing quote is a refusal of its own, not a 422.

    The field that names the list differs between the prefixes, so each has its model.
    """

    target: Handle
    scope: Scope = "partial"
    quote_id: StrictStr | None = None


class PublicBulk(Bulk):
    """Under /api/v1/public."""

    target: Handle = Field(alias="lead_list_id")


class SecondBulk(Bulk):
    """Under /api/v2."""

    target: Handle = Field(alias="list_id")


class Cohort(Body):
    """POST /enrichment/by-task."""

    task_id: Handle
    data_points: Annotated[list[StrictStr], Field(min_length=1)]
    entity_ids: list[StrictStr] | None = None
    lead_list_id: StrictStr | None = None
    quote_id: StrictStr | None = None


class Company(Body):
    """POST /enrichment/company."""

    domain: StrictStr | None = None
    company_name: StrictStr | None = None
    company_ticker: StrictStr | None = None
    company_id: StrictStr | None = None
    quote_id: StrictStr | None = None


class NewList(Body):
    """POST /lead-lists."""

    name: ListName
    description: StrictStr | None = None
    folder_id: StrictStr | None = None


class ListChange(BaseModel):
    """PATCH /lead-lists/{id}: only what is present changes, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    name: ListName | None = None
    description: StrictStr | None = None
    folder_id: StrictStr | None = None


class AddByIds(BaseModel):
    """POST /lead-lists/{id}/leads with leads that exist already."""

    model_config = ConfigDict(extra="forbid")

    lead_ids: Annotated[list[StrictStr], Field(min_length=1, max_length=1000)]
    idempotency_key: IdempotencyKey | None = None


class AddByCohort(BaseModel):
    """POST /lead-lists/{id}/leads with the page of leads behind a cohort handle."""

    model_config = ConfigDict(extra="forbid")

    task_id: Handle
    entity_ids: Annotated[list[StrictStr], Field(max_length=2000)] | None = None
    idempotency_key: IdempotencyKey | None = None


class RemoveLeads(Body):
    """DELETE /lead-lists/{id}/leads."""

    lead_ids: Annotated[list[StrictStr], Field(min_length=1, max_length=100)]


class CsvImport(Body):
    """POST /lead-lists/{id}/csv-import. It spends unless told not to: that is the vendor's default."""

    csv_content_base64: StrictStr
    column_mapping: dict[str, StrictStr | None]
    dispatch_enrichment: StrictBool = True
    enrichment_type: EnrichmentType | None = None
    quote_id: StrictStr | None = None
    idempotency_key: IdempotencyKey | None = None


class ExportCsv(Body):
    """POST /export/csv/signed-url."""

    list_id: Handle
    columns: list[StrictStr] | None = None
    include_smart_agents: StrictBool = True


B = TypeVar("B", bound=BaseModel)


def read(model: type[B], body: Any) -> B:
    """`body` as a `model`, or FastAPI's 422 with the place of each fault."""
    if body is None:
        raise missing_field("body")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        detail = [
            {"loc": ["body", *fault["loc"]], "msg": fault["msg"], "type": fault["type"]}
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise FrameworkProblem(422, detail) from error
