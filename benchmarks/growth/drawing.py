"""Curves on two logarithmic axes, as an SVG file that needs nothing else: its own ground, so that it reads well in the
light and in the dark, and each curve's name at its end."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 400
TOP, BOTTOM, LEFT, EDGE = 64, 56, 76, 16
FONT, LETTER = 12, 7.0
"""Pixels of a letter's height and of its usual width."""

LINE_APART = 16
TICKS_APART = 0.3
"""Powers of ten between two ticks that can be read."""

GROUND, INK, QUIET, GRID = "#fcfcf9", "#1f2328", "#59606a", "#dfe1dc"
COLOURS = ("#0b62a4", "#b34700", "#00705a", "#9c3f7d", "#6b5300", "#4d4d4d")
"""Colours that differ for colour-blind eyes too, each dark enough on the ground for letters."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A picture: `about` says in words what it shows; `curves` are points by the name of each curve.

    A logarithmic axis has no zero: points that are not above it are left out.
    """

    title: str
    about: str
    across: str
    up: str
    curves: Mapping[str, Sequence[Point]]


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis between two powers of ten, which need not be whole, and two places in pixels."""

    first: float
    last: float
    begin: float
    end: float

    @classmethod
    def around(cls, figures: Sequence[float], begin: float, end: float) -> "Axis":
        """Return the least axis between whole powers of ten that holds all figures, of one power at least."""
        first = math.floor(math.log10(min(figures, default=1.0)))
        last = math.ceil(math.log10(max(figures, default=1.0)))
        return cls(first, max(last, first + 1), begin, end)

    @classmethod
    def along(cls, figures: Sequence[float], begin: float, end: float) -> "Axis":
        """Return the axis from the least to the largest figure; around them, if they are the same."""
        first, last = math.log10(min(figures, default=1.0)), math.log10(max(figures, default=1.0))
        return cls(first, last, begin, end) if last - first > TICKS_APART else cls.around(figures, begin, end)

    def place(self, figure: float) -> float:
        """Return where a figure stands, in pixels."""
        share = (math.log10(figure) - self.first) / (self.last - self.first)
        return self.begin + share * (self.end - self.begin)

    @property
    def ticks(self) -> list[float]:
        """The whole powers of ten on the axis, and its ends if these stand apart from them."""
        whole = [float(power) for power in range(math.ceil(self.first), math.floor(self.last) + 1)]
        ends = [end for end in (self.first, self.last) if all(abs(end - one) > TICKS_APART for one in whole)]
        return [float(f"{10**power:.6g}") for power in sorted([*whole, *ends])]


def in_words(tick: float) -> str:
    """Return a figure as it stands at an axis."""
    if tick >= 1_000_000:
        return f"{tick / 1_000_000:g} million"
    return f"{tick:,.0f}" if tick >= 1 else f"{tick:.10f}".rstrip("0")


def drawn(chart: Chart) -> str:
    """Return the chart as the text of an SVG file."""
    curves = {name: [one for one in points if min(one) > 0] for name, points in chart.curves.items()}
    points = [point for found in curves.values() for point in found]
    names = max((len(name) for name, found in curves.items() if found), default=0) * LETTER
    across = Axis.along([x for x, _ in points], LEFT, WIDTH - EDGE - 12 - names)
    up = Axis.around([y for _, y in points], HEIGHT - BOTTOM, TOP)
    lines = [
        *_head(chart),
        *_grid(across, up),
        *_titles(chart, across),
        *_curves(curves, across, up),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _head(chart: Chart) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-labelledby="title about" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="{FONT}">'
    )
    yield f'<title id="title">{escape(chart.title)}</title>'
    yield f'<desc id="about">{escape(chart.about)}</desc>'
    yield (
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="{GROUND}" stroke="{GRID}"/>'
    )


def _titles(chart: Chart, across: Axis) -> Iterator[str]:
    yield _text(EDGE, 28, chart.title, INK, size=15, weight=600)
    yield _text(EDGE, 48, chart.up, QUIET)
    yield _text((across.begin + across.end) / 2, HEIGHT - 14, chart.across, QUIET, anchor="middle")


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    for tick in across.ticks:
        x = across.place(tick)
        yield _line((x, up.begin), (x, up.end))
        yield _text(x, up.begin + 18, in_words(tick), QUIET, anchor="middle")
    for tick in up.ticks:
        y = up.place(tick)
        yield _line((across.begin, y), (across.end, y))
        yield _text(across.begin - 8, y + 4, in_words(tick), QUIET, anchor="end")


def _curves(curves: Mapping[str, Sequence[Point]], across: Axis, up: Axis) -> Iterator[str]:
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(curves)}
    placed = {
        name: [(across.place(x), up.place(y)) for x, y in sorted(points)]
        for name, points in curves.items()
        if points
    }
    heights = spread({name: points[-1][1] for name, points in placed.items()}, up.begin)
    for name, points in placed.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>'
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>'
        yield _text(across.end + 12, heights[name] + 4, name, colours[name], weight=600)


def spread(heights: Mapping[str, float], lowest: float) -> dict[str, float]:
    """Return heights of names that are so far apart that all can be read, in the same order, none below `lowest`."""
    order = sorted(heights, key=heights.__getitem__)
    found: dict[str, float] = {}
    at = -math.inf
    for name in order:
        at = found[name] = max(heights[name], at + LINE_APART)
    at = lowest + LINE_APART
    for name in reversed(order):
        at = found[name] = min(found[name], at - LINE_APART)
    return found


def _line(begin: Point, end: Point) -> str:
    return (
        f'<line x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" stroke="{GRID}"/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", size: int = FONT, weight: int = 400
) -> str:
    looks = f'fill="{colour}"'
    looks += f' text-anchor="{anchor}"' if anchor != "start" else ""
    looks += f' font-size="{size}"' if size != FONT else ""
    looks += f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" {looks}>{escape(text)}</text>'
