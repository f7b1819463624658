"""The notes that processes of one machine write about requests, in a small SQLite file beside the journal.

A file of its own: a claim in the journal waits for the disk, and nothing here may wait for that or hold it up. Nothing
in it matters for longer than a minute, so a file that cannot be read is thrown away.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.journal.port import Added, LedgerUnusable, Note, Rewrite
from cleanlist_mcp.journal.sqlite.held import NO_LINKS, SIDE_FILES, beside, file_id
from cleanlist_mcp.journal.sqlite.problems import is_busy

LEDGER_NAME = "requests.sqlite3"

BUSY_SECONDS = 0.1
"""Seconds to wait for another process, during which nothing else runs here; one takes a tenth of a millisecond."""

OPEN_STEP = 0.01
"""Seconds between tries to open a file that another process is just making."""

SIDE_FILE_PAGES = 16
"""Pages of 4 kB after which the side file is emptied: it stays as small as what is in it."""

ADDED_IN_A_ROW = 30
"""Words that a process adds before it writes them into the text: reading stays quick."""

MOST_KNOWN = 1000
"""Notes whose version is remembered; one that is not is read before something is added to it."""

FORGET_AFTER = 3600.0
"""Seconds after which the notes of a key that nobody uses are dropped."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS secret (value BLOB NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS notes (
        name TEXT PRIMARY KEY, text TEXT NOT NULL, version TEXT NOT NULL,
        time REAL NOT NULL, boot TEXT NOT NULL, ticks REAL NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS added (
        name TEXT NOT NULL, word TEXT NOT NULL, sender TEXT NOT NULL,
        time REAL NOT NULL, boot TEXT NOT NULL, ticks REAL NOT NULL
    )
    """,
)

# The notes of a key, or of a key and its organization.
_SELECT_NOTES, _SELECT_ADDED = (
    {count: f"{columns} WHERE name IN ({places})" for count, places in ((1, "?"), (2, "?, ?"))}
    for columns in (
        "SELECT name, text, version, time, boot, ticks FROM notes",
        "SELECT name, word, sender, time, boot, ticks FROM added",
    )
)
_ADD = {
    1: """
    INSERT INTO added SELECT name, ?, ?, ?, ?, ? FROM (SELECT ? AS name)
    WHERE EXISTS (SELECT 1 FROM notes WHERE name = ? AND version = ?)
    """,
    2: """
    INSERT INTO added SELECT name, ?, ?, ?, ?, ? FROM (SELECT ? AS name UNION ALL SELECT ?)
    WHERE EXISTS (SELECT 1 FROM notes WHERE name = ? AND version = ?)
    """,
}
"""Adds a word, unless another process has written the first note anew."""

log = logging.getLogger(__name__)


@dataclass
class _Known:
    """The version of a text that this process read or wrote last, and how many words it has added since."""

    version: str
    added: int = 0


class SqliteLedger:
    """The notes in a folder. Opened when first used, and anew if its file was removed or replaced."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / LEDGER_NAME
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._secret = b""
        self._tidied_at = 0.0
        self._known: dict[str, _Known] = {}

    async def name(self, *parts: str) -> str:
        self._opened()
        return hmac.digest(self._secret, json.dumps(parts).encode(), hashlib.sha256).hex()[:16]

    async def rewrite(self, names: Sequence[str], change: Rewrite) -> None:
        database = self._opened()
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                notes, versions = self._read(database, names)
                versions |= self._write(database, change(notes))
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as exc:
            self._failed(exc)
            raise LedgerUnusable from None
        if len(self._known) > MOST_KNOWN:
            self._known.clear()  # keys that were refused leave traces too
        self._known.update((name, _Known(version)) for name, version in versions.items())

    async def add(self, names: Sequence[str], word: str) -> bool:
        database = self._opened()
        known = self._known.get(names[0])
        if known is None or known.added >= ADDED_IN_A_ROW:
            return False
        values = (word, names[0], self._clock.time(), *self._clock.since_boot())
        try:
            done = database.execute(_ADD[len(names)], (*values, *names, names[0], known.version))
        except sqlite3.Error as exc:
            self._failed(exc)
            raise LedgerUnusable from None
        known.added += 1
        return done.rowcount > 0

    async def close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None

    def _read(
        self, database: sqlite3.Connection, names: Sequence[str]
    ) -> tuple[dict[str, Note], dict[str, str]]:
        """Return the notes of these names, and the versions of those that were written before."""
        words: dict[str, list[Added]] = {name: [] for name in names}
        for name, word, sender, *moment in database.execute(_SELECT_ADDED[len(names)], names):
            words[name].append(Added(self._age(*moment), word, sender))
        notes = {name: Note(added=words[name]) for name in names}
        versions = {}
        for name, text, version, *moment in database.execute(_SELECT_NOTES[len(names)], names):
            notes[name] = Note(text, self._age(*moment), words[name])
            versions[name] = version
        return notes, versions

    def _age(self, time: float, boot: str, ticks: float) -> float:
        now_boot, now_ticks = self._clock.since_boot()
        # After a restart of the machine there is only the clock, which may have been set meanwhile.
        return max(now_ticks - ticks if boot == now_boot else self._clock.time() - time, 0.0)

    def _write(self, database: sqlite3.Connection, texts: Mapping[str, str]) -> dict[str, str]:
        """Write texts, which hold the words that were added before; return their versions."""
        if self._clock.monotonic() - self._tidied_at >= FORGET_AFTER:
            self._tidy(database)
        versions = dict.fromkeys(texts, uuid4().hex)
        moment = (self._clock.time(), *self._clock.since_boot())
        rows = [(name, text, versions[name], *moment) for name, text in texts.items()]
        database.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.executemany("DELETE FROM added WHERE name = ?", [(name,) for name in texts])
        return versions

    def _opened(self) -> sqlite3.Connection:
        """Return the connection to the file that lies there now.

        Raises:
            LedgerUnusable: if there is none.
        """
        if self._database is not None and file_id(self._path) == self._file:
            return self._database
        # Not closed: that would remove the side files of another file that lies there by now.
        self._database = None
        try:
            self._database = self._open_in_turn()
        except (sqlite3.Error, OSError) as exc:
            self._failed(exc)
            raise LedgerUnusable from None
        return self._database

    def _open_in_turn(self) -> sqlite3.Connection:
        give_up_at = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as exc:
                # Changing to WAL does not wait its turn: two servers that start together collide here.
                if not is_busy(exc) or time.monotonic() >= give_up_at:
                    raise
            time.sleep(OPEN_STEP)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINKS, 0o600))
        self._file = file_id(self._path)
        if self._file is None:
            raise FileNotFoundError  # a link, or not a file
        self._known.clear()
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {SIDE_FILE_PAGES}")
        database.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            database.execute(statement)
        if database.execute("SELECT 1 FROM secret").fetchone() is None:
            database.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
        self._tidy(database)
        self._secret = database.execute("SELECT value FROM secret").fetchone()[0]
        database.execute("COMMIT")

    def _tidy(self, database: sqlite3.Connection) -> None:
        oldest = self._clock.time() - FORGET_AFTER
        database.execute("DELETE FROM notes WHERE time < ?", (oldest,))
        database.execute("DELETE FROM added WHERE time < ?", (oldest,))
        self._tidied_at = self._clock.monotonic()

    def _failed(self, error: Exception) -> None:
        """Throw a damaged file away; the other processes notice that and open the new one too."""
        log.debug("What others send with this key is not known now (%s).", type(error).__name__)
        if type(error) is sqlite3.DatabaseError:  # its subclasses mean a lock, a disk or a mistake of ours
            for path in (self._path, *(beside(self._path, suffix) for suffix in SIDE_FILES)):
                with suppress(OSError):
                    path.unlink()
