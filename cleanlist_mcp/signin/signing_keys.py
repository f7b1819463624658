"""The public keys that an issuer signs with, out of the document that it publishes (RFC 7517). Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

FAMILIES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The algorithms that are accepted, with the type and the curve of their keys. None works with a shared secret: a
public key taken for one would let anybody sign."""

SMALLEST_RSA = 2048
"""Bits of the smallest RSA key that is used (RFC 7518, section 3.3)."""

MOST_KEYS = 64
"""Keys that are read of one document; issuers publish two or three."""


@dataclass(frozen=True)
class SigningKey:
    """One public key, the algorithm that it is for, and its name if it has one."""

    name: str | None
    algorithm: str
    jwk: jwt.PyJWK


class SigningKeys:
    """The keys of one document that can be used."""

    def __init__(self, keys: tuple[SigningKey, ...]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, name: str | None, algorithm: str) -> SigningKey | None:
        """Return the key of that name for that algorithm; for a token that names none, the only one there is."""
        fitting = [
            key for key in self._keys if key.algorithm == algorithm and (name is None or key.name == name)
        ]
        return fitting[0] if len(fitting) == 1 else None


def read_keys(document: bytes) -> SigningKeys:
    """Return the keys of a document that can be used; those for other purposes and of other types are left out.

    Raises:
        ValueError: if it is no set of keys.
    """
    members = json_object(document).get("keys")
    if not isinstance(members, list):
        raise ValueError
    read = (_read(member) for member in members[:MOST_KEYS])
    return SigningKeys(tuple(key for key in read if key is not None))


def json_object(document: bytes) -> dict[str, Any]:
    """Return the JSON object that a document is.

    Raises:
        ValueError: if it is none.
    """
    try:
        found = json.loads(document)
    except RecursionError:
        raise ValueError from None
    if not isinstance(found, dict):
        raise ValueError
    return found


def _read(member: Any) -> SigningKey | None:
    if not isinstance(member, dict) or "d" in member or member.get("use", "sig") != "sig":
        return None  # no key, somebody's private key, or one for encryption
    algorithm = next(
        (name for name, (kind, curve) in FAMILIES.items() if _is_of(member, kind, curve)),
        None,
    )
    name = member.get("kid")
    if algorithm is None or member.get("alg", algorithm) != algorithm or not isinstance(name, str | None):
        return None
    try:
        jwk = jwt.PyJWK(member, algorithm)
    except Exception:  # what cannot be a key; the libraries have many words for it
        return None
    if algorithm == "RS256" and jwk.key.key_size < SMALLEST_RSA:
        return None
    return SigningKey(name, algorithm, jwk)


def _is_of(member: dict[str, Any], kind: str, curve: str | None) -> bool:
    return member.get("kty") == kind and (curve is None or member.get("crv") == curve)
