"""The command line: `python -m benchmarks.team [--quick] [--seed N] [--write] NAME ... | all`."""

import argparse
import sys
import time
import traceback
from collections.abc import Iterable, Sequence

import anyio

from benchmarks.team import page
from benchmarks.team.database import NoPostgres
from benchmarks.team.points import POINTS, Point
from benchmarks.team.report import Conditions, Report, table


def main(words: Sequence[str]) -> int:
    """Play the points that are named, and return the exit status: 0 if none of them is broken."""
    options = arguments(words)
    names = options.names
    if names == ["all"]:
        left_out = [name for name, point in POINTS.items() if point.in_suite or point.figures]
        names = [name for name in POINTS if not (options.quick and name in left_out)]
    conditions = Conditions(options.quick, options.seed)
    reports = anyio.run(played, names, conditions)
    last = last_line(conditions, reports)
    print(last)
    if options.write:
        page.write([*map(table, reports), last])
    return 0 if all(report.passed or report.left_out for report in reports) else 1


async def played(names: Sequence[str], conditions: Conditions) -> list[Report]:
    """Play points one after the other, some beside those after them, and print each when it is over."""
    reports: dict[str, Report] = {}

    async def play(name: str) -> None:
        began = time.monotonic()
        print(f"-- {name}", file=sys.stderr, flush=True)
        reports[name] = await _whatever_happens(POINTS[name], conditions)
        reports[name].seconds = time.monotonic() - began
        print(table(reports[name]), flush=True)

    for beside, others in grouped(names):
        async with anyio.create_task_group() as tasks:
            for name in beside:
                tasks.start_soon(play, name)
            for name in others:
                await play(name)
    return sorted(reports.values(), key=lambda report: report.point)


def grouped(names: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Return the points in groups: each has those beside the others of it, which follow one another."""
    groups: list[tuple[list[str], list[str]]] = []
    for name in names:
        point = POINTS[name]
        if point.alone or not groups or (point.beside and groups[-1][1]):
            groups.append(([], []))
        groups[-1][0 if point.beside else 1].append(name)
    return groups


async def _whatever_happens(point: Point, conditions: Conditions) -> Report:
    """Play a point; one that could not be played is broken, and the others are played all the same."""
    try:
        return await point.play(conditions)
    except Exception as exc:
        traceback.print_exc()
        return Report(0, "A point that could not be played", problems=[repr(exc)[:2_000]])


def last_line(conditions: Conditions, reports: Sequence[Report]) -> str:
    """Return how many points hold, and which do not."""
    held = sum(report.passed for report in reports)
    left_out = _numbers(report for report in reports if report.left_out)
    broken = _numbers(report for report in reports if not report.passed and not report.left_out)
    words = [f"broken: {broken or 'none'}", *([f"left out: {left_out}"] if left_out else [])]
    length = "reduced length" if conditions.quick else "full length"
    return f"{held} of {len(reports)} parts hold at {length}, seed {conditions.seed}; {'; '.join(words)}."


def _numbers(reports: Iterable[Report]) -> str:
    return ", ".join(f"{report.point} ({report.title})" for report in reports)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.team", description="Prove what a team is promised."
    )
    parser.add_argument(
        "names", nargs="+", choices=[*POINTS, "all"], metavar="NAME", help=", ".join([*POINTS, "all"])
    )
    parser.add_argument("--quick", action="store_true", help="at reduced length, as in .ci/run")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 10_000, help="plays the same chances again"
    )
    parser.add_argument("--write", action="store_true", help="put the output into docs/teams.md")
    return parser.parse_args(words)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoPostgres as exc:
        sys.exit(f"{exc}")
