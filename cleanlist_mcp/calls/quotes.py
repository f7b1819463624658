"""Quotes: asked for, remembered, and checked again before they are spent."""

import re
from dataclasses import replace

from cleanlist_mcp.api.wire import LIST_SCOPES, EstimateRequest
from cleanlist_mcp.errors import CleanlistError, DailyLimit, InvalidArguments, JournalUnusable
from cleanlist_mcp.lists.directory import is_list_id
from cleanlist_mcp.money import limits, quotes, runs
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.services import Services

REPRICED = 64
"""Quotes of others that are remembered; the oldest go first."""

_QUOTE_ID = re.compile(r"[\x21-\x7e]{1,512}\Z")


async def issue(services: Services, list_id: str, list_name: str, scope: Scope) -> Quote:
    """Ask the API for a quote and remember what it said."""
    quote = await _price(services, list_id, list_name, scope)
    services.journal.remember_quote(quote)
    return quote


def next_step(services: Services, quote: Quote) -> str:
    """What to do with a quote: the whole call, because the person approving sees only its arguments; or what
    would make that call fail."""
    settings = services.settings
    if quote.row_count == 0:
        return f"The list is empty, so there is nothing to enrich. {_how_to_fill(services, quote.list_id)}"
    if settings.read_only:
        return "Tell the user; this server is read-only and cannot spend."
    if quote.cost > quote.available:
        offer = quotes.cheaper(quote.scope, quote.row_count, quote.available)
        return f"Tell the user the shortfall; they can buy credits, or choose {offer}a shorter list."
    try:
        limit = _journal_fault(services) or limits.limit_error(
            "list", quote.cost, services.journal.spent(), services.limits
        )
        blocked = None if limit else _blocked(services, quote)
    except JournalUnusable as exc:
        limit, blocked = exc, None
    if limit is not None:
        return f"{limit.message} {limit.next_step}"
    if blocked is not None:
        return blocked
    return (
        "Show the user this quote; once they agree, call "
        f'enrich_list(list_id="{quote.list_id}", scope="{quote.scope}", quote_id="{quote.quote_id}", '
        f"max_credits={quote.cost})."
    )


def _how_to_fill(services: Services, list_id: str) -> str:
    if not services.settings.lists_on or services.settings.read_only:
        return "Tell the user."
    return f'Call add_leads(list_id="{list_id}", people=[…]) first, then estimate again.'


def _blocked(services: Services, quote: Quote) -> str | None:
    """What to do where another run of the same list and scope would make the spend fail."""
    decision = services.journal.list_decision(quote)
    run = decision.run
    if run is not None and decision.action == "busy":
        which = f'workflow_id="{run.workflow_id}"' if run.workflow_id else ""
        return (
            "This list is being enriched in this scope already: call "
            f"workflow_status({which}) before anything is spent."
        )
    if run is not None and decision.action == "unknown":
        error = services.workflows.unknown(run)
        return (
            f"An earlier run of this list in this scope stands in the way. {error.message} {error.next_step}"
        )
    return None


async def checked(
    services: Services, quote_id: str, list_id: str, scope: Scope, max_credits: int | None
) -> Quote:
    """The quote that a spend names, if it may be spent; or, where it was spent here, as it was.

    A quote of this machine is checked without any request. One that it has not seen is priced anew, free: those
    figures feed the dialog and the limits, and whether the quote is genuine the API decides.

    Raises:
        InvalidArguments: for ids that cannot be any, or an empty list.
        QuoteMismatch, QuoteExpired, OverMaxCredits, DailyLimit: as money rule 2 has it.
        OutcomeUnknown: where its run may have started, and clearing that up could cost over `max_credits`.
    """
    _check_ids(quote_id, list_id, scope)
    run = services.journal.run_of_quote(quote_id)
    quote = await _known_or_priced(services, quote_id, list_id, scope, run)
    if run is not None:
        quotes.check_same_work(quote, list_id, scope)
        sendable = runs.may_send(run, quote, services.clock.time())
        if sendable and not quotes.within(quote.cost, max_credits):
            raise services.workflows.unknown(run)
        if sendable:
            require_usable_journal(services)
        return quote
    quotes.check_quote(quote, list_id, scope, services.clock.time())
    if quote.row_count == 0:
        raise InvalidArguments(
            "The list is empty, so there is nothing to enrich.", _how_to_fill(services, quote.list_id)
        )
    quotes.check_max_credits(quote.cost, max_credits, list_id, scope)
    limits.check_limits("list", quote.cost, services.journal.spent(), services.limits)
    require_usable_journal(services)
    return quote


async def _known_or_priced(
    services: Services, quote_id: str, list_id: str, scope: Scope, run: Run | None
) -> Quote:
    # By all three: of a quote that others issued, only what the call says about it is known.
    asked = (quote_id, list_id, scope)
    quote = services.journal.quote(quote_id) or services.repriced.get(asked)
    if quote is not None:
        return quote
    if run is not None:
        return _of_run(run, quote_id)
    _, name = await services.directory.resolve(list_id)
    fresh = await _price(services, list_id, name, scope)
    while len(services.repriced) >= REPRICED:
        del services.repriced[next(iter(services.repriced))]
    services.repriced[asked] = replace(fresh, quote_id=quote_id)
    return services.repriced[asked]


def require_usable_journal(services: Services) -> None:
    """Raise if the journal cannot be used, or if a daily limit is set and no journal on disk can keep it.

    Raises:
        JournalUnusable: because the journal may know the run already.
        DailyLimit: because a limit that a restart forgets is none. The sandbox spends nothing real.
    """
    error = _journal_fault(services)
    if error is not None:
        raise error


def _journal_fault(services: Services) -> CleanlistError | None:
    """Why nothing can be spent with the journal as it is, or None."""
    unavailable = services.journal.unavailable
    if unavailable is not None:
        return unavailable
    if services.limits.daily is None or services.journal.durable or services.settings.sandbox:
        return None
    return DailyLimit(
        "CLEANLIST_DAILY_LIMIT is set, but the journal cannot be kept on disk, and with it the limit; nothing was "
        "sent.",
        "Ask the user to run `cleanlist-mcp doctor`, which names the fault and its remedy.",
    )


async def _price(services: Services, list_id: str, list_name: str, scope: Scope) -> Quote:
    answer = await services.client.estimate(EstimateRequest(list_id=list_id, scope=LIST_SCOPES[scope]))
    now = services.clock.time()
    return Quote(
        quote_id=answer.quote_id,
        list_id=list_id,
        list_name=list_name,
        scope=scope,
        row_count=answer.row_count,
        cost=answer.estimated_cost,
        available=answer.available_credits,
        expires_at=quotes.local_expiry(answer.expires_at, now),
    )


def _of_run(run: Run, quote_id: str) -> Quote:
    """A quote that was forgotten, or that others issued, from the run that it started; it lived no longer than
    quotes do after it was used."""
    cost = run.quoted or run.reserved
    lived_until = run.started_at + quotes.QUOTE_LIFETIME
    return Quote(quote_id, run.list_id, run.list_name, run.scope, 0, cost, 0, lived_until)


def _check_ids(quote_id: str, list_id: str, scope: Scope) -> None:
    if not is_list_id(list_id):
        raise InvalidArguments(
            "list_id is not a list's id; enrich_list takes no names.",
            "Call estimate with the list's name and use the list_id and quote_id that it returns.",
        )
    if not _QUOTE_ID.match(quote_id):
        raise InvalidArguments(
            "quote_id is not a quote's id.",
            f'Call estimate(list_id="{list_id}", scope="{scope}") and use the quote_id that it returns.',
        )
