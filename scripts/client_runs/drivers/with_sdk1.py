import asyncio

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.types import ElicitResult
from plan import play, server


async def decline(context, params) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    async with (
        stdio_client(StdioServerParameters(**server())) as streams,
        ClientSession(*streams, elicitation_callback=decline) as session,
    ):
        await session.initialize()
        await play([tool.name for tool in (await session.list_tools()).tools], session.call_tool)


asyncio.run(main())
