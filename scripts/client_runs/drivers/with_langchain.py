import asyncio

from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.types import ElicitResult
from plan import play, server


async def decline(context, params, where) -> ElicitResult:
    return ElicitResult(action="decline")


async def main() -> None:
    client = MultiServerMCPClient(
        {"cleanlist": {"transport": "stdio", **server()}}, callbacks=Callbacks(on_elicitation=decline)
    )
    async with client.session("cleanlist") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        await play(tools, lambda name, arguments: tools[name].ainvoke(arguments))


asyncio.run(main())
