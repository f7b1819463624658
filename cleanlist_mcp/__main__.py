"""`python -m cleanlist_mcp`: the same as `cleanlist-mcp`."""

from cleanlist_mcp.cli.main import main

if __name__ == "__main__":
    main()
