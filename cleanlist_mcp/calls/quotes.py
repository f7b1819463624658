"""Quotes: asked for, remembered, and checked again before they are spent."""

from dataclasses import dataclass, replace

from cleanlist_mcp.answers.estimate import ListFacts, Room, RowsSeen, list_estimate, nothing_to_buy
from cleanlist_mcp.answers.run_shapes import EstimateResult
from cleanlist_mcp.api.fields import is_id, is_quote_id
from cleanlist_mcp.api.wire import DATA_POINTS, LIST_SCOPES, Estimate, EstimateRequest, PartEstimateRequest
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.calls.selection import IsExcluded, Picked, Selection, nobody
from cleanlist_mcp.errors import (
    ApiError,
    BadResponse,
    CleanlistError,
    DailyLimit,
    InvalidArguments,
    JournalUnusable,
    NotAvailable,
    OverMaxCredits,
    QuoteUnknown,
    for_a_model,
)
from cleanlist_mcp.journal.health import error_in, is_durable
from cleanlist_mcp.money.decisions import Busy, Outdated, Unknown
from cleanlist_mcp.money.limits import check_limits, daily_left, limit_error
from cleanlist_mcp.money.picking import Wishes
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import (
    QUOTE_LIFETIME,
    Part,
    Quote,
    cheaper,
    check_max_credits,
    check_quote,
    check_same_work,
    local_expiry,
    outdated,
    within,
)
from cleanlist_mcp.money.runs import Run, may_send
from cleanlist_mcp.runs.refusals import names_rows
from cleanlist_mcp.text import credits_text, rows_text


@dataclass(frozen=True)
class KnownQuote:
    """A quote that was issued here, and the run that it started, if it started one.

    `may_send` is true while the quote can still be sent: nothing was started with it, or what it started is uncertain.
    """

    quote: Quote
    run: Run | None
    may_send: bool


@dataclass(frozen=True)
class _Obstacle:
    """The reason why a quote cannot be spent now, as a sentence for the user, and what to do about it."""

    sentence: str
    next_step: str


_LOST = _Obstacle(
    "This quote could not be kept here, so it cannot be spent.",
    "This quote could not be kept here, so it cannot be spent: call estimate again in a minute, which is free.",
)


class Quotes:
    """The quotes of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._services = call.services
        self._journal = call.services.journal

    async def estimate(
        self, list_id: str, list_name: str, scope: Scope, wishes: Wishes, is_excluded: IsExcluded = nobody
    ) -> EstimateResult:
        """Pick the rows that are wanted, ask the API for a quote for them, and remember both.

        Raises:
            InvalidArguments: if chosen rows are not in the list.
            NotAvailable: if the API does not show the rows that are wanted.
            BadResponse: if the API quotes other rows than were picked.
            ApiError: if the API cannot be asked, or refuses.
        """
        after_run = await self._newest_settled(list_id, scope)  # before the rows are looked at
        picked = await Selection(self._call, list_id, scope, wishes, is_excluded).picked()
        last_run = await self._last_own_run(list_id)
        if picked.is_nothing:
            _require_sight(list_id, picked)
            facts = ListFacts(picked.seen, Room(), last_run, self._call.now())
            return nothing_to_buy(
                *(list_id, list_name, scope, facts, self._after_nothing(list_id, scope, picked.seen, wishes)),
                wishes=wishes,
            )
        quote = await self._asked(list_id, list_name, scope, picked)
        if picked.part is None and (wishes.are_explicit or is_excluded is not nobody):
            _require_shown(quote, picked.seen)
        _require_within(quote, wishes)
        quote = replace(quote, after_run=after_run)
        room, limit = await self._room(quote)
        facts = ListFacts(picked.seen, room, last_run, self._call.now())
        if not quote.row_count:
            step = f"The list is empty, so there is nothing to enrich. {self._how_to_fill(list_id)}"
            return nothing_to_buy(list_id, list_name, scope, facts, step, wishes=wishes)
        is_lost = room.fits is not False and not await self._journal.remember_quote(quote)
        obstacle = _LOST if is_lost else await self._obstacle(quote)
        facts = replace(facts, obstacle=obstacle.sentence if obstacle else "")
        return list_estimate(quote, facts, self._next_step(quote, limit, obstacle))

    async def _last_own_run(self, list_id: str) -> Run | None:
        """Return the newest run over a list, if it is this account's own: a colleague's is not shown."""
        last = await self._journal.last_list_run(list_id)
        return last if last is not None and last.is_own else None

    async def _newest_settled(self, list_id: str, scope: Scope) -> int:
        """Return the number of the newest run that a new quote takes into account; 0, which every run exceeds, if none
        can be read."""
        try:
            await self._services.workflows.look_again(list_id, scope)
            last = await self._journal.last_list_run(list_id)
            if last is not None:
                await RunFollower(self._call).count(last)
            return await self._journal.claims.newest_settled(list_id, scope)
        except JournalUnusable:
            return 0

    async def _asked(self, list_id: str, list_name: str, scope: Scope, picked: Picked) -> Quote:
        part = picked.part
        if part is None:
            answer = await self._services.client.estimate(
                EstimateRequest(list_id=list_id, scope=LIST_SCOPES[scope])
            )
        else:
            answer = await self._asked_for_rows(part, scope)
        return Quote(
            quote_id=answer.quote_id,
            list_id=list_id,
            list_name=list_name,
            scope=scope,
            row_count=answer.row_count,
            cost=answer.estimated_cost,
            available=answer.available_credits,
            expires_at=local_expiry(answer.expires_at, self._call.now()),
            rows_in_list=answer.row_count if part is None else picked.seen.shown or None,
            part=part,
        )

    async def _asked_for_rows(self, part: Part, scope: Scope) -> Estimate:
        request = PartEstimateRequest(
            task_id=part.task_id, data_points=list(DATA_POINTS[scope]), entity_ids=part.sent_ids
        )
        try:
            answer = await self._services.client.estimate(request)
        except ApiError as exc:
            if names_rows(exc):
                raise exc.replaced(
                    message="Cleanlist has just shown these rows and does not know them any more; nothing was quoted.",
                    next_step="Call estimate again with the same arguments, which is free.",
                ) from exc
            raise
        if answer.row_count != len(part.lead_ids):
            raise BadResponse(
                f"Cleanlist quoted {rows_text(answer.row_count)}, but {rows_text(len(part.lead_ids))} were picked; "
                "that quote was thrown away.",
                "Call estimate again; if that happens again, only the whole list can be quoted (only_missing=false).",
            )
        return answer

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

    async def _room(self, quote: Quote) -> tuple[Room, CleanlistError | None]:
        """Return the room that the limits leave for a spend, and the error that stands against it, if one does."""
        try:
            problem = await self._journal_problem()
            spent = await self._journal.spent()
        except JournalUnusable as exc:
            return Room(), exc
        left = daily_left(spent, self._call.limits)
        if problem is not None:
            return Room(left), problem
        limit = limit_error("list", quote.cost, spent, self._call.limits)
        return Room(left, limit is None), limit

    def _next_step(self, quote: Quote, limit: CleanlistError | None, obstacle: _Obstacle | None) -> str:
        """Return the next step for a quote: the whole call, because the person who approves sees only its arguments, or
        the obstacle that would make that call fail."""
        offers = self._call.offers
        if not offers.spending:
            return "Tell the user; this server is read-only and cannot spend."
        if quote.cost > quote.available:
            offer = cheaper(quote.scope, quote.row_count, quote.available)
            rows = max(quote.available, 0) // PRICES[quote.scope]
            fewer = f"fewer rows (max_rows={rows})" if rows else "a shorter list"
            return f"Tell the user the shortfall; they can buy credits, or choose {offer}{fewer}."
        if limit is not None:
            return f"{limit.message} {for_a_model(limit.next_step)}"
        if obstacle is not None:
            return obstacle.next_step
        return (
            "Show the user this quote; once they agree, call "
            f'enrich_list(list_id="{quote.list_id}", scope="{quote.scope}", quote_id="{quote.quote_id}", '
            f"max_credits={quote.cost})."
        )

    def _after_nothing(self, list_id: str, scope: Scope, seen: RowsSeen, wishes: Wishes) -> str:
        if wishes.most(scope) == 0:
            return f"Tell the user; a row fits from max_credits={PRICES[scope]} on."
        call = f'estimate(list_id="{list_id}", scope="{scope}"'
        if seen.tried and not seen.wanted_too:
            return f"Tell the user. Only if they want the rows tried again: {call}, lead_ids=[…]) quotes chosen ones."
        if seen.complete:
            return f"Tell the user. Only if they want to pay for them again: {call}, only_missing=false)."
        return "Tell the user."

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
        check_max_credits(quote, max_credits)
        check_limits("list", quote.cost, await self._journal.spent(), self._call.limits)
        await self.require_usable_journal()

    def _how_to_fill(self, list_id: str) -> str:
        if not self._call.offers.lists or not self._call.offers.spending:
            return "Tell the user."
        return f'Call add_leads(list_id="{list_id}", people=[…]) first, then estimate again.'

    async def _obstacle(self, quote: Quote) -> _Obstacle | None:
        """Return the other run of the same list that would make the spend fail, or the journal that would."""
        try:
            found = await self._journal.claims.look_at_list(quote)
        except JournalUnusable as exc:
            return _Obstacle("", f"{exc.message} {for_a_model(exc.next_step)}")
        if isinstance(found, Busy):
            which = f'workflow_id="{found.run.workflow_id}"' if found.run.workflow_id else ""
            return _Obstacle(
                "This list is being enriched already, so this quote cannot be spent; a new one can, after that run's "
                "end.",
                "This list is being enriched already: call "
                f"workflow_status({which}) before anything is spent, and estimate again after its end.",
            )
        if isinstance(found, Outdated):
            expired = outdated(quote)
            return _Obstacle(expired.message, f"{expired.message} {expired.next_step}")
        if isinstance(found, Unknown):
            error = self._services.workflows.unknown(found.run)
            way = "An earlier run of this list in this scope stands in the way."
            return _Obstacle(
                f"{way} {error.message}", f"{way} {error.message} {for_a_model(error.next_step)}"
            )
        return None

    async def _journal_problem(self) -> CleanlistError | None:
        """Return why nothing can be spent with the journal as it is, or None."""
        health = await self._journal.health()
        if error_in(health) is not None:
            return error_in(health)
        if self._call.limits.daily is None or is_durable(health) or self._call.settings.sandbox:
            return None
        return DailyLimit(
            "CLEANLIST_DAILY_LIMIT is set, but the journal that keeps the limit cannot be kept on disk; nothing was "
            "sent.",
            "Ask the user to run `cleanlist-mcp doctor`, which names the problem and how to fix it.",
        )


def _unknown(list_id: str, scope: Scope) -> QuoteUnknown:
    return QuoteUnknown(
        "This quote was not issued here, or was forgotten long ago; nothing was sent.",
        f'Call estimate(list_id="{list_id}", scope="{scope}") for a quote, which is free, and show it to the user.',
    )


def _of_run(run: Run, quote_id: str) -> Quote:
    """Return a quote that was forgotten, from the run that it started; it lived no longer than quotes do after it was
    used."""
    cost = run.quoted or run.reserved
    # Which rows a part was for is forgotten with its quote: that can never be sent again.
    expires_at = 0.0 if run.is_part else run.started_at + QUOTE_LIFETIME
    return Quote(quote_id, run.list_id, run.list_name, run.scope, 0, cost, 0, expires_at)


def _require_within(quote: Quote, wishes: Wishes) -> None:
    """Raise if the API quotes more for the picked rows than they were picked for.

    Raises:
        OverMaxCredits: with both figures.
    """
    if not within(quote.cost, wishes.max_credits):
        raise OverMaxCredits(
            f"Cleanlist quotes up to {credits_text(quote.cost)} for {rows_text(quote.row_count)}, more than the usual "
            f"price and than max_credits allows ({wishes.max_credits}); that quote was thrown away.",
            "Tell the user; an estimate with a lower max_rows may fit.",
            figures={"quoted_cost": quote.cost, "max_credits": wishes.max_credits, "scope": quote.scope},
        )


def _require_sight(list_id: str, picked: Picked) -> None:
    """Raise if nothing was picked because rows cannot be seen, or cannot be named.

    Raises:
        NotAvailable: with the way to the whole list.
    """
    if not picked.has_handle:
        raise NotAvailable(
            "Cleanlist does not let single rows of this list be chosen, so a part of it cannot be quoted; nothing was "
            "quoted.",
            f'Call estimate(list_id="{list_id}") with no other argument but scope: it quotes the whole list.',
        )
    if picked.seen.hidden:
        raise _not_shown(list_id, picked.seen.hidden, picked.seen.in_list)


def _require_shown(quote: Quote, seen: RowsSeen) -> None:
    """Raise if the API quotes rows that it does not show, though some of them were to be left out.

    Raises:
        NotAvailable: with the count, and the way to the whole list.
    """
    if quote.row_count > seen.looked_at:
        raise _not_shown(quote.list_id, quote.row_count - seen.looked_at, quote.row_count)


def _not_shown(list_id: str, hidden: int, in_list: int) -> NotAvailable:
    return NotAvailable(
        f"Cleanlist does not show {hidden} of the {rows_text(in_list)} in this list yet, as is usual after an import, "
        "so none of them can be picked; nothing was quoted.",
        f'Call estimate(list_id="{list_id}") with no other argument but scope: it quotes the whole list.',
        figures={"rows_not_shown": hidden, "rows_in_list": in_list},
    )


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
