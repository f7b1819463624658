"""Decisions: does a call start a run, return a known one, or wait? Pure, the clock an argument.

The journal calls these rules inside the transaction that writes the intent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Run, State, state_at
from cleanlist_mcp.people.likeness import Basis

UNCERTAIN_HOLD = 900.0
"""Seconds that an uncertain run blocks the same work: by then the API has long finished or never began."""

Action = Literal["start", "replay", "wait", "resend", "unknown", "busy"]


@dataclass(frozen=True)
class Decision:
    """What to do about a request to spend.

    `start` a new run; `replay` the run that is known; `wait` for one that is being started right now;
    `resend` the same single-use quote of an uncertain list run; `unknown`, because its outcome is; `busy`,
    because the same list and scope is being run under another quote. `basis` says by what a person was recognised,
    `teaches` that the request says more about the person than was known, and `first_of_key` that runs were started
    here before, with other API keys alone.
    """

    action: Action
    run: Run | None = None
    basis: Basis | None = None
    teaches: bool = False
    first_of_key: bool = False


def decide_person(runs: Sequence[Run], *, again: bool, now: float) -> Decision:
    """What to do about a person, given the unrefused runs of the same person, type and list, newest first."""
    run = _foremost(runs, now)
    if run is None:
        return Decision("start")
    state = state_at(run, now)
    if state == "starting":
        return Decision("wait", run)
    if state == "uncertain":
        held = now - run.started_at < UNCERTAIN_HOLD
        return Decision("start") if again and not held else Decision("unknown", run)
    if state == "running":
        return Decision("replay", run)
    recent = now - (run.finished_at or run.started_at) <= DAY
    return Decision("replay", run) if recent and not again else Decision("start")


def decide_list(same_quote: Run | None, same_work: Sequence[Run], *, now: float) -> Decision:
    """What to do about a list, given the run of this very quote and those of the same list and scope, newest
    first."""
    if same_quote is not None:
        return Decision(_OF_SAME_QUOTE.get(state_at(same_quote, now), "replay"), same_quote)
    run = _foremost(same_work, now)
    if run is None:
        return Decision("start")
    state = state_at(run, now)
    if state in ("starting", "running"):
        return Decision("busy", run)
    if state == "uncertain" and now - run.started_at < UNCERTAIN_HOLD:
        return Decision("unknown", run)
    return Decision("start")


_OF_SAME_QUOTE: Mapping[State, Action] = {"starting": "wait", "uncertain": "resend"}


def _foremost(runs: Sequence[Run], now: float) -> Run | None:
    """The run that decides: one that goes on, or else the newest. A late answer can wake an older one."""
    for state in ("running", "starting"):
        for run in runs:
            if state_at(run, now) == state:
                return run
    return runs[0] if runs else None
