"""Accounts: organizations with their credits, users, keys, and the two rate limits."""

from dataclasses import dataclass, field

from cleanlist_mcp.sandbox.problems import Problem, insufficient_credits, too_many_requests

ALL_SCOPES = frozenset(
    {
        "people:read",
        "companies:read",
        "lists:read",
        "lists:write",
        "enrich:read",
        "enrich:write",
        "credits:read",
        "export:read",
        "sync:write",
        "smart_agents:read",
        "smart_agents:write",
        "admin:api_keys",
    }
)

# The vendor documents 30 requests a minute per key and 60 per organization, in fixed windows.
KEY_LIMIT = 30
ORGANIZATION_LIMIT = 60
WINDOW_SECONDS = 60


@dataclass
class Organization:
    """A customer: one wallet, one plan. Credits are whole and never negative."""

    organization_id: str
    name: str
    granted: int
    tier: str = "pro"
    api_access: bool = True
    features: tuple[str, ...] = ("api_access", "bulk_enrichment", "csv_import", "exports")
    available: int = field(init=False)
    reserved: int = 0
    charged: int = 0

    def __post_init__(self) -> None:
        self.available = self.granted

    def reserve(self, amount: int) -> None:
        """Set `amount` aside, or raise `insufficient_credits` and change nothing."""
        if amount > self.available:
            raise insufficient_credits(amount, self.available)
        self.available -= amount
        self.reserved += amount

    def settle(self, reserved: int, charged: int) -> None:
        """End a reservation: `charged` of it is spent, the rest comes back."""
        self.reserved -= reserved
        self.charged += charged
        self.available += reserved - charged


@dataclass(frozen=True)
class User:
    """The person behind a key; lists belong to a user."""

    user_id: str
    name: str
    email: str

    @property
    def masked_email(self) -> str:
        """The address as whoami shows it to a key, so that a leaked key does not give it away."""
        local, _, domain = self.email.partition("@")
        return f"{local[:1]}***@{domain}"


@dataclass
class ApiKey:
    """A key with its holder; `label` is what tests and reports call it."""

    token: str
    label: str
    user: User
    organization: Organization
    scopes: frozenset[str]
    created_at: float
    last_used_at: float | None = None

    @property
    def key_id(self) -> str:
        """An id that is safe to show."""
        return f"key_{self.label}"

    def require(self, *scopes: str) -> None:
        """Raise `insufficient_scope` unless the key carries every one of `scopes`."""
        if not self.scopes.issuperset(scopes):
            raise Problem(
                403,
                "insufficient_scope",
                f"This key lacks the scope {', '.join(sorted(set(scopes) - self.scopes))}.",
                fix="Ask an administrator to grant the scope.",
                details={"required_scopes": list(scopes), "granted_scopes": sorted(self.scopes)},
            )


class RateLimits:
    """Counts requests in fixed windows of sixty seconds, per key and per organization."""

    def __init__(self) -> None:
        """All counts are zero."""
        self._window = -1
        self._counts: dict[str, int] = {}

    def count(self, key: ApiKey, now: float) -> None:
        """Count one request, or raise 429 with the time left in the window; that one is free."""
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window = window
            self._counts.clear()
        left = (window + 1) * WINDOW_SECONDS - now
        meters = (
            ("key", key.token, KEY_LIMIT),
            ("organization", key.organization.organization_id, ORGANIZATION_LIMIT),
        )
        for who, meter, limit in meters:
            if self._counts.get(meter, 0) >= limit:
                raise too_many_requests(left, who)
        for _, meter, _ in meters:
            self._counts[meter] = self._counts.get(meter, 0) + 1
