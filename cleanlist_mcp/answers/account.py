"""Sentences about the account: whose key it is, the credits left, what was spent from here."""

import math
from typing import Any

from cleanlist_mcp.answers.shapes import BalanceResult, CostRow, Memory, WhoamiResult
from cleanlist_mcp.api.wire import Balance, Whoami
from cleanlist_mcp.money.costs import CostLine, Statement
from cleanlist_mcp.money.limits import Limits, daily_left, unquoted_left
from cleanlist_mcp.text import credits_text, iso, quoted, rows_text

NAMED_LINES = 5
"""Lines of a statement that its summary names."""

CANNOT_DO = (
    "push people to a CRM or a sequencer: hand the rows to that tool's own server",
    "delete whole lists, or edit a person",
    "cancel a run that has started",
    "buy credits",
)
"""Jobs that people expect of this server and that none of its tools does."""


def whoami_result(
    answer: Whoami, *, sandbox: bool, missing: list[str], remembers: Memory, shared: bool = False
) -> WhoamiResult:
    """Return whose key it is, and what it lacks for the tools that are switched on; `shared` if many keys use one
    journal."""
    organization = answer.organization_name or "this organization"
    who = answer.user_name or answer.user_email or "an unnamed user"
    summary = f"The key works for {organization} ({who}), plan {answer.tier or 'unknown'}."
    next_step = "Call credits_balance to see the credits left."
    if missing:
        summary += f" It seems to lack the permissions {', '.join(missing)}."
        next_step = (
            "If a tool is refused for that, ask the user to create a key with the missing permissions."
        )
    if shared and not answer.organization_id:
        summary += " Cleanlist does not name its organization, so the limits here count for this key alone."
    if remembers == "until_restart":
        summary += " Runs are remembered only until this server ends."
    return WhoamiResult(
        summary=summary,
        next_step=next_step,
        mode="sandbox" if sandbox else "live",
        organization_id=answer.organization_id or None,
        organization_name=answer.organization_name or None,
        user_email=answer.user_email or None,
        user_name=answer.user_name or None,
        plan=answer.tier or None,
        auth_type=answer.auth_type or None,
        missing_scopes=missing,
        scopes=answer.scopes if missing else None,
        remembers_runs=remembers,
        cannot_do=list(CANNOT_DO),
    )


def balance_result(answer: Balance, limits: Limits, statement: Statement | None) -> BalanceResult:
    """Return the credits left and what was spent from here; without a `statement` the latter is not known."""
    left = BalanceResult(
        summary=_left(answer),
        credits=answer.credits,
        organization_id=answer.organization_id or None,
        daily_limit=limits.daily,
        hourly_unquoted_limit=limits.hourly_unquoted,
    )
    if statement is None:
        summary = (
            f"{left.summary} What was spent from here is not known: the journal cannot be used just now."
        )
        return left.model_copy(update={"summary": summary})
    return left.model_copy(update=_spent_from_here(statement, limits, left.summary))


def _spent_from_here(statement: Statement, limits: Limits, left: str) -> dict[str, Any]:
    whole, spent = statement.whole, statement.spent
    sentences = (left, *_bill(statement), *_open(statement), *_parts(statement), *_day(statement, limits))
    return {
        "summary": " ".join(sentences),
        "next_step": _step(statement),
        "reserved_now": spent.reserved_now,
        "charged": whole.charged,
        "refunded": whole.refunded,
        "reserved": whole.reserved,
        "unknown": whole.unknown,
        "rows": [_row(line) for line in statement.lines],
        "daily_left": daily_left(spent, limits),
        "daily_frees_at": _frees_at(statement, limits),
        "hourly_unquoted_left": unquoted_left(spent, limits),
    }


def _left(answer: Balance) -> str:
    if answer.credits < 0:
        return f"The balance is {credits_text(answer.credits)}: the account owes them."
    return f"{credits_text(answer.credits)} left."


def _bill(statement: Statement) -> list[str]:
    """Return what was charged in which time, and what was found for it."""
    whole, when = statement.whole, period(statement.days)
    if not whole.runs:
        return [f"Nothing was spent from here {when}."]
    runs = "1 run" if whole.runs == 1 else f"{whole.runs} runs"
    bill = f"{runs} from here {when}: {credits_text(whole.charged)} charged, {whole.refunded} refunded."
    if not whole.found and not whole.missed:
        return [bill]
    return [
        bill,
        f"Of {rows_text(whole.found + whole.missed)}, {whole.found} found, {whole.missed} not found.",
    ]


def _open(statement: Statement) -> list[str]:
    """Return what is not settled, and what may never be known."""
    whole, held = statement.whole, _held(statement)
    sentences = []
    if held:
        sentences.append(
            f"Runs that may not have ended, or whose refund is under review, hold up to {credits_text(held)} more, to "
            "be charged or refunded; that may have happened already."
        )
    if whole.unknown:
        sentences.append(
            f"The charge of up to {credits_text(whole.unknown)} is unknown: the answers about those runs were lost."
        )
    return sentences


def _held(statement: Statement) -> int:
    """Return the credits that are not settled yet, those of runs from before the statement's time included."""
    whole = statement.whole
    return whole.reserved + max(statement.spent.reserved_now - whole.reserved - whole.unknown, 0)


def _step(statement: Statement) -> str | None:
    """Return the next step: a look, if it may bring news. What is unknown stays so, and a look leads back here."""
    if _held(statement):
        return "Call workflow_status without arguments to see how those runs stand."
    if statement.whole.unknown:
        return "Tell the user what is unknown; workflow_status without arguments shows those runs."
    return None


def _parts(statement: Statement) -> list[str]:
    """Return what the first few lines cost."""
    if statement.by == "total" or not statement.lines:
        return []
    named = [_part(line, is_day=statement.by == "day") for line in statement.lines[:NAMED_LINES]]
    more = len(statement.lines) - NAMED_LINES
    return [f"By {statement.by}: {'; '.join(named)}{f'; and {more} more in rows' if more > 0 else ''}."]


def _part(line: CostLine, *, is_day: bool) -> str:
    costs = line.costs
    held = f", up to {costs.reserved + costs.unknown} not settled" if costs.reserved + costs.unknown else ""
    found = f" ({costs.found} of {costs.found + costs.missed} found)" if costs.found + costs.missed else ""
    return f"{line.label if is_day else quoted(line.label)} {costs.charged} charged{held}{found}"


def _day(statement: Statement, limits: Limits) -> list[str]:
    """Return how much of the limit for a day is left, and when it grows."""
    left, frees_at = daily_left(statement.spent, limits), _frees_at(statement, limits)
    if left is None:
        return []
    grows = f"; the oldest used ones come free at {frees_at}" if frees_at else ""
    return [f"Daily limit: {left} of {credits_text(limits.daily or 0)} left (in any 24 hours){grows}."]


def _frees_at(statement: Statement, limits: Limits) -> str | None:
    """Return when the first counted credits leave the limit for a day, in whole seconds, none too early."""
    if limits.daily is None or statement.frees_at is None:
        return None
    return iso(math.ceil(statement.frees_at))


def _row(line: CostLine) -> CostRow:
    costs = line.costs
    return CostRow(
        label=line.label,
        scope=costs.scope,
        charged=costs.charged,
        refunded=costs.refunded,
        reserved=costs.reserved,
        unknown=costs.unknown,
        runs=costs.runs,
        rows=costs.rows,
        found=costs.found,
        workflow_id=line.workflow_id,
        started_at=None if line.started_at is None else iso(line.started_at),
    )


def period(days: int) -> str:
    """Return the time that a statement is about, in words: never "today", which begins elsewhere for each reader."""
    return "in the last 24 hours" if days == 1 else f"in the last {days} days"
