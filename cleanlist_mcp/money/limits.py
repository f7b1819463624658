"""Limits on spending, and what counts against them. Amounts are whole credits."""

from dataclasses import dataclass

from cleanlist_mcp.errors import CleanlistError, DailyLimit, HourlyUnquotedLimit
from cleanlist_mcp.money.prices import Kind
from cleanlist_mcp.text import credits_text

HOUR = 3600.0

DAY = 86400.0

LIST_ROUTE = {
    True: "Use a lead list instead: create_list, then add_leads, then estimate; show the user the quote, then call "
    "enrich_list.",
    False: "Use a lead list instead: the user makes one at portal.cleanlist.ai; call estimate with its name, show "
    "the user the quote, then call enrich_list.",
}
"""The way for many people, with the list tools on and off."""


@dataclass(frozen=True)
class Limits:
    """The user's limits in credits: `hourly_unquoted` for runs without a quote, `daily` (None: no limit) for all.

    `lists_on` is true if lists can be made here.
    """

    hourly_unquoted: int
    daily: int | None
    lists_on: bool = True


@dataclass(frozen=True)
class Spent:
    """The credits that count against the limits now: the charge of settled runs, the reservation of others.

    `unquoted_last_hour` is for single people and companies, which have no quote.
    """

    unquoted_last_hour: int
    last_day: int
    reserved_now: int


def check_limits(kind: Kind, cost: int, spent: Spent, limits: Limits) -> None:
    """Check that reserving `cost` now passes no limit.

    Raises:
        HourlyUnquotedLimit: for a single person or company, past the hourly limit.
        DailyLimit: for anything, past the limit for a rolling day.
    """
    error = limit_error(kind, cost, spent, limits)
    if error is not None:
        raise error


def limit_error(kind: Kind, cost: int, spent: Spent, limits: Limits) -> CleanlistError | None:
    """Return the error about the limit that reserving `cost` now would pass, or None."""
    if limits.daily is not None and spent.last_day + cost > limits.daily:
        return DailyLimit(
            f"This would reserve {credits_text(cost)}, more than the {daily_left(spent, limits)} that "
            f"CLEANLIST_DAILY_LIMIT leaves now ({limits.daily} in any 24 hours, {spent.last_day} used or reserved).",
            f"Tell the user. {_settling(spent)}Only they can raise CLEANLIST_DAILY_LIMIT, in the client's configuration"
            + (
                "; credits_balance shows what is left as the 24 hours roll on."
                if cost <= limits.daily
                else ": the whole limit is smaller than this."
            ),
            figures={"cost": cost, "spent_last_24h": spent.last_day, "daily_limit": limits.daily},
        )
    if kind != "list" and spent.unquoted_last_hour + cost > limits.hourly_unquoted:
        return HourlyUnquotedLimit(
            f"This would reserve {credits_text(cost)}, more than the {unquoted_left(spent, limits)} that "
            "CLEANLIST_HOURLY_UNQUOTED_LIMIT leaves now for single people and companies "
            f"({limits.hourly_unquoted} in any hour, {spent.unquoted_last_hour} used or reserved).",
            f"{_other_way(kind, limits)} {_settling(spent)}"
            + (
                "Credits come free as the hour rolls on."
                if cost <= limits.hourly_unquoted
                else "The whole hourly limit is smaller than that; only the user can raise it."
            ),
            figures={
                "cost": cost,
                "hourly_unquoted_limit": limits.hourly_unquoted,
                "hourly_unquoted_left": unquoted_left(spent, limits),
            },
        )
    return None


def _other_way(kind: Kind, limits: Limits) -> str:
    if kind == "company":
        return "Industry, size and place of companies are free in search_companies."
    return LIST_ROUTE[limits.lists_on]


def _settling(spent: Spent) -> str:
    if not spent.reserved_now:
        return ""
    return "Unfinished runs count in full; workflow_status without arguments checks them. "


def unquoted_left(spent: Spent, limits: Limits) -> int:
    """Return the credits that runs without a quote may still use in this rolling hour."""
    return max(limits.hourly_unquoted - spent.unquoted_last_hour, 0)


def daily_left(spent: Spent, limits: Limits) -> int | None:
    """Return the credits that may still be spent in this rolling day; None without a limit."""
    return None if limits.daily is None else max(limits.daily - spent.last_day, 0)
