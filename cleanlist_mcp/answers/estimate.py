"""Sentences about quotes: what enriching a list, rows of it, or a few people costs at most."""

from dataclasses import dataclass, replace

from cleanlist_mcp.answers.run import recent_run
from cleanlist_mcp.answers.run_shapes import EstimateResult
from cleanlist_mcp.money.limits import LIST_ROUTE, Limits, Spent, limit_error, unquoted_left
from cleanlist_mcp.money.picking import Wishes
from cleanlist_mcp.money.prices import LOOKS_FOR, PRICES, Contact, Scope, in_words
from cleanlist_mcp.money.quotes import Quote, cheaper
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.text import clean, credits_text, iso, quoted, rows_text

NAMES = 5
"""Picked rows that an answer names."""

NAME_LENGTH = 60
"""Longest name of a row in an answer, in characters."""

LISTS_FOR_PEOPLE = 5
"""Single people for whom a list is no better yet."""

_WORDS: dict[Contact, str] = {"email": "an e-mail address", "phone": "a phone number"}


@dataclass(frozen=True)
class RowsSeen:
    """The rows of a list as far as they were looked at, in numbers.

    `complete` have what the scope finds, `tried` lack it and were looked for in vain, `hidden` are counted and not
    shown, `wanted_too` may be picked and are not in this quote, `unlooked` were not looked at. `shown` are those that
    the API shows of the list, looked at or not; 0 if that is not known. The picked ones are counted once more by what
    they have. With `takes_all`, rows that have it already were wanted too.
    """

    in_list: int = 0
    shown: int = 0
    looked_at: int = 0
    with_email: int = 0
    with_phone: int = 0
    complete: int = 0
    tried: int = 0
    excluded: int = 0
    hidden: int = 0
    wanted_too: int = 0
    unlooked: int = 0
    picked_complete: int = 0
    picked_tried: int = 0
    picked_with_email: int = 0
    picked_with_phone: int = 0
    takes_all: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """The room for a spend: credits left of the daily limit (None without one), and if a cost `fits` all limits (None
    while that cannot be known)."""

    daily_left: int | None = None
    fits: bool | None = None


@dataclass(frozen=True)
class ListFacts:
    """The facts around a quote of a list. `now` is in epoch seconds, `obstacle` a sentence about what keeps the quote
    from being spent."""

    seen: RowsSeen
    room: Room
    last_run: Run | None
    now: float
    obstacle: str = ""


def list_estimate(quote: Quote, facts: ListFacts, next_step: str) -> EstimateResult:
    """Return a quote in words and figures; one that does not fit the limits without its id."""
    left = facts.room.daily_left
    good = facts.room.fits is not False
    return _counted(facts.seen).model_copy(
        update={
            "summary": " ".join(_sentences(quote, facts)),
            "next_step": next_step,
            "quote_id": quote.quote_id if good else None,
            "list_id": quote.list_id,
            "list_name": quote.list_name or None,
            "scope": quote.scope,
            "row_count": quote.row_count,
            "rows_in_list": facts.seen.in_list or quote.row_count,
            "names": [clean(name, NAME_LENGTH) for name in facts.seen.names[:NAMES]] or None,
            "credits_per_row": PRICES[quote.scope],
            "estimated_cost": quote.cost,
            "available_credits": quote.available,
            "balance_after": quote.available - quote.cost,
            "daily_left": left,
            "daily_left_after": None if left is None else left - quote.cost,
            "sufficient": quote.available >= quote.cost,
            "fits_limits": facts.room.fits,
            "shortfall_credits": max(quote.cost - quote.available, 0) or None,
            "expires_at": iso(quote.expires_at) if good else None,
            "expires_in_seconds": max(int(quote.expires_at - facts.now), 0) if good else None,
            "last_run": None if facts.last_run is None else recent_run(facts.last_run, facts.now),
        }
    )


def nothing_to_buy(
    list_id: str, list_name: str, scope: Scope, facts: ListFacts, next_step: str, *, wishes: Wishes
) -> EstimateResult:
    """Return the answer if no row is left to quote, and why."""
    name = quoted(list_name or list_id)
    reasons = _reasons(facts.seen, scope)
    most = wishes.most(scope)
    what = f"Nothing to buy in {name}"
    if most == 0:
        what = f"No row of {name} fits"
        reasons = [f"one costs {credits_text(PRICES[scope])}, more than max_credits allows"]
    why = _listed(reasons) or "the list is empty"
    summary = f"{what} ({in_words(scope)}): {why}. No quote was made."
    return _counted(facts.seen).model_copy(
        update={
            "summary": " ".join([summary, *_beyond_sight(replace(facts.seen, wanted_too=0))]),
            "next_step": next_step,
            "list_id": list_id,
            "list_name": list_name or None,
            "scope": scope,
            "rows_in_list": facts.seen.in_list,
            "credits_per_row": PRICES[scope],
            "last_run": None if facts.last_run is None else recent_run(facts.last_run, facts.now),
        }
    )


def _counted(seen: RowsSeen) -> EstimateResult:
    """Return the counts of rows, without those of a list that was not looked at."""
    known = seen.looked_at > 0
    return EstimateResult(
        summary="",
        scope="partial",
        row_count=0,
        estimated_cost=0,
        credits_per_row=0,
        rows_with_email=seen.with_email if known else None,
        rows_with_phone=seen.with_phone if known else None,
        already_complete=seen.complete if known else None,
        tried_before=seen.tried if known else None,
        excluded=seen.excluded or None,
    )


def _sentences(quote: Quote, facts: ListFacts) -> list[str]:
    seen = facts.seen
    name = quoted(quote.list_name or quote.list_id)
    of_all = f" of the {quote.rows_in_list}" if quote.part is not None and quote.rows_in_list else ""
    rows = rows_text(quote.row_count) if not of_all else f"{quote.row_count}{of_all} rows"
    sentences = [
        f"Enriching {rows} of {name} ({in_words(quote.scope)}) costs at most {credits_text(quote.cost)}; what is not "
        "found is not charged."
    ]
    sentences += [*_left_out(seen, quote.scope), *_taken_again(seen, quote.scope)]
    sentences += [*_half_there(quote, seen), *_beyond_sight(seen), *_named(quote, seen)]
    sentences += [*_money(quote, facts.room), *_what_fits(quote, facts.room)]
    sentences += _earlier(quote, facts.last_run)
    return [*sentences, facts.obstacle] if facts.obstacle else sentences


def _left_out(seen: RowsSeen, scope: Scope) -> list[str]:
    reasons = _reasons(seen, scope)
    return [f"Left out: {_listed(reasons)}."] if reasons else []


def _reasons(seen: RowsSeen, scope: Scope) -> list[str]:
    """Return why rows are left out, with their number."""
    takes_all = seen.takes_all  # then the others only do not fit
    complete = 0 if takes_all else seen.complete - seen.picked_complete
    tried = 0 if takes_all else seen.tried - seen.picked_tried
    reasons = []
    if complete:
        reasons.append(f"{complete} {_have(complete)} {_wanted(scope)} already")
    if tried:
        reasons.append(f"{tried} {_were(tried)} tried in the last 30 days and not found")
    if seen.excluded:
        reasons.append(f"{seen.excluded} must not be contacted")
    return reasons


def _taken_again(seen: RowsSeen, scope: Scope) -> list[str]:
    """Return a warning if a quote pays for what is there, or for what was looked for in vain."""
    sentences = []
    if seen.picked_complete:
        have = _have(seen.picked_complete)
        sentences.append(
            f"{seen.picked_complete} of these rows {have} {_wanted(scope)} already and may be charged again."
        )
    if seen.picked_tried:
        were = _were(seen.picked_tried)
        sentences.append(
            f"{seen.picked_tried} of these rows {were} tried in the last 30 days and not found; this tries again."
        )
    return sentences


def _wanted(scope: Scope) -> str:
    return " and ".join(_WORDS[contact] for contact in sorted(LOOKS_FOR[scope]))


def _half_there(quote: Quote, seen: RowsSeen) -> list[str]:
    """Return a warning if a full run pays for one of two contacts that is there."""
    if quote.scope != "full":
        return []
    halves = []
    if seen.picked_with_email:
        halves.append(
            f"{seen.picked_with_email} with an e-mail address (phone_only looks for the phone alone)"
        )
    if seen.picked_with_phone:
        halves.append(f"{seen.picked_with_phone} with a phone number (partial looks for the e-mail alone)")
    return [f"Among them: {_listed(halves)}; what is there may be charged again."] if halves else []


def _beyond_sight(seen: RowsSeen) -> list[str]:
    sentences = []
    if seen.wanted_too:
        sentences.append(f"{seen.wanted_too} more could be quoted after these.")
    if seen.unlooked:
        sentences.append(f"{rows_text(seen.unlooked)} {_were(seen.unlooked)} not looked at.")
    if seen.hidden:
        sentences.append(f"Cleanlist does not show {rows_text(seen.hidden)} of the list yet.")
    return sentences


def _named(quote: Quote, seen: RowsSeen) -> list[str]:
    """Name the picked rows, in quotation marks, which they cannot end: their names come from outside."""
    if quote.part is None or not seen.names:
        return []
    names = [quoted(clean(name, NAME_LENGTH)) for name in seen.names[:NAMES]]
    more = quote.row_count - len(names)
    if more > 0:
        return [f"Among them: {_listed(names)}."]
    return [f"It is {names[0]}." if len(names) == 1 else f"They are {_listed(names)}."]


def _money(quote: Quote, room: Room) -> list[str]:
    if quote.available < quote.cost:
        short = [f"The account is {credits_text(quote.cost - quote.available)} short."]
        if quote.scope != "partial":
            cost = credits_text(quote.row_count * PRICES["partial"])
            short.append(f"Scope partial would cost at most {cost}.")
        return short
    sentences = [f"The balance is {quote.available}, and {quote.available - quote.cost} after it."]
    if room.daily_left is not None and room.fits:
        sentences.append(
            f"The daily limit leaves {credits_text(room.daily_left)}, and {room.daily_left - quote.cost} after it."
        )
    return sentences


def _what_fits(quote: Quote, room: Room) -> list[str]:
    if room.fits is not False:
        return []
    left = max(room.daily_left or 0, 0)
    sentences = [f"This is over the daily limit ({credits_text(left)} left), so there is no quote to spend."]
    rows = min(left, max(quote.available, 0)) // PRICES[quote.scope]
    if rows:
        sentences.append(f"{rows_text(rows)} would fit (max_rows={rows}).")
    fitting = [
        other
        for other in LOOKS_FOR
        if PRICES[other] < PRICES[quote.scope] and quote.row_count * PRICES[other] <= left
    ]
    sentences += [f"Scope {other} would fit for all of them." for other in fitting]
    return sentences if rows or fitting else [*sentences, "No row fits now."]


def _earlier(quote: Quote, last_run: Run | None) -> list[str]:
    if last_run is None or last_run.state != "finished" or last_run.scope != quote.scope:
        return []
    found = "" if quote.part is not None else "; rows that were found then may be charged again"
    return [f"The list was last enriched in this scope at {iso(last_run.started_at)}{found}."]


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def people_estimate(
    count: int, scope: Scope, available: int, spent: Spent, limits: Limits, *, read_only: bool
) -> EstimateResult:
    """Return what `count` single people cost at most, against the balance and the hourly limit."""
    cost = count * PRICES[scope]
    left = unquoted_left(spent, limits)
    sufficient = available >= cost
    limit = limit_error("person", cost, spent, limits)
    who = "1 single person" if count == 1 else f"{count} single people"
    summary = f"{who} ({in_words(scope)}) would cost at most {credits_text(cost)}."
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
    elif count > LISTS_FOR_PEOPLE:
        next_step = f"A list is better for so many people. {LIST_ROUTE[limits.lists_on]}"
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
        fits_limits=limit is None,
        shortfall_credits=max(cost - available, 0) or None,
        hourly_unquoted_left=left,
    )
