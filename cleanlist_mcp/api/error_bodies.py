"""The body of an answer that is no success, read as far as it can be.

Shapes (vendor's developer documentation): `{"error": {code, problem, fix, …}}`; also met: FastAPI's
`{"detail": "text"}` and `{"detail": [{loc, msg, type}]}`, and bodies that are no JSON at all. FastAPI can put an
object into `detail` too; it is read like `error`.
"""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from cleanlist_mcp.api.reading import lenient_json
from cleanlist_mcp.links import is_public
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.text import clean

PROBLEM_LIMIT = 200
"""Longest piece of the API's own wording that is passed on, in characters."""

MAX_RETRY_AFTER = 120.0
"""Longest wait that is believed, in seconds: two of the API's windows. Nothing is sent meanwhile, so a longer
wait, which can only be a mistake, must not count."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_CREDIT_FIGURES = ("estimated_cost_credits", "available_credits", "shortfall_credits")


class ErrorBody(BaseModel):
    """One error answer, read as far as it can be.

    `readable` is false for bodies of no known shape, `enveloped` true for those of the API's own.
    """

    model_config = ConfigDict(frozen=True)

    readable: bool = False
    enveloped: bool = False
    code: str = ""
    problem: str = ""
    fix: str = ""
    retryable: bool | None = None
    retry_after: float | None = None
    request_id: str | None = None
    docs_url: str | None = None
    figures: dict[str, Any] = {}
    fields: list[dict[str, str]] = []


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


def word_of(value: Any, limit: int) -> str:
    """Return a text, or a whole number as text; anything else in the place of a word is none."""
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return clean(str(value), limit) if known else ""


def _read_envelope(error: dict[str, Any]) -> ErrorBody:
    details = error.get("details")
    figures = {
        name: error[name]
        for name in _CREDIT_FIGURES
        if isinstance(error.get(name), int) and not isinstance(error.get(name), bool)
    }
    problem = word_of(error.get("problem") or error.get("message"), PROBLEM_LIMIT)
    fields: list[dict[str, str]] = []
    if isinstance(details, dict):
        figures |= _read_scopes(details)
        fields = _read_details(details, problem)
    return ErrorBody(
        readable=True,
        enveloped=True,
        code=_code(error.get("code")),
        problem=problem,
        fix=word_of(error.get("fix"), PROBLEM_LIMIT),
        retryable=error["retryable"] if isinstance(error.get("retryable"), bool) else None,
        retry_after=_milliseconds(error.get("retry_after_ms")),
        request_id=request_id(error.get("request_id")),
        docs_url=_address(error.get("docs_url")),
        figures=figures,
        fields=fields,
    )


def _read_scopes(details: dict[str, Any]) -> dict[str, list[str]]:
    """Return the required and granted permissions, under either of two names: the documentation names none."""
    scopes = {}
    for name in ("required", "granted"):
        value = details.get(f"{name}_scopes", details.get(name))
        items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        words = [word for word in (word_of(item, 60) for item in items[:30]) if word]
        if words:
            scopes[f"{name}_scopes"] = words
    return scopes


def _read_details(details: dict[str, Any], problem: str) -> list[dict[str, str]]:
    """Return the fields that an envelope's details name: one by its name, or a list as the web framework writes it."""
    if field := word_of(details.get("field"), 80):
        return [{"field": field, "problem": problem}]
    errors = details.get("errors")
    return _read_fields(errors) if isinstance(errors, list) else []


def _read_fields(items: list[Any]) -> list[dict[str, str]]:
    return [_read_field(item) for item in items[:20] if isinstance(item, dict)]


def _read_field(item: dict[str, Any]) -> dict[str, str]:
    location = item.get("loc")
    path = [word_of(part, 80) for part in location if part != "body"] if isinstance(location, list) else []
    return {"field": clean(".".join(path), 80), "problem": word_of(item.get("msg"), PROBLEM_LIMIT)}


def _milliseconds(value: Any) -> float | None:
    """Return the seconds of a number of milliseconds, up to the longest wait that is believed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return min(value, MAX_RETRY_AFTER * 1000) / 1000


def _code(value: Any) -> str:
    """Return an error's code: one word or number, which assistants compare; anything else is none."""
    word = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return word if _is_of(_CODE, word) else ""


def _address(value: Any) -> str | None:
    """Return a public web address and nothing else: it stands beside the message as a place to read on."""
    return value if isinstance(value, str) and len(value) <= 200 and is_public(value) else None


def request_id(value: Any) -> str | None:
    """Return the id that the vendor's support finds a request by, or None."""
    return value if _is_of(_REQUEST_ID, value) else None


def _is_of(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None and not holds_secret(value)
