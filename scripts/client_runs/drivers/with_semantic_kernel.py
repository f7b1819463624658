import asyncio

from plan import play, server
from semantic_kernel.connectors.mcp import MCPStdioPlugin


async def main() -> None:
    async with MCPStdioPlugin("cleanlist", **server(), load_prompts=False) as plugin:
        names = [tool.name for tool in (await plugin.session.list_tools()).tools]
        await play(names, lambda name, arguments: plugin.call_tool(name, **arguments))


asyncio.run(main())
