"""The floor for us: the bare SDK with one tool, a shared httpx client and a typed result.

`python -m benchmarks.bare_server whoami` or `… credits_balance`; CLEANLIST_BASE_URL and CLEANLIST_API_KEY
say whom to ask, as for the real server.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel


class Whoami(BaseModel):
    """The fields that our own tool reads."""

    user_email: str | None
    user_name: str
    organization_id: str
    organization_name: str
    auth_type: str
    tier: str
    scopes: list[str]
    features: list[str]


class Balance(BaseModel):
    """The same for the balance."""

    organization_id: str
    credits: int


@asynccontextmanager
async def _client(server: MCPServer[httpx.AsyncClient]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {os.environ['CLEANLIST_API_KEY']}"}
    base_url = os.environ["CLEANLIST_BASE_URL"]
    async with httpx.AsyncClient(base_url=base_url, headers=headers, verify=False) as client:  # noqa: S501
        yield client


async def whoami(ctx: Context[httpx.AsyncClient]) -> Whoami:
    """Show whose API key is in use."""
    response = await ctx.request_context.lifespan_context.get("/whoami")
    return Whoami.model_validate_json(response.content)


async def credits_balance(ctx: Context[httpx.AsyncClient]) -> Balance:
    """Show the credits left."""
    response = await ctx.request_context.lifespan_context.get("/credits/balance")
    return Balance.model_validate_json(response.content)


def main(tool: str) -> None:
    """Serve that one tool over stdio until stdin ends."""
    server = MCPServer("bare", lifespan=_client, log_level="WARNING", subscriptions=False)
    server.add_tool({"whoami": whoami, "credits_balance": credits_balance}[tool])
    server.run("stdio")


if __name__ == "__main__":
    main(sys.argv[1])
