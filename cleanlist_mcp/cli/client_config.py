"""`cleanlist-mcp config`: the snippet or install link by which each client starts this server.

A snippet never holds a key, only `PLACEHOLDER`, which the server recognises as no key at all.
"""

import base64
import json
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

NAME = "cleanlist"
"""The server's name in a client: short, because clients put it before every tool's name."""

PLACEHOLDER = "YOUR_CLEANLIST_API_KEY"

ON_THE_INDEX = False
"""True from the first release on; `scripts/release published` sets it. Until then whoever registered the bare name at
the package index would be given the keys of our users."""

_VSCODE_INPUT = {
    "type": "promptString",
    "id": "cleanlist_api_key",
    "description": "Cleanlist API key",
    "password": True,
}

_NOT_HERE_FOR_LONG = (
    "cleanlist-mcp: uv started this copy from its cache, which may be cleared, and does not know its source; "
    "install cleanlist-mcp in a virtual environment as the README shows, and run config from there.\n"
)

Writer = Callable[[Sequence[str], Mapping[str, str]], str]
"""Makes a text from the words of a command and its environment."""


@dataclass(frozen=True)
class Client:
    """One client: the place of the snippet, its writer, and the install link if the client has one."""

    place: str
    write: Writer
    link: Writer | None = None


def main(client: str, *, sandbox: bool = False) -> int:
    """Print the snippet by which `client` starts this installation; stdout holds nothing else."""
    words = running_command()
    if not words:
        sys.stderr.write(_NOT_HERE_FOR_LONG)
        return 1
    text = snippet(client, command=words, sandbox=sandbox)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # no word about a snippet that did not come out
    sentences = (
        f"Goes to: {CLIENTS[client].place}.",
        _about_the_file(text),
        _about_the_key(client, sandbox=sandbox),
    )
    sys.stderr.write(" ".join(filter(None, sentences)) + "\n")
    link = install_link(client, command=words, sandbox=sandbox)
    if link is not None:
        sys.stderr.write(f"Or open this link, which adds the same: {link}\n")
    return 0


def snippet(client: str, *, command: Sequence[str], sandbox: bool = False) -> str:
    """Return the snippet for `client`, ready to paste; the key in it is a placeholder.

    `command` is the program and its arguments. With `sandbox`, the server runs on made-up data and needs no key.
    """
    return CLIENTS[client].write(command, _environment(sandbox=sandbox))


def install_link(client: str, *, command: Sequence[str], sandbox: bool = False) -> str | None:
    """Return an address that adds the same server when it is opened, or None for a client without one.

    It holds a path of this machine, so it is opened by the client itself and passes through no website.
    """
    write = CLIENTS[client].link
    return write and write(command, _environment(sandbox=sandbox))


def running_command() -> tuple[str, ...]:
    """Return the words that start this very installation; none if it would be gone tomorrow.

    Clients with a window do not see a terminal's PATH, so the program is named by its whole path.
    """
    if any(part.startswith(("archive-v", "environments-v")) for part in Path(sys.prefix).parts):
        return _uvx_command()  # this is uv's cache
    program = Path(sysconfig.get_path("scripts")) / (
        "cleanlist-mcp.exe" if os.name == "nt" else "cleanlist-mcp"
    )
    return (str(program),) if program.is_file() else (sys.executable, "-m", "cleanlist_mcp")


def _uvx_command() -> tuple[str, ...]:
    """Return uvx with the source that it was given; with the bare name only if the package index has it."""
    uvx = shutil.which("uvx") or "uvx"
    try:
        recorded = json.loads(distribution("cleanlist-mcp").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return ()
    if "url" not in recorded:
        return (uvx, "cleanlist-mcp") if ON_THE_INDEX else ()
    source = recorded["url"]
    if "vcs_info" in recorded:
        version = recorded["vcs_info"]
        source = f"{version['vcs']}+{source}@{version['commit_id']}"
    return (uvx, "--from", source, "cleanlist-mcp")


def shell_line(words: Sequence[str], *, windows: bool = os.name == "nt") -> str:
    """Return `words` as one line that this system's shell takes apart into the same words."""
    return " ".join(map(_windows_word, words)) if windows else shlex.join(words)


def _windows_word(word: str) -> str:
    """Return `word`, in quotes if PowerShell or cmd could see more than a word in it."""
    if re.fullmatch(r"[\w.:\\/=-]+", word):
        return word
    # Backslashes are themselves, except before a quote.
    return '"' + re.sub(r'(\\*)("|$)', lambda end: end[1] * 2 + end[2].replace('"', '\\"'), word) + '"'


def _environment(*, sandbox: bool) -> dict[str, str]:
    return {"CLEANLIST_SANDBOX": "true"} if sandbox else {"CLEANLIST_API_KEY": PLACEHOLDER}


def _about_the_file(text: str) -> str:
    """Return a note on the snippet's outer keys: a JSON file may have them already, and must not have them twice."""
    if not text.startswith("{"):
        return ""
    keys = " or ".join(f'"{key}"' for key in json.loads(text))
    return f"If the file already has {keys}, add only the entry inside it."


def _about_the_key(client: str, *, sandbox: bool) -> str:
    if sandbox:
        return "No key is needed."
    return "VS Code asks for the key." if client == "vscode" else f"Replace {PLACEHOLDER} with your key."


def _server(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    return {"command": words[0], "args": list(words[1:]), "env": dict(environment)}


def _under(key: str) -> Writer:
    """Return a writer of the JSON file in which servers stand under `key`."""

    def write(words: Sequence[str], environment: Mapping[str, str]) -> str:
        return json.dumps({key: {NAME: _server(words, environment)}}, indent=2, ensure_ascii=False)

    return write


def _claude_code(words: Sequence[str], environment: Mapping[str, str]) -> str:
    # --env takes every word up to the next option, so the name comes before it and --scope behind: PowerShell
    # may swallow the --, which keeps our own options ours.
    settings = [f"{name}={value}" for name, value in environment.items()]
    return shell_line(["claude", "mcp", "add", NAME, "--env", *settings, "--scope", "user", "--", *words])


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
    inputs, server = _vscode_entry(words, environment)
    return json.dumps({"inputs": inputs, "servers": {NAME: server}}, indent=2, ensure_ascii=False)


def _vscode_link(words: Sequence[str], environment: Mapping[str, str]) -> str:
    inputs, server = _vscode_entry(words, environment)
    return "vscode:mcp/install?" + quote(_compact({"name": NAME, "inputs": inputs, **server}), safe="")


def _vscode_entry(
    words: Sequence[str], environment: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the inputs and the server: VS Code asks for the key once and keeps it in the system's own store."""
    filled = {
        name: "${input:cleanlist_api_key}" if value == PLACEHOLDER else value
        for name, value in environment.items()
    }
    inputs = [_VSCODE_INPUT] if filled != environment else []
    return inputs, {"type": "stdio", **_server(words, filled)}


def _cursor_link(words: Sequence[str], environment: Mapping[str, str]) -> str:
    entry = base64.b64encode(_compact(_server(words, environment)).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={NAME}&config={quote(entry, safe='')}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


CLIENTS: Mapping[str, Client] = {
    "claude-desktop": Client(
        "Settings > Developer > Edit Config: claude_desktop_config.json in ~/Library/Application Support/Claude "
        "(macOS) or %APPDATA%\\Claude (Windows)",
        _under("mcpServers"),
    ),
    "claude-code": Client(
        f"a terminal, after `claude mcp remove {NAME} --scope user` if it is there already", _claude_code
    ),
    "cursor": Client(
        "~/.cursor/mcp.json, or .cursor/mcp.json in a project", _under("mcpServers"), _cursor_link
    ),
    "vscode": Client(
        ".vscode/mcp.json in a project, or the command MCP: Open User Configuration", _vscode, _vscode_link
    ),
    "codex": Client(
        f"~/.codex/config.toml, in place of any tables [mcp_servers.{NAME}] that are there", _codex
    ),
    "gemini": Client("~/.gemini/settings.json", _under("mcpServers")),
    "zed": Client("settings.json, through the command zed: open settings", _under("context_servers")),
    "windsurf": Client("~/.codeium/windsurf/mcp_config.json", _under("mcpServers")),
}
"""Every client that a snippet is kept for, by its name on the command line."""
