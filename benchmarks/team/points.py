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
    """One of the fourteen. Some mostly wait, and are played `beside` the others."""

    play: Play
    beside: bool = False


POINTS: dict[str, Point] = {
    "at-most-once": Point(storm.play),
    "database-death": Point(database_death.play),
    "cancelling": Point(cancelling.play),
    "isolation": Point(tests(4, "Nothing of one key is seen by another", "test_isolation")),
    "one-key": Point(
        benchmark(5, "One key in many hands", "-m", "benchmarks.team_budget", quick=("--quick",)), beside=True
    ),
    "rolling": Point(rolling.play),
    "dialogs": Point(dialogs.play),
    "sign-in": Point(one_sign_in.play),
    "raw-http": Point(tests(8, "The raw HTTP matrix", "test_service_raw")),
    "canary": Point(canary.play),
    "service": Point(
        benchmark(10, "Fairness and throughput (10 and 11)", "-m", "benchmarks.service", quick=("--quick",))
    ),
    "conformance": Point(benchmark(12, "The protocol's own conformance suite", "scripts/conformance")),
    "start-time": Point(start_time.play),
    "unsafe-starts": Point(unsafe_starts.play),
}
