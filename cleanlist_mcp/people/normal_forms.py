"""The fields of a person in normal form, so that one thing written in two ways is one thing. Pure.

Every `normal_…` function returns None for text that cannot be what it is meant to be.
"""

import re
import unicodedata
from urllib.parse import quote, unquote

from cleanlist_mcp.people.hosts import is_page_of_others
from cleanlist_mcp.people.name_words import word_set
from cleanlist_mcp.people.remembered import remembered
from cleanlist_mcp.text import visible  # and no secret replaced: these forms go into requests

MAX_EMAIL = 254
MAX_DOMAIN = 253
"""Longest address and domain, in characters: the limits of SMTP and DNS."""
_MAX_LABEL = 63
_MAX_WRITTEN_DOMAIN = 4 * MAX_DOMAIN
"""Longest text that is looked at as a domain, in characters: punycode is longer than what it stands for."""


@remembered
def normal_name(value: str) -> str | None:
    """Return a name, company or title as one clean line; None if it only marks a gap ("-")."""
    # The second NFC is for what becomes neighbours when a stray joiner between them goes.
    text = unicodedata.normalize("NFC", visible(value))
    if not text.strip("-\u2013\u2014_.?/*#'\" ") or text.casefold() in {"n/a", "#n/a"}:
        return None
    return text


def normal_person_name(value: str) -> str | None:
    """Return a first or last name; None if it has no letters in any script (an emoji, a number)."""
    text = normal_name(value)
    return text if text and has_letter(text) else None


@remembered
def normal_email(value: str) -> str | None:
    """Return the address in lower case, without `mailto:`, quotation marks, a name or a remark; None if it is none.

    Of several addresses the first is meant.
    """
    local, _, host = _first_address(_lower(value).strip(" ,;")).rpartition("@")
    domain = _host(host)
    if domain is None or not re.fullmatch(r'[^\s()<>\[\]:;,\\"@.]+(\.[^\s()<>\[\]:;,\\"@.]+)*', local):
        return None
    if len(local) > 64 or len(local) + 1 + len(domain) > MAX_EMAIL:
        return None
    return f"{local}@{domain}"


def _first_address(text: str) -> str:
    """Return what of a text may be its first address; most texts are nothing else, and no pattern looks at them."""
    if "," in text or ";" in text:
        # A comma alone proves nothing: "ada,fable@…" is a slip, and what follows it is somebody else's address.
        several = re.match(r"([^,;@]*@[^,;@]*)[,;].*@", text)
        text = several[1] if several else text
    if "<" in text and (in_brackets := re.search(r"<([^<>]*)>", text)):
        text = in_brackets[1]
    elif text.endswith(")"):
        text = re.sub(r"\([^()]*\)$", "", text)
    text = text.strip(" '\"")
    return text.removeprefix("mailto:").partition("?")[0] if text.startswith("mailto:") else text


def normal_domain(value: str) -> str | None:
    """Return the bare domain of a domain or web address, in lower case; None if there is none.

    A page on somebody else's site has none: `linkedin.com/company/…` is not LinkedIn's domain but a company's page
    there. One domain has one value: an international name comes back readable (`münchen.example`), from punycode
    too, as IDNA 2008 reads it, so `faß` and `fass` are two. A label that would hide an invisible letter
    comes back in punycode, and one that IDNA refuses stays as it is.
    """
    domain, path = _domain_and_path(value)
    return None if domain is None or is_page_of_others(domain, path) else domain


def ascii_domain(domain: str) -> str:
    """Return a domain in normal form by its A-labels (`xn--mnchen-3ya.example`), as the DNS compares it.

    A label that IDNA refuses stays as it is.
    """
    if domain.isascii():
        return domain
    return ".".join((_by_idna(label) or (label,))[0] for label in domain.split("."))


def is_page_elsewhere(value: str) -> bool:
    """Return whether a web address is a page on somebody else's site, such as a company's page on LinkedIn."""
    domain, path = _domain_and_path(value)
    return domain is not None and is_page_of_others(domain, path)


def _domain_and_path(value: str) -> tuple[str | None, str]:
    """Return the domain, and the path without the slashes around it."""
    text = _lower(value)
    if "//" in text or text.startswith("@"):
        text = re.sub(r"^(([a-z][a-z0-9+.-]*:)?//|@)", "", text)
    found = re.match(r"([^/?#\\]*)([^?#]*)", text)
    host, path = found.groups() if found else (text, "")
    domain = _host(re.sub(r":\d*$", "", host.strip()))
    if domain is not None and domain.startswith("www."):
        domain = re.sub(r"^(?:www\.)+(?=[^.]+\.)", "", domain)
    return domain, path.strip("/\\ ")


_NO_SLUGS = word_set("null none undefined nan nil na me unavailable username your-profile profile edit")
"""Words in place of a profile: a program had none, or only the reader's own."""

_MEMBER_ID = re.compile(r"A[A-Z][A-Za-z]AA[\w-]{10,}", re.ASCII)
"""LinkedIn's own id of a member, which depends on case."""


def _is_cut(slug: str, rest: str) -> bool:
    """Return whether a profile's address may be only the beginning of one, which would be somebody else's.

    It may be if it ends in dots, or if a word follows: "in/ada fable" is hardly a profile with a remark.
    """
    if _MEMBER_ID.fullmatch(slug):
        return False
    return slug.endswith(("..", "\u2026")) or re.match(r"\s+[\w.~%-]|[,;]\S", rest) is not None


def normal_linkedin(value: str) -> str | None:
    """Return `https://www.linkedin.com/in/slug` for a LinkedIn profile address, or None.

    The scheme may be missing; country and mobile hosts, queries and what follows the slug go. The
    slug is lower case (LinkedIn ignores case) and percent-encoded, except LinkedIn's own member
    ids, which depend on case. A lead of the Sales Navigator has such an id and the same profile.
    """
    text = unicodedata.normalize("NFKC", visible(value)).strip("<>'\"")
    host = r"(?:(?:https?:)?//)?(?:[a-z0-9-]+\.)*linkedin\.com(?::\d+)?/+(?:(?:mwlite|comm)/)?"
    found = re.match(rf"(?:{host}|/?)(in|sales/(?:lead|people))/+([^/?#,;\s]+)", text, re.IGNORECASE)
    if found is None:
        return None
    if _is_cut(found[2], text[found.end() :]):
        return None
    slug = unicodedata.normalize("NFKC", visible(unquote(found[2]))).rstrip(".。)")
    if not _MEMBER_ID.fullmatch(slug):
        if found[1].lower() != "in":
            return None
        slug = _lower(slug)
    if slug in _NO_SLUGS:
        return None
    odd = re.search(r"[^\w.~-]", slug.encode("ascii", "ignore").decode())
    if odd or "\ufffd" in slug or not any(char.isalnum() for char in slug):
        return None
    return f"https://www.linkedin.com/in/{quote(slug, safe='')}"


def normal_phone(value: str) -> str | None:
    """Return a phone number as it is written, without `tel:`; None if it has too few digits or other signs.

    Of several numbers the first is meant. One that a spreadsheet has turned into "4.9E+11" has lost its digits.
    """
    text = re.sub(
        r"^(?:tel|phone|mobile|callto|whatsapp)\s*:\s*", "", visible(value).strip("'"), flags=re.IGNORECASE
    )
    first = re.split(r"\s*(?:[;|]|:::|,\s|\s/\s|\sor\s)\s*", text)[0].strip()
    number = re.fullmatch(
        r"(\+?[\d\s()./\u2010-\u2013-]+?)(\s*(?:ext\.?|x|#|durchwahl)\s*\d{1,6})?", first, re.IGNORECASE
    )
    digits = sum(char.isdigit() for char in number[1]) if number else 0
    return first if 5 <= digits <= 20 else None


def normal_person_id(value: str) -> str | None:
    """Return the id without surrounding space, or None if it cannot be one of the API's ids."""
    text = visible(value)
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text) else None


def has_letter(text: str) -> bool:
    """Return whether the text has a letter of any script."""
    return any(map(str.isalpha, text))


def _lower(value: str) -> str:
    """Lower case in compatibility form: full-width letters and dots are the plain ones."""
    if value.isascii():
        return visible(value).lower()
    plain = unicodedata.normalize("NFKC", visible(value)).replace("。", ".")
    # Letter by letter: `str.lower` makes another letter of a last capital sigma, and so another domain.
    return visible(unicodedata.normalize("NFKC", "".join(map(str.lower, plain))))


def _host(text: str) -> str | None:
    labels = text.rstrip(".").split(".")
    if len(labels) < 2 or len(text) > _MAX_WRITTEN_DOMAIN:
        return None
    labels = [_one_spelling(label) for label in labels]
    host = ".".join(labels)
    if labels[-1].isdigit() or len(host) > MAX_DOMAIN:
        return None
    return host if all(_is_label(label) for label in labels) else None


def _one_spelling(label: str) -> str:
    """Return the label readable, from punycode too; in punycode if a letter in it cannot be seen."""
    if label.isascii() and not label.startswith("xn--"):
        return label
    encoded, readable = _by_idna(label) or (label, label)
    return readable if readable.isprintable() else encoded


def _by_idna(label: str) -> tuple[str, str] | None:
    """Return a label in punycode and readable, by IDNA 2008; None if that refuses it."""
    if len(label) > _MAX_LABEL:
        return None
    import idna  # here, because its tables take a tenth of a second, and few people need them

    try:
        encoded = idna.encode(label, uts46=True)
        return encoded.decode(), idna.decode(encoded)
    except idna.IDNAError:
        return None


def _is_label(label: str) -> bool:
    if not 1 <= len(label) <= _MAX_LABEL or label.startswith("-") or label.endswith("-"):
        return False
    if label.isascii():
        return label.replace("-", "").isalnum()
    # IDNA allows a few signs between certain letters ("col·lecció"), and knows better where.
    is_plain = all(char == "-" or unicodedata.category(char)[0] in "LMN" for char in label)
    return is_plain or _by_idna(label) is not None
