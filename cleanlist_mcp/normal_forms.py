"""The fields of a person in normal form, so that one thing written in two ways is one thing. Pure.

Every `normal_…` function returns None for text that cannot be what it is meant to be.
"""

import re
import unicodedata
from urllib.parse import quote, unquote

from cleanlist_mcp.text import clean

MAX_EMAIL = 254
MAX_DOMAIN = 253
"""Longest address and domain, in characters: the limits of SMTP and DNS."""


def normal_name(value: str) -> str | None:
    """Return a name, company or title as one clean line; None where it only marks a gap ("-")."""
    # The second NFC is for what becomes neighbours when a stray joiner between them goes.
    text = unicodedata.normalize("NFC", clean(value))
    if not text.strip("-\u2013\u2014_.?/*#'\" ") or text.casefold() in {"n/a", "#n/a"}:
        return None
    return text


def normal_email(value: str) -> str | None:
    """Return the address in lower case, without `mailto:` or a display name; None if it is none."""
    text = _lower(value).strip(" ,;")
    in_brackets = re.search(r"<([^<>]*)>$", text)
    address = (in_brackets[1] if in_brackets else text).strip().removeprefix("mailto:")
    local, _, host = address.rpartition("@")
    domain = _host(host)
    if domain is None or not re.fullmatch(r'[^\s()<>\[\]:;,\\"@.]+(\.[^\s()<>\[\]:;,\\"@.]+)*', local):
        return None
    if len(local) > 64 or len(local) + 1 + len(domain) > MAX_EMAIL:
        return None
    return f"{local}@{domain}"


def normal_domain(value: str) -> str | None:
    """Return the bare domain of a domain or web address, in lower case; None if there is none.

    International names come back readable (`münchen.example`), from punycode too; a punycode label
    that does not decode, or that hides an invisible letter, stays as it is.
    """
    text = re.sub(r"^([a-z][a-z0-9+.-]*:)?//", "", _lower(value))
    host = re.split(r"[/?#\\]", text, maxsplit=1)[0].strip()
    domain = _host(re.sub(r":\d*$", "", host))
    if domain is None:
        return None
    return re.sub(r"^(?:www\.)+(?=[^.]+\.)", "", domain)


def normal_linkedin(value: str) -> str | None:
    """Return `https://www.linkedin.com/in/slug` for a LinkedIn profile address, or None.

    The scheme may be missing; country and mobile hosts, queries and what follows the slug go. The
    slug is lower case (LinkedIn ignores case) and percent-encoded, except LinkedIn's own member
    ids, which depend on case.
    """
    text = unicodedata.normalize("NFKC", clean(value))
    host = r"(?:(?:https?:)?//)?(?:[a-z0-9-]+\.)*linkedin\.com(?::\d+)?/+(?:mwlite/)?"
    found = re.match(rf"(?:{host}|/?)in/+([^/?#\s]+)", text, re.IGNORECASE)
    if found is None:
        return None
    slug = unicodedata.normalize("NFC", clean(unquote(found[1])))
    if not re.fullmatch(r"A[A-Z][A-Za-z]AA[\w-]{10,}", slug, re.ASCII):
        slug = _lower(slug)
    odd = re.search(r"[^\w.~-]", slug.encode("ascii", "ignore").decode())
    if odd or "\ufffd" in slug or not any(char.isalnum() for char in slug):
        return None
    return f"https://www.linkedin.com/in/{quote(slug, safe='')}"


def normal_person_id(value: str) -> str | None:
    """Return the id without surrounding space, or None where it cannot be one of the API's ids."""
    text = clean(value)
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text) else None


def _lower(value: str) -> str:
    """Lower case in compatibility form: full-width letters and dots are the plain ones."""
    plain = unicodedata.normalize("NFKC", clean(value)).replace("。", ".")
    return clean(unicodedata.normalize("NFKC", plain.lower()))


def _host(text: str) -> str | None:
    labels = [_readable(label) for label in text.rstrip(".").split(".")]
    host = ".".join(labels)
    if len(labels) < 2 or labels[-1].isdigit() or len(host) > MAX_DOMAIN:
        return None
    return host if all(_is_label(label) for label in labels) else None


def _readable(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        decoded = label.encode("ascii").decode("idna")
    except UnicodeError:
        return label
    return decoded if _is_label(decoded) and _lower(decoded) == decoded else label


def _is_label(label: str) -> bool:
    if not 1 <= len(label) <= 63 or label.startswith("-") or label.endswith("-"):
        return False
    return all(char == "-" or unicodedata.category(char)[0] in "LMN" for char in label)


_NEVER_NAMES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "mba", "cpa", "esq"})
_TITLES = _NEVER_NAMES | {"md", "cfa", "msc", "bsc", "llm", "jd", "dds", "pmp"}


def split_name(full: str) -> tuple[str, str]:
    """Return first and last name: a guess, since no rule holds for all people.

    "Last, First" is understood; titles behind a name ("MBA", "Jr.") and remarks in brackets go. Names
    in Chinese, Japanese or Korean script begin with the family name; otherwise the last word is the
    last name, with a particle in lower case ("van") before it. A single word is a first name.
    """
    parts = [part.strip() for part in re.sub(r"\([^()]*\)", " ", normal_name(full) or "").split(",")]
    parts = [part for part in parts if part]
    # "Rahman, Md" is last and first name: a title stands behind a whole name only.
    while len(" ".join(parts[:-1]).split()) > 1 and _is_any(parts[-1], _TITLES):
        parts.pop()
    if len(parts) == 2:
        return parts[1], parts[0]
    words = " ".join(parts).split()
    if len(words) > 2 and _is_any(words[-1], _NEVER_NAMES):
        words.pop()
    if len(words) < 2:
        return " ".join(words), ""
    if re.fullmatch(r"[\u3005-\u30fa\u3400-\u9fff\uac00-\ud7af ]+", " ".join(words)):
        return " ".join(words[1:]), words[0]
    particles = (i for i, word in enumerate(words) if word.islower() and not words[0].islower())
    start = next(particles, len(words) - 1)
    return " ".join(words[:start]), " ".join(words[start:])


def _is_any(text: str, known: frozenset[str]) -> bool:
    """Whether every word of `text` is a known one, in any case and with any dots."""
    return all(re.sub(r"[^a-z]", "", word.casefold()) in known for word in text.split())
