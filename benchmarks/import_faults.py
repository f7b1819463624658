"""The cost of each fault of an import: `python -m benchmarks.import_faults` prints the table of docs/lists.md, and one
of calls that overlap.

Every cell of the first plays one `add_leads` three times: as it meets the fault, repeated, and repeated by a new
server on the same state folder, where the API takes a chunk at once or for 20 seconds. Those of the second play two
calls that overlap in one person: one as it meets the fault, the other, both again. The sandbox then shows what is in
the list.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from benchmarks.fault_matrix import DURATIONS, FAULTS
from cleanlist_mcp.calls import importing
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import CleanlistError
from cleanlist_mcp.server.boundary import CALL_SECONDS
from cleanlist_mcp.services import Services
from tests.support import VirtualNetwork, World

IMPORT_SECONDS = (0.0, 20.0)
ROUTE = "POST /lead-lists/*/csv-import"

PEOPLE = [
    {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"},
    {"email": "grace@fable.example"},
    {"linkedin_url": "https://www.linkedin.com/in/edsger-fable"},
]
OTHERS = [{"email": "barbara@fable.example"}, PEOPLE[1]]
"""People of another call, one of whom is in both."""


@dataclass
class Step:
    """One call: what it answered about the rows (`imported`, `unknown` or `refused`), and whether that was true."""

    said: str
    true: bool


@dataclass
class Cell:
    """The outcome for three people under one fault; `copies` is the most that anybody is in the list."""

    steps: list[Step] = field(default_factory=list)
    people: int = 0
    copies: int = 0

    def __str__(self) -> str:
        return " · ".join(step.said for step in self.steps) + f" ({self.copies})"


def make_world(folder: Path, import_seconds: float) -> World:
    """A world in virtual time in which the API takes so long for an import."""
    world = World(folder, import_seconds=import_seconds)
    world.sandbox.options.sleep = world.clock.sleep
    world.transport = VirtualNetwork(world.transport, world.clock)
    return world


async def play(folder: Path, kind: str, times: int, import_seconds: float, **options: Any) -> Cell:
    """One cell; `times` is how many requests of the first call meet the fault."""
    world = make_world(folder, import_seconds)
    list_id = world.sandbox.add_list("Imported")
    cell = Cell()
    async with world.services() as services:
        world.sandbox.faults.next(ROUTE, kind, times=times, **options)  # type: ignore[arg-type]
        cell.steps.append(await step(world, services, list_id))
        world.sandbox.faults.clear()
        cell.steps.append(await step(world, services, list_id))
    async with world.services() as services:
        cell.steps.append(await step(world, services, list_id))
        await world.clock.sleep(60)  # until everything that is under way has landed
    found = copies(world, list_id)
    cell.people, cell.copies = len(found), max(found.values(), default=0)
    return cell


async def play_overlap(folder: Path, kind: str, import_seconds: float, **options: Any) -> Cell:
    """One cell: a call all of whose requests meet the fault, another that overlaps with it, and both again."""
    world = make_world(folder, import_seconds)
    list_id = world.sandbox.add_list("Imported")
    cell = Cell()
    async with world.services() as services:
        world.sandbox.faults.next(ROUTE, kind, times=1000, **options)  # type: ignore[arg-type]
        cell.steps.append(await step(world, services, list_id))
        world.sandbox.faults.clear()
    async with world.services() as services:
        for people in (OTHERS, PEOPLE, OTHERS):
            cell.steps.append(await step(world, services, list_id, people))
            await world.clock.sleep(60)  # until everything that is under way has landed
    found = copies(world, list_id)
    cell.people, cell.copies = len(found), max(found.values(), default=0)
    return cell


async def step(
    world: World, services: Services, list_id: str, people: Sequence[Mapping[str, str]] = PEOPLE
) -> Step:
    """Do what `add_leads` does, and compare what it says with what the sandbox has or is importing just then."""
    rows = list(enumerate(people, 1))
    try:
        answer = await importing.add_people(Call(services, CALL_SECONDS), list_id, rows)
    except CleanlistError:
        return Step("refused", true=not arrived(world, list_id, people))
    count = arrived(world, list_id, people)
    said = {"imported": answer.imported, "unknown": answer.unknown or 0, "not sent": answer.not_sent or 0}
    whole = sum(said.values()) == len(people)
    true = said["imported"] <= count <= said["imported"] + said["unknown"]
    return Step(" and ".join(word for word, count in said.items() if count), true=whole and true)


def arrived(world: World, list_id: str, people: Sequence[Mapping[str, str]]) -> int:
    """Count those of these people who are in the list."""
    found = copies(world, list_id)
    names = (" ".join(one[part] for part in ("first_name", "last_name") if part in one) for one in people)
    return sum(
        (name or None, one.get("email"), one.get("linkedin_url")) in found
        for name, one in zip(names, people, strict=True)
    )


def copies(world: World, list_id: str) -> Counter[tuple[str | None, ...]]:
    """Count how often each person is in the list, imports under way included."""
    lead_list = world.sandbox.lists.get(world.sandbox.account(), list_id)
    arriving = [lead for _, leads in lead_list.arriving for lead in leads]
    rows = [lead.row() for lead in (*lead_list.leads.values(), *arriving)]
    return Counter((row["full_name"], row["email"], row["linkedin_url"]) for row in rows)


async def matrix(folder: Path) -> dict[tuple[str, str, float], Cell]:
    """All cells, by fault, duration and how long an import takes."""
    cells = {}
    for number, (name, kind, options) in enumerate(FAULTS):
        for duration, times in DURATIONS.items():
            for seconds in IMPORT_SECONDS:
                place = folder / f"{number}-{times}-{seconds:g}"
                cells[name, duration, seconds] = await play(place, kind, times, seconds, **options)
    return cells


async def overlaps(folder: Path) -> dict[tuple[str, float], Cell]:
    """The cells of the calls that overlap, by fault and how long an import takes."""
    cells = {}
    for number, (name, kind, options) in enumerate(FAULTS):
        for seconds in IMPORT_SECONDS:
            place = folder / f"overlap-{number}-{seconds:g}"
            cells[name, seconds] = await play_overlap(place, kind, seconds, **options)
    return cells


def table(cells: dict[tuple[str, str, float], Cell]) -> str:
    """The cells as a Markdown table."""
    columns = [(duration, seconds) for duration in DURATIONS for seconds in IMPORT_SECONDS]
    titles = [f"{duration}, import takes {seconds:g} s" for duration, seconds in columns]
    rows = {
        name: [str(cells[name, duration, seconds]) for duration, seconds in columns] for name, _, _ in FAULTS
    }
    return _markdown(titles, rows)


def overlap_table(cells: dict[tuple[str, float], Cell]) -> str:
    """The cells of the calls that overlap as a Markdown table."""
    titles = [f"import takes {seconds:g} s" for seconds in IMPORT_SECONDS]
    rows = {name: [str(cells[name, seconds]) for seconds in IMPORT_SECONDS] for name, _, _ in FAULTS}
    return _markdown(titles, rows)


def _markdown(titles: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = ["| fault | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(anyio.run(matrix, Path(folder))))
        print(overlap_table(anyio.run(overlaps, Path(folder))), end="")


if __name__ == "__main__":
    main()
