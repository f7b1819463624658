"""The judge: what the API's own ledger says about runs that started. Pure functions over it."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cleanlist_mcp.sandbox.people import texts
from cleanlist_mcp.sandbox.workflows import Run

_TOKEN = re.compile(r"quill[a-z]{6}")
"""The word in everything by which a person of these proofs can be named."""

MAY_HAVE_STARTED = frozenset({"outcome_unknown", "run_in_progress"})
"""Errors by which the journal says that the work may have started."""


@dataclass(frozen=True)
class Start:
    """A run that really started, as the ledger has it.

    `work` is what must not be paid twice: the key that paid, person and scope, or the quote. `place` is the
    list and scope of a quoted run, empty for others. `holds` credits are set aside from `at` until `ended_at`, epoch
    seconds, and `charged` stay; `organization` pays.
    """

    workflow_id: str
    key: str
    organization: str
    work: str
    place: str
    at: float
    ended_at: float
    holds: int
    charged: int


def token_of(number: int) -> str:
    """Return the word of a person, another for each number below 20 ** 6.

    Neighbours have nothing in common: words that differ in one letter could be one that was mistyped.
    """
    letters = "bcdfghjklmnpqrstvwxz"
    number = number * 2_654_435_761 % len(letters) ** 6
    word = ""
    for _ in range(6):
        number, digit = divmod(number, len(letters))
        word += letters[digit]
    return f"quill{word}"


def starts_of(runs: Iterable[Run]) -> list[Start]:
    """Return the starts that a sandbox's runs are."""
    return [_start(run) for run in runs]


def _start(run: Run) -> Start:
    return Start(
        workflow_id=run.workflow_id,
        key=run.key.label,
        organization=run.key.organization.organization_id,
        work=_work(run),
        place="" if run.quote_id is None else f"{run.list_id} {run.scope}",
        at=run.started_at,
        ended_at=run.started_at + run.duration,
        holds=run.credits_reserved,
        charged=run.credits_charged if run.finished else run.credits_reserved,
    )


def _work(run: Run) -> str:
    if run.quote_id is not None:
        return f"quote {run.quote_id}"
    found = _TOKEN.search(" ".join(text.casefold() for text in texts(run.people[0]) if text))
    who = found.group() if found else run.workflow_id
    return f"{run.key.label} {who} {run.scope}"


def started_twice(starts: Iterable[Start]) -> list[str]:
    """Return a sentence for each work that started more than once."""
    counts = Counter(start.work for start in starts)
    return [f"{work} was started {count} times" for work, count in sorted(counts.items()) if count > 1]


def bought_at_once(starts: Iterable[Start]) -> list[str]:
    """Return a sentence for each quoted run that started while another one over the same list and scope went on."""
    quoted = sorted((start for start in starts if start.place), key=lambda start: start.at)
    return [
        f"{later.workflow_id} started while {earlier.workflow_id} went on over {later.place}"
        for at, later in enumerate(quoted)
        for earlier in quoted[:at]
        if earlier.place == later.place and later.at < earlier.ended_at
    ]


def peaks(starts: Iterable[Start], by: Callable[[Start], str], window: float) -> dict[str, int]:
    """Return by payer the most credits that counted at any moment: set aside or charged for what had started in the
    `window` seconds before."""
    mine: dict[str, list[Start]] = defaultdict(list)
    for start in starts:
        mine[by(start)].append(start)
    return {payer: max(_counted(ones, now.at, window) for now in ones) for payer, ones in mine.items()}


def _counted(starts: Sequence[Start], now: float, window: float) -> int:
    lately = [start for start in starts if now - window < start.at <= now]
    return sum(start.charged if start.ended_at <= now else start.holds for start in lately)


def over_limit(counted: dict[str, int], limit: int) -> list[str]:
    """Return a sentence for each payer who was over the limit."""
    return [
        f"{payer} had {most} credits counted at once, the limit is {limit}"
        for payer, most in sorted(counted.items())
        if most > limit
    ]


def name_of_work(start: Start) -> str:
    """Return the name under which the work of a start is asked for again: its quote, or its key and person."""
    return start.work if start.place else " ".join(start.work.split(" ")[:2])


def unknown_to_journal(starts: Iterable[Start], answers: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return a sentence for each start whose work, asked for again, was answered neither by that run nor as unknown.

    `answers` has the workflow id and the error's code by the work's name, each empty if there is none.
    """
    problems = []
    for start in starts:
        workflow_id, code = answers.get(name_of_work(start), ("", "no answer"))
        if workflow_id != start.workflow_id and code not in MAY_HAVE_STARTED:
            problems.append(f"{start.workflow_id} of {start.work} is not known: {workflow_id or code}")
    return problems
