"""Sentences about the account: whose key it is, the credits left, what was spent from here."""

from cleanlist_mcp.answers.shapes import BalanceResult, Memory, WhoamiResult
from cleanlist_mcp.api.wire import Balance, Whoami
from cleanlist_mcp.money.limits import Limits, Spent, unquoted_left
from cleanlist_mcp.text import credits_text

CANNOT_DO = (
    "push people to a CRM or a sequencer: hand the rows to that tool's own server",
    "delete whole lists, or edit a person",
    "cancel a run that has started",
    "buy credits",
)
"""What people expect from here, and no tool of this server does."""


def whoami_result(answer: Whoami, *, sandbox: bool, missing: list[str], remembers: Memory) -> WhoamiResult:
    """Return whose key it is, and what it lacks for the tools that are switched on."""
    organization = answer.organization_name or "this organization"
    who = answer.user_name or answer.user_email or "an unnamed user"
    summary = f"The key works for {organization} ({who}), plan {answer.tier or 'unknown'}."
    next_step = "Call credits_balance to see the credits left."
    if missing:
        summary += f" It seems to lack {', '.join(missing)}."
        next_step = "If a tool is refused for that, ask the user to create a key with the missing scopes."
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


def balance_result(answer: Balance, spent: Spent, limits: Limits, *, known: bool) -> BalanceResult:
    """Credits left, and what this machine has reserved and spent, as far as that is `known`."""
    summary = f"{credits_text(answer.credits)} left."
    if answer.credits < 0:
        summary = f"The balance is {credits_text(answer.credits)}: the account owes them."
    next_step = None
    if spent.reserved_now:
        summary += (
            f" Up to {spent.reserved_now} that this machine reserved were not seen to settle yet: they are charged, or "
            "come back and may be in the balance already."
        )
        next_step = "Call workflow_status without arguments to see whether those runs have ended."
    if not known:
        summary += (
            " What this machine reserved and spent is not counted here: its journal cannot be used just now."
        )
    return BalanceResult(
        summary=summary,
        next_step=next_step,
        credits=answer.credits,
        organization_id=answer.organization_id or None,
        reserved_now=spent.reserved_now,
        spent_last_24h=spent.last_day,
        daily_limit=limits.daily,
        hourly_unquoted_limit=limits.hourly_unquoted,
        hourly_unquoted_left=unquoted_left(spent, limits),
    )
