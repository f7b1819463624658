"""The points by name, in the order in which they are played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.team import (
    canary,
    cancelling,
    database_death,
    dialogs,
    one_sign_in,
    rolling,
    start_time,
    storm,
    unsafe_starts,
)
from benchmarks.team.elsewhere import benchmark, tests
from benchmarks.team.report import Conditions, Report

Play = Callable[[Conditions], Awaitable[Report]]


@dataclass(frozen=True)
class Point:
    """One of the fourteen, or a part of one.

    Those that mostly wait are played `beside` the ones after them, up to one that has to be `alone`.
    `--quick all` leaves out those that are `in_suite`, whose tests or script CI plays anyway, and those that are
    `figures`: a ratio of times says little about a machine that others use too, and must not turn a change down.
    """

    play: Play
    beside: bool = False
    alone: bool = False
    in_suite: bool = False
    figures: bool = False


POINTS: dict[str, Point] = {
    "at-most-once": Point(storm.play, alone=True),
    "database-death": Point(database_death.play, beside=True),
    "canary": Point(canary.play, beside=True),
    "one-key": Point(
        benchmark(5, "One key in many hands", "-m", "benchmarks.team_budget", quick=("--quick",)), beside=True
    ),
    "cancelling": Point(cancelling.play),
    "dialogs": Point(dialogs.play),
    "sign-in": Point(one_sign_in.play),
    "unsafe-starts": Point(unsafe_starts.play),
    "rolling": Point(rolling.play, alone=True),
    "isolation": Point(
        tests(4, "Nothing of one key is seen by another", "test_isolation", "test_journal_tenants"),
        alone=True,
        in_suite=True,
    ),
    "raw-http": Point(tests(8, "The raw HTTP matrix", "test_service_raw"), in_suite=True),
    "fairness": Point(
        benchmark(10, "Fairness, and the memory of a thousand keys", "-m", "benchmarks.service"),
        alone=True,
        figures=True,
    ),
    "throughput": Point(
        benchmark(
            11,
            "Calls a second beside the bare SDK's server",
            *("-m", "benchmarks.service", "--throughput"),
            program="wrk",
        ),
        alone=True,
        figures=True,
    ),
    "claims": Point(
        benchmark(11, "Claims a second", "-m", "benchmarks.team_journal", quick=("--runs", "10000")),
        alone=True,
        figures=True,
    ),
    "conformance": Point(
        benchmark(12, "The protocol's own conformance suite", "scripts/conformance"), in_suite=True
    ),
    "start-time": Point(start_time.play, alone=True, figures=True),
}
