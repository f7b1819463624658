"""The Claude plugin and the Gemini extension: their files, what the texts name, and their commands on the sandbox."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from client_runs import plugin_runs, plugin_scenes, plugin_texts
from client_runs.matrix import TOOLS
from client_runs.plugin_texts import CLAUDE, GEMINI, INTEGRATIONS, TEXTS
from client_runs.scripted_model import Call, Read

from cleanlist_mcp import __version__
from cleanlist_mcp.answers.account import CANNOT_DO
from cleanlist_mcp.money.prices import COMPANY_PRICE, PRICES
from tests.support import World

COMMANDS = plugin_texts.commands()
WAY = (TEXTS / "way.md").read_text("utf-8")
SKILL = (INTEGRATIONS / CLAUDE / "skills" / "cleanlist" / "SKILL.md").read_text("utf-8")
ALL_TEXTS = "\n".join([WAY, *(command.prompt for command in COMMANDS)])


def loaded(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((INTEGRATIONS / path).read_text("utf-8"))
    return found


PLUGIN = loaded(f"{CLAUDE}/.claude-plugin/plugin.json")
EXTENSION = loaded(f"{GEMINI}/gemini-extension.json")


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def command(request: pytest.FixtureRequest) -> plugin_texts.Command:
    found: plugin_texts.Command = request.param
    return found


def named(text: str) -> set[str]:
    """Return the tools that a text names as code."""
    return set(re.findall(r"`([a-z_]+)`", text)) & TOOLS


def test_the_files_are_those_that_the_texts_make_and_no_others() -> None:
    folders = [INTEGRATIONS / name for name in (".claude-plugin", CLAUDE, GEMINI)]
    there = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert plugin_texts.outdated() == []
    assert {path.relative_to(INTEGRATIONS).as_posix() for path in there} == plugin_texts.files().keys()
    assert {path.stem for path in (TEXTS / "commands").iterdir()} == set(plugin_texts.WAY)


def test_writing_makes_a_missing_and_a_changed_file_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_texts, "INTEGRATIONS", tmp_path)
    assert plugin_texts.write() == [*plugin_texts.files()]

    (tmp_path / GEMINI / "GEMINI.md").write_text("Spend freely.\n", "utf-8")

    assert plugin_texts.outdated() == [f"{GEMINI}/GEMINI.md"]
    assert plugin_texts.write() == [f"{GEMINI}/GEMINI.md"]
    assert plugin_texts.outdated() == []


def test_both_have_the_version_of_the_package() -> None:
    (listed,) = loaded(".claude-plugin/marketplace.json")["plugins"]

    assert PLUGIN["version"] == EXTENSION["version"] == listed["version"] == __version__
    assert PLUGIN["name"] == EXTENSION["name"] == listed["name"] == "cleanlist"
    assert (INTEGRATIONS / listed["source"] / ".claude-plugin" / "plugin.json").is_file()


def test_both_start_the_command_and_take_nothing_but_the_key_from_the_host() -> None:
    option, setting = PLUGIN["userConfig"]["api_key"], EXTENSION["settings"][0]

    assert PLUGIN["mcpServers"]["cleanlist"] == {
        "command": "cleanlist-mcp",
        "env": {"CLEANLIST_API_KEY": "${user_config.api_key}"},
    }
    assert EXTENSION["mcpServers"]["cleanlist"] == {
        "command": "cleanlist-mcp",
        "env": {"CLEANLIST_API_KEY": "${CLEANLIST_API_KEY}"},
    }
    assert option["sensitive"] is setting["sensitive"] is True
    assert setting["envVar"] == "CLEANLIST_API_KEY"
    assert len(PLUGIN["userConfig"]) == len(EXTENSION["settings"]) == 1


def test_no_file_holds_a_key_or_fetches_the_server_from_an_index() -> None:
    for path, text in plugin_texts.files().items():
        assert not re.search(r"clapi_\w", text), path
        assert not re.search(r"\b(uvx|npx|pipx|pip install|uv tool)\b", text), path


def test_a_host_is_never_freed_from_asking_before_a_tool_runs() -> None:
    for path, text in plugin_texts.files().items():
        assert not re.search(r"allowed-tools|allowedTools|\"trust\"|yolo", text), path


def test_skill_and_context_file_hold_the_same_way() -> None:
    head, way = plugin_texts.front_matter(SKILL)

    assert head.keys() == {"name", "description"}
    assert head["name"] == "cleanlist"
    assert len(json.loads(head["description"])) <= 1_024
    assert way == (INTEGRATIONS / GEMINI / EXTENSION["contextFileName"]).read_text("utf-8") == WAY
    assert len(way.encode()) <= 1_200 * 4


def test_the_way_goes_from_a_search_over_a_quote_to_a_file_and_names_every_tool() -> None:
    steps = re.findall(r"^\d+\. .*", WAY, re.MULTILINE)
    order = ["search_people", "create_list", "add_leads", "estimate", "enrich_list", "workflow_status"]

    assert len(steps) == 10
    assert [tool for step in steps for tool in order if f"`{tool}`" in step.partition(". ")[2][:60]] == order
    assert WAY.index("**Show the quote**") < WAY.index("**Enrich.**")
    assert TOOLS - named(WAY) == {"remove_leads"}


async def test_the_texts_name_only_tools_arguments_and_fields_that_exist(
    world: World, tmp_path: Path
) -> None:
    async with world.connect(csv_dir=tmp_path) as session:
        published = (await session.client.list_tools()).model_dump_json(by_alias=True)
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)", ALL_TEXTS)) - TOOLS

    assert words
    assert {word for word in words if f'"{word}"' not in published} == set()


def test_the_prices_are_those_of_the_server() -> None:
    prices = re.findall(r"(\d+) for [a-z -]+? \((?:scope )?`(\w+)`\)", " ".join(WAY.split()))
    both = re.findall(r"(\d+) for both \(`(full)`\)", " ".join(WAY.split()))

    assert {scope: int(price) for price, scope in prices + both} == PRICES
    assert f"costs {COMPANY_PRICE} credit (`enrich_company`)" in WAY


def test_the_way_says_what_the_server_cannot_do() -> None:
    words = " ".join(WAY.split())

    assert [sentence for sentence in CANNOT_DO if sentence not in words] == []


def test_each_command_is_the_same_prompt_in_both_hosts(command: plugin_texts.Command) -> None:
    head, prompt = plugin_texts.front_matter(
        (INTEGRATIONS / CLAUDE / "commands" / f"{command.name}.md").read_text("utf-8")
    )
    table = tomllib.loads(
        (INTEGRATIONS / GEMINI / "commands" / "cleanlist" / f"{command.name}.toml").read_text("utf-8")
    )

    assert table == {
        "description": json.loads(head["description"]),
        "prompt": prompt.replace("$ARGUMENTS", "{{args}}"),
    }
    assert prompt.count("$ARGUMENTS") == 1
    assert "spends" in command.description.lower() or "Free." in command.description


def test_each_command_is_played_with_the_tools_that_its_prompt_names(command: plugin_texts.Command) -> None:
    assert {step.tool for step in plugin_scenes.PLAYS[command.name]} == named(command.prompt)
    assert ("enrich_list" in named(command.prompt)) == ("Free." not in command.description)


async def test_the_commands_go_from_a_search_to_a_file_for_one_quoted_run(world: World, era: str) -> None:
    answers: dict[str, dict[str, dict[str, Any]]] = {}
    async with world.connect(era, daily_limit=plugin_runs.DAILY_LIMIT) as session:
        for command in COMMANDS:
            read: list[Read] = []
            script = plugin_scenes.script(command.name)
            while isinstance(step := script(read), Call):
                answer = await session.call(step.tool, **step.arguments)
                read.append(Read(f"mcp__plugin_cleanlist_cleanlist__{step.tool}", json.dumps(answer)))
            answers[command.name] = plugin_scenes.answered(command.name, read)
            if command.name in ("prospect", "quote"):
                assert world.sandbox.credits() == 5000

    bill = answers["costs"]["credits_balance"]
    assert plugin_runs.judged(answers).startswith("5 commands played")
    assert world.sandbox.credits() == 5000 - bill["charged"]
    assert len(world.sandbox.runs) == 1


def test_a_play_ends_at_an_error_and_at_an_answer_that_is_none() -> None:
    error = Read("estimate", 'Error: {"error": {"code": "not_found"}}')

    assert plugin_scenes.script("enrich")([error]) == error.text
    assert plugin_scenes.script("enrich")([Read("estimate", "Not approved.")]) == "Not approved."
    assert plugin_scenes.answered("enrich", [error]) == {}


@pytest.mark.parametrize(
    ("charged", "quoted", "billed"), [(0, 17, 0), (18, 17, 18), (61, 61, 61), (15, 17, 30)]
)
def test_a_run_that_is_not_paid_as_quoted_is_noticed(charged: int, quoted: int, billed: int) -> None:
    run = {"finished": True, "credits": {"charged": charged}}
    answers: dict[str, dict[str, dict[str, Any]]] = {
        "enrich": {"workflow_status": run, "estimate": {"estimated_cost": quoted}},
        "costs": {"credits_balance": {"charged": billed, "daily_limit": plugin_runs.DAILY_LIMIT}},
        "export": {"export_list": {"summary": "Ready."}},
    }

    with pytest.raises(plugin_runs.Failed):
        plugin_runs.judged(answers)


def test_a_text_without_front_matter_is_refused() -> None:
    with pytest.raises(ValueError, match="no front matter"):
        plugin_texts.front_matter("# A title\n")
