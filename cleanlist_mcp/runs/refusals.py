"""Refusals and doubts about a start, in words: each names what happened and the call that helps."""

import re

from cleanlist_mcp import text
from cleanlist_mcp.errors import (
    ApiRefusal,
    CleanlistError,
    JsonValue,
    NotFound,
    OutcomeUnknown,
    QuoteExpired,
    RunInProgress,
)
from cleanlist_mcp.money import decisions
from cleanlist_mcp.money.quotes import Quote, requote
from cleanlist_mcp.money.runs import Run, state_at
from cleanlist_mcp.text import quoted

DEFAULT_LIST = "MCP Results"
"""The list for single results, unless the user names another (vendor's quickstart, step 4)."""


def outcome_unknown(run: Run, *, under_way: bool = False) -> OutcomeUnknown:
    """Return the error about a run whose request left and whose answer was lost or, if it is `under_way`, is still to
    come."""
    amount = text.credits_text(run.reserved)
    sent = f"The request to spend up to {amount} was sent at {text.iso(run.started_at)}"
    figures: dict[str, JsonValue] = {"reserved_at_most": run.reserved, "sent_at": text.iso(run.started_at)}
    if under_way:
        return OutcomeUnknown(
            f"{sent} and has not been answered yet.",
            "Call workflow_status without arguments in a few seconds to see if the run has started.",
            charged="unknown",
            figures=figures,
        )
    hold = int(decisions.UNCERTAIN_HOLD // 60)
    if run.kind == "person":
        where = f"the list {quoted(run.list_name or run.list_id or DEFAULT_LIST)}"
        way_out = (
            f"If the person is not in {where} {hold} minutes after the first try, the same call with "
            "again=true starts a new run."
        )
    elif run.kind == "company":
        way_out = (
            f"If no credit is missing {hold} minutes after the first try, the same call with again=true looks the "
            "company up again."
        )
    else:
        call = f'enrich_list(list_id="{run.list_id}", scope="{run.scope}", quote_id="{run.quote_id}")'
        way_out = (
            f"While its quote is valid, {call} may clear this up: one quote cannot start twice. If nothing has changed "
            f"{hold} minutes after the first try, a new quote for the list may be spent."
        )
    return OutcomeUnknown(
        f"{sent} and its answer was lost: the run may or may not have started. Nothing is sent again by itself.",
        f"Call credits_balance to see if credits were reserved. {way_out} Tell the user that the "
        "charge is unknown.",
        charged="unknown",
        figures=figures,
    )


def unknown(run: Run, now: float) -> CleanlistError:
    """Return the error about a run whose outcome nobody here knows, or does not know yet; of a colleague's, it may go
    on."""
    if not run.is_own:
        return in_progress(run)
    return outcome_unknown(run, under_way=state_at(run, now) == "starting")


def answered_with(known: Run, run: Run) -> OutcomeUnknown:
    """Return the error about an answer that names the id of other work."""
    error = outcome_unknown(run)
    message = (
        f"Cleanlist answered with the id of an earlier run ({known.workflow_id}), not of this one. "
        f"This run may or may not have started, and up to {text.credits_text(run.reserved)} may be charged for it."
    )
    return error.replaced(message=message, figures={**error.figures, "answered_with": known.workflow_id})


def in_progress(run: Run) -> RunInProgress:
    """Return the error about a list that is being enriched under another quote, in a scope that looks for the same.

    Of a colleague's run, its id is all that is shown.
    """
    if not run.is_own:
        return _of_a_colleague(run.workflow_id)
    which = f'workflow_id="{run.workflow_id}"' if run.workflow_id else ""
    return RunInProgress(
        f"This list is being enriched already (scope {run.scope}), under another quote; nothing was started.",
        f"Call workflow_status({which}) to follow that run.",
        figures={"workflow_id": run.workflow_id},
    )


def _of_a_colleague(workflow_id: str | None) -> RunInProgress:
    follow = (
        f'Call workflow_status(workflow_id="{workflow_id}") to follow that run.'
        if workflow_id
        else f"Try again in {int(decisions.UNCERTAIN_HOLD // 60)} minutes, with a new quote."
    )
    return RunInProgress(
        "A colleague is enriching this list; nothing was started.",
        follow,
        figures={"workflow_id": workflow_id},
    )


def quote_error(error: CleanlistError, quote: Quote) -> CleanlistError:
    """Return the API's refusal of a quote, with the call that gives a good one."""
    if quote.part is not None and names_rows(error):
        return QuoteExpired(
            "Cleanlist does not know the rows of this quote any more; nothing was started and nothing is charged.",
            f'Call estimate(list_id="{quote.list_id}", scope="{quote.scope}") again, with the other arguments as '
            "before. At the same price the user need not be asked again.",
            figures={"quoted_cost": quote.cost},
        )
    if isinstance(error, ApiRefusal) and _is_about_the_quote(error):
        return error.replaced(next_step=f"Call {requote(quote)} for a new quote and show it to the user.")
    return error


def names_rows(error: CleanlistError) -> bool:
    """Return whether a certain refusal says that the handle of a page, or rows of it, are not known (any more)."""
    if isinstance(error, NotFound):
        return True
    if not isinstance(error, ApiRefusal) or error.status not in (400, 404, 410, 422):
        return False
    fields = [item["field"] for item in error.field_errors or []]
    named = any(field.endswith(("task_id", "entity_ids")) for field in fields)
    return named or re.search(r"\btask(_id)?\b", error.message, re.IGNORECASE) is not None


def _is_about_the_quote(error: ApiRefusal) -> bool:
    """Return whether a new quote may help: the API refuses quotes with 400 or 409, and with codes still to come."""
    return error.answered.status in (400, 409) and error.code not in _NOT_ABOUT_THE_QUOTE


_NOT_ABOUT_THE_QUOTE = frozenset(
    {"validation_error", "list_protected", "list_cap_reached", "approval_required"}
)
