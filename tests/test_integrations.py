"""The pages under docs/integrations, and the scripted model that plays them."""

import ast
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from client_runs import pages, pins, scenes
from client_runs.matrix import TOOLS
from client_runs.scripted_model import Call, Read, ScriptedModel

PAGES = pages.pages()
CLIENTS_PAGE = (pages.ROOT / "docs" / "clients.md").read_text("utf-8")
README = (pages.ROOT / "README.md").read_text("utf-8")
PINNED = dict(pins.split(package) for client in pins.CLIENTS for package in client.packages)


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> pages.Page:
    found: pages.Page = request.param
    return found


def test_there_is_a_page_for_each_of_the_three_frameworks() -> None:
    assert [page.name for page in PAGES] == ["langchain", "openai-agents", "vercel-ai"]


def test_each_page_installs_runs_and_warns_in_this_order(page: pages.Page) -> None:
    titles = [title for title in re.findall(r"^## (.*)$", page.text, re.MULTILINE) if "mock" not in title]

    assert titles == ["Install", "The program", "What to watch for"]
    for subject in ("Dialogs", "Time limit per call"):
        assert f"- **{subject}.**" in page.text
    assert "environment of its" in page.text.partition("## The program")[0]
    assert f"`{page.program}`; start it with" in page.text


def test_each_page_is_linked_from_the_page_of_clients(page: pages.Page) -> None:
    assert f"](integrations/{page.name}.md)" in CLIENTS_PAGE


def test_each_program_is_one_that_starts_the_sandbox_and_asks(page: pages.Page) -> None:
    program = page.files[page.program]
    if page.program.endswith(".py"):
        ast.parse(program)

    assert "server/bin/cleanlist-mcp" in program
    assert "--sandbox" in program
    assert "Go ahead? [y/N] " in program


def test_the_pages_install_the_versions_that_the_matrix_tries(page: pages.Page) -> None:
    installed = dict(
        pins.split(word) for word in page.install.split() if "==" in word or re.search(r"\w@\d", word)
    )
    common = installed.keys() & PINNED.keys()

    assert common
    assert all(installed.values())
    assert {name: installed[name] for name in common} == {name: PINNED[name] for name in common}


def test_pages_name_only_tools_and_settings_that_exist(page: pages.Page) -> None:
    tools = set(re.findall(r"`((?:enrich|find|get|workflow)_[a-z]+)`", page.text)) - {"get_tools"}
    settings = set(re.findall(r"CLEANLIST_[A-Z_]+", page.text))

    assert {"enrich_list", "workflow_status"} <= tools <= TOOLS
    assert all(f"| `{name}` |" in README for name in settings)


def test_a_page_without_a_named_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```sh\ntrue\n```\n\n```python\npass\n```\n", "utf-8")

    with pytest.raises(ValueError, match="no file name"):
        pages.read(path)


def quote(**changes: Any) -> Read:
    figures = {
        "list_id": "l1",
        "scope": "partial",
        "quote_id": "qte_1",
        "estimated_cost": 12,
        "summary": "12",
    }
    return Read("mcp__cleanlist__estimate", "Output:\n" + json.dumps(figures | changes))


def test_the_scene_spends_the_quote_that_it_read_and_no_more() -> None:
    step = scenes.enrichment([quote(estimated_cost=7)])

    assert isinstance(step, Call)
    assert step.tool == "enrich_list"
    assert step.arguments["quote_id"] == "qte_1"
    assert step.arguments["max_credits"] == 7


def test_the_scene_ends_where_a_spend_was_declined() -> None:
    declined = Read("enrich_list", json.dumps({"summary": "Declined.", "status": "declined"}))

    assert scenes.enrichment([quote(), declined]) == "Declined."
    assert scenes.enrichment([quote(), Read("enrich_list", "Not approved.")]) == "Not approved."


def ask(model: ScriptedModel, path: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(model.address + path, json.dumps(body).encode())  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


FUNCTION = {"type": "function", "name": "mcp_cleanlist_estimate"}
DIALECTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "responses": (
        "/v1/responses",
        {"input": "Hello", "tools": [{"type": "namespace", "name": "mcp", "tools": [FUNCTION]}]},
        {
            "input": [
                {"type": "function_call", "call_id": "c", "name": "mcp_cleanlist_estimate"},
                {"type": "function_call_output", "call_id": "c", "output": [{"text": "It is gone."}]},
            ]
        },
    ),
    "completions": (
        "/v1/chat/completions",
        {"messages": [{"role": "user"}], "tools": [{"function": FUNCTION}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "c", "function": FUNCTION}]},
                {"role": "tool", "tool_call_id": "c", "content": "It is gone."},
            ]
        },
    ),
    "messages": (
        "/v1/messages?beta=true",
        {"messages": [{"role": "user", "content": "Hello"}], "tools": [FUNCTION], "stream": True},
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": FUNCTION["name"]}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "It is gone."}],
                        }
                    ],
                },
            ],
            "tools": [FUNCTION],
        },
    ),
    "gemini": (
        "/v1beta/models/any:streamGenerateContent",
        {"contents": [{"parts": [{"text": "Hello"}]}], "tools": [{"functionDeclarations": [FUNCTION]}]},
        {
            "contents": [
                {
                    "parts": [
                        {
                            "functionResponse": {
                                "name": "mcp_cleanlist_estimate",
                                "response": {"text": "It is gone."},
                            }
                        }
                    ]
                }
            ],
            "tools": [{"functionDeclarations": [FUNCTION]}],
        },
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_model_calls_a_tool_by_its_offered_name_and_keeps_what_it_read(dialect: str) -> None:
    path, first, second = DIALECTS[dialect]
    with ScriptedModel(scenes.wrong_call) as model:
        called = ask(model, path, first)
        closing = ask(model, path, second)

    assert '"name": "mcp_cleanlist_estimate"' in called
    assert "A list that nobody made" in called
    assert "I read the answer." in closing
    assert model.read == [Read("mcp_cleanlist_estimate", "It is gone.")]
    assert ("It is gone." in model.told) == ("tools" in second)
