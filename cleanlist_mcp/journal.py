"""What this machine has started and been quoted, in SQLite: the intent before a request, its outcome after.

Several server processes share one file. Keys and people are keyed digests; a label may name a person and their
company, so that the user knows the run again, and never carries an address, phone number or profile link.
Entries go after 90 days.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cleanlist_mcp import spend
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import JournalRemoved, JournalUnusable
from cleanlist_mcp.models import Scope
from cleanlist_mcp.spend import Amount, Decision, Kind, Limits, Quote, Run, Spent
from cleanlist_mcp.text import has_contact_data

KEEP_SECONDS = 90 * spend.DAY
"""How long an entry is kept."""

BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process's transaction, during which nothing else runs here; one takes milliseconds."""

IMPORT_REMEMBERED = 23 * 3600.0
"""Seconds for which the key of an import without an answer is relied on: the API keeps it for 24 hours (vendor's
own SDK)."""

TRY_AGAIN_AFTER = 5.0
"""Seconds after which what was locked or could not be written is tried again: a try may wait `BUSY_TIMEOUT`."""

OPEN_STEP = 0.05
"""Seconds between tries to open a file that another process is just making."""

FILE_NAME = "journal.sqlite3"

# Each entry brings a file of the version before it up to date; never edit one that was released.
_UPGRADES = (
    """
    CREATE TABLE secret (value BLOB NOT NULL);
    CREATE TABLE quotes (
        quote_id TEXT NOT NULL, account TEXT NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL,
        scope TEXT NOT NULL, row_count INTEGER NOT NULL, cost INTEGER NOT NULL, available INTEGER NOT NULL,
        expires_at REAL NOT NULL, PRIMARY KEY (account, quote_id)
    ) WITHOUT ROWID;
    CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, scope TEXT NOT NULL, label TEXT NOT NULL, reserved INTEGER NOT NULL,
        started_at REAL NOT NULL, in_flight_until REAL NOT NULL, list_id TEXT NOT NULL DEFAULT '',
        list_name TEXT NOT NULL DEFAULT '', quote_id TEXT, quoted INTEGER, fingerprint TEXT,
        workflow_id TEXT, status TEXT NOT NULL DEFAULT 'pending', charged INTEGER, refunded INTEGER, finished_at REAL,
        report TEXT
    );
    CREATE UNIQUE INDEX one_run_per_quote ON runs (account, quote_id) WHERE state <> 'refused';
    CREATE INDEX runs_by_fingerprint ON runs (account, fingerprint);
    CREATE INDEX runs_by_workflow ON runs (account, workflow_id);
    CREATE INDEX runs_by_list ON runs (account, list_id, scope);
    CREATE INDEX runs_by_start ON runs (started_at);
    CREATE INDEX runs_unfinished ON runs (state) WHERE state = 'running';
    CREATE TABLE imports (
        key TEXT NOT NULL, account TEXT NOT NULL, sent_at REAL NOT NULL, finished_at REAL,
        rows_imported INTEGER, PRIMARY KEY (account, key)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE imports ADD COLUMN list_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE imports ADD COLUMN people TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE runs ADD COLUMN list_now TEXT;
    """,
)
_RUN_COLUMNS = (
    "run_id, kind, state, scope, label, reserved, started_at, in_flight_until, list_id, list_name, quote_id, "
    "quoted, workflow_id, status, charged, refunded, finished_at, report, list_now"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportClaim:
    """What to do about a chunk of rows.

    `send` it; it is `done`; `wait` that many seconds, because it may be under way; or it was `lost` so long ago
    that the API does not recognise a repeat. `lost_at` is when it was sent without an answer, in epoch seconds.
    """

    action: Literal["send", "done", "wait", "lost"]
    rows_imported: int = 0
    wait: float = 0.0
    lost_at: float | None = None


class Journal:
    """The memory of one machine, seen by one API key (`account`); the limits look at all keys.

    `durable` is false where the state folder cannot be written: the entries then live as long as the process, beside
    those of the file, if that can be read. While another program holds the file locked, nothing is remembered and
    nothing may be spent, because the file may know the run already: single entries read as absent, and `recent`
    refuses to say that there are none.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        clock: Clock,
        account: str,
        *,
        folder: Path | None = None,
        locked_in: Path | None = None,
    ) -> None:
        """`folder` is where the database lies on disk, `locked_in` where one lies that cannot be opened yet."""
        self._clock = clock
        self._account_text = account
        self._locked_in = locked_in
        self._unwritten: list[tuple[str, tuple[Any, ...]]] = []
        self._try_again_at = clock.monotonic() + TRY_AGAIN_AFTER if locked_in else 0.0
        self._no_reads_until = self._no_writes_until = 0.0
        self._use(database, folder)

    def _use(self, database: sqlite3.Connection, folder: Path | None) -> None:
        secret = _secret(database)  # first: if it cannot be read, nothing here has changed
        self._db = database
        self.durable = folder is not None
        self._file = None if folder is None else folder / FILE_NAME
        self._file_id = None if self._file is None else _file_id(self._file)
        self._secret = secret
        self._account = self._digest("account", self._account_text)

    @classmethod
    def open(cls, folder: Path | None, clock: Clock, account: str) -> "Journal":
        """Open the journal in `folder`, or in memory where there is no folder or it cannot be written.

        `account` is what the API key and address identify; only a keyed digest of it is stored.
        """
        if folder is None:
            return cls(_in_memory(None), clock, account)
        try:
            return cls(_connect(folder, clock, BUSY_TIMEOUT), clock, account, folder=folder)
        except (OSError, sqlite3.Error) as exc:
            if _is_busy(exc):
                log.warning("The journal is locked by another program: nothing is spent until it opens.")
                return cls(_in_memory(None), clock, account, locked_in=folder)
            _warn_unusable(exc)
            return cls(_in_memory(folder), clock, account)

    def unlock(self) -> None:
        """Open the file that was locked at the start, if it can be opened by now; tried every few seconds."""
        if self._locked_in is None or self._clock.monotonic() < self._try_again_at:
            return
        self._try_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
        folder: Path | None = self._locked_in
        try:
            database = _connect(self._locked_in, self._clock, 0.0)
        except (OSError, sqlite3.Error) as exc:
            if not (isinstance(exc, NewerJournal) or _is_damaged(exc)):
                return  # it may open later, and until then it may know the run already
            _warn_unusable(exc)
            database, folder = _in_memory(self._locked_in), None
        self._locked_in = None
        self._try_again_at = 0.0
        self._unwritten.clear()  # these were about the empty journal that stood in
        self._db.close()
        self._use(database, folder)

    @property
    def locked(self) -> bool:
        """Whether another program holds the file, so that what it knows cannot be told."""
        return self._locked_in is not None

    def close(self) -> None:
        """Close the file, after a last try to write what could not be written."""
        self._try_again_at = 0.0
        self._write_late()
        self._db.close()

    def digest(self, *parts: str) -> str:
        """A keyed digest of `parts`, equal for equal parts on this machine and meaningless elsewhere.

        Raises:
            JournalUnusable: while the file that holds the key of these digests is locked.
        """
        self._check_not_locked()
        return self._digest(*parts)

    def _check_not_locked(self) -> None:
        if self._locked_in is not None:
            raise locked_error()

    def _check_in_place(self) -> None:
        """Refuse to spend where the file was removed or replaced: what is written into it now would be lost.

        A number that changed proves nothing by itself: some network folders give a file a new one at times.
        """
        if self._file is None or _file_id(self._file) == self._file_id:
            return
        if not _is_same(self._file, self._db):
            raise JournalRemoved(
                "The journal of runs on this machine was removed while the server runs; nothing was sent.",
                "Ask the user to restart the client that started this server, then try again.",
            )

    def _digest(self, *parts: str) -> str:
        return hmac.new(self._secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]

    def remember_quote(self, quote: Quote) -> None:
        """Keep what a quote showed, and forget what is old."""
        values = (
            *(quote.quote_id, self._account, quote.list_id, quote.list_name, quote.scope, quote.row_count),
            *(quote.cost, quote.available, quote.expires_at),
        )
        if self._clock.monotonic() < self._no_writes_until:
            return  # as below
        try:
            with self._transaction():
                _forget_old(self._db, self._clock.time())
                self._db.execute("INSERT OR REPLACE INTO quotes VALUES (?,?,?,?,?,?,?,?,?)", values)
        except sqlite3.Error as exc:
            # Then it is priced anew when it is spent, as a quote of another machine is.
            log.warning("A quote could not be remembered (%s).", type(exc).__name__)

    def quote(self, quote_id: str) -> Quote | None:
        """The quote of that id, if this machine was given it under this key."""
        with self._reading():
            row = self._db.execute(
                "SELECT quote_id, list_id, list_name, scope, row_count, cost, available, expires_at "
                "FROM quotes WHERE account = ? AND quote_id = ?",
                (self._account, quote_id),
            ).fetchone()
        return None if row is None else Quote(*row)

    def claim_person(
        self,
        *,
        fingerprint: str,
        scope: Scope,
        label: str,
        list_id: str,
        list_name: str,
        again: bool,
        limits: Limits,
        seconds: float,
    ) -> Decision:
        """Decide about a single run and, where one may start, write its intent in the same transaction.

        `seconds` is how long its request may be under way. A `start` decision carries the new run.

        Raises:
            PersonAllowance, DailyLimit: where a limit would be passed.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """

        def decide() -> Decision:
            runs = self._runs("fingerprint = ?", fingerprint)
            return spend.decide_person(runs, again=again, now=self._clock.time())

        columns = {
            "fingerprint": fingerprint,
            "scope": scope,
            "label": label,
            "list_id": list_id,
            "list_name": list_name,
        }
        return self._claim(decide, "person", spend.PRICES[scope], limits, seconds, columns)

    def claim_list(self, quote: Quote, *, limits: Limits, seconds: float) -> Decision:
        """The same for a list run, which one quote can start once.

        Raises:
            QuoteExpired: where it would start one and is past its time.
            DailyLimit: where the limit would be passed.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """

        def decide() -> Decision:
            decision = self._decide_list(quote)
            if decision.action == "start":
                spend.check_quote(quote, quote.list_id, quote.scope, self._clock.time())
            return decision

        columns = {
            "quote_id": quote.quote_id,
            "quoted": quote.cost,
            "scope": quote.scope,
            "label": label_list(quote.list_name),
            "list_id": quote.list_id,
            "list_name": quote.list_name,
        }
        return self._claim(decide, "list", quote.cost, limits, seconds, columns)

    def list_decision(self, quote: Quote) -> Decision:
        """What claiming a list run for `quote` would decide, as far as other runs go; nothing is written.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        with self._reading():
            return self._decide_list(quote)

    def _decide_list(self, quote: Quote) -> Decision:
        same_quote = self._newest("quote_id = ?", quote.quote_id)
        same_work = self._runs("kind = 'list' AND list_id = ? AND scope = ?", quote.list_id, quote.scope)
        return spend.decide_list(same_quote, same_work, now=self._clock.time())

    def reclaim(self, run: Run, *, seconds: float) -> Run | None:
        """Take an uncertain list run up again, to send its quote once more; None if another call has.

        Raises:
            JournalUnusable: if that cannot be written; then nothing may be sent.
        """
        until = self._clock.time() + seconds
        with self._writing_intent():
            changed = self._db.execute(
                "UPDATE runs SET state = 'starting', in_flight_until = ? "
                "WHERE run_id = ? AND state = ? AND in_flight_until = ?",
                (until, run.run_id, run.state, run.in_flight_until),
            )
        return replace(run, state="starting", in_flight_until=until) if changed.rowcount else None

    def started(
        self,
        run: Run,
        *,
        workflow_id: str,
        reserved: int | None,
        list_id: str,
        list_name: str,
        status: str,
    ) -> Run:
        """Record that the API accepted the run, and return it as it is now, even if it cannot be recorded yet.

        `reserved` None keeps the price as the reservation. Whatever was thought of the run before, this is
        proof, however late it comes.
        """
        accepted = replace(
            run,
            state="running",
            workflow_id=workflow_id,
            reserved=run.reserved if reserved is None else reserved,
            list_id=list_id,
            list_name=list_name,
            status=status,
        )
        self._outcome(
            "UPDATE runs SET state = 'running', workflow_id = ?, reserved = ?, list_id = ?, list_name = ?, "
            "status = ? WHERE run_id = ?",
            (workflow_id, accepted.reserved, list_id, list_name, status, run.run_id),
        )
        return accepted

    def refused(self, run: Run) -> bool:
        """Record that certainly nothing was started, which frees the claim.

        False where another attempt has taken the run over meanwhile: then this one proves nothing.
        """
        return (
            self._outcome(
                "UPDATE runs SET state = 'refused' "
                "WHERE run_id = ? AND state = 'starting' AND in_flight_until = ?",
                (run.run_id, run.in_flight_until),
            )
            != 0
        )

    def uncertain(self, run: Run) -> None:
        """Record that nobody here can know, unless another attempt has taken the run over."""
        self._outcome(
            "UPDATE runs SET state = 'uncertain' "
            "WHERE run_id = ? AND state = 'starting' AND in_flight_until = ?",
            (run.run_id, run.in_flight_until),
        )

    def vanished(self, workflow_id: str) -> None:
        """Record that the API does not know a run any more: started over a day ago, it ended without being
        looked at. A younger one may only not be known yet."""
        self._outcome(
            "UPDATE runs SET state = 'finished', status = 'unknown', finished_at = started_at "
            "WHERE account = ? AND workflow_id = ? AND state = 'running' AND started_at < ?",
            (self._account, workflow_id, self._clock.time() - spend.DAY),
        )

    def observed(self, workflow_id: str, *, status: str) -> None:
        """Record the API's word for where an unfinished run stands."""
        self._outcome(
            "UPDATE runs SET status = ? WHERE account = ? AND workflow_id = ? AND state = 'running'",
            (status, self._account, workflow_id),
        )

    def finished(
        self,
        workflow_id: str,
        *,
        status: str,
        charged: int | None,
        refunded: int | None,
        report: dict[str, Any] | None,
    ) -> None:
        """Record the end of a run. `report` holds a list run's figures, never a person's data."""
        self._outcome(
            "UPDATE runs SET state = 'finished', status = ?, charged = ?, refunded = ?, report = ?, "
            "finished_at = COALESCE(finished_at, ?) WHERE account = ? AND workflow_id = ?",
            (
                *(status, charged, refunded, None if report is None else json.dumps(report)),
                *(self._clock.time(), self._account, workflow_id),
            ),
        )

    def counted(self, workflow_id: str, list_now: dict[str, Any]) -> None:
        """Record what the list of a finished run held; empty where it is being counted, or could not be."""
        self._outcome(
            "UPDATE runs SET list_now = ? WHERE account = ? AND workflow_id = ?",
            (json.dumps(list_now), self._account, workflow_id),
        )

    def claim_import(self, key: str, list_id: str, people: Sequence[str], settle: float) -> "ImportClaim":
        """Decide about a chunk of rows for a list and, where it may be sent, write its intent in the same
        transaction.

        `people` are the digests of everybody in it, `settle` is how long an import may go on after it was sent, in
        seconds.

        Raises:
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        with self._writing_intent():
            claim = self._import_claim(key, settle)
            if claim.action == "send":
                self._db.execute(
                    "INSERT OR REPLACE INTO imports (key, account, list_id, people, sent_at) VALUES (?, ?, ?, ?, ?)",
                    (key, self._account, list_id, json.dumps(people), self._clock.time()),
                )
        return claim

    def import_known(self, key: str) -> "ImportClaim":
        """What is known of a chunk, without claiming it."""
        self._write_late()
        with self._reading():
            return self._import_claim(key, 0.0)

    def import_finished(self, key: str, rows_imported: int, people: Sequence[str]) -> None:
        """Record that the API took a chunk; `people` are the digests of those who are in the list for certain."""
        self._outcome(
            "UPDATE imports SET finished_at = ?, rows_imported = ?, people = ? WHERE account = ? AND key = ?",
            (self._clock.time(), rows_imported, json.dumps(people), self._account, key),
        )

    def people_added(self, list_id: str) -> frozenset[str]:
        """The digests of everybody whom this key added to a list from this machine, as long as that is kept.

        Raises:
            JournalUnusable: if they cannot be read.
        """
        rows = self._imports_into(list_id, "finished_at IS NOT NULL")
        return frozenset(digest for _, people in rows for digest in people)

    def imports_without_answer(self, list_id: str) -> dict[str, list[str]]:
        """The keys of imports into a list whose answer was lost or is still to come, oldest first, each with the
        digests of the people in it, in their order.

        Raises:
            JournalUnusable: if they cannot be read.
        """
        return dict(self._imports_into(list_id, "finished_at IS NULL"))

    def _imports_into(self, list_id: str, condition: str) -> list[tuple[str, list[str]]]:
        self._check_not_locked()
        self._write_late()
        with self._reading():
            rows = self._db.execute(
                f"SELECT key, people FROM imports WHERE account = ? AND list_id = ? AND {condition} "  # noqa: S608
                "ORDER BY sent_at",
                (self._account, list_id),
            ).fetchall()
        return [(key, json.loads(people)) for key, people in rows]

    def import_refused(self, key: str, lost_at: float | None) -> None:
        """Record that a chunk certainly did not arrive this time; `lost_at` is when it may have before."""
        if lost_at is None:
            self._outcome("DELETE FROM imports WHERE account = ? AND key = ?", (self._account, key))
        else:
            self._outcome(
                "UPDATE imports SET sent_at = ? WHERE account = ? AND key = ?", (lost_at, self._account, key)
            )

    def _import_claim(self, key: str, settle: float) -> "ImportClaim":
        now = self._clock.time()
        row = self._db.execute(
            "SELECT sent_at, finished_at, rows_imported FROM imports WHERE account = ? AND key = ?",
            (self._account, key),
        ).fetchone()
        if row is None:
            return ImportClaim("send")
        sent_at, finished_at, rows_imported = row
        if finished_at is not None:
            return ImportClaim("done", rows_imported)
        if now - sent_at >= IMPORT_REMEMBERED:
            return ImportClaim("lost", lost_at=sent_at)
        wait = min(sent_at + settle - now, settle)  # a clock set back must not make it longer
        return ImportClaim("wait" if wait > 0 else "send", wait=wait, lost_at=sent_at)

    def run(self, run_id: int) -> Run | None:
        """One entry by its number; None if it was refused, is gone, or cannot be read just now."""
        return self._known("run_id = ?", run_id)

    def by_workflow(self, workflow_id: str) -> Run | None:
        """The entry of a workflow, if it was started from this machine under this key and can be read."""
        return self._known("workflow_id = ?", workflow_id)

    def run_of_quote(self, quote_id: str) -> Run | None:
        """The run that a quote started, or may have started."""
        with self._reading():
            return self._newest("quote_id = ?", quote_id)

    def recent(self, limit: int) -> list[Run]:
        """The newest entries of this key that may have started something, newest first.

        Raises:
            JournalUnusable: if they cannot be read; "none" would be taken for leave to start again.
        """
        self._check_not_locked()
        self._write_late()
        with self._reading():
            return self._runs("1", limit=limit)

    def last_list_run(self, list_id: str) -> Run | None:
        """The newest run over a list, whatever its scope."""
        with self._reading():
            return self._newest("kind = 'list' AND list_id = ?", list_id)

    def spent(self) -> Spent:
        """What counts against the limits now, over all keys."""
        with self._reading():
            return self._spent()

    def _spent(self) -> Spent:
        now = self._clock.time()
        rows = self._db.execute(
            "SELECT kind, state, reserved, charged, started_at FROM runs "
            "WHERE started_at > ? OR state = 'running'",
            (now - spend.DAY,),
        )
        return spend.total_spent((Amount(*row) for row in rows), now)

    def list_named(self, name: str) -> str | None:
        """The id of the list of that name that a single run of this key went to last."""
        with self._reading():
            row = self._db.execute(
                "SELECT list_id FROM runs WHERE account = ? AND kind = 'person' AND list_name = ? "
                "AND list_id <> '' ORDER BY run_id DESC LIMIT 1",
                (self._account, name),
            ).fetchone()
        return None if row is None else str(row[0])

    def _known(self, condition: str, value: Any) -> Run | None:
        self._write_late()
        try:
            with self._reading():
                return self._newest(condition, value)
        except JournalUnusable:
            return None  # after a spend a report must come out even so; what the API says is enough for it

    def _newest(self, condition: str, *values: Any) -> Run | None:
        return next(iter(self._runs(condition, *values, limit=1)), None)

    def _runs(self, condition: str, *values: Any, limit: int = -1) -> list[Run]:
        """Entries of this key that may have started something, newest first."""
        rows = self._db.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE account = ? AND state <> 'refused' "  # noqa: S608 - constants
            f"AND ({condition}) ORDER BY run_id DESC LIMIT ?",
            (self._account, *values, limit),
        )
        return [Run(*_decoded(row)) for row in rows]

    def _claim(
        self,
        decide: Callable[[], Decision],
        kind: Kind,
        cost: int,
        limits: Limits,
        seconds: float,
        columns: dict[str, Any],
    ) -> Decision:
        """Decide and write the intent of a start in one transaction.

        Where nothing can be written, what needs no writing is still answered: a run that is known, or uncertain.
        """
        try:
            with self._writing_intent():
                decision = decide()
                if decision.action == "start":
                    decision = self._start(kind, cost, limits, seconds, columns)
                return decision
        except JournalUnusable:
            with self._reading():
                decision = decide()
            if decision.action == "start":
                raise
            return decision

    def _start(
        self, kind: Kind, cost: int, limits: Limits, seconds: float, columns: dict[str, Any]
    ) -> Decision:
        spend.check_limits(kind, cost, self._spent(), limits)
        now = self._clock.time()
        columns |= {
            "account": self._account,
            "kind": kind,
            "state": "starting",
            "reserved": cost,
            "started_at": now,
            "in_flight_until": now + seconds,
        }
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        inserted = self._db.execute(
            f"INSERT INTO runs ({names}) VALUES ({marks})",  # noqa: S608 - the names are ours
            tuple(columns.values()),
        )
        return Decision("start", self._newest("run_id = ?", inserted.lastrowid))

    @contextmanager
    def _transaction(self, *, power_safe: bool = False) -> Iterator[None]:
        """One write, all or nothing. A killed process loses none; a power cut only those not `power_safe`."""
        # An intent waits for the disk. An outcome need not: without it, its intent is left, which is uncertain.
        self._db.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
        with _transaction(self._db):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        # Another program may hold the file: each try takes all others' time, so the next one has to wait.
        if self._clock.monotonic() < self._no_reads_until:
            raise locked_error()
        try:
            yield
        except sqlite3.Error as exc:
            if _is_busy(exc):
                self._no_reads_until = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise locked_error() from None
            log.error("The journal cannot be read (%s).", type(exc).__name__)
            raise JournalUnusable(
                "The journal of runs on this machine cannot be read; nothing was sent.", _CHECK_FOLDER
            ) from None

    @contextmanager
    def _writing_intent(self) -> Iterator[None]:
        self._check_not_locked()
        self._check_in_place()
        if self._clock.monotonic() < self._no_writes_until:
            raise locked_error()
        self._write_late()
        try:
            with self._transaction(power_safe=True):
                yield
        except sqlite3.Error as exc:
            if _is_busy(exc):
                self._no_writes_until = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise locked_error() from None
            log.error("The journal cannot be written (%s); nothing was sent.", type(exc).__name__)
            raise JournalUnusable(
                "The journal of runs on this machine cannot be written, so nothing was sent.", _CHECK_FOLDER
            ) from None

    def _outcome(self, statement: str, values: tuple[Any, ...]) -> int:
        """Write what came of a request and return how many entries changed.

        What cannot be written now is kept and written later, in its order (-1 is returned): until then the
        entry says less than is known, and everything that is decided on it is on the safe side.
        """
        self._unwritten.append((statement, values))
        return self._write_late()

    def _write_late(self) -> int:
        """Write the outcomes that are not written yet; how many entries the last one changed, -1 for none."""
        changed = -1
        while self._unwritten and self._clock.monotonic() >= self._try_again_at:
            statement, values = self._unwritten[0]
            try:
                with self._transaction():
                    changed = self._db.execute(statement, values).rowcount
            except sqlite3.IntegrityError:
                log.error("An outcome contradicts the journal and was left out.")
            except sqlite3.Error as exc:
                log.error("An outcome cannot be written to the journal yet (%s).", type(exc).__name__)
                self._try_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
                return -1
            del self._unwritten[0]
        return changed


class NewerJournal(sqlite3.DatabaseError):
    """The file was written by a newer version of this program."""


class DamagedJournal(sqlite3.DatabaseError):
    """The file is a journal, and parts of it cannot be read."""


_CHECK_FOLDER = (
    "Ask the user to check the disk and the folder in CLEANLIST_STATE_DIR, or to run `cleanlist-mcp doctor`; then "
    "try again."
)


def _warn_unusable(error: Exception) -> None:
    """Say on stderr why runs are remembered for this process alone, and what mends it."""
    if isinstance(error, NewerJournal):
        fault = "The journal in the state folder was written by a newer version of cleanlist-mcp"
        remedy = "Update cleanlist-mcp."
    elif _is_damaged(error):
        fault = "The journal in the state folder is damaged"
        remedy = f"Close all clients that use cleanlist-mcp, move {FILE_NAME} away, and start them again."
    else:
        fault = f"The state folder cannot be used ({type(error).__name__})"
        remedy = "Set CLEANLIST_STATE_DIR to a folder that can be written."
    log.warning("%s: runs are remembered in memory, for this process alone. %s", fault, remedy)


def locked_error() -> JournalUnusable:
    """What is said while another program holds the file."""
    return JournalUnusable(
        "The journal of runs on this machine is locked by another program; nothing was sent.",
        "Try again in a minute. If it stays, ask the user which program (a backup, a sync) holds the folder in "
        "CLEANLIST_STATE_DIR.",
    )


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns of a run; the last two are kept as JSON."""
    return (*row[:-2], *(None if text is None else json.loads(text) for text in row[-2:]))


def label_list(name: str) -> str:
    """What a list run is called in `recent`."""
    return "a lead list" if not name or has_contact_data(name) else name[:60]


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite ends some failed ones itself
            database.execute("ROLLBACK")
        raise


def _connect(folder: Path, clock: Clock, patience: float) -> sqlite3.Connection:
    """Open the file, waiting up to `patience` seconds for other processes."""
    path = _private_file(folder)
    give_up_at = clock.monotonic() + patience
    while True:
        try:
            database = _opened(path, clock.time(), patience)
            database.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
            return database
        except sqlite3.OperationalError as exc:
            # Changing to WAL does not wait its turn: two servers that start together collide here.
            if not _is_busy(exc) or clock.monotonic() >= give_up_at:
                raise
        time.sleep(OPEN_STEP)


def _is_damaged(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    damaged = code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return damaged or isinstance(error, DamagedJournal)


def _is_busy(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # an OSError has none
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _in_memory(folder: Path | None) -> sqlite3.Connection:
    """A journal for this process alone. It begins with all that the file in `folder` still tells: what was paid for
    there is not paid for again because the disk is full."""
    if folder is not None:
        address = (folder / FILE_NAME).absolute().as_uri()
        with suppress(sqlite3.Error):
            return _copied(f"{address}?mode=ro")
        # In a folder that cannot be written this is left, where nothing newer lies in the WAL, which it passes over.
        wal = folder / f"{FILE_NAME}-wal"
        with suppress(sqlite3.Error, OSError):
            if not wal.exists() or wal.stat().st_size == 0:
                return _copied(f"{address}?immutable=1")
    database = sqlite3.connect(":memory:", isolation_level=None)
    _upgrade(database)
    return database


def _copied(address: str) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT)) as source:
            # A copy of a locked file is tried for ever; reading from it first fails in time.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            source.backup(copy)
        _check(copy)
        _upgrade(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def _check(database: sqlite3.Connection) -> None:
    """Look at the structure of the whole file, which takes milliseconds.

    Raises:
        DamagedJournal: if a part of it cannot be read.
    """
    if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DamagedJournal


def _file_id(path: Path) -> tuple[int, int] | None:
    """What tells a file from another at the same place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_same(path: Path, opened: sqlite3.Connection) -> bool:
    """Whether what lies at `path` now holds what the opened journal does; a copy from yesterday does not."""
    newest = "SELECT value, (SELECT MAX(run_id) FROM runs) FROM secret"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as found:
            return bool(found.execute(newest).fetchone() == opened.execute(newest).fetchone())
    except sqlite3.Error:
        return False


def _private_file(folder: Path) -> Path:
    """The journal's file, readable by its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE_NAME
    with suppress(FileExistsError):
        # Made with its mode before SQLite opens it: its -wal and -shm files take the mode over.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    path.chmod(0o600)
    return path


def _opened(path: Path, now: float, patience: float) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        _check(database)
        _upgrade(database)
        with _transaction(database):
            _forget_old(database, now)
    except BaseException:
        database.close()
        raise
    return database


def _forget_old(database: sqlite3.Connection, now: float) -> None:
    """Drop entries past their time, unfinished ones too: a run that old is not going on any more."""
    database.execute("DELETE FROM runs WHERE started_at < ?", (now - KEEP_SECONDS,))
    database.execute("DELETE FROM imports WHERE sent_at < ?", (now - KEEP_SECONDS,))
    database.execute("DELETE FROM quotes WHERE expires_at < ?", (now - spend.DAY,))


def _upgrade(database: sqlite3.Connection) -> None:
    """Bring the file to the newest version, whichever process comes first.

    Raises:
        NewerJournal: if the file was written by a newer version of this program.
    """
    with _transaction(database):
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_UPGRADES):
            raise NewerJournal
        for script in _UPGRADES[version:]:
            for statement in script.split(";"):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(_UPGRADES)}")
        if database.execute("SELECT 1 FROM secret").fetchone() is None:
            database.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))


def _secret(database: sqlite3.Connection) -> bytes:
    value: bytes = database.execute("SELECT value FROM secret").fetchone()[0]
    return value
