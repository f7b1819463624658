import asyncio

from mcp import StdioServerParameters, stdio_client
from mcp.types import ElicitResult
from plan import play, server
from strands.tools.mcp import MCPClient


async def decline(context, params) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    transport = StdioServerParameters(**server())
    with MCPClient(lambda: stdio_client(transport), elicitation_callback=decline) as client:

        async def call(name, arguments):
            return await client.call_tool_async(tool_use_id=name, name=name, arguments=arguments)

        await play([tool.tool_name for tool in client.list_tools_sync()], call)


asyncio.run(main())
