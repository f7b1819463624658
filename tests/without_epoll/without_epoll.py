"""For servers that tests start: a Python without epoll, as on macOS and Windows, where the SDK's loop serves stdio."""

import select
from contextlib import suppress

with suppress(AttributeError):
    del select.epoll
