"""The servers that `benchmarks.peers` compares, each in an environment of its own that is made here, under .cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "peers"
SERVERS = ROOT / "benchmarks" / "peer_servers"
INSTALLING = 900.0
"""Seconds that one installation may take."""

NODE_PACKAGES = (
    "@modelcontextprotocol/server@2.4.0",
    "zod@4.6.7",
    "@notionhq/notion-mcp-server@2.5.2",
    "@hubspot/mcp-server@0.4.0",
)
SDK = "mcp==2.3.0"


@dataclass(frozen=True)
class Peer:
    """A server: the command that starts it, the variables that lead it to `{url}`, and the call that is measured."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    tool: str = "whoami"
    arguments: Mapping[str, Any] = field(default_factory=dict)


def python_peers() -> list[Peer]:
    """Install the Python servers and return them: ours, and those that carry out the same request."""
    bare = _python("bare", [SDK, "httpx"])
    fastmcp = _python("fastmcp", ["fastmcp==4.2.3", "httpx"])
    reached = {"CLEANLIST_BASE_URL": "{url}", "CLEANLIST_API_KEY": "clapi_made_up_for_a_benchmark"}
    return [
        Peer("ours", [_python("ours", _own_dependencies()), "-m", "cleanlist_mcp"], reached | _checkout()),
        Peer("bare SDK", [bare, str(ROOT / "benchmarks" / "bare_server.py"), "whoami"], reached),
        Peer("FastMCP", [fastmcp, str(SERVERS / "with_fastmcp.py")], reached),
    ]


def node_peers() -> list[Peer]:
    """Install the Node servers and return them; none without npm."""
    if shutil.which("npm") is None:
        return []
    folder = _node()
    packages = folder / "node_modules"
    notion = packages / "@notionhq" / "notion-mcp-server" / "bin" / "cli.mjs"
    hubspot = packages / "@hubspot" / "mcp-server" / "dist" / "index.js"
    reached = {"CLEANLIST_BASE_URL": "{url}", "CLEANLIST_API_KEY": "made-up"}
    return [
        Peer("TypeScript SDK", ["node", str(folder / "with_typescript.mjs")], reached),
        Peer(
            "Notion", ["node", str(notion)], {"BASE_URL": "{url}", "NOTION_TOKEN": "made-up"}, "API-get-users"
        ),
        Peer(
            "HubSpot",
            ["node", str(hubspot)],
            {"BASE_URL_OVERRIDE": "{url}", "PRIVATE_APP_ACCESS_TOKEN": "made-up"},
            "hubspot-list-objects",
            {"objectType": "contacts"},
        ),
    ]


def surroundings(peer: Peer, url: str, home: Path) -> dict[str, str]:
    """Return the variables of a server: nobody's keys or settings, and bytecode is kept as on a user's machine."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    own = {name: value.format(url=url) for name, value in peer.variables.items()}
    # Each start loads all it needs: what one gains from the one before, benchmarks.front measures.
    ours = {"CLEANLIST_STATE_DIR": str(home / "state"), "CLEANLIST_FRONT": "never"}
    return kept | own | ours | {"HOME": str(home)}


def _own_dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [str(line) for line in project["dependencies"]]


def _checkout() -> dict[str, str]:
    """Return the variables that let an environment with our dependencies run the code of this checkout."""
    return {"PYTHONPATH": str(ROOT)}


def _python(name: str, requirements: Sequence[str]) -> str:
    """Return the interpreter of an environment that holds these packages and nothing else."""
    folder = FOLDER / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not _is_made(folder, requirements):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=False)
        _run([sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", *requirements], ROOT)
        _mark(folder, requirements)
    return str(python)


def _node() -> Path:
    """Return the folder that holds the packages of Node and, beside them, our server for its SDK."""
    folder = FOLDER / "node"
    if not _is_made(folder, NODE_PACKAGES):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n', "utf-8")
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *NODE_PACKAGES], folder)
        _mark(folder, NODE_PACKAGES)
    shutil.copy(SERVERS / "with_typescript.mjs", folder)
    return folder


def _is_made(folder: Path, requirements: Sequence[str]) -> bool:
    try:
        return (folder / "made-of").read_text("utf-8") == _digest(requirements)
    except OSError:
        return False


def _mark(folder: Path, requirements: Sequence[str]) -> None:
    (folder / "made-of").write_text(_digest(requirements), "utf-8")


def _digest(requirements: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=INSTALLING)
