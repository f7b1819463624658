"""The event loop that a server runs on."""

import asyncio
import sys
from typing import Any

from cleanlist_mcp.settings import Settings


def loop_options(settings: Settings) -> dict[str, Any]:
    """Return the options for `anyio.run`: a team's database cannot be reached over Windows' usual loop."""
    if sys.platform == "win32" and settings.uses_database:
        return {"loop_factory": asyncio.SelectorEventLoop}
    return {}
