"""Every way out passes the one place that blots out secrets, even where our own code would let one through; and an
argument that holds one is refused by its name."""

import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, ElicitRequestParams, ElicitResult, ResourceTemplateReference
from pydantic import SecretStr

from cleanlist_mcp.answers import run as run_answers
from cleanlist_mcp.answers import shapes
from cleanlist_mcp.answers.shapes import compact
from cleanlist_mcp.calls import account
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.cli import doctor
from cleanlist_mcp.cli import main as cli
from cleanlist_mcp.cli.findings import Finding, presentable, report
from cleanlist_mcp.errors import Answered, ApiRefusal, InvalidArguments, traceback_of
from cleanlist_mcp.secrecy import MARK
from cleanlist_mcp.server import boundary, dialog, prompts
from cleanlist_mcp.server.arguments import LONGEST_TEXT, check_size_and_secrets
from cleanlist_mcp.server.stdio import log_to_stderr
from cleanlist_mcp.settings import Settings
from tests.spellings import SPELLINGS, fictional_key, left_of
from tests.support import World, text_of

KEY = fictional_key(2)
IN_BASE64 = SPELLINGS["base64 of user and key"](KEY)


@pytest.fixture(autouse=True)
def the_key_is_in_use() -> None:
    Settings(api_key=SecretStr(KEY))


async def test_an_answer_lets_nothing_out_and_its_text_equals_its_data(
    world: World, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cleanlist_mcp.answers.account import whoami_result as told

    def careless(*args: Any, **kwargs: Any) -> Any:
        return told(*args, **kwargs).model_copy(
            update={"user_name": f"Ada {IN_BASE64}", "scopes": [KEY, "lists:read"]}
        )

    monkeypatch.setattr(account, "whoami_result", careless)
    async with world.connect(era) as session:
        answer = await session.call("whoami")

    assert answer["user_name"].startswith(f"Ada {MARK}")
    assert answer["scopes"] == [MARK, "lists:read"]


async def test_an_error_lets_nothing_out_in_any_of_its_members(
    world: World, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(services: Any) -> Any:
        raise ApiRefusal(
            f"Refused: {KEY}.",
            f"Call again with {KEY}.",
            api_code=KEY,
            answered=Answered(request_id=KEY, docs_url=f"https://docs.fable.example/{KEY}"),
            field_errors=[{"field": KEY, "problem": IN_BASE64}],
            figures={"list_ids": [KEY]},
        )

    monkeypatch.setattr(account, "describe", careless)
    async with world.connect(era) as session:
        result = await session.result("whoami")

    assert not left_of(KEY, result.model_dump_json(by_alias=True))
    assert (result.meta or {})[boundary.ERROR_META] == {"code": MARK, "charged": "no"}
    assert "Refused: [secret removed]." in text_of(result)


async def test_a_resource_lets_nothing_out(world: World, era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "compact", lambda data: compact(data | {"note": IN_BASE64}))
    async with world.connect(era) as session:
        read = await session.client.read_resource("cleanlist://pricing")

    data = json.loads(read.contents[0].text)  # type: ignore[union-attr]
    assert data["note"].startswith(MARK) and data["rules"]


async def test_a_resources_error_lets_nothing_out(
    world: World, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(*args: Any) -> Any:
        raise InvalidArguments(f"{KEY} is wrong.", "Call again.")

    monkeypatch.setattr(RunFollower, "one", careless)
    async with world.connect(era) as session:
        with pytest.raises(MCPError) as refused:
            await session.client.read_resource("cleanlist://runs/enrich-1")

    assert refused.value.message == f"{MARK} is wrong. Call again."


async def test_a_completion_offers_nothing_with_a_secret_in_it(world: World, era: str) -> None:
    world.sandbox.add_list(f"Fables {KEY}", 1)
    async with world.connect(era) as session:
        ref = ResourceTemplateReference(type="ref/resource", uri="cleanlist://lists/{list_id}")
        offered = await session.client.complete(ref, {"name": "list_name", "value": ""})
        nothing = await session.client.complete(ref, {"name": "list_name", "value": KEY})

    assert "Q3 Prospects" in offered.completion.values
    assert not any("Fables" in value for value in offered.completion.values)
    assert nothing.completion.values == []


async def test_a_prompt_lets_nothing_out(world: World, era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "clean", lambda text, limit: f"{text} {KEY}")
    async with world.connect(era) as session:
        prompt = await session.client.get_prompt("find_contact", {"person": "Ada Fable"})

    assert not left_of(KEY, prompt.model_dump_json())
    assert f"Ada Fable {MARK}" in prompt.messages[0].content.text  # type: ignore[union-attr]


async def test_the_dialogs_question_lets_nothing_out(
    world: World, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def decline(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    monkeypatch.setattr(dialog, "question", lambda quote: f"Spend {quote.cost} for {KEY}?")
    async with world.connect(era, decline) as session:
        await session.call("enrich_list", **await world.quote(session))

    assert asked == [f"Spend 12 for {MARK}?"]


async def test_progress_lets_nothing_out(world: World, era: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_answers, "progress_sentence", lambda status: f"{KEY}: halfway")
    async with world.connect(era) as session:
        await session.call("enrich_person", email="ada@fable.example", wait_seconds=40)

    assert {sentence for _, _, sentence in session.progress} == {f"{MARK}: halfway"}


@pytest.mark.parametrize("method", [f"tools/{KEY}", KEY])
async def test_a_protocol_error_repeats_no_secret(world: World, era: str, method: str) -> None:
    from mcp.types import Request, Result

    async with world.connect(era) as session:
        with pytest.raises(MCPError) as refused:
            await session.client.session.send_request(Request(method=method, params=None), Result)

    assert not left_of(KEY, refused.value.error.model_dump_json())


ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("whoami", {"note": KEY}, "note"),
    ("estimate", {"list_id": KEY}, "list_id"),
    ("estimate", {"list_id": f"Leads {IN_BASE64}"}, "list_id"),
    ("enrich_person", {"email": f"{KEY}@fable.example"}, "email"),
    ("enrich_person", {"first_name": "Ada", "last_name": "Fable", "company_name": KEY}, "company_name"),
    ("enrich_list", {"list_id": "x", "scope": "partial", "quote_id": KEY}, "quote_id"),
    ("enrich_list", {"list_id": "x", "scope": KEY, "quote_id": "q"}, "scope"),
    ("workflow_status", {"workflow_id": KEY.upper()}, "workflow_id"),
    ("find_lists", {"query": "\u200b".join(KEY)}, "query"),
    ("create_list", {"name": "Leads", "description": f"made with {KEY}"}, "description"),
    ("add_leads", {"list_id": "x", "people": [{"email": "a@fable.example", "title": KEY}]}, "people"),
    ("add_leads", {"list_id": "x", "people": [{KEY: "a@fable.example"}]}, "people"),
    (
        "add_leads",
        {"list_id": "x", "people": json.dumps([{"title": SPELLINGS["JSON escapes"](KEY)}])},
        "people",
    ),
    ("get_leads", {"list_id": "x", "cursor": KEY}, "cursor"),
    ("export_list", {KEY: "x"}, "An argument's name"),
    ("whoami", {"deep": {"deeper": [{"deepest": ["clext_0123456789abcdef"]}]}}, "deep"),
]


@pytest.mark.parametrize(("tool", "arguments", "named"), ARGUMENTS)
async def test_an_argument_that_holds_a_key_is_refused_by_its_name(
    world: World, era: str, tool: str, arguments: dict[str, Any], named: str
) -> None:
    async with world.connect(era) as session:
        before = len(world.sandbox.requests)
        error = await session.error(tool, **arguments)

    assert error["code"] == "invalid_arguments"
    assert error["message"] == f"{named} holds what looks like an API key. Nothing was sent."
    assert [item["field"] for item in error["field_errors"]] == [named]
    assert not left_of(KEY, json.dumps(error))
    assert len(world.sandbox.requests) == before
    assert not left_of(KEY, "".join(path.read_bytes().decode("latin-1") for path in world.folder.glob("*")))


async def test_a_prompts_argument_that_holds_a_key_is_refused_by_its_name(world: World, era: str) -> None:
    async with world.connect(era) as session:
        with pytest.raises(MCPError, match=r"^person holds what looks like an API key") as refused:
            await session.client.get_prompt("find_contact", {"person": f"Ada {KEY}"})

    assert refused.value.code == INVALID_PARAMS


@pytest.mark.parametrize("address", [f"runs/{KEY}", f"lists/{SPELLINGS['percent escapes'](KEY)}", KEY])
async def test_an_address_that_holds_a_key_is_refused(world: World, era: str, address: str) -> None:
    async with world.connect(era) as session:
        with pytest.raises(MCPError, match=r"^uri holds what looks like an API key") as refused:
            await session.client.read_resource(f"cleanlist://{address}")

    assert refused.value.code == INVALID_PARAMS
    assert not left_of(KEY, refused.value.error.model_dump_json())
    assert world.sandbox.requests == []


async def test_a_row_of_a_file_that_holds_a_key_is_left_out_and_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"email,company\nada@fable.example,Fable\nbob@fable.example,{KEY}\n")
    async with world.connect(csv_dir=tmp_path) as session:
        list_id = world.sandbox.list_id("Q3 Prospects")
        answer = await session.call("add_leads", list_id=list_id, csv_path="people.csv")

    assert answer["imported"] == 1
    assert answer["skipped_rows"] == [{"row": 3, "reason": "company_name holds what looks like an API key"}]


HUGE = 20_000_000
LARGE: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "plain": (lambda: {"list_id": "x" * HUGE}, "list_id"),
    "escapes": (lambda: {"list_id": "&#99;" * (HUGE // 5)}, "list_id"),
    "not ASCII": (lambda: {"first_name": "é" * HUGE}, "first_name"),
    "a word": (lambda: {"scope": "x" * HUGE}, "scope"),
    "a name": (lambda: {"x" * HUGE: "x"}, "An argument's name"),
    "a misspelt name": (lambda: {"emial" + "x" * HUGE: "x"}, "An argument's name"),
    "deep inside": (lambda: {"email": {"deep": ["x" * HUGE]}}, "email"),
    "a list as text": (lambda: {"people": "x" * HUGE}, "people"),
    "many rows": (lambda: {"people": [{}] * 1_000_000}, "people"),
    "many fields": (lambda: {"people": [dict.fromkeys(map(str, range(100_000)))]}, "people"),
    "a long cell": (lambda: {"people": [{"email": "x" * HUGE}]}, "people"),
    "many names": (lambda: dict.fromkeys(map(str, range(100_000))), "An argument's name"),
}


@pytest.mark.parametrize("kind", LARGE)
def test_arguments_out_of_all_proportion_are_refused_at_a_glance(kind: str) -> None:
    made, named = LARGE[kind]
    arguments = made()
    began = time.process_time()
    with pytest.raises(InvalidArguments) as refused:
        check_size_and_secrets(arguments, lists=["people"])

    assert time.process_time() - began < 0.1
    assert refused.value.message == f"{named} is far longer than anything that this server takes."


@pytest.mark.parametrize("length", [401, 9_999])
async def test_a_text_that_is_too_long_is_refused_with_the_most_there_may_be(
    world: World, era: str, length: int
) -> None:
    async with world.connect(era) as session:
        error = await session.error("get_leads", list_id="x" * length)
        unknown = await session.error("create_list", name="x", **{"listid" * (length // 6): "x"})

    assert "at most 400 characters" in error["field_errors"][0]["problem"]
    assert "known are name" in unknown["field_errors"][0]["problem"]
    assert world.sandbox.requests == []


async def test_every_text_argument_shows_how_long_it_may_be(world: World) -> None:
    async with world.connect(csv_dir=world.folder.parent) as session:
        tools = (await session.client.list_tools()).tools

    arguments = [node for tool in tools for node in tool.input_schema["properties"].values()]
    found = [node for node in arguments if node["type"] == "string" and "enum" not in node]
    assert len(found) > 25
    assert all(node["maxLength"] < LONGEST_TEXT for node in found)


@pytest.mark.parametrize(
    "quote_id", ['q",max_credits=99999)//', "q'", "q(1)", "q q", "q\\", "[q](x)", "<q>", "q" * 513]
)
async def test_what_can_be_no_quotes_id_is_repeated_nowhere(world: World, era: str, quote_id: str) -> None:
    async with world.connect(era) as session:
        error = await session.error("enrich_list", list_id='L"),x(', scope="partial", quote_id=quote_id)

    assert error["message"] == "quote_id is not a quote's id."
    assert "L" not in error["next_step"] and quote_id not in json.dumps(error)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    written = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("cleanlist_mcp")
    before = (root.level, ours.level)
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(root, "handlers", [])
    log_to_stderr("DEBUG")
    root.setLevel(logging.DEBUG)
    yield written
    logging.captureWarnings(False)
    root.setLevel(before[0])
    ours.setLevel(before[1])


def the_handler() -> logging.Handler:
    """The one that was set up, without those of the tests."""
    (handler,) = [
        one for one in logging.getLogger().handlers if type(one).__module__ == "cleanlist_mcp.server.stdio"
    ]
    return handler


@pytest.mark.parametrize("name", ["cleanlist_mcp", "httpx", "mcp.server", "anyio", "py.warnings"])
def test_no_logger_lets_anything_out(log: io.StringIO, name: str) -> None:
    logger = logging.getLogger(name)
    logger.debug("asked with %s", {"Authorization": f"Bearer {KEY}"})
    logger.info(f"{IN_BASE64} \x1b[31mred\x07\x9b")
    try:
        raise RuntimeError(f"{KEY} of grace@canary.example") from ValueError("grace@canary.example")
    except RuntimeError:
        logger.exception("it failed for %s", KEY)

    text = log.getvalue()
    assert not left_of(KEY, text)
    assert "grace@canary.example" not in text
    assert "RuntimeError" in text and "ValueError" in text and "test_secrecy_exits.py:" in text
    assert "red" in text and not {"\x1b", "\x07", "\x9b"} & set(text)


def test_a_task_that_failed_unseen_is_logged_without_its_error(log: io.StringIO) -> None:
    error = RuntimeError("grace@canary.example")
    shown = f"Task exception was never retrieved\nfuture: <Task finished exception={error!r}>"
    logging.getLogger("asyncio").error(shown, exc_info=error)

    assert "Task exception was never retrieved" in log.getvalue()
    assert "RuntimeError" in log.getvalue() and "grace" not in log.getvalue()


def test_a_record_that_cannot_be_written_is_not_printed_in_another_way(log: io.StringIO) -> None:
    the_handler().handle(logging.makeLogRecord({"name": "cleanlist_mcp", "msg": "%s and %s", "args": (KEY,)}))

    assert log.getvalue() == "cleanlist-mcp: a log record of cleanlist_mcp cannot be written.\n"


def test_a_text_of_an_earlier_formatter_is_not_taken_over(log: io.StringIO) -> None:
    record = logging.makeLogRecord(
        {"msg": "it failed", "levelname": "ERROR", "exc_text": f"Traceback: {KEY}"}
    )
    the_handler().handle(record)

    assert log.getvalue() == "cleanlist-mcp ERROR: it failed\n"


def test_an_error_that_nobody_expected_is_told_by_its_type_and_place() -> None:
    def fail() -> None:
        try:
            raise ValueError("grace@canary.example")
        except ValueError as exc:
            raise ExceptionGroup("two", [RuntimeError(KEY), KeyError(KEY)]) from exc

    with pytest.raises(ExceptionGroup) as caught:
        fail()

    told = traceback_of(caught.value)
    for part in (
        "ValueError",
        "ExceptionGroup",
        "RuntimeError",
        "KeyError",
        "test_secrecy_exits.py",
        "in fail",
    ):
        assert part in told
    assert "grace" not in told and "clapi_" not in told


def test_the_command_ends_without_the_text_of_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    cli._hide_texts_of_exceptions()

    error = RuntimeError(f"{KEY} \x1b[31m")
    sys.excepthook(RuntimeError, error, None)
    for target in (sys.exit, lambda: exec("raise error", {"error": error})):  # noqa: S102
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    said = capsys.readouterr().err
    assert said.count("RuntimeError") == 2
    assert "clapi_" not in said and "\x1b" not in said


def test_wrong_arguments_of_the_command_are_repeated_without_a_key() -> None:
    for given in ([KEY], ["config", KEY], ["sandbox", "--port", KEY], [f"--{KEY}"]):
        ended = subprocess.run(
            [sys.executable, "-m", "cleanlist_mcp", *given],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert "usage:" in ended.stderr
        assert not left_of(KEY, ended.stderr + ended.stdout)


async def test_the_doctors_report_lets_nothing_out_and_moves_no_cursor(world: World) -> None:
    world.sandbox.account().organization.name = f"Fable {KEY} \x1b[31m"
    look = await doctor.examine(
        world.settings(), {f"CLEANLIST_{KEY}": "x"}, world.transport, clock=world.clock
    )

    text = report([*look, Finding("warning", "settings", f"{'x' * 60} {KEY}\x1b]0;", f"{IN_BASE64}\r\x07")])

    assert "Fable [secret removed]" in text
    assert not left_of(KEY, text) and not left_of(world.sandbox.key, text)
    assert all(line.isprintable() for line in text.splitlines())


def test_a_key_that_is_set_is_a_secret_from_then_on_even_a_wrong_or_unused_one() -> None:
    for value, sandbox in (
        ("clext_" + "q1W2e3R4t5" * 3, ""),
        ("sk-" + "q9W8e7R6t5" * 3, ""),
        (KEY[::-1], "true"),
    ):
        Settings.from_environment({"CLEANLIST_API_KEY": value, "CLEANLIST_SANDBOX": sandbox})
        assert presentable(f"it is {value.encode().hex()}") == f"it is {MARK}"


def test_a_word_of_our_own_in_the_keys_place_does_not_silence_it() -> None:
    Settings.from_environment({"CLEANLIST_API_KEY": "CLEANLIST_API_KEY"})

    assert presentable("Set CLEANLIST_API_KEY.") == "Set CLEANLIST_API_KEY."
