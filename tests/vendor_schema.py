"""The vendor's own models, read strictly: what a body or an answer has that the schema of `/api/v2` does not take.

The models are those of the vendor's SDK, which is generated from its OpenAPI file. There every object is closed, and
what may be null says so; the generated models keep unknown members and take null nearly everywhere. Both are put
right here. Searches are in neither; their models are written here after what the API's users send and read.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args

import cleanlist_ai as sdk  # type: ignore[import-untyped]
import httpx
from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

ANY_TEXT = "[^/]+"

NEVER_NULL = frozenset(
    {
        ("CsvImportResponse", "skip_reasons"),
        ("CsvImportResponse", "sample_skip_rows"),
        ("RunSmartAgentResponse", "smart_agent_task_ids"),
    }
)
"""Members that may be left out and may not be null, although the generated model has no default that shows it."""

OPEN = frozenset({"CompanyRecord"})
"""Objects that may have further members: the vendor promises these names and no more."""


SKIP_REASONS = frozenset({"missing_required", "duplicate_email", "duplicate_linkedin", "row_cap_exceeded"})
"""Keys of `skip_reasons` (CsvImportResponse, in its description)."""

STATUSES = frozenset(
    {
        *(
            "pending",
            "running",
            "completed",
            "failed",
            "cancelled",
        ),  # WorkflowStatusResponse, in its description
        "completed_with_errors",  # the vendor's quickstart
        *("canceled", "terminated", "timed_out"),  # seen by others who use the API
    }
)
"""Words for how a workflow stands."""

ERROR_HAS = frozenset({"code", "problem", "retryable", "docs_url", "request_id"})
ERROR_MAY_HAVE = frozenset(
    {
        *("cause", "fix", "retry_after_ms", "estimated_cost_credits", "available_credits"),
        *("shortfall_credits", "suggested_actions", "details"),
    }
)
"""Members of the error object (vendor's developer documentation, page on errors)."""


Words = Annotated[list[StrictStr], Field(min_length=1)]


class PeopleFilters(BaseModel):
    """Filters of a search for people; at least one of them."""

    titles: Words = []
    seniority: Words = []
    management_levels: Words = []
    departments: Words = []
    location_city: Words = []
    location_state: Words = []
    location_country: Words = []
    locations: Words = []
    company_names: Words = []
    company_domains: Words = []
    company_headcount: Words = []
    company_industries: Words = []


class CompanyFilters(BaseModel):
    """Filters of a search for companies; at least one of them."""

    industries: Words = []
    employee_count_ranges: Words = []
    locations: Words = []
    names: Words = []
    domains: Words = []


class PeopleSearch(BaseModel):
    """The body of a search for people."""

    filters: PeopleFilters
    limit: Annotated[StrictInt, Field(ge=1, le=500)] = 25
    cursor: StrictStr | None = None


class CompanySearch(BaseModel):
    """The body of a search for companies."""

    filters: CompanyFilters
    limit: Annotated[StrictInt, Field(ge=1, le=500)] = 25
    cursor: StrictStr | None = None


class Found(BaseModel):
    """The answer to a search. Nothing is promised of its rows but an id, a whole number, and a name."""

    task_id: StrictStr | None
    timestamp_ms: StrictInt | None
    agent_instructions: StrictStr | None
    usage: StrictStr | None
    message: StrictStr | None
    results: list[dict[str, Any]]
    total: StrictInt
    cursor: StrictStr | None
    truncation_warning: StrictStr | None
    credits_charged: Annotated[StrictInt, Field(ge=0, le=0)]


@dataclass(frozen=True)
class Operation:
    """One call of `/api/v2`: the model of its body, or the models of which one fits, and that of its answer."""

    method: str
    path: str
    answer: Any
    bodies: tuple[Any, ...] = ()
    statuses: frozenset[int] = frozenset({200})

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{\w+\}", ANY_TEXT, self.path))


OPERATIONS = (
    Operation("GET", "/whoami", sdk.WhoamiResponse),
    Operation("GET", "/credits/balance", sdk.CreditsBalanceResponse),
    Operation("POST", "/credits/estimate", sdk.EstimateCostResponse, (sdk.EstimateCostRequest,)),
    Operation("GET", "/api-keys", sdk.ApiKeysResponse),
    Operation("GET", "/usage", sdk.UsageReportResponse),
    Operation(
        "POST",
        "/lead-lists",
        sdk.ListDetailResponse,
        (sdk.CreateListRequest,),
        frozenset({200, 201}),  # 200 if the list was there already
    ),
    Operation("GET", "/lead-lists", sdk.ListsPageResponse),
    Operation("GET", "/lead-lists/{list_id}", sdk.ListDetailResponse),
    Operation("PATCH", "/lead-lists/{list_id}", sdk.ListDetailResponse, (sdk.PublicLeadListUpdate,)),
    Operation("DELETE", "/lead-lists/{list_id}", sdk.DeleteListResponse),
    Operation("GET", "/lead-lists/{list_id}/leads", sdk.LeadsPageResponse),
    Operation(
        "POST", "/lead-lists/{list_id}/leads", sdk.AddLeadsResponse, (sdk.AddByLeadIds, sdk.AddByCohort)
    ),
    Operation("DELETE", "/lead-lists/{list_id}/leads", sdk.RemoveLeadsResponse, (sdk.RemoveLeadsRequest,)),
    Operation(
        "POST",
        "/lead-lists/{list_id}/csv-import",
        sdk.CsvImportResponse,
        (sdk.CsvImportRequest,),
        frozenset({201}),
    ),
    Operation("POST", "/enrichment/person", sdk.EnrichPersonResponse, (sdk.EnrichPersonRequest,)),
    Operation("POST", "/enrichment/company", sdk.EnrichCompanyResponse, (sdk.EnrichCompanyRequest,)),
    Operation("POST", "/enrichment/by-task", sdk.EnrichByTaskResponse, (sdk.EnrichByTaskRequest,)),
    Operation("POST", "/enrichment/bulk", sdk.EnrichListResponse, (sdk.EnrichListRequest,)),
    Operation("GET", "/enrichment/status/{workflow_id}", sdk.WorkflowStatusResponse),
    Operation("POST", "/smart-agents/run", sdk.RunSmartAgentResponse, (sdk.RunSmartAgentRequest,)),
    Operation("GET", "/smart-agents", sdk.ListSmartAgentsResponse),
    Operation("GET", "/smart-agents/{task_id}", sdk.SmartAgentResultsResponse),
    Operation("POST", "/export/csv/signed-url", sdk.ExportCsvResponse, (sdk.ExportCsvRequest,)),
    Operation("GET", "/export/json", sdk.ExportJsonResponse),
)


SEARCHES = (
    Operation("POST", "/search/people", Found, (PeopleSearch,)),
    Operation("POST", "/search/companies", Found, (CompanySearch,)),
)
"""The calls that the vendor's pages name and its schema lacks."""


def operation_of(method: str, path: str) -> Operation | None:
    """The call that a path without its prefix is; None for one that the vendor is not known to have."""
    fitting = (
        one for one in (*OPERATIONS, *SEARCHES) if one.method == method and one.pattern.fullmatch(path)
    )
    return next(fitting, None)


def answer_faults(method: str, path: str, status: int, data: Any) -> list[str]:
    """Everything about an answer to a path without its prefix that neither the schema nor the vendor's pages on
    errors know."""
    if status >= 400:
        return list(_refusal_faults(status, data))
    operation = operation_of(method, path)
    if operation is None:
        return [f"no such operation: {method} {path}"]
    if status not in operation.statuses:
        return [f"{method} {path} does not answer {status}"]
    return [*misfits(operation.answer, data), *_word_faults(data), *_row_faults(data)]


def _word_faults(answer: dict[str, Any]) -> Iterator[str]:
    reasons = set(answer.get("skip_reasons") or ()) - SKIP_REASONS
    if reasons:
        yield f"unknown reasons: {sorted(reasons)}"
    if "workflow_id" in answer and answer.get("status", "pending") not in STATUSES:
        yield f"unknown status {answer['status']!r}"
    address = answer.get("user_email") or "a***@b"
    if not re.fullmatch(r".\*\*\*@.+", address):
        yield "user_email is not masked"


def _row_faults(answer: dict[str, Any]) -> Iterator[str]:
    """Rows of a search without an id or a name, however these are called."""
    for row in answer["results"] if "truncation_warning" in answer else ():
        ids = [row[name] for name in ("id", "entity_id") if name in row]
        names = [row[name] for name in ("full_name", "name", "company_name") if row.get(name)]
        if len(ids) != 1 or type(ids[0]) is not int or not names:
            yield f"neither an id nor a name: {row}"


def _refusal_faults(status: int, data: Any) -> Iterator[str]:
    if set(data) == {"detail"}:
        places = data["detail"] if isinstance(data["detail"], list) else []
        if any(set(place) != {"loc", "msg", "type"} for place in places) or (status == 422) != bool(places):
            yield f"{status} with {data['detail']!r}"
        return
    if set(data) != {"error"}:
        yield f"neither an error nor a detail: {sorted(data)}"
        return
    yield from (f"error lacks {name}" for name in sorted(ERROR_HAS - data["error"].keys()))
    yield from (f"error has {name}" for name in sorted(data["error"].keys() - ERROR_HAS - ERROR_MAY_HAVE))


def misfits(model: Any, data: Any) -> list[str]:
    """Everything about `data` that the schema behind `model` does not take; empty if it fits."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    else:
        wrong = []
    return [*wrong, *_beyond(model, data, model.__name__)]


def _beyond(model: Any, data: Any, where: str) -> Iterator[str]:
    """Unknown members and nulls, which the generated model lets pass, however deep."""
    if not isinstance(data, dict):
        return
    fields = {name: field for name, field in model.model_fields.items() if name != "additional_properties"}
    if model.__name__ not in OPEN:
        yield from (f"{where}.{name}: unknown member" for name in sorted(data.keys() - fields.keys()))
    for name, field in fields.items():
        value, place = data.get(name), f"{where}.{name}"
        never_null = not _nullable(field) or (model.__name__, name) in NEVER_NULL
        if name in data and value is None and never_null:
            yield f"{place}: null"
        if isinstance(value, list) and None in value:
            yield f"{place}: null in a list"
        nested = _model_in(field.annotation)
        closed = nested is None and Any not in _parts(field.annotation)
        if closed and isinstance(value, dict) and None in value.values():
            yield f"{place}: null in an object"
        if nested is not None:
            for item in value if isinstance(value, list) else [value]:
                yield from _beyond(nested, item, place)


def _nullable(field: Any) -> bool:
    """Return True if a member may be null: its default is, or it has none and its own words allow it."""
    return field.default is None or (field.is_required() and type(None) in _parts(field.annotation))


def _model_in(annotation: Any) -> Any:
    models = (one for one in _parts(annotation) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(models, None)


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


class Held(httpx.AsyncBaseTransport):
    """A network on which every answer in JSON has to be one that the vendor's schema has, and which keeps them."""

    def __init__(self, inner: httpx.AsyncBaseTransport, prefix: str) -> None:
        """`prefix` is that of the API; other addresses of its host are not looked at."""
        self.answers: list[tuple[str, str, int]] = []
        self._inner = inner
        self._prefix = prefix

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        path = request.url.path.removeprefix(self._prefix)
        with suppress(ValueError):
            data = json.loads(answer.content)
            wrong = answer_faults(request.method, path, answer.status_code, data)
            assert not wrong, (request.method, path, answer.status_code, wrong)
        self.answers.append((request.method, path, answer.status_code))
        return answer
