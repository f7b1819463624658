"""Who we are and what is left."""

import httpx
import pytest

from tests.support import Answering, World


async def test_whoami_names_the_organization_and_the_mode(world: World, era: str) -> None:
    async with world.connect(era) as session:
        answer = await session.call("whoami")

    assert answer["mode"] == "live"
    assert answer["organization_name"] == "Northwind Sandbox"
    assert answer["missing_scopes"] == []
    assert answer["journal"] == "disk"


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
