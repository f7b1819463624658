"""A whole deployment on this machine: the sandbox as the API, a database, replicas, and the front before them."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import anyio
import psycopg

from benchmarks.team.database import Database, NoPostgres, running_database
from benchmarks.team.front import Front
from benchmarks.team.relay import Relay
from benchmarks.team.replicas import Replica
from benchmarks.team.wire import MODERN, Client, Era
from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, Sandbox

Engine = Literal["postgres", "sqlite"]

TIMEOUT_SECONDS = 3
"""Seconds for which replicas wait for one answer of the API."""

SEARCH = "-c search_path=cleanlist_mcp"
"""The option of a connection that finds the journal's tables."""


@dataclass
class World:
    """Everything that one point works with. Replicas reach the API through `network`, the database through
    `database_network`."""

    folder: Path
    sandbox: Sandbox
    network: Relay
    database_network: Relay | None
    database: Database | None
    front: Front
    replicas: list[Replica] = field(default_factory=list)

    def client(self, key: str, era: Era = MODERN, at: Replica | None = None, **options: Any) -> Client:
        """Return a client behind the front, or of one replica."""
        return Client(self.front.port if at is None else at.port, key, era, **options)

    def organization(self, number: int, keys: int) -> list[str]:
        """Make an organization with so many keys, each of another person, and return the keys."""
        first = self.sandbox.add_account(f"org{number}k0", credits=1_000_000)
        others = [self.sandbox.add_account(f"org{number}k{at}", colleague_of=first) for at in range(1, keys)]
        return [first, *others]

    def new_replica(self, name: str, **changes: str) -> Replica:
        """Return one more replica of this deployment, which is not started yet."""
        usual = self.replicas[0].environment if self.replicas else {}
        replica = Replica(name, self.folder, {**usual, **changes})
        replica.environment["CLEANLIST_ALLOWED_HOSTS"] = self.hosts(replica)
        return replica

    def hosts(self, replica: Replica) -> str:
        """Return the hosts under which a replica is asked."""
        return f"127.0.0.1:{self.front.port},127.0.0.1:{replica.port}"

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the database, past the relay."""
        if self.database is None:
            raise NoPostgres("This deployment has no database.")
        with psycopg.connect(self.database.url, autocommit=True, options=SEARCH) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def logs(self) -> str:
        """Return what all replicas wrote."""
        return "\n".join(replica.log for replica in self.replicas)


@asynccontextmanager
async def world(
    dice: Random,
    *,
    engine: Engine = "postgres",
    replicas: int = 3,
    loses: float = 0.0,
    checks: bool = False,
    settings: Mapping[str, str] | None = None,
    sandbox: Sandbox | None = None,
) -> AsyncIterator[World]:
    """A deployment with so many replicas that are ready. Everything ends with it.

    `loses` is the part of the answers that the front loses, `checks` lets it look for readiness; `settings` are further
    variables of the replicas.

    Raises:
        NoPostgres: if the engine is PostgreSQL and that is not installed.
    """
    sandbox = Sandbox(latency=1.0, rate_limits=False) if sandbox is None else sandbox
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="team-")))
        api = await stack.enter_async_context(running(sandbox))
        network = await stack.enter_async_context(Relay(int(api.split(":")[2].split("/")[0])).listening())
        database = stack.enter_context(running_database()) if engine == "postgres" else None
        behind = None
        if database is not None:
            behind = await stack.enter_async_context(Relay(database.port).listening())
        front = await stack.enter_async_context(Front([], dice, loses=loses).listening(checks=checks))
        made = World(folder, sandbox, network, behind, database, front)
        environment = {
            "CLEANLIST_BASE_URL": f"http://127.0.0.1:{network.port}{PUBLIC_PREFIX}",
            "CLEANLIST_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            **_storage(made),
            **(settings or {}),
        }
        stack.enter_context(_all_ended(made))
        for number in range(replicas):
            made.replicas.append(made.new_replica(str(number), **environment))
        async with anyio.create_task_group() as tasks:
            for replica in made.replicas:
                tasks.start_soon(replica.start)
        front.replicas = [replica.port for replica in made.replicas]
        front.ready = set(front.replicas)
        yield made


@contextmanager
def _all_ended(made: World) -> Iterator[None]:
    try:
        yield
    finally:
        for replica in made.replicas:
            replica.kill()


def _storage(made: World) -> dict[str, str]:
    if made.database is None or made.database_network is None:
        return {"CLEANLIST_STATE_DIR": str(made.folder / "state")}
    return {
        "CLEANLIST_DATABASE_URL": made.database.url_at(made.database_network.port),
        "CLEANLIST_SECRET_KEYS": secrets.token_hex(32),
    }
