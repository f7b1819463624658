"""A conversation that is played to a terminal: each call, what it answered, and the credits before and after it."""

import json
import shutil
import sys
import textwrap
from contextlib import suppress
from typing import Any

from mcp import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

SHOWN = 5
"""People of an answer that get a line of their own."""

_OF_A_PERSON = ("name", "title", "company", "email")
_NARROWEST, _WIDEST = 40, 100

# The balance is read again after these alone: the sandbox keeps the API's limit of 30 requests a minute.
_MOVES_CREDITS = frozenset({"enrich_person", "enrich_list", "workflow_status"})


class StepFailed(Exception):
    """A step did not do what it is there to show."""


class OutputClosed(OSError):
    """Nobody reads on (`cleanlist-mcp demo | head`), or nothing more can be written."""


class Story:
    """The conversation so far: calls tools, shows what they answered, and keeps the books."""

    def __init__(self, client: Client) -> None:
        self.steps = 0
        self._client = client
        self._balance: int | None = None

    async def step(self, words: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """Show the user's words, the call that they lead to and what it answered, and return the answer.

        Raises:
            StepFailed: if the call failed.
        """
        self.steps += 1
        say("")
        say(f"“{words}”", f"{self.steps}. ")
        show("call", f"{tool}({_short(arguments)})")
        before = await self._credits() if self._balance is None else self._balance
        answer = await self._answer(tool, arguments)
        show("answer", answer["summary"].removeprefix("Sandbox: "))
        for line in _details(answer):
            show("", line)
        after = await self._credits() if tool in _MOVES_CREDITS else before
        show("credits", f"{before} before, {after} after")
        self._balance = after
        return answer

    async def _answer(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = await self._client.call_tool(tool, arguments, progress_callback=_progress())
        answer: dict[str, Any] | None = result.structured_content
        if result.is_error or answer is None:
            raise StepFailed(f"{tool} answered {_text(result)}")
        return answer

    async def _credits(self) -> int:
        return int((await self._answer("credits_balance", {}))["credits"])


async def approve(context: Any, params: ElicitRequestParams) -> ElicitResult:
    """Show the server's question, and say yes."""
    with suppress(OutputClosed):  # the next step meets it
        show("dialog", params.message)
        show("", "The demo's user approves.")
    return ElicitResult(action="accept", content={"approve": True})


def _progress() -> ProgressFnT:
    async def note(progress: float, total: float | None, message: str | None) -> None:
        with suppress(OutputClosed):  # the SDK would log it; the next step meets it
            show("progress", message or f"{progress:g} of {total or 0:g}")

    return note


def _details(answer: dict[str, Any]) -> list[str]:
    """Return the few members that deserve a line of their own."""
    people = answer.get("people", answer.get("leads", []))
    lines = [", ".join(person[name] for name in _OF_A_PERSON if name in person) for person in people[:SHOWN]]
    if len(people) > SHOWN:
        lines.append(f"… and {len(people) - SHOWN} more")
    if "quote_id" in answer:
        lines.append(f"quote {answer['quote_id'][:24]}…, good for {answer['expires_in_seconds']} s")
    return lines


def _short(arguments: dict[str, Any]) -> str:
    parts = []
    for name, value in arguments.items():
        text = json.dumps(value, ensure_ascii=False)
        parts.append(f"{name}={text if len(text) <= 44 else text[:40] + '…' + chr(34)}")
    return ", ".join(parts)


def require(holds: bool, complaint: str) -> None:
    """Raise `StepFailed` with this complaint unless `holds`."""
    if not holds:
        raise StepFailed(complaint)


def _text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def show(label: str, text: str) -> None:
    """Write a line of a step, under its label."""
    say(text, f"   {label:<9}")


def say(text: str, head: str = "") -> None:
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
