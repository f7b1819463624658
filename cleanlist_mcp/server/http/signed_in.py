"""People who sign in: callers by the tokens of a team's issuer, and the page that names the issuer (RFC 9728).

A service with this door is an OAuth 2.1 resource server. One that takes keys has no such page and names no issuer:
some clients would begin to register with it.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.server.http.answers import send_error, send_json
from cleanlist_mcp.server.http.callers import Refusal
from cleanlist_mcp.server.http.door import Page
from cleanlist_mcp.signin.refusals import IssuerUnavailable, TokenRefused
from cleanlist_mcp.signin.sign_in import SignIn

WELL_KNOWN = "/.well-known/oauth-protected-resource"


class SignInVerifier:
    """Takes people who have signed in. All of them use the team's one key, and each is an account of their own."""

    def __init__(self, sign_in: SignIn, api_key: SecretStr) -> None:
        self._sign_in = sign_in
        self._api_key = api_key
        self._metadata = metadata_address(sign_in.audience)

    async def caller(self, headers: Headers) -> Caller | Refusal:
        """Return the person whose token the headers hold."""
        given = headers.getlist("authorization")
        if not given:
            return self._challenge("Sign in: this service takes the tokens of your team's sign-in.")
        if len(given) > 1:
            return Refusal(400, "There is more than one Authorization header; send one.")
        scheme, _, token = given[0].strip().partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            return self._challenge("Authorization is not of the form: Bearer TOKEN")
        try:
            person = await self._sign_in.person(token.strip())
        except TokenRefused as exc:
            return self._challenge(f"The token {exc}. Sign in again.", error="invalid_token")
        except IssuerUnavailable as exc:
            # No 401: a client would throw a good token away and send its user to sign in.
            return Refusal(
                503,
                "Sign-ins cannot be checked now. Try again in a moment.",
                {"Retry-After": f"{exc.retry_after:.0f}"},
            )
        return Caller(self._api_key, (person.issuer, person.subject))

    def _challenge(self, text: str, *, error: str = "") -> Refusal:
        """Return the refusal that sends a client to sign in; RFC 6750 wants an error only of a token that was sent."""
        parts = [f'error="{error}"'] if error else []
        return Refusal(
            401,
            text,
            {"WWW-Authenticate": "Bearer " + ", ".join([*parts, f'resource_metadata="{self._metadata}"'])},
        )


def metadata_address(audience: str) -> str:
    """Return the address of the page about a service: its path comes after the well-known part."""
    parts = urlsplit(audience)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


def pages(issuer: str, audience: str) -> Mapping[str, Page]:
    """Return the pages that name the issuer, by path: with the path of the service and, for clients that do not know
    that form, without."""
    facts = {
        "resource": audience,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "Cleanlist",
    }

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(send, 405, "Use GET.", {"Allow": "GET, HEAD"}, closes=True)
        else:
            await send_json(send, json.dumps(facts))

    return dict.fromkeys((urlsplit(metadata_address(audience)).path, WELL_KNOWN), page)
