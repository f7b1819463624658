"""Serving over HTTP: the process itself, from its socket to its exit status."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType

import anyio
import uvicorn
from anyio.abc import TaskGroup

from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.links import is_loopback
from cleanlist_mcp.loops import loop_options
from cleanlist_mcp.secret_keys import SecretKeys
from cleanlist_mcp.server.build import with_sandbox
from cleanlist_mcp.server.http.app import Deployment, build_app
from cleanlist_mcp.server.http.callers import KeyVerifier, SandboxVerifier, Verifier
from cleanlist_mcp.server.http.door import Page
from cleanlist_mcp.server.http.guard import MCP_PATH, Guard
from cleanlist_mcp.server.http.metrics import report_figures
from cleanlist_mcp.server.http.protocol import PromptProtocol
from cleanlist_mcp.server.http.signed_in import SignInVerifier, pages
from cleanlist_mcp.server.http.watch import REQUESTS, Watched
from cleanlist_mcp.server.stdio import log_lines_alone
from cleanlist_mcp.services import store_of
from cleanlist_mcp.settings import Settings, check_sign_in
from cleanlist_mcp.signin.issuer import Issuer
from cleanlist_mcp.signin.sign_in import SignIn

HOST, PORT = "127.0.0.1", 8000
"""Address that is served unless another one is asked for."""

NOTICE_SECONDS = 2.0
"""Seconds after a signal in which new connections are still taken: a proxy needs a moment to see that they should go
elsewhere."""

CALLS_SECONDS = 50.0
"""Longest wait for the calls in flight; that is the longest that a call takes."""

SPENDS_SECONDS = 20.0
"""Seconds after a signal from which no call begins a spend: the last one has the time that its request may take, and
what comes of it is written down before the end."""

END_SECONDS = 54.0
"""Seconds after a signal at which the process is gone, whatever still hangs."""

KEEP_ALIVE_SECONDS = 75
"""Seconds for which a connection stays between requests: longer than proxies keep theirs, so that they close first."""

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger(__name__)


class CannotServe(Exception):
    """A start that would be unsafe or cannot work; its text is one line for the user."""


def serve(settings: Settings, host: str = HOST, port: int = PORT) -> int:
    """Serve until SIGINT or SIGTERM and return the exit status: 0 once all calls are answered.

    One flushed line on stdout names the address; port 0 picks a free one. A second signal ends at once.

    Raises:
        SettingsError: if it is not settled who may call.
        CannotServe: if the address is taken or is none, or is public and no hosts are allowed.
    """
    check_hosts(settings, host)
    check_secrets(settings)
    check_sign_in(settings)
    listener = _listen(host, port)
    allow_many_connections()
    return anyio.run(_serve, settings, listener, host, backend_options=loop_options(settings))


def check_hosts(settings: Settings, host: str) -> None:
    """Refuse to serve a public address under any name.

    Raises:
        CannotServe: if that were so.
    """
    if not settings.allowed_hosts and not is_loopback(host.strip("[]")):
        raise CannotServe(
            f"{host} is not a loopback address: set CLEANLIST_ALLOWED_HOSTS to the host names that clients use, such "
            "as mcp.example.com"
        )


def check_secrets(settings: Settings) -> None:
    """Refuse to serve with a secret that was made for laptops: it seals no sessions.

    Raises:
        CannotServe: if it is one.
    """
    if settings.secret_keys is not None and not settings.secret_keys.is_whole:
        raise CannotServe(
            "CLEANLIST_SECRET_KEYS holds what team-secret printed for laptops: give the service the secrets themselves"
        )


def hosts_of(settings: Settings, host: str, port: int) -> tuple[str, ...]:
    """Return the values of `Host` that are served: those that are set, or else loopback's own names and the port."""
    if settings.allowed_hosts:
        return settings.allowed_hosts
    own = f"[{host}]" if ":" in host and not host.startswith("[") else host
    names = dict.fromkeys((own, *_LOOPBACK_NAMES))
    return tuple(f"{name}:{port}" for name in names) + (tuple(names) if port == 80 else ())


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: from here on clients may connect and are queued.

    Raises:
        CannotServe: if the address is taken or is none.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # With the protocol named, asyncio sends small answers at once.
        listener = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
        try:
            if sys.platform != "win32":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as exc:
        raise CannotServe(f"cannot serve on {host}:{port}: {getattr(exc, 'strerror', None) or exc}") from None
    return listener


def allow_many_connections() -> None:
    """Raise the number of files that may be open to what the system allows: each client is one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def service_keys(settings: Settings, store: Store) -> SecretKeys:
    """Return the keys that seal sessions and dialogs: the team's, or ones of the journal's own secret, which stays."""
    if settings.secret_keys is not None:
        return settings.secret_keys
    try:
        return SecretKeys([key.secret for key in await store.digest_keys()])
    except JournalUnusable:
        log.warning("The journal cannot be read: sessions of this process end with it.")
        return SecretKeys([secrets.token_bytes(32)])


@dataclass(frozen=True)
class _Callers:
    """The way callers are recognised, and the pages that explain it to them."""

    verifier: Verifier
    pages: Mapping[str, Page]


def _callers(settings: Settings, clock: Clock, tasks: TaskGroup) -> _Callers:
    """Return how callers are recognised under these settings; the keys of a sign-in's issuer are fetched in `tasks`."""
    issuer, audience = settings.oauth_issuer, settings.oauth_audience
    if issuer is None or audience is None or settings.api_key is None:
        return _Callers(_key_verifier(settings), {})
    found = Issuer(issuer, clock, tasks)
    found.begin()
    return _Callers(SignInVerifier(SignIn(found, audience, clock), settings.api_key), pages(issuer, audience))


def _key_verifier(settings: Settings) -> Verifier:
    if settings.sandbox and settings.api_key is not None:
        return SandboxVerifier(settings.api_key.get_secret_value())
    return KeyVerifier()


async def _serve(settings: Settings, listener: socket.socket, host: str) -> int:
    report_figures()
    log_lines_alone(REQUESTS)
    async with anyio.create_task_group() as tasks:
        await _serve_with(settings, listener, host, tasks)
        tasks.cancel_scope.cancel()
    return 0


async def _serve_with(settings: Settings, listener: socket.socket, host: str, tasks: TaskGroup) -> None:
    transport = None
    if settings.sandbox:
        settings, transport = with_sandbox(settings)
    clock = SystemClock()
    callers = _callers(settings, clock, tasks)
    store = store_of(settings, clock)
    port = listener.getsockname()[1]
    guard = build_app(
        Deployment(
            settings=settings,
            store=store,
            keys=await service_keys(settings, store),
            verifier=callers.verifier,
            pages=callers.pages,
            hosts=hosts_of(settings, host, port),
            origins=settings.allowed_origins,
            transport=transport,
            clock=clock,
        )
    )
    server = Server(guard)
    with server.ending_on_signals():  # before the line: whoever reads it may send a signal at once
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        sys.stdout.write(f"cleanlist-mcp serves MCP at http://{name}:{port}{MCP_PATH}\n")
        sys.stdout.flush()
        await server.serve(sockets=[listener])


class Server(uvicorn.Server):
    """Uvicorn that ends without cutting anybody off.

    Its own way stops the streams of answers at once, so signals are taken here: first `/readyz` says that the process
    goes, then no more connections are taken, and once every call is answered uvicorn may end.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__(
            uvicorn.Config(
                Watched(guard),
                http=PromptProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,  # its lines hold what clients ask for
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._guard = guard
        self._ending: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `ending_on_signals`."""
        yield

    @contextlib.contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """End in good order on SIGINT and SIGTERM, and put the former handlers back."""
        self._loop = asyncio.get_running_loop()
        former = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._guard.ending:
            os._exit(128 + number)
        self._guard.ending = True
        self._loop.call_soon_threadsafe(self._begin_to_end)

    def _begin_to_end(self) -> None:
        self._loop.call_later(END_SECONDS, os._exit, 1)
        self._ending = self._loop.create_task(self._end())

    async def _end(self) -> None:
        began = self._loop.time()
        await asyncio.sleep(NOTICE_SECONDS)
        for server in self.servers:
            server.close()
        self._loop.call_at(began + SPENDS_SECONDS, self._guard.stop_spending)
        with anyio.move_on_after(began + CALLS_SECONDS - self._loop.time()):
            await self._guard.until_idle()
        self.should_exit = True
