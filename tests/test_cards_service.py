"""Cards over HTTP: replicas of one deployment know each other's proofs, and no key's card is another's."""

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult, Implementation

from cleanlist_mcp.calls.cards import APPROVAL
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.declared import CARD_URI
from tests.service import serving
from tests.support import ERAS, ShowsCards, said

SHOWING: dict[str, Any] = {
    "extensions": [ShowsCards()],
    "client_info": Implementation(name="Host", version="1"),
}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(rate_limits=False)


async def estimate(client: Client, name: str = "Q3 Prospects") -> tuple[dict[str, Any], CallToolResult]:
    """Return what a card of a new quote sends, and the whole result."""
    result = await client.call_tool("estimate", {"list_id": name})
    answer, beside = result.structured_content or {}, result.meta or {}
    spend = {name: answer[name] for name in ("list_id", "scope", "quote_id")}
    return spend | {"max_credits": answer["estimated_cost"], "approval": beside.get(APPROVAL, "")}, result


def shown(click: dict[str, Any]) -> dict[str, Any]:
    return {name: click[name] for name in ("quote_id", "approval")}


@pytest.mark.parametrize("mode", ERAS)
async def test_a_card_is_shown_by_one_replica_and_its_button_counts_at_another(
    sandbox: Sandbox, tmp_path: Path, mode: str
) -> None:
    async with serving(sandbox, tmp_path) as one, serving(sandbox, tmp_path) as other:
        async with one.client(sandbox.key, mode, **SHOWING) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            (page,) = (await client.read_resource(CARD_URI)).contents
            click, _ = await estimate(client)
            state = said(await client.call_tool("card_shown", shown(click)))
        async with other.client(sandbox.key, mode, **SHOWING) as client:
            spend = {name: click[name] for name in ("list_id", "scope", "quote_id")}
            waiting = said(await client.call_tool("enrich_list", spend))
            run = said(await client.call_tool("approve_quote", click))
            repeat = said(await client.call_tool("enrich_list", spend))
        async with one.client(sandbox.key, mode) as client:
            plain = [tool.name for tool in (await client.list_tools()).tools]
            _, without = await estimate(client)

    assert names == [*plain, "approve_quote", "card_shown"] and page.uri == CARD_URI
    assert state["expires_in_seconds"] > 0 and waiting["status"] == "awaiting_approval"
    assert run["workflow_id"] == repeat["workflow_id"] and repeat["replayed"]
    assert APPROVAL not in (without.meta or {})
    assert len(sandbox.runs) == 1


async def test_a_card_of_one_key_is_foreign_to_another_and_bans_nobody(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    other = sandbox.add_account("another")
    sandbox.add_list("Mine", 2, key=other)
    async with serving(sandbox, tmp_path) as service:
        async with service.client(sandbox.key, **SHOWING) as client:
            click, _ = await estimate(client)
        async with service.client(other, **SHOWING) as client:
            refused = said(await client.call_tool("approve_quote", click))
            assert (await estimate(client, "Mine"))[0]["approval"]
            forged = said(await client.call_tool("approve_quote", click | {"approval": "yes"}))
            assert not (await estimate(client, "Mine"))[0]["approval"]
        async with service.client(sandbox.key, **SHOWING) as client:
            assert (await estimate(client))[0]["approval"]

    assert refused["code"] == forged["code"] == "confirmation_unavailable"
    assert sandbox.runs == []


async def test_a_narrowed_connection_has_cards_without_a_button(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        serving(sandbox, tmp_path) as service,
        service.client(sandbox.key, headers={"X-Cleanlist-Read-Only": "true"}, **SHOWING) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        click, _ = await estimate(client)

    assert "approve_quote" not in names and click["approval"] == ""
