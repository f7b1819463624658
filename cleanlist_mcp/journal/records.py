"""A run as a row of the journal, and what is kept of the words in it. Pure."""

import json
import re
from typing import Any

from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.money.limits import DAY
from cleanlist_mcp.money.runs import LABEL_LENGTH, Moment, Run, Stamps, on_this_clock
from cleanlist_mcp.people.marks import CompanyMarks, Marks
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.text import clean, has_address, has_contact_data

KEEP_SECONDS = 90 * DAY
"""Seconds for which an entry is kept."""

BAN_SECONDS = 30 * DAY
"""Seconds for which a client that sent a forged proof of approval gets none."""

COLUMNS = (
    *("run_id", "claim", "tenant", "account", "context", "kind", "state", "scope", "label", "reserved"),
    *("started_at", "in_flight_until", "boot", "ticks", "list_id", "list_name", "quote_id", "quoted"),
    *("attempt", "workflow_id", "status", "charged", "refunded", "finished_at", "finished_ticks", "report"),
    *("list_now", "marks", "digest_key"),
)
"""The columns of a run. `digest_key` names the key that its digests were made with, None if there is only one."""

PART = "part"
"""The context of a run over picked rows of a list; that of a whole list is empty."""

_RUN_FIELDS = (
    *("run_id", "kind", "state", "scope", "label", "reserved", "started_at", "in_flight_until", "list_id"),
    *("list_name", "quote_id", "quoted", "attempt", "workflow_id", "status", "charged", "refunded"),
    "finished_at",
)

Row = dict[str, Any]

_WITHHELD: Row = {"label": "a list", "list_name": "", "quote_id": None}


def run_of(row: Row, now: Moment, whose: Whose) -> Run:
    """Return the run of a row, its times as the clock shows them now.

    Of a colleague's run, whatever shows their work is left out.
    """
    is_own = whose.tenants is None or row["account"] in whose.accounts
    run = Run(
        **{name: row[name] for name in _RUN_FIELDS} | ({} if is_own else _WITHHELD),
        report=_json(row["report"]),
        list_now=_json(row["list_now"]),
        is_part=row["context"] == PART,
        is_own=is_own,
    )
    return on_this_clock(run, Stamps(row["boot"], row["ticks"], row["finished_ticks"]), now)


def marks_in(row: Row) -> Marks | None:
    """Return what the person of a run is recognised by; None for a list, and if it cannot be read."""
    return None if row["marks"] is None else Marks.from_json(row["marks"])


def company_marks_in(row: Row) -> CompanyMarks | None:
    """Return what the company of a run is recognised by; None if it cannot be read."""
    return None if row["marks"] is None else CompanyMarks.from_json(row["marks"])


def tokens_in(row: Row) -> frozenset[str]:
    """Return the tokens by which a run is found; none if its marks cannot be read."""
    marks = company_marks_in(row) if row["kind"] == "company" else marks_in(row)
    return frozenset() if marks is None else marks.keys


def label_list(name: str) -> str:
    """Return the label of a list run in `recent`."""
    return "a lead list" if not name or has_contact_data(name) else clean(name, LABEL_LENGTH)


def kept_name(list_name: str) -> str:
    """Return a list's name as it is kept: nothing of it, if it holds somebody's address."""
    return "" if has_address(list_name) else blot(list_name)


def kept_status(word: str) -> str:
    """Return the API's word for a state as it is kept."""
    return word if re.fullmatch(r"[A-Za-z_-]{1,40}", word) else "unknown"


def kept_report(report: dict[str, Any]) -> dict[str, Any]:
    """Return the figures at the end of a list run, without remarks, which may name a person."""
    return {
        name: "" if isinstance(value, str) and has_contact_data(value) else value
        for name, value in report.items()
    }


def _json(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    found: dict[str, Any] = json.loads(text)
    return found
