"""Exactly one copy of each lead, whatever became of the answer, and no answer that says what is not so."""

import tempfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fault_matrix import FAULTS
from benchmarks.import_faults import (
    IMPORT_SECONDS,
    PEOPLE,
    ROUTE,
    copies,
    make_world,
    matrix,
    play,
    play_overlap,
    step,
    table,
)
from cleanlist_mcp.imports import chunks
from cleanlist_mcp.server.boundary import CALL_SECONDS
from tests.support import World

DOCS = Path(__file__).parents[1] / "docs" / "lists.md"


@pytest.mark.parametrize(("name", "kind", "options"), FAULTS, ids=[name for name, _, _ in FAULTS])
async def test_a_fault_while_an_import_takes_long_leaves_one_copy_of_each_lead(
    tmp_path: Path, name: str, kind: str, options: dict[str, Any]
) -> None:
    cell = await play(tmp_path, kind, 1, 20.0, **options)

    assert (cell.people, cell.copies) == (len(PEOPLE), 1)
    assert all(one.true for one in cell.steps)
    assert cell.steps[-1].said == "imported"


@pytest.mark.parametrize("import_seconds", IMPORT_SECONDS)
@pytest.mark.parametrize(("name", "kind", "options"), FAULTS, ids=[name for name, _, _ in FAULTS])
async def test_two_calls_that_overlap_leave_one_copy_of_each_lead_and_say_whom_they_do_not_know_of(
    tmp_path: Path, name: str, kind: str, options: dict[str, Any], import_seconds: float
) -> None:
    cell = await play_overlap(tmp_path, kind, import_seconds, **options)

    assert (cell.people, cell.copies) == (len(PEOPLE) + 1, 1)
    assert all(one.true for one in cell.steps)
    first, *rest = [one.said for one in cell.steps]
    refused = kind in ("refused", "rate_limited", "unavailable")
    assert first == ("refused" if refused else "unknown")
    assert rest == ["imported" if refused else "imported and unknown", "imported", "imported"]


@pytest.mark.long
async def test_every_fault_leaves_one_copy_of_each_lead_and_true_answers_as_the_docs_say(
    tmp_path: Path,
) -> None:
    cells = await matrix(tmp_path)

    assert len(cells) == 4 * len(FAULTS)
    for place, cell in cells.items():
        assert (cell.people, cell.copies) == (len(PEOPLE), 1), place
        assert all(one.true for one in cell.steps), place
        assert cell.steps[-1].said == "imported", place
    assert table(cells) in DOCS.read_text("utf-8")


faults = st.tuples(
    st.just("fault"), st.sampled_from(FAULTS), st.integers(1, 3), st.sampled_from([0.5, 1.0, 40.0])
)
events = st.one_of(
    faults,
    st.just(("restart",)),
    st.tuples(st.just("wait"), st.sampled_from([1, 12, 29, 31, 70])),
    st.tuples(st.just("abandon"), st.sampled_from([0.0, 3.0, 25.0, 45.0])),
    st.just(("call",)),
)


@settings(deadline=None, max_examples=12, database=None)
@given(st.lists(events, min_size=2, max_size=9), st.sampled_from([0.0, 8.0, 20.0, 27.0]), st.integers(1, 3))
async def test_no_order_of_faults_waits_cancelled_calls_and_restarts_makes_a_second_copy(
    order: list[tuple[Any, ...]], import_seconds: float, chunk_rows: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MAX_CHUNK_ROWS", chunk_rows)
        world = make_world(Path(folder), import_seconds)
        list_id = world.sandbox.add_list("Imported")

        rest = order
        while rest:
            rest = await _live(world, list_id, rest)
        await _finish(world, list_id)

        assert dict(copies(world, list_id)) == dict.fromkeys(copies(world, list_id), 1)
        assert len(copies(world, list_id)) == len(PEOPLE)


async def _live(world: World, list_id: str, order: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Play what happens to one server until it is started again, and return what comes after that."""
    async with world.services() as services:
        for number, (name, *details) in enumerate(order, 1):
            if name == "restart":
                return order[number:]
            if name == "wait":
                await world.clock.sleep(details[0])
            elif name == "abandon":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(step, world, services, list_id)
                    await world.clock.sleep(details[0])
                    tasks.cancel_scope.cancel()
            elif name == "fault":
                (_, kind, options), times, seconds = details
                world.sandbox.faults.next(ROUTE, kind, times=times, retry_after=seconds, **options)
            else:
                began = world.clock.monotonic()
                said = await step(world, services, list_id)
                assert said.true, said
                assert world.clock.monotonic() - began <= CALL_SECONDS
    return []


async def _finish(world: World, list_id: str) -> None:
    """Repeat the call, undisturbed, until everybody is there."""
    world.sandbox.faults.clear()
    async with world.services() as services:
        for _ in range(8):
            said = await step(world, services, list_id)
            assert said.true, said
            if said.said == "imported":
                break
            await world.clock.sleep(60)
        assert said.said == "imported"
        await world.clock.sleep(60)
