"""Gemini CLI and Codex, whose models call a tool wrongly: the model has to read what the server answered."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from client_runs import environments, scenes
from client_runs.pins import HOSTS
from client_runs.scripted_model import ScriptedModel

SERVER = {"command": sys.executable, "args": ["-m", "cleanlist_mcp", "--sandbox"]}
PATIENCE = 120.0
PROMPT = "What would the e-mail addresses of that list cost?"
EXPECTED = ("not_found", "Call find_lists")
"""The error's code, and the beginning of its next step."""


def gemini(home: Path, address: str) -> tuple[list[str], dict[str, str]]:
    """Write Gemini CLI's settings; return the words after its program, and its variables."""
    (home / ".gemini").mkdir()
    settings = {
        "mcpServers": {"cleanlist": SERVER},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings), "utf-8")
    words = ["gemini", "--skip-trust", "--yolo", "-m", "gemini-2.5-flash", "-p", PROMPT]
    return words, {"GEMINI_API_KEY": "scripted", "GOOGLE_GEMINI_BASE_URL": address}


def codex(home: Path, address: str) -> tuple[list[str], dict[str, str]]:
    """Write Codex's configuration; return the words after its program, and its variables."""
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        'model = "scripted"\nmodel_provider = "scripted"\n'
        f'[model_providers.scripted]\nname = "scripted"\nbase_url = "{address}/v1"\n'
        'wire_api = "responses"\nenv_key = "SCRIPTED_KEY"\n'
        "[mcp_servers.cleanlist]\nrequired = true\n"  # otherwise the first turn may begin without its tools
        f"command = {json.dumps(SERVER['command'])}\nargs = {json.dumps(SERVER['args'])}\n",
        "utf-8",
    )
    words = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT]
    return words, {"CODEX_HOME": str(home / ".codex"), "SCRIPTED_KEY": "scripted"}


PROGRAMS: dict[str, Callable[[Path, str], tuple[list[str], dict[str, str]]]] = {
    "Codex": codex,
    "Gemini CLI": gemini,
}


def check_all() -> int:
    """Print a line per program; return how many models did not read the error."""
    hidden = 0
    for name in PROGRAMS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            read = what_the_model_reads(name, Path(folder))
        arrived = all(part in read for part in EXPECTED)
        hidden += not arrived
        print(f"{name} ({HOSTS[name]}): the error {'arrives' if arrived else 'DOES NOT ARRIVE'}: {read}")
    return hidden


def what_the_model_reads(name: str, folder: Path) -> str:
    """Install a program, let its model make the wrong call, and return the text of the tool's result."""
    programs = environments.npm([HOSTS[name]], folder / "environment")
    home = folder / "home"
    home.mkdir()
    with ScriptedModel(scenes.wrong_call) as model:
        words, variables = PROGRAMS[name](home, model.address)
        ended = subprocess.run(
            [str(programs / words[0]), *words[1:]],
            cwd=home,
            env=environments.surroundings(home, variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    if not model.read:
        return f"nothing; the program ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
    return model.read[-1].text
