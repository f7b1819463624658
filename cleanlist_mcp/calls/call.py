"""One request of a client, from the moment it arrives until it is answered."""

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.clock import Deadline
from cleanlist_mcp.runs.watching import OnChange
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings


class Call:
    """The surroundings of one call: the services, the time by which it answers, and the place to show progress."""

    def __init__(self, services: Services, seconds: float) -> None:
        """`seconds` is how long the call may take in all."""
        self.services = services
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
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def offers(self) -> Offers:
        return self.services.offers

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return self.services.clock.time()
