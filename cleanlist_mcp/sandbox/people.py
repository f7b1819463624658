"""Fictional people, and what a search for one of them finds; the same input finds the same person.

Nobody here exists: domains end in `.example` (RFC 2606), telephone numbers come from the ranges
that regulators keep free for fiction. Words in the input choose an outcome on purpose:

* `nobody`: not found, nothing is charged
* `no-email`, `no-phone`: only the other of the two is found
* `surely`: both are found
* `failing`: the workflow fails and refunds; in a list, that row fails
* `pending-review`: the workflow fails and the refund is under review; with `cancelled`, it ends cancelled
* `cancelled`: the workflow ends cancelled; `canceled`, `terminated` and `timed-out` end it in the words of the
  engine behind the API
* `slow` (as a word of its own): the workflow takes 40 seconds

Anything else is decided by a hash of the identity: an address is found for about 85 in 100 people,
a telephone number for about 60 in 100.
"""

# ruff: noqa: RUF001 -- people have names in every script

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal

Ending = Literal["usual", "failed", "cancelled", "canceled", "terminated", "timed_out"]

_ENDINGS: dict[str, Ending] = {
    "failing": "failed",
    "cancelled": "cancelled",
    "canceled": "canceled",
    "terminated": "terminated",
    "timed-out": "timed_out",
    "pending-review": "failed",
}

_EMAIL_RATE = 85
_PHONE_RATE = 60
_SLOW = re.compile(r"(?<![^\W_])slow(?![^\W_])")

_PROSPECTS = """
Ada|Okonkwo|Head of Operations|Brightwater Logistics|brightwater.example|Lagos, Nigeria
Zoë|Müller|VP Sales|Alpenblick Software|alpenblick.example|Zürich, Switzerland
Søren|Åkesson|Chief Revenue Officer|Fjordlys Energi|fjordlys.example|Bergen, Norway
María José|Núñez|Marketing Director|Cielo Azul Media|cieloazul.example|Sevilla, Spain
李|小龙|Procurement Lead|青山科技|qingshan.example|Chengdu, China
Олена|Шевченко|Product Manager|Калина Софт|kalyna.example|Lviv, Ukraine
Siobhán|Ó Briain|Head of Growth|Claddagh Analytics|claddagh.example|Galway, Ireland
Priya|Raghunathan|Director of Engineering|Banyan Systems|banyan.example|Chennai, India
محمد|الحسن|Regional Manager|واحة التقنية|waha.example|Amman, Jordan
Jean-Luc|D'Aubigné|Key Account Manager|Vent du Nord|ventdunord.example|Lille, France
Łukasz|Wiśniewski|CTO|Bursztyn Data|bursztyn.example|Gdańsk, Poland
Grace|Tamatea|Customer Success Lead|Kererū Cloud|kereru.example|Wellington, New Zealand
"""

_VISITORS = """
Aiko|Tanabe|Event Manager|Hoshi Robotics|hoshi.example|Osaka, Japan
佐藤|花子|Sales Planning|さくら製作所|sakura.example|Nagoya, Japan
Benjamín|Quispe|Founder|Altiplano Foods|altiplano.example|Cusco, Peru
Chiara|Bellandi|Brand Manager|Luce Design|luce.example|Torino, Italy
Dmitri|Volkonsky|Analyst|Tsentr Logika|logika.example|Tbilisi, Georgia
Ελένη|Παπαδάκη|HR Director|Αιγαίο Ναυτιλία|aigaio.example|Heraklion, Greece
Fatoumata|Diallo|Finance Lead|Baobab Finance|baobab.example|Dakar, Senegal
Gábor|Szentgyörgyi|Architect|Duna Építő|duna.example|Budapest, Hungary
Hüseyin|Çağlar|Export Manager|Kapadokya Seramik|kapadokya.example|Kayseri, Türkiye
Ingibjörg|Þórsdóttir|CEO|Norðurljós|nordurljos.example|Reykjavík, Iceland
Joaquim|Gonçalves|Operations Manager|Maré Alta|marealta.example|Porto, Portugal
김|지우|UX Lead|한강 스튜디오|hangang.example|Seoul, South Korea
Kwame|Asante-Boateng|Supply Chain Lead|Volta Traders|volta.example|Accra, Ghana
Leilani|Kahananui|Office Manager|Mauka Solar|mauka.example|Hilo, USA
Mirjana|Đorđević|QA Lead|Sava Testing|sava.example|Novi Sad, Serbia
Nguyễn|Thị Lan|Purchasing|Sen Vàng|senvang.example|Huế, Vietnam
Oskar|Brännström|Data Engineer|Polcirkel|polcirkel.example|Luleå, Sweden
Paula|van den Heuvel|Team Lead|Polder Works|polder.example|Utrecht, Netherlands
Quentin|Abernathy-Jones|Partner|Hollow Oak|hollowoak.example|Bath, United Kingdom
Roxana|Ștefănescu|Developer Relations|Carpați Cloud|carpati.example|Cluj-Napoca, Romania
שרה|לוי|Legal Counsel|גליל ביוטק|galil.example|Haifa, Israel
Tomáš|Dvořáček|Plant Manager|Vltava Steel|vltava.example|Plzeň, Czechia
Uchenna|Eze|Security Lead|Palmgrove|palmgrove.example|Enugu, Nigeria
Vilhelmiina|Järvinen|Research Lead|Saimaa Labs|saimaa.example|Lappeenranta, Finland
Wanjirũ|Kamau|Founder|Savanna Pay|savannapay.example|Nairobi, Kenya
Ximena|Ibáñez|Designer|Nopal Studio|nopal.example|Oaxaca, Mexico
Yusuf|Rahimzadeh|Consultant|Caspian Advisory|caspian.example|Baku, Azerbaijan
Zanele|Dlamini|Head of Support|Umhlanga Digital|umhlanga.example|Durban, South Africa
สมชาย|ใจดี|Plant Engineer|ช้างเผือก|changphueak.example|Chiang Mai, Thailand
आरव|शर्मा|Marketing Lead|गंगा ई-कॉमर्स|ganga.example|Varanasi, India
Bo|Li|Buyer|Lotus Trading|lotus.example|Singapore
Catalina|Restrepo|Partnerships|Cafetal|cafetal.example|Medellín, Colombia
Emre|Öztürk|Product Lead|Boğaz Yazılım|bogaz.example|İstanbul, Türkiye
Florence|Tremblay-Côté|Director|Érable Conseil|erable.example|Québec, Canada
Georgi|Димитров|Backend Lead|Rila Systems|rila.example|Sofia, Bulgaria
Hannah|Goldstein|VP People|Juniper & Rye|juniperrye.example|Portland, USA
Ivana|Horvat|Controller|Jadran Marine|jadran.example|Split, Croatia
Kofi|Mensah|Sales Engineer|Adom Tech|adom.example|Kumasi, Ghana
Amélie|Dubois|Content Lead|Petit Pont|petitpont.example|Nantes, France
Rafael|Souza e Silva|Logistics|Rio Claro|rioclaro.example|Curitiba, Brazil
"""

_LATE_REPLIES = """
Noor|van Dijk|Account Executive|Waterkant|waterkant.example|Delft, Netherlands
Ewa|Żółkiewska|Office Lead|Słonecznik|slonecznik.example|Łódź, Poland
Mateo|Fernández|Buyer|Pampa Verde|pampaverde.example|Rosario, Argentina
Nobody|Special|Unlisted|Blank Page|blankpage.example|Nowhere
Tui|Parata|Engineer|Rātā Robotics|rata.example|Dunedin, New Zealand
"""

# Names in letters that a mail address does not take, as their owners write them in Latin letters.
_ROMANIZED = {
    "李 小龙": "xiaolong.li",
    "Олена Шевченко": "olena.shevchenko",
    "محمد الحسن": "mohammad.alhasan",
    "佐藤 花子": "hanako.sato",
    "Ελένη Παπαδάκη": "eleni.papadaki",
    "김 지우": "jiwoo.kim",
    "שרה לוי": "sara.levi",
    "สมชาย ใจดี": "somchai.jaidee",
    "आरव शर्मा": "aarav.sharma",
    "Georgi Димитров": "georgi.dimitrov",
}
_UNFOLDED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "þ": "th", "ð": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"}
)
_TITLES = (
    "Head of Operations",
    "VP Sales",
    "Marketing Director",
    "Product Manager",
    "Procurement Lead",
    "Chief Financial Officer",
    "Customer Success Lead",
    "Engineering Manager",
)
_INDUSTRIES = ("Logistics", "Software", "Energy", "Food", "Media")
_PLACES = ("Rotterdam, Netherlands", "Leeds, United Kingdom", "Austin, USA", "Graz, Austria")


@dataclass(frozen=True)
class Identity:
    """What is known of a person beforehand; every part may be missing."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    linkedin_url: str | None = None
    phone: str | None = None
    company: str | None = None
    domain: str | None = None
    person_id: str | None = None
    title: str | None = None
    location: str | None = None

    @property
    def identifies(self) -> bool:
        """Whether the API's identity rule is met: one strong handle, or a name and a company."""
        if self.email or self.linkedin_url or self.person_id:
            return True
        return bool(self.first_name and self.last_name and (self.company or self.domain))

    @property
    def full_name(self) -> str | None:
        """First and last name together."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or None


@dataclass(frozen=True)
class Finding:
    """What a search finds, both kinds of contact at once; the caller takes what was paid for."""

    person: Identity
    email: str | None
    email_status: str | None
    phone: str | None


def finding(identity: Identity) -> Finding:
    """Search for `identity`. Pure: the same identity finds the same, in every run and process."""
    person = _complete(identity)
    seed = _digest(_key(person))
    text = _text(identity)
    has_email = _found(text, "no-email", seed[0] * 256 + seed[1], _EMAIL_RATE)
    has_phone = _found(text, "no-phone", seed[2] * 256 + seed[3], _PHONE_RATE)
    return Finding(
        person=person,
        email=_address(person) if has_email else None,
        email_status=("valid" if seed[4] % 7 else "risky") if has_email else None,
        phone=_telephone(seed) if has_phone else None,
    )


def ending(*texts: str | None) -> Ending:
    """How a workflow ends whose input is `texts`: the magic words of the module's docstring."""
    text = _joined(texts)
    return next((end for word, end in _ENDINGS.items() if word in text), "usual")


def is_reviewed(*texts: str | None) -> bool:
    """Whether the refund of a workflow that ends badly is under review."""
    return "pending-review" in _joined(texts)


def is_slow(*texts: str | None) -> bool:
    """Whether the input asks for a workflow of 40 seconds."""
    return any(_SLOW.search(part.casefold()) for part in texts if part)


def texts(identity: Identity) -> list[str]:
    """Everything that is known of a person, for the magic words."""
    values = (getattr(identity, field.name) for field in fields(identity))
    return [value for value in values if value]


def company_record(handle: str) -> dict[str, Any] | None:
    """What is known of the company behind a domain, name or id; None for a "nobody"."""
    if "nobody" in handle.casefold():
        return None
    domain = _fictional_domain(Identity(domain=handle))
    seed = _digest(domain)
    size = 10 + seed[0] * 7
    name = domain.removesuffix(".example")
    return {
        "company_id": f"co_{seed.hex()[:12]}",
        "name": name.replace("-", " ").title(),
        "domain": domain,
        "industry": _INDUSTRIES[seed[1] % len(_INDUSTRIES)],
        "industries": [_INDUSTRIES[seed[1] % len(_INDUSTRIES)]],
        "employee_count": size,
        "employee_count_range": "11-200" if size <= 200 else "201-2000",
        "revenue_range": None,
        "hq_location": _PLACES[seed[2] % len(_PLACES)],
        "funding_stage": None,
        "total_funding_usd": None,
        "tech_stack": [],
        "linkedin_url": f"https://www.linkedin.example/company/{name}",
    }


@cache
def prospects() -> tuple[Identity, ...]:
    """Twelve people: the list "Q3 Prospects"."""
    return _read(_PROSPECTS)


@cache
def visitors() -> tuple[Identity, ...]:
    """Forty people: the list "Conference Leads"."""
    return _read(_VISITORS)


@cache
def late_replies() -> tuple[Identity, ...]:
    """Five people, one of whom nobody finds: the list "Späte Zusagen"."""
    return _read(_LATE_REPLIES)


def crowd(count: int) -> list[Identity]:
    """`count` numbered people, for lists of any length."""
    return [
        Identity(first_name="Robin", last_name=f"Sample{index}", domain=f"firm{index}.example")
        for index in range(1, count + 1)
    ]


def as_written(identity: Identity) -> Identity:
    """What a list holds before enrichment: name and company, no title and no way to reach them."""
    return replace(identity, title=None, location=None, email=None, phone=None)


def _read(table: str) -> tuple[Identity, ...]:
    people = []
    for line in table.strip().splitlines():
        first, last, title, company, domain, location = line.split("|")
        people.append(Identity(first, last, None, None, None, company, domain, None, title, location))
    return tuple(people)


@cache
def _directory() -> dict[str, Identity]:
    """Known people by everything that identifies them."""
    known: dict[str, Identity] = {}
    for person in (*prospects(), *visitors(), *late_replies()):
        for handle in (_name_at(person, person.domain), _name_at(person, person.company)):
            known[handle] = person
        known[_address(person)] = person
        known[_profile(person)] = person
    return known


def _complete(identity: Identity) -> Identity:
    """Fill the gaps: from the directory, or with what follows from the little that is known."""
    known = _look_up(identity)
    if known is not None:
        return replace(known, linkedin_url=identity.linkedin_url or _profile(known))
    first, last = identity.first_name, identity.last_name
    if not (first and last):
        first, last = _guess_name(identity)
    domain = _fictional_domain(identity)
    named = replace(identity, first_name=first, last_name=last, domain=domain)
    seed = _digest(_key(named))
    return replace(
        named,
        linkedin_url=identity.linkedin_url or _profile(named),
        company=identity.company or domain.removesuffix(".example").replace("-", " ").title(),
        title=identity.title or _TITLES[seed[5] % len(_TITLES)],
        location=identity.location or _PLACES[seed[6] % len(_PLACES)],
    )


def _look_up(identity: Identity) -> Identity | None:
    handles = [
        (identity.email or "").casefold(),
        identity.linkedin_url or "",
        _name_at(identity, identity.domain),
        _name_at(identity, identity.company),
    ]
    return next((_directory()[handle] for handle in handles if handle in _directory()), None)


def _guess_name(identity: Identity) -> tuple[str, str]:
    handle = (identity.email or "").partition("@")[0] or (identity.linkedin_url or "")
    words = re.findall(r"[^\W\d_]+", handle.rstrip("/").rpartition("/")[2])
    first = words[0].title() if words else "Sam"
    return identity.first_name or first, identity.last_name or " ".join(words[1:]).title() or "Doe"


def _fictional_domain(identity: Identity) -> str:
    """A `.example` domain for the person: no real firm's address is ever made up here."""
    domain = (identity.domain or (identity.email or "").partition("@")[2]).casefold()
    label = domain.removeprefix("www.").partition(".")[0] or identity.company or ""
    handle = identity.person_id or identity.linkedin_url or identity.company or domain
    return f"{_slug(label) or 'firm-' + _digest(handle).hex()[:6]}.example"


def _key(person: Identity) -> str:
    if person.email or person.person_id:
        return (person.email or person.person_id or "").casefold()
    return _name_at(person, person.domain) or (person.linkedin_url or "")


def _text(identity: Identity) -> str:
    return _joined(texts(identity))


def _joined(parts: Iterable[str | None]) -> str:
    return " ".join(part.casefold() for part in parts if part)


def _found(text: str, denial: str, chance: int, rate: int) -> bool:
    if "nobody" in text or denial in text:
        return False
    if "surely" in text or ("no-email" in text and denial == "no-phone"):
        return True
    if "no-phone" in text and denial == "no-email":
        return True
    return chance % 100 < rate


def _name_at(person: Identity, place: str | None) -> str:
    return f"{person.full_name}@{place}".casefold() if person.full_name and place else ""


def _address(person: Identity) -> str:
    local = _ROMANIZED.get(person.full_name or "") or _local_part(person)
    return f"{local}@{_fictional_domain(person)}"


def _local_part(person: Identity) -> str:
    given = (person.email or "").partition("@")[0].casefold()
    parts = [_slug(part) for part in (person.first_name or "", person.last_name or "")]
    spelt = given or ".".join(part for part in parts if part)
    return spelt or f"p{_digest(person.full_name or '').hex()[:6]}"


def _profile(person: Identity) -> str:
    name = _address(replace(person, email=None)).partition("@")[0].replace(".", "-")
    return f"https://www.linkedin.example/in/{name}-{_fictional_domain(person).split('.')[0]}"


def _slug(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_UNFOLDED))
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[^\x00-\x7f]|['’]", "", folded)).strip("-")


def _telephone(seed: bytes) -> str:
    # Kept free for fiction: 555-0100 to 555-0199 in North America, 7946 0000 to 0999 in London.
    if seed[7] % 2:
        return f"+120255501{seed[8] % 100:02d}"
    return f"+442079460{(seed[8] * 256 + seed[9]) % 1000:03d}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()
