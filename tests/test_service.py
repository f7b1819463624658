"""The HTTP service as its clients see it, in both protocol eras: jobs, sessions, dialogs, wishes, accounts."""

import ast
import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult
from pydantic import SecretStr
from starlette.datastructures import Headers

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.errors import Advice, for_a_model
from cleanlist_mcp.imports.exclusion_file import ExclusionFile
from cleanlist_mcp.journal.sqlite.store import SqliteStore
from cleanlist_mcp.people.exclusions import Exclusions
from cleanlist_mcp.runs.sending import SPEND_PATIENCE
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server import dialog, words
from cleanlist_mcp.server.http import app, serve
from cleanlist_mcp.server.http.guard import Guard
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import CORE, TOOLS
from tests.service import SECRET, call, initialize, serving
from tests.support import ERAS, error_of, text_of


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(latency=0.2)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_whole_job_over_http(sandbox: Sandbox, tmp_path: Path, mode: str) -> None:
    seen: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    async with serving(sandbox, tmp_path) as service, service.client(sandbox.key, mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [spec.name for spec in TOOLS]

        async def done(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments, progress_callback=note)
            assert not result.is_error, text_of(result)
            answer: dict[str, Any] | None = result.structured_content
            assert answer is not None
            return answer

        made = await done("create_list", name="Conference")
        people = [{"email": f"person{number}@booth.example"} for number in range(3)]
        await done("add_leads", list_id=made["list_id"], people=people)
        quote = await done("estimate", list_id=made["list_id"], scope="phone_only")
        spend = {"list_id": quote["list_id"], "scope": "phone_only", "quote_id": quote["quote_id"]}
        run = await done("enrich_list", **spend, wait_seconds=20)
        again = await done("workflow_status")

    assert run["status"] == again["status"] == "completed"
    assert run["workflow_id"] == again["workflow_id"]
    assert len(sandbox.runs) == 1
    assert seen


async def test_a_client_of_the_older_era_is_known_on_every_replica_and_after_a_restart(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its capabilities are: with them CLEANLIST_CONFIRM=always could be met, without a way to ask it is refused."""
    async with serving(sandbox, tmp_path) as first, serving(sandbox, tmp_path) as second:
        _, headers, _ = await first.raw(
            first.post(initialize({"elicitation": {"form": {}}}), key=sandbox.key)
        )
        line = f"Mcp-Session-Id: {headers['mcp-session-id']}"
        for replica in (second, first, second):
            status, _, body = await replica.raw(replica.post(call("whoami"), line, key=sandbox.key))
            assert status == 200 and b"Northwind" in body
    async with serving(sandbox, tmp_path) as later:
        assert (await later.raw(later.post(call("whoami"), line, key=sandbox.key)))[0] == 200
    async with serving(sandbox, tmp_path, secret=SECRET[::-1]) as other:
        assert (await other.raw(other.post(call("whoami"), line, key=sandbox.key)))[0] == 404


@pytest.mark.parametrize("declares", [True, False])
async def test_the_sdk_sees_what_a_client_declared_to_another_replica(
    sandbox: Sandbox, tmp_path: Path, declares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def note(ctx: Any) -> bool:
        capabilities = ctx.client_capabilities
        seen.append(capabilities and (capabilities.elicitation, capabilities.extensions))
        return False

    monkeypatch.setattr(dialog, "can_ask", note)
    capabilities = {"elicitation": {"form": {}}, "extensions": {"io.modelcontextprotocol/ui": {"a": [1]}}}
    async with serving(sandbox, tmp_path) as first, serving(sandbox, tmp_path) as second:
        async with first.client(sandbox.key) as client:
            quote = (await client.call_tool("estimate", {"list_id": "Q3 Prospects"})).structured_content
        assert quote is not None
        _, headers, _ = await first.raw(
            first.post(initialize(capabilities if declares else {}), key=sandbox.key)
        )
        spend = call(
            "enrich_list",
            list_id=quote["list_id"],
            scope="partial",
            quote_id=quote["quote_id"],
            wait_seconds=0,
        )
        line = f"Mcp-Session-Id: {headers['mcp-session-id']}"
        await second.raw(second.post(spend, line, key=sandbox.key))

    found = seen[-1]
    assert found is not None
    assert (found[0] is not None) == declares
    assert found[1] == (capabilities["extensions"] if declares else None)


async def _quoted(client: Any) -> dict[str, Any]:
    quote = (await client.call_tool("estimate", {"list_id": "Q3 Prospects"})).structured_content
    return {"list_id": quote["list_id"], "scope": quote["scope"], "quote_id": quote["quote_id"]}


async def test_a_dialog_of_the_newer_era_goes_on_at_another_replica(sandbox: Sandbox, tmp_path: Path) -> None:
    asked: list[str] = []

    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(serving(sandbox, tmp_path, confirm="always")) for _ in range(2)
        ]

        async def answer(context: Any, params: Any) -> ElicitResult:
            asked.append(params.message)
            # What comes next goes to the other one.
            for replica, other in (replicas, replicas[::-1]):
                replica.guard._app, other.guard._app = other.guard._app, replica.guard._app
                break
            return ElicitResult(action="accept", content={"approve": True})

        client = await stack.enter_async_context(replicas[0].client(sandbox.key, elicitation_callback=answer))
        result = await client.call_tool("enrich_list", await _quoted(client) | {"wait_seconds": 10})

    assert not result.is_error, text_of(result)
    assert len(asked) == len(sandbox.runs) == 1


@pytest.mark.parametrize(("confirm", "starts"), [("always", 0), ("auto", 1)])
async def test_a_client_of_the_older_era_is_not_asked_over_http(
    sandbox: Sandbox, tmp_path: Path, confirm: str, starts: int
) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        raise AssertionError("asked")

    async with (
        serving(sandbox, tmp_path, confirm=confirm) as service,
        service.client(sandbox.key, "legacy", elicitation_callback=answer) as client,
    ):
        result = await client.call_tool("enrich_list", await _quoted(client) | {"wait_seconds": 0})

    assert len(sandbox.runs) == starts
    if not starts:
        assert error_of(result)["code"] == "confirmation_unavailable"


@pytest.mark.parametrize("mode", ERAS)
async def test_headers_narrow_what_a_connection_is_offered(
    sandbox: Sandbox, tmp_path: Path, mode: str
) -> None:
    headers = {"X-Cleanlist-Read-Only": "true", "X-Cleanlist-Toolsets": "core"}
    reads = [spec.name for spec in TOOLS if spec.name in CORE and spec.effect == "reads"]
    async with serving(sandbox, tmp_path) as service:
        async with service.client(sandbox.key, mode, headers) as client:
            tools = (await client.list_tools()).tools
            prompts = (await client.list_prompts()).prompts
            spend = await client.call_tool("enrich_person", {"email": "ada@northwind.example"})
            with pytest.raises(Exception, match="Unknown tool"):
                await client.call_tool("find_lists", {})
            instructions = client.instructions or ""
        async with service.client(sandbox.key, mode) as client:
            assert len((await client.list_tools()).tools) == len(TOOLS)

    assert [tool.name for tool in tools] == reads
    assert not any("get_leads" in (tool.description or "") for tool in tools)
    assert [prompt.name for prompt in prompts] == ["what_did_i_spend"]
    assert "read-only" in instructions and "create_list" not in instructions
    assert error_of(spend)["code"] == "read_only"
    assert not sandbox.runs


async def test_a_header_never_widens(sandbox: Sandbox, tmp_path: Path) -> None:
    headers = {"X-Cleanlist-Read-Only": "false", "X-Cleanlist-Toolsets": "core,lists,prospecting"}
    async with (
        serving(sandbox, tmp_path, read_only=True, toolsets=frozenset({"core"})) as service,
        service.client(sandbox.key, headers=headers) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]

    assert names == [spec.name for spec in TOOLS if spec.name in CORE and spec.effect == "reads"]


async def test_a_refused_key_is_asked_about_once_a_minute_and_kept_nowhere(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with serving(sandbox, tmp_path) as service, service.client("clapi_of_nobody_0123456789") as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        errors = [error_of(await client.call_tool("credits_balance", {})) for _ in range(3)]

    assert {error["code"] for error in errors} == {"unauthorized"}
    assert len(sandbox.requests) == 1


async def test_who_owns_a_key_is_asked_once_for_many_calls(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as service, service.client(sandbox.key) as client:
        for _ in range(4):
            assert not (await client.call_tool("whoami", {})).is_error

    assert [record.path for record in sandbox.requests] == ["/whoami"]


async def test_the_file_of_exclusions_is_read_once_for_all_accounts_and_holds_for_each(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "never.txt").write_text("kim@fable.example\n", "utf-8")
    read, reads = ExclusionFile._read, []

    def counting(file: ExclusionFile) -> Exclusions:
        reads.append(file)
        return read(file)

    monkeypatch.setattr(ExclusionFile, "_read", counting)
    keys = [sandbox.key, sandbox.add_account("alan", colleague_of=sandbox.key)]
    async with serving(sandbox, tmp_path / "state", exclude_file=tmp_path / "never.txt") as service:
        for key in keys:
            async with service.client(key) as client:
                error = error_of(await client.call_tool("enrich_person", {"email": "kim@fable.example"}))
                assert error["code"] == "excluded"
    assert len(reads) == 1


async def test_a_service_drops_old_entries_although_nobody_estimates_or_searches(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = anyio.Event()

    async def look(store: SqliteStore) -> None:
        looked.set()

    monkeypatch.setattr(app, "FORGET_SECONDS", 0.01)
    monkeypatch.setattr(SqliteStore, "forget_old", look)
    async with serving(sandbox, tmp_path):
        with anyio.fail_after(20):
            await looked.wait()


def test_stdio_imports_no_room_of_the_http_service() -> None:
    program = (
        "import sys, cleanlist_mcp.cli.main, cleanlist_mcp.server.stdio\n"
        "print([name for name in sys.modules if '.server.http' in name or name.endswith('.accounts')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (["--host", "0.0.0.0"], {}, "CLEANLIST_ALLOWED_HOSTS"),  # noqa: S104
        (["--host", "::"], {}, "CLEANLIST_ALLOWED_HOSTS"),
        (["--host", "nowhere.example"], {"CLEANLIST_ALLOWED_HOSTS": "nowhere.example"}, "cannot serve"),
        ([], {"CLEANLIST_ALLOWED_HOSTS": "*.example.com"}, "CLEANLIST_ALLOWED_HOSTS"),
        ([], {"CLEANLIST_ALLOWED_HOSTS": "https://mcp.example.com"}, "CLEANLIST_ALLOWED_HOSTS"),
        ([], {"CLEANLIST_ALLOWED_ORIGINS": "app.example.com"}, "CLEANLIST_ALLOWED_ORIGINS"),
        ([], {"CLEANLIST_AUTH": "password"}, "CLEANLIST_AUTH"),
    ],
)
def test_an_unsafe_start_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], told: str
) -> None:
    command = [sys.executable, "-m", "cleanlist_mcp", "serve", "--http", "--port", "0", *arguments]
    environment = {"CLEANLIST_STATE_DIR": str(tmp_path), "PATH": "", **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1
    assert not done.stdout


def test_the_words_of_a_service_replace_words_that_are_said_somewhere() -> None:
    """Also those that are put together: an advice for the user is begun by the boundary."""
    package = Path(words.__file__).parent.parent
    said = "\n".join(
        node.value
        for path in package.rglob("*.py")
        if path != Path(words.__file__)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    for own, _ in (*words.OF_A_SERVICE, *words.OF_A_SIGN_IN):
        assert own.removeprefix("Ask the user: ") in said, own


def test_with_a_sign_in_only_whoever_runs_the_service_is_sent_to_the_vendors_portal() -> None:
    package = Path(words.__file__).parent.parent
    said = [
        node.value
        for room in ("answers", "api", "calls", "money", "runs")
        for path in (package / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "portal." in node.value
    ]
    assert len(said) > 5
    for text in said:
        spoken = {words.of_a_service(form, signs_in=True) for form in (text, for_a_model(Advice(text)))}
        assert any("portal." not in form or "whoever runs this service" in form for form in spoken), text


async def test_a_list_keeps_its_name_even_if_it_is_words_that_a_service_says_otherwise(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    name = "This machine, only the user can raise it"
    async with serving(sandbox, tmp_path) as service, service.client(sandbox.key) as client:
        made = await client.call_tool("create_list", {"name": name})
        found = await client.call_tool("find_lists", {"query": name})

    for answer in (made, found):
        assert name in answer.structured_content["summary"]
    assert found.structured_content["lists"][0]["name"] == name


@pytest.mark.parametrize("signs_in", [False, True])
def test_only_names_stand_in_quotation_marks_where_words_of_a_service_may_go(signs_in: bool) -> None:
    text = 'The list "this machine" is not on this machine; this machine has "a name.'

    assert words.of_a_service(text, signs_in=signs_in) == (
        'The list "this machine" is not on this service; this service has "a name.'
    )


async def test_with_a_sign_in_runs_and_searches_are_those_of_a_person(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with (
        serving(sandbox, tmp_path, auth="oauth", verifier=_SharedKey(sandbox.key)) as service,
        service.client("any") as client,
    ):
        who = text_of(await client.call_tool("whoami", {}))
        runs = text_of(await client.call_tool("workflow_status", {}))
        stranger = await client.call_tool(
            "add_leads", {"list_id": "Q3 Prospects", "search_id": "search_of_others"}
        )
        file = error_of(
            await client.call_tool("add_leads", {"list_id": "Q3 Prospects", "csv_path": "people.csv"})
        )

    assert "This service's key works for Northwind Sandbox" in who
    assert "from this service by this user yet" in runs
    assert "from here by this user in the last 24 hours" in error_of(stranger)["message"]
    assert file["field_errors"][0]["problem"].endswith("this service reads no files")


async def test_a_service_speaks_of_itself_and_of_whoever_runs_it(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        serving(sandbox, tmp_path, daily_limit=1) as service,
        service.client(sandbox.key) as client,
    ):
        nothing = text_of(await client.call_tool("workflow_status", {}))
        first = await client.call_tool("enrich_person", {"email": "ada@northwind.example"})
        over = error_of(await client.call_tool("enrich_person", {"email": "bo@northwind.example"}))

    assert not first.is_error
    assert "started from this service" in nothing
    assert "whoever runs this service can raise CLEANLIST_DAILY_LIMIT" in over["next_step"]


async def test_the_file_of_people_who_must_not_be_contacted_is_no_users_over_http(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text("northwind.example", "utf-8")
    async with (
        serving(sandbox, tmp_path, exclude_file=path) as service,
        service.client(sandbox.key) as client,
    ):
        excluded = error_of(await client.call_tool("enrich_person", {"email": "ada@northwind.example"}))
        path.write_text("???", "utf-8")
        unreadable = error_of(await client.call_tool("enrich_person", {"email": "ada@northwind.example"}))

    assert "in this service's file of people who must not be contacted" in excluded["message"]
    assert "whoever runs this service can take them out of the file" in excluded["next_step"]
    assert unreadable["next_step"].startswith(
        "Ask the user to ask whoever runs this service to correct the file"
    )


class _SharedKey:
    """Lets everybody in with one key, as a sign-in does."""

    def __init__(self, key: str) -> None:
        self._caller = Caller(SecretStr(key), ("https://login.example.com/", "ada"))

    async def caller(self, headers: Headers) -> Caller:
        return self._caller


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("unknown", "to check that all of the key was copied into CLEANLIST_API_KEY"),
        ("no scopes", "to create a key with that permission"),
        ("no credits", "to buy credits"),
    ],
)
async def test_with_a_sign_in_the_key_and_its_credits_are_the_operators(
    sandbox: Sandbox, tmp_path: Path, given: str, advice: str
) -> None:
    key = {
        "unknown": "clapi_unknown_0000000000",
        "no scopes": sandbox.add_account("ada", scopes=()),
        "no credits": sandbox.add_account("bo", credits=0),
    }[given]
    async with (
        serving(sandbox, tmp_path, auth="oauth", verifier=_SharedKey(key)) as service,
        service.client("any") as client,
    ):
        refused = error_of(await client.call_tool("enrich_person", {"email": "ada@northwind.example"}))

    assert f"whoever runs this service {advice}" in refused["next_step"]
    assert "configuration" not in refused["next_step"]


async def test_a_resource_speaks_in_the_words_of_a_service_too(sandbox: Sandbox, tmp_path: Path) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way")

    async with (
        serving(sandbox, tmp_path, way=httpx.MockTransport(unreachable), max_wait_seconds=0) as service,
        service.client(sandbox.key) as client,
    ):
        with pytest.raises(MCPError) as caught:
            await client.read_resource("cleanlist://account")

    assert "Ask the user to ask whoever runs this service to check the network" in caught.value.error.message


async def test_a_narrowed_call_names_no_tool_that_it_was_not_offered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    narrow = {"X-Cleanlist-Toolsets": "core"}
    async with (
        serving(sandbox, tmp_path, hourly_unquoted_limit=0) as service,
        service.client(sandbox.key, headers=narrow) as client,
    ):
        for tool, arguments in {
            "estimate": {"list_id": "No such list"},
            "enrich_person": {"email": "ada@northwind.example"},
            "whoami": {},
        }.items():
            answer = text_of(await client.call_tool(tool, arguments))
            assert not [spec.name for spec in TOOLS if spec.name not in CORE and spec.name in answer], answer


async def test_no_spend_begins_that_could_not_be_finished_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The calls in flight may go on until the end: this one does until it is told."""
    monkeypatch.setattr(serve, "NOTICE_SECONDS", 0.0)
    monkeypatch.setattr(serve, "SPENDS_SECONDS", 0.01)
    told = anyio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await told.wait()

    async def nothing(*message: Any) -> Any:
        raise AssertionError("the call is never answered")

    guard = Guard(call, hosts=["mcp.example"], origins=[], stop_spending=told.set)
    server = serve.Server(guard)
    server.servers = []
    server._loop = asyncio.get_running_loop()
    scope: Any = {"type": "http", "path": "/mcp", "method": "POST", "headers": [(b"host", b"mcp.example")]}
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guard, scope, nothing, nothing)
            await anyio.wait_all_tasks_blocked()
            await server._end()
    assert server.should_exit


def test_a_spend_that_has_begun_has_the_time_that_a_request_may_take() -> None:
    claim_seconds = 4.0
    request_seconds = Settings().timeout_seconds + SPEND_PATIENCE
    assert serve.SPENDS_SECONDS + claim_seconds + request_seconds <= serve.END_SECONDS


async def test_too_late_in_the_life_of_a_service_nothing_is_spent_and_everything_else_goes_on(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with serving(sandbox, tmp_path) as service, service.client(sandbox.key) as client:
        await client.call_tool("whoami", {})
        service.guard.stop_spending()
        await anyio.wait_all_tasks_blocked()
        refused = await client.call_tool("enrich_person", {"email": "ada@fable.example"})
        goes_on = await client.call_tool("find_lists", {})

    assert error_of(refused)["charged"] == "no"
    assert not goes_on.is_error
    assert not sandbox.runs
