import asyncio

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from plan import play, server


async def decline(message, response_type, params, context) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    async with Client(StdioTransport(**server()), elicitation_handler=decline) as client:
        await play([tool.name for tool in await client.list_tools()], client.call_tool)


asyncio.run(main())
