"""Rows with their checksums: a run that is not as it was written is an uncertain one. Pure."""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cleanlist_mcp.journal.quoted_parts import part_of, written_part
from cleanlist_mcp.journal.records import COLUMNS, KEEP_SECONDS, Row
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import LABEL_LENGTH
from cleanlist_mcp.text import clean

_LATER = ("digest_key",)


def checksum(secret: bytes, values: list[Any]) -> str:
    """Return what shows that the columns of a row are those that were written."""
    return hmac.digest(secret, json.dumps(values, default=repr).encode(), hashlib.sha256).hex()[:16]


def run_checksum(secret: bytes, row: Row) -> str:
    """Return the checksum of a run's row: of all columns but its number, which stands in each index too.

    A column that came with a later version counts if it holds something: rows from before stay as written.
    """
    later = [row[name] for name in _LATER if row[name] is not None]
    return checksum(secret, [row[name] for name in COLUMNS[1:] if name not in _LATER] + later)


def quote_checksum(secret: bytes, account: str, quote: Quote) -> str:
    """Return the checksum of a quote's row."""
    values = [quote.list_id, quote.list_name, quote.scope, quote.row_count, quote.cost, quote.available]
    kept = [quote.expires_at, quote.rows_in_list, quote.after_run, written_part(quote)]
    return checksum(secret, [account, quote.quote_id, *values, *kept])


def quote_as_written(values: Sequence[Any], secret: bytes, account: str) -> Quote | None:
    """Return a quote as it was written; None if its checksum does not fit.

    `values` are its columns and the checksum. A quote whose rows were lost must never pass for one of the whole list.
    """
    *figures, part, written = values
    try:
        quote = replace(Quote(*figures), part=part_of(part))
    except (ValueError, TypeError):
        return None
    return quote if quote_checksum(secret, account, quote) == written else None


def as_written(values: Sequence[Any], secret: bytes, now: float) -> Row:
    """Return a row as it was written; if its checksum does not fit, what is left of it, as an uncertain run.

    `values` are the columns and the checksum. Whatever cannot be believed is replaced by the safe side: the highest
    price, and a start just now.
    """
    row: Row = dict(zip(COLUMNS, values, strict=False))
    return row if run_checksum(secret, row) == values[-1] else _uncertain(row, now)


def _uncertain(row: Row, now: float) -> Row:
    scope: Scope = next((scope for scope in PRICES if scope == row["scope"]), "full")
    started_at = row["started_at"]
    if not isinstance(started_at, float) or not now - KEEP_SECONDS < started_at <= now:
        started_at = now
    amounts = [row[name] for name in ("reserved", "quoted", "charged")]
    return row | {
        "kind": row["kind"] if row["kind"] in ("list", "company") else "person",
        "state": "uncertain",
        "scope": scope,
        "label": clean(row["label"], LABEL_LENGTH) if isinstance(row["label"], str) else "a run",
        "list_id": _pattern(row["list_id"], r"[A-Za-z0-9_-]{1,128}") or "",
        "list_name": clean(row["list_name"], 200) if isinstance(row["list_name"], str) else "",
        "quote_id": _pattern(row["quote_id"], r"[\x21-\x7e]{1,512}"),
        "reserved": max([PRICES[scope], *(n for n in amounts if isinstance(n, int) and n < 10**6)]),
        "started_at": started_at,
        "in_flight_until": started_at,
        "boot": "",
        "ticks": 0.0,
        "attempt": row["attempt"] if isinstance(row["attempt"], int) else 1,
        "status": "unknown",
        **dict.fromkeys(("workflow_id", "charged", "refunded", "finished_at", "finished_ticks")),
        **dict.fromkeys(("report", "list_now", "marks", "quoted")),
    }


def _pattern(value: object, pattern: str) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else None
