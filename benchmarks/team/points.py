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
    """One of the fourteen. One that mostly waits is played `beside` those after it.

    `--quick all` leaves out those that are `in_suite`: CI plays their tests or their script anyway.
    """

    play: Play
    beside: bool = False
    in_suite: bool = False


POINTS: dict[str, Point] = {
    "at-most-once": Point(storm.play),
    "database-death": Point(database_death.play),
    "cancelling": Point(cancelling.play),
    "isolation": Point(
        tests(4, "Nothing of one key is seen by another", "test_isolation", "test_journal_tenants"),
        in_suite=True,
    ),
    "raw-http": Point(tests(8, "The raw HTTP matrix", "test_service_raw"), in_suite=True),
    "canary": Point(canary.play),
    "fairness": Point(
        benchmark(10, "Fairness, and the memory of a thousand keys", "-m", "benchmarks.service")
    ),
    "throughput": Point(
        benchmark(
            11,
            "Calls a second beside the bare SDK's server",
            *("-m", "benchmarks.service", "--throughput"),
            program="wrk",
        )
    ),
    "claims": Point(
        benchmark(11, "Claims a second", "-m", "benchmarks.team_journal", quick=("--runs", "50000"))
    ),
    "conformance": Point(
        benchmark(12, "The protocol's own conformance suite", "scripts/conformance"), in_suite=True
    ),
    "start-time": Point(start_time.play),
    "unsafe-starts": Point(unsafe_starts.play),
    # From here on there is more waiting than work.
    "one-key": Point(
        benchmark(5, "One key in many hands", "-m", "benchmarks.team_budget", quick=("--quick",)), beside=True
    ),
    "rolling": Point(rolling.play),
    "dialogs": Point(dialogs.play),
    "sign-in": Point(one_sign_in.play),
}
