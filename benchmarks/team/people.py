"""Fictional people by number, each with several ways to be named that mean the same person."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.team.ledger import token_of


def scope_of(number: int) -> str:
    """Return the scope in which the person of a number is always asked for: one in eight is dear."""
    return "full" if number % 8 == 7 else "partial"


def spellings(number: int) -> Sequence[Mapping[str, Any]]:
    """Return the arguments that name a person, in ways that a server has to know for the same."""
    token = token_of(number)
    family = number % 3
    if family == 0:
        return [{"email": f"{token}@fable.example"}, {"email": f" {token.upper()}@FABLE.example "}]
    if family == 1:
        return [
            {"linkedin_url": f"https://www.linkedin.com/in/{token}"},
            {"linkedin_url": f"linkedin.com/in/{token.title()}/"},
        ]
    return [
        {"first_name": "Ada", "last_name": token.title(), "domain": "fable.example"},
        {"first_name": "ADA", "last_name": token, "domain": "https://www.Fable.example/"},
    ]
