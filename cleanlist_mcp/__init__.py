"""Cleanlist for AI assistants: verified e-mail addresses and phone numbers, over MCP."""

__version__ = "1.0.0rc1"
