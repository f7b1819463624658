import asyncio

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from plan import play, server
from pydantic_ai.mcp import MCPToolset


async def decline(message, response_type, params, context) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    toolset = MCPToolset(Client(StdioTransport(**server()), elicitation_handler=decline))
    async with toolset:
        await play([tool.name for tool in await toolset.list_tools()], toolset.direct_call_tool)


asyncio.run(main())
