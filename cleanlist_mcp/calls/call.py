"""One request of a client, from the moment it arrives until it is answered."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.clock import Deadline
from cleanlist_mcp.money.limits import Limits
from cleanlist_mcp.settings import Settings

if TYPE_CHECKING:
    from cleanlist_mcp.runs.watching import OnChange
    from cleanlist_mcp.services import Services


async def _known() -> None:
    """Do nothing: the account of a process that has one is never in doubt."""


class Call:
    """The surroundings of one call: the services, the time by which it answers, and the place to show progress.

    `settings` are those of the account, or narrower ones that the request asked for. `admitted` makes sure that the
    account is one, and raises `Unauthorized` if its key is refused.
    """

    def __init__(
        self,
        services: "Services",
        seconds: float,
        *,
        settings: Settings | None = None,
        admitted: Callable[[], Awaitable[None]] = _known,
    ) -> None:
        """`seconds` is how long the call may take in all."""
        self.services = services
        self.settings = services.settings if settings is None else settings
        self.admitted = admitted
        self.deadline = Deadline(services.clock, seconds)
        self.on_change: OnChange | None = None
        self.beside: dict[str, str] = {}
        """Texts that go to the client beside the answer, where its model does not read, by name."""
        self._may_have_charged = False

    @property
    def may_have_charged(self) -> bool:
        """True once a run that this call is about may have cost something: a failure then has `charged: "unknown"`."""
        return self._may_have_charged

    def may_charge(self) -> None:
        """Note that from now on this call may have cost something."""
        self._may_have_charged = True

    @property
    def offers(self) -> Offers:
        """The tools that an answer of this call may name."""
        whole = self.services.offers
        return replace(
            whole, lists=self.settings.lists_on, spending=whole.spending and not self.settings.read_only
        )

    @property
    def limits(self) -> Limits:
        """The limits, with the way round them that is open to this call."""
        return replace(self.services.limits, lists_on=self.settings.lists_on)

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return self.services.clock.time()
