"""Cards in the journal: which quotes were seen in one, and which clients get no button any more."""

import logging
from collections.abc import Awaitable, Callable

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.port import CardBan, Store, Writer
from cleanlist_mcp.journal.records import BAN_SECONDS
from cleanlist_mcp.money.approvals import Judgement, ProofKey, Spend, judge
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.secrecy import blot
from cleanlist_mcp.text import clean

NAME_LENGTH = 60
"""Characters of a client's name that are kept."""

log = logging.getLogger(__name__)


class CardJournal:
    """Makes and judges the proofs of one account, and remembers what cards have shown."""

    def __init__(self, store: Store, names: Callable[[], Awaitable[Names]], late: LateWrites) -> None:
        self._store = store
        self._names = names
        self._late = late
        self._banned_here: set[str] = set()

    async def proof(self, quote: Quote, client: str) -> str | None:
        """Return the proof of a quote for a client of that name; None for one that is banned, or while the journal
        cannot be used."""
        try:
            if await self.is_banned(client):
                return None
            newest, *_ = await self._keys()
            return newest.proof(
                Spend(quote.list_id, quote.scope, quote.quote_id, quote.cost), quote.expires_at
            )
        except JournalUnusable:
            return None

    async def judged(
        self, proof: str, list_id: str, scope: Scope, quote_id: str, cost: int, client: str
    ) -> Judgement:
        """Return the judgement of a proof for a spend of this account. A client that sent a forged one is banned.

        Raises:
            JournalUnusable: if that cannot be known.
        """
        spend = Spend(list_id, scope, quote_id, cost)
        now = (await self._store.now()).time
        judgement = judge(proof, spend, await self._keys(), now)
        if judgement == "forged":
            await self._ban(client)
        return judgement

    async def is_banned(self, client: str) -> bool:
        """Return whether a client of that name gets no proofs for this account.

        Raises:
            JournalUnusable: if that cannot be known.
        """
        name = _kept(client)
        accounts = (await self._names()).accounts
        async with self._store.read() as reader:
            since = await reader.card_ban(accounts, name)
            now = reader.now.time
        return name in self._banned_here or (since is not None and now - since < BAN_SECONDS)

    async def note_shown(self, quote_id: str) -> None:
        """Keep that a card has shown a quote. Never raises: without it the quote alone decides."""
        try:
            account = (await self._names()).account
            async with self._store.record() as writer:
                await writer.keep_card(account, quote_id)
        except JournalUnusable:
            log.warning("A shown card could not be remembered.")

    async def was_shown(self, quote_id: str) -> bool:
        """Return whether a card has shown a quote of this account.

        Raises:
            JournalUnusable: if that cannot be known.
        """
        accounts = (await self._names()).accounts
        async with self._store.read() as reader:
            return await reader.has_card(accounts, quote_id)

    async def bans(self) -> list[CardBan]:
        """Return the bans that hold, of all accounts, newest first.

        Raises:
            JournalUnusable: if they cannot be read.
        """
        async with self._store.read() as reader:
            return [ban for ban in await reader.card_bans() if reader.now.time - ban.since < BAN_SECONDS]

    async def lift_bans(self) -> int:
        """Lift all bans, of all accounts, and return their number.

        Raises:
            JournalUnusable: if they cannot be lifted.
        """
        self._banned_here.clear()
        async with self._store.record() as writer:
            return await writer.lift_card_bans()

    async def _ban(self, client: str) -> None:
        name = _kept(client)
        account = (await self._names()).account
        log.warning("A client sent a forged approval: it gets no approve button for 30 days; see the doctor.")

        async def write(writer: Writer) -> int:
            await writer.ban_card(account, name)
            return 1

        self._banned_here.add(name)  # this process holds to it even while nothing can be written
        await self._late.write(write)

    async def _keys(self) -> list[ProofKey]:
        """Return the keys in use, the one for new proofs first."""
        accounts = (await self._names()).accounts
        return [ProofKey(secret, one) for secret in await self._store.proof_secrets() for one in accounts]


def _kept(client: str) -> str:
    """Return a client's name as it is kept: it comes from outside."""
    return clean(blot(client), NAME_LENGTH).casefold() or "a client without a name"
