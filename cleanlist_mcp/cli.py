"""The command: choose, print, exit. Only what a command needs is imported, because every start is felt."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Mapping
from typing import NoReturn

from cleanlist_mcp import __version__

CLIENTS = ("claude-desktop", "claude-code", "cursor", "vscode", "codex", "gemini", "zed", "windsurf")

_EPILOG = """\
Without a command it serves MCP over stdin and stdout; a client starts it.
Settings come from CLEANLIST_* environment variables; see the README."""


def main() -> None:
    """Run the command that the arguments name, and leave with its status."""
    try:
        sys.exit(_run(_parser().parse_args()))
    except KeyboardInterrupt:
        sys.stderr.write("cleanlist-mcp: stopped.\n")
        sys.exit(128 + signal.SIGINT)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "demo":
        from cleanlist_mcp.demo import main as demo

        return demo()
    if arguments.command == "sandbox":
        return _sandbox(arguments.port)
    if arguments.command == "doctor":
        from cleanlist_mcp.doctor import main as doctor

        return doctor(_environment(sandbox=arguments.sandbox))
    if arguments.command == "config":
        from cleanlist_mcp.snippets import main as config

        return config(arguments.client, sandbox=arguments.sandbox)
    _serve(_environment(sandbox=arguments.sandbox))
    return 0


def _environment(*, sandbox: bool) -> dict[str, str]:
    """Where settings come from; the option says what its variable would."""
    return {**os.environ, "CLEANLIST_SANDBOX": "true"} if sandbox else dict(os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cleanlist-mcp",
        description="Cleanlist for AI assistants: verified e-mail addresses and phone numbers, over MCP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cleanlist-mcp {__version__}")
    parser.add_argument("--sandbox", action="store_true", help="made-up data; no key needed, nothing charged")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("demo", help="play a whole job on the sandbox and show each step")
    sandbox = commands.add_parser("sandbox", help="serve the sandbox API itself on loopback HTTP")
    sandbox.add_argument("--port", type=_port, required=True, help="port on 127.0.0.1; 0 picks a free one")
    commands.add_parser("doctor", help="check settings, key, plan, scopes, balance and state folder")
    config = commands.add_parser("config", help="print a ready snippet for a client")
    config.add_argument("client", choices=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS))
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _serve(environment: Mapping[str, str]) -> None:
    # A collection while thousands of classes are made finds nothing; frozen, they are never looked at again.
    gc.disable()
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.settings import Settings, unknown_variables

    try:
        settings = Settings.from_environment(environment)
    except SettingsError as exc:
        _refuse(f"{exc.message} {exc.next_step}")
    from cleanlist_mcp.serving import log_to_stderr, serve

    log_to_stderr(settings.log_level)
    for line in unknown_variables(environment):
        sys.stderr.write(f"cleanlist-mcp WARNING: {line}\n")
    gc.enable()
    gc.freeze()
    serve(settings)


def _sandbox(port: int) -> int:
    import anyio

    from cleanlist_mcp.sandbox.serve import serve

    return anyio.run(serve, port)


def _refuse(line: str) -> NoReturn:
    sys.stderr.write(f"cleanlist-mcp: {line}\n")
    sys.exit(2)
