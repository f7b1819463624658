import asyncio

from camel.utils.mcp_client import MCPClient
from plan import play, server


async def main() -> None:
    async with MCPClient({**server(), "timeout": 60.0}) as client:
        names = [tool.name for tool in (await client.list_mcp_tools()).tools]
        await play(names, client.call_tool)


asyncio.run(main())
