"""Python imports this by its name when it starts, if this folder is on PYTHONPATH."""

import without_epoll  # type: ignore[import-not-found]  # noqa: F401
