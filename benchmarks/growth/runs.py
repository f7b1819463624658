"""The growth of what reads the journal, by the runs in it: over journals of 88 days, in this process."""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from benchmarks.growth.page import Grown, Topic
from benchmarks.journal import claimed, copy_runs_in, paid, services_over
from cleanlist_mcp.calls import account
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.services import Services

SIZES = (100, 10_000, 100_000, 1_000_000)
BLOCK = 20
"""Times that a step is done before it is the next journal's turn."""

OPEN, STATUS = "open the journal and read the newest run, ms", "workflow_status without an id, ms"
BALANCE, CLAIM = "credits_balance, ms", "the claim of a person, ms"
FIRST = "the first claim after opening it, ms"
NAME = "the list of a name that a run used, ms"
RUNS = Topic(
    "runs",
    "How long the journal takes, by the runs in it",
    "Opening the journal, the first claim after it, the newest runs, the balance with what was spent, and any other "
    "claim, over journals of a hundred to a million runs.",
    "runs in the journal",
    "milliseconds",
    (OPEN, FIRST, STATUS, BALANCE, CLAIM, NAME),
    {
        OPEN: "open it",
        FIRST: "first claim",
        STATUS: "newest runs",
        BALANCE: "credits_balance",
        CLAIM: "any other claim",
        NAME: "list of a name",
    },
)

Step = Callable[[Services], Awaitable[object]]
STEPS: Mapping[str, Step] = {
    STATUS: lambda services: RunFollower(Call(services, 50)).newest(0),
    BALANCE: account.balance,
    CLAIM: lambda services: claimed(services.journal),
    NAME: lambda services: services.journal.list_named("MCP Results"),
}


def measured(quick: bool) -> Grown:
    """Return the figures, all journals in turns."""
    sizes, rounds = (SIZES[:2], 2) if quick else (SIZES, 4)
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_measured, Path(folder), sizes, rounds)


async def _measured(folder: Path, sizes: tuple[int, ...], rounds: int) -> Grown:
    grown, sandbox = Grown(RUNS), Sandbox(rate_limits=False)
    async with anyio.create_task_group() as tasks:
        for size in sizes:
            await _fill(sandbox, folder / str(size), size, tasks)
        async with AsyncExitStack() as stack:
            opened = {size: services_over(sandbox, folder / str(size), tasks) for size in sizes}
            for services in opened.values():
                stack.push_async_callback(services.aclose)
            for turn in range(rounds + 1):
                figures = Grown(RUNS) if turn == 0 else grown  # the first round loads what steps need
                for size, services in opened.items():
                    for row, took in (await _opening(sandbox, folder / str(size), tasks)).items():
                        figures.add(row, size, took)
                    for row, step in STEPS.items():
                        figures.add(row, size, await _block(step, services))
    return grown


async def _fill(sandbox: Sandbox, folder: Path, size: int, tasks: TaskGroup) -> None:
    services = services_over(sandbox, folder, tasks)
    await paid(services.journal)
    await services.aclose()
    copy_runs_in(folder, size)


async def _opening(sandbox: Sandbox, folder: Path, tasks: TaskGroup) -> dict[str, float]:
    """Return the milliseconds of the first read and of the first claim over a journal that nobody had open here."""
    services = services_over(sandbox, folder, tasks)
    began = time.perf_counter()
    await services.journal.recent(1)
    opened = time.perf_counter()
    await claimed(services.journal)
    took = {OPEN: opened - began, FIRST: time.perf_counter() - opened}
    await services.aclose()
    return {row: seconds * 1000 for row, seconds in took.items()}


async def _block(step: Step, services: Services) -> float:
    """Return the median milliseconds of a step."""
    times = []
    for _ in range(BLOCK):
        began = time.perf_counter()
        await step(services)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)
