"""The HTTP service under load: fairness between keys, memory with many of them, and calls per second.

`python -m benchmarks.service` prints fairness and memory, `--throughput` calls per second beside the bare SDK's server
in the same run (needs `wrk`). The API is the sandbox over loopback HTTP in a process of its own, without rate limits.
A line that ends in "NO" is outside of what is promised, and makes the exit status 1.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import anyio
import httpx

MODERN = "2026-07-28"
KEYS, WAITING, CALLS = 1_000, 300, 200
MOST_MOVED_MS, MOST_MIB = 20.0, 250.0
LEAST_SHARE, MOST_P99 = 0.5, 2.0
WRK_SECONDS, CONNECTIONS, ROUNDS = 6, 8, 3

API = f"""
import json, sys
import anyio
from cleanlist_mcp.sandbox.serve import serve
from cleanlist_mcp.sandbox.state import Sandbox

sandbox = Sandbox(rate_limits=False, latency=300.0)
keys = [sandbox.add_account(f"k{{number}}", credits=100) for number in range({KEYS})]
sys.stdout.write(json.dumps(keys) + chr(10))
anyio.run(serve, 0, "127.0.0.1", sandbox)
"""

BARE = """
import uvicorn
from mcp.server import MCPServer
from benchmarks.bare_server import Whoami

server = MCPServer("bare", log_level="WARNING", subscriptions=False)

@server.tool()
async def whoami() -> Whoami:
    return Whoami(user_email=None, user_name="", organization_id="", organization_name="", auth_type="", tier="",
                  scopes=[], features=[])

app = server.streamable_http_app(stateless_http=True)
config = uvicorn.Config(app, port=0, log_level="critical", access_log=False)
import socket
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so named, asyncio does not wait
listener.bind(("127.0.0.1", 0))
listener.listen()
listener.setblocking(False)
print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
uvicorn.Server(config).run(sockets=[listener])
"""

LUA = """
wrk.method = "POST"
wrk.body = %s
%s
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%f\\n", summary.requests, summary.duration,
    latency:percentile(99)))
  io.write(string.format("ERRORS %%d\\n", summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.timeout))
end
"""


@dataclass(frozen=True)
class Measured:
    """One figure beside its bound."""

    what: str
    figure: str
    bound: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.figure} ({self.bound}): {'yes' if self.holds else 'NO'}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument(
        "--throughput", action="store_true", help="calls per second beside the bare SDK's server"
    )
    arguments = parser.parse_args()
    if arguments.throughput and shutil.which("wrk") is None:
        sys.exit("wrk is not installed; Debian's package has that name.")
    found = throughput() if arguments.throughput else [*anyio.run(fairness), *anyio.run(memory)]
    for one in found:
        print(one)
    sys.exit(not all(one.holds for one in found))


@contextmanager
def processes() -> Iterator[tuple[str, list[str], int]]:
    """The API and a service in front of it; yields the service's address, the keys, and its process id."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        api = stack.enter_context(_process([sys.executable, "-c", API], os.environ))
        assert api.stdout is not None  # noqa: S101 - it was asked for
        keys = json.loads(api.stdout.readline())
        variables = _plain_environment() | {
            "CLEANLIST_BASE_URL": json.loads(api.stdout.readline())["base_url"],
            "CLEANLIST_STATE_DIR": folder,
            "CLEANLIST_HOURLY_UNQUOTED_LIMIT": "999999",
        }
        command = [sys.executable, "-m", "cleanlist_mcp", "serve", "--http", "--port", "0"]
        service = stack.enter_context(_process(command, variables))
        assert service.stdout is not None  # noqa: S101 - as above
        yield service.stdout.readline().split()[-1], keys, service.pid


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}


@contextmanager
def _process(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(variables))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Caller:
    """A client of the newer era that does as little as possible."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url
        self._key = key

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return a tool's answer."""
        headers, body = request(self._key, tool, arguments)
        response = await self._http.post(self._url, headers=headers, content=body)
        line = next(line for line in response.text.splitlines()[::-1] if "{" in line)
        result: dict[str, Any] = json.loads(line[line.index("{") :])["result"]
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result

    async def timed(self, tool: str) -> float:
        """Return the milliseconds of a call."""
        began = time.perf_counter()
        await self.call(tool)
        return (time.perf_counter() - began) * 1000


def request(key: str, tool: str, arguments: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return headers and body of a call in the newer era."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


@contextmanager
def _clients() -> Iterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=2 * WAITING, max_keepalive_connections=20)
    yield httpx.AsyncClient(limits=limits, timeout=120, trust_env=False)


async def fairness() -> list[Measured]:
    """Measure how far 300 waiting calls of one key move the calls of another."""
    with processes() as (url, keys, _), _clients() as http:
        busy, other = Caller(http, url, keys[0]), Caller(http, url, keys[1])
        run = (await busy.call("enrich_person", email="load@bench.example", wait_seconds=0))[
            "structuredContent"
        ]
        for _ in range(20):
            await other.timed("credits_balance")
        before = [await other.timed("credits_balance") for _ in range(CALLS)]
        async with anyio.create_task_group() as tasks:
            for _ in range(WAITING):
                tasks.start_soon(_wait, busy, run["workflow_id"])
            await anyio.sleep(10)  # until all of them wait
            during = [await other.timed("credits_balance") for _ in range(CALLS)]
            tasks.cancel_scope.cancel()
        await http.aclose()
    moved = _p99(during) - _p99(before)
    return [
        Measured(
            f"p99 of credits_balance while another key has {WAITING} waiting calls",
            f"{_p99(before):.1f} ms before, {_p99(during):.1f} ms during "
            f"(p50 {median(before):.1f}, {median(during):.1f})",
            f"moved by less than {MOST_MOVED_MS:g} ms",
            moved < MOST_MOVED_MS,
        )
    ]


async def _wait(caller: Caller, workflow_id: str) -> None:
    await caller.call("workflow_status", workflow_id=workflow_id, wait_seconds=45)


async def memory() -> list[Measured]:
    """Measure the memory that 1,000 keys take, 300 of which have a call that waits."""
    with processes() as (url, keys, pid), _clients() as http:
        idle = _resident_mib(pid)
        turns = anyio.Semaphore(20)

        async def come(key: str) -> None:
            async with turns:
                await Caller(http, url, key).call("credits_balance")

        async with anyio.create_task_group() as tasks:
            for key in keys:
                tasks.start_soon(come, key)
        known = _resident_mib(pid)
        async with anyio.create_task_group() as tasks:
            for number, key in enumerate(keys[:WAITING]):
                tasks.start_soon(_spend_and_wait, Caller(http, url, key), number)
                await anyio.sleep(0.03)  # the sandbox is one process
            await anyio.sleep(20)
            waiting = _resident_mib(pid)
            tasks.cancel_scope.cancel()
        await http.aclose()
    return [
        Measured(
            f"resident memory with {KEYS:,} keys and {WAITING} waiting calls",
            f"{idle:.0f} MiB at the start, {known:.0f} with the keys, {waiting:.0f} with the calls",
            f"below {MOST_MIB:g} MiB",
            waiting < MOST_MIB,
        )
    ]


async def _spend_and_wait(caller: Caller, number: int) -> None:
    await caller.call("enrich_person", email=f"load{number}@bench.example", wait_seconds=45)


def throughput() -> list[Measured]:
    """Calls per second of a tool that asks nobody, ours beside the bare SDK's, in turns."""
    ours: list[Load] = []
    bare: list[Load] = []
    with (
        processes() as (url, keys, pid),
        _process([sys.executable, "-c", BARE], _plain_environment()) as other,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert other.stdout is not None  # noqa: S101 - it was asked for
        bare_url = other.stdout.readline().strip()
        script = Path(folder) / "call.lua"
        headers, body = request(keys[0], "whoami", {})
        lines = "\n".join(
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()
        )
        script.write_text(LUA % (json.dumps(body), lines), "utf-8")
        for _ in range(ROUNDS):
            bare.append(_wrk(script, bare_url, other.pid))
            ours.append(_wrk(script, url, pid))
    share = _middle(ours, "rate") / _middle(bare, "rate")
    slower = _middle(ours, "p99") / _middle(bare, "p99")
    return [
        Measured(
            f"whoami per second over {CONNECTIONS} connections",
            f"{_middle(ours, 'rate'):.0f}, bare SDK {_middle(bare, 'rate'):.0f}; of the processor "
            f"{_middle(ours, 'cpu'):.2f} and {_middle(bare, 'cpu'):.2f} ms each",
            f"at least {LEAST_SHARE:g} of it; it is {share:.2f}",
            share >= LEAST_SHARE,
        ),
        Measured(
            "its p99",
            f"{_middle(ours, 'p99'):.1f} ms, bare SDK {_middle(bare, 'p99'):.1f} ms",
            f"at most {MOST_P99:g} times as long; it is {slower:.2f}",
            slower <= MOST_P99,
        ),
    ]


@dataclass(frozen=True)
class Load:
    """One round: calls per second, the slowest hundredth and the processor's time of a call in milliseconds."""

    rate: float
    p99: float
    cpu: float


def _middle(rounds: Sequence[Load], figure: str) -> float:
    return median(float(getattr(one, figure)) for one in rounds)


def _wrk(script: Path, url: str, pid: int) -> Load:
    """Load the server that is the process `pid`."""
    before = _processor_ms(pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = next(line.split() for line in said.splitlines() if line.startswith("RESULT"))
    if "ERRORS 0" not in said:
        raise RuntimeError(f"{url} answered with errors:\n{said}")
    calls = int(result[1])
    used = (_processor_ms(pid) - before) / calls
    return Load(calls / (int(result[2]) / 1e6), float(result[3]) / 1000, used)


def _p99(figures: Sequence[float]) -> float:
    return quantiles(figures, n=100)[98]


def _processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1000


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
