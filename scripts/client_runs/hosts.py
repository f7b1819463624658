"""Programs for people: each reads our snippet from where it keeps such things, and connects if it can be asked to.

The server gets no key, which has to be enough for a connection, and stands under a path that has to be quoted.
"""

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cleanlist_mcp.cli import client_config
from client_runs import environments
from client_runs.pins import HOSTS

TRIES = 3
"""Gemini CLI's own check gives up after a few seconds, and a busy machine starts more slowly than that."""


class Misread(Exception):
    """A client that does not take the snippet; its text is what the client printed."""


@dataclass(frozen=True)
class Host:
    """An installed program for people: where npm put its command, and the home that it gets."""

    programs: Path
    home: Path
    server: Path

    def run(self, line: list[str]) -> str:
        """Return what the program prints on either stream; Gemini lists on stderr if nobody watches."""
        more = {
            "CODEX_HOME": str(self.home / ".codex"),
            "GEMINI_CLI_TRUST_WORKSPACE": "true",  # untrusted folders get no servers at all
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        ended = subprocess.run(
            [str(self.programs / line[0]), *line[1:]],
            cwd=self.home,
            env=environments.surroundings(self.home, more),
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        expect(ended.returncode == 0, ended.stdout + ended.stderr)
        return ended.stdout or ended.stderr

    def write(self, place: str, client: str) -> None:
        path = self.home / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(client_config.snippet(client, command=[str(self.server)]) + "\n", "utf-8")


def claude(host: Host) -> str:
    """Run the pasted line itself, then read what Claude Code's health check prints about it."""
    host.run(shlex.split(client_config.snippet("claude-code", command=[str(host.server)])))
    listed = host.run(["claude", "mcp", "list"])
    expect("Connected" in listed and str(host.server) in listed, listed)
    entry = host.run(["claude", "mcp", "get", client_config.NAME])
    expect(f"CLEANLIST_API_KEY={client_config.PLACEHOLDER}" in entry, entry)
    return "takes the pasted line; its health check says “Connected”"


def codex(host: Host) -> str:
    """Put the table into config.toml, and let Codex read it back."""
    host.write(".codex/config.toml", "codex")
    read = host.run(["codex", "mcp", "get", client_config.NAME, "--json"])
    transport = json.loads(read)["transport"]
    expect(transport["command"] == str(host.server), read)
    expect(transport["env"] == {"CLEANLIST_API_KEY": client_config.PLACEHOLDER}, read)
    return "reads the table back with command and environment"


def gemini(host: Host) -> str:
    """Put the settings file in place, and ask Gemini CLI for its own check of the connection."""
    host.write(".gemini/settings.json", "gemini")
    for _ in range(TRIES):
        listed = host.run(["gemini", "mcp", "list"])
        if "Connected" in listed:
            break
    expect("Connected" in listed and str(host.server) in listed, listed)
    return "reads the settings file and connects"


CHECKS = {"Claude Code": claude, "Codex": codex, "Gemini CLI": gemini}


def try_out(name: str, folder: Path) -> str:
    """Install a program and return what it did with the snippet.

    Raises:
        NotInstallable: if it cannot be had. Misread: if it does not take the snippet.
    """
    programs = environments.npm([HOSTS[name]], folder / "environment")
    home = folder / "a home with spaces"
    server = home / "my tools" / "cleanlist-mcp"
    server.parent.mkdir(parents=True)
    server.symlink_to(client_config.running_command()[0])
    return CHECKS[name](Host(programs, home, server))


def expect(held: bool, said: str) -> None:
    if not held:
        raise Misread(said)
