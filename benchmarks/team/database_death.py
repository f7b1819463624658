"""Point 2: the database dies while money is spent, and comes back; so does the network to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random

import anyio

from benchmarks.team import ledger, relay
from benchmarks.team.people import scope_of, spellings
from benchmarks.team.relay import Relay
from benchmarks.team.replicas import Replica
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, Client, Said
from benchmarks.team.world import World, world

ORGANIZATIONS, KEYS = 10, 2
PAUSE = (1.0, 3.0)
"""Seconds between two spends of one client: a key sends 30 requests a minute."""

UP, DOWN = (1.0, 2.5), (1.0, 3.0)
"""Seconds for which the database, or its network, is well and is not."""

REFUSED_SECONDS, BACK_SECONDS = 4.0, 5.0
IN_FLIGHT_SECONDS = 0.5
"""Seconds after a death in which a request may arrive whose intent was written before it."""

RECOVERY_LOOK_SECONDS = 0.1


@dataclass
class Story:
    """The spends and the outages: (from, to) in epoch seconds, and how long each replica took to spend again."""

    made: World
    dice: Random
    asked: dict[str, tuple[str, dict[str, object]]] = field(default_factory=dict)
    said: list[tuple[float, Said]] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    over: bool = False
    numbers: Iterator[int] = field(default_factory=count)

    async def spend(self, key: str, client: Client) -> Said:
        """Ask for somebody new."""
        number = next(self.numbers)
        arguments = {**spellings(number)[0], "scope": scope_of(number), "wait_seconds": 0}
        label = self.made.sandbox.account(key).label
        self.asked[f"{label} {ledger.token_of(number)}"] = key, arguments
        began = time.time()
        said = await client.call_with("enrich_person", arguments)
        self.said.append((began, said))
        return said


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(2, "The database killed -9 during spends, and a network to it that fails")
    dice = Random(f"database {conditions.seed}")  # noqa: S311 - a seed, no secret
    settings = {"CLEANLIST_HOURLY_UNQUOTED_LIMIT": "100000"}
    async with world(dice, settings=settings) as made:
        story = Story(made, dice)
        keys = [key for number in range(ORGANIZATIONS) for key in made.organization(number, KEYS)]
        probes = [(made.sandbox.add_account(f"probe{replica.name}"), replica) for replica in made.replicas]
        async with anyio.create_task_group() as tasks:
            for key in keys:
                tasks.start_soon(_spend_on_and_on, story, key)
            await _recover(story, probes)
            story.recoveries.clear()
            for number in range(int(conditions.choose(3, 20))):
                await anyio.sleep(dice.uniform(*UP))
                longer = 0.0 if number % 3 else REFUSED_SECONDS
                await _die(story, probes, longer + dice.uniform(*DOWN))
            for fault in (relay.RESET, relay.BLACK_HOLE) * int(conditions.choose(1, 5)):
                await anyio.sleep(dice.uniform(*UP))
                await _cut_off(story, probes, fault)
            story.over = True
        await _judge(report, story, int(conditions.choose(3, 20)))
    return report


async def _spend_on_and_on(story: Story, key: str) -> None:
    client = story.made.client(key, story.dice.choice(ERAS))
    while not story.over:
        await anyio.sleep(story.dice.uniform(*PAUSE))
        await story.spend(key, client)


async def _die(story: Story, probes: list[tuple[str, Replica]], seconds: float) -> None:
    """Kill the database, and start it again after so many seconds."""
    database = story.made.database
    if database is None:
        return
    with _outage(story):
        database.kill()
        await anyio.sleep(seconds)
        await database.start()
    await _recover(story, probes)


async def _cut_off(story: Story, probes: list[tuple[str, Replica]], fault: relay.Fault) -> None:
    """Let the network to the database fail for a while, longer than a call waits for its answer."""
    network = story.made.database_network
    if network is None:
        return
    with _outage(story), _faulty(network, fault):
        await anyio.sleep(REFUSED_SECONDS + story.dice.uniform(*DOWN))
    await _recover(story, probes)


@contextmanager
def _outage(story: Story) -> Iterator[None]:
    began = time.time()
    yield
    story.outages.append((began, time.time()))


@contextmanager
def _faulty(network: Relay, fault: relay.Fault) -> Iterator[None]:
    network.set(fault)
    try:
        yield
    finally:
        network.set(relay.FINE)


async def _recover(story: Story, probes: list[tuple[str, Replica]]) -> None:
    """Wait until each replica has spent again, and note how long each took."""
    began = time.monotonic()

    async def until_spent(key: str, replica: Replica) -> None:
        client = story.made.client(key, at=replica)
        with anyio.move_on_after(60):
            while not (await story.spend(key, client)).workflow_id:  # noqa: ASYNC110 - a database has no event
                await anyio.sleep(RECOVERY_LOOK_SECONDS)
        story.recoveries.append(time.monotonic() - began)

    async with anyio.create_task_group() as tasks:
        for key, replica in probes:
            tasks.start_soon(until_spent, key, replica)


# ---- the judgement


async def _judge(report: Report, story: Story, deaths: int) -> None:
    made = story.made
    starts = ledger.starts_of(made.sandbox.runs)
    again = await _ask_again(story)
    report.at_least("kill -9 of the database", len(story.outages[:deaths]), deaths)
    report.show("outages of its network", len(story.outages) - deaths)
    report.at_least("runs that started", len(starts), 30)
    report.at_most("a replica spends again after", max(story.recoveries), BACK_SECONDS, " s")
    away = [said for began, said in story.said if _is_away(story, began, before_the_end=REFUSED_SECONDS)]
    report.at_least("spends that were asked for meanwhile", len(away), 5)
    slowest = max((said.ended - said.began for said in away), default=0.0)
    report.at_most("the slowest of them was answered after", slowest, REFUSED_SECONDS, " s")
    bought = [str(said) for said in away if said.workflow_id]
    report.none("of them spent", bought)
    late = [
        f"a paid request arrived {request.time - begin:.2f} s after the database was gone"
        for request in made.sandbox.requests
        for begin, end in story.outages
        if request.path.startswith("/enrichment/") and request.method == "POST"
        if begin + IN_FLIGHT_SECONDS < request.time < end
    ]
    report.none("paid requests that reached the API meanwhile", late)
    report.none("intents lost", ledger.unknown_to_journal(starts, again))
    report.none("people who were started twice", ledger.started_twice(ledger.starts_of(made.sandbox.runs)))
    report.none("errors of our own", [str(said) for _, said in story.said if said.code == "internal_error"])
    report.none("restarts of replicas", [r.name for r in made.replicas if r.starts > 1 or not r.alive])
    report.none("tracebacks in logs", ["a traceback"] * made.logs().count("Traceback"))


def _is_away(story: Story, moment: float, *, before_the_end: float) -> bool:
    """Return whether the database was away then, and for long enough that nobody could have waited for it."""
    return any(begin + 0.1 < moment < end - before_the_end for begin, end in story.outages)


async def _ask_again(story: Story) -> dict[str, tuple[str, str]]:
    """Ask once more for everybody, in calm, and return the workflow id and error of each answer by work."""
    answers: dict[str, tuple[str, str]] = {}
    limit = anyio.CapacityLimiter(30)

    async def ask(work: str, key: str, arguments: dict[str, object]) -> None:
        async with limit:
            said = await story.made.client(key).call_in_calm("enrich_person", arguments)
        answers[work] = said.workflow_id, said.code or said.lost

    async with anyio.create_task_group() as tasks:
        for work, (key, arguments) in story.asked.items():
            tasks.start_soon(ask, work, key, arguments)
    return answers
