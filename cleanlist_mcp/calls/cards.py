"""The quote card at work: the proof it is given, what it announces, and the run that its button starts."""

from cleanlist_mcp.answers.cards import CardState, card_state
from cleanlist_mcp.answers.run_shapes import EstimateResult, RunReport
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import exclusions_of
from cleanlist_mcp.calls.quotes import Quotes
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.errors import ConfirmationUnavailable, QuoteExpired, QuoteUnknown
from cleanlist_mcp.money.approvals import Judgement
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import check_quote

APPROVAL = "ai.cleanlist/approval"
"""The name under which a proof lies beside an answer, where models do not read."""


class Cards:
    """The cards of one call."""

    def __init__(self, call: Call, client: str) -> None:
        """`client` is the name that the program on the other side gives itself."""
        self._call = call
        self._client = client
        self._cards = call.services.journal.cards

    async def give_proof(self, result: EstimateResult) -> None:
        """Put the proof of a quote that can be spent beside its answer, where only a card reads it."""
        settings = self._call.settings
        if settings.confirm == "always" or settings.read_only or not (result.quote_id and result.sufficient):
            return
        quote = await self._call.services.journal.quote(result.quote_id)
        proof = None if quote is None else await self._cards.proof(quote, self._client)
        if proof is not None:
            self._call.beside[APPROVAL] = proof

    async def shown(self, quote_id: str, approval: str) -> CardState:
        """Note that a card shows a quote, and return what has become of the quote.

        Raises:
            QuoteUnknown: if it was not issued here.
            ConfirmationUnavailable: if the proof is none of this quote.
        """
        quote = await self._call.services.journal.quote(quote_id)
        if quote is None:
            raise QuoteUnknown(
                "This quote was not issued here, or was forgotten long ago.",
                "Call estimate for a new quote, which is free.",
            )
        judgement = await self._cards.judged(
            approval, quote.list_id, quote.scope, quote_id, quote.cost, self._client
        )
        _require_genuine(judgement)
        run = await self._call.services.journal.run_of_quote(quote_id)
        if judgement == "good" and run is None:
            await self._cards.note_shown(quote_id)
        return card_state(quote, run, self._call.now())

    async def approve(
        self, list_id: str, scope: Scope, quote_id: str, max_credits: int, approval: str
    ) -> RunReport:
        """Start the run that a card's button stands for, or return the one that the quote has started.

        Raises:
            ConfirmationUnavailable: if CLEANLIST_CONFIRM=always, or the proof is none of this spend.
            QuoteExpired: if the quote's time is over.
            CleanlistError: as `enrich_list` raises it.
        """
        _require_cards_count(self._call)
        judgement = await self._cards.judged(approval, list_id, scope, quote_id, max_credits, self._client)
        _require_genuine(judgement)
        await exclusions_of(self._call)  # nothing is spent while the file cannot be used
        known = await Quotes(self._call).known(quote_id, list_id, scope, max_credits)
        if known.run is None and judgement == "expired":
            check_quote(known.quote, list_id, scope, self._call.now())
            raise QuoteExpired("This quote has expired; nothing was sent.", "Call estimate for a new quote.")
        started = await self._call.services.workflows.start_list(
            known.quote, may_resend=judgement == "good", caller=self._call
        )
        return await RunFollower(self._call).follow(started, 0)


def _require_cards_count(call: Call) -> None:
    if call.settings.confirm == "always":
        raise ConfirmationUnavailable(
            "CLEANLIST_CONFIRM=always asks in the client's own dialog, and a card is none; nothing was sent.",
            "Call enrich_list, which asks there.",
        )


def _require_genuine(judgement: Judgement) -> None:
    """Raise unless the proof was made here for this quote, be its time over or not.

    Raises:
        ConfirmationUnavailable: without telling more than that.
    """
    if judgement in ("good", "expired"):
        return
    raise ConfirmationUnavailable(
        "This approval does not belong to the quote, so nothing was sent. Only the button of the quote's own card has "
        "the right one.",
        "Show the user the quote in words; once they agree, call enrich_list. For a new card call estimate.",
    )
