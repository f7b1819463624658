"""Offers: which next steps an answer may name, because their tools are switched on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Offers:
    """What the user can do from here. `lists` and `spending` mean the tools for them, `key` a usable API key."""

    lists: bool = True
    spending: bool = True
    key: bool = True
