"""`cleanlist-mcp doctor --http URL`: tries a team's service from outside, as its clients and its enemies would.

Nothing is charged and nothing is started. The key goes to the service alone, and only over HTTPS or on loopback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cleanlist_mcp import __version__
from cleanlist_mcp.api import web
from cleanlist_mcp.api_key import KeyProblem, find_key
from cleanlist_mcp.cli.findings import Finding, exit_status, for_the_reader, report
from cleanlist_mcp.environment import Environment
from cleanlist_mcp.links import problem_with_api

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

SECONDS = 10.0
"""Seconds that one answer may take."""

HANDSHAKE, SESSIONLESS = "2025-11-25", "2026-07-28"
"""The two eras of the protocol: with a handshake and a session, and with all in each request."""

_STRANGER = "wrong.invalid"
_META = "io.modelcontextprotocol/"
_WHO = {"name": "cleanlist-mcp doctor", "version": __version__}
_RUNNING = "Check that it runs, and that this address leads to it."


@dataclass(frozen=True)
class _Answered:
    """An answer of the service: its status, headers, and the JSON-RPC message in it, empty if there is none."""

    status: int
    headers: Mapping[str, str]
    message: dict[str, Any] = field(default_factory=dict)

    @property
    def result(self) -> dict[str, Any]:
        """The result in the message; empty for an error."""
        found = self.message.get("result")
        return found if isinstance(found, dict) else {}


class ServiceCheck:
    """The checks of one service at `address`; `transport` replaces the network."""

    def __init__(
        self, address: str, key: SecretStr | KeyProblem, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        parts = urlsplit(address)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._address = self._origin + (parts.path if parts.path.strip("/") else "/mcp")
        self._key = key
        self._transport = transport

    async def findings(self) -> list[Finding]:
        """Return what was found. Never raises for it."""
        try:
            found = [self._way(), await self._health()]
        except web.NoReply as exc:
            return [Finding("problem", "address", f"{self._origin} {exc}.", _RUNNING)]
        try:
            return [*found, *await self._guards(), *await self._callers()]
        except web.NoReply as exc:
            return [*found, Finding("problem", "address", f"{self._address} {exc}.", _RUNNING)]

    def _way(self) -> Finding:
        if self._origin.startswith("https:"):
            return Finding("ok", "TLS", "The certificate is trusted here.")
        return Finding("ok", "TLS", "There is none, and none is needed on this machine.")

    async def _health(self) -> Finding:
        alive, ready = await self._get("/healthz"), await self._get("/readyz")
        if alive.status == 421:
            return Finding(
                "problem",
                "host name",
                "The service runs, but refuses this host name.",
                f"Add {urlsplit(self._origin).netloc} to CLEANLIST_ALLOWED_HOSTS, and have the proxy pass the name on.",
            )
        if alive.status != 200:
            text = f"/healthz answers with HTTP status {alive.status} instead of 200."
            return Finding("problem", "health", text, _RUNNING)
        if ready.status != 200:
            text = "It runs, but is not ready for calls."
            return Finding(
                "problem",
                "health",
                text,
                "Look at its log: it may be starting or ending, or lack its database.",
            )
        return Finding("ok", "health", "It runs and is ready.")

    async def _guards(self) -> list[Finding]:
        """Try what a web page of a stranger would: another host name, and another origin."""
        host = await self._post({}, {"Host": _STRANGER})
        origin = await self._post({}, {"Origin": f"https://{_STRANGER}"})
        stream = await self._get(urlsplit(self._address).path)
        return [
            _guard("host names", host.status >= 400 and host.status != 401, "CLEANLIST_ALLOWED_HOSTS"),
            _guard("origins", origin.status == 403, "CLEANLIST_ALLOWED_ORIGINS"),
            Finding("ok", "streams", "GET is refused, so no connection stays open for nothing.")
            if stream.status == 405
            else Finding(
                "warning", "streams", f"GET is answered with HTTP status {stream.status} instead of 405."
            ),
        ]

    async def _callers(self) -> list[Finding]:
        """Try a call without a key, and with one."""
        without = await self._list_tools(SESSIONLESS, {})
        if without.status == 200:
            text = "It answers without a key, as a sandbox does: everything in it is made up."
            return [Finding("warning", "callers", text), *await self._eras({})]
        if without.status != 401:
            text = f"A call without a key is answered with HTTP status {without.status} instead of 401."
            return [Finding("problem", "callers", text, _RUNNING)]
        challenge = without.headers.get("www-authenticate", "")
        if "resource_metadata=" in challenge:
            return [
                Finding("ok", "callers", "Nobody gets in without a token."),
                await self._sign_in(challenge),
            ]
        found = Finding("ok", "callers", "Nobody gets in without a key.")
        if isinstance(self._key, KeyProblem):
            text = f"{self._key.text} So no call was tried."
            return [found, Finding("warning", "key", text, "Set CLEANLIST_API_KEY for this command.")]
        return [found, *await self._eras({"Authorization": f"Bearer {self._key.get_secret_value()}"})]

    async def _sign_in(self, challenge: str) -> Finding:
        """Read who issues the tokens, as a client would."""
        place = challenge.partition('resource_metadata="')[2].partition('"')[0]
        try:
            if problem_with_api(place) is not None:
                raise web.NoReply
            page = await web.ask(place, seconds=SECONDS, transport=self._transport)
            facts = _json(page.content)
            issuer = facts["authorization_servers"][0]
        except (web.NoReply, KeyError, IndexError, TypeError):
            text = "Clients are asked to sign in, but the page that names the issuer cannot be read."
            return Finding(
                "problem", "sign-in", text, "Have the proxy pass /.well-known/oauth-protected-resource on."
            )
        if facts.get("resource") != self._address:
            text = f"The service calls itself {facts.get('resource')}, which is not this address."
            return Finding(
                "problem", "sign-in", text, "Set CLEANLIST_OAUTH_AUDIENCE to the address that clients use."
            )
        return Finding("ok", "sign-in", f"People sign in at {issuer}; try it with a client.")

    async def _eras(self, key: dict[str, str]) -> list[Finding]:
        """List the tools in both eras, and ask for the key's owner."""
        now = await self._list_tools(SESSIONLESS, key)
        before = await self._list_tools(HANDSHAKE, key | await self._shaken_hands(key))
        return [
            _tools(SESSIONLESS, now),
            _tools(HANDSHAKE, before),
            _owner(await self._call("whoami", key)),
        ]

    async def _shaken_hands(self, key: dict[str, str]) -> dict[str, str]:
        """Return the header of a session."""
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _WHO}
        answer = await self._post(_request("initialize", params), key)
        session = answer.headers.get("mcp-session-id")
        return {"Mcp-Session-Id": session} if session else {}

    async def _list_tools(self, version: str, headers: dict[str, str]) -> _Answered:
        params = _declaring() if version == SESSIONLESS else {}
        return await self._post(
            _request("tools/list", params),
            {"MCP-Protocol-Version": version, "Mcp-Method": "tools/list"} | headers,
        )

    async def _call(self, tool: str, headers: dict[str, str]) -> _Answered:
        params = _declaring() | {"name": tool, "arguments": {}}
        said = {"MCP-Protocol-Version": SESSIONLESS, "Mcp-Method": "tools/call", "Mcp-Name": tool}
        return await self._post(_request("tools/call", params), said | headers)

    async def _get(self, path: str) -> _Answered:
        reply = await web.ask(self._origin + path, seconds=SECONDS, transport=self._transport)
        return _Answered(reply.status, reply.headers)

    async def _post(self, body: dict[str, Any], headers: dict[str, str]) -> _Answered:
        usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        reply = await web.ask(
            self._address,
            seconds=SECONDS,
            method="POST",
            headers=usual | headers,
            content=json.dumps(body).encode(),
            transport=self._transport,
        )
        return _Answered(reply.status, reply.headers, _message(reply))


def main(address: str, environment: Mapping[str, str]) -> int:
    """Try the service, print the report, and return the exit status: 1 if there is a problem."""
    import anyio

    findings = anyio.run(check_service, address, environment)
    sys.stdout.write(report(findings))
    return exit_status(findings)


async def check_service(
    address: str, environment: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None
) -> list[Finding]:
    """Return the findings about the service at `address`, tried with the key of the environment."""
    problem = problem_with_api(address)
    if problem is not None:
        remedy = (
            "Give an https:// address, or http:// on loopback, such as https://cleanlist.example.com/mcp."
        )
        return [Finding("problem", "address", f"The address {problem}.", remedy)]
    return await ServiceCheck(address, find_key(Environment(environment)), transport).findings()


def _request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _declaring() -> dict[str, Any]:
    """Return the parameters by which a client without a handshake declares itself."""
    declared = {"protocolVersion": SESSIONLESS, "clientInfo": _WHO, "clientCapabilities": {}}
    return {"_meta": {_META + name: value for name, value in declared.items()}}


def _message(reply: web.Reply) -> dict[str, Any]:
    """Return the JSON-RPC answer in a reply, which may be a stream of events."""
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        return _json(reply.content)
    lines = reply.content.decode("utf-8", "replace").splitlines()
    messages = [_json(line.removeprefix("data:").encode()) for line in lines if line.startswith("data:")]
    return next((message for message in messages if "id" in message and "method" not in message), {})


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _guard(what: str, holds: bool, variable: str) -> Finding:
    if holds:
        return Finding("ok", what, "Unknown ones are refused.")
    text = "Unknown ones are accepted, so anybody's web page could call the service through a user's browser."
    return Finding("problem", what, text, f"Set {variable}, and let the proxy pass what clients send.")


def _tools(version: str, answer: _Answered) -> Finding:
    tools = answer.result.get("tools")
    if isinstance(tools, list) and tools:
        return Finding("ok", f"protocol {version}", f"{len(tools)} tools are listed.")
    text = f"The tools are not listed: HTTP status {answer.status}."
    return Finding("problem", f"protocol {version}", text, "Look at the log of the service.")


def _owner(answer: _Answered) -> Finding:
    content = answer.result.get("content")
    said = content[0].get("text", "") if isinstance(content, list) and content else ""
    if answer.result and not answer.result.get("isError"):
        return Finding("ok", "calls", "A call succeeds.")
    error = _json(str(said).removeprefix("Error: ").encode()).get("error", {})
    reason = error.get("message") or f"The call fails with HTTP status {answer.status}."
    return Finding("problem", "calls", str(reason), for_the_reader(str(error.get("next_step", ""))))
