"""The two prefixes under which a host has the API: what one of them lacks may be under the other."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cleanlist_mcp.errors import NotAvailable, NotFound

PUBLIC, SECOND = "/api/v1/public", "/api/v2"

Answer = TypeVar("Answer")


class Prefixes:
    """Asks for what may be missing under the prefix in use, and remembers for the process where it is."""

    def __init__(self, base_url: str) -> None:
        """`base_url` is the API's address, which may end in one of the two prefixes."""
        self._addresses = ("", _other(base_url)) if _other(base_url) else ("",)
        self._works: dict[str, str] = {}
        self._missing: set[str] = set()

    async def asked(self, path: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
        """Return the answer to `path`, asked for under one prefix after the other until one knows the address.

        Raises:
            NotAvailable: if none does, without a request once that is known.
            ApiError: as `ask` raises it.
        """
        if path in self._missing:
            raise _not_available()
        known = self._works.get(path)
        for address in self._addresses if known is None else (known,):
            try:
                answer = await ask(address + path)
            except NotFound as exc:
                if exc.answered.enveloped:
                    self._works[path] = address
                    raise
                continue
            self._works[path] = address
            return answer
        if known is None:
            self._missing.add(path)
        raise _not_available()


def _other(base_url: str) -> str:
    """Return the address of the API under the other prefix, empty if this one is none of the two."""
    for one, other in ((PUBLIC, SECOND), (SECOND, PUBLIC)):
        if base_url.endswith(one):
            return re.sub(rf"{re.escape(one)}$", other, base_url)
    return ""


def _not_available() -> NotAvailable:
    return NotAvailable(
        "The API of this Cleanlist account has no search.",
        "Tell the user; people and companies can be searched at portal.cleanlist.ai. Do not try again.",
        retryable=False,
    )
