"""An API that costs next to nothing: the same answers for every server that is measured, over loopback HTTP.

`python -m benchmarks.stub` serves until stdin ends, and prints its address as the first line. `/whoami` answers as the
sandbox does; every other path answers with a kilobyte of made-up records.
"""

import asyncio
import json
import sys
from typing import Any

WHOAMI = {
    "task_id": None,
    "timestamp_ms": 1795737883644,
    "agent_instructions": None,
    "usage": None,
    "message": None,
    "user_email": "a***@northwind.example",
    "user_id": "user_ada",
    "user_name": "Ada Example",
    "organization_id": "org_northwind",
    "organization_name": "Northwind Sandbox",
    "auth_type": "api_key",
    "scopes": [
        *("admin:api_keys", "companies:read", "credits:read", "enrich:read", "enrich:write", "export:read"),
        *(
            "lists:read",
            "lists:write",
            "people:read",
            "smart_agents:read",
            "smart_agents:write",
            "sync:write",
        ),
    ],
    "tier": "pro",
    "appsumo_tier": None,
    "features": ["api_access", "bulk_enrichment", "csv_import", "exports"],
}
RECORDS: dict[str, Any] = {
    "object": "list",
    "results": [
        {
            "object": "user",
            "id": f"0000-{number}",
            "type": "person",
            "name": "Ada Example",
            "person": {"email": f"ada{number}@northwind.example"},
            "properties": {"city": "Fable", "phone": None},
        }
        for number in range(6)
    ],
}


def response(body: Any) -> bytes:
    """Return the bytes of an answer with this JSON."""
    content = json.dumps(body, separators=(",", ":")).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


class Api(asyncio.Protocol):
    """One connection, kept open. Requests are distinguished by their first line alone."""

    answers = (response(WHOAMI), response(RECORDS))

    def __init__(self) -> None:
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a server's always is
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n") + 4) >= 4:
            head = self._came[:end].lower()
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            whole = end + int(length or b"0")
            if len(self._came) < whole:
                return
            self._came = self._came[whole:]
            path = head.split(b" ", 2)[1]
            self._transport.write(self.answers[0 if path.endswith(b"/whoami") else 1])


async def main() -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Api, "127.0.0.1", 0)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
