"""Sentences about quotes: what enriching a list or a few people costs at most."""

from cleanlist_mcp.answers.run import recent_run
from cleanlist_mcp.answers.shapes import EstimateResult
from cleanlist_mcp.money.limits import LIST_ROUTE, Limits, Spent, limit_error, unquoted_left
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import Quote, cheaper
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.text import credits_text, iso, quoted, rows_text


def list_estimate(quote: Quote, *, now: float, last_run: Run | None, next_step: str) -> EstimateResult:
    """A quote in words and figures."""
    sufficient = quote.available >= quote.cost
    shortfall = max(quote.cost - quote.available, 0)
    partial = quote.row_count * PRICES["partial"] if not sufficient and quote.scope != "partial" else None
    name = quote.list_name or quote.list_id
    summary = (
        f"Enriching {rows_text(quote.row_count)} of {quoted(name)} ({quote.scope}) costs at most "
        f"{credits_text(quote.cost)}; what is not found is not charged."
    )
    if not sufficient:
        summary += f" The account is {credits_text(shortfall)} short."
    if partial is not None:
        summary += f" Scope partial would cost at most {credits_text(partial)}."
    if last_run is not None and last_run.state == "finished" and last_run.scope == quote.scope:
        summary += (
            f" It was enriched in this scope at {iso(last_run.started_at)}; rows that were found then may be "
            "charged again."
        )
    return EstimateResult(
        summary=summary,
        next_step=next_step,
        quote_id=quote.quote_id,
        list_id=quote.list_id,
        list_name=quote.list_name or None,
        scope=quote.scope,
        row_count=quote.row_count,
        credits_per_row=PRICES[quote.scope],
        estimated_cost=quote.cost,
        available_credits=quote.available,
        balance_after=quote.available - quote.cost,
        sufficient=sufficient,
        shortfall_credits=shortfall or None,
        partial_would_cost=partial,
        expires_at=iso(quote.expires_at),
        expires_in_seconds=max(int(quote.expires_at - now), 0),
        last_run=None if last_run is None else recent_run(last_run, now),
    )


def people_estimate(
    count: int, scope: Scope, available: int, spent: Spent, limits: Limits, *, read_only: bool
) -> EstimateResult:
    """What `count` single people cost at most, against the balance and the hourly limit."""
    cost = count * PRICES[scope]
    left = unquoted_left(spent, limits)
    sufficient = available >= cost
    limit = limit_error("person", cost, spent, limits)
    who = "1 single person costs" if count == 1 else f"{count} single people cost"
    summary = f"{who} ({scope}) at most {credits_text(cost)}."
    if read_only:
        next_step = "Tell the user; this server is read-only and cannot spend."
    elif not sufficient:
        offer = cheaper(scope, count, available)
        next_step = f"Tell the user the shortfall; they can buy credits, or choose {offer}fewer people."
        if cost > left:
            next_step += f" So many people need another way too. {LIST_ROUTE[limits.lists_on]}"
    elif limit is not None:
        summary += f" {limit.message}"
        next_step = limit.next_step
    else:
        next_step = f'Call enrich_person for each person, with scope="{scope}"; no quote is needed.'
    if not sufficient:
        summary += f" The account is {credits_text(cost - available)} short."
    return EstimateResult(
        summary=summary,
        next_step=next_step,
        scope=scope,
        row_count=count,
        credits_per_row=PRICES[scope],
        estimated_cost=cost,
        available_credits=available,
        balance_after=available - cost,
        sufficient=sufficient,
        shortfall_credits=max(cost - available, 0) or None,
        partial_would_cost=count * PRICES["partial"] if not sufficient and scope != "partial" else None,
        hourly_unquoted_left=left,
    )
