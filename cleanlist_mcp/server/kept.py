"""The published schemas of the tools, kept in a file: making them takes a start longer than all else of ours.

`tests/test_surface.py` holds that the file is what would be made, and writes it anew with UPDATE_SNAPSHOTS=1.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from pydantic import PrivateAttr

from cleanlist_mcp.server.schemas import Schema

FILE = Path(__file__).with_name("schemas.json")


@cache
def schemas() -> dict[str, dict[str, Schema]]:
    """Return the schemas of arguments (`input`) and answer (`output`), by the name of the function.

    Without the file there are none, and each start makes its own.
    """
    try:
        found: dict[str, dict[str, Schema]] = json.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


def made(tool: Tool) -> Tool:
    """Return the tool that carries out the calls of one that was listed."""
    return tool.made if isinstance(tool, KeptTool) else tool


def text_of(tools: Iterable[Tool]) -> str:
    """Return what the file holds of tools that were made."""
    found = {tool.fn.__name__: {"input": tool.parameters, "output": tool.output_schema} for tool in tools}
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


class KeptTool(Tool):
    """A tool that is listed as it was kept. Its function and the model of its arguments load with its first call."""

    _make: Callable[[], Tool] = PrivateAttr()

    @classmethod
    def of(cls, listed: dict[str, Any], kept: dict[str, Schema], make: Callable[[], Tool]) -> "KeptTool":
        """Return a tool of these words and schemas, which `make` makes once it is called."""
        metadata = FuncMetadata(arg_model=ArgModelBase, output_schema=kept["output"])
        tool = cls(fn=_never, parameters=kept["input"], fn_metadata=metadata, is_async=True, **listed)
        tool._make = make
        return tool

    @cached_property
    def made(self) -> Tool:
        """The tool that carries out calls."""
        return self._make()

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        return await self.made.run(arguments, context, convert_result=convert_result)


async def _never() -> None:
    raise NotImplementedError("the tool that was made has the function")
