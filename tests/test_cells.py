"""The meaning of a cell: an address with things around it, a gap, a page of others, a title of a column."""

import pytest

from cleanlist_mcp.imports.cells import addresses_in, is_gap, is_no_employer, is_salutation, link_in
from cleanlist_mcp.imports.csv_titles import field_of_title
from cleanlist_mcp.imports.records import understood
from cleanlist_mcp.people.hosts import is_page_of_others
from cleanlist_mcp.people.identity import person_of
from cleanlist_mcp.people.mailboxes import is_provider
from cleanlist_mcp.people.names import clean_first_name, clean_last_name, is_company, read_full_name
from cleanlist_mcp.people.normal_forms import normal_domain, normal_linkedin, normal_phone

ADDRESS = "mira@quillworks.example"


@pytest.mark.parametrize(
    "cell",
    [
        *("mira@quillworks.example", " MIRA@quillworks.example ", "<mira@quillworks.example>"),
        *(
            "'mira@quillworks.example",
            '="mira@quillworks.example"',
            "mailto:mira@quillworks.example?subject=x",
        ),
        *(
            "work: mira@quillworks.example",
            "E-Mail: mira@quillworks.example",
            "Work - mira@quillworks.example",
        ),
        *("mira@quillworks.example*", "mira@quillworks.example.", "**mira@quillworks.example**"),
        *("`mira@quillworks.example`", "\u2709 mira@quillworks.example", "[mira@quillworks.example]"),
        *(
            "mira@quillworks.example (work)",
            "mira@quillworks.example (bounced)",
            "mira@quillworks.example - old",
        ),
        *(
            "[mira@quillworks.example](mailto:mira@quillworks.example)",
            "Mira Quill <mira@quillworks.example>",
        ),
        *(
            "Mira Quill mira@quillworks.example",
            "mira [at] quillworks [dot] example",
            "mira(at)quillworks.example",
        ),
        '<a href="mailto:mira@quillworks.example">write</a>',
        *("\u2709mira@quillworks.example", "mira@quillworks.example 95%", "1. mira@quillworks.example"),
        "mira@quillworks.example 2026-01-31",
        '=HYPERLINK("mailto:mira@quillworks.example";"Mira")',
    ],
)
def test_an_address_is_found_among_what_stands_around_it(cell: str) -> None:
    assert addresses_in(cell) == [ADDRESS]


@pytest.mark.parametrize(
    "between",
    [
        " / ",
        "/",
        " | ",
        "|",
        "\n",
        "\r\n",
        " ",
        ";",
        "; ",
        ", ",
        ",",
        " and ",
        " und ",
        " or ",
        " & ",
        " ::: ",
        *(" bzw. ", " lub ", " eller ", " oppure ", " \u0438 ", "\\n", " \u2192 ", " <br> "),
    ],
)
def test_of_several_addresses_each_is_found(between: str) -> None:
    assert addresses_in(f"{ADDRESS}{between}m@quillworks.example") == [ADDRESS, "m@quillworks.example"]


@pytest.mark.parametrize(
    "cell",
    [
        *("mira,quill@quillworks.example", "mira quill@quillworks.example", "mira@quillworks"),
        *(
            "mira@quill works.example",
            "mira @quillworks.example",
            "mira at quillworks.example",
            "mira@@quillworks.example",
        ),
        *("", "none", "ask Bo"),
    ],
)
def test_a_slip_makes_no_other_address(cell: str) -> None:
    assert addresses_in(cell) == []


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "#N/A",
            "#NV",
            "#REF!",
            "#BEZUG!",
            "#VALUE!",
            "#WERT!",
            "#VALEUR!",
            "#VALOR!",
            "#NAME?",
            "#NOM?",
            "#DIV/0!",
        ),
        *(
            "#N/D",
            "#ND",
            "#WAARDE!",
            "#VERW!",
            "#ARG!",
            "#RIF!",
            "#SPILL!",
            "#####",
            "#\u00a1REF!",
            "Err:502",
            "#ERROR!",
        ),
        *(
            "Loading...",
            "null",
            "NULL",
            "(null)",
            "<null>",
            "None",
            "undefined",
            "undefined undefined",
            "NaN",
            "<NA>",
        ),
        *("n/a", "N.A.", "-", "--", "\u2014", "\u2026", "?", "", "  "),
        *(
            "#\u0417\u041d\u0410\u0427!",
            "#\u041d/\u0414",
            "#PUUTTUU!",
            "#ÉRTÉK!",
            "#YOK",
            "#HODNOTA!",
            "#N/B!",
            "Loading\u2026",
            "(blank)",
        ),
        *("{{contact.company}}", "[object Object]", "(leer)", "\\N", "No data"),
    ],
)
def test_what_marks_a_gap_is_one(cell: str) -> None:
    assert is_gap(cell)


@pytest.mark.parametrize(
    "cell",
    ["Na", "Na Li", "Nullmeier", "None Such Records", "#1 Plumbing", "Nan Chang", "0", "A", "Blank", "Leer"],
)
def test_a_word_that_may_be_meant_is_no_gap(cell: str) -> None:
    assert not is_gap(cell)


@pytest.mark.parametrize(
    "company",
    [
        *(
            "Self-employed",
            "self employed",
            "Freelance",
            "Freelancer",
            "Selbständig",
            "selbstständig",
            "Freiberufler",
        ),
        *(
            "Indépendant",
            "Autónomo",
            "ZZP",
            "unknown",
            "Unbekannt",
            "Retired",
            "Unemployed",
            "0",
            "n/a",
            "Confidential",
        ),
    ],
)
def test_who_works_for_nobody_has_no_employer(company: str) -> None:
    assert is_no_employer(company)


@pytest.mark.parametrize(
    "company", ["Quill Works", "Freelancer GmbH", "Unknown Pleasures Ltd", "3M", "0815 Bau"]
)
def test_a_company_is_an_employer(company: str) -> None:
    assert not is_no_employer(company)


@pytest.mark.parametrize(
    "cell",
    [
        "Mr",
        "Mr.",
        "Mrs",
        "Ms.",
        "Herr",
        "Frau",
        "Frau Dr.",
        "Mme",
        "M.",
        "Sr.",
        "Dr",
        "Prof. Dr.",
        "Mw.",
        "Sig.ra",
        "様",
        "Mr & Mrs",
    ],
)
def test_forms_of_address_are_no_jobs(cell: str) -> None:
    assert is_salutation(cell)


@pytest.mark.parametrize("cell", ["CEO", "Doctor of Law", "Head of Mr. Tailor", "Sales", "Frauenbeauftragte"])
def test_jobs_are_no_forms_of_address(cell: str) -> None:
    assert not is_salutation(cell)


@pytest.mark.parametrize(
    "url",
    [
        *("https://www.google.com/maps/place/x", "https://maps.google.com/?cid=1", "https://goo.gl/maps/x"),
        *(
            "https://maps.app.goo.gl/x",
            "https://g.page/x",
            "https://bit.ly/x",
            "https://tinyurl.com/x",
            "https://t.co/x",
        ),
        *(
            "https://www.yelp.com/biz/x",
            "https://www.trustpilot.com/review/x",
            "https://www.gelbeseiten.de/x",
        ),
        *(
            "https://quill.wixsite.com/home",
            "https://quill.wordpress.com",
            "quill.github.io",
            "quill.myshopify.com",
        ),
        *(
            "https://sites.google.com/view/x",
            "https://app.hubspot.com/contacts/1",
            "https://x.my.salesforce.com/1",
        ),
        *("https://x.lightning.force.com/1", "https://x.pipedrive.com/person/1", "https://app.apollo.io/#/1"),
        *(
            "https://www.tripadvisor.es/x",
            "https://www.glassdoor.co.uk/x",
            "https://amazon.it/x",
            "quill.etsy.com",
        ),
        *(
            "https://share.google/x",
            "https://www.google.ie/maps",
            "https://web.archive.org/web/1/quill.example",
        ),
        *("https://crunchbase.com/organization/x", "https://linktr.ee/x", "https://www.facebook.com/x"),
    ],
)
def test_a_page_on_another_site_is_no_companys_domain(url: str) -> None:
    assert normal_domain(url) is None


@pytest.mark.parametrize(
    "url", ["google.com", "www.yelp.com", "https://hubspot.com/", "wix.com", "facebook.com", "google.co.uk"]
)
def test_the_bare_domain_of_such_a_site_is_its_companys(url: str) -> None:
    assert normal_domain(url)


def test_a_company_whose_name_ends_like_such_a_site_is_itself() -> None:
    assert not is_page_of_others("notyelp.com", "about")
    assert normal_domain("https://yelp.com.quill.example/x") == "yelp.com.quill.example"


@pytest.mark.parametrize(
    "domain", ["gmail.com", "gmx.de", "web.de", "yahoo.co.uk", "outlook.com", "proton.me", "wp.pl"]
)
def test_a_mail_providers_domain_is_nobodys_employer(domain: str) -> None:
    assert is_provider(domain)
    person, problems = person_of({"domain": f"https://www.{domain}/"})
    assert person.domain is None
    assert problems == ("domain is a mail provider's, and nobody's employer",)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "linkedin.com/in/mira quill",
            "linkedin.com/in/mira,quill",
            "linkedin.com/in/mira-qu...",
            "linkedin.com/in/mira-qu\u2026",
        ),
        *(
            "linkedin.com/in/mira%20quill",
            "linkedin.com/in/null",
            "linkedin.com/in/undefined",
            "linkedin.com/in/me",
        ),
        *("linkedin.com/company/quill", "linkedin.com/in/"),
    ],
)
def test_a_profile_address_that_is_not_whole_is_none(address: str) -> None:
    assert normal_linkedin(address) is None


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("tel:+49 555 0101", "+49 555 0101"),
        ("'+49 555 0101", "+49 555 0101"),
        ("+49 555 0101 / +49 555 0102", "+49 555 0101"),
        ("555-0101 x12", "555-0101 x12"),
        ("4.95550101E+11", None),
        ("12", None),
        ("call me", None),
    ],
)
def test_a_phone_number_is_one_as_it_is_written(written: str, number: str | None) -> None:
    assert normal_phone(written) == number


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("van der BERG Anna", "Anna", "van der BERG"),
        ("GARCIA LOPEZ Maria Jose", "Maria Jose", "GARCIA LOPEZ"),
        ("Hans-Peter MÜLLER", "Hans-Peter", "MÜLLER"),
        ("JRR Quill", "JRR", "Quill"),
        ("Ada St. John", "Ada", "St. John"),
        ("Vincent Van Quill", "Vincent", "Van Quill"),
        ("Mira Quill: CEO", "Mira", "Quill"),
        ("Mira Quill; CEO", "Mira", "Quill"),
        ("Mira Quill CEO", "Mira", "Quill"),
        ("Mira Quill @ Quill Works", "Mira", "Quill"),
        ("Mira Quill, Jr., MBA", "Mira", "Quill Jr."),
        ("M. Quill", "", "Quill"),
    ],
)
def test_a_name_is_cut_where_it_can_only_be_cut_there(full: str, first: str, last: str) -> None:
    assert read_full_name(full) == (first, last, True)


@pytest.mark.parametrize(
    "full", ["Ngozi Adaeze Quill", "Quill", "Mira Lovage Quill", "Nguyen Thi Minh Quill"]
)
def test_a_name_that_may_be_cut_in_several_ways_is_not_sure(full: str) -> None:
    assert not read_full_name(full).is_sure


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Quill, MBA, CISSP", "Quill"),
        ("Quill (she/her)", "Quill"),
        ("Quill Ph.D.", "Quill"),
        ("Quill, Jr.", "Quill Jr."),
    ],
)
def test_a_last_name_loses_what_stands_around_it_and_keeps_its_suffix(written: str, plain: str) -> None:
    assert clean_last_name(written) == plain


@pytest.mark.parametrize("written", ["Dr. Mira \U0001f680", "Mrs. Mira", 'Mira "Mimi"', "Mira (she/her)"])
def test_a_first_name_loses_what_stands_around_it(written: str) -> None:
    assert clean_first_name(written) == "Mira"


@pytest.mark.parametrize(
    "name", ["Quill Werke GmbH", "Quill & Söhne KG", "Quill, Inc.", "Quill Sp. z o.o.", "Quill S.L."]
)
def test_a_name_that_ends_in_a_legal_form_is_a_company(name: str) -> None:
    assert is_company(name)


@pytest.mark.parametrize(
    "name", ["Ana Sa", "Kim Co", "Ravi Sas", "Mira Quill, Quill Inc.", "Mira Quill | Quill GmbH", "Jan As"]
)
def test_a_persons_name_is_no_company(name: str) -> None:
    assert not is_company(name)


@pytest.mark.parametrize(
    ("first", "last", "company"),
    [
        ("Quill Werke", "GmbH", "Quill Werke GmbH"),
        ("Quill", "Ltd.", "Quill Ltd."),
        ("Quill", "Werke GmbH", None),
        ("Ana", "Sa", None),
        ("", "GmbH", None),
    ],
)
def test_a_company_that_was_cut_before_its_legal_form_is_no_person(
    first: str, last: str, company: str | None
) -> None:
    fields = understood({"first_name": first, "last_name": last}).fields

    assert fields.get("company_name") == company
    assert ("last_name" in fields) == (company is None)


@pytest.mark.parametrize(
    ("cell", "text", "address"),
    [
        ('=HYPERLINK("https://x.example","Mira")', "Mira", "https://x.example"),
        ('=HIPERVINCULO("https://x.example";"Mira")', "Mira", "https://x.example"),
        ('=HYPERLINK("https://x.example")', "https://x.example", "https://x.example"),
        ("[Mira](https://x.example)", "Mira", "https://x.example"),
    ],
)
def test_a_linked_cell_is_its_text_and_where_it_leads(cell: str, text: str, address: str) -> None:
    assert link_in(cell) == (text, address)


@pytest.mark.parametrize(
    ("title", "field"),
    [
        *(("E-Mail (Work)", "email"), ("Email 1", "email"), ("Your email address (required)", "email")),
        *(
            ("Recipient First Name", "first_name"),
            ("RecipientLastName", "last_name"),
            ("Cognome", "last_name"),
        ),
        *(
            ("Achternaam", "last_name"),
            ("Sobrenome", "last_name"),
            ("Nazwisko", "last_name"),
            ("Efternamn", "last_name"),
        ),
        *(
            ("Etternavn", "last_name"),
            ("Příjmení", "last_name"),
            ("会社名", "company_name"),
            ("役職", "title"),
        ),
        *(
            ("Azienda", "company_name"),
            ("Bedrijf", "company_name"),
            ("Selskap", "company_name"),
            ("Fornavn", "first_name"),
        ),
        *(
            ("Mailing City", "city"),
            ("Status", None),
            ("Contact Owner", None),
            ("Attendee #", None),
            ("Person ID", None),
        ),
    ],
)
def test_titles_mean_their_fields(title: str, field: str | None) -> None:
    assert field_of_title(title) == field
