import asyncio

from agno.tools.mcp import MCPTools
from mcp import StdioServerParameters
from plan import play, server


async def main() -> None:
    async with MCPTools(server_params=StdioServerParameters(**server()), timeout_seconds=60) as toolkit:
        tools = toolkit.get_async_functions() or toolkit.functions
        await play(tools, lambda name, arguments: tools[name].entrypoint(**arguments))


asyncio.run(main())
