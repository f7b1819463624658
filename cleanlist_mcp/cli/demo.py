"""`cleanlist-mcp demo`: a real client starts the real server on the sandbox and plays a whole job."""

import json
import shutil
import sys
import textwrap
import time
from contextlib import suppress
from typing import Any, TypeVar

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.dispatcher import ProgressFnT
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

PEOPLE = [
    {"first_name": first, "last_name": last, "company_name": company, "domain": domain, "title": title}
    for first, last, company, domain, title in (
        ("Amara", "Okafor", "Lumen Freight", "lumenfreight.example", "Head of Operations"),
        ("Jonas", "Lindqvist", "Nordsten", "nordsten.example", "VP Sales"),
        ("Mei", "Tanaka", "Harbor Analytics", "harboranalytics.example", "Data Lead"),
        ("Lucía", "Ferrán", "Soluna Foods", "soluna.example", "Purchasing Manager"),
        ("Tomasz", "Zieliński", "Bursztyn Labs", "bursztyn.example", "CTO"),
        ("Priya", "Raman", "Cobalt Retail", "cobaltretail.example", "Marketing Director"),
        ("Elif", "Demir", "Anadolu Textiles", "anadolutextiles.example", "Founder"),
        ("Noah", "Bergström", "Fjell Outdoor", "fjell.example", "Head of Growth"),
        ("Chloé", "Marchand", "Atelier Verre", "atelierverre.example", "CEO"),
        ("Kwame", "Boateng", "Volta Solar", "voltasolar.example", "Sales Engineer"),
        ("Ingrid", "Nobody", "Quiet Harbour", "quietharbour.example", "Archivist"),
        ("Rafael", "Moreira", "Ponte Logistics", "ponte.example", "Fleet Manager"),
    )
]
"""Twelve people who do not exist; the sandbox finds nothing for anybody called Nobody."""

_NARROWEST, _WIDEST = 40, 100

# The balance is read again after these alone: the sandbox keeps the API's limit of 30 requests a minute.
_MOVES_CREDITS = frozenset({"enrich_person", "enrich_list", "workflow_status", "credits_balance"})


class StepFailed(Exception):
    """A step did not do what it is there to show."""


class OutputClosed(OSError):
    """Nobody reads on (`cleanlist-mcp demo | head`), or nothing more can be written."""


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
        _say("")
        _say(f"The demo stopped: {'; '.join(complaints)}")
    return 1 if complaints else 0


def _leaves(group: BaseExceptionGroup[LeafT]) -> list[LeafT]:
    leaves: list[LeafT] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


async def _play() -> None:
    began = time.monotonic()
    server = StdioServerParameters(command=sys.executable, args=["-m", "cleanlist_mcp", "--sandbox"])
    _say("Cleanlist demo: a real client and server on the sandbox. The data is made up, nothing is charged.")
    async with Client(stdio_client(server), elicitation_callback=_approve) as client:
        story = _Story(client)
        await _tell(story)
    _say("")
    _say(
        f"Done in {time.monotonic() - began:.1f} s: {story.steps} steps, "
        f"{story.spent} credits spent, every one accounted for."
    )


async def _tell(story: "_Story") -> None:
    await story.step("Who am I?", "whoami")
    start = (await story.step("How many credits are left?", "credits_balance"))["credits"]
    person = await story.step(
        "Find Ada's e-mail address and phone number.",
        "enrich_person",
        first_name="Ada",
        last_name="Fable",
        domain="fable.example",
        scope="full",
    )
    _check(person["finished"], "the person's run did not end within the wait")
    made = await story.step(
        "Make a list for the twelve people we spoke about.", "create_list", name="Q4 Outreach"
    )
    added = await story.step("Put them into it.", "add_leads", list_id=made["list_id"], people=PEOPLE)
    _check(added["imported"] == len(PEOPLE), "not all twelve people were imported")
    quote = await story.step("What would their e-mail addresses cost?", "estimate", list_id=made["list_id"])
    run = await story.step(
        "Yes, go ahead.",
        "enrich_list",
        list_id=quote["list_id"],
        scope=quote["scope"],
        quote_id=quote["quote_id"],
        max_credits=quote["estimated_cost"],
    )
    done = await story.step(
        "Is it finished?", "workflow_status", workflow_id=run["workflow_id"], wait_seconds=45
    )
    _check(done["finished"], "the list run did not end within the wait")
    await story.step(
        "Show me what was found.", "get_leads", list_id=quote["list_id"], only="with_email", limit=12
    )
    end = (await story.step("What is left now?", "credits_balance"))["credits"]
    story.spent = start - end
    charged = person["credits"]["charged"] + done["credits"]["charged"]
    _check(charged == story.spent, f"{story.spent} credits left the account, {charged} were accounted for")


class _Story:
    """The conversation so far: calls tools, shows what they answered, and keeps the books."""

    def __init__(self, client: Client) -> None:
        self.steps = 0
        self.spent = 0
        self._client = client
        self._balance: int | None = None

    async def step(self, words: str, tool: str, **arguments: Any) -> dict[str, Any]:
        self.steps += 1
        _say("")
        _say(f"“{words}”", f"{self.steps}. ")
        _show("call", f"{tool}({_short(arguments)})")
        before = await self._credits() if self._balance is None else self._balance
        result = await self._client.call_tool(tool, arguments, progress_callback=_progress())
        answer: dict[str, Any] | None = result.structured_content
        if result.is_error or answer is None:
            raise StepFailed(f"{tool} answered {_text(result)}")
        _show("answer", answer["summary"].removeprefix("Sandbox: "))
        for line in _details(answer):
            _show("", line)
        after = await self._credits() if tool in _MOVES_CREDITS else before
        _show("credits", f"{before} before, {after} after")
        self._balance = after
        return answer

    async def _credits(self) -> int:
        result = await self._client.call_tool("credits_balance", {})
        if result.structured_content is None:
            raise StepFailed(f"credits_balance answered {_text(result)}")
        return int(result.structured_content["credits"])


async def _approve(context: Any, params: ElicitRequestParams) -> ElicitResult:
    with suppress(OutputClosed):  # the next step meets it
        _show("dialog", params.message)
        _show("", "The demo's user approves.")
    return ElicitResult(action="accept", content={"approve": True})


def _progress() -> ProgressFnT:
    async def show(progress: float, total: float | None, message: str | None) -> None:
        with suppress(OutputClosed):  # the SDK would log it; the next step meets it
            _show("progress", message or f"{progress:g} of {total or 0:g}")

    return show


def _details(answer: dict[str, Any]) -> list[str]:
    """Return the few members that deserve a line of their own."""
    lines = []
    person = answer.get("person")
    if person:
        lines.append(
            ", ".join(str(person[name]) for name in ("name", "title", "email", "phone") if name in person)
        )
    for lead in answer.get("leads", []):
        lines.append(", ".join(lead[name] for name in ("name", "company", "email") if name in lead))
    if "quote_id" in answer:
        lines.append(f"quote {answer['quote_id'][:24]}…, good for {answer['expires_in_seconds']} s")
    for row in answer.get("skipped_rows", []):
        lines.append(f"row {row['row']}: {row['reason']}")
    return lines


def _short(arguments: dict[str, Any]) -> str:
    parts = []
    for name, value in arguments.items():
        text = f"[{len(value)} people]" if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
        parts.append(f"{name}={text if len(text) <= 44 else text[:40] + '…' + chr(34)}")
    return ", ".join(parts)


def _check(holds: bool, complaint: str) -> None:
    if not holds:
        raise StepFailed(complaint)


def _text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def _show(label: str, text: str) -> None:
    _say(text, f"   {label:<9}")


def _say(text: str, head: str = "") -> None:
    """Write a line, or as many as the terminal needs, each set in as far as `head` is long."""
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((_WIDEST, 0)).columns))
    shown = textwrap.fill(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    try:
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()
    except OSError as exc:
        raise OutputClosed(exc.errno, exc.strerror) from exc
