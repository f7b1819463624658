"""The account of one call: whose key is in use, the credits left, and what was spent from here."""

from cleanlist_mcp.answers.account import balance_result, whoami_result
from cleanlist_mcp.answers.shapes import BalanceResult, WhoamiResult
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.money.costs import By
from cleanlist_mcp.services import Services
from cleanlist_mcp.toolset import switched_on


async def describe(call: Call) -> WhoamiResult:
    """Return the API's facts about the key, and the permissions it lacks for the tools that are on."""
    services, settings = call.services, call.settings
    answer = await services.owner()
    if services.owner_is_news:
        await services.journal.note_organization(answer.organization_id)
        services.owner_is_news = False
    on = switched_on(settings.toolsets, read_only=settings.read_only)
    needed = {permission for tool in on for permission in tool.permissions}
    return whoami_result(
        answer,
        sandbox=settings.sandbox,
        missing=[] if answer.scopes is None else sorted(needed - set(answer.scopes)),
        remembers=(await services.journal.health()).kept,
        shared=services.is_shared,
    )


async def balance(services: Services, days: int = 1, by: By = "total") -> BalanceResult:
    """Return the credits left, and what was spent from here in the last `days` times 24 hours."""
    answer = await services.client.balance()
    return balance_result(answer, services.limits, await services.journal.costs.statement(days, by))
