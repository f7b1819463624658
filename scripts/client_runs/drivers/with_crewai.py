import asyncio

from crewai_tools import MCPServerAdapter
from mcp import StdioServerParameters
from plan import play, server


async def main() -> None:
    with MCPServerAdapter(StdioServerParameters(**server()), connect_timeout=60) as found:
        tools = {tool.name: tool for tool in found}
        await play(tools, lambda name, arguments: asyncio.to_thread(tools[name].run, **arguments))


asyncio.run(main())
