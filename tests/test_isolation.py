"""Nothing of one key is seen by another, whether of another organization or of a colleague's: every way in, one by one.

A tool, a resource or a completion that is not in the tables here fails: whoever adds one says what a stranger gets.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceTemplateReference

from cleanlist_mcp.calls.cards import APPROVAL
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server import resources
from cleanlist_mcp.toolset import CARD_TOOLS, TOOLS
from tests.service import Service, serving
from tests.support import ShowsCards, text_of

LIST, OTHER_LIST, COMPANY = "Heron Conference", "Egret Follow-up", "heron.example"
SECRETS = (LIST, OTHER_LIST, "wading", "Wren Heron")
"""Words that only the owner's answers may hold: names of lists and people, an address."""

API_SHOWS = {("workflow_status", "a colleague"): ("wading",)}
"""Words that the API itself shows to a stranger who asks it with a key of their own, by tool and stranger: the runs of
an organization belong to all its keys. What is remembered here of a run, such as its list, stays its key's."""

STRANGERS = ("another organization", "a colleague")


@dataclass
class Scene:
    """One owner with much to see, and two who must not see it."""

    service: Service
    sandbox: Sandbox
    keys: dict[str, str]
    owner: Client
    strangers: dict[str, Client]
    ids: dict[str, Any]


async def done(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    answer: dict[str, Any] | None = result.structured_content
    assert answer is not None
    return answer


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all tests here, because the scene is built once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    sandbox = Sandbox(latency=0.1, rate_limits=False)
    keys = {
        "owner": sandbox.add_account("heron"),
        "another organization": sandbox.add_account("grace"),
    }
    keys["a colleague"] = sandbox.add_account("alan", colleague_of=keys["owner"])
    folder = tmp_path_factory.mktemp("service")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            serving(sandbox, folder, daily_limit=500, hourly_unquoted_limit=500)
        )
        clients = {
            name: await stack.enter_async_context(service.client(key, extensions=[ShowsCards()]))
            for name, key in keys.items()
        }
        owner = clients.pop("owner")
        yield Scene(service, sandbox, keys, owner, clients, await _much_to_see(owner))


async def _much_to_see(owner: Client) -> dict[str, Any]:
    """The ids of one of each thing that an owner can have."""
    made = await done(owner, "create_list", name=LIST)
    other = await done(owner, "create_list", name=OTHER_LIST)
    people = [
        {"email": f"wading{number}@birds.example", "full_name": f"Wren Heron{number}"} for number in range(4)
    ]
    await done(owner, "add_leads", list_id=made["list_id"], people=people)
    await done(owner, "add_leads", list_id=other["list_id"], people=people[:2])
    run_of = await done(owner, "estimate", list_id=made["list_id"], scope="phone_only")
    run = await done(
        owner,
        "enrich_list",
        list_id=made["list_id"],
        scope="phone_only",
        quote_id=run_of["quote_id"],
        wait_seconds=20,
    )
    person = await done(owner, "enrich_person", email="wading9@birds.example", list_id=made["list_id"])
    searched = await done(owner, "search_people", departments=["Sales"], limit=3)
    await done(owner, "enrich_company", domain="northwind.example")
    result = await owner.call_tool("estimate", {"list_id": other["list_id"], "scope": "phone_only"})
    quote = cast(dict[str, Any], result.structured_content)
    leads = await done(owner, "get_leads", list_id=made["list_id"], details=True)
    return {
        "list_id": made["list_id"],
        "other_list": other["list_id"],
        "used_quote": run_of["quote_id"],
        "quote": quote["quote_id"],
        "cost": quote["estimated_cost"],
        "proof": (result.meta or {})[APPROVAL],
        "workflow_id": run["workflow_id"],
        "person_workflow": person["workflow_id"],
        "search_id": searched["search_id"],
        "lead_ids": [row["lead_id"] for row in leads["leads"]],
    }


def _tries(ids: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By tool, the calls with which a stranger who knows every id tries to see something."""
    both = [{"list_id": ids["list_id"]}, {"list_id": LIST}]
    spend = {"list_id": ids["other_list"], "scope": "phone_only", "quote_id": ids["quote"]}
    used = {"list_id": ids["list_id"], "scope": "phone_only", "quote_id": ids["used_quote"]}
    return {
        "whoami": [{}],
        "credits_balance": [{"by": by, "days": 90} for by in ("total", "day", "list", "run")],
        "estimate": both,
        "enrich_person": [
            {"email": "wading9@birds.example", "list_id": ids["list_id"]},
            {"email": "wading9@birds.example", "list_id": LIST},
        ],
        "enrich_list": [spend, used],
        "workflow_status": [
            {"wait_seconds": 0},
            *({"workflow_id": ids[name], "wait_seconds": 0} for name in ("workflow_id", "person_workflow")),
        ],
        "find_lists": [{}, {"query": "Heron"}],
        "create_list": [{"name": "A list of my own"}],
        "add_leads": [
            {"list_id": ids["list_id"], "people": [{"email": "me@grace.example"}]},
            {"list_id": "A list of my own", "search_id": ids["search_id"]},
            {"list_id": "A list of my own", "lead_ids": ids["lead_ids"]},
        ],
        "get_leads": both,
        "remove_leads": [{"list_id": ids["list_id"], "lead_ids": ids["lead_ids"]}],
        "export_list": both,
        "search_people": [{"departments": ["Sales"], "limit": 3}],
        "search_companies": [{"countries": ["Germany"], "limit": 3}],
        "enrich_company": [{"domain": COMPANY}],
        "approve_quote": [spend | {"max_credits": ids["cost"], "approval": ids["proof"]}],
        "card_shown": [{"quote_id": ids["quote"], "approval": ids["proof"]}],
    }


def _seen(answer: str, *, ignoring: Any = ()) -> list[str]:
    """The owner's secrets in an answer, but for those that the asker named."""
    asked = json.dumps(ignoring)
    return [word for word in SECRETS if word.casefold() in answer.casefold() and word not in asked]


def test_every_tool_resource_and_completion_has_its_tries() -> None:
    ids = dict.fromkeys(
        ("list_id", "other_list", "quote", "used_quote", "search_id", "lead_ids", "cost", "proof"), ""
    ) | dict.fromkeys(("workflow_id", "person_workflow"), "")

    assert list(_tries(ids)) == [spec.name for spec in (*TOOLS, *CARD_TOOLS)]
    assert {uri for uri, *_ in resources.OFFERED} == set(_ADDRESSES)


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("tool", [spec.name for spec in (*TOOLS, *CARD_TOOLS)])
async def test_no_tool_shows_a_stranger_anything(scene: Scene, who: str, tool: str) -> None:
    runs = len(scene.sandbox.runs)
    client = scene.strangers[who]
    for arguments in _tries(scene.ids)[tool]:
        answer = text_of(await client.call_tool(tool, arguments))

        seen = set(_seen(answer, ignoring=arguments)) - set(API_SHOWS.get((tool, who), ()))
        assert not seen, (arguments, answer)
        if tool in ("enrich_list", "approve_quote", "card_shown"):
            assert '"error"' in answer, answer
    own = 2 if tool in ("enrich_person", "enrich_company") else 0
    assert len(scene.sandbox.runs) - runs <= own
    assert len(scene.sandbox.leads(scene.ids["list_id"])) == 5


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_finds_none_of_the_owners_runs(scene: Scene, who: str) -> None:
    """The API, too, knows the run for its own organization alone; what it shows a colleague is its own affair."""
    answer = text_of(await scene.strangers[who].call_tool("workflow_status", {"wait_seconds": 0}))

    assert scene.ids["workflow_id"] not in answer
    assert scene.ids["person_workflow"] not in answer


_ADDRESSES = {
    "cleanlist://account": "cleanlist://account",
    "cleanlist://pricing": "cleanlist://pricing",
    "cleanlist://runs": "cleanlist://runs",
    "cleanlist://runs/{workflow_id}": "cleanlist://runs/{ids[workflow_id]}",
    "cleanlist://lists": "cleanlist://lists",
    "cleanlist://lists/{list_id}": "cleanlist://lists/{ids[list_id]}",
}


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("address", _ADDRESSES)
async def test_no_resource_shows_a_stranger_anything(scene: Scene, who: str, address: str) -> None:
    uri = _ADDRESSES[address].format(ids=scene.ids)
    try:
        read = await scene.strangers[who].read_resource(uri)
        answer = "".join(getattr(part, "text", "") for part in read.contents)
    except MCPError as exc:
        answer = str(exc)

    assert not _seen(answer)
    if address == "cleanlist://runs":
        assert scene.ids["workflow_id"] not in answer


@pytest.mark.parametrize("who", STRANGERS)
async def test_no_completion_shows_a_stranger_anything(scene: Scene, who: str) -> None:
    async def completed(client: Client, uri: str, name: str) -> list[str]:
        found = await client.complete(
            ResourceTemplateReference(type="ref/resource", uri=uri), {"name": name, "value": ""}
        )
        return found.completion.values

    for uri, name in (
        ("cleanlist://runs/{workflow_id}", "workflow_id"),
        ("cleanlist://lists/{list_id}", "list_id"),
    ):
        owned = await completed(scene.owner, uri, name)
        assert owned
        assert not set(owned) & set(await completed(scene.strangers[who], uri, name))


@pytest.mark.parametrize("who", STRANGERS)
async def test_the_state_of_a_dialog_is_worth_nothing_to_another_key(scene: Scene, who: str) -> None:
    """A whole round is caught on its way, and brought back under another key."""
    spend = {"list_id": scene.ids["other_list"], "scope": "phone_only", "quote_id": scene.ids["quote"]}
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {
            "name": "enrich_list",
            "arguments": spend,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
                "io.modelcontextprotocol/clientInfo": {"name": "a test", "version": "1"},
            },
        },
    }
    lines = ("MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: enrich_list")
    service = scene.service
    _, _, body = await service.raw(service.post(message, *lines, key=scene.keys["owner"]))
    asked = json.loads(body)["result"]
    message["params"] |= {  # type: ignore[operator]
        "requestState": asked["requestState"],
        "inputResponses": {
            name: {"action": "accept", "content": {"approve": True}} for name in asked["inputRequests"]
        },
    }

    runs = len(scene.sandbox.runs)
    _, _, body = await service.raw(service.post(message, *lines, key=scene.keys[who]))

    assert json.loads(body)["error"]["message"] == "Invalid or expired requestState"
    assert len(scene.sandbox.runs) == runs
