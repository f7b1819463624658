"""One thing written in two ways is one thing; what it cannot be is None."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.people.names import split_name
from cleanlist_mcp.people.normal_forms import (
    ascii_domain,
    is_page_elsewhere,
    normal_domain,
    normal_email,
    normal_linkedin,
    normal_name,
    normal_person_name,
)
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
        "mailto:ada@northwind.example?subject=hi",
        "'ada@northwind.example'",
        '"ada@northwind.example"',
        "ada@northwind.example (work)",
        "ada@northwind.example; bo@northwind.example",
        "ada@northwind.example,bo@northwind.example",
        '"Lovelace, Ada" <ada@northwind.example>; Bo <bo@northwind.example>',
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
        "ada,lovelace@northwind.example",
        "ada@northwind.co,example",
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
        "@northwind.example",
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


@pytest.mark.parametrize(
    ("written", "in_punycode"),
    [
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("https://www.mu\u0308nchen.example:443/about", "xn--mnchen-3ya.example"),
        ("münchen\u3002example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("STRA\u1e9eE.example", "xn--strae-oqa.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("\u039f\u0394\u039f\u03a3.example", "xn--pxavbq.example"),
        ("bücher.рф", "xn--bcher-kva.xn--p1ai"),
        ("col\u00b7lecció.example", "xn--collecci-ioa91d.example"),
        ("日本語.example", "xn--wgv71a119e.example"),
    ],
)
def test_a_domain_in_either_spelling_has_one_readable_form(written: str, in_punycode: str) -> None:
    domain = normal_domain(written)
    assert domain is not None and not domain.startswith("xn--")
    assert normal_domain(in_punycode) == normal_domain(f"HTTP://www.{in_punycode.upper()}.:80/x") == domain
    assert ascii_domain(domain) == in_punycode
    assert normal_email(f"ada@{in_punycode}") == f"ada@{domain}"


@pytest.mark.parametrize(
    ("one", "other"),
    [("faß.example", "fass.example"), ("straße.example", "strasse.example"), ("ö.example", "oe.example")],
)
def test_domains_that_an_older_standard_took_for_one_are_two(one: str, other: str) -> None:
    assert normal_domain(one) != normal_domain(other)
    assert ascii_domain(one) != ascii_domain(other)


def test_a_letter_that_cannot_be_seen_stays_in_punycode() -> None:
    in_punycode = "xn--mgba3gch31f060k.example"  # two Persian words, with a non-joiner between them
    assert normal_domain(in_punycode) == in_punycode
    assert normal_domain("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example") == in_punycode


def test_what_idna_refuses_is_taken_as_it_stands() -> None:
    for domain in ("ab--cd.example", "xn--i-7iq.example", "\u0661\u0662.example"):
        assert normal_domain(domain) == ascii_domain(domain) == domain


def test_an_ordinary_domain_needs_no_tables() -> None:
    script = (
        "import sys\n"
        "from cleanlist_mcp.people.normal_forms import ascii_domain, normal_domain\n"
        "assert ascii_domain(normal_domain('https://www.Fable.example/') or '') == 'fable.example'\n"
        "assert 'idna' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@rules
@given(
    st.lists(st.text(st.characters(categories=["Ll", "Lo", "Mn", "Nd"]), max_size=5), min_size=2, max_size=3)
)
def test_a_domain_and_its_punycode_are_one(labels: list[str]) -> None:
    domain = normal_domain(".".join(labels))
    if domain is not None:
        assert normal_domain(domain) == domain
        assert normal_domain(ascii_domain(domain)) == domain


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
    "page",
    [
        "https://www.linkedin.com/sales/company/123",
        "de.linkedin.com/company/northwind",
        "FACEBOOK.com/northwind?x=1",
        "x.com/northwind",
        "https://linktr.ee/northwind#top",
    ],
)
def test_a_companys_page_elsewhere_is_not_its_domain(page: str) -> None:
    assert normal_domain(page) is None
    assert is_page_elsewhere(page)


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("https://www.linkedin.com/", "linkedin.com"),
        ("x.com?lang=en", "x.com"),
        ("netx.com/about", "netx.com"),
    ],
)
def test_a_site_of_profiles_is_a_domain_itself_and_others_only_look_like_it(
    written: str, domain: str
) -> None:
    assert normal_domain(written) == domain
    assert not is_page_elsewhere(written)


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
        "https://www.linkedin.com/comm/in/ada-lovelace?midToken=x",
        *(f"linkedin.com/in/ada-lovelace{mark}" for mark in (",", ";", ")", ".", ").", "%2E", ", see there")),
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


def test_a_lead_of_the_sales_navigator_has_the_profile_of_its_member_id() -> None:
    address = "https://www.linkedin.com/in/ACwAAB1cD2eF3gH4iJ5kL6"
    for path in ("lead/ACwAAB1cD2eF3gH4iJ5kL6,NAME_SEARCH,x", "people/ACwAAB1cD2eF3gH4iJ5kL6"):
        assert normal_linkedin(f"https://www.linkedin.com/sales/{path}") == address


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
        "linkedin.com/sales/lead/acwaab1cd2ef3gh4ij5kl6,name_search,x",
    ],
)
def test_what_is_no_linkedin_profile_is_none(text: str) -> None:
    assert normal_linkedin(text) is None


@pytest.mark.parametrize("text", ["🚀", "12345", "(+49) 30", "-"])
def test_what_has_no_letter_is_nobodys_name(text: str) -> None:
    assert normal_person_name(text) is None


@rules
@given(cells)
def test_normalising_twice_changes_nothing(text: str) -> None:
    for normal in (normal_name, normal_person_name, normal_email, normal_domain, normal_linkedin):
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
        ("山田太郎", ("太郎", "山田")),
        ("王小明", ("小明", "王")),
        ("김민준", ("민준", "김")),
        ("佐々木", ("佐々木", "")),
        ("さくら", ("さくら", "")),
        ("Cher", ("Cher", "")),
        ("Smith,", ("Smith", "")),
        ("Jane Doe, MBA", ("Jane", "Doe")),
        ("Doe, Jane, Ph.D., CPA", ("Jane", "Doe")),
        ("Jane (JD) Doe Jr. (she/her)", ("Jane", "Doe Jr.")),
        ("John Smith III", ("John", "Smith III")),
        ("Rahman, Md", ("Md", "Rahman")),
        (" - ", ("", "")),
        ("Ada Fable, CISSP", ("Ada", "Fable")),
        ("Ada Fable, M.A.", ("Ada", "Fable")),
        ("Ada Fable, SHRM-CP, PMP", ("Ada", "Fable")),
        ("Fable, Ada, CISSP", ("Ada", "Fable")),
        ("Ada Fable, Head of Sales", ("Ada", "Fable")),
        ("Ada Fable, CEO & Founder", ("Ada", "Fable")),
        ("Ada Fable | CEO", ("Ada", "Fable")),
        ("Ada Fable - we are hiring", ("Ada", "Fable")),
        ("Ada Fable 🚀", ("Ada", "Fable")),
        ("Ada Fable MD", ("Ada", "Fable")),
        ("Prof. Dr. Max Müller", ("Max", "Müller")),
        ("Mr. Bo Fable", ("Bo", "Fable")),
        ("Fable, Dr. Ada", ("Ada", "Fable")),
        ("Frau Müller", ("", "Müller")),
        ("12345", ("", "")),
    ],
)
def test_a_full_name_is_split(full: str, parts: tuple[str, str]) -> None:
    assert split_name(full) == parts


@pytest.mark.parametrize(
    ("full", "parts"),
    [
        ("García Márquez, Gabriel José", ("Gabriel José", "García Márquez")),
        ("VAN DYKE, MARIA", ("MARIA", "VAN DYKE")),
        ("van der Berg, J.P.", ("J.P.", "van der Berg")),
        ("García Márquez, J.", ("J.", "García Márquez")),
        ("Rahman Khan Md", ("Rahman Khan", "Md")),
        ("ADA FABLE MD", ("ADA FABLE", "MD")),
        ("Jean-Luc Fable", ("Jean-Luc", "Fable")),
    ],
)
def test_what_may_be_a_name_is_not_taken_for_a_remark(full: str, parts: tuple[str, str]) -> None:
    assert split_name(full) == parts


@rules
@given(cells)
def test_both_parts_of_a_split_name_come_from_it(full: str) -> None:
    whole = normal_name(full) or ""
    assert all(word in whole for part in split_name(full) for word in part.split())


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("M.S. Dhoni", "M.S.", "Dhoni"),
        ("Más Pérez, Ana", "Ana", "Más Pérez"),
        ("Dré Young", "Dré", "Young"),
        ("Herr, Hugh", "Hugh", "Herr"),
        ("Ali, M.S.", "M.S.", "Ali"),
        ("Van Dyk, JP", "JP", "Van Dyk"),
        ("García Márquez, G.J.", "G.J.", "García Márquez"),
        ("van der Berg, J.R.", "J.R.", "van der Berg"),
        ("Jean - Luc Picard", "Jean Luc", "Picard"),
        ("Ada Fable, M.A.", "Ada", "Fable"),
    ],
)
def test_initials_and_accents_make_no_title_of_a_name(full: str, first: str, last: str) -> None:
    assert split_name(full) == (first, last)
