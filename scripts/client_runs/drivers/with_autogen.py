import asyncio

from autogen_core import CancellationToken
from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams
from plan import play, server


async def main() -> None:
    async with McpWorkbench(StdioServerParams(**server(), read_timeout_seconds=60)) as workbench:

        async def call(name, arguments):
            return await workbench.call_tool(name, arguments, CancellationToken())

        await play([tool["name"] for tool in await workbench.list_tools()], call)


asyncio.run(main())
