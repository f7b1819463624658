"""Connections over real sockets: no answer is taken for another's, and what was sent is known."""

import gzip
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from cleanlist_mcp import __version__
from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.connections import Connections, Request
from cleanlist_mcp.api.reading import MAX_RESPONSE_BYTES
from cleanlist_mcp.api.wire import (
    CreateListRequest,
    CsvImportRequest,
    EstimateRequest,
    ListRequest,
    PersonRequest,
    RemoveLeadsRequest,
)
from cleanlist_mcp.errors import ApiError, ApiUnavailable, BadResponse, CertificateRefused
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.settings import Settings
from tests.raw_api import Seen, answer, serving
from tests.test_client import BASE, KEY, FakeClock
from tests.test_stdio import PROMPT, posix

WHOAMI = {"organization_id": "org_1", "organization_name": "Fable"}
ADA = PersonRequest(email="ada@fable.example", enrichment_type="partial")
QUOTE = {"quote_id": "qte_1", "expires_at": 1, "estimated_cost": 3, "row_count": 3, "available_credits": 9}

WRITES: dict[str, tuple[Callable[[CleanlistClient], Awaitable[Any]], dict[str, Any]]] = {
    "start_person": (lambda client: client.start_person(ADA, patience=0), {"workflow_id": "enrich-new"}),
    "start_list": (
        lambda client: client.start_list(
            ListRequest(lead_list_id="list_1", scope="full", quote_id="qte_1"), patience=0
        ),
        {"workflow_id": "bulk-enrich-new"},
    ),
    "estimate": (
        lambda client: client.estimate(EstimateRequest(list_id="list_1", scope="full")),
        QUOTE | {"quote_id": "qte_new"},
    ),
    "create_list": (
        lambda client: client.create_list(CreateListRequest(name="Fables")),
        {"list_id": "list_new"},
    ),
    "import_csv": (
        lambda client: client.import_csv(
            "list_1",
            CsvImportRequest(
                csv_content_base64="", column_mapping={"email": "email"}, idempotency_key="once"
            ),
        ),
        {"rows_imported": 7},
    ),
    "export": (lambda client: client.export("list_1"), {"download_url": "https://files.fable.example/new"}),
}
OLD: dict[str, dict[str, Any]] = {
    "start_person": {"workflow_id": "enrich-old"},
    "start_list": {"workflow_id": "bulk-enrich-old"},
    "estimate": QUOTE | {"quote_id": "qte_old", "estimated_cost": 1},
    "create_list": {"list_id": "list_old"},
    "import_csv": {"rows_imported": 99},
    "export": {"download_url": "https://files.fable.example/old"},
}


@asynccontextmanager
async def client_of(base_url: str, **settings: Any) -> AsyncIterator[CleanlistClient]:
    values: dict[str, Any] = {"api_key": SecretStr(KEY), "base_url": base_url} | settings
    client = CleanlistClient(
        Settings(**values), SharedBudget(FakeClock()), clock=FakeClock(), chance=lambda: 0.5
    )
    try:
        yield client
    finally:
        await client.aclose()


async def test_requests_are_these_bytes() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer({"list_id": "list_1", "removed": 1, "workflow_id": "enrich-1", "leads": []}))

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.leads("list_1", limit=5, cursor="é &=")
        await client.start_person(PersonRequest(first_name="Zoë", enrichment_type="partial"), patience=0)
        await client.remove_leads("list_1", RemoveLeadsRequest(lead_ids=["lead_1"]))

    sent = [
        ("GET /api/v1/public/lead-lists/list_1/leads?limit=5&cursor=%C3%A9+%26%3D", ""),
        ("POST /api/v1/public/enrichment/person", '{"first_name":"Zoë","enrichment_type":"partial"}'),
        ("DELETE /api/v1/public/lead-lists/list_1/leads", '{"lead_ids":["lead_1"]}'),
    ]
    for seen, (line, body) in zip(api.seen, sent, strict=True):
        assert seen.body.decode() == body
        assert seen.head.decode().split("\r\n") == [
            f"{line} HTTP/1.1",
            f"Host: 127.0.0.1:{api.port}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            f"Connection: {'close' if body else 'keep-alive'}",
            f"User-Agent: cleanlist-mcp/{__version__}",
            f"Authorization: Bearer {KEY}",
            *([f"Content-Length: {len(seen.body)}", "Content-Type: application/json"] if body else []),
        ]


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("apart", [False, True], ids=["same segment", "later"])
async def test_a_superfluous_answer_is_taken_for_that_of_no_write(name: str, apart: bool) -> None:
    write, new = WRITES[name]

    async def reply(seen: Seen, stream: ByteStream) -> None:
        if seen.method == "POST":
            await stream.send(answer(new))
        elif apart:
            await stream.send(answer(WHOAMI))
            await stream.send(answer(OLD[name]))
        else:
            await stream.send(answer(WHOAMI) + answer(OLD[name]))

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.whoami()
        got = await write(client)
        again = await write(client)

    assert new.items() <= got.model_dump().items()
    assert got == again
    assert [seen.connection for seen in api.seen] == [1, 2, 3]


async def test_no_connection_of_a_write_is_used_again_and_the_api_is_told_so() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        # More than was asked for, after every answer.
        await stream.send(answer({"workflow_id": "enrich-new"} | WHOAMI) + answer(WHOAMI))

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.start_person(ADA, patience=0)
        await client.whoami()
        await client.start_person(ADA, patience=0)

    assert [seen.connection for seen in api.seen] == [1, 2, 3]
    told = [b"connection: close" in seen.head.lower() for seen in api.seen]
    assert told == [True, False, True]


@pytest.mark.parametrize("most", [None, 10])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cookie_of_one_answer_goes_with_no_later_request(method: str, most: int | None) -> None:
    sent: list[str | None] = []

    def answering(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"Set-Cookie": f"session={len(sent)}; Path=/"})

    connections = Connections(Settings(base_url=BASE), httpx.MockTransport(answering), most=most)
    for key in ("of ada", "of kim", "of ada"):
        request = Request(method, "/whoami", None, None, "address", "call", None)
        await connections.exchange(request, {"Authorization": f"Bearer {key}"})
    await connections.aclose()
    assert sent == [None, None, None]


async def test_reads_share_a_connection() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer(WHOAMI))

    async with serving(reply) as api, client_of(api.base_url) as client:
        for _ in range(3):
            await client.whoami()

    assert api.connections == 1


@pytest.mark.parametrize("leftover", [b"x", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Len", b"\x00" * 300])
async def test_bytes_left_over_after_an_answer_disturb_nothing(leftover: bytes) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer({"workflow_id": "enrich-1"} | WHOAMI) + leftover)

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.whoami()
        started = await client.start_person(ADA, patience=0)
        again = await client.whoami()

    assert started.workflow_id == "enrich-1"
    assert again.organization_name == "Fable"


async def test_bytes_on_an_idle_connection_end_its_use() -> None:
    first_is_read = anyio.Event()
    stale_is_there = anyio.Event()

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer(WHOAMI))
        if len(api.seen) == 1:
            await first_is_read.wait()
            await stream.send(answer(WHOAMI | {"organization_name": "Stale"}))
            stale_is_there.set()

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.whoami()
        first_is_read.set()
        await stale_is_there.wait()
        second = await client.whoami()

    assert second.organization_name == "Fable"
    assert [seen.connection for seen in api.seen] == [1, 2]


def about(thing: str) -> dict[str, Any]:
    """An answer about a list or a run, whichever is asked for."""
    return {"list_id": thing, "name": thing, "leads": [], "workflow_id": thing, "status": "running"}


@pytest.mark.parametrize(
    "read",
    [
        lambda client, thing: client.leads(thing, limit=5),
        lambda client, thing: client.list_detail(thing),
        lambda client, thing: client.status(thing),
    ],
    ids=["leads", "list", "status"],
)
async def test_a_read_that_got_the_answer_about_another_thing_says_so_and_the_next_is_right(
    read: Callable[[CleanlistClient, str], Awaitable[Any]],
) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        thing = seen.path.removesuffix("/leads").rpartition("/")[2]
        if len(api.seen) == 2:
            await anyio.sleep_forever()  # its own answer is still to come when the next request is sent
        await stream.send(answer(about(thing)) * 2)

    async with serving(reply) as api, client_of(api.base_url) as client:
        await read(client, "one")
        with pytest.raises(BadResponse, match=r"about another (list|run) than") as raised:
            await read(client, "other")
        with anyio.fail_after(PROMPT):
            right = await read(client, "other")

    assert not raised.value.nothing_started
    assert "other" in right.model_dump().values()
    assert [seen.connection for seen in api.seen] == [1, 1, 2]


@pytest.mark.parametrize(
    "stale",
    [
        answer(b"<html>"),
        answer({"error": {"code": "gone"}}, 410),
        answer(WHOAMI, content_encoding="aes128gcm"),
    ],
    ids=["a page", "refused", "odd encoding"],
)
async def test_a_connection_is_not_used_again_after_an_answer_that_was_no_success(stale: bytes) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        if len(api.seen) == 2:
            await anyio.sleep_forever()
        await stream.send(answer(WHOAMI) + (stale if len(api.seen) == 1 else b""))

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.whoami()
        with pytest.raises(ApiError):
            await client.whoami()
        with anyio.fail_after(PROMPT):
            assert (await client.whoami()).organization_name == "Fable"

    assert [seen.connection for seen in api.seen] == [1, 1, 2]


@pytest.mark.parametrize("status", [404, 429])
async def test_a_read_that_waits_while_another_is_refused_is_not_broken_off_with_its_connection(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleanlist_mcp.api.connections.CONNECTIONS", 1)
    refused_is_there, both_wait, right_is_done = anyio.Event(), anyio.Event(), anyio.Event()

    async def note_slowly(*args: Any) -> None:
        await right_is_done.wait()

    monkeypatch.setattr(SharedBudget, "block", note_slowly)

    async def reply(seen: Seen, stream: ByteStream) -> None:
        if seen.path.endswith("refused"):
            refused_is_there.set()
            await both_wait.wait()
            await stream.send(answer({"error": {"code": "refused"}}, status))
        else:
            await stream.send(answer(about("right")))

    async def look(client: CleanlistClient, run: str) -> None:  # a look is sent once, whatever comes of it
        with pytest.raises(ApiError) if run == "refused" else nullcontext():
            await client.status(run, kind="look")
        if run == "right":
            right_is_done.set()

    async with serving(reply) as api, client_of(api.base_url) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(look, client, "refused")
        await refused_is_there.wait()
        tasks.start_soon(look, client, "right")
        await anyio.wait_all_tasks_blocked()
        both_wait.set()

    assert [(seen.path.rpartition("/")[2], seen.connection) for seen in api.seen] == [
        ("refused", 1),
        ("right", 2),
    ]


async def test_an_api_that_closes_its_connections_after_each_answer_makes_no_paid_call_uncertain() -> None:
    chance = random.Random(7)  # noqa: S311  # chance that repeats, nothing secret

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer({"workflow_id": f"enrich-{len(api.seen)}"} | WHOAMI))
        await anyio.sleep(chance.uniform(0, 0.004))
        await stream.aclose()

    started = []
    async with serving(reply) as api, client_of(api.base_url) as client:
        for number in range(100):
            started.append((await client.start_person(ADA, patience=0)).workflow_id)
            await anyio.sleep(chance.uniform(0, 0.004))
            if number % 3 == 0:
                await client.whoami()

    paid = [f"enrich-{number}" for number, seen in enumerate(api.seen, start=1) if seen.method == "POST"]
    assert started == paid
    assert len(started) == 100


async def test_paid_calls_at_once_have_a_connection_each() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        email = json.loads(seen.body)["email"]
        await stream.send(answer({"workflow_id": email.partition("@")[0]}) + answer({"workflow_id": "stale"}))

    got: dict[str, str] = {}

    async def start(client: CleanlistClient, name: str) -> None:
        request = PersonRequest(email=f"{name}@fable.example", enrichment_type="partial")
        got[name] = (await client.start_person(request, patience=0)).workflow_id

    async with serving(reply) as api, client_of(api.base_url) as client, anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(start, client, f"p{number}")

    assert got == {f"p{number}": f"p{number}" for number in range(30)}
    assert sorted(seen.connection for seen in api.seen) == list(range(1, 31))


async def test_the_trust_store_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(protocol: int) -> ssl.SSLContext:
        loaded.append(protocol)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr("truststore.SSLContext", load)
    async with client_of("https://127.0.0.1:1/api/v1/public") as client:
        for call in (client.whoami, lambda: client.start_person(ADA, patience=0)):
            with pytest.raises(ApiUnavailable):
                await call()

    assert len(loaded) == 1


@pytest.mark.parametrize(
    "sent_back",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\x01\x02",
        answer(b"{", transfer_encoding="gzip"),
    ],
    ids=["nothing", "half a head", "half a body", "another protocol", "noise", "an odd framing"],
)
async def test_a_paid_request_that_has_left_is_uncertain_whatever_comes_back(sent_back: bytes) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        if sent_back:
            await stream.send(sent_back)
        await stream.aclose()

    async with serving(reply) as api, client_of(api.base_url) as client:
        with pytest.raises(ApiError) as raised:
            await client.start_person(ADA, patience=10)

    assert len(api.seen) == 1
    assert not raised.value.nothing_started
    assert not raised.value.unprocessed
    assert raised.value.workflow_id is None


@pytest.mark.parametrize(
    "sent_back",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"workflow_id":"enrich-1","status":"pen',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{"workflow_id": "enrich-1",\r\nzz\r\n',
        answer({"workflow_id": "enrich-1"}, content_encoding="aes128gcm"),
        answer({"workflow_id": "enrich-1", "padding": "x" * MAX_RESPONSE_BYTES}),
        answer({"error": {"code": "duplicate_request", "details": {"workflow_id": "enrich-1"}}}, 409),
    ],
    ids=["cut off", "odd chunks", "odd encoding", "too large", "refused"],
)
async def test_the_run_that_an_answer_names_is_known_whatever_else_cannot_be_read(sent_back: bytes) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(sent_back)
        await stream.aclose()

    async with serving(reply) as api, client_of(api.base_url) as client:
        with pytest.raises(ApiError) as raised:
            await client.start_person(ADA, patience=0)

    assert raised.value.workflow_id == "enrich-1"
    assert not raised.value.nothing_started


async def test_an_answer_that_stops_coming_is_given_up_with_the_run_that_it_named() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"workflow_id":"enrich-1",')
        await anyio.sleep_forever()

    async with serving(reply) as api, client_of(api.base_url, timeout_seconds=0.2) as client:
        with anyio.fail_after(30), pytest.raises(ApiUnavailable, match=r"0\.2 seconds") as raised:
            await client.start_person(ADA, patience=0)

    assert raised.value.workflow_id == "enrich-1"


# What proxies do


@asynccontextmanager
async def proxy(
    monkeypatch: pytest.MonkeyPatch, scheme: str, handle: Callable[[SocketStream], Awaitable[None]]
) -> AsyncIterator[list[bytes]]:
    """A proxy that the environment names; `heard` is what was sent to it first on each connection."""
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            try:
                heard.append(await stream.receive())
                await handle(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database here
        monkeypatch.setenv(
            "ALL_PROXY" if scheme.startswith("socks") else "HTTPS_PROXY", f"{scheme}://127.0.0.1:{port}"
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            yield heard
            tasks.cancel_scope.cancel()


def saying(*pieces: bytes) -> Callable[[SocketStream], Awaitable[None]]:
    """A proxy that answers so, one piece for each it gets, and closes."""

    async def handle(stream: SocketStream) -> None:
        for number, piece in enumerate(pieces):
            if number:
                await stream.receive()
            if piece:
                await stream.send(piece)

    return handle


TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOCKS_OPEN = (b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6))
MISBEHAVING: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "socks: closed": ("socks5", (b"",)),
    "socks: another version": ("socks5", (b"\x04\x00",)),
    "socks: one byte": ("socks5", (b"\x05",)),
    "socks: no method": ("socks5", (b"\x05\xff",)),
    "socks: a password asked for": ("socks5", (b"\x05\x02",)),
    "socks: a web page": ("socks5", (b"HTTP/1.1 400 Bad Request\r\n\r\n",)),
    "socks: noise": ("socks5", (bytes(range(256)),)),
    "socks: closed later": ("socks5", (b"\x05\x00", b"")),
    "socks: refused": ("socks5", (b"\x05\x00", b"\x05\x05\x00\x01" + bytes(6))),
    "socks: an unknown code": ("socks5", (b"\x05\x00", b"\x05\x77\x00\x01" + bytes(6))),
    "socks: an unknown address": ("socks5", (b"\x05\x00", b"\x05\x00\x00\x09" + bytes(6))),
    "socks: cut": ("socks5", (b"\x05\x00", b"\x05")),
    "socks: no TLS behind it": ("socks5", (*SOCKS_OPEN, b"plain text")),
    "http: closed": ("http", (b"",)),
    "http: half a head": ("http", (b"HTTP/1.1 200 Conn",)),
    "http: another protocol": ("http", (b"SSH-2.0-OpenSSH\r\n",)),
    "http: noise": ("http", (bytes(range(256)),)),
    "http: an endless head": ("http", (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,)),
    "http: a password asked for": ("http", (answer(b"", 407),)),
    "http: refused": ("http", (answer(b"<html>", 502),)),
    "http: reason in no ASCII": ("http", ("HTTP/1.1 503 Größe\r\n\r\n".encode("latin-1"),)),
    "http: no TLS behind it": ("http", (TUNNEL, b"plain text")),
    "http: closed behind it": ("http", (TUNNEL, b"")),
}


@pytest.mark.parametrize("name", MISBEHAVING)
async def test_a_proxy_that_misbehaves_is_unreachable_and_nothing_was_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme, pieces = MISBEHAVING[name]
    async with proxy(monkeypatch, scheme, saying(*pieces)) as heard, client_of(BASE) as client:
        with pytest.raises(ApiUnavailable, match="nothing was sent") as raised:
            await client.start_person(ADA, patience=0)

    assert raised.value.nothing_started
    assert raised.value.unprocessed
    assert KEY.encode() not in b"".join(heard)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_proxy_that_never_answers_is_given_up_with_nothing_sent(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stay_silent(stream: SocketStream) -> None:
        await anyio.sleep_forever()

    async with proxy(monkeypatch, scheme, stay_silent), client_of(BASE, timeout_seconds=0.2) as client:
        with anyio.fail_after(30), pytest.raises(ApiUnavailable, match="nothing was sent") as raised:
            await client.start_person(ADA, patience=0)

    assert raised.value.nothing_started


async def test_a_paid_request_is_sent_again_once_the_proxy_behaves(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    async def recover(stream: SocketStream) -> None:
        tries.append(1)

    async with proxy(monkeypatch, "socks5", recover), client_of(BASE) as client:
        with pytest.raises(ApiUnavailable):
            await client.start_person(ADA, patience=10)

    assert len(tries) > 1


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fable")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def trusting(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_over_tls_reads_share_a_connection_and_each_write_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truststore.SSLContext", trusting)

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer({"workflow_id": "enrich-new"} | WHOAMI))

    async with serving(reply, certificate(tmp_path)) as api, client_of(api.base_url) as client:
        for _ in range(2):
            await client.whoami()
            await client.start_person(ADA, patience=0)

    assert [(seen.method, seen.connection) for seen in api.seen] == [
        ("GET", 1),
        ("POST", 2),
        ("GET", 1),
        ("POST", 3),
    ]


@pytest.mark.parametrize("spends", [False, True])
async def test_a_certificate_that_nobody_signed_is_refused_and_nothing_was_sent(
    spends: bool, tmp_path: Path
) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer(WHOAMI))

    async with serving(reply, certificate(tmp_path)) as api, client_of(api.base_url) as client:
        with pytest.raises(CertificateRefused, match="nothing was sent") as raised:
            await (client.start_person(ADA, patience=0) if spends else client.whoami())

    assert raised.value.nothing_started
    assert api.seen == []


async def is_done_in(turns: int, call: Callable[[], Awaitable[Any]]) -> bool:
    """Cancel a call after so many turns of the event loop; return whether it was done by then."""
    done = False

    async def run() -> None:
        nonlocal done
        await call()
        done = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return done


@pytest.mark.parametrize("which", ["a read", "a read over a kept connection", "a paid one"])
@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_request_that_is_cancelled_at_any_moment_frees_its_place_and_ends_its_connection(
    over_tls: bool, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truststore.SSLContext", trusting)
    monkeypatch.setattr("cleanlist_mcp.api.connections.CONNECTIONS", 1)

    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer({"workflow_id": "enrich-1"} | WHOAMI))

    async with serving(reply, certificate(tmp_path) if over_tls else None) as api:
        async with client_of(api.base_url) as client:
            call = partial(client.start_person, ADA, patience=0) if which == "a paid one" else client.whoami
            turns = 0
            while not await is_done_in(turns, call) and turns < 200:
                turns += 1
                if which == "a read over a kept connection":
                    await call()
            await call()
        with anyio.fail_after(30):
            while api.open:
                await anyio.lowlevel.checkpoint()

    assert turns > 2


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_request_that_left_through_a_proxys_tunnel_is_uncertain_when_it_breaks(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truststore.SSLContext", trusting)
    context = certificate(tmp_path)
    behind: list[bytes] = []

    async def tunnel(stream: SocketStream) -> None:
        await saying(*(SOCKS_OPEN if scheme == "socks5" else (TUNNEL,)))(stream)
        tls = await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)
        behind.append(await tls.receive())

    async with proxy(monkeypatch, scheme, tunnel), client_of(BASE) as client:
        with pytest.raises(ApiUnavailable, match="broke the connection off") as raised:
            await client.start_person(ADA, patience=10)

    assert len(behind) == 1
    assert behind[0].startswith(b"POST /api/v1/public/enrichment/person ")
    assert not raised.value.nothing_started


async def test_a_request_that_has_no_connection_yet_when_its_time_is_over_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*args: Any, **kwargs: Any) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("anyio.connect_tcp", never)
    async with client_of("http://127.0.0.1:1", timeout_seconds=0.2) as client:
        with anyio.fail_after(30), pytest.raises(ApiUnavailable, match="nothing was sent") as raised:
            await client.start_person(ADA, patience=0)

    assert raised.value.nothing_started


# Answers that are packed

ONE_MIB = bytes(1 << 20)


def bomb(mebibytes: int) -> bytes:
    """That much of nothing in one layer of gzip, without the checksum that ends it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    once = packer.compress(ONE_MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + once * mebibytes


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (bomb(1024), "gzip"),
        (gzip.compress(bomb(1024)), "gzip, gzip"),
        (gzip.compress(gzip.compress(bomb(4096))), "gzip, gzip, gzip"),
        (zlib.compress(ONE_MIB * 16), "deflate"),
        (gzip.compress(bomb(1024)), "gzip"),
    ],
    ids=["one layer", "two layers", "three layers", "deflate", "more layers than said"],
)
async def test_an_answer_that_swells_takes_neither_memory_nor_time(content: bytes, encoding: str) -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer(content, content_encoding=encoding))

    async with serving(reply) as api, client_of(api.base_url) as client:
        tracemalloc.start()
        began = anyio.current_time()
        with pytest.raises(BadResponse) as raised:
            await client.start_person(ADA, patience=10)
        took = anyio.current_time() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert not raised.value.nothing_started
    assert len(api.seen) == 1
    assert peak < 60_000_000
    assert took < 5  # a guard for loaded machines; unpacked to its end it would take far longer


async def test_no_packed_answers_are_asked_for() -> None:
    async def reply(seen: Seen, stream: ByteStream) -> None:
        await stream.send(answer(WHOAMI | QUOTE))

    async with serving(reply) as api, client_of(api.base_url) as client:
        await client.whoami()
        await client.estimate(EstimateRequest(list_id="list_1", scope="full"))

    asked = [line for seen in api.seen for line in seen.head.lower().split(b"\r\n") if b"encoding" in line]
    assert asked == [b"accept-encoding: identity"] * 2


# A process that is stopped, as by a laptop that sleeps

CHILD = """
import json, sys
import anyio
from pydantic import SecretStr
from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.errors import ApiError
from cleanlist_mcp.api.wire import PersonRequest
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.settings import Settings

async def main():
    settings = Settings(
        api_key=SecretStr("clapi_fictional_key"), base_url=sys.argv[1], timeout_seconds=float(sys.argv[2])
    )
    client = CleanlistClient(settings, SharedBudget(SystemClock()))
    request = PersonRequest(email="ada@fable.example", enrichment_type="partial")
    try:
        print((await client.start_person(request, patience=0)).workflow_id)
    except ApiError as error:
        print(error.message)
    await client.aclose()

anyio.run(main)
"""


@posix
@pytest.mark.parametrize("limit", [0.3, pytest.param(1.2, marks=pytest.mark.long)])
async def test_an_answer_that_came_while_the_process_was_stopped_is_read(limit: float) -> None:
    process: subprocess.Popen[str] | None = None

    async def reply(seen: Seen, stream: ByteStream) -> None:
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        await anyio.to_thread.run_sync(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        content = {"workflow_id": "enrich-1", "padding": "x" * 1_000_000}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, answer(content))
            await anyio.sleep(limit + 1.5)  # every timer of it is overdue
            process.send_signal(signal.SIGCONT)

    async with serving(reply) as api:
        process = subprocess.Popen(  # noqa: ASYNC220  # it is stopped and gone on with by its id
            [sys.executable, "-c", CHILD, api.base_url, str(limit)], stdout=subprocess.PIPE, text=True
        )
        with process:
            try:
                said, _ = await anyio.to_thread.run_sync(process.communicate)
            finally:
                process.kill()

    assert said.strip() == "enrich-1"
