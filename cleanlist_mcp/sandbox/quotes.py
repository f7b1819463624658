"""Prices and signed quotes: what an operation may cost, once, within five minutes."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.sandbox.problems import Problem

EnrichmentType = Literal["partial", "phone_only", "full"]

# Credits per row: e-mail 1, phone 10, both 11.
PRICES: dict[EnrichmentType, int] = {"partial": 1, "phone_only": 10, "full": 11}
QUOTE_SECONDS = 300
_KEY_ID = "sbx1"
# A used or expired quote must not look like one that never was; a day is plenty for that.
_REMEMBERED_SECONDS = 86_400


@dataclass(frozen=True)
class Subject:
    """The work that a quote is bound to, besides the number of rows; all of it goes into the signature."""

    organization_id: str
    tool: str
    list_id: str | None
    scope: str
    filter_hash: str = "none"


@dataclass
class Quote:
    """A price that was promised. `estimated_cost` is the most that the run may reserve."""

    quote_id: str
    subject: Subject
    row_count: int
    estimated_cost: int
    issued_at: int
    serial: str
    used: bool = False

    @property
    def expires_at(self) -> int:
        """Epoch seconds."""
        return self.issued_at + QUOTE_SECONDS


class QuoteBook:
    """Signs quotes, recognises them, and lets each one start one run."""

    def __init__(self) -> None:
        """A signing secret of its own: quotes of another sandbox do not verify here."""
        self._secret = secrets.token_bytes(32)
        self._quotes: dict[str, Quote] = {}

    def issue(self, subject: Subject, row_count: int, cost: int, now: float) -> Quote:
        """Promise `cost` credits for `row_count` rows until five minutes from `now`."""
        self._forget_old(now)
        issued_at, serial = int(now), secrets.token_hex(8)
        signature = self._sign(subject, row_count, cost, issued_at, serial)
        quote_id = f"qte_{_KEY_ID}_{issued_at}_{signature}"
        quote = Quote(quote_id, subject, row_count, cost, issued_at, serial)
        self._quotes[quote_id] = quote
        return quote

    def verify(self, quote_id: str, subject: Subject, cost: int, now: float) -> Quote:
        """The quote, if it may start this work now; nothing is used up yet.

        Fewer rows than quoted are fine (the run reserves less). Raises 400 `quote_invalid`,
        409 `quote_used`, 400 `quote_expired`, 400 `quote_mismatch` or 400 `spend_cap_exceeded`.
        The code words but the last are the sandbox's choice: the vendor documents the statuses.
        """
        quote = self._quotes.get(quote_id)
        if quote is None or not self._genuine(quote, subject.organization_id):
            raise _refused(400, "quote_invalid", "The quote's signature does not verify.")
        if quote.used:
            raise _refused(409, "quote_used", "This quote has started a run already.")
        if now >= quote.expires_at:
            raise _refused(400, "quote_expired", "The quote is older than five minutes.")
        if quote.subject != subject:
            raise _refused(400, "quote_mismatch", "The quote was issued for another request.")
        if cost > quote.estimated_cost:
            raise _over_the_cap(cost, quote)
        return quote

    def _genuine(self, quote: Quote, organization_id: str) -> bool:
        expected = self._sign(
            quote.subject, quote.row_count, quote.estimated_cost, quote.issued_at, quote.serial
        )
        signature = quote.quote_id.rpartition("_")[2]
        ours = quote.subject.organization_id == organization_id
        return ours and hmac.compare_digest(signature, expected)

    def _sign(self, subject: Subject, rows: int, cost: int, issued_at: int, serial: str) -> str:
        message = repr((subject, rows, cost, issued_at, serial)).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:40]

    def _forget_old(self, now: float) -> None:
        # Quotes are kept in the order of their issue, so the old ones are in front.
        while self._quotes:
            first = next(iter(self._quotes.values()))
            if now - first.issued_at < _REMEMBERED_SECONDS:
                return
            del self._quotes[first.quote_id]


def _refused(status: int, code: str, problem: str) -> Problem:
    return Problem(status, code, problem, fix="Ask POST /credits/estimate for a fresh quote.")


def _over_the_cap(cost: int, quote: Quote) -> Problem:
    return Problem(
        400,
        "spend_cap_exceeded",
        f"The work now costs {cost} credits; the quote allows {quote.estimated_cost}.",
        fix="Ask POST /credits/estimate for a fresh quote.",
        estimated_cost_credits=cost,
        details={"quoted_credits": quote.estimated_cost, "quoted_rows": quote.row_count},
    )
