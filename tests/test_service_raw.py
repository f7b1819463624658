"""The HTTP service as bytes on a connection: hosts, origins, keys, sizes, slowness, sessions; nothing beyond."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.http import door, guard, protocol
from cleanlist_mcp.server.http.callers import KeyVerifier
from cleanlist_mcp.server.http.door import HANDSHAKE_VERSIONS, Door
from cleanlist_mcp.server.http.sessions import LONGEST_ID, Sessions
from tests.service import Service, answer_of, call, initialize, serving

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
async def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def service(sandbox: Sandbox) -> AsyncIterator[Service]:
    async with serving(sandbox, allowed_origins=("https://app.example.com",)) as service:
        yield service


def test_the_versions_with_a_handshake_are_the_sdks() -> None:
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

    assert tuple(sorted(HANDSHAKE_PROTOCOL_VERSIONS)) == HANDSHAKE_VERSIONS
    assert HANDSHAKE_VERSIONS[-1] == LATEST_HANDSHAKE_VERSION


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:{port}.evil.example", "127.0.0.1:{port}:*", ""]
)
async def test_another_host_than_the_allowed_ones_is_misdirected_on_every_path(
    service: Service, sandbox: Sandbox, host: str
) -> None:
    name = host.format(port=service.port)
    asked = service.post(PING, key=sandbox.key, host=name or " ")
    for path in (b"/mcp", b"/healthz", b"/readyz", b"/elsewhere"):
        status, _, _ = await service.raw(asked.replace(b"/mcp", path, 1))
        assert status in (400, 421)


async def test_two_hosts_are_refused(service: Service, sandbox: Sandbox) -> None:
    status, _, _ = await service.raw(service.post(PING, f"Host: {service.host}", key=sandbox.key))

    assert status in (400, 421)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example.com", 200),
        ("https://APP.example.com", 200),
        ("https://app.example.com.evil.example", 403),
        ("https://app.example.com:8443", 403),
        ("http://app.example.com", 403),
        ("null", 403),
    ],
)
async def test_only_the_allowed_origins_pass_and_none_gets_cors(
    service: Service, sandbox: Sandbox, origin: str, status: int
) -> None:
    answered, headers, _ = await service.raw(service.post(PING, f"Origin: {origin}", key=sandbox.key))

    assert answered == status
    assert not [name for name in headers if name.startswith("access-control")]


async def test_a_request_without_a_key_is_refused_and_pointed_nowhere(service: Service) -> None:
    status, headers, body = await service.raw(service.post(PING))

    assert status == 401
    assert headers["www-authenticate"] == "Bearer"
    assert b"clapi_" in body


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Basic dXNlcjpwYXNz",
        "Authorization: Bearer",
        "Authorization: Bearer clext_browser_extension_key",
        "Authorization: Bearer sk-another-services-key-0123456789",
        "Authorization: Bearer clapi_with spaces",
        "Authorization: Bearer clapi_" + "x" * 600,
        "X-Api-Key: clapi_in_another_header",
    ],
)
async def test_what_is_no_key_is_refused_and_not_repeated(service: Service, line: str) -> None:
    status, headers, body = await service.raw(service.post(PING, line))

    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert line.split()[-1].encode() not in body or line.endswith("Bearer")


async def test_two_authorization_headers_are_refused(service: Service, sandbox: Sandbox) -> None:
    other = sandbox.add_account("grace")
    asked = service.post(PING, f"Authorization: Bearer {other}", key=sandbox.key)

    status, _, body = await service.raw(asked)

    assert status == 400
    assert b"more than one" in body


async def test_a_body_that_is_announced_as_too_large_is_refused(service: Service, sandbox: Sandbox) -> None:
    head = service.post(PING, key=sandbox.key).split(b"\r\n\r\n")[0]
    status, headers, _ = await service.raw(
        head.replace(b"Content-Length: ", b"Content-Length: 9999999") + b"\r\n\r\n{"
    )

    assert (status, headers["connection"]) == (413, "close")


async def test_a_body_that_turns_out_to_be_too_large_is_refused(service: Service, sandbox: Sandbox) -> None:
    head = service.post(PING, "Transfer-Encoding: chunked", key=sandbox.key).split(b"\r\n\r\n")[0]
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    status, _, _ = await service.raw(b"\r\n".join(lines) + b"\r\n\r\n" + chunk * 17)

    assert status == 413


@pytest.mark.parametrize(
    "body",
    [["quill@canary.example"], {"jsonrpc": "2.0", "id": 1, "method": "quill@canary.example", "params": []}],
)
async def test_json_that_is_no_message_is_refused_and_not_repeated(
    service: Service, sandbox: Sandbox, body: Any
) -> None:
    status, _, answer = await service.raw(service.post(body, key=sandbox.key))

    assert status == 400
    assert b"not a JSON-RPC message" in answer
    assert b"quill" not in answer


async def test_the_body_of_a_stranger_is_not_read(service: Service) -> None:
    head = service.post(PING).split(b"\r\n\r\n")[0]

    status, headers, _ = await service.raw(head + b"\r\n\r\n")

    assert (status, headers["connection"]) == (401, "close")


async def test_a_body_that_dribbles_is_given_up(
    service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door.BODY_SECONDS <= 10
    monkeypatch.setattr(door, "BODY_SECONDS", 0.3)
    asked = service.post(PING, key=sandbox.key)

    status, headers, _ = await service.raw(asked[:-5])

    assert (status, headers["connection"]) == (408, "close")


async def test_a_body_that_is_cut_is_not_carried_out_even_if_a_whole_message_came(sandbox: Sandbox) -> None:
    reached: list[Scope] = []
    answered: list[Message] = []
    coming: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": json.dumps(call("whoami")).encode(), "more_body": True},
    ]

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        return coming.pop()

    async def send(message: Message) -> None:
        answered.append(message)

    key = f"Bearer {sandbox.key}".encode()
    scope = {"type": "http", "path": "/mcp", "method": "POST", "headers": [(b"authorization", key)]}
    await Door(inner, KeyVerifier(), Sessions([b"k" * 32]))(scope, receive, send)

    assert (reached, answered) == ([], [])


@pytest.mark.parametrize("part", [b"", b"POST /mcp HTTP/1.1\r\nHost: ", b"P"])
async def test_a_head_that_dribbles_is_cut(
    service: Service, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    assert protocol.HEAD_SECONDS <= 10
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)

    with_answer = await service.raw(part)

    assert with_answer[0] == 0


async def test_a_second_head_that_dribbles_is_cut_too(
    service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(service.post(PING, key=sandbox.key))
    assert (await answer_of(reader))[0] == 200
    writer.write(b"POST /mcp HT")

    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "PATCH"])
async def test_other_methods_than_post_and_delete_are_not_allowed(
    service: Service, sandbox: Sandbox, method: str
) -> None:
    asked = service.post(PING, key=sandbox.key).replace(b"POST", method.encode(), 1)

    status, headers, _ = await service.raw(asked)

    assert status == 405
    assert "POST" in headers["allow"]


@pytest.mark.parametrize("path", ["/", "/mcp/", "/mcpx", "/.well-known/oauth-protected-resource", "/docs"])
async def test_nothing_else_is_served(service: Service, sandbox: Sandbox, path: str) -> None:
    status, _, _ = await service.raw(service.post(PING, key=sandbox.key).replace(b"/mcp", path.encode(), 1))

    assert status == 404


async def test_health_checks_say_nothing(service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        asked = f"GET {path} HTTP/1.1\r\nHost: {service.host}\r\n\r\n".encode()
        status, headers, body = await service.raw(asked)

        assert (status, body) == (200, b"ok\n")
        assert not {"server", "x-powered-by"} & set(headers)


async def test_a_call_above_the_most_in_flight_is_sent_away_and_health_checks_are_not(
    service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_IN_FLIGHT", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    asked = service.post(PING, key=sandbox.key)
    writer.write(asked[:-5])  # holds the one place until its body is whole
    await _until(lambda: service.guard.in_flight == 1)

    status, headers, body = await service.raw(asked)
    ready = await service.raw(f"GET /readyz HTTP/1.1\r\nHost: {service.host}\r\n\r\n".encode())
    writer.write(asked[-5:])
    first, _, _ = await answer_of(reader)
    writer.close()
    again, _, _ = await service.raw(asked)

    assert (status, headers["connection"]) == (503, "close")
    assert 1 <= int(headers["retry-after"]) <= 60
    assert b"nothing was started" in body
    assert (ready[0], first, again) == (200, 200, 200)


async def test_a_client_that_takes_nothing_of_its_answers_is_cut_off(
    service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert protocol.WRITE_SECONDS <= 60
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.2)
    connections = service.server.server_state.connections
    async with _small_buffers(service) as client:
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", service.port))
        client.send(service.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key=sandbox.key))
        await _until(lambda: len(connections) == 1)

        await _until(lambda: not connections and not service.guard.in_flight)


async def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(
    service: Service, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.5)
    loop, taken = asyncio.get_running_loop(), b""
    async with _small_buffers(service) as client:
        await loop.sock_connect(client, ("127.0.0.1", service.port))
        client.send(service.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key=sandbox.key))
        while not taken.endswith((b"}}", b"0\r\n\r\n")):
            part = await loop.sock_recv(client, 1_500)
            assert part, "the connection was cut"
            taken += part
            await asyncio.sleep(0.05)

    assert len(taken) > 20_000


@asynccontextmanager
async def _small_buffers(service: Service) -> AsyncIterator[socket.socket]:
    """A client, of whose answers the system keeps next to nothing, neither on its side nor on the service's."""
    await _until(lambda: service.server.started)
    for server in service.server.servers:
        for listener in server.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        yield client


async def _until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not is_so():  # noqa: ASYNC110 - the server's own counters, without an event
            await asyncio.sleep(0.01)


async def test_a_service_that_ends_is_not_ready_and_keeps_no_connection(
    service: Service, sandbox: Sandbox
) -> None:
    service.guard.ending = True

    ready = await service.raw(f"GET /readyz HTTP/1.1\r\nHost: {service.host}\r\n\r\n".encode())
    alive = await service.raw(f"GET /healthz HTTP/1.1\r\nHost: {service.host}\r\n\r\n".encode())
    answered, headers, _ = await service.raw(service.post(PING, key=sandbox.key))

    assert (ready[0], alive[0], answered) == (503, 200, 200)
    assert headers["connection"] == "close"


async def _session(service: Service, key: str, capabilities: dict[str, Any] | None = None) -> str:
    status, headers, _ = await service.raw(service.post(initialize(capabilities), key=key))
    assert status == 200
    return headers["mcp-session-id"]


async def test_a_session_is_known_as_long_as_its_key_comes_with_it(
    service: Service, sandbox: Sandbox
) -> None:
    other = sandbox.add_account("grace")
    session = await _session(service, sandbox.key)

    own = await service.raw(service.post(PING, f"Mcp-Session-Id: {session}", key=sandbox.key))
    foreign = await service.raw(service.post(PING, f"Mcp-Session-Id: {session}", key=other))

    assert (own[0], foreign[0]) == (200, 404)


@pytest.mark.parametrize("change", ["none of ours", "cut", "longer", "changed", "blank"])
async def test_an_unknown_or_garbled_session_is_not_found(
    service: Service, sandbox: Sandbox, change: str
) -> None:
    session = await _session(service, sandbox.key)
    given = {
        "none of ours": "0123456789abcdef",
        "cut": session[:-3],
        "longer": session + "A" * 5_000,
        "changed": session[:40] + ("A" if session[40] != "A" else "B") + session[41:],
        "blank": "",
    }[change]

    status, _, body = await service.raw(
        service.post(call("whoami"), f"Mcp-Session-Id: {given}", key=sandbox.key)
    )

    assert status == 404
    assert json.loads(body)["error"]["message"] == "Session not found; initialize again."


async def test_nobody_is_told_that_a_session_has_ended_which_lies_in_its_id(
    service: Service, sandbox: Sandbox
) -> None:
    session = await _session(service, sandbox.key)
    ping = service.post(PING, f"Mcp-Session-Id: {session}", key=sandbox.key)

    ended = await service.raw(ping.replace(b"POST", b"DELETE", 1))

    assert ended[0] == 405
    assert (await service.raw(ping))[0] == 200


async def test_the_id_of_a_session_is_short_whatever_a_client_declares(
    service: Service, sandbox: Sandbox
) -> None:
    declared: dict[str, Any] = {
        "elicitation": {},
        "experimental": {f"x{number}": {"y": "z" * 50} for number in range(200)},
    }

    session = await _session(service, sandbox.key, declared)

    assert len(session) < 1_000
    assert (await service.raw(service.post(PING, f"Mcp-Session-Id: {session}", key=sandbox.key)))[0] == 200


@pytest.mark.parametrize("character", ["x", "\N{GRINNING FACE}", "\0", "\ud83d"])
@pytest.mark.parametrize("size", [0, 500, 900, 1_900, 5_000])
def test_every_id_that_is_given_is_one_that_can_be_opened(character: str, size: int) -> None:
    sessions = Sessions([b"k" * 32])
    declared = {
        "clientInfo": {"name": character * 500, "version": character * 500},
        "capabilities": {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["x" * size]}}},
    }

    session_id = sessions.seal("0" * 64, "2025-11-25", declared)

    assert len(session_id) <= LONGEST_ID
    assert sessions.open(session_id, "0" * 64) is not None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("X-Cleanlist-Read-Only: true", 200),
        ("X-Cleanlist-Read-Only: perhaps", 400),
        ("X-Cleanlist-Toolsets: core, lists", 200),
        ("X-Cleanlist-Toolsets: everything", 400),
        ("X-Cleanlist-Toolsets:", 200),
    ],
)
async def test_a_wish_that_cannot_be_understood_is_refused(
    service: Service, sandbox: Sandbox, line: str, status: int
) -> None:
    answered, _, _ = await service.raw(service.post(PING, line, key=sandbox.key))

    assert answered == status
