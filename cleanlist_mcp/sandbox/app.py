"""The sandbox as a Starlette application: routes, the way in, and what may go wrong on the way.

Every API call passes one gate: a fault that was arranged, the key, the limits, the plan, the
scopes; then its handler, which is plain synchronous code, so that each request is one atomic step.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import anyio
import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ExceptionHandler

from cleanlist_mcp.sandbox.accounts import ApiKey
from cleanlist_mcp.sandbox.call import Call, Reply
from cleanlist_mcp.sandbox.endpoints import (
    account,
    cohorts,
    company,
    estimates,
    exporting,
    importing,
    lead_lists,
    leads,
    runs,
    searches,
    smart_agents,
)
from cleanlist_mcp.sandbox.faults import ConnectionDropped, Fault
from cleanlist_mcp.sandbox.problems import FrameworkProblem, Problem, too_many_requests
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, SECOND_PREFIX, RequestRecord, Sandbox
from cleanlist_mcp.sandbox.unkindness import Version

# Under this name a server that can cut a connection leaves a function to do so in the ASGI scope.
ABORT_EXTENSION = "cleanlist_sandbox.abort"
_PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True)
class Endpoint:
    """One call of the API: where, who may, and what answers it."""

    method: str
    path: str
    scope: str | None
    handler: Callable[[Call], Reply]


@dataclass(frozen=True)
class Arrival:
    """A request as it came in: for which endpoint, under which prefix, and whose key it carries, if anybody's."""

    sandbox: Sandbox
    version: Version
    endpoint: Endpoint
    request: Request
    record: RequestRecord
    key: ApiKey | None


ENDPOINTS = (
    Endpoint("GET", "/whoami", None, account.whoami),
    Endpoint("GET", "/credits/balance", "credits:read", account.balance),
    Endpoint("POST", "/credits/estimate", "credits:read", estimates.estimate),
    Endpoint("POST", "/search/people", "people:read", searches.search_people),
    Endpoint("POST", "/search/companies", "companies:read", searches.search_companies),
    Endpoint("POST", "/enrichment/person", "enrich:write", runs.person),
    Endpoint("POST", "/enrichment/bulk", "enrich:write", runs.bulk),
    Endpoint("POST", "/enrichment/by-task", "enrich:write", cohorts.by_task),
    Endpoint("POST", "/enrichment/company", "enrich:write", company.company),
    Endpoint("GET", "/enrichment/status/{workflow_id}", "enrich:read", runs.status),
    Endpoint("POST", "/lead-lists", "lists:write", lead_lists.create_list),
    Endpoint("GET", "/lead-lists", "lists:read", lead_lists.list_lists),
    Endpoint("GET", "/lead-lists/{list_id}", "lists:read", lead_lists.get_list),
    Endpoint("PATCH", "/lead-lists/{list_id}", "lists:write", lead_lists.update_list),
    Endpoint("DELETE", "/lead-lists/{list_id}", "lists:write", lead_lists.delete_list),
    Endpoint("GET", "/lead-lists/{list_id}/leads", "lists:read", leads.get_leads),
    Endpoint("POST", "/lead-lists/{list_id}/leads", "lists:write", leads.add_leads),
    Endpoint("DELETE", "/lead-lists/{list_id}/leads", "lists:write", leads.remove_leads),
    Endpoint("POST", "/lead-lists/{list_id}/csv-import", "lists:write", importing.csv_import),
    Endpoint("POST", "/export/csv/signed-url", "export:read", exporting.export_csv),
    Endpoint("GET", "/export/json", "export:read", exporting.export_json),
    Endpoint("GET", "/usage", "admin:api_keys", account.usage),
    Endpoint("GET", "/api-keys", "admin:api_keys", account.api_keys),
    Endpoint("POST", "/smart-agents/run", "smart_agents:write", smart_agents.run_smart_agent),
    Endpoint("GET", "/smart-agents", "smart_agents:read", smart_agents.list_smart_agents),
    Endpoint("GET", "/smart-agents/{task_id}", "smart_agents:read", smart_agents.get_smart_agent),
)


def build_app(sandbox: Sandbox) -> Starlette:
    """Return the API over `sandbox`, under both prefixes."""
    routes: list[BaseRoute] = [
        Mount(PUBLIC_PREFIX, routes=_routes(sandbox, "public")),
        Mount(SECOND_PREFIX, routes=_routes(sandbox, "v2")),
        Route("/downloads/{export_id}.csv", partial(_download, sandbox), methods=["GET"]),
    ]
    unknown = cast(ExceptionHandler, partial(_unknown_route, sandbox))
    return Starlette(routes=routes, exception_handlers={HTTPException: unknown})


def transport(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    """Return a way for an httpx client to reach `sandbox` in the same process, without a port."""
    return _InProcess(sandbox)


class _InProcess(httpx.AsyncBaseTransport):
    """ASGI in process, with the failures that a network has."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = httpx.ASGITransport(build_app(sandbox))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        patience = request.extensions.get("timeout", {}).get("read")
        try:
            with anyio.fail_after(patience):
                return await self._inner.handle_async_request(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("", request=request) from error
        except ConnectionDropped as dropped:
            if dropped.refused:
                raise httpx.ConnectError("Connection refused", request=request) from dropped
            raise httpx.ReadError("Connection reset by peer", request=request) from dropped


def _routes(sandbox: Sandbox, version: Version) -> list[Route]:
    return [
        Route(
            endpoint.path,
            partial(_serve, sandbox, version, endpoint),
            methods=[endpoint.method],
        )
        for endpoint in ENDPOINTS
    ]


async def _serve(sandbox: Sandbox, version: Version, endpoint: Endpoint, request: Request) -> Response:
    record = _noted(sandbox, request, version)
    if endpoint.path.startswith("/search/") and version not in sandbox.unkind.search_under:
        record.status = 404
        return JSONResponse({"detail": "Not Found"}, 404)
    key = sandbox.recognise(request.headers.get("authorization"))
    if key is not None:
        record.key, record.organization_id = key.label, key.organization.organization_id
    work = partial(_answer, Arrival(sandbox, version, endpoint, request, record, key))
    return await _well_or_badly(sandbox, request, record, work)


def _noted(sandbox: Sandbox, request: Request, version: Version | None) -> RequestRecord:
    query = dict(request.query_params)
    return sandbox.record(RequestRecord(request.method, _path(request), version, sandbox.clock(), query))


async def _well_or_badly(
    sandbox: Sandbox, request: Request, record: RequestRecord, work: Callable[..., Awaitable[Response]]
) -> Response:
    """Do the work, unless a fault was arranged for this request."""
    fault = sandbox.faults.take(record.method, record.path)
    if fault is None:
        response = await work()
    else:
        record.fault = fault.kind
        response = await _misbehave(sandbox, fault, request, work)
    if fault is None or not fault.loses_answer:
        record.status = response.status_code
    return response


async def _answer(arrival: Arrival, *, patient: bool = True) -> Response:
    """Do the work and answer. Without `patient`, nobody waits for what is still running."""
    sandbox = arrival.sandbox
    try:
        reply = arrival.endpoint.handler(await _admitted(arrival))
    except Problem as problem:
        return JSONResponse(problem.body(), problem.status, problem.headers)
    wait = reply.wait + sandbox.unkind.lateness(len(sandbox.requests))
    if patient and wait > 0:
        await sandbox.options.sleep(wait)
    if patient and reply.finish is not None:
        reply.finish()
    return JSONResponse(reply.data, reply.status)


async def _admitted(arrival: Arrival) -> Call:
    """Return the call once key, limits, plan and scope let it in. Raises their refusals."""
    sandbox, request, record = arrival.sandbox, arrival.request, arrival.record
    key = _authenticated(request, arrival.key)
    sandbox.admit(key)
    if arrival.endpoint.scope is not None:
        key.require(arrival.endpoint.scope)
    record.body = await _json(request)
    sandbox.settle()
    return Call(
        sandbox,
        key,
        arrival.version,
        f"{request.url.scheme}://{request.url.netloc}",
        request.path_params,
        request.query_params,
        record.body,
        sandbox.clock(),
    )


async def _misbehave(
    sandbox: Sandbox, fault: Fault, request: Request, work: Callable[..., Awaitable[Response]]
) -> Response:
    if fault.kind == "slow" and not fault.after:
        await sandbox.options.sleep(fault.delay)
        return await work()
    answer = await work(patient=not fault.loses_answer) if fault.works_first else None
    if fault.hangs:
        return await _gone(request)
    if fault.drops:
        return await _drop(request, refused=fault.kind == "refused")
    if fault.kind == "slow":
        await sandbox.options.sleep(fault.delay)
    if fault.kind == "sent_twice" and answer is not None:
        return _second_answer(fault, request, answer)
    if fault.kind == "earlier_answer" and answer is not None:
        return _earlier_answer(sandbox, answer)
    return _spoilt(fault, answer)


def _earlier_answer(sandbox: Sandbox, answer: Response) -> Response:
    """Return an answer with the run of the first paid request of all, if it names one and there is one."""
    data = json.loads(bytes(answer.body))
    if data.get("workflow_id") and sandbox.runs:
        first = sandbox.runs[0]
        data |= {"workflow_id": first.workflow_id, "credits_reserved": first.credits_reserved}
    return JSONResponse(data, answer.status_code)


def _second_answer(fault: Fault, request: Request, answer: Response) -> Response:
    """Return the answer to the same request once more: a quote is used up, a person is under way."""
    quoted = request.url.path.endswith(("/bulk", "/by-task"))
    code = "quote_used" if quoted else "duplicate_request"
    details = {"workflow_id": json.loads(bytes(answer.body)).get("workflow_id")} if fault.names_run else None
    problem = Problem(409, code, "This was asked for a moment ago.", details=details)
    return JSONResponse(problem.body(), problem.status, problem.headers)


def _spoilt(fault: Fault, answer: Response | None) -> Response:
    """The answer that comes instead of the right one."""
    whole = bytes(answer.body) if answer is not None else b""
    if fault.kind == "unreadable":
        return Response(b"\x1f\x8b not JSON", media_type="application/json")
    if fault.kind == "truncated":
        return Response(whole[: len(whole) // 2], media_type="application/json")
    if fault.kind == "bad_gateway":
        return Response(_PROXY_PAGE, 502, media_type="text/html")
    if answer is not None and fault.kind == "slow":
        return answer
    problem = _refusal(fault)
    return JSONResponse(problem.body(), problem.status, problem.headers)


def _refusal(fault: Fault) -> Problem:
    if fault.kind == "rate_limited":
        return too_many_requests(fault.retry_after, "key")
    if fault.kind == "unavailable":
        return Problem(
            503,
            "service_unavailable",
            "The service is down for a moment.",
            retryable=fault.retryable,
            retry_after_ms=int(fault.retry_after * 1000),
        )
    return Problem(500, "internal_error", "Something went wrong.", retryable=fault.retryable)


async def _drop(request: Request, *, refused: bool) -> Response:
    abort = request.scope.get("extensions", {}).get(ABORT_EXTENSION)
    if abort is None:
        raise ConnectionDropped(refused=refused)
    abort()
    return await _gone(request)


async def _gone(request: Request) -> Response:
    """Wait until the client is gone; what is answered then reaches nobody."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
    return Response(status_code=499)


def _authenticated(request: Request, key: ApiKey | None) -> ApiKey:
    if key is not None:
        return key
    if "authorization" not in request.headers:
        raise FrameworkProblem(401, "Not authenticated")
    raise Problem(
        401,
        "invalid_api_key",
        "This API key is not known.",
        fix="Create a key that starts with clapi_; browser extension keys do not work here.",
    )


async def _json(request: Request) -> Any:
    content = await request.body()
    if not content:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        unreadable = {"loc": ["body", 0], "msg": "JSON decode error", "type": "json_invalid"}
        raise FrameworkProblem(422, [unreadable]) from error


async def _download(sandbox: Sandbox, request: Request) -> Response:
    record = _noted(sandbox, request, None)
    return await _well_or_badly(sandbox, request, record, partial(_file, sandbox, request))


async def _file(sandbox: Sandbox, request: Request, *, patient: bool = True) -> Response:
    """Send a finished export to whoever has its link. `patient` is for faults alone: nothing here waits."""
    export_id, signature = request.path_params["export_id"], request.query_params.get("sig", "")
    try:
        content = sandbox.export(export_id, signature)
    except Problem as problem:
        return JSONResponse(problem.body(), problem.status)
    headers = {"Content-Disposition": f'attachment; filename="{export_id}.csv"'}
    return Response(content, media_type="text/csv", headers=headers)


async def _unknown_route(sandbox: Sandbox, request: Request, error: HTTPException) -> Response:
    _noted(sandbox, request, None).status = error.status_code
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


def _path(request: Request) -> str:
    path = request.url.path
    for prefix in (PUBLIC_PREFIX, SECOND_PREFIX):
        if path.startswith(f"{prefix}/"):
            return path.removeprefix(prefix)
    return path
