"""The proxy that the user's environment names for an address. Pure: the environment's words are an argument.

httpx reads the same variables, and fails at the first entry of NO_PROXY that it cannot read, even if no proxy is
set. Here such an entry is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

_ENTRY = (
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:\[(?P<v6>[^\]]*)\](?P<bits>/[0-9]+)?|(?P<host>[^\[\]:/]+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True)
class _Target:
    scheme: str
    host: str
    port: int | None

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The host as an IP address, if it is one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def proxy_for(address: str, named: Mapping[str, str]) -> str | None:
    """Return the address of the proxy for requests to `address`, or None.

    `named` is what `urllib.request.getproxies` returns: proxies by scheme (`https`, `all`), and the exceptions as
    `no`. Exceptions are names with all names below them, IP addresses, networks such as `10.0.0.0/8`, and `*`; each
    may have a scheme or a port.
    """
    parts = urlsplit(address)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    target = _Target(parts.scheme, (parts.hostname or "").rstrip("."), port)
    proxy = named.get(target.scheme) or named.get("all")
    if not proxy or any(_is_exception(entry, target) for entry in re.split(r"[\s,;]+", named.get("no", ""))):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exception(entry: str, target: _Target) -> bool:
    """Return whether an entry of NO_PROXY means the target; one that cannot be read means nothing."""
    if entry == "*":
        return True
    network = _is_in_network(entry, target)
    if network is not None:
        return network
    found = re.fullmatch(_ENTRY, entry)
    if found is None or (found["scheme"] or "all").lower() not in ("all", target.scheme):
        return False
    if found["port"] and int(found["port"]) != target.port:
        return False
    host = found["host"] or found["v6"] + (found["bits"] or "")
    network = _is_in_network(host, target)
    return _is_below(host, target) if network is None else network


def _is_in_network(entry: str, target: _Target) -> bool | None:
    """Return whether the target is in a network, or is an IP address; None if the entry is neither."""
    try:
        network = ip_network(entry.partition("%")[0], strict=False)
    except ValueError:
        return None
    address = target.address
    return address is not None and address in network


def _is_below(name: str, target: _Target) -> bool:
    """Return whether the target is `name` or a name below it; `.name` and `*.name` are understood as `name`."""
    if target.address is not None:
        return False
    name = name.lower().removeprefix("*").strip(".")
    return name != "" and (target.host == name or target.host.endswith(f".{name}"))
