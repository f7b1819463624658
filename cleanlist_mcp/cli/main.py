"""The command line: choose a command, print, exit. Only what a command needs is imported: users feel every start."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cleanlist_mcp.cli.complaints import complain, refuse
from cleanlist_mcp.server import front

if TYPE_CHECKING:
    import argparse

    from cleanlist_mcp.settings import Settings

_FORGETS = (
    "this user has no home folder, so runs are forgotten at a restart, and a repeat can pay twice. Set "
    "CLEANLIST_STATE_DIR to a folder that can be written."
)
_NOT_OVER_HTTP = {
    "CLEANLIST_API_KEY": "each request brings its own key.",
    "CLEANLIST_API_KEY_FILE": "each request brings its own key.",
    "CLEANLIST_CSV_DIR": "files are read and saved on the user's own computer alone.",
}
"""Settings that mean nothing to a service, and why."""

_COLLECT_AFTER = 5_000
"""New objects after which the collector looks for cycles. With Python's own 700 it looks in nearly every call, which
takes 3 % longer."""

_NOBODY_READS = (errno.EPIPE, errno.EINVAL)  # the second is Windows'


def main() -> None:
    """Run the command that the arguments name, and leave with its status."""
    _hide_texts_of_exceptions()
    try:
        begun = front.begin()
        sys.exit(_ended(_arguments(sys.argv[1:]), begun))
    except KeyboardInterrupt:
        complain("stopped.")
        sys.exit(128 + signal.SIGINT)


def _arguments(words: list[str]) -> argparse.Namespace | None:
    """Return the arguments that were given; None if there are none, as a client starts it: they need no parser."""
    if not words:
        return None
    from cleanlist_mcp.cli.arguments import parser

    return parser().parse_args(words)


def _ended(arguments: argparse.Namespace | None, begun: front.Front | None) -> int:
    """Return the status of a command, or of serving, which looks after its own output once it has one."""
    command = None if arguments is None else arguments.command
    serving = arguments is None or command is None or (command == "serve" and not arguments.http)
    # Python has no stream if a shell closed it (>&-).
    if sys.stdout is None or (serving and sys.stdin is None):
        complain(f"{'stdout' if sys.stdout is None else 'stdin'} is closed, so nothing was started.")
        return 1
    if arguments is None or serving:
        if arguments is not None and command == "serve" and (arguments.host, arguments.port) != (None, None):
            refuse("--host and --port belong to `serve --http`: add --http, or leave them out.")
        _serve(_environment(sandbox=arguments is not None and arguments.sandbox), begun)
        return 0
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except OSError as exc:
        if exc.filename is not None:
            raise  # the error of a file, and none that a command expects
        # The interpreter flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if exc.errno not in _NOBODY_READS:
            complain(f"the output cannot be written: {exc.strerror or type(exc).__name__}.")
        return 1
    return status


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "serve":
        return _serve_http(_environment(sandbox=arguments.sandbox), arguments.host, arguments.port)
    if arguments.command == "demo":
        from cleanlist_mcp.cli.demo import main as demo

        return demo()
    if arguments.command == "sandbox":
        return _sandbox(arguments.port)
    if arguments.command == "doctor" and arguments.http is not None:
        from cleanlist_mcp.cli.service_check import main as check

        return check(arguments.http, _environment(sandbox=arguments.sandbox))
    if arguments.command == "doctor":
        from cleanlist_mcp.cli.doctor import main as doctor

        return doctor(_environment(sandbox=arguments.sandbox), allow_cards=arguments.allow_cards)
    if arguments.command == "team-secret":
        from cleanlist_mcp.cli.team_secret import main as team_secret

        return team_secret(os.environ)
    from cleanlist_mcp.cli.client_config import main as config

    return config(arguments.client, sandbox=arguments.sandbox)


def _hide_texts_of_exceptions() -> None:
    """Report an error that nobody expected by its type and place alone: its text could hold anything."""
    sys.excepthook = lambda kind, error, trace: _unexpected(error)
    threading.excepthook = lambda found: _unexpected(found.exc_value)
    sys.unraisablehook = lambda found: _unexpected(found.exc_value)


def _unexpected(error: BaseException | None) -> None:
    if isinstance(error, SystemExit):
        return  # the end of a thread, and no error
    from cleanlist_mcp.errors import traceback_of

    complain(f"an error in this program itself; please report it:\n{traceback_of(error)}")


def _environment(*, sandbox: bool) -> dict[str, str]:
    """Return the variables that settings come from; the option stands for its variable."""
    from cleanlist_mcp.secrecy import keep_proxies

    keep_proxies(os.environ)
    return {**os.environ, "CLEANLIST_SANDBOX": "true"} if sandbox else dict(os.environ)


def _serve(environment: Mapping[str, str], begun: front.Front | None) -> None:
    settings = _settings_to_serve(environment)
    from cleanlist_mcp.server.stdio import serve

    gc.enable()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    serve(settings, begun)


def _serve_http(environment: Mapping[str, str], host: str | None, port: int | None) -> int:
    settings = _settings_to_serve(environment)
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.server.http.serve import HOST, PORT, CannotServe, serve

    for name, why in _NOT_OVER_HTTP.items():
        used = settings.sandbox or (settings.auth == "oauth" and name != "CLEANLIST_CSV_DIR")
        if environment.get(name) and not used:
            complain(f"WARNING: {name} does nothing over HTTP: {why}")
    gc.enable()
    gc.freeze()
    settings = settings.model_copy(update={"csv_dir": None, "over_http": True})
    try:
        return serve(settings, HOST if host is None else host, PORT if port is None else port)
    except CannotServe as exc:
        refuse(f"{exc}.")
    except SettingsError as exc:
        refuse(f"{exc.message} {exc.next_step}")


def _settings_to_serve(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a server, with the log on stderr and warnings there for what the user should know."""
    # While modules load, an interrupt can surface as anybody's error; nothing is lost by leaving at once.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    # A collection while thousands of classes are made finds nothing; frozen, they are never looked at again.
    gc.disable()
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.settings import Settings, unknown_variables

    try:
        settings = Settings.from_environment(environment)
    except SettingsError as exc:
        refuse(f"{exc.message} {exc.next_step}")
    from cleanlist_mcp.server.stdio import log_to_stderr

    log_to_stderr(settings.log_level)
    for line in unknown_variables(environment):
        complain(f"WARNING: {line}")
    if settings.state_dir is None and not settings.sandbox:
        complain(f"WARNING: {_FORGETS}")
    if settings.uses_database:
        _require_database(settings)
    return settings


def _require_database(settings: Settings) -> None:
    """Refuse to start without a secret that the team's journal still needs."""
    import anyio

    from cleanlist_mcp.clock import SystemClock
    from cleanlist_mcp.loops import loop_options
    from cleanlist_mcp.services import refusal_at_start

    line = anyio.run(refusal_at_start, settings, SystemClock(), backend_options=loop_options(settings))
    if line is not None:
        refuse(line)


def _sandbox(port: int) -> int:
    import anyio

    from cleanlist_mcp.sandbox.serve import serve

    return anyio.run(serve, port)
