"""The process itself, as a host starts it: from its first line to its exit status."""

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.types import INVALID_REQUEST

from benchmarks.pipe import resident_mib
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.stdio import PARENT_SECONDS
from cleanlist_mcp.toolset import CORE, LISTS, PROSPECTING, TOOLS
from tests.support import text_of

SERVER = (sys.executable, "-m", "cleanlist_mcp")
PATIENCE = 30.0
"""Seconds after which a test gives up on the process; never waited for when all is well."""

PROMPT = 10.0
"""Seconds for an end to come: a guard for loaded machines, and far less than any wait that it must not sit out."""

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}
NO_NETWORK = {"CLEANLIST_BASE_URL": "http://127.0.0.1:1"}
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX has them")


def variables(folder: Path, **changes: str) -> dict[str, str]:
    """This process's own environment without its settings; bytecode may be kept, as on a user's machine."""
    dropped = ("CLEANLIST_", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"CLEANLIST_STATE_DIR": str(folder)} | changes


class Wire:
    """A server process and raw JSON-RPC to it. Whatever it writes to stdout has to be a message."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log = b""
        self.heard: list[dict[str, Any]] = []
        assert process.stdout is not None
        self._out = BufferedByteReceiveStream(process.stdout)

    async def send(self, *messages: Mapping[str, Any] | bytes) -> None:
        lines = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in messages]
        assert self.process.stdin is not None
        await self.process.stdin.send(b"".join(line + b"\n" for line in lines))

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        message = json.loads(await self._out.receive_until(b"\n", 1 << 24))
        assert message["jsonrpc"] == "2.0"
        self.heard.append(message)
        return cast(dict[str, Any], message)

    async def answer(self, request_id: Any) -> dict[str, Any]:
        """The answer to that request; what comes before it is passed over."""
        while True:
            message = await self.hear()
            if message.get("id") == request_id and "method" not in message:
                return message

    async def ask(self, request_id: Any, method: str, **params: Any) -> dict[str, Any]:
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return await self.answer(request_id)

    async def shake_hands(self) -> None:
        await self.ask("hello", "initialize", **HANDSHAKE)
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def end(self, number: signal.Signals | None = None) -> int:
        """End stdin, or send a signal; the status, which has to come promptly. Nothing else is on stdout."""
        assert self.process.stdin is not None
        with anyio.fail_after(PROMPT):
            if number is None:
                await self.process.stdin.aclose()
            else:
                self.process.send_signal(number)
            while True:
                try:
                    await self.hear()
                except anyio.IncompleteRead:
                    break
            assert self._out.buffer == b""
            return await self.process.wait()


@asynccontextmanager
async def started(
    folder: Path, *arguments: str, changes: Mapping[str, str] | None = None, code: str | None = None
) -> AsyncIterator[Wire]:
    """A server process, killed at the end if it is still there. `code` is run instead of the command."""
    command = SERVER if code is None else (sys.executable, "-c", code)
    with anyio.fail_after(PATIENCE):
        environment = variables(folder) | dict(changes or {})
        async with await anyio.open_process([*command, *arguments], env=environment) as process:
            wire = Wire(process)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_keep_log, wire)
                yield wire
                if process.returncode is None:
                    process.kill()


async def _keep_log(wire: Wire) -> None:
    assert wire.process.stderr is not None
    async for chunk in wire.process.stderr:
        wire.log += chunk


def call(
    request_id: Any, tool: str, meta: Mapping[str, Any] | None = None, **arguments: Any
) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if meta is not None:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


HOSTILE: tuple[bytes, ...] = (
    b"",
    b"   \t ",
    b"not json",
    b"{",
    b"[]",
    b"null",
    b"42",
    b'"text"',
    b"\xff\xfe\x00\x80",
    b"\x00" * 64,
    b"[" * 20_000,
    b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"1.0","id":7,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":7,"method":5}',
    b'{"jsonrpc":"2.0","id":7,"method":""}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":[1]}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"estimate","arguments":[]}}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"estimate","arguments":{"list_id":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"\\u0000","arguments":{}}}',
    b'{"jsonrpc":"2.0","id":7,"method":"server/discover"}',
    b'{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{"_meta":5}}',
    b'{"jsonrpc":"2.0","id":7,"method":"no/such/method","params":{}}',
    b'{"jsonrpc":"2.0","id":7,"result":{}}',
    b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"x"}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress"}',
    b'[{"jsonrpc":"2.0","id":8,"method":"ping"}]',
)


async def test_nothing_on_stdin_stops_it_but_its_end_does_even_with_a_call_in_flight(tmp_path: Path) -> None:
    async with started(tmp_path, "--sandbox", changes={"PYTHONWARNINGS": "default"}) as wire:
        await wire.send(*HOSTILE)
        early = await wire.ask("early", "tools/list")
        assert "error" in early
        await wire.shake_hands()
        for number, line in enumerate(HOSTILE):
            await wire.send(line)
            assert (await wire.ask(f"after-{number}", "ping"))["result"] == {}
        await wire.send(call("in flight", "enrich_person", email="slow@fable.example", wait_seconds=45))
        whoami = await wire.ask("still", "tools/call", name="whoami", arguments={})
        status = await wire.end()

    assert json.loads(whoami["result"]["content"][0]["text"])["mode"] == "sandbox"
    assert status == 0
    assert b"Traceback" not in wire.log
    assert b"Warning: " not in wire.log


async def test_the_first_line_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}

    async with started(tmp_path, "--sandbox") as wire:
        await wire.send(b"\xef\xbb\xbf" + json.dumps(hello).encode())
        answer = await wire.answer(1)
        assert await wire.end() == 0

    assert answer["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1250", "cp1252"])
async def test_a_call_in_another_encoding_buys_nobody(tmp_path: Path, encoding: str) -> None:
    person: Any = {"first_name": "Zo\u00eb", "last_name": "M\u00fcller", "domain": "fable.example"}
    line = json.dumps(call("bought?", "enrich_person", **person), ensure_ascii=False).encode(encoding)

    async with started(tmp_path, "--sandbox") as wire:
        await wire.shake_hands()
        await wire.send(line)
        refused = await wire.answer("bought?")
        status = await wire.ask("status", "tools/call", name="workflow_status", arguments={})
        assert await wire.end() == 0

    assert refused["error"]["code"] == INVALID_REQUEST
    assert status["result"]["structuredContent"]["status"] == "none"


async def test_a_batch_is_refused_and_the_next_line_answered(tmp_path: Path) -> None:
    ping = {"jsonrpc": "2.0", "id": 8, "method": "ping"}

    async with started(tmp_path, "--sandbox") as wire:
        await wire.ask(1, "initialize", **(HANDSHAKE | {"protocolVersion": "2025-03-26"}))
        await wire.send(json.dumps([ping, ping]).encode(), ping)
        await wire.answer(8)
        assert await wire.end() == 0

    (refused,) = [message for message in wire.heard if message.get("id", 0) is None]
    assert refused["error"]["code"] == INVALID_REQUEST


@pytest.mark.parametrize("wrong_id", [7.0, None, {}])
async def test_a_request_whose_id_is_none_is_refused_and_not_silence(tmp_path: Path, wrong_id: Any) -> None:
    bought = call(wrong_id, "enrich_person", email="ada@fable.example")

    async with started(tmp_path, "--sandbox") as wire:
        await wire.shake_hands()
        await wire.send(bought)
        status = await wire.ask("status", "tools/call", name="workflow_status", arguments={})
        assert await wire.end() == 0

    (refused,) = [message for message in wire.heard if message.get("id", 0) is None]
    assert refused["error"]["code"] == INVALID_REQUEST
    assert "needs an id" in refused["error"]["message"]
    assert status["result"]["structuredContent"]["status"] == "none"


@pytest.mark.parametrize("params", [{}, {"name": 5}, {"arguments": {"email": "ada@fable.example"}}])
async def test_a_call_that_names_no_tool_learns_so(tmp_path: Path, params: dict[str, Any]) -> None:
    async with started(tmp_path, "--sandbox") as wire:
        await wire.shake_hands()
        refused = await wire.ask("nameless", "tools/call", **params)
        assert await wire.end() == 0

    assert refused["error"]["message"] == "params has no name that is a text; nothing was done."


async def test_it_serves_where_docstrings_are_dropped(tmp_path: Path) -> None:
    async with started(tmp_path, "--sandbox", changes={"PYTHONOPTIMIZE": "2"}) as wire:
        await wire.shake_hands()
        listed = await wire.ask("tools", "tools/list")
        prompts = await wire.ask("prompts", "prompts/list")
        whoami = await wire.ask("whoami", "tools/call", name="whoami", arguments={})
        assert await wire.end() == 0

    shown = [*listed["result"]["tools"], *prompts["result"]["prompts"]]
    assert all(len(one["description"]) > 20 and one["title"] for one in shown)
    assert whoami["result"]["structuredContent"]["mode"] == "sandbox"


TELLS_ITS_LOOP = """
import runpy, sys
from cleanlist_mcp.server import stdio

def telling(whose, streams):
    def opened(*arguments, **options):
        print(f"The loop is {whose}.", file=sys.stderr)
        return streams(*arguments, **options)
    return opened

stdio.descriptors.ends = telling("ours", stdio.descriptors.ends)
stdio.stdio_server = telling("the SDK's", stdio.stdio_server)
runpy.run_module("cleanlist_mcp", run_name="__main__", alter_sys=True)
"""


async def loop_of_a_server(folder: Path, changes: Mapping[str, str] | None = None) -> str:
    """The loop by which a server that was started with these changes answers over stdio."""
    async with started(folder, "--sandbox", changes=changes, code=TELLS_ITS_LOOP) as wire:
        await wire.shake_hands()
        assert await wire.end() == 0
    return wire.log.decode().partition("The loop is ")[2].partition(".")[0]


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the SDK's loop alone serves there")
async def test_the_suites_play_by_our_loop_and_by_the_sdks_where_they_are_asked_to(tmp_path: Path) -> None:
    without_epoll = {"PYTHONPATH": str(Path(__file__).with_name("without_epoll"))}

    assert await loop_of_a_server(tmp_path, {"PYTHONPATH": ""}) == "ours"
    assert await loop_of_a_server(tmp_path, without_epoll) == "the SDK's"
    assert await loop_of_a_server(tmp_path) == ("the SDK's" if os.environ.get("SDK_STDIO") else "ours")


PARENT = """
import subprocess, sys
server = subprocess.Popen([sys.executable, "-m", "cleanlist_mcp", "--sandbox"])
print(server.pid, file=sys.stderr, flush=True)
server.wait()
"""


@posix
async def test_it_ends_with_its_parent_though_another_process_holds_the_pipes(tmp_path: Path) -> None:
    # This process is the sibling: it holds the other ends and closes neither.
    async with started(tmp_path, code=PARENT) as wire:
        await wire.shake_hands()
        assert (await wire.ask("still", "ping"))["result"] == {}
        pid = int(wire.log.split()[0])
        os.kill(pid, 0)
        wire.process.kill()
        with anyio.fail_after(PROMPT):
            while _is_running(pid):  # noqa: ASYNC110 - there is no event for the end of a stranger's child
                await anyio.sleep(0.05)


def _is_running(pid: int) -> bool:
    """Return True if a process that nobody here waits for still runs; one that is dead and not collected does not."""
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc").is_dir():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@posix
@pytest.mark.long
async def test_it_outlives_a_parent_that_it_was_told_to_outlive(tmp_path: Path) -> None:
    ignoring = PARENT.replace("import subprocess, sys", "import signal, subprocess, sys").replace(
        "server =", "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nserver =", 1
    )
    async with started(tmp_path, code=ignoring) as wire:
        await wire.shake_hands()
        pid = int(wire.log.split()[0])
        wire.process.kill()
        await wire.process.wait()
        await anyio.sleep(2.5 * PARENT_SECONDS)
        assert (await wire.ask("still", "ping"))["result"] == {}
        os.kill(pid, signal.SIGTERM)


ENDING = [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)]
"""Signals that end the server, by name since Windows lacks some, and the exit status for each."""


@posix
@pytest.mark.parametrize(("number", "status"), ENDING)
async def test_a_signal_ends_it_promptly_with_a_call_in_flight(
    tmp_path: Path, number: str, status: int
) -> None:
    async with started(tmp_path, "--sandbox") as wire:
        await wire.shake_hands()
        await wire.send(call(1, "enrich_person", email="slow@fable.example", wait_seconds=45))
        await wire.send(call(2, "whoami"))
        await wire.answer(2)
        assert await wire.end(signal.Signals[number]) == status

    assert wire.log == b""


@posix
def test_requests_that_a_shell_line_pipes_in_are_answered_before_the_end(tmp_path: Path) -> None:
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}},
    ]
    piped = "".join(json.dumps(message) + "\n" for message in messages)

    done = subprocess.run(
        [*SERVER, "--sandbox"],
        input=piped,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        env=variables(tmp_path),
    )

    assert done.returncode == 0
    assert sorted(json.loads(line)["id"] for line in done.stdout.splitlines()) == [1, 2, 3]


@pytest.mark.long
@pytest.mark.parametrize("last_words", [call(2, "whoami"), pytest.param(None, marks=posix)])
def test_a_client_that_stops_reading_ends_it(tmp_path: Path, last_words: dict[str, Any] | None) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    process = subprocess.Popen(
        [*SERVER, "--sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables(tmp_path),
    )
    with process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        if last_words is not None:
            process.stdin.write(json.dumps(last_words).encode() + b"\n")
            process.stdin.flush()
        try:
            assert process.wait(PROMPT) == 0
        finally:
            process.kill()
        assert process.stderr.read() == b""


@posix
@pytest.mark.long
@pytest.mark.parametrize(("number", "status"), [(None, 0), *ENDING])
def test_answers_that_nobody_reads_do_not_hold_up_the_end(
    tmp_path: Path, number: str | None, status: int
) -> None:
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE}
    lists = [{"jsonrpc": "2.0", "id": count, "method": "tools/list"} for count in range(1, 9)]
    process = subprocess.Popen(
        [*SERVER, "--sandbox"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables(tmp_path)
    )
    with process:
        assert process.stdin and process.stdout
        process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in (hello, *lists)))
        process.stdin.flush()
        process.stdout.read(1)  # it is serving, and the pipe is full soon
        process.stdin.close()
        try:
            if number is not None:
                process.send_signal(signal.Signals[number])
            assert process.wait(PROMPT) == status
        finally:
            process.kill()


@pytest.mark.long
async def test_a_probe_for_the_new_protocol_leaves_either_era_open(tmp_path: Path) -> None:
    async with started(tmp_path, "--sandbox") as wire:
        for number in range(2):
            probe = await wire.ask(number, "server/discover", _meta=ENVELOPE)
            assert "2026-07-28" in probe["result"]["supportedVersions"]
        await wire.shake_hands()
        listed = await wire.ask("tools", "tools/list")
        assert await wire.end() == 0

    assert [tool["name"] for tool in listed["result"]["tools"]] == [*CORE, *LISTS, *PROSPECTING]


@pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.long)])
async def test_the_sdks_client_works_with_names_in_every_script(tmp_path: Path, mode: str) -> None:
    ascii_only = variables(tmp_path, PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0")
    parameters = StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], "--sandbox"], env=ascii_only)
    names = ["Přehled 李小龙 שרה", "समूह 🦊"]

    with anyio.fail_after(PATIENCE):
        async with Client(parameters, mode=cast(Any, mode)) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            made = [await client.call_tool("create_list", {"name": name}) for name in names]

    assert listed == [*CORE, *LISTS, *PROSPECTING]
    assert [json.loads(text_of(result))["name"] for result in made] == names


UNUSABLE_KEYS = {
    "${user_config.api_key}": "No Cleanlist API key is set.",
    "__encrypted__:AAAA": "CLEANLIST_API_KEY still encrypted",
}


async def test_it_serves_without_key_network_or_a_folder_to_write_to(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    answers = {}

    async def try_key(key: str) -> None:
        blank = {"CLEANLIST_DAILY_LIMIT": " ", "CLEANLIST_CSV_DIR": "${user_config.csv}"}
        async with started(occupied, changes=NO_NETWORK | blank | {"CLEANLIST_API_KEY": key}) as wire:
            await wire.shake_hands()
            listed = await wire.ask("tools", "tools/list")
            assert len(listed["result"]["tools"]) == len([*CORE, *LISTS, *PROSPECTING])
            result = await wire.ask("whoami", "tools/call", name="whoami", arguments={})
            assert await wire.end() == 0
        answers[key] = json.loads(result["result"]["content"][0]["text"].removeprefix("Error: "))["error"]

    async with anyio.create_task_group() as tasks:
        for key in UNUSABLE_KEYS:
            tasks.start_soon(try_key, key)
    for key, message in UNUSABLE_KEYS.items():
        assert answers[key]["code"] == "not_configured"
        assert message in answers[key]["message"]
        assert "AAAA" not in json.dumps(answers[key])


WRONG = {
    "CLEANLIST_DAILY_LIMIT": "much",
    "CLEANLIST_TOOLSETS": "core,magic",
    "CLEANLIST_BASE_URL": "http://cleanlist.example",
}


async def test_a_wrong_setting_is_one_line_and_status_2(tmp_path: Path) -> None:
    async def try_setting(name: str, value: str) -> None:
        async with started(tmp_path, changes={name: value}) as wire:
            assert await wire.end() == 2
        (line,) = wire.log.decode("ascii").splitlines()
        assert line.startswith(f"cleanlist-mcp: {name} ")
        assert "Accepted: " in line
        assert wire.heard == []

    async with anyio.create_task_group() as tasks:
        for name, value in WRONG.items():
            tasks.start_soon(try_setting, name, value)


STRAY_PRINTS = """
import os, sys
from cleanlist_mcp.cli import main as cli
from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.server.stdio import serve

genuine = CleanlistClient.whoami

async def whoami(self):
    print("a stray line on stdout")
    os.write(1, b"and one past Python\\n")
    os.system("echo and one from a child")
    return await genuine(self)

CleanlistClient.whoami = whoami
sys.argv = ["cleanlist-mcp", "--sandbox"]
cli.main()
"""


@posix
@pytest.mark.long
async def test_stray_output_of_a_tool_misses_the_wire(tmp_path: Path) -> None:
    async with started(tmp_path, code=STRAY_PRINTS) as wire:
        await wire.shake_hands()
        result = await wire.ask("whoami", "tools/call", name="whoami", arguments={})
        assert await wire.end() == 0

    assert not result["result"].get("isError")
    assert b"and one past Python" in wire.log
    assert b"and one from a child" in wire.log


CRASHING = """
import sys
import mcp.server

class Broken:
    def __class_getitem__(cls, item):
        raise RuntimeError("a defect at import")

mcp.server.MCPServer = Broken
from cleanlist_mcp.cli import main as cli
sys.argv = ["cleanlist-mcp"]
cli.main()
"""


@pytest.mark.long
async def test_a_crash_at_the_start_puts_nothing_on_stdout(tmp_path: Path) -> None:
    async with started(tmp_path, code=CRASHING) as wire:
        assert await wire.end() == 1

    assert wire.heard == []
    assert b"please report it" in wire.log and b"RuntimeError" in wire.log
    assert b"a defect at import" not in wire.log  # the text of an error could hold anything


@pytest.mark.long
async def test_two_hundred_calls_at_once_all_answer_but_those_that_were_cancelled(tmp_path: Path) -> None:
    sandbox = Sandbox(rate_limits=False)
    sandbox.faults.next("GET /whoami", "slow", times=120, delay=0.3)
    async with running(sandbox) as base_url:
        reached = {"CLEANLIST_BASE_URL": base_url, "CLEANLIST_API_KEY": sandbox.key}
        async with started(tmp_path, changes=reached) as wire:
            await wire.shake_hands()
            await wire.send(*(call(number, "whoami") for number in range(200)))
            await wire.send(
                *(
                    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}
                    for number in range(100)
                )
            )
            waiting = set(range(100, 200))
            while waiting:
                message = await wire.hear()
                assert not message["result"]["isError"]
                waiting.discard(message["id"])
            # Had the cancelled ones kept their places, these would wait for ever.
            await wire.send(*(call(f"late-{number}", "whoami") for number in range(64)))
            for _ in range(64):
                assert str((await wire.hear())["id"]).startswith("late-")
            assert await wire.end() == 0

    answered = [message["id"] for message in wire.heard]
    assert len(answered) == len(set(answered))
    assert wire.log == b""


@pytest.mark.long
async def test_a_line_of_50_megabytes_is_answered_and_does_not_stop_it(tmp_path: Path) -> None:
    async with started(tmp_path, "--sandbox") as wire:
        await wire.shake_hands()
        await wire.send(b"x" * 50_000_000)
        await wire.send(call("big", "find_lists", query="x" * 50_000_000))
        big = await wire.answer("big")
        assert big["result"]["isError"] and "far longer" in big["result"]["content"][0]["text"]
        assert (await wire.ask("after", "ping"))["result"] == {}
        assert await wire.end() == 0


@pytest.mark.long
async def test_a_hundred_thousand_hostile_lines_leave_it_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_stdio.PATIENCE", 600.0)
    chance = random.Random(4)  # noqa: S311  # chance that repeats, nothing secret
    count, block = 100_000, 500
    async with started(tmp_path, changes=NO_NETWORK) as wire:
        await wire.shake_hands()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hear_until, wire, "done")
            for _ in range(count // block):
                await wire.send(*(hostile_line(chance) for _ in range(block)))
            await wire.send({"jsonrpc": "2.0", "id": "done", "method": "ping"})
        listed = await wire.ask("tools", "tools/list")
        assert await wire.end() == 0

    assert len(listed["result"]["tools"]) == len([*CORE, *LISTS, *PROSPECTING])
    assert b"Traceback" not in wire.log


async def _hear_until(wire: Wire, request_id: str) -> None:
    while (await wire.hear()).get("id") != request_id:
        wire.heard.clear()


def hostile_line(chance: random.Random) -> bytes:
    """Noise, a known nuisance, a request that is cut or spoilt, or a call with arguments of any kind."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(200)).replace(b"\n", b" ").replace(b"\r", b" ")
    if kind == 1:
        return chance.choice(HOSTILE)
    request = call(
        any_value(chance, 1),
        chance.choice([*CORE, *LISTS, *PROSPECTING, "nope"]),
        **{chance.choice(ARGUMENTS): any_value(chance, 3) for _ in range(chance.randrange(4))},
    )
    if kind == 2:
        request["method"] = chance.choice(METHODS)
        request["params"] = any_value(chance, 3)
    line = json.dumps(request).encode()
    if kind == 3:
        return line[: chance.randrange(len(line))]
    if kind == 4:
        spoilt = bytearray(line)
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(32, 256)
        return bytes(spoilt)
    return line


METHODS = (
    "tools/call",
    "tools/list",
    "resources/read",
    "prompts/get",
    "completion/complete",
    "server/discover",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/progress",
    "x",
)
ARGUMENTS = (
    "list_id",
    "email",
    "people",
    "scope",
    "quote_id",
    "wait_seconds",
    "cursor",
    "name",
    "limit",
    "x",
)


def any_value(chance: random.Random, depth: int) -> Any:
    """Anything that JSON can say, down to `depth`."""
    kind = chance.randrange(9 if depth else 6)
    if kind < 2:
        return chance.choice(
            ["", "partial", "Q3 Prospects", "../..", "\u202e\u0000", "x" * 300, "[1]", "null"]
        )
    if kind < 6:
        return (None, True, chance.randint(-(2**70), 2**70), chance.choice([0, -1, 1.5, 1e308]))[kind - 2]
    if kind == 6:
        return [any_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice([*ARGUMENTS, "_meta", "uri"]): any_value(chance, depth - 1) for _ in range(3)}


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads memory as Linux tells it")
async def test_memory_stays_flat_over_ten_thousand_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_stdio.PATIENCE", 600.0)
    sandbox = Sandbox(rate_limits=False, latency=0)
    sizes = []
    async with running(sandbox) as base_url:
        reached = {"CLEANLIST_BASE_URL": base_url, "CLEANLIST_API_KEY": sandbox.key}
        async with started(tmp_path, changes=reached) as wire:
            await wire.shake_hands()
            for thousand in range(10):
                for number in range(0, 1000, 20):
                    first = thousand * 1000 + number
                    await wire.send(*(a_call(first + step) for step in range(20)))
                    for step in range(20):
                        assert "result" in await wire.hear(), step
                wire.heard.clear()
                sizes.append(resident_mib(wire.process.pid))
            assert await wire.end() == 0

    before, after = sizes[0], sizes[-1]
    assert before is not None
    assert after is not None
    assert after - before < 5, sizes


def a_call(number: int) -> dict[str, Any]:
    """One of the calls of a working day."""
    if number % 5 == 0:
        return call(number, "find_lists")
    if number % 5 == 1:
        return call(number, "workflow_status", wait_seconds=0)
    if number % 5 == 2:
        return call(number, "estimate", list_id="")
    return call(number, "whoami" if number % 5 == 3 else "credits_balance")


@posix
@pytest.mark.long
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_misspelt_setting_that_cannot_be_told_does_not_stop_the_start(tmp_path: Path, stderr: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    served = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m cleanlist_mcp --sandbox {stderr}', sys.executable],
        input=json.dumps(hello).encode() + b"\n",
        stdout=subprocess.PIPE,
        env=variables(tmp_path, CLEANLIST_DAILY_LIMT="5"),
        timeout=PATIENCE,
    )

    # Not the exit status: Python's own is 120 if its last flush of stderr fails.
    assert json.loads(served.stdout)["id"] == 1


async def test_a_python_that_drops_docstrings_serves_the_same_descriptions(tmp_path: Path) -> None:
    described: list[dict[str, str | None]] = []
    for level in ("", "2"):
        async with started(tmp_path, changes=NO_NETWORK | {"PYTHONOPTIMIZE": level}) as wire:
            await wire.shake_hands()
            tools = (await wire.ask(1, "tools/list"))["result"]["tools"]
            prompts = (await wire.ask(2, "prompts/list"))["result"]["prompts"]
            await wire.end()
        described.append({item["name"]: item.get("description") for item in (*tools, *prompts)})

    assert described[0] == described[1]
    assert all(described[1].values())


@posix
async def test_a_user_without_a_home_is_served_with_a_warning(tmp_path: Path) -> None:
    code = """if True:
        import os, pwd
        def nobody(uid):
            raise KeyError(uid)
        pwd.getpwuid = nobody
        for name in ("HOME", "XDG_STATE_HOME", "CLEANLIST_STATE_DIR"):
            os.environ.pop(name, None)
        from cleanlist_mcp.cli.main import main
        main()
    """
    async with started(tmp_path, changes=NO_NETWORK, code=code) as wire:
        await wire.shake_hands()
        tools = (await wire.ask(1, "tools/list"))["result"]["tools"]
        status = await wire.end()

    assert (len(tools), status) == (len(TOOLS), 0)
    assert b"WARNING: this user has no home folder" in wire.log
    assert b"Traceback" not in wire.log
