"""Sign-in: from the token of a request to the person who makes it."""

from cleanlist_mcp.clock import Clock
from cleanlist_mcp.signin.issuer import Issuer
from cleanlist_mcp.signin.tokens import Person, head_of, person_of


class SignIn:
    """The door for people of one issuer, with tokens for one audience: the address of this service."""

    def __init__(self, issuer: Issuer, audience: str, clock: Clock) -> None:
        self.issuer = issuer
        self.audience = audience
        self._clock = clock

    async def person(self, token: str) -> Person:
        """Return the person whom a token stands for.

        Raises:
            TokenRefused: if it lets nobody in.
            IssuerUnavailable: if it cannot be checked now.
        """
        key = await self.issuer.key_for(head_of(token))
        return person_of(
            token,
            key,
            issuer=self.issuer.address,
            audience=self.audience,
            now=self._clock.time(),
        )
