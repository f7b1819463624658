"""Tokens: which key one claims to be signed with, and whom it stands for. Pure; times are seconds since the epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from cleanlist_mcp.signin.refusals import TokenRefused
from cleanlist_mcp.signin.signing_keys import FAMILIES, SigningKey

LEEWAY_SECONDS = 30.0
"""Seconds by which the issuer's clock may differ from ours."""

LONGEST_TOKEN = 16_384
"""Characters of the longest token that is looked at."""

LONGEST_NAME = 255
"""Characters of the longest subject (OpenID Connect Core, section 2), and of a key's name."""

_ACCESS_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Types of access tokens (RFC 9068); other types, such as of logout tokens, let nobody in."""


@dataclass(frozen=True)
class TokenHead:
    """The algorithm and the name of the key with which a token claims to be signed."""

    algorithm: str
    key_name: str | None


@dataclass(frozen=True)
class Person:
    """Somebody who has signed in: a subject means one person only together with its issuer."""

    issuer: str
    subject: str = field(repr=False)  # often an e-mail address
    expires_at: int


def head_of(token: str) -> TokenHead:
    """Return what an unchecked token claims about its signature.

    Raises:
        TokenRefused: if it is no token, or claims something that is not accepted.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("is longer than any token should be")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        head = {"crit": True}
    if "crit" in head:  # names what must be understood and is not here (RFC 7515, section 4.1.11)
        raise TokenRefused("is not a signed JWT")
    algorithm, name, kind = head.get("alg"), head.get("kid"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in FAMILIES:
        raise TokenRefused("is signed by an algorithm that is not accepted")
    if not isinstance(kind, str) or kind.lower() not in _ACCESS_TYPES:
        raise TokenRefused("is of a kind that is not accepted")
    if name is not None and (not isinstance(name, str) or len(name) > LONGEST_NAME):
        raise TokenRefused("names no key")
    return TokenHead(algorithm, name)


def person_of(token: str, key: SigningKey, *, issuer: str, audience: str, now: float) -> Person:
    """Return the person whom a token stands for, after checking the signature and every claim.

    Raises:
        TokenRefused: if the token is not for this service, not from this issuer, or not valid now.
    """
    claims = _signed_claims(token, key)
    if claims.get("iss") != issuer:
        raise TokenRefused("is from another issuer")
    if audience not in _audiences(claims):
        raise TokenRefused("is for another service")
    if "cnf" in claims:
        # Whoever holds it has to prove more than that (RFC 9449 and 8705), which nobody asks for here.
        raise TokenRefused("is bound to a key that was not shown")
    expires = _moment(claims, "exp")
    if expires is None or expires + LEEWAY_SECONDS <= now:
        raise TokenRefused("has expired")
    if max(_moment(claims, "nbf") or 0, _moment(claims, "iat") or 0) - LEEWAY_SECONDS > now:
        raise TokenRefused("is not valid yet")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_NAME:
        raise TokenRefused("names nobody")
    return Person(issuer, subject, int(expires))


def _signed_claims(token: str, key: SigningKey) -> Mapping[str, Any]:
    """Return the claims after checking the signature alone: the claims are checked by our clock, exactly.

    Raises:
        TokenRefused: if the signature is wrong.
    """
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token, key.jwk, algorithms=[key.algorithm], options=_SIGNATURE_ALONE
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused("has a wrong signature") from None
    return claims


_SIGNATURE_ALONE: Any = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False),
    **dict.fromkeys(("verify_sub", "verify_jti"), False),
}


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    named = claims.get("aud")
    return named if isinstance(named, list) else [named]


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a moment; None if it is missing.

    Raises:
        TokenRefused: if it is there and none: JSON of Python's knows numbers that never come.
    """
    value = claims.get(name)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < 2**53
        or math.isnan(value)
    ):
        raise TokenRefused("has no valid times")
    return float(value)
