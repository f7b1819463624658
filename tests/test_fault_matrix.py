"""Every fault of the API, at every paid tool: at most one run, never a wrong word about charging."""

from pathlib import Path

import pytest
from mcp import Client

from benchmarks.fault_matrix import (
    DURATIONS,
    EVENTS,
    PAID_FAULTS,
    TOOLS,
    Cell,
    event_table,
    events,
    matrix,
    play,
    play_event,
    table,
)
from cleanlist_mcp.server.build import build_server
from tests.support import World, error_of

DOCS = Path(__file__).parents[1] / "docs" / "money.md"
WORST = (
    *("500 after the work", "reset before the work", "no answer, work done", "truncated 200"),
    *("a gateway sends it twice, second answer", "the same, and the answer names the run"),
    "the answer to an earlier request",
)
NAMES_THE_RUN = ("truncated 200", "the same, and the answer names the run")
CERTAIN = ("connection refused", "429", "503, retryable")


def check(cell: Cell, *, certain: bool) -> None:
    """Check what must hold in every cell."""
    assert [step.runs for step in cell.steps] == sorted(step.runs for step in cell.steps)
    assert cell.steps[-1].runs == len(cell.real_ids) <= 1
    for step in cell.steps:
        # A refusal that is certain, a run that exists, or plain ignorance: nothing else is said.
        assert step.said in ("run", "same", "unknown", "no")
        assert step.said != "no" or step.runs == 0
        assert step.said not in ("run", "same") or [step.workflow_id] == cell.real_ids
        assert step.said != "unknown" or not certain
    assert [step.said for step in cell.steps].count("run") <= 1
    if cell.real_ids:
        assert cell.found == "entry" or [cell.shown_id] == cell.real_ids
    assert (cell.found == "entry") == (cell.steps[-1].said == "unknown")


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("fault", WORST)
async def test_a_lost_answer_starts_one_run_at_most_and_is_called_unknown(
    tmp_path: Path, fault: str, tool: str
) -> None:
    kind, options = next((kind, options) for name, kind, options in PAID_FAULTS if name == fault)

    cell = await play(tmp_path, tool, kind, DURATIONS["once"], **options)

    check(cell, certain=False)
    resolved = fault in NAMES_THE_RUN or (tool != "enrich_person" and fault == "reset before the work")
    if tool == "enrich_company":
        # It has no run that an answer could name; an earlier answer has none of another.
        resolved = fault == "the answer to an earlier request"
    assert cell.found == ("id" if resolved else "entry")


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", [name for name, _, _ in EVENTS])
async def test_nothing_that_happens_to_the_files_or_the_clock_starts_a_run_twice(
    tmp_path: Path, name: str, tool: str
) -> None:
    kind, event = next((kind, event) for known, kind, event in EVENTS if known == name)

    check_event(await play_event(tmp_path, tool, kind, event), lost=bool(kind))


def check_event(cell: Cell, *, lost: bool) -> None:
    """Check what must hold in every cell of the second table."""
    said = [step.said for step in cell.steps]
    assert len(cell.real_ids) == 1
    assert said[:2] == (["unknown", "unknown"] if lost else ["run", "same"])
    assert said[2] in (["unknown"] if lost else ["same", "no"])  # "no": the journal cannot be used


@pytest.mark.long
async def test_every_event_stands_in_the_docs(tmp_path: Path) -> None:
    assert event_table(await events(tmp_path)) in DOCS.read_text("utf-8")


@pytest.mark.long
async def test_every_cell_of_the_matrix_keeps_the_promise_and_stands_in_the_docs(tmp_path: Path) -> None:
    cells = await matrix(tmp_path)

    for (fault, _, _), cell in cells.items():
        check(cell, certain=fault in CERTAIN)
    assert len(cells) == len(PAID_FAULTS) * len(TOOLS) * len(DURATIONS)
    assert table(cells) in DOCS.read_text("utf-8")


async def test_a_hung_request_is_given_up_after_its_own_seconds_by_the_real_clock(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.sandbox.faults.next("POST /enrichment/person", "hang_after")
    async with Client(build_server(world.settings(timeout_seconds=0.2), world.transport)) as client:
        result = await client.call_tool("enrich_person", {"email": "ada@fable.example", "wait_seconds": 0})

    error = error_of(result)
    assert (error["code"], error["charged"]) == ("outcome_unknown", "unknown")
    assert len(world.sandbox.runs) == 1
