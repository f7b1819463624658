"""The floor for the start: the bare SDK with one tool that does nothing, and nothing else imported."""

from mcp.server import MCPServer


async def nothing() -> str:
    """Do nothing."""
    return ""


def main() -> None:
    """Serve that one tool over stdio until stdin ends."""
    server = MCPServer("bare", log_level="WARNING", subscriptions=False)
    server.add_tool(nothing)
    server.run("stdio")


if __name__ == "__main__":
    main()
