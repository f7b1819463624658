"""Scopes and their prices."""

from typing import Literal

Scope = Literal["partial", "phone_only", "full"]
"""What to find: an e-mail address, a phone number, or both."""

PRICES: dict[Scope, int] = {"partial": 1, "phone_only": 10, "full": 11}
"""Credits reserved per person or row (vendor's quickstart, step 4)."""

COMPANY_PRICE = 1
"""Credits for one company (vendor's documentation)."""

COMPANY_SCOPE: Scope = "partial"
"""What stands in place of a scope in the entry of a company, which has none: the one of the same price."""

Kind = Literal["person", "list", "company"]
"""What a run is for: one person, a whole list, or one company, which is answered at once."""
