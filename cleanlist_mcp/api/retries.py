"""The rules for sending a request again: if it may be sent, and after how long. Pure: chance is an argument.

A library (stamina, tenacity) was weighed: what decides here is the failure's meaning for money, the server's
own wait and the patience of one call, and the few lines left beside those rules would only wrap the library.
"""

from cleanlist_mcp.errors import ApiError, BadResponse

FIRST_WAIT = 0.5
"""Seconds; ceiling of the first jittered wait, doubled for each attempt after it."""

LONGEST_WAIT = 8.0
"""Seconds; ceiling of any jittered wait."""

MAX_ATTEMPTS = 4
"""Requests in all, the first included: with full jitter, about four seconds of trying."""


def may_resend(error: ApiError, *, spends: bool) -> bool:
    """Return whether the request that met `error` may be sent once more.

    A request that spends is repeated only if it was certainly not processed: a connection that never
    opened, 429, and 503 marked retryable (money rule 4). An answer that cannot be read is not asked for
    again at once: a proxy's page, a redirect or an answer of 8 MiB comes back the same.
    """
    return (
        error.retryable and error.unprocessed
        if spends
        else error.retryable and not isinstance(error, BadResponse)
    )


def wait_before(attempt: int, error: ApiError, *, patience: float, chance: float) -> float | None:
    """Return the seconds to wait before attempt number `attempt` (2 is the first repeat), or None to give up.

    `patience` is how many seconds the caller can still wait, `chance` a draw from [0, 1): exponential
    backoff with full jitter, unless the API said how long.
    """
    if attempt > MAX_ATTEMPTS:
        return None
    ceiling = min(FIRST_WAIT * 2 ** (attempt - 2), LONGEST_WAIT)
    # A little beyond the API's own figure, so that clocks which differ by a blink do not cost a request.
    wait = ceiling * chance if error.retry_after is None else error.retry_after + 0.1 * chance
    return wait if wait <= patience else None
