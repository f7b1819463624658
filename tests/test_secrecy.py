"""Secrets go wherever they stand and however they are written; ordinary texts stay as they are."""

# ruff: noqa: RUF001 -- letters of many scripts look alike

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp import errors, secrecy
from cleanlist_mcp.secrecy import (
    MARK,
    PIECE,
    blot,
    blot_all,
    holds_secret,
    keep,
    keep_proxies,
)
from cleanlist_mcp.server import instructions
from cleanlist_mcp.settings import Settings
from tests.spellings import SPELLINGS, fictional_key, left_of

KEY = fictional_key(1)

# At random and not by hypothesis's own lights, which likes keys of nothing but zeros.
keys = st.builds(fictional_key, st.integers(0, 10**9), st.integers(40, 72))
words = st.text(
    st.characters(codec="utf-8", exclude_characters="\\%&", exclude_categories=("Cc", "Cs")), max_size=30
)


@pytest.fixture(autouse=True)
def the_key_is_in_use() -> None:
    keep(KEY)


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "see ({}), please", "Größe: {} 北京", '{{"token":"{}"}}'])
def test_the_key_in_use_goes_however_it_is_written(name: str, around: str) -> None:
    written = SPELLINGS[name](KEY)
    before, after = around.format("\0").split("\0")

    text = blot(before + written + after)

    assert MARK in text
    assert text.startswith(before) and text.endswith(after)
    assert (
        len(text) <= len(before + MARK + after) + 8
    )  # a sign of padding, bytes of base64 that are no secret
    assert not left_of(KEY, text)
    assert holds_secret(before + written + after) and not holds_secret(text)


@given(keys, st.sampled_from(sorted(SPELLINGS)), words, words)
def test_any_key_in_any_spelling_leaves_no_piece_behind(key: str, name: str, before: str, after: str) -> None:
    keep(key)

    text = blot(f"{before} {SPELLINGS[name](key)} {after}")

    assert MARK in text
    assert not left_of(key, text)
    assert blot(text) == text


@given(keys, st.data())
def test_any_piece_of_sixteen_characters_is_enough(key: str, data: st.DataObject) -> None:
    keep(key)
    forms = ["as it is", "upper case", "base64", "base64 shifted by one", "base64 for URLs", "hexadecimal"]
    form = data.draw(st.sampled_from(forms))
    # What stands at the ends of base64 is decided by its neighbours too.
    written = SPELLINGS[form](key)[8:-8]
    at = data.draw(st.integers(0, len(written) - PIECE))

    assert holds_secret(f"of {written[at : at + PIECE]}: no")


@given(keys, words)
def test_ordinary_text_beside_a_known_key_comes_back_as_it_is(key: str, text: str) -> None:
    keep(key)

    assert blot(text) is text


ORDINARY = [
    "",
    "Ada Fable",
    "Fable & Sons; R&D, 50% of 3M",
    "keys are made in the portal and start with clapi_",
    "An API key starts with clapi_; browser keys (clext_…) do not work.",
    "keys start with clapi_ and have no spaces",
    "clapi_… and clext_—and the like",
    "clapi_short",
    "The bearer of good news, and of bad",
    "Standard-Bearer Internationalisation GmbH",
    "Bearer tokens",
    "bearer internationalization-standards",
    "BEARER HANDELSGESELLSCHAFTEN-INTERNATIONAL",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "3f2504e04f8941d39a0c0305e82c33013f2504e04f8941d39a0c0305e82c3301",
    "bulk-3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "qte_1_1795000000_kJ8sQ2mZ.eT4hW9uLxO3vC7nB1qRkM6gY0zPsDfJaHi5",
    "https://www.linkedin.com/in/ada-fable-4711",
    "https://files.fable.example/exports/a%20b.csv?X-Amz-Signature=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    "C:\\new\\table\\x41\\u0041",
    "VGhpcyBpcyBvcmRpbmFyeSB0ZXh0LCBlbmNvZGVk",
    "北京 三一重工 Größe Ωmega",
    "👩‍💻 Ada 🚀",
    "a" * 5_000,
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_comes_back_as_it_is(text: str) -> None:
    assert blot(text) is text
    assert not holds_secret(text)


def test_our_own_words_come_back_as_they_are() -> None:
    for text in (instructions.instructions(Settings()), errors.__doc__ or "", secrecy.__doc__ or ""):
        assert blot(text) is text


@pytest.mark.parametrize(
    "word",
    [
        "clapi_0123456789",
        "CLEXT_abcdefghij",
        "clapi_sandbox_abc-def",
        "cl\u200bapi_0123456789",
        "\\u0063lapi_0123456789",
        "%63lapi%5f0123456789",
        "ｃｌａｐｉ＿０１２３４５６７８９",
        base64.b64encode(b"clapi_0123456789").decode(),
        base64.b64encode(b"user:clapi_0123456789").decode(),
        base64.b64encode(b"Authorization: Bearer abcdefghijklmnopqrst1").decode(),
        b"clapi_0123456789".hex(),
    ],
)
def test_whatever_is_shaped_like_a_key_goes_whoever_owns_it(word: str) -> None:
    assert blot(f"use {word}, please") in (
        f"use {MARK}, please",
        f"use {MARK}=, please",
        f"use {MARK}==, please",
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abcdefghijklmnopqrst1", f"Authorization: Bearer {MARK}"),
        ("bearer abcdefGhijklmnopqrstuvw.", f"bearer {MARK}."),
        ("Bearer:  eyJhbGciOiJIUzI1NiJ9.e30.abc_-~+/=", f"Bearer:  {MARK}"),
        ("Bearer%20abcdefghijklmnopqrst1", f"Bearer%20{MARK}"),
        ("Bearer abcdefghijklmnopqr1", "Bearer abcdefghijklmnopqr1"),
    ],
)
def test_a_token_goes_where_it_looks_like_one(text: str, left: str) -> None:
    assert blot(text) == left


def test_several_secrets_go_and_what_stands_between_them_stays() -> None:
    text = f"one {KEY} two {SPELLINGS['base64'](KEY)} three clext_0123456789 four"

    assert blot(text) == f"one {MARK} two {MARK}= three {MARK} four".replace("=", "=" * text.count("="))


def test_names_and_values_of_all_depths_are_looked_at() -> None:
    data = {"a": [1, None, True, {"b": f"x {KEY}"}], KEY: "c", "d": ("e", KEY.upper())}

    assert blot_all(data) == {"a": [1, None, True, {"b": f"x {MARK}"}], MARK: "c", "d": ["e", MARK]}


def test_what_is_too_short_to_be_told_from_a_word_is_no_secret() -> None:
    keep("sales")

    assert blot("the sales of sales") == "the sales of sales"


def test_a_short_secret_goes_whole() -> None:
    keep("Tr0ub4dor&3x")

    assert blot("it is Tr0ub4dor&3x, or tr0ub4dor") == f"it is {MARK}, or tr0ub4dor"


def test_a_secret_of_any_bytes_can_be_kept() -> None:
    keep("\udcff\udcfe-of-odd-bytes-0123456789")

    assert blot("it is -of-odd-bytes-0123456789, no") == f"it is {MARK}, no"


def test_the_passwords_of_proxies_are_secrets() -> None:
    keep_proxies(
        {
            "HTTPS_PROXY": "http://ada:not%2Efor%2Eyou%2E77@proxy.fable.example:3128",
            "http_proxy": "bob:s3cr3t-of-bob@proxy.fable.example:3128",
            "all_proxy": "socks5://proxy.fable.example",
            "NO_PROXY": "[::1",
        }
    )

    basic = base64.b64encode(b"ada:not.for.you.77").decode()
    for said in (
        "ada:not.for.you.77",
        "ada:not%2Efor%2Eyou%2E77",
        "not.for.you.77",
        basic,
        "bob:s3cr3t-of-bob",
    ):
        assert blot(f"407 for {said} there") == f"407 for {MARK} there"


def test_more_keys_than_are_kept_leave_the_newest_known() -> None:
    newest = [f"clapi_{number:04d}_{'aB3xZ9qL' * 4}" for number in range(secrecy.KEPT + 10)]
    for key in newest:
        keep(key)
    keep(KEY)

    assert all(holds_secret(key.encode().hex()) for key in (*newest[-secrecy.KEPT // 2 :], KEY))


def test_a_text_full_of_escapes_or_of_encodings_takes_no_longer_than_its_length() -> None:
    began = time.process_time()
    for text in (
        "%25" * 100_000,
        "\\u0041" * 50_000,
        "&#65;" * 60_000,
        "QUJD" * 75_000,
        "41" * 150_000,
        "\\" * 300_000,
    ):
        assert blot(text) is text

    assert time.process_time() - began < 5


def test_a_page_of_ordinary_texts_costs_little() -> None:
    page = [f"{text[:60]} {number}" for number in range(200) for text in ORDINARY]  # no text twice
    began = time.process_time()
    for text in page:
        blot(text)

    assert (time.process_time() - began) / len(page) < 50e-6


def test_a_text_that_was_looked_at_before_its_secret_was_known_loses_it_from_then_on() -> None:
    later = fictional_key(7).removeprefix("clapi_")
    text = f"Ask Ada for {later}."
    assert blot(text) is text
    assert not holds_secret(text)

    keep(later)

    assert blot(text) == f"Ask Ada for {MARK}."
    assert holds_secret(text)


def test_a_look_that_another_thread_began_before_a_secret_was_known_decides_nothing_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = fictional_key(8).removeprefix("clapi_")
    text = f"Ask Kim for {later}."
    look = secrecy._is_suspect

    def interrupted(seen: str, layers: int) -> bool:
        found = look(seen, layers)
        monkeypatch.setattr(secrecy, "_is_suspect", look)
        keep(later)
        return found

    monkeypatch.setattr(secrecy, "_is_suspect", interrupted)
    assert blot(text) is text

    assert blot(text) == f"Ask Kim for {MARK}."


def test_only_so_many_plain_texts_are_remembered_and_none_that_is_long() -> None:
    for number in range(3 * secrecy.MOST_PLAIN):
        blot(f"Ada Example of house {number}")
    blot("x" * (secrecy.LONGEST_PLAIN + 1))

    assert len(secrecy._plain) <= secrecy.MOST_PLAIN
    assert max(map(len, secrecy._plain)) <= secrecy.LONGEST_PLAIN
