"""Point 7: a dialog, a session and a proof that begin at one replica go on at another, while the secret changes too."""

import secrets
from collections.abc import Mapping, Sequence
from itertools import count, cycle, pairwise
from random import Random
from typing import Any

import anyio

from benchmarks.team import ledger
from benchmarks.team.people import spellings
from benchmarks.team.replicas import Replica, StartRefused
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, FORMS, LEGACY, MODERN, Client, Said, spent
from benchmarks.team.world import World, world
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.state import Sandbox

CARDS: Mapping[str, Any] = {
    "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
}
APPROVAL = "ai.cleanlist/approval"

COLLEAGUES = 10
WORK_SECONDS = 60
"""Seconds that a colleague takes for one person."""


class Lists:
    """New lists of three people each, one for each dialog."""

    def __init__(self, made: World, key: str) -> None:
        self._made, self._key = made, key
        self._numbers = count()

    def new(self) -> str:
        """Return the id of one more list."""
        number = next(self._numbers)
        tokens = [ledger.token_of(700_000 + 10 * number + row) for row in range(3)]
        people = [Identity(email=f"{token}@fable.example") for token in tokens]
        return self._made.sandbox.add_list(f"Dialog {number}", people, key=self._key)


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(7, "Dialogs, sessions and proofs across replicas, and a secret that is replaced")
    dice = Random(f"dialogs {conditions.seed}")  # noqa: S311 - a seed, no secret
    first = secrets.token_hex(32)
    async with world(dice, settings={"CLEANLIST_SECRET_KEYS": first}) as made:
        lists = Lists(made, made.sandbox.key)
        await _dialogs(report, made, lists, int(conditions.choose(6, 40)))
        await _legacy_clients(report, made, lists)
        await _rotation(report, made, lists, first)
    sandbox = Sandbox(latency=12.0)  # with the API's own limits
    async with world(dice, sandbox=sandbox) as made:
        await _colleagues(report, made, conditions.choose(22, 150))
    return report


# ---- dialogs


async def _dialogs(report: Report, made: World, lists: Lists, dialogs: int) -> None:
    """Ask at one replica, answer at the next, and answer once more at the third."""
    turns = cycle(made.replicas)
    wrong, repeats = [], []
    for _ in range(dialogs):
        asking, answering, repeating = next(turns), next(turns), next(turns)
        next(turns)
        before = len(made.sandbox.runs)
        asked, arguments = await _asked(made, lists, asking)
        said = await _answered(made, answering, asked, arguments)
        again = await _answered(made, repeating, asked, arguments)
        if not said.workflow_id:
            wrong.append(str(said))
        if again.workflow_id != said.workflow_id or len(made.sandbox.runs) != before + 1:
            repeats.append(str(again))
    report.at_least("dialogs begun at one replica and answered at another", dialogs, dialogs)
    report.none("of them failed", wrong)
    report.none("answers sent twice that did more than once", repeats)


async def _asked(made: World, lists: Lists, at: Replica) -> tuple[Said, dict[str, Any]]:
    """Get a quote and ask for its run; the answer is the question to the person."""
    client = made.client(made.sandbox.key, at=at, capabilities=FORMS)
    arguments = spent(await client.call("estimate", list_id=lists.new(), only_missing=False))
    return await client.call_with("enrich_list", arguments), arguments


async def _answered(made: World, at: Replica, asked: Said, arguments: Mapping[str, Any]) -> Said:
    """Answer a question with a yes."""
    client = made.client(made.sandbox.key, at=at, capabilities=FORMS)
    answers = {
        name: {"action": "accept", "content": {"approve": True}}
        for name in asked.result.get("inputRequests", {})
    }
    more = {"inputResponses": answers, "requestState": asked.result.get("requestState")}
    return await client.call_with("enrich_list", arguments, more=more)


# ---- what legacy clients declared


async def _legacy_clients(report: Report, made: World, lists: Lists) -> None:
    """Shake hands with one replica and be known to the others."""
    unknown, known = list[str](), list[str]()
    for era, capabilities, wanted in ((LEGACY, CARDS, True), (LEGACY, {}, False), (MODERN, CARDS, True)):
        client = made.client(made.sandbox.key, era, at=made.replicas[0], capabilities=capabilities)
        await client.open()
        for replica in made.replicas:
            client.port = replica.port
            quote = await client.call("estimate", list_id=lists.new(), only_missing=False)
            has_proof = APPROVAL in (quote.result.get("_meta") or {})
            (known if has_proof == wanted else unknown).append(f"{era} at {replica.name}: proof {has_proof}")
    report.at_least("replicas that knew what a client of either era shows", len(known), 9)
    report.none("replicas that did not", unknown)
    await _proofs(report, made, lists)


async def _proofs(report: Report, made: World, lists: Lists) -> None:
    """Press the button of a card at another replica than the one that made it."""
    wrong = []
    for (one, other), era in zip(pairwise([*made.replicas, made.replicas[0]]), (*ERAS, LEGACY), strict=True):
        client = made.client(made.sandbox.key, era, at=one, capabilities=CARDS)
        quote = await client.call("estimate", list_id=lists.new(), only_missing=False)
        client.port = other.port
        proof = (quote.result.get("_meta") or {}).get(APPROVAL)
        approved = {**spent(quote), "max_credits": quote.data.get("estimated_cost"), "approval": proof}
        del approved["wait_seconds"]
        said = await client.call_with("approve_quote", approved)
        if not said.workflow_id:
            wrong.append(str(said))
    report.none("proofs of one replica that another one refused", wrong)


# ---- the rotation


class People:
    """People who are asked for again and again, in several spellings, at every replica.

    `refused` counts answers of replicas that do not know the newest secret yet: they spend nothing.
    """

    def __init__(self, made: World) -> None:
        self._made = made
        self.asked = 0
        self.refused = 0
        self.wrong: list[str] = []
        self.paid: dict[int, str] = {}

    async def ask(self, number: int, at: Replica, *, is_behind: bool = False) -> None:
        """Ask for a person, who is paid once and known from then on, or refused if the replica `is_behind`."""
        self.asked += 1
        spelling = spellings(number)[self.asked % 2]
        client = self._made.client(self._made.sandbox.key, ERAS[self.asked // 2 % 2], at=at)
        said = await client.call("enrich_person", **spelling, wait_seconds=0)
        if is_behind and said.code == "journal_unavailable":
            self.refused += 1
            return
        before = self.paid.setdefault(number, said.workflow_id)
        if not said.workflow_id or said.workflow_id != before:
            self.wrong.append(f"replica {at.name}, person {number}, instead of {before}: {said}")


async def _rotation(report: Report, made: World, lists: Lists, old: str) -> None:
    """Replace the secret: [old], then [new, old] at one replica after the other, then [new]."""
    new = secrets.token_hex(32)
    people, told = People(made), list[Said]()
    session = made.client(made.sandbox.key, LEGACY, at=made.replicas[0], capabilities=CARDS)
    await session.open()
    for number in range(3):
        for replica in made.replicas:
            await people.ask(number, replica)
    questions = [await _asked(made, lists, replica) for replica in made.replicas]
    for at, replica in enumerate(made.replicas):
        await _restarted(replica, f"{new},{old}")
        told.append(await _answered(made, replica, *questions[at]))
        session.port = replica.port
        told.append(await session.call("credits_balance"))
        await _everybody(people, made.replicas, 10 + at, behind=made.replicas[at + 1 :])
    refused = await _start_with(made.replicas[0], new)
    _age(made)
    for replica in made.replicas:
        await _restarted(replica, new)
    for replica in made.replicas:
        await people.ask(12, replica)
    report.show("people, and times that they were asked for", f"{len(people.paid)}, {people.asked}")
    report.show("refused by replicas that did not have the new secret yet", people.refused)
    report.none("answers other than the person's one run", people.wrong)
    report.none("people who were started twice", ledger.started_twice(ledger.starts_of(made.sandbox.runs)))
    lost = [str(said) for said in told if not said.data or said.status != 200]
    report.none("dialogs and sessions that the rotation broke", lost)
    report.holds("a start without the old secret", refused, holds=refused != "started", demand="refused")


async def _everybody(
    people: People, replicas: Sequence[Replica], new: int, behind: Sequence[Replica]
) -> None:
    """Ask for people of before and one `new` one, where the new secret is known first."""
    for number in (0, 1, 2, new):
        for replica in replicas:
            await people.ask(number, replica, is_behind=replica in behind)


async def _restarted(replica: Replica, keys: str) -> None:
    replica.kill()
    replica.environment["CLEANLIST_SECRET_KEYS"] = keys
    await replica.start()


async def _start_with(replica: Replica, keys: str) -> str:
    """Return how a start with these secrets ended: with its last words, or by being `started`."""
    try:
        await _restarted(replica, keys)
    except StartRefused as exc:
        return f"refused: {str(exc).strip().splitlines()[-1][-80:]}"
    return "started"


def _age(made: World) -> None:
    """Let all runs that were written under the older secret be settled, and more than a day old."""
    made.query(
        "UPDATE runs SET state = 'finished', charged = COALESCE(charged, reserved), "
        "started_at = started_at - 100000, finished_at = COALESCE(finished_at, started_at) - 100000 "
        "WHERE digest_key = (SELECT key_id FROM digest_keys ORDER BY place LIMIT 1)"
    )


# ---- ten keys of one organization


async def _colleagues(report: Report, made: World, seconds: float) -> None:
    """Let ten colleagues work as people do, each following runs, over all replicas, under the API's own limits."""
    keys = made.organization(0, COLLEAGUES)
    numbers = count(900_000)
    said: list[Said] = []

    async def work(client: Client) -> None:
        for tool in cycle(("credits_balance", "find_lists", "workflow_status")):
            paid = await client.call("enrich_person", **spellings(next(numbers))[0], wait_seconds=20)
            said.extend((paid, await client.call(tool)))
            await anyio.sleep(max(WORK_SECONDS - (paid.ended - paid.began), 0))

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as tasks:
            for at, key in enumerate(keys):
                tasks.start_soon(work, made.client(key, ERAS[at % 2]))
    requests = [one for one in made.sandbox.requests if one.key and one.key.startswith("org0")]
    report.at_least(f"requests of {COLLEAGUES} keys of one organization", len(requests), 30)
    looks = sum(one.path.startswith("/enrichment/status") for one in requests)
    report.show("of them looks at runs", looks)
    report.none("calls that failed", [str(one) for one in said if one.error or one.lost])
    busy = [f"{one.method} {one.path} by {one.key}" for one in requests if one.status == 429]
    report.none("429 from the API", busy)
