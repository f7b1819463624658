"""Scopes and their prices."""

from typing import Literal

Scope = Literal["partial", "phone_only", "full"]
"""What to find: an e-mail address, a phone number, or both."""

PRICES: dict[Scope, int] = {"partial": 1, "phone_only": 10, "full": 11}
"""Credits reserved per person or row (vendor's quickstart, step 4)."""

Kind = Literal["person", "list"]
"""What a run is for: one person, or a whole list."""
