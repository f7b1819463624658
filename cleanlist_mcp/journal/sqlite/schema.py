"""The tables of the journal. A released script is never edited; a change is a new version with an upgrade.

Whatever is looked up by a column stands in an index too: `PRAGMA integrity_check` compares both, so a changed bit in
one of them is seen. The other columns of a run are held by a checksum in its row. No statement reads or sorts a whole
table: each has an index in its order, and names it.
"""

from cleanlist_mcp.journal.sqlite import added_domains, cards, companies, organizations, searches
from cleanlist_mcp.journal.sqlite.slots import SLOT

SCHEMA_VERSION = 10

SPENDING = """
    CREATE TABLE spending (
        boot TEXT NOT NULL, tick_slot INTEGER NOT NULL, time_slot INTEGER NOT NULL, kind TEXT NOT NULL,
        unsettled INTEGER NOT NULL, tenant TEXT NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (boot, tick_slot, time_slot, kind, unsettled, tenant, account)
    ) WITHOUT ROWID
"""

_TABLES = (
    "CREATE TABLE secret (value BLOB NOT NULL, checksum TEXT NOT NULL)",
    "CREATE TABLE forgetting (old_seen_at REAL NOT NULL, boot TEXT NOT NULL, ticks REAL NOT NULL)",
    """
    CREATE TABLE quotes (
        account TEXT NOT NULL, quote_id TEXT NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL,
        scope TEXT NOT NULL, row_count INTEGER NOT NULL, cost INTEGER NOT NULL, available INTEGER NOT NULL,
        expires_at REAL NOT NULL, rows_in_list INTEGER, after_run INTEGER, part TEXT, checksum TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT, claim TEXT NOT NULL, tenant TEXT NOT NULL, account TEXT NOT NULL,
        context TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, scope TEXT NOT NULL, label TEXT NOT NULL,
        reserved INTEGER NOT NULL, started_at REAL NOT NULL, in_flight_until REAL NOT NULL, boot TEXT NOT NULL,
        ticks REAL NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL, quote_id TEXT, quoted INTEGER,
        attempt INTEGER NOT NULL, workflow_id TEXT, status TEXT NOT NULL, charged INTEGER, refunded INTEGER,
        finished_at REAL, finished_ticks REAL, report TEXT, list_now TEXT, marks TEXT, checksum TEXT NOT NULL
    , digest_key TEXT)
    """,
    SPENDING,
    """
    CREATE TABLE identifiers (
        context TEXT NOT NULL, token TEXT NOT NULL, run_id INTEGER NOT NULL, PRIMARY KEY (context, token, run_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE run_leads (
        run_id INTEGER PRIMARY KEY, lead_ids TEXT NOT NULL, checksum TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE imports (
        import_id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, list_id TEXT NOT NULL,
        people INTEGER NOT NULL, digests INTEGER NOT NULL, attempt INTEGER NOT NULL, first_time REAL NOT NULL,
        first_steady REAL NOT NULL, last_time REAL NOT NULL, last_steady REAL NOT NULL, settle REAL NOT NULL,
        rows_imported INTEGER
    )
    """,
    """
    CREATE TABLE import_people (
        import_id INTEGER NOT NULL, place INTEGER NOT NULL, alias INTEGER NOT NULL, digest TEXT NOT NULL,
        doubtful INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (import_id, place, alias)
    ) WITHOUT ROWID
    """,
)

INDEXES_10 = (
    "CREATE INDEX runs_by_start ON runs (started_at, boot, ticks, kind, state, reserved, charged, tenant, account)",
    "CREATE INDEX runs_by_ticks ON runs (boot, ticks, started_at, kind, state, reserved, charged, tenant, account)",
    "CREATE INDEX runs_unfinished ON runs (state, reserved, charged, tenant) WHERE state = 'running'",
    "CREATE INDEX spending_by_time ON spending (time_slot, boot, tick_slot, kind, unsettled, tenant, account, amount)",
)
"""Indexes that came, or came to be as they are, with version 10."""

_INDEXES = (
    "CREATE UNIQUE INDEX one_quote ON quotes (account, quote_id)",
    "CREATE INDEX quotes_by_expiry ON quotes (expires_at)",
    "CREATE UNIQUE INDEX one_run_per_quote ON runs (account, quote_id) WHERE state <> 'refused'",
    "CREATE UNIQUE INDEX one_run_per_claim ON runs (claim)",
    "CREATE INDEX runs_by_workflow ON runs (tenant, workflow_id)",
    "CREATE INDEX runs_by_list ON runs (tenant, list_id) WHERE kind = 'list' AND state <> 'refused'",
    "CREATE INDEX runs_by_work ON runs (tenant, list_id, scope) WHERE kind = 'list' AND state <> 'refused'",
    "CREATE INDEX work_going_on ON runs (tenant, list_id, scope) "
    "WHERE kind = 'list' AND state IN ('starting', 'running')",
    "CREATE INDEX runs_by_account ON runs (account) WHERE state <> 'refused'",
    "CREATE INDEX runs_by_list_name ON runs (account, list_name) "
    "WHERE kind = 'person' AND list_id <> '' AND state <> 'refused'",
    *INDEXES_10,
    "CREATE INDEX identifiers_by_run ON identifiers (run_id)",
    "CREATE UNIQUE INDEX one_import ON imports (key)",
    "CREATE INDEX imports_by_time ON imports (last_time)",
    "CREATE INDEX imports_by_list ON imports (list_id, import_id, key, people, digests, attempt, first_time, "
    "first_steady, last_time, last_steady, settle, rows_imported)",
    "CREATE INDEX imports_by_person ON import_people (digest, doubtful)",
)


def _amount(row: str) -> str:
    """Return the SQL for what a run counts, whatever a damaged row holds."""
    return f"MIN(MAX(CAST(COALESCE({row}charged, {row}reserved) AS INTEGER), 0), 1000000000)"


AMOUNT = _amount("")
"""The credits of a run: its charge, or else all that it may cost."""


def _counted(row: str, sign: str) -> str:
    """Return the SQL that adds a run to its slot of `spending`, or takes it out again."""
    return f"""
    INSERT INTO spending
    SELECT {row}.boot, CAST({row}.ticks / {SLOT} AS INTEGER), CAST({row}.started_at / {SLOT} AS INTEGER), {row}.kind,
        {row}.state IN ('starting', 'uncertain'), {row}.tenant, {row}.account, {sign}{_amount(f"{row}.")}
    WHERE {row}.state <> 'refused'
    ON CONFLICT (boot, tick_slot, time_slot, kind, unsettled, tenant, account)
    DO UPDATE SET amount = amount + excluded.amount
    """


TRIGGERS = (
    f"CREATE TRIGGER run_added AFTER INSERT ON runs BEGIN {_counted('NEW', '+')}; END",
    "CREATE TRIGGER run_changed AFTER UPDATE OF boot, ticks, started_at, kind, state, reserved, charged ON runs "
    f"BEGIN {_counted('OLD', '-')}; {_counted('NEW', '+')}; END",
    f"CREATE TRIGGER run_removed AFTER DELETE ON runs BEGIN {_counted('OLD', '-')}; END",
)

STATEMENTS = (
    *_TABLES,
    *_INDEXES,
    *TRIGGERS,
    *searches.STATEMENTS,
    *companies.STATEMENTS,
    *added_domains.STATEMENTS,
    *cards.STATEMENTS,
    *organizations.STATEMENTS,
)
"""Everything that a new journal is made of, in this order."""
