"""The pool of connections to the API, made of httpcore's connections.

The pool of httpcore asks the system about every idle connection before a request and again after it. A burst leaves up
to twenty of them behind, and that then takes a seventh of each call (decision 0011 has the figures). Here the
connection that was used last is used next, and it alone is asked.
"""

import ssl
import time
from collections import deque
from collections.abc import AsyncIterator

import anyio
import httpcore
import httpx

KEPT_SECONDS = 5.0
"""Seconds for which an unused connection is kept (the default of httpx): servers close theirs at some such age."""

FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError)
"""Failures of networks, as httpcore raises them."""


class ConnectionPool(httpx.AsyncBaseTransport):
    """At most `most` connections to one API at a time, of which up to `kept` wait for a next request.

    A request that finds all of them in use waits as long as its extension `timeout` says for the pool, and then raises
    `httpx.PoolTimeout`; any other failure is one of httpcore's.
    """

    def __init__(
        self, *, trust: ssl.SSLContext | None, proxy: httpx.Proxy | None, most: int, kept: int
    ) -> None:
        # It makes connections, through the proxy if there is one, and holds none.
        self._factory = httpcore.AsyncConnectionPool(
            ssl_context=trust,
            proxy=None if proxy is None else _of_httpcore(proxy),
            keepalive_expiry=KEPT_SECONDS,
        )
        self._places = anyio.Semaphore(most, fast_acquire=True)
        self._kept = kept
        self._idle: deque[tuple[float, httpcore.AsyncConnectionInterface]] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection comes back to the pool when the response is closed."""
        wanted = httpcore.Request(
            request.method,
            _address_of(request.url),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        await self._take_place(request.extensions["timeout"]["pool"])
        connection = None
        try:
            connection = await self._free_connection(wanted.url.origin)
            response = await connection.handle_async_request(wanted)
            return httpx.Response(
                response.status,
                headers=response.headers,
                stream=Content(self, connection, response),
                extensions=response.extensions,
            )
        except BaseException:
            self._places.release()
            if connection is not None:
                await _close(connection)
            raise

    async def take_back(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep the connection of an answer that was read to its end, if there is room; close any other."""
        self._places.release()
        if connection.is_idle() and len(self._idle) < self._kept:
            self._idle.append((time.monotonic(), connection))
        else:
            await _close(connection)

    async def drop(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Close a connection that may have been kept; no request gets it from now on.

        It leaves those that wait first: while it is being closed, it looks as if it were open.
        """
        for waiting in self._idle:
            if waiting[1] is connection:
                self._idle.remove(waiting)
                break
        await _close(connection)

    async def aclose(self) -> None:
        """Close the connections that wait, and keep none from now on."""
        self._kept = 0
        while self._idle:
            await _close(self._idle.pop()[1])

    async def _take_place(self, seconds: float) -> None:
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds):
                await self._places.acquire()
                return
            raise httpx.PoolTimeout("All connections are in use.") from None

    async def _free_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Return the connection that was used last and is still open, or a new one."""
        oldest = time.monotonic() - KEPT_SECONDS
        while self._idle and self._idle[0][0] < oldest:
            await _close(self._idle.popleft()[1])
        while self._idle:
            connection = self._idle.pop()[1]
            if not connection.has_expired():
                return connection
            await _close(connection)
        return self._factory.create_connection(origin)


class Content(httpx.AsyncByteStream):
    """The content of an answer; when it is closed, its connection goes back."""

    def __init__(
        self,
        pool: ConnectionPool,
        connection: httpcore.AsyncConnectionInterface,
        response: httpcore.Response,
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_stream()

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._response.aclose()
            finally:
                await self._pool.take_back(self._connection)

    async def drop_connection(self) -> None:
        """Have nothing more sent over the connection that it came over."""
        await self._pool.drop(self._connection)


async def _close(connection: httpcore.AsyncConnectionInterface) -> None:
    with anyio.CancelScope(shield=True):
        await connection.aclose()


def _of_httpcore(proxy: httpx.Proxy) -> httpcore.Proxy:
    return httpcore.Proxy(_address_of(proxy.url), proxy.raw_auth, proxy.headers.raw)


def _address_of(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
