import asyncio

from agent_framework import MCPStdioTool
from plan import play, server


async def main() -> None:
    async with MCPStdioTool("cleanlist", **server(), load_prompts=False) as cleanlist:
        names = [function.name for function in cleanlist.functions]
        await play(names, lambda name, arguments: cleanlist.call_tool(name, **arguments))


asyncio.run(main())
