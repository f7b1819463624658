"""The same person, by what somebody is recognised, and somebody else."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cleanlist_mcp.people.identity import PLACEHOLDER, Person, person_of, why_nobody
from cleanlist_mcp.people.marks import Basis, Marks, united
from cleanlist_mcp.people.normal_forms import normal_email
from cleanlist_mcp.people.same_person import are_different, marks_of, recognised, whose
from cleanlist_mcp.people.short_forms import forms_of
from cleanlist_mcp.people.spellings import spellings
from tests.people_written import full_width, records

Record = Mapping[str, str]

MAIL = "m@fable.example"
PROFILE = "linkedin.com/in/ada-fable"


def marks(**fields: str) -> Marks:
    person, problems = person_of(fields)
    assert all("mail provider's" in problem or problem == PLACEHOLDER for problem in problems)
    # No call gives a placeholder, but the API's own rows may hold one.
    return marks_of(replace(person, email=normal_email(fields.get("email", ""))))


def test_addresses_that_several_people_share_tell_nobody_apart() -> None:
    """Two mailboxes of unknown names, each under two people: who has both is one person."""
    boxes = [MAIL, "n@fable.example"]
    one, other = (named("Ada / Fable", company_name="Fable", email=box) for box in boxes)
    contested = one.addresses | other.addresses

    assert recognised(one, other) is None
    assert recognised(one, other, contested) == "name and domain"
    assert are_different(one, other)
    assert not are_different(one, other, contested=contested)


def named(name: str, **fields: str) -> Marks:
    """The marks of somebody whose name is written "First / Last"; either may be missing."""
    first, _, last = (part.strip() for part in name.partition("/"))
    return marks(first_name=first, last_name=last, **fields)


def basis(one: Marks, other: Marks) -> Basis | None:
    """By what two are the same; the answer has to be the same from both sides, and for digests."""
    found = recognised(one, other)
    assert recognised(other, one) == found
    assert recognised(one.mapped(digest), other.mapped(digest)) == found
    assert found is None or one.keys & other.keys
    assert found is None or not are_different(one, other)
    return found


def digest(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=8).hexdigest()


# Names that are equal, however they are spelled.

EQUAL = """
Pat / O'Brien ~ Pat / O\u2019Brien ~ Pat / OBrien ~ Pat / O Brien ~ Pat / O\u00b4Brien ~ Pat / O`Brien
Pat / O'Brien ~ Pat / O\u02bcBRIEN
Anna-Lena / Fable ~ Anna\u2011Lena / Fable ~ Anna\u2010Lena / Fable ~ Anna Lena / Fable
Anna-Lena / Fable ~ Anna\u2212Lena / Fable
Anna-Lena / Fable ~ Annalena / Fable ~ Anna\u00a0Lena / Fable ~ Anna\u2013Lena / Fable
Anna-Lena / Fable ~ Anna\u00adLena / Fable
\uff21\uff44\uff41 / Fable ~ Ada / Fable ~ ADA / FABLE ~ ada / fable ~ \U0001d400da / Fable
\ufb01ona / Fable ~ Fiona / Fable
J. R. / Fable ~ J.R. / Fable ~ JR / Fable ~ J R / Fable ~ j.r. / fable
Zoe\u0308 / Fable ~ Zoë / Fable ~ Zoe / Fable
İrem / Işık ~ irem / işik ~ Irem / Isik ~ İREM / IŞIK
Jürgen / Müller ~ Juergen / Mueller ~ Jurgen / Muller ~ Jürgen / Mueller ~ Jurgen / Müller
Juergen / Mueller ~ Jurgen / Muller
Groß / Weiß ~ Gross / Weiss ~ GRO\u1e9e / WEISS
Søren / Sørensen ~ Soren / Sorensen ~ Soeren / Soerensen ~ Sören / Soerensen
Åse / Ångström ~ Aase / Aangstroem ~ Ase / Angstrom ~ Åse / Angstroem
Łukasz / Wałęsa ~ Lukasz / Walesa
Đorđe / Fable ~ Djordje / Fable ~ Dorde / Fable
Þór / Kjær ~ Thor / Kjaer
Cœur / Fable ~ Coeur / Fable
Ada / Sandø ~ Ada / Sandoe
Ada / Sandø ~ Ada / Sando
Ada / Schröder ~ Ada / Schroeder ~ Ada / Schroder
Ada / Häusler ~ Ada / Haeusler ~ Ada / Hausler
Dr. Eva / Fable ~ Eva / Fable ~ Prof. Dr. Eva / Fable ~ Dr.Eva / Fable ~ DR EVA / Fable ~ Frau Eva / Fable
Eva / Fable ~ Eva / Dr. Fable ~ Mrs Eva / Fable ~ Ms. Eva / Fable ~ Dipl.-Ing. Eva / Fable
Eva / Fable ~ Dr. med. Eva / Fable
Eva / Fable ~ Mme Eva / Fable ~ Sra. Eva / Fable ~ Dr. h.c. Eva / Fable ~ Doña Eva / Fable
Mario / Fable ~ Sig. Mario / Fable ~ Don Mario / Fable ~ Sr. Mario / Fable ~ Herr Mario / Fable
Mario / Fable ~ Mr Mario / Fable
Eva / Fable ~ Eva / Fable, PhD ~ Eva / Fable Ph.D. ~ Eva / Fable MBA ~ Eva / Fable, M.A. ~ Eva / Fable, CISSP
Eva / Fable ~ Eva (Evi) / Fable ~ Eva "Evi" / Fable ~ Eva / Fable (she/her) ~ Eva \U0001f680 / Fable
Fable / Ada ~ Ada / Fable ~ / Fable, Ada ~ Ada Fable / ~ / Fable, ADA ~ / Ada Fable
Ada V. / Kumar ~ Ada V / Kumar
John J.R. / Fable ~ John J. R. / Fable
Dipl. Ing. Eva / Fable ~ Eva / Fable ~ Dipl.-Kfm. Eva / Fable ~ Dr.in Eva / Fable ~ Prof.Dr.Eva / Fable
Ing-Marie / Fable ~ Ing Marie / Fable
Hans-Jürgen / Groß-Müller ~ HANS JUERGEN / GROSS MUELLER ~ Hansjurgen / Grossmuller
John / Smith-Jr. ~ John / Smith Jr. ~ John / Jr. Smith
Jack / Ma ~ JACK / MA
Meyer / Anna Lena ~ Anna Lena / Meyer ~ Anna / Lena Meyer
Ada / de la Cruz ~ Ada / DelaCruz ~ Ada de la / Cruz
John / Smith Jr. ~ John / Smith, Jr ~ John / Smith Junior ~ John Jr. / Smith ~ JOHN / SMITH JR
John / Smith Jr. ~ John / Smith (Jr.)
John / Smith III ~ John / Smith, III ~ John III / Smith ~ John / Smith 3rd ~ John / Smith \u2162
John / Smith Sr. ~ John / Smith, Senior ~ John Sr. / Smith ~ John Smith / Sr.
John / Smith Jr., MD ~ John / Smith, MD, Jr.
Don / Draper ~ don / draper
Junior / Fable ~ JUNIOR / Fable
Ольга / Ёлкина
Ольга / Ёлкина ~ ОЛЬГА / Елкина
小 明 / 王 ~ 小明 / 王
"""

UNEQUAL = """
John / Smith ~ John / Smith Jr.
John / Smith Sr. ~ John / Smith Jr.
John / Smith II ~ John / Smith III
John / Smith IV ~ John / Smith V
John III / Smith ~ John / Smith
Eva / Junior ~ Eva / Fable Jr.
Ada / Fable ~ A. / Fable
Bob / Smith ~ Robert / Smith
Ada / Lovelace ~ Ada / Lovelcae
Anna / Fable ~ Anna-Lena / Fable
Li / Nan ~ Lin / An
Ann / Alee ~ Anna / Lee
Ada / Kumar V ~ Ada / Kumar
Jack / Ma ~ Jack / Fable
Dr / Fable ~ Eva / Fable
John Q. / Smith ~ John / Smith
Michael / Fable ~ Michal / Fable
Joe / Fable ~ Jo / Fable
Sue / Lee ~ Su / Lee
Ada / Bauer ~ Ada / Baur
Samuel / Fable ~ Samul / Fable
かが / 山田 ~ かか / 山田
राम / शर्मा
राम / शर्मा ~ रीमा / शर्मा
"""


def pairs(table: str) -> list[tuple[str, str]]:
    """Each line's first text with each other one of the line."""
    lines = [line.split(" ~ ") for line in table.strip().splitlines()]
    return [(first, other) for first, *others in lines for other in others]


@pytest.mark.parametrize(("one", "other"), pairs(EQUAL))
def test_one_name_in_two_spellings_at_one_company_is_one_person(one: str, other: str) -> None:
    for place in ({"company_name": "Fable"}, {"domain": "fable.example"}):
        assert basis(named(one, **place), named(other, **place))
    assert basis(named(one, email="info@fable.example"), named(other, email="info@fable.example"))


@pytest.mark.parametrize(("one", "other"), pairs(UNEQUAL))
def test_names_that_are_not_equal_are_two_people_at_one_company(one: str, other: str) -> None:
    for place in ({"company_name": "Fable"}, {"domain": "fable.example"}, {"email": "info@fable.example"}):
        assert basis(named(one, **place), named(other, **place)) is None


# Names that one person's address may stand with.

COMPATIBLE = """
Ada / Lovelace ~ A. / Lovelace ~ A / Lovelace ~ Ada / L. ~ Ada / ~ / Lovelace ~ Ada / Lovelace-King
Ada / Lovelace ~ Ada / Lovelcae ~ Ada / Lovelac ~ Ada / Lovelacce ~ Ada / Lovelaxe ~ Ada / ovelace
Lovelace / A. ~ Ada / Lovelace
Ada Lovelace / ~ Ada / Lovelace ~ A. / Lovelace
Robert / Fable ~ Bob / Fable ~ Bobby / Fable ~ Rob / Fable ~ Robert J. / Fable ~ R. J. / Fable
Robert / Fable ~ Robret / Fable
Bob / Fable ~ Rob / Fable ~ Robert James / Fable
William / Fable ~ Bill / Fable ~ Will / Fable ~ Liam / Fable ~ Wm. / Fable
Sasha / Fable ~ Alexander / Fable
Sasha / Fable ~ Alexandra / Fable
Pepe / Fable ~ José / Fable
Hans / Fable ~ Johannes / Fable
Beppe / Fable ~ Giuseppe / Fable
Margot / Fable ~ Marguerite / Fable ~ Margaret / Fable
Sjaak / Fable ~ Jacobus / Fable
Саша / Иванов
Саша / Иванов ~ Александр / Иванов
Anna-Lena / Fable ~ Anna / Fable ~ Lena / Fable ~ Anna L. / Fable ~ A.-L. / Fable ~ Ana-Lena / Fable
Gabriel / García ~ Gabriel / García Márquez
Ada / van der Berg ~ Ada / Berg
Marc / Fable ~ Mark / Fable
Sara / Fable ~ Sarah / Fable
Jon / Fable ~ John / Fable
Philipp / Fable ~ Philip / Fable ~ Phillip / Fable
Michael / Fable ~ Micheal / Fable
J. R. / Fable ~ John Ronald / Fable ~ John / Fable
JR / Fable ~ John Ronald / Fable ~ John / Fable
AJ / Fable ~ Anna Julia / Fable ~ Anna / Fable
Jean-Pierre / Fable ~ JP / Fable ~ J.-P. / Fable
Müller / Ada ~ Ada / Mueler
Ada / Müller ~ Ada / Mieller
"""

INCOMPATIBLE = """
Anna / Meyer ~ Alan / Meyer
Paul / Fable ~ Paula / Fable
Simon / Fable ~ Simone / Fable
Mario / Fable ~ Maria / Fable
Andrea / Fable ~ Andreas / Fable
Daniel / Fable ~ Daniela / Fable
Giovanni / Fable ~ Giovanna / Fable
Carlo / Fable ~ Carlos / Fable
Luca / Fable ~ Lucas / Fable
Alexander / Fable ~ Alexandra / Fable
Christian / Fable ~ Christina / Fable
Francis / Fable ~ Frances / Fable
Ronald / Fable ~ Donald / Fable
Emil / Fable ~ Emily / Fable
Jean / Fable ~ Joan / Fable
Nina / Fable ~ Tina / Fable
Tim / Fable ~ Tom / Fable
Jan / Fable ~ Jana / Fable
Al / Fable ~ Anna / Fable
Al / Fable ~ Anna-Lena / Fable
Jo / Fable ~ Jack / Fable
Ada / Wu ~ Ada / Wo
Ada / Lovelace ~ Alan / Turing
Ada / Lovelace ~ A. / Turing
Ada / Lovelace ~ A. / Lovelcae
Ada / Lovelace ~ Ada / Lovlcae
Ada / Lovelace ~ Alan /
Ada / Lovelace ~ Alan Lovelace /
Adda / Lovelcae ~ Ada / Lovelace
Bob / Lovelcae ~ Robert / Lovelace
Anna-Lena / Fable ~ Anna-Maria / Fable
Gabriel / García Márquez ~ Gabriel / García López
John / Smith Sr. ~ John / Smith Jr.
John / Smith ~ John / Smith Jr.
John / Smith ~ John III / Smith
John / Smith II ~ J. / Smith III
Роман / Иванов
Роман / Иванов ~ Романа / Иванов
王 / 明 ~ 王 / 明华
"""


@pytest.mark.parametrize(("one", "other"), pairs(COMPATIBLE))
def test_names_that_one_person_may_go_by_are_one_person_at_one_address(one: str, other: str) -> None:
    assert basis(named(one, email=MAIL), named(other, email=MAIL)) == "e-mail address"


@pytest.mark.parametrize(("one", "other"), pairs(INCOMPATIBLE))
def test_names_of_two_people_are_two_people_at_one_address(one: str, other: str) -> None:
    asked, known = named(one, email=MAIL), named(other, email=MAIL)
    assert basis(asked, known) is None
    assert are_different(asked, known)


# Companies and domains.

COMPANIES = """
Acme Inc ~ Acme Inc. ~ Acme, Inc ~ Acme ~ ACME ~ The Acme Company ~ Acme Corp. ~ Acme L.L.C.
Acme Inc ~ Acme Co., Ltd. ~ Acme\u2122
Acme ~ Acme GmbH ~ Acme GmbH & Co. KG ~ Acme GmbH und Co KG ~ Acme AG ~ Acme SE ~ Acme e.K. ~ Acme e. K.
Acme ~ Acme OHG
Acme ~ Acme UG (haftungsbeschränkt) ~ Acme S.A. ~ Acme S. A. ~ Acme SAS ~ Acme S.A.R.L. ~ Acme S.L.
Acme ~ Acme S.p.A.
Acme ~ Acme S.r.l. ~ Acme B.V. ~ Acme NV ~ Acme AB ~ Acme Oy ~ Acme A/S ~ Acme ApS ~ Acme sp. z o.o.
Acme ~ Acme s. r. o.
Acme ~ Acme Pty Ltd ~ Acme PLC ~ Acme LLP ~ Acme Limited ~ Acme Kft. ~ Acme K.K. ~ Acme Private Limited
Acme ~ Acme & Co.
Acme ~ ООО Acme ~ 株式会社Acme ~ Acme株式会社
Acme ~ Acme S.A. de C.V.
Moody's ~ Moody\u2019s ~ MOODYS ~ Moody\u00b4s
Smith & Jones ~ Smith and Jones ~ Smith + Jones ~ Smith und Jones ~ Smith et Jones ~ Smith y Jones
Smith & Jones ~ Smith&Jones Ltd
Müller & Söhne ~ Mueller und Soehne GmbH ~ Muller & Sohne
García ~ Garcia y Cía.
Acme ~ Acme Ltd. Şti. ~ Acme A.Ş. ~ Acme d.o.o. ~ Acme S.à r.l. ~ Acme Gesellschaft mbH ~ Acme – GmbH ~ ПАО Acme
Acme株式会社 ~ 株式会社Acme ~ 株式会社ACME
J.P. Fable ~ JP Fable ~ J. P. Fable LLC
Fable-Works ~ Fable Works ~ \uff26able Works
"""

OTHER_COMPANIES = """
Limited ~ AG
The Company ~ The Limited
E Corp ~ Y Corp
Acme ~ Acme Labs
Acme ~ Acme UK Ltd
Acme & Sons ~ Acme
"""


@pytest.mark.parametrize(("one", "other"), pairs(COMPANIES))
def test_a_company_is_the_same_with_any_legal_form_and_spelling(one: str, other: str) -> None:
    asked, known = (named("Ada / Fable", company_name=name) for name in (one, other))
    assert basis(asked, known) == "details"


@pytest.mark.parametrize(("one", "other"), pairs(OTHER_COMPANIES))
def test_one_name_at_two_companies_is_two_people(one: str, other: str) -> None:
    assert basis(named("Ada / Fable", company_name=one), named("Ada / Fable", company_name=other)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("münchen.example", "xn--mnchen-3ya.example", True),
        ("straße.example", "XN--STRAE-OQA.example", True),
        ("straße.example", "strasse.example", False),
        ("https://www.fable.example/about?x=1", "fable.example", True),
        ("FABLE.example.", "fable.example", True),
        (full_width("fable.example"), "fable.example", True),
        ("fable.example", "tale.example", False),
        ("shop.fable.example", "fable.example", False),
        ("gmail.com", "gmail.com", False),
    ],
)
def test_a_domain_is_the_same_by_its_a_labels(one: str, other: str, same: bool) -> None:
    asked = named("Ada / Fable", domain=one, company_name="Fable")
    known = named("Ada / Fable", domain=other, person_id="p1")
    assert basis(asked, known) == ("name and domain" if same else None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example", True),
        ("ADA@Fable.example", "mailto:ada@fable.example", True),
        ("a.b@gmail.com", "ab@gmail.com", False),
        ("ada+news@fable.example", "ada@fable.example", False),
        ("ada@straße.example", "ada@strasse.example", False),
    ],
)
def test_an_address_is_the_same_in_any_spelling_of_its_domain_alone(one: str, other: str, same: bool) -> None:
    assert basis(marks(email=one, person_id="p"), marks(email=other)) == ("e-mail address" if same else None)


@pytest.mark.parametrize(
    "written",
    [
        *("https://www.linkedin.com/in/Ada-Fable/", "de.linkedin.com/in/ada-fable?trk=x", "/in/ada-fable"),
        *("HTTP://LINKEDIN.COM/IN/ADA%2DFABLE", "m.linkedin.com/in/ada-fable#top"),
    ],
)
def test_a_profile_is_the_same_in_any_spelling(written: str) -> None:
    assert basis(marks(linkedin_url=written, email=MAIL), marks(linkedin_url=PROFILE)) == "LinkedIn profile"


# By what somebody is recognised.

ADA = {"first_name": "Ada", "last_name": "Fable"}
BO = {"first_name": "Bo", "last_name": "Tale"}
COMPANY, DOMAIN = {"company_name": "Fable"}, {"domain": "fable.example"}
OWN, OTHER = {"email": "ada@fable.example"}, {"email": "a.fable@fable.example"}
INFO, LOCKED = {"email": "info@fable.example"}, {"email": "email_not_unlocked@domain.com"}
ON_LINKEDIN, ELSEWHERE = {"linkedin_url": PROFILE}, {"linkedin_url": f"{PROFILE}-2"}
ID, OTHER_ID = {"person_id": "p1"}, {"person_id": "p2"}


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        (ADA | COMPANY, ADA | COMPANY, "details"),
        (ADA | COMPANY, ADA | COMPANY | DOMAIN, "name and company"),
        (ADA | DOMAIN, ADA | DOMAIN | ON_LINKEDIN, "name and domain"),
        (ON_LINKEDIN, ON_LINKEDIN | OWN, "LinkedIn profile"),
        (ON_LINKEDIN | ADA, ON_LINKEDIN | BO, "LinkedIn profile"),
        (ON_LINKEDIN | ID, ON_LINKEDIN | OTHER_ID, "LinkedIn profile"),
        (ID, ID | OWN, "id"),
        (ID | ADA, ID | BO | COMPANY, "id"),
        (ID, OTHER_ID, None),
        (ON_LINKEDIN, ELSEWHERE, None),
        (OWN, OWN | ADA, "e-mail address"),
        (OWN | ON_LINKEDIN | ADA, OWN | ELSEWHERE | ADA, "e-mail address"),
        (OWN | ADA, OWN | BO, None),
        (OWN | ADA, ADA | DOMAIN, "name and domain"),
        (OWN | ADA, ADA | COMPANY, None),
        (OWN | ADA, OTHER | ADA, None),
        (OWN | ADA | COMPANY, OTHER | ADA | COMPANY, None),
        (OWN | ADA | COMPANY, {"email": "ada@home.example"} | ADA | COMPANY, "name and company"),
        (ADA | COMPANY | ON_LINKEDIN, ADA | COMPANY | ELSEWHERE, None),
        (ADA | COMPANY | ID, ADA | COMPANY | OTHER_ID, None),
        (ADA | COMPANY | ID, ADA | COMPANY | ON_LINKEDIN, "name and company"),
        (ADA | COMPANY, BO | COMPANY, None),
        (ADA | COMPANY, ADA | {"company_name": "Tale"}, None),
        (ADA | COMPANY, ADA | DOMAIN, None),
        ({"email": "ada@gmail.com"} | ADA, {"domain": "gmail.com"} | ADA, None),
        ({"email": "ada@gmail.com"} | ADA, {"email": "ada.fable@gmail.com"} | ADA | COMPANY, None),
        (INFO | ADA, INFO | BO, None),
        (INFO | ADA, INFO | ADA | COMPANY, "e-mail address"),
        (INFO | ADA, INFO | {"first_name": "A.", "last_name": "Fable"}, None),
        (INFO | ADA, INFO, None),
        (INFO, INFO, "details"),
        (INFO, INFO | DOMAIN, "e-mail address"),
        (INFO, INFO | ON_LINKEDIN, None),
        (INFO | ADA | ON_LINKEDIN, INFO | ADA | ELSEWHERE, None),
        (INFO | ADA, ADA | DOMAIN, "name and domain"),
        (LOCKED | ADA, LOCKED | BO, None),
        (LOCKED | ADA, LOCKED | ADA | ID, "e-mail address"),
        (LOCKED | ADA | COMPANY, LOCKED | ADA | {"company_name": "Tale"}, None),
        (LOCKED | ADA | COMPANY, LOCKED | ADA | COMPANY | ID, "e-mail address"),
        (LOCKED | ADA, ADA | {"domain": "domain.com"}, None),
        (LOCKED, LOCKED | COMPANY, "e-mail address"),
        (ADA | OWN, ADA | ID, None),
    ],
)
def test_the_strongest_evidence_is_named_and_contradictions_count(
    one: Record, other: Record, by: Basis | None
) -> None:
    assert basis(marks(**one), marks(**other)) == by


@pytest.mark.parametrize(
    "shared",
    [
        *(
            "info",
            "info1",
            "info+de",
            "sales.emea",
            "emea-sales",
            "office",
            "contact",
            "kontakt",
            "hello",
            "support",
        ),
        *(
            "admin",
            "team",
            "mail",
            "hr",
            "jobs",
            "marketing",
            "billing",
            "büro",
            "buero",
            "vertrieb",
            "rechnung",
        ),
        *(
            "ventas",
            "contacto",
            "facturacion",
            "comptabilite",
            "accueil",
            "contatti",
            "amministrazione",
            "verkoop",
        ),
        *("klantenservice", "customer.service", "accounts-payable", "de.info", "sales_us"),
        *(
            "email_not_unlocked",
            "noemail",
            "no-email",
            "none",
            "n/a",
            "na",
            "test",
            "unknown",
            "xxx",
            "example",
        ),
        *("do-not-email", "donotreply", "noreply", "firstname.lastname", "dummy", "not.available"),
    ],
)
def test_an_address_of_several_people_or_nobody_tells_none_of_them_apart(shared: str) -> None:
    email = f"{shared}@fable.example"
    ada, bob, robert = (named(name, email=email) for name in ("Ada / Fable", "Bob / Fable", "Robert / Fable"))
    assert basis(bob, robert) is basis(ada, bob) is None
    assert basis(marks(email=email), bob) is None
    assert basis(marks(email=email), marks(email=email)) == "details"
    assert basis(named("ADA / fable", email=email, person_id="p"), ada) == "e-mail address"


@pytest.mark.parametrize(
    "own",
    ["ada", "a.fable", "bob.sales", "max.office", "post.anna", "testa", "nina", "infante", "4711", "i.t"],
)
def test_a_personal_address_is_told_from_a_shared_one(own: str) -> None:
    email = f"{own}@fable.example"
    assert basis(named("Bob / Fable", email=email), named("Robert / Fable", email=email)) == "e-mail address"


@pytest.mark.parametrize("suffix", ["Jr.", "Sr.", "II", "III", "IV", "V"])
@pytest.mark.parametrize("shared", [ON_LINKEDIN, ID, OWN, INFO, COMPANY, DOMAIN], ids=str)
def test_a_father_and_a_son_are_two_whatever_they_share(suffix: str, shared: Record) -> None:
    father, son = named("John / Smith", **shared), named(f"John / Smith {suffix}", **shared)
    assert basis(father, son) is None
    assert are_different(father, son)
    assert whose(son, [father]) == []


@pytest.mark.parametrize("shared", [ON_LINKEDIN, ID, OWN], ids=str)
def test_where_one_side_gives_no_name_a_suffix_says_nothing(shared: Record) -> None:
    assert basis(marks(**shared), named("John / Smith Jr.", **shared))


# One out of several.


def test_somebody_is_found_among_others() -> None:
    known = [marks(**OWN, **ADA), marks(**ADA, **COMPANY), marks(**BO, **COMPANY), marks(**INFO, **ADA)]
    assert whose(marks(**ADA, **COMPANY, **DOMAIN), known) == [0, 1, 3]
    assert whose(marks(**BO, **DOMAIN), known) == []
    assert whose(marks(**BO, **DOMAIN), []) == []


def test_a_call_that_fits_two_different_people_joins_neither() -> None:
    known = [marks(**ADA, **COMPANY, **ON_LINKEDIN), marks(**ADA, **COMPANY, **ELSEWHERE)]
    assert whose(marks(**ADA, **COMPANY), known) == []
    assert whose(marks(**ADA, **COMPANY, **DOMAIN), known) == []


def test_the_very_same_call_repeats_even_where_it_would_fit_two_people() -> None:
    known = [
        marks(**ADA, **COMPANY, **ON_LINKEDIN),
        marks(**ADA, **COMPANY, **ELSEWHERE),
        marks(**ADA, **COMPANY),
    ]
    assert whose(marks(**ADA, **COMPANY), known) == [2]
    assert whose(marks(first_name="FABLE", last_name="ada", company_name="Fable GmbH"), known) == [2]


def test_what_is_stronger_decides_between_two_people() -> None:
    profile, mail, name = (
        marks(**ADA, **COMPANY, **ON_LINKEDIN),
        marks(**ADA, **OWN, **ELSEWHERE),
        marks(**ADA, **COMPANY, **OTHER, **ELSEWHERE),
    )
    assert whose(marks(**ADA, **COMPANY, **OWN, **ON_LINKEDIN), [name, mail, profile]) == [2]
    assert whose(marks(**ADA, **COMPANY, **OWN), [name, mail]) == [1]


def test_a_profile_and_an_id_of_two_people_join_neither() -> None:
    known = [marks(**ON_LINKEDIN, **OTHER_ID), marks(**ID, **ELSEWHERE)]
    assert whose(marks(**ON_LINKEDIN, **ID), known) == []


def test_an_address_of_anna_and_alan_is_each_of_theirs_and_nobodys_with_an_initial() -> None:
    email = "a.meyer@fable.example"
    anna, alan = named("Anna / Meyer", email=email), named("Alan / Meyer", email=email)
    assert whose(alan, [anna]) == []
    assert whose(named("Anna / Meyer", email=email, person_id="p"), [anna, alan]) == [0]
    for asked in (named("A. / Meyer", email=email), marks(email=email), named("Anne / Meyer", email=email)):
        assert whose(asked, [anna, alan]) == []
        assert whose(asked, [anna]) == [0]


def test_an_address_with_incompatible_names_says_nothing_of_somebody_without_a_name() -> None:
    nobody = marks(email=MAIL, person_id="p")
    assert whose(named("Ada / Fable", email=MAIL), [named("Bo / Tale", email=MAIL), nobody]) == []


def test_whoever_was_an_initial_and_is_known_as_anna_is_not_alan() -> None:
    email = "a.meyer@fable.example"
    anna = united(named("A. / Meyer", email=email), named("Anna / Meyer", email=email))
    assert basis(named("Alan / Meyer", email=email), anna) is None
    assert basis(named("Annie / Meyer", email=email), anna) == "e-mail address"
    assert basis(named("A. / Meyer", email=email), anna) == "details"


def test_a_name_before_a_marriage_and_one_after_it_are_both_a_persons_own() -> None:
    ada = united(named("Ada / Lovelace", **OWN, **ID), named("Ada / King", **ID))
    assert basis(named("A. / King", **OWN), ada) == "e-mail address"
    assert basis(named("A. / Lovelace", **OWN), ada) == "e-mail address"
    assert basis(named("A. / Turing", **OWN), ada) is None


def test_two_typing_errors_in_one_name_are_still_that_name() -> None:
    ada = united(named("Ada / Lovelace", **OWN), named("Ada / Lovelcae", **OWN))
    assert basis(named("Ada / Lovelac", **OWN), ada) == "e-mail address"


def test_a_chain_of_calls_grows_to_one_person() -> None:
    person = marks(**OWN)
    for call in (
        named("Ada / Fable", **OWN, **COMPANY),
        named("Ada / Fable", **COMPANY, **ID),
        marks(**ID, **ON_LINKEDIN),
        named("Ada / Fable", **ON_LINKEDIN, domain="tale.example"),
    ):
        assert whose(call, [person]) == [0]
        person = united(person, call)
    assert basis(named("ada / FABLE", domain="www.tale.example"), person) == "name and domain"
    assert basis(marks(**ON_LINKEDIN), person) == "LinkedIn profile"


def test_nobody_is_recognised_by_nothing() -> None:
    nothing = marks_of(Person())
    assert nothing == Marks() and not nothing.keys
    assert basis(nothing, nothing) is None
    assert basis(marks(title="CEO"), marks(title="CEO")) is None


def test_a_single_name_at_a_company_is_nobody_in_particular() -> None:
    assert basis(named("Ada /", **COMPANY, **OWN), named("Ada /", **COMPANY, **ID)) is None


# Rules.

FIRST = [
    "Ada",
    "Anna-Lena",
    "J. R.",
    "Jürgen",
    "Bob",
    "Robert",
    "Zoé",
    "Paul",
    "Paula",
    "A.",
    "José",
]
LAST = [
    "Fable",
    "O'Tale",
    "Müller",
    "García Márquez",
    "van der Berg",
    "Smith",
    "Smith Jr.",
    "Groß",
]
people = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(
            ["m@fable.example", "a@müller.example", "info@fable.example", "a@gmail.com"]
        ),
        "linkedin_url": st.sampled_from([f"https://www.linkedin.com/in/{slug}" for slug in ("ada", "bo")]),
        "person_id": st.sampled_from(["p1", "p2"]),
        "first_name": st.sampled_from(FIRST),
        "last_name": st.sampled_from(LAST),
        "company_name": st.sampled_from(["Acme", "Müller & Söhne GmbH", "Moody's"]),
        "domain": st.sampled_from(["fable.example", "müller.example"]),
    },
).filter(lambda record: why_nobody(person_of(record)[0]) is None)
somebody = people.map(lambda record: marks(**record))
anybody = st.one_of(somebody, st.builds(united, somebody, somebody))
anything = records.map(lambda record: marks_of(person_of(record)[0]))


def expanded(text: str) -> str:
    return text.translate(str.maketrans(dict[str, str | int | None](ü="ue", ö="oe", ß="ss")))


def stripped(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


anywhere: list[Callable[[str], str]] = [
    str.upper,
    str.lower,
    lambda text: "".join(full_width(char) if "!" <= char <= "~" else char for char in text),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text.replace("'", "\u2019"),
    lambda text: text.replace("-", "\u2011"),
    lambda text: text.replace(" ", " \u00a0 "),
    lambda text: f"\u200b{text}\u00ad",
    expanded,
    stripped,
]
in_names: dict[str, list[Callable[[str], str]]] = {
    "first_name": [
        *anywhere,
        lambda text: f"Dr. {text}",
        lambda text: f"Prof. Dr. {text}",
        lambda text: text.replace("-", " "),
        lambda text: text.replace(". ", "."),
    ],
    "last_name": [
        *anywhere,
        lambda text: f"{text}, PhD",
        lambda text: text.replace("'", ""),
        lambda text: text.replace(" Jr.", ", Jr"),
    ],
    "company_name": [
        *anywhere,
        lambda text: f"{text.removesuffix(' GmbH')}, Inc.",
        lambda text: f"The {text}",
        lambda text: text.replace("&", "and"),
        lambda text: text.replace(" & ", "+"),
    ],
    "domain": [
        str.upper,
        lambda text: f"https://www.{text}:443/about",
        lambda text: f"{text}.",
        lambda text: text.replace("müller", "xn--mller-kva"),
        lambda text: "".join(full_width(char) if char.isascii() else char for char in text),
    ],
    "email": [
        str.upper,
        lambda text: f"mailto:{text}",
        lambda text: f"Somebody <{text}>",
        lambda text: text.replace("@müller", "@xn--mller-kva"),
    ],
    "linkedin_url": [
        str.upper,
        lambda text: f"{text}/?trk=x",
        lambda text: text.replace("https://www.", "de."),
    ],
    "person_id": [lambda text: f" {text} "],
}


@st.composite
def written_twice(draw: st.DrawFn) -> tuple[Marks, Marks]:
    record = draw(people)
    again = dict(record)
    for field in record:
        most = 2 if field in {"first_name", "last_name", "company_name"} else 1
        for change in draw(st.lists(st.sampled_from(in_names[field]), max_size=most, unique=True)):
            again[field] = change(again[field])
    return marks(**record), marks(**again)


@given(written_twice(), anybody)
def test_no_spelling_changes_who_is_meant(written: tuple[Marks, Marks], other: Marks) -> None:
    one, again = written
    assert recognised(one, again) == "details"
    assert recognised(one, other) == recognised(again, other)
    assert are_different(one, other) == are_different(again, other)


@given(st.one_of(anybody, anything))
def test_everybody_is_who_they_are(one: Marks) -> None:
    assert recognised(one, one) == ("details" if one != Marks() else None)
    assert not are_different(one, one)


@given(anybody, anybody)
def test_the_rule_has_no_direction_and_works_on_digests(one: Marks, other: Marks) -> None:
    found = basis(one, other)
    assert are_different(one, other) == are_different(other, one)
    assert are_different(one, other) == are_different(one.mapped(digest), other.mapped(digest))
    assert not (found and are_different(one, other))


@given(st.one_of(anybody, anything))
def test_digests_hide_every_token_and_are_made_once_each(one: Marks) -> None:
    tokens: list[str] = []

    def secret(token: str) -> str:
        tokens.append(token)
        return digest(token)

    text = one.mapped(secret).to_json()
    assert len(tokens) == len(set(tokens))
    assert one.keys <= set(tokens)
    assert {value for value in leaves(json.loads(text)) if value} == {digest(token) for token in tokens}


def leaves(value: object) -> list[str]:
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value] if isinstance(value, str) else []


@given(st.one_of(anybody, anything))
def test_marks_come_back_from_json(one: Marks) -> None:
    for kept in (one, one.mapped(digest)):
        assert Marks.from_json(kept.to_json()) == kept


@given(anybody, st.data())
def test_damaged_json_is_refused(one: Marks, data: st.DataObject) -> None:
    text = one.to_json()
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, start + 3))
    damaged = text[:start] + data.draw(st.sampled_from(["", "[", '"', "null", "1", ",", " "])) + text[end:]
    try:
        found = Marks.from_json(damaged)
    except ValueError:
        return
    assert found.to_json() == damaged


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "null",
            "[]",
            "{}",
            '"abc"',
            "[" * 100_000,
            "[[],[],[],[],[],[],[],[],[]]",
            "[[],[],[],[],[],[],[],[],[],1]",
        ),
        *(
            "[[1],[],[],[],[],[],[],[],[],[]]",
            '[["b","a"],[],[],[],[],[],[],[],[],[]]',
            '[[""],[],[],[],[],[],[],[],[],[]]',
        ),
        *("[[],[],[],[],[],[],[],[],[],[[]]]", '[[],[],[],[],[],[],[],[],[],[[["n"],null,null,null,true]]]'),
        *('[[],[],[],[],[],[],[],[],[],[[["n"],null,null,"",1]]]', "[[],[],[],[],[],[],[],[],[],[]] "),
        '[[],[],[],[],[],[],[],[],[],[[["n"],[["t"],[],[],[],null],null,"",true]]]',
    ],
)
def test_what_is_no_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the marks of a person"):
        Marks.from_json(text)


@given(anybody, anybody, anybody)
def test_what_two_calls_told_of_one_person_only_grows(one: Marks, other: Marks, third: Marks) -> None:
    both = united(one, other)
    assert both == united(other, one) and united(both, one) == both
    assert both.keys == one.keys | other.keys
    assert recognised(one, both) == recognised(other, both) == "details"
    if recognised(third, one) and recognised(one, other) and not are_different(third, other):
        assert recognised(third, both)


@given(somebody, st.lists(anybody, max_size=5))
def test_whoever_is_found_is_one_person(asked: Marks, known: list[Marks]) -> None:
    found = whose(asked, known)
    assert found == sorted(set(found))
    assert all(recognised(asked, known[index]) for index in found)
    assert not any(are_different(known[one], known[other]) for one, other in combinations(found, 2))
    assert whose(asked.mapped(digest), [one.mapped(digest) for one in known]) == found
    alike = [index for index, one in enumerate(known) if recognised(asked, one) == "details"]
    assert not alike or alike[0] in found


@given(people, st.sampled_from(["Jr.", "Sr.", "II", "III", "IV"]))
def test_a_suffix_always_makes_two_people(record: dict[str, str], suffix: str) -> None:
    assume(record.get("last_name") and "Jr" not in record["last_name"])
    father = marks(**record)
    son = marks(**record | {"last_name": f"{record['last_name']} {suffix}"})
    assert basis(father, son) is None
    assert are_different(father, son)


# Typing errors, against the plain way to count them.


def errors(one: str, other: str) -> int:
    """The fewest letters to put in, leave out, change or swap with the next one that make one text of the other."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


LETTERS = "abcdefghiklmnoprstuvwxyz"
few_letters = st.text("bcdo", min_size=4, max_size=7).filter(lambda text: not any(forms_of(text)))
long_names = st.text(LETTERS, min_size=4, max_size=14).filter(lambda text: not any(forms_of(text)))


@given(few_letters, st.data())
def test_a_last_name_with_one_typing_error_is_the_same_and_with_two_another(
    one: str, data: st.DataObject
) -> None:
    other = data.draw(few_letters | slips(one, "bcdo").flatmap(lambda text: slips(text, "bcdo")))
    assume(len(other) >= 4 and not any(forms_of(other)))
    same = basis(named(f"Ada / {one}", email=MAIL), named(f"Ada / {other}", email=MAIL))
    assert bool(same) == (errors(one, other) <= 1)


@given(long_names, st.data())
def test_any_one_typing_error_is_forgiven_in_a_last_name(name: str, data: st.DataObject) -> None:
    mistyped = data.draw(slips(name))
    assume(len(mistyped) >= 4)
    assert basis(named(f"Ada / {name}", email=MAIL), named(f"Ada / {mistyped}", email=MAIL))


@given(long_names, st.data())
def test_a_typing_error_is_forgiven_in_a_first_name_unless_it_makes_another(
    name: str, data: st.DataObject
) -> None:
    mistyped = data.draw(slips(name))
    assume(len(mistyped) >= 4 and mistyped != name and not any(forms_of(mistyped)))
    assume(len(spellings(name)) == len(spellings(mistyped)) == 1)  # "aa", "ae" … may be read in two ways
    same = basis(named(f"{name} / Fable", email=MAIL), named(f"{mistyped} / Fable", email=MAIL))
    shorter, longer = sorted((name, mistyped), key=len)
    has_another_ending = (longer[:-1] == shorter and longer[-1] in "aeos") or (
        longer[:-1] == shorter[:-1] and longer[-1] in "aeiou" and shorter[-1] in "aeiou"
    )
    assert bool(same) != has_another_ending


@st.composite
def slips(draw: st.DrawFn, name: str, letters: str = LETTERS) -> str:
    """The name with one letter missing, doubled or added, changed, or swapped with the next one."""
    index = draw(st.integers(0, len(name) - 2))
    letter = draw(st.sampled_from(letters))
    before, here, after = name[:index], name[index], name[index + 1 :]
    return draw(
        st.sampled_from(
            [
                before + after,
                before + letter + here + after,
                before + letter + after,
                before + after[0] + here + after[1:],
                name + letter,
                name[:-1],
                name[:-1] + letter,
            ]
        )
    )
