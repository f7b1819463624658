"""The runs that count for an account, by the names under which they stand in the journal."""

from dataclasses import dataclass, field, replace
from typing import Literal


@dataclass(frozen=True)
class DigestKey:
    """A key of digests. `key_id` stands in the rows that were written with it; None in a journal that has one key."""

    key_id: str | None
    secret: bytes = field(repr=False)


Share = Literal["all", "own", "colleagues"]
"""A share of the runs that count: of everybody, of the own account, or of all others."""


@dataclass(frozen=True)
class Whose:
    """The runs that count for an account: those of its `tenants`, or all that are known here if that is None.

    Of a single tenant, what is started without a quote counts for the `accounts` alone. Both hold one name for each
    key of digests and, for a while, those of an earlier tenant.
    """

    tenants: tuple[str, ...] | None
    accounts: tuple[str, ...]
    share: Share = "all"

    def only(self, share: Share) -> "Whose":
        """Return one share of the same runs."""
        return replace(self, share=share)
