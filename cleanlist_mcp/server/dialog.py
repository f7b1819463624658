"""Asking the person before a list is paid for, through the client's own dialog in both protocol eras."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import ConfirmationUnavailable
from cleanlist_mcp.money.prices import in_words
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.text import credits_text, quoted, rows_text

DIALOG_SECONDS = 45.0
"""Longest wait for a dialog that holds the call open; some hosts declare the dialog and never show it."""

START_SECONDS = 3.0
"""Least time that a call keeps for the start of a run after its dialog."""

_MODERN = "2026-07-28"
"""From this protocol version on, the client answers by calling again, and nothing is held open."""


class Approval(BaseModel):
    """The one field of the dialog. Whatever a client fills in, only `true` is a yes; a field left out is a no."""

    model_config = ConfigDict(json_schema_extra={"required": ["approve"]})

    approve: Annotated[bool, BeforeValidator(lambda given: given is True)] = Field(
        default=False, description="Spend these credits?"
    )


@dataclass(frozen=True)
class Verdict:
    """The outcome of asking: `go` if nothing stands against the spend, `awaiting_approval` if a card asks instead."""

    word: Literal["go", "declined", "not_confirmed", "awaiting_approval"]


async def ask(ctx: Context[Any, Any], call: Call, quote: Quote) -> Elicit[Approval] | Verdict:
    """Ask whether `quote` may be spent, or say why nobody was asked.

    The question comes from the quote alone: a live figure in it would make current clients ask again until they
    fail. A dialog that holds the call open leaves `START_SECONDS` for the start of the run.

    Raises:
        ConfirmationUnavailable: if CLEANLIST_CONFIRM=always and the client cannot ask.
    """
    mode = call.settings.confirm
    if mode == "never":
        return Verdict("go")
    if not can_ask(ctx):
        if mode == "always":
            raise ConfirmationUnavailable(
                "CLEANLIST_CONFIRM=always requires a dialog, and this client cannot show one; nothing was sent.",
                "Tell the user: a client that supports elicitation is needed, or they set CLEANLIST_CONFIRM to "
                "auto in the client's configuration; then the quote alone decides.",
            )
        return Verdict("go")
    message = blot(question(quote))
    if (ctx.protocol_version or "") >= _MODERN:
        return Elicit(message, Approval)
    with anyio.move_on_after(min(DIALOG_SECONDS, call.deadline.left() - START_SECONDS)):
        try:
            return verdict(await ctx.elicit(message, Approval))
        except MCPError:
            return Verdict("not_confirmed")
        except ValueError:
            return Verdict("declined")  # answered, and with anything but a yes
    return Verdict("not_confirmed")


def question(quote: Quote) -> str:
    """Return the dialog's text, all of it from the quote."""
    name = quote.list_name or quote.list_id
    of_all = f"{quote.row_count} of the {quote.rows_in_list} rows"
    rows = of_all if quote.part is not None and quote.rows_in_list else rows_text(quote.row_count)
    return (
        f"Spend up to {credits_text(quote.cost)} to enrich {rows} of the list "
        f"{quoted(name)} ({in_words(quote.scope)})? Balance when quoted: {quote.available}; after it, if all is used: "
        f"{quote.available - quote.cost}. What is not found is not charged."
    )


def verdict(outcome: ElicitationResult[Any]) -> Verdict:
    """Return what the dialog's outcome means for the spend."""
    if isinstance(outcome, AcceptedElicitation):
        if isinstance(outcome.data, Verdict):
            return outcome.data
        return Verdict("go" if outcome.data.approve else "declined")
    return Verdict("declined" if outcome.action == "decline" else "not_confirmed")


def was_asked(outcome: ElicitationResult[Any]) -> bool:
    """Return whether the outcome is an answer of the dialog."""
    return not (isinstance(outcome, AcceptedElicitation) and isinstance(outcome.data, Verdict))


def can_ask(ctx: Context[Any, Any]) -> bool:
    """Return whether the client declares that it can show a dialog."""
    elicitation = ctx.client_capabilities.elicitation if ctx.client_capabilities else None
    # A bare {} counts as forms, the only kind there was before kinds had names.
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return (ctx.protocol_version or "") >= _MODERN or ctx.session.can_send_request
