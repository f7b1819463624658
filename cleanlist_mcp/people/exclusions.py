"""Exclusions: the people, companies and domains that must not be contacted, and whom they cover. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from cleanlist_mcp.people.hosts import with_parents
from cleanlist_mcp.people.normal_forms import normal_domain, normal_email, normal_linkedin, normal_name
from cleanlist_mcp.people.spellings import company_spellings, folded, unaccented, words_of


@dataclass(frozen=True)
class Exclusions:
    """The entries of the user's file, each in normal form. Without entries nobody is covered."""

    emails: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    companies: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.emails or self.domains or self.profiles or self.companies)

    def covers(
        self, *, email: str = "", linkedin_url: str = "", company_name: str = "", domain: str = ""
    ) -> bool:
        """Return whether anything that is known about a person or a company is excluded; texts in any spelling.

        A domain covers its subdomains, a company every spelling of its name, with or without its legal form.
        """
        address = normal_email(email) or ""
        hosts = (address.rpartition("@")[2], normal_domain(domain) or "")
        return (
            address in self.emails
            or (normal_linkedin(linkedin_url) or "") in self.profiles
            or any(parent in self.domains for host in hosts for parent in with_parents(host))
            or not self.companies.isdisjoint(company_spellings(company_name) if company_name else ())
        )


def entry_of(text: str, *, may_be_company: bool) -> Exclusions | None:
    """Return what one cell of the file excludes; None if it is no address, profile, domain or company name."""
    if "@" in text:
        email = normal_email(text)
        # "@fable.example" is how people write a whole domain.
        domain = normal_domain(text.strip().lstrip("@")) if text.strip().startswith("@") else None
        return _one(emails=email) if email else _one(domains=domain) if domain else None
    profile = normal_linkedin(text) if "linkedin." in text.casefold() else None
    if profile:
        return _one(profiles=profile)
    domain = normal_domain(text)
    if domain and " " not in text.strip():
        return _one(domains=domain)
    if not may_be_company or not any(char.isalpha() for char in text) or normal_name(text) is None:
        return None
    return Exclusions(companies=frozenset(company_spellings(text)))


def united(parts: Iterator[Exclusions]) -> Exclusions:
    """Return all parts as one."""
    all_parts = list(parts)
    return Exclusions(
        emails=frozenset().union(*(part.emails for part in all_parts)),
        domains=frozenset().union(*(part.domains for part in all_parts)),
        profiles=frozenset().union(*(part.profiles for part in all_parts)),
        companies=frozenset().union(*(part.companies for part in all_parts)),
    )


def added_as(name: str, linkedin_url: str) -> tuple[str, ...]:
    """Return by what somebody who was added to a list is found among its rows: the profile, and the words of the name.

    Two people of one name in one list are found as one: rather one row too many is left alone than one too few.
    """
    profile = normal_linkedin(linkedin_url)
    words = " ".join(sorted(words_of(unaccented(folded(name)))))
    return (*((f"profile {profile}",) if profile else ()), *((f"name {words}",) if words else ()))


def _one(*, emails: str | None = None, domains: str | None = None, profiles: str | None = None) -> Exclusions:
    return Exclusions(
        emails=frozenset({emails} if emails else ()),
        domains=frozenset({domains} if domains else ()),
        profiles=frozenset({profiles} if profiles else ()),
    )
