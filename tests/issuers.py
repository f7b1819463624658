"""An issuer of sign-ins that a test holds in its hand: its documents, its keys, and tokens as it would sign them."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://login.acme.example/team"
AUDIENCE = "https://cleanlist.acme.example/mcp"


class Key:
    """A pair of keys; `private` signs, and `public` is what the issuer publishes."""

    def __init__(self, name: str | None, algorithm: str = "RS256", private: Any = None) -> None:
        self.name = name
        self.algorithm = algorithm
        self.private = private or _MAKERS[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        public = get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        return (
            dict(public) | {"use": "sig", "alg": self.algorithm} | ({"kid": self.name} if self.name else {})
        )

    @property
    def pem(self) -> bytes:
        public: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return public

    def sign(self, claims: Mapping[str, Any], **head: Any) -> str:
        return jwt.encode(
            dict(claims), self.private, algorithm=self.algorithm, headers={"kid": self.name} | head
        )


_MAKERS: Mapping[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "RS512": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

RSA = Key("first")
"""A key that many tests share: making one takes long."""


class FakeIssuer(httpx.AsyncBaseTransport):
    """The issuer as the network shows it. `documents` are the answers by address; `asked` are the addresses asked."""

    def __init__(self, *keys: Key, address: str = ISSUER) -> None:
        self.address = address
        self.asked: list[str] = []
        self.status = 200
        self.documents: dict[str, Any] = {}
        self.publish(*keys)

    def publish(self, *keys: Key) -> None:
        """Publish these keys from now on, and no others."""
        self.documents[f"{self.address}/keys"] = {"keys": [key.public for key in keys]}
        self.documents[f"{self.address}/.well-known/openid-configuration"] = {
            "issuer": self.address,
            "jwks_uri": f"{self.address}/keys",
        }

    @property
    def fetches(self) -> int:
        """The times that the keys themselves were asked for."""
        return self.asked.count(f"{self.address}/keys")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url)
        self.asked.append(address)
        if self.status != 200:
            return httpx.Response(self.status, request=request)
        if address not in self.documents:
            return httpx.Response(404, request=request)
        found = self.documents[address]
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        return httpx.Response(200, content=content, request=request)
