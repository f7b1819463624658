"""Rounds of paid calls against servers that are killed and an API that breaks, and what the ledger says afterwards.

A round is planned by its seed and number alone, so that it can be played again. What happens in it depends on the
machine too; the report of a round that went wrong therefore holds the whole of it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from tests import hostile_faults as faults
from tests.hostile_api import DEFAULT_LIST, DEFAULT_LIST_ID, Attempt, HostileApi, Request, Run, address_of
from tests.hostile_faults import Fault
from tests.people_in_spellings import ALIKE, ALONE, Fields, Somebody, recogniser
from tests.server_processes import SERVE, TIMEOUT, Mode, Process, Said, live

Key = tuple[str, str, str]
"""Person, scope and list: two runs of one key are the same work."""

PATIENCE = 3.0
"""Seconds after which the client of a round gives a call up; the work goes on without it."""

SCOPES = ("partial", "full", "phone_only")

TARGETS = ("Northern Targets", "Southern Targets")
"""Lists that results of single people are put into."""

# ---- what is planned


@dataclass(frozen=True)
class Call:
    """One paid call: by which server, how long after the round's beginning, and what it means."""

    server: int
    after: float
    arguments: dict[str, Any]
    key: Key
    again: bool = False

    @property
    def tool(self) -> str:
        return "enrich_list" if "quote_id" in self.arguments else "enrich_person"


@dataclass(frozen=True)
class Disturbance:
    """Something that happens to a server, or to the network (`unplugged`), for so many seconds."""

    what: str
    server: int
    after: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A round before it begins. List calls get their quotes when it does; `quotes` are the lists and scopes of these.

    `faults` are met by the paid requests, in the order in which they arrive.
    """

    seed: int
    number: int
    people: tuple[Somebody, ...]
    calls: tuple[Call, ...]
    quotes: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    disturbances: tuple[Disturbance, ...]

    @property
    def list_keys(self) -> set[Key]:
        return {_list_key(list_id, scope) for list_id, scope in self.quotes}


def _list_key(list_id: str, scope: str) -> Key:
    return f"list {list_id}", scope, list_id


BEFORE = (
    faults.RESET_BEFORE,
    faults.CLOSED_BEFORE,
    faults.SILENT_BEFORE,
    faults.ERROR_BEFORE,
    faults.HTML_BEFORE,
    faults.TOO_MANY,
    faults.TOO_MANY_HTML,
    faults.BUSY,
)
REFUSALS = (
    faults.refusing(400, "validation_error"),
    faults.refusing(402, "insufficient_credits", shortfall_credits=1),
    faults.refusing(403, "list_protected"),
    faults.refusing(422, "unprocessable"),
)
HIDING = (
    *(faults.hiding(409, "quote_already_used", with_id=told) for told in (True, False)),
    *(faults.hiding(409, "duplicate_request", with_id=told) for told in (True, False)),
    *(faults.hiding(400, "already_processing", with_id=told) for told in (True, False)),
    *(faults.hiding(425, "too_early"), faults.hiding(499, "client_closed")),
)
LOSING = (
    *(faults.RESET_AFTER, faults.CLOSED_AFTER, faults.SILENT_AFTER, faults.ERROR_AFTER, faults.HTML_AFTER),
    *(faults.UNREADABLE_AFTER, faults.TRUNCATED_AFTER, faults.GZIP, faults.FOREIGN_ID),
)
HARMLESS = (
    faults.NO_FAULT,
    faults.late(0.2),
    faults.late(0.5),
    faults.late(0.8),
    faults.closing(0.002),
    faults.closing(0.02),
    faults.SUPERFLUOUS,
    faults.LEFT_OVER,
    faults.HALF_SURROGATE,
    faults.RESERVED_LESS,
    faults.RESERVED_MORE,
    faults.NO_RESERVATION,
)
FREE = (faults.SUPERFLUOUS, faults.LEFT_OVER, faults.closing(0.002), faults.FREE_QUOTE, faults.GOING_BACK)
"""Faults of free requests; each touches only the requests that it can."""


def token_of(seed: int, number: int, index: int) -> str:
    """Return a word that no other round has, of consonants alone: none is a name, a title or a legal form."""
    letters = "bcdfghjklmnpqrstvwxz"
    value, word = (seed * 1000 + number) * 10 + index, ""
    for _ in range(7):
        value, digit = divmod(value, len(letters))
        word = letters[digit] + word
    return word


def list_name(seed: int, number: int) -> str:
    """Return the name of the list that a round enriches."""
    return f"Round {number} of {seed}"


def planned(seed: int, number: int, servers: int, lists: dict[str, str]) -> Plan:
    """Plan a round; `lists` are the ids of the account's lists by their names."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - a seed, no secret
    people = tuple(
        person
        for index, family in enumerate(chance.sample((*ALONE, *ALIKE), 2))
        for person in family(token_of(seed, number, index), chance)
    )
    quotes = _quotes(chance, lists[list_name(seed, number)])
    count = chance.randint(1, 2) if quotes else chance.randint(2, 6)
    # Of few pieces of work, so that calls meet.
    works = [_work(chance, people, lists) for _ in range(2)]
    calls = tuple(_person_call(chance, *chance.choice(works), servers) for _ in range(count))
    met = tuple(_fault(chance) for _ in range(12))
    return Plan(seed, number, people, calls, quotes, met, tuple(_disturbances(chance, calls)))


def _work(
    chance: Random, people: Sequence[Somebody], lists: dict[str, str]
) -> tuple[Somebody, str, tuple[tuple[str, str], ...]]:
    """Return whom to enrich, in which scope, and into which list: its id with each way to name it."""
    north = lists[TARGETS[0]]
    default = ((DEFAULT_LIST_ID, ""), (DEFAULT_LIST_ID, ""), (DEFAULT_LIST_ID, DEFAULT_LIST))
    named = ((north, north), (north, TARGETS[0].upper()))
    return chance.choice(people), chance.choice(SCOPES), chance.choice((default, default, named))


def _person_call(
    chance: Random, who: Somebody, scope: str, targets: Sequence[tuple[str, str]], servers: int
) -> Call:
    list_id, given = chance.choice(targets)
    again = chance.random() < 0.25
    arguments: dict[str, Any] = {
        **chance.choice(who.spellings),
        "scope": scope,
        "wait_seconds": chance.choice((0, 0, 1)),
        **({"list_id": given} if given else {}),
        **({"again": True} if again else {}),
    }
    key = (who.name, scope, list_id)
    return Call(chance.randrange(servers), chance.choice((0, 0, 0.05, 0.3)), arguments, key, again)


def _quotes(chance: Random, list_id: str) -> tuple[tuple[str, str], ...]:
    if chance.random() < 0.5:
        return ()
    return ((list_id, chance.choice(SCOPES)),) * chance.randint(1, 3)


def _fault(chance: Random) -> Fault:
    family = chance.choices((HARMLESS, BEFORE, REFUSALS, HIDING, LOSING), weights=(50, 14, 6, 12, 18))[0]
    return chance.choice(family)


def _disturbances(chance: Random, calls: Sequence[Call]) -> Iterator[Disturbance]:
    """Return what befalls servers that are asked for something, a moment after they are."""
    for what, odds in (("KILL", 0.25), ("STOP", 0.12), ("TERM", 0.06), ("HUP", 0.1), ("unplugged", 0.06)):
        if chance.random() < odds:
            call = chance.choice(calls)
            after = call.after + chance.choice((0.01, 0.03, 0.1, 0.3))
            yield Disturbance(what, call.server, after, chance.choice((0.2, 2.5)))


# ---- what happens


@dataclass
class Story:
    """A round as it went. `said` are the answers with the calls that they were to, `recent` the runs that
    workflow_status showed at `shown_at`, `attempts` what reached the API; `cuts` are those of connections to the
    database, and at `asked_again_at` a new server was asked for everything. Moments are monotonic seconds."""

    plan: Plan
    began: float = field(default_factory=time.monotonic)
    said: list[tuple[Call, Said]] = field(default_factory=list)
    recent: list[dict[str, Any]] = field(default_factory=list)
    shown_at: float = 0.0
    cuts: str = ""
    asked_again_at: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def works(self) -> list[Call]:
        """One call of each piece of work."""
        return list({call.key: call for call, _ in self.said}.values())

    @property
    def runs(self) -> list[Run]:
        return [attempt.run for attempt in self.attempts if attempt.run is not None]

    def attempts_of(self, key: Key) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.key == key]


@dataclass(frozen=True)
class Ground:
    """The place of the journal of a world's servers: its `settings` and, for a database, how its connections are `cut`
    from outside."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    cut: Callable[[float], None] | None = None


class World:
    """One journal, the servers on it, and the hostile API that they all use."""

    def __init__(
        self, ground: Ground, api: HostileApi, tasks: TaskGroup, seed: int, numbers: Sequence[int]
    ) -> None:
        self.servers: list[Process] = []
        self.logs: list[str] = []
        self._chance = Random(seed)  # noqa: S311
        self._ground, self._api, self._tasks, self._seed = ground, api, tasks, seed
        self._count = self._chance.choice((2, 3))
        names = [*TARGETS, *(list_name(seed, number) for number in numbers)]
        lists = {name: api.account.add_list(name).list_id for name in names}
        self.plans = [planned(seed, number, self._count, lists) for number in numbers]
        api.account.recognise = recogniser(person for plan in self.plans for person in plan.people)

    async def play_all(self) -> list[Story]:
        """Play every round, and return how each went, with what is wrong with it."""
        self.servers = [await self._start() for _ in range(self._count)]
        stories = [await self._play(plan) for plan in self.plans]
        for server in self.servers:
            await self._end(server)
        await self._ask_a_new_server(stories)
        for story in stories:
            story.attempts = self._attempts_of(story)
            story.problems.extend(wrong_with(story))
        return stories

    async def _play(self, plan: Plan) -> Story:
        """Play one round, and then ask calmly for everything in it."""
        story = Story(plan)
        self._set_pace(Random(f"{plan.seed}/{plan.number}/pace"))  # noqa: S311
        self._break(plan)
        calls = [*plan.calls, *await self._quoted(plan)]
        async with anyio.create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(self._call, story, call)
            for disturbance in plan.disturbances:
                tasks.start_soon(self._disturb, disturbance)
            if self._ground.cut is not None:
                tasks.start_soon(self._cut, story, self._ground.cut)
        self._api.forget_faults()
        await self._replace_the_doomed()
        for call in story.works:
            await self._ask_calmly(story, call)
        story.recent, story.shown_at = await self._recent(), time.monotonic()
        return story

    async def _start(self) -> Process:
        mode: Mode = self._chance.choice(("auto", "legacy"))
        changes = {
            **self._ground.settings,
            "CLEANLIST_BASE_URL": self._chance.choice(ADDRESSES)(self._api.url),
        }
        started: Process = await self._tasks.start(live, self._ground.folder, self._api, mode, SERVE, changes)
        return started

    async def _end(self, server: Process) -> None:
        await server.close()
        self.logs.append(server.log)

    def _set_pace(self, chance: Random) -> None:
        account = self._api.account
        account.person_seconds, account.list_seconds = (
            chance.choice((0.0, 0.1, 0.5)),
            chance.choice((0.1, 1.5)),
        )

    def _break(self, plan: Plan) -> None:
        """Let the paid requests of the round meet its faults, in their order, and some free ones others."""
        chance = Random(f"{plan.seed}/{plan.number}/free")  # noqa: S311
        coming = iter(plan.faults)

        def draw(request: Request) -> Fault | None:
            if request.paid:
                return next(coming, None)
            may = request.path.startswith(("/enrichment/status/", "/credits/estimate"))
            return chance.choice(FREE) if may and chance.random() < 0.1 else None

        self._api.draw = draw

    async def _quoted(self, plan: Plan) -> list[Call]:
        """Get the round's quotes, and return the calls that spend them, some of them twice."""
        chance = Random(f"{plan.seed}/{plan.number}/quotes")  # noqa: S311
        calls = []
        for list_id, scope in plan.quotes:
            named = chance.choice((list_id, list_name(plan.seed, plan.number).upper()))
            said = await chance.choice(self.servers).call("estimate", list_id=named, scope=scope)
            spelt = {name: said.data.get(name) for name in ("list_id", "scope", "quote_id")}
            for _ in range(chance.choice((1, 1, 2)) if spelt["quote_id"] else 0):
                after = chance.choice((0, 0.05, 0.5))
                calls.append(Call(chance.randrange(self._count), after, spelt, _list_key(list_id, scope)))
        return calls

    async def _call(self, story: Story, call: Call) -> None:
        await anyio.sleep(call.after)
        said = await self.servers[call.server].call(call.tool, patience=PATIENCE, **call.arguments)
        story.said.append((call, said))

    async def _disturb(self, disturbance: Disturbance) -> None:
        await anyio.sleep(disturbance.after)
        server = self.servers[disturbance.server]
        if disturbance.what == "unplugged":
            self._api.unplug()
            await anyio.sleep(disturbance.seconds)
            self._api.plug_in()
        elif disturbance.what == "STOP":
            server.signal(SIGSTOP)
            await anyio.sleep(disturbance.seconds)
            server.signal(SIGCONT)
        else:
            server.doomed = True
            server.signal(_SIGNALS[disturbance.what])

    async def _cut(self, story: Story, cut: Callable[[float], None]) -> None:
        """Cut the connections to the database, at some moments or from a paid request on, when its answer is due."""
        chance = Random(f"{story.plan.seed}/{story.plan.number}/cuts")  # noqa: S311
        story.cuts = chance.choice(("", "", "some", "after a request"))
        if story.cuts == "some":
            for _ in range(chance.randint(1, 4)):
                await anyio.sleep(chance.choice((0.01, 0.03, 0.1, 0.3)))
                await anyio.to_thread.run_sync(cut, 0.0)
        elif story.cuts:
            before, give_up_at = len(self._api.account.attempts), time.monotonic() + PATIENCE
            while len(self._api.account.attempts) == before and time.monotonic() < give_up_at:  # noqa: ASYNC110 - no event
                await anyio.sleep(0.002)
            await anyio.to_thread.run_sync(cut, chance.choice((0.3, 1.0)))

    async def _replace_the_doomed(self) -> None:
        for place, server in enumerate(self.servers):
            if server.doomed:
                await self._end(server)
                self.servers[place] = await self._start()

    async def _ask_calmly(self, story: Story, call: Call) -> None:
        """Ask once more for a piece of work, in another spelling, by whichever server.

        Whoever was recognised by a call with two identifiers is then asked for by the second alone.
        """
        person = next((one for one in story.plan.people if one.name == call.key[0]), None)
        await self._call(story, self._calm(call, self._chance.choice(person.spellings) if person else {}))
        if person is None or person.bridge is None or person.beyond is None:
            return
        await self._call(story, self._calm(call, person.bridge))
        if story.said[-1][1].workflow_id:
            await self._call(story, self._calm(call, person.beyond))

    def _calm(self, call: Call, spelling: Fields) -> Call:
        kept = ("list_id", "scope", "quote_id")
        arguments = {name: call.arguments[name] for name in kept if name in call.arguments}
        return Call(
            self._chance.randrange(len(self.servers)),
            0,
            {**spelling, **arguments, "wait_seconds": 0},
            call.key,
        )

    async def _recent(self) -> list[dict[str, Any]]:
        said = await self._status()
        newest = {name: value for name, value in said.data.items() if name != "recent"}
        return [newest, *said.data.get("recent", [])]

    async def _status(self, **arguments: Any) -> Said:
        """Ask workflow_status until the journal can be read and the key's minute has room for a look.

        A stopped server holds the file; whoever could not open it tries again every five seconds.
        """
        give_up_at = time.monotonic() + 75
        while True:
            said = await self.servers[0].call("workflow_status", wait_seconds=0, **arguments)
            if said.code not in ("journal_unavailable", "rate_limited") or time.monotonic() > give_up_at:
                return said
            await anyio.sleep(0.5)

    async def _ask_a_new_server(self, stories: Sequence[Story]) -> None:
        """Ask a server that was started afterwards for all the work again, and for each run by its id."""
        self.servers = [await self._start()]
        for story in stories:
            story.asked_again_at = time.monotonic()
            for call in story.works:
                await self._ask_calmly(story, call)
            for attempt in self._attempts_of(story):
                if attempt.run is not None:
                    await self._look_at(story, attempt.run)
        await self._end(self.servers[0])

    async def _look_at(self, story: Story, run: Run) -> None:
        said = await self._status(workflow_id=run.workflow_id)
        seen = (said.data.get("workflow_id"), said.data.get("scope"), said.data.get("list_id"))
        if seen != (run.workflow_id, run.scope, run.list_id):
            story.problems.append(
                f"lost: workflow_status of {run.workflow_id} says {said.data or said.error}"
            )

    def _attempts_of(self, story: Story) -> list[Attempt]:
        """Return what reached the API for the work of a round, in whichever round it arrived."""
        whose = {person.name for person in story.plan.people} | {key[0] for key in story.plan.list_keys}
        return [attempt for attempt in self._api.account.attempts if attempt.who in whose]


ADDRESSES: tuple[Callable[[str], str], ...] = (
    lambda url: url,
    lambda url: url.replace("/v1/public", "/v2"),
    lambda url: f"{url}/",
    lambda url: url.replace("http:", "HTTP:"),
)
"""The ways to write the API's address, all of them one account."""

_SIGNALS: dict[str, Signals] = {"KILL": SIGKILL, "TERM": SIGTERM, "HUP": SIGHUP}

# ---- what is wrong with it

KINDS = ("double", "stranger", "false no", "lost", "no answer of a server")
"""The kinds of errors that a round may be convicted of."""

OWN_REFUSALS = frozenset({"run_in_progress", "quote_expired", "journal_unavailable"})
"""Refusals for which nothing is sent: the work is going on, or another process holds the journal."""


def wrong_with(story: Story) -> list[str]:
    """Return what the ledger holds against a round."""
    return [*_doubles(story), *_strangers(story), *_false_noes(story), *_lost(story), *_forgotten(story)]


def _doubles(story: Story) -> Iterator[str]:
    """A run that started although the same work had been started before, was not over, or was not asked for again."""
    for key in {run.key for run in story.runs}:
        runs = [run for run in story.runs if run.key == key]
        for number, run in enumerate(runs[1:], start=1):
            earlier = runs[:number]
            over = all(one.told and one.finished(run.started_at) for one in earlier)
            if not over or not _was_wanted(story, run, earlier):
                yield f"double: {run.workflow_id} for {key} after {[one.workflow_id for one in earlier]}"


def _was_wanted(story: Story, run: Run, earlier: Sequence[Run]) -> bool:
    """Return True if so many runs were asked for: with `again` for a person, with a quote of its own for a list."""
    if run.kind == "list":
        return run.quote_id not in [one.quote_id for one in earlier]
    asked = [said for call, said in story.said if call.again and call.key == run.key]
    return len([said for said in asked if said.began <= run.started_at]) >= len(earlier)


def _strangers(story: Story) -> Iterator[str]:
    """An answer that names or shows a run of other work."""
    runs = {run.workflow_id: run for run in story.runs}
    for call, said in story.said:
        run = runs.get(said.workflow_id)
        if said.workflow_id and (run is None or run.key != call.key):
            yield f"stranger: {said.workflow_id} was said of {call.key}, and is {run and run.key}"
        address = (said.data.get("person") or {}).get("email")
        if address and address != address_of(call.key[0]):
            yield f"stranger: {address} was found for {call.key}"


def _false_noes(story: Story) -> Iterator[str]:
    """An error that says "nothing was charged" without a reason that started nothing."""
    for call, said in story.said:
        if said.code == "internal_error" or said.charged not in ("", "no", "unknown"):
            yield f"no answer of a server: {said.error} for {call.key}"
        elif said.charged == "no" and not _is_excused(story, call, said):
            yield f"false no: {said.error} for {call.key}"


def _is_excused(story: Story, call: Call, said: Said) -> bool:
    """Return True if a refusal with this code has a reason that started nothing."""
    attempts = story.attempts_of(call.key)
    if said.code in OWN_REFUSALS or not any(said.began <= one.at <= said.ended for one in attempts):
        return True  # nothing reached the API meanwhile
    if any(said.code in one.fault and one.run is None for one in attempts):
        return True  # the API refused so
    met = {attempt.fault for attempt in story.attempts}
    unplugged = any(disturbance.what == "unplugged" for disturbance in story.plan.disturbances)
    excuses = {
        "rate_limited": bool({faults.TOO_MANY.name, faults.TOO_MANY_HTML.name} & met),
        "api_unavailable": unplugged or faults.BUSY.name in {one.fault for one in attempts},
        # Looking the list up met the copy of another answer, before anything was paid.
        "bad_response": call.tool == "enrich_person" and "list_id" in call.arguments,
    }
    return excuses.get(said.code, False)


def _lost(story: Story) -> Iterator[str]:
    """A run that workflow_status does not show: by its id if its answer arrived, else as one that is unknown."""
    shown = {entry.get("workflow_id") for entry in story.recent}
    nameless = Counter(
        (one.get("kind"), one.get("scope")) for one in story.recent if not one.get("workflow_id")
    )
    for attempt in story.attempts:
        run = attempt.run
        if run is None or run.workflow_id in shown or run.started_at > story.shown_at:
            continue
        if nameless[run.kind, run.scope] < 1 or (_must_be_known(story, attempt) and not story.cuts):
            yield f"lost: {run.workflow_id} of {run.key} ({attempt.fault}) is not shown"
        nameless[run.kind, run.scope] -= 1


def _forgotten(story: Story) -> Iterator[str]:
    """A run that still counts as unknown once all servers have ended, though its answer was read.

    What could not be written down while connections were cut is written later, at the end of a server at the latest.
    """
    for call, said in story.said:
        if said.code == "outcome_unknown" and said.began >= story.asked_again_at:
            attempts = story.attempts_of(call.key)
            if attempts and all(_must_be_known(story, attempt) for attempt in attempts):
                yield f"lost: {[one.run and one.run.workflow_id for one in attempts]} of {call.key} stays unknown"


def _must_be_known(story: Story, attempt: Attempt) -> bool:
    """Return True if nothing kept a server from reading the answer and writing it down.

    A signal to end is no excuse, as a crash is; a machine that is out of breath is.
    """
    meanwhile = [
        said
        for call, said in story.said
        if call.key == attempt.key and said.began <= attempt.at <= said.ended
    ]
    slow = any(said.ended - said.began >= TIMEOUT for said in meanwhile)
    crashed = any(disturbance.what in ("KILL", "STOP") for disturbance in story.plan.disturbances)
    return attempt.fault in READABLE and not crashed and not slow


READABLE = frozenset(fault.name for fault in HARMLESS if fault.readable)


# ---- the report of a round


def told(story: Story) -> str:
    """Return a round in words, with what is needed to play it again."""
    plan = story.plan
    said = sorted(story.said, key=lambda one: one[1].began)
    lines = [
        f"MONEY_FUZZ={plan.seed}/{plan.number} plays this round again:",
        *(f"  {problem}" for problem in story.problems),
        *(f"  planned: {disturbance}" for disturbance in plan.disturbances),
        *([f"  cut: {story.cuts}"] if story.cuts else []),
        *(f"  {_told_call(story, call, answer)}" for call, answer in said),
        *(f"  {_told_attempt(story, attempt)}" for attempt in story.attempts),
        *(f"  shown: {one.get('workflow_id')} {one.get('kind')} {one.get('status')}" for one in story.recent),
    ]
    return "\n".join(lines)


def _told_call(story: Story, call: Call, said: Said) -> str:
    answer = said.workflow_id or f"{said.code} {said.charged}".strip() or "no answer"
    began, ended = said.began - story.began, said.ended - story.began
    return f"{began:6.2f}-{ended:.2f} server {call.server} {call.key} {call.arguments}: {answer}"


def _told_attempt(story: Story, attempt: Attempt) -> str:
    became = attempt.run.workflow_id if attempt.run else attempt.refused_as or "nothing"
    return f"{attempt.at - story.began:6.2f} API {attempt.key} {attempt.quote_id}: {attempt.fault}, {became}"
