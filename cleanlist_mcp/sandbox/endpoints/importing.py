"""CSV imports: free unless they dispatch enrichment, which they do unless told not to."""

from dataclasses import replace

from cleanlist_mcp.sandbox import bodies, imports
from cleanlist_mcp.sandbox.call import Call, Reply, reply
from cleanlist_mcp.sandbox.endpoints.quoting import import_quote
from cleanlist_mcp.sandbox.lists import LeadList
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.problems import Problem
from cleanlist_mcp.sandbox.workflows import Run, Work


def csv_import(call: Call) -> Reply:
    """POST /lead-lists/{list_id}/csv-import. Enriches, and so spends, unless told not to.

    The answer waits for the import. Rows land, and the idempotency key starts to protect, when the
    import has finished; if the caller is gone by then, the import still finishes at its time.
    """
    body = bodies.read(bodies.CsvImport, call.body)
    if body.dispatch_enrichment:
        call.key.require("enrich:write")
    _refuse_if_switched_off(call)
    if body.idempotency_key:
        again = call.sandbox.answers.recall(_name(call, body.idempotency_key), call.now)
        if again:
            return reply(call, {**again, "idempotency_replayed": True}, status=201)
    lead_list = call.lead_list()
    row_cap = call.sandbox.options.row_cap
    parsed = imports.parse(body.csv_content_base64, body.column_mapping, row_cap)
    run = _import(call, body, lead_list, parsed.people)
    return _imported(call, body, lead_list, parsed, run)


def _name(call: Call, idempotency_key: str) -> tuple[str, str, str]:
    # One namespace for the organization: the same key with another list collides, and the first one wins.
    return call.organization_id, "csv-import", idempotency_key


def _refuse_if_switched_off(call: Call) -> None:
    if not call.sandbox.options.csv_import:
        raise Problem(
            503,
            "feature_disabled",
            "CSV import is switched off for this account.",
            fix="Ask support to switch it on; trying again does not help.",
        )


def _import(call: Call, body: bodies.CsvImport, lead_list: LeadList, people: list[Identity]) -> Run | None:
    """Take the people in, and start the enrichment if one is asked for and paid for."""
    lists, scope = call.sandbox.lists, body.enrichment_type or "partial"
    enriches = bool(body.dispatch_enrichment and people)
    quote = import_quote(call, body.quote_id, scope, len(people)) if enriches else None
    leads = lists.new_leads(lead_list.organization_id, people, imported=True)
    work = Work("import", lead_list.list_id, scope, people, leads, lead_list.name, quote)
    run = call.sandbox.workflows.start(call.key, work, call.now) if enriches else None
    lead_list.arriving.append((call.now + call.sandbox.options.import_seconds, leads))
    lead_list.settle(call.now)
    return run


def _imported(
    call: Call,
    body: bodies.CsvImport,
    lead_list: LeadList,
    parsed: imports.ParsedFile,
    run: Run | None,
) -> Reply:
    """Return the answer to an import, to be given when it has finished."""
    data = {
        "list_id": lead_list.list_id,
        "rows_parsed": parsed.rows_parsed,
        "rows_imported": len(parsed.people),
        "rows_skipped": len(parsed.skipped_rows),
        "skip_reasons": dict(parsed.skip_reasons),
        "sample_skip_rows": parsed.skipped_rows[:10],
        "workflow_id": run.workflow_id if run else None,
        "enrichment_status_url": call.status_url(run.workflow_id) if run else None,
        "idempotency_replayed": False,
    }
    seconds = call.sandbox.options.import_seconds
    done_at = call.now + seconds
    kept = None
    if body.idempotency_key:
        kept = call.sandbox.answers.remember(_name(call, body.idempotency_key), data, done_at)

    def finish() -> None:
        # Whoever has the answer sees its rows, whatever the clock makes of the wait.
        lead_list.settle(done_at)
        if kept is not None:
            kept.finished_at = min(kept.finished_at, call.sandbox.clock())

    return replace(reply(call, data, status=201), wait=seconds, finish=finish)
