"""The end of a service under load, as a deploy brings it: a real process, clients of both eras, nothing lost."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import SecretStr

from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from tests.support import ERAS, text_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM"),
]


@asynccontextmanager
async def process(base_url: str, folder: Path) -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    """A service of its own, and where it is."""
    command = [sys.executable, "-m", "cleanlist_mcp", "serve", "--http", "--port", "0"]
    variables = {"CLEANLIST_BASE_URL": base_url, "CLEANLIST_STATE_DIR": str(folder), "PATH": os.defpath}
    service = subprocess.Popen(  # noqa: ASYNC220 - it starts and is not waited for
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout is not None
        line = await asyncio.to_thread(service.stdout.readline)
        yield service, line.split()[-1]
    finally:
        service.kill()
        service.communicate()


@asynccontextmanager
async def connected(url: str, key: str, mode: str) -> AsyncIterator[Client]:
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=cast(Any, mode)) as client,
    ):
        yield client


async def until_not_ready(http: httpx.AsyncClient, url: str) -> None:
    while (await http.get(url.replace("/mcp", "/readyz"))).status_code == 200:  # noqa: ASYNC110 - as below
        await asyncio.sleep(0.02)


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - the process has no event for it
        await asyncio.sleep(0.01)


async def test_a_deploy_under_load_loses_no_answer(tmp_path: Path) -> None:
    sandbox = Sandbox(latency=4.0, rate_limits=False)
    keys = {mode: sandbox.add_account(f"user{mode}") for mode in ERAS}
    answers: list[str] = []

    async with running(sandbox) as base_url, process(base_url, tmp_path) as (service, url):
        ready = url.replace("/mcp", "/readyz")

        async def wait_for_a_run(mode: str, number: int) -> None:
            async with connected(url, keys[mode], mode) as client:
                await (
                    client.list_tools()
                )  # the client would look at the answer's schema afterwards, with nobody there
                result = await client.call_tool(
                    "enrich_person", {"email": f"{mode}{number}@load.example", "wait_seconds": 20}
                )
                answers.append(text_of(result))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as calls, httpx.AsyncClient() as http:
                for mode in ERAS:
                    for number in range(3):
                        calls.start_soon(wait_for_a_run, mode, number)
                await until(lambda: len(sandbox.runs) == 6)
                assert (await http.get(ready)).status_code == 200
                service.send_signal(signal.SIGTERM)
                await until_not_ready(http, url)
                assert not answers, "it is not ready long before the calls are answered"
            status = await asyncio.to_thread(service.wait)
        said = service.stderr.read() if service.stderr else ""

    assert len(answers) == 6
    assert all('"status":"completed"' in answer for answer in answers)
    assert (status, said) == (0, "")


async def test_a_spend_that_has_left_is_finished_and_written_down_after_its_caller_is_gone(
    tmp_path: Path,
) -> None:
    sandbox = Sandbox(latency=0.1)
    sandbox.faults.next("POST /enrichment/person", "slow", delay=3.0)
    async with running(sandbox) as base_url:
        async with process(base_url, tmp_path) as (service, url):
            with anyio.fail_after(60):
                async with anyio.create_task_group() as calls:

                    async def spend() -> None:
                        async with connected(url, sandbox.key, "auto") as client:
                            await client.call_tool("enrich_person", {"email": "ada@load.example"})

                    calls.start_soon(spend)
                    await until(
                        lambda: [one for one in sandbox.requests if one.path.endswith("/enrichment/person")]
                    )
                    calls.cancel_scope.cancel()
                service.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(service.wait) == 0
        settings = Settings(api_key=SecretStr(sandbox.key), base_url=base_url, state_dir=tmp_path)
        async with anyio.create_task_group() as tasks:
            services = Services(settings, SystemClock(), tasks, None)
            [run] = await services.journal.recent(5)
            await services.aclose()

    assert len(sandbox.runs) == 1
    assert run.workflow_id is not None and run.state != "uncertain"


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    sandbox = Sandbox(latency=60.0)
    async with running(sandbox) as base_url, process(base_url, tmp_path) as (service, url):
        with anyio.fail_after(30):
            async with anyio.create_task_group() as calls:

                async def wait_long() -> None:
                    with suppress(Exception):  # it is cut off
                        async with connected(url, sandbox.key, "auto") as client:
                            await client.call_tool(
                                "enrich_person", {"email": "ada@load.example", "wait_seconds": 45}
                            )

                calls.start_soon(wait_long)
                await until(lambda: len(sandbox.runs) == 1)
                service.send_signal(signal.SIGTERM)
                async with httpx.AsyncClient() as http:
                    await until_not_ready(http, url)
                service.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(service.wait) == 128 + signal.SIGTERM
                calls.cancel_scope.cancel()
