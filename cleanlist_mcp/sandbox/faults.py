"""Misbehaviour on request: which call goes wrong next, and how.

Kinds that end in `_after`, and `unreadable` and `truncated`, do the work (a run starts, credits are
reserved) and then spoil the answer. So do `sent_twice`, a gateway that sends the request once more and
returns the second answer, and `earlier_answer`, one that returns the answer to the first paid request of
all. The other kinds spoil it before any work is done, unless `after=True` is given. Over loopback HTTP the
connection has been accepted before the path is known, so `refused` is a reset there; in process it is a
refused connection.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Kind = Literal[
    "refused",
    "rate_limited",
    "unavailable",
    "server_error",
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "unreadable",
    "truncated",
    "bad_gateway",
    "sent_twice",
    "earlier_answer",
    "slow",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_DROPS = {"refused", "reset_before", "reset_after"}
_HANGS = {"hang_before", "hang_after"}
_AFTER_THE_WORK = {"reset_after", "hang_after", "unreadable", "truncated", "sent_twice", "earlier_answer"}


class ConnectionDropped(Exception):
    """The in-process form of a lost connection; `refused` says that none came about."""

    def __init__(self, *, refused: bool) -> None:
        """`refused`: the request never left, so the work was certainly not done."""
        super().__init__("connection refused" if refused else "connection reset")
        self.refused = refused


@dataclass
class Fault:
    """One arranged fault: `times` requests that match `method` and `path` go wrong as `kind` says.

    `path` is a shell-style pattern without the API prefix, such as `/enrichment/status/*`. `delay`
    (seconds) is for `slow`, `retry_after` (seconds) for `rate_limited` and `unavailable`; `names_run` puts the id of
    the run into the answer of `sent_twice`.
    """

    kind: Kind
    method: str = "*"
    path: str = "*"
    times: int = 1
    delay: float = 0.0
    after: bool = False
    retry_after: float = 1.0
    retryable: bool = True
    names_run: bool = False

    @property
    def works_first(self) -> bool:
        """True if the request is carried out before its answer is spoilt."""
        return self.after or self.kind in _AFTER_THE_WORK

    @property
    def drops(self) -> bool:
        """True if the connection ends without an answer."""
        return self.kind in _DROPS

    @property
    def hangs(self) -> bool:
        """True if the answer never comes."""
        return self.kind in _HANGS

    @property
    def loses_answer(self) -> bool:
        """True if nothing at all comes back."""
        return self.drops or self.hangs

    def matches(self, method: str, path: str) -> bool:
        """Return True if this fault is meant for the request."""
        return self.method in ("*", method) and fnmatchcase(path, self.path)


class Faults:
    """The faults still to come, in the order in which they were arranged."""

    def __init__(self) -> None:
        """Nothing goes wrong until something is arranged."""
        self.pending: list[Fault] = []

    def next(self, route: str, kind: Kind, *, times: int = 1, **options: Any) -> Fault:
        """Arrange a fault for the next `times` requests to `route` and return it.

        `route` is `"POST /enrichment/bulk"`, `"GET /enrichment/status/*"`, a path alone for any
        method, or `"*"`. `options` are the other fields of `Fault`. Raises ValueError for a kind
        or a number of times that does not exist.
        """
        if kind not in KINDS or times < 1:
            raise ValueError(f"no such fault: {kind!r} x {times}; kinds are {', '.join(KINDS)}")
        method, _, path = route.rpartition(" ")
        fault = Fault(kind, method=method or "*", path=path, times=times, **options)
        self.pending.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up by one, or None when it may succeed."""
        for fault in self.pending:
            if fault.matches(method, path):
                fault.times -= 1
                if fault.times == 0:
                    self.pending.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Forget everything that was arranged."""
        self.pending.clear()
