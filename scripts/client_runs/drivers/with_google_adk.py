import asyncio

from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
from mcp import StdioServerParameters
from mcp.types import ElicitResult
from plan import play, server


async def decline(context, params) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    parameters = StdioConnectionParams(server_params=StdioServerParameters(**server()), timeout=60)
    toolset = McpToolset(connection_params=parameters, elicitation_callback=decline)
    tools = {tool.name: tool for tool in await toolset.get_tools()}
    for tool in tools.values():
        tool._get_declaration()

    async def call(name, arguments):
        return await tools[name]._run_async_impl(args=arguments, tool_context=None, credential=None)

    await play(tools, call)
    await toolset.close()


asyncio.run(main())
