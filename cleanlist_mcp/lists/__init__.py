"""Lead lists: found by id or name, shown page by page."""
