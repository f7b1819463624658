"""The parts that tools work with: one set per account, each part made on first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.clock import Clock
from cleanlist_mcp.links import api_of
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx

    from cleanlist_mcp.api.client import CleanlistClient
    from cleanlist_mcp.api.connections import Connections
    from cleanlist_mcp.api.downloads import Downloads
    from cleanlist_mcp.api.wire import Whoami
    from cleanlist_mcp.imports.exclusion_file import ExclusionFile
    from cleanlist_mcp.journal.journal import Journal
    from cleanlist_mcp.journal.names import Identity
    from cleanlist_mcp.journal.port import Ledger, Store
    from cleanlist_mcp.journal.shared_budget import SharedBudget
    from cleanlist_mcp.lists.directory import ListDirectory
    from cleanlist_mcp.lists.pages import RecentPages
    from cleanlist_mcp.runs.companies import CompanyRuns
    from cleanlist_mcp.runs.starting import Workflows
    from cleanlist_mcp.runs.watching import Watcher

# What is made on first use is imported there too: users feel every start, and one that lists tools needs none of it.

MAX_CALLS = 64
"""Tool calls that run at once; more wait their turn, within the same 50 seconds."""

MAX_WAITING_CALLS = 256
"""The same for the tools that wait for runs: however many do, the others have their turn."""

OWNER_SECONDS = 60.0
"""Age up to which a service with many accounts takes the API's answer about a key: it is asked most and changes
least."""


@dataclass(frozen=True)
class Shared:
    """The parts that the accounts of one process share. Its end closes the store of the journal and the connections to
    the API; `exclusion_file` names the people whom nobody may contact, and takes room for each of them."""

    store: Store
    connections: Connections
    exclusion_file: ExclusionFile | None


class Services:
    """Client, journal, watcher and the rest, each made when first needed: listing tools needs none of them.

    `turns` and `waiting_turns` are the places for calls that run at once: each account has its own, so that one
    account's calls never wait for another's.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        tasks: TaskGroup,
        transport: httpx.AsyncBaseTransport | None,
        *,
        shared: Shared | None = None,
        member: tuple[str, str] | None = None,
    ) -> None:
        """Parts that are `shared` with other accounts stay their owner's; then limits count for each tenant apart.
        `member` is the issuer and the subject of a team's sign-in, if the account is a member's.
        """
        self.settings = settings
        self._machine_clock = clock
        self.clock = self._database_clock(clock) if settings.uses_database else clock
        self.limits = Limits(settings.hourly_unquoted_limit, settings.daily_limit, settings.lists_on)
        self.offers = Offers(
            lists=settings.lists_on,
            spending=not settings.read_only,
            key=settings.api_key is not None,
        )
        self.turns = anyio.Semaphore(MAX_CALLS, fast_acquire=True)
        self.waiting_turns = anyio.Semaphore(MAX_WAITING_CALLS, fast_acquire=True)
        self._tasks = tasks
        self._stop = anyio.Event()
        self._transport = transport
        self._shared = shared
        self._member = member
        self._owner: tuple[float, Whoami] | None = None
        self.owner_is_news = False
        """True once the API has answered about the key, until the journal has noted that."""

    def _database_clock(self, clock: Clock) -> Clock:
        from cleanlist_mcp.journal.store_clock import StoreClock

        return StoreClock(clock, lambda: self.store)

    @cached_property
    def _ledger(self) -> Ledger | None:
        from cleanlist_mcp.journal.opening import open_ledger

        if self._shared is not None or self.settings.uses_database:
            return self.store.ledger
        return open_ledger(self._folder, self.clock)

    @cached_property
    def budget(self) -> SharedBudget:
        from cleanlist_mcp.journal.shared_budget import SharedBudget

        return SharedBudget(self.clock, self._ledger, self.identity.api, self.identity.key)

    @cached_property
    def connections(self) -> Connections:
        """The connections to the API. They open no file, so they can be made ready ahead."""
        from cleanlist_mcp.api.connections import Connections

        return (
            Connections(self.settings, self._transport) if self._shared is None else self._shared.connections
        )

    @cached_property
    def client(self) -> CleanlistClient:
        from cleanlist_mcp.api.client import CleanlistClient

        return CleanlistClient(self.settings, self.budget, connections=self.connections, clock=self.clock)

    @cached_property
    def downloads(self) -> Downloads:
        from cleanlist_mcp.api.downloads import Downloads

        return Downloads(self.settings.base_url, transport=self._transport)

    @cached_property
    def pages(self) -> RecentPages:
        from cleanlist_mcp.lists.pages import RecentPages

        return RecentPages(self.clock)

    @cached_property
    def store(self) -> Store:
        if self._shared is not None:
            return self._shared.store
        return store_of(self.settings, self._machine_clock)

    async def open_ahead(self) -> None:
        """Open the files of this account that are there and free, so that its first call need not."""
        from cleanlist_mcp.journal.opening import has_ledger, open_ahead

        if self._folder is None or self.is_shared:
            return
        if "store" not in vars(self):
            store = open_ahead(self._folder, self._machine_clock, self.settings.secret_keys)
            if store is not None:
                vars(self)["store"] = store
        if has_ledger(self._folder):
            await self.budget.get_ready()

    @cached_property
    def identity(self) -> Identity:
        from cleanlist_mcp.journal.names import Identity

        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        return Identity(api_of(self.settings.base_url), key, self._member)

    @cached_property
    def journal(self) -> Journal:
        from cleanlist_mcp.journal.journal import Journal

        return Journal(self.store, self.identity, self._organization if self.is_shared else None)

    @property
    def is_shared(self) -> bool:
        """True if keys of many organizations may share the journal, so that limits count for each of them apart."""
        return self._shared is not None or self.settings.uses_database

    async def _organization(self) -> str:
        return (await self.owner()).organization_id

    async def owner(self) -> Whoami:
        """Return the owner of the key, of this moment; if accounts share a process, up to `OWNER_SECONDS` old.

        Raises:
            ApiError: if the API does not answer, or refuses the key.
        """
        now = self.clock.monotonic()
        if self._shared is not None and self._owner is not None and now - self._owner[0] <= OWNER_SECONDS:
            return self._owner[1]
        self._owner = now, await self.client.whoami()
        self.owner_is_news = True
        return self._owner[1]

    @cached_property
    def exclusion_file(self) -> ExclusionFile | None:
        return exclusion_file_of(self.settings) if self._shared is None else self._shared.exclusion_file

    @cached_property
    def watcher(self) -> Watcher:
        from cleanlist_mcp.runs.watching import Watcher

        return Watcher(self.client, self.journal, self.clock, self.budget, self._tasks)

    @cached_property
    def workflows(self) -> Workflows:
        from cleanlist_mcp.runs.starting import DATABASE_JOIN_STEP, JOIN_SECONDS, JOIN_STEP, Workflows

        return Workflows(
            self.client,
            self.journal,
            self.clock,
            self.watcher,
            self._tasks,
            timeout_seconds=self.settings.timeout_seconds,
            join_seconds=min(JOIN_SECONDS, self.settings.max_wait_seconds),
            join_step=DATABASE_JOIN_STEP if self.settings.uses_database else JOIN_STEP,
            stop=self._stop,
            # The vendor's schema of /api/v2 requires the list.
            insists_on_list=self.settings.base_url.endswith("/v2"),
        )

    @cached_property
    def companies(self) -> CompanyRuns:
        from cleanlist_mcp.runs.companies import CompanyRuns

        return CompanyRuns(self.client, self.journal, self.workflows)

    @cached_property
    def directory(self) -> ListDirectory:
        from cleanlist_mcp.lists.directory import ListDirectory

        return ListDirectory(self.client, self.clock)

    @property
    def _folder(self) -> Path | None:
        return None if self.settings.sandbox else self.settings.state_dir

    @property
    def busy(self) -> bool:
        """True while a spend is under way or a run is watched, which must not be cut, or an outcome is not written."""
        made = self.__dict__
        spends = "workflows" in made and self.workflows.spends.under_way > 0
        owes = "journal" in made and self.journal.owes
        return spends or owes or ("watcher" in made and self.watcher.watches)

    def stop_spending(self) -> None:
        """Begin no spend any more, and repeat none; those that have left come to their end."""
        self._stop.set()

    async def catch_up(self) -> None:
        """Try to write the outcomes that could not be written. Never raises."""
        if "journal" in self.__dict__:
            await self.journal.catch_up()

    async def aclose(self) -> None:
        """Let spend requests that have left finish, then close what was opened here."""
        made = self.__dict__
        if "workflows" in made:
            await self.workflows.close()
        if "connections" in made and self._shared is None:
            await self.connections.aclose()
        if "journal" in made:
            await self.journal.close()
        if "store" in made and self._shared is None:
            await self.store.close()
        if self._shared is None and made.get("_ledger") is not None:
            await made["_ledger"].close()


def exclusion_file_of(settings: Settings) -> ExclusionFile | None:
    """Return the file of people who must not be contacted, if the settings name one. Nothing is read yet."""
    from cleanlist_mcp.imports.exclusion_file import ExclusionFile

    return None if settings.exclude_file is None else ExclusionFile(settings.exclude_file)


def store_of(settings: Settings, clock: Clock) -> Store:
    """Open the store that settings name; whoever calls this closes it."""
    from cleanlist_mcp.journal.opening import open_database, open_store

    if settings.uses_database and settings.database_url is not None:
        keys = settings.secret_keys
        assert keys is not None, "settings with a database have them"  # noqa: S101 - an invariant
        return open_database(settings.database_url.get_secret_value(), clock, keys)
    return open_store(None if settings.sandbox else settings.state_dir, clock, settings.secret_keys)


async def refusal_at_start(settings: Settings, clock: Clock) -> str | None:
    """Return why a server must not start with these settings, in a line; None if it may.

    A team's database that does not answer just now is none of the reasons: nothing is spent until it does.
    """
    from cleanlist_mcp.journal.health import Unwritable, error_in

    if not settings.uses_database:
        return None
    store = store_of(settings, clock)
    try:
        health = await store.health()
    finally:
        await store.close()
    error = error_in(health)
    if error is None or not isinstance(health, Unwritable) or health.reason != "key missing":
        return None
    return f"{error.message.removesuffix(' Nothing was sent.')} {error.next_step}"
