"""The refusals of the fake API, in the error shapes that the real one is documented to use."""

import math
import secrets
from typing import Any

DOCS_URL = "https://docs.cleanlist.ai/errors/"


class Problem(Exception):
    """A request that is refused; `body()` is the JSON the caller gets."""

    def __init__(self, status: int, code: str, problem: str, *, fix: str | None = None, **extra: Any) -> None:
        """`extra` goes into the error object as it is: retryable, retry_after_ms, details, …"""
        super().__init__(code)
        self.status = status
        self.code = code
        self.headers: dict[str, str] = {}
        self._error: dict[str, Any] = {"code": code, "problem": problem, "retryable": False}
        if fix is not None:
            self._error["fix"] = fix
        self._error.update(extra)

    def body(self) -> dict[str, Any]:
        """The error envelope, with a request id of its own each time."""
        page = DOCS_URL + self.code.replace("_", "-")
        traced = {"docs_url": page, "request_id": f"req_{secrets.token_hex(8)}"}
        return {"error": {**self._error, **traced}}


class FrameworkProblem(Problem):
    """A refusal that never reached the API's own code: FastAPI's `{"detail": …}`."""

    def __init__(self, status: int, detail: Any) -> None:
        """`detail` is a text, or for 422 a list of `{loc, msg, type}`."""
        super().__init__(status, "framework", str(detail))
        self._detail = detail

    def body(self) -> dict[str, Any]:
        """The framework's own shape."""
        return {"detail": self._detail}


def invalid(problem: str, *, field: str | None = None, fix: str | None = None) -> Problem:
    """A well-formed request that asks for something impossible: 400 `validation_error`."""
    details = {"field": field} if field else {}
    return Problem(400, "validation_error", problem, fix=fix, details=details)


def missing_field(*loc: str) -> FrameworkProblem:
    """The 422 of a required field that is not there; `loc` leads to it."""
    return FrameworkProblem(422, [{"loc": list(loc), "msg": "Field required", "type": "missing"}])


def not_found(what: str) -> Problem:
    """404, the same for what never existed and for what belongs to somebody else."""
    return Problem(404, "not_found", f"{what} not found.", fix="Check the id; it may belong to another key.")


def no_smart_agents(tier: str) -> Problem:
    """Smart agents are on no plan of the sandbox."""
    details = {"feature": "smart_agents", "tier": tier}
    return Problem(403, "feature_gated", "Smart agents are not part of this plan.", details=details)


def too_many_requests(retry_after: float, who: str) -> Problem:
    """429 with the wait in seconds (header, rounded up) and in milliseconds (body)."""
    refusal = Problem(
        429,
        "rate_limited",
        f"Rate limit per {who} reached.",
        fix="Wait, then send the request again.",
        retryable=True,
        retry_after_ms=int(retry_after * 1000),
    )
    refusal.headers["Retry-After"] = str(math.ceil(retry_after))
    return refusal


def insufficient_credits(cost: int, available: int) -> Problem:
    """400 with the three credit figures, whole credits each."""
    return Problem(
        400,
        "insufficient_credits",
        f"This needs {cost} credits and {available} are left.",
        fix="Top up, or choose a cheaper scope.",
        estimated_cost_credits=cost,
        available_credits=available,
        shortfall_credits=cost - available,
        suggested_actions=["top_up", "reduce_scope"],
    )
