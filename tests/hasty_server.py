"""A server that waits seconds where others wait a minute, and may kill itself while it imports.

`python -m tests.hasty_server` lives until it is ended; `… claim 2` is killed when its second import is
written down and not sent yet, `… finished 1` when its first answer is there and not written down yet.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from cleanlist_mcp.calls import importing
from cleanlist_mcp.journal.import_journal import ImportJournal
from cleanlist_mcp.server import boundary
from cleanlist_mcp.server.stdio import serve
from cleanlist_mcp.settings import Settings

SETTLE = 3.0
"""Seconds after which a lost import is repeated; far more than a loaded machine holds a request back."""

TIMES = {
    "SETTLE_SECONDS": SETTLE,
    "SETTLE_AFTER_TIMEOUT": SETTLE - 1.0,  # CLEANLIST_TIMEOUT_SECONDS is 1
    "REPEAT_ROOM": 0.2,
    "ANSWER_ROOM": 0.2,
    "REQUEST_ROOM": 0.5,
    "JOIN_STEP": 0.05,
}


def hurry(call_seconds: float) -> None:
    """Make this process wait for seconds where others wait for a minute; a call lasts `call_seconds` at most."""
    for name, seconds in TIMES.items():
        setattr(importing, name, seconds)
    boundary.CALL_SECONDS = call_seconds


def doomed(method: Callable[..., Any], fatal: int, *, before: bool) -> Callable[..., Any]:
    """The method, at whose call of that number the process is killed, before or after its work."""
    calls = 0

    async def dying(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        outcome = None if before and calls == fatal else await method(*arguments)
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    return dying


if __name__ == "__main__":
    hurry(float(os.environ["CALL_SECONDS"]))
    if len(sys.argv) > 1:
        name, fatal = sys.argv[1], int(sys.argv[2])
        setattr(ImportJournal, name, doomed(getattr(ImportJournal, name), fatal, before=name == "finished"))
    serve(Settings.from_environment())
