"""The ground that the sandbox's own tests stand on: a sandbox whose clock stands still, and a client.

The client holds every answer to the vendor's own models on its way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from cleanlist_mcp.sandbox.app import transport
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, Sandbox
from tests.vendor_schema import Held


@dataclass
class Clock:
    """A clock that stands still until it is told to move."""

    now: float = 1_750_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def make(clock: Clock | None = None, **options: Any) -> Sandbox:
    clock = clock or Clock()
    return Sandbox(clock=clock, sleep=clock.sleep, **{"rate_limits": False, **options})


@asynccontextmanager
async def client(
    sandbox: Sandbox, key: str | None = None, prefix: str = PUBLIC_PREFIX
) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=Held(transport(sandbox), prefix),
        base_url=f"http://sandbox.cleanlist.example{prefix}",
        headers={"Authorization": f"Bearer {key or sandbox.key}"},
    ) as http:
        yield http


async def quote(http: httpx.AsyncClient, list_id: str, scope: str = "partial") -> dict[str, Any]:
    body = {"tool": "enrich_list", "list_id": list_id, "scope": scope}
    answer = await http.post("/credits/estimate", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def start_list(
    http: httpx.AsyncClient, list_id: str, quote_id: str | None, scope: str = "partial"
) -> httpx.Response:
    body = {"lead_list_id": list_id, "scope": scope, "quote_id": quote_id}
    return await http.post("/enrichment/bulk", json=body)


async def status(http: httpx.AsyncClient, workflow_id: str) -> dict[str, Any]:
    answer = await http.get(f"/enrichment/status/{workflow_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def error(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    assert {"code", "problem", "retryable", "docs_url", "request_id"} <= found.keys()
    return found


def assert_balanced(sandbox: Sandbox, key: str | None = None) -> None:
    ledger = sandbox.ledger(key)
    organization = sandbox.account(key).organization
    held = sum(run.credits_held for run in sandbox.runs if run.key.organization is organization)
    assert ledger.granted == ledger.available + ledger.reserved + ledger.charged
    assert ledger.reserved == held
    assert min(ledger.available, ledger.reserved, ledger.charged) >= 0
