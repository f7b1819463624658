"""The files of the Claude plugin and the Gemini extension, made of the one set of texts in integrations/texts."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanlist_mcp import __version__

INTEGRATIONS = Path(__file__).resolve().parents[2] / "integrations"
TEXTS = INTEGRATIONS / "texts"
NAME = "cleanlist"
COMMAND = "cleanlist-mcp"
MARKETPLACE = "cleanlist-mcp"
CLAUDE, GEMINI = "claude-plugin", "gemini-extension"
WAY = ("prospect", "quote", "enrich", "costs", "export")
"""The commands, in the order of the job."""

AUTHOR = {"name": "The cleanlist-mcp authors"}
DESCRIPTION = "From a search to a file: find people, quote the list, enrich it within a budget, hand it over."
WHEN = (
    "Finds business contacts and their verified e-mail addresses and phone numbers with Cleanlist. Use it when "
    "somebody wants to find people or companies, build or complete a lead list, know a price or what was spent, or "
    "have a list as a file."
)
KEY_TITLE = "Cleanlist API key"
KEY_HELP = "Starts with clapi_ and is shown once, at portal.cleanlist.ai, Settings, API Keys."


@dataclass(frozen=True)
class Command:
    """A command of both hosts: what it does, what to write after it, an example of that, and its prompt."""

    name: str
    description: str
    hint: str
    example: str
    prompt: str

    def prompt_with(self, words: str) -> str:
        """Return the prompt with the user's words, or with a host's mark for them."""
        return self.prompt.replace("<words>", words)


@dataclass(frozen=True)
class Host:
    """One host in a README's words."""

    host: str
    thing: str
    guide: str
    install: str
    key: str
    update: str
    remove: str


READMES = {
    CLAUDE: Host(
        host="Claude Code",
        thing="The plugin",
        guide="a skill that knows the way from a search to a file",
        install=f"claude plugin marketplace add ./integrations\n"
        f"claude plugin install {NAME}@{MARKETPLACE} --config api_key=YOUR_CLEANLIST_API_KEY",
        key="the second line gives\n   it to Claude Code, which keeps it among its own secrets.",
        update=f"`claude plugin update {NAME}@{MARKETPLACE}`.",
        remove=f"`claude plugin uninstall {NAME}@{MARKETPLACE}`",
    ),
    GEMINI: Host(
        host="Gemini CLI",
        thing="The extension",
        guide="a `GEMINI.md` that knows the way from a search to a file",
        install=f"gemini extensions install ./integrations/{GEMINI}",
        key="Gemini CLI asks\n   for it, and keeps it among its own secrets; "
        f"`gemini extensions config {NAME}` asks again.",
        update=f"`gemini extensions update {NAME}`.",
        remove=f"`gemini extensions uninstall {NAME}`",
    ),
}


def commands() -> list[Command]:
    """Return the commands in the order of the job.

    Raises:
        KeyError: if a text lacks a line of its front matter.
    """
    return [_command(name) for name in WAY]


def _command(name: str) -> Command:
    head, prompt = front_matter((TEXTS / "commands" / f"{name}.md").read_text("utf-8"))
    return Command(name, head["description"], head["hint"], head["example"], prompt)


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the `name: value` lines between the first two rules, and the text below them.

    Raises:
        ValueError: if the text does not begin with such lines.
    """
    found = re.fullmatch(r"---\n((?:[\w-]+: .*\n)+)---\n+(.*)", text, re.DOTALL)
    if found is None:
        raise ValueError("the text has no front matter")
    lines = [line.partition(": ") for line in found[1].splitlines()]
    return {name: value for name, _, value in lines}, found[2]


def files() -> dict[str, str]:
    """Return every generated file: its path below integrations, and its text."""
    return {".claude-plugin/marketplace.json": _json(marketplace())} | _claude() | _gemini()


def write() -> list[str]:
    """Write the generated files, and return the paths of those that were not current."""
    old = outdated()
    for path in old:
        place = INTEGRATIONS / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(files()[path], "utf-8")
    return old


def outdated() -> list[str]:
    """Return the paths of the generated files that are missing or differ from the texts."""
    return [path for path, text in files().items() if _read(INTEGRATIONS / path) != text]


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def marketplace() -> dict[str, Any]:
    """Return the catalogue of one plugin that Claude Code's install command needs."""
    plugin = {"name": NAME, "source": f"./{CLAUDE}", "description": DESCRIPTION, "version": __version__}
    return {
        "name": MARKETPLACE,
        "owner": AUTHOR,
        "description": "The Cleanlist plugin of this checkout.",
        "plugins": [plugin],
    }


def claude_manifest() -> dict[str, Any]:
    """Return plugin.json; the key is an option of the plugin, which Claude Code keeps.

    Nothing else is one: an option that is left blank would hide the exported variable, and with it a limit.
    """
    options = {"api_key": {"type": "string", "title": KEY_TITLE, "description": KEY_HELP, "sensitive": True}}
    return {
        "name": NAME,
        "version": __version__,
        "description": DESCRIPTION,
        "author": AUTHOR,
        "license": "MIT",
        "userConfig": options,
        "mcpServers": {NAME: {"command": COMMAND, "env": {"CLEANLIST_API_KEY": "${user_config.api_key}"}}},
    }


def gemini_manifest() -> dict[str, Any]:
    """Return gemini-extension.json; Gemini CLI asks for the key and keeps it, or takes the exported one."""
    key = {"name": KEY_TITLE, "description": KEY_HELP, "envVar": "CLEANLIST_API_KEY", "sensitive": True}
    return {
        "name": NAME,
        "version": __version__,
        "description": DESCRIPTION,
        "contextFileName": "GEMINI.md",
        "settings": [key],
        "mcpServers": {NAME: {"command": COMMAND, "env": {"CLEANLIST_API_KEY": "${CLEANLIST_API_KEY}"}}},
    }


def _claude() -> dict[str, str]:
    way = (TEXTS / "way.md").read_text("utf-8")
    skill = f"---\nname: {NAME}\ndescription: {_quoted(WHEN)}\n---\n\n{way}"
    return {
        f"{CLAUDE}/.claude-plugin/plugin.json": _json(claude_manifest()),
        f"{CLAUDE}/skills/{NAME}/SKILL.md": skill,
        f"{CLAUDE}/README.md": _readme(CLAUDE),
    } | {f"{CLAUDE}/commands/{one.name}.md": _claude_command(one) for one in commands()}


def _claude_command(command: Command) -> str:
    head = f"description: {_quoted(command.description)}\nargument-hint: {_quoted(f'[{command.hint}]')}\n"
    return f"---\n{head}---\n\n{command.prompt_with('$ARGUMENTS')}"


def _gemini() -> dict[str, str]:
    return {
        f"{GEMINI}/gemini-extension.json": _json(gemini_manifest()),
        f"{GEMINI}/GEMINI.md": (TEXTS / "way.md").read_text("utf-8"),
        f"{GEMINI}/README.md": _readme(GEMINI),
    } | {f"{GEMINI}/commands/{NAME}/{one.name}.toml": _gemini_command(one) for one in commands()}


def _gemini_command(command: Command) -> str:
    """Return a command as TOML; the prompt stands in a literal string, which reads no escapes."""
    prompt = command.prompt_with("{{args}}")
    return f"description = {_quoted(command.description)}\nprompt = '''\n{prompt}'''\n"


def _readme(folder: str) -> str:
    """Return a README for one host, from the text that both share."""
    text = (TEXTS / "README.md").read_text("utf-8")
    rows = [f"| `/{NAME}:{one.name} {one.example}` | {one.description} |" for one in commands()]
    words = vars(READMES[folder]) | {"commands": "\n".join(["| type | what it does |", "|---|---|", *rows])}
    words["install"] = "\n".join(f"   {line}" for line in words["install"].splitlines())
    return re.sub(r"<(\w+)>", lambda found: str(words[found[1]]), text)


def _quoted(text: str) -> str:
    """Return text as YAML and TOML both write it between double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
