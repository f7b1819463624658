"""The account's owner, and the credits that are left."""

import httpx
import pytest

from tests.support import Answering, Edited, World


async def test_whoami_names_the_organization_and_the_mode(world: World, era: str) -> None:
    async with world.connect(era) as session:
        answer = await session.call("whoami")

    assert answer["mode"] == "live"
    assert answer["organization_name"] == "Northwind Sandbox"
    assert answer["missing_scopes"] == []
    assert answer["remembers_runs"] == "on_disk"
    assert "scopes" not in answer
    assert any("CRM" in deed for deed in answer["cannot_do"])


@pytest.mark.parametrize(
    ("scopes", "lacking"), [({}, False), ({"scopes": None}, False), ({"scopes": []}, True)]
)
async def test_scopes_that_the_api_does_not_tell_are_not_called_missing(
    world: World, scopes: dict[str, object], lacking: bool
) -> None:
    world.transport = Answering(
        world.transport, "/whoami", httpx.Response(200, json={"organization_id": "org_1"} | scopes)
    )
    async with world.connect() as session:
        answer = await session.call("whoami")

    assert bool(answer["missing_scopes"]) == lacking


async def test_an_account_that_owes_credits_is_told_so_and_its_estimates_are_insufficient(
    world: World,
) -> None:
    owing = Edited(world.transport, lambda data: data.update(credits=-5), "/credits/balance", "GET")
    world.transport = Edited(owing, lambda data: data.update(available_credits=-5), "/credits/estimate")
    async with world.connect() as session:
        balance = await session.call("credits_balance")
        quote = await session.call("estimate", list_id="Q3 Prospects")
        people = await session.call("estimate", people_count=2)

    assert balance["credits"] == -5 and "-5 credits" in balance["summary"]
    for estimate, cost in ((quote, 12), (people, 2)):
        assert not estimate["sufficient"]
        assert estimate["available_credits"] == -5
        assert estimate["balance_after"] == -5 - cost
        assert estimate["shortfall_credits"] == 5 + cost
        assert "enrich_list(" not in estimate["next_step"] and "enrich_person" not in estimate["next_step"]
