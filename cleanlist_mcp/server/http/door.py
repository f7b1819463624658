"""The door to `/mcp`: who calls, with a body that is small and comes at once, in which session; then the SDK has it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleanlist_mcp.accounts import Caller
from cleanlist_mcp.server.http.answers import send_error
from cleanlist_mcp.server.http.arrival import Arrival, noted
from cleanlist_mcp.server.http.callers import Refusal, Verifier
from cleanlist_mcp.server.http.guard import MCP_PATH
from cleanlist_mcp.server.http.narrowing import Narrowing, wished
from cleanlist_mcp.server.http.sessions import Session, Sessions
from cleanlist_mcp.server.http.watch import note_account

MOST_BODY = 1024 * 1024
"""Bytes of the largest body: `add_leads` with 500 people takes about 150,000."""

BODY_SECONDS = 10.0
"""Within this a body is there as a whole."""

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The protocol's versions that begin with a handshake, oldest first, as the SDK has them in another package."""

_NO_SESSION = "Session not found; initialize again."

Page = Callable[[Scope, Receive, Send], Awaitable[None]]


class Door:
    """Serves `/mcp`, and `pages` that need no caller, such as the metadata of a sign-in.

    A request for `/mcp` reaches the SDK as a whole: with its caller, its wishes and its session noted in the scope.
    """

    def __init__(
        self, app: ASGIApp, verifier: Verifier, sessions: Sessions, pages: Mapping[str, Page] | None = None
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._sessions = sessions
        self._pages = pages or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the SDK's application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["path"] in self._pages:
            await self._pages[scope["path"]](scope, receive, send)
        elif scope["path"] != MCP_PATH:
            await send_error(send, 404, f"Nothing is served here; MCP is at {MCP_PATH}.", closes=True)
        elif scope["method"] != "POST":
            # No stream of the server's own: what it has to say comes with the answers to requests. And no end of a
            # session, which lies in its id alone: whoever has it could still use it.
            await send_error(send, 405, "Use POST.", {"Allow": "POST"}, closes=True)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        caller = await self._verifier.caller(headers)
        if isinstance(caller, Refusal):
            await send_error(send, caller.status, caller.text, caller.headers, closes=True)
            return
        note_account(scope, caller.digest)
        narrowing = wished(headers)
        if isinstance(narrowing, Refusal):
            await send_error(send, narrowing.status, narrowing.text, narrowing.headers, closes=True)
            return
        await self._post(scope, receive, send, caller, narrowing)

    async def _post(
        self, scope: Scope, receive: Receive, send: Send, caller: Caller, narrowing: Narrowing
    ) -> None:
        headers = Headers(scope=scope)
        body = await _body_of(headers, receive)
        if body is None:
            return  # nobody is there to read an answer
        if isinstance(body, Refusal):
            await send_error(send, body.status, body.text, closes=True)
            return
        session = None
        if _shakes_hands(headers):
            if _is_other_json(body):
                await send_error(send, 400, "The body is not a JSON-RPC message.")
                return
            declared = _declared(body)
            if declared is not None:
                send = self._naming_session(send, caller, declared)
            elif MCP_SESSION_ID_HEADER in headers:
                session = self._session(headers, caller)
                if session is None:
                    await send_error(send, 404, _NO_SESSION)
                    return
                MutableHeaders(scope=scope).setdefault(MCP_PROTOCOL_VERSION_HEADER, session.protocol_version)
        client = scope.get("client")
        noted(scope, Arrival(caller, client[0] if client else "", narrowing, session))
        await self._app(scope, _replayed(body, receive), send)

    def _session(self, headers: Headers, caller: Caller) -> Session | None:
        given = headers.getlist(MCP_SESSION_ID_HEADER)
        return self._sessions.open(given[0], caller.digest) if len(given) == 1 else None

    def _naming_session(self, send: Send, caller: Caller, declared: Any) -> Send:
        """Put the id of the new session into the answer to `initialize`."""
        asked_for = declared.get("protocolVersion") if isinstance(declared, dict) else None
        known = asked_for in HANDSHAKE_VERSIONS
        version = str(asked_for) if known else HANDSHAKE_VERSIONS[-1]
        session_id = self._sessions.seal(caller.digest, version, declared)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                name = MCP_SESSION_ID_HEADER.lower().encode()
                message["headers"] = [*message.get("headers", []), (name, session_id.encode())]
            await send(message)

        return sending


def _shakes_hands(headers: Headers) -> bool:
    """Return whether a request belongs to the protocol's versions that begin with a handshake."""
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    return version is None or version in HANDSHAKE_VERSIONS


def _is_other_json(body: bytes) -> bool:
    """Return whether a body is JSON, and no message: the SDK would repeat it in its refusal."""
    try:
        jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError as exc:
        return all(error["type"] != "json_invalid" for error in exc.errors(include_input=False))
    return False


def _declared(body: bytes) -> Any:
    """Return the parameters of `initialize`; None if the body is anything else."""
    if b'"initialize"' not in body:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("method") != "initialize":
        return None
    return message.get("params") or {}


async def _body_of(headers: Headers, receive: Receive) -> bytes | Refusal | None:
    """Return the whole body, if it is small enough and comes in time; None if the client left before its end.

    What came of a body that was cut may be a whole message, but nobody knows if the client still meant it.
    """
    length = headers.get("content-length", "")
    too_large = Refusal(413, f"The body is larger than {MOST_BODY:,} bytes.")
    if length.isascii() and length.isdigit() and int(length) > MOST_BODY:
        return too_large
    body = bytearray()
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > MOST_BODY:
                return too_large
            if not message.get("more_body", False):
                return bytes(body)
    return Refusal(408, f"The body did not come within {BODY_SECONDS:g} seconds.")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that begins with the whole body, and then follows the connection."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
