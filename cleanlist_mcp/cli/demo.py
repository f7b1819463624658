"""`cleanlist-mcp demo`: a real client starts the real server on the sandbox and plays a whole job."""

import sys
import time
from typing import Any, TypeVar

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from cleanlist_mcp.cli.story import OutputClosed, StepFailed, Story, approve, require, say

LIST = "VP Sales, software"

BUDGET = 12
"""The most that the demo's user wants to spend on the list, in credits."""

LeafT = TypeVar("LeafT", bound=Exception)


def main() -> int:
    """Play the demo; 0 if every step worked, 1 if not.

    Raises:
        OutputClosed: if it could not be shown.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="replace")
    lost: OutputClosed | None = None
    complaints: list[str] = []
    try:
        anyio.run(_play)
    except* OutputClosed as group:
        lost = _leaves(group)[0]
    except* StepFailed as group:
        complaints = [str(error) for error in _leaves(group)]
    if lost is not None:
        raise lost
    if complaints:
        say("")
        say(f"The demo stopped: {'; '.join(complaints)}")
    return 1 if complaints else 0


def _leaves(group: BaseExceptionGroup[LeafT]) -> list[LeafT]:
    leaves: list[LeafT] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


async def _play() -> None:
    began = time.monotonic()
    server = StdioServerParameters(command=sys.executable, args=["-m", "cleanlist_mcp", "--sandbox"])
    say("Cleanlist demo: a real client and server on the sandbox. The data is made up, nothing is charged.")
    async with Client(stdio_client(server), elicitation_callback=approve) as client:
        story = Story(client)
        spent = await _tell(story)
    say("")
    took = time.monotonic() - began
    say(f"Done in {took:.1f} s: {story.steps} steps, {spent} credits spent, every one accounted for.")


async def _tell(story: Story) -> int:
    """Play the chapters, in which one leads to the next, and return the credits that they cost."""
    start = await _account(story)
    list_id = await _search(story)
    await _addresses(story, list_id)
    await _one_person(story)
    return await _bill(story, start)


async def _account(story: Story) -> int:
    """Show whose account it is and what is in it; return the credits."""
    await story.step("Who am I?", "whoami")
    return int((await story.step("How many credits are left?", "credits_balance"))["credits"])


async def _search(story: Story) -> str:
    """Find people and put them into a list; return its id."""
    found = await story.step(
        "Who leads sales at software companies?",
        "search_people",
        management_levels=["VP"],
        departments=["Sales"],
        company_industries=["Software Development"],
    )
    made = await story.step("Make a list of them.", "create_list", name=LIST)
    added = await story.step(
        "Put all of them into it.", "add_leads", list_id=made["list_id"], search_id=found["search_id"]
    )
    require(added["added"] == len(found["people"]), "not everybody who was found is in the list")
    return str(made["list_id"])


async def _addresses(story: Story, list_id: str) -> None:
    """Quote the list, enrich it, and show whom it found."""
    quote = await story.step(
        f"Find their missing e-mail addresses, for at most {BUDGET} credits.",
        "estimate",
        list_id=list_id,
        max_credits=BUDGET,
    )
    require(quote["estimated_cost"] <= BUDGET, "the quote is over the budget")
    run = await story.step(
        "That is within the limit; go ahead.",
        "enrich_list",
        list_id=quote["list_id"],
        scope=quote["scope"],
        quote_id=quote["quote_id"],
        max_credits=BUDGET,
        wait_seconds=1,
    )
    done = await story.step(
        "Is it finished?", "workflow_status", workflow_id=run["workflow_id"], wait_seconds=45
    )
    require(done["finished"], "the list run did not end within the wait")
    await story.step("Whom can I write to?", "get_leads", list_id=list_id, only="with_email")


async def _one_person(story: Story) -> None:
    """Find one person without a list."""
    person = await story.step(
        "And Ada Fable's e-mail address and phone number.",
        "enrich_person",
        first_name="Ada",
        last_name="Fable",
        domain="fable.example",
        scope="full",
    )
    require(person["finished"], "the person's run did not end within the wait")


async def _bill(story: Story, start: int) -> int:
    """Show what all of it cost, and return that."""
    bill: dict[str, Any] = await story.step("What did all of this cost?", "credits_balance", by="list")
    spent = start - int(bill["credits"])
    require(
        bill["charged"] == spent, f"{spent} credits left the account, {bill['charged']} were accounted for"
    )
    return spent
