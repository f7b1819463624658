"""`cleanlist-mcp doctor`: checks if the tools work here, and names who can do what about it if they do not.

Only the standard library is imported at the top: on a Python that is too old nothing else can be.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cleanlist_mcp.cli.findings import OLDEST_PYTHON, RESTART, Finding, exit_status, for_the_reader, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from cleanlist_mcp.clock import Clock
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.journal.journal import Journal
    from cleanlist_mcp.money.limits import Spent
    from cleanlist_mcp.settings import Settings

_SET_FOLDER = f"Set CLEANLIST_STATE_DIR to a folder that can be written, {RESTART}."


def main(environment: Mapping[str, str], *, allow_cards: bool = False) -> int:
    """Examine this machine, print the report, and return the exit status: 1 if there is a problem.

    With `allow_cards`, clients that lost the button of their cards get it back first.
    """
    too_old = python_finding(sys.version_info[:3])
    findings = [too_old] if too_old.level == "problem" else _examined(environment, allow_cards=allow_cards)
    sys.stdout.write(report(findings))
    return exit_status(findings)


def read_settings(environment: Mapping[str, str]) -> Settings | SettingsError:
    """Return the settings of an environment, or the problem with them."""
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
    allow_cards: bool = False,
) -> list[Finding]:
    """Check everything that the tools need, with at most two free requests; nothing is started.

    `transport` replaces the network; `python` is the interpreter's version; `allow_cards` lifts the bans of clients
    whose cards lost their button. Never raises for what it finds.
    """
    from cleanlist_mcp.clock import SystemClock
    from cleanlist_mcp.errors import SettingsError

    findings = [python_finding(python), *_variables(environment)]
    if isinstance(settings, SettingsError):
        remedy = f"Correct it, {RESTART}. {settings.next_step}"
        return [*findings, Finding("problem", "settings", settings.message, remedy)]
    findings += [_settings(settings), *await _exclusions(settings)]
    if settings.sandbox:
        return [*findings, _sandbox(environment)]
    time = clock or SystemClock()
    return findings + await _live(settings, environment, transport, time, allow_cards=allow_cards)


def python_finding(version: tuple[int, ...]) -> Finding:
    """Return whether this Python is new enough."""
    found = ".".join(str(part) for part in version[:3])
    if version[:2] >= OLDEST_PYTHON:
        return Finding("ok", "Python", f"{found} on {platform.system() or 'an unknown system'}.")
    needed = ".".join(str(part) for part in OLDEST_PYTHON)
    return Finding(
        "problem",
        "Python",
        f"This is Python {found}; {needed} or newer is needed.",
        f"Install Python {needed} or newer and make the virtual environment again with it; the desktop bundle "
        "brings its own.",
    )


def _examined(environment: Mapping[str, str], *, allow_cards: bool) -> list[Finding]:
    from functools import partial

    import anyio

    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.loops import loop_options

    settings = read_settings(environment)
    options = {} if isinstance(settings, SettingsError) else loop_options(settings)
    return anyio.run(
        partial(examine, settings, environment, allow_cards=allow_cards), backend_options=options
    )


async def _live(
    settings: Settings,
    environment: Mapping[str, str],
    transport: httpx.AsyncBaseTransport | None,
    clock: Clock,
    *,
    allow_cards: bool,
) -> list[Finding]:
    """Check what the sandbox does without: the state folder, the key and the network."""
    from cleanlist_mcp.cli.account_check import check_account

    if settings.uses_database:
        findings, spent = await _database(settings, clock, allow_cards=allow_cards)
    else:
        findings, spent = await _state_folder(settings, clock, allow_cards=allow_cards)
    if settings.api_key is None:
        findings.append(_no_key(settings, environment))
    else:
        findings += await check_account(settings, transport, clock)
    if spent is not None:
        findings.append(_limits(settings, spent))
    return findings


def _variables(environment: Mapping[str, str]) -> list[Finding]:
    """Return the variables that look like settings and do nothing."""
    from cleanlist_mcp.settings import VARIABLES, unknown_variables

    findings = [
        Finding("warning", "settings", line, f"Correct or remove it, {RESTART}.")
        for line in unknown_variables(environment)
    ]
    for name in VARIABLES:
        # The key has a finding of its own.
        if name != "CLEANLIST_API_KEY" and _is_placeholder(environment, name):
            text = f"{name} holds a placeholder that the client did not fill in, so it counts as unset."
            findings.append(Finding("warning", "settings", text, f"Write the value itself there, {RESTART}."))
    return findings


def _is_placeholder(environment: Mapping[str, str], name: str) -> bool:
    from cleanlist_mcp.environment import UNFILLED, unquoted

    return unquoted(environment.get(name, "")).startswith(UNFILLED)


def _settings(settings: Settings) -> Finding:
    from cleanlist_mcp.settings import DEFAULT_BASE_URL, MOST_WAIT_SECONDS

    parts = [f"tools {', '.join(sorted(settings.toolsets))}", f"asks before spending: {settings.confirm}"]
    if settings.cards == "never":
        parts.append("no cards")
    if settings.read_only:
        parts.append("read-only")
    if settings.max_wait_seconds < MOST_WAIT_SECONDS:
        parts.append(f"waits of at most {settings.max_wait_seconds:g} s")
    if settings.base_url != DEFAULT_BASE_URL and not settings.sandbox:
        parts.append(f"API at {urlsplit(settings.base_url).hostname} instead of the usual address")
    return Finding("ok", "settings", "; ".join(parts) + ".")


async def _exclusions(settings: Settings) -> list[Finding]:
    """Return whether the file of people who must not be contacted can be used; nothing without one."""
    from anyio import to_thread

    from cleanlist_mcp.errors import Excluded
    from cleanlist_mcp.services import exclusion_file_of

    file = exclusion_file_of(settings)
    if file is None:
        return []
    try:
        excludes = bool(await to_thread.run_sync(file.current))
    except Excluded as exc:
        problem = exc.message.removesuffix(" Nothing was sent.")
        text = f"{problem} Until this is fixed, nothing is spent and nobody is added."
        return [Finding("problem", "do not contact", text, for_the_reader(exc.next_step))]
    text = "The file of people who must not be contacted can be used"
    return [Finding("ok", "do not contact", f"{text}." if excludes else f"{text}; it has no entries.")]


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
        "problem",
        "key",
        problem.text + (" The client left a placeholder (${...}) in CLEANLIST_API_KEY." if unfilled else ""),
        f"{problem.advice} A key that stands in a client's configuration is not seen from a terminal: to check it "
        "here, set CLEANLIST_API_KEY for this command too. To try the tools without a key, set "
        "CLEANLIST_SANDBOX=true.",
    )


async def _database(
    settings: Settings, clock: Clock, *, allow_cards: bool
) -> tuple[list[Finding], Spent | None]:
    """Return whether runs can be remembered in the team's database, and what was spent as far as they were."""
    from cleanlist_mcp.journal.health import error_in
    from cleanlist_mcp.journal.journal import Journal
    from cleanlist_mcp.journal.names import Identity
    from cleanlist_mcp.links import api_of
    from cleanlist_mcp.services import store_of

    store = store_of(settings, clock)
    try:
        unusable = error_in(await store.inspect())
        if unusable is not None:
            problem = unusable.message.removesuffix(" Nothing was sent.")
            text = f"{problem} Until this is fixed, nothing is spent."
            return [Finding("problem", "team database", text, for_the_reader(unusable.next_step))], None
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        journal = Journal(store, Identity(api_of(settings.base_url), key), _not_asked)
        usable = Finding("ok", "team database", "It answers, and its tables and the team's secret fit.")
        return [usable, *_secret(settings), *await _cards(journal, allow=allow_cards)], await journal.spent()
    finally:
        await store.close()


async def _not_asked() -> str:
    """Return no organization: a look needs none."""
    return ""


def _secret(settings: Settings) -> list[Finding]:
    keys = settings.secret_keys
    if keys is None or not keys.is_whole:
        return []
    return [
        Finding(
            "ok",
            "team secret",
            "CLEANLIST_SECRET_KEYS holds the secrets of the team's service. A laptop needs only what "
            "`cleanlist-mcp team-secret` prints.",
        )
    ]


async def _state_folder(
    settings: Settings, clock: Clock, *, allow_cards: bool
) -> tuple[list[Finding], Spent | None]:
    """Return whether runs can be remembered, and what was spent as far as they were."""
    if settings.state_dir is None:
        return [_no_folder(settings)], None
    problem = _not_writable(settings.state_dir)
    if problem:
        text = f"{_shown(settings.state_dir)} cannot be written ({problem}). {_consequence(settings)}"
        return [Finding("problem", "state folder", text, _SET_FOLDER)], None
    return await _journal(settings, settings.state_dir, clock, allow_cards=allow_cards)


def _no_folder(settings: Settings) -> Finding:
    text = f"This user has no home folder, and CLEANLIST_STATE_DIR is not set. {_consequence(settings)}"
    return Finding(
        "warning" if settings.daily_limit is None else "problem", "state folder", text, _SET_FOLDER
    )


def _consequence(settings: Settings) -> str:
    if settings.daily_limit is not None:
        return "CLEANLIST_DAILY_LIMIT is set, so nothing is spent until this is fixed."
    return "Runs are forgotten at a restart, and a repeat can pay twice."


def _not_writable(folder: Path) -> str:
    """Return why no file can be made in a folder, which is made too; empty if one can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as exc:
        return exc.strerror or type(exc).__name__


async def _journal(
    settings: Settings, folder: Path, clock: Clock, *, allow_cards: bool
) -> tuple[list[Finding], Spent | None]:
    from cleanlist_mcp.journal.health import error_in, is_durable
    from cleanlist_mcp.journal.journal import Journal
    from cleanlist_mcp.journal.names import Identity
    from cleanlist_mcp.journal.opening import open_store

    store = open_store(folder, clock)
    try:
        health = await store.inspect()
        unusable = error_in(health)
        if unusable is not None:
            problem = unusable.message.removesuffix(" Nothing was sent.")
            text = f"{problem} The state folder is {_shown(folder)}. Until this is fixed, nothing is spent."
            return [Finding("problem", "state folder", text, for_the_reader(unusable.next_step))], None
        if not is_durable(health):
            text = f"No journal of runs can be made in {_shown(folder)}. {_consequence(settings)}"
            return [Finding("problem", "state folder", text, _SET_FOLDER)], None
        usable = Finding("ok", "state folder", f"{_shown(folder)} can be written.")
        journal = Journal(store, Identity("doctor", ""))
        return [usable, *await _cards(journal, allow=allow_cards)], await journal.spent()
    finally:
        await store.close()


async def _cards(journal: Journal, *, allow: bool) -> list[Finding]:
    """Return which clients lost the button of their cards; with `allow`, they get it back."""
    from cleanlist_mcp.journal.records import BAN_SECONDS
    from cleanlist_mcp.text import iso, quoted

    banned = await journal.cards.bans()
    if allow and banned:
        await journal.cards.lift_bans()
        names = ", ".join(quoted(ban.client) for ban in banned)
        return [Finding("ok", "cards", f"The button is back in the cards of {names}.")]
    return [
        Finding(
            "warning",
            "cards",
            f"The client {quoted(ban.client)} sent a forged approval of a quote at {iso(ban.since)}: its assistant may "
            f"have tried to press the button itself. Its cards have no button until {iso(ban.since + BAN_SECONDS)}; "
            "quotes are approved in the chat.",
            "Update the client. `cleanlist-mcp doctor --allow-cards` brings the button back earlier.",
        )
        for ban in banned
    ]


def _limits(settings: Settings, spent: Spent) -> Finding:
    daily = (
        "No daily limit" if settings.daily_limit is None else f"Daily limit of {settings.daily_limit} credits"
    )
    return Finding(
        "ok",
        "limits",
        f"{daily}, {spent.last_day} used or reserved in the last 24 hours; {settings.hourly_unquoted_limit} credits an "
        "hour without a quote.",
    )


def _shown(folder: Path) -> str:
    """Return a path without the user's name in it."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(folder)
