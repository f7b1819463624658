"""What one call does; nothing here knows MCP."""
