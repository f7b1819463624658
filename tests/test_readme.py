"""The README and the docs, held against what is there."""

import ast
import re
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.overhead import RUNS, table
from cleanlist_mcp import errors
from cleanlist_mcp.cli import client_config
from cleanlist_mcp.cli.arguments import CLIENTS, parser
from cleanlist_mcp.money.prices import PRICES
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import VARIABLES, Settings, unknown_variables
from cleanlist_mcp.toolset import TOOLS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

TRY = "python3 -m venv .venv && .venv/bin/python -m pip install -q . && .venv/bin/cleanlist-mcp demo"
TRY_ON_WINDOWS = (
    r"py -3 -m venv .venv; .venv\Scripts\python -m pip install -q .; .venv\Scripts\cleanlist-mcp demo"
)
TEST = (
    "python3 -m venv .venv && .venv/bin/python -m pip install -q -e '.[test]' && .venv/bin/python -m pytest"
)

THE_WORDS_OF_OTHERS = {
    "spawn … ENOENT",
    "Package 'cleanlist-mcp' requires a different Python",
    "MCP server cleanlist already exists in user config",
}
"""A host's, pip's and Claude Code's."""


def section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(table: str) -> list[str]:
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| `")]


def test_the_two_set_up_commands_stand_as_they_are_run() -> None:
    blocks = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)

    assert blocks[0] == TRY
    assert blocks[-1] == TEST


FIRST_SCREEN = README.split("\n## ", 1)[0]
JARGON = (
    *(
        "MCP",
        "API",
        "CLI",
        "JSON",
        "CSV",
        "JSONRPC",
        "SDK",
        "stdio",
        "server",
        "client",
        "host",
        "token",
        "scope",
    ),
    *("journal", "workflow", "enrich", "elicitation", "repository", "clone", "environment", "variable"),
)
"""Words of our trade, which nobody needs who wants to know what this is, what it costs and what it promises."""


def test_the_first_screen_holds_what_it_does_costs_and_promises_and_how_to_start() -> None:
    assert len(FIRST_SCREEN.splitlines()) <= 42
    for command in (f"```sh\n{TRY}\n```", f"```powershell\n{TRY_ON_WINDOWS}\n```"):
        assert command in FIRST_SCREEN
    things = ("an e-mail address", "a phone number", "both")
    for thing, price in zip(things, PRICES.values(), strict=True):
        assert re.search(rf"^\| {thing} \| {price} credit", FIRST_SCREEN, re.MULTILINE)
    assert FIRST_SCREEN.count("\n- **") == 4


def test_the_first_screen_is_in_a_salespersons_words() -> None:
    prose = re.sub(r"```.*?```|`[^`]+`|\]\([^)]+\)", "", FIRST_SCREEN, flags=re.DOTALL)
    words = set(re.findall(r"[a-z]+", prose.lower().split("\n", 1)[1]))

    assert not {
        word for jargon in JARGON for word in words if re.fullmatch(rf"{jargon.lower()}(s|ed|ing|es)?", word)
    }


def test_every_scope_is_in_the_table_of_tools_with_its_price() -> None:
    for scope, price in PRICES.items():
        assert re.search(rf"^\| `{scope}` \| .+ \| {price} \|$", section("The tools"), re.MULTILINE)


def test_the_snippet_comes_from_the_one_place_for_snippets() -> None:
    snippet = client_config.snippet("claude-code", command=["COMMAND"])

    assert snippet.replace("COMMAND", '"$PWD/.venv/bin/cleanlist-mcp"') in README


async def test_every_tool_is_in_the_table_and_nothing_else() -> None:
    cells = " ".join(first_cells(section("The tools").split("\n| scope ", 1)[0]))
    served = {tool.name for tool in await build_server(Settings()).list_tools()}

    assert set(re.findall(r"`(\w+)`", cells)) == served == {spec.name for spec in TOOLS}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = {
        cells[1].strip(" `"): cells[2].strip(" `")
        for cells in (line.split("|") for line in section("Settings").splitlines() if line.startswith("| `"))
    }
    unset = Settings.from_environment({})

    assert list(rows) and set(rows) == set(VARIABLES)
    assert rows["CLEANLIST_BASE_URL"] == unset.base_url
    assert rows["CLEANLIST_HOURLY_UNQUOTED_LIMIT"] == str(unset.hourly_unquoted_limit)
    assert rows["CLEANLIST_TIMEOUT_SECONDS"] == f"{unset.timeout_seconds:g}"
    assert rows["CLEANLIST_CONFIRM"] == unset.confirm
    assert rows["CLEANLIST_LOG_LEVEL"] == unset.log_level


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    listed = {cell.strip("`").split()[0] for cell in first_cells(section("Commands"))}
    (commands,) = [action.choices for action in parser()._actions if action.dest == "command"]

    assert commands and listed == {*commands, "--version"}


def test_every_error_code_is_explained_and_every_explained_one_exists() -> None:
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.CleanlistError)
    }
    explained = set(re.findall(r"`([a-z_]+)`", " ".join(first_cells(section("Troubleshooting")))))

    # Two statuses of ours, and an argument.
    assert explained - codes == {"not_confirmed", "awaiting_approval", "csv_path"}
    assert codes - explained == {
        *(
            "invalid_arguments",
            "ambiguous_list",
            "not_found",
        ),  # the assistant corrects these without the user
        errors.SettingsError.code,  # stops the start, with words and no code
        errors.ApiError.code,  # of the base class: whatever is raised has another
    }


def test_every_sentence_that_is_explained_is_said_somewhere() -> None:
    said = [
        node.value
        for path in (ROOT / "cleanlist_mcp").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    with pytest.raises(errors.SettingsError) as wrong:
        Settings.from_environment({"CLEANLIST_DAILY_LIMIT": "ten"})
    said += [wrong.value.message, *unknown_variables(["CLEANLIST_DAILY_LIMT"])]

    explained = re.findall(r"`([^`]+)`", " ".join(first_cells(section("Troubleshooting"))))
    sentences = {words for words in explained if " " in words}
    assert {words for words in sentences if not any(words in text for text in said)} == THE_WORDS_OF_OTHERS


def test_every_client_is_named() -> None:
    for client in set(CLIENTS) - {"claude-code"}:
        assert f"`{client}`" in README or f"config {client}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_name_only_tools_settings_and_commands_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")

    assert set(re.findall(r"CLEANLIST_[A-Z_]+", text)) <= set(VARIABLES)
    for command in re.findall(r"`(?:\.venv/bin/)?cleanlist-mcp ([a-z]+(?:-[a-z]+)?)", text):
        assert command in {"demo", "doctor", "config", "sandbox", "serve", "team-secret"}


def test_the_table_of_performance_has_the_columns_and_runs_of_its_benchmark() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")

    assert table([]).strip() in page
    for runs in RUNS:
        assert f"| {runs.count} {runs.kind} run(s) of {runs.length:g} s: status requests" in page


def test_the_page_of_performance_has_the_goals_and_columns_of_the_comparison() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    measured = page.partition(peers.BEGIN)[2].partition(peers.END)[0]

    assert all(f"| {column} |" in measured for column in peers.COLUMNS)
    for bound in peers.BOUNDS:
        assert f"| {bound.what} | {bound.against} |" in measured
        assert f"| {bound.goal} |" in measured
