"""The door to an engine that keeps the journal: rows and marks above it, SQL below it.

An engine promises three things: claims follow one another for all processes, a claim is durable when it returns, and
whatever cannot be done is raised as `JournalUnusable`, within a few seconds. Rules and digests stay above.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cleanlist_mcp.journal.health import Health
from cleanlist_mcp.journal.records import Row
from cleanlist_mcp.journal.records_found import Search, ShownPage
from cleanlist_mcp.journal.whose import DigestKey, Whose
from cleanlist_mcp.money.costs import Costs
from cleanlist_mcp.money.limits import DAY, Spent
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Moment


class Contradiction(Exception):
    """A write that contradicts what is there, such as a second run of one quote; it can never be made."""


class CommitLost(Exception):
    """A claim whose commit was sent and not answered: its rows may be there or not."""


CLAIMED_SECONDS = DAY + 60.0
"""Seconds after its check for which a claim may go by a tenant: it is checked daily, and a claim takes seconds."""


@dataclass(frozen=True)
class KnownTenant:
    """A tenant that the `owner` of a key was learnt to belong to `since` then, as it was `checked_at` last (epoch
    seconds). It `is_live` while a run of the key in it is younger than a day, or is not known to have ended; and for
    `CLAIMED_SECONDS` after that check, because a claim that goes by it may be under way. Where the `owner` is itself a
    tenant, an organization, `tenant` is a key that was one of its own until the API named the organization."""

    owner: str
    tenant: str
    since: float
    checked_at: float
    is_live: bool


@dataclass(frozen=True)
class Sent:
    """The first and last time that an import was sent; it may be under way for `settle` seconds after the last."""

    first: Moment
    last: Moment
    settle: float


@dataclass(frozen=True)
class ImportRow:
    """One import as it is stored.

    `size` people were sent, and `rows_imported` is the API's answer, both without those who were taken out of the
    list since. If the row or its members are not as they were written, it is not `readable`; `sent` is None if its
    times are not.
    """

    import_id: int
    key: str
    size: int
    attempt: int
    rows_imported: int | None
    readable: bool
    sent: Sent | None

    @property
    def is_empty(self) -> bool:
        """True if everybody whom the API took, or not, was taken out of the list again."""
        return self.readable and self.rows_imported is not None and self.size == 0


@dataclass(frozen=True)
class Member:
    """One digest of a person in an import: the `place` of their row, and `alias` 0 for the digest of the row itself."""

    import_id: int
    place: int
    alias: int
    digest: str
    doubtful: bool


@dataclass(frozen=True)
class PlaceCosts:
    """The cost of all runs of one `kind` for one list; `list_id` is empty if the list is not known.

    `list_name` is the newest name under which the list is known here.
    """

    tenant: str
    list_id: str
    kind: str
    list_name: str
    costs: Costs


@dataclass(frozen=True)
class CardBan:
    """A client that gets no proofs any more: its name, and since when, in epoch seconds."""

    client: str
    since: float


class RunReader(Protocol):
    """Runs and quotes, as they were written. Refused runs are left out; "newest" goes by the order of claims.

    An account and a tenant are given by all of their names, the newest first.
    """

    async def quote(self, accounts: Sequence[str], quote_id: str) -> Quote | None:
        """Return the quote of that id, if it was given to this account and reads as it was written."""

    async def run(self, run_id: int) -> Row | None:
        """Return the run of that number."""

    async def run_of_claim(self, claim: str) -> Row | None:
        """Return the run that a claim began."""

    async def run_of_quote(self, accounts: Sequence[str], quote_id: str) -> Row | None:
        """Return the run that a quote of this account started, or may have started."""

    async def run_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> Row | None:
        """Return the newest run of a workflow, whatever its account."""

    async def newest_runs(self, accounts: Sequence[str], limit: int) -> list[Row]:
        """Return the newest runs of this account, newest first."""

    async def newest_of_list(self, tenants: Sequence[str], list_id: str) -> Row | None:
        """Return the newest run over a list, whatever its scope and account."""

    async def work_on_list(self, tenants: Sequence[str], list_id: str, scope: Scope) -> list[Row]:
        """Return the newest run over a list in a scope and all that are starting or running, newest first."""

    async def leads_of_run(self, run_id: int) -> tuple[str, ...] | None:
        """Return the ids of the rows that a run over a list looked for, or still missed at its end, if they are
        known and read as they were written."""

    async def leads_tried(self, tenants: Sequence[str], list_id: str) -> list[tuple[Row, tuple[str, ...]]]:
        """Return the runs over a list whose tried rows are known, each with their ids, newest first."""

    async def newest_into(self, accounts: Sequence[str], list_name: str) -> Row | None:
        """Return the newest single run of this account whose result went to a list of that name and a known id."""

    async def runs_with(self, wanted: Mapping[str, Collection[str]]) -> list[Row]:
        """Return the runs that are identified by one of the tokens of their context, newest first."""

    async def is_first_of_key(self, tenants: Sequence[str], accounts: Sequence[str]) -> bool:
        """Return whether runs of these tenants were started here, and none of them by this account."""

    async def spent(self, whose: Whose) -> Spent:
        """Return what counts against the limits now."""


class CostReader(Protocol):
    """The costs of runs; refused runs cost nothing.

    Moments are epoch seconds by `Reader.now`. A run counts whole when it started; `since` is the first moment.
    """

    async def costs(self, whose: Whose, since: float, until: float | None = None) -> Costs:
        """Return what the runs cost that started from `since` until before `until`, or later if that is None."""

    async def costs_by_place(self, whose: Whose, since: float) -> list[PlaceCosts]:
        """Return the same for each list and kind that has runs."""

    async def newest_since(self, whose: Whose, since: float, limit: int) -> list[Row]:
        """Return runs that started from `since` on: the `limit` newest ones, and perhaps others, in any order."""

    async def first_counted(self, whose: Whose, since: float) -> float | None:
        """Return when the first run started from `since` on that has cost, or may cost, something; None if none did."""


class ImportReader(Protocol):
    """Imports and their people. A list is given by its places: its id, or one name for each tenant that it had."""

    async def imports_into(
        self, places: Sequence[str], digests: Collection[str]
    ) -> tuple[list[ImportRow], list[Member]]:
        """Return all imports into a list, oldest first, and their members, in one view of both.

        Of an import that the API took as a whole, only the members with these digests.
        """

    async def import_of(self, key: str) -> ImportRow | None:
        """Return the import of that key."""

    async def members_of(self, import_id: int) -> list[Member]:
        """Return the digests of an import by place and alias."""

    async def is_taken(self, places: Sequence[str], digests: Collection[str], besides: int | None) -> bool:
        """Return whether another import than `besides` holds one of these digests, or has put it into the list."""

    async def domains_in(self, places: Sequence[str]) -> list[tuple[str, str]]:
        """Return the domains with which people were added to a list, each with a person, both as digests."""


class SearchReader(Protocol):
    """Searches, as they were written."""

    async def search(self, accounts: Sequence[str], search_id: str) -> Search | None:
        """Return a search of this account with its pages; None if anything of it is not as it was written."""


class CompanyReader(Protocol):
    """The results of company lookups."""

    async def company(self, run_id: int) -> str | None:
        """Return what a run found of a company, as text; None if that is gone or is not as it was written."""


class CardReader(Protocol):
    """Quotes that cards have shown, and clients that are banned."""

    async def has_card(self, accounts: Sequence[str], quote_id: str) -> bool:
        """Return whether a card has shown a quote of this account."""

    async def card_ban(self, accounts: Sequence[str], client: str) -> float | None:
        """Return since when a client is banned for this account, in epoch seconds; None if it is not."""

    async def card_bans(self) -> list[CardBan]:
        """Return the bans of all accounts, newest first."""


class OrganizationReader(Protocol):
    """The tenants of keys, as they were learnt."""

    async def tenants_of(
        self, owners: Collection[str], accounts: Collection[str] | None
    ) -> list[KnownTenant]:
        """Return the tenants that the owners of keys belong to, or did, the last learnt first. Runs of `accounts` keep
        them alive, or everybody's if that is None.
        """


class Reader(
    RunReader, CostReader, ImportReader, SearchReader, CompanyReader, CardReader, OrganizationReader, Protocol
):
    """One look at the journal."""

    @property
    def now(self) -> Moment:
        """The moment of this look, by the clock that all claims go by."""


class RunWriter(Protocol):
    """Changes to runs and quotes. A row is written as a whole; the engine may write less."""

    async def keep_quote(self, account: str, quote: Quote) -> None:
        """Keep a quote, in place of an earlier one of its id."""

    async def add_run(self, row: Row) -> int:
        """Write a new run and return its number."""

    async def change_run(self, before: Row, row: Row) -> None:
        """Write what is different in `row`."""

    async def keep_leads(self, run_id: int, lead_ids: Sequence[str]) -> None:
        """Keep the ids of a list run's rows, in place of those that were kept before."""

    async def identify(self, run_id: int, context: str, tokens: Collection[str]) -> None:
        """Let a run be found by these tokens too."""

    async def any_run(self, run_id: int) -> Row | None:
        """Return the run of that number, refused or not, to change it."""

    async def any_of_workflow(self, tenants: Sequence[str], workflow_id: str) -> list[Row]:
        """Return the runs of a workflow, refused or not, to change them."""


class ImportWriter(Protocol):
    """Changes to imports and their people."""

    async def add_import(self, key: str, place: str, people: Sequence[Sequence[str]], settle: float) -> int:
        """Write a first sending of people, each given by their digests, and return its number."""

    async def repeat_import(self, import_id: int, people: Sequence[Sequence[str]], settle: float) -> None:
        """Write the next sending of an import, in place of the last one's people and time."""

    async def answer_import(self, key: str, rows_imported: int, doubtful: Collection[str]) -> None:
        """Write how many rows the API took, unless that is written; these digests may be among those left out."""

    async def withdraw_import(self, import_id: int, attempt: int, before: Moment | None) -> None:
        """Undo an attempt, unless another has begun or it was answered: back to the sending at `before`, if any."""

    async def take_out_people(self, places: Sequence[str], digests: Collection[str]) -> None:
        """Forget that people with these digests were added to a list, as far as the API has answered about them."""

    async def keep_domains(self, place: str, given: Collection[tuple[str, str]]) -> None:
        """Keep domains with which people are added to a list, each with a person, both as digests."""


class SearchWriter(Protocol):
    """Changes to searches."""

    async def keep_search(self, account: str, search: Search) -> None:
        """Keep a new search, without its pages."""

    async def keep_page(self, search_id: str, page: ShownPage) -> None:
        """Keep a page after the ones that are there."""


class CompanyWriter(Protocol):
    """Changes to the results of company lookups."""

    async def keep_company(self, run_id: int, found: str) -> None:
        """Keep what a run found of a company, as text."""


class CardWriter(Protocol):
    """Changes to what is known about cards."""

    async def keep_card(self, account: str, quote_id: str) -> None:
        """Keep that a card has shown a quote."""

    async def ban_card(self, account: str, client: str) -> None:
        """Ban a client from now on, in place of an earlier ban."""

    async def lift_card_bans(self) -> int:
        """Lift all bans, and return their number."""


class OrganizationWriter(Protocol):
    """Changes to the tenants of keys."""

    async def keep_tenant(self, owner: str, tenant: str, *, since: float) -> None:
        """Keep that the owner of a key belongs to a tenant since then (epoch seconds), as it was checked now."""


class Writer(
    Reader, RunWriter, ImportWriter, SearchWriter, CompanyWriter, CardWriter, OrganizationWriter, Protocol
):
    """A look at the journal that may change it, all or nothing."""


class Store(Protocol):
    """An engine that keeps the journal. Everything here raises `JournalUnusable` if it cannot be done now."""

    @property
    def ledger(self) -> "Ledger | None":
        """The notes that all processes of this store share, closed with it; None if no other process can see them."""

    async def now(self) -> Moment:
        """Return the moment by the clock that all claims go by, as well as it is known. Never raises."""

    def time(self) -> float:
        """Return the epoch seconds of that moment."""

    async def digest_keys(self) -> Sequence[DigestKey]:
        """Return the keys of digests, the newest first."""

    async def proof_secrets(self) -> Sequence[bytes]:
        """Return the secrets that cards' proofs are made with, the newest first."""

    async def health(self) -> Health:
        """Return whether the journal can be used, as far as that is known without looking through it. Never raises."""

    async def inspect(self) -> Health:
        """Return whether the journal can be relied on, after looking through all of it. Never raises."""

    def read(self) -> AbstractAsyncContextManager[Reader]:
        """Look at the journal."""

    def claim(self, tenants: Sequence[str]) -> AbstractAsyncContextManager[Writer]:
        """Look at the journal and change it, one at a time for each of these tenants; durable when it returns.

        Raises:
            CommitLost: if it is not known whether the change was made.
        """

    def record(self, *, last_try: bool = False) -> AbstractAsyncContextManager[Writer]:
        """Change the journal without waiting for the disk.

        After a failure the next tries fail at once for a few seconds, but for a `last_try`.

        Raises:
            Contradiction: if the change can never be made.
        """

    async def forget_old(self) -> None:
        """Drop entries past their time, if that was not done lately. Never raises."""

    async def close(self) -> None:
        """Close the journal. Whoever opened it does so, once no `Journal` uses it any more."""


Change = Callable[[Writer], Awaitable[int]]
"""Writes what came of a request and returns how many entries changed."""


class LedgerUnusable(Exception):
    """The ledger cannot be used now; nobody has to know, because each process has a memory of its own."""


class Added(NamedTuple):
    """A word that was added to a note since its text was written: its age in seconds, and the first name of those
    that it was added to."""

    age: float
    word: str
    by: str


@dataclass(frozen=True)
class Note:
    """The text last written under a name, None if nothing was, its age in seconds, and the words added since."""

    text: str | None = None
    age: float = 0.0
    added: Sequence[Added] = ()


Rewrite = Callable[[Mapping[str, Note]], Mapping[str, str]]
"""Returns the new texts of notes, of none if nothing changes. It may be called again if writing fails."""


class Ledger(Protocol):
    """Notes that all processes of a store read and rewrite, one at a time: what they have just sent and look at.

    Ages go by one clock for all of them. Nothing here waits for the disk, or longer than half a second: what is lost
    with the power was of use for a minute. Everything raises `LedgerUnusable` if it cannot be done now.
    """

    async def name(self, *parts: str) -> str:
        """Return a keyed digest of `parts`, to name a note by."""

    async def rewrite(self, names: Sequence[str], change: Rewrite) -> None:
        """Read the notes of these names and write what `change` makes of them, while no other process does.

        A text that is written holds the words that were added before.
        """

    async def add(self, names: Sequence[str], word: str) -> bool:
        """Add a word to the notes of these names without reading them, which costs half of `rewrite`.

        Returns false, and adds nothing, if this process does not know the first note as it is now, or a ledger cannot
        do that: then `rewrite` has to.
        """

    async def close(self) -> None:
        """Close the ledger."""
