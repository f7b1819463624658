"""Environments that hold one client each."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from client_runs.pins import DRIVERS, Client

INSTALLING = 600.0
"""Seconds that an installation may take."""


class NotInstallable(Exception):
    """An installation that failed; its text is the last line of what the installer printed."""


def install(client: Client, folder: Path) -> list[str]:
    """Install `client` into `folder` and return the command that starts its driver.

    Raises:
        NotInstallable: if its packages cannot be had.
    """
    if client.language == "JavaScript":
        npm(client.packages, folder)
        for driver in ("plan.mjs", client.driver):  # Node looks for packages beside the program
            shutil.copy(DRIVERS / driver, folder)
        return ["node", client.driver]
    venv.create(folder, with_pip=False)
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    _quietly([sys.executable, "-m", "pip", "--python", python, "install", "-q", *client.packages], folder)
    return [python, "-W", "ignore", str(DRIVERS / client.driver)]


def npm(packages: Sequence[str], folder: Path) -> Path:
    """Install npm packages into `folder` and return where their programs are."""
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n', "utf-8")
    _quietly(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], folder)
    return folder / "node_modules" / ".bin"


def _quietly(command: Sequence[str], folder: Path) -> None:
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLING)
    except subprocess.TimeoutExpired:
        raise NotInstallable(f"not installed after {INSTALLING:.0f} s") from None
    if ended.returncode != 0:
        raise NotInstallable((ended.stderr.strip().splitlines() or ["no reason given"])[-1])


def surroundings(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without anybody's keys or settings, whose home is `home`.

    The proxies lead nowhere: loopback is all that can be reached.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    return kept | nowhere | {"NO_PROXY": "127.0.0.1", "HOME": str(home)} | dict(more or {})
