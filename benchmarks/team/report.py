"""The table of a point: each figure beside the demand that it has to meet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MOST_PROBLEMS = 5
"""Problems of a point that are shown."""


@dataclass(frozen=True)
class Conditions:
    """The way in which points are played: at reduced length if `quick`, with the chance of a `seed`."""

    quick: bool
    seed: int

    def choose(self, quick: float, full: float) -> float:
        """Return the figure for this length."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Figure:
    """One row: a figure that was measured, in words, and whether it `holds` what was demanded, if anything was."""

    name: str
    value: str
    demand: str = ""
    holds: bool = True


@dataclass
class Report:
    """The figures of one point, and sentences about whatever broke it."""

    point: int
    title: str
    figures: list[Figure] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: str = ""
    own_words: str = ""
    """The output of a command that prints its own figures."""

    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """True if nothing was left out and every figure meets its demand."""
        return not self.left_out and not self.problems and all(figure.holds for figure in self.figures)

    def show(self, name: str, value: object) -> None:
        """Add a figure of which nothing is demanded."""
        self.figures.append(Figure(name, _text(value)))

    def at_least(self, name: str, value: float, least: float, unit: str = "") -> None:
        """Add a figure that has to be `least` or more."""
        self.figures.append(
            Figure(name, f"{_text(value)}{unit}", f"at least {_text(least)}{unit}", value >= least)
        )

    def at_most(self, name: str, value: float, most: float, unit: str = "") -> None:
        """Add a figure that has to be `most` or less."""
        self.figures.append(
            Figure(name, f"{_text(value)}{unit}", f"at most {_text(most)}{unit}", value <= most)
        )

    def none(self, name: str, problems: Iterable[str]) -> None:
        """Add the number of these problems, of which there may be none."""
        found = list(problems)
        self.problems.extend(found)
        self.figures.append(Figure(name, str(len(found)), "none", not found))

    def holds(self, name: str, value: object, *, holds: bool, demand: str) -> None:
        """Add a figure whose demand was checked elsewhere."""
        self.figures.append(Figure(name, _text(value), demand, holds))


def table(report: Report) -> str:
    """Return a report as a heading and a table in Markdown."""
    lines = [f"### {report.point}. {report.title}", ""]
    if report.left_out:
        return "\n".join([*lines, f"Left out: {report.left_out}", ""])
    rows = [(one.name, one.value, one.demand, _word(one)) for one in report.figures]
    lines += _aligned([("figure", "measured", "demanded", ""), *rows])
    if report.own_words:
        lines += ["", "```text", report.own_words, "```"]
    lines += ["", *(f"- {problem}" for problem in report.problems[:MOST_PROBLEMS])]
    if len(report.problems) > MOST_PROBLEMS:
        lines.append(f"- and {len(report.problems) - MOST_PROBLEMS} more")
    lines.append(f"{'Holds' if report.passed else 'BROKEN'}, in {report.seconds:.0f} s.")
    return "\n".join([*lines, ""])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def _word(figure: Figure) -> str:
    if not figure.demand:
        return ""
    return "holds" if figure.holds else "BROKEN"


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
