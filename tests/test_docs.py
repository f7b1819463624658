"""Documents for the people who work here, held against the code: names of files, layers, scripts, decisions, pins."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from mcp.server import MCPServer

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cleanlist_mcp"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / ".github" / "pull_request_template.md"]
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
FORMS = [path for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FOLDERS = ("benchmarks", "cleanlist_mcp", "docs", "scripts", "server", "tests")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
NO_FILES = {"server/discover", "enrich.py"}
"""A method of the protocol, and a program that readers of the integrations save."""

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def rows(page: str, title: str) -> list[list[str]]:
    """The cells of the table under a heading line, without the heading and the dashes."""
    table = page.split(f"\n{title}\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def quoted(text: str) -> list[str]:
    """The words in backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def places(page: Path) -> set[str]:
    """Return what a page names as a file or a folder of this project: with a suffix of ours, or in a folder of ours."""
    folders = {path.name for base in (ROOT, PACKAGE) for path in base.iterdir() if path.is_dir()}
    words = {word for word in quoted(page.read_text("utf-8")) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word)}
    return {
        word
        for word in words
        if word.endswith((".py", ".md")) or ("/" in word and word.split("/")[0] in folders)
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    bases = (ROOT, PACKAGE, page.parent)

    for place in places(page) - NO_FILES:
        assert any((base / place).exists() or (base / f"{place}.py").exists() for base in bases), place


def test_a_page_that_names_a_file_which_is_gone_is_noticed() -> None:
    page = ROOT / "docs" / "architecture.md"

    assert {"money/prices.py", "server/dialog.py", "journal/"} <= places(page)


def test_architecture_draws_every_package() -> None:
    drawing = (
        (ROOT / "docs" / "architecture.md").read_text("utf-8").split("```mermaid", 1)[1].split("```", 1)[0]
    )

    for package in PACKAGE.glob("*/__init__.py"):
        assert re.search(rf"\b{package.parent.name}\b", drawing), package.parent.name


def test_contributing_has_the_layers_of_the_contract_and_no_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (layers,) = [
        one["layers"] for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    ]

    table = rows(CONTRIBUTING, "| package | what it holds | what it may import, besides the rows below |")
    listed = [quoted(row[0]) for row in table]
    assert listed == [layer.split(" : ") for layer in layers]


def test_contributing_names_every_script_and_nothing_else() -> None:
    listed = [row[0].strip("`") for row in rows(CONTRIBUTING, "| script | what it does |")]

    assert listed == sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())


def test_contributing_has_ten_rules_for_how_we_write() -> None:
    section = CONTRIBUTING.split("\n## How we write\n", 1)[1].split("\n## ", 1)[0]

    assert re.findall(r"^(\d+)\. \*\*", section, re.MULTILINE) == [str(number) for number in range(1, 11)]


def docstrings(code: str) -> list[str]:
    """Every docstring of a module, those of constants and fields included: all strings that stand by themselves."""
    return [
        node.value.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def asks(docstring: str) -> bool:
    """True for a docstring that begins like a question: rule 1 wants a noun phrase or a command."""
    return (
        re.match(r"\s*(what|whether|who|whom|whose|which|how|where|when|why)\b", docstring, re.IGNORECASE)
        is not None
    )


def test_a_docstring_that_begins_like_a_question_is_noticed_wherever_it_stands() -> None:
    code = '"""Who."""\nA = 1\n"""What A is."""\ndef f():\n    """Return whether."""\nclass C:\n    """\n    How."""\n'

    assert [text.strip() for text in docstrings(code) if asks(text)] == ["Who.", "What A is.", "How."]


def scripts() -> list[Path]:
    """Return the scripts in Python, which have no suffix; each begins with a docstring."""
    files = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())
    return [path for path in files if path.read_text("utf-8").startswith('"""')]


@pytest.mark.parametrize("file", [*CODE, *scripts()], ids=name_of)
def test_every_docstring_names_its_thing_or_commands(file: Path) -> None:
    assert [text for text in docstrings(file.read_text("utf-8")) if asks(text)] == []


def test_every_decision_is_in_the_index_and_has_the_same_four_parts() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")

    assert re.findall(r"\((0[\w-]+\.md)\)", index) == [page.name for page in DECISIONS]
    for number, page in enumerate(DECISIONS, 1):
        text = page.read_text("utf-8")
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number:04}: ")
        parts = re.findall(r"^\*\*([^*]+\.)\*\*", text, re.MULTILINE)
        assert parts == ["Decided.", "Why.", "What it costs.", "What would change our mind."], page.name


def test_every_private_member_of_the_sdks_server_that_is_used_is_explained() -> None:
    inherited = {name for name in vars(MCPServer("any")) if name.startswith("_")}
    code = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "server").rglob("*.py"))
    used = inherited & set(re.findall(r"\b_\w+\b", code))

    (page,) = [page for page in DECISIONS if "private-members" in page.name]
    explained = {
        row[0].strip("`") for row in rows(page.read_text("utf-8"), "| used | in | why | waits for |")
    }
    assert used
    assert used <= explained


def test_the_changelog_begins_with_what_is_unreleased_under_the_usual_headings() -> None:
    headings = re.findall(r"^(#+) (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert headings[:2] == [("#", "Changelog"), ("##", "Unreleased")]
    assert {title for level, title in headings if level == "###"} <= {
        *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_every_form_asks_to_leave_keys_and_people_out(form: Path) -> None:
    text = form.read_text("utf-8")

    assert "leave out your API key" in " ".join(text.split())
    assert "label: This report holds no API key and no real person's data.\n          required: true" in text


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name_of)
def test_every_action_is_pinned_by_its_commit_and_names_its_version(workflow: Path) -> None:
    used = re.findall(r"uses: (.+)", workflow.read_text("utf-8"))

    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_the_same_action_has_the_same_pin_everywhere() -> None:
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: (.+)", path.read_text("utf-8"))}

    assert len({line.split("@")[0] for line in used}) == len(used)
