"""Snippets say the same thing in each client's own words, and hold no secret."""

import base64
import json
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from cleanlist_mcp.cli import client_config
from cleanlist_mcp.cli.arguments import CLIENTS
from cleanlist_mcp.settings import Settings

COMMAND = ["/opt/cleanlist/bin/cleanlist-mcp", "--verbose"]
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
    """Take a command line apart as Claude Code does: --env swallows every word up to the next option."""
    assert words[:3] == ["claude", "mcp", "add"]
    own, command = words[3 : words.index("--")], words[words.index("--") + 1 :]
    position = own.index("--env")
    swallowed = own[position + 1 : own.index("--scope")]
    assert all("=" in word for word in swallowed)
    assert own[:position] == ["cleanlist"]
    assert own[-2:] == ["--scope", "user"]  # ends the environment if a shell swallowed the --
    environment = dict(word.split("=", 1) for word in swallowed)
    return {"command": command[0], "args": command[1:], "env": environment}


@pytest.mark.parametrize("client", client_config.CLIENTS)
def test_every_client_gets_the_same_command_and_a_placeholder_for_the_key(client: str) -> None:
    entry = parsed(client, client_config.snippet(client, command=COMMAND))

    assert [entry["command"], *entry["args"]] == COMMAND
    expected = "${input:cleanlist_api_key}" if client == "vscode" else client_config.PLACEHOLDER
    assert entry["env"] == {"CLEANLIST_API_KEY": expected}


@pytest.mark.parametrize("client", client_config.CLIENTS)
@pytest.mark.parametrize("path", AWKWARD)
def test_a_path_with_spaces_and_backslashes_survives(client: str, path: str) -> None:
    entry = parsed(client, client_config.snippet(client, command=[path]))

    assert [entry["command"], *entry["args"]] == [path]


@pytest.mark.parametrize("client", client_config.CLIENTS)
def test_the_sandbox_snippet_asks_for_no_key(client: str) -> None:
    text = client_config.snippet(client, command=COMMAND, sandbox=True)

    entry = parsed(client, text)
    assert [entry["command"], *entry["args"]] == COMMAND
    assert entry["env"] == {"CLEANLIST_SANDBOX": "true"}
    assert "API_KEY" not in text
    assert "promptString" not in text


def test_a_placeholder_that_was_never_replaced_is_recognised_as_no_key() -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY": client_config.PLACEHOLDER})

    assert settings.api_key is None
    assert "CLEANLIST_API_KEY" in settings.key_problem.text


def test_vs_code_asks_for_the_key_and_hides_it() -> None:
    data = json.loads(client_config.snippet("vscode", command=COMMAND))

    (asked,) = data["inputs"]
    assert asked["password"] is True
    assert data["servers"]["cleanlist"]["env"]["CLEANLIST_API_KEY"] == f"${{input:{asked['id']}}}"


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("path", AWKWARD)
def test_cursors_link_carries_the_entry_itself_and_not_the_file(path: str, sandbox: bool) -> None:
    url = urlsplit(client_config.install_link("cursor", command=[path], sandbox=sandbox) or "")
    query = parse_qs(url.query, strict_parsing=True)

    assert (url.scheme, url.path) == ("cursor", "/mcp/install")
    assert query["name"] == ["cleanlist"]
    entry = json.loads(base64.b64decode(query["config"][0], validate=True))
    assert entry == parsed("cursor", client_config.snippet("cursor", command=[path], sandbox=sandbox))


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("path", AWKWARD)
def test_vs_codes_link_carries_what_its_snippet_does(path: str, sandbox: bool) -> None:
    url = urlsplit(client_config.install_link("vscode", command=[path], sandbox=sandbox) or "")
    carried = json.loads(unquote(url.query))
    snippet = json.loads(client_config.snippet("vscode", command=[path], sandbox=sandbox))

    assert (url.scheme, url.path) == ("vscode", "mcp/install")
    inputs, name = carried.pop("inputs"), carried.pop("name")
    assert {"inputs": inputs, "servers": {name: carried}} == snippet


def test_a_client_without_install_links_has_none() -> None:
    assert client_config.install_link("zed", command=COMMAND) is None


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("C:\\Tools\\Zoë\\cleanlist-mcp.exe", "C:\\Tools\\Zoë\\cleanlist-mcp.exe"),
        ("C:\\My Tools\\cleanlist-mcp.exe", '"C:\\My Tools\\cleanlist-mcp.exe"'),
        ("C:\\R&D (new)\\cleanlist-mcp.exe", '"C:\\R&D (new)\\cleanlist-mcp.exe"'),
        ("file:///C:/my%20tools", '"file:///C:/my%20tools"'),
        ("C:\\My Tools\\", '"C:\\My Tools\\\\"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("", '""'),
        ("--sandbox", "--sandbox"),
        ("CLEANLIST_SANDBOX=true", "CLEANLIST_SANDBOX=true"),
    ],
)
def test_windows_quotes_whatever_is_more_than_a_plain_word(word: str, written: str) -> None:
    assert client_config.shell_line([word, "a"], windows=True) == f"{written} a"


def test_the_running_installation_is_named_by_its_whole_path_and_starts() -> None:
    words = client_config.running_command()

    assert Path(words[0]).is_absolute()
    ended = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0


def test_an_installation_without_its_script_is_started_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")

    assert client_config.running_command() == (sys.executable, "-m", "cleanlist_mcp")


FOLDER = {"url": "file:///home/ada/my%20tools/cleanlist-mcp", "dir_info": {}}
COMMIT = {
    "url": "https://code.example/ada/cleanlist-mcp",
    "vcs_info": {"vcs": "git", "commit_id": "5f3a0c", "requested_revision": "main"},
}


@pytest.mark.parametrize(
    ("recorded", "source"),
    [
        (FOLDER, "file:///home/ada/my%20tools/cleanlist-mcp"),
        (COMMIT, "git+https://code.example/ada/cleanlist-mcp@5f3a0c"),
    ],
)
def test_a_run_from_uvs_cache_is_told_as_uvx_with_its_source(
    in_uvs_cache: Path, recorded: dict[str, Any], source: str
) -> None:
    (in_uvs_cache / "direct_url.json").write_text(json.dumps(recorded), "utf-8")

    assert client_config.running_command() == ("/usr/bin/uvx", "--from", source, "cleanlist-mcp")


def test_a_run_from_uvs_cache_without_a_source_is_refused_with_what_to_do(
    in_uvs_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client_config, "ON_THE_INDEX", False)

    assert client_config.main("cursor") == 1

    out, aside = capsys.readouterr()
    assert out == ""
    (line,) = aside.splitlines()
    assert "install cleanlist-mcp in a virtual environment" in line


def test_a_run_from_uvs_cache_by_the_bare_name_is_told_as_such_once_the_index_has_it(
    in_uvs_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_config, "ON_THE_INDEX", True)

    assert client_config.running_command() == ("/usr/bin/uvx", "cleanlist-mcp")


def test_a_run_from_uvs_cache_that_is_no_package_at_all_is_refused_too(
    in_uvs_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(client_config, "distribution", missing)

    assert client_config.running_command() == ()


@pytest.fixture
def in_uvs_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This process as uvx starts it; gives the folder in which the installer would have recorded the source."""
    monkeypatch.setattr(sys, "prefix", "/home/ada/.cache/uv/archive-v0/Xb2mQ")
    monkeypatch.setattr(client_config, "distribution", lambda name: Distribution.at(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/uvx")
    return tmp_path


def test_the_command_line_knows_the_same_clients() -> None:
    assert list(client_config.CLIENTS) == list(CLIENTS)


def test_the_command_prints_the_snippet_alone_and_says_aside_where_it_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert client_config.main("cursor") == 0

    out, aside = capsys.readouterr()
    entry = parsed("cursor", out)
    assert [entry["command"], *entry["args"]] == list(client_config.running_command())
    assert "~/.cursor/mcp.json" in aside
    assert client_config.PLACEHOLDER in aside
    assert "cursor://" in aside


@pytest.mark.parametrize(
    ("client", "keys"),
    [("gemini", '"mcpServers"'), ("zed", '"context_servers"'), ("vscode", '"inputs" or "servers"')],
)
def test_whoever_has_such_a_file_already_is_told_to_add_the_entry_alone(
    client: str, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client_config.main(client)

    assert f"If the file already has {keys}, add only the entry inside it." in capsys.readouterr().err


@pytest.mark.parametrize("client", ["claude-code", "codex"])
def test_a_snippet_that_is_no_json_has_no_outer_key(client: str, capsys: pytest.CaptureFixture[str]) -> None:
    client_config.main(client)

    assert "already has" not in capsys.readouterr().err


def test_whoever_tries_the_sandbox_is_not_told_to_fill_in_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    client_config.main("zed", sandbox=True)

    aside = capsys.readouterr().err
    assert "No key is needed" in aside
    assert client_config.PLACEHOLDER not in aside
