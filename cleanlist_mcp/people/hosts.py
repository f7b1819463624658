"""Sites on which a company or a person has a page: the page says nothing of the company's own domain. Pure."""

import re

from cleanlist_mcp.people.data import words_in
from cleanlist_mcp.people.name_words import word_set

# Some have a site in each country.
_FAMILIES = word_set(
    """
    amazon booking cylex deliveroo ebay eventbrite europages foursquare glassdoor google groupon hotfrog
    indeed justeat kompass thefork tripadvisor trustpilot yelp yellowpages zoho
    """
)
_COUNTRY = re.compile(r"(?:(?:co|com)\.)?[a-z]{2}|com|eu")


def is_page_of_others(domain: str, path: str) -> bool:
    """Return whether a web address, as its domain and its path, is a page on somebody else's site.

    The bare domain of a site is that of the company that runs it. A subdomain is another's page at builders of sites,
    and elsewhere with a path or where it is listed itself.
    """
    for host in _with_parents(domain):
        if host in words_in("site_builders.txt"):
            return bool(path) or host != domain or domain.count(".") > 1
        if host in words_in("page_hosts.txt") or _is_of_a_family(host):
            return bool(path) or (host == domain and domain.count(".") > 1 and not _is_country_site(domain))
    return False


def _is_of_a_family(host: str) -> bool:
    label, _, rest = host.partition(".")
    return label in _FAMILIES and _COUNTRY.fullmatch(rest) is not None


def _with_parents(domain: str) -> list[str]:
    """Return the domain and those above it, the longest first."""
    labels = domain.split(".")
    return [".".join(labels[index:]) for index in range(len(labels) - 1)]


def _is_country_site(domain: str) -> bool:
    """Return whether a domain is short of a registry's second level ("google.co.uk") and so bare."""
    return domain.split(".")[-2] in ("co", "com", "gov")
