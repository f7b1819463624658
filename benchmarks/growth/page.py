"""The tables of growth, the pictures that are drawn from them, and their places in docs/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.growth.drawing import Chart, drawn

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "performance.md"
BEGIN, END = "<!-- growth -->", "<!-- /growth -->"


@dataclass(frozen=True)
class Topic:
    """A thing that grows, and how it is shown: `rows` are those of its table; of these, `curves` are drawn, with the
    short name that stands at the end of each. `thing` heads the sizes."""

    name: str
    title: str
    about: str
    thing: str
    up: str
    rows: Sequence[str]
    curves: Mapping[str, str]

    @property
    def picture(self) -> str:
        """The name of its picture's file."""
        return f"growth-{self.name}.svg"


@dataclass
class Grown:
    """The figures of a topic: those of each row, by the size at which they were taken."""

    topic: Topic
    figures: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def add(self, row: str, size: int, *figures: float) -> None:
        """Add figures to a row of the table."""
        if row not in self.topic.rows:
            raise KeyError(row)
        self.figures.setdefault(row, {}).setdefault(size, []).extend(figures)

    def table(self) -> str:
        """Return the medians as Markdown."""
        sizes = sorted({size for found in self.figures.values() for size in found})
        lines = [[self.topic.thing, *(f"{size:,}" for size in sizes)], ["---", *("---:" for _ in sizes)]]
        for row in self.topic.rows:
            found = self.figures.get(row, {})
            lines.append([row, *(in_short(median(found[size])) if size in found else "" for size in sizes)])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def in_short(figure: float) -> str:
    """Return a figure with three digits that count, and whole numbers as they are."""
    if figure >= 100 or figure == int(figure):
        return f"{figure:,.0f}"
    if figure >= 10:
        return f"{figure:.1f}"
    return f"{figure:.2f}" if figure >= 1 else f"{figure:.3f}"


def chart_of(topic: Topic, table: str) -> Chart:
    """Return the picture of a topic, with the figures that its table shows."""
    head, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()
    ]
    sizes = [_number(cell) for cell in head[1:]]
    points = {
        line[0]: [(size, _number(cell)) for size, cell in zip(sizes, line[1:], strict=True) if cell]
        for line in lines
    }
    curves = {name: points[row] for row, name in topic.curves.items()}
    return Chart(topic.title, topic.about, topic.thing, topic.up, curves)


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def text(head: str, measured: Sequence[Grown]) -> str:
    """Return all of it as it stands between the marks of the page: what was measured, pictures and tables."""
    parts = [head + "\n"]
    for grown in measured:
        topic = grown.topic
        parts.append(f"\n![{topic.title}. {topic.about}]({topic.picture})\n\n{grown.table()}")
    return "".join(parts)


def table_of(topic: Topic, page: str) -> str:
    """Return the table of a topic as it stands in the page."""
    return page.partition(f"]({topic.picture})\n\n")[2].partition("\n\n")[0].partition(END)[0]


def write(shown: str, measured: Sequence[Grown]) -> None:
    """Put the text between the marks of docs/performance.md, and draw the pictures beside it."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{shown}{END}{after}", "utf-8")
    for grown in measured:
        chart = chart_of(grown.topic, grown.table())
        (DOCS / grown.topic.picture).write_text(drawn(chart), "utf-8")
