"""Imports in the journal: nobody is sent to a list who is in it, or may be."""

from collections.abc import Collection, Sequence
from itertools import groupby

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.imports import Claim, Import, import_of, may_repeat, next_key
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.naming import Naming
from cleanlist_mcp.journal.port import CommitLost, ImportRow, Store, Writer

People = Sequence[Sequence[str]]
"""The digests of each person in an import, in the order of their rows; of each person that of the row first."""


class ImportJournal:
    """Claims imports, and records what became of them."""

    def __init__(self, store: Store, naming: Naming, late: LateWrites) -> None:
        self._store = store
        self._naming = naming
        self._late = late

    async def into(self, list_id: str, digests: Collection[str]) -> list[Import]:
        """Return all imports from here into a list, oldest first, as far as they matter for people with these digests.

        Raises:
            JournalUnusable: if they cannot be read; "none" would be taken for leave to send everybody again.
        """
        await self._late.catch_up()
        places = _places(await self._naming.names(), list_id)
        async with self._store.read() as reader:
            rows, members = await reader.imports_into(places, digests)
            now = reader.now
        found = {number: list(group) for number, group in groupby(members, lambda one: one.import_id)}
        return [import_of(row, found.get(row.import_id, ()), now) for row in rows]

    async def claim(
        self,
        key: str,
        list_id: str,
        people: People,
        settle: float,
        domains: Collection[tuple[str, str]] = (),
    ) -> Claim | None:
        """Write down, before they are sent, that these people are sent to a list now by this key, if that may be.

        Once everybody who was sent by the key was taken out of the list again, the claim has another: the API would
        take this one for a repeat.

        The import may be under way for `settle` seconds. `domains` are those of their employers, each with a person,
        both as digests; they are kept for `with_domains`. Returns None if it may not be sent: somebody of them is in
        the list, or held by another import, or this one was answered, has expired, or may still be under way.

        Raises:
            ApiError: if the API has to be asked for the organization, and does not answer.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        await self._late.catch_up()
        names = await self._naming.names_to_spend()
        places = _places(names, list_id)
        digests = [digest for one in people for digest in one]
        try:
            async with self._store.claim(names.tenants) as writer:
                await self._naming.require_current(writer, names)
                key, row = await _usable(writer, key)
                if await writer.is_taken(places, digests, None if row is None else row.import_id):
                    return None
                await writer.keep_domains(places[0], domains)
                if row is None:
                    return Claim(await writer.add_import(key, places[0], people, settle), key, 1, None)
                return await _repeated(writer, row, people, settle)
        except CommitLost:
            # Whoever it holds is held until it has settled; this call sends nobody.
            raise JournalUnusable(
                "The journal did not take the entry. Nothing was sent.", "Try again."
            ) from None

    async def with_domains(self, list_id: str, domains: Collection[str]) -> frozenset[str]:
        """Return the digests of the people who were added to a list with one of these domains, given as digests.

        Raises:
            JournalUnusable: if they cannot be read.
        """
        places = _places(await self._naming.names(), list_id)
        async with self._store.read() as reader:
            kept = await reader.domains_in(places)
        return frozenset(person for domain, person in kept if domain in domains)

    async def finished(self, key: str, rows_imported: int, doubtful: Collection[str]) -> None:
        """Record how many rows of an import the API took, and forget what is old. The first answer stays.

        People with `doubtful` digests may be among those that it left out.
        """

        async def write(writer: Writer) -> int:
            await writer.answer_import(key, rows_imported, doubtful)
            return 1

        await self._late.write(write)
        await self._store.forget_old()

    async def taken_out(self, list_id: str, digests: Collection[str]) -> None:
        """Record that people with these digests were taken out of a list: they may be added to it again.

        Whoever was sent without an answer stays held until that is settled.
        """
        places = _places(await self._naming.names(), list_id)

        async def write(writer: Writer) -> int:
            await writer.take_out_people(places, digests)
            return 1

        await self._late.write(write)

    async def refused(self, claim: Claim) -> None:
        """Record that an import did certainly not arrive this time.

        Its people are free again, unless it was sent before: then they stay held as they were. Nothing changes if
        another attempt has begun meanwhile.
        """

        async def write(writer: Writer) -> int:
            await writer.withdraw_import(claim.import_id, claim.attempt, claim.before)
            return 1

        await self._late.write(write)


def _places(names: Names, list_id: str) -> list[str]:
    """Return the names of a list: its id, or among many tenants one for each that it belonged to, the newest first."""
    return [list_id] if names.whose.tenants is None else [f"{one}/{list_id}" for one in names.tenants]


async def _usable(writer: Writer, key: str) -> tuple[str, ImportRow | None]:
    """Return the key by which people are to be sent, with its import, if there is one.

    A key whose people were all taken out of the list again is followed by another.
    """
    row = await writer.import_of(key)
    while row is not None and row.is_empty:
        key = next_key(key)
        row = await writer.import_of(key)
    return key, row


async def _repeated(writer: Writer, row: ImportRow, people: People, settle: float) -> Claim | None:
    """Claim the next sending of an import whose answer was lost, if it has settled."""
    if row.sent is None or not may_repeat(row, writer.now):
        return None
    # Written anew: whom it held may have been unreadable, and is known from here on.
    await writer.repeat_import(row.import_id, await _with_former(writer, row.import_id, people), settle)
    return Claim(row.import_id, row.key, row.attempt + 1, row.sent.last)


async def _with_former(writer: Writer, import_id: int, people: People) -> list[list[str]]:
    """Return the digests of each, and after them those by which an earlier call knew the same person."""
    former = await writer.members_of(import_id)
    return [
        list(dict.fromkeys((*digests, *(one.digest for one in former if one.place == place))))
        for place, digests in enumerate(people)
    ]
