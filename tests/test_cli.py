"""The command, run as a user runs it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from cleanlist_mcp import __version__
from cleanlist_mcp.cli import CLIENTS


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cleanlist_mcp", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        stdin=subprocess.DEVNULL,
        **options,
    )


def test_version_and_help() -> None:
    assert run("--version").stdout == f"cleanlist-mcp {__version__}\n"
    shown = run("--help").stdout
    for command in ("demo", "doctor", "config", "sandbox", "--sandbox"):
        assert command in shown


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("config",), ("config", "notepad"), ("sandbox",), ("sandbox", "--port", "70000")],
)
def test_a_wrong_command_says_what_is_accepted_and_ends_with_two(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert "usage: cleanlist-mcp" in done.stderr
    assert done.stdout == ""


def test_a_config_snippet_is_all_there_is_on_stdout() -> None:
    snippet = json.loads(run("config", "claude-desktop").stdout)

    assert "cleanlist" in snippet["mcpServers"]
    assert len(CLIENTS) == 8


@pytest.mark.long
def test_the_demo_plays_every_step_and_accounts_for_every_credit() -> None:
    done = run("demo")

    assert done.returncode == 0, done.stdout + done.stderr
    for tool in (
        "whoami",
        "credits_balance",
        "enrich_person",
        "create_list",
        "add_leads",
        "estimate",
        "get_leads",
    ):
        assert f"call     {tool}(" in done.stdout
    for sign in (
        "dialog   Spend up to 12 credits",
        "progress ",
        "credits  5000 before",
        "every one accounted for",
    ):
        assert sign in done.stdout
    assert done.stderr == ""


def test_the_demo_ends_non_zero_where_a_step_fails(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from cleanlist_mcp import demo

    async def failing() -> None:
        raise ExceptionGroup("as a task group has it", [demo.StepFailed("whoami answered nothing")])

    monkeypatch.setattr(demo, "_play", failing)

    assert demo.main() == 1
    assert "whoami answered nothing" in capsys.readouterr().out
