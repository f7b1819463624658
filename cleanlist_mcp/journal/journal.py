"""What this machine has started and been quoted, in SQLite: the intent before a request, its outcome after.

Several server processes share one file. Keys and people are keyed digests; a label may name a person and their
company, so that the user knows the run again, and never carries an address, phone number or profile link.
"""

import hashlib
import hmac
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal import imports, sqlite
from cleanlist_mcp.journal.health import Health, Unwritable, Usable
from cleanlist_mcp.journal.imports import Import
from cleanlist_mcp.journal.records import (
    COLUMNS,
    KEEP_SECONDS,
    Row,
    as_written,
    marks_in,
    quote_checksum,
    run_checksum,
    run_of,
)
from cleanlist_mcp.journal.sqlite import BUSY_TIMEOUT, CannotOpen, JournalFile
from cleanlist_mcp.money import decisions, limits, prices, quotes
from cleanlist_mcp.money.decisions import Decision
from cleanlist_mcp.money.limits import Limits, Spent, check_limits
from cleanlist_mcp.money.prices import Kind, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Moment, Run
from cleanlist_mcp.people.likeness import (
    Basis,
    Marks,
    are_different,
    recognised,
    united,
    whose,
)
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.text import clean, has_address, has_contact_data

TRY_AGAIN_AFTER = 5.0
"""Seconds after which what could not be opened or written is tried again: a try may wait `BUSY_TIMEOUT`."""

_SELECT = f"SELECT {', '.join(COLUMNS)}, checksum FROM runs WHERE "  # noqa: S608 - the names are ours

_INSERT = f"INSERT INTO runs ({', '.join(COLUMNS)}, checksum) VALUES ({', '.join('?' * len(COLUMNS))}, ?)"  # noqa: S608

# What counts is read from indexes alone, which the integrity check compares with the rows. The age of a run is what
# the seconds since the machine started say, if it has not been started again since.
_SPENT = """
WITH recent AS (
    SELECT kind, state, reserved, charged, :ticks - ticks AS age FROM runs
    WHERE boot = :boot AND ticks > :ticks - :day
    UNION ALL
    SELECT kind, state, reserved, charged, :now - started_at FROM runs
    WHERE started_at > :now - :day AND boot <> :boot
), counted AS (
    SELECT kind, state, age, MIN(MAX(CAST(COALESCE(charged, reserved) AS INTEGER), 0), 1000000000) AS amount
    FROM recent WHERE state <> 'refused'
)
SELECT
    COALESCE(SUM(amount) FILTER (WHERE kind = 'person' AND age < :hour), 0),
    COALESCE(SUM(amount), 0),
    COALESCE(SUM(amount) FILTER (WHERE state IN ('starting', 'uncertain')), 0)
    + (SELECT COALESCE(SUM(MIN(MAX(CAST(COALESCE(charged, reserved) AS INTEGER), 0), 1000000000)), 0)
       FROM runs WHERE state = 'running')
FROM counted
"""

Digester = Callable[..., str]
"""Makes a keyed digest of its arguments, which are strings."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Person:
    """A run that may be of the person who is asked for, by what it is recognised, and what it knows of them."""

    row: Row
    run: Run
    marks: Marks | None


class Journal:
    """The memory of one machine, seen by one API key (`account`); the limits look at all keys.

    `durable` is false if there never was a journal and none can be made: the entries then live as long as the
    process. While one that is there cannot be used (`unavailable` says why), nothing is remembered and nothing may be
    spent, because the file may know the run already: single entries read as absent, and `recent` refuses to say
    that there are none.
    """

    def __init__(self, folder: Path | None, clock: Clock, api: str, key: str) -> None:
        """`folder` is where the file lies, None for a memory of this process alone; `api` and `key` are what an
        account is, of which only keyed digests are stored."""
        self._folder = folder
        self._clock = clock
        self._api_and_key = (api, key)
        self._file: JournalFile | None = None
        self._problem: CannotOpen | None = None
        self._unwritten: list[Callable[[], int]] = []
        self._try_again_at = self._no_reads_until = self._no_writes_until = 0.0
        self._forgot_at: float | None = None
        self._is_checked = False
        self._said = ""
        self._open(BUSY_TIMEOUT)

    @classmethod
    def open(cls, folder: Path | None, clock: Clock, api: str, key: str) -> "Journal":
        """Open the journal in `folder`, or one in memory if there is no folder, or none can be made in it."""
        return cls(folder, clock, api, key)

    def _open(self, patience: float) -> None:
        self._file = self._problem = None
        self._is_checked = False
        try:
            if self._folder is not None:
                self._file = sqlite.open_file(self._folder, self._clock, patience)
        except CannotOpen as exc:
            self._cannot_be_used(exc)
        else:
            self._use(sqlite.in_memory() if self._file is None else self._file.database)
            self._forget_old()

    def _use(self, database: sqlite3.Connection) -> None:
        self._db = database
        self._secret = sqlite.secret(database)
        api, key = self._api_and_key
        self._api = self._digest("api", api)
        self._account = self._digest("account", api, key)

    def _cannot_be_used(self, problem: CannotOpen) -> None:
        """Let an empty journal stand in, of which nothing is read or written, until the file can be used."""
        message = problem.as_error().message
        if message != self._said:  # once, however often it is tried again
            log.warning("%s", message)
            self._said = message
        if self._file is not None:
            self._file.close()
        self._file, self._problem = None, problem
        self._try_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
        self._use(sqlite.in_memory())

    def try_again(self) -> None:
        """Open the file that could not be used, if it can be by now; tried every few seconds."""
        if self._problem is None or self._clock.monotonic() < self._try_again_at:
            return
        self._try_again_at = 0.0
        self._unwritten.clear()  # these were about the empty journal that stood in
        self._db.close()
        self._open(0.0)

    async def health(self) -> Health:
        """Return whether the journal can be used, as far as it is known without looking through the whole file."""
        self.try_again()
        return (
            Usable(self._file is not None) if self._problem is None else _unwritable(self._problem.as_error())
        )

    async def inspect(self) -> Health:
        """Return whether the journal can be relied on, after looking through the whole file."""
        try:
            self._require_usable()
        except JournalUnusable as exc:
            return _unwritable(exc)
        return await self.health()

    async def close(self) -> None:
        """Close the file, after a last try to write what could not be written."""
        self._try_again_at = 0.0
        self._write_late()
        if self._file is None:
            self._db.close()
        else:
            self._file.close()

    async def digester(self) -> Digester:
        """Return the function that makes keyed digests: equal for equal parts here, and meaningless elsewhere.

        It is pure, so it may be used in a thread.

        Raises:
            JournalUnusable: while the key of these digests cannot be read.
        """
        self._require_available()
        return self._digest

    def _require_available(self) -> None:
        if self._problem is not None:
            raise self._problem.as_error()

    def _digest(self, *parts: str) -> str:
        return hmac.digest(self._secret, json.dumps(parts).encode(), hashlib.sha256).hex()[:32]

    def _now(self) -> Moment:
        return Moment(self._clock.time(), *self._clock.since_boot())

    async def remember_quote(self, quote: Quote) -> None:
        """Keep what a quote showed, and forget what is old."""
        if self._clock.monotonic() < self._no_writes_until:
            return  # as below
        quote = replace(quote, list_name=_kept_name(quote.list_name))
        values = (
            *(self._account, quote.quote_id, quote.list_id, quote.list_name, quote.scope, quote.row_count),
            *(quote.cost, quote.available, quote.expires_at),
        )
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT OR REPLACE INTO quotes VALUES (?,?,?,?,?,?,?,?,?,?)",
                    (*values, quote_checksum(self._secret, self._account, quote)),
                )
        except sqlite3.Error as exc:
            # Then it is priced anew when it is spent, as a quote of another machine is.
            log.warning("A quote could not be remembered (%s).", type(exc).__name__)
        self._forget_old()

    async def quote(self, quote_id: str) -> Quote | None:
        """Return the quote of that id, if this machine was given it under this key and it reads as it was written."""
        with self._reading():
            row = self._db.execute(
                "SELECT quote_id, list_id, list_name, scope, row_count, cost, available, expires_at, checksum "
                "FROM quotes WHERE account = ? AND quote_id = ?",
                (self._account, quote_id),
            ).fetchone()
        if row is None:
            return None
        quote = Quote(*row[:-1])
        return quote if quote_checksum(self._secret, self._account, quote) == row[-1] else None

    async def claim_person(
        self,
        *,
        marks: Marks,
        scope: Scope,
        label: str,
        into: str,
        list_id: str,
        list_name: str,
        again: bool,
        limits: Limits,
        seconds: float,
    ) -> Decision:
        """Decide about a single run and, if one may start, write its intent in the same transaction.

        `marks` are all identifiers of the person, `into` what the list of the result is known by; `seconds` is how
        long the request may be under way. A `start` decision carries the new run. A run that is recognised keeps
        the identifiers of this call too, so that the next call may give those alone.

        Raises:
            HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        context = self._digest("context", self._account, scope, into)
        asked = marks.mapped(self._token)

        def decide() -> Decision:
            found = self._people(context, asked)
            decision = decisions.decide_person(
                [one.run for one in found], again=again, now=self._clock.time()
            )
            chosen = next((one for one in found if one.run is decision.run), None)
            if chosen is None:
                return decision
            teaches = chosen.marks is not None and united(chosen.marks, asked) != chosen.marks
            return replace(decision, basis=_basis(asked, chosen), teaches=teaches)

        def learn(decision: Decision) -> None:
            wanted = decision.run.run_id if decision.run else 0
            if decision.action == "start":
                self._identify(wanted, context, asked)
                return
            chosen = next(one for one in self._people(context, asked) if one.run.run_id == wanted)
            if chosen.marks is None:
                # A damaged row: from now on it ages as an uncertain run.
                self._rewrite(dict.fromkeys(COLUMNS, object()), chosen.row)
            elif (both := united(chosen.marks, asked)) != chosen.marks:
                self._rewrite(chosen.row, chosen.row | {"marks": both.to_json()})
                self._identify(chosen.run.run_id, context, asked)

        columns = {
            "claim": uuid4().hex,
            "context": context,
            "marks": asked.to_json(),
            "scope": scope,
            "label": blot(label),
            "list_id": list_id,
            "list_name": _kept_name(list_name),
        }
        return self._claim(decide, learn, "person", prices.PRICES[scope], limits, seconds, columns)

    def _token(self, mark: str) -> str:
        return hmac.digest(self._secret, b"mark " + mark.encode(), hashlib.sha256).hex()[:16]

    def _people(self, context: str, asked: Marks) -> list[_Person]:
        """Return the runs of the one person who is asked for, newest first. A row that cannot be read counts: it
        was of somebody with one of these identifiers."""
        keys = sorted(asked.keys)
        marks = ", ".join("?" * len(keys))
        rows = self._rows(
            f"run_id IN (SELECT run_id FROM identifiers WHERE context = ? AND token IN ({marks}))",  # noqa: S608 - ours
            context,
            *keys,
        )
        now = self._now()
        found = [_Person(row, run_of(row, now), marks_in(row)) for row in rows]
        known = [one for one in found if one.marks is not None]
        chosen = {id(known[i]) for i in whose(asked, [one.marks for one in known if one.marks is not None])}
        return [one for one in found if one.marks is None or id(one) in chosen]

    def _identify(self, run_id: int, context: str, marks: Marks) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO identifiers (context, token, run_id) VALUES (?, ?, ?)",
            [(context, token, run_id) for token in sorted(marks.keys)],
        )

    async def claim_list(self, quote: Quote, *, limits: Limits, seconds: float) -> Decision:
        """The same for a list run, which one quote can start once.

        Raises:
            QuoteExpired: if it would start one and is past its time.
            DailyLimit: if the limit would be passed.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """

        def decide() -> Decision:
            decision = self._decide_list(quote)
            if decision.action == "start":
                quotes.check_quote(quote, quote.list_id, quote.scope, self._clock.time())
            return decision

        columns = {
            "claim": uuid4().hex,
            "context": "",
            "quote_id": quote.quote_id,
            "quoted": quote.cost,
            "scope": quote.scope,
            "label": label_list(quote.list_name),
            "list_id": quote.list_id,
            "list_name": _kept_name(quote.list_name),
        }
        return self._claim(decide, lambda decision: None, "list", quote.cost, limits, seconds, columns)

    async def list_decision(self, quote: Quote) -> Decision:
        """Return what claiming a list run for `quote` would decide, as far as other runs go; nothing is written.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        with self._reading():
            return self._decide_list(quote)

    def _decide_list(self, quote: Quote) -> Decision:
        same_quote = self._newest("account = ? AND quote_id = ?", self._account, quote.quote_id)
        # Under any key: a list's id names it for all of them.
        same_work = self._runs(
            "kind = 'list' AND api = ? AND list_id = ? AND scope = ?", self._api, quote.list_id, quote.scope
        )
        return decisions.decide_list(same_quote, same_work, now=self._clock.time())

    async def reclaim(self, run: Run, *, seconds: float) -> Run | None:
        """Take an uncertain list run up again, to send its quote once more; None if another call has.

        Raises:
            JournalUnusable: if that cannot be written; then nothing may be sent.
        """
        until = self._clock.time() + seconds

        def take(row: Row) -> Row | None:
            if row["attempt"] != run.attempt or row["state"] not in ("starting", "uncertain"):
                return None
            set_since = run.started_at - row["started_at"]  # the row keeps the clock of its own time
            return row | {
                "state": "starting",
                "attempt": run.attempt + 1,
                "in_flight_until": until - set_since,
            }

        with self._writing_intent():
            changed = self._update("run_id = ?", (run.run_id,), take)
        if not changed:
            return None
        self._wrote()
        return replace(run, state="starting", attempt=run.attempt + 1, in_flight_until=until)

    async def started(
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

        `reserved` None keeps the price as the reservation; it never counts less than that. Whatever was thought of
        the run before, this is proof, however late it comes.
        """
        changes: dict[str, Any] = {
            "state": "running",
            "workflow_id": workflow_id,
            "reserved": max(run.reserved, reserved or 0),
            "list_id": list_id,
            "list_name": _kept_name(list_name),
            "status": _kept_status(status),
        }
        self._outcome("run_id = ?", (run.run_id,), lambda row: row | changes)
        return replace(run, **changes)

    async def same_as(self, run: Run, known: Run) -> None:
        """Record that the API recognised the work of `run` as that of `known` and started nothing for it.

        What identifies the person of `run` is kept with `known` from now on.
        """

        def give_up(row: Row) -> Row | None:
            if row["state"] != "starting" or row["attempt"] != run.attempt:
                return None
            given = marks_in(row)
            if given is not None:
                self._update("run_id = ?", (known.run_id,), lambda other: _with_marks(other, given))
                self._identify(known.run_id, row["context"], given)
            return row | {"state": "refused"}

        self._outcome("run_id = ?", (run.run_id,), give_up)

    async def may_be_same_person(self, one: Run, other: Run) -> bool:
        """Return whether nothing that was given for two single runs shows that they are of different people."""
        with self._reading():
            rows = self._rows("run_id IN (?, ?)", one.run_id, other.run_id)
        known = [marks for row in rows if (marks := marks_in(row)) is not None]
        return len(known) < 2 or not are_different(*known)

    async def refused(self, run: Run) -> bool:
        """Record that certainly nothing was started, which frees the claim.

        False if another attempt has taken the run over meanwhile: then this one proves nothing.
        """
        return self._outcome("run_id = ?", (run.run_id,), _of_attempt(run, "refused")) != 0

    async def uncertain(self, run: Run) -> None:
        """Record that nobody here can know, unless another attempt has taken the run over."""
        self._outcome("run_id = ?", (run.run_id,), _of_attempt(run, "uncertain"))

    async def vanished(self, workflow_id: str) -> None:
        """Record that the API does not know a run any more: started over a day ago, it ended without being
        looked at. A younger one may only not be known yet."""

        def end(row: Row) -> Row | None:
            run = run_of(row, self._now())
            if run.state != "running" or run.started_at >= self._clock.time() - limits.DAY:
                return None
            at_start = {"finished_at": row["started_at"], "finished_ticks": row["ticks"]}
            return row | at_start | {"state": "finished", "status": "unknown"}

        self._of_workflow(workflow_id, end)

    async def observed(self, workflow_id: str, *, status: str) -> None:
        """Record the API's word for where an unfinished run stands."""
        self._of_workflow(
            workflow_id,
            lambda row: row | {"status": _kept_status(status)} if row["state"] == "running" else None,
        )

    async def finished(
        self,
        workflow_id: str,
        *,
        status: str,
        charged: int | None,
        refunded: int | None,
        report: dict[str, Any] | None,
    ) -> None:
        """Record the end of a run. `report` holds a list run's figures, never a person's data."""
        ended = self._now()

        def end(row: Row) -> Row:
            end_stamps = {"finished_at": ended.time, "finished_ticks": None}
            if ended.boot == row["boot"]:
                end_stamps["finished_ticks"] = ended.ticks
            return (
                row
                | ({} if row["state"] == "finished" and row["finished_at"] else end_stamps)
                | {
                    "state": "finished",
                    "status": _kept_status(status),
                    "charged": charged,
                    "refunded": refunded,
                    "report": None if report is None else json.dumps(_kept_report(report)),
                }
            )

        self._of_workflow(workflow_id, end)

    async def counted(self, workflow_id: str, list_now: dict[str, Any]) -> None:
        """Record what the list of a finished run held; empty where it is being counted, or could not be."""
        self._of_workflow(workflow_id, lambda row: row | {"list_now": json.dumps(list_now)})

    def _of_workflow(self, workflow_id: str, change: Callable[[Row], Row | None]) -> None:
        self._outcome("api = ? AND workflow_id = ?", (self._api, workflow_id), change)

    async def claim_import(
        self, key: str, list_id: str, people: Sequence[Sequence[str]], settle: float
    ) -> imports.Claim | None:
        """Write down, before they are sent, that these people are sent to a list by this key; None where that may
        not be (see `import_claims.claim`).

        `people` are the digests of everybody in the import, in their order, of each person that of the row first;
        `settle` is how long it may be under way, in seconds.

        Raises:
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        with self._writing_intent():
            return imports.claim(self._db, key, list_id, people, self._import_moment(), settle)

    async def imports_into(self, list_id: str, digests: Collection[str]) -> list[Import]:
        """All imports from this machine into a list, oldest first, as far as they matter for the people with these
        digests.

        Raises:
            JournalUnusable: if they cannot be read; "none" would be taken for leave to send everybody again.
        """
        self._require_available()
        self._write_late()
        with self._reading():
            return imports.imports_into(self._db, list_id, digests, self._import_moment())

    async def import_finished(self, key: str, rows_imported: int, doubtful: Collection[str]) -> None:
        """Record how many rows of an import the API took; who has `doubtful` digests may be among those left out."""
        self._all_late(imports.finished(key, rows_imported, doubtful))

    async def import_refused(self, claim: imports.Claim) -> None:
        """Record that an import did certainly not arrive this time."""
        self._all_late(imports.refused(claim))

    def _all_late(self, statements: Iterator[imports.Statement]) -> None:
        for statement in statements:
            self._late(partial(self._executed, *statement))

    def _executed(self, statement: str, values: tuple[Any, ...]) -> int:
        return self._db.execute(statement, values).rowcount

    def _import_moment(self) -> imports.Moment:
        return imports.Moment(self._clock.time(), self._clock.since_boot()[1])

    async def run(self, run_id: int) -> Run | None:
        """One entry by its number; None if it was refused, is gone, or cannot be read just now."""
        return self._known("run_id = ?", run_id)

    async def by_workflow(self, workflow_id: str) -> Run | None:
        """The entry of a workflow, if it was started from this machine, under any key, and can be read."""
        return self._known("api = ? AND workflow_id = ?", self._api, workflow_id)

    async def run_of_quote(self, quote_id: str) -> Run | None:
        """The run that a quote started, or may have started."""
        with self._reading():
            return self._newest("account = ? AND quote_id = ?", self._account, quote_id)

    async def recent(self, limit: int) -> list[Run]:
        """The newest entries of this key that may have started something, newest first.

        Raises:
            JournalUnusable: if they cannot be read; "none" would be taken for leave to start again.
        """
        self._require_available()
        self._write_late()
        with self._reading():
            return self._runs("account = ?", self._account, limit=limit)

    async def last_list_run(self, list_id: str) -> Run | None:
        """The newest run over a list, whatever its scope and its key; None if there is none, or none can be read."""
        return self._known("kind = 'list' AND api = ? AND list_id = ?", self._api, list_id)

    async def spent(self) -> Spent:
        """What counts against the limits now, over all keys.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        with self._reading():
            return self._spent()

    def _spent(self) -> Spent:
        now = self._now()
        clocks = {
            "now": now.time,
            "boot": now.boot,
            "ticks": now.ticks,
            "day": limits.DAY,
            "hour": limits.HOUR,
        }
        hour, day, unfinished = self._db.execute(_SPENT, clocks).fetchone()
        return Spent(people_last_hour=hour, last_day=day, reserved_now=unfinished)

    async def list_named(self, name: str) -> str | None:
        """The id of the list of that name that a single run of this key went to last."""
        with self._reading():
            run = self._newest(
                "account = ? AND kind = 'person' AND list_name = ? AND list_id <> ''", self._account, name
            )
        return None if run is None else run.list_id

    def _known(self, condition: str, *values: Any) -> Run | None:
        self._write_late()
        try:
            with self._reading():
                return self._newest(condition, *values)
        except JournalUnusable:
            return None  # after a spend a report must come out even so; what the API says is enough for it

    def _newest(self, condition: str, *values: Any) -> Run | None:
        return next(iter(self._runs(condition, *values, limit=1)), None)

    def _runs(self, condition: str, *values: Any, limit: int = -1) -> list[Run]:
        """Entries that may have started something, newest first."""
        now = self._now()
        return [run_of(row, now) for row in self._rows(condition, *values, limit=limit)]

    def _rows(self, condition: str, *values: Any, limit: int = -1) -> list[Row]:
        found = self._db.execute(
            f"{_SELECT} state <> 'refused' AND ({condition}) ORDER BY run_id DESC LIMIT ?",
            (*values, limit),
        )
        return [as_written(values, self._secret, self._clock.time()) for values in found]

    def _claim(
        self,
        decide: Callable[[], Decision],
        learn: Callable[[Decision], None],
        kind: Kind,
        cost: int,
        limits: Limits,
        seconds: float,
        columns: dict[str, Any],
    ) -> Decision:
        """Decide and write the intent of a start in one transaction; the run, new or known, learns from the call.

        If nothing can be written, what needs no writing is still answered: a run that is known, or uncertain.
        """
        try:
            with self._writing_intent():
                decision = decide()
                if decision.action == "start":
                    decision = self._start(kind, cost, limits, seconds, columns)
                learn(decision)
            if decision.action == "start" and decision.run is not None:
                self._wrote((decision.run.run_id, columns["claim"]))
            else:
                self._wrote()
            return decision
        except JournalUnusable:
            with self._reading():
                decision = decide()
            if decision.action == "start" or decision.teaches:
                raise  # what this call says about a person must not be lost: the next one may say that alone
            return decision

    def _start(
        self, kind: Kind, cost: int, limits: Limits, seconds: float, columns: dict[str, Any]
    ) -> Decision:
        check_limits(kind, cost, self._spent(), limits)
        now = self._now()
        row: Row = dict.fromkeys(COLUMNS) | {
            "api": self._api,
            "account": self._account,
            "kind": kind,
            "state": "starting",
            "status": "pending",
            "reserved": cost,
            "attempt": 1,
            "started_at": now.time,
            "in_flight_until": now.time + seconds,
            "boot": now.boot,
            "ticks": now.ticks,
            **columns,
        }
        first_of_key = self._is_first_of_key()
        inserted = self._db.execute(_INSERT, (*row.values(), run_checksum(self._secret, row)))
        row["run_id"] = inserted.lastrowid
        return Decision("start", run_of(row, now), first_of_key=first_of_key)

    def _is_first_of_key(self) -> bool:
        """Whether runs were started here for this API, and none of them with this key."""
        known = "SELECT 1 FROM runs WHERE {} = ? AND state <> 'refused' LIMIT 1"
        of_key = self._db.execute(known.format("account"), (self._account,)).fetchone()
        return of_key is None and self._db.execute(known.format("api"), (self._api,)).fetchone() is not None

    def _rewrite(self, before: Row, row: Row) -> None:
        """Write what is different in `row`: a column that is written costs a write in each of its indexes."""
        changed = {name: row[name] for name in COLUMNS if row[name] != before[name]}
        changed["checksum"] = run_checksum(self._secret, row)
        self._db.execute(
            f"UPDATE runs SET {', '.join(f'{name} = ?' for name in changed)} WHERE run_id = ?",  # noqa: S608 - ours
            (*changed.values(), row["run_id"]),
        )

    def _update(self, condition: str, values: Sequence[Any], change: Callable[[Row], Row | None]) -> int:
        """Change each row that fits, inside the caller's transaction; return how many were changed."""
        found = self._db.execute(f"{_SELECT} {condition}", values).fetchall()
        changed = 0
        for values in found:
            row = change(as_written(values, self._secret, self._clock.time()))
            if row is not None:
                self._rewrite(dict(zip(COLUMNS, values, strict=False)), row)
                changed += 1
        return changed

    @contextmanager
    def _transaction(self, *, power_safe: bool = False) -> Iterator[None]:
        """One write, all or nothing. A killed process loses none; a power cut only those not `power_safe`."""
        # An intent waits for the disk. An outcome need not: without it, its intent is left, which is uncertain.
        self._db.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
        with sqlite.transaction(self._db):
            yield
        if not power_safe:
            self._wrote()

    def _wrote(self, newest: tuple[int, str] | None = None) -> None:
        if self._file is not None:
            self._file.wrote(newest)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        # Another program may hold the file: each try takes all others' time, so the next one has to wait.
        if self._clock.monotonic() < self._no_reads_until:
            raise _locked()
        try:
            yield
        except sqlite3.Error as exc:
            if sqlite.is_busy(exc):
                self._no_reads_until = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise _locked() from None
            log.error("The journal cannot be read (%s).", type(exc).__name__)
            raise _trouble("read") from None

    @contextmanager
    def _writing_intent(self) -> Iterator[None]:
        self._require_usable()
        if self._clock.monotonic() < self._no_writes_until:
            raise _locked()
        self._write_late()
        try:
            with self._transaction(power_safe=True):
                if not self._is_checked:
                    self._identify_again()
                yield
        except sqlite3.Error as exc:
            if sqlite.is_busy(exc):
                self._no_writes_until = self._clock.monotonic() + TRY_AGAIN_AFTER
                raise _locked() from None
            log.error("The journal cannot be written (%s); nothing was sent.", type(exc).__name__)
            raise _trouble("written") from None

    def _require_usable(self) -> None:
        """Raise if the journal cannot be relied on: it cannot be used, is not the file it was, or is damaged; or a
        journal has appeared that this process does not know."""
        self._require_available()
        if self._file is None:
            if self._folder is not None and (self._folder / sqlite.FILE_NAME).exists():
                raise JournalUnusable(
                    "A journal of runs has appeared on this machine since the server was started without one. "
                    "Nothing was sent.",
                    "Ask the user to restart the client that started this server, then try again.",
                    retryable=False,
                )
            return
        self._file.require_same()
        if not self._is_checked:
            try:
                self._file.require_sound()
            except CannotOpen as exc:
                if exc.problem != "locked":
                    self._cannot_be_used(exc)
                raise exc.as_error() from None

    def _identify_again(self) -> None:
        """Make sure that everybody whose run still counts is found by each identifier that is kept with the run."""
        now = self._now()
        rows = self._rows(
            "kind = 'person' AND (state <> 'finished' OR started_at > ? OR (boot = ? AND ticks > ?))",
            *(now.time - 2 * limits.DAY, now.boot, now.ticks - 2 * limits.DAY),
        )
        for row in rows:
            marks = marks_in(row)
            if marks is not None:
                self._identify(row["run_id"], row["context"], marks)
        self._is_checked = True

    def _outcome(self, condition: str, values: tuple[Any, ...], change: Callable[[Row], Row | None]) -> int:
        """Write what came of a request and return how many entries changed.

        What cannot be written now is kept and written later, in its order (-1 is returned): until then the
        entry says less than is known, and everything that is decided on it is on the safe side.
        """
        return self._late(lambda: self._update(condition, values, change))

    def _late(self, write: Callable[[], int]) -> int:
        self._unwritten.append(write)
        return self._write_late()

    def _write_late(self) -> int:
        """Write the outcomes that are not written yet; how many entries the last one changed, -1 for none."""
        changed = -1
        while self._unwritten and self._clock.monotonic() >= self._try_again_at:
            try:
                with self._transaction():
                    changed = self._unwritten[0]()
            except sqlite3.IntegrityError:
                log.error("An outcome contradicts the journal and was left out.")
            except sqlite3.Error as exc:
                log.error("An outcome cannot be written to the journal yet (%s).", type(exc).__name__)
                self._try_again_at = self._clock.monotonic() + TRY_AGAIN_AFTER
                return -1
            del self._unwritten[0]
        return changed

    def _forget_old(self) -> None:
        """Drop entries past their time, unfinished ones too: a run that old is not going on any more.

        A clock can be wrong, so what is old is dropped only once a second look, a day after the first, agrees.
        """
        now = self._now()
        if self._forgot_at is not None and abs(now.time - self._forgot_at) < limits.HOUR:
            return
        self._forgot_at = now.time
        try:
            with self._transaction():
                _forget_old(self._db, now)
        except sqlite3.Error as exc:
            log.warning("Old entries could not be dropped from the journal (%s).", type(exc).__name__)


def label_list(name: str) -> str:
    """Return what a list run is called in `recent`."""
    return "a lead list" if not name or has_contact_data(name) else clean(name, 60)


def _kept_name(list_name: str) -> str:
    """Return a list's name as it is kept: nothing of it, if it holds somebody's address."""
    return "" if has_address(list_name) else blot(list_name)


def _kept_status(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z_-]{1,40}", word) else "unknown"


def _kept_report(report: dict[str, Any]) -> dict[str, Any]:
    """Return how a list run ended, without remarks that may speak of a person."""
    return {
        name: "" if isinstance(value, str) and has_contact_data(value) else value
        for name, value in report.items()
    }


def _unwritable(error: JournalUnusable) -> Unwritable:
    return Unwritable(error.message, error.next_step, error.code, error.retryable)


def _locked() -> JournalUnusable:
    return CannotOpen("locked").as_error()


def _trouble(what: str) -> JournalUnusable:
    return JournalUnusable(
        f"The journal of runs on this machine cannot be {what}. Nothing was sent.",
        "Ask the user to check the disk and the folder in CLEANLIST_STATE_DIR, or to run `cleanlist-mcp doctor`; then "
        "try again.",
    )


def _of_attempt(run: Run, state: str) -> Callable[[Row], Row | None]:
    """Return the change to `state`, which only the attempt that the run was sent with may make."""

    def change(row: Row) -> Row | None:
        owned = row["state"] == "starting" and row["attempt"] == run.attempt
        return row | {"state": state} if owned else None

    return change


def _with_marks(row: Row, given: Marks) -> Row | None:
    known = marks_in(row)
    return None if known is None else row | {"marks": united(known, given).to_json()}


def _basis(asked: Marks, found: _Person) -> Basis | None:
    return None if found.marks is None else recognised(asked, found.marks)


_OLD = (
    ("runs", "started_at", KEEP_SECONDS),
    ("imports", "last_time", KEEP_SECONDS),
    ("quotes", "expires_at", limits.DAY),
)


def _forget_old(database: sqlite3.Connection, now: Moment) -> None:
    first = database.execute("SELECT old_seen_at, boot, ticks FROM forgetting").fetchone()
    if first is not None and _a_day_ago(first, now):
        database.execute("DELETE FROM runs WHERE started_at < ?", (first[0] - KEEP_SECONDS,))
        database.execute("DELETE FROM identifiers WHERE run_id NOT IN (SELECT run_id FROM runs)")
        database.execute("DELETE FROM quotes WHERE expires_at < ?", (first[0] - limits.DAY,))
        imports.forget(database, first[0] - KEEP_SECONDS)
        first = None
    if first is None or first[0] > now.time:
        database.execute("DELETE FROM forgetting")
        if any(
            database.execute(
                f"SELECT 1 FROM {table} WHERE {column} < ? LIMIT 1",  # noqa: S608 - ours
                (now.time - keep,),
            ).fetchone()
            for table, column, keep in _OLD
        ):
            database.execute("INSERT INTO forgetting VALUES (?, ?, ?)", (now.time, now.boot, now.ticks))


def _a_day_ago(first: tuple[float, str, float], now: Moment) -> bool:
    """Return whether a day has passed since the first look, by the clock and by the machine's own seconds."""
    seen_at, boot, ticks = first
    return now.time - seen_at >= limits.DAY and (boot != now.boot or now.ticks - ticks >= limits.DAY)
