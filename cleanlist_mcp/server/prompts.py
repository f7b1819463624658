"""Prompts: three jobs in the user's words, true to the tools that do them."""

import re
from typing import Annotated

from pydantic import Field

from cleanlist_mcp.text import clean, quoted


def find_contact(
    person: Annotated[str, Field(description="Name and company, e-mail address or LinkedIn profile.")],
    want: Annotated[str, Field(description="email, phone or both; default email.")] = "email",
) -> str:
    """Find the e-mail address or phone number of one person."""
    return (
        f"Find the {clean(want, 40)} of this person with Cleanlist: {clean(person, 500)}\n\n"
        "Use enrich_person once: scope partial for an e-mail address (1 credit), phone_only for a phone "
        "number (10), full for both (11). If the name or company is missing, ask me first. If the run does not end "
        "in time, follow it with workflow_status; never start it again. Then tell me what was found and charged."
    )


def enrich_list_within_budget(
    list_name: Annotated[str, Field(description="The lead list: its exact name or id.")],
    budget: Annotated[str, Field(description="The most to spend, in credits.")],
    want: Annotated[str, Field(description="email, phone or both; default email.")] = "email",
) -> str:
    """Enrich a lead list without going over a budget."""
    most = re.sub(r"\s*credits?\W*$", "", clean(budget, 40), flags=re.IGNORECASE)
    return (
        f"Enrich my lead list {quoted(list_name)} to find {clean(want, 40)}, for at most {most} credits.\n\n"
        "First call estimate (scope partial for e-mail, phone_only for phone, full for both) and show me list, rows, "
        "cost and balance after. If the cost is over the budget, do not spend; tell me what would fit. Once I agree, "
        "call enrich_list with the quote and the budget as max_credits, then follow it with workflow_status and tell "
        "me what was found, charged and refunded."
    )


def what_did_i_spend() -> str:
    """Show what was spent lately, run by run."""
    return (
        "Show me what I spent with Cleanlist from this machine: call credits_balance and workflow_status without "
        "arguments, then workflow_status for each run that is not finished. Give me a short table of the runs with "
        "date, what was enriched, status and credits, name every run whose outcome is unknown, and say what is left."
    )


SPENDING = (
    ("find_contact", "Find the e-mail address or phone number of one person"),
    ("enrich_list_within_budget", "Enrich a lead list without going over a budget"),
)
READING = (("what_did_i_spend", "Show what was spent lately, run by run"),)
"""Name and title of each: data, because `python -OO` drops docstrings."""

FUNCTIONS = {
    function.__name__: function for function in (find_contact, enrich_list_within_budget, what_did_i_spend)
}
