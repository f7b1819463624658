"""Lines of a command on stderr: for a person, and without secrets."""

import sys
from contextlib import suppress
from typing import NoReturn


def refuse(line: str) -> NoReturn:
    """Write a line to stderr and leave with status 2, as for wrong arguments."""
    complain(line)
    sys.exit(2)


def complain(line: str) -> None:
    """Write a line to stderr, if there is one that takes it."""
    with suppress(AttributeError, OSError):
        sys.stderr.write(f"cleanlist-mcp: {printable(line)}\n")
        sys.stderr.flush()


def printable(text: str) -> str:
    """Return the text without secrets, and without characters that a terminal obeys."""
    from cleanlist_mcp.secrecy import blot

    return "".join(char for char in blot(text) if char == "\n" or char.isprintable())
