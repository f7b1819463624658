import asyncio

from mcp.types import ElicitResult
from mcp_use import MCPClient
from plan import play, server


async def decline(context, params) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    client = MCPClient({"mcpServers": {"cleanlist": server()}}, elicitation_callback=decline)
    session = await client.create_session("cleanlist")
    await play([tool.name for tool in await session.list_tools()], session.call_tool)
    await client.close_all_sessions()


asyncio.run(main())
