"""The outermost layer of the service: which host a request is for, where it comes from, if the service takes it.

It counts the calls in flight, so that there are never too many, and that the end of the process can wait for them.
"""

from collections.abc import Callable, Collection

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleanlist_mcp.server.http.answers import send_error, send_text

MCP_PATH = "/mcp"

MOST_IN_FLIGHT = 2_000
"""Requests that are served at a time: two for each account that is kept. Each may hold a body of 1 MiB, so more would
let strangers, whose keys nobody has looked at yet, fill the memory of a machine of ordinary size."""

AGAIN_SECONDS = 5
"""Seconds after which a client that was sent away may try again: most calls are over by then."""


class Guard:
    """Lets requests through to `/mcp` that name an allowed host, and no other origin than the allowed ones.

    Hosts and origins are compared as a whole, so nothing that merely begins like one passes. `/healthz` answers as long
    as the process lives, `/readyz` as long as it takes new calls; neither says more.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        origins: Collection[str],
        stop_spending: Callable[[], None] = lambda: None,
    ) -> None:
        """`app` serves `/mcp` and all paths but the two for health checks. `stop_spending` is called when it is too
        late in the process's life to begin a spend."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)
        self.stop_spending = stop_spending
        self._in_flight = 0
        self._idle = anyio.Event()
        self.ending = False
        """Set when the process is about to end: `/readyz` says so, and connections are not kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the life of the application inside."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            self._in_flight += 1
            try:
                await self._serve(scope, receive, self._closing(send) if self.ending else send)
            finally:
                self._in_flight -= 1
                if not self._in_flight:
                    self._idle.set()
                    self._idle = anyio.Event()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            await send_error(send, 421, "This host name is not served here.", closes=True)
        elif len(origins) > 1 or not self._origins.issuperset(origin.lower() for origin in origins):
            await send_error(send, 403, "Requests from this origin are not allowed.", closes=True)
        elif scope["path"] in ("/healthz", "/readyz"):
            await self._answer_check(scope, send)
        elif self._in_flight > MOST_IN_FLIGHT:
            again = {"Retry-After": str(AGAIN_SECONDS)}
            await send_error(send, 503, "Too many calls at once; nothing was started.", again, closes=True)
        else:
            await self._app(scope, receive, send)

    async def _answer_check(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(send, 405, "Use GET.", {"Allow": "GET, HEAD"}, closes=True)
        elif scope["path"] == "/readyz" and self.ending:
            await send_text(send, 503, "not ready\n")
        else:
            await send_text(send, 200, "ok\n")

    def _closing(self, send: Send) -> Send:
        """Have the connection closed after this answer: the client's next one goes to a process that stays."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        return sending

    @property
    def in_flight(self) -> int:
        """Number of requests that are not answered to their end."""
        return self._in_flight

    async def until_idle(self) -> None:
        """Wait until no request is in flight."""
        while self._in_flight:
            await self._idle.wait()
