"""Slots of time, by which `spending` is summed up."""

SLOT = 900
"""Seconds of a slot."""
