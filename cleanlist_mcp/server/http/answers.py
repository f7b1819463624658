"""The service's own HTTP answers, outside of MCP: short, and without anything from the request."""

import json
from collections.abc import Mapping

from mcp.types import INVALID_REQUEST
from starlette.types import Send

_PLAIN: Mapping[str, str] = {}


async def send_text(send: Send, status: int, text: str) -> None:
    """Answer with a word, such as a health check takes."""
    await _send(send, status, "text/plain; charset=utf-8", text.encode(), _PLAIN)


async def send_json(send: Send, text: str) -> None:
    """Answer with a document that everybody may read."""
    await _send(send, 200, "application/json", text.encode(), {"Cache-Control": "max-age=3600"})


async def send_error(
    send: Send, status: int, text: str, headers: Mapping[str, str] = _PLAIN, *, closes: bool = False
) -> None:
    """Answer with an error that MCP clients can read; with `closes`, nothing more is read from the connection."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": text}}
    if closes:
        headers = {**headers, "Connection": "close"}
    await _send(send, status, "application/json", json.dumps(body).encode(), headers)


async def _send(send: Send, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
    lines = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
