"""The findings of the doctor, and the report that is made of them.

Only the standard library is imported at the top: on a Python that is too old nothing else can be.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cleanlist_mcp import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OLDEST_PYTHON = (3, 11)
"""`requires-python` of pyproject.toml."""

RESTART = "then restart the client"
KEYS_PLACE = "the extension's settings or CLEANLIST_API_KEY"

_MARKS = {"problem": "PROBLEM", "warning": "warning", "ok": "ok"}
_NARROWEST, _WIDEST = 40, 96


@dataclass(frozen=True)
class Finding:
    """One thing that was checked. A `problem` keeps tools from working, a `warning` does not.

    `text` is what was found, `remedy` what the reader can do about it. Neither holds the key or a person's name.
    """

    level: Literal["problem", "warning", "ok"]
    subject: str
    text: str
    remedy: str = ""


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as plain ASCII text, problems first, each with its remedy, and a verdict at the end."""
    order = list(_MARKS)
    lines = [f"cleanlist-mcp {__version__} doctor", ""]
    for finding in sorted(findings, key=lambda one: order.index(one.level)):
        mark = f"{_MARKS[finding.level]:<9}"
        lines += _wrapped(mark, presentable(f"{finding.subject}: {finding.text}"))
        if finding.remedy:
            lines += _wrapped(" " * 9, presentable(f"What to do: {finding.remedy}"))
    lines += ["", *_wrapped("", _verdict(findings))]
    return "\n".join(lines) + "\n"


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 1 if there is a problem, else 0."""
    return int(any(finding.level == "problem" for finding in findings))


def presentable(text: str) -> str:
    """Return the text without secrets and in printable ASCII: old Windows consoles cannot print more, and terminals
    obey control characters."""
    if sys.version_info >= OLDEST_PYTHON:  # else there is no secret yet, and the module may not load
        from cleanlist_mcp.secrecy import blot

        text = blot(text)
    text = " ".join(text.split())
    plain = unicodedata.normalize("NFKD", text.replace("\u2192", ">").replace("\u2026", "..."))
    letters = "".join(char for char in plain if char.isprintable() and not unicodedata.combining(char))
    return letters.encode("ascii", "backslashreplace").decode("ascii")


def for_the_reader(next_step: str) -> str:
    """Return a next step for an assistant, addressed to the user whom it would ask, who runs the doctor already."""
    advice = next_step.removeprefix("Ask the user: ").removeprefix("Ask the user to ")
    advice = advice.replace("; `cleanlist-mcp doctor` says more", "")
    return advice[:1].upper() + advice[1:]


def _verdict(findings: Sequence[Finding]) -> str:
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if problems == 1:
        return "1 problem. Fix it before using the tools."
    if problems:
        return f"{problems} problems. Fix these before using the tools."
    if warnings:
        return f"The tools work. {warnings} {'warning' if warnings == 1 else 'warnings'}."
    return "The tools work."


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((_WIDEST, 0)).columns)),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
