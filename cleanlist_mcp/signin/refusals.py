"""The two ways in which a sign-in comes to nothing. Their texts hold nothing of a token."""


class TokenRefused(Exception):
    """A token that lets nobody in; another one may. Its text is the end of the sentence "The token …"."""


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be had now, so no token can be checked; it may work in `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
