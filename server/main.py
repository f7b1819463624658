"""Where a desktop host may start the bundle: run as a file, so every import is absolute."""

from cleanlist_mcp.cli.main import main

if __name__ == "__main__":
    main()
