"""Sites on which others have pages: the address of such a page does not hold its company's own domain. Pure."""

import re
from collections.abc import Iterator

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


def with_parents(domain: str) -> Iterator[str]:
    """Yield a domain in normal form and those that it belongs to, without the top one: "mail.fable.example" first."""
    labels = domain.split(".") if domain else []
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def is_page_of_others(domain: str, path: str) -> bool:
    """Return whether a web address, as its domain and its path, is a page on somebody else's site.

    The bare domain of a site is that of the company that runs it. A subdomain is another's page at builders of sites,
    and elsewhere if there is a path or the subdomain is listed itself.
    """
    for host in with_parents(domain):
        if host in words_in("site_builders.txt"):
            return bool(path) or host != domain or domain.count(".") > 1
        if host in words_in("page_hosts.txt") or _is_of_a_family(host):
            return bool(path) or (host == domain and domain.count(".") > 1 and not _is_country_site(domain))
    return False


def _is_of_a_family(host: str) -> bool:
    label, _, rest = host.partition(".")
    return label in _FAMILIES and _COUNTRY.fullmatch(rest) is not None


def _is_country_site(domain: str) -> bool:
    """Return whether a domain ends in a registry's second level ("google.co.uk"), and so is bare and no subdomain."""
    return domain.split(".")[-2] in ("co", "com", "gov")
