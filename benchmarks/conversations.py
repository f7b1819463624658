"""The calls and tokens that whole jobs take: `python -m benchmarks.conversations` plays two and prints their tables.

Each one is played through a real client and server on the sandbox, in virtual time, as an assistant would that reads
each answer. Calls and answers are counted; a token is four bytes of compact JSON. No call carries a row that was copied
by hand: people travel as the ids of searches, lists and leads.
"""

import argparse
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from cleanlist_mcp.answers.shapes import compact
from tests.support import Session, World

MOST_CALLS = 14
MOST_TOKENS = 5_000
"""The limits for one whole job."""

BYTES_OF_A_TOKEN = 4


@dataclass(frozen=True)
class Step:
    """One call: for which words of the user, and the sizes of its arguments and its answer in bytes."""

    words: str
    tool: str
    asked: int
    answered: int


@dataclass
class Conversation:
    """A conversation while it is played: calls tools and counts what they answer."""

    session: Session
    world: World
    steps: list[Step] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, words: str, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Return what a tool answers to a call that the user's words, empty if they were said before, lead to."""
        answer = await self.session.call(tool, **arguments)
        self.steps.append(Step(words, tool, _size(arguments), _size(answer)))
        self.answers.append({"tool": tool, "arguments": arguments, "answer": answer})
        return answer

    async def spend(self, quote: dict[str, Any], most: int) -> dict[str, Any]:
        """Enrich what was quoted, for at most so many credits, and follow the run to its end."""
        named = {name: quote[name] for name in ("list_id", "scope", "quote_id")}
        run = await self.call("", "enrich_list", **named, max_credits=most, wait_seconds=45)
        while not run["finished"]:
            run = await self.call("", "workflow_status", workflow_id=run["workflow_id"], wait_seconds=45)
        return run

    @property
    def tokens(self) -> int:
        """The tokens of all answers."""
        return sum(step.answered for step in self.steps) // BYTES_OF_A_TOKEN


def _size(value: Any) -> int:
    return len(compact(value).encode())


Play = Callable[[Conversation], Awaitable[None]]


async def prospecting(talk: Conversation) -> None:
    """From a search to a file: whom to write to, for at most 60 credits."""
    found = await talk.call(
        "Who runs sales at software companies?",
        "search_people",
        management_levels=["VP"],
        departments=["Sales"],
        company_industries=["Software Development"],
    )
    made = await talk.call("Make a list of them.", "create_list", name="VP Sales, software")
    await talk.call("", "add_leads", list_id=made["list_id"], search_id=found["search_id"])
    quote = await talk.call(
        "Find their missing e-mail addresses, for at most 60 credits.",
        "estimate",
        list_id=made["list_id"],
        max_credits=60,
    )
    await talk.spend(quote, 60)
    await talk.call("Whom can I write to?", "get_leads", list_id=made["list_id"], only="with_email")
    await talk.call("What did it cost?", "credits_balance", by="list")
    await talk.call("Give me a file of it.", "export_list", list_id=made["list_id"], save_as="vp-sales.csv")


_SENIOR = ("chief", "founder", "vp", "vice president", "head", "director")


async def completing(talk: Conversation) -> None:
    """From a list to what is left: phones for the three most senior, within the limit for a day."""
    rows = await talk.call(
        "Who is in Q3 Prospects, and who lacks what?", "get_leads", list_id="Q3 Prospects", details=True
    )
    list_id = rows["list_id"]
    lacking = [lead for lead in rows["leads"] if "phone" not in lead]
    senior = [lead["lead_id"] for lead in sorted(lacking, key=_rank)[:3]]
    quote = await talk.call(
        "Find only the missing phones, for the three most senior.",
        "estimate",
        list_id=list_id,
        scope="phone_only",
        lead_ids=senior,
    )
    await talk.spend(quote, quote["estimated_cost"])
    await talk.call("What does Legend Labs do?", "enrich_company", domain="legendlabs.example")
    bare = await talk.call(
        "Take out the rows without anything.",
        "get_leads",
        list_id=list_id,
        only="missing_phone",
        details=True,
    )
    gone = [lead["lead_id"] for lead in bare["leads"] if "email" not in lead]
    await talk.call("", "remove_leads", list_id=list_id, lead_ids=gone)
    await talk.call("Put the first one back.", "add_leads", list_id=list_id, lead_ids=gone[:1])
    await talk.call("What is left?", "credits_balance", by="run")


def _rank(lead: dict[str, Any]) -> int:
    """Return a lead's place by seniority, as the title shows it."""
    title = lead.get("title", "").casefold()
    return next((place for place, word in enumerate(_SENIOR) if word in title), len(_SENIOR))


@dataclass(frozen=True)
class Script:
    """A conversation to be played: its title, how it goes, and the settings of its server."""

    title: str
    play: Play
    settings: dict[str, Any]


SCRIPTS = (
    Script("From a search to a file", prospecting, {}),
    Script("From a list to what is left", completing, {"daily_limit": 60}),
)


async def played(script: Script, folder: Path) -> Conversation:
    """Return a conversation after it was played."""
    world = World(folder / "state")
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    async with world.connect(csv_dir=files, **script.settings) as session:
        talk = Conversation(session, world)
        await script.play(talk)
    return talk


def table(title: str, talk: Conversation) -> str:
    """Return the steps of a conversation as a Markdown table."""
    lines = [
        f"**{title}**",
        "",
        "| what the user said | call | tokens asked | tokens answered |",
        "|---|---|---|---|",
    ]
    for step in talk.steps:
        asked, answered = (size // BYTES_OF_A_TOKEN for size in (step.asked, step.answered))
        lines.append(f"| {step.words} | `{step.tool}` | {asked} | {answered} |")
    asked = sum(step.asked for step in talk.steps) // BYTES_OF_A_TOKEN
    lines.append(f"| **{len(talk.steps)} calls** | | {asked} | **{talk.tokens}** |")
    return "\n".join(lines) + "\n"


async def tables(folder: Path) -> str:
    """Play all conversations and return their tables."""
    parts = [
        table(script.title, await played(script, folder / f"{number}"))
        for number, script in enumerate(SCRIPTS)
    ]
    return "\n".join(parts)


def main() -> None:
    """Print the tables."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(anyio.run(tables, Path(folder)), end="")


if __name__ == "__main__":
    main()
