"""The journal of one account: its runs and quotes, asked for and written down.

Everything is engine-neutral: the rules and digests are here, rows and locks belong to the store. Keys and people are
keyed digests; a label may name a person and their company, so that the user knows the run again, and never carries an
address, phone number or profile link.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.costs import CostJournal
from cleanlist_mcp.journal.health import Health
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Digester, Identity, Names
from cleanlist_mcp.journal.naming import Ask, Naming
from cleanlist_mcp.journal.outcomes import Outcomes
from cleanlist_mcp.journal.port import Reader, Store
from cleanlist_mcp.journal.records import Row, kept_name, marks_in, run_of
from cleanlist_mcp.money.limits import Spent
from cleanlist_mcp.money.picking import tried_rows
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Moment, Run

if TYPE_CHECKING:
    from cleanlist_mcp.journal.cards import CardJournal
    from cleanlist_mcp.journal.claims import Claims
    from cleanlist_mcp.journal.companies import CompanyJournal
    from cleanlist_mcp.journal.import_journal import ImportJournal
    from cleanlist_mcp.journal.searches import SearchJournal

Find = Callable[[Reader, Names], Awaitable[Row | None]]

log = logging.getLogger(__name__)


class Journal:
    """Memory of runs and quotes, seen by one account; the limits look at all keys, or at those of one tenant.

    `claims` decides about spends, `outcomes` records what became of them, `costs` adds up what they cost, `imports`
    keeps the people added to lists, `searches` the rows that were shown, `companies` the results of lookups, `cards`
    which quotes a card has shown.
    While a journal that is there cannot be used, nothing may be spent, because it may know the run already: single
    runs read as absent, and `recent` refuses to answer that there are none.
    """

    def __init__(self, store: Store, identity: Identity, ask: Ask | None = None) -> None:
        """`store` stays its owner's, who closes it. `ask` is given if keys of many tenants share it."""
        self._store = store
        self._is_members = identity.member is not None
        self._naming = Naming(store, identity, ask)
        self._names = self._naming.names
        self._late = LateWrites(store)
        self.outcomes = Outcomes(store, self._names, self._late)
        self.costs = CostJournal(store, self._names, self._late)

    # What only some calls need is imported with its first use; `outcomes` is not, since it follows a request that left.

    @cached_property
    def claims(self) -> "Claims":
        from cleanlist_mcp.journal.claims import Claims

        return Claims(self._store, self._naming, self._late)

    @cached_property
    def imports(self) -> "ImportJournal":
        from cleanlist_mcp.journal.import_journal import ImportJournal

        return ImportJournal(self._store, self._naming, self._late)

    @cached_property
    def searches(self) -> "SearchJournal":
        from cleanlist_mcp.journal.searches import SearchJournal

        return SearchJournal(self._store, self._names)

    @cached_property
    def companies(self) -> "CompanyJournal":
        from cleanlist_mcp.journal.companies import CompanyJournal

        return CompanyJournal(self._store, self._naming, self._late)

    @cached_property
    def cards(self) -> "CardJournal":
        """The memory of cards that were shown, and of clients whose cards do not count."""
        from cleanlist_mcp.journal.cards import CardJournal

        return CardJournal(self._store, self._names, self._late)

    async def health(self) -> Health:
        """Return whether the journal can be used, as far as it is known without looking through all of it."""
        return await self._store.health()

    async def inspect(self) -> Health:
        """Return whether the journal can be relied on, after looking through all of it."""
        return await self._store.inspect()

    @property
    def owes(self) -> bool:
        """True while an outcome waits to be written."""
        return self._late.owes

    async def catch_up(self) -> None:
        """Try to write what could not be written. Never raises."""
        await self._late.catch_up()

    async def close(self) -> None:
        """Try a last time to write what could not be written."""
        await self._late.catch_up(last_try=True)

    async def note_organization(self, organization: str) -> None:
        """Keep the organization that the API has just named for the key. Never raises: a claim asks again."""
        try:
            await self._naming.note(organization)
        except JournalUnusable:
            log.info("The organization of a key could not be kept.")

    async def now(self) -> Moment:
        """Return the moment by the clock that all claims go by."""
        return await self._store.now()

    async def digester(self) -> Digester:
        """Return the function that makes keyed digests.

        Raises:
            JournalUnusable: while their key cannot be read.
        """
        return (await self._names()).digest

    async def digester_if_readable(self) -> Digester | None:
        """Return the function that makes keyed digests; None while their key cannot be read."""
        try:
            return await self.digester()
        except JournalUnusable:
            return None

    async def remember_quote(self, quote: Quote) -> bool:
        """Keep what a quote showed, and forget what is old; return whether it was kept: else it can never be spent.

        Never raises: a new quote is free.
        """
        is_kept = True
        quote = replace(quote, list_name=kept_name(quote.list_name))
        try:
            account = (await self._names()).account
            async with self._store.record() as writer:
                await writer.keep_quote(account, quote)
        except JournalUnusable:
            log.warning("A quote could not be remembered.")
            is_kept = False
        await self._store.forget_old()
        return is_kept

    async def quote(self, quote_id: str) -> Quote | None:
        """Return the quote of that id, if this key was given it here and it reads as it was written.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        accounts = (await self._names()).accounts
        async with self._store.read() as reader:
            return await reader.quote(accounts, quote_id)

    async def run(self, run_id: int) -> Run | None:
        """Return a run by its number; None if it was refused, is gone, or cannot be read just now."""
        return await self._if_readable(lambda reader, names: reader.run(run_id))

    async def by_workflow(self, workflow_id: str) -> Run | None:
        """Return the run of a workflow, if it was started from here, under any key, and can be read."""
        return await self._if_readable(
            lambda reader, names: reader.run_of_workflow(names.tenants, workflow_id)
        )

    async def own_by_workflow(self, workflow_id: str) -> Run | None:
        """Return the run of a workflow as `by_workflow`, unless it is a colleague's."""
        run = await self.by_workflow(workflow_id)
        return run if run is not None and run.is_own else None

    async def is_withheld(self, workflow_id: str) -> bool:
        """Return whether a workflow is of one person or company, and was started by somebody else who signed in.

        People of one sign-in share a key, so the API would show it to all of them. Runs over lists are everybody's, as
        the lists are.

        Raises:
            JournalUnusable: if it cannot be read, for people who sign in.
        """
        if not self._is_members:
            return False
        run = await self._one(lambda reader, names: reader.run_of_workflow(names.tenants, workflow_id))
        return run is not None and not run.is_own and run.kind != "list"

    async def last_list_run(self, list_id: str) -> Run | None:
        """Return the newest run over a list, whatever its scope and key; None if there is none, or none can be read."""
        return await self._if_readable(lambda reader, names: reader.newest_of_list(names.tenants, list_id))

    async def tried_in(self, list_id: str) -> Mapping[str, frozenset[Scope]]:
        """Return by row of a list in which scopes runs from here, under any key, looked for it in vain within 30 days.

        A row that has what a scope looks for by now may be among them. Nothing while the journal cannot be read.
        """
        await self._late.catch_up()
        try:
            names = await self._names()
            async with self._store.read() as reader:
                found = await reader.leads_tried(names.tenants, list_id)
                now = reader.now
        except JournalUnusable:
            return {}
        return tried_rows([(run_of(row, now, names.whose), lead_ids) for row, lead_ids in found], now.time)

    async def leads_of_run(self, run_id: int) -> tuple[str, ...] | None:
        """Return the ids of the rows that were picked for a run; None if it has none, or they cannot be read."""
        await self._late.catch_up()
        try:
            async with self._store.read() as reader:
                return await reader.leads_of_run(run_id)
        except JournalUnusable:
            return None

    async def run_of_quote(self, quote_id: str) -> Run | None:
        """Return the run that a quote started, or may have started.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        return await self._one(lambda reader, names: reader.run_of_quote(names.accounts, quote_id))

    async def list_named(self, name: str) -> str | None:
        """Return the id of the list of that name that a single run of this key went to last.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        run = await self._one(lambda reader, names: reader.newest_into(names.accounts, name))
        return None if run is None else run.list_id

    async def recent(self, limit: int) -> list[Run]:
        """Return the newest runs of this key that may have started something, newest first.

        Raises:
            JournalUnusable: if they cannot be read; "none" would be taken for leave to start again.
        """
        await self._late.catch_up()
        names = await self._names()
        async with self._store.read() as reader:
            rows = await reader.newest_runs(names.accounts, limit)
            return [run_of(row, reader.now, names.whose) for row in rows]

    async def spent(self) -> Spent:
        """Return what counts against the limits now.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        whose = (await self._names()).whose
        async with self._store.read() as reader:
            return await reader.spent(whose)

    async def spent_if_readable(self) -> Spent | None:
        """Return what counts against the limits now; None while the journal cannot be read."""
        try:
            return await self.spent()
        except JournalUnusable:
            return None

    async def may_be_same_person(self, one: Run, other: Run) -> bool:
        """Return whether nothing that was given for two single runs shows that they are of different people.

        Raises:
            JournalUnusable: if that cannot be read.
        """
        async with self._store.read() as reader:
            rows = [await reader.run(run.run_id) for run in (one, other)]
        known = [marks for row in rows if row is not None and (marks := marks_in(row)) is not None]
        from cleanlist_mcp.people.same_person import are_different

        return len(known) < 2 or not are_different(*known)

    async def _if_readable(self, find: Find) -> Run | None:
        """Return the run that is found; None if it cannot be read: after a spend a report must come out even so."""
        await self._late.catch_up()
        try:
            return await self._one(find)
        except JournalUnusable:
            return None

    async def _one(self, find: Find) -> Run | None:
        names = await self._names()
        async with self._store.read() as reader:
            row = await find(reader, names)
            return None if row is None else run_of(row, reader.now, names.whose)
