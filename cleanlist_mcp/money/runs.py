"""Runs as the journal knows them, and their states on a clock that may have been set. Times are epoch seconds."""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from cleanlist_mcp.money.prices import Kind, Scope
from cleanlist_mcp.money.quotes import CLOCK_TOLERANCE, Quote

State = Literal["starting", "uncertain", "running", "finished", "refused"]

STOPPED_STATUSES = frozenset({"failed", "cancelled", "canceled", "terminated", "timed_out"})
"""The API's words for a run that ended before its work was done."""


LABEL_LENGTH = 60
"""Most characters of a run's label; one of so many may have been cut."""


@dataclass(frozen=True)
class Run:
    """One entry of the journal. `reserved` is the most it can cost; the settled figures are None until known.

    `state` is as far as it is known here: `starting` (the request may be under way until `in_flight_until`),
    `uncertain` (its answer was lost), `running`, `finished`, or `refused` (certainly nothing was started). `attempt`
    numbers the requests that were sent for it: only the newest one may settle it. `report` holds the figures at the
    end of a list run, `list_now` those of its list then: empty if that could not be counted. `is_part` is true for
    a run over picked rows of a list. One that is not `is_own` is a colleague's: no answer shows more of it than its id.
    """

    run_id: int
    kind: Kind
    state: State
    scope: Scope
    label: str
    reserved: int
    started_at: float
    in_flight_until: float
    list_id: str = ""
    list_name: str = ""
    quote_id: str | None = None
    quoted: int | None = None
    attempt: int = 1
    workflow_id: str | None = None
    status: str = "pending"
    charged: int | None = None
    refunded: int | None = None
    finished_at: float | None = None
    report: dict[str, Any] | None = None
    list_now: dict[str, Any] | None = None
    is_part: bool = False
    is_own: bool = True

    @property
    def settled_report(self) -> dict[str, Any] | None:
        """The report of a list run about which nothing will change; None while a refund is under review."""
        return self.report if self.state == "finished" and self.charged is not None else None


@dataclass(frozen=True)
class Moment:
    """One look at the clocks: `time` in epoch seconds, and `ticks`, the seconds since the start of the machine that
    `boot` names, which nobody can set."""

    time: float
    boot: str
    ticks: float


class Stamps(NamedTuple):
    """Begin and end of a run, in seconds since the start of the machine that `boot` names."""

    boot: str
    ticks: float
    finished_ticks: float | None


def on_this_clock(run: Run, seen: Stamps, now: Moment) -> Run:
    """Return `run` with its times as the clock shows them now, however often it was set since."""
    if seen.boot != now.boot:
        return run
    started_at = now.time - (now.ticks - seen.ticks)
    shift = started_at - run.started_at
    if abs(shift) <= CLOCK_TOLERANCE:
        return run
    ended = seen.finished_ticks
    return replace(
        run,
        started_at=started_at,
        in_flight_until=run.in_flight_until + shift,
        finished_at=run.finished_at if ended is None else now.time - (now.ticks - ended),
    )


def state_at(run: Run, now: float) -> State:
    """Return the run's state; a request that should have ended long ago counts as uncertain.

    So does one that seems to have left in the future: the clock was set back, and its age is not known.
    """
    under_way = run.started_at - CLOCK_TOLERANCE <= now <= run.in_flight_until
    return "uncertain" if run.state == "starting" and not under_way else run.state


def may_send(run: Run, quote: Quote, now: float) -> bool:
    """Return whether a call that names `quote` may send it although it started `run`: to learn what became of that, or
    anew, if the request that is under way is refused."""
    return state_at(run, now) in ("starting", "uncertain") and now <= quote.expires_at + CLOCK_TOLERANCE
