"""What each fault of the API costs: `python -m benchmarks.fault_matrix` prints the table of docs/money.md.

Every cell plays one paid call three times: as it meets the fault, repeated, and repeated by a new server on
the same state folder. The sandbox then tells how many runs really started.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from tests.support import Session, VirtualNetwork, World, error_of

FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("connection refused", "refused", {}),
    ("429", "rate_limited", {}),
    ("503, retryable", "unavailable", {}),
    ("500 before the work", "server_error", {}),
    ("500 after the work", "server_error", {"after": True}),
    ("reset before the work", "reset_before", {}),
    ("reset after the work", "reset_after", {}),
    ("no answer, work not done", "hang_before", {}),
    ("no answer, work done", "hang_after", {}),
    ("unreadable 200", "unreadable", {}),
    ("truncated 200", "truncated", {}),
    ("HTML 502 before the work", "bad_gateway", {}),
    ("HTML 502 after the work", "bad_gateway", {"after": True}),
)
TOOLS = {"enrich_person": "/enrichment/person", "enrich_list": "/enrichment/bulk"}
DURATIONS = {"once": 1, "whole call": 1000}

PERSON = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example", "wait_seconds": 0}

_CORE = frozenset({"core"})


@dataclass
class Step:
    """One call: what it said (`run`, `same`, `no` or `unknown`), and how many runs there were after it.

    `workflow_id` is the run that the answer names.
    """

    said: str
    runs: int
    workflow_id: str | None


@dataclass
class Cell:
    """What became of one paid call under one fault.

    `found` is what workflow_status shows in the end: `id`, `entry` (an uncertain one) or `nothing`; `shown_id` is
    the id in it. `real_ids` are the runs that the sandbox has.
    """

    steps: list[Step] = field(default_factory=list)
    found: str = ""
    shown_id: str | None = None
    real_ids: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = " · ".join(step.said for step in self.steps)
        return f"{said} ({self.steps[-1].runs}, {self.found})"


async def play(folder: Path, tool: str, kind: str, times: int, **options: Any) -> Cell:
    """One cell, in virtual time; `times` is how many requests of the first call meet the fault."""
    world = World(folder)
    world.transport = VirtualNetwork(world.transport, world.clock)
    cell = Cell()
    async with world.connect(toolsets=_CORE) as session:
        arguments = PERSON if tool == "enrich_person" else await world.quote(session)
        world.sandbox.faults.next(f"POST {TOOLS[tool]}", kind, times=times, **options)  # type: ignore[arg-type]
        cell.steps.append(await _step(world, session, tool, arguments))
        world.sandbox.faults.clear()
        cell.steps.append(await _step(world, session, tool, arguments))
    async with world.connect(toolsets=_CORE) as session:
        cell.steps.append(await _step(world, session, tool, arguments))
        newest = await session.call("workflow_status", wait_seconds=0)
    cell.found = {"unknown": "entry", "none": "nothing"}.get(newest["status"], "id")
    cell.shown_id = newest.get("workflow_id")
    cell.real_ids = [run.workflow_id for run in world.sandbox.runs]
    return cell


async def matrix(folder: Path) -> dict[tuple[str, str, str], Cell]:
    """All cells, by fault, tool and duration."""
    cells = {}
    for number, (name, kind, options) in enumerate(FAULTS):
        for tool in TOOLS:
            for duration, times in DURATIONS.items():
                place = folder / f"{number}-{tool}-{times}"
                cells[name, tool, duration] = await play(place, tool, kind, times, **options)
    return cells


def table(cells: dict[tuple[str, str, str], Cell]) -> str:
    """The cells as a Markdown table."""
    columns = [(tool, duration) for tool in TOOLS for duration in DURATIONS]
    lines = [
        "| fault | " + " | ".join(f"`{tool}`, {duration}" for tool, duration in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, _, _ in FAULTS:
        row = [str(cells[name, tool, duration]) for tool, duration in columns]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


async def _step(world: World, session: Session, tool: str, arguments: dict[str, Any]) -> Step:
    result = await session.result(tool, **arguments)
    runs = len(world.sandbox.runs)
    if result.is_error:
        return Step(error_of(result)["charged"], runs, None)
    report = result.structured_content or {}
    return Step("same" if report["replayed"] else "run", runs, report["workflow_id"])


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(anyio.run(matrix, Path(folder))), end="")


if __name__ == "__main__":
    main()
