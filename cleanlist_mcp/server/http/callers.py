"""Callers, recognised by the headers of their requests: a verifier turns headers into a caller or a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr
from starlette.datastructures import Headers

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.api_key import KEYS_PAGE

LONGEST_KEY = 512
"""Characters of the longest key that is taken for one."""


@dataclass(frozen=True)
class Refusal:
    """The answer to a request whose caller is not recognised: an HTTP status, a sentence, and further headers."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Verifier(Protocol):
    """Recognises callers. Called once for each request, before its body is read, so it must not ask the API."""

    async def caller(self, headers: Headers) -> Caller | Refusal:
        """Return who sends a request with these headers."""


def bearer_token(headers: Headers) -> str | Refusal:
    """Return the token of the one `Authorization: Bearer` header; a refusal of anything else.

    The challenge names the one scheme there is, and nowhere to sign in.
    """
    given = headers.getlist("authorization")
    if not given:
        return _unauthorized("This service needs an API key: send it as Authorization: Bearer clapi_…")
    if len(given) > 1:
        return Refusal(400, "There is more than one Authorization header; send one.")
    scheme, _, token = given[0].strip().partition(" ")
    token = token.strip()
    if scheme.casefold() != "bearer" or not token or len(token) > LONGEST_KEY:
        return _unauthorized("Authorization is not of the form: Bearer clapi_…")
    return token


class KeyVerifier:
    """Takes each caller's own Cleanlist key. Only its form is checked here."""

    async def caller(self, headers: Headers) -> Caller | Refusal:
        """Return the caller whose key the headers hold."""
        token = bearer_token(headers)
        if isinstance(token, Refusal):
            return token
        if not _is_key(token):
            return _unauthorized(
                f"This is not a Cleanlist API key; one starts with clapi_ and is made at {KEYS_PAGE}."
            )
        return Caller(SecretStr(token))


class SandboxVerifier:
    """Takes everybody as the sandbox's one account, or as the holder of the sandbox key that they send."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def caller(self, headers: Headers) -> Caller | Refusal:
        """Return the caller; without a usable header it is the seeded account."""
        token = bearer_token(headers)
        if isinstance(token, Refusal):
            return token if token.status == 400 else Caller(SecretStr(self._key))
        return Caller(SecretStr(token if _is_key(token) else self._key))


def _is_key(token: str) -> bool:
    return token.startswith("clapi_") and token.isascii() and token.isprintable() and " " not in token


def _unauthorized(text: str) -> Refusal:
    return Refusal(401, text, {"WWW-Authenticate": "Bearer"})
