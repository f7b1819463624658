"""Serving one connection: eras and probes, over streams in memory; tests/test_stdio.py starts the process."""

import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_PARAMS, INVALID_REQUEST, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.server.stdio import has_stream_door, log_to_stderr
from cleanlist_mcp.server.streams import Answers, Lines, Requests
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import CORE, LISTS, PROSPECTING
from tests.test_stdio import ENVELOPE, HANDSHAKE, started

UNSUPPORTED_VERSION = -32022


class Line:
    """The client's end of a connection in memory."""

    def __init__(
        self,
        out: MemoryObjectSendStream[SessionMessage | Exception],
        back: MemoryObjectReceiveStream[SessionMessage],
    ) -> None:
        self.out = out
        self._back = back

    async def ask(self, request_id: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        request = JSONRPCRequest(jsonrpc="2.0", id=request_id, method=method, params=dict(params))
        await self.out.send(SessionMessage(request))
        answer = await self._answer()
        assert answer["id"] == request_id
        return answer

    async def pass_on(self, line: bytes | str) -> None:
        """Send a line as the SDK's reader does: what it cannot read it hands on as the exception."""
        with pytest.raises(ValidationError) as unreadable:
            jsonrpc_message_adapter.validate_json(line, by_name=False)
        await self.out.send(unreadable.value)

    async def tell(self, line: bytes | str) -> dict[str, Any]:
        await self.pass_on(line)
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        with anyio.fail_after(30):
            message = (await self._back.receive()).message
        return cast(dict[str, Any], json.loads(message.model_dump_json(by_alias=True, exclude_unset=True)))


@asynccontextmanager
async def connected() -> AsyncIterator[Line]:
    server = build_server(Settings(sandbox=True))
    to_server, requests = anyio.create_memory_object_stream[SessionMessage | Exception](4)
    answers, from_server = anyio.create_memory_object_stream[SessionMessage](4)
    sent = Answers(answers)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve_streams, Requests(server, requests, sent), sent)
        async with to_server, from_server:
            yield Line(to_server, from_server)


def tool_names(answer: Mapping[str, Any]) -> list[str]:
    return [tool["name"] for tool in answer["result"]["tools"]]


MODERN = {"_meta": ENVELOPE}


async def test_a_client_that_probes_and_then_shakes_hands_is_served() -> None:
    async with connected() as line:
        probe = await line.ask(1, "server/discover", MODERN)
        hello = await line.ask(2, "initialize", HANDSHAKE)
        listed = await line.ask(3, "tools/list", {})

    assert "2026-07-28" in probe["result"]["supportedVersions"]
    assert hello["result"]["protocolVersion"] == "2025-11-25"
    assert tool_names(listed) == [*CORE, *LISTS, *PROSPECTING]


async def test_a_client_that_probes_and_goes_on_in_the_new_protocol_is_served() -> None:
    async with connected() as line:
        first = await line.ask(1, "server/discover", MODERN)
        second = await line.ask(2, "server/discover", MODERN)
        listed = await line.ask(3, "tools/list", MODERN)
        third = await line.ask(4, "server/discover", MODERN)
        late = await line.ask(5, "initialize", HANDSHAKE)

    assert first["result"] == second["result"] == third["result"]
    assert tool_names(listed) == [*CORE, *LISTS, *PROSPECTING]
    assert late["error"]["code"] == UNSUPPORTED_VERSION


async def test_a_client_that_never_probes_is_served() -> None:
    async with connected() as line:
        await line.ask(1, "initialize", HANDSHAKE)
        assert tool_names(await line.ask(2, "tools/list", {})) == [*CORE, *LISTS, *PROSPECTING]


@pytest.mark.parametrize(
    "params", [{}, {"_meta": {}}, {"_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "1999"}}]
)
async def test_a_probe_that_is_wrong_is_refused_and_forgotten(params: dict[str, Any]) -> None:
    async with connected() as line:
        assert "error" in await line.ask(1, "server/discover", params)
        assert "result" in await line.ask(2, "initialize", HANDSHAKE)


async def test_noise_before_the_first_request_decides_nothing() -> None:
    async with connected() as line:
        for _ in range(20):
            await line.out.send(ValueError("a line that was no message"))
        assert "result" in await line.ask(1, "server/discover", MODERN)
        await line.out.send(
            SessionMessage(jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0", "method": "x"}))
        )
        assert "result" in await line.ask(2, "initialize", HANDSHAKE)


HALF_AN_EMOJI = (
    rb'{"jsonrpc":"2.0","id":7,"method":"tools/call",'
    rb'"params":{"name":"find_lists","arguments":{"query":"\ud83d"}}}'
)


@pytest.mark.parametrize(
    "line",
    [HALF_AN_EMOJI, b'{"jsonrpc":"2.0","id":7,"method":5}', b'{"jsonrpc":"1.0","id":7,"method":"ping"}'],
)
async def test_a_request_that_cannot_be_read_is_refused_so_that_nobody_waits_for_it(line: bytes) -> None:
    async with connected() as connection:
        await connection.ask(1, "initialize", HANDSHAKE)
        answer = await connection.tell(line)
        assert tool_names(await connection.ask(2, "tools/list", {})) == [*CORE, *LISTS, *PROSPECTING]

    assert (answer["id"], answer["error"]["code"]) == (7, INVALID_REQUEST)
    assert "nothing was done" in answer["error"]["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[" * 20_000,
        b'{"jsonrpc":"2.0","id":null,"method":5}',
        b'{"jsonrpc":"2.0","id":true,"method":5}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 400 + b',"method":5}',
        rb'{"jsonrpc":"2.0","id":"\ud83d","method":5}',
        rb'{"jsonrpc":"2.0","id":[],"method":{"id":99,"method":"x"}}',
        rb'{"jsonrpc":"2.0","id":[],"method":"x","params":"{\"id\":99,\"method\":\"x\"}"}',
    ],
)
async def test_a_line_that_names_no_request_is_passed_over(line: bytes) -> None:
    async with connected() as connection:
        await connection.ask(1, "initialize", HANDSHAKE)
        await connection.pass_on(line)
        assert "result" in await connection.ask(2, "tools/list", {})


IN_LATIN_1 = (
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"enrich_person","arguments":'
    '{"first_name":"Zoë","last_name":"Müller","domain":"fable.example"}}}'
).encode("latin-1")
ASKS_FOR = (
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"find_lists","arguments":{"query":"%s"}}}'
)
OTHER_ENCODINGS = [
    IN_LATIN_1,
    (ASKS_FOR % "Łódź").encode("cp1250"),
    (ASKS_FOR % "Иван").encode("cp1251"),
    (ASKS_FOR % "表示").encode("cp932"),  # its second byte is a backslash's
    (ASKS_FOR % "許功蓋").encode("big5"),
    (ASKS_FOR % "李小龙").encode("gb18030"),
    ASKS_FOR.encode() % b"\xff\xfe",
    (ASKS_FOR % "Zoë").encode()[:-6] + b"\xc3" + (ASKS_FOR % "Zoë").encode()[-6:],
]


async def text_of_line(line: bytes) -> str:
    """The line as the SDK's reader gets it."""
    return await anext(aiter(Lines(io.BytesIO(line + b"\n"))))


@pytest.mark.parametrize("line", OTHER_ENCODINGS, ids=ascii)
async def test_a_line_in_another_encoding_is_refused_under_its_own_id(line: bytes) -> None:
    async with connected() as connection:
        await connection.ask(1, "initialize", HANDSHAKE)
        answer = await connection.tell(await text_of_line(line))
        assert tool_names(await connection.ask(2, "tools/list", {})) == [*CORE, *LISTS, *PROSPECTING]

    assert (answer["id"], answer["error"]["code"]) == (7, INVALID_REQUEST)
    assert "not in UTF-8" in answer["error"]["message"]


async def test_letters_of_every_script_come_through_as_they_are() -> None:
    line = ASKS_FOR % "Zoë Иван 李小龙 🦊"

    assert await text_of_line(line.encode()) == line + "\n"
    assert await text_of_line(b"\xef\xbb\xbf" + line.encode()) == line + "\n"


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'[{"jsonrpc":"2.0","id":8,"method":"ping"}]',
        b'[{"jsonrpc":"2.0","id":8,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]',
        b"[1,2,3]",
    ],
    ids=ascii,
)
async def test_a_batch_is_refused_as_a_whole(line: bytes) -> None:
    async with connected() as connection:
        await connection.ask(1, "initialize", HANDSHAKE | {"protocolVersion": "2025-03-26"})
        answer = await connection.tell(line)
        assert tool_names(await connection.ask(2, "tools/list", {})) == [*CORE, *LISTS, *PROSPECTING]

    assert (answer["id"], answer["error"]["code"]) == (None, INVALID_REQUEST)
    assert "a line of its own" in answer["error"]["message"]


WHOAMI = {"name": "whoami"}


NO_ARGUMENTS: list[Any] = ["{}", '"{}"', None, "", "null", []]
ODD_ARGUMENTS = [{"arguments": odd} for odd in NO_ARGUMENTS]
ODD_META: list[Any] = [
    None,
    [],
    "x",
    {"progressToken": None},
    {"progressToken": {}},
    {"progressToken": True},
]
ODD: list[tuple[dict[str, Any], bool]] = [
    *((odd, modern) for odd in ODD_ARGUMENTS for modern in (False, True)),
    *(({"_meta": odd}, False) for odd in ODD_META),
    # In the new protocol the version stands in _meta: it cannot be missing.
    *(({"_meta": {**ENVELOPE, **odd}}, True) for odd in ODD_META if isinstance(odd, dict)),
]


@pytest.mark.parametrize(("odd", "modern"), ODD, ids=ascii)
async def test_odd_parameters_of_a_call_are_understood(odd: dict[str, Any], modern: bool) -> None:
    async with connected() as connection:
        if not modern:
            await connection.ask(1, "initialize", HANDSHAKE)
        answer = await connection.ask(2, "tools/call", (MODERN if modern else {}) | WHOAMI | odd)

    assert not answer["result"].get("isError")


@pytest.mark.parametrize("odd", ["Q3", [1], 5, True], ids=ascii)
@pytest.mark.parametrize("modern", [False, True])
async def test_parameters_that_cannot_be_understood_are_named(odd: object, modern: bool) -> None:
    async with connected() as connection:
        if not modern:
            await connection.ask(1, "initialize", HANDSHAKE)
        params = (MODERN if modern else {}) | WHOAMI | {"arguments": odd}
        answer = await connection.ask(2, "tools/call", params)

    assert answer["error"]["code"] == INVALID_PARAMS
    assert answer["error"]["message"].startswith("arguments is neither an object")


def test_the_installed_sdk_has_the_door_that_probes_need() -> None:
    assert has_stream_door(build_server(Settings()))


def test_a_door_that_was_closed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = build_server(Settings())
    monkeypatch.delattr(server, "_lowlevel_server")

    assert not has_stream_door(server)


WITHOUT_THE_DOOR = """
import sys
from cleanlist_mcp.cli import main as cli
from cleanlist_mcp.server import stdio

stdio.has_stream_door = lambda server: False
sys.argv = ["cleanlist-mcp", "--sandbox"]
cli.main()
"""


@pytest.mark.long
async def test_without_the_door_the_sdks_own_loop_serves(tmp_path: Path) -> None:
    async with started(tmp_path, code=WITHOUT_THE_DOOR) as wire:
        await wire.shake_hands()
        assert tool_names(await wire.ask(1, "tools/list")) == [*CORE, *LISTS, *PROSPECTING]
        assert await wire.end() == 0


def test_the_log_goes_to_stderr_in_ascii_and_only_ours_is_detailed(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    root, ours = logging.getLogger(), logging.getLogger("cleanlist_mcp")
    before = (root.level, ours.level)
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="utf-16", write_through=True))
    try:
        log_to_stderr("INFO")
        ours.info("Zoë")
        logging.getLogger("httpx").info("a request")
    finally:
        root.setLevel(before[0])
        ours.setLevel(before[1])

    assert written.getvalue().splitlines() == [b"cleanlist-mcp INFO: Zo\\xeb"]
