"""Headers by which a connection asks for less than the service offers: fewer toolsets, nothing but reading."""

from dataclasses import dataclass

from starlette.datastructures import Headers

from cleanlist_mcp.server.http.callers import Refusal
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import TOOLSETS

READ_ONLY, ONLY_TOOLSETS = "X-Cleanlist-Read-Only", "X-Cleanlist-Toolsets"

_WORDS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("", "false", "0", "no", "off"), False),
}


@dataclass(frozen=True)
class Narrowing:
    """The wishes of one request; `toolsets` is None if it names none."""

    read_only: bool = False
    toolsets: frozenset[str] | None = None

    def of(self, settings: Settings) -> Settings:
        """Return `settings` narrowed; they never allow more than before. Without a wish they come back as they are."""
        toolsets = settings.toolsets if self.toolsets is None else settings.toolsets & self.toolsets
        read_only = settings.read_only or self.read_only
        if (toolsets, read_only) == (settings.toolsets, settings.read_only):
            return settings
        return settings.model_copy(update={"toolsets": toolsets, "read_only": read_only})


def wished(headers: Headers) -> Narrowing | Refusal:
    """Return what a request with these headers asks for.

    `X-Cleanlist-Read-Only: true` leaves the tools that only read. `X-Cleanlist-Toolsets` is a comma-separated list of
    toolsets; `core` is always among them.
    """
    read_only, toolsets = _one(headers, READ_ONLY), _one(headers, ONLY_TOOLSETS)
    if isinstance(read_only, Refusal):
        return read_only
    if isinstance(toolsets, Refusal):
        return toolsets
    if read_only not in _WORDS:
        return Refusal(400, f"{READ_ONLY} is not a yes or no; send true or false.")
    names = frozenset(part.strip() for part in toolsets.split(",")) - {""}
    if not names <= set(TOOLSETS):
        known = ", ".join(TOOLSETS)
        return Refusal(
            400, f"{ONLY_TOOLSETS} names an unknown toolset; send a comma-separated list of {known}."
        )
    return Narrowing(_WORDS[read_only], names | {"core"} if names else None)


def _one(headers: Headers, name: str) -> str | Refusal:
    """Return the value of a header that may be there once, in lower case; blank if it is not there."""
    given = headers.getlist(name)
    if len(given) > 1:
        return Refusal(400, f"There is more than one {name} header; send one.")
    return given[0].strip().casefold() if given else ""
