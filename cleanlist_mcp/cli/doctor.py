"""`cleanlist-mcp doctor`: would the tools work here, and if not, whose turn is it to do what.

Only the standard library is imported at the top: on a Python that is too old nothing else can be.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import textwrap
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from cleanlist_mcp import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import httpx

    from cleanlist_mcp.api.client import CleanlistClient
    from cleanlist_mcp.api.wire import Whoami
    from cleanlist_mcp.clock import Clock
    from cleanlist_mcp.errors import ApiError, SettingsError
    from cleanlist_mcp.money.limits import Spent
    from cleanlist_mcp.settings import Settings

OLDEST_PYTHON = (3, 11)
"""`requires-python` of pyproject.toml."""

_MARKS = {"fault": "FAULT", "warning": "warning", "ok": "ok"}
_NARROWEST, _WIDEST = 40, 96
_RESTART = "then restart the client"
_KEYS_PLACE = "the extension's settings or CLEANLIST_API_KEY"
# How next steps begin that are addressed to an assistant, and how they begin for whoever runs the doctor.
_TO_AN_ASSISTANT = {
    "Ask the user to ": "",
    "Tell the user what ": "See to what ",
    "Tell the user that ": "",
    "Tell the user; ": "",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. A `fault` keeps tools from working, a `warning` does not.

    `text` is what was found, `remedy` what the reader can do about it. Neither holds the key or a
    person's name.
    """

    level: Literal["fault", "warning", "ok"]
    subject: str
    text: str
    remedy: str = ""


def main(environment: Mapping[str, str]) -> int:
    """Examine this machine, print the report, and return the exit status: 1 where tools would not work."""
    too_old = python_finding(sys.version_info[:3])
    findings = [too_old] if too_old.level == "fault" else _examined(environment)
    sys.stdout.write(report(findings))
    return exit_status(findings)


def read_settings(environment: Mapping[str, str]) -> Settings | SettingsError:
    """The settings of an environment, or what is wrong with them."""
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.settings import Settings

    try:
        return Settings.from_environment(environment)
    except SettingsError as error:
        return error


async def examine(
    settings: Settings | SettingsError,
    environment: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    clock: Clock | None = None,
    python: tuple[int, ...] = sys.version_info[:3],
) -> list[Finding]:
    """Look at everything that the tools need; makes at most two free requests and starts nothing.

    `transport` replaces the network; `python` is the interpreter's version. Never raises for what it finds.
    """
    from cleanlist_mcp.clock import SystemClock
    from cleanlist_mcp.errors import SettingsError

    findings = [python_finding(python), *_variables(environment)]
    if isinstance(settings, SettingsError):
        wrong = Finding(
            "fault", "settings", settings.message, f"Correct it, {_RESTART}. {settings.next_step}"
        )
        return [*findings, wrong]
    findings.append(_settings(settings))
    if settings.sandbox:
        return [*findings, _sandbox(environment)]
    clock = clock or SystemClock()
    folder, spent = await _state_folder(settings, clock)
    findings.append(folder)
    if settings.api_key is None:
        findings.append(_no_key(settings, environment))
    else:
        findings += await _account(settings, transport, clock)
    if spent is not None:
        findings.append(_limits(settings, spent))
    return findings


def report(findings: Sequence[Finding]) -> str:
    """The findings as plain ASCII text, faults first, each with its remedy, and a verdict at the end."""
    order = list(_MARKS)
    lines = [f"cleanlist-mcp {__version__} doctor", ""]
    for finding in sorted(findings, key=lambda one: order.index(one.level)):
        mark = f"{_MARKS[finding.level]:<9}"
        lines += _wrapped(mark, _presentable(f"{finding.subject}: {finding.text}"))
        if finding.remedy:
            lines += _wrapped(" " * 9, _presentable(f"What to do: {finding.remedy}"))
    lines += ["", *_wrapped("", _verdict(findings))]
    return "\n".join(lines) + "\n"


def exit_status(findings: Iterable[Finding]) -> int:
    """1 where a tool would not work, else 0."""
    return int(any(finding.level == "fault" for finding in findings))


def python_finding(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(str(part) for part in version[:3])
    if version[:2] >= OLDEST_PYTHON:
        return Finding("ok", "Python", f"{found} on {platform.system() or 'an unknown system'}.")
    needed = ".".join(str(part) for part in OLDEST_PYTHON)
    return Finding(
        "fault",
        "Python",
        f"This is Python {found}; {needed} or newer is needed.",
        f"Install Python {needed} or newer and make the virtual environment anew with it; the desktop bundle "
        "brings its own.",
    )


def _examined(environment: Mapping[str, str]) -> list[Finding]:
    import anyio

    return anyio.run(examine, read_settings(environment), environment)


def _variables(environment: Mapping[str, str]) -> list[Finding]:
    """Variables that look like settings and do nothing."""
    from cleanlist_mcp.settings import VARIABLES, unknown_variables

    findings = [
        Finding("warning", "settings", line, f"Correct or remove it, {_RESTART}.")
        for line in unknown_variables(environment)
    ]
    for name in VARIABLES:
        # Of the key its own finding tells.
        if name != "CLEANLIST_API_KEY" and _is_placeholder(environment, name):
            text = f"{name} holds a placeholder that the client did not fill in, so it counts as unset."
            findings.append(
                Finding("warning", "settings", text, f"Write the value itself there, {_RESTART}.")
            )
    return findings


def _is_placeholder(environment: Mapping[str, str], name: str) -> bool:
    from cleanlist_mcp.environment import UNFILLED

    return environment.get(name, "").strip().startswith(UNFILLED)


def _settings(settings: Settings) -> Finding:
    from cleanlist_mcp.settings import DEFAULT_BASE_URL

    parts = [f"tools {', '.join(sorted(settings.toolsets))}", f"asking {settings.confirm}"]
    if settings.read_only:
        parts.append("read-only")
    if settings.base_url != DEFAULT_BASE_URL and not settings.sandbox:
        parts.append(f"API at {urlsplit(settings.base_url).hostname} instead of the usual address")
    return Finding("ok", "settings", "; ".join(parts) + ".")


def _sandbox(environment: Mapping[str, str]) -> Finding:
    unused = (
        " The API key that is set is not used." if environment.get("CLEANLIST_API_KEY", "").strip() else ""
    )
    text = f"Everything is made up and nothing real is charged; no key, network or folder is needed.{unused}"
    return Finding("ok", "sandbox", text)


def _no_key(settings: Settings, environment: Mapping[str, str]) -> Finding:
    problem = settings.key_problem
    unfilled = _is_placeholder(environment, "CLEANLIST_API_KEY")
    return Finding(
        "fault",
        "key",
        problem.text + (" The client left a placeholder (${...}) in CLEANLIST_API_KEY." if unfilled else ""),
        f"{problem.advice} A key that stands in a client's configuration is not seen "
        "from a terminal: to check it here, set CLEANLIST_API_KEY for this command too. To try the tools without a "
        "key, set CLEANLIST_SANDBOX=true.",
    )


async def _state_folder(settings: Settings, clock: Clock) -> tuple[Finding, Spent | None]:
    """Whether runs can be remembered, and what was spent as far as they were."""
    from cleanlist_mcp.journal.health import error_in, is_durable
    from cleanlist_mcp.journal.opening import open_journal

    folder = settings.state_dir
    remedy = f"Set CLEANLIST_STATE_DIR to a folder that can be written, {_RESTART}."
    consequence = (
        "Runs would be forgotten at a restart, and a repeat could pay twice."
        if settings.daily_limit is None
        else "With CLEANLIST_DAILY_LIMIT set, spending is refused without it."
    )
    if folder is None:
        return Finding("fault", "state folder", f"None is set. {consequence}", remedy), None
    name = _shown(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        text = f"{name} cannot be written ({exc.strerror or type(exc).__name__}). {consequence}"
        return Finding("fault", "state folder", text, remedy), None
    journal = open_journal(folder, clock, "doctor", "")
    try:
        health = await journal.inspect()
        unusable = error_in(health)
        if unusable is not None:
            problem = unusable.message.removesuffix(" Nothing was sent.")
            text = f"{problem} The state folder is {name}. Until that is settled nothing is spent."
            remedy = unusable.next_step.replace("Ask the user to ", "", 1)
            return Finding("fault", "state folder", text, f"{remedy[:1].upper()}{remedy[1:]}"), None
        if not is_durable(health):
            text = f"No journal of runs can be made in {name}. {consequence}"
            return Finding("fault", "state folder", text, remedy), None
        return Finding("ok", "state folder", f"{name} can be written."), await journal.spent()
    finally:
        await journal.close()


async def _account(
    settings: Settings, transport: httpx.AsyncBaseTransport | None, clock: Clock
) -> list[Finding]:
    """What the API says about the key: its plan, scopes and credits."""
    from cleanlist_mcp.api.client import CleanlistClient
    from cleanlist_mcp.api.rate_budget import RateBudget
    from cleanlist_mcp.errors import ApiError

    client = CleanlistClient(settings, RateBudget(), transport=transport, clock=clock)
    findings: list[Finding] = []
    try:
        who = await client.whoami()
        name = who.organization_name or "an organization without a name"
        findings += [Finding("ok", "key", f"Accepted; it works for {name}, plan {who.tier or 'unknown'}.")]
        findings += _scopes(settings, who)
        findings += await _balance(client, who)
    except ApiError as error:
        findings.append(_api_fault(error, settings))
    finally:
        await client.aclose()
    return findings


def _scopes(settings: Settings, who: Whoami) -> list[Finding]:
    from cleanlist_mcp.api_key import KEYS_PAGE
    from cleanlist_mcp.toolset import switched_on

    if who.scopes is None:
        text = "The API named no scopes of this key, so they could not be checked."
        return [Finding("warning", "scopes", text, "If tools are refused, create a key with all scopes.")]
    on = switched_on(settings.toolsets, read_only=settings.read_only)
    tools = {tool.name: sorted(tool.permissions - set(who.scopes)) for tool in on}
    missing = sorted({scope for lacking in tools.values() for scope in lacking})
    if not missing:
        return [Finding("ok", "scopes", "The key has all that the tools need.")]
    stopped = [tool for tool, lacking in tools.items() if lacking]
    return [
        Finding(
            "fault",
            "scopes",
            f"The key lacks {', '.join(missing)}; {', '.join(stopped)} would be refused.",
            f"Create a key with these scopes at {KEYS_PAGE}, put it in {_KEYS_PLACE}, {_RESTART}.",
        )
    ]


async def _balance(client: CleanlistClient, who: Whoami) -> list[Finding]:
    if who.scopes is not None and "credits:read" not in who.scopes:
        return []  # told already
    credits_left = (await client.balance()).credits
    if credits_left > 0:
        return [Finding("ok", "credits", f"{credits_left} left.")]
    remedy = "Buy credits at portal.cleanlist.ai; reading and estimating work without."
    return [Finding("warning", "credits", "None are left, so nothing can be enriched.", remedy)]


def _limits(settings: Settings, spent: Spent) -> Finding:
    daily = "none" if settings.daily_limit is None else f"{settings.daily_limit} credits"
    return Finding(
        "ok",
        "limits",
        f"Daily limit {daily}, {spent.last_day} counted in the last 24 hours; {settings.hourly_unquoted_limit} "
        "credits an hour for single people.",
    )


def _api_fault(error: ApiError, settings: Settings) -> Finding:
    """What an answer of the API, or its absence, means for whoever runs the doctor."""
    from cleanlist_mcp import errors
    from cleanlist_mcp.api_key import KEYS_PAGE

    new_key = f"a new one is made at {KEYS_PAGE}. Put it in {_KEYS_PLACE}, {_RESTART}."
    if isinstance(error, errors.Unauthorized):
        return Finding("fault", "key", error.message, f"Check that all of it was copied; {new_key}")
    if isinstance(error, errors.InsufficientScope):
        return Finding("fault", "scopes", error.message, f"A key's scopes are fixed; {new_key}")
    if isinstance(error, errors.FeatureGated):
        return Finding(
            "fault",
            "plan",
            "The account's Cleanlist plan does not include API access.",
            "API access is a feature of Cleanlist's paid plans: change the plan at portal.cleanlist.ai. "
            "CLEANLIST_SANDBOX=true serves made-up data on any plan.",
        )
    if isinstance(error, errors.ApiUnavailable) and error.__cause__ is not None:
        return _network_fault(error, urlsplit(settings.base_url).hostname or "the API")
    if isinstance(error, errors.ApiUnavailable) and error.status is None:
        # Nothing was tried: the client's cause for that are proxy settings that cannot be used.
        remedy = "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY, then run doctor again."
        return Finding("fault", "network", error.message, remedy)
    if isinstance(error, errors.BadResponse | errors.NotFound):
        remedy = "Check CLEANLIST_BASE_URL, and whether a proxy answers in the API's place."
        return Finding("fault", "API", error.message, remedy)
    if isinstance(error, errors.ApiUnavailable | errors.RateLimited) or error.retryable:
        return Finding("fault", "API", error.message, "Wait a minute, then run doctor again.")
    return Finding("fault", "API", error.message, _sentence(error.next_step))


def _network_fault(error: ApiError, host: str) -> Finding:
    if "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__):
        return Finding(
            "fault",
            "network",
            f"The TLS certificate that {host} shows is not trusted by this machine.",
            "Check the machine's clock. A proxy or virus scanner that inspects TLS needs its own certificate "
            "in the system's trust store.",
        )
    proxies = [
        name for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)
    ]
    via = f" (a proxy is set in {', '.join(proxies)})" if proxies else ""
    if error.nothing_started:
        return Finding(
            "fault",
            "network",
            f"{host} cannot be reached{via}: {_cause(error)}.",
            "Check the network, the firewall and the proxy settings, then run doctor again.",
        )
    return Finding(  # it was reached, and the connection came to nothing
        "fault",
        "network",
        f"{error.message.rstrip('.')}{via}: {_cause(error)}.",
        "Wait a minute, then run doctor again; if it stays, check the network, the firewall and the proxy settings.",
    )


_CAUSES = (
    (("getaddrinfo", "Name or service not known", "Name resolution", "nodename nor servname", "No address"),
     "its name is not known here"),
    (("Connection refused", "actively refused", "All connection attempts failed"), "nothing answers there"),
    (("Network is unreachable", "No route to host", "unreachable network"), "no way leads there"),
    (("timed out", "Timeout"), "it did not answer in time"),
)  # fmt: skip
"""Words in the system's errors, and their meaning in ours."""


def _cause(error: ApiError) -> str:
    """Say why a connection came to nothing, in our own words and by the error's type: its text is the other side's,
    and may hold a proxy's password."""
    kind = type(error.__cause__).__name__
    said = f"{kind} {error.__cause__}"
    meant = next((ours for words, ours in _CAUSES if any(word in said for word in words)), None)
    return f"{meant} ({kind})" if meant else kind


def _verdict(findings: Sequence[Finding]) -> str:
    faults = sum(finding.level == "fault" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if faults:
        return f"{faults} {'fault' if faults == 1 else 'faults'}: tools would not work until mended."
    if warnings:
        return f"The tools would work; {warnings} {'warning' if warnings == 1 else 'warnings'}."
    return "The tools would work."


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((_WIDEST, 0)).columns)),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(advice: str) -> str:
    """A next step that was written for an assistant, or to go on after "Ask the user to", for the user."""
    for opening, other in _TO_AN_ASSISTANT.items():
        if advice.startswith(opening):
            advice = other + advice.removeprefix(opening)
    return advice[0].upper() + advice[1:]


def _shown(folder: Path) -> str:
    """A path without the user's name in it."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(folder)


def _presentable(text: str) -> str:
    """Return the text without secrets and in printable ASCII: old Windows consoles cannot print more, and terminals
    obey control characters."""
    if sys.version_info >= OLDEST_PYTHON:  # else there is no secret yet, and the module may not load
        from cleanlist_mcp.secrecy import blot

        text = blot(text)
    text = " ".join(text.split())
    plain = unicodedata.normalize("NFKD", text.replace("\u2192", ">").replace("\u2026", "..."))
    letters = "".join(char for char in plain if char.isprintable() and not unicodedata.combining(char))
    return letters.encode("ascii", "backslashreplace").decode("ascii")
