import asyncio

from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import ElicitResult
from plan import play, server


async def decline(context, params) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    transport = stdio_client(StdioServerParameters(**server()))
    async with Client(transport, elicitation_callback=decline) as client:
        await play([tool.name for tool in (await client.list_tools()).tools], client.call_tool)


asyncio.run(main())
