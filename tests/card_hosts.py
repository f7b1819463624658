"""A host that shows cards: the official AppBridge and Debian's Chromium, with the real server behind them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

FOLDER = Path(__file__).parent / "card_host"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 90.0


@dataclass(frozen=True)
class Tools:
    """Node, a browser, and the host with its packages beside it."""

    node: str
    chromium: str
    script: Path


def missing() -> str:
    """Return which program is missing; empty if none is."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm"
    return "" if browser() else "chromium (apt-get install chromium)"


def browser() -> str | None:
    """Return the path of a browser."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def installed(folder: Path) -> Tools:
    """Return the tools, their packages installed into a copy in `folder`: two installs at once break each other."""
    copy = shutil.copytree(FOLDER, folder / "card_host", ignore=shutil.ignore_patterns("node_modules"))
    npm, node, chromium = shutil.which("npm"), shutil.which("node"), browser()
    assert npm and node and chromium
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=copy, check=True, timeout=300)
    return Tools(node, chromium, copy / "host.js")


class CardHost:
    """The running host: a line of JSON goes in, and one comes back."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._to, self._from = process.stdin, BufferedByteReceiveStream(process.stdout)
        self.started: dict[str, Any] = {}

    async def ask(self, do: str, **about: Any) -> dict[str, Any]:
        """Return what the host answers to a request."""
        await self._to.send(json.dumps({"do": do, **about}).encode() + b"\n")
        with anyio.fail_after(PATIENCE):
            line = await self._from.receive_until(b"\n", 10_000_000)
        answer: dict[str, Any] = json.loads(line)
        assert "thrown" not in answer, answer["thrown"]
        return answer

    async def model(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Return the whole result of a call of the model's."""
        return await self.ask("model", name=name, arguments=arguments)

    async def card(self, result: dict[str, Any] | None, **options: Any) -> "Card":
        """Show a card beside a result, or one that waits for it."""
        made = await self.ask("card", result=result, **options)
        return Card(self, made["card"])


class Card:
    """One card that is shown."""

    def __init__(self, host: CardHost, number: int) -> None:
        self._host, self._number = host, number

    async def ask(self, do: str, **about: Any) -> dict[str, Any]:
        """Return what the host answers to a request about this card."""
        return await self._host.ask(do, card=self._number, **about)

    async def text(self, until: str = "") -> str:
        """Return all that the card shows, once `until` is part of it."""
        return str((await self.ask("text", until=until))["text"])

    async def press(self, name: str, **about: Any) -> None:
        """Press the button of that name as a hand does."""
        await self.ask("press", name=name, **about)

    async def count(self, name: str = "", role: str = "button") -> int:
        """Return how many elements of that name and role there are."""
        return int((await self.ask("count", name=name, role=role))["count"])

    async def evaluate(self, script: str) -> Any:
        """Return what an expression is in the card's page."""
        return (await self.ask("evaluate", script=script)).get("value")

    async def facts(self) -> dict[str, list[str]]:
        """Return what the model was told, which tools were called, and what the browser complained of."""
        return await self.ask("facts")


@asynccontextmanager
async def card_host(
    tools: Tools, environment: dict[str, str], *, name: str = "card host", elicitation: bool = False
) -> AsyncIterator[CardHost]:
    """A host with a server of this environment behind it."""
    async with await anyio.open_process([tools.node, str(tools.script)], stderr=None) as process:
        host = CardHost(process)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
        server = {"command": sys.executable, "args": ["-m", "cleanlist_mcp"], "env": kept | environment}
        try:
            about = {"server": server, "name": name, "elicitation": elicitation}
            host.started = await host.ask("start", **about, chromiumPath=tools.chromium)
            yield host
        except BaseException:
            process.kill()  # it may wait for something that never comes
            raise
        assert process.stdin is not None
        await process.stdin.aclose()
        with anyio.fail_after(PATIENCE):
            await process.wait()
