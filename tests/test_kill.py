"""Real processes that are killed, stopped, or started twice: nothing is paid twice, nothing paid is missing."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from pydantic import SecretStr

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import Settings
from tests.support import counted, text_of
from tests.test_stdio import Wire, call, posix, variables

pytestmark = [pytest.mark.long, posix]

PATHS = {
    "enrich_person": "/enrichment/person",
    "enrich_list": "/enrichment/bulk",
    "enrich_list, a part": "/enrichment/by-task",
}
COMPANY: dict[str, Any] = {"domain": "legendlabs.example"}
PERSON = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example", "wait_seconds": 5}


class Later(SystemClock):
    """The machine's clock, so far ahead that a request of a killed process counts as lost."""

    def time(self) -> float:
        return super().time() + 70

    def since_boot(self) -> tuple[str, float]:
        name, seconds = super().since_boot()
        return name, seconds + 70


@asynccontextmanager
async def started(folder: Path, sandbox: Sandbox, url: str, *command: str) -> AsyncIterator[Wire]:
    """A server process with a session; killed at the end, and after 30 seconds in any case."""
    where = {"CLEANLIST_API_KEY": sandbox.key, "CLEANLIST_BASE_URL": url}
    with anyio.fail_after(30):
        async with await anyio.open_process(
            [sys.executable, "-m", *command], env=variables(folder) | where, stderr=subprocess.DEVNULL
        ) as process:
            wire = Wire(process)
            await wire.shake_hands()
            yield wire
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def restarted(sandbox: Sandbox, url: str, folder: Path) -> AsyncIterator[Client]:
    """A new server on the same state folder, a minute later."""
    settings = Settings(api_key=SecretStr(sandbox.key), base_url=url, state_dir=folder)
    async with Client(build_server(settings, clock=Later())) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        text_of(await client.call_tool(tool, arguments)).removeprefix("Error: ")
    )
    return answer


async def ask_doomed(wire: Wire, number: int, tool: str, **arguments: Any) -> dict[str, Any] | None:
    """Call a tool of a process, and return its answer, or None if it dies over it."""
    try:
        await wire.send(call(number, tool, **arguments))
        answer = await wire.answer(number)
    except (anyio.IncompleteRead, anyio.BrokenResourceError):
        return None
    spoken: dict[str, Any] = json.loads(answer["result"]["content"][0]["text"].removeprefix("Error: "))
    return spoken


def spelt(quote: dict[str, Any]) -> dict[str, Any]:
    return {name: quote[name] for name in ("list_id", "scope", "quote_id")} | {"wait_seconds": 5}


def assert_nothing_is_missing(sandbox: Sandbox, newest: dict[str, Any], balance: dict[str, Any]) -> None:
    """Each run that really started is known by its id, or as one that may have started."""
    for run in sandbox.runs:
        assert newest.get("workflow_id", run.workflow_id) == run.workflow_id
        assert newest["status"] != "none"
        assert counted(balance) >= run.credits_charged > 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_person_is_paid_once_wherever_the_server_is_killed(
    tmp_path: Path, write: int, moment: str
) -> None:
    command = ("tests.killing_server", str(write), moment)
    sandbox = Sandbox(latency=0.1)
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, *command) as wire:
            assert await ask_doomed(wire, 1, "enrich_person", **PERSON) is None
            assert await wire.process.wait() == -signal.SIGKILL
        sent = len(sandbox.runs)
        async with restarted(sandbox, url, tmp_path) as client:
            answer = await ask(client, "enrich_person", **PERSON)
            newest = await ask(client, "workflow_status")
            balance = await ask(client, "credits_balance")

    assert sent == (0 if write == 1 else 1)
    assert_nothing_is_missing(sandbox, newest, balance)
    if (write, moment) == (1, "before"):
        assert not answer["replayed"]
    elif (write, moment) in ((1, "after"), (2, "before")):
        assert answer["error"]["charged"] == "unknown"
        assert len(sandbox.runs) == sent
    else:
        assert answer["replayed"]
        assert len(sandbox.runs) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2])
async def test_a_company_is_paid_once_wherever_the_server_is_killed(
    tmp_path: Path, write: int, moment: str
) -> None:
    command = ("tests.killing_server", str(write), moment)
    sandbox = Sandbox(latency=0.1)
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, *command) as wire:
            assert await ask_doomed(wire, 1, "enrich_company", **COMPANY) is None
            assert await wire.process.wait() == -signal.SIGKILL
        sent = sandbox.ledger().charged
        async with restarted(sandbox, url, tmp_path) as client:
            answer = await ask(client, "enrich_company", **COMPANY)
            newest = await ask(client, "workflow_status")
            balance = await ask(client, "credits_balance")

    assert sent == (0 if write == 1 else 1)
    assert counted(balance) == 1  # paid, or perhaps paid
    assert newest["kind"] == "company"
    if (write, moment) == (1, "before"):
        assert not answer["replayed"]  # nothing was written and nothing sent
        assert sandbox.ledger().charged == 1
    elif (write, moment) == (2, "after"):
        assert answer["replayed"] and answer["name"] == "Legend Labs"
        assert sandbox.ledger().charged == sent
    else:
        assert answer["error"]["charged"] == "unknown"
        assert sandbox.ledger().charged == sent


@pytest.mark.parametrize(("number", "status"), [(None, 0), (signal.SIGTERM, 143)])
async def test_a_company_that_was_asked_for_is_written_down_before_the_end(
    tmp_path: Path, number: signal.Signals | None, status: int
) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, "cleanlist_mcp") as wire:
            sandbox.faults.next("POST /enrichment/company", "slow", delay=1.0)
            await wire.send(call(2, "enrich_company", **COMPANY))
            with anyio.fail_after(30):
                while not sandbox.requests or sandbox.requests[-1].path != "/enrichment/company":  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert await wire.end(number) == status
        async with restarted(sandbox, url, tmp_path) as client:
            answer = await ask(client, "enrich_company", **COMPANY)

    assert answer["replayed"] and answer["name"] == "Legend Labs"
    assert sandbox.ledger().charged == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
@pytest.mark.parametrize("wishes", [{}, {"max_rows": 3}], ids=["whole", "part"])
async def test_a_list_is_paid_once_wherever_the_server_is_killed(
    tmp_path: Path, wishes: dict[str, int], write: int, moment: str
) -> None:
    command = ("tests.killing_server", str(write), moment)
    sandbox = Sandbox(latency=0.1)
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, *command) as wire:
            quote = await ask_doomed(wire, 1, "estimate", list_id="Q3 Prospects", **wishes)
            if quote is not None:
                assert await ask_doomed(wire, 2, "enrich_list", **spelt(quote)) is None
            assert await wire.process.wait() == -signal.SIGKILL
        sent = len(sandbox.runs)
        async with restarted(sandbox, url, tmp_path) as client:
            quote = quote or await ask(client, "estimate", list_id="Q3 Prospects", **wishes)
            answer = await ask(client, "enrich_list", **spelt(quote))
            newest = await ask(client, "workflow_status")
            balance = await ask(client, "credits_balance")

    assert sent == (0 if write < 3 else 1)
    assert len(sandbox.runs) == 1
    assert len(sandbox.runs[0].people) == quote["row_count"] == wishes.get("max_rows", 12)
    assert_nothing_is_missing(sandbox, newest, balance)
    if (write, moment) == (3, "before"):
        # The quote was sent, its answer was not written down: "already used" may be our own doing.
        assert answer["error"]["charged"] == "unknown"
    else:
        assert answer["replayed"] == (write > 2)


@pytest.mark.parametrize("tool", PATHS)
@pytest.mark.parametrize(("number", "status"), [(None, 0), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_spend_that_has_left_is_finished_and_written_down_before_the_end(
    tmp_path: Path, tool: str, number: signal.Signals | None, status: int
) -> None:
    sandbox = Sandbox()
    async with running(sandbox) as url:
        async with started(tmp_path, sandbox, url, "cleanlist_mcp") as wire:
            wishes = {"max_rows": 3} if tool.endswith("a part") else {}
            quote = await ask_doomed(wire, 1, "estimate", list_id="Q3 Prospects", **wishes)
            assert quote is not None
            sandbox.faults.next(f"POST {PATHS[tool]}", "slow", delay=1.0)
            arguments = PERSON if tool == "enrich_person" else spelt(quote)
            await wire.send(call(2, tool.partition(",")[0], **arguments))
            with anyio.fail_after(30):
                while sandbox.requests[-1].path != PATHS[tool]:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert await wire.end(number) == status
        async with restarted(sandbox, url, tmp_path) as client:
            newest = await ask(client, "workflow_status", wait_seconds=0)

    assert [run.workflow_id for run in sandbox.runs] == [newest["workflow_id"]]


async def test_two_processes_with_one_quote_start_one_run(tmp_path: Path) -> None:
    sandbox = Sandbox()
    answers: list[Any] = []
    async with (
        running(sandbox) as url,
        started(tmp_path, sandbox, url, "cleanlist_mcp") as one,
        started(tmp_path, sandbox, url, "cleanlist_mcp") as other,
    ):
        quote = await ask_doomed(one, 1, "estimate", list_id="Q3 Prospects")
        assert quote is not None
        sandbox.faults.next("POST /enrichment/bulk", "slow", delay=0.5)
        arguments = spelt(quote)

        async def spend(wire: Wire) -> None:
            answers.append(await ask_doomed(wire, 2, "enrich_list", **arguments))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spend, one)
            tasks.start_soon(spend, other)

    assert sorted(answer["replayed"] for answer in answers) == [False, True]
    assert {answer["workflow_id"] for answer in answers} == {sandbox.runs[0].workflow_id}
    assert len(sandbox.runs) == 1
