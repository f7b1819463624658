"""The work of one call; nothing here knows MCP."""
