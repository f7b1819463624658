"""What an answer of the API that is no success means: the known error shapes, and none.

Shapes (vendor's developer documentation): `{"error": {code, problem, fix, …}}`; also met: FastAPI's
`{"detail": "text"}` and `{"detail": [{loc, msg, type}]}`, and bodies that are no JSON at all. FastAPI can put an
object into `detail` too; it is read like `error`.
"""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict

from cleanlist_mcp.api.reading import lenient_json, workflow_id_in
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
from cleanlist_mcp.links import is_public
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.text import clean

REFUSED = "The API refused the request."
"""How the message of a refusal begins that has no words of ours."""

PROBLEM_LIMIT = 200
"""Longest piece of the API's own wording that is passed on, in characters."""

MAX_RETRY_AFTER = 120.0
"""Longest wait that is believed, in seconds: two of the API's windows. For all of it nothing is asked, so more,
which can only be a mistake, must not cost more."""

What = Literal["workflow", "list", "person", "address"]
"""What a request asks for, and a 404 therefore misses; `address` where it names no thing of the user's."""

_BY_STATUS = {401: "unauthorized", 402: "insufficient_credits", 404: "not_found", 422: "validation_error"}
_NOT_FOUND: Mapping[What, tuple[str, str]] = {
    "workflow": (
        "The API knows no such workflow for this key.",
        "Call workflow_status without arguments to see the runs that are known.",
    ),
    "list": (
        "The API knows no such list for this key.",
        "Check the list's id; ids are not guessed but taken from an earlier answer.",
    ),
    "person": (
        "The API knows no such person.",
        "Check person_id, or identify the person by an e-mail address, a LinkedIn profile or a name instead.",
    ),
    "address": (
        "The API does not know the address of this request.",
        Advice("Check CLEANLIST_BASE_URL, or run `cleanlist-mcp doctor`."),
    ),
}
_CERTAIN_REFUSALS = frozenset({400, 401, 402, 403, 404, 407, 413, 422})
"""Statuses that prove that a paid request started nothing, whoever answered (money rule 4)."""

_OF_EARLIER_WORK = frozenset({"already", "duplicate", "progress", "processing", "used"})
"""Words of a code that speaks of something that exists: it may be what this very request, sent twice on its way,
has started."""

_EARLIER_WORK_IN_TEXT = re.compile(r"\b(already|duplicate|processing|in progress)\b")
_OTHER_REASONS = frozenset(
    {"expired", "mismatch", "exceeded", "insufficient", "invalid", "required", "missing", "protected", "cap"}
)
"""Words of a code that names another reason for a conflict."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TEXTS = (
    *("problem", "cause", "message", "msg", "detail", "details", "error", "errors"),
    *("title", "description", "reason", "status"),
)
_DEEPEST = 5
_PLAIN_TEXT_READ = 2000
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_CREDIT_FIGURES = ("estimated_cost_credits", "available_credits", "shortfall_credits")


class _Common(TypedDict):
    """The members that an error of any kind gets from an answer."""

    answered: Answered
    retry_after: float | None
    fate: Fate


class ErrorBody(BaseModel):
    """One error answer, read as far as it can be. `readable` is false for bodies of no known shape."""

    model_config = ConfigDict(frozen=True)

    readable: bool = False
    code: str = ""
    problem: str = ""
    fix: str = ""
    retryable: bool | None = None
    retry_after: float | None = None
    request_id: str | None = None
    docs_url: str | None = None
    figures: dict[str, Any] = {}
    fields: list[dict[str, str]] = []


def failure(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    what: What = "address",
    spends: bool = False,
) -> ApiError:
    """Return the error that an answer with a status of 300 or more means.

    `what` names the thing that was asked for, for a 404; `spends` says that the request would have started paid
    work. Credits were charged in none of these cases as far as the answer goes; the `fate` of the result says
    whether it proves that.
    """
    body = read_body(content)
    code = body.code or _BY_STATUS.get(status, "")
    readable = body.readable and 400 <= status < 500 and status != 408
    certain = proves_nothing_started(status, content) if spends else readable
    common: _Common = {
        "answered": Answered(
            status=status,
            request_id=body.request_id or _request_id(headers.get("x-request-id")),
            docs_url=body.docs_url,
            workflow_id=workflow_id_in(content),
        ),
        "retry_after": _retry_after(body, headers),
        "fate": "refused" if certain else "unknown",
    }
    if status == 429 or (code == "rate_limited" and 400 <= status < 500):
        if status == 429 or not spends:
            common["fate"] = "turned_away"
        return _rate_limited(common)
    if status >= 500:
        return _unavailable(status, body, common)
    if not body.readable and status not in _BY_STATUS:
        return BadResponse(
            f"The API answered with HTTP status {status} and no readable explanation.",
            "Try again in a minute; if it stays, check the network (a proxy may have answered).",
            **common,
        )
    return _refusal(status, code, body, common, what)


def proves_nothing_started(status: int, content: bytes) -> bool:
    """Return whether an answer with a status from 300 to 499 proves that a paid request started nothing.

    Somebody on the way may have sent the request twice, and this may be the answer to the second: what speaks of
    work that exists already proves nothing. A 429 and a 503 are judged elsewhere.
    """
    if status != 409 and status not in _CERTAIN_REFUSALS:
        return False
    codes, texts = _words_of(content)
    words = _split(codes)
    if words:
        return words.isdisjoint(_OF_EARLIER_WORK) and (status != 409 or not words.isdisjoint(_OTHER_REASONS))
    lone = _split(
        text for text in texts if " " not in text.strip()
    )  # a code that stands where a text belongs
    said = " ".join(word.lower() for text in texts for word in _WORD.findall(text))
    return status != 409 and lone.isdisjoint(_OF_EARLIER_WORK) and not _EARLIER_WORK_IN_TEXT.search(said)


def _split(codes: Iterable[str]) -> set[str]:
    """The words of codes, however they are joined."""
    return {word.lower() for code in codes for word in _WORD.findall(code)}


def _words_of(content: bytes) -> tuple[list[str], list[str]]:
    """The codes and the texts of an error body, wherever they stand in it. Of what is no JSON plain text counts,
    and a page does not: those say "processing your request" whatever has happened."""
    codes: list[str] = []
    texts: list[str] = []
    try:
        _gather(lenient_json(content), codes, texts, _DEEPEST)
    except ValueError:
        text = content[:_PLAIN_TEXT_READ].decode("utf-8", "replace")
        return [], [] if "<" in text else [text]
    return codes, texts


def _gather(data: Any, codes: list[str], texts: list[str], deep: int) -> None:
    if isinstance(data, str):
        texts.append(data)
    elif isinstance(data, list) and deep:
        for item in data[:20]:
            _gather(item, codes, texts, deep - 1)
    elif isinstance(data, dict) and deep:
        codes.append(_word(data.get("code"), PROBLEM_LIMIT))
        for name in _TEXTS:
            _gather(data.get(name), codes, texts, deep - 1)


def held_back(seconds: float) -> ApiError:
    """What a request meets that is not sent, because the API refuses all for `seconds` more."""
    return failure(429, {"retry-after": str(ceil(seconds))}, b"")


def read_body(content: bytes) -> ErrorBody:
    """Read an error body of any shape; never raises."""
    try:
        data = lenient_json(content)
    except ValueError:
        return ErrorBody()
    if not isinstance(data, dict):
        return ErrorBody()
    if isinstance(data.get("error"), dict):
        return _read_envelope(data["error"])
    detail = data.get("detail")
    if isinstance(detail, str):
        return ErrorBody(readable=True, problem=clean(detail, PROBLEM_LIMIT))
    if isinstance(detail, list):
        return ErrorBody(readable=True, code="validation_error", fields=_read_fields(detail))
    if isinstance(detail, dict):
        return _read_envelope(detail["error"] if isinstance(detail.get("error"), dict) else detail)
    return ErrorBody()


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


def _read_envelope(error: dict[str, Any]) -> ErrorBody:
    details = error.get("details")
    figures = {
        name: error[name]
        for name in _CREDIT_FIGURES
        if isinstance(error.get(name), int) and not isinstance(error.get(name), bool)
    }
    problem = _word(error.get("problem") or error.get("message"), PROBLEM_LIMIT)
    fields: list[dict[str, str]] = []
    if isinstance(details, dict):
        figures |= _read_scopes(details)
        fields = _read_details(details, problem)
    return ErrorBody(
        readable=True,
        code=_code(error.get("code")),
        problem=problem,
        fix=_word(error.get("fix"), PROBLEM_LIMIT),
        retryable=error["retryable"] if isinstance(error.get("retryable"), bool) else None,
        retry_after=_milliseconds(error.get("retry_after_ms")),
        request_id=_request_id(error.get("request_id")),
        docs_url=_address(error.get("docs_url")),
        figures=figures,
        fields=fields,
    )


def _read_scopes(details: dict[str, Any]) -> dict[str, list[str]]:
    """The required and granted scopes, under either of two names: the documentation names none."""
    scopes = {}
    for name in ("required", "granted"):
        value = details.get(f"{name}_scopes", details.get(name))
        items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        words = [word for word in (_word(item, 60) for item in items[:30]) if word]
        if words:
            scopes[f"{name}_scopes"] = words
    return scopes


def _read_details(details: dict[str, Any], problem: str) -> list[dict[str, str]]:
    """The fields that an envelope's details name: one by its name, or a list as the web framework writes it."""
    if field := _word(details.get("field"), 80):
        return [{"field": field, "problem": problem}]
    errors = details.get("errors")
    return _read_fields(errors) if isinstance(errors, list) else []


def _read_fields(items: list[Any]) -> list[dict[str, str]]:
    return [_read_field(item) for item in items[:20] if isinstance(item, dict)]


def _read_field(item: dict[str, Any]) -> dict[str, str]:
    location = item.get("loc")
    path = [_word(part, 80) for part in location if part != "body"] if isinstance(location, list) else []
    return {"field": clean(".".join(path), 80), "problem": _word(item.get("msg"), PROBLEM_LIMIT)}


def _word(value: Any, limit: int) -> str:
    """A text or a whole number as text; whatever else stands where a word belongs is no word."""
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return clean(str(value), limit) if known else ""


def _milliseconds(value: Any) -> float | None:
    """Seconds of a number of milliseconds, up to the longest wait that is believed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return min(value, MAX_RETRY_AFTER * 1000) / 1000


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
    # Only a 503 that says so itself was certainly not processed.
    common["fate"] = "turned_away" if status == 503 and body.retryable is True else "unknown"
    retryable = status in (502, 503, 504) or body.retryable is True
    return ApiUnavailable(
        _with_problem(f"The API failed with HTTP status {status}.", body),
        "Try again in a minute."
        if retryable
        else "Tell the user; if it stays, Cleanlist's support can look into it.",
        retryable=retryable,
        **common,
    )


def _refusal(status: int, code: str, body: ErrorBody, common: _Common, what: What) -> ApiError:
    if status == 401 or code == "unauthorized":
        return Unauthorized(
            _with_problem("The API does not accept this API key.", body),
            Advice(
                f"Check the key in the client's configuration; keys are made at {KEYS_PAGE} and start with clapi_."
            ),
            **common,
        )
    if code == "insufficient_scope":
        needed = ", ".join(body.figures.get("required_scopes", []))
        return InsufficientScope(
            f"The API key lacks the permission {needed}."
            if needed
            else _with_problem("The API key lacks a permission that this call needs.", body),
            Advice(f"Create a key with that permission at {KEYS_PAGE}."),
            figures=body.figures,
            **common,
        )
    if code == "feature_gated":
        return FeatureGated(
            _with_problem("The account's Cleanlist plan does not include this.", body),
            Advice(
                "Choose one of Cleanlist's paid plans at portal.cleanlist.ai: API access is a feature of those."
            ),
            **common,
        )
    if code == "insufficient_credits":
        return InsufficientCredits(
            "The account has too few credits for this.",
            Advice(
                "Buy credits at portal.cleanlist.ai, or choose fewer rows or the cheapest scope, partial."
            ),
            figures=body.figures,
            **common,
        )
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


def _after_refusal(status: int, body: ErrorBody) -> str:
    if body.retryable:
        return "Wait a moment, then repeat the same call."
    if status in (400, 422):
        said = "field_errors says" if body.fields else "the message says"
        return f"Correct the arguments as {said}, then call again."
    return "Tell the user what the API says; the same call will not succeed before that has changed."


def _with_problem(sentence: str, body: ErrorBody) -> str:
    said = [sentence]
    if body.problem:
        said.append(f"The API says: {body.problem}")
    if body.fix:
        said.append(f"It suggests: {body.fix}")
    return " ".join(said)


def _code(value: Any) -> str:
    """Return an error's code: one word or number, which assistants compare; anything else is none."""
    word = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return word if _is_of(_CODE, word) else ""


def _address(value: Any) -> str | None:
    """A web address and nothing else: it stands beside the message as a place to read on."""
    return value if isinstance(value, str) and len(value) <= 200 and is_public(value) else None


def _request_id(value: Any) -> str | None:
    """Return the id that the vendor's support finds a request by, or None."""
    return value if _is_of(_REQUEST_ID, value) else None


def _is_of(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None and not holds_secret(value)
