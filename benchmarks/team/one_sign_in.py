"""Part of point 7: two people who sign in to one service with one key see nothing of each other."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from benchmarks.team import ledger
from benchmarks.team.people import spellings
from benchmarks.team.report import Conditions, Report
from benchmarks.team.wire import ERAS, FORMS, Client, Era, Said, spent
from benchmarks.team.world import World, world
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.sandbox.state import Sandbox
from tests.issuers import Key

AUDIENCE = "https://cleanlist.acme.example/mcp"
PERSON = 800_000


@asynccontextmanager
async def issuing(key: Key) -> AsyncIterator[str]:
    """An issuer of sign-ins on loopback that publishes a key; yields its address."""
    address = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        documents: dict[str, Any] = {
            "/.well-known/oauth-authorization-server": {"issuer": address, "jwks_uri": f"{address}/keys"},
            "/keys": {"keys": [key.public]},
        }
        body = json.dumps(documents.get(path, {})).encode()
        status = b"200 OK" if path in documents else b"404 Not Found"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield address
    finally:
        server.close()


def token_for(key: Key, issuer: str, subject: str) -> str:
    """Return the token that the issuer gives somebody who signed in."""
    now = int(time.time())
    claims = {"iss": issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 3_600, "scope": "mcp"}
    return key.sign(claims, typ="at+jwt")


async def play(conditions: Conditions) -> Report:
    """Play this part of the point, over two replicas."""
    report = Report(7, "Two people of one sign-in")
    dice = Random(f"sign-in {conditions.seed}")  # noqa: S311 - a seed, no secret
    sandbox, key = Sandbox(latency=0.5, rate_limits=False), Key("of the proof", "ES256")
    async with issuing(key) as issuer:
        settings = {
            "CLEANLIST_AUTH": "oauth",
            "CLEANLIST_OAUTH_ISSUER": issuer,
            "CLEANLIST_OAUTH_AUDIENCE": AUDIENCE,
            "CLEANLIST_API_KEY": sandbox.key,
        }
        async with world(dice, replicas=2, settings=settings, sandbox=sandbox) as made:
            tokens = [token_for(key, issuer, f"{name}@acme.example") for name in ("ada", "grace")]
            for era in ERAS:
                await _work_side_by_side(report, made, era, *tokens)
    return report


async def _work_side_by_side(report: Report, made: World, era: Era, hers: str, his: str) -> None:
    her = made.client(hers, era, capabilities=FORMS)
    number = PERSON + ERAS.index(era)
    paid = await her.call("enrich_person", **spellings(number)[0], wait_seconds=5)
    tokens = [ledger.token_of(number + 10 + row) for row in range(3)]
    people = [Identity(email=f"{token}@fable.example") for token in tokens]
    list_id = made.sandbox.add_list(f"Of one of two {era}", people)
    quote = await her.call("estimate", list_id=list_id, only_missing=False)
    his_answers = await _look_around(made.client(his, era, capabilities=FORMS), her, paid, quote)
    secrets = [paid.workflow_id, ledger.token_of(number), str(quote.data.get("quote_id"))]
    seen = [
        f"{era}: {secret} is in {answer[:300]}"
        for secret in secrets
        for answer in his_answers
        if secret.casefold() in answer.casefold()
    ]
    report.holds(f"{era}: her own run", paid.status, holds=bool(paid.workflow_id), demand="paid")
    report.at_least(f"{era}: answers to the other person of one sign-in", len(his_answers), 9)
    report.none(f"{era}: of them with anything of hers", seen)


async def _look_around(him: Client, her: Client, paid: Said, quote: Said) -> list[str]:
    """Ask for everything of hers that one could, and return the answers without what they repeat of the question."""
    session, him.session = him.session, her.session  # hers, with his token
    stolen = await him.call("credits_balance")
    him.session = session
    said = [
        stolen,
        await him.call("workflow_status", wait_seconds=0),
        await him.call("workflow_status", workflow_id=paid.workflow_id, wait_seconds=0),
        await him.call("credits_balance", by="run"),
        await him.call("credits_balance", by="list"),
        await him.call_with("enrich_list", spent(quote)),
    ]
    answers = [json.dumps(dict(one.result) | dict(one.error)) for one in said]
    for method in ("resources/list", "prompts/list", "resources/templates/list"):
        answers.append(json.dumps(await him.ask(method)))
    for resource in json.loads(answers[-3]).get("result", {}).get("resources", []):
        answers.append(json.dumps(await him.ask("resources/read", uri=resource["uri"])))
    return [answer.replace(paid.workflow_id, "", _repeats(answer)) for answer in answers]


def _repeats(answer: str) -> int:
    """Return how often an answer may repeat the id that was asked about: an error that names it says nothing new."""
    return 1 if "not_found" in answer else 0
