"""The service as an ASGI application: guard, door, the SDK, and the accounts behind it."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.request_state import RequestStateSecurity
from mcp.server.session import ServerSession
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Receive, Scope, Send

from cleanlist_mcp.accounts import Accounts, Caller
from cleanlist_mcp.api.connections import Connections
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.journal.port import Store
from cleanlist_mcp.secret_keys import SecretKeys
from cleanlist_mcp.server.boundary import CALL_SECONDS
from cleanlist_mcp.server.build import CleanlistServer, server_of
from cleanlist_mcp.server.http.arrival import arrival_of
from cleanlist_mcp.server.http.callers import Verifier
from cleanlist_mcp.server.http.door import MOST_BODY, Door, Page
from cleanlist_mcp.server.http.guard import MCP_PATH, Guard
from cleanlist_mcp.server.http.sessions import Session, Sessions
from cleanlist_mcp.server.http.watch import note_outcome
from cleanlist_mcp.services import Services, Shared, exclusion_file_of
from cleanlist_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx

FORGET_SECONDS = 300.0
"""Seconds between two looks for entries past their time."""

MOST_CONNECTIONS = 500
"""Connections to the API at a time, over all accounts."""


@dataclass(frozen=True)
class Deployment:
    """The parts that a service is built from: its settings, the journal's engine, its keys, and who may call.

    `pages` are for everybody, by path.
    """

    settings: Settings
    store: Store
    keys: SecretKeys
    verifier: Verifier
    hosts: Collection[str]
    origins: Collection[str] = ()
    pages: Mapping[str, Page] = field(default_factory=dict)
    transport: "httpx.AsyncBaseTransport | None" = None
    clock: Clock | None = None


def build_app(deployment: Deployment) -> Guard:
    """Return the application. Its lifespan opens and closes the accounts and, at the end, the journal."""
    late = anyio.Event()
    server = _server(deployment, late)
    lifespan = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        stateless_http=True,
        max_request_body_size=MOST_BODY,
        # The guard has looked at host and origin, and compares them as a whole, which the SDK does not.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        # The door has chosen the path; what is around the SDK's own part would look at it again.
        serve = lifespan if scope["type"] == "lifespan" else server.session_manager.handle_request
        await serve(scope, receive, send)

    sessions = Sessions([key.secret for key in deployment.keys.session_keys()])
    door = Door(mcp, deployment.verifier, sessions, deployment.pages)
    return Guard(door, hosts=deployment.hosts, origins=deployment.origins, stop_spending=late.set)


def _server(deployment: Deployment, late: anyio.Event) -> CleanlistServer:
    """Return the server behind the door; once `late` is set, nothing is spent any more."""
    clock = deployment.clock or SystemClock()
    settings = deployment.settings

    @asynccontextmanager
    async def lifespan(server: MCPServer[Accounts]) -> AsyncIterator[Accounts]:
        connections = Connections(settings, deployment.transport, most=MOST_CONNECTIONS)
        shared = Shared(deployment.store, connections, exclusion_file_of(settings))
        async with anyio.create_task_group() as tasks:
            make = partial(_services, deployment, clock, tasks, shared)
            accounts = Accounts(make, clock, tasks)
            tasks.start_soon(accounts.sweep_now_and_then)
            tasks.start_soon(_stop_spending_once, late, accounts)
            tasks.start_soon(_forget_now_and_then, shared.store, clock)
            try:
                yield accounts
            finally:
                tasks.cancel_scope.cancel()  # pollers end here; spend requests that have left are shielded
                with anyio.CancelScope(shield=True):
                    await accounts.aclose()
                    await shared.connections.aclose()
                    await shared.store.close()

    return server_of(
        settings,
        _surroundings,
        lifespan,
        watch=[note_outcome],
        request_state_security=RequestStateSecurity(
            keys=[key.secret for key in deployment.keys.request_state_keys()],
            bind_principal=lambda ctx: arrival_of(ctx).caller.digest,
        ),
    )


async def _stop_spending_once(late: anyio.Event, accounts: Accounts) -> None:
    await late.wait()
    accounts.stop_spending()


async def _forget_now_and_then(store: Store, clock: Clock) -> None:
    """Drop old entries for ever: a laptop does it with its searches and estimates, and a service may see none."""
    while True:
        await clock.sleep(FORGET_SECONDS)
        await store.forget_old()


def _services(
    deployment: Deployment, clock: Clock, tasks: "anyio.abc.TaskGroup", shared: Shared, caller: Caller
) -> Services:
    """Return the services of one caller."""
    settings = deployment.settings.model_copy(update={"api_key": caller.api_key})
    return Services(settings, clock, tasks, deployment.transport, shared=shared, member=caller.member)


@contextmanager
def _surroundings(ctx: ServerRequestContext[Accounts, Any]) -> Iterator[Call]:
    """Give the call of a request: its caller's account, with what the request asks for."""
    accounts, arrival = ctx.lifespan_context, arrival_of(ctx)
    if arrival.session is not None:
        _declare(ctx.session, arrival.session)
    with accounts.call(arrival.caller) as account:
        yield Call(
            account.services,
            CALL_SECONDS,
            settings=arrival.narrowing.of(account.services.settings),
            admitted=partial(accounts.admit, account, arrival.address),
        )


def _declare(session: ServerSession, sealed: Session) -> None:
    """Let the SDK know what the client declared in its handshake, perhaps to another replica.

    Without sessions in memory the SDK knows nothing of it, and has no door for it: the connection of a request is
    private. It can go once `stateless_http` takes what a handshake declared; no thread about that is known.
    """
    session._connection.client_params = sealed.client
