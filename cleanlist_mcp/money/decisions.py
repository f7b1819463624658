"""Decisions: does a call start a run, return a known one, or wait? Pure, the clock an argument.

The journal asks these rules inside the claim that writes the intent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Run, state_at
from cleanlist_mcp.people.marks import Basis

UNCERTAIN_HOLD = 900.0
"""Seconds that an uncertain run blocks the same work: by then the API has long finished or never began."""


@dataclass(frozen=True)
class Start:
    """A new run, whose intent is written. `first_of_key` is true if only other API keys started runs here before."""

    run: Run
    first_of_key: bool = False


@dataclass(frozen=True)
class Replay:
    """A known run to return; `basis` names what its person was recognised by."""

    run: Run
    basis: Basis | None = None


@dataclass(frozen=True)
class Wait:
    """A run that another call is starting right now."""

    run: Run
    basis: Basis | None = None


@dataclass(frozen=True)
class Resend:
    """An uncertain list run whose single-use quote may be sent once more: it cannot start twice."""

    run: Run


@dataclass(frozen=True)
class Unknown:
    """A run whose outcome nobody here knows, so that nothing more is sent."""

    run: Run
    basis: Basis | None = None


@dataclass(frozen=True)
class Busy:
    """A run of the same list that goes on under another quote and looks for the same."""

    run: Run


@dataclass(frozen=True)
class Outdated:
    """A run of the same list that looked for the same and was started, or went on, after the quote's rows were
    looked at: the quote could buy a row a second time."""

    run: Run


PersonDecision = Start | Replay | Wait | Unknown
Known = Replay | Wait | Resend | Unknown | Busy | Outdated
"""Runs that stand in the way of a new one over a list."""

ListDecision = Start | Known


def decide_person(runs: Sequence[Run], *, again: bool, now: float) -> Replay | Wait | Unknown | None:
    """Return what to do about a person or company; None if nothing known stands in the way of a new run.

    `runs` are the unrefused runs of the same person or company, scope and list, newest first.
    """
    run = _foremost(runs, now)
    if run is None:
        return None
    match state_at(run, now):
        case "starting":
            return Wait(run)
        case "running":
            return Replay(run)
        case "uncertain":
            held = now - run.started_at < UNCERTAIN_HOLD
            return None if again and not held else Unknown(run)
        case "finished" | "refused":
            recent = now - (run.finished_at or run.started_at) <= DAY
            return Replay(run) if recent and not again else None


def decide_list(
    same_quote: Run | None, same_work: Sequence[Run], *, after_run: int | None = None, now: float
) -> Known | None:
    """Return what to do about a list; None if nothing known stands in the way of a new run.

    `same_quote` is the run of this very quote. `same_work` are runs of the same list that look for the same, newest
    first: the newest and all that go on, at least. One with a number above `after_run` makes the quote worthless.
    """
    if same_quote is not None:
        return _of_same_quote(same_quote, now)
    run = _foremost(same_work, now)
    if run is None:
        return None
    if state_at(run, now) in ("starting", "running"):
        return Busy(run)
    # Not only the newest: runs of two scopes that look for different things may go on at the same time.
    held = next((one for one in same_work if _is_held(one, now)), None)
    if held is not None:
        return Unknown(held)
    newest = max(same_work, key=lambda one: one.run_id)
    return Outdated(newest) if after_run is not None and newest.run_id > after_run else None


def newest_settled(same_work: Sequence[Run], *, now: float) -> int:
    """Return the number of the newest run such that it and all before it have ended; 0 if there is none.

    A quote that is issued now is good as long as no run with a greater number is known. An uncertain run counts as
    ended once it blocks nothing any more.
    """
    open_ones = [run.run_id for run in same_work if _is_open(run, now)]
    newest = max((run.run_id for run in same_work), default=0)
    return min(newest, *(number - 1 for number in open_ones)) if open_ones else newest


def _is_open(run: Run, now: float) -> bool:
    return _is_held(run, now) or state_at(run, now) in ("starting", "running")


def _is_held(run: Run, now: float) -> bool:
    """Return whether an uncertain run blocks the same work still."""
    return state_at(run, now) == "uncertain" and now - run.started_at < UNCERTAIN_HOLD


def _of_same_quote(run: Run, now: float) -> Replay | Wait | Resend:
    match state_at(run, now):
        case "starting":
            return Wait(run)
        case "uncertain":
            return Resend(run)
        case "running" | "finished" | "refused":
            return Replay(run)


def _foremost(runs: Sequence[Run], now: float) -> Run | None:
    """Return the run that decides: one that goes on, or else the newest. A late answer can wake an older one."""
    for state in ("running", "starting"):
        for run in runs:
            if state_at(run, now) == state:
                return run
    return runs[0] if runs else None
