"""Every request that the client can send, held to the vendor's own models and to the closed lists of its schema.

What is looked at has really left: tools run on a real server, whose requests are written down on their way to the
sandbox. An endpoint of the client that nobody here makes send anything fails the first test.

The lists and limits below stand in the vendor's OpenAPI file of `/api/v2` (`openapi/cleanse-api-v2.oas.json` in the
public repository Cleanlist-ai/cleanlist-python-client) and got lost in the SDK that is generated from it.
"""

import base64
import csv
import inspect
import io
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given

from cleanlist_mcp.api import wire
from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.imports.chunks import to_csv_chunks
from cleanlist_mcp.sandbox import imports
from cleanlist_mcp.sandbox.state import IN_PROCESS_ORIGIN, PUBLIC_PREFIX, SECOND_PREFIX
from tests.people_written import prepared, rules, some_records
from tests.support import Session, World
from tests.vendor_schema import Operation, misfits, operation_of

IMPORT_FIELDS = frozenset(
    {
        *("first_name", "last_name", "full_name", "email", "phone", "mobile_phone", "work_phone"),
        *("linkedin_url", "company_name", "company_domain", "job_title", "city", "state", "country"),
    }
)
"""Keys of `column_mapping`, at least one of them (CsvImportRequest, `propertyNames` and `minProperties`)."""

ENRICHMENT_TYPES = frozenset({"partial", "phone_only", "full"})
"""`enrichment_type` (EnrichPersonRequest, CsvImportRequest; of EstimateCostRequest in its description)."""

SCOPES = frozenset({"partial", "phone-only", "full"})
"""`scope` (EnrichListRequest; of EstimateCostRequest in its description)."""

TOOLS = frozenset(
    {
        *("enrich_list", "enrich_person", "bulk_import_csv", "run_smart_agent", "sync_to_crm"),
        *("sync_to_sequencer", "add_person_enrichments", "add_company_enrichments"),
    }
)
"""`tool` (EstimateCostRequest and the description of its operation)."""

DATA_POINTS = frozenset(
    {
        *("Email", "Phone", "LinkedIn"),
        *("Industry", "Employees", "Revenue", "Funding", "TechStack", "Domain"),
    }
)
"""`data_points` of persons and of companies (EnrichByTaskRequest, in its description)."""

LIST_NAME = range(1, 201)
"""Characters in the name of a list (CreateListRequest)."""

IDEMPOTENCY_KEY = 128
"""Most characters of a key (AddByLeadIds, AddByCohort; CsvImportRequest names no limit)."""

CSV_BYTES, CSV_ROWS = 150_000, 600
"""The most that one import takes: "150 KB / ~600 rows" (CsvImportRequest.csv_content_base64)."""

QUERIES: dict[str, dict[str, range | None]] = {
    "/lead-lists": {"limit": range(1, 101), "cursor": None, "folder_id": None},
    "/lead-lists/{list_id}/leads": {"limit": range(1, 501), "cursor": None},
}
"""Query parameters of the reading operations, whole numbers with their bounds (`parameters` in `paths`)."""

asked_by: ContextVar[str] = ContextVar("asked_by", default="nobody")


@dataclass(frozen=True)
class Sent:
    """A request as it left: which endpoint of the client sent it, and `path` without the prefix."""

    endpoint: str
    method: str
    prefix: str
    path: str
    query: dict[str, str]
    content: bytes
    status: int = 0

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def csv(self) -> bytes:
        return base64.b64decode(self.body["csv_content_base64"], validate=True)


class Recording(httpx.AsyncBaseTransport):
    """A network that keeps every request as it left."""

    def __init__(self, inner: httpx.AsyncBaseTransport, prefix: str) -> None:
        self.sent: list[Sent] = []
        self._inner = inner
        self._prefix = prefix

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        assert path.startswith(f"{self._prefix}/")
        content = await request.aread()
        assert (request.headers.get("content-type") == "application/json") == bool(content)
        answer = await self._inner.handle_async_request(request)
        self.sent.append(
            Sent(
                asked_by.get(),
                request.method,
                self._prefix,
                path.removeprefix(self._prefix),
                dict(request.url.params),
                content,
                answer.status_code,
            )
        )
        return answer


def endpoints() -> dict[str, Callable[..., Awaitable[Any]]]:
    """The methods of the client that ask the API something, by name."""
    found = inspect.getmembers(CleanlistClient, inspect.iscoroutinefunction)
    return {name: method for name, method in found if not name.startswith("_") and name != "aclose"}


def noting(name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def noted(*args: Any, **kwargs: Any) -> Any:
        token = asked_by.set(name)
        try:
            return await method(*args, **kwargs)
        finally:
            asked_by.reset(token)

    return noted


def people() -> Iterator[dict[str, str]]:
    """Somebody new each time, identified in each of the ways in turn."""
    number = 0
    while True:
        number += 1
        names = {"first_name": f"Zoë{number}", "last_name": "O\u2019Fable"}
        company, domain = {"company_name": f"Fable {number} & Söhne"}, {"domain": f"fable{number}.example"}
        email = {"email": f"ada{number}@fable.example"}
        profile = {"linkedin_url": f"https://www.linkedin.com/in/ada-fable-{number}"}
        yield email
        yield profile | {"linkedin_url": f"linkedin.com/in/zoe-{number}"}
        yield {"person_id": f"prospect_{number}"}
        yield names | company
        yield names | domain
        another = names | {"first_name": f"Ida{number}", "email": f"all{number}@fable.example"}
        yield {**email, **profile, **company, **domain, **another}


WAYS = 6


async def single_people(session: Session) -> None:
    somebody = people()
    for scope in ("partial", "phone_only", "phone-only", "full"):
        for list_id in ("", "Q3 Prospects"):
            for _ in range(WAYS):
                arguments = next(somebody) | ({"list_id": list_id} if list_id else {})
                await session.call("enrich_person", **arguments, scope=scope, wait_seconds=0)


async def whole_lists(session: Session, world: World) -> None:
    for number, scope in enumerate(("partial", "phone_only", "full")):
        name = f"Whole {number}"
        world.sandbox.add_list(name, 3)
        quote = await world.quote(session, name, scope)
        report = await session.call("enrich_list", **quote)
        await session.call("workflow_status", workflow_id=report["workflow_id"])


async def parts_of_lists(session: Session, world: World) -> None:
    for number, scope in enumerate(("partial", "phone_only", "full")):
        name = f"In parts {number}"
        world.sandbox.add_list(name, 3)
        for wishes in ({"max_rows": 2}, {"max_rows": 5, "only_missing": False}):
            quote = await world.quote(session, name, scope, **wishes)
            report = await session.call("enrich_list", **quote)
            await session.call("workflow_status", workflow_id=report["workflow_id"])


async def imports_of_all_kinds(session: Session, files: Path) -> None:
    full = next(person for number, person in enumerate(people()) if number == WAYS - 1)
    rows: list[list[dict[str, str]]] = [
        [full | {"title": "Head, Sales"}],
        [{"email": "only@fable.example"}],
        [{"first_name": "=Ada", "last_name": "-Son", "company_name": "+Co", "title": "@work"}],
        [{"email": f"p{n}@fable.example", "title": "田" * 300} for n in range(500)],
    ]
    for group in rows:
        await session.call("add_leads", list_id="Imported", people=group)
        await session.call("add_leads", list_id="Also imported", people=group)
    (files / "german.csv").write_text(
        "\ufeffVorname;Nachname;Firma;Webseite;Position;person_id;E-Mail-Adresse;Ort\n"
        'Zoë;"Fable; geb. Muster";Fable GmbH;https://www.fable.example/;"Leiterin ""Vertrieb""";p1;'
        "zoe@fable.example;Köln\n"
    )
    (files / "long.csv").write_text(
        "Email,First name\n" + "".join(f"many{n}@fable.example,Ada{n}\n" for n in range(1_300))
    )
    (files / "wide.csv").write_text(
        "LinkedIn,Name,Company,Website,Title\n"
        + "".join(
            f"linkedin.com/in/wide-{n},Ada Fable{n},{'é' * 190},wide{n}.example,{'x' * 290}\n"
            for n in range(700)
        )
    )
    for name in ("german.csv", "long.csv", "wide.csv"):
        await session.call("add_leads", list_id="Imported", csv_path=name)


async def lists_and_rows(session: Session, world: World) -> None:
    for number in range(130):
        world.sandbox.add_list(f"List {number}")
    await session.call("create_list", name="Imported")
    await session.call("create_list", name="Also imported", description="People of a fair,\nwith notes")
    await session.call("create_list", name="é" * 200)
    first = await session.call("find_lists", limit=100)
    await session.call("find_lists", cursor=first["cursor"], limit=100)
    await session.call("find_lists", query="prospects")
    rows = await session.call("get_leads", list_id="Conference Leads", limit=20)
    await session.call("get_leads", list_id="Conference Leads", limit=20, cursor=rows["cursor"])
    await session.call("get_leads", list_id="Conference Leads", only="with_email", limit=100)
    await session.call("get_leads", list_id="Conference Leads", query="ada", details=True)
    await session.call("export_list", list_id="Q3 Prospects")
    long = world.sandbox.add_list("Long", 130)
    ids = list(world.sandbox.lists.get(world.sandbox.account(), long).leads)
    await session.call("remove_leads", list_id=long, lead_ids=ids[:100])
    await session.call("remove_leads", list_id=long, lead_ids=ids[100])
    await session.error("export_list", list_id="no-such-list")


async def prospects(session: Session, world: World) -> None:
    found = await session.call(
        "search_people",
        **{name: ["Sales", "VP"] for name in ("titles", "seniorities", "management_levels", "departments")},
        **{name: ["Hamburg"] for name in ("cities", "states", "countries", "locations")},
        **{name: ["Fable"] for name in ("company_names", "company_domains", "company_sizes")},
        company_industries=["Media"],
    )
    assert not found["people"]
    found = await session.call("search_people", management_levels=["VP"], limit=100)
    await session.call("search_people", cursor=found["cursor"])
    await session.call("add_leads", list_id="Imported", search_id=found["search_id"])
    some = [row["entity_id"] for row in found["people"][:3]]
    await session.call("add_leads", list_id="Imported", search_id=found["search_id"], entity_ids=some)
    ids = [str(row["lead_id"]) for row in world.sandbox.leads(world.sandbox.list_id("Q3 Prospects"))]
    await session.call("add_leads", list_id="Also imported", lead_ids=ids)
    await session.call(
        "search_companies",
        **{name: ["Media"] for name in ("industries", "company_sizes", "locations")},
        **{name: ["Fable"] for name in ("company_names", "company_domains")},
    )
    await session.call("enrich_company", domain="fable.example")
    await session.call("enrich_company", company_id="597738")
    await session.call("enrich_company", company_name="Quillstack", company_ticker="QLL")


async def everything_sent(folder: Path, prefix: str) -> list[Sent]:
    """Use every tool in every way that makes another request of it."""
    world = World(folder / "state", rate_limits=False, latency=0, seed_credits=100_000)
    network = world.transport = Recording(world.transport, prefix)
    settings: dict[str, Any] = {
        "base_url": IN_PROCESS_ORIGIN + prefix,
        "csv_dir": folder,
        "hourly_unquoted_limit": 100_000,
    }
    async with world.connect(**settings) as session:
        await session.call("whoami")
        await session.call("credits_balance")
        await lists_and_rows(session, world)
        await whole_lists(session, world)
        await parts_of_lists(session, world)
        await single_people(session)
        await imports_of_all_kinds(session, folder)
        await prospects(session, world)
    return network.sent


@pytest.fixture(scope="module", params=[PUBLIC_PREFIX, SECOND_PREFIX])
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Sent]:
    with pytest.MonkeyPatch.context() as patch:
        for name, method in endpoints().items():
            patch.setattr(CleanlistClient, name, noting(name, method))
        return anyio.run(everything_sent, tmp_path_factory.mktemp("sent"), request.param)


def faults(one: Sent) -> list[str]:
    """Everything about a request that the vendor's schema does not take."""
    operation = operation_of(one.method, one.path)
    if operation is None:
        return [f"no such operation: {one.method} {one.path}"]
    if not operation.bodies:
        return [*(["a body where none belongs"] if one.content else []), *_query_faults(operation, one.query)]
    if one.query or not one.content:
        return ["a body is missing, or there is a query"]
    body = _as_in_v2(one)
    wrong = min((misfits(model, body) for model in operation.bodies), key=len)
    return [*wrong, *_null_faults(body), *_word_faults(body), *_limit_faults(one)]


def _as_in_v2(one: Sent) -> dict[str, Any]:
    """The body under the names of `/api/v2`. The vendor's quickstart shows how those of `/api/v1/public` differ: a
    bulk run names its list `lead_list_id`, and a person may do without a list."""
    body: dict[str, Any] = dict(one.body)
    if one.prefix == PUBLIC_PREFIX and one.path == "/enrichment/bulk":
        if "list_id" in body or "lead_list_id" not in body:
            return body | {"lead_list_id is missing, or list_id is there": True}
        body["list_id"] = body.pop("lead_list_id")
    if one.prefix == PUBLIC_PREFIX and one.path == "/enrichment/person":
        body.setdefault("lead_list_id", "MCP Results")
    return body


def _query_faults(operation: Operation, query: dict[str, str]) -> Iterator[str]:
    known = QUERIES.get(operation.path, {})
    for name, value in query.items():
        if name not in known:
            yield f"unknown query parameter {name}"
        bounds = known.get(name)
        if bounds is not None and not (re.fullmatch(r"\d+", value) and int(value) in bounds):
            yield f"{name}={value} is out of bounds"


def _null_faults(body: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is null" for name, value in body.items() if value is None)


def _word_faults(body: dict[str, Any]) -> Iterator[str]:
    closed = {"enrichment_type": ENRICHMENT_TYPES, "scope": SCOPES, "tool": TOOLS}
    for name, words in closed.items():
        if name in body and body[name] not in words:
            yield f"{name} is {body[name]!r}"
    if not DATA_POINTS.issuperset(body.get("data_points", ())):
        yield "an unknown data point"
    if not IMPORT_FIELDS.issuperset(body.get("column_mapping", ())):
        yield f"column_mapping has {sorted(set(body['column_mapping']) - IMPORT_FIELDS)}"


def _limit_faults(one: Sent) -> Iterator[str]:
    body = one.body
    if one.path == "/lead-lists" and len(body.get("name", "")) not in LIST_NAME:
        yield "name has a wrong length"
    if len(body.get("idempotency_key", "")) > IDEMPOTENCY_KEY:
        yield "idempotency_key is too long"
    if "column_mapping" in body:
        yield from _csv_faults(one)


def _csv_faults(one: Sent) -> Iterator[str]:
    header, *rows = csv.reader(io.StringIO(one.csv.decode("utf-8-sig"), newline=""), strict=True)
    mapping = one.body["column_mapping"]
    if not mapping or sorted(mapping.values()) != sorted(header):
        yield "columns that are mapped and columns that are there differ"
    if len(one.csv) > CSV_BYTES or len(rows) > CSV_ROWS:
        yield "the file is too big"
    if not rows or any(len(row) != len(header) for row in rows):
        yield "rows and titles differ"
    if one.body.get("dispatch_enrichment") is not False:
        yield "dispatch_enrichment is not false: that would spend"


def test_every_endpoint_of_the_client_has_sent_something_here(sent: list[Sent]) -> None:
    assert {one.endpoint for one in sent} == endpoints().keys()


def test_every_field_of_every_request_model_has_left_here(sent: list[Sent]) -> None:
    names = {"list_id" if one == "lead_list_id" else one for one in _all_fields(wire.Sent)}
    assert names <= {name for one in sent if one.content for name in one.body}


def _all_fields(model: type[wire.Sent]) -> Iterator[str]:
    for kind in model.__subclasses__():
        yield from kind.model_fields
        yield from _all_fields(kind)


def test_nothing_leaves_that_the_vendors_schema_does_not_take(sent: list[Sent]) -> None:
    wrong = {f"{one.endpoint}: {fault}" for one in sent for fault in faults(one)}
    assert wrong == set()


def test_nothing_that_leaves_is_refused_by_the_sandbox(sent: list[Sent]) -> None:
    refused = [one for one in sent if one.status >= 300]
    assert {(one.endpoint, one.status) for one in refused} == {("list_detail", 404)}


def test_every_way_to_name_a_person_was_sent_in_every_scope_with_a_list_and_without(sent: list[Sent]) -> None:
    described = {"enrichment_type", "lead_list_id"}
    seen = {
        (one.body["enrichment_type"], frozenset(one.body.keys() - described), one.body.get("lead_list_id"))
        for one in sent
        if one.path == "/enrichment/person"
    }
    ways = {frozenset(person) for _, person in zip(range(WAYS), people(), strict=False)}
    lists = {list_id for _, _, list_id in seen}
    assert len(ways) == WAYS and len(lists) == 2
    assert seen == {(word, way, one) for word in ENRICHMENT_TYPES for way in ways for one in lists}
    assert (None in lists) == (sent[0].prefix == PUBLIC_PREFIX)


def test_every_scope_of_a_list_was_quoted_and_run(sent: list[Sent]) -> None:
    for path in ("/credits/estimate", "/enrichment/bulk"):
        whole = [one.body for one in sent if one.path == path and "task_id" not in one.body]
        assert {body["scope"] for body in whole} == SCOPES


def test_rows_of_a_list_were_quoted_and_run_by_the_page_and_by_their_ids(sent: list[Sent]) -> None:
    for path in ("/credits/estimate", "/enrichment/by-task"):
        parts = [one.body for one in sent if one.path == path and "task_id" in one.body]
        seen = {(tuple(body["data_points"]), "entity_ids" in body) for body in parts}
        points = (("Email",), ("Phone",), ("Email", "Phone"))
        assert seen == {(one, chosen) for one in points for chosen in (True, False)}


def test_real_files_go_out_whole_in_several_imports(sent: list[Sent]) -> None:
    files = [one for one in sent if one.path.endswith("/csv-import")]
    rows = [row for one in files for row in csv.DictReader(io.StringIO(one.csv.decode()))]
    assert sum(row.get("email", "").startswith("many") for row in rows) == 1_300
    assert sum("wide-" in row.get("linkedin_url", "") for row in rows) == 700
    (zoe,) = (row for row in rows if row.get("email") == "zoe@fable.example")
    assert (zoe["company_domain"], zoe["job_title"]) == ("fable.example", 'Leiterin "Vertrieb"')
    assert max(len(one.csv) for one in files) > 140_000


def test_one_key_never_stands_for_two_lists_or_two_contents(sent: list[Sent]) -> None:
    imported = {
        (one.body["idempotency_key"], one.path, one.csv) for one in sent if one.path.endswith("/csv-import")
    }
    assert len({key for key, _, _ in imported}) == len(imported)
    assert len({content for _, _, content in imported}) < len(imported)


def as_import(content: str, mapping: Mapping[str, str | None], **more: Any) -> dict[str, Any]:
    encoded = base64.b64encode(content.encode()).decode()
    body = {"csv_content_base64": encoded, "column_mapping": mapping, "dispatch_enrichment": False}
    return {**body, "idempotency_key": "k", **more}


PERSON = {"email": "ada@fable.example", "enrichment_type": "partial", "lead_list_id": "l"}
BULK = {"scope": "partial", "quote_id": "q"}
MAIL = {"email": "email"}
ROW = "email\r\na@fable.example\r\n"
WIDE = f"{'a' * 300}@fable.example\r\n"


@pytest.mark.parametrize(
    ("prefix", "path", "body"),
    [
        (PUBLIC_PREFIX, "/enrichment/person", {**PERSON, "title": "CEO"}),
        (PUBLIC_PREFIX, "/enrichment/person", {**PERSON, "enrichment_type": "phone-only"}),
        (PUBLIC_PREFIX, "/enrichment/person", {**PERSON, "email": None}),
        (SECOND_PREFIX, "/enrichment/person", {"email": "ada@fable.example"}),
        (PUBLIC_PREFIX, "/enrichment/bulk", {**BULK, "list_id": "l"}),
        (SECOND_PREFIX, "/enrichment/bulk", {**BULK, "lead_list_id": "l"}),
        (SECOND_PREFIX, "/enrichment/bulk", {**BULK, "list_id": "l", "scope": "phone_only"}),
        (SECOND_PREFIX, "/enrichment/bulk", {"list_id": "l", "scope": "full"}),
        (PUBLIC_PREFIX, "/credits/estimate", {"tool": "enrich_lists", "list_id": "l", "scope": "full"}),
        (PUBLIC_PREFIX, "/credits/estimate", {"tool": "enrich_list", "list_id": "l", "scope": "email"}),
        (PUBLIC_PREFIX, "/lead-lists", {"name": ""}),
        (PUBLIC_PREFIX, "/lead-lists", {"name": "x" * 201}),
        (PUBLIC_PREFIX, "/lead-lists", {"name": "x", "description": None}),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, {})),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, {"email": None})),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, {"email": "Mail"})),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, MAIL | {"title": "email"})),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, MAIL, dispatch_enrichment=True)),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(ROW, MAIL, idempotency_key="k" * 129)),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import("email\r\n" + "a\r\n" * 601, MAIL)),
        (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(f"email\r\n{WIDE * 500}", MAIL)),
        *(
            (PUBLIC_PREFIX, "/lead-lists/l/csv-import", as_import(f"{name}\r\nx\r\n", {name: name}))
            for name in ("domain", "title", "person_id")
        ),
    ],
)
def test_a_body_that_the_vendor_refuses_is_a_fault_here_too(
    prefix: str, path: str, body: dict[str, Any]
) -> None:
    content = json.dumps(body).encode()
    assert faults(Sent("test", "POST", prefix, path, {}, content))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/lead-lists", {"limit": "101"}),
        ("/lead-lists", {"limit": "0"}),
        ("/lead-lists", {"page": "1"}),
        ("/lead-lists/l/leads", {"limit": "501"}),
        ("/lead-lists/l/leads", {"limit": "1.0"}),
        ("/whoami", {"limit": "1"}),
        ("/no-such-thing", {}),
    ],
)
def test_a_query_that_the_vendor_refuses_is_a_fault_here_too(path: str, query: dict[str, str]) -> None:
    looked = Sent("test", "GET", PUBLIC_PREFIX, path, query, b"")
    assert faults(looked)
    assert faults(replace(looked, path="/lead-lists", query={}, content=b"{}"))


@rules
@given(some_records)
def test_whoever_is_taken_here_the_import_takes_too(people: list[dict[str, object]]) -> None:
    for chunk in to_csv_chunks(prepared(*people).accepted, "list-1"):
        assert IMPORT_FIELDS.issuperset(chunk.column_mapping)
        parsed = imports.parse(base64.b64encode(chunk.content).decode(), chunk.column_mapping)
        assert parsed.rows_parsed == len(chunk.leads)
        assert parsed.skip_reasons["missing_required"] == 0
