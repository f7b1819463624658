"""The tables of the journal. A released script is never edited; a change is a new version with an upgrade.

What is looked up by a column stands in an index too: `PRAGMA integrity_check` compares both, so a changed bit in one
of them is seen. The other columns are held by a checksum in their row.
"""

SCHEMA_VERSION = 3

SCRIPT = """
CREATE TABLE secret (value BLOB NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE forgetting (old_seen_at REAL NOT NULL, boot TEXT NOT NULL, ticks REAL NOT NULL);
CREATE TABLE quotes (
    account TEXT NOT NULL, quote_id TEXT NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL,
    scope TEXT NOT NULL, row_count INTEGER NOT NULL, cost INTEGER NOT NULL, available INTEGER NOT NULL,
    expires_at REAL NOT NULL, checksum TEXT NOT NULL
);
CREATE UNIQUE INDEX one_quote ON quotes (account, quote_id);
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY AUTOINCREMENT, claim TEXT NOT NULL, api TEXT NOT NULL, account TEXT NOT NULL,
    context TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, scope TEXT NOT NULL, label TEXT NOT NULL,
    reserved INTEGER NOT NULL, started_at REAL NOT NULL, in_flight_until REAL NOT NULL, boot TEXT NOT NULL,
    ticks REAL NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL, quote_id TEXT, quoted INTEGER,
    attempt INTEGER NOT NULL, workflow_id TEXT, status TEXT NOT NULL, charged INTEGER, refunded INTEGER,
    finished_at REAL, finished_ticks REAL, report TEXT, list_now TEXT, marks TEXT, checksum TEXT NOT NULL
);
CREATE UNIQUE INDEX one_run_per_quote ON runs (account, quote_id) WHERE state <> 'refused';
CREATE INDEX runs_by_workflow ON runs (api, workflow_id);
CREATE INDEX runs_by_list ON runs (api, list_id, scope);
CREATE INDEX runs_by_account ON runs (account);
CREATE INDEX runs_by_list_name ON runs (account, list_name);
CREATE INDEX runs_by_start ON runs (started_at, boot, ticks, kind, state, reserved, charged);
CREATE INDEX runs_by_ticks ON runs (boot, ticks, started_at, kind, state, reserved, charged);
CREATE INDEX runs_unfinished ON runs (state, reserved, charged) WHERE state = 'running';
CREATE TABLE identifiers (context TEXT NOT NULL, token TEXT NOT NULL, run_id INTEGER NOT NULL);
CREATE UNIQUE INDEX one_identifier ON identifiers (context, token, run_id);
CREATE TABLE imports (
    import_id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, list_id TEXT NOT NULL,
    people INTEGER NOT NULL, digests INTEGER NOT NULL, attempt INTEGER NOT NULL, first_time REAL NOT NULL,
    first_steady REAL NOT NULL, last_time REAL NOT NULL, last_steady REAL NOT NULL, settle REAL NOT NULL,
    rows_imported INTEGER
);
CREATE UNIQUE INDEX imports_by_key ON imports (key);
CREATE UNIQUE INDEX imports_by_list ON imports (
    list_id, key, people, digests, attempt, first_time, first_steady, last_time, last_steady, settle, rows_imported
);
CREATE TABLE import_people (
    import_id INTEGER NOT NULL, place INTEGER NOT NULL, alias INTEGER NOT NULL, digest TEXT NOT NULL,
    doubtful INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (import_id, place, alias)
) WITHOUT ROWID;
CREATE INDEX imports_by_person ON import_people (digest, doubtful)
"""
