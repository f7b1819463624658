"""Offers: which next steps an answer may name, because their tools are switched on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Offers:
    """The means of the user here: `lists` and `spending` stand for the tools, `key` for a usable API key."""

    lists: bool = True
    spending: bool = True
    key: bool = True
