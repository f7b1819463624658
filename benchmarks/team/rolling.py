"""Point 6: replicas are replaced one after the other under load, and nobody notices."""

import signal
import time
from collections import Counter
from itertools import count
from random import Random

import anyio

from benchmarks.team import ledger
from benchmarks.team.people import spellings
from benchmarks.team.replicas import Replica
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, Client, Said
from benchmarks.team.world import World, world
from cleanlist_mcp.sandbox.state import Sandbox

KEYS = 12
NOT_READY_SECONDS, GONE_SECONDS = 0.2, 55.0
PAUSE = (0.1, 0.5)
"""Seconds between two calls of one client."""

SETTLE_SECONDS = 2.0
"""Seconds of load before the first replica is told to end, and after the last one is back."""


class Load:
    """Clients of both eras that call until they are told to stop; calls that have begun by then are waited for.

    `longest` is how many seconds the longest calls wait for their run.
    """

    def __init__(self, made: World, dice: Random, longest: int) -> None:
        self.said: list[Said] = []
        self.over = False
        self._made, self._dice, self._longest = made, dice, longest
        self._numbers = count()

    async def run(self, keys: list[str]) -> None:
        """Call with a client of each era for each key."""
        async with anyio.create_task_group() as tasks:
            for key in keys:
                for era in ERAS:
                    tasks.start_soon(self._call_on_and_on, self._made.client(key, era))

    async def _call_on_and_on(self, client: Client) -> None:
        while not self.over:
            await anyio.sleep(self._dice.uniform(*PAUSE))
            self.said.append(await self._call(client))

    async def _call(self, client: Client) -> Said:
        kind = self._dice.random()
        if kind < 0.3:
            person = spellings(next(self._numbers))[0]
            return await client.call("enrich_person", **person, wait_seconds=self._longest)
        if kind < 0.4:
            return await client.call("credits_balance")
        return await client.call("workflow_status", wait_seconds=self._dice.choice((0, 1, self._longest)))


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(6, "A rolling restart under load, in both eras")
    dice = Random(f"rolling {conditions.seed}")  # noqa: S311 - a seed, no secret
    longest = int(conditions.choose(5, 45))
    sandbox = Sandbox(latency=longest + 5.0, rate_limits=False)
    async with world(dice, checks=True, sandbox=sandbox) as made:
        keys = [key for number in range(KEYS) for key in made.organization(number, 1)]
        load = Load(made, dice, longest)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run, keys)
            await anyio.sleep(SETTLE_SECONDS)
            restarts = [await _replaced(replica) for replica in made.replicas]
            await anyio.sleep(SETTLE_SECONDS)
            load.over = True
        _judge(report, made, load, restarts, longest)
    return report


async def _replaced(replica: Replica) -> tuple[float, float]:
    """End a replica in good order and start it again; return the seconds until it was not ready, and until its end."""
    began = time.monotonic()
    replica.signal(signal.SIGTERM)
    while await replica.ready():  # noqa: ASYNC110 - a process has no event
        await anyio.sleep(0.005)
    not_ready = time.monotonic() - began
    gone = not_ready + await replica.gone(GONE_SECONDS + 5)
    await replica.start()
    return not_ready, gone


def _judge(
    report: Report, made: World, load: Load, restarts: list[tuple[float, float]], longest: int
) -> None:
    eras = "both eras"
    seconds = [said.ended - said.began for said in load.said]
    report.show(f"calls in {eras}, the longest wait", f"{len(load.said)}, {longest} s")
    report.at_least("seconds of the longest call", max(seconds, default=0.0), longest * 0.9)
    report.none(
        "answers that were lost", [str(said) for said in load.said if said.lost or said.status != 200]
    )
    bad = [str(said) for said in load.said if said.code in ("internal_error", "outcome_unknown")]
    report.none("spends cut short, or errors of our own", bad)
    report.at_most("not ready after", max(one for one, _ in restarts), NOT_READY_SECONDS, " s")
    report.at_most("gone after", max(gone for _, gone in restarts), GONE_SECONDS, " s")
    told = Counter(
        said.workflow_id for said in load.said if said.tool == "enrich_person" and said.workflow_id
    )
    starts = ledger.starts_of(made.sandbox.runs)
    missing = [
        f"{one.workflow_id} was started, and nobody was told" for one in starts if one.workflow_id not in told
    ]
    report.none("runs that no answer named", missing)
    report.none("people who were started twice", ledger.started_twice(starts))
    report.none("tracebacks in logs", ["a traceback"] * made.logs().count("Traceback"))
