"""Watching a service: what it writes down and counts, and that nobody's key, name or address is ever in it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cleanlist_mcp.measures import FIGURES
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.http.watch import CODES, Seen, outcome_of
from cleanlist_mcp.server.spans import METHODS
from tests.databases import needs_postgres, server
from tests.test_readme import ROOT, first_cells

NONE = "\u2013"
"""A cell of a table without anything in it."""

CANARY = "canary.person@leak.example"
STRANGERS_KEY = "clapi_canary_9Qz7Rb3Lk5Wm1Xv0"
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": CANARY, "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"content": []}, "ok"),
        ({"isError": True, "_meta": {"ai.cleanlist/error": {"code": "daily_limit"}}}, "daily_limit"),
        ({"isError": True, "_meta": {"ai.cleanlist/error": {"code": CANARY}}}, "api_error"),
        ({"isError": True}, "api_error"),
        ({"resultType": "input_required"}, "input_required"),
        (None, "ok"),
    ],
    ids=str,
)
def test_an_outcome_is_a_word_of_ours(answer: Any, outcome: str) -> None:
    assert outcome_of(answer) == outcome


def test_a_line_leaves_out_what_is_not_known() -> None:
    facts = json.loads(Seen(status=401, outcome="http_401").line())

    assert set(facts) == {"time", "outcome", "status", "seconds"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts["time"])


def test_the_pages_table_of_figures_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "teams.md").read_text("utf-8")
    table = page.split("| figure | unit | labels | what it is |\n", 1)[1].split("\n\n", 1)[0]

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    assert rows == [
        [f"`{one.name}`", one.unit, " ".join(f"`{label}`" for label in one.labels) or NONE, one.about]
        for one in FIGURES
    ]
    assert len(first_cells(table)) == len(FIGURES)


@contextmanager
def exporting(folder: Path, *arguments: str, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service at the level DEBUG that exports into a file, with its address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    command = [sys.executable, "-m", "tests.exporting_service", str(folder / "exported")]
    with subprocess.Popen(
        [*command, "serve", "--http", "--port", "0", *arguments],
        env=kept | settings | {"CLEANLIST_LOG_LEVEL": "DEBUG", "CLEANLIST_STATE_DIR": str(folder)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.kill()


def posts() -> Iterator[tuple[dict[str, str], Any]]:
    """Requests that carry somebody's address wherever a client may write."""
    person = {"email": CANARY, "first_name": "Canary", "last_name": "Person", "domain": "leak.example"}
    for name, arguments in (
        ("whoami", {}),
        ("enrich_person", person),
        ("enrich_person", {"nonsense": CANARY}),
        ("estimate", {"list_id": CANARY}),
        ("workflow_status", {"workflow_id": CANARY}),
        (CANARY, {}),
    ):
        yield _request("tools/call", {"name": name, "arguments": arguments}, name)
    yield _request("prompts/get", {"name": CANARY}, CANARY)
    yield _request("resources/read", {"uri": f"cleanlist://{CANARY}"}, f"cleanlist://{CANARY}")
    yield _request(f"tools/{CANARY}", {}, None)
    yield {"X-Cleanlist-Toolsets": CANARY}, {}
    yield {"Mcp-Session-Id": CANARY}, {"jsonrpc": "2.0", "id": CANARY, "method": CANARY}
    yield {"Origin": f"https://{CANARY}"}, {}


def _request(method: str, params: dict[str, Any], name: str | None) -> tuple[dict[str, str], Any]:
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
    return headers, {"jsonrpc": "2.0", "id": CANARY, "method": method, "params": params | {"_meta": META}}


async def ask_everything(url: str, key: str) -> list[str]:
    """The bodies of the answers to all of it, with a key and with one that nobody knows."""
    usual = {"Accept": "application/json, text/event-stream", "User-Agent": CANARY}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        bodies = []
        for token in (key, STRANGERS_KEY):
            for headers, body in posts():
                given = usual | {"Authorization": f"Bearer {token}"} | headers
                bodies.append((await http.post(f"{url}?token={token}", json=body, headers=given)).text)
        bodies.append((await http.get(f"{url}/{STRANGERS_KEY}")).text)
    return bodies


TEAM = {"CLEANLIST_SECRET_KEYS": "canary secret of a team " * 2}


@pytest.mark.long
@pytest.mark.parametrize("team", [False, pytest.param(True, marks=needs_postgres)], ids=["file", "database"])
async def test_no_key_and_no_address_is_in_any_log_figure_trace_error_or_dump(
    tmp_path: Path, team: bool
) -> None:
    sandbox, database = Sandbox(), server().new_database() if team else ""
    settings = TEAM | {"CLEANLIST_DATABASE_URL": database} if team else {}
    async with running(sandbox) as api:
        with exporting(tmp_path, CLEANLIST_BASE_URL=api, **settings) as (url, process):
            bodies = await ask_everything(url, sandbox.key)
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=60)
    exported = (tmp_path / "exported").read_text("utf-8")

    for text in (out, log, exported):
        for secret in ("anary", "leak.example", sandbox.key[-20:], STRANGERS_KEY[-12:]):
            assert secret not in text
        assert "canary" not in text  # the database's password, and the team's secret
    if team:
        stored = server().dump(database.rpartition("/")[2])
        assert "CREATE TABLE" in stored and "Canary Person" in stored  # whom a run was for is kept, by name
        assert not any(
            secret in stored for secret in (CANARY, sandbox.key[-20:], STRANGERS_KEY[-12:], "canary")
        )
    assert not any(key in body for body in bodies for key in (sandbox.key, STRANGERS_KEY))
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len(lines) == len(bodies)
    _assert_known(lines)
    charged = re.findall(r'"state": "charged"', exported)
    assert charged and all(figure.name in exported for figure in FIGURES)


def _assert_known(lines: list[dict[str, Any]]) -> None:
    """Every word of a line is one of ours."""
    outcomes = CODES | {"ok", "method_not_found", "invalid_params", "invalid_request", "rpc_error"}
    for line in lines:
        assert line.get("method", "other") in METHODS | {"other"}
        assert line.get("tool", "unknown") in {
            "whoami",
            "enrich_person",
            "estimate",
            "workflow_status",
            "unknown",
        }
        assert line["outcome"] in outcomes or re.fullmatch(r"http_\d{3}", line["outcome"])
        assert re.fullmatch(r"[0-9a-f]{8}", line.get("account", "0" * 8))
    found = {(line.get("tool"), line["outcome"]) for line in lines}
    assert {("whoami", "ok"), ("enrich_person", "ok"), ("whoami", "unauthorized")} <= found
