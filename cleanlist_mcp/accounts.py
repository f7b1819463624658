"""The accounts that one process serves: a set of services for each, kept as long as it is used.

An account is an API key, with the person who signed in if a team shares that key. The key itself comes with each
request and stands nowhere but in the account's settings in memory.
"""

import hmac
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import anyio
from anyio.abc import TaskGroup
from pydantic import SecretStr

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.errors import ApiError, RateLimited, Unauthorized
from cleanlist_mcp.secrecy import keep
from cleanlist_mcp.services import Services

MOST_ACCOUNTS = 1_000
"""Accounts that are kept; of more, the one leaves that was not used for longest."""

IDLE_SECONDS = 30 * 60.0
"""Seconds after its last call at which an account leaves."""

REFUSED_SECONDS = 60.0
"""Seconds for which a key that the API refused is not tried again."""

SWEEP_SECONDS = 60.0
"""Seconds between two looks for accounts that are to leave."""

TRIES = 30
"""Unknown keys that one address may try at once; each that the API refuses counts for `TRY_SECONDS`."""

TRY_SECONDS = 60.0

TRY_PATIENCE = 10.0
"""Seconds that a call with an unknown key waits for its turn to be tried."""

MOST_ADDRESSES = 10_000
"""Addresses whose tries are remembered."""


@dataclass(frozen=True)
class Caller:
    """The sender of a request, as a verifier recognised them.

    `api_key` is the Cleanlist key that pays; `member` issuer and subject of a sign-in, if a team shares that key.
    """

    api_key: SecretStr
    member: tuple[str, str] | None = None

    @property
    def digest(self) -> str:
        """The name of the account wherever its key must not stand: a digest that means nothing without the key."""
        key = self.api_key.get_secret_value().encode()
        member = json.dumps(self.member).encode()
        return hmac.digest(key, b"cleanlist-mcp account " + member, sha256).hex()[:32]


@dataclass
class Account:
    """The services of one caller, under the caller's digest.

    `admitted` is true once the API has accepted the key.
    """

    digest: str
    services: Services
    used_at: float
    admitted: bool = False
    calls: int = 0
    asking: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def busy(self) -> bool:
        """True while a call, a spend or a watch is in flight, or an outcome is not written: it must not leave now."""
        return self.calls > 0 or self.services.busy


class Accounts:
    """Every account that was used lately."""

    def __init__(self, make: Callable[[Caller], Services], clock: Clock, tasks: TaskGroup) -> None:
        """`make` returns the services for a caller."""
        self._make = make
        self._clock = clock
        self._tasks = tasks
        self._known: OrderedDict[str, Account] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, Unauthorized]] = OrderedDict()
        self._tries = Tries(clock)
        self._may_spend = True

    def __len__(self) -> int:
        return len(self._known)

    @contextmanager
    def call(self, caller: Caller) -> Iterator[Account]:
        """Give the account of a caller for the time of a call, during which it stays."""
        account = self._of(caller)
        account.calls += 1
        if len(self._known) > MOST_ACCOUNTS:
            self.sweep()  # from here on this one is busy
        try:
            yield account
        finally:
            account.calls -= 1
            account.used_at = self._clock.monotonic()
            if not account.admitted and not account.busy:
                self._known.pop(account.digest, None)

    def _of(self, caller: Caller) -> Account:
        digest = caller.digest
        keep(caller.api_key.get_secret_value())
        account = self._known.get(digest)
        if account is None:
            account = Account(digest, self._make(caller), self._clock.monotonic())
            if not self._may_spend:
                account.services.stop_spending()
            self._known[digest] = account
        self._known.move_to_end(digest)
        return account

    async def admit(self, account: Account, address: str) -> None:
        """Make sure that the API accepts the account's key; a refused one is not asked about again for a while.

        What the API cannot answer now is no refusal: the call goes on, and fails or succeeds by itself.

        Raises:
            Unauthorized: if the API refuses the key.
            RateLimited: if too many unknown keys came from `address`.
        """
        if account.admitted:
            return
        async with account.asking:
            if not account.admitted:
                self._check_refused(account.digest)
                await self._ask(account, address)

    async def _ask(self, account: Account, address: str) -> None:
        await self._tries.begin(address)
        refused = False
        try:
            await account.services.owner()
            account.admitted = True
        except Unauthorized as exc:
            refused = True
            self._refused[account.digest] = self._clock.monotonic(), exc.replaced()
            while len(self._refused) > MOST_ACCOUNTS:
                self._refused.popitem(last=False)
            raise
        except ApiError:
            pass
        finally:
            self._tries.end(address, refused=refused)

    def _check_refused(self, digest: str) -> None:
        at, refusal = self._refused.get(digest, (0.0, None))
        if refusal is None:
            return
        if self._clock.monotonic() - at < REFUSED_SECONDS:
            raise refusal.replaced()  # an error that was raised holds on to the call it ended
        del self._refused[digest]

    def sweep(self) -> None:
        """Let accounts leave that were not used for long, or are too many; none that is busy."""
        idle_since = self._clock.monotonic() - IDLE_SECONDS
        for digest, account in list(self._known.items()):
            over = len(self._known) > MOST_ACCOUNTS
            if (over or account.used_at <= idle_since) and not account.busy:
                del self._known[digest]
                self._tasks.start_soon(_closed, account.services)

    async def sweep_now_and_then(self) -> None:
        """Sweep for ever: outcomes are written and accounts leave even if nobody calls."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            for account in list(self._known.values()):
                await account.services.catch_up()
            self.sweep()

    def stop_spending(self) -> None:
        """Begin no spend any more, in any account: the process is about to end."""
        self._may_spend = False
        for account in self._known.values():
            account.services.stop_spending()

    @property
    def busy(self) -> bool:
        """True while anything is in flight."""
        return any(account.busy for account in self._known.values())

    async def aclose(self) -> None:
        """Let spend requests that have left finish in all accounts at once."""
        async with anyio.create_task_group() as tasks:
            for account in self._known.values():
                tasks.start_soon(account.services.aclose)
        self._known.clear()


async def _closed(services: Services) -> None:
    """Close services that nobody uses any more, even if the process ends meanwhile."""
    with anyio.CancelScope(shield=True):
        await services.aclose()


class Tries:
    """The unknown keys that each address tries: enough for a team that comes at once, too few to guess.

    Behind a proxy all requests have the proxy's address, and share its tries.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: dict[str, int] = {}
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    async def begin(self, address: str) -> None:
        """Take a try, waiting up to `TRY_PATIENCE` seconds for one.

        Raises:
            RateLimited: if none comes free.
        """
        give_up_at = self._clock.monotonic() + TRY_PATIENCE
        while self._used(address) >= TRIES:
            if self._clock.monotonic() >= give_up_at:
                raise RateLimited(
                    "Too many unknown API keys came from this address, so this one was not tried.",
                    "Try again in a minute.",
                    retry_after=TRY_SECONDS,
                )
            await self._clock.sleep(0.1)
        self._under_way[address] = self._under_way.get(address, 0) + 1

    def end(self, address: str, *, refused: bool) -> None:
        """Give the try back; one that was `refused` stays used for a while."""
        left = self._under_way.pop(address) - 1
        if left:
            self._under_way[address] = left
        if refused:
            self._failed.setdefault(address, []).append(self._clock.monotonic())
            self._failed.move_to_end(address)
            while len(self._failed) > MOST_ADDRESSES:
                self._failed.popitem(last=False)

    def _used(self, address: str) -> int:
        since = self._clock.monotonic() - TRY_SECONDS
        failed = [at for at in self._failed.get(address, []) if at > since]
        if failed:
            self._failed[address] = failed
        else:
            self._failed.pop(address, None)
        return len(failed) + self._under_way.get(address, 0)
