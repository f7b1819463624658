"""A cursor comes back as it was, belongs to one collection, and is refused in plain words otherwise."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.lists.paging import Place

rules = settings(deadline=None, max_examples=50, database=None)
ascii_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
places = st.builds(Place, ascii_text, st.integers(1, 500), st.integers(0, 500), st.integers(0, 10**9))


@rules
@given(places, st.text(max_size=20))
def test_a_cursor_comes_back_as_the_same_place(place: Place, topic: str) -> None:
    text = place.encoded(topic)

    assert Place.decoded(text, topic) == place
    assert text.isascii()
    assert not set(text) & set("+/= ")


def test_no_cursor_is_the_beginning() -> None:
    assert Place.decoded("", "lists") == Place()


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = Place("abc", 25, 3, 28).encoded("list-1")

    with pytest.raises(InvalidArguments, match="not one that this tool returned") as refused:
        Place.decoded(cursor, "list-2")
    assert "Leave cursor out" in refused.value.next_step


def forged(*parts: object) -> str:
    digest = json.loads(base64.urlsafe_b64decode(Place("", 1).encoded("lists") + "=="))[0]
    return base64.urlsafe_b64encode(json.dumps([digest, *parts]).encode()).decode().rstrip("=")


def test_the_forgery_below_would_be_taken_if_its_parts_were_sound() -> None:
    assert Place.decoded(forged("abc", 25, 3, 28), "lists") == Place("abc", 25, 3, 28)


@pytest.mark.parametrize(
    "parts",
    [
        *(
            ("", 0, 0, 0),
            ("", 501, 0, 0),
            ("", 25, -1, 0),
            ("", 25, 501, 0),
            ("", 25, 0, -1),
            ("", 25, 0, 10**10),
        ),
        *(
            ("é", 25, 0, 0),
            ("a\nb", 25, 0, 0),
            (7, 25, 0, 0),
            ("", "25", 0, 0),
            ("", 2.5, 0, 0),
            ("", True, 0, 0),
        ),
        *((), ("", 25, 0, 0, 0), ("", None, 0, 0)),
    ],
)
def test_a_cursor_with_impossible_parts_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArguments):
        Place.decoded(forged(*parts), "lists")


@rules
@given(
    st.one_of(
        st.text(max_size=60), st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
def test_what_is_no_cursor_is_refused_and_breaks_nothing(text: str) -> None:
    if text:
        with pytest.raises(InvalidArguments):
            Place.decoded(text, "lists")


def test_brackets_as_deep_as_a_cursor_may_be_are_refused() -> None:
    text = base64.urlsafe_b64encode(b"[" * 6_000).decode()

    with pytest.raises(InvalidArguments):
        Place.decoded(text, "lists")
