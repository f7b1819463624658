"""What the sandbox remembers, and what tests may ask and arrange. All of it lives in memory."""

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from cleanlist_mcp.sandbox import people
from cleanlist_mcp.sandbox.accounts import ALL_SCOPES, ApiKey, Organization, RateLimits, User
from cleanlist_mcp.sandbox.faults import Faults
from cleanlist_mcp.sandbox.lists import Lists
from cleanlist_mcp.sandbox.problems import Problem
from cleanlist_mcp.sandbox.quotes import QuoteBook
from cleanlist_mcp.sandbox.workflows import Run, Runs

IN_PROCESS_ORIGIN = "http://sandbox.cleanlist.example"
PUBLIC_PREFIX = "/api/v1/public"
SECOND_PREFIX = "/api/v2"

COHORT_SECONDS = 3_600
EXPORT_SECONDS = 86_400
REMEMBERED_SECONDS = 86_400
# A sandbox that serves for weeks forgets its oldest requests, cohorts and exports.
_REQUESTS_KEPT = 20_000
_HANDLES_KEPT = 1_000


@dataclass
class RequestRecord:
    """One request as it arrived; `path` is without the prefix, `status` None while unanswered.

    `key` is the label of the key, or None when nobody was recognised; `fault` is what was arranged.
    """

    method: str
    path: str
    version: Literal["public", "v2"] | None
    time: float
    query: dict[str, str]
    body: Any = None
    key: str | None = None
    organization_id: str | None = None
    status: int | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Ledger:
    """Where an organization's credits are: `granted == available + reserved + charged`, always."""

    granted: int
    available: int
    reserved: int
    charged: int


@dataclass(frozen=True)
class Cohort:
    """A page of leads under a handle of its own, for an hour."""

    task_id: str
    organization_id: str
    list_id: str
    lead_ids: tuple[str, ...]
    created_at: float


@dataclass(frozen=True)
class Export:
    """A finished CSV file; whoever has the signature may load it until it expires."""

    content: bytes
    signature: str
    expires_at: float


@dataclass
class Remembered:
    """An answer kept under an idempotency key. It counts from `finished_at` on, not before."""

    finished_at: float
    answer: dict[str, Any]


@dataclass
class Options:
    """How this sandbox differs from the usual API; see `Sandbox` for each."""

    rate_limits: bool
    insists_on_list_id: bool | Literal[422]
    csv_import: bool
    import_seconds: float
    row_cap: int | None
    sleep: Callable[[float], Awaitable[None]]


class Sandbox:
    """One fake Cleanlist: accounts, credits, quotes, lists, workflows, and faults to come.

    `clock` gives epoch seconds; everything advances with it alone. A fresh sandbox has one
    organization with `seed_credits`, one key, and three lists that it can enrich in full.
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
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Build a sandbox with its seeds.

        `latency`: seconds that every run takes instead of its usual time. `rate_limits`: whether
        429s are given. `insists_on_list_id`: a person without `lead_list_id` is refused, True with
        400 `validation_error`, 422 in FastAPI's way, as under /api/v2 in any case.
        `shows_raw_people`: whether leads show and count before enrichment found them. `csv_import`:
        False answers 503, as for an account where the import is switched off. `import_seconds`: how
        long an import runs; its rows land and its idempotency key protects only then. `row_cap`:
        rows of one import that are taken; the others are skipped as `row_cap_exceeded`. `list_cap`:
        lists a user may own. `sleep`: how imports and slow answers wait; with a fake clock, one that
        moves the clock.
        """
        self.clock = clock
        self.options = Options(rate_limits, insists_on_list_id, csv_import, import_seconds, row_cap, sleep)
        self.faults = Faults()
        self.requests: list[RequestRecord] = []
        self.limits = RateLimits()
        self.quotes = QuoteBook()
        self.lists = Lists(shows_raw_people=shows_raw_people, list_cap=list_cap)
        self.workflows = Runs(self.lists, latency)
        self.remembered: dict[tuple[str, str, str], Remembered] = {}
        self._keys: dict[str, ApiKey] = {}
        self._cohorts: dict[str, Cohort] = {}
        self._exports: dict[str, Export] = {}
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
        """A new user with a key of the given scopes; the key is returned.

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
        """A new list, owned by the holder of `key`, with people or a number of them; gives its id.

        Unlike the API, this makes a second list of the same name when asked to.
        """
        account = self.account(key)
        lead_list = self.lists.add(account, name, self.clock(), visibility=visibility, protected=protected)
        crowd = people.crowd(members) if isinstance(members, int) else members
        leads = self.lists.new_leads(lead_list.organization_id, crowd)
        lead_list.leads.update((lead.lead_id, lead) for lead in leads)
        return lead_list.list_id

    def list_id(self, name: str, key: str | None = None) -> str:
        """The id of the first list of that name that `key` can read. Raises KeyError."""
        for lead_list in self.lists.visible(self.account(key)):
            if lead_list.name == name:
                return lead_list.list_id
        raise KeyError(name)

    def leads(self, list_id: str) -> list[dict[str, str | None]]:
        """All leads in a list, as the API would show them, raw ones too. Raises KeyError."""
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
        """Credits left to spend, for the organization of `key` (default: the seeded one)."""
        return self.ledger(key).available

    def ledger(self, key: str | None = None) -> Ledger:
        """Where the credits are, for the organization of `key` (default: the seeded one)."""
        self.settle()
        wallet = self.account(key).organization
        return Ledger(wallet.granted, wallet.available, wallet.reserved, wallet.charged)

    def account(self, key: str | None = None) -> ApiKey:
        """What stands behind a key (default: the seeded one). Raises KeyError for unknown ones."""
        return self._keys[self.key if key is None else key]

    def accounts(self) -> list[ApiKey]:
        """Every key."""
        return list(self._keys.values())

    def recognise(self, authorization: str | None) -> ApiKey | None:
        """The holder of a `Bearer` header, or None; nothing is enforced."""
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

    def remember_cohort(self, cohort: Cohort) -> None:
        """Keep a cohort under its handle."""
        _keep(self._cohorts, cohort.task_id, cohort)

    def cohort(self, key: ApiKey, task_id: str) -> Cohort:
        """The cohort behind a handle, or 404 when it expired or is somebody else's."""
        cohort = self._cohorts.get(task_id)
        known = cohort is not None and cohort.organization_id == key.organization.organization_id
        if cohort is None or not known or self.clock() > cohort.created_at + COHORT_SECONDS:
            raise Problem(404, "not_found", "Task not found.", fix="Read the list again.")
        return cohort

    def remember_export(self, content: bytes) -> tuple[str, Export]:
        """Keep a file for a day; gives its id."""
        export_id = secrets.token_hex(12)
        export = Export(content, secrets.token_hex(20), self.clock() + EXPORT_SECONDS)
        _keep(self._exports, export_id, export)
        return export_id, export

    def export(self, export_id: str, signature: str) -> bytes:
        """A file by id and signature: 404 for an unknown one, 403 for a bad or expired link."""
        export = self._exports.get(export_id)
        if export is None:
            raise Problem(404, "not_found", "Export not found.")
        genuine = secrets.compare_digest(export.signature.encode(), signature.encode())
        if not genuine or self.clock() >= export.expires_at:
            raise Problem(403, "link_expired", "This link is not valid any more.")
        return export.content

    def recall(self, organization_id: str, topic: str, idempotency_key: str) -> Any:
        """The answer of a finished request of this key within its 24 hours, or None."""
        kept = self.remembered.get((organization_id, topic, idempotency_key))
        if kept is None or not 0 <= self.clock() - kept.finished_at < REMEMBERED_SECONDS:
            return None
        return kept.answer

    def remember(
        self,
        organization_id: str,
        topic: str,
        idempotency_key: str,
        answer: Mapping[str, Any],
        after: float = 0.0,
    ) -> Remembered:
        """Keep an answer under an idempotency key, from `after` seconds on; the first one stays."""
        now, name = self.clock(), (organization_id, topic, idempotency_key)
        self.remembered = {
            other: kept
            for other, kept in self.remembered.items()
            if now - kept.finished_at < REMEMBERED_SECONDS
        }
        return self.remembered.setdefault(name, Remembered(now + after, dict(answer)))

    def _seed(self, seed_credits: int) -> None:
        """The first account, whose key is `key`, and its lists."""
        organization = Organization("org_northwind", "Northwind Sandbox", seed_credits)
        ada = User("user_ada", "Ada Example", "ada@northwind.example")
        self.key = self._add_key("seeded", ada, organization, ALL_SCOPES)
        for name, members in (
            ("Q3 Prospects", people.prospects()),
            ("Conference Leads", people.visitors()),
            ("Späte Zusagen", people.late_replies()),
        ):
            self.add_list(name, [people.as_written(person) for person in members])

    def _add_key(self, label: str, user: User, organization: Organization, scopes: frozenset[str]) -> str:
        token = f"clapi_sandbox_{secrets.token_urlsafe(48)}"
        self._keys[token] = ApiKey(token, label, user, organization, scopes, self.clock())
        return token


def _keep(shelf: dict[str, Any], name: str, value: Any) -> None:
    shelf.pop(name, None)
    if len(shelf) >= _HANDLES_KEPT:
        del shelf[next(iter(shelf))]
    shelf[name] = value
