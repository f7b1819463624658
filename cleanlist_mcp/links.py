"""Web addresses: of the API itself, and those from it that may be handed on to a person, a model or a program."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from cleanlist_mcp.secrecy import holds_secret

LONGEST = 4096
"""Characters of the longest address that is handed on."""

# Not compiled yet: few starts see their first use. No user and no password; nothing that ends an address in Markdown,
# HTML, JSON or a shell's quotes.
_WRITTEN = (
    r"(?i)(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?#][!#-&*-;=?-Z_a-z~]*)?"
)
_NAT64 = int(IPv6Address("64:ff9b::")) >> 32
_NAME = r"(?i)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def is_written_plainly(link: str) -> bool:
    """Return whether `link` is an address of the web, without a user, a secret, or a sign that could end it early."""
    return len(link) <= LONGEST and re.fullmatch(_WRITTEN, link) is not None and not holds_secret(link)


def is_public(link: str) -> bool:
    """Return whether `link` is written plainly, is HTTPS, and names no host of this machine or of a private network.

    Names are not looked up: a name may still lead there.
    """
    found = re.fullmatch(_WRITTEN, link)
    if found is None or found["scheme"].lower() != "https" or not is_written_plainly(link):
        return False
    return not _is_private(found["host"].lower().rstrip("."))


def is_public_address(address: str) -> bool:
    """Return whether an IP address, as a socket shows it, is one of the public Internet.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is what the carried one is.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        carried = found.ipv4_mapped or found.sixtofour
        if carried is None and int(found) >> 32 == _NAT64:
            carried = IPv4Address(int(found) & 0xFFFFFFFF)
        found = carried or found
    return found.is_global and not found.is_multicast


def is_of_the_api(link: str, api: str) -> bool:
    """Return whether a link is written plainly and leads to the origin of the API at the address `api`."""
    return is_written_plainly(link) and _origin(link) == _origin(api)


def may_be_handed_on(link: str, api: str) -> bool:
    """Return whether a link of the API at the address `api` is public, or of that API's own origin."""
    return is_public(link) or is_of_the_api(link, api)


def problem_with_api(address: str) -> str | None:
    """Return why requests with a key cannot go to `address`, as the end of a sentence; None if they can."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # urlsplit checks the port only when it is asked for
    except ValueError:
        return "is not an address"
    if not parts.hostname or not address.isascii() or not address.isprintable() or " " in address:
        return "is not an address"  # ASCII alone: a name in another script is written in punycode
    if parts.username or parts.password or parts.query or parts.fragment:
        return "has a user, a query or a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return None
    return "is not HTTPS"


def api_of(base_url: str) -> str:
    """Return the API that an address leads to, equal for all ways of writing it.

    Both prefixes of a host lead to the same accounts (vendor's documentation), and so do all names of this machine.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        host = "loopback"
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme.lower())
    path = re.sub(r"/+", "/", parts.path).rstrip("/").lower()
    return f"{host}:{port}{re.sub(r'/(v1/public|v2)$', '', path)}"


def is_loopback(host: str) -> bool:
    """Return whether `host` names this very machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(address: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", address, None
    return parts.scheme, parts.hostname or "", port


def _is_private(host: str) -> bool:
    if not re.fullmatch(_NAME, host) or host.rpartition(".")[2] in (
        "localhost",
        "local",
        "localdomain",
        "internal",
    ):
        return True
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]):
        return False
    try:
        return not IPv4Address(host).is_global
    except ValueError:
        return True  # a number in another way of writing, which some programs read as an address
