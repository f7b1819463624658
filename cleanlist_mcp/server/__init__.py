"""The MCP server: the first package that knows the protocol."""
