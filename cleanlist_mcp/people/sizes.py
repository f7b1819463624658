"""The size up to which something about a person is read at all."""

MAX_CELL = 4_000
"""Longest cell that is looked at, in characters: an address may carry a long tracking query."""
