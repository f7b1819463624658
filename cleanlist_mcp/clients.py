"""How each client is told to start this server: the one home of its snippets and install buttons.

A snippet never holds a key, only `PLACEHOLDER`, which the server recognises as no key at all.
"""

import base64
import json
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

NAME = "cleanlist"
"""The server's name in a client: short, because clients put it before every tool's name."""

PLACEHOLDER = "YOUR_CLEANLIST_API_KEY"
UVX = ("uvx", "cleanlist-mcp")
"""The command once the package is published: fetches it when needed, so no path has to be known."""

_VSCODE_INPUT = {
    "type": "promptString",
    "id": "cleanlist_api_key",
    "description": "Cleanlist API key",
    "password": True,
}


@dataclass(frozen=True)
class Client:
    """One client: `place` says where the snippet goes, `write` makes it from command words and environment."""

    place: str
    write: Callable[[Sequence[str], Mapping[str, str]], str]


def main(client: str) -> int:
    """Print what `client` has to be given to start this installation; stdout holds nothing else."""
    sys.stdout.write(snippet(client, command=running_command()) + "\n")
    key = "VS Code asks for the key." if client == "vscode" else f"Replace {PLACEHOLDER} by your key."
    sys.stderr.write(f"Goes to: {place(client)}. {key}\n")
    return 0


def snippet(client: str, *, command: str | Sequence[str] | None = None, sandbox: bool = False) -> str:
    """What `client` has to be given, ready to paste; the key in it is a placeholder.

    `command` is the program, or its words; None is `uvx cleanlist-mcp`. With `sandbox`, the server runs on made-up
    data and needs no key.

    Raises:
        ValueError: for a client that is not in `CLIENTS`.
    """
    environment = {"CLEANLIST_SANDBOX": "true"} if sandbox else {"CLEANLIST_API_KEY": PLACEHOLDER}
    return _client(client).write(_words(command), environment)


def place(client: str) -> str:
    """Where the snippet of `client` belongs: a file on each system, or the terminal.

    Raises:
        ValueError: for a client that is not in `CLIENTS`.
    """
    return _client(client).place


def install_url(client: str) -> str:
    """The address behind an install button, for `cursor` and `vscode`; it starts the published package.

    Both are https redirects: code hosts do not link `cursor:` and `vscode:` addresses.

    Raises:
        ValueError: for a client that has no such button.
    """
    if client == "cursor":
        server = _server(UVX, {"CLEANLIST_API_KEY": PLACEHOLDER})
        config = base64.b64encode(_compact(server).encode()).decode()
        return f"https://cursor.com/en/install-mcp?name={NAME}&config={quote(config, safe='')}"
    if client == "vscode":
        inputs, config = (
            quote(_compact([_VSCODE_INPUT]), safe=""),
            quote(_compact(_vscode_server(UVX)), safe=""),
        )
        return f"https://insiders.vscode.dev/redirect/mcp/install?name={NAME}&inputs={inputs}&config={config}"
    raise ValueError(f"no install button for {client}; there is one for cursor and vscode")


def running_command() -> tuple[str, ...]:
    """The words that start this very installation; `UVX` where uvx runs it from its cache.

    Clients with a window do not see a terminal's PATH, so the program is named by its whole path.
    """
    parts = Path(sys.prefix).parts
    if any(part.startswith(("archive-v", "environments-v")) for part in parts):
        return UVX  # uv's cache: that path may be gone tomorrow
    program = Path(sysconfig.get_path("scripts")) / (
        "cleanlist-mcp.exe" if os.name == "nt" else "cleanlist-mcp"
    )
    return (str(program),) if program.is_file() else (sys.executable, "-m", "cleanlist_mcp")


def shell_line(words: Sequence[str], *, windows: bool = os.name == "nt") -> str:
    """`words` as one line that this system's shell takes apart into the same words."""
    return subprocess.list2cmdline(words) if windows else shlex.join(words)


def _client(name: str) -> Client:
    if name not in CLIENTS:
        raise ValueError(f"no such client: {name}; known are {', '.join(CLIENTS)}")
    return CLIENTS[name]


def _words(command: str | Sequence[str] | None) -> tuple[str, ...]:
    if command is None:
        return UVX
    return (command,) if isinstance(command, str) else tuple(command)


def _server(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    return {"command": words[0], "args": list(words[1:]), "env": dict(environment)}


def _under(key: str) -> Callable[[Sequence[str], Mapping[str, str]], str]:
    """The JSON file in which servers stand under `key`."""

    def write(words: Sequence[str], environment: Mapping[str, str]) -> str:
        return json.dumps({key: {NAME: _server(words, environment)}}, indent=2, ensure_ascii=False)

    return write


def _claude_code(words: Sequence[str], environment: Mapping[str, str]) -> str:
    # --env takes every word up to the next option, so the name comes before it; -- keeps our own options ours.
    settings = [f"{name}={value}" for name, value in environment.items()]
    return shell_line(["claude", "mcp", "add", NAME, "--scope", "user", "--env", *settings, "--", *words])


def _codex(words: Sequence[str], environment: Mapping[str, str]) -> str:
    # A JSON string is a TOML string too, as long as nothing beyond the basic plane is escaped.
    text = json.dumps
    lines = [
        f"[mcp_servers.{NAME}]",
        f"command = {text(words[0], ensure_ascii=False)}",
        f"args = {text(list(words[1:]), ensure_ascii=False)}",
        "startup_timeout_sec = 60",
        "tool_timeout_sec = 60",
        "",
        f"[mcp_servers.{NAME}.env]",
        *(f"{name} = {text(value, ensure_ascii=False)}" for name, value in environment.items()),
    ]
    return "\n".join(lines)


def _vscode(words: Sequence[str], environment: Mapping[str, str]) -> str:
    if "CLEANLIST_API_KEY" not in environment:
        server = {"type": "stdio", **_server(words, environment)}
        return json.dumps({"servers": {NAME: server}}, indent=2, ensure_ascii=False)
    whole = {"inputs": [_VSCODE_INPUT], "servers": {NAME: _vscode_server(words)}}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _vscode_server(words: Sequence[str]) -> dict[str, Any]:
    """VS Code asks for the key once and keeps it in the system's own store."""
    return {"type": "stdio", **_server(words, {"CLEANLIST_API_KEY": "${input:cleanlist_api_key}"})}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


CLIENTS: Mapping[str, Client] = {
    "claude-desktop": Client(
        "Settings > Developer > Edit Config: claude_desktop_config.json in ~/Library/Application Support/Claude "
        "(macOS) or %APPDATA%\\Claude (Windows)",
        _under("mcpServers"),
    ),
    "claude-code": Client("a terminal", _claude_code),
    "cursor": Client("~/.cursor/mcp.json, or .cursor/mcp.json in a project", _under("mcpServers")),
    "vscode": Client(".vscode/mcp.json in a project, or the command MCP: Open User Configuration", _vscode),
    "codex": Client("~/.codex/config.toml", _codex),
    "gemini": Client("~/.gemini/settings.json", _under("mcpServers")),
    "zed": Client("settings.json, through the command zed: open settings", _under("context_servers")),
    "windsurf": Client("~/.codeium/windsurf/mcp_config.json", _under("mcpServers")),
}
"""Every client that a snippet is kept for, by its name on the command line."""
