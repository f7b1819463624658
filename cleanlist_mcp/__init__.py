"""Cleanlist for AI assistants: verified e-mail addresses and phone numbers, over MCP."""

__version__ = "0.1.0"
