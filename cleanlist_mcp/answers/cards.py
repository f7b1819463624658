"""Sentences for the quote card: what has become of its quote."""

from cleanlist_mcp.answers.shapes import CardState
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.text import credits_text


def card_state(quote: Quote, run: Run | None, now: float) -> CardState:
    """Return what has become of a quote at `now`, in epoch seconds; `run` is what it started."""
    left = 0 if run is not None else max(int(quote.expires_at - now), 0)
    if run is not None:
        summary = "This quote was used."
    elif left:
        summary = f"This quote of {credits_text(quote.cost)} can be approved for {left} more seconds."
    else:
        summary = "This quote has expired; nothing was sent."
    return CardState(
        summary=summary,
        quote_id=quote.quote_id,
        used=run is not None,
        workflow_id=None if run is None else run.workflow_id,
        expires_in_seconds=left,
    )
