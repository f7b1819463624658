"""A look through the whole file, in a thread on a connection of its own: no reader waits for it."""

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

import anyio

from cleanlist_mcp.journal.records import COLUMNS, tokens_in
from cleanlist_mcp.journal.sqlite.connection import connect, secret
from cleanlist_mcp.journal.sqlite.problems import CannotOpen, as_problem
from cleanlist_mcp.journal.sqlite.rows import as_written
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import Moment

SHORT_WAIT = 0.02
"""Seconds that a claim waits for the look without letting others run: it takes a millisecond for thousands of runs."""

PATIENCE = 2.0
"""Seconds to wait for another process."""


@dataclass(frozen=True)
class Identifier:
    """One token by which the person of a run is to be found in a context."""

    context: str
    token: str
    run_id: int


class Check:
    """A look through a file: begun early, waited for by the first claim, begun anew if it could not be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look: _Look | None = None

    def begin(self, now: Moment) -> "_Look":
        """Look through the file in the background, unless that has begun."""
        if self._look is None:
            self._look = _Look(self._path, now)
            self._look.start()
        return self._look

    async def wait(self, now: Moment) -> list[Identifier]:
        """Return the identifiers that are missing, once the file was looked through.

        Raises:
            CannotOpen: if it is damaged, or could not be looked through.
        """
        look = self.begin(now)
        look.join(SHORT_WAIT)
        if look.is_alive():
            await anyio.to_thread.run_sync(look.join, abandon_on_cancel=True)
        if look.problem is None:
            return look.missing
        if self._look is look:
            self._look = None  # the next claim has it looked at again
        raise look.problem

    def end(self) -> None:
        """Stop looking."""
        if self._look is not None:
            self._look.end()


class _Look(threading.Thread):
    def __init__(self, path: Path, now: Moment) -> None:
        super().__init__(name="journal check", daemon=True)
        self._path = path
        self._now = now
        self._database: sqlite3.Connection | None = None
        self._using = threading.Lock()
        self._is_ending = False
        self.missing: list[Identifier] = []
        self.problem: CannotOpen | None = None

    def end(self) -> None:
        """Interrupt the look, and wait until it has ended."""
        with self._using:
            self._is_ending = True
            if self._database is not None:
                self._database.interrupt()
        self.join()

    def run(self) -> None:
        try:
            with as_problem():
                database = connect(self._path, PATIENCE, check_same_thread=False)
                try:
                    self._use(database)
                    self.missing = _looked_through(database, self._now)
                finally:
                    self._use(None)
                    database.close()
        except CannotOpen as exc:
            self.problem = exc

    def _use(self, database: sqlite3.Connection | None) -> None:
        """Let `end` interrupt this connection; none after it was closed."""
        with self._using:
            self._database = database
            if database is not None and self._is_ending:
                raise CannotOpen("locked")


def _looked_through(database: sqlite3.Connection, now: Moment) -> list[Identifier]:
    """Return the identifiers that are missing.

    Raises:
        CannotOpen: if the file is damaged.
    """
    if database.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise CannotOpen("damaged")
    key = secret(database)
    rows = database.execute(
        _COUNTING, {"time": now.time - 2 * DAY, "boot": now.boot, "ticks": now.ticks - 2 * DAY}
    )
    return [one for values in rows for one in _missing(database, values, key, now)]


_COUNTING = f"""
SELECT {", ".join(COLUMNS)}, checksum FROM runs WHERE run_id IN (
    SELECT run_id FROM runs INDEXED BY runs_by_start WHERE started_at > :time
    UNION SELECT run_id FROM runs INDEXED BY runs_by_ticks WHERE boot = :boot AND ticks > :ticks
    UNION SELECT run_id FROM runs WHERE state NOT IN ('refused', 'finished')
) AND kind <> 'list' AND state <> 'refused'
"""  # noqa: S608 - the names are ours
"""Everybody whose run still counts, and every company."""


def _missing(
    database: sqlite3.Connection, values: tuple[object, ...], key: bytes, now: Moment
) -> list[Identifier]:
    """Return the identifiers of a run by which it would not be found."""
    row = as_written(values, key, now.time)
    tokens = tokens_in(row)
    if not tokens:
        return []
    found = database.execute(
        "SELECT token FROM identifiers WHERE context = ? AND run_id = ? AND token IN (SELECT value FROM json_each(?))",
        (row["context"], row["run_id"], json.dumps(sorted(tokens))),
    )
    return [
        Identifier(row["context"], token, row["run_id"])
        for token in sorted(tokens - {token for (token,) in found})
    ]
