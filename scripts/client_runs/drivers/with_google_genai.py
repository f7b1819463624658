"""google-genai makes declarations of the tools and calls them through the session itself."""

import asyncio

from google.genai._mcp_utils import mcp_to_gemini_tools
from mcp import ClientSession, StdioServerParameters, stdio_client
from plan import play, server


async def main() -> None:
    async with stdio_client(StdioServerParameters(**server())) as streams, ClientSession(*streams) as session:
        await session.initialize()
        declared = mcp_to_gemini_tools((await session.list_tools()).tools)
        names = [one.name for tool in declared for one in tool.function_declarations]
        await play(names, session.call_tool)


asyncio.run(main())
