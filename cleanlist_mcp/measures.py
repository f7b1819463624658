"""Figures about the work as it is done, for whoever watches a service. On a laptop nobody listens, and nothing is kept.

Every label has few values, all of them ours: names of tools, codes of errors, kinds. Nothing that a client or the API
said is ever one, because a watcher keeps each value for good.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure: its name and unit as OpenTelemetry writes them, a sentence about it, and its labels.

    A figure in seconds is a distribution; every other one is a sum that only grows.
    """

    name: str
    unit: str
    about: str
    labels: tuple[str, ...]

    def add(self, amount: float = 1, **labels: str) -> None:
        """Add to the figure, if anybody listens; `labels` are its own, all of them."""
        if _listener is not None:
            _listener(self, amount, labels)


Listener = Callable[[Figure, float, Mapping[str, str]], None]
_listener: Listener | None = None

CALLS = Figure(
    "cleanlist.calls", "{call}", "Requests of clients, by how they ended.", ("method", "tool", "outcome")
)
CALL_SECONDS = Figure("cleanlist.call.duration", "s", "Time to the answer of a request.", ("method", "tool"))
CREDITS = Figure(
    "cleanlist.credits", "{credit}", "Credits reserved, charged and refunded.", ("state", "kind")
)
API_SECONDS = Figure(
    "cleanlist.api.duration", "s", "Time to the answer of the Cleanlist API.", ("method", "outcome")
)
CLAIMS = Figure("cleanlist.claims", "{claim}", "Decisions about spends.", ("decision",))
CLAIM_SECONDS = Figure("cleanlist.claim.wait", "s", "Wait of a spend for its turn at the journal.", ())

FIGURES = (CALLS, CALL_SECONDS, CREDITS, API_SECONDS, CLAIMS, CLAIM_SECONDS)


def listen(listener: Listener | None) -> None:
    """Give every figure to `listener` from now on; to nobody if it is None."""
    global _listener
    _listener = listener


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Return the seconds so far."""
        return time.perf_counter() - self._began
