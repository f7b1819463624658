import asyncio

from agents.mcp import MCPServerStdio
from plan import play, server


async def main() -> None:
    async with MCPServerStdio(server(), client_session_timeout_seconds=60) as cleanlist:
        await play([tool.name for tool in await cleanlist.list_tools()], cleanlist.call_tool)


asyncio.run(main())
