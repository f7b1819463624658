"""The matrix of clients: its one table of versions, its section of docs/clients.md, and what it notices."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from client_runs import hosts, matrix, pins, report

PAGE = report.PAGE.read_text("utf-8")
SECTION = PAGE.partition(report.BEGIN)[2].partition(report.END)[0]


def client(name: str = "A client", driver: str = "with_sdk2.py") -> pins.Client:
    return pins.Client(name, ("mcp==2.3.0",), driver)


def test_the_page_has_a_section_with_every_column_and_every_client() -> None:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in SECTION.splitlines() if line.startswith("| ")]
    packages = [report.first_cell(one) for one in pins.CLIENTS]

    assert f"| {' | '.join(report.COLUMNS)} |" in SECTION
    assert f"| {' | '.join(report.HOST_COLUMNS)} |" in SECTION
    assert rows == [report.COLUMNS[0], "---", *packages, report.HOST_COLUMNS[0], "---", *pins.HOSTS]


def test_the_page_shows_the_versions_of_the_one_table() -> None:
    for name, package in [(one.name, one.package) for one in pins.CLIENTS] + [*pins.HOSTS.items()]:
        row = next(line for line in SECTION.splitlines() if line.startswith(f"| {name} "))
        assert f"| {pins.split(package)[1]} |" in row


def test_every_client_is_pinned_to_one_version_and_has_a_driver() -> None:
    for one in pins.CLIENTS:
        name, version = pins.split(one.package)
        assert name and version[0].isdigit()
        assert (pins.DRIVERS / one.driver).is_file()
    assert {path.name for path in pins.DRIVERS.glob("with_*")} == {one.driver for one in pins.CLIENTS}
    assert hosts.CHECKS.keys() == pins.HOSTS.keys()


def test_ci_tries_both_generations_of_both_sdks_each_time() -> None:
    assert [one.name for one in pins.CLIENTS if one.usual] == [
        "MCP Python SDK 1",
        "MCP Python SDK 2",
        "MCP TypeScript SDK 1",
        "MCP TypeScript SDK 2",
    ]


@pytest.mark.parametrize(
    ("package", "parts"),
    [
        ("mcp==2.3.0", ("mcp", "2.3.0")),
        ("smolagents[mcp]==1.26.0", ("smolagents", "1.26.0")),
        ("@ai-sdk/mcp@2.0.99", ("@ai-sdk/mcp", "2.0.99")),
        ("ai@7.0.173", ("ai", "7.0.173")),
        ("mcp<2", ("mcp<2", "")),
        ("@langchain/core", ("@langchain/core", "")),
    ],
)
def test_a_package_is_split_into_name_and_version(package: str, parts: tuple[str, str]) -> None:
    assert pins.split(package) == parts


def test_a_row_says_what_failed_and_what_was_left_out() -> None:
    failed = matrix.Outcome(client(), tools=3, problems=["a | b", "c"])
    absent = matrix.Outcome(client(), missing="No matching distribution")

    assert report.row(failed)[-2] == "fails: a | b; c"
    assert report.row(absent)[-2] == "left out: does not install here"
    assert len(report.row(failed)) == len(report.row(absent)) == len(report.COLUMNS)
    assert "a / b" in report.table(report.COLUMNS, [report.row(failed)])


def test_writing_keeps_what_was_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "clients.md"
    page.write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n", "utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    first, second = pins.CLIENTS[:2]

    report.write([report.row(matrix.Outcome(second)), report.host_row("Codex", "reads it")])
    report.write([report.row(matrix.Outcome(first, problems=["late"]))])
    report.write([report.row(matrix.Outcome(first))])

    text = page.read_text("utf-8")
    written = report.rows_in(text)
    assert text.startswith(f"before\n{report.BEGIN}\n") and text.endswith(f"{report.END}\nafter\n")
    assert [name for name in written if name in map(report.first_cell, pins.CLIENTS)] == [
        report.first_cell(first),
        report.first_cell(second),
    ]
    assert written[report.first_cell(first)][-2] == "works"
    assert written["Codex"][2] == "reads it"


GOOD: dict[str, Any] = {
    "tools": sorted(matrix.TOOLS),
    "whoami": "Sandbox: Northwind Sandbox",
    "estimate": '{"quote_id": "qte_1"}',
    "wrong": 'raised ToolError: {"error": {"code": "not_found", "next_step": "Call find_lists."}}',
}


def test_answers_as_they_should_be_leave_no_problem() -> None:
    outcome = matrix.Outcome(client())

    matrix.judge_answers(GOOD, outcome)

    assert outcome.problems == []
    assert (outcome.tools, outcome.error) == (len(matrix.TOOLS), "raised")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"tools": ["whoami"]}, "other tools"),
        ({"whoami": "raised TimeoutError: "}, "whoami"),
        ({"estimate": "null"}, "estimate"),
        ({"wrong": "must have required property 'summary'"}, "does not arrive"),
    ],
)
def test_each_wrong_answer_is_a_problem(changed: dict[str, Any], word: str) -> None:
    outcome = matrix.Outcome(client())

    matrix.judge_answers(GOOD | changed, outcome)

    assert len(outcome.problems) == 1
    assert word in outcome.problems[0]


def note(folder: Path, name: str, stderr: str = "", **changes: Any) -> None:
    (folder / f"{name}.stderr").write_text(stderr, "utf-8")
    # 2**22 is above the largest process id that Linux hands out by default.
    kept = {"server": 2**22 + 1, "sent": "", "ended": 0} | changes
    (folder / f"{name}.json").write_text(json.dumps(kept), "utf-8")


def test_servers_that_complain_or_end_badly_are_problems(tmp_path: Path) -> None:
    note(tmp_path, "1", stderr="Traceback:\n  ValueError: no\n")
    note(tmp_path, "2", ended=1)
    note(tmp_path, "3", ended=143)
    outcome = matrix.Outcome(client())

    matrix.judge_servers(tmp_path, outcome)

    assert outcome.servers == 3
    assert outcome.problems == ["stderr: ValueError: no", "a server ended with 1"]


def test_a_server_that_stays_behind_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "ENDING", 0.1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as staying:
        note(tmp_path, "1", server=staying.pid, ended=None)
        outcome = matrix.Outcome(client())
        matrix.judge_servers(tmp_path, outcome)
        staying.communicate(b"\n")

    assert outcome.problems == ["a server still runs 0 s after its client"]


ASKS = {"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}}
ASKS_IN_META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    }
}


@pytest.mark.parametrize(("params", "protocol"), [(ASKS, "2025-11-25"), (ASKS_IN_META, "2026-07-28")])
def test_the_protocol_and_the_dialog_are_read_in_both_eras(
    tmp_path: Path, params: dict[str, Any], protocol: str
) -> None:
    note(tmp_path, "1", sent=json.dumps({"params": params}) + "\n{half a mess")
    outcome = matrix.Outcome(client())

    matrix.judge_servers(tmp_path, outcome)

    assert (outcome.protocol, outcome.dialog, outcome.problems) == (protocol, True, [])


def test_the_watched_server_answers_and_leaves_a_note(tmp_path: Path) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    ended = subprocess.run(
        [sys.executable, str(matrix.WATCHED), str(tmp_path)],
        input=json.dumps(hello) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    (kept,) = tmp_path.glob("*.json")

    assert json.loads(ended.stdout)["result"]["serverInfo"]["name"] == "cleanlist-mcp"
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(kept.read_text("utf-8"))["sent"] == json.dumps(hello) + "\n"
    assert json.loads(kept.read_text("utf-8"))["ended"] == 0
    assert kept.with_suffix(".stderr").read_text("utf-8") == ""
