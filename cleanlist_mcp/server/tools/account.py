"""Who we are and what is left: free, read-only."""

from typing import Any

from mcp.server.mcpserver import Context

from cleanlist_mcp.answers.account import balance_result, whoami_result
from cleanlist_mcp.answers.shapes import BalanceResult, WhoamiResult
from cleanlist_mcp.journal.health import is_durable
from cleanlist_mcp.money.limits import Spent
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.services import Services
from cleanlist_mcp.toolset import switched_on


async def whoami(ctx: Context[Any, Any]) -> WhoamiResult:
    """Answer whose key is in use."""
    return await describe(current_call(ctx).services)


async def credits_balance(ctx: Context[Any, Any]) -> BalanceResult:
    """Answer what is left, and what was spent from here."""
    return await balance(current_call(ctx).services)


async def describe(services: Services) -> WhoamiResult:
    """What the API says of the key, and what it lacks for the tools that are on."""
    answer = await services.client.whoami()
    settings = services.settings
    on = switched_on(settings.toolsets, read_only=settings.read_only)
    needed = {permission for tool in on for permission in tool.permissions}
    return whoami_result(
        answer,
        sandbox=services.settings.sandbox,
        missing=[] if answer.scopes is None else sorted(needed - set(answer.scopes)),
        remembers="on_disk" if is_durable(await services.journal.health()) else "until_restart",
    )


async def balance(services: Services) -> BalanceResult:
    """The credits left, and what this machine knows about spending."""
    answer = await services.client.balance()
    spent = await services.journal.spent_if_readable()
    return balance_result(answer, spent or Spent(0, 0, 0), services.limits, known=spent is not None)
