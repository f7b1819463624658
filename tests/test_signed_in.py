"""A service behind a team's sign-in: what strangers see, and as whom it lets people in."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.server.http.callers import KeyVerifier, Refusal
from cleanlist_mcp.server.http.signed_in import SignInVerifier, metadata_address, pages
from cleanlist_mcp.signin.issuer import Issuer
from cleanlist_mcp.signin.sign_in import SignIn
from tests.issuers import AUDIENCE, ISSUER, RSA, FakeIssuer
from tests.support import VirtualClock
from tests.test_sign_in import claims

TEAM_KEY = SecretStr("clapi_team_0000000000")
METADATA = "https://cleanlist.acme.example/.well-known/oauth-protected-resource/mcp"


@asynccontextmanager
async def door(issuer: FakeIssuer) -> AsyncIterator[SignInVerifier]:
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        found = Issuer(issuer.address, clock, tasks, issuer)
        yield SignInVerifier(SignIn(found, AUDIENCE, clock), TEAM_KEY)
        tasks.cancel_scope.cancel()


async def asked(*authorization: str, issuer: FakeIssuer | None = None) -> Caller | Refusal:
    headers = Headers(raw=[(b"authorization", value.encode("latin-1")) for value in authorization])
    async with door(issuer or FakeIssuer(RSA)) as verifier:
        return await verifier.caller(headers)


async def test_people_share_the_key_and_nothing_else() -> None:
    ada = await asked("Bearer " + RSA.sign(claims(sub="ada")))
    bob = await asked("bearer  " + RSA.sign(claims(sub="bob")))

    assert isinstance(ada, Caller) and isinstance(bob, Caller)
    assert ada.api_key == bob.api_key == TEAM_KEY
    assert ada.member == (ISSUER, "ada")
    assert len({ada.digest, bob.digest, Caller(TEAM_KEY).digest}) == 3


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        ((), False),
        (("Basic YTpi",), False),
        (("Bearer",), False),
        (("Bearer clapi_a_key_of_their_own_000",), True),
        (("Bearer x.y.z",), True),
    ],
    ids=str,
)
async def test_whoever_has_no_good_token_is_told_where_to_get_one(
    authorization: tuple[str, ...], error: bool
) -> None:
    refusal = await asked(*authorization)

    assert isinstance(refusal, Refusal)
    assert refusal.status == 401
    challenge = refusal.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ") and f'resource_metadata="{METADATA}"' in challenge
    assert ('error="invalid_token"' in challenge) == error  # RFC 6750: only of a token that was sent
    assert not any(part.split()[-1] in refusal.text + challenge for part in authorization if "." in part)


async def test_an_expired_token_is_refused_with_its_reason_and_without_its_words() -> None:
    token = RSA.sign(claims(exp=1))

    refusal = await asked(f"Bearer {token}")

    assert isinstance(refusal, Refusal)
    assert refusal.text == "The token has expired. Sign in again."
    assert token not in str(refusal)


async def test_two_headers_are_one_too_many() -> None:
    token = f"Bearer {RSA.sign(claims())}"

    refusal = await asked(token, token)

    assert isinstance(refusal, Refusal) and refusal.status == 400


async def test_while_no_token_can_be_checked_nobody_is_sent_to_sign_in() -> None:
    issuer = FakeIssuer(RSA)
    issuer.status = 503

    refusal = await asked("Bearer " + RSA.sign(claims()), issuer=issuer)

    assert isinstance(refusal, Refusal)
    assert refusal.status == 503 and int(refusal.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in refusal.headers


async def test_a_service_that_takes_keys_names_nobody_to_sign_in_with() -> None:
    refusal = await KeyVerifier().caller(Headers())

    assert isinstance(refusal, Refusal)
    assert refusal.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("audience", "address"),
    [
        (AUDIENCE, METADATA),
        (
            "https://acme.example/tools/mcp/",
            "https://acme.example/.well-known/oauth-protected-resource/tools/mcp",
        ),
        ("https://acme.example", "https://acme.example/.well-known/oauth-protected-resource"),
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"),
    ],
)
def test_the_page_lies_where_clients_look_for_it(audience: str, address: str) -> None:
    assert metadata_address(audience) == address


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_the_page_names_the_issuer_in_both_places(method: str) -> None:
    found = pages(ISSUER, AUDIENCE)

    assert set(found) == {
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    }
    for path, page in found.items():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://any") as http:
            answer = await http.request(method, path)
        assert answer.status_code == (405 if method == "POST" else 200)
        if method != "GET":
            continue
        facts: dict[str, Any] = json.loads(answer.content)
        assert facts["resource"] == AUDIENCE and facts["authorization_servers"] == [ISSUER]
        assert facts["bearer_methods_supported"] == ["header"]
        assert "access-control-allow-origin" not in answer.headers
