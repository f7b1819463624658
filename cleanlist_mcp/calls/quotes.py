"""Quotes: asked for, remembered, and checked again before they are spent."""

from dataclasses import dataclass

from cleanlist_mcp.api.fields import is_id, is_quote_id
from cleanlist_mcp.api.wire import LIST_SCOPES, EstimateRequest
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import (
    CleanlistError,
    DailyLimit,
    InvalidArguments,
    JournalUnusable,
    QuoteUnknown,
    for_a_model,
)
from cleanlist_mcp.journal.health import error_in, is_durable
from cleanlist_mcp.money.decisions import Busy, Unknown
from cleanlist_mcp.money.limits import check_limits, limit_error
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import (
    QUOTE_LIFETIME,
    Quote,
    cheaper,
    check_max_credits,
    check_quote,
    check_same_work,
    local_expiry,
    within,
)
from cleanlist_mcp.money.runs import Run, may_send


@dataclass(frozen=True)
class KnownQuote:
    """A quote that was issued here, and the run that it started, if it started one.

    `may_send` is true while the quote can still be sent: nothing was started with it, or what it started is uncertain.
    """

    quote: Quote
    run: Run | None
    may_send: bool


class Quotes:
    """The quotes of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._services = call.services
        self._journal = call.services.journal

    async def issue(self, list_id: str, list_name: str, scope: Scope) -> Quote:
        """Ask the API for a quote and remember what it said.

        Raises:
            ApiError: if the API cannot be asked, or refuses.
        """
        request = EstimateRequest(list_id=list_id, scope=LIST_SCOPES[scope])
        answer = await self._services.client.estimate(request)
        quote = Quote(
            quote_id=answer.quote_id,
            list_id=list_id,
            list_name=list_name,
            scope=scope,
            row_count=answer.row_count,
            cost=answer.estimated_cost,
            available=answer.available_credits,
            expires_at=local_expiry(answer.expires_at, self._call.now()),
        )
        await self._journal.remember_quote(quote)
        return quote

    async def known(self, quote_id: str, list_id: str, scope: Scope, max_credits: int | None) -> KnownQuote:
        """Return the quote that a spend names, if it may be spent; or, if it was spent here, as it was. No request.

        Raises:
            InvalidArguments: if the ids cannot be any, or the list is empty.
            QuoteUnknown: if the quote was not issued here.
            QuoteMismatch, QuoteExpired, OverMaxCredits, DailyLimit: if it may not be spent in this way.
            OutcomeUnknown: if its run may have started, and clearing that up could cost over `max_credits`.
            JournalUnusable: if nothing can be spent with the journal as it is.
        """
        _check_ids(quote_id, list_id)
        run = await self._journal.run_of_quote(quote_id)
        quote = await self._journal.quote(quote_id) or (None if run is None else _of_run(run, quote_id))
        if quote is None:
            await self.require_usable_journal()
            raise _unknown(list_id, scope)
        if run is None:
            await self._check_unspent(quote, list_id, scope, max_credits)
            return KnownQuote(quote, None, may_send=True)
        check_same_work(quote, list_id, scope)
        sendable = may_send(run, quote, self._call.now())
        if sendable and not within(quote.cost, max_credits):
            raise self._services.workflows.unknown(run)
        if sendable:
            await self.require_usable_journal()
        return KnownQuote(quote, run, sendable)

    async def next_step(self, quote: Quote) -> str:
        """Return what to do with a quote: the whole call, because the person who approves sees only its arguments; or
        what would make that call fail."""
        offers = self._call.offers
        if quote.row_count == 0:
            return f"The list is empty, so there is nothing to enrich. {self._how_to_fill(quote.list_id)}"
        if not offers.spending:
            return "Tell the user; this server is read-only and cannot spend."
        if quote.cost > quote.available:
            offer = cheaper(quote.scope, quote.row_count, quote.available)
            return f"Tell the user the shortfall; they can buy credits, or choose {offer}a shorter list."
        try:
            limit = await self._journal_problem() or limit_error(
                "list", quote.cost, await self._journal.spent(), self._services.limits
            )
            blocked = None if limit else await self._blocked(quote)
        except JournalUnusable as exc:
            limit, blocked = exc, None
        if limit is not None:
            return f"{limit.message} {for_a_model(limit.next_step)}"
        return blocked or (
            "Show the user this quote; once they agree, call "
            f'enrich_list(list_id="{quote.list_id}", scope="{quote.scope}", quote_id="{quote.quote_id}", '
            f"max_credits={quote.cost})."
        )

    async def require_usable_journal(self) -> None:
        """Raise if the journal cannot be used, or if a daily limit is set and no journal on disk can keep it.

        Raises:
            JournalUnusable: because the journal may know the run already.
            DailyLimit: because a limit that a restart forgets is none. The sandbox spends nothing real.
        """
        error = await self._journal_problem()
        if error is not None:
            raise error

    async def _check_unspent(self, quote: Quote, list_id: str, scope: Scope, max_credits: int | None) -> None:
        check_quote(quote, list_id, scope, self._call.now())
        if quote.row_count == 0:
            raise InvalidArguments(
                "The list is empty, so there is nothing to enrich.", self._how_to_fill(quote.list_id)
            )
        check_max_credits(quote.cost, max_credits, list_id, scope)
        check_limits("list", quote.cost, await self._journal.spent(), self._services.limits)
        await self.require_usable_journal()

    def _how_to_fill(self, list_id: str) -> str:
        if not self._call.offers.lists or not self._call.offers.spending:
            return "Tell the user."
        return f'Call add_leads(list_id="{list_id}", people=[…]) first, then estimate again.'

    async def _blocked(self, quote: Quote) -> str | None:
        """Return what to do if another run of the same list and scope would make the spend fail."""
        found = await self._journal.claims.look_at_list(quote)
        if isinstance(found, Busy):
            which = f'workflow_id="{found.run.workflow_id}"' if found.run.workflow_id else ""
            return (
                "This list is being enriched in this scope already: call "
                f"workflow_status({which}) before anything is spent."
            )
        if isinstance(found, Unknown):
            error = self._services.workflows.unknown(found.run)
            advice = f"{error.message} {for_a_model(error.next_step)}"
            return f"An earlier run of this list in this scope stands in the way. {advice}"
        return None

    async def _journal_problem(self) -> CleanlistError | None:
        """Return why nothing can be spent with the journal as it is, or None."""
        health = await self._journal.health()
        if error_in(health) is not None:
            return error_in(health)
        if self._services.limits.daily is None or is_durable(health) or self._call.settings.sandbox:
            return None
        return DailyLimit(
            "CLEANLIST_DAILY_LIMIT is set, but the journal cannot be kept on disk, and with it the limit; nothing was "
            "sent.",
            "Ask the user to run `cleanlist-mcp doctor`, which names the problem and how to fix it.",
        )


def _unknown(list_id: str, scope: Scope) -> QuoteUnknown:
    return QuoteUnknown(
        "This quote was not issued here, or it is long forgotten; nothing was sent.",
        f'Call estimate(list_id="{list_id}", scope="{scope}") for a quote, which is free, and show it to the user.',
    )


def _of_run(run: Run, quote_id: str) -> Quote:
    """Return a quote that was forgotten, from the run that it started; it lived no longer than quotes do after it was
    used."""
    cost = run.quoted or run.reserved
    return Quote(quote_id, run.list_id, run.list_name, run.scope, 0, cost, 0, run.started_at + QUOTE_LIFETIME)


def _check_ids(quote_id: str, list_id: str) -> None:
    if not is_quote_id(quote_id):
        raise InvalidArguments(
            "quote_id is not a quote's id.",
            "Call estimate for this list and scope, and use the list_id and quote_id that it returns.",
        )
    if not is_id(list_id):
        raise InvalidArguments(
            "list_id is not a list's id; enrich_list takes no names.",
            "Call estimate with the list's name and use the list_id and quote_id that it returns.",
        )
