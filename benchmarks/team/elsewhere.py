"""Points that tests and other benchmarks hold: their commands are run, and their own last words shown."""

import re
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from benchmarks.team.report import Conditions, Report

ROOT = Path(__file__).resolve().parents[2]
LAST_LINES = 6
"""Lines at the end of a command that are shown if it fails."""

Play = Callable[[Conditions], Awaitable[Report]]


@dataclass(frozen=True)
class Command:
    """A command of this project for the interpreter that runs us: the words after `python`.

    `quick` are further words at reduced length; without the `program` of that name it cannot be played.
    """

    point: int
    title: str
    words: Sequence[str]
    quick: Sequence[str] = ()
    program: str = ""


def tests(point: int, title: str, *files: str) -> Play:
    """Return a point that a few test files hold."""
    words = ("-m", "pytest", "-q", "-n", "2", "-m", "not npm", *(f"tests/{name}.py" for name in files))
    return partial(_play, Command(point, title, words), _counted)


def benchmark(point: int, title: str, *words: str, quick: Sequence[str] = (), program: str = "") -> Play:
    """Return a point that another benchmark or script holds, which prints its own figures."""
    return partial(_play, Command(point, title, words, quick, program), _told)


Read = Callable[[Report, str], None]


async def _play(command: Command, read: Read, conditions: Conditions) -> Report:
    report = Report(command.point, command.title)
    words = [*command.words, *(command.quick if conditions.quick else ())]
    missing = [word for word in words if word.endswith(".py") and not (ROOT / word).exists()]
    if missing:
        report.left_out = f"{', '.join(missing)} is not there."
        return report
    if command.program and shutil.which(command.program) is None:
        report.left_out = f"{command.program} is not installed."
        return report
    ended = await anyio.run_process([sys.executable, *words], cwd=ROOT, check=False)
    output, errors = (stream.decode(errors="replace") for stream in (ended.stdout, ended.stderr))
    report.holds("command", f"python {' '.join(words)}", holds=ended.returncode == 0, demand="exit status 0")
    if ended.returncode:
        report.problems.extend((output + errors).strip().splitlines()[-LAST_LINES:])
    read(report, output)
    return report


def _counted(report: Report, output: str) -> None:
    """Add how many tests passed, of which there has to be one at least."""
    found = re.search(r"(\d+) passed", output)
    report.at_least("tests that passed", int(found.group(1)) if found else 0, 1)
    skipped = re.search(r"(\d+) skipped", output)
    if skipped:
        report.show("tests that were skipped", skipped.group(1))


def _told(report: Report, output: str) -> None:
    """Add the command's own table."""
    report.own_words = output.strip()
