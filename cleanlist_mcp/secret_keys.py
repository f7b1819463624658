"""A team's secrets, and the keys that are derived from them: of digests, sealed states, sessions and proofs.

Replicas share the list of secrets and nothing else. New things are made with the first one and known under all, so a
secret is changed by putting a new one in front. A laptop gets secrets that derive the keys of digests alone: with
them it reads and writes the team's journal, and can forge neither sessions nor approvals.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

SHORTEST = 32
"""Bytes that a secret has at least."""

DIGEST_MARK = "clteam_"
"""Beginning of a secret that derives the key of digests alone."""


@dataclass(frozen=True)
class DerivedKey:
    """A key of 32 bytes. Its `key_id` identifies it and gives nothing of it away."""

    key_id: str
    secret: bytes = field(repr=False)


class WrongSecret(ValueError):
    """A list of secrets that cannot be used; the text ends a sentence and shows nothing of it."""


class SecretKeys:
    """Keys from one list of secrets, each kind newest first."""

    def __init__(self, secrets: Sequence[bytes], digest_secrets: Sequence[bytes] = ()) -> None:
        """`secrets` derive all kinds of keys; `digest_secrets` are keys of digests, for a laptop."""
        self._secrets = tuple(secrets)
        self._digest_secrets = tuple(digest_secrets)

    def __repr__(self) -> str:
        return f"SecretKeys({len(self._secrets) or len(self._digest_secrets)} secrets)"

    @classmethod
    def read(cls, text: str) -> "SecretKeys":
        """Return the keys of a comma-separated list, newest first.

        Raises:
            WrongSecret: if one is too short, if they are of two kinds, or if there is none.
        """
        if not text.strip():
            raise WrongSecret("is not set")
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise WrongSecret("has an empty part")
        if len(set(parts)) < len(parts):
            raise WrongSecret("names one secret twice")
        marked = [part.startswith(DIGEST_MARK) for part in parts]
        if any(marked) and not all(marked):
            raise WrongSecret("mixes a service's secrets with those that team-secret printed")
        if all(marked):
            return cls((), [_digest_secret(part) for part in parts])
        if min(len(part.encode()) for part in parts) < SHORTEST:
            raise WrongSecret(f"has a secret of fewer than {SHORTEST} bytes")
        return cls([part.encode() for part in parts])

    @property
    def is_whole(self) -> bool:
        """True if all kinds of keys can be derived; False on a laptop, which has those of digests."""
        return bool(self._secrets)

    def digest_keys(self) -> tuple[DerivedKey, ...]:
        """Return the keys of the journal's digests."""
        return self._digest_keys

    def request_state_keys(self) -> tuple[DerivedKey, ...]:
        """Return the keys that seal what a client brings back with an answer of the user."""
        return self._derived("request state")

    def session_keys(self) -> tuple[DerivedKey, ...]:
        """Return the keys that seal sessions."""
        return self._derived("session")

    def proof_keys(self) -> tuple[DerivedKey, ...]:
        """Return the keys that cards' approvals are made with."""
        return self._derived("proof")

    @property
    def for_laptops(self) -> str:
        """The list of secrets for a laptop, as `CLEANLIST_SECRET_KEYS` takes it."""
        return ",".join(
            DIGEST_MARK + base64.urlsafe_b64encode(key.secret).decode().rstrip("=")
            for key in self._digest_keys
        )

    @cached_property
    def _digest_keys(self) -> tuple[DerivedKey, ...]:
        secrets = self._digest_secrets or [_derive(secret, "digest") for secret in self._secrets]
        return tuple(_named(secret) for secret in secrets)

    def _derived(self, purpose: str) -> tuple[DerivedKey, ...]:
        return tuple(_named(_derive(secret, purpose)) for secret in self._secrets)


def _named(secret: bytes) -> DerivedKey:
    return DerivedKey(_derive(secret, "key id")[:4].hex(), secret)


def _derive(secret: bytes, purpose: str) -> bytes:
    # Here: cryptography takes long to load, and few servers need it.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"cleanlist-mcp {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def _digest_secret(text: str) -> bytes:
    encoded = text.removeprefix(DIGEST_MARK)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise WrongSecret("has a part that team-secret did not print") from None
    if len(secret) != SHORTEST:
        raise WrongSecret("has a part that team-secret did not print")
    return secret
