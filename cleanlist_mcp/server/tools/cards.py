"""The tools of the quote card's own: the card calls them, and no model should."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from cleanlist_mcp.answers.cards import CardState
from cleanlist_mcp.answers.run_shapes import RunReport
from cleanlist_mcp.calls.cards import Cards
from cleanlist_mcp.server.arguments import LONGEST_ID, LONGEST_LIST
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.server.declared import declared_by
from cleanlist_mcp.server.tools.enrichment import ScopeArgument

QuoteId = Annotated[str, Field(max_length=LONGEST_ID, description="The quote that the card shows.")]
# Without a longest length: one that is too long is a forged one, and not a slip of the pen.
Approval = Annotated[str, Field(description="The card's own proof of the quote.")]


async def approve_quote(
    ctx: Context[Any, Any],
    list_id: Annotated[str, Field(max_length=LONGEST_LIST, description="The list's id.")],
    scope: ScopeArgument,
    quote_id: QuoteId,
    max_credits: Annotated[int, Field(strict=True, ge=0, description="The quoted cost.")],
    approval: Approval = "",
) -> RunReport:
    """Start the run of a quote from its card; paid."""
    cards = Cards(current_call(ctx), declared_by(ctx).name)
    return await cards.approve(list_id, scope, quote_id, max_credits, approval)


async def card_shown(ctx: Context[Any, Any], quote_id: QuoteId, approval: Approval = "") -> CardState:
    """Note that a card shows a quote, and answer with the quote's state."""
    return await Cards(current_call(ctx), declared_by(ctx).name).shown(quote_id, approval)
