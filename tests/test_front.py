"""First answers that are kept for the next start: who gets them, when not, and what comes after them."""

import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import JSONRPCRequest, JSONRPCResponse

from cleanlist_mcp.server import front
from cleanlist_mcp.server.declared import CARD_TYPE, CARDS
from cleanlist_mcp.server.front import FILE_NAME, Front
from cleanlist_mcp.settings import Settings
from tests.fronts import BROKEN, HELD, LEARNING
from tests.test_stdio import ENVELOPE, HANDSHAKE, NO_NETWORK, Wire, call, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a front on Linux alone")

LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
MODERN = {"_meta": ENVELOPE}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
Asked = list[tuple[str, dict[str, Any]]]
OLD_ERA: Asked = [("initialize", HANDSHAKE), *((method, {}) for method in LISTS)]
NEW_ERA: Asked = [("server/discover", MODERN), *((method, MODERN) for method in LISTS)]
PROBING: Asked = [("server/discover", MODERN), *OLD_ERA]


async def said(wire: Wire, asked: Asked) -> list[Any]:
    """The results of the requests, each asked once the one before it is answered."""
    results = []
    for number, (method, params) in enumerate(asked):
        results.append((await wire.ask(number, method, **params))["result"])
        if method == "initialize":
            await wire.send(READY)
    return results


@asynccontextmanager
async def server(
    folder: Path, code: str = HELD, *arguments: str, changes: Mapping[str, str] = NO_NETWORK
) -> AsyncIterator[Wire]:
    (folder / "given").unlink(missing_ok=True)
    async with started(folder, *arguments, changes=changes, code=code) as wire:
        yield wire


async def taught(folder: Path, asked: Asked, changes: Mapping[str, str] = NO_NETWORK) -> list[Any]:
    """Have a start keep its first answers, and prepare the gate for the next one."""
    async with server(folder, LEARNING, changes=changes) as wire:
        results = await said(wire, asked)
        assert await wire.end() == 0
    assert not (folder / "given").exists()
    os.mkfifo(folder / "gate")
    return results


def load(folder: Path) -> None:
    (folder / "gate").write_text("")


@pytest.mark.parametrize("asked", [OLD_ERA, NEW_ERA, PROBING], ids=["old_era", "new_era", "probing"])
async def test_a_later_start_says_the_same_before_anything_is_loaded(tmp_path: Path, asked: Asked) -> None:
    before = await taught(tmp_path, asked)

    async with server(tmp_path) as wire:
        assert await said(wire, asked) == before
        await anyio.to_thread.run_sync(load, tmp_path)
        method, params = asked[-1]
        assert (await wire.ask("later", method, **params))["result"] == before[-1]
        assert await wire.end() == 0
        assert wire.log == b""
        assert len(wire.heard) == len(asked) + 1


async def test_pings_are_answered_while_it_loads_and_calls_after_it(tmp_path: Path) -> None:
    await taught(tmp_path, OLD_ERA)

    async with server(tmp_path) as wire:
        await said(wire, OLD_ERA)
        assert (await wire.ask("ping", "ping"))["result"] == {}
        await wire.send(call("call", "workflow_status"), {"jsonrpc": "2.0", "id": "pong", "method": "ping"})
        await anyio.to_thread.run_sync(load, tmp_path)
        assert "structuredContent" in (await wire.answer("call"))["result"]
        assert await wire.end() == 0
        assert {message["id"] for message in wire.heard[-2:]} == {"call", "pong"}


def shows_cards(asked: Asked) -> Asked:
    capabilities = {"extensions": {CARDS: {"mimeTypes": [CARD_TYPE]}}}
    return [("initialize", HANDSHAKE | {"capabilities": capabilities}), *asked[1:]]


async def test_each_kind_of_client_has_answers_of_its_own(tmp_path: Path) -> None:
    with_cards = shows_cards(OLD_ERA)
    plain = await taught(tmp_path, OLD_ERA)
    async with server(tmp_path, LEARNING) as wire:
        rich = await said(wire, with_cards)
        assert await wire.end() == 0
    assert rich != plain
    assert not (tmp_path / "given").exists()

    for asked, expected in ((OLD_ERA, plain), (with_cards, rich)):
        async with server(tmp_path) as wire:
            assert await said(wire, asked) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"CLEANLIST_FRONT": "never"},
        {"CLEANLIST_READ_ONLY": "true"},
        {"CLEANLIST_TOOLSETS": "core"},
        {"CLEANLIST_CSV_DIR": "/"},
        {"PYTHONOPTIMIZE": "2"},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.long
async def test_another_variable_takes_another_start(tmp_path: Path, changes: Mapping[str, str]) -> None:
    await taught(tmp_path, OLD_ERA)

    async with server(tmp_path, LEARNING, changes={**NO_NETWORK, **changes}) as wire:
        await said(wire, OLD_ERA)
        assert await wire.end() == 0
    assert not (tmp_path / "given").exists()


@pytest.mark.parametrize(
    "changes", [{"CLEANLIST_CONFIRM": "sometimes"}, {"CLEANLIST_FRONT": "maybe"}], ids=str
)
async def test_a_wrong_setting_is_one_line_and_no_handshake(
    tmp_path: Path, changes: Mapping[str, str]
) -> None:
    await taught(tmp_path, OLD_ERA)

    await _refused(tmp_path, changes)


async def test_a_shared_folder_that_is_gone_is_one_line_and_no_handshake(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    await taught(tmp_path, OLD_ERA, {"CLEANLIST_CSV_DIR": str(shared)})
    shared.rmdir()

    await _refused(tmp_path, {"CLEANLIST_CSV_DIR": str(shared)})


async def _refused(folder: Path, changes: Mapping[str, str]) -> None:
    async with server(folder, LEARNING, changes=changes) as wire:
        await wire.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE})
        assert await wire.process.wait() == 2
        assert await wire.end() == 2
        assert wire.heard == []
        assert wire.log.count(b"\n") == 1 and next(iter(changes)).encode() in wire.log


@pytest.mark.long
async def test_a_part_that_is_missing_ends_a_start_as_without_a_front(tmp_path: Path) -> None:
    await taught(tmp_path, OLD_ERA)

    async with server(tmp_path, BROKEN) as wire:
        await said(wire, OLD_ERA)
        await anyio.to_thread.run_sync(load, tmp_path)
        assert await wire.process.wait() == 1
        assert await wire.end() == 1
        assert b"an error in this program itself" in wire.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.long
async def test_a_signal_while_it_loads_ends_it_as_one_that_comes_later(
    tmp_path: Path, number: signal.Signals
) -> None:
    await taught(tmp_path, OLD_ERA)

    async with server(tmp_path) as wire:
        await said(wire, OLD_ERA)
        assert await wire.end(number) == 128 + number
        assert wire.log == b""


@pytest.mark.long
async def test_a_client_that_leaves_while_it_loads_is_missed_by_nobody(tmp_path: Path) -> None:
    await taught(tmp_path, OLD_ERA)

    async with server(tmp_path) as wire:
        await said(wire, OLD_ERA)
        assert wire.process.stdin is not None and wire.process.stdout is not None
        await wire.send({"jsonrpc": "2.0", "id": "last", "method": "tools/list"})
        await wire.process.stdout.aclose()
        await wire.process.stdin.aclose()
        await anyio.to_thread.run_sync(load, tmp_path)
        assert await wire.process.wait() == 0
        assert wire.log == b""


def rewritten(path: Path, old: str, new: str) -> None:
    _, body = path.read_text().split("\n", 1)
    assert old in body
    body = body.replace(old, new)
    path.write_text(f"{front._digest(body)}\n{body}")


async def test_an_answer_of_another_day_is_noticed_and_the_next_start_knows_better(tmp_path: Path) -> None:
    before = await taught(tmp_path, OLD_ERA)
    rewritten(tmp_path / FILE_NAME, "whoami", "whowas")

    async with server(tmp_path) as wire:
        assert "whowas" in json.dumps(await said(wire, OLD_ERA))
        await anyio.to_thread.run_sync(load, tmp_path)
        assert (await wire.ask("ping", "ping"))["result"] == {}
        assert await wire.end() == 0
        assert wire.log.count(b"The first answers were out of date; restart the client.") >= 1
    async with server(tmp_path, LEARNING) as wire:
        assert await said(wire, OLD_ERA) == before


def made_useless(how: str, path: Path) -> None:
    if how == "damaged":
        path.write_bytes(path.read_bytes().replace(b"whoami", b"whowas"))
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    if how == "open to others":
        path.chmod(0o640)
    if how == "a link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    if how == "a pipe":
        path.unlink()
        os.mkfifo(path, 0o600)
    if how == "too large":
        with path.open("a") as file:
            file.write(" " * front.MOST_BYTES)


@pytest.mark.parametrize("how", ["damaged", "cut", "open to others", "a link", "a pipe", "too large"])
def test_a_file_that_is_not_as_it_was_written_is_not_there(tmp_path: Path, how: str) -> None:
    learnt(tmp_path)
    path = tmp_path / FILE_NAME
    assert front._kept_in(path) != {}

    made_useless(how, path)

    assert front._kept_in(path) == {}


def result_of(number: int, result: str) -> bytes:
    return front._answer(number, result)


def learning(folder: Path, stamp: str | None = None) -> Front:
    """A front in this very process, which has heard a handshake and learnt its answer."""
    begun = Front(folder / FILE_NAME, stamp or front._stamp())
    begun.stop()
    handshake = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE}
    begun.hears(bytearray(json.dumps(handshake).encode()))
    assert not begun.has_given(0, result_of(0, '{"instructions":"whoami"}'))
    return begun


def learnt(folder: Path) -> None:
    learning(folder).keep(folder)


def test_what_is_kept_is_for_the_user_alone(tmp_path: Path) -> None:
    learnt(tmp_path)

    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_nothing_is_kept_where_there_is_no_folder(tmp_path: Path) -> None:
    learning(tmp_path).keep(tmp_path / "state")

    assert os.listdir(tmp_path) == []


def test_nothing_is_kept_once_something_has_changed_since_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = learning(tmp_path)
    monkeypatch.setenv("CLEANLIST_TOOLSETS", "core")
    begun.keep(tmp_path)

    assert os.listdir(tmp_path) == []


def test_the_newest_answers_are_kept_and_the_oldest_forgotten(tmp_path: Path) -> None:
    for number in range(front.MOST_ANSWERS + 3):
        begun = learning(tmp_path)
        begun._learnt = {f"key {number}": "{}"}
        begun.keep(tmp_path)

    kept = list(front._kept_in(tmp_path / FILE_NAME))
    assert kept == [f"key {number}" for number in range(3, front.MOST_ANSWERS + 3)]


def test_neither_a_key_nor_a_setting_can_be_read_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANLIST_API_KEY", "clapi_made_up")
    monkeypatch.setenv("CLEANLIST_EXCLUDE_FILE", "/home/fable/never")
    learnt(tmp_path)

    text = (tmp_path / FILE_NAME).read_text()
    assert "clapi_" not in text and "fable" not in text and str(Path.home()) not in text


def test_the_stamp_knows_packages_files_and_variables_and_neither_a_key_nor_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(front, "_PACKAGE", tmp_path / "ours")
    module = tmp_path / "ours" / "server" / "build.py"
    module.parent.mkdir(parents=True)
    module.write_text("TOOLS = 1")
    stamps = [front._stamp()]

    module.write_text("TOOLS = 2")
    stamps.append(front._stamp())
    (tmp_path / "mcp-2.3.0.dist-info").mkdir()
    stamps.append(front._stamp())
    (tmp_path / "mcp-2.3.0.dist-info").rename(tmp_path / "mcp-2.3.1.dist-info")
    stamps.append(front._stamp())
    monkeypatch.setenv("CLEANLIST_CARDS", "never")
    stamps.append(front._stamp())
    monkeypatch.setattr(sys, "argv", ["cleanlist-mcp", "--sandbox"])
    stamps.append(front._stamp())
    assert len(set(stamps)) == len(stamps)
    monkeypatch.setenv("CLEANLIST_API_KEY", "clapi_made_up")
    (module.parent / "__pycache__").mkdir()
    assert front._stamp() == stamps[-1]


METHODS = st.sampled_from(
    ["initialize", "server/discover", "ping", *LISTS, "tools/call", "resources/read", "prompts/get"]
)


@given(st.lists(METHODS, max_size=5))
def test_calls_are_never_known_nor_what_comes_after_one(methods: list[str]) -> None:
    begun = Front(Path("/nowhere"), "stamp")
    begun.stop()
    for number, method in enumerate([*methods, "tools/call", "ping"]):
        begun.hears(bytearray(json.dumps({"jsonrpc": "2.0", "id": number, "method": method}).encode()))

    known = [method for number, method in enumerate(methods) if number in begun._asked]
    assert {"tools/call", "resources/read", "prompts/get"}.isdisjoint(known)
    assert len(methods) not in begun._asked and len(methods) + 1 not in begun._asked


@given(st.integers() | st.text() | st.floats() | st.booleans() | st.none())
def test_an_id_that_is_known_is_written_as_the_sdk_writes_it(number: Any) -> None:
    begun = Front(Path("/nowhere"), "stamp")
    begun.stop()
    begun.hears(bytearray(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/list"}).encode()))

    if number in begun._asked:
        assert JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/list").id is number
        answer = JSONRPCResponse(jsonrpc="2.0", id=number, result={})
        assert front._answer(number, "{}").decode() == answer.model_dump_json(
            by_alias=True, exclude_unset=True
        )


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","x":"\xe9"}',
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]',
        b"[" * 100_000,
        b"",
    ],
    ids=["no id", "null", "ready with an id", "mark", "latin-1", "batch", "deep", "empty"],
)
def test_a_line_that_is_no_usual_request_is_not_known(line: bytes) -> None:
    begun = Front(Path("/nowhere"), "stamp")
    begun.stop()
    begun.hears(bytearray(line))

    assert begun._asked == {}


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may have a front, which is the path of its file."""
    monkeypatch.setattr(front, "can_serve", lambda source, target: True)
    monkeypatch.setattr(front, "Front", lambda path, stamp: path)
    monkeypatch.setattr(sys, "argv", ["cleanlist-mcp"])
    for name in [name for name in os.environ if name.startswith(("CLEANLIST_", "XDG_"))]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("begins")
@pytest.mark.parametrize("name", ["CLEANLIST_STATE_DIR", "XDG_STATE_HOME", "HOME"])
def test_a_front_looks_where_the_server_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    folder = Settings.from_environment().state_dir

    assert folder is not None
    assert front.begin() == folder / FILE_NAME  # type: ignore[comparison-overlap]


@pytest.mark.usefixtures("begins")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLEANLIST_FRONT", "never"),
        ("CLEANLIST_FRONT", "maybe"),
        ("CLEANLIST_DATABASE_URL", "postgresql://db.example/cleanlist"),
        ("CLEANLIST_SECRET_KEYS", "short"),
        ("CLEANLIST_CSV_DIR", "/no/such/folder"),
    ],
)
def test_there_is_no_front_if_a_start_may_fail_or_nobody_wants_one(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert front.begin() is not None
    monkeypatch.setenv(name, value)

    assert front.begin() is None


@pytest.mark.usefixtures("begins")
@pytest.mark.parametrize("words", [["doctor"], ["serve", "--http"], ["--version"], ["config", "zed"]])
def test_no_other_command_has_a_front(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["cleanlist-mcp", *words])

    assert front.begin() is None


async def test_the_server_itself_keeps_what_it_said_in_a_quiet_moment_and_nothing_in_the_sandbox(
    tmp_path: Path,
) -> None:
    code = (
        "from cleanlist_mcp.server import warming; warming.QUIET_SECONDS = warming.LONG_QUIET_SECONDS = 0.01;"
        "warming.FOREIGN = warming.OURS = (); from cleanlist_mcp.cli.main import main; main()"
    )
    for arguments in ((), ("--sandbox",)):
        folder = tmp_path / f"state{len(arguments)}"
        folder.mkdir()
        async with server(folder, code, *arguments) as wire:
            await said(wire, OLD_ERA)
            if not arguments:
                while not (folder / FILE_NAME).exists():  # noqa: ASYNC110 - no event tells of a file
                    await anyio.sleep(0.01)
            assert await wire.end() == 0
        assert (folder / FILE_NAME).exists() == (not arguments)
