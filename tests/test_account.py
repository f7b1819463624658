"""Who we are and what is left."""

from tests.support import World


async def test_whoami_names_the_organization_and_the_mode(world: World, era: str) -> None:
    async with world.connect(era) as session:
        answer = await session.call("whoami")

    assert answer["mode"] == "live"
    assert answer["organization_name"] == "Northwind Sandbox"
    assert answer["missing_scopes"] == []
    assert answer["journal"] == "disk"
