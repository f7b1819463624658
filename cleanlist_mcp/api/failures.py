"""The errors that answers of the API mean."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Literal, TypedDict

from cleanlist_mcp.api.error_bodies import MAX_RETRY_AFTER, ErrorBody, read_body, request_id
from cleanlist_mcp.api.proof import proves_nothing_started
from cleanlist_mcp.api.reading import workflow_id_in
from cleanlist_mcp.api_key import KEYS_PAGE
from cleanlist_mcp.errors import (
    Advice,
    Answered,
    ApiError,
    ApiRefusal,
    ApiUnavailable,
    BadResponse,
    Fate,
    FeatureGated,
    InsufficientCredits,
    InsufficientScope,
    NotFound,
    RateLimited,
    Unauthorized,
)

REFUSED = "The API refused the request."
"""Beginning of the message about a refusal for which there are no words of our own."""

What = Literal["workflow", "list", "person", "company", "row", "address"]
"""The thing that a request asks for, and that a 404 therefore misses; `address` if it names no thing of the user's."""

_BY_STATUS = {401: "unauthorized", 402: "insufficient_credits", 404: "not_found", 422: "validation_error"}
_NOT_FOUND: Mapping[What, tuple[str, str]] = {
    "workflow": (
        "The API knows no such workflow for this key.",
        "Call workflow_status without arguments to see the runs that are known.",
    ),
    "list": (
        "The API knows no such list for this key.",
        "Check the list's id; take ids from an earlier answer, and do not guess them.",
    ),
    "person": (
        "The API knows no such person.",
        "Check person_id, or identify the person by an e-mail address, a LinkedIn profile or a name instead.",
    ),
    "company": (
        "The API knows no such company.",
        "Check the domain or the id, or name the company in another way.",
    ),
    "row": (
        "The API does not know one of these rows for this key.",
        "Take the ids from an earlier answer, as they are.",
    ),
    "address": (
        "The API does not know the address of this request.",
        Advice("Check CLEANLIST_BASE_URL, or run `cleanlist-mcp doctor`."),
    ),
}
_CHECK_KEY = Advice(
    f"Check that all of the key was copied into the client's configuration; keys are made at {KEYS_PAGE} and start "
    "with clapi_."
)
_NEW_KEY = Advice(f"Create a key with that permission at {KEYS_PAGE}: those of a key are fixed.")
_PAID_PLAN = Advice(
    "Choose one of Cleanlist's paid plans at portal.cleanlist.ai, which include API access; the setting Sandbox "
    "(CLEANLIST_SANDBOX=true) serves made-up data on any plan."
)
_BUY_CREDITS = Advice(
    "Buy credits at portal.cleanlist.ai, or choose fewer rows or the cheapest scope, partial."
)


class _Common(TypedDict):
    """The members that an error of any kind gets from an answer."""

    answered: Answered
    retry_after: float | None
    fate: Fate


def failure(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    what: What = "address",
    spends: bool = False,
) -> ApiError:
    """Return the error that an answer with a status of 300 or more means.

    `what` names the thing that was asked for, for a 404; `spends` is true if the request would have started paid
    work. No such answer reports a charge; the `fate` of the result shows if that is proved.
    """
    body = read_body(content)
    code = body.code or _BY_STATUS.get(status, "")
    common: _Common = {
        "answered": Answered(
            status=status,
            request_id=body.request_id or request_id(headers.get("x-request-id")),
            docs_url=body.docs_url,
            workflow_id=workflow_id_in(content),
            enveloped=body.enveloped,
        ),
        "retry_after": _retry_after(body, headers),
        "fate": _fate(status, code, content, body, spends=spends),
    }
    if status == 429 or (code == "rate_limited" and 400 <= status < 500):
        return _rate_limited(common)
    if status >= 500:
        return _unavailable(status, body, common)
    if not body.readable and status not in _BY_STATUS:
        return _unexplained(status, common)
    return _refusal(status, code, body, common, what)


def _fate(status: int, code: str, content: bytes, body: ErrorBody, *, spends: bool) -> Fate:
    """Return what became of the request. Of a server's failures, only a 503 that calls itself retryable did nothing."""
    if status == 429 or (status == 503 and body.retryable is True):
        return "turned_away"
    if status >= 500:
        return "unknown"
    if spends:
        return "refused" if proves_nothing_started(status, content) else "unknown"
    if code == "rate_limited" and status >= 400:
        return "turned_away"
    return "refused" if body.readable and status >= 400 and status != 408 else "unknown"


def held_back(seconds: float) -> ApiError:
    """Return the error of a request that is not sent, because the API refuses all for `seconds` more."""
    return failure(429, {"retry-after": str(ceil(seconds))}, b"").replaced(fate="not_sent")


def names_field(error: ApiError, field: str) -> bool:
    """Return whether a refusal of the arguments, one that proves that nothing was done, is about `field`."""
    if (
        not error.nothing_started
        or not isinstance(error, ApiRefusal)
        or (error.code != "validation_error" and error.status != 422)
    ):
        return False
    named = any(field in item["field"] for item in error.field_errors or [])
    return named or field in error.message


def _retry_after(body: ErrorBody, headers: Mapping[str, str]) -> float | None:
    if body.retry_after is not None:
        return body.retry_after
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers.get("date", ""))
        return min(max((when - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rate_limited(common: _Common) -> ApiError:
    wait = common["retry_after"]
    seconds = 60.0 if wait is None else wait  # the API counts in windows of 60 s
    common["retry_after"] = seconds
    return RateLimited(
        "The API's rate limit, 30 requests a minute per key and 60 per organization, is reached; it takes "
        f"requests again in {_seconds_text(seconds)}.",
        f"Wait {_seconds_text(seconds)}, then repeat the same call.",
        **common,
    )


def _seconds_text(seconds: float) -> str:
    whole = max(1, ceil(seconds))
    return "1 second" if whole == 1 else f"{whole} seconds"


def _unavailable(status: int, body: ErrorBody, common: _Common) -> ApiError:
    retryable = status in (502, 503, 504) or body.retryable is True
    return ApiUnavailable(
        _with_problem(f"The API failed with HTTP status {status}.", body),
        "Try again in a minute." if retryable else Advice("If it persists, write to Cleanlist's support."),
        retryable=retryable,
        **common,
    )


def _unexplained(status: int, common: _Common) -> ApiError:
    return BadResponse(
        f"The API answered with HTTP status {status} and no readable explanation.",
        "Try again in a minute; if it happens again, check the network (a proxy may have answered).",
        **common,
    )


def _refusal(status: int, code: str, body: ErrorBody, common: _Common, what: What) -> ApiError:
    if status == 401 or code == "unauthorized":
        return Unauthorized(
            _with_problem("The API does not accept this API key.", body), _CHECK_KEY, **common
        )
    if code == "insufficient_scope":
        return _lacks_permission(body, common)
    if code == "feature_gated":
        message = _with_problem("The account's Cleanlist plan does not include this.", body)
        return FeatureGated(message, _PAID_PLAN, **common)
    if code == "insufficient_credits":
        message = "The account has too few credits for this."
        return InsufficientCredits(message, _BUY_CREDITS, figures=body.figures, **common)
    if status == 404 or code == "not_found":
        message, next_step = _NOT_FOUND[what]
        return NotFound(_with_problem(message, body), next_step, **common)
    return ApiRefusal(
        _with_problem(REFUSED, body),
        _after_refusal(status, body),
        api_code=code or f"http_{status}",
        field_errors=body.fields or None,
        retryable=body.retryable is True,
        figures=body.figures,
        **common,
    )


def unknown_workflow() -> NotFound:
    """Return the error about a run that is not shown: the same as about one that the API does not know."""
    return NotFound(*_NOT_FOUND["workflow"])


def _lacks_permission(body: ErrorBody, common: _Common) -> ApiError:
    needed = ", ".join(body.figures.get("required_scopes", []))
    message = (
        f"The API key lacks the permission {needed}."
        if needed
        else _with_problem("The API key lacks a permission that this call needs.", body)
    )
    return InsufficientScope(message, _NEW_KEY, figures=body.figures, **common)


def _after_refusal(status: int, body: ErrorBody) -> str:
    if body.retryable:
        return "Wait a moment, then repeat the same call."
    if status in (400, 422):
        where = "field_errors" if body.fields else "the message"
        return f"Correct the arguments that {where} names, then call again."
    return Advice("Change what the API objects to; the same call fails until then.")


def _with_problem(sentence: str, body: ErrorBody) -> str:
    said = [sentence]
    if body.problem:
        said.append(f"The API says: {body.problem}")
    if body.fix:
        said.append(f"It suggests: {body.fix}")
    return " ".join(said)
