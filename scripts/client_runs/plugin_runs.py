"""The plugin in Claude Code and the extension in Gemini CLI: installed by the hosts' own commands, then played.

Each host gets a home of its own, and finds `cleanlist-mcp` on its PATH. That is our server, live, but at the made-up
API of a sandbox in a process of its own, so that lists and credits last from one command to the next. The sandbox's key
goes the way of a user's key: into the host's own settings, or the environment.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from client_runs import environments, plugin_scenes
from client_runs.pins import HOSTS
from client_runs.plugin_texts import (
    CLAUDE,
    COMMAND,
    GEMINI,
    INTEGRATIONS,
    MARKETPLACE,
    NAME,
    TEXTS,
    WHEN,
    Command,
    commands,
)
from client_runs.scripted_model import ScriptedModel

PATIENCE = 120.0
DAILY_LIMIT = 500
"""A setting that is exported where the host starts; it has to reach the server."""
TRIES = 3
"""Gemini CLI's own check gives up after a few seconds, and a busy machine starts more slowly than that."""


class Failed(Exception):
    """A step that is not as it should be; its text is what was printed or read."""


@dataclass(frozen=True)
class Sandbox:
    """A made-up API: its address and the key that it accepts."""

    address: str
    key: str


@dataclass(frozen=True)
class Place:
    """An installed host: where npm put its command, its home, and the sandbox that its server reaches."""

    programs: Path
    home: Path
    sandbox: Sandbox

    def run(self, *line: str, **more: str) -> str:
        """Return what the host prints on either stream; its variables are `more` and nobody's settings.

        Raises:
            Failed: if the host ends with an error.
        """
        ended = subprocess.run(
            [str(self.programs / line[0]), *line[1:]],
            cwd=self.home,
            env=environments.surroundings(self.home, self.variables() | more),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        said = ended.stdout + ended.stderr
        expect(ended.returncode == 0, said)
        return said

    def variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CLEANLIST_DAILY_LIMIT": str(DAILY_LIMIT),
            "GEMINI_CLI_TRUST_WORKSPACE": "true",  # untrusted folders get no servers at all
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "ENABLE_TOOL_SEARCH": "false",  # the script names tools without looking for them first,
            "MCP_CONNECTION_NONBLOCKING": "false",  # and from the first turn on
        }

    def put_server(self) -> None:
        """Put `cleanlist-mcp` on the host's PATH; nobody is there to answer a dialog."""
        settings = {
            "CLEANLIST_BASE_URL": self.sandbox.address,
            "CLEANLIST_STATE_DIR": str(self.home / "state"),
            "CLEANLIST_CONFIRM": "never",
        }
        words = [
            *(f"{name}={value}" for name, value in settings.items()),
            sys.executable,
            "-m",
            "cleanlist_mcp",
        ]
        program = self.home / "bin" / COMMAND
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec env {shlex.join(words)} "$@"\n', "utf-8")
        program.chmod(0o755)


def claude_installed(place: Place) -> None:
    """Validate, add the marketplace, install with the key, and look at what Claude Code lists."""
    place.run("claude", "plugin", "validate", "--strict", str(INTEGRATIONS / CLAUDE))
    place.run("claude", "plugin", "marketplace", "add", str(INTEGRATIONS))
    place.run(
        "claude", "plugin", "install", f"{NAME}@{MARKETPLACE}", "--config", f"api_key={place.sandbox.key}"
    )
    details = place.run("claude", "plugin", "details", NAME)
    for part in (NAME, *(one.name for one in commands())):
        expect(part in details, details)
    servers = place.run("claude", "mcp", "list")
    expect(f"plugin:{NAME}:{NAME}: {COMMAND}" in servers and "Connected" in servers, servers)


def gemini_installed(place: Place) -> None:
    """Validate, install, and look at what Gemini CLI lists; the settings are about its model."""
    (place.home / ".gemini").mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (place.home / ".gemini" / "settings.json").write_text(json.dumps(settings), "utf-8")
    place.run("gemini", "extensions", "validate", str(INTEGRATIONS / GEMINI))
    place.run("gemini", "extensions", "install", str(INTEGRATIONS / GEMINI), "--consent", "--skip-settings")
    listed = place.run("gemini", "extensions", "list")
    for part in (f"{NAME} (", "GEMINI.md", f"MCP servers:\n  {NAME}"):
        expect(part in listed, listed)
    for _ in range(TRIES):
        servers = place.run("gemini", "mcp", "list", CLEANLIST_API_KEY=place.sandbox.key)
        if "Connected" in servers:
            return
    raise Failed(servers)


def claude_played(place: Place, prompt: str, address: str) -> None:
    """Type a command into Claude Code, whose model is at `address`."""
    allowed = ["--allowedTools", f"mcp__plugin_{NAME}_{NAME}"]
    place.run("claude", "-p", prompt, *allowed, ANTHROPIC_BASE_URL=address, ANTHROPIC_API_KEY="scripted")


def gemini_played(place: Place, prompt: str, address: str) -> None:
    """Type a command into Gemini CLI, whose model is at `address`."""
    words = ["gemini", "--skip-trust", "--yolo", "-m", "gemini-2.5-flash", "-p", prompt]
    model = {"GEMINI_API_KEY": "scripted", "GOOGLE_GEMINI_BASE_URL": address}
    place.run(*words, **model, CLEANLIST_API_KEY=place.sandbox.key)


@dataclass(frozen=True)
class Way:
    """The way one host installs and plays, and the text of ours that its model has to have before it."""

    install: Callable[[Place], None]
    play: Callable[[Place, str, str], None]
    knows: str


WAYS = {
    "Claude Code": Way(
        claude_installed, claude_played, WHEN
    ),  # it reads the rest of the skill when it uses it
    "Gemini CLI": Way(gemini_installed, gemini_played, (TEXTS / "way.md").read_text("utf-8").strip()),
}


def try_out(name: str, folder: Path) -> str:
    """Install a host and our folder in it, play every command, and return what came of it in a line.

    Raises:
        NotInstallable: if the host cannot be had. Failed: if a step is not as it should be.
    """
    programs = environments.npm([HOSTS[name]], folder / "environment")
    with sandbox(folder) as made_up:
        place = Place(programs, folder / "home", made_up)
        place.put_server()
        WAYS[name].install(place)
        answers = {one.name: played(name, place, one) for one in commands()}
    return judged(answers)


def played(name: str, place: Place, command: Command) -> dict[str, dict[str, Any]]:
    """Play a command with its example, and return the answers that the model read, by tool."""
    with ScriptedModel(plugin_scenes.script(command.name)) as model:
        WAYS[name].play(place, f"/{NAME}:{command.name} {command.example}", model.address)
    for part in (command.prompt_with(command.example).strip(), WAYS[name].knows):
        expect(part in model.told, f"{command.name}: the model was not given {part!r}")
    answers = plugin_scenes.answered(command.name, model.read)
    expect(len(answers) == len(plugin_scenes.PLAYS[command.name]), f"{command.name}: {model.read}")
    return answers


def judged(answers: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Hold the answers of all commands against each other: one run, within its quote, and all of it in the bill."""
    run, bill = answers["enrich"]["workflow_status"], answers["costs"]["credits_balance"]
    charged, quoted = run["credits"]["charged"], answers["enrich"]["estimate"]["estimated_cost"]
    expect(run["finished"] and 0 < charged <= quoted <= plugin_scenes.BUDGET, str(run))
    expect(bill["charged"] == charged and bill["daily_limit"] == DAILY_LIMIT, str(bill))
    file = answers["export"]["export_list"]["summary"]
    return f"{len(answers)} commands played; {charged} of {quoted} quoted credits charged. {file}"


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """Serve the made-up API from a process of its own while the block lasts."""
    command = [sys.executable, "-m", "cleanlist_mcp", "sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            hello = json.loads(cast(IO[str], process.stdout).readline())
            yield Sandbox(hello["base_url"], hello["api_key"])
        finally:
            process.terminate()


def expect(held: bool, said: str) -> None:
    if not held:
        raise Failed(said)
