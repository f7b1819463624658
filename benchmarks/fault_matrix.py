"""The cost of each fault: `python -m benchmarks.fault_matrix` prints the two tables of docs/money.md.

Every cell plays one paid call three times: as it meets the fault, repeated, and repeated by a new server on
the same state folder. The sandbox then counts how many runs really started. The first table has faults of the network
and the API, the second what happens to the journal's files and to the clock after a call that worked.
"""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.money.limits import DAY
from tests.journals import open_journal
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
"""Faults that any request can meet."""

PAID_FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *FAULTS,
    ("a gateway sends it twice, second answer", "sent_twice", {}),
    ("the same, and the answer names the run", "sent_twice", {"names_run": True}),
    ("the answer to an earlier request", "earlier_answer", {}),
)
PART = "enrich_list, a part"
TOOLS = {
    "enrich_person": "/enrichment/person",
    "enrich_list": "/enrichment/bulk",
    PART: "/enrichment/by-task",
    "enrich_company": "/enrichment/company",
}
"""Paid calls and the paths that they spend at. A list is enriched whole, or in part."""

DURATIONS = {"once": 1, "whole call": 1000}

PERSON = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example", "wait_seconds": 0}

COMPANY = {"domain": "legendlabs.example"}
COMPANY_RUN = "the company"
"""A placeholder for the id of a company lookup, which has none."""

_TOOLSETS = frozenset({"core", "prospecting"})


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
    """The outcome of one paid call under one fault.

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
    async with world.connect(toolsets=_TOOLSETS) as session:
        if kind == "earlier_answer":
            await session.call("enrich_person", email="petra.vogel@else.example", wait_seconds=0)
        earlier = len(_paid(world, tool))
        arguments = await _arguments(world, session, tool)
        world.sandbox.faults.next(f"POST {TOOLS[tool]}", kind, times=times, **options)  # type: ignore[arg-type]
        cell.steps.append(await _step(world, session, tool, arguments, earlier))
        world.sandbox.faults.clear()
        cell.steps.append(await _step(world, session, tool, arguments, earlier))
    async with world.connect(toolsets=_TOOLSETS) as session:
        cell.steps.append(await _step(world, session, tool, arguments, earlier))
        newest = await session.call("workflow_status", wait_seconds=0)
    cell.found = {"unknown": "entry", "none": "nothing"}.get(newest["status"], "id")
    found_company = newest.get("kind") == "company" and newest["status"] == "completed"
    cell.shown_id = COMPANY_RUN if found_company else newest.get("workflow_id")
    cell.real_ids = _paid(world, tool)[earlier:]
    return cell


async def _arguments(world: World, session: Session, tool: str) -> dict[str, Any]:
    """Return the arguments of a paid call."""
    if tool == "enrich_person":
        return PERSON
    if tool == "enrich_company":
        return COMPANY
    wishes: dict[str, Any] = {"max_rows": 5} if tool == PART else {}
    return await world.quote(session, **wishes)


def _paid(world: World, tool: str) -> list[str]:
    """Return what the API has started: the ids of runs, or for companies one entry for each credit that was taken."""
    if tool == "enrich_company":
        return [COMPANY_RUN] * (world.sandbox.ledger().charged - _charged_for_people(world))
    return [run.workflow_id for run in world.sandbox.runs]


def _charged_for_people(world: World) -> int:
    return sum(run.credits_charged or 0 for run in world.sandbox.runs)


async def _nothing(world: World) -> None:
    pass


async def _lose_side_files(world: World) -> None:
    for suffix in ("-wal", "-shm"):
        (world.folder / f"{FILE_NAME}{suffix}").unlink()


async def _put_copy_back(world: World) -> None:
    path = world.folder / FILE_NAME
    side_file = path.with_name(f"{FILE_NAME}-wal")
    # Soon after each write a thread of the journal has copied all of it into the main file.
    while side_file.stat().st_size:  # noqa: ASYNC110 - that thread sets no event
        await anyio.sleep(0.01)
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


async def _put_empty_copy_back(world: World) -> None:
    fresh = world.folder / "fresh"
    await open_journal(fresh, world.clock, "api", "key").close()
    (fresh / FILE_NAME).rename(world.folder / FILE_NAME)


def _set_clock(seconds: float) -> "Event":
    async def event(world: World) -> None:
        world.clock.epoch += seconds

    return event


async def _look_ahead(world: World) -> None:
    world.clock.epoch += 100 * DAY
    async with world.connect(toolsets=_TOOLSETS) as session:
        await session.call("estimate", list_id="Q3 Prospects", scope="partial")
    world.clock.epoch -= 100 * DAY


Event = Callable[[World], Awaitable[None]]

EVENTS: tuple[tuple[str, str, Event], ...] = (
    ("nothing", "", _nothing),
    ("the side files of the journal are removed", "", _lose_side_files),
    ("the journal is replaced by a copy of it", "", _put_copy_back),
    ("the journal is replaced by another one", "", _put_empty_copy_back),
    ("the clock is 100 days ahead for one estimate", "", _look_ahead),
    ("its answer is lost, and the clock is set 20 minutes ahead", "reset_after", _set_clock(1200)),
    ("its answer is lost, and the clock is set two days back", "reset_after", _set_clock(-2 * DAY)),
)


async def play_event(folder: Path, tool: str, kind: str, event: Event) -> Cell:
    """One cell of the second table: a call that meets the fault `kind`, if any; the event; the call again, and again
    from a new server."""
    world = World(folder)
    world.transport = VirtualNetwork(world.transport, world.clock)
    cell = Cell()
    async with world.connect(toolsets=_TOOLSETS) as session:
        arguments = await _arguments(world, session, tool)
        if kind:
            world.sandbox.faults.next(f"POST {TOOLS[tool]}", kind, times=1000)  # type: ignore[arg-type]
        cell.steps.append(await _step(world, session, tool, arguments))
        world.sandbox.faults.clear()
        await event(world)
        cell.steps.append(await _step(world, session, tool, arguments))
    async with world.connect(toolsets=_TOOLSETS) as session:
        cell.steps.append(await _step(world, session, tool, arguments))
    cell.real_ids = _paid(world, tool)
    return cell


async def events(folder: Path) -> dict[tuple[str, str], Cell]:
    """All cells of the second table, by event and tool."""
    return {
        (name, tool): await play_event(folder / f"{number}-{tool}", tool, kind, event)
        for number, (name, kind, event) in enumerate(EVENTS)
        for tool in TOOLS
    }


def event_table(cells: dict[tuple[str, str], Cell]) -> str:
    """The cells of the second table in Markdown."""
    lines = [
        "| after the first call | " + " | ".join(_title(tool) for tool in TOOLS) + " |",
        "|---" * (len(TOOLS) + 1) + "|",
    ]
    for name, _, _ in EVENTS:
        row = [
            " · ".join(step.said for step in cells[name, tool].steps)
            + f" ({len(cells[name, tool].real_ids)})"
            for tool in TOOLS
        ]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _title(tool: str) -> str:
    name, _, which = tool.partition(", ")
    return f"`{name}`" + (f" ({which})" if which else "")


async def matrix(folder: Path) -> dict[tuple[str, str, str], Cell]:
    """All cells, by fault, tool and duration."""
    cells = {}
    for number, (name, kind, options) in enumerate(PAID_FAULTS):
        for tool in TOOLS:
            for duration, times in DURATIONS.items():
                place = folder / f"{number}-{tool}-{times}"
                cells[name, tool, duration] = await play(place, tool, kind, times, **options)
    return cells


def table(cells: dict[tuple[str, str, str], Cell]) -> str:
    """The cells as a Markdown table."""
    columns = [(tool, duration) for tool in TOOLS for duration in DURATIONS]
    lines = [
        "| fault | " + " | ".join(f"{_title(tool)}, {duration}" for tool, duration in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, _, _ in PAID_FAULTS:
        row = [str(cells[name, tool, duration]) for tool, duration in columns]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


async def _step(
    world: World, session: Session, tool: str, arguments: dict[str, Any], earlier: int = 0
) -> Step:
    result = await session.result(tool.partition(",")[0], **arguments)
    runs = len(_paid(world, tool)) - earlier
    if result.is_error:
        return Step(error_of(result)["charged"], runs, None)
    report = result.structured_content or {}
    which = COMPANY_RUN if tool == "enrich_company" else report["workflow_id"]
    return Step("same" if report["replayed"] else "run", runs, which)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(anyio.run(matrix, Path(folder) / "faults")))
        print(event_table(anyio.run(events, Path(folder) / "events")), end="")


if __name__ == "__main__":
    main()
