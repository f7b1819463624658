"""The journal in SQLite, behind the door that every engine has. Nothing here suspends, but for the first claim.

One connection serves the whole process, and nothing else runs between the begin and the end of a look: that is what
keeps calls of one process apart.
"""

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.health import Health, Usable, error_of
from cleanlist_mcp.journal.port import Contradiction
from cleanlist_mcp.journal.sqlite.added_domains import AddedDomains
from cleanlist_mcp.journal.sqlite.cards import CardRows
from cleanlist_mcp.journal.sqlite.checking import Identifier
from cleanlist_mcp.journal.sqlite.companies import CompanyRows
from cleanlist_mcp.journal.sqlite.connection import in_memory, secret, transaction
from cleanlist_mcp.journal.sqlite.costs import CostRows
from cleanlist_mcp.journal.sqlite.file import JournalFile
from cleanlist_mcp.journal.sqlite.forgetting import forget_old
from cleanlist_mcp.journal.sqlite.imports import ImportRows
from cleanlist_mcp.journal.sqlite.ledger import SqliteLedger
from cleanlist_mcp.journal.sqlite.opening import BUSY_TIMEOUT, open_file
from cleanlist_mcp.journal.sqlite.organizations import OrganizationRows
from cleanlist_mcp.journal.sqlite.problems import (
    APPEARED,
    FILE_NAME,
    REPLACED,
    CannotOpen,
    is_busy,
    trouble,
)
from cleanlist_mcp.journal.sqlite.run_leads import RunLeads
from cleanlist_mcp.journal.sqlite.runs import RunRows
from cleanlist_mcp.journal.sqlite.searches import SearchRows
from cleanlist_mcp.journal.whose import DigestKey
from cleanlist_mcp.money import limits
from cleanlist_mcp.money.runs import Moment

TRY_AGAIN_AFTER = 5.0
"""Seconds after which what could not be opened or written is tried again: a try may wait `BUSY_TIMEOUT`."""

log = logging.getLogger(__name__)


class Rows(
    RunRows,
    RunLeads,
    CostRows,
    ImportRows,
    AddedDomains,
    SearchRows,
    CompanyRows,
    CardRows,
    OrganizationRows,
):
    """One look at the journal, and changes to it."""


class SqliteStore:
    """The journal in a folder; in memory, for this process alone, if there never was one and none can be made.

    One that is there and cannot be used is tried again every few seconds.
    """

    def __init__(
        self,
        folder: Path | None,
        clock: Clock,
        proof_secrets: Sequence[bytes] = (),
        *,
        patience: float | None = None,
    ) -> None:
        """`folder` is where the file lies, None for a memory of this process alone. Without `proof_secrets`, newest
        first, the cards' proofs are made with the file's own secret. Other processes that hold the file are waited for
        up to `patience` seconds, `BUSY_TIMEOUT` if it is None."""
        self._folder = folder
        self._proof_secrets = tuple(proof_secrets)
        self._clock = clock
        self._file: JournalFile | None = None
        self._database: sqlite3.Connection | None = None
        self._problem: CannotOpen | None = None
        self._key = b""
        self._open_again_at = self._read_again_at = self._locked_until = self._record_again_at = 0.0
        self._forgot_at: float | None = None
        self._is_checked = False
        self._logged = ""
        self._open(BUSY_TIMEOUT if patience is None else patience)

    @cached_property
    def ledger(self) -> SqliteLedger | None:
        return None if self._folder is None else SqliteLedger(self._folder, self._clock)

    @property
    def is_open(self) -> bool:
        """True if the file was opened."""
        return self._file is not None and self._problem is None

    async def now(self) -> Moment:
        return self._now()

    def time(self) -> float:
        return self._clock.time()

    async def digest_keys(self) -> Sequence[DigestKey]:
        self._usable()
        return (DigestKey(None, self._key),)

    async def proof_secrets(self) -> Sequence[bytes]:
        self._usable()
        return self._proof_secrets or (self._key,)

    async def health(self) -> Health:
        self._try_to_open()
        if self._problem is not None:
            return self._problem.health(max(self._open_again_at - self._clock.monotonic(), 0.0))
        return Usable("until_restart" if self._file is None else "on_disk")

    async def inspect(self) -> Health:
        health = await self.health()
        if not isinstance(health, Usable):
            return health
        if self._file is None:
            return APPEARED if self._has_appeared() else health
        if not self._file.is_as_it_was():
            return REPLACED
        try:
            await self._file.check.wait(self._now())
        except CannotOpen as exc:
            return exc.health()
        return health

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Rows]:
        database = self._usable()
        # Another program may hold the file: each try takes all others' time, so the next one has to wait.
        if self._clock.monotonic() < self._read_again_at:
            raise self._locked()
        try:
            yield Rows(database, self._key, self._now())
        except sqlite3.Error as exc:
            if is_busy(exc):
                self._read_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise self._locked() from None
            log.error("The journal cannot be read (%s).", type(exc).__name__)
            raise trouble("read") from None

    @asynccontextmanager
    async def claim(self, tenants: Sequence[str]) -> AsyncIterator[Rows]:
        # One writer at a time in the whole file, whoever they are.
        missing = await self._require_reliable()
        if self._clock.monotonic() < self._locked_until:
            raise self._locked()
        try:
            # An intent waits for the disk. An outcome need not: without it, its intent is left, which is uncertain.
            with self._transaction(power_safe=True) as rows:
                for one in missing:
                    await rows.identify(one.run_id, one.context, [one.token])
                yield rows
        except sqlite3.Error as exc:
            if is_busy(exc):
                self._locked_until = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise self._locked() from None
            log.error("The journal cannot be written (%s); nothing was sent.", type(exc).__name__)
            raise trouble("written") from None
        self._wrote(rows.newest)

    @asynccontextmanager
    async def record(self, *, last_try: bool = False) -> AsyncIterator[Rows]:
        self._usable()
        if not last_try and self._clock.monotonic() < max(self._record_again_at, self._locked_until):
            raise trouble("written")
        try:
            with self._transaction() as rows:
                yield rows
        except sqlite3.IntegrityError:
            raise Contradiction from None
        except sqlite3.Error as exc:
            log.error("An outcome cannot be written to the journal yet (%s).", type(exc).__name__)
            self._record_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
            raise trouble("written") from None
        self._wrote()

    async def forget_old(self) -> None:
        self._forget_old()

    async def close(self) -> None:
        if self.__dict__.get("ledger") is not None:
            await self.__dict__["ledger"].close()
        self._release()

    def _open(self, patience: float) -> None:
        self._problem = None
        self._is_checked = False
        try:
            self._file = None if self._folder is None else open_file(self._folder, self._clock, patience)
        except CannotOpen as exc:
            self._cannot_be_used(exc)
            return
        self._database = in_memory() if self._file is None else self._file.database
        self._key = secret(self._database)
        if self._file is not None:
            self._file.check.begin(self._now())
        self._forget_old()

    def _cannot_be_used(self, problem: CannotOpen) -> None:
        message = error_of(problem.health()).message
        if message != self._logged:  # once, however often it is tried again
            log.warning("%s", message)
            self._logged = message
        self._release()
        self._problem = problem
        self._open_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER

    def _try_to_open(self) -> None:
        """Open the file that could not be used, if it can be by now; tried every few seconds."""
        if self._problem is not None and self._clock.monotonic() >= self._open_again_at:
            self._open(0.0)

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
        elif self._database is not None:
            self._database.close()
        self._file = self._database = None

    def _usable(self) -> sqlite3.Connection:
        """Return the connection.

        Raises:
            JournalUnusable: if there is none, because the journal cannot be used.
        """
        self._try_to_open()
        if self._problem is not None:
            raise error_of(self._problem.health())
        if self._database is None:
            raise trouble("read")  # it was closed
        return self._database

    async def _require_reliable(self) -> Sequence[Identifier]:
        """Return the identifiers that are missing, if the journal can be relied on.

        Raises:
            JournalUnusable: if it cannot be used, is not the file that it was, or is damaged; or if a journal has
                appeared that this process does not know.
        """
        self._usable()
        self._require_same()
        if self._file is None or self._is_checked:
            return ()
        try:
            missing = await self._file.check.wait(self._now())
        except CannotOpen as exc:
            if exc.problem != "locked":
                self._cannot_be_used(exc)
            raise error_of(exc.health()) from None
        self._usable()  # others may have run meanwhile
        self._require_same()
        self._is_checked = not missing
        return missing

    def _require_same(self) -> None:
        if self._file is None and self._has_appeared():
            raise error_of(APPEARED)
        if self._file is not None and not self._file.is_as_it_was():
            raise error_of(REPLACED)

    def _has_appeared(self) -> bool:
        return self._folder is not None and (self._folder / FILE_NAME).exists()

    def _now(self) -> Moment:
        return Moment(self._clock.time(), *self._clock.since_boot())

    @contextmanager
    def _transaction(self, *, power_safe: bool = False) -> Iterator[Rows]:
        """One write, all or nothing. A killed process loses none; a power cut only those not `power_safe`."""
        database = self._usable()
        database.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
        with transaction(database):
            yield Rows(database, self._key, self._now())

    def _wrote(self, newest: tuple[int, str] | None = None) -> None:
        if self._file is not None:
            self._file.wrote(newest)

    def _forget_old(self) -> None:
        now = self._now()
        if self._database is None or (
            self._forgot_at is not None and abs(now.time - self._forgot_at) < limits.HOUR
        ):
            return
        self._forgot_at = now.time
        try:
            with self._transaction():
                if forget_old(self._database, now):
                    self._forgot_at = None  # the next call goes on
        except sqlite3.Error as exc:
            log.warning("Old entries could not be dropped from the journal (%s).", type(exc).__name__)
        else:
            self._wrote()

    def _locked(self) -> JournalUnusable:
        return error_of(CannotOpen("locked").health(TRY_AGAIN_AFTER))
