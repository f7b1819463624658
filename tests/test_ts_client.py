"""The TypeScript SDK 1.x, which most hosts are built with, understands every answer and every error.

That client checks structured answers against the published schemas and throws if they do not fit.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from cleanlist_mcp.sandbox.accounts import ALL_SCOPES
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox

pytestmark = [pytest.mark.long, pytest.mark.npm]

FOLDER = Path(__file__).parent / "ts_client"
PATIENCE = 60.0


@dataclass(frozen=True)
class Node:
    """Node, and the bridge with the SDK installed beside it."""

    program: str
    bridge: Path


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        assert "CI" not in os.environ, "node and npm are missing"
        pytest.skip("node and npm are not installed")
    # A copy for each test process: two installs into one folder at once break each other.
    folder = shutil.copytree(FOLDER, tmp_path_factory.mktemp("ts") / "client")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return Node(program, folder / "bridge.js")


class Bridge:
    """A server on the other side of the TypeScript client."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, BufferedByteReceiveStream(process.stdout)

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        await self._to.send(json.dumps(request).encode() + b"\n")
        with anyio.fail_after(PATIENCE):
            line = await self._from.receive_until(b"\n", 1_000_000)
        answer: dict[str, Any] = json.loads(line)
        assert "thrown" not in answer, answer["thrown"]
        return answer

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that succeeds; its text says the same."""
        result = await self.ask({"name": tool, "arguments": arguments})
        assert not result.get("isError"), result["content"]
        answer: dict[str, Any] = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == answer
        return answer

    async def code(self, tool: str, **arguments: Any) -> str:
        """The error code of a call that fails."""
        result = await self.ask({"name": tool, "arguments": arguments})
        assert result["isError"] is True
        assert "structuredContent" not in result
        return str(json.loads(result["content"][0]["text"].removeprefix("Error: "))["error"]["code"])


class Machine:
    """A computer with its state folder; the API is a sandbox in this process, over loopback."""

    def __init__(self, node: Node, state: Path, base_url: str, key: str) -> None:
        self.node, self.tools = node, list[str]()
        self.environment = {
            "CLEANLIST_BASE_URL": base_url,
            "CLEANLIST_API_KEY": key,
            "CLEANLIST_STATE_DIR": str(state),
        }

    @asynccontextmanager
    async def connect(self, **changes: str) -> AsyncIterator[Bridge]:
        environment = self.environment | {
            f"CLEANLIST_{name.upper()}": value for name, value in changes.items()
        }
        if "PYTHONPATH" in os.environ:  # the loop over stdio that the tests are played by
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        command = [self.node.program, str(self.node.bridge)]
        async with await anyio.open_process(command, stderr=None) as process:
            bridge = Bridge(process)
            server = {"command": sys.executable, "args": ["-m", "cleanlist_mcp"], "env": environment}
            self.tools = (await bridge.ask(server))["tools"]
            yield bridge
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.fail_after(PATIENCE):
                await process.wait()


class Api:
    """The sandbox, its clock, and a machine that uses it."""

    def __init__(self, node: Node, folder: Path, sandbox: Sandbox, base_url: str) -> None:
        self.sandbox, self.node, self.folder, self.base_url = sandbox, node, folder, base_url

    def machine(self, name: str = "state", key: str | None = None) -> Machine:
        return Machine(self.node, self.folder / name, self.base_url, key or self.sandbox.key)


@asynccontextmanager
async def api(node: Node, folder: Path, **options: Any) -> AsyncIterator[Api]:
    sandbox = Sandbox(rate_limits=False, **options)
    async with running(sandbox) as base_url:
        yield Api(node, folder, sandbox, base_url)


async def quoted(bridge: Bridge, list_id: str, scope: str = "partial") -> dict[str, Any]:
    quote = await bridge.call("estimate", list_id=list_id, scope=scope)
    return {"list_id": quote["list_id"], "scope": scope, "quote_id": quote["quote_id"]}


async def test_every_tool_answers_the_typescript_client(node: Node, tmp_path: Path) -> None:
    async with api(node, tmp_path, latency=0.2) as there:
        machine = there.machine()
        async with machine.connect() as bridge:
            answers = {
                "whoami": await bridge.call("whoami"),
                "credits_balance": await bridge.call("credits_balance"),
                "enrich_person": await bridge.call("enrich_person", email="ada@fable.example"),
                "enrich_company": await bridge.call("enrich_company", company_name="Legend Labs"),
                "search_people": await bridge.call("search_people", company_names=["Legend Labs"]),
                "search_companies": await bridge.call("search_companies", company_names=["Legend Labs"]),
                "find_lists": await bridge.call("find_lists", query="q3"),
                "create_list": await bridge.call("create_list", name="Berlin leads"),
                "get_leads": await bridge.call("get_leads", list_id="Conference Leads", details=True),
                "export_list": await bridge.call("export_list", list_id="Conference Leads"),
            }
            answers["add_leads"] = await bridge.call(
                "add_leads",
                list_id="Berlin leads",
                people=[{"email": "zoe@fable.example"}, {"title": "of nobody"}],
            )
            row = answers["get_leads"]["leads"][0]["lead_id"]
            answers["remove_leads"] = await bridge.call(
                "remove_leads", list_id="Conference Leads", lead_ids=[row]
            )
            quote = await quoted(bridge, "Q3 Prospects")
            answers["estimate"] = quote
            answers["enrich_list"] = await bridge.call("enrich_list", **quote, wait_seconds=20)
            answers["workflow_status"] = await bridge.call("workflow_status")

    assert set(answers) == set(machine.tools)
    assert answers["enrich_list"]["finished"]
    assert answers["workflow_status"]["workflow_id"] == answers["enrich_list"]["workflow_id"]


async def test_errors_of_arguments_and_quotes_reach_the_typescript_client(node: Node, tmp_path: Path) -> None:
    shift = [0.0]
    async with api(node, tmp_path, latency=3600.0, clock=lambda: time.time() + shift[0]) as there:
        there.sandbox.add_list("Twin", 1)
        there.sandbox.add_list("Twin", 1)
        big = there.sandbox.add_list("Big", 500)
        async with there.machine().connect() as bridge:
            assert await bridge.code("enrich_person", emial="ada@fable.example") == "invalid_arguments"
            assert await bridge.code("get_leads", list_id="Twin") == "ambiguous_list"
            assert await bridge.code("get_leads", list_id="No such list") == "not_found"
            quote = await quoted(bridge, "Q3 Prospects")
            assert await bridge.code("enrich_list", **(quote | {"scope": "full"})) == "quote_mismatch"
            assert await bridge.code("enrich_list", **quote, max_credits=1) == "over_max_credits"
            invented = quote | {"quote_id": "qte_k1_1795000000_0123456789abcdef"}
            assert await bridge.code("enrich_list", **invented) == "quote_unknown"
            other = await quoted(bridge, "Q3 Prospects")
            await bridge.call("enrich_list", **quote)
            assert await bridge.code("enrich_list", **other) == "run_in_progress"
            dear = await quoted(bridge, big, "full")
            assert await bridge.code("enrich_list", **dear) == "insufficient_credits"
            shift[0] = -3600.0
            late = await quoted(bridge, "Conference Leads")
            shift[0] = 0.0
            assert await bridge.code("enrich_list", **late) == "quote_expired"
        async with there.machine("another").connect() as bridge:
            assert await bridge.code("enrich_list", **quote) == "quote_unknown"


async def test_errors_of_keys_and_plans_reach_the_typescript_client(node: Node, tmp_path: Path) -> None:
    async with api(node, tmp_path) as there:
        sandbox = there.sandbox
        reader = sandbox.add_account("reader", scopes=ALL_SCOPES - {"enrich:write"})
        gated = sandbox.add_account("gated", api_access=False)
        async with there.machine(key=" ").connect() as bridge:
            assert await bridge.code("whoami") == "not_configured"
        async with there.machine(key="clapi_long_gone").connect() as bridge:
            assert await bridge.code("whoami") == "unauthorized"
        async with there.machine(key=reader).connect() as bridge:
            assert await bridge.code("enrich_person", email="ada@fable.example") == "insufficient_scope"
        async with there.machine(key=gated).connect() as bridge:
            assert await bridge.code("credits_balance") == "feature_gated"


async def test_errors_of_limits_and_asking_reach_the_typescript_client(node: Node, tmp_path: Path) -> None:
    async with api(node, tmp_path) as there:
        machine = there.machine()
        async with machine.connect() as bridge:
            quote = await quoted(bridge, "Q3 Prospects")
        async with machine.connect(daily_limit="5", hourly_unquoted_limit="3") as bridge:
            assert await bridge.code("enrich_list", **quote) == "daily_limit"
            dear = {"email": "ada@fable.example", "scope": "phone_only"}
            assert await bridge.code("enrich_person", **dear) in ("hourly_unquoted_limit", "daily_limit")
        async with machine.connect(hourly_unquoted_limit="3") as bridge:
            assert await bridge.code("enrich_person", **dear) == "hourly_unquoted_limit"
        async with machine.connect(confirm="always") as bridge:
            assert await bridge.code("enrich_list", **quote) == "confirmation_unavailable"
            assert there.sandbox.runs == []
        async with machine.connect(read_only="true") as bridge:
            assert "enrich_list" not in machine.tools
            await bridge.call("estimate", list_id="Q3 Prospects")


async def test_errors_of_a_failing_api_reach_the_typescript_client(node: Node, tmp_path: Path) -> None:
    async with api(node, tmp_path) as there:
        faults = there.sandbox.faults
        async with there.machine().connect() as bridge:
            faults.next("GET /credits/balance", "server_error", times=50)
            assert await bridge.code("credits_balance") == "api_unavailable"
            faults.clear()
            faults.next("GET /whoami", "unreadable", times=50)
            assert await bridge.code("whoami") == "bad_response"
            faults.clear()
            faults.next("POST /enrichment/person", "reset_after")
            assert await bridge.code("enrich_person", email="ada@fable.example") == "outcome_unknown"
            assert (await bridge.call("workflow_status"))["status"] == "unknown"
            with closing(sqlite3.connect(there.folder / "state" / "journal.sqlite3")) as database:
                database.execute("ALTER TABLE runs RENAME TO gone")
                database.commit()
            assert await bridge.code("enrich_person", email="zoe@fable.example") == "journal_unavailable"
            faults.next("GET /whoami", "rate_limited", retry_after=40)
            assert await bridge.code("whoami") == "rate_limited"
