"""One thing written in two ways is one thing; what it cannot be is None."""

import pytest
from hypothesis import given

from cleanlist_mcp.normal_forms import normal_domain, normal_email, normal_linkedin, normal_name, split_name
from tests.people_written import cells, full_width, rules

SCRIPTS = ["Zoë", "Łukasz", "Ольга", "محمد", "יעל", "田中", "สมชาย", "O'Brien", "Jean-Luc", "李 小龙"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_name_in_any_script_stays_as_it_is(name: str) -> None:
    assert normal_name(f"  {name}\t") == name


def test_a_name_loses_what_nobody_sees() -> None:
    assert normal_name("A\u200bd\u2060a \u202eevil\u202c \ufeffLove\0lace") == "Ada evil Lovelace"


def test_a_decomposed_name_is_the_composed_one() -> None:
    assert normal_name("Zoe\u0308") == normal_name("Zo\u00eb") == "Zoë"


def test_a_joiner_between_letter_and_accent_does_not_hide_the_letter() -> None:
    assert normal_name("e\u200d\u0301") == "é"


@pytest.mark.parametrize("gap", ["", " ", "-", "\u2013", "--", "...", "?", "N/A", "#n/a", "\u200b", "\0"])
def test_a_mark_for_no_value_is_no_value(gap: str) -> None:
    assert normal_name(gap) is None


@pytest.mark.parametrize("surname", ["Null", "None", "Na", "Nil"])
def test_a_surname_that_looks_like_no_value_is_a_surname(surname: str) -> None:
    assert normal_name(surname) == surname


@pytest.mark.parametrize(
    "written",
    [
        " ADA@Northwind.Example ",
        "mailto:ada@northwind.example",
        "Ada Lovelace <Ada@northwind.example>",
        "ada\u200b@north\u00adwind.example",
        full_width("ada@northwind.example"),
        "ada@northwind。example",
        "ada@northwind.example.;",
    ],
)
def test_an_address_has_one_normal_form(written: str) -> None:
    assert normal_email(written) == "ada@northwind.example"


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "@northwind.example",
        "ada@",
        "ada@northwind",
        "a b@northwind.example",
        "ada@@northwind.example",
        "ada@x@northwind.example",
        "ada..l@northwind.example",
        ".ada@northwind.example",
        "ada@north_wind.example",
        "ada@10.0.0.1",
        "a@b.example, c@d.example",
        f"{'a' * 65}@northwind.example",
        f"ada@{'a.' * 130}example",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert normal_email(text) is None


def test_an_address_may_be_international() -> None:
    assert normal_email("Jürgen@MÜNCHEN.example") == "jürgen@münchen.example"
    assert normal_email("jürgen@xn--mnchen-3ya.example") == "jürgen@münchen.example"


@pytest.mark.parametrize(
    "written",
    [
        "Northwind.Example",
        "https://www.northwind.example/about?x=1#y",
        "HTTP://northwind.example:8080",
        "//northwind.example/",
        "www.northwind.example.",
        "north\u200bwind.example",
        "northwind.example/path with spaces",
    ],
)
def test_a_domain_has_one_normal_form(written: str) -> None:
    assert normal_domain(written) == "northwind.example"


def test_a_domain_called_www_keeps_its_name() -> None:
    assert normal_domain("www.example") == "www.example"
    assert normal_domain("www.www.example") == "www.example"
    assert normal_domain("www.www.x.example") == "x.example"


def test_an_international_domain_is_readable_and_one_that_does_not_decode_stays() -> None:
    assert normal_domain("XN--MNCHEN-3YA.example") == normal_domain("münchen.example")
    assert normal_domain("münchen.example") == "münchen.example"
    assert normal_domain("xn--zzzzzzzz99999.example") == "xn--zzzzzzzz99999.example"


def test_punycode_that_hides_an_invisible_letter_is_not_decoded() -> None:
    assert normal_domain("xn--ab-iuk.example") == "xn--ab-iuk.example"


@pytest.mark.parametrize(
    "text",
    [
        *("northwind", "Northwind Ltd.", "-a.example", "a-.example", "a..example", "10.0.0.1"),
        *("a@b.example", "javascript:alert(1)", "https://"),
        *(f"{'a' * 64}.example", f"{'a.' * 127}example"),
    ],
)
def test_what_is_no_domain_is_none(text: str) -> None:
    assert normal_domain(text) is None


@pytest.mark.parametrize(
    "written",
    [
        "https://www.linkedin.com/in/ada-lovelace",
        "http://de.linkedin.com/in/Ada-Lovelace/?trk=people#top",
        "linkedin.com/in/ada-lovelace/de",
        "m.linkedin.com/in/ada-lovelace",
        "HTTPS://LINKEDIN.COM/IN/ADA-LOVELACE/",
        "//www.linkedin.com/in/ada%2Dlovelace",
        "https://www.linkedin.com/mwlite/in/ada-lovelace",
        "/in/ada-lovelace",
        "in/ada-\u200blovelace",
    ],
)
def test_a_linkedin_address_has_one_normal_form(written: str) -> None:
    assert normal_linkedin(written) == "https://www.linkedin.com/in/ada-lovelace"


def test_a_linkedin_slug_in_any_script_is_percent_encoded_once() -> None:
    encoded = "https://www.linkedin.com/in/j%C3%BCrgen"
    assert normal_linkedin("linkedin.com/in/Jürgen") == encoded
    assert normal_linkedin("linkedin.com/in/ju\u0308rgen") == encoded
    assert normal_linkedin("linkedin.com/in/j%c3%bcrgen/") == encoded


def test_a_linkedin_member_id_keeps_its_case() -> None:
    address = "https://www.linkedin.com/in/ACoAAB1cD2eF3gH4iJ5kL6"
    assert normal_linkedin(f"{address}?x=1") == address


def test_direction_tricks_inside_percent_encoding_go() -> None:
    assert normal_linkedin("linkedin.com/in/ada%E2%80%AE") == "https://www.linkedin.com/in/ada"


@pytest.mark.parametrize(
    "text",
    [
        "ada-lovelace",
        "https://www.linkedin.com/company/northwind",
        "https://www.linkedin.com/in/",
        "https://linkedin.com.evil.example/in/ada",
        "https://notlinkedin.com/in/ada",
        "https://evil.example/linkedin.com/in/ada",
        "https://linkedin.com@evil.example/in/ada",
        "linkedin.com/in/ada%2F..%2Fx",
        "linkedin.com/in/%FF",
        "linkedin.com/in/..",
        "linkedin.com/in/ada%2525",
        "linkedin.com/in/a=b",
    ],
)
def test_what_is_no_linkedin_profile_is_none(text: str) -> None:
    assert normal_linkedin(text) is None


@rules
@given(cells)
def test_normalising_twice_changes_nothing(text: str) -> None:
    for normal in (normal_name, normal_email, normal_domain, normal_linkedin):
        once = normal(text)
        assert once is None or normal(once) == once


@pytest.mark.parametrize(
    ("full", "parts"),
    [
        ("Ada Lovelace", ("Ada", "Lovelace")),
        ("Lovelace, Ada King", ("Ada King", "Lovelace")),
        ("Mary Ann Smith", ("Mary Ann", "Smith")),
        ("mary ann smith", ("mary ann", "smith")),
        ("Ludwig van der Berg", ("Ludwig", "van der Berg")),
        ("田中 太郎", ("太郎", "田中")),
        ("김 민준", ("민준", "김")),
        ("Ольга Иванова", ("Ольга", "Иванова")),
        ("山田太郎", ("山田太郎", "")),
        ("Cher", ("Cher", "")),
        ("Smith,", ("Smith", "")),
        ("Jane Doe, MBA", ("Jane", "Doe")),
        ("Doe, Jane, Ph.D., CPA", ("Jane", "Doe")),
        ("Jane (JD) Doe Jr. (she/her)", ("Jane", "Doe")),
        ("John Smith III", ("John", "Smith")),
        ("Rahman, Md", ("Md", "Rahman")),
        (" - ", ("", "")),
    ],
)
def test_a_full_name_is_split(full: str, parts: tuple[str, str]) -> None:
    assert split_name(full) == parts
