"""The money rules: what a call may spend, and whether it starts anything at all. Pure, the clock an argument.

Times are epoch seconds, amounts whole credits. The rules are the README's; the journal keeps what they decide
on and calls them again inside the transaction that writes the intent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from cleanlist_mcp.errors import (
    CleanlistError,
    DailyLimit,
    OverMaxCredits,
    PersonAllowance,
    QuoteExpired,
    QuoteMismatch,
)
from cleanlist_mcp.likeness import Basis
from cleanlist_mcp.models import Scope

PRICES: dict[Scope, int] = {"partial": 1, "phone_only": 10, "full": 11}
"""Credits reserved per person or row (vendor's quickstart, step 4)."""

HOUR = 3600.0
DAY = 86400.0

CLOCK_TOLERANCE = 5.0
"""Seconds that this machine's clock may be ahead of the API's before a quote counts as expired."""

QUOTE_LIFETIME = 300.0
"""Seconds that a quote lives (vendor's documentation), used where the two clocks plainly disagree."""

UNCERTAIN_HOLD = 900.0
"""Seconds that an uncertain run blocks the same work: by then the API has long finished or never began."""

LIST_ROUTE = {
    True: "Use a lead list instead: create_list, then add_leads, then estimate; show the user the quote, then call "
    "enrich_list.",
    False: "Use a lead list instead: the user makes one at portal.cleanlist.ai; call estimate with its name, show "
    "the user the quote, then call enrich_list.",
}
"""The way for many people, with the list tools on and off."""

Kind = Literal["person", "list"]
State = Literal["starting", "uncertain", "running", "finished", "refused"]
Action = Literal["start", "replay", "wait", "resend", "unknown", "busy"]


@dataclass(frozen=True)
class Quote:
    """What `estimate` answered: the figures that stand for the spend."""

    quote_id: str
    list_id: str
    list_name: str
    scope: Scope
    row_count: int
    cost: int
    available: int
    expires_at: float


@dataclass(frozen=True)
class Run:
    """One entry of the journal. `reserved` is the most it can cost; the settled figures are None until known.

    `state` is what is known here: `starting` (the request may be under way until `in_flight_until`),
    `uncertain` (its answer was lost), `running`, `finished`, or `refused` (certainly nothing was started). `attempt`
    numbers the requests that were sent for it: only the newest one may settle it. `report` is how a list run ended,
    `list_now` what its list held then: empty where that could not be counted.
    """

    run_id: int
    kind: Kind
    state: State
    scope: Scope
    label: str
    reserved: int
    started_at: float
    in_flight_until: float
    list_id: str = ""
    list_name: str = ""
    quote_id: str | None = None
    quoted: int | None = None
    attempt: int = 1
    workflow_id: str | None = None
    status: str = "pending"
    charged: int | None = None
    refunded: int | None = None
    finished_at: float | None = None
    report: dict[str, Any] | None = None
    list_now: dict[str, Any] | None = None


@dataclass(frozen=True)
class Limits:
    """What the user allows. `daily` None means no limit; `lists_on` says whether lists can be made here."""

    person_allowance: int
    daily: int | None
    lists_on: bool = True


@dataclass(frozen=True)
class Spent:
    """What counts against the limits now: settled runs with their charge, others with their reservation."""

    people_last_hour: int
    last_day: int
    reserved_now: int


@dataclass(frozen=True)
class Decision:
    """What to do about a request to spend.

    `start` a new run; `replay` the run that is known; `wait` for one that is being started right now;
    `resend` the same single-use quote of an uncertain list run; `unknown`, because its outcome is; `busy`,
    because the same list and scope is being run under another quote. `basis` says by what a person was recognised,
    `teaches` that the request says more about the person than was known, and `first_of_key` that runs were started
    here before, with other API keys alone.
    """

    action: Action
    run: Run | None = None
    basis: Basis | None = None
    teaches: bool = False
    first_of_key: bool = False


@dataclass(frozen=True)
class Moment:
    """One look at the clocks: `time` in epoch seconds, and `ticks`, the seconds since the start of the machine that
    `boot` names, which nobody can set."""

    time: float
    boot: str
    ticks: float


class Stamps(NamedTuple):
    """When a run began and ended, by the seconds since the start of the machine that `boot` names."""

    boot: str
    ticks: float
    finished_ticks: float | None


def on_this_clock(run: Run, seen: Stamps, now: Moment) -> Run:
    """Return `run` with its times as the clock shows them now, however often it was set since."""
    if seen.boot != now.boot:
        return run
    started_at = now.time - (now.ticks - seen.ticks)
    shift = started_at - run.started_at
    if abs(shift) <= CLOCK_TOLERANCE:
        return run
    ended = seen.finished_ticks
    return replace(
        run,
        started_at=started_at,
        in_flight_until=run.in_flight_until + shift,
        finished_at=run.finished_at if ended is None else now.time - (now.ticks - ended),
    )


def local_expiry(expires_at: float, now: float) -> float:
    """When a quote received at `now` expires by this machine's clock.

    A quote lives about five minutes. One that arrives expired, or good for over an hour, shows that the two
    clocks differ; then its usual lifetime counts from its arrival.
    """
    return expires_at if 0 < expires_at - now <= HOUR else now + QUOTE_LIFETIME


def state_at(run: Run, now: float) -> State:
    """The run's state, where a request that should have ended long ago counts as uncertain.

    So does one that seems to have left in the future: the clock was set back, and nothing tells its age.
    """
    under_way = run.started_at - CLOCK_TOLERANCE <= now <= run.in_flight_until
    return "uncertain" if run.state == "starting" and not under_way else run.state


def may_send(run: Run, quote: Quote, now: float) -> bool:
    """Whether a call that names `quote` may send it although it started `run`: to tell what became of that, or
    anew, if the request that is under way is refused."""
    return state_at(run, now) in ("starting", "uncertain") and now <= quote.expires_at + CLOCK_TOLERANCE


def check_same_work(quote: Quote, list_id: str, scope: Scope) -> None:
    """Raise unless `quote` is for this list and scope.

    Raises:
        QuoteMismatch: naming both sides.
    """
    if quote.list_id != list_id or quote.scope != scope:
        raise QuoteMismatch(
            "The quote is for another list or scope than this call names.",
            f'Call estimate(list_id="{list_id}", scope="{scope}") for a quote of its own, and show it to '
            "the user before spending.",
            quoted_list_id=quote.list_id,
            quoted_scope=quote.scope,
            list_id=list_id,
            scope=scope,
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
            f'Call estimate(list_id="{list_id}", scope="{scope}") for a new quote, and show it to the user '
            "before spending.",
            quoted_cost=quote.cost,
            expired_at=iso(quote.expires_at),
            now=iso(now),
        )


def within(cost: int, max_credits: int | None) -> bool:
    """Whether the caller's own ceiling allows `cost`."""
    return max_credits is None or cost <= max_credits


def check_max_credits(cost: int, max_credits: int | None, list_id: str, scope: Scope) -> None:
    """Raise if the quoted `cost` is above the caller's own ceiling.

    Raises:
        OverMaxCredits: with both figures.
    """
    if not within(cost, max_credits):
        raise OverMaxCredits(
            f"The quote costs up to {credits_text(cost)}, and max_credits allows {max_credits}.",
            f"Ask the user; if they agree to {cost}, make the same enrich_list call with max_credits={cost}."
            + (f' estimate(list_id="{list_id}", scope="partial") quotes less.' if scope != "partial" else ""),
            quoted_cost=cost,
            max_credits=max_credits,
            scope=scope,
        )


def check_limits(kind: Kind, cost: int, spent: Spent, limits: Limits) -> None:
    """Raise if reserving `cost` now would pass a limit.

    Raises:
        PersonAllowance: for a single person, past the hourly allowance.
        DailyLimit: for anything, past the machine's limit for a rolling day.
    """
    error = limit_error(kind, cost, spent, limits)
    if error is not None:
        raise error


def limit_error(kind: Kind, cost: int, spent: Spent, limits: Limits) -> CleanlistError | None:
    """The limit that reserving `cost` now would pass, or None."""
    if limits.daily is not None and spent.last_day + cost > limits.daily:
        return DailyLimit(
            f"This would reserve {credits_text(cost)}; {spent.last_day} of the {limits.daily} that "
            "CLEANLIST_DAILY_LIMIT allows in 24 hours are used or reserved.",
            f"Tell the user. {_settling(spent)}Only they can raise CLEANLIST_DAILY_LIMIT, in the client's configuration"
            + (
                "; credits_balance shows what is left as the 24 hours roll on."
                if cost <= limits.daily
                else ": the whole limit is smaller than this."
            ),
            cost=cost,
            spent_last_24h=spent.last_day,
            daily_limit=limits.daily,
        )
    if kind == "person" and spent.people_last_hour + cost > limits.person_allowance:
        return PersonAllowance(
            f"This would reserve {credits_text(cost)}; {spent.people_last_hour} of the "
            f"{limits.person_allowance} for single people in an hour (CLEANLIST_PERSON_ALLOWANCE) are used.",
            f"{LIST_ROUTE[limits.lists_on]} {_settling(spent)}"
            + (
                "The allowance frees up as the hour rolls on."
                if cost <= limits.person_allowance
                else "The whole allowance is smaller than that; only the user can raise it."
            ),
            cost=cost,
            person_allowance=limits.person_allowance,
            person_allowance_left=allowance_left(spent, limits),
        )
    return None


def _settling(spent: Spent) -> str:
    if not spent.reserved_now:
        return ""
    return "Runs whose end was not seen yet count in full; workflow_status without arguments looks at them. "


def allowance_left(spent: Spent, limits: Limits) -> int:
    """Credits that single people may still use in this rolling hour."""
    return max(limits.person_allowance - spent.people_last_hour, 0)


def decide_person(runs: Sequence[Run], *, again: bool, now: float) -> Decision:
    """What to do about a person, given the unrefused runs of the same person, type and list, newest first."""
    run = _foremost(runs, now)
    if run is None:
        return Decision("start")
    state = state_at(run, now)
    if state == "starting":
        return Decision("wait", run)
    if state == "uncertain":
        held = now - run.started_at < UNCERTAIN_HOLD
        return Decision("start") if again and not held else Decision("unknown", run)
    if state == "running":
        return Decision("replay", run)
    recent = now - (run.finished_at or run.started_at) <= DAY
    return Decision("replay", run) if recent and not again else Decision("start")


def decide_list(same_quote: Run | None, same_work: Sequence[Run], *, now: float) -> Decision:
    """What to do about a list, given the run of this very quote and those of the same list and scope, newest
    first."""
    if same_quote is not None:
        return Decision(_OF_SAME_QUOTE.get(state_at(same_quote, now), "replay"), same_quote)
    run = _foremost(same_work, now)
    if run is None:
        return Decision("start")
    state = state_at(run, now)
    if state in ("starting", "running"):
        return Decision("busy", run)
    if state == "uncertain" and now - run.started_at < UNCERTAIN_HOLD:
        return Decision("unknown", run)
    return Decision("start")


_OF_SAME_QUOTE: Mapping[State, Action] = {"starting": "wait", "uncertain": "resend"}


def _foremost(runs: Sequence[Run], now: float) -> Run | None:
    """The run that decides: one that goes on, or else the newest. A late answer can wake an older one."""
    for state in ("running", "starting"):
        for run in runs:
            if state_at(run, now) == state:
                return run
    return runs[0] if runs else None


def cheaper(scope: Scope, count: int, available: int) -> str:
    """What to offer before fewer rows where credits are short: `partial`, where they are enough for that."""
    return "scope partial or " if scope != "partial" and count <= available else ""


def credits_text(amount: int) -> str:
    """`1 credit`, `12 credits`."""
    return f"{amount} credit" + ("" if amount == 1 else "s")


def iso(moment: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, whole seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
