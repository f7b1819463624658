"""The tools, one module a toolset; `_boundary` is where MCP begins."""
