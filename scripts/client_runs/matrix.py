"""One client against the sandbox: what it asked for, what it was answered, how its servers ended."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client_runs import environments
from client_runs.pins import Client

ROOT = Path(__file__).resolve().parents[2]
WATCHED = Path(__file__).parent / "watched.py"
TOOLS = {tool["name"] for tool in json.loads((ROOT / "manifest.json").read_text("utf-8"))["tools"]}
NOTHING = "-"
"""A cell about which nothing was seen."""
CALLING = 90.0
"""Seconds for a client's connection, its three calls and its end."""
ENDING = 10.0
"""Seconds that a server may outlive its client."""
_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
PEACEFUL_ENDS = (0, 143, -15, None)
"""By itself, on the client's SIGTERM, or unseen, because the client kills."""


@dataclass
class Outcome:
    """A client's run; `problems` is empty if all is as it should be, `missing` says why it could not run."""

    client: Client
    protocol: str = NOTHING
    dialog: bool = False
    tools: int = 0
    error: str = NOTHING
    servers: int = 0
    seconds: float = 0.0
    missing: str = ""
    problems: list[str] = field(default_factory=list)


def try_out(client: Client, folder: Path) -> Outcome:
    """Install a client into `folder`, let it play its calls, and return what came of it."""
    outcome = Outcome(client)
    try:
        command = environments.install(client, folder / "environment")
    except environments.NotInstallable as exc:
        outcome.missing = str(exc)
        return outcome
    watch = folder / "watch"
    watch.mkdir()
    started = time.monotonic()
    said = _play(command, folder, watch, outcome)
    outcome.seconds = time.monotonic() - started
    if said is not None:
        judge_answers(said, outcome)
    judge_servers(watch, outcome)
    return outcome


def _play(command: list[str], folder: Path, watch: Path, outcome: Outcome) -> dict[str, Any] | None:
    """Return the driver's report, or None with the problem noted."""
    environment = environments.surroundings(folder)
    server = {"command": sys.executable, "args": [str(WATCHED), str(watch)], "env": environment}
    try:
        ended = subprocess.run(
            [*command, json.dumps(server)],
            cwd=folder / "environment",
            env=environment,
            capture_output=True,
            text=True,
            timeout=CALLING,
        )
    except subprocess.TimeoutExpired:
        outcome.problems.append(f"not done after {CALLING:.0f} s")
        return None
    report = next((line for line in ended.stdout.splitlines() if line.startswith('{"tools":')), None)
    if ended.returncode != 0 or report is None:
        outcome.problems.append(last_words(ended.stderr))
        return None
    found: dict[str, Any] = json.loads(report)
    return found


def last_words(stderr: str) -> str:
    """Return the last line that names an error, or else says something, without an exception group's frame."""
    lines = [line.strip(" |+-") for line in stderr.splitlines()]
    named = [line for line in lines if "Error" in line and not line.startswith("at ")]
    return next((line for line in reversed(named or lines) if line), "nothing on stderr")[:200]


def judge_answers(said: dict[str, Any], outcome: Outcome) -> None:
    outcome.tools = len(said["tools"])
    if set(said["tools"]) != TOOLS:
        outcome.problems.append(f"other tools than ours: {sorted(set(said['tools']) ^ TOOLS)}")
    if "Northwind Sandbox" not in said["whoami"]:
        outcome.problems.append(f"whoami: {said['whoami'][:100]}")
    if "qte_" not in said["estimate"]:
        outcome.problems.append(f"estimate: {said['estimate'][:100]}")
    if "not_found" not in said["wrong"] or "next_step" not in said["wrong"]:
        outcome.problems.append(f"the error does not arrive: {said['wrong'][:100]}")
    outcome.error = "raised" if said["wrong"].startswith("raised ") else "returned"


def judge_servers(watch: Path, outcome: Outcome) -> None:
    """Note what the client declared, and what its servers left behind."""
    notes = {path: _ended(path) for path in sorted(watch.glob("*.json"))}
    outcome.servers = len(notes)
    for path, note in notes.items():
        first = _first_request(note["sent"])
        outcome.protocol = _declared_protocol(first) or outcome.protocol
        outcome.dialog = outcome.dialog or "elicitation" in _declared_capabilities(first)
        if note["ended"] not in PEACEFUL_ENDS:
            outcome.problems.append(f"a server ended with {note['ended']}")
        if _runs(note["server"]):
            outcome.problems.append(f"a server still runs {ENDING:.0f} s after its client")
        if complaint := path.with_suffix(".stderr").read_text("utf-8", "replace"):
            outcome.problems.append(f"stderr: {last_words(complaint)}")


def _ended(path: Path) -> dict[str, Any]:
    """Return a server's note once the server is gone, or as it is when patience is."""
    until = time.monotonic() + ENDING
    note: dict[str, Any] = json.loads(path.read_text("utf-8"))
    while note["ended"] is None and _runs(note["server"]) and time.monotonic() < until:
        time.sleep(0.05)
        note = json.loads(path.read_text("utf-8"))
    return note


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _first_request(sent: str) -> dict[str, Any]:
    """Return the parameters of the client's first message; it may have been cut off while it sent one."""
    try:
        params: dict[str, Any] = json.loads(sent.partition("\n")[0]).get("params", {})
    except ValueError:
        return {}
    return params


def _declared_protocol(params: dict[str, Any]) -> str:
    return str(params.get("protocolVersion") or params.get("_meta", {}).get(_VERSION, ""))


def _declared_capabilities(params: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = params.get("capabilities") or params.get("_meta", {}).get(_CAPABILITIES, {})
    return found
