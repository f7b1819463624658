"""Sessions of clients that shake hands, sealed into their own ids: each replica knows them, no restart loses one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp.types import ClientCapabilities, Implementation, InitializeRequestParams
from pydantic import ValidationError

from cleanlist_mcp.server.declared import CARDS

LONGEST_ID = 4_096
"""Characters of the longest id that is looked at: proxies refuse headers that are much longer."""

LONGEST_DECLARED = 2_000
"""Bytes of the longest declaration that goes into an id whole; of a longer one, what this server asks about."""

LONGEST_NAME = 200
"""Bytes, as JSON, of a name or version beside a long declaration: both, and the extension for cards, stay under
`LONGEST_DECLARED`. A character may take twelve."""

_VERSION = 1


@dataclass(frozen=True)
class Session:
    """The facts that a client declared when it shook hands, and the digest of the account that it did so for."""

    account: str
    protocol_version: str
    client: InitializeRequestParams | None


class Sessions:
    """Seals sessions into ids (AES-256-GCM) and opens them again. An id has no end: without its key it is nothing."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """The first of `keys` seals; all of them open."""
        self._codec = AESGCMRequestStateCodec(keys)

    def seal(self, account: str, protocol_version: str, declared: Any) -> str:
        """Return the id of a session for the parameters of `initialize`, whatever they are."""
        payload = {"v": _VERSION, "a": account, "p": protocol_version, "c": _worth_keeping(declared)}
        return self._codec.seal(json.dumps(payload, separators=(",", ":")).encode())

    def open(self, session_id: str, account: str) -> Session | None:
        """Return the session of an id; None if it is unknown, garbled, or another account's."""
        if len(session_id) > LONGEST_ID:
            return None
        try:
            found = json.loads(self._codec.unseal(session_id))
            if found["v"] != _VERSION or found["a"] != account:
                return None
            return Session(account, str(found["p"]), _client(found["c"], str(found["p"])))
        except (InvalidRequestState, ValueError, KeyError, TypeError):
            return None


def _worth_keeping(declared: Any) -> dict[str, Any]:
    """Return name, version and capabilities of a client as it sent them; of very many, the ones that matter here."""
    given = declared if isinstance(declared, dict) else {}
    info, capabilities = given.get("clientInfo"), given.get("capabilities")
    info = info if isinstance(info, dict) else {}
    kept = {
        "info": {name: str(info.get(name, ""))[:100] for name in ("name", "version")},
        "capabilities": capabilities if isinstance(capabilities, dict) else {},
    }
    if len(json.dumps(kept)) > LONGEST_DECLARED:
        kept["info"] = {name: _shortened(text) for name, text in kept["info"].items()}
        kept["capabilities"] = _that_matter(kept["capabilities"])
    return kept


def _shortened(text: str) -> str:
    """Return the beginning of a text that takes no more than `LONGEST_NAME` bytes as JSON."""
    while len(json.dumps(text)) > LONGEST_NAME:
        text = text[:-1]
    return text


def _that_matter(capabilities: dict[str, Any]) -> dict[str, Any]:
    """Return the dialogs that a client can show and its extension for cards, without whatever else is inside."""
    kept: dict[str, Any] = {}
    elicitation = capabilities.get("elicitation")
    if isinstance(elicitation, dict):
        kept["elicitation"] = {mode: {} for mode in ("form", "url") if mode in elicitation}
    extensions = capabilities.get("extensions")
    cards = extensions.get(CARDS) if isinstance(extensions, dict) else None
    if cards is not None and len(json.dumps(cards)) <= LONGEST_DECLARED // 2:
        kept["extensions"] = {CARDS: cards}
    return kept


def _client(kept: dict[str, Any], protocol_version: str) -> InitializeRequestParams | None:
    try:
        return InitializeRequestParams(
            protocol_version=protocol_version,
            capabilities=ClientCapabilities.model_validate(kept["capabilities"]),
            client_info=Implementation.model_validate(kept["info"]),
        )
    except ValidationError:
        return None  # the handshake itself refused it
