"""The arguments of the command line."""

import argparse
from typing import NoReturn

from cleanlist_mcp import __version__
from cleanlist_mcp.cli.complaints import printable

CLIENTS = ("claude-desktop", "claude-code", "cursor", "vscode", "codex", "gemini", "zed", "windsurf")

_EPILOG = """\
Without a command it serves MCP over stdin and stdout; a client starts it. `serve --http` serves a team.
Settings come from CLEANLIST_* environment variables; see the README."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse wrong arguments; the message repeats them, and somebody may have given a key as one."""
        super().error(printable(message))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and their options."""
    parser = _Parser(
        prog="cleanlist-mcp",
        description="Cleanlist for AI assistants: verified e-mail addresses and phone numbers, over MCP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cleanlist-mcp {__version__}")
    made_up = "made-up data; no key needed, nothing charged"
    parser.add_argument("--sandbox", action="store_true", help=made_up)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve MCP: over stdin and stdout, or to a team over HTTP")
    serve.add_argument("--http", action="store_true", help="serve Streamable HTTP at /mcp, many keys at once")
    serve.add_argument("--host", help="address to serve with --http (default 127.0.0.1)")
    serve.add_argument("--port", type=_port, help="port with --http (default 8000); 0 picks a free one")
    commands.add_parser("demo", help="play a whole job on the sandbox and show each step")
    sandbox = commands.add_parser("sandbox", help="serve the sandbox API itself on loopback HTTP")
    sandbox.add_argument("--port", type=_port, required=True, help="port on 127.0.0.1; 0 picks a free one")
    doctor = commands.add_parser(
        "doctor", help="check settings, key, plan, permissions, balance and state folder"
    )
    doctor.add_argument(
        "--allow-cards",
        action="store_true",
        help="bring the approve button back to the cards of clients that lost it",
    )
    doctor.add_argument(
        "--http", metavar="URL", help="try a team's service at this address instead, from outside"
    )
    commands.add_parser("team-secret", help="print the secret for laptops that share the team's database")
    config = commands.add_parser("config", help="print a ready snippet for a client")
    config.add_argument("client", choices=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS))
    for command in (serve, doctor, config):
        # Without a default of its own, which would undo the option before the command.
        command.add_argument("--sandbox", action="store_true", default=argparse.SUPPRESS, help=made_up)
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)
