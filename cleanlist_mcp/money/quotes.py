"""Quotes: for which spend one is good, and for how long. Pure, the clock an argument; times are epoch seconds."""

from dataclasses import dataclass, replace

from cleanlist_mcp.errors import OverMaxCredits, QuoteExpired, QuoteMismatch
from cleanlist_mcp.money.limits import HOUR
from cleanlist_mcp.money.prices import PRICES, Scope, in_words
from cleanlist_mcp.text import credits_text, iso

CLOCK_TOLERANCE = 5.0
"""Seconds that this machine's clock may be ahead of the API's before a quote counts as expired."""

QUOTE_LIFETIME = 300.0
"""Seconds that a quote lives (vendor's documentation), used if the two clocks plainly disagree."""


@dataclass(frozen=True)
class Part:
    """The rows of a list that a quote is for, as they were picked: only these are ever sent.

    `task_id` is the handle of the page that they stand on. If they are all rows of the page (`is_whole_page`), their
    ids are left out of what is sent.
    """

    task_id: str
    lead_ids: tuple[str, ...]
    is_whole_page: bool = False

    @property
    def sent_ids(self) -> list[str] | None:
        """The ids as they go into a request: None for the whole page, never an empty list."""
        return None if self.is_whole_page else list(self.lead_ids)


@dataclass(frozen=True)
class Quote:
    """The figures of an estimate, which stand for the spend.

    `rows_in_list` is how many rows the list had, None if that is not known. `after_run` is the number of the newest
    run here that had ended before the rows were looked at; a later one makes the quote worthless, and None means that
    nothing is known about that. Without a `part` the quote is for the whole list.
    """

    quote_id: str
    list_id: str
    list_name: str
    scope: Scope
    row_count: int
    cost: int
    available: int
    expires_at: float
    rows_in_list: int | None = None
    after_run: int | None = None
    part: Part | None = None


def local_expiry(expires_at: float, now: float) -> float:
    """Return when a quote received at `now` expires, by this machine's clock.

    A quote lives about five minutes. One that arrives expired, or good for over an hour, shows that the two
    clocks differ; then its usual lifetime counts from its arrival.
    """
    return expires_at if 0 < expires_at - now <= HOUR else now + QUOTE_LIFETIME


def check_same_work(quote: Quote, list_id: str, scope: Scope) -> None:
    """Raise unless `quote` is for this list and scope.

    Raises:
        QuoteMismatch: naming both sides.
    """
    if quote.list_id != list_id or quote.scope != scope:
        raise QuoteMismatch(
            "This quote is for another list or scope.",
            f'Call estimate(list_id="{list_id}", scope="{scope}") for a quote of its own, and show it to '
            "the user before spending.",
            figures={
                "quoted_list_id": quote.list_id,
                "quoted_scope": quote.scope,
                "list_id": list_id,
                "scope": scope,
            },
        )


def check_quote(quote: Quote, list_id: str, scope: Scope, now: float) -> None:
    """Raise unless `quote` is for this list and scope and is still good.

    Raises:
        QuoteMismatch: naming both sides.
        QuoteExpired: with the old figures.
    """
    check_same_work(quote, list_id, scope)
    if now > quote.expires_at + CLOCK_TOLERANCE:
        raise QuoteExpired(
            f"The quote of {credits_text(quote.cost)} expired at {iso(quote.expires_at)}; it is {iso(now)}.",
            f"Call {requote(quote)} for a new quote, and show it to the user before spending.",
            figures={"quoted_cost": quote.cost, "expired_at": iso(quote.expires_at), "now": iso(now)},
        )


def requote(quote: Quote) -> str:
    """Return the call for a new quote in place of this one: of a part of a list, for no more rows than before."""
    call = f'estimate(list_id="{quote.list_id}", scope="{quote.scope}"'
    if quote.part is None:
        return f"{call})"
    return f"{call}, max_rows={quote.row_count}), with lead_ids as before if rows were chosen,"


def outdated(quote: Quote) -> QuoteExpired:
    """Return the error about a quote whose list was enriched since, in a scope that looks for the same."""
    return QuoteExpired(
        "The list has been enriched since this quote was issued; nothing was sent.",
        f"Call {requote(quote)} for a new quote, and show it to the user.",
        figures={"quoted_cost": quote.cost},
    )


def within(cost: int, max_credits: int | None) -> bool:
    """Return whether the caller's own ceiling allows `cost`."""
    return max_credits is None or cost <= max_credits


def check_max_credits(quote: Quote, max_credits: int | None) -> None:
    """Raise if a quote costs more than the caller's own ceiling.

    Raises:
        OverMaxCredits: with both figures.
    """
    cost = quote.cost
    if max_credits is not None and not within(cost, max_credits):
        raise OverMaxCredits(
            f"The quote costs up to {credits_text(cost)}, but max_credits allows only {max_credits}.",
            f"Ask the user; if they agree to {cost}, make the same enrich_list call with max_credits={cost}."
            + _less(quote, max_credits),
            figures={"quoted_cost": cost, "max_credits": max_credits, "scope": quote.scope},
        )


def _less(quote: Quote, max_credits: int) -> str:
    """Return the call that quotes less, if there is one: all rows in scope `partial` may cost more than a few."""
    if quote.part is None:
        cheapest = quote.scope == "partial"
        return "" if cheapest else f' estimate(list_id="{quote.list_id}", scope="partial") quotes less.'
    rows = max_credits // PRICES[quote.scope]
    return f" {requote(replace(quote, row_count=rows))} quotes as many as fit." if rows else ""


def check_ceiling(price: int, max_credits: int | None, scope: Scope) -> None:
    """Raise if the most that a single person can cost is above the caller's own ceiling.

    Raises:
        OverMaxCredits: with both figures.
    """
    if not within(price, max_credits):
        raise OverMaxCredits(
            f"One person costs up to {credits_text(price)} ({in_words(scope)}), and max_credits allows {max_credits}. "
            "Nothing was sent.",
            f"Ask the user; if they agree to {price}, make the same call with max_credits={price}."
            + (" Scope partial costs 1 credit at most." if scope != "partial" else ""),
            figures={"cost": price, "max_credits": max_credits, "scope": scope},
        )


def cheaper(scope: Scope, count: int, available: int) -> str:
    """Return an offer of scope `partial`, to go before one of fewer rows, if the credits are enough for it."""
    return "scope partial or " if scope != "partial" and count <= available else ""
