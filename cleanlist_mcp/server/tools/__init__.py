"""The tools, one module a toolset; the words that models read about them stand in `server/descriptions`."""
