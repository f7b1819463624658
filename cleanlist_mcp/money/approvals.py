"""Proofs of approval: what a quote's card hands back so that its button may start a run. Pure.

The figures of a quote stand in texts that a model reads; its proof does not. So a call that holds the proof comes
from the card, as long as the host keeps what lies beside an answer from its model. No server can know that it does,
so a proof shows which card was used and never that a person used it.
"""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.money.quotes import CLOCK_TOLERANCE

Judgement = Literal["good", "expired", "missing", "foreign", "forged"]
"""A proof as it is found: `foreign` was made with a key that is not in use here, `forged` was never made."""

_FORM = r"p1\.([0-9a-f]{8})\.([0-9]{1,12})\.([0-9a-f]{64})"


@dataclass(frozen=True)
class Spend:
    """The one spend that a proof is for; `cost` is in credits."""

    list_id: str
    scope: Scope
    quote_id: str
    cost: int


class ProofKey:
    """A key that proofs are made with; its `key_id` identifies it and gives nothing of it away."""

    def __init__(self, secret: bytes, account: str) -> None:
        """`secret` is the installation's or deployment's. Each account has a key of its own, so that a proof of one is
        foreign to another, and not forged."""
        self._account = account
        self._key = hmac.digest(secret, b"card approval " + account.encode(), hashlib.sha256)
        self.key_id = hmac.digest(self._key, b"key id", hashlib.sha256).hex()[:8]

    def proof(self, spend: Spend, expires_at: float) -> str:
        """Return the proof for a spend that may begin until `expires_at`, in epoch seconds."""
        until = str(math.ceil(expires_at))
        return f"p1.{self.key_id}.{until}.{self.mark(spend, until)}"

    def mark(self, spend: Spend, until: str) -> str:
        """Return the keyed digest of a spend and the end of its time, which nobody without the key can make."""
        parts = [self._account, spend.list_id, spend.scope, spend.quote_id, spend.cost, until]
        return hmac.digest(self._key, json.dumps(parts).encode(), hashlib.sha256).hex()


def judge(proof: str, spend: Spend, keys: Sequence[ProofKey], now: float) -> Judgement:
    """Return the judgement of a proof for a spend at `now`, in epoch seconds; `keys` are all that are in use."""
    if not proof.strip():
        return "missing"
    found = re.fullmatch(_FORM, proof.strip())
    if found is None:
        return "forged"
    key_id, until, mark = found.groups()
    key = next((key for key in keys if key.key_id == key_id), None)
    if key is None:
        return "foreign"
    if not hmac.compare_digest(mark, key.mark(spend, until)):
        return "forged"
    return "good" if now <= int(until) + CLOCK_TOLERANCE else "expired"
