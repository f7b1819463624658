"""Snippets say the same thing in each client's own words, and hold no secret."""

import base64
import json
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cleanlist_mcp import cli, clients
from cleanlist_mcp.settings import Settings

AWKWARD = ["/home/ada/my tools/.venv/bin/cleanlist-mcp", "C:\\Program Files\\Zoë\\Scripts\\cleanlist-mcp.exe"]


def parsed(client: str, text: str) -> dict[str, Any]:
    """The server's entry as the client would read it: command, args, env."""
    if client == "claude-code":
        return claude_reads(shlex.split(text))
    if client == "codex":
        entry: dict[str, Any] = tomllib.loads(text)["mcp_servers"]["cleanlist"]
        return entry
    data = json.loads(text)
    key = {"vscode": "servers", "zed": "context_servers"}.get(client, "mcpServers")
    entry = data[key]["cleanlist"]
    return entry


def claude_reads(words: list[str]) -> dict[str, Any]:
    """How Claude Code takes its command line apart: --env swallows every word up to the next option."""
    assert words[:3] == ["claude", "mcp", "add"]
    own, command = words[3 : words.index("--")], words[words.index("--") + 1 :]
    position = own.index("--env")
    swallowed = own[position + 1 :]
    assert all("=" in word for word in swallowed)
    assert own[:position] == ["cleanlist", "--scope", "user"]
    environment = dict(word.split("=", 1) for word in swallowed)
    return {"command": command[0], "args": command[1:], "env": environment}


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_every_client_gets_the_same_command_and_a_placeholder_for_the_key(client: str) -> None:
    entry = parsed(client, clients.snippet(client))

    assert [entry["command"], *entry["args"]] == ["uvx", "cleanlist-mcp"]
    expected = "${input:cleanlist_api_key}" if client == "vscode" else clients.PLACEHOLDER
    assert entry["env"] == {"CLEANLIST_API_KEY": expected}


@pytest.mark.parametrize("client", clients.CLIENTS)
@pytest.mark.parametrize("path", AWKWARD)
def test_a_path_with_spaces_and_backslashes_survives(client: str, path: str) -> None:
    entry = parsed(client, clients.snippet(client, command=path))

    assert [entry["command"], *entry["args"]] == [path]


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_the_sandbox_snippet_asks_for_no_key(client: str) -> None:
    text = clients.snippet(client, command=["python", "-m", "cleanlist_mcp"], sandbox=True)

    entry = parsed(client, text)
    assert [entry["command"], *entry["args"]] == ["python", "-m", "cleanlist_mcp"]
    assert entry["env"] == {"CLEANLIST_SANDBOX": "true"}
    assert "API_KEY" not in text


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_every_client_says_where_its_snippet_goes(client: str) -> None:
    assert clients.place(client)


def test_a_placeholder_that_was_never_replaced_is_recognised_as_no_key() -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY": clients.PLACEHOLDER})

    assert settings.api_key is None
    assert "CLEANLIST_API_KEY" in settings.key_fault.text


def test_vs_code_asks_for_the_key_and_hides_it() -> None:
    data = json.loads(clients.snippet("vscode"))

    (asked,) = data["inputs"]
    assert asked["password"] is True
    assert data["servers"]["cleanlist"]["env"]["CLEANLIST_API_KEY"] == f"${{input:{asked['id']}}}"


def test_cursors_button_carries_the_entry_itself_and_not_the_file() -> None:
    url = urlsplit(clients.install_url("cursor"))
    query = parse_qs(url.query, strict_parsing=True)

    assert url.scheme == "https"
    assert query["name"] == ["cleanlist"]
    entry = json.loads(base64.b64decode(query["config"][0], validate=True))
    assert entry == parsed("cursor", clients.snippet("cursor"))


def test_vs_codes_button_carries_what_its_snippet_does() -> None:
    url = urlsplit(clients.install_url("vscode"))
    query = parse_qs(url.query, strict_parsing=True)

    assert url.scheme == "https"
    assert query["name"] == ["cleanlist"]
    assert {
        "inputs": json.loads(query["inputs"][0]),
        "servers": {"cleanlist": json.loads(query["config"][0])},
    } == (json.loads(clients.snippet("vscode")))


@pytest.mark.parametrize("name", ["clod", "Cursor", ""])
def test_an_unknown_client_is_refused_with_the_known_ones(name: str) -> None:
    for ask in (clients.snippet, clients.place):
        with pytest.raises(ValueError, match="windsurf"):
            ask(name)


def test_a_client_without_a_button_is_refused() -> None:
    with pytest.raises(ValueError, match="cursor and vscode"):
        clients.install_url("zed")


def test_windows_quotes_with_double_quotes() -> None:
    line = clients.shell_line(["C:\\My Tools\\cleanlist-mcp.exe", "a"], windows=True)

    assert line == '"C:\\My Tools\\cleanlist-mcp.exe" a'


def test_the_running_installation_is_named_by_its_whole_path_and_starts() -> None:
    words = clients.running_command()

    assert Path(words[0]).is_absolute()
    ended = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0


def test_an_installation_without_its_script_is_started_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")

    assert clients.running_command() == (sys.executable, "-m", "cleanlist_mcp")


def test_a_run_from_uvs_cache_is_told_as_uvx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/home/ada/.cache/uv/archive-v0/Xb2mQ")

    assert clients.running_command() == clients.UVX


def test_the_command_line_knows_the_same_clients() -> None:
    assert list(clients.CLIENTS) == list(cli.CLIENTS)


def test_the_command_prints_the_snippet_alone_and_says_aside_where_it_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert clients.main("cursor") == 0

    out, aside = capsys.readouterr()
    entry = parsed("cursor", out)
    assert [entry["command"], *entry["args"]] == list(clients.running_command())
    assert "~/.cursor/mcp.json" in aside
    assert clients.PLACEHOLDER in aside
