"""Point 9: a canary key and a canary address stand in nothing that leaves the service or stays behind it."""

import json
import signal
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import anyio

from benchmarks.team import ledger
from benchmarks.team.replicas import Replica
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, AnswerLost, Client, Era, exchange
from benchmarks.team.world import World, world

PERSON = 123_456
WATCHED = Path(__file__).with_name("watched")
"""A folder whose `sitecustomize.py` every replica loads at its start: it writes down what watchers of a service get."""

PIECE = 16
"""Characters of the shortest piece of a key that counts as the key."""

FAULTS = (
    "refused",
    "server_error",
    "reset_after",
    "hang_after",
    "unreadable",
    "truncated",
    "bad_gateway",
    "sent_twice",
)


class Canary:
    """Texts that must not be seen: a key, and a person's address and profile."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.token = ledger.token_of(PERSON)
        self.email = f"{self.token}@fable.example"
        self.profile = f"https://www.linkedin.com/in/{self.token}"

    def seen_in(self, text: str, *, person: bool = True) -> list[str]:
        """Return what of it is in a text, in any letters, the key in pieces too; `person` looks for the person."""
        folded = text.casefold()
        pieces = (self.key[at : at + PIECE].casefold() for at in range(14, len(self.key) - PIECE))
        found = ["the key"] if any(piece in folded for piece in pieces) else []
        names = (self.token, quote(self.token))
        return found + (["the address"] if person and any(name in folded for name in names) else [])


async def play(conditions: Conditions) -> Report:
    """Play the point."""
    report = Report(9, "A canary key and a canary address, looked for in everything that leaves or stays")
    if find_spec("opentelemetry.sdk") is None:
        report.left_out = "opentelemetry-sdk is not installed (extra `test`)."
        return report
    dice = Random(f"canary {conditions.seed}")  # noqa: S311 - a seed, no secret
    settings = {"CLEANLIST_LOG_LEVEL": "DEBUG", "PYTHONPATH": str(WATCHED), "CLEANLIST_CONFIRM": "never"}
    async with world(dice, replicas=2, settings=settings) as made:
        canary = Canary(made.sandbox.key)
        errors: list[str] = []
        for era in ERAS:
            await _use(made, canary, era, errors)
            await _misuse(made, canary, era, errors)
        await _break(made, canary, errors)
        await _written_down(made.replicas)
        for replica in made.replicas:
            replica.signal(signal.SIGTERM)
        for replica in made.replicas:
            await replica.gone(30)
        _judge(report, made, canary, errors)
    return report


# ---- everything that a service is asked


async def _use(made: World, canary: Canary, era: Era, errors: list[str]) -> None:
    """Call each tool with the canary in it."""
    client = made.client(canary.key, era)
    people = [
        {"email": canary.email, "first_name": "Ada", "last_name": "Fable"},
        {"linkedin_url": canary.profile},
    ]
    made_list = (await client.call("create_list", name=f"Canaries {era}")).data.get("list_id", "")
    calls: list[tuple[str, Mapping[str, Any]]] = [
        ("whoami", {}),
        ("credits_balance", {"by": "run"}),
        ("enrich_person", {"email": canary.email, "scope": "full", "wait_seconds": 3}),
        ("enrich_person", {"linkedin_url": canary.profile, "wait_seconds": 0}),
        ("enrich_person", {"email": canary.email, "scope": "full"}),
        ("add_leads", {"list_id": made_list, "people": people}),
        ("get_leads", {"list_id": made_list, "details": True}),
        ("get_leads", {"list_id": made_list, "query": canary.token}),
        ("export_list", {"list_id": made_list}),
        ("find_lists", {"query": canary.email}),
        ("search_people", {"company_domains": [f"{canary.token}.example"]}),
        ("enrich_company", {"domain": "legendlabs.example"}),
        ("workflow_status", {"wait_seconds": 0}),
    ]
    for tool, arguments in calls:
        await _note(client, tool, arguments, errors)
    quote = await client.call("estimate", list_id=made_list, only_missing=False)
    spent = {name: quote.data.get(name) for name in ("list_id", "scope", "quote_id")}
    await _note(client, "enrich_list", spent, errors)
    for method, parameters in (
        ("resources/list", {}),
        ("prompts/list", {}),
        ("resources/read", {"uri": f"cleanlist://people/{canary.email}"}),
        ("resources/read", {"uri": f"cleanlist://lists/{canary.email}"}),
        ("prompts/get", {"name": canary.email}),
    ):
        error = (await client.ask(method, **parameters)).get("error", {})
        error.pop("data", None)  # the protocol wants the address of a resource back, for whoever asked for it
        errors.append(json.dumps(error))


async def _misuse(made: World, canary: Canary, era: Era, errors: list[str]) -> None:
    """Put the canary where it does not belong."""
    client = made.client(canary.key, era)
    for tool, arguments in (
        (canary.email, {}),
        (canary.key, {}),
        ("enrich_person", {"email": f"{canary.email}@@", "list_id": canary.key}),
        ("enrich_person", {"email": {"at": canary.email}}),
        ("enrich_person", {canary.email: 1}),
        ("enrich_person", {"linkedin_url": canary.email, "max_credits": canary.key}),
        ("workflow_status", {"workflow_id": canary.email}),
        ("workflow_status", {"workflow_id": canary.key}),
        ("estimate", {"list_id": canary.email}),
        ("enrich_list", {"list_id": canary.key, "scope": canary.email, "quote_id": canary.key}),
        ("remove_leads", {"list_id": canary.email, "lead_ids": [canary.key]}),
    ):
        await _note(client, tool, arguments, errors)
    wrong = (
        {"Authorization": f"Basic {canary.key}"},
        {"Authorization": f"Bearer {canary.key} {canary.email}"},
        {"X-Cleanlist-Toolsets": canary.email},
        {"X-Cleanlist-Read-Only": canary.key},
        {"Mcp-Session-Id": canary.email},
        {"Mcp-Name": canary.email},
        {"Host": canary.email},
        {"Origin": f"https://{canary.email}"},
    )
    for headers in wrong:
        await _note(made.client(canary.key, era, headers=headers), "whoami", {}, errors)
    for request in _raw(made.front.port, canary):
        try:
            errors.append(
                (await exchange(made.front.port, request, patience=15)).body.decode(errors="replace")
            )
        except AnswerLost as exc:
            errors.append(str(exc))


def _raw(port: int, canary: Canary) -> Iterable[bytes]:
    """Requests that no client sends."""
    bodies = (
        json.dumps([canary.email]).encode(),
        f'{{"jsonrpc":"2.0","id":"{canary.email}","method":"{canary.key}","params":[]}}'.encode(),
        f'{{"email":"{canary.email}'.encode(),
        f"\udcff{canary.email}".encode(errors="surrogatepass"),
    )
    for body in bodies:
        fields = (
            f"POST /mcp?key={canary.key}&who={canary.email} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {canary.key}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield fields.encode() + body
    yield f"GET /{canary.key}/{canary.email} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


async def _break(made: World, canary: Canary, errors: list[str]) -> None:
    """Let the API, the database and a replica fail over the canary."""
    client = made.client(canary.key)
    for at, fault in enumerate(FAULTS):
        made.sandbox.faults.next("POST /enrichment/person", fault)  # type: ignore[arg-type]
        name = {
            "first_name": "Ada",
            "last_name": f"Fable{'abcdefghij'[at]}",
            "linkedin_url": f"{canary.profile}{at}",
        }
        await _note(client, "enrich_person", {**name, "wait_seconds": 0}, errors)
    if made.database is not None:
        async with anyio.create_task_group() as tasks:
            for at in range(10):
                person = {"email": f"{at}{canary.email}", "wait_seconds": 0}
                tasks.start_soon(_note, client, "enrich_person", person, errors)
            await anyio.sleep(0.05)
            made.database.kill()
        await made.database.start()
    await _note(client, "enrich_person", {"email": canary.email}, errors)


async def _note(client: Client, tool: str, arguments: Mapping[str, Any], errors: list[str]) -> None:
    """Call a tool and keep whatever is an error in the answer: a result may hold what was asked for."""
    said = await client.call_with(tool, arguments, patience=30)
    errors.append(json.dumps([dict(said.error), said.status]))


async def _written_down(replicas: Iterable[Replica]) -> None:
    """Let each replica write down how its objects look in a debugger."""
    for replica in replicas:
        replica.signal(signal.SIGUSR1)
    await anyio.sleep(3.0)


# ---- the judgement


def _judge(report: Report, made: World, canary: Canary, errors: list[str]) -> None:
    def watched(kind: str) -> str:
        return "\n".join(path.read_text(errors="replace") for path in made.folder.glob(f"{kind}-*.txt"))

    for name, text, least, person in (
        ("bytes of logs at DEBUG", made.logs(), 2_000, True),
        ("bytes of spans", watched("spans"), 2_000, True),
        ("bytes of metrics", watched("metrics"), 500, True),
        ("bytes of errors", "\n".join(errors), 2_000, True),
        ("bytes of reprs", watched("reprs"), 2_000, False),
        ("bytes of pg_dump", made.database.dump() if made.database else "", 5_000, True),
        ("bytes of the database's own log", made.database.log if made.database else "", 0, True),
    ):
        report.at_least(name, len(text), least)
        place = name.removeprefix("bytes of ")
        seen = canary.seen_in(text, person=person)
        report.none(f"canaries in {place}", [f"{one} is in {place}: {_around(canary, text)}" for one in seen])


def _around(canary: Canary, text: str) -> str:
    """Return where the canary sings, without the song."""
    for line in text.splitlines():
        if canary.seen_in(line):
            at = max(line.casefold().find(canary.token), 0)
            return line[max(at - 120, 0) : at].replace(canary.key, "KEY") + "[...]"
    return ""
