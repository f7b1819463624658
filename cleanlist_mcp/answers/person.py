"""Sentences about the person whom a run found: who it is, what was found, and if it may be somebody else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.answers.run_shapes import Person
from cleanlist_mcp.api.wire import PersonFound
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.runs import LABEL_LENGTH
from cleanlist_mcp.people import identity
from cleanlist_mcp.people.mailboxes import is_provider
from cleanlist_mcp.people.names import split_name
from cleanlist_mcp.people.same_person import are_different, marks_of
from cleanlist_mcp.people.spellings import company_spellings
from cleanlist_mcp.text import clean, quoted

_MEANINGS = {
    **dict.fromkeys(("reliable", "valid", "verified", "deliverable", "safe"), "safe to send"),
    "risky": "it cannot be verified, or its server takes every address",
    **dict.fromkeys(
        ("catch_all", "catchall", "accept_all"), "its server takes every address, so it cannot be verified"
    ),
    "unknown": "the mail server did not answer, so it is not verified",
    **dict.fromkeys(("invalid", "undeliverable", "bounced", "bounce"), "mail to it comes back: do not send"),
    "disposable": "a temporary address, which may be gone soon",
    "role": "a mailbox that several people read",
}
"""By the API's word for an e-mail address, of both of its vocabularies: its meaning for whoever wants to write."""


@dataclass(frozen=True)
class Asked:
    """The person that a call asked for, as far as it named them: each field may be empty."""

    name: str = ""
    company: str = ""
    domain: str = ""

    def __str__(self) -> str:
        place = self.company or self.domain
        return f"{self.name or 'somebody'} at {place}" if place else self.name


def asked_of(person: identity.Person) -> Asked:
    """Return the parts of a person that a call named; the company's domain may come from the e-mail address."""
    host = (person.email or "").rpartition("@")[2]
    return Asked(
        name=person.name,
        company=person.company_name or "",
        domain=_employer(person.domain or host),
    )


def asked_in(label: str) -> Asked:
    """Return the person that the label of a run names: name and company, or its domain."""
    name, _, place = label.partition(" at ")
    name = "" if name == "a person" else name
    if len(label) >= LABEL_LENGTH:
        return Asked(name=name if place else "")
    is_domain = re.fullmatch(r"[^\s.]+(\.[^\s.]+)+", place) is not None
    return Asked(name, domain=_employer(place)) if is_domain else Asked(name, place)


def _employer(domain: str) -> str:
    """Return a domain if it may be that of an employer: everybody has an address at a mail provider."""
    return "" if is_provider(domain) else domain


def found_person(found: PersonFound | None) -> Person | None:
    """Return the person whom a finished single run found; None if it found nothing that can be used."""
    if found is None or found.status.casefold() == "failed":
        return None
    if not (found.lead_id or found.email or found.phone):  # an id that cannot be used takes no address away
        return None
    return Person(
        name=found.name or None,
        title=found.title or None,
        company=found.company or None,
        email=found.email or None,
        email_status=found.email_status or None,
        phone=found.phone or None,
        linkedin_url=found.linkedin_url or None,
        lead_id=found.lead_id or None,
        provider=found.provider or None,
    )


def person_sentences(person: Person, scope: Scope | None, asked: Asked) -> list[str]:
    """Return who was found, how to reach them, and what differs from what was asked for."""
    return [f"Finished: found {_who(person)}.", *_contact(person, scope), *_difference(person, asked)]


def _who(person: Person) -> str:
    who = quoted(person.name) if person.name else "the person"
    title = f", {quoted(person.title)}" if person.title else ""
    return f"{who}{title} at {quoted(person.company)}" if person.company else f"{who}{title}"


def _contact(person: Person, scope: Scope | None) -> list[str]:
    """Return the e-mail address and the phone number, or that one was looked for and not found."""
    parts = []
    if person.email:
        parts.append(f"e-mail {_shown(person.email, _EMAIL)}{_meaning(person.email_status)}")
    elif scope in ("partial", "full"):
        parts.append("no e-mail address found")
    if person.phone:
        parts.append(f"phone {_shown(person.phone, _PHONE)}")
    elif scope in ("phone_only", "full"):
        parts.append("no phone number found")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []


_EMAIL = r"[^\s@\"'<>()]{1,64}@[^\s@\"'<>()]{1,255}"
_PHONE = r"\+?[\d(][\d ()./-]{2,30}"


def _shown(value: str, pattern: str) -> str:
    """Return a value from outside as it is if it looks like what it should be, and else in quotation marks."""
    return value if re.fullmatch(pattern, value) else quoted(value)


def _meaning(status: str | None) -> str:
    if not status:
        return ""
    meaning = _MEANINGS.get(re.sub(r"[\s-]+", "_", status.strip().casefold()))
    return f" ({clean(status, 20)}: {meaning})" if meaning else f" (status {quoted(status)})"


def _difference(person: Person, asked: Asked) -> list[str]:
    """Return a warning if the name or company found differs from what was asked for."""
    what = [
        word
        for word, differs in (
            ("name", _names_differ(person, asked)),
            ("company", _companies_differ(person, asked)),
        )
        if differs
    ]
    if not what:
        return []
    verb = "differ" if len(what) > 1 else "differs"
    return [
        f"The {' and the '.join(what)} found {verb} from what was asked for, {quoted(str(asked))}: it may be another "
        "person."
    ]


def _names_differ(person: Person, asked: Asked) -> bool:
    if not person.name or not asked.name:
        return False
    return are_different(*(marks_of(_named(name)) for name in (person.name, asked.name)))


def _named(name: str) -> identity.Person:
    first, last = split_name(name)
    return identity.Person(first_name=first or None, last_name=last or None)


def _companies_differ(person: Person, asked: Asked) -> bool:
    """Return whether the company is another one. By an equal domain it is not; otherwise the name decides."""
    host = (person.email or "").rpartition("@")[2].casefold()
    has_domains = bool(asked.domain and host) and not is_provider(host)
    if has_domains and (_is_within(host, asked.domain) or _is_within(asked.domain, host)):
        return False
    found = company_spellings(person.company) if person.company else ()
    if asked.company and found:
        return not set(found) & set(company_spellings(asked.company))
    return has_domains or (bool(asked.domain and found) and not _may_be_named(asked.domain, found))


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _may_be_named(domain: str, spellings: Sequence[str]) -> bool:
    """Return whether a company of this name may have the domain: one of them holds the other, by their letters."""
    name = re.sub(r"\W|_", "", domain.partition(".")[0].casefold())
    words = [re.sub(r"\W|_", "", spelling.casefold()) for spelling in spellings]
    return any(name in word or word in name for word in words if word)
