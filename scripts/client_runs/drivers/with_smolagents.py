import asyncio
import warnings

from mcp import StdioServerParameters
from plan import play, server

warnings.simplefilter("ignore")  # of the library, about its own defaults


async def main() -> None:
    from smolagents import MCPClient

    with MCPClient(StdioServerParameters(**server()), structured_output=False) as found:
        tools = {tool.name: tool for tool in found}
        await play(tools, lambda name, arguments: asyncio.to_thread(tools[name].forward, **arguments))


asyncio.run(main())
