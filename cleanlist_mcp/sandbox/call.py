"""One request on its way through the sandbox, and the answer with its envelope."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from cleanlist_mcp.sandbox.accounts import ApiKey
from cleanlist_mcp.sandbox.cohorts import Cohort
from cleanlist_mcp.sandbox.lists import LeadList
from cleanlist_mcp.sandbox.problems import FrameworkProblem
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, Sandbox
from cleanlist_mcp.sandbox.unkindness import Version


@dataclass(frozen=True)
class Call:
    """A request that was let in: who asks for what. `origin` is scheme and host as they reached us."""

    sandbox: Sandbox
    key: ApiKey
    version: Version
    origin: str
    path: dict[str, str]
    query: QueryParams
    body: Any
    now: float

    @property
    def organization_id(self) -> str:
        """The id of the caller's organization."""
        return self.key.organization.organization_id

    def cohort(self, task_id: str) -> Cohort:
        """Return the cohort behind a handle of the caller's organization, or raise 404."""
        return self.sandbox.cohorts.find(self.organization_id, task_id, self.now)

    def lead_list(self) -> LeadList:
        """Return the list that the path names, or raise 404."""
        return self.sandbox.lists.get(self.key, self.path["list_id"])

    def status_url(self, workflow_id: str) -> str:
        """Return the address where a run is polled."""
        return f"{self.origin}{PUBLIC_PREFIX}/enrichment/status/{workflow_id}"

    def whole_number(self, name: str, default: int, *, at_most: int) -> int:
        """Return a query parameter from 1 to `at_most`, or raise FastAPI's 422."""
        text = self.query.get(name)
        if text is None:
            return default
        try:
            number = int(text)
        except ValueError as error:
            raise _query_problem(name, "Input should be a valid integer", "int_parsing") from error
        if number < 1:
            raise _query_problem(name, "Input should be at least 1", "greater_than_equal")
        if number > at_most:
            raise _query_problem(name, f"Input should be at most {at_most}", "less_than_equal")
        return number

    def word(self, name: str, default: str, *, of: Collection[str]) -> str:
        """Return a query parameter that is one of a few words, or raise FastAPI's 422."""
        text = self.query.get(name, default)
        if text not in of:
            raise _query_problem(name, f"Input should be {' or '.join(map(repr, of))}", "enum")
        return text


@dataclass(frozen=True)
class Reply:
    """An answer, as JSON. `wait` seconds pass first, then `finish` is called."""

    data: dict[str, Any]
    status: int = 200
    wait: float = 0.0
    finish: Callable[[], None] | None = None


def reply(
    call: Call,
    data: dict[str, Any],
    *,
    status: int = 200,
    task_id: str | None = None,
    instructions: str | None = None,
    message: str | None = None,
) -> Reply:
    """Return an answer with the envelope fields that most entities carry; they are null most of the time."""
    envelope = {
        "task_id": task_id,
        "timestamp_ms": int(call.now * 1000),
        "agent_instructions": instructions,
        "usage": None,
        "message": message,
    }
    return Reply({**envelope, **data}, status)


def bare(data: dict[str, Any]) -> Reply:
    """Return an answer of the kinds that carry no envelope in the vendor's schema."""
    return Reply(data)


def _query_problem(name: str, message: str, kind: str) -> FrameworkProblem:
    return FrameworkProblem(422, [{"loc": ["query", name], "msg": message, "type": kind}])
