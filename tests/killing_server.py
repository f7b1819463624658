"""A server that kills itself at one of its journal's writes: `python -m tests.killing_server 2 before`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cleanlist_mcp.journal import opening
from cleanlist_mcp.journal.sqlite.store import Rows, SqliteStore
from cleanlist_mcp.server.stdio import serve
from cleanlist_mcp.settings import Settings

FATAL, MOMENT = int(sys.argv[1]), sys.argv[2]


class KillingStore(SqliteStore):
    """Ends the process just before or just after its fatal write is there for others to see.

    Looks for what is old are no such writes.
    """

    writes = 0
    is_looking = False

    def _forget_old(self) -> None:
        self.is_looking = True
        super()._forget_old()
        self.is_looking = False

    @contextmanager
    def _transaction(self, *, power_safe: bool = False) -> Iterator[Rows]:
        if self.is_looking:
            with super()._transaction(power_safe=power_safe) as rows:
                yield rows
            return
        self.writes += 1
        with super()._transaction(power_safe=power_safe) as rows:
            yield rows
            self._die("before")
        self._die("after")

    def _die(self, moment: str) -> None:
        if self.writes == FATAL and moment == MOMENT:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    setattr(opening, "SqliteStore", KillingStore)  # noqa: B010 - where the server looks it up
    serve(Settings.from_environment())
