"""The command: choose, print, exit. Only what a command needs is imported, because every start is felt."""

import argparse
import gc
import os
import sys
from typing import NoReturn

from cleanlist_mcp import __version__

CLIENTS = ("claude-desktop", "claude-code", "cursor", "vscode", "codex", "gemini", "zed", "windsurf")

_EPILOG = """\
Without a command it serves MCP over stdin and stdout; a client starts it.
Settings come from CLEANLIST_* environment variables; see the README."""


def main() -> None:
    """Run the command that the arguments name, and leave with its status."""
    arguments = _parser().parse_args()
    if arguments.command is None:
        _serve(sandbox=arguments.sandbox)
    elif arguments.command == "demo":
        from cleanlist_mcp.demo import main as demo

        sys.exit(demo())
    elif arguments.command == "sandbox":
        _sandbox(arguments.port)
    elif arguments.command == "doctor":
        from cleanlist_mcp.doctor import main as doctor

        sys.exit(doctor(os.environ))
    elif arguments.command == "config":
        from cleanlist_mcp.clients import main as config

        sys.exit(config(arguments.client))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cleanlist-mcp",
        description="Cleanlist for AI assistants: verified e-mail addresses and phone numbers, over MCP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cleanlist-mcp {__version__}")
    parser.add_argument(
        "--sandbox", action="store_true", help="serve made-up data; no key needed, nothing charged"
    )
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


def _serve(*, sandbox: bool) -> None:
    # A collection while thousands of classes are made finds nothing; frozen, they are never looked at again.
    gc.disable()
    from cleanlist_mcp.errors import SettingsError
    from cleanlist_mcp.settings import Settings, unknown_variables

    environment = dict(os.environ) | ({"CLEANLIST_SANDBOX": "true"} if sandbox else {})
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


def _sandbox(port: int) -> None:
    import anyio

    from cleanlist_mcp.sandbox.serve import serve

    anyio.run(serve, port)


def _refuse(line: str) -> NoReturn:
    sys.stderr.write(f"cleanlist-mcp: {line}\n")
    sys.exit(2)
