"""The same tool as `benchmarks/bare_server.py`, made with FastMCP. It runs in an environment of its own."""
# mypy: ignore-errors

import os

import httpx
from fastmcp import FastMCP
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


server = FastMCP("bare")
client = httpx.AsyncClient(
    base_url=os.environ["CLEANLIST_BASE_URL"],
    headers={"Authorization": f"Bearer {os.environ['CLEANLIST_API_KEY']}"},
    verify=False,  # noqa: S501
)


@server.tool
async def whoami() -> Whoami:
    """Show whose API key is in use."""
    response = await client.get("/whoami")
    return Whoami.model_validate_json(response.content)


if __name__ == "__main__":
    server.run(show_banner=False)
