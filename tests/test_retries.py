"""Requests that may be sent again, and after how long."""

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.api.retries import FIRST_WAIT, LONGEST_WAIT, MAX_ATTEMPTS, may_resend, wait_before
from cleanlist_mcp.errors import (
    ApiError,
    ApiRefusal,
    ApiUnavailable,
    BadResponse,
    NotFound,
    RateLimited,
)

WORDS = ("It failed.", "Try again.")
chances = st.floats(0, 1, exclude_max=True)
patiences = st.floats(-10, 100)
waits = st.none() | st.floats(0, 3600)


def failed(retry_after: float | None = None) -> ApiError:
    return RateLimited(*WORDS, retry_after=retry_after)


@given(attempt=st.integers(2, 10), retry_after=waits, patience=patiences, chance=chances)
def test_a_wait_is_never_longer_than_the_patience_and_never_shorter_than_the_api_said(
    attempt: int, retry_after: float | None, patience: float, chance: float
) -> None:
    wait = wait_before(attempt, failed(retry_after), patience=patience, chance=chance)

    if wait is not None:
        assert 0 <= wait <= patience
        assert wait >= (retry_after or 0)
        assert attempt <= MAX_ATTEMPTS
        if retry_after is None:
            assert wait <= min(FIRST_WAIT * 2 ** (attempt - 2), LONGEST_WAIT)


@given(attempt=st.integers(2, MAX_ATTEMPTS), chance=chances)
def test_jitter_is_full_and_its_ceiling_doubles(attempt: int, chance: float) -> None:
    wait = wait_before(attempt, failed(), patience=60, chance=chance)

    assert wait == FIRST_WAIT * 2 ** (attempt - 2) * chance


def test_it_gives_up_after_the_last_attempt() -> None:
    assert wait_before(MAX_ATTEMPTS, failed(), patience=60, chance=0) is not None
    assert wait_before(MAX_ATTEMPTS + 1, failed(), patience=60, chance=0) is None


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    assert wait_before(2, failed(30), patience=29, chance=0) is None
    assert wait_before(2, failed(30), patience=31, chance=0) == 30


def test_a_free_request_is_repeated_where_the_failure_may_pass() -> None:
    assert may_resend(RateLimited(*WORDS), spends=False)
    assert may_resend(ApiUnavailable(*WORDS, fate="unknown"), spends=False)
    assert may_resend(ApiRefusal(*WORDS, api_code="try_later", retryable=True), spends=False)
    assert not may_resend(ApiRefusal(*WORDS, api_code="no"), spends=False)
    assert not may_resend(NotFound(*WORDS), spends=False)
    assert not may_resend(BadResponse(*WORDS), spends=False)


def test_a_spend_is_repeated_only_where_it_was_certainly_not_processed() -> None:
    assert may_resend(RateLimited(*WORDS, fate="turned_away"), spends=True)
    assert not may_resend(ApiUnavailable(*WORDS, fate="unknown"), spends=True)
    assert not may_resend(ApiUnavailable(*WORDS, retryable=True), spends=True)
