"""One request as it passed the door: who sends it, what it asks for, and what its client declared."""

from dataclasses import dataclass
from typing import Any

from mcp.server import ServerRequestContext
from starlette.types import Scope

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.server.http.narrowing import Narrowing
from cleanlist_mcp.server.http.sessions import Session

_PLACE = "cleanlist_mcp.arrival"


@dataclass(frozen=True)
class Arrival:
    """The facts about a request that its call needs; `address` is the peer's, a proxy's if there is one.

    `session` is None for a client that declares itself in each request, or never shook hands.
    """

    caller: Caller
    address: str
    narrowing: Narrowing
    session: Session | None


def noted(scope: Scope, arrival: Arrival) -> None:
    """Keep the arrival with its request."""
    scope[_PLACE] = arrival


def arrival_of(ctx: ServerRequestContext[Any, Any]) -> Arrival:
    """Return the arrival of the request that a message came in."""
    if ctx.request is None:
        raise LookupError("a message that came in no HTTP request")
    arrival: Arrival = ctx.request.scope[_PLACE]
    return arrival
