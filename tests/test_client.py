"""The one door to the network: what leaves, what is believed, and what is tried again."""

import gzip
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from pydantic import SecretStr

from cleanlist_mcp.api.client import PATIENCE, CleanlistClient
from cleanlist_mcp.api.reading import MAX_RESPONSE_BYTES
from cleanlist_mcp.api.retries import MAX_ATTEMPTS
from cleanlist_mcp.api.wire import (
    CreateListRequest,
    CsvImportRequest,
    EstimateRequest,
    ListRequest,
    PersonRequest,
)
from cleanlist_mcp.errors import (
    Advice,
    ApiError,
    ApiUnavailable,
    BadResponse,
    CertificateRefused,
    CleanlistError,
    NotConfigured,
    RateLimited,
    Unauthorized,
)
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.settings import Settings

KEY = "clapi_fictional_key"
BASE = "https://api.cleanlist.example/api/v1/public"
WHOAMI = {"organization_id": "org_1", "organization_name": "Fable"}
LIST = ListRequest(lead_list_id="list_1", scope="phone-only", quote_id="qte_1")

Answer = httpx.Response | Exception
Handler = Callable[[httpx.Request], Answer]


class FakeClock:
    """Waiting takes no time, and is remembered."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def since_boot(self) -> tuple[str, float]:
        return "this start", self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def wait(self, event: anyio.Event, seconds: float) -> bool:
        if not event.is_set():
            await self.sleep(seconds)
        return event.is_set()


class Api:
    """An API that gives the arranged answers, the last one again and again, and remembers the requests."""

    def __init__(self, *answers: Answer, **settings: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.clock = FakeClock()
        self.answers: Sequence[Answer] = answers or (httpx.Response(200, json=WHOAMI),)
        values: dict[str, Any] = {"api_key": SecretStr(KEY), "base_url": BASE}
        self.client = CleanlistClient(
            Settings(**(values | settings)),
            SharedBudget(self.clock),
            transport=httpx.MockTransport(self._answer),
            clock=self.clock,
            chance=lambda: 0.5,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].content)


def refused(status: int, **error: Any) -> httpx.Response:
    return httpx.Response(status, json={"error": error})


EVERY_CALL: dict[str, Callable[[CleanlistClient], Awaitable[object]]] = {
    "whoami": lambda client: client.whoami(),
    "balance": lambda client: client.balance(),
    "estimate": lambda client: client.estimate(EstimateRequest(list_id="list_1", scope="full")),
    "start_person": lambda client: client.start_person(
        PersonRequest(email="ada@fable.example", enrichment_type="partial"), patience=0
    ),
    "start_list": lambda client: client.start_list(LIST, patience=0),
    "status": lambda client: client.status("enrich-1"),
    "create_list": lambda client: client.create_list(CreateListRequest(name="Fables")),
    "lists": lambda client: client.lists(cursor="next"),
    "list_detail": lambda client: client.list_detail("list_1"),
    "leads": lambda client: client.leads("list_1", limit=5),
    "import_csv": lambda client: client.import_csv(
        "list_1",
        CsvImportRequest(csv_content_base64="", column_mapping={"email": "email"}, idempotency_key="k"),
    ),
    "export": lambda client: client.export("list_1"),
}


@pytest.mark.parametrize("name", EVERY_CALL)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json=[]),
        httpx.Response(400, json={"detail": KEY.removeprefix("clapi_")}),
        httpx.Response(502, text="<html></html>"),
        httpx.ReadError("broken"),
        httpx.ConnectError("refused"),
    ],
    ids=["unreadable", "refusal", "proxy", "reset", "refused"],
)
async def test_the_key_is_in_one_header_and_nowhere_else(
    name: str, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = Api(answer)
    with pytest.raises(ApiError) as raised:
        await EVERY_CALL[name](api.client)

    for request in api.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        others = {key: value for key, value in request.headers.items() if key != "authorization"}
        assert KEY not in f"{request.url}{others}{request.content!r}"
    assert api.requests
    error = raised.value
    shown = f"{error!r} {error.message} {error.next_step} {error.__cause__!r} {vars(error)}"
    assert KEY not in shown + caplog.text + repr(api.client) + repr(vars(api.client))


async def test_without_a_key_nothing_is_sent() -> None:
    api = Api(api_key=None)
    with pytest.raises(NotConfigured):
        await api.client.whoami()

    assert api.requests == []


@pytest.mark.parametrize(
    ("hostile", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("../whoami", "..%2Fwhoami"),
        ("x?y=1#z", "x%3Fy%3D1%23z"),
        ("a b", "a%20b"),
        ("%2e%2e", "%252e%252e"),
        ("ü", "%C3%BC"),
    ],
)
async def test_an_id_stays_one_piece_of_the_path(hostile: str, encoded: str) -> None:
    api = Api(httpx.Response(404))
    for ask in (api.client.status, api.client.list_detail):
        with pytest.raises(CleanlistError):
            await ask(hostile)
    with pytest.raises(CleanlistError):
        await api.client.leads(hostile, limit=1)

    paths = [request.url.raw_path.decode().partition("?")[0] for request in api.requests]
    prefix = "/api/v1/public"
    assert paths == [
        f"{prefix}/enrichment/status/{encoded}",
        f"{prefix}/lead-lists/{encoded}",
        f"{prefix}/lead-lists/{encoded}/leads",
    ]


async def test_a_list_run_names_its_list_as_each_version_of_the_api_does() -> None:
    started = httpx.Response(200, json={"workflow_id": "bulk-enrich-1"})
    public, second = Api(started), Api(started, base_url="https://api.cleanlist.example/api/v2")
    await public.client.start_list(LIST, patience=0)
    await second.client.start_list(LIST, patience=0)

    rest = {"scope": "phone-only", "quote_id": "qte_1"}
    assert public.body == {"lead_list_id": "list_1"} | rest
    assert second.body == {"list_id": "list_1"} | rest


async def test_redirects_are_not_followed() -> None:
    api = Api(httpx.Response(307, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(BadResponse, match="307"):
        await api.client.whoami()

    assert len(api.requests) == 1


class Stream(httpx.AsyncByteStream):
    """A body that never ends, and counts what was taken of it."""

    def __init__(self, chunk: bytes, pause: float = 0.0) -> None:
        self.taken = 0
        self.closed = False
        self._chunk = chunk
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self._pause)
            self.taken += len(self._chunk)
            yield self._chunk

    async def aclose(self) -> None:
        self.closed = True


class Streaming(httpx.AsyncBaseTransport):
    def __init__(self, stream: Stream, **headers: str) -> None:
        self.requests = 0
        self._stream = stream
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(200, headers=self._headers, stream=self._stream)


def over(transport: httpx.AsyncBaseTransport | None, **settings: Any) -> CleanlistClient:
    values: dict[str, Any] = {"api_key": SecretStr(KEY), "base_url": BASE}
    return CleanlistClient(
        Settings(**(values | settings)), SharedBudget(FakeClock()), transport=transport, clock=FakeClock()
    )


async def test_an_answer_without_end_is_read_up_to_8_mib() -> None:
    stream = Stream(b" " * 65_536)
    transport = Streaming(stream)
    with pytest.raises(BadResponse, match="larger"):
        await over(transport).whoami()

    assert stream.taken <= MAX_RESPONSE_BYTES + 65_536
    assert stream.closed
    assert transport.requests == 1


async def test_a_small_answer_that_swells_is_not_unpacked_further() -> None:
    class Bomb(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            packed = gzip.compress(b" " * (2 * MAX_RESPONSE_BYTES))
            return httpx.Response(200, headers={"content-encoding": "gzip"}, content=packed)

    with pytest.raises(BadResponse, match="larger"):
        await over(Bomb()).whoami()


@pytest.mark.parametrize("failure", [OSError("reset"), RuntimeError("odd"), None])
async def test_what_goes_wrong_after_the_answer_takes_nothing_back(failure: Exception | None) -> None:
    class BrokenEnd(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'{"workflow_id":"bulk-enrich-1"}'

        async def aclose(self) -> None:
            if failure is not None:
                raise failure
            await anyio.sleep_forever()

    class Ending(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=BrokenEnd())

    with anyio.fail_after(30):
        started = await over(Ending(), timeout_seconds=0.2).start_list(LIST, patience=0)

    assert started.workflow_id == "bulk-enrich-1"


async def test_an_answer_that_trickles_ends_with_the_requests_time() -> None:
    stream = Stream(b" ", pause=0.01)
    with anyio.fail_after(30), pytest.raises(ApiUnavailable, match=r"0\.2 seconds") as raised:
        await over(Streaming(stream), timeout_seconds=0.2).status("enrich-1", kind="look")

    assert not raised.value.nothing_started
    assert stream.closed


@pytest.mark.parametrize(
    "failure",
    [
        refused(429, code="rate_limited", retry_after_ms=100),
        refused(502),
        httpx.Response(503, text="<html></html>"),
        refused(504),
        refused(409, code="busy", retryable=True),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
    ids=lambda item: str(item) if isinstance(item, Exception) else str(item.status_code),
)
async def test_a_free_request_is_tried_again_until_it_works(failure: Answer) -> None:
    api = Api(failure, failure, httpx.Response(200, json=WHOAMI))

    assert (await api.client.whoami()).organization_name == "Fable"
    assert len(api.requests) == 3
    assert len(api.clock.slept) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    api = Api(refused(status, code="no"))
    with pytest.raises(ApiError):
        await api.client.whoami()

    assert len(api.requests) == 1


async def test_it_stops_trying_after_a_few_times_and_seconds() -> None:
    api = Api(httpx.ConnectError("refused"))
    with pytest.raises(ApiUnavailable, match="nothing was sent"):
        await api.client.whoami()

    assert len(api.requests) == MAX_ATTEMPTS
    assert sum(api.clock.slept) <= PATIENCE


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("refused"), refused(429, retry_after_ms=100), refused(503, retryable=True)],
    ids=["refused", "429", "503"],
)
async def test_a_spend_is_sent_again_where_it_was_certainly_not_processed(failure: Answer) -> None:
    api = Api(failure, httpx.Response(200, json={"workflow_id": "bulk-enrich-1"}))

    assert (await api.client.start_list(LIST, patience=10)).workflow_id == "bulk-enrich-1"
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadError("reset"),
        httpx.ReadTimeout("late"),
        httpx.WriteError("unsent"),
        httpx.RemoteProtocolError("cut"),
        refused(500, retryable=True),
        refused(502, retryable=True),
        refused(503),
        httpx.Response(200, text="{"),
        httpx.Response(204),
        httpx.Response(302),
    ],
    ids=lambda item: str(item) if isinstance(item, Exception) else str(item.status_code),
)
async def test_a_spend_whose_answer_is_lost_is_sent_once_and_uncertain(failure: Answer) -> None:
    api = Api(failure)
    with pytest.raises(ApiError) as raised:
        await api.client.start_list(LIST, patience=10)

    assert len(api.requests) == 1
    assert not raised.value.nothing_started


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"error":{"code":"no"}}'])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 407, 413, 422])
async def test_a_spend_that_was_refused_is_certain_whoever_refused_it(status: int, body: bytes) -> None:
    api = Api(httpx.Response(status, content=body))
    with pytest.raises(ApiError) as raised:
        await api.client.start_list(LIST, patience=10)

    assert len(api.requests) == 1
    assert raised.value.nothing_started
    assert raised.value.charged == "no"


@pytest.mark.parametrize(
    "failure",
    [
        refused(409, code="quote_already_used"),
        refused(409, code="duplicate_request", workflow_id="enrich-1"),
        refused(400, code="already_processing"),
        refused(408),
        refused(425, code="too_early"),
        refused(499, code="client_closed_request"),
        httpx.Response(405, text="<html></html>"),
    ],
    ids=["409 used", "409 duplicate", "400", "408", "425", "499", "405"],
)
async def test_a_spend_whose_refusal_may_be_of_its_own_doing_is_uncertain(failure: Answer) -> None:
    api = Api(failure)
    with pytest.raises(ApiError) as raised:
        await api.client.start_list(LIST, patience=10)

    assert len(api.requests) == 1
    assert not raised.value.nothing_started


async def test_nothing_is_sent_again_once_the_server_stops() -> None:
    api = Api(httpx.ConnectError("refused"))
    stop = anyio.Event()
    stop.set()
    with pytest.raises(ApiUnavailable):
        await api.client.start_list(LIST, patience=10, stop=stop)

    assert len(api.requests) == 1


async def test_a_poll_is_one_request() -> None:
    api = Api(refused(503, retryable=True))
    with pytest.raises(ApiUnavailable):
        await api.client.status("enrich-1", kind="look")

    assert len(api.requests) == 1


async def test_a_429_that_fits_is_waited_for_and_one_that_does_not_is_told_at_once() -> None:
    short = Api(refused(429, retry_after_ms=4000), httpx.Response(200, json=WHOAMI))
    await short.client.whoami()
    assert 4 <= sum(short.clock.slept) < 5

    long = Api(refused(429, retry_after_ms=30_000), httpx.Response(200, json=WHOAMI))
    with pytest.raises(RateLimited) as raised:
        await long.client.whoami()
    assert raised.value.retry_after == 30
    assert long.clock.slept == []

    with pytest.raises(RateLimited) as held_back:
        await long.client.balance()
    assert len(long.requests) == 1
    assert held_back.value.retry_after == pytest.approx(30, abs=1)

    long.clock.now += 30
    assert (await long.client.whoami()).organization_name == "Fable"


@pytest.mark.parametrize("wait", [10**9, 10**400, float("inf")])
async def test_no_429_stops_the_server_for_longer_than_two_windows(wait: float) -> None:
    absurd = json.dumps({"error": {"retry_after_ms": wait}})
    api = Api(httpx.Response(429, content=absurd), httpx.Response(200, json=WHOAMI))
    for _ in range(2):
        with pytest.raises(RateLimited) as raised:
            await api.client.whoami()
        assert raised.value.retry_after == 120
    api.clock.now += 120

    assert (await api.client.whoami()).organization_name == "Fable"
    assert len(api.requests) == 2


@pytest.mark.parametrize("wait", [-1, float("nan"), None, "soon"])
async def test_a_429_without_a_sensible_wait_stops_the_server_for_one_window(wait: object) -> None:
    api = Api(httpx.Response(429, content=json.dumps({"error": {"retry_after_ms": wait}})))
    with pytest.raises(RateLimited):
        await api.client.whoami()
    api.clock.now += 45
    with pytest.raises(RateLimited):
        await api.client.whoami()
    assert len(api.requests) == 1
    api.clock.now += 15
    with pytest.raises(RateLimited):
        await api.client.whoami()
    assert len(api.requests) == 2


async def test_a_certificate_that_is_not_trusted_is_said_and_not_tried_again() -> None:
    api = Api(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"))
    with pytest.raises(ApiUnavailable, match="certificate") as raised:
        await api.client.whoami()

    assert len(api.requests) == 1
    assert not raised.value.retryable
    assert raised.value.nothing_started


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b'{"credits":"many"}', b"[" * 10_000, b"\xff", b"<html>"),
        *(b'{"credits":true}', b'{"credits":null}', b'{"credits":NaN}', b'{"credits":%b}' % (b"9" * 5_000)),
        *(b'{"credits":1e30}', b'{"credits":-1e30}', b'{"credits":-Infinity}', b'{"credits":[5]}'),
    ],
)
async def test_a_success_that_cannot_be_read_is_told_without_its_text(content: bytes) -> None:
    api = Api(httpx.Response(200, content=content))
    with pytest.raises(BadResponse) as raised:
        await api.client.balance()

    assert len(api.requests) == 1
    assert raised.value.__cause__ is None
    assert "many" not in raised.value.message


async def test_new_fields_and_words_do_not_disturb() -> None:
    answer = {"workflow_id": "enrich-1", "status": "sparkling", "total": None, "new": {"deep": [1]}}
    status = await Api(httpx.Response(200, json=answer)).client.status("enrich-1")

    assert not status.finished
    assert status.total == 0


@pytest.mark.parametrize("expires_at", ["2026-11-24T10:00:00Z", None, -1, True])
async def test_a_quote_whose_expiry_cannot_be_read_is_still_a_quote(expires_at: object) -> None:
    figures = {"estimated_cost": 12, "row_count": 12, "available_credits": 88.5}
    answer = {"quote_id": "qte_1", "expires_at": expires_at, **figures}
    client = Api(httpx.Response(200, json=answer)).client
    quote = await client.estimate(EstimateRequest(list_id="list_1", scope="partial"))

    assert (quote.expires_at, quote.available_credits) == (0.0, 88)


ESTIMATED = {
    "quote_id": "qte_1",
    "expires_at": 1,
    "estimated_cost": 12,
    "row_count": 12,
    "available_credits": 88,
}


@pytest.mark.parametrize("name", ["estimated_cost", "row_count"])
@pytest.mark.parametrize("value", [True, False, "5", 5.5, -1, None, [5], 10**12, 1e300, "NaN"])
async def test_a_quote_whose_figures_are_no_plain_amounts_is_none(name: str, value: object) -> None:
    client = Api(httpx.Response(200, json=ESTIMATED | {name: value})).client
    with pytest.raises(BadResponse):
        await client.estimate(EstimateRequest(list_id="list_1", scope="partial"))


@pytest.mark.parametrize("name", ["estimated_cost", "row_count"])
async def test_a_whole_amount_may_be_spelt_with_a_decimal_point(name: str) -> None:
    client = Api(httpx.Response(200, json=ESTIMATED | {name: 12.0})).client
    quote = await client.estimate(EstimateRequest(list_id="list_1", scope="partial"))

    assert (quote.estimated_cost, quote.row_count) == (12, 12)


async def test_a_quote_that_gives_rows_away_is_none_and_one_of_no_rows_costs_nothing() -> None:
    free, empty = ESTIMATED | {"estimated_cost": 0}, ESTIMATED | {"estimated_cost": 0, "row_count": 0}
    api = Api(httpx.Response(200, json=free), httpx.Response(200, json=empty))
    request = EstimateRequest(list_id="list_1", scope="partial")
    with pytest.raises(BadResponse):
        await api.client.estimate(request)

    assert (await api.client.estimate(request)).estimated_cost == 0


@pytest.mark.parametrize("value", [True, "5", 5.5, -1, None, "many", [5], 10**12, {"credits": 5}])
async def test_a_reservation_that_is_no_plain_amount_counts_as_not_told(value: object) -> None:
    for path in ("start_person", "start_list"):
        answer = {"workflow_id": "enrich-1", "credits_reserved": value}
        started = await EVERY_CALL[path](Api(httpx.Response(200, json=answer)).client)
        assert getattr(started, "credits_reserved", None) == 0


@pytest.mark.parametrize(
    ("sent", "read"), [(-5, -5), (-5.5, -6), (-0.0, 0), (88.5, 88), ("7", 7), ("-7", -7), (0, 0)]
)
async def test_an_account_may_owe_credits(sent: object, read: int) -> None:
    balance = await Api(httpx.Response(200, json={"credits": sent})).client.balance()
    client = Api(httpx.Response(200, json=ESTIMATED | {"available_credits": sent})).client
    quote = await client.estimate(EstimateRequest(list_id="list_1", scope="partial"))

    assert (balance.credits, quote.available_credits) == (read, read)


async def test_a_list_without_an_id_hides_no_other() -> None:
    answer = {"lists": [{"list_id": None, "name": "Ghost"}, {"list_id": "list_1"}], "total": 2}
    page = await Api(httpx.Response(200, json=answer)).client.lists()

    assert [item.list_id for item in page.lists] == ["list_1"]


async def test_a_success_that_lacks_what_was_asked_for_is_not_believed() -> None:
    client = Api(httpx.Response(200, json={"error": {"code": "unauthorized"}})).client

    for ask in (client.whoami, client.lists, lambda: client.status("enrich-1")):
        with pytest.raises(BadResponse):
            await ask()
    with pytest.raises(BadResponse):
        await client.leads("list_1", limit=25)


async def test_a_status_without_a_word_is_unknown() -> None:
    status = await Api(httpx.Response(200, json={"status": None})).client.status("enrich-1")

    assert status.status == "unknown" and not status.finished


@pytest.mark.parametrize(
    "failure", [ssl.SSLError("WRONG_VERSION_NUMBER"), ValueError("odd"), KeyError("odder"), EOFError()]
)
async def test_a_failure_of_the_network_that_nobody_expects_is_a_lost_connection(failure: Exception) -> None:
    api = Api(failure)
    with pytest.raises(ApiUnavailable, match="broke the connection off") as raised:
        await api.client.start_list(LIST, patience=PATIENCE)

    assert not raised.value.nothing_started


DEAD_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


async def test_loopback_traffic_goes_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DEAD_PROXY.items():
        monkeypatch.setenv(name, value)
    sandbox = Sandbox()
    async with running(sandbox) as base_url:
        client = over(None, base_url=base_url, api_key=SecretStr(sandbox.key))
        whoami = await client.whoami()
        await client.aclose()

    assert whoami.organization_name == "Northwind Sandbox"


async def test_other_traffic_goes_through_the_users_proxy_which_never_sees_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[bytes] = []

    async def turn_away(stream: SocketStream) -> None:
        async with stream:
            heard.append(await stream.receive())
            await stream.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database here
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, turn_away)
            client = over(None)
            with pytest.raises(ApiUnavailable, match="nothing was sent") as raised:
                await client.whoami()
            await client.aclose()
            tasks.cancel_scope.cancel()

    assert raised.value.nothing_started
    assert heard[0].startswith(b"CONNECT api.cleanlist.example:443")
    assert KEY.encode() not in b"".join(heard)


@pytest.mark.parametrize("proxy", ["foo://127.0.0.1:9", "http://[::1"])
async def test_a_proxy_that_is_none_is_said_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(ApiUnavailable, match="proxy settings") as raised:
        await over(None).whoami()

    assert raised.value.nothing_started
    assert not raised.value.retryable


async def test_a_socks_proxy_is_asked_for_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def connect_to_nothing(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"\x05\x00")  # no password is needed (RFC 1928)
            asked.append(await stream.receive())
            await stream.send(b"\x05\x00\x00\x01" + bytes(6))

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database here
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, connect_to_nothing)
            client = over(None)
            with pytest.raises(ApiUnavailable):
                await client.whoami()
            await client.aclose()
            tasks.cancel_scope.cancel()

    assert b"api.cleanlist.example" in asked[0]


def in_truststore() -> ssl.SSLError:
    """An error as truststore raises it if the system refuses a certificate in a way of its own."""
    scope: dict[str, Any] = {"__name__": "truststore._macos", "ssl": ssl}
    exec("def evaluate():\n    raise ssl.SSLError('Unable to evaluate the trust')", scope)  # noqa: S102
    try:
        scope["evaluate"]()
    except ssl.SSLError as error:
        return error
    raise AssertionError


def refused_by(cause: Exception) -> httpx.ConnectError:
    """Return the error that httpx makes of one in a TLS handshake."""
    try:
        raise httpx.ConnectError(str(cause)) from cause
    except httpx.ConnectError as error:
        return error


@pytest.mark.parametrize(
    "cause",
    [
        ssl.SSLCertVerificationError("“api.cleanlist.example” certificate is not trusted"),
        ssl.SSLCertVerificationError(
            "A certificate chain processed, but terminated in a root certificate which is not trusted"
        ),
        ssl.SSLCertVerificationError("Peer sent no certificates to verify"),
        ssl.SSLError(
            1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
        ),
        in_truststore(),
        ExceptionGroup("attempts", [OSError("unreachable"), ssl.SSLCertVerificationError("has expired")]),
    ],
    ids=["macOS", "Windows", "nothing shown", "OpenSSL", "truststore", "several attempts"],
)
async def test_a_certificate_that_is_not_trusted_is_named_on_every_system(cause: Exception) -> None:
    api = Api(refused_by(cause))
    with pytest.raises(CertificateRefused, match="does not trust the API's TLS certificate") as raised:
        await api.client.start_list(LIST, patience=PATIENCE)

    assert (raised.value.fate, raised.value.retryable) == ("not_sent", False)
    assert api.clock.slept == []
    assert isinstance(raised.value.next_step, Advice)


async def test_a_tls_error_of_another_kind_is_no_certificate() -> None:
    api = Api(*[refused_by(ssl.SSLError("WRONG_VERSION_NUMBER"))] * MAX_ATTEMPTS)
    with pytest.raises(ApiUnavailable, match="cannot be reached") as raised:
        await api.client.whoami()

    assert not isinstance(raised.value, CertificateRefused)


@pytest.mark.parametrize("status", [401, 402, 407])
@pytest.mark.parametrize(
    "body", [b"", b"<html>Authorization required</html>", b'{"detail": "no"}', b"denied", b"[]"]
)
async def test_a_refusal_that_no_envelope_explains_is_certain_for_a_paid_request(
    status: int, body: bytes
) -> None:
    api = Api(httpx.Response(status, content=body))
    with pytest.raises(ApiError) as raised:
        await api.client.start_list(LIST, patience=PATIENCE)

    assert raised.value.fate == "refused"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_key_in_the_words_of_a_refusal_goes_no_further(wrapped: bool) -> None:
    said = f"bad key clapi_live_0123456789abcdef, sent as Bearer {KEY}"
    content = {"error": {"code": "unauthorized", "problem": said}} if wrapped else {"detail": said}
    api = Api(httpx.Response(401, json=content))
    with pytest.raises(Unauthorized) as raised:
        await api.client.whoami()

    assert "bad key" in raised.value.message
    for secret in (KEY, "clapi_live_0123456789abcdef", "0123456789abcdef"):
        assert secret not in raised.value.message


@pytest.mark.parametrize("longest", [0.0, 1.0])
async def test_repeats_wait_no_longer_than_the_user_lets_a_call_wait(longest: float) -> None:
    api = Api(*[httpx.Response(503)] * MAX_ATTEMPTS, max_wait_seconds=longest)
    with pytest.raises(ApiUnavailable):
        await api.client.whoami()

    assert sum(api.clock.slept) <= longest
