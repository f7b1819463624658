"""Everything that can go wrong, said once.

    CleanlistError                    every failure that a user may read
      SettingsError                   mended by whoever set the server up; stops the start
      NotConfigured                   the same, but only calls that need the key fail
      CallRefused                     mended by the assistant, with another call; nothing was started
        InvalidArguments
        AmbiguousList
        ReadOnly
        QuoteUnknown  QuoteExpired  QuoteMismatch  OverMaxCredits
        RunInProgress
        DailyLimit  PersonAllowance  ConfirmationUnavailable
      ApiError                        what the API answered, or that it did not
        Unauthorized  InsufficientScope  FeatureGated       mended by the account's owner
        InsufficientCredits                                  mended by the account's owner
        NotFound                                             mended by the assistant
        ApiRefusal                                           any other refusal; its code passes through
        RateLimited  ApiUnavailable                          mended by waiting
        BadResponse                                          mended by nobody here
      OutcomeUnknown                  a spend request left and its answer was lost
      JournalUnusable                 mended on the user's disk, or by waiting
        JournalRemoved
      InternalError                   a defect of this server, masked

A message is written for the model that reads it: plain words, no input values, no secrets.
"""

import os
from traceback import walk_tb
from typing import Any, Literal

Charged = Literal["no", "yes", "unknown"]
"""Whether credits left the account: `unknown` is said only where nobody here can know."""


def where(error: BaseException | None) -> str:
    """The type of an unexpected error and the line that raised it, for the log: its text could hold anything."""
    frames = [] if error is None else list(walk_tb(error.__traceback__))
    if not frames:
        return type(error).__name__
    frame, line = frames[-1]
    return f"{type(error).__name__} at {os.path.basename(frame.f_code.co_filename)}:{line}"


def traceback_of(error: BaseException | None) -> str:
    """Return the calls that an unexpected error came through, oldest first, with its type and those of its causes;
    never its text."""
    lines: list[str] = []
    told: set[int] = set()
    while error is not None and id(error) not in told:
        told.add(id(error))
        lines = [*_calls(error), *(["", *lines] if lines else [])]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


def _calls(error: BaseException) -> list[str]:
    lines = [
        f"  {os.path.basename(frame.f_code.co_filename)}:{line} in {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    inside = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [*lines, type(error).__name__, *(f"  {line}" for one in inside for line in _calls(one))]


class CleanlistError(Exception):
    """A failure with its code, what it cost, and the next step that works.

    `message` and `next_step` are plain sentences. `charged` says whether credits left the account.
    `retry_after` is in seconds. `field_errors` are `{"field", "problem"}` pairs. `figures` are numbers and
    ids that the reader needs (such as `shortfall_credits`), placed beside the fixed members.
    """

    code = "internal_error"
    retryable = False

    def __init__(
        self,
        message: str,
        next_step: str,
        *,
        charged: Charged = "no",
        retry_after: float | None = None,
        field_errors: list[dict[str, str]] | None = None,
        **figures: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.charged: Charged = charged
        self.retry_after = retry_after
        self.field_errors = field_errors
        self.figures = figures


class SettingsError(CleanlistError):
    """A setting with a wrong value; the start stops with one line that names it."""

    code = "invalid_settings"

    def __init__(self, variable: str, fault: str, accepted: str) -> None:
        super().__init__(f"{variable}: {fault}.", f"Accepted: {accepted}.")
        self.variable = variable


class NotConfigured(CleanlistError):
    """No usable API key; everything that needs none still works."""

    code = "not_configured"


class CallRefused(CleanlistError):
    """Refused before anything was started, and mended by another call."""


class InvalidArguments(CallRefused):
    """Arguments that cannot be carried out as they are."""

    code = "invalid_arguments"


class AmbiguousList(CallRefused):
    """Two lists have the name that was given."""

    code = "ambiguous_list"


class ReadOnly(CallRefused):
    """The server was set up to read only."""

    code = "read_only"


class QuoteUnknown(CallRefused):
    """A quote that neither this machine nor the API recognises."""

    code = "quote_unknown"


class QuoteExpired(CallRefused):
    """A quote past its time."""

    code = "quote_expired"


class QuoteMismatch(CallRefused):
    """A quote for another list or scope."""

    code = "quote_mismatch"


class OverMaxCredits(CallRefused):
    """The quoted cost is above the caller's own `max_credits`."""

    code = "over_max_credits"


class RunInProgress(CallRefused):
    """The same work is being done already."""

    code = "run_in_progress"


class DailyLimit(CallRefused):
    """The machine's limit for a rolling day would be passed."""

    code = "daily_limit"


class PersonAllowance(CallRefused):
    """The machine's hourly allowance for single people would be passed."""

    code = "person_allowance"


class ConfirmationUnavailable(CallRefused):
    """Asking is required, and this client cannot ask."""

    code = "confirmation_unavailable"


class ApiError(CleanlistError):
    """The API refused or failed.

    `certain`: the API's own refusal, or a connection that never opened, proves that nothing was started.
    Where it is false, a spend request may have been carried out. `resendable`: even a spend request may be
    sent again. `retryable`: the same call may work later. `workflow_id`: the run that the answer named,
    whatever else of it could not be read; a claim of the answer, and no proof that the run is ours.
    """

    code = "api_error"

    def __init__(
        self,
        message: str,
        next_step: str,
        *,
        certain: bool = True,
        resendable: bool = False,
        retryable: bool | None = None,
        status: int | None = None,
        request_id: str | None = None,
        docs_url: str | None = None,
        workflow_id: str | None = None,
        **figures: Any,
    ) -> None:
        super().__init__(message, next_step, **figures)
        self.workflow_id = workflow_id
        self.certain = certain
        self.resendable = resendable
        self.status = status
        if retryable is not None:
            self.retryable = retryable
        self.request_id = request_id
        self.docs_url = docs_url
        self.workflow_id = workflow_id


class Unauthorized(ApiError):
    """The key is not accepted."""

    code = "unauthorized"


class InsufficientScope(ApiError):
    """The key lacks a scope."""

    code = "insufficient_scope"


class FeatureGated(ApiError):
    """The plan does not include this."""

    code = "feature_gated"


class InsufficientCredits(ApiError):
    """The balance is too small."""

    code = "insufficient_credits"


class NotFound(ApiError):
    """No such list or workflow for this key."""

    code = "not_found"


class ApiRefusal(ApiError):
    """Any other refusal: the API's own code word is kept."""

    def __init__(self, message: str, next_step: str, *, api_code: str, **rest: Any) -> None:
        super().__init__(message, next_step, **rest)
        self.code = api_code


class RateLimited(ApiError):
    """Too many requests; `retry_after` says when to come back, in seconds."""

    code = "rate_limited"
    retryable = True


class ApiUnavailable(ApiError):
    """The API could not be reached or says that it is down."""

    code = "api_unavailable"
    retryable = True


class BadResponse(ApiError):
    """An answer that cannot be read."""

    code = "bad_response"
    retryable = True


class OutcomeUnknown(CleanlistError):
    """A spend request left, and nobody here can say what became of it."""

    code = "outcome_unknown"


class InternalError(CleanlistError):
    """A defect of this server; details go to the log, without data."""

    code = "internal_error"


class JournalUnusable(CleanlistError):
    """The journal of runs cannot be written or read just now, and a spend needs it.

    `retryable` is false if time alone does not help.
    """

    code = "journal_unavailable"

    def __init__(self, message: str, next_step: str, *, retryable: bool = True) -> None:
        super().__init__(message, next_step)
        self.retryable = retryable


class JournalRemoved(JournalUnusable):
    """The journal was taken away or replaced under the running server; only a restart helps."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message, next_step, retryable=False)
