"""The money rules alone: values in, values out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp import text
from cleanlist_mcp.errors import DailyLimit, HourlyUnquotedLimit, OverMaxCredits, QuoteExpired, QuoteMismatch
from cleanlist_mcp.money import decisions, limits, quotes
from cleanlist_mcp.money.decisions import UNCERTAIN_HOLD, Busy, Replay, Resend, Unknown, Wait
from cleanlist_mcp.money.limits import DAY, HOUR, Limits, Spent
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run, state_at

NOW = 1_795_000_000.0
QUOTE = Quote("qte_1", "list_1", "Prospects", "partial", 40, 40, 500, NOW + 300)
RUN = Run(1, "person", "running", "partial", "Ada Fable", 1, NOW - 10, NOW + 40)
NO_LIMITS = Limits(hourly_unquoted=10**9, daily=None)

moments = st.floats(-3 * DAY, 60).map(lambda age: NOW + age)
runs = st.builds(
    Run,
    run_id=st.integers(1, 99),
    kind=st.sampled_from(["person", "list"]),
    state=st.sampled_from(["starting", "uncertain", "running", "finished", "refused"]),
    scope=st.sampled_from(["partial", "phone_only", "full"]),
    label=st.just("Ada Fable"),
    reserved=st.integers(0, 500),
    started_at=moments,
    in_flight_until=moments,
    charged=st.none() | st.integers(0, 500),
    finished_at=st.none() | moments,
)
unrefused = st.lists(runs.filter(lambda run: run.state != "refused"), max_size=4)


def test_a_quote_is_good_for_its_own_list_and_scope_alone() -> None:
    quotes.check_quote(QUOTE, "list_1", "partial", NOW)
    for list_id, scope in (("list_2", "partial"), ("list_1", "full")):
        with pytest.raises(QuoteMismatch) as caught:
            quotes.check_quote(QUOTE, list_id, scope, NOW)  # type: ignore[arg-type]
        assert caught.value.figures["quoted_list_id"] == "list_1"
        assert f'estimate(list_id="{list_id}", scope="{scope}")' in caught.value.next_step


def test_a_quote_is_good_until_five_seconds_past_its_end_and_no_longer() -> None:
    quotes.check_quote(QUOTE, "list_1", "partial", QUOTE.expires_at + 5)
    with pytest.raises(QuoteExpired) as caught:
        quotes.check_quote(QUOTE, "list_1", "partial", QUOTE.expires_at + 5.1)
    assert caught.value.figures["quoted_cost"] == 40
    assert caught.value.charged == "no"


def test_a_quote_that_arrives_expired_or_good_for_hours_lives_its_usual_five_minutes() -> None:
    assert quotes.local_expiry(NOW + 290, NOW) == NOW + 290
    assert quotes.local_expiry(NOW - 1, NOW) == NOW + 300
    assert quotes.local_expiry(NOW + 2 * HOUR, NOW) == NOW + 300


def test_max_credits_is_a_ceiling_and_no_ceiling_is_fine() -> None:
    quotes.check_max_credits(QUOTE, None)
    quotes.check_max_credits(QUOTE, 40)
    with pytest.raises(OverMaxCredits) as caught:
        quotes.check_max_credits(QUOTE, 39)
    assert (caught.value.figures["quoted_cost"], caught.value.figures["max_credits"]) == (40, 39)


@given(st.sampled_from(["person", "list"]), *[st.integers(0, 300)] * 5)
def test_a_limit_is_never_passed_and_never_bites_early(
    kind: Any, cost: int, hour: int, day: int, allowance: int, daily: int
) -> None:
    error = limits.limit_error(kind, cost, Spent(hour, day, 0), Limits(allowance, daily))

    over_day = day + cost > daily
    over_hour = kind == "person" and hour + cost > allowance
    assert (error is not None) == (over_day or over_hour)
    assert not isinstance(error, HourlyUnquotedLimit) or (over_hour and not over_day)
    assert not isinstance(error, DailyLimit) or over_day


@given(unrefused, st.booleans())
def test_a_person_whose_run_goes_on_is_never_started_again(entries: list[Run], again: bool) -> None:
    decision = decisions.decide_person(entries, again=again, now=NOW)

    states = [state_at(run, NOW) for run in entries]
    if "running" in states or "starting" in states:
        assert isinstance(decision, Replay | Wait)
        assert state_at(decision.run, NOW) in ("running", "starting")
    elif decision is None and entries:
        newest = entries[0]
        assert again or (newest.state == "finished" and NOW - (newest.finished_at or newest.started_at) > DAY)
        assert states[0] == "finished" or NOW - newest.started_at >= UNCERTAIN_HOLD


@given(st.none() | runs.filter(lambda run: run.state != "refused"), unrefused)
def test_a_quote_starts_once_and_a_list_is_run_once_at_a_time(
    same_quote: Run | None, same_work: list[Run]
) -> None:
    decision = decisions.decide_list(same_quote, same_work, now=NOW)

    if same_quote is not None:
        assert isinstance(decision, Wait | Resend | Replay)
        assert decision.run is same_quote
    elif any(state_at(run, NOW) in ("running", "starting") for run in same_work):
        assert isinstance(decision, Busy)
    elif decision is None and same_work and state_at(same_work[0], NOW) == "uncertain":
        assert NOW - same_work[0].started_at >= UNCERTAIN_HOLD


@pytest.mark.parametrize(
    ("entries", "again", "decided"),
    [
        ([], False, None),
        ([RUN], False, Replay),
        ([RUN], True, Replay),
        ([replace(RUN, state="finished", finished_at=NOW - 60)], False, Replay),
        ([replace(RUN, state="finished", finished_at=NOW - 60)], True, None),
        ([replace(RUN, state="finished", finished_at=NOW - DAY - 1)], False, None),
        ([replace(RUN, state="starting")], True, Wait),
        ([replace(RUN, state="uncertain")], True, Unknown),
        ([replace(RUN, state="uncertain", started_at=NOW - UNCERTAIN_HOLD)], False, Unknown),
        ([replace(RUN, state="uncertain", started_at=NOW - UNCERTAIN_HOLD)], True, None),
        ([replace(RUN, state="starting", in_flight_until=NOW - 1)], False, Unknown),
        ([replace(RUN, run_id=2, state="finished", finished_at=NOW - 1), RUN], True, Replay),
    ],
)
def test_the_same_person_is_decided_by_what_became_of_the_runs_before(
    entries: Sequence[Run], again: bool, decided: type | None
) -> None:
    decision = decisions.decide_person(entries, again=again, now=NOW)

    assert decision == (None if decided is None else decided(entries[-1]))


def test_a_request_counts_as_lost_once_its_time_is_over_or_its_clock_was_set_back() -> None:
    starting = replace(RUN, state="starting")
    assert state_at(starting, NOW) == "starting"
    assert state_at(starting, starting.in_flight_until + 0.1) == "uncertain"
    assert state_at(starting, starting.started_at - HOUR) == "uncertain"


def test_what_is_left_of_the_hourly_limit_is_never_negative() -> None:
    assert limits.unquoted_left(Spent(30, 30, 0), Limits(100, None)) == 70
    assert limits.unquoted_left(Spent(130, 130, 0), Limits(100, None)) == 0
    limits.check_limits("person", 11, Spent(130, 130, 0), NO_LIMITS)
    assert (text.credits_text(1), text.credits_text(0)) == ("1 credit", "0 credits")
