"""The sandbox takes what the vendor's schema takes and nothing else, and answers with nothing that it lacks."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cleanlist_mcp.sandbox.app import ENDPOINTS, transport
from cleanlist_mcp.sandbox.state import IN_PROCESS_ORIGIN, PUBLIC_PREFIX, SECOND_PREFIX, Sandbox
from tests.vendor_schema import OPERATIONS, SEARCHES, Held, answer_faults, misfits, operation_of

PREFIXES = (PUBLIC_PREFIX, SECOND_PREFIX)
CSV = base64.b64encode(b"Mail,Site\r\na@fable.example,fable.example\r\n").decode()
KNOWN = (*OPERATIONS, *SEARCHES)
ALWAYS_REFUSED = {("POST", "/smart-agents/run"), ("GET", "/smart-agents/{task_id}")}
"""Calls that no plan of the sandbox includes."""


@dataclass(frozen=True)
class Place:
    """A sandbox behind a client under one prefix, with a list of it, a handle of the list's rows, and a quote."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    network: Held
    prefix: str
    list_id: str
    lead_ids: list[str]
    task_id: str
    quote_id: str

    def bodies(self) -> dict[tuple[str, str], dict[str, Any]]:
        """A body that is taken, for each call that has one, by its path as it is asked for. The first one needs the
        list as it was quoted."""
        one, leads = f"/lead-lists/{self.list_id}", f"/lead-lists/{self.list_id}/leads"
        bulk = "lead_list_id" if self.prefix == PUBLIC_PREFIX else "list_id"
        cohort = {"task_id": self.task_id, "data_points": ["Email"]}
        agent = {"list_id": self.list_id, "column_name": "Fit", "quote_id": "qte_1", "max_rows": 5}
        return {
            ("POST", "/enrichment/bulk"): {bulk: self.list_id, "scope": "full", "quote_id": self.quote_id},
            ("POST", "/search/people"): {"filters": {"titles": ["VP Sales"]}, "limit": 3, "cursor": None},
            ("POST", "/search/companies"): {"filters": {"industries": ["Software"]}},
            ("POST", "/credits/estimate"): {"tool": "enrich_list", "list_id": self.list_id, "scope": "full"},
            ("POST", "/lead-lists"): {"name": "New", "description": None, "folder_id": None},
            ("PATCH", one): {"name": "Renamed", "description": None},
            ("POST", leads): {"lead_ids": self.lead_ids[:1], "idempotency_key": "k"},
            ("DELETE", leads): {"lead_ids": ["nobody"]},
            ("POST", f"{one}/csv-import"): {
                "csv_content_base64": CSV,
                "column_mapping": {"email": "Mail", "company_domain": "Site"},
                "dispatch_enrichment": False,
                "enrichment_type": None,
                "quote_id": None,
                "idempotency_key": "k",
            },
            ("POST", "/enrichment/person"): {
                "email": "surely@fable.example",
                "enrichment_type": "full",
                "lead_list_id": self.list_id,
            },
            ("POST", "/enrichment/company"): {"domain": "fable.example"},
            ("POST", "/enrichment/by-task"): cohort | {"quote_id": "qte_1"},
            ("POST", "/export/csv/signed-url"): {"list_id": self.list_id, "columns": ["email"]},
            ("POST", "/smart-agents/run"): agent,
        }

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, path, json=body)


@pytest.fixture(params=PREFIXES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with at(request.param) as found:
        yield found


@asynccontextmanager
async def at(prefix: str) -> AsyncIterator[Place]:
    sandbox = Sandbox(rate_limits=False, latency=0)
    network = Held(transport(sandbox), prefix)
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    base_url = IN_PROCESS_ORIGIN + prefix
    async with httpx.AsyncClient(transport=network, base_url=base_url, headers=headers) as http:
        list_id = sandbox.list_id("Q3 Prospects")
        page = (await http.get(f"/lead-lists/{list_id}/leads")).json()
        wanted = {"tool": "enrich_list", "list_id": list_id, "scope": "full"}
        quote_id = (await http.post("/credits/estimate", json=wanted)).json()["quote_id"]
        lead_ids = [lead["lead_id"] for lead in page["leads"]]
        yield Place(sandbox, http, network, prefix, list_id, lead_ids, page["task_id"], quote_id)


def with_bodies() -> list[tuple[str, str]]:
    return [(one.method, one.path) for one in KNOWN if one.bodies]


def taken(place: Place, method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The path of a call in this place, and a body for it that is taken."""
    sent = place.bodies().items()
    found = ((real, body) for (verb, real), body in sent if operation_of(verb, real) is one_of(method, path))
    return next(found)


def one_of(method: str, path: str) -> Any:
    return next(one for one in KNOWN if (one.method, one.path) == (method, path))


def places_of(answer: httpx.Response) -> list[list[Any]]:
    assert answer.status_code == 422, answer.text
    return [fault["loc"] for fault in answer.json()["detail"]]


def test_the_sandbox_has_the_calls_of_the_vendor_and_no_other() -> None:
    assert {(one.method, one.path) for one in ENDPOINTS} == {(one.method, one.path) for one in KNOWN}


async def test_every_call_answers_with_what_the_vendors_model_has(place: Place) -> None:
    bodies = place.bodies()
    priced = {"task_id": place.task_id, "data_points": ["Email"]}
    quote = await place.send("POST", "/credits/estimate", {"tool": "add_person_enrichments", **priced})
    bodies["POST", "/enrichment/by-task"] = priced | {"quote_id": quote.json()["quote_id"]}
    runs = []
    for (method, path), body in bodies.items():
        answer = await place.send(method, path, body)
        runs.append(answer.json().get("workflow_id"))
    await place.send("POST", "/lead-lists", {"name": "New"})
    other = place.sandbox.add_list("Other")
    await place.send("POST", f"/lead-lists/{other}/leads", {"task_id": place.task_id})
    for path in (
        *("/whoami", "/credits/balance", "/api-keys", "/usage", "/usage?group_by=day", "/lead-lists?limit=1"),
        *(f"/lead-lists/{place.list_id}", f"/lead-lists/{place.list_id}/leads?limit=2", "/smart-agents"),
        *(f"/enrichment/status/{run}" for run in runs if run),
        f"/enrichment/status/{place.task_id}",
        f"/export/json?list_id={place.list_id}",
    ):
        await place.send("GET", path)
    await place.send("DELETE", f"/lead-lists/{other}")

    answered = {operation_of(verb, path) for verb, path, status in place.network.answers if status < 300}
    assert {(one.method, one.path) for one in answered if one} == {
        (one.method, one.path) for one in KNOWN
    } - ALWAYS_REFUSED


async def test_a_key_that_may_not_and_a_plan_that_has_not_are_told_in_the_documented_shape() -> None:
    async with at(PUBLIC_PREFIX) as place:
        narrow = place.sandbox.add_account("narrow", scopes=set())
        cheap = place.sandbox.add_account("cheap", api_access=False)
        for key in (narrow, cheap, "clapi_unknown"):
            headers = {"Authorization": f"Bearer {key}"}
            assert (await place.http.get("/credits/balance", headers=headers)).status_code in (401, 403)
        assert (await place.send("POST", "/smart-agents/run")).status_code == 422
        for path in ("/no-such-thing", "/smart-agents/1", "/enrichment/status/1", "/lead-lists/1"):
            assert (await place.send("GET", path)).status_code == 404


@pytest.mark.parametrize(("method", "path"), with_bodies())
async def test_a_body_of_the_schema_is_taken(place: Place, method: str, path: str) -> None:
    real, body = taken(place, method, path)
    assert (await place.send(method, real, body)).status_code != 422


@pytest.mark.parametrize("name", ["surprise", "additional_properties"])
@pytest.mark.parametrize(("method", "path"), with_bodies())
async def test_a_field_that_the_schema_lacks_is_refused(
    place: Place, method: str, path: str, name: str
) -> None:
    real, body = taken(place, method, path)
    before = place.sandbox.credits(), len(place.sandbox.runs)
    answer = await place.send(method, real, body | {name: "x"})
    assert places_of(answer) == [["body", name]]
    assert (place.sandbox.credits(), len(place.sandbox.runs)) == before


def required() -> Iterator[tuple[str, str, str]]:
    for one in KNOWN:
        for name, field in one.bodies[0].model_fields.items() if one.bodies else ():
            if field.is_required():
                yield one.method, one.path, name


@pytest.mark.parametrize(("method", "path", "name"), tuple(required()))
async def test_a_field_that_the_schema_requires_is_missed(method: str, path: str, name: str) -> None:
    async with at(SECOND_PREFIX) as place:
        real, body = taken(place, method, path)
        del body[name]
        places = places_of(await place.send(method, real, body))
    assert ["body", name] in places


@pytest.mark.parametrize(
    ("method", "path", "change"),
    [
        ("POST", "/credits/estimate", {"row_count": "12"}),
        ("POST", "/credits/estimate", {"include_phone": None}),
        ("POST", "/lead-lists", {"name": ""}),
        ("POST", "/lead-lists", {"name": "x" * 201}),
        ("PATCH", "/lead-lists/{list_id}", {"name": "x" * 201}),
        ("POST", "/lead-lists/{list_id}/leads", {"lead_ids": []}),
        ("POST", "/lead-lists/{list_id}/leads", {"lead_ids": ["x"] * 1_001}),
        ("POST", "/lead-lists/{list_id}/leads", {"idempotency_key": "k" * 129}),
        ("POST", "/lead-lists/{list_id}/leads", {"task_id": "cl-task_1"}),
        ("DELETE", "/lead-lists/{list_id}/leads", {"lead_ids": []}),
        ("DELETE", "/lead-lists/{list_id}/leads", {"lead_ids": ["x"] * 101}),
        ("POST", "/lead-lists/{list_id}/csv-import", {"dispatch_enrichment": None}),
        ("POST", "/lead-lists/{list_id}/csv-import", {"enrichment_type": "phone-only"}),
        ("POST", "/enrichment/person", {"enrichment_type": "phone-only"}),
        ("POST", "/enrichment/person", {"enrichment_type": "Full"}),
        ("POST", "/enrichment/person", {"include_phone": None}),
        ("POST", "/enrichment/person", {"email": ["surely@fable.example"]}),
        ("POST", "/search/people", {"filters": {}}),
        ("POST", "/search/people", {"filters": {"titles": []}}),
        ("POST", "/search/people", {"filters": {"titles": None}}),
        ("POST", "/search/people", {"filters": {"titles": "VP Sales"}}),
        ("POST", "/search/people", {"filters": {"titles": [""]}}),
        ("POST", "/search/people", {"filters": {"job_titles": ["VP Sales"]}}),
        ("POST", "/search/people", {"filters": {"industries": ["Software"]}}),
        ("POST", "/search/people", {"limit": 0}),
        ("POST", "/search/people", {"limit": 501}),
        ("POST", "/search/people", {"limit": "25"}),
        ("POST", "/search/companies", {"filters": {}}),
        ("POST", "/search/companies", {"filters": {"titles": ["VP Sales"]}}),
        ("POST", "/search/companies", {"filters": {"employee_count_ranges": "51-200"}}),
        ("POST", "/search/companies", {"limit": 501}),
        ("POST", "/enrichment/by-task", {"data_points": []}),
        ("POST", "/enrichment/by-task", {"entity_ids": [7]}),
        ("POST", "/enrichment/bulk", {"scope": "phone_only"}),
        ("POST", "/enrichment/bulk", {"scope": None}),
        ("POST", "/export/csv/signed-url", {"include_smart_agents": "yes"}),
        ("POST", "/smart-agents/run", {"agent_type": "poet"}),
        ("POST", "/smart-agents/run", {"max_rows": 0}),
    ],
)
async def test_a_wrong_word_and_one_thing_too_many_are_refused(
    place: Place, method: str, path: str, change: dict[str, Any]
) -> None:
    real, body = taken(place, method, path)
    assert places_of(await place.send(method, real, body | change))


@pytest.mark.parametrize(
    "change",
    [{"tool": "paint_the_fence"}, {"scope": "phone_only"}, {"extra": {"priority": "high"}}],
)
async def test_an_estimate_refuses_the_words_that_the_schema_only_describes(
    place: Place, change: dict[str, Any]
) -> None:
    real, body = taken(place, "POST", "/credits/estimate")
    answer = await place.send("POST", real, body | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation_error")


@pytest.mark.parametrize(
    ("path", "most"),
    [("/lead-lists", 100), ("/lead-lists/{list_id}/leads", 500), ("/export/json", 500), ("/usage", 365)],
)
async def test_pages_and_periods_have_the_bounds_of_the_schema(place: Place, path: str, most: int) -> None:
    real, name = path.format(list_id=place.list_id), "days" if path == "/usage" else "limit"
    codes = []
    for value in (0, 1, most, most + 1):
        query: dict[str, str | int] = {"list_id": place.list_id, name: value}
        codes.append((await place.http.get(real, params=query)).status_code)
    assert codes == [422, 200, 200, 422]


def changed(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (answer | changes).items() if value != "gone"}


WHOAMI = {
    "user_email": "a***@fable.example",
    "organization_id": "org_1",
    "auth_type": "api_key",
    "scopes": ["credits:read"],
    "tier": "pro",
    "features": [],
}
IMPORTED = {"list_id": "l", "rows_parsed": 1, "rows_imported": 0, "rows_skipped": 1}
ROW = {"lead_id": "1", "email": None}
RUN = {"workflow_id": "w", "status": "running"}


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/whoami", changed(WHOAMI, user_email="ada@fable.example")),
        ("GET", "/whoami", changed(WHOAMI, tier="gold")),
        ("GET", "/whoami", changed(WHOAMI, organization_id="gone")),
        ("GET", "/whoami", changed(WHOAMI, scopes=[None])),
        ("GET", "/whoami", changed(WHOAMI, mode="live")),
        ("POST", "/lead-lists/l/csv-import", changed(IMPORTED, skip_reasons={"unknown_field": 1})),
        ("POST", "/lead-lists/l/csv-import", changed(IMPORTED, skip_reasons=None)),
        ("POST", "/lead-lists/l/csv-import", changed(IMPORTED, skip_reasons={"missing_required": None})),
        ("POST", "/lead-lists/l/csv-import", changed(IMPORTED, idempotency_replayed=None)),
        ("GET", "/lead-lists/l/leads", {"list_id": "l", "total": 1, "leads": [{**ROW, "person_id": "1"}]}),
        ("GET", "/lead-lists/l/leads", {"list_id": "l", "total": 1, "leads": [None]}),
        ("GET", "/enrichment/status/w", changed(RUN, status="done")),
        ("GET", "/enrichment/status/w", changed(RUN, result={"lead_id": "", "status": "failed", "age": 3})),
        ("GET", "/enrichment/status/w", changed(RUN, refund_status="refunded")),
        ("GET", "/enrichment/status/w", changed(RUN, credits_charged=1.0)),
        ("DELETE", "/lead-lists/l/leads", {"list_id": "l", "removed": 1, "message": None}),
        ("GET", "/auth/validate-key", {}),
    ],
)
def test_an_answer_that_the_vendors_model_lacks_is_noticed(
    method: str, path: str, answer: dict[str, Any]
) -> None:
    status = 201 if path.endswith("csv-import") else 200
    assert answer_faults(method, path, status, answer)


def test_an_answer_that_the_vendors_model_has_passes() -> None:
    assert answer_faults("GET", "/whoami", 200, WHOAMI) == []
    assert answer_faults("POST", "/lead-lists/l/csv-import", 201, IMPORTED) == []
    assert (
        answer_faults("GET", "/lead-lists/l/leads", 200, {"list_id": "l", "total": 1, "leads": [ROW]}) == []
    )
    assert answer_faults("GET", "/enrichment/status/w", 200, RUN | {"summary": {"x": None}}) == []
    found = {"company": {"name": "Fable", "founded": 1815}, "credits_charged": 1}
    assert answer_faults("POST", "/enrichment/company", 200, found) == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, {"error": {"code": "x", "problem": "y", "retryable": False, "docs_url": "z"}}),
        (400, {"message": "x"}),
        (400, {"detail": [{"loc": ["body"], "msg": "x", "type": "y"}]}),
        (422, {"detail": "x"}),
        (422, {"detail": [{"loc": ["body"], "msg": "x", "type": "y", "input": 1}]}),
    ],
)
def test_a_refusal_in_another_shape_is_noticed(status: int, answer: dict[str, Any]) -> None:
    assert answer_faults("GET", "/whoami", status, answer)


def test_the_sdks_own_open_ends_are_closed_when_it_is_read_strictly() -> None:
    model = one_of("POST", "/lead-lists/{list_id}/csv-import").bodies[0]
    body = {"csv_content_base64": "", "column_mapping": {"email": "Mail"}}
    assert misfits(model, body) == []
    for wrong in ({"row_cap": 1}, {"dispatch_enrichment": None}, {"column_mapping": {"email": None}}):
        assert misfits(model, body | wrong)
