import asyncio

import dspy
from mcp import Client, StdioServerParameters, stdio_client
from plan import play, server


async def main() -> None:
    async with Client(stdio_client(StdioServerParameters(**server()))) as client:
        found = (await client.list_tools()).tools
        tools = {tool.name: dspy.Tool.from_mcp_tool(client, tool) for tool in found}
        await play(tools, lambda name, arguments: tools[name].acall(**arguments))


asyncio.run(main())
