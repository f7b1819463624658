"""The quote card: what has become of its quote, in figures and a sentence."""

from cleanlist_mcp.answers.shapes import Result
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.text import credits_text


class CardState(Result):
    """The state of a quote that a card shows; an uncertain run has no `workflow_id`."""

    quote_id: str
    used: bool
    workflow_id: str | None = None
    expires_in_seconds: int


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
