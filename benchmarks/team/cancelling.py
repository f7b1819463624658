"""Point 3: spends whose calls end at random moments leave no intent without its request, and no request alone."""

import asyncio
import itertools
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import anyio
import psycopg

from benchmarks.team.people import spellings
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, LEGACY, AnswerLost, Client, Era
from benchmarks.team.world import SEARCH, Engine, World, world

ENGINES: tuple[Engine, ...] = ("postgres", "sqlite")
SPENDS_PER_KEY = 25
"""Spends of one key: each may be a request to the API, and a key sends 30 a minute."""

AT_ONCE = 4
"""Spends of one key at the same time."""

ALL_PHASES = 1.3
"""Calls end at a random moment in so many times the length of a spend."""

SETTLE_SECONDS = 40.0
"""Seconds after which at the latest nothing is under way any more."""

LOCKED = 20
"""Spends whose calls end while their claims wait for the database."""


class Spender:
    """Persons nobody has asked for yet, and the chance of when a call ends."""

    def __init__(self, made: World, dice: Random) -> None:
        self.made = made
        self.dice = dice
        self.seconds = 0.05
        self.spends = 0
        self._numbers = count()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a spend for somebody new."""
        self.spends += 1
        return {**spellings(next(self._numbers))[0], "wait_seconds": 0}

    def moment(self) -> float:
        """Return after how many seconds a call ends."""
        return self.dice.uniform(0, self.seconds * ALL_PHASES)

    async def measure(self, client: Client) -> None:
        """Learn how long a spend takes."""
        seconds = []
        for _ in range(5):
            said = await client.call("enrich_person", **self.arguments())
            seconds.append(said.ended - said.began)
        self.seconds = median(seconds)


async def play(conditions: Conditions) -> Report:
    """Play the point on both engines."""
    report = Report(3, "Spends whose calls end at random moments, on both engines")
    spends = int(conditions.choose(200, 1_000))
    for engine in ENGINES:
        dice = Random(f"cancelling {engine} {conditions.seed}")  # noqa: S311 - a seed, no secret
        async with world(dice, engine=engine, replicas=1) as made:
            await _on(engine, report, Spender(made, dice), spends)
    return report


async def _on(engine: Engine, report: Report, spender: Spender, spends: int) -> None:
    made = spender.made
    await spender.measure(made.client(made.sandbox.key, at=made.replicas[0]))
    cancelled = 0
    for era, part in zip(ERAS, (spends // 2, spends // 4), strict=True):
        cancelled += await _over_http(spender, era, part)
    cancelled += await _over_stdio(spender, spends // 4)
    locked = await _while_locked(spender) if engine == "postgres" else 0
    await _settled(made)
    rows = _intents(made)
    known = {workflow_id for workflow_id, _ in rows}
    requests = [
        one for one in made.sandbox.requests if one.method == "POST" and one.path == "/enrichment/person"
    ]
    ledger = {run.workflow_id for run in made.sandbox.runs}
    report.at_least(f"{engine}: spends that were cancelled", cancelled, spends)
    report.show(f"{engine}: a spend takes", f"{spender.seconds * 1000:.0f} ms")
    report.show(f"{engine}: intents, requests, runs", f"{len(rows)}, {len(requests)}, {len(ledger)}")
    report.at_least(f"{engine}: part that came to its request", round(len(rows) / spender.spends, 2), 0.1)
    report.at_least(f"{engine}: part that ended before", round(1 - len(rows) / spender.spends, 2), 0.05)
    alone = [
        f"an intent is {state} and has no run" for workflow_id, state in rows if workflow_id not in ledger
    ]
    report.none(f"{engine}: intents without their request", alone)
    report.none(f"{engine}: runs without their intent", [f"{one} has no intent" for one in ledger - known])
    more = [f"{len(requests)} requests for {len(rows)} intents"] if len(requests) != len(rows) else []
    report.none(f"{engine}: requests besides one for each intent", more)
    if engine == "postgres":
        report.at_most(f"{engine}: started for {LOCKED} calls that ended before their claim", locked, 0)


# ---- the ways to end a call


async def _over_http(spender: Spender, era: Era, spends: int) -> int:
    """Cancel so many spends, and return how many were: a client hangs up, and an older one says so first."""
    made = spender.made
    keys = [made.sandbox.add_account(f"{era[:4]}k{at}") for at in range(-(-spends // SPENDS_PER_KEY))]
    async with anyio.create_task_group() as tasks:
        for key in keys:
            client = made.client(key, era, at=made.replicas[0])
            await client.call("enrich_person", **spender.arguments())  # learns whose key it is
            for _ in range(AT_ONCE):
                tasks.start_soon(_spend_and_hang_up, spender, client, -(-SPENDS_PER_KEY // AT_ONCE))
    return len(keys) * AT_ONCE * -(-SPENDS_PER_KEY // AT_ONCE)


async def _spend_and_hang_up(spender: Spender, client: Client, spends: int) -> None:
    for _ in range(spends):
        body = client.body("tools/call", {"name": "enrich_person", "arguments": spender.arguments()})
        with suppress(AnswerLost):
            await client.post(body, patience=spender.moment())
        if client.era == LEGACY:
            with suppress(AnswerLost):
                await client.post(_cancelled(body["id"]))


def _cancelled(number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}


async def _over_stdio(spender: Spender, spends: int) -> int:
    """The same for clients of the older era that each start a process of their own on the same journal."""
    made = spender.made
    processes = -(-spends // SPENDS_PER_KEY)
    async with anyio.create_task_group() as tasks:
        for at in range(processes):
            tasks.start_soon(_spend_in_a_process, spender, made.sandbox.add_account(f"stdio{at}"))
    return processes * (SPENDS_PER_KEY - 3)


async def _spend_in_a_process(spender: Spender, key: str) -> None:
    environment = {**spender.made.replicas[0].environment, "CLEANLIST_API_KEY": key}
    async with _process(environment, spender.made.folder) as process:
        numbers = count(1)
        seconds = [await _answered(process, spender, next(numbers)) for _ in range(3)][-1]
        reading = asyncio.create_task(_read_on(process))
        for number in itertools.islice(numbers, SPENDS_PER_KEY - 3):
            await _write(process, _call(spender, number))
            await anyio.sleep(spender.dice.uniform(0, seconds * ALL_PHASES))
            await _write(process, _cancelled(number))
        reading.cancel()


def _call(spender: Spender, number: int) -> dict[str, Any]:
    call = {"name": "enrich_person", "arguments": spender.arguments()}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}


async def _answered(process: asyncio.subprocess.Process, spender: Spender, number: int) -> float:
    """Let a spend come to its end, and return how many seconds it took."""
    began = time.monotonic()
    await _write(process, _call(spender, number))
    await _line(process)
    return time.monotonic() - began


@asynccontextmanager
async def _process(environment: Mapping[str, str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server over stdio that has shaken hands; it ends with its input, and finishes what has left."""
    variables = {"HOME": str(folder), **environment}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cleanlist_mcp"),
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        limit=2**22,
    )
    info = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "proof", "version": "1"}}
    await _write(process, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info})
    await _line(process)
    await _write(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        reading = asyncio.create_task(_read_on(process))
        with anyio.move_on_after(30):
            await process.wait()
        reading.cancel()
        if process.returncode is None:
            process.kill()


async def _line(process: asyncio.subprocess.Process) -> bytes:
    return await process.stdout.readline() if process.stdout is not None else b""


async def _read_on(process: asyncio.subprocess.Process) -> None:
    """Read what nobody looks at: a server whose output is full waits."""
    while await _line(process):
        pass


async def _write(process: asyncio.subprocess.Process, message: Mapping[str, Any]) -> None:
    if process.stdin is not None:
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()


async def _while_locked(spender: Spender) -> int:
    """End calls while the database lets no claim begin, and return how many requests they made."""
    made = spender.made
    client = made.client(made.sandbox.key, at=made.replicas[0])
    before = len(made.sandbox.runs)
    if made.database is None:
        return 0
    with psycopg.connect(made.database.url, options=SEARCH) as connection:
        connection.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        async with anyio.create_task_group() as tasks:
            for _ in range(LOCKED):
                body = client.body("tools/call", {"name": "enrich_person", "arguments": spender.arguments()})
                tasks.start_soon(_post_for, client, body, 0.5)
        await anyio.sleep(0.5)
        connection.rollback()
    await anyio.sleep(1.0)
    return len(made.sandbox.runs) - before


async def _post_for(client: Client, body: Mapping[str, Any], seconds: float) -> None:
    with suppress(AnswerLost):
        await client.post(body, patience=seconds)


# ---- the journal


async def _settled(made: World) -> None:
    """Wait until nothing is starting any more."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLE_SECONDS:
        await anyio.sleep(0.5)
        if not any(state == "starting" for _, state in _intents(made)):
            return


def _intents(made: World) -> Sequence[tuple[str | None, str]]:
    """Return id and state of every run in the journal that the API did not refuse."""
    statement = "SELECT workflow_id, state FROM runs WHERE kind = 'person' AND state <> 'refused'"
    if made.database is not None:
        return [(row[0], row[1]) for row in made.query(statement)]
    with sqlite3.connect(made.folder / "state" / "journal.sqlite3") as database:
        return [(row[0], row[1]) for row in database.execute(statement)]
