"""The tools about the account: whose key it is, what is left and what was spent. Free, read-only."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from cleanlist_mcp.answers.shapes import BalanceResult, WhoamiResult
from cleanlist_mcp.calls import account
from cleanlist_mcp.money.costs import By
from cleanlist_mcp.server.boundary import current_call


async def whoami(ctx: Context[Any, Any]) -> WhoamiResult:
    """Answer with the owner of the key in use."""
    return await account.describe(current_call(ctx))


async def credits_balance(
    ctx: Context[Any, Any],
    days: Annotated[
        int, Field(strict=True, ge=1, le=90, description="How many times 24 hours to look back.")
    ] = 1,
    by: Annotated[By, Field(description="What a row stands for; days are in UTC.")] = "total",
) -> BalanceResult:
    """Answer with the credits left and what was spent from here."""
    return await account.balance(current_call(ctx).services, days, by)
