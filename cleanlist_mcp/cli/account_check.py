"""The doctor's look at the API: the key, its permissions, the plan and the credits, with two free requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cleanlist_mcp import errors
from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.wire import Whoami
from cleanlist_mcp.api_key import KEYS_PAGE
from cleanlist_mcp.cli.findings import KEYS_PLACE, RESTART, Finding
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import switched_on

if TYPE_CHECKING:
    import httpx

_CAUSES = (
    (("getaddrinfo", "Name or service not known", "Name resolution", "nodename nor servname", "No address"),
     "its name is not known here"),
    (("Connection refused", "actively refused", "All connection attempts failed"), "nothing answers there"),
    (("Network is unreachable", "No route to host", "unreachable network"), "there is no route to it"),
    (("timed out", "Timeout"), "it did not answer in time"),
)  # fmt: skip
"""Words in the system's errors, and their meaning in ours."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_AGAIN = "Wait a minute, then run doctor again"


async def check_account(
    settings: Settings, transport: httpx.AsyncBaseTransport | None, clock: Clock
) -> list[Finding]:
    """Return the findings about the key. Never raises for what it finds."""
    client = CleanlistClient(settings, SharedBudget(clock), transport=transport, clock=clock)
    findings: list[Finding] = []
    try:
        who = await client.whoami()
        name = who.organization_name or "an organization without a name"
        findings.append(Finding("ok", "key", f"Accepted; it works for {name}, plan {who.tier or 'unknown'}."))
        findings.append(_permissions(settings, who))
        findings += await _balance(client, who)
    except errors.ApiError as error:
        findings.append(_problem(error, settings))
    finally:
        await client.aclose()
    return findings


def _permissions(settings: Settings, who: Whoami) -> Finding:
    if who.scopes is None:
        text = "The API named no permissions of this key, so they could not be checked."
        return Finding(
            "warning", "permissions", text, "If tools are refused, create a key with all permissions."
        )
    on = switched_on(settings.toolsets, read_only=settings.read_only)
    needed = {tool.name: sorted(tool.permissions - set(who.scopes)) for tool in on}
    missing = sorted({permission for lacking in needed.values() for permission in lacking})
    if not missing:
        return Finding("ok", "permissions", "The key has all that the tools need.")
    refused = ", ".join(tool for tool, lacking in needed.items() if lacking)
    return Finding(
        "problem",
        "permissions",
        f"The key lacks {', '.join(missing)}; the API refuses {refused}.",
        f"Create a key with these permissions at {KEYS_PAGE}, put it in {KEYS_PLACE}, {RESTART}.",
    )


async def _balance(client: CleanlistClient, who: Whoami) -> list[Finding]:
    if who.scopes is not None and "credits:read" not in who.scopes:
        return []  # the missing permission is a finding already
    credits_left = (await client.balance()).credits
    if credits_left > 0:
        return [Finding("ok", "credits", f"{credits_left} left.")]
    remedy = "Buy credits at portal.cleanlist.ai; reading and estimating work without them."
    return [Finding("warning", "credits", "None are left, so nothing can be enriched.", remedy)]


def _problem(error: errors.ApiError, settings: Settings) -> Finding:
    """Return what an answer of the API, or its absence, means for whoever runs the doctor."""
    if isinstance(error, errors.ApiUnavailable) and error.status is None:
        return _network_problem(error, urlsplit(settings.base_url).hostname or "the API")
    if isinstance(error, errors.Unauthorized | errors.InsufficientScope | errors.FeatureGated):
        return Finding("problem", _SUBJECTS[type(error)], error.message, error.next_step)
    if isinstance(error, errors.BadResponse | errors.NotFound):
        remedy = "Check CLEANLIST_BASE_URL, and if a proxy answers in the API's place."
        return Finding("problem", "API", error.message, remedy)
    if isinstance(error, errors.ApiUnavailable | errors.RateLimited) or error.retryable:
        return Finding("problem", "API", error.message, f"{_AGAIN}.")
    return Finding("problem", "API", error.message, error.next_step)


_SUBJECTS: dict[type[errors.ApiError], str] = {
    errors.Unauthorized: "key",
    errors.InsufficientScope: "permissions",
    errors.FeatureGated: "plan",
}


def _network_problem(error: errors.ApiUnavailable, host: str) -> Finding:
    if isinstance(error, errors.CertificateRefused | errors.ProxyUnusable):
        return Finding("problem", "network", error.message, error.next_step)
    proxies = ", ".join(name for name in _PROXIES if os.environ.get(name))
    via = f" (a proxy is set in {proxies})" if proxies else ""
    if error.fate == "not_sent":
        text = f"{host} cannot be reached{via}: {_cause(error)}."
        remedy = "Check the network, the firewall and the proxy settings, then run doctor again."
    else:  # it was reached, and the connection came to nothing
        text = f"{error.message.rstrip('.')}{via}: {_cause(error)}."
        remedy = f"{_AGAIN}; if it happens again, check the network, the firewall and the proxy settings."
    return Finding("problem", "network", text, remedy)


def _cause(error: errors.ApiError) -> str:
    """Return why a connection came to nothing, in our own words and by the error's type.

    Its text is the other side's, and may hold a proxy's password.
    """
    kind = type(error.__cause__).__name__
    words = f"{kind} {error.__cause__}"
    meant = next((ours for known, ours in _CAUSES if any(word in words for word in known)), None)
    return f"{meant} ({kind})" if meant else kind
