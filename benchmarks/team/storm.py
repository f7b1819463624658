"""Point 1: replicas that are killed all the time behind a front that loses answers; nothing is paid twice."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio

from benchmarks.team import ledger
from benchmarks.team.people import scope_of, spellings
from benchmarks.team.replicas import Replica
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, Client, Said
from benchmarks.team.world import World, world
from cleanlist_mcp.sandbox.people import Identity

ORGANIZATIONS, KEYS = 8, 3
LOSES = 0.1
DAILY_LIMITS, HOURLY_LIMITS = (25, 90), (12, 35)
"""Credits at either length: low enough that some organizations and some keys come to theirs."""

DAY, HOUR = 86_400.0, 3_600.0

NEW_PERSON_SECONDS = 3.0
"""Seconds after which each key has one more person to ask for, so that there is something to start all the time."""

FRESH = 3
"""Each call is about one of so many newest people of its key: calls of all its clients meet."""

KILL_PAUSE = (0.1, 0.9)
ANSWERS_BEFORE_DEATH = 5
"""Answers that a replica has given when it is killed: one that dies at its start proves little."""

MOST_SECONDS = 900.0
"""Seconds after which a machine that is too slow for enough kills gives up."""

QUOTE_PAUSE = (6.0, 12.0)
Work = tuple[str, int]
"""A key's label and the number of a person."""


@dataclass(frozen=True)
class Limits:
    """Credits for an organization in a day, and for a key without quotes in an hour."""

    daily: int
    hourly: int


@dataclass
class Storm:
    """The story: whom each key asked for, with the arguments, and all that was answered."""

    made: World
    dice: Random
    asked: dict[Work, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    quotes: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    answers: list[tuple[str, Said]] = field(default_factory=list)
    kills: int = 0
    began: float = field(default_factory=time.monotonic)

    def client(self, key: str) -> Client:
        """Return a client of either era."""
        return self.made.client(key, self.dice.choice(ERAS))

    def note(self, key: str, said: Said) -> Said:
        """Keep an answer, and return it."""
        self.answers.append((self.made.sandbox.account(key).label, said))
        return said


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(1, "At most once over three replicas that are killed, with a tenth of the answers lost")
    dice = Random(f"storm {conditions.seed}")  # noqa: S311 - a seed, no secret
    daily, hourly = (int(conditions.choose(*limits)) for limits in (DAILY_LIMITS, HOURLY_LIMITS))
    settings = {
        "CLEANLIST_DAILY_LIMIT": str(daily),
        "CLEANLIST_HOURLY_UNQUOTED_LIMIT": str(hourly),
        "CLEANLIST_CONFIRM": "never",
    }
    async with world(dice, loses=LOSES, settings=settings) as made:
        storm = Storm(made, dice)
        keys = [key for number in range(ORGANIZATIONS) for key in made.organization(number, KEYS)]
        seconds, kills = conditions.choose(20, 60), int(conditions.choose(15, 60))
        await _rage(storm, keys, seconds, kills)
        report.show("seed", conditions.seed)
        report.at_least("seconds of load", round(time.monotonic() - storm.began), seconds)
        report.at_least("kill -9", storm.kills, kills)
        started = ledger.starts_of(made.sandbox.runs)
        calm = await _ask_calmly(storm)
        _judge(report, storm, started, calm, Limits(daily, hourly))
    return report


# ---- the load


async def _rage(storm: Storm, keys: list[str], seconds: float, kills: int) -> None:
    """Ask and kill until both are enough; then let all replicas come back."""
    storm.began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        for at, key in enumerate(keys):
            for _ in range(2):
                tasks.start_soon(_ask_for_people, storm, key, at * 1_000)
            shared = keys[at - at % KEYS : at - at % KEYS + KEYS]
            tasks.start_soon(_enrich_lists, storm, key, _list_for(storm.made, at, shared))
        await _kill_replicas(storm, seconds, kills)
        tasks.cancel_scope.cancel()
    storm.made.front.loses = 0.0
    async with anyio.create_task_group() as tasks:
        for replica in storm.made.replicas:
            tasks.start_soon(_back_again, replica)


async def _ask_for_people(storm: Storm, key: str, first: int) -> None:
    client = storm.client(key)
    while True:
        await anyio.sleep(storm.dice.uniform(0.2, 1.2))
        newest = int((time.monotonic() - storm.began) / NEW_PERSON_SECONDS)
        number = first + max(newest - storm.dice.randrange(FRESH), 0)
        arguments = {**storm.dice.choice(spellings(number)), "scope": scope_of(number), "wait_seconds": 0}
        storm.asked[storm.made.sandbox.account(key).label, number] = key, arguments
        storm.note(key, await client.call_with("enrich_person", arguments))


def _list_for(made: World, at: int, colleagues: list[str]) -> str:
    """Return the id of the list that a key enriches: colleagues share one."""
    name = f"Targets of {made.sandbox.account(colleagues[0]).label}"
    if at % KEYS == 0:
        people = [
            Identity(email=f"{ledger.token_of(500_000 + 100 * at + row)}@fable.example") for row in range(3)
        ]
        return made.sandbox.add_list(name, people, key=colleagues[0], visibility="organization")
    return made.sandbox.list_id(name, colleagues[0])


async def _enrich_lists(storm: Storm, key: str, list_id: str) -> None:
    """Quote the list now and then, and spend each quote twice at once."""
    clients = storm.client(key), storm.client(key)
    while True:
        await anyio.sleep(storm.dice.uniform(*QUOTE_PAUSE))
        quote = storm.note(key, await clients[0].call("estimate", list_id=list_id, only_missing=False)).data
        if not quote.get("quote_id"):
            continue
        arguments = {name: quote[name] for name in ("list_id", "scope", "quote_id")} | {"wait_seconds": 0}
        storm.quotes[quote["quote_id"]] = key, arguments
        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(_spend, storm, key, client, arguments)


async def _spend(storm: Storm, key: str, client: Client, arguments: Mapping[str, Any]) -> None:
    storm.note(key, await client.call_with("enrich_list", arguments))


async def _kill_replicas(storm: Storm, seconds: float, kills: int) -> None:
    """Kill one replica after the other, each while it answers calls, and start it again at once."""
    answers = storm.made.front.answers
    while True:
        spent = time.monotonic() - storm.began
        if (spent >= seconds and storm.kills >= kills) or spent > MOST_SECONDS:
            return
        await anyio.sleep(storm.dice.uniform(*KILL_PAUSE))
        victim = storm.dice.choice(storm.made.replicas)
        if answers[victim.port] >= ANSWERS_BEFORE_DEATH:
            victim.kill()
            answers[victim.port] = 0
            victim.spawn()
            storm.kills += 1


async def _back_again(replica: Replica) -> None:
    with anyio.fail_after(60):
        while not await replica.ready():  # noqa: ASYNC110 - a process has no event
            await anyio.sleep(0.1)


# ---- the judgement


async def _ask_calmly(storm: Storm) -> dict[str, Said]:
    """Ask once more for everything, with no disturbance, and return the answers by work."""
    answers: dict[str, Said] = {}

    async def ask(work: str, key: str, tool: str, arguments: Mapping[str, Any]) -> None:
        async with limit:
            answers[work] = await storm.client(key).call_in_calm(tool, arguments)

    limit = anyio.CapacityLimiter(30)
    async with anyio.create_task_group() as tasks:
        for (label, number), (key, arguments) in storm.asked.items():
            work = f"{label} {ledger.token_of(number)}"
            tasks.start_soon(ask, work, key, "enrich_person", arguments)
        for quote_id, (key, arguments) in storm.quotes.items():
            tasks.start_soon(ask, f"quote {quote_id}", key, "enrich_list", arguments)
    return answers


def _judge(
    report: Report, storm: Storm, started: list[ledger.Start], calm: Mapping[str, Said], limits: Limits
) -> None:
    counts, front = Counter(said.code or "answered" for _, said in storm.answers), storm.made.front.counts
    report.show("tool calls, of which answered", f"{len(storm.answers)}, {_answered(storm)}")
    report.at_least("answers that the front lost", front["answers lost"], 20)
    report.show(
        "their errors", ", ".join(f"{n} {code}" for code, n in counts.most_common() if code != "answered")
    )
    people = [one for one in started if not one.place]
    report.at_least("runs that the ledger has: people", len(people), 30)
    report.at_least("runs that the ledger has: quotes", len(started) - len(people), 3)
    ends = ledger.starts_of(storm.made.sandbox.runs)
    report.none("people and quotes that started twice", ledger.started_twice(ends))
    report.none("lists that were bought twice at once", ledger.bought_at_once(ends))
    days = ledger.peaks(ends, lambda one: one.organization, DAY)
    report.none(
        f"organizations over {limits.daily} credits at any moment", ledger.over_limit(days, limits.daily)
    )
    report.at_least("highest that an organization came to", max(days.values(), default=0), limits.daily // 2)
    hours = ledger.peaks((one for one in ends if not one.place), lambda one: one.key, HOUR)
    report.none(f"keys over {limits.hourly} unquoted credits", ledger.over_limit(hours, limits.hourly))
    report.none("answers that name another's run", _foreign(storm, ends))
    known = {work: (said.workflow_id, said.code) for work, said in calm.items()}
    report.none("starts that the journal does not know", ledger.unknown_to_journal(started, known))
    words = Counter(said.lost or said.code or "replayed" for said in _of_started(started, calm))
    report.show(
        "asked again about what had started", ", ".join(f"{n} {word}" for word, n in words.most_common())
    )
    report.none("errors of our own making", _defects(storm, calm))
    report.none("tracebacks in logs", ["a traceback" for _ in range(storm.made.logs().count("Traceback"))])


def _answered(storm: Storm) -> int:
    return sum(not said.lost for _, said in storm.answers)


def _foreign(storm: Storm, starts: list[ledger.Start]) -> list[str]:
    owners = {start.workflow_id: start.key for start in starts}
    return [
        f"{label} was told of {said.workflow_id}: {said}"
        for label, said in storm.answers
        if said.workflow_id and owners.get(said.workflow_id) != label
    ]


def _of_started(started: list[ledger.Start], calm: Mapping[str, Said]) -> list[Said]:
    return [said for start in started if (said := calm.get(ledger.name_of_work(start))) is not None]


def _defects(storm: Storm, calm: Mapping[str, Said]) -> list[str]:
    said = [answer for _, answer in storm.answers] + list(calm.values())
    return [
        str(one) for one in said if one.code == "internal_error" or (one.status >= 500 and one.status != 502)
    ]
