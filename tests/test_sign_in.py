"""Tokens of a team's sign-in: who is let in, who is not, and what the issuer's troubles do to the others."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.signin.issuer import (
    APART_SECONDS,
    LOOK_AGAIN_SECONDS,
    TRUSTED_SECONDS,
    Issuer,
    metadata_addresses,
)
from cleanlist_mcp.signin.refusals import IssuerUnavailable, TokenRefused
from cleanlist_mcp.signin.sign_in import SignIn
from cleanlist_mcp.signin.tokens import head_of
from tests.issuers import AUDIENCE, ISSUER, RSA, FakeIssuer, Key
from tests.support import VirtualClock

NOW = int(VirtualClock().time())


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token; a change to None leaves one out."""
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 600, "iat": NOW} | changes
    return {name: value for name, value in whole.items() if value is not None}


class Team:
    """A sign-in over a fake issuer, in virtual time."""

    def __init__(self, issuer: FakeIssuer, clock: VirtualClock, sign_in: SignIn) -> None:
        self.issuer = issuer
        self.clock = clock
        self.sign_in = sign_in

    async def refusal(self, token: str) -> str:
        with pytest.raises(TokenRefused) as caught:
            await self.sign_in.person(token)
        return str(caught.value)


@asynccontextmanager
async def team(
    issuer: FakeIssuer | None = None, network: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Team]:
    issuer = issuer or FakeIssuer(RSA)
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        found = Issuer(issuer.address, clock, tasks, network or issuer)
        yield Team(issuer, clock, SignIn(found, AUDIENCE, clock))
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_good_token_of_each_accepted_algorithm_names_its_person(algorithm: str) -> None:
    key = RSA if algorithm == "RS256" else Key("one", algorithm)
    async with team(FakeIssuer(key)) as there:
        person = await there.sign_in.person(key.sign(claims()))

    assert (person.issuer, person.subject, person.expires_at) == (ISSUER, "ada", NOW + 600)
    assert "ada" not in repr(person)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.example", AUDIENCE]},
        {"exp": NOW - 29},
        {"nbf": NOW + 29, "iat": NOW + 29},
        {"iat": None},
        {"exp": NOW + 600.5},
        {"sub": "x" * 255},
    ],
    ids=repr,
)
async def test_what_the_standards_leave_open_is_let_in(changes: dict[str, Any]) -> None:
    async with team() as there:
        assert await there.sign_in.person(RSA.sign(claims(**changes)))


BAD_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "the audience of another service": ({"aud": "https://other.example/mcp"}, "is for another service"),
    "our audience with a slash": ({"aud": AUDIENCE + "/"}, "is for another service"),
    "no audience": ({"aud": None}, "is for another service"),
    "an audience that only begins like ours": ({"aud": AUDIENCE + ".evil.example"}, "is for another service"),
    "an audience that is an object": ({"aud": {AUDIENCE: True}}, "is for another service"),
    "another issuer": ({"iss": "https://login.evil.example"}, "is from another issuer"),
    "the issuer with a slash": ({"iss": ISSUER + "/"}, "is from another issuer"),
    "no issuer": ({"iss": None}, "is from another issuer"),
    "a list of issuers": ({"iss": [ISSUER]}, "is from another issuer"),
    "an expired one": ({"exp": NOW - 31}, "has expired"),
    "no end": ({"exp": None}, "has expired"),
    "an end that never comes": ({"exp": float("inf")}, "has no valid times"),
    "an end that is no number": ({"exp": "tomorrow"}, "has no valid times"),
    "an end that is true": ({"exp": True}, "has no valid times"),
    "one for later": ({"nbf": NOW + 31}, "is not valid yet"),
    "one issued in the future": ({"iat": NOW + 31}, "is not valid yet"),
    "nobody": ({"sub": None}, "names nobody"),
    "an empty subject": ({"sub": ""}, "names nobody"),
    "a subject that is a number": ({"sub": 7}, "names nobody"),
    "a subject that is too long": ({"sub": "x" * 256}, "names nobody"),
    "a token bound to a key": ({"cnf": {"jkt": "x"}}, "is bound to a key that was not shown"),
}


@pytest.mark.parametrize(("changes", "refusal"), BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_a_token_with_wrong_claims_is_refused(changes: dict[str, Any], refusal: str) -> None:
    async with team() as there:
        assert await there.refusal(_signed(claims(**changes))) == refusal


def _signed(whole: dict[str, Any]) -> str:
    """A token with any claims at all; the library would not write some of them."""
    return jwt.PyJWS().encode(
        json.dumps(whole).encode(), RSA.private, algorithm="RS256", headers={"kid": "first"}
    )


def _unsigned() -> str:
    return f"{_part({'alg': 'none', 'kid': 'first', 'typ': 'JWT'})}.{_part(claims())}."


def _with_public_key_as_secret() -> str:
    """The classic: a public key is known to everybody, and a verifier may be talked into taking it for a secret."""
    head = _part({"alg": "HS256", "kid": "first", "typ": "JWT"})
    body = _part(claims())
    signed = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), RSA.pem)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _altered() -> str:
    head, _, signature = RSA.sign(claims()).split(".")
    return f"{head}.{_part(claims(sub='bob'))}.{signature}"


STRANGE = Key("first")
NOT_PUBLISHED = "is signed with a key that the issuer does not publish"
NOT_ACCEPTED = "is signed by an algorithm that is not accepted"
BAD_TOKENS: dict[str, tuple[Callable[[], str], str]] = {
    "the algorithm none": (_unsigned, NOT_ACCEPTED),
    "the public key as a secret": (_with_public_key_as_secret, NOT_ACCEPTED),
    "a longer hash than is accepted": (
        lambda: Key("first", "RS512", RSA.private).sign(claims()),
        NOT_ACCEPTED,
    ),
    "another curve": (lambda: Key("first", "ES384").sign(claims()), NOT_ACCEPTED),
    "an accepted algorithm with another kind of key": (
        lambda: Key("first", "ES256").sign(claims()),
        NOT_PUBLISHED,
    ),
    "somebody else's key under the same name": (lambda: STRANGE.sign(claims()), "has a wrong signature"),
    "an unknown key": (lambda: RSA.sign(claims(), kid="other"), NOT_PUBLISHED),
    "a key's name that is a path": (lambda: RSA.sign(claims(), kid="../../etc/passwd"), NOT_PUBLISHED),
    "a key's name that is an address": (
        lambda: RSA.sign(claims(), kid="http://127.0.0.1:1/keys"),
        NOT_PUBLISHED,
    ),
    "a key's name that is too long": (lambda: RSA.sign(claims(), kid="k" * 256), "names no key"),
    "claims that were changed": (_altered, "has a wrong signature"),
    "a header that must be understood": (
        lambda: RSA.sign(claims(), crit=["exp"], exp=1),
        "is not a signed JWT",
    ),
    "a logout token": (lambda: RSA.sign(claims(), typ="logout+jwt"), "is of a kind that is not accepted"),
    "nothing": (lambda: "", "is not a signed JWT"),
    "two parts": (lambda: "eyJhbGciOiJSUzI1NiJ9.e30", "is not a signed JWT"),
    "an API key": (lambda: "clapi_" + "x" * 30, "is not a signed JWT"),
    "a head that is a list": (lambda: f"{_part([])}.{_part(claims())}.x", "is not a signed JWT"),
    "a deep head": (lambda: f"{_part(json.loads('[' * 500 + ']' * 500))}.e30.x", "is not a signed JWT"),
    "a key's name that is a number": (
        lambda: f"{_part({'alg': 'RS256', 'kid': 7})}.e30.x",
        "is not a signed JWT",
    ),
    "no signature": (lambda: RSA.sign(claims()).rsplit(".", 1)[0] + ".", "has a wrong signature"),
    "letters that are no ASCII": (lambda: "\u00e9.\u00e9.\u00e9", "is not a signed JWT"),
    "a huge one": (lambda: RSA.sign(claims(more="x" * 20_000)), "is longer than any token should be"),
}


@pytest.mark.parametrize(("make", "refusal"), BAD_TOKENS.values(), ids=BAD_TOKENS)
async def test_a_token_that_is_none_of_the_issuers_is_refused(make: Callable[[], str], refusal: str) -> None:
    async with team() as there:
        assert await there.refusal(make()) == refusal
        assert all(address.startswith(ISSUER.removesuffix("/team")) for address in there.issuer.asked)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode() + ".e30.x"))
def test_whatever_comes_as_a_token_is_refused_and_never_fails_otherwise(token: str) -> None:
    with pytest.raises(TokenRefused):
        head_of(token)


async def test_a_token_that_names_no_key_is_taken_if_there_is_only_one() -> None:
    nameless = Key(None, private=RSA.private)
    token = jwt.encode(claims(), RSA.private, algorithm="RS256")
    async with team(FakeIssuer(nameless, Key("e", "ES256"))) as there:
        assert (await there.sign_in.person(token)).subject == "ada"
    async with team(FakeIssuer(RSA, Key("second"))) as there:
        assert await there.refusal(token) == NOT_PUBLISHED


UNUSABLE_KEYS: dict[str, Callable[[], dict[str, Any]]] = {
    "for encryption": lambda: RSA.public | {"use": "enc"},
    "for another algorithm": lambda: RSA.public | {"alg": "RS512"},
    "a shared secret": lambda: {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
    "private": lambda: RSA.public | {"d": "AQAB"},
    "damaged": lambda: RSA.public | {"n": "!"},
    "without its numbers": lambda: {"kty": "RSA", "kid": "first"},
    "a number for a name": lambda: RSA.public | {"kid": 1},
    "small": lambda: {
        "kty": "RSA",
        "kid": "first",
        "e": "AQAB",
        "n": base64.urlsafe_b64encode(b"\xff" * 128).decode(),
    },
}


@pytest.mark.parametrize("make", UNUSABLE_KEYS.values(), ids=UNUSABLE_KEYS)
async def test_a_key_that_cannot_be_meant_for_signatures_is_not_used(
    make: Callable[[], dict[str, Any]],
) -> None:
    issuer = FakeIssuer()
    issuer.documents[f"{ISSUER}/keys"] = {"keys": [None, make(), Key("good", "ES256").public]}
    async with team(issuer) as there:
        assert await there.refusal(RSA.sign(claims())) == NOT_PUBLISHED


BROKEN: dict[str, tuple[str, Any, str]] = {
    "another issuer in the metadata": (
        "/.well-known/openid-configuration",
        {"issuer": ISSUER + "/", "jwks_uri": f"{ISSUER}/keys"},
        "has another name",
    ),
    "keys without TLS": (
        "/.well-known/openid-configuration",
        {"issuer": ISSUER, "jwks_uri": "http://login.acme.example/keys"},
        "no safe address",
    ),
    "keys on this machine": (
        "/.well-known/openid-configuration",
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys"},
        "no safe address",
    ),
    "no address of keys": ("/.well-known/openid-configuration", {"issuer": ISSUER}, "no safe address"),
    "metadata that is no JSON": ("/.well-known/openid-configuration", b"<html>", "cannot be read"),
    "metadata that is a list": ("/.well-known/openid-configuration", [], "cannot be read"),
    "deep keys": ("/keys", b"[" * 100_000, "no set of keys"),
    "keys that are no list": ("/keys", {"keys": {}}, "no set of keys"),
    "no keys": ("/keys", {"keys": []}, "no key that can be used"),
    "an endless document": ("/keys", b" " * 600_000, "larger than any answer should be"),
}


@pytest.mark.parametrize(("place", "document", "reason"), BROKEN.values(), ids=BROKEN)
async def test_with_unusable_documents_nobody_is_let_in_and_nobody_is_sent_away_for_good(
    place: str, document: Any, reason: str
) -> None:
    issuer = FakeIssuer(RSA)
    issuer.documents[ISSUER + place] = document
    async with team(issuer) as there:
        with pytest.raises(IssuerUnavailable, match=reason):
            await there.sign_in.person(RSA.sign(claims()))


async def test_the_metadata_is_found_in_each_of_its_three_places() -> None:
    places = list(metadata_addresses(ISSUER))
    assert places == [
        "https://login.acme.example/.well-known/oauth-authorization-server/team",
        "https://login.acme.example/.well-known/openid-configuration/team",
        "https://login.acme.example/team/.well-known/openid-configuration",
    ]
    assert len(list(metadata_addresses("https://login.acme.example/"))) == 2
    for place in places:
        issuer = FakeIssuer(RSA)
        issuer.documents[place] = issuer.documents.pop(places[2])
        async with team(issuer) as there:
            assert await there.sign_in.person(RSA.sign(claims()))


async def test_the_keys_are_asked_for_once_for_many_calls() -> None:
    async with team() as there, anyio.create_task_group() as calls:
        for _ in range(50):
            calls.start_soon(there.sign_in.person, RSA.sign(claims()))
    assert there.issuer.fetches == 1


async def test_a_new_key_is_found_by_the_first_token_that_names_it() -> None:
    new = Key("second", "ES256")
    async with team() as there:
        await there.sign_in.person(RSA.sign(claims()))
        there.issuer.publish(new)
        there.clock.now += APART_SECONDS
        assert await there.sign_in.person(new.sign(claims()))
        assert await there.refusal(RSA.sign(claims())) == NOT_PUBLISHED  # withdrawn


async def test_tokens_with_keys_that_nobody_knows_make_one_fetch_a_minute() -> None:
    async with team() as there:
        for _ in range(100):
            await there.refusal(RSA.sign(claims(), kid="made up"))
        assert there.issuer.fetches == 1
        there.clock.now += APART_SECONDS
        for _ in range(100):
            await there.refusal(RSA.sign(claims(), kid="made up"))
    assert there.issuer.fetches == 2


class Waiting(httpx.AsyncBaseTransport):
    """A network on which the issuer answers once it is let go."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self._issuer = issuer
        self.held = False
        self.let_go = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.held:
            await self.let_go.wait()
        return await self._issuer.handle_async_request(request)


async def test_while_an_unknown_key_is_looked_for_the_others_do_not_wait() -> None:
    issuer, new, answered = FakeIssuer(RSA), Key("second", "ES256"), list[str]()
    network = Waiting(issuer)

    async def ask(there: Team, name: str, token: str) -> None:
        await there.sign_in.person(token)
        answered.append(name)

    async with team(issuer, network) as there:
        await ask(there, "before", RSA.sign(claims()))
        network.held = True
        there.clock.now += LOOK_AGAIN_SECONDS + 1
        issuer.publish(RSA, new)
        async with anyio.create_task_group() as calls:
            calls.start_soon(ask, there, "new", new.sign(claims()))
            await anyio.wait_all_tasks_blocked()
            await ask(there, "known", RSA.sign(claims()))
            network.let_go.set()

    assert answered == ["before", "known", "new"]


async def test_a_caller_who_gives_up_does_not_end_the_fetch_of_the_others() -> None:
    network = Waiting(FakeIssuer(RSA))
    network.held = True
    async with team(network=network) as there, anyio.create_task_group() as calls:
        first = anyio.CancelScope()

        async def impatient() -> None:
            with first:
                await there.sign_in.person(RSA.sign(claims()))

        calls.start_soon(impatient)
        await anyio.wait_all_tasks_blocked()
        calls.start_soon(there.sign_in.person, RSA.sign(claims()))
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        network.let_go.set()


async def test_an_issuer_that_is_away_locks_nobody_out_for_a_day() -> None:
    async with team() as there:
        await there.sign_in.person(RSA.sign(claims()))
        there.issuer.status = 503
        there.clock.now += TRUSTED_SECONDS - 1
        assert await there.sign_in.person(RSA.sign(claims(exp=NOW + 200_000)))
        await anyio.wait_all_tasks_blocked()
        there.clock.now += APART_SECONDS
        with pytest.raises(IssuerUnavailable, match="answered with HTTP status 503"):
            await there.sign_in.person(RSA.sign(claims(exp=NOW + 200_000)))


async def test_an_issuer_that_is_slow_is_not_waited_for_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanlist_mcp.signin.issuer.FETCH_SECONDS", 0.01)
    network = Waiting(FakeIssuer(RSA))
    network.held = True
    async with team(network=network) as there:
        with pytest.raises(IssuerUnavailable, match="did not answer within"):
            await there.sign_in.person(RSA.sign(claims()))


async def test_an_issuer_that_was_away_at_the_start_is_asked_again_soon() -> None:
    issuer = FakeIssuer(RSA)
    issuer.status = 500
    async with team(issuer) as there:
        with pytest.raises(IssuerUnavailable) as caught:
            await there.sign_in.person(RSA.sign(claims()))
        issuer.status = 200
        with pytest.raises(IssuerUnavailable):
            await there.sign_in.person(RSA.sign(claims()))
        there.clock.now += caught.value.retry_after
        assert await there.sign_in.person(RSA.sign(claims()))


async def test_the_keys_are_fetched_beside_the_first_calls() -> None:
    async with team() as there:
        there.sign_in.issuer.begin()
        await anyio.wait_all_tasks_blocked()
        assert there.issuer.fetches == 1
