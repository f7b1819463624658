"""The sandbox's world: all that it remembers, and all that tests may ask and arrange. It lives in memory."""

import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from cleanlist_mcp.sandbox import people
from cleanlist_mcp.sandbox.accounts import ALL_SCOPES, ApiKey, Organization, RateLimits, User
from cleanlist_mcp.sandbox.cohorts import Cohorts
from cleanlist_mcp.sandbox.exports import Export, Exports
from cleanlist_mcp.sandbox.faults import Faults
from cleanlist_mcp.sandbox.idempotency import Answers
from cleanlist_mcp.sandbox.lists import Lists
from cleanlist_mcp.sandbox.problems import Problem
from cleanlist_mcp.sandbox.quotes import QuoteBook
from cleanlist_mcp.sandbox.unkindness import Unkindness, Version
from cleanlist_mcp.sandbox.workflows import Run, Runs

IN_PROCESS_ORIGIN = "http://sandbox.cleanlist.example"
PUBLIC_PREFIX = "/api/v1/public"
SECOND_PREFIX = "/api/v2"

# A sandbox that serves for weeks forgets its oldest requests.
_REQUESTS_KEPT = 20_000
# The ids of what a fresh sandbox holds are made of names, so that they are the same at each start.
_NAMESPACE = uuid.UUID("5b0d7c1e-93a4-4f0b-8a56-0f3e6d2c9b71")


@dataclass
class RequestRecord:
    """One request as it arrived; `path` is without the prefix, `status` None while unanswered.

    `key` is the label of the key, or None when nobody was recognised; `fault` is what was arranged.
    """

    method: str
    path: str
    version: Version | None
    time: float
    query: dict[str, str]
    body: Any = None
    key: str | None = None
    organization_id: str | None = None
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Ledger:
    """The whereabouts of an organization's credits: `granted == available + reserved + charged`, always."""

    granted: int
    available: int
    reserved: int
    charged: int


@dataclass
class Options:
    """Differences of this sandbox from the usual API; see `Sandbox` for each."""

    rate_limits: bool
    insists_on_list_id: bool | Literal[422]
    csv_import: bool
    import_seconds: float
    row_cap: int | None
    sleep: Callable[[float], Awaitable[None]]


class Sandbox:
    """One fake Cleanlist: accounts, credits, quotes, lists, workflows, and faults to come.

    `clock` gives epoch seconds; everything advances with it alone. A fresh sandbox has one
    organization with `seed_credits`, one key, and three lists that it can enrich in full; lists, leads and all
    that a search finds have the same ids at each start.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        latency: float | None = None,
        seed_credits: int = 5_000,
        rate_limits: bool = True,
        insists_on_list_id: bool | Literal[422] = False,
        shows_raw_people: bool = True,
        csv_import: bool = True,
        import_seconds: float = 0.0,
        row_cap: int | None = None,
        list_cap: int | None = None,
        unkind: Unkindness | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Build a sandbox with its seeds.

        `latency`: seconds that every run takes instead of its usual time. `rate_limits`: False
        gives no 429. `insists_on_list_id`: a person without `lead_list_id` is refused, True with
        400 `validation_error`, 422 in FastAPI's way, as under /api/v2 in any case.
        `shows_raw_people`: False hides every lead until enrichment found it. `csv_import`:
        False answers 503, as for an account whose import is switched off. `import_seconds`: how
        long an import runs; its rows land and its idempotency key protects only then. `row_cap`:
        rows of one import that are taken; the others are skipped as `row_cap_exceeded`. `list_cap`:
        lists a user may own. `unkind`: ways to be unkind from the start; `sandbox.unkind` has them as
        switches. `sleep`: how imports and slow answers wait; with a fake clock, one that moves the clock.
        """
        self.clock = clock
        self.options = Options(rate_limits, insists_on_list_id, csv_import, import_seconds, row_cap, sleep)
        self.faults = Faults()
        self.requests: list[RequestRecord] = []
        self.limits = RateLimits()
        self.quotes = QuoteBook()
        self.unkind = Unkindness() if unkind is None else unkind
        self.lists = Lists(shows_raw_people=shows_raw_people, list_cap=list_cap, unkind=self.unkind)
        self.workflows = Runs(self.lists, latency)
        self.cohorts = Cohorts()
        self.answers = Answers()
        self.exports = Exports()
        self._keys: dict[str, ApiKey] = {}
        self.base_url = IN_PROCESS_ORIGIN + PUBLIC_PREFIX
        self._seed(seed_credits)

    def add_account(
        self,
        label: str,
        *,
        scopes: Iterable[str] = ALL_SCOPES,
        credits: int = 1_000,  # noqa: A002 -- the API's own word
        tier: str = "pro",
        api_access: bool = True,
        colleague_of: str | None = None,
    ) -> str:
        """Make a user with a key of the given scopes and return the key.

        The user has an organization to themselves, or that of the key `colleague_of` (then
        `credits`, `tier` and `api_access` are the colleague's). Without `api_access`, every call
        is answered with 403 `feature_gated`.
        """
        if colleague_of is not None:
            organization = self.account(colleague_of).organization
        else:
            organization = Organization(f"org_{label}", f"{label.title()} Sandbox", credits, tier, api_access)
        user = User(f"user_{label}", f"{label.title()} Example", f"{label}@{label}.example")
        return self._add_key(label, user, organization, frozenset(scopes))

    def add_list(
        self,
        name: str,
        members: int | Iterable[people.Identity] = 0,
        *,
        key: str | None = None,
        visibility: Literal["private", "organization"] = "private",
        protected: bool = False,
    ) -> str:
        """Make a list of people, or of a number of them, for the holder of `key` and return its id.

        Unlike the API, this makes a second list of the same name when asked to.
        """
        account = self.account(key)
        lead_list = self.lists.add(account, name, self.clock(), visibility=visibility, protected=protected)
        crowd = people.crowd(members) if isinstance(members, int) else members
        lead_list.take_in(self.lists.new_leads(lead_list.organization_id, crowd))
        return lead_list.list_id

    def list_id(self, name: str, key: str | None = None) -> str:
        """Return the id of the first list of that name that `key` can read. Raises KeyError."""
        for lead_list in self.lists.visible(self.account(key)):
            if lead_list.name == name:
                return lead_list.list_id
        raise KeyError(name)

    def leads(self, list_id: str) -> list[dict[str, str | None]]:
        """Return all leads in a list as the API would show them, hidden ones too. Raises KeyError."""
        self.settle()
        lead_list = self.lists.by_id(list_id)
        if lead_list is None:
            raise KeyError(list_id)
        return [lead.row() for lead in lead_list.leads.values()]

    @property
    def runs(self) -> list[Run]:
        """The workflows that really started, each as far as it is now."""
        self.settle()
        return self.workflows.all

    def credits(self, key: str | None = None) -> int:
        """Return the credits left to spend, for the organization of `key` (default: the seeded one)."""
        return self.ledger(key).available

    def ledger(self, key: str | None = None) -> Ledger:
        """Return where the credits are, for the organization of `key` (default: the seeded one)."""
        self.settle()
        wallet = self.account(key).organization
        return Ledger(wallet.granted, wallet.available, wallet.reserved, wallet.charged)

    def account(self, key: str | None = None) -> ApiKey:
        """Return the account behind a key (default: the seeded one). Raises KeyError for unknown ones."""
        return self._keys[self.key if key is None else key]

    def accounts(self) -> list[ApiKey]:
        """Return every key."""
        return list(self._keys.values())

    def recognise(self, authorization: str | None) -> ApiKey | None:
        """Return the holder of a `Bearer` header, or None; nothing is enforced."""
        scheme, _, token = (authorization or "").partition(" ")
        return self._keys.get(token.strip()) if scheme.lower() == "bearer" else None

    def admit(self, key: ApiKey) -> None:
        """Enforce rate limits and plan for one request: 429, or 403 `feature_gated`."""
        now = self.clock()
        if self.options.rate_limits:
            self.limits.count(key, now)
        key.last_used_at = now
        if not key.organization.api_access:
            raise Problem(
                403,
                "feature_gated",
                "API access is not part of this plan.",
                fix="Upgrade to a plan with API access.",
                details={"feature": "api_access", "tier": key.organization.tier},
            )

    def settle(self) -> None:
        """Bring imports and runs to where they are now."""
        now = self.clock()
        self.lists.settle(now)
        self.workflows.settle(now)

    def record(self, record: RequestRecord) -> RequestRecord:
        """Remember a request as it comes in."""
        if len(self.requests) >= _REQUESTS_KEPT:
            del self.requests[: _REQUESTS_KEPT // 2]
        self.requests.append(record)
        return record

    def remember_export(self, content: bytes) -> tuple[str, Export]:
        """Keep a file for a day and return it under its new id."""
        return self.exports.keep(content, self.clock())

    def export(self, export_id: str, signature: str) -> bytes:
        """Return a file by id and signature. Raises 404 for an unknown one, 403 for a bad or expired link."""
        return self.exports.load(export_id, signature, self.clock())

    def _seed(self, seed_credits: int) -> None:
        """The first account, whose key is `key`, and its lists."""
        organization = Organization("org_northwind", "Northwind Sandbox", seed_credits)
        ada = User("user_ada", "Ada Example", "ada@northwind.example")
        self.key = self._add_key("seeded", ada, organization, ALL_SCOPES)
        for name, members in people.seeded_lists().items():
            self._seed_list(name, [people.as_written(person) for person in members])

    def _seed_list(self, name: str, members: Sequence[people.Identity]) -> None:
        account = self.account()
        lead_list = self.lists.add(account, name, self.clock(), list_id=_stable_id(name))
        ids = (_stable_id(f"{name}/{number}") for number in range(len(members)))
        lead_list.take_in(self.lists.new_leads(lead_list.organization_id, members, ids=ids))

    def _add_key(self, label: str, user: User, organization: Organization, scopes: frozenset[str]) -> str:
        token = f"clapi_sandbox_{secrets.token_urlsafe(48)}"
        self._keys[token] = ApiKey(token, label, user, organization, scopes, self.clock())
        return token


def _stable_id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))
