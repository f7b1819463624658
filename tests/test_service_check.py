"""`doctor --http URL`: a deployment seen from outside, over a network that a test holds in its hand."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cleanlist_mcp.cli.findings import Finding, report
from cleanlist_mcp.cli.service_check import check_service
from tests.test_cli import run

URL = "https://cleanlist.acme.example/mcp"
KEY = "clapi_canary_4Zr8Lq2Xw0Vt6Np1"
ENVIRONMENT = {"CLEANLIST_API_KEY": KEY}
METADATA = "https://cleanlist.acme.example/.well-known/oauth-protected-resource/mcp"


class FakeService(httpx.AsyncBaseTransport):
    """A service as it should be; a test changes one thing. `keys` are the Authorization headers that came, by host."""

    def __init__(self, **changes: Any) -> None:
        self.keys: list[tuple[str, str]] = []
        self.ready = 200
        self.takes_any_host = False
        self.takes_any_origin = False
        self.streams = False
        self.needs_key = True
        self.challenge = "Bearer"
        self.page: Any = None
        self.tools: list[dict[str, str]] = [{"name": "whoami"}]
        self.error: dict[str, str] | None = None
        vars(self).update(changes)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = request.headers.get("authorization", "")
        if sent:
            self.keys.append((request.url.host, sent))
        return self._answer(request, sent)

    def _answer(self, request: httpx.Request, sent: str) -> httpx.Response:
        if request.headers["host"] != "cleanlist.acme.example" and not self.takes_any_host:
            return httpx.Response(421)
        if "origin" in request.headers and not self.takes_any_origin:
            return httpx.Response(403)
        if request.url.path in ("/healthz", "/readyz"):
            return httpx.Response(200 if request.url.path == "/healthz" else self.ready)
        if str(request.url) == METADATA:
            return httpx.Response(404) if self.page is None else httpx.Response(200, json=self.page)
        if request.method == "GET":
            return httpx.Response(200 if self.streams else 405)
        if self.needs_key and not sent:
            return httpx.Response(401, headers={"WWW-Authenticate": self.challenge})
        return self._called(json.loads(request.content), request.headers)

    def _called(self, body: dict[str, Any], headers: httpx.Headers) -> httpx.Response:
        if body.get("method") == "initialize":
            return _events({"result": {}}, {"Mcp-Session-Id": "sealed"})
        if headers["mcp-protocol-version"] == "2025-11-25":
            assert headers["mcp-session-id"] == "sealed"
            return _events({"result": {"tools": self.tools}}, {})
        if body["method"] == "tools/list":
            return httpx.Response(200, json={"id": 1, "result": {"tools": self.tools}})
        text = "{}" if self.error is None else "Error: " + json.dumps({"error": self.error})
        content = [{"type": "text", "text": text}]
        return httpx.Response(
            200, json={"id": 1, "result": {"content": content, "isError": self.error is not None}}
        )


def _events(message: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    progress = {"method": "notifications/progress", "params": {}}
    lines = "".join(f"event: message\ndata: {json.dumps(one)}\n\n" for one in (progress, {"id": 1} | message))
    return httpx.Response(200, text=lines, headers={"Content-Type": "text/event-stream"} | headers)


async def examined(
    service: httpx.AsyncBaseTransport, address: str = URL, **environment: str
) -> list[Finding]:
    found = await check_service(address, environment or ENVIRONMENT, service)
    assert KEY not in report(found)
    return found


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.level, one.subject) for one in findings if one.level != "ok"]


async def test_a_service_that_is_as_it_should_be_is_reported_so() -> None:
    service = FakeService()

    found = await examined(service)

    assert bad(found) == []
    tried = {"TLS", "health", "host names", "origins", "callers", "calls"}
    assert tried | {"protocol 2025-11-25", "protocol 2026-07-28"} <= {one.subject for one in found}
    assert set(service.keys) == {("cleanlist.acme.example", f"Bearer {KEY}")}


async def test_a_bare_host_means_the_usual_path() -> None:
    assert bad(await examined(FakeService(), "https://cleanlist.acme.example/")) == []


PROBLEMS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "not ready": ({"ready": 503}, [("problem", "health")]),
    "any host": ({"takes_any_host": True}, [("problem", "host names")]),
    "any origin": ({"takes_any_origin": True}, [("problem", "origins")]),
    "streams that hang": ({"streams": True}, [("warning", "streams")]),
    "open to all": ({"needs_key": False}, [("warning", "callers")]),
    "no tools": (
        {"tools": []},
        [("problem", "protocol 2026-07-28"), ("problem", "protocol 2025-11-25")],
    ),
    "a key that is refused": (
        {"error": {"message": "The API does not accept the key.", "next_step": "Make a new one."}},
        [("problem", "calls")],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), PROBLEMS.values(), ids=PROBLEMS)
async def test_each_problem_is_found(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = await examined(FakeService(**changes))

    assert bad(found) == expected
    assert all(one.remedy or one.level == "warning" for one in found if one.level != "ok")


async def test_a_refused_call_says_what_the_reader_can_do_and_asks_nobody_else() -> None:
    error = {"message": "The API does not accept the key.", "next_step": "Ask the user: Check the key."}
    found = await examined(FakeService(error=error))

    assert [one.remedy for one in found if one.level == "problem"] == ["Check the key."]


async def test_without_a_key_nothing_is_called_and_that_is_said() -> None:
    service = FakeService()

    found = await examined(service, CLEANLIST_API_KEY="")

    assert bad(found) == [("warning", "key")]
    assert service.keys == []


CHALLENGE = f'Bearer resource_metadata="{METADATA}"'
PAGE = {"resource": URL, "authorization_servers": ["https://login.acme.example"]}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PAGE, []),
        (None, [("problem", "sign-in")]),
        (PAGE | {"resource": "https://other.example/mcp"}, [("problem", "sign-in")]),
        ({"resource": URL}, [("problem", "sign-in")]),
    ],
    ids=["right", "missing", "another service", "without an issuer"],
)
async def test_a_sign_in_is_looked_at_and_gets_no_key(page: Any, expected: list[tuple[str, str]]) -> None:
    service = FakeService(challenge=CHALLENGE, page=page)

    assert bad(await examined(service)) == expected
    assert service.keys == []


@pytest.mark.parametrize(
    "address", ["http://cleanlist.acme.example/mcp", "cleanlist.acme.example", "https://a:b@c/", ""]
)
async def test_an_address_that_is_not_safe_is_asked_nothing(address: str) -> None:
    service = FakeService()

    assert bad(await examined(service, address)) == [("problem", "address")]
    assert service.keys == []


class Broken(httpx.AsyncBaseTransport):
    def __init__(self, fail: Callable[[], Exception]) -> None:
        self._fail = fail

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._fail()


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (lambda: httpx.ConnectError("All connection attempts failed"), "cannot be reached"),
        (lambda: httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "does not trust"),
        (lambda: httpx.RemoteProtocolError("x"), "broke the connection off"),
        (lambda: KeyError(KEY), "cannot be asked"),
    ],
    ids=["away", "certificate", "cut", "strange"],
)
async def test_a_service_that_cannot_be_reached_is_one_finding(
    fail: Callable[[], Exception], words: str
) -> None:
    (found,) = await examined(Broken(fail))

    assert found.level == "problem" and words in found.text


def test_the_command_prints_the_report_and_ends_with_its_verdict() -> None:
    done = run("doctor", "--http", "http://127.0.0.1:9/mcp")

    assert done.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached" in done.stdout
