"""A team's service as its clients have it: over HTTP, in front of a sandbox API, and perhaps behind nginx."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "cleanlist_mcp")
ENDING = 20.0
"""Seconds in which a process ends that was asked to, or nginx begins."""


@dataclass(frozen=True)
class Service:
    """A running service, and a key that its API takes."""

    url: str
    key: str


@contextmanager
def service(folder: Path, settings: Mapping[str, str] | None = None, *, port: int = 0) -> Iterator[Service]:
    """Serve over HTTP on loopback, in front of a sandbox API with a key; the journal lies in `folder`."""
    with _running([*COMMAND, "sandbox", "--port", "0"], {}) as hello:
        api = json.loads(hello)
        environment = {
            "CLEANLIST_BASE_URL": api["base_url"],
            "CLEANLIST_STATE_DIR": str(folder),
            **(settings or {}),
        }
        command = [*COMMAND, "serve", "--http", "--port", str(port)]
        with _running(command, environment) as line:
            yield Service(line.split()[-1], api["api_key"])


@contextmanager
def sandbox_service() -> Iterator[Service]:
    """Serve made-up data over HTTP, as `serve --http --sandbox` does: nobody needs a key."""
    with _running([*COMMAND, "serve", "--http", "--port", "0", "--sandbox"], {}) as line:
        yield Service(line.split()[-1], "")


@contextmanager
def nginx_in_front(target: str, port: int, key: str, folder: Path) -> Iterator[str]:
    """Run nginx on `port` before the service at `target`, adding the key to each request, and yield its address."""
    origin, path = target.rsplit("/", 1)
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, origin=origin, key=key), "utf-8")
    program = nginx()
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    command = [program, "-c", str(configuration), "-g", "daemon off;", "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _until_it_listens(port)
            yield f"http://127.0.0.1:{port}/{path}"
        finally:
            process.terminate()
            process.wait(ENDING)


def nginx() -> str | None:
    """Return the program; Debian puts it where only root's PATH looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


_CONFIGURATION = """\
pid {folder}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {origin};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header Authorization "Bearer {key}";
            proxy_buffering off;
        }}
    }}
}}
"""


def _until_it_listens(port: int) -> None:
    give_up_at = time.monotonic() + ENDING
    while time.monotonic() < give_up_at:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("nginx does not listen")


@contextmanager
def _running(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[str]:
    """Start a command without anybody's settings, and yield the line that it prints once it serves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    with subprocess.Popen(
        list(command), env=kept | dict(settings), stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{' '.join(command[1:])} did not start")
            yield line
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
