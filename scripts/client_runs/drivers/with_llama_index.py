"""BasicMCPClient starts a server for each call."""

import asyncio

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec
from plan import play, server


async def main() -> None:
    start = server()
    client = BasicMCPClient(start["command"], args=start["args"], env=start["env"])
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}
    await play(tools, lambda name, arguments: tools[name].acall(**arguments))


asyncio.run(main())
