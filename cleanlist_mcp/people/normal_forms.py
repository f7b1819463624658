"""The fields of a person in normal form, so that one thing written in two ways is one thing. Pure.

Every `normal_…` function returns None for text that cannot be what it is meant to be.
"""

import re
import unicodedata
from itertools import chain
from urllib.parse import quote, unquote

from cleanlist_mcp.text import visible as clean  # these forms go into requests, which are never rewritten

MAX_EMAIL = 254
MAX_DOMAIN = 253
"""Longest address and domain, in characters: the limits of SMTP and DNS."""
_MAX_LABEL = 63
_MAX_WRITTEN_DOMAIN = 4 * MAX_DOMAIN
"""Longest text that is looked at as a domain, in characters: punycode is longer than what it stands for."""


def normal_name(value: str) -> str | None:
    """Return a name, company or title as one clean line; None where it only marks a gap ("-")."""
    # The second NFC is for what becomes neighbours when a stray joiner between them goes.
    text = unicodedata.normalize("NFC", clean(value))
    if not text.strip("-\u2013\u2014_.?/*#'\" ") or text.casefold() in {"n/a", "#n/a"}:
        return None
    return text


def normal_person_name(value: str) -> str | None:
    """Return a first or last name; None where there is no letter of any script (an emoji, a number)."""
    text = normal_name(value)
    return text if text and _has_letter(text) else None


def normal_email(value: str) -> str | None:
    """Return the address in lower case, without `mailto:`, quotation marks, a name or a remark; None if it is none.

    Of several addresses the first is meant.
    """
    text = _lower(value).strip(" ,;")
    # A comma alone proves nothing: "ada,fable@…" is a slip, and what follows it is somebody else's address.
    several = re.match(r"([^,;@]*@[^,;@]*)[,;].*@", text)
    first = several[1] if several else text
    in_brackets = re.search(r"<([^<>]*)>", first)
    address = in_brackets[1] if in_brackets else re.sub(r"\([^()]*\)$", "", first)
    address = re.sub(r"^mailto:([^?]*).*", r"\1", address.strip(" '\""))
    local, _, host = address.rpartition("@")
    domain = _host(host)
    if domain is None or not re.fullmatch(r'[^\s()<>\[\]:;,\\"@.]+(\.[^\s()<>\[\]:;,\\"@.]+)*', local):
        return None
    if len(local) > 64 or len(local) + 1 + len(domain) > MAX_EMAIL:
        return None
    return f"{local}@{domain}"


# Sites on which a company or a person has a page: the page says nothing of the company's own domain.
_PAGES_OF_OTHERS = (
    *("linkedin.com", "facebook.com", "instagram.com", "x.com", "twitter.com", "xing.com"),
    *("crunchbase.com", "linktr.ee", "fb.com", "youtube.com", "tiktok.com", "github.com", "lnkd.in"),
)


def normal_domain(value: str) -> str | None:
    """Return the bare domain of a domain or web address, in lower case; None if there is none.

    A profile page is none: `linkedin.com/company/…` is not LinkedIn's domain but somebody's page there.
    One domain has one value: an international name comes back readable (`münchen.example`), from punycode
    too, as IDNA 2008 reads it, so `faß` and `fass` are two. A label that would hide an invisible letter
    comes back in punycode, and one that IDNA refuses stays as it is.
    """
    domain, path = _domain_and_path(value)
    return None if domain is None or _is_page_of_others(domain, path) else domain


def ascii_domain(domain: str) -> str:
    """Return a domain in normal form by its A-labels (`xn--mnchen-3ya.example`), as the DNS compares it.

    A label that IDNA refuses stays as it is.
    """
    if domain.isascii():
        return domain
    return ".".join((_by_idna(label) or (label,))[0] for label in domain.split("."))


def is_profile_page(value: str) -> bool:
    """Whether a web address is a page on a site of profiles, such as a company's page on LinkedIn."""
    domain, path = _domain_and_path(value)
    return domain is not None and _is_page_of_others(domain, path)


def _is_page_of_others(domain: str, path: str) -> bool:
    return path != "" and f".{domain}".endswith(tuple(f".{site}" for site in _PAGES_OF_OTHERS))


def _domain_and_path(value: str) -> tuple[str | None, str]:
    """Return the domain, and the path without the slashes around it."""
    text = re.sub(r"^(([a-z][a-z0-9+.-]*:)?//|@)", "", _lower(value))
    found = re.match(r"([^/?#\\]*)([^?#]*)", text)
    host, path = found.groups() if found else (text, "")
    domain = _host(re.sub(r":\d*$", "", host.strip()))
    if domain is not None:
        domain = re.sub(r"^(?:www\.)+(?=[^.]+\.)", "", domain)
    return domain, path.strip("/\\ ")


def normal_linkedin(value: str) -> str | None:
    """Return `https://www.linkedin.com/in/slug` for a LinkedIn profile address, or None.

    The scheme may be missing; country and mobile hosts, queries and what follows the slug go. The
    slug is lower case (LinkedIn ignores case) and percent-encoded, except LinkedIn's own member
    ids, which depend on case. A lead of the Sales Navigator has such an id and the same profile.
    """
    text = unicodedata.normalize("NFKC", clean(value))
    host = r"(?:(?:https?:)?//)?(?:[a-z0-9-]+\.)*linkedin\.com(?::\d+)?/+(?:(?:mwlite|comm)/)?"
    found = re.match(rf"(?:{host}|/?)(in|sales/(?:lead|people))/+([^/?#,;\s]+)", text, re.IGNORECASE)
    if found is None:
        return None
    slug = unicodedata.normalize("NFKC", clean(unquote(found[2]))).rstrip(".。)")
    if not re.fullmatch(r"A[A-Z][A-Za-z]AA[\w-]{10,}", slug, re.ASCII):
        if found[1].lower() != "in":
            return None
        slug = _lower(slug)
    odd = re.search(r"[^\w.~-]", slug.encode("ascii", "ignore").decode())
    if odd or "\ufffd" in slug or not any(char.isalnum() for char in slug):
        return None
    return f"https://www.linkedin.com/in/{quote(slug, safe='')}"


def normal_person_id(value: str) -> str | None:
    """Return the id without surrounding space, or None where it cannot be one of the API's ids."""
    text = clean(value)
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text) else None


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _lower(value: str) -> str:
    """Lower case in compatibility form: full-width letters and dots are the plain ones."""
    plain = unicodedata.normalize("NFKC", clean(value)).replace("。", ".")
    # Letter by letter: `str.lower` makes another letter of a last capital sigma, and so another domain.
    return clean(unicodedata.normalize("NFKC", "".join(map(str.lower, plain))))


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
    """Return the label readable, from punycode too; in punycode where a letter in it cannot be seen."""
    if label.isascii() and not label.startswith("xn--"):
        return label
    encoded, readable = _by_idna(label) or (label, label)
    return readable if readable.isprintable() else encoded


def _by_idna(label: str) -> tuple[str, str] | None:
    """Return a label in punycode and readable, by IDNA 2008; None where that refuses it."""
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
    # IDNA allows a few signs between certain letters ("col·lecció"), and knows better where.
    return all(char == "-" or unicodedata.category(char)[0] in "LMN" for char in label) or (
        not label.isascii() and _by_idna(label) is not None
    )


NEVER_NAMES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "mba", "cpa", "esq"})
TITLES = NEVER_NAMES | {"md", "cfa", "msc", "bsc", "llm", "jd", "dds", "pmp"}
DEGREES = TITLES | {"ma", "ba", "bs", "rn", "pe", "do", "mpa", "mph"}
FORMS_OF_ADDRESS = frozenset({"dr", "prof", "mr", "mrs", "ms", "mme", "herr", "frau"})
# A remark has one of these. Two words are no sign of one: "García Márquez, Gabriel José" is a name.
_JOB_WORDS = frozenset(
    {
        *("of", "at", "for", "and", "head", "chief", "officer", "ceo", "cto", "cfo", "coo", "vp"),
        *("president", "director", "manager", "lead", "founder", "owner", "partner", "consultant"),
        *("engineer", "sales", "marketing", "directeur", "gerente", "leiter", "leiterin"),
        *("geschäftsführer", "geschäftsführerin"),
    }
)


def split_name(full: str) -> tuple[str, str]:
    """Return first and last name: a guess, since no rule holds for all people.

    "Last, First" is understood; forms of address before a name, titles and remarks behind it, and words
    without a letter go. Names in Chinese, Japanese or Korean script begin with the family name; otherwise
    the last word is the last name, with a particle in lower case ("van") before it. A single word is a
    first name, or the last one after a form of address.
    """
    text = normal_name(re.sub(r"\([^()]*\)", " ", full)) or ""
    name, _, _ = re.sub(r" [|\u2013\u2014-] ", " | ", text).partition(" | ")
    if len(name.split()) < 2:  # "Jean - Luc Picard" is one name
        name = text
    parts = [_words(part) for part in name.split(",")]
    is_addressed = _is_any(parts[0][:1], FORMS_OF_ADDRESS)
    parts = [words for words in map(_without_address, parts) if words]
    while len(parts) > 1 and _stands_behind(parts[-1], list(chain(*parts[:-1]))):
        parts.pop()
    if len(parts) == 2:
        return " ".join(parts[1]), " ".join(parts[0])
    words = list(chain(*parts))
    if len(words) > 2 and _is_title(words[-1], words[:-1]):
        words.pop()
    if is_addressed and len(words) == 1:
        return "", words[0]
    if len(words) == 1:
        words = _unspaced(words[0])
    if len(words) < 2:
        return "".join(words), ""
    if re.fullmatch(r"[\u3005-\u30fa\u3400-\u9fff\uac00-\ud7af ]+", " ".join(words)):
        return " ".join(words[1:]), words[0]
    particles = (i for i, word in enumerate(words) if word.islower() and not words[0].islower())
    start = next(particles, len(words) - 1)
    return " ".join(words[:start]), " ".join(words[start:])


def _words(text: str) -> list[str]:
    return [word for word in text.split() if _has_letter(word)]


def _without_address(words: list[str]) -> list[str]:
    while len(words) > 1 and _is_any(words[:1], FORMS_OF_ADDRESS):
        words = words[1:]
    return words


def _stands_behind(part: list[str], name: list[str]) -> bool:
    """Whether what follows a comma is about the person, and not the first name."""
    # "Rahman, Md" is last and first name: a title stands behind a whole name only.
    if len(name) < 2:
        return False
    is_remark = any(word.casefold() in _JOB_WORDS for word in part)
    return is_remark or all(_is_any([word], TITLES) or _is_abbreviation(word, name) for word in part)


def _is_abbreviation(word: str, name: list[str]) -> bool:
    """Whether a word stands out by its capitals, as in "Ada Fable, CISSP"; "van Dyk, J.P." is a last name first."""
    is_last_name = name[0].islower() and not " ".join(name).islower()
    if is_last_name or " ".join(name).isupper():
        return False
    letters = re.sub(r"[.-]", "", word)
    if (
        _is_initials(word) or len(letters) == 2
    ):  # "G.J." and "JP" are somebody's first names, "M.A." is a degree
        return letters.casefold() in DEGREES
    return re.fullmatch(r"[A-Z]{2,8}", letters) is not None


def _is_initials(word: str) -> bool:
    return re.fullmatch(r"(?:\w\.){2,}", word) is not None


def _is_title(word: str, name: list[str]) -> bool:
    """Whether the last word of a name is none: "Md" is one, and so is "MD" where all is in capitals."""
    in_capitals = word.isupper() and not " ".join(name).isupper()
    return _is_any([word], TITLES if in_capitals else NEVER_NAMES)


def _unspaced(name: str) -> list[str]:
    """Return family and given name of a short Chinese or Korean name without a space.

    Of four characters the family name has two (欧阳, 남궁, and 山田), else one; some Japanese ones are cut wrongly.
    """
    if not re.fullmatch(r"[\u3400-\u9fff]{2,4}|[\uac00-\ud7af]{2,4}", name):
        return [name]
    family = 2 if len(name) == 4 else 1
    return [name[:family], name[family:]]


def _is_any(words: list[str], known: frozenset[str]) -> bool:
    """Whether there are words, and each is a known one, in any case and with dots that make no initials."""
    return bool(words) and all(_plain(word) in known for word in words)


def _plain(word: str) -> str:
    return word.casefold() if _is_initials(word) else word.casefold().replace(".", "")
