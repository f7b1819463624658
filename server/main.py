"""The file that a desktop host starts: it runs as a file, not as a module, so every import is absolute."""

from cleanlist_mcp.cli.main import main

if __name__ == "__main__":
    main()
