"""The tables of the journal in PostgreSQL. A released version is never edited; a change is a new one.

They lie in a schema of their own. Times are in epoch seconds by the database's clock. Whoever starts first makes
them, and a newer program brings them up to date, both under one lock; an older program that meets newer tables
spends nothing.
"""

from collections.abc import Mapping

_FIRST = (
    """
    CREATE TABLE digest_keys (
        place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key_id TEXT NOT NULL UNIQUE
    )
    """,
    "CREATE TABLE forgetting (old_seen_at DOUBLE PRECISION NOT NULL)",
    """
    CREATE TABLE organizations (
        owner TEXT NOT NULL, tenant TEXT NOT NULL, since DOUBLE PRECISION NOT NULL,
        checked_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (owner, tenant)
    )
    """,
    """
    CREATE TABLE quotes (
        account TEXT NOT NULL, quote_id TEXT NOT NULL, list_id TEXT NOT NULL, list_name TEXT NOT NULL,
        scope TEXT NOT NULL, row_count BIGINT NOT NULL, cost BIGINT NOT NULL, available BIGINT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL, rows_in_list BIGINT, after_run BIGINT, part TEXT,
        PRIMARY KEY (account, quote_id)
    )
    """,
    """
    CREATE TABLE runs (
        run_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, claim TEXT NOT NULL, tenant TEXT NOT NULL,
        account TEXT NOT NULL, context TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, scope TEXT NOT NULL,
        label TEXT NOT NULL, reserved BIGINT NOT NULL, started_at DOUBLE PRECISION NOT NULL,
        in_flight_until DOUBLE PRECISION NOT NULL, boot TEXT NOT NULL, ticks DOUBLE PRECISION NOT NULL,
        list_id TEXT NOT NULL, list_name TEXT NOT NULL, quote_id TEXT, quoted BIGINT, attempt BIGINT NOT NULL,
        workflow_id TEXT, status TEXT NOT NULL, charged BIGINT, refunded BIGINT, finished_at DOUBLE PRECISION,
        finished_ticks DOUBLE PRECISION, report TEXT, list_now TEXT, marks TEXT, digest_key TEXT NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01)
    """,
    """
    CREATE TABLE identifiers (
        context TEXT NOT NULL, token TEXT NOT NULL, run_id BIGINT NOT NULL, PRIMARY KEY (context, token, run_id)
    )
    """,
    "CREATE TABLE run_leads (run_id BIGINT PRIMARY KEY, lead_ids TEXT NOT NULL)",
    """
    CREATE TABLE imports (
        import_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key TEXT NOT NULL UNIQUE, place TEXT NOT NULL,
        people BIGINT NOT NULL, attempt BIGINT NOT NULL, first_time DOUBLE PRECISION NOT NULL,
        last_time DOUBLE PRECISION NOT NULL, settle DOUBLE PRECISION NOT NULL, rows_imported BIGINT
    )
    """,
    """
    CREATE TABLE import_people (
        import_id BIGINT NOT NULL, place BIGINT NOT NULL, alias BIGINT NOT NULL, digest TEXT NOT NULL,
        doubtful BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (import_id, place, alias)
    )
    """,
    """
    CREATE TABLE added_domains (
        place TEXT NOT NULL, domain TEXT NOT NULL, person TEXT NOT NULL, added_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (place, domain, person)
    )
    """,
    """
    CREATE TABLE searches (
        account TEXT NOT NULL, search_id TEXT NOT NULL, kind TEXT NOT NULL, filters TEXT NOT NULL,
        made_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (account, search_id)
    )
    """,
    """
    CREATE TABLE search_pages (
        search_id TEXT NOT NULL, place BIGINT NOT NULL, task_id TEXT NOT NULL, cursor TEXT NOT NULL,
        page_limit BIGINT NOT NULL, total BIGINT, shown TEXT NOT NULL, PRIMARY KEY (search_id, place)
    )
    """,
    "CREATE TABLE companies (run_id BIGINT PRIMARY KEY, found TEXT NOT NULL, kept_at DOUBLE PRECISION NOT NULL)",
    """
    CREATE TABLE cards (
        account TEXT NOT NULL, quote_id TEXT NOT NULL, shown_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (account, quote_id)
    )
    """,
    """
    CREATE TABLE card_bans (
        account TEXT NOT NULL, client TEXT NOT NULL, since DOUBLE PRECISION NOT NULL, PRIMARY KEY (account, client)
    )
    """,
    # Rewritten all the time: half of a page is left free for that, and nothing of it is kept after a crash.
    """
    CREATE UNLOGGED TABLE notes (
        name TEXT PRIMARY KEY, text TEXT NOT NULL, written_at DOUBLE PRECISION NOT NULL
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX quotes_by_expiry ON quotes (expires_at)",
    "CREATE UNIQUE INDEX one_run_per_quote ON runs (account, quote_id) WHERE state <> 'refused'",
    "CREATE UNIQUE INDEX one_run_per_claim ON runs (claim)",
    "CREATE INDEX runs_by_workflow ON runs (workflow_id, tenant) WHERE workflow_id IS NOT NULL",
    "CREATE INDEX runs_by_list ON runs (list_id, tenant, run_id) WHERE kind = 'list' AND state <> 'refused'",
    "CREATE INDEX runs_by_account ON runs (account, run_id) WHERE state <> 'refused'",
    "CREATE INDEX runs_by_account_and_start ON runs (account, started_at) WHERE state <> 'refused'",
    "CREATE INDEX runs_by_list_name ON runs (account, list_name, run_id) "
    "WHERE kind = 'person' AND list_id <> '' AND state <> 'refused'",
    "CREATE INDEX runs_by_tenant ON runs (tenant, started_at) "
    "INCLUDE (account, kind, state, reserved, charged) WHERE state <> 'refused'",
    "CREATE INDEX runs_going_on ON runs (tenant) INCLUDE (reserved, charged) WHERE state = 'running'",
    "CREATE INDEX runs_unsettled ON runs (digest_key) WHERE state IN ('starting', 'running', 'uncertain')",
    "CREATE INDEX runs_by_start ON runs (started_at)",
    "CREATE INDEX runs_by_end ON runs (finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX identifiers_by_run ON identifiers (run_id)",
    "CREATE INDEX imports_by_time ON imports (last_time)",
    "CREATE INDEX imports_by_place ON imports (place, import_id)",
    "CREATE INDEX imports_by_person ON import_people (digest)",
    "CREATE INDEX added_domains_by_time ON added_domains (added_at)",
    "CREATE INDEX searches_by_time ON searches (made_at)",
    "CREATE INDEX companies_by_time ON companies (kept_at)",
    "CREATE INDEX cards_by_time ON cards (shown_at)",
    "CREATE INDEX card_bans_by_time ON card_bans (since)",
)

VERSIONS: Mapping[int, tuple[str, ...]] = {1: _FIRST}
"""The statements that bring the tables of each version's predecessor to it."""

SCHEMA_VERSION = max(VERSIONS)

SCHEMA = "cleanlist_mcp"
"""The name of our schema in the team's database."""

AMOUNT = "GREATEST(LEAST(COALESCE(charged, reserved), 1000000000), 0)"
"""The credits of a run: its charge, or else all that it may cost."""
