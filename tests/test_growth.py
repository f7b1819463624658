"""The pictures of growth: whatever the figures are, every browser can show them, and the page has them fresh."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth import page
from benchmarks.growth.__main__ import TOPICS
from benchmarks.growth.drawing import HEIGHT, LINE_APART, TOP, WIDTH, Axis, Chart, drawn, in_words, spread
from benchmarks.growth.page import Grown, Topic, chart_of, in_short, table_of
from benchmarks.growth.waits import WAITS

SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 15_000
figures = st.floats(1e-4, 1e7)
points = st.lists(st.tuples(st.floats(1, 1e6), figures), min_size=1, max_size=6)
names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)


def chart(curves: dict[str, list[tuple[float, float]]]) -> Chart:
    return Chart("Costs", "They grow.", "rows", "milliseconds", curves)


def read(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - it was drawn here


def picture(curves: dict[str, list[tuple[float, float]]]) -> ElementTree.Element:
    return read(drawn(chart(curves)))


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def centres(root: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter(f"{SVG}circle")]


@given(st.dictionaries(names, points, min_size=1, max_size=6))
def test_every_picture_is_well_formed_and_has_all_points_inside_and_each_name_once(
    curves: dict[str, list[tuple[float, float]]],
) -> None:
    root = picture(curves)

    assert root.tag == f"{SVG}svg"
    assert len(centres(root)) == sum(map(len, curves.values()))
    assert all(0 < x < WIDTH and TOP - 0.1 <= y < HEIGHT for x, y in centres(root))
    assert set(curves) <= set(texts(root))
    assert len(drawn(chart(curves)).encode()) < MOST_BYTES


def test_a_picture_says_what_it_is_to_those_who_do_not_see_it() -> None:
    root = picture({"one": [(1, 1)]})
    named = {element.get("id"): element.text for element in root if element.get("id")}

    assert root.get("role") == "img"
    assert [named[name] for name in root.get("aria-labelledby", "").split()] == ["Costs", "They grow."]


def test_a_picture_brings_its_own_ground_and_asks_for_nothing_from_elsewhere() -> None:
    root = picture({"one": [(1, 1)]})
    ground = next(root.iter(f"{SVG}rect"))

    assert float(ground.get("width", "")) >= WIDTH - 1 and (ground.get("fill") or "").startswith("#")
    text = drawn(chart({"one": [(1, 1)]}))
    assert "href" not in text and "url(" not in text and "<script" not in text


def test_ticks_are_the_powers_of_ten_and_the_ends_of_an_axis_that_ends_between_two() -> None:
    assert Axis.around([3, 4_000], 0, 100).ticks == [1, 10, 100, 1_000, 10_000]
    assert Axis.around([0.02, 0.5], 0, 100).ticks == [0.01, 0.1, 1]
    assert Axis.along([1, 10, 256], 0, 100).ticks == [1, 10, 100, 256]
    assert Axis.along([30, 1_100], 0, 100).ticks == [30, 100, 1_000]
    assert [in_words(tick) for tick in (0.001, 0.1, 1, 256, 10_000, 1e6)] == [
        *("0.001", "0.1", "1", "256", "10,000", "1 million")
    ]


def test_ten_times_as_much_is_the_same_way_further_everywhere() -> None:
    axis = Axis.along([1, 1_000], 100, 400)

    assert [axis.place(figure) for figure in (1, 10, 100, 1_000)] == pytest.approx([100, 200, 300, 400])


@pytest.mark.parametrize("figure", [1.0, 7.0, 1_000_000.0])
def test_one_point_and_equal_points_have_an_axis_too(figure: float) -> None:
    (one,) = centres(picture({"one": [(figure, figure)]}))
    level = centres(picture({"one": [(1, figure), (10, figure), (100, figure)]}))

    assert 0 < one[0] < WIDTH and 0 < one[1] < HEIGHT
    assert len({y for _, y in level}) == 1 and len({x for x, _ in level}) == 3


def test_what_is_not_above_zero_has_no_place_on_a_logarithmic_axis() -> None:
    assert len(centres(picture({"one": [(0, 5), (1, 0), (10, 5)]}))) == 1
    assert centres(picture({"none": [(1, 0)]})) == []
    assert "none" not in texts(picture({"none": [(1, 0)]}))


def test_a_name_with_marks_of_its_own_is_shown_as_it_is() -> None:
    assert 'a < b & "c"' in texts(picture({'a < b & "c"': [(1, 1)]}))


@given(st.dictionaries(names, st.floats(64, 344), max_size=6))
def test_names_at_the_ends_of_curves_keep_apart(heights: dict[str, float]) -> None:
    found = sorted(spread(heights, 344).values())

    assert all(later - earlier >= LINE_APART - 1e-6 for earlier, later in pairwise(found))
    assert all(height <= 344 for height in found)


@pytest.mark.parametrize(
    ("figure", "shown"),
    [(0.0, "0"), (0.0512, "0.051"), (1.234, "1.23"), (12.34, "12.3"), (2_345.6, "2,346"), (3.0, "3")],
)
def test_a_figure_has_three_digits_that_count(figure: float, shown: str) -> None:
    assert in_short(figure) == shown


def test_a_table_shows_the_median_of_each_size_and_its_picture_what_the_table_shows() -> None:
    topic = Topic("made-up", "Costs", "They grow.", "rows", "ms", ("a", "b", "c"), {"a": "curve"})
    grown = Grown(topic)
    grown.add("a", 1_000, 9, 1, 5)
    grown.add("a", 10, 4)
    grown.add("b", 10, 7)

    assert grown.table() == (
        "| rows | 10 | 1,000 |\n| --- | ---: | ---: |\n| a | 4 | 5 |\n| b | 7 |  |\n| c |  |  |\n"
    )
    assert chart_of(topic, grown.table()).curves == {"curve": [(10, 4), (1_000, 5)]}
    with pytest.raises(KeyError):
        grown.add("d", 1, 1)


def test_the_figures_of_waits_without_any_wait_stand_in_the_table_alone() -> None:
    grown = Grown(WAITS)
    for row in WAITS.rows:
        grown.add(row, 0, 3)
        grown.add(row, 10, 3)

    assert "| 0 | 10 |" in grown.table()
    assert len(centres(read(drawn(chart_of(WAITS, grown.table()))))) == len(WAITS.curves)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_page_of_performance_shows_each_table_and_the_picture_that_is_drawn_from_it(topic: Topic) -> None:
    shown = page.PAGE.read_text("utf-8")
    between = shown.partition(page.BEGIN)[2].partition(page.END)[0]
    table = table_of(topic, between)
    rows = [line.split("|")[1].strip() for line in table.splitlines()]

    assert f"![{topic.title}. {topic.about}]({topic.picture})" in between
    assert rows == [topic.thing, "---", *topic.rows]
    assert Path(page.DOCS, topic.picture).read_text("utf-8") == drawn(chart_of(topic, table))
