"""The sandbox over loopback HTTP in a process of its own, without rate limits: the API of the benchmarks.

It prints `{"base_url": …, "api_key": …}` once clients may connect, and serves until it is terminated.
"""

import json
import socket
import sys

import uvicorn

from cleanlist_mcp.sandbox.app import build_app
from cleanlist_mcp.sandbox.state import PUBLIC_PREFIX, Sandbox


def main() -> None:
    """Serve on a free port."""
    sandbox = Sandbox(rate_limits=False)
    # With its protocol named, asyncio sets TCP_NODELAY; otherwise every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}{PUBLIC_PREFIX}"
    sys.stdout.write(json.dumps({"base_url": base_url, "api_key": sandbox.key}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(build_app(sandbox), lifespan="off", ws="none", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
