"""Which column of a CSV file is which field of a person, by its title. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.people.identity import LIMITS, NOT_IMPORTED, NOTHING, Person, why_nobody
from cleanlist_mcp.text import clean

MAX_FILE_COLUMNS = 200

NAMED_TITLES = 10
"""Titles that are not understood, as many as a refusal names."""

# Titles as people and the common tools write them, in English, German, French and Spanish. Case,
# accents, spaces and punctuation do not matter.
_TITLES: Mapping[str, tuple[str, ...]] = {
    "email": (
        "email", "email address", "mail", "work email", "work email address", "business email",
        "professional email", "contact email", "primary email", "personal email", "email 1 value",
        "emails", "person email", "person email work",
        "mail address", "e-mail-adresse", "mailadresse", "geschäftliche e-mail", "courriel",
        "adresse email", "adresse mail", "mail professionnel", "email professionnel", "correo",
        "correo electrónico", "dirección de correo", "dirección de correo electrónico",
    ),
    "linkedin_url": (
        "linkedin", "linkedin url", "linkedin profile", "linkedin profile url", "linkedin link",
        "linkedin address", "person linkedin", "person linkedin url", "contact linkedin url",
        "linkedin contact profile url", "linkedin url public", "profile url", "sales navigator url",
        "linkedin-profil", "profil linkedin", "perfil de linkedin", "perfil linkedin", "url linkedin",
    ),
    "person_id": ("cleanlist person id",),
    "first_name": (
        "first name", "first", "given name", "forename", "vorname", "prénom", "nombre de pila",
    ),
    "last_name": (
        "last name", "last", "surname", "family name", "nachname", "familienname", "zuname",
        "nom de famille", "apellido", "apellidos",
    ),
    "full_name": (
        "full name", "contact name", "person name", "lead name", "vollständiger name",
        "vor- und nachname", "nom complet", "prénom et nom", "nombre completo",
        "nombre y apellidos",
    ),
    "company_name": (
        "company", "company name", "organization", "organization name", "organisation",
        "organisation name", "person organization", "organization 1 name", "account name",
        "company / account", "associated company", "employer", "current company", "firma",
        "firmenname", "unternehmen", "unternehmensname", "société", "entreprise",
        "nom de l'entreprise", "nom de la société", "empresa", "compañía", "nombre de la empresa",
    ),
    "domain": (
        "domain", "domain name", "company domain", "company domain name", "email domain",
        "website", "website url", "web site", "company website", "company url", "homepage",
        "webseite", "internetseite", "firmenwebsite", "domäne", "site web", "site internet",
        "domaine", "sitio web", "página web", "dominio",
    ),
    "title": (
        "title", "job title", "job", "position", "role", "designation", "job position",
        "organization title", "organization 1 title", "jobtitel", "funktion", "berufsbezeichnung",
        "stellenbezeichnung", "poste",
        "fonction", "intitulé du poste", "cargo", "puesto",
    ),
}  # fmt: skip
# "Name" beside "Vorname" and "Nom" beside "Prénom" are last names, "Nombre" beside "Apellidos" is a
# first name, and each alone is the full name.
_AMBIGUOUS_NAMES = frozenset({"name", "nom", "nombre"})

# A column of LinkedIn's export of one's connections and of nothing else: "URL" beside it is the profile.
_ONLY_LINKEDIN = "connectedon"


def title_key(title: str) -> str:
    """Return a title without what does not matter in one; empty where nothing is left."""
    letters = unicodedata.normalize("NFKD", clean(title).casefold())
    return "".join(char for char in letters if char.isalnum())


_FIELD_OF_TITLE = {title_key(title): name for name, titles in _TITLES.items() for title in titles}


def is_known_title(title: str) -> bool:
    """Whether a title names a field, or part of a name."""
    return _known_field(title) is not None or title_key(title) in _AMBIGUOUS_NAMES


def _known_field(title: str) -> str | None:
    # Every CRM has a "Person ID" of its own. Spelled like the API's field it is Cleanlist's.
    is_the_apis = clean(title).casefold() == "person_id"
    return "person_id" if is_the_apis else _FIELD_OF_TITLE.get(title_key(title))


def columns_of(titles: Sequence[str]) -> tuple[dict[str, list[int]], list[int]]:
    """Return the columns of each field found (`full_name` is one here), and those with any other title.

    A column without a title is among neither. Where several columns are one field, the first that can be
    used in a row is meant.

    Raises:
        InvalidArguments: if there are no titles, too many, or none that identify a person.
    """
    if not titles:
        raise InvalidArguments("The CSV file is empty.", "Choose a file with a title row and people.")
    if len(titles) > MAX_FILE_COLUMNS:
        raise InvalidArguments(
            f"The CSV file has more than {MAX_FILE_COLUMNS} columns.",
            "Keep only the columns that say who the people are.",
        )
    at: dict[str, list[int]] = {}
    unclear = []
    is_linkedins = any(title_key(title) == _ONLY_LINKEDIN for title in titles)
    # Ambiguous names last: what they mean depends on the other columns.
    for index in sorted(range(len(titles)), key=lambda i: title_key(titles[i]) in _AMBIGUOUS_NAMES):
        name = _field_of(titles[index], at, is_linkedins=is_linkedins)
        if name is not None:
            at.setdefault(name, []).append(index)
        elif title_key(titles[index]):
            unclear.append(index)
    unclear.sort()
    # Where the first row holds an address or a number, it may well be a person and not titles.
    may_show = at or not any(map(_looks_like_data, titles))
    _require_identifying(at, [shown_title(titles[index], index) for index in unclear if may_show])
    return at, unclear


def _field_of(title: str, found: Mapping[str, object], *, is_linkedins: bool) -> str | None:
    key = title_key(title)
    if key == "url" and is_linkedins:
        return "linkedin_url"
    if key not in _AMBIGUOUS_NAMES:
        return _known_field(title)
    if "first_name" in found and "last_name" not in found:
        return "last_name"
    return "first_name" if "last_name" in found and "first_name" not in found else "full_name"


def shown_title(title: str, index: int) -> str:
    """Return a title as it may be shown: in a file without titles it can be somebody's data."""
    if not title_key(title):
        return f"column {index + 1} (no title)"
    text = clean(title, 40)
    return f"column {index + 1}" if _looks_like_data(text) else text


def _looks_like_data(title: str) -> bool:
    return re.search(r"@|://|\d{4}", title) is not None


def _require_identifying(at: Mapping[str, object], not_understood: Sequence[str]) -> None:
    advice = (
        "Give the first row titles such as Email, LinkedIn URL, First Name, Last Name, Company and Website."
    )
    if not at:
        message = f"No title in the title row of the CSV file is a known one.{_named(not_understood)}"
        raise InvalidArguments(message, advice)
    names = ("first_name", "last_name") if "full_name" in at else ()
    why = why_nobody(Person(**{name: name for name in (*at, *names) if name in LIMITS}), by_id=False)
    if why and "person_id" in at:
        why = NOT_IMPORTED if why == NOTHING else f"{NOT_IMPORTED}; {why}"
    if why == NOTHING:
        raise InvalidArguments(
            f"No column of the CSV file says who is meant.{_named(not_understood)}", advice
        )
    if why:
        message = f"The columns of the CSV file identify nobody: {why}.{_named(not_understood)}"
        raise InvalidArguments(message, advice)


def _named(not_understood: Sequence[str]) -> str:
    if not not_understood:
        return ""
    more = len(not_understood) - NAMED_TITLES
    titles = ", ".join(not_understood[:NAMED_TITLES]) + (f" and {more} more" if more > 0 else "")
    return f" Not understood: {titles}."
