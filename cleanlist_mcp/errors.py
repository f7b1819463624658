"""The exceptions of this package.

    CleanlistError                    every failure that a user may read
      SettingsError                   a wrong setting; stops the start
      NotConfigured                   no usable key; only calls that need one fail
      CallRefused                     nothing was started, and another call helps
        InvalidArguments
        AmbiguousList
        ReadOnly
        QuoteUnknown  QuoteExpired  QuoteMismatch  QuoteUsed
        OverMaxCredits  DailyLimit  HourlyUnquotedLimit
        RunInProgress
        Excluded
        ConfirmationUnavailable
      ApiError                        the API refused or failed, or did not answer
        Unauthorized  InsufficientScope  FeatureGated
        InsufficientCredits
        NotFound
        NotAvailable
        ApiRefusal                    any other refusal; it keeps the API's own code
        RateLimited
        ApiUnavailable
          CertificateRefused  ProxyUnusable
        BadResponse
      OutcomeUnknown                  a paid request left, and its answer was lost
      JournalUnusable                 the runs cannot be written down or read now
        JournalRemoved
      InternalError                   a defect of this server

An error is never changed once it is made: `replaced` returns another. Its texts hold plain words, and neither
input values nor secrets.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from traceback import walk_tb
from types import MappingProxyType
from typing import Literal, Self, TypeAlias, TypedDict, Unpack

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

Charged = Literal["no", "unknown"]
"""An answer to "have credits left the account?"; `no` only if that is certain."""

Fate = Literal["not_sent", "turned_away", "refused", "unknown"]
"""The fate of a request.

`not_sent`: it did not leave this machine. `turned_away`: the API did not look at it (429, or a 503 that
calls itself retryable). `refused`: an answer proves that nothing was started. `unknown`: it may have been carried out.
"""

_NO_FIGURES: Mapping[str, JsonValue] = MappingProxyType({})


class Advice(str):
    """A next step that only the user can take, addressed to the user ("Create a key at …")."""

    __slots__ = ()


def where(error: BaseException | None) -> str:
    """Return the type of an unexpected error and the line that raised it; its text could hold anything."""
    frames = [] if error is None else list(walk_tb(error.__traceback__))
    if not frames:
        return type(error).__name__
    frame, line = frames[-1]
    return f"{type(error).__name__} at {os.path.basename(frame.f_code.co_filename)}:{line}"


def traceback_of(error: BaseException | None) -> str:
    """Return the calls that an unexpected error came through, oldest first, and its type and those of its causes.

    Its text is left out: it could hold anything.
    """
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
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


def for_a_model(next_step: str) -> str:
    """Return a next step addressed to an assistant, also one that only the user can take."""
    return f"Ask the user: {next_step}" if isinstance(next_step, Advice) else next_step


class _Details(TypedDict, total=False):
    """The members of `CleanlistError` that every error may have."""

    charged: Charged
    retry_after: float | None
    field_errors: list[dict[str, str]] | None
    figures: Mapping[str, JsonValue]


class _Changes(TypedDict, total=False):
    """The members that `replaced` can replace."""

    message: str
    next_step: str
    fate: Fate
    figures: Mapping[str, JsonValue]


class CleanlistError(Exception):
    """A failure with its code, its cost, and the next step that works.

    `message` and `next_step` are plain sentences; a `next_step` that is `Advice` is addressed to the user, any other
    to an assistant. `charged` shows if credits left the account. `retry_after` is in seconds. `field_errors` are
    `{"field", "problem"}` pairs. `figures` are numbers and ids that the reader needs (such as `shortfall_credits`);
    they are published beside the fixed members.
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
        figures: Mapping[str, JsonValue] = _NO_FIGURES,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.charged: Charged = charged
        self.retry_after = retry_after
        self.field_errors = field_errors
        self.figures = MappingProxyType(dict(figures))

    def replaced(self, **changes: Unpack[_Changes]) -> Self:
        """Return the same error with other texts, another fate or other figures; this one stays as it is."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self) | changes)
        other.figures = MappingProxyType(dict(other.figures))
        other.args = (other.message,)
        return other


class SettingsError(CleanlistError):
    """A setting with a wrong value; the start stops with one line that names it.

    `problem` and `accepted` are the ends of the sentences "NAME …" and "Accepted: …".
    """

    code = "invalid_settings"

    def __init__(self, variable: str, problem: str, accepted: str) -> None:
        super().__init__(f"{variable} {problem}.", f"Accepted: {accepted}.")
        self.variable = variable


class NotConfigured(CleanlistError):
    """No usable API key; everything that needs none still works."""

    code = "not_configured"


class CallRefused(CleanlistError):
    """A call that was refused before anything was started; another call helps."""


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
    """A quote that was not issued here."""

    code = "quote_unknown"


class QuoteExpired(CallRefused):
    """A quote past its time."""

    code = "quote_expired"


class QuoteMismatch(CallRefused):
    """A quote for another list or scope."""

    code = "quote_mismatch"


class QuoteUsed(CallRefused):
    """A quote that has started a run already, and that run is not known here."""

    code = "quote_used"


class OverMaxCredits(CallRefused):
    """The quoted cost is above the caller's own `max_credits`."""

    code = "over_max_credits"


class RunInProgress(CallRefused):
    """The same work is being done already."""

    code = "run_in_progress"


class DailyLimit(CallRefused):
    """The limit for a rolling day would be passed."""

    code = "daily_limit"


class HourlyUnquotedLimit(CallRefused):
    """The hourly limit for runs without a quote would be passed."""

    code = "hourly_unquoted_limit"


class Excluded(CallRefused):
    """A person who must not be contacted."""

    code = "excluded"


class ConfirmationUnavailable(CallRefused):
    """Asking is required, and this client cannot ask."""

    code = "confirmation_unavailable"


@dataclass(frozen=True)
class Answered:
    """The facts of an answer that go with an error.

    `status` is the HTTP status. `request_id` and `docs_url` are the API's own. `workflow_id` is the run that the
    answer names, even if nothing else of it can be read; it does not prove that the run is ours. `enveloped` is true
    if the answer is an error as the API itself writes one, and not that of a router or a proxy.
    """

    status: int | None = None
    request_id: str | None = None
    docs_url: str | None = None
    workflow_id: str | None = None
    enveloped: bool = False


class ApiError(CleanlistError):
    """The API refused or failed, or did not answer.

    `fate` is what became of the request, `answered` what came back. `retryable`: the same call may work later.
    """

    code = "api_error"

    def __init__(
        self,
        message: str,
        next_step: str,
        *,
        fate: Fate = "refused",
        retryable: bool | None = None,
        answered: Answered = Answered(),
        **details: Unpack[_Details],
    ) -> None:
        super().__init__(message, next_step, **details)
        self.fate: Fate = fate
        self.answered = answered
        if retryable is not None:
            self.retryable = retryable

    @property
    def nothing_started(self) -> bool:
        """True if the request has certainly started nothing."""
        return self.fate != "unknown"

    @property
    def unprocessed(self) -> bool:
        """True if the request was certainly not processed, so that even a paid one may be sent again."""
        return self.fate in ("not_sent", "turned_away")

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer, if there was one."""
        return self.answered.status

    @property
    def workflow_id(self) -> str | None:
        """The id of the run that the answer names, if it names one."""
        return self.answered.workflow_id


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


class NotAvailable(ApiError):
    """This account's API does not have what was asked for under any address, or does not show it yet."""

    code = "not_available"


class ApiRefusal(ApiError):
    """Any other refusal; `api_code` is the API's own code."""

    def __init__(
        self,
        message: str,
        next_step: str,
        *,
        api_code: str,
        fate: Fate = "refused",
        retryable: bool | None = None,
        answered: Answered = Answered(),
        **details: Unpack[_Details],
    ) -> None:
        super().__init__(message, next_step, fate=fate, retryable=retryable, answered=answered, **details)
        self.code = api_code


class RateLimited(ApiError):
    """Too many requests; `retry_after` is the seconds to wait."""

    code = "rate_limited"
    retryable = True


class ApiUnavailable(ApiError):
    """The API could not be reached, or reports that it is down."""

    code = "api_unavailable"
    retryable = True


class CertificateRefused(ApiUnavailable):
    """This machine does not trust the certificate that was shown in the API's name."""


class ProxyUnusable(ApiUnavailable):
    """The environment names a proxy that cannot be one."""


class BadResponse(ApiError):
    """An answer that cannot be read."""

    code = "bad_response"
    retryable = True


class OutcomeUnknown(CleanlistError):
    """A paid request left, and its outcome cannot be known here."""

    code = "outcome_unknown"


class InternalError(CleanlistError):
    """A defect of this server; the log has its type and place, and no data."""

    code = "internal_error"


class JournalUnusable(CleanlistError):
    """The journal of runs cannot be written or read now, and spending needs it.

    `retryable` is false if time alone does not help.
    """

    code = "journal_unavailable"

    def __init__(self, message: str, next_step: str, *, retryable: bool = True) -> None:
        super().__init__(message, next_step)
        self.retryable = retryable


class JournalRemoved(JournalUnusable):
    """The journal was removed or replaced while the server ran; only a restart helps."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message, next_step, retryable=False)
