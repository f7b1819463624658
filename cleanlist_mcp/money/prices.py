"""Scopes, their prices, and what each of them looks for. Pure."""

from collections.abc import Mapping
from typing import Literal

Scope = Literal["partial", "phone_only", "full"]
"""The contacts to find: an e-mail address, a phone number, or both."""

PRICES: dict[Scope, int] = {"partial": 1, "phone_only": 10, "full": 11}
"""Credits reserved per person or row (vendor's quickstart, step 4)."""

COMPANY_PRICE = 1
"""Credits for one company (vendor's documentation)."""

COMPANY_SCOPE: Scope = "partial"
"""The scope in the journal's entry of a company, which has none: the one with the same price."""

Contact = Literal["email", "phone"]
"""A way to reach a person, which a scope may look for."""

LOOKS_FOR: Mapping[Scope, frozenset[Contact]] = {
    "partial": frozenset({"email"}),
    "phone_only": frozenset({"phone"}),
    "full": frozenset({"email", "phone"}),
}
"""The contacts that a run of each scope looks for."""


FINDS: Mapping[Scope, str] = {"partial": "e-mail", "phone_only": "phone", "full": "e-mail and phone"}
"""The same in words."""


def in_words(scope: Scope) -> str:
    """Return a scope with what it finds, for whoever does not know the API's words: `partial: e-mail`."""
    return f"{scope}: {FINDS[scope]}"


def overlapping(scope: Scope) -> tuple[Scope, ...]:
    """Return the scopes that look for something that `scope` looks for too, itself among them."""
    return tuple(other for other, contacts in LOOKS_FOR.items() if contacts & LOOKS_FOR[scope])


Kind = Literal["person", "list", "company"]
"""The subject of a run: one person, a whole list, or one company, which is answered at once."""
