"""Prompts: four jobs in the user's words, true to the tools that do them."""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from cleanlist_mcp.text import clean, quoted


def find_contact(
    person: Annotated[str, Field(description="Name and company, e-mail address or LinkedIn profile.")],
    want: Annotated[str, Field(description="email, phone or both; default email.")] = "email",
) -> str:
    """Find the e-mail address or phone number of one person."""
    return (
        f"Find the {_in_words(want)} of this person with Cleanlist: {clean(person, 500)}\n\n"
        "Use enrich_person once: scope partial for an e-mail address (1 credit), phone_only for a phone "
        "number (10), full for both (11). If the name or company is missing, ask me first. If the run does not end "
        "in time, follow it with workflow_status; never start it again. Then tell me who was found, if that is the "
        "person I meant, and what was charged."
    )


def find_people_like(
    people: Annotated[str, Field(description="Whom to look for: titles, industries, places, companies.")],
    list_name: Annotated[
        str, Field(description="The list to put them into; without it, they are only shown.")
    ] = "",
) -> str:
    """Find people like the ones described, and put them into a lead list."""
    into = (
        f"Put the ones that fit into the lead list {quoted(list_name)}: create_list, then add_leads with the search_id "
        "and, if not all of them fit, their entity_ids; never copy rows by hand."
        if list_name.strip()
        else "Ask me which of them to put into a lead list; that takes create_list, then add_leads with the search_id."
    )
    return (
        f"Find people like these with Cleanlist: {clean(people, 500)}\n\n"
        "Use search_people, which is free: all filters have to match, and one value of each is enough. If few or none "
        "are found, say which words match nobody and try broader ones. Show me name, title, company and place of some, "
        f"and how many there are. {into} Enrich nobody before I ask for it."
    )


def complete_list_within_budget(
    list_name: Annotated[str, Field(description="The lead list: its exact name or id.")],
    budget: Annotated[str, Field(description="The most to spend, in credits.")],
    want: Annotated[str, Field(description="email, phone or both; default email.")] = "email",
) -> str:
    """Complete a lead list without going over a budget."""
    most = re.sub(r"\s*credits?\W*$", "", clean(budget, 40), flags=re.IGNORECASE)
    return (
        f"Complete my lead list {quoted(list_name)}: find the missing {_in_words(want)}, for at most {most} "
        "credits.\n\n"
        "First call estimate (scope partial for e-mail, phone_only for phone, full for both) and show me list, rows, "
        "cost and balance after. If the cost is over the budget, do not spend; tell me what would fit. I agree "
        "to a quote within the budget: call enrich_list with it and the budget as max_credits, then follow it with "
        "workflow_status and tell me what was found, not found, charged and refunded."
    )


def what_did_i_spend(
    days: Annotated[
        str, Field(description="How many times 24 hours to look back, 1 to 90; default 7.")
    ] = "7",
) -> str:
    """Show what was spent lately, list by list or run by run."""
    return (
        f"Show me what I spent with Cleanlist from here in the last {clean(days, 10)} days: call credits_balance with "
        'these days and by="run", or by="list" if there are many runs. Look at runs that are not settled with '
        "workflow_status. Give me a short table with date, what was enriched, found and not found, and credits; name "
        "every charge that is unknown, and say what is left."
    )


def _in_words(want: str) -> str:
    """Return what is wanted as words that fit into a sentence."""
    wanted = clean(want, 40)
    return "email and phone" if wanted.casefold() in ("both", "full") else wanted


@dataclass(frozen=True)
class Offered:
    """A prompt with its title, which is data because `python -OO` drops docstrings, and the tools that it names."""

    function: Callable[..., str]
    title: str
    tools: tuple[str, ...]


OFFERED = (
    Offered(
        find_contact,
        "Find the e-mail address or phone number of one person",
        ("enrich_person", "workflow_status"),
    ),
    Offered(
        find_people_like,
        "Find people like the ones described, and put them into a lead list",
        ("search_people", "create_list", "add_leads"),
    ),
    Offered(
        complete_list_within_budget,
        "Complete a lead list without going over a budget",
        ("estimate", "enrich_list", "workflow_status"),
    ),
    Offered(
        what_did_i_spend,
        "Show what was spent lately, list by list or run by run",
        ("credits_balance", "workflow_status"),
    ),
)
"""Every prompt, in the order of `prompts/list`."""


def offered(tools: Container[str]) -> tuple[Offered, ...]:
    """Return the prompts whose tools are all on."""
    return tuple(prompt for prompt in OFFERED if all(name in tools for name in prompt.tools))
