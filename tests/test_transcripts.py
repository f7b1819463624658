"""The same bytes by either loop, with a front and without: what a server writes with the event loop at both ends, it
writes with the SDK's, and after its front has begun."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from cleanlist_mcp.server.without_waiting import as_socket
from tests.fronts import LEARNING
from tests.test_stdio import ENVELOPE, HANDSHAKE, HOSTILE, PATIENCE, SERVER, call, variables

pytestmark = [
    pytest.mark.skipif(not hasattr(select, "epoll"), reason="only one of the loops serves there"),
    pytest.mark.long,
]

BY_THE_SDK = (
    "import runpy, select; del select.epoll;"
    "runpy.run_module('cleanlist_mcp', run_name='__main__', alter_sys=True)"
)
LOOPS = {"ours": SERVER, "the SDK's": (sys.executable, "-c", BY_THE_SDK)}

Message = Mapping[str, Any] | bytes
Ends = tuple[int, int, int, int]
"""The server's input and output, and the client's ends of the two."""


class Player:
    """The client's side of one server: writes and reads bytes, and keeps all that came."""

    def __init__(self, process: "subprocess.Popen[bytes]", read: int, write: int) -> None:
        self.process = process
        self.heard = b""
        self._read, self._write = read, write
        self._answered = 0

    def put(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._write, data) :]

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.put((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    def hear(self, lines: int = 1) -> None:
        """Read on until so many more lines have come."""
        self._answered += lines
        while self.heard.count(b"\n") < self._answered and self._hear_some():
            pass

    def hear_all(self) -> None:
        while self._hear_some():
            pass

    def _hear_some(self) -> bool:
        try:
            piece = os.read(self._read, 65_536)
        except OSError:
            piece = b""  # a terminal or a socket whose other end is gone, or nobody listens here any more
        self.heard += piece
        return bool(piece)

    def ask(self, *messages: Message) -> None:
        """Send requests one after the other, each once the one before it is answered."""
        for message in messages:
            self.send(message)
            self.hear()

    def leave(self) -> None:
        """End the input: of a socket that is read too, its one direction."""
        with suppress(OSError), as_socket(self._write) as end:
            if end is not None:
                end.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            os.close(self._write)
        self._write = -1

    def stop_reading(self) -> None:
        os.close(self._read)
        self._read = -1

    def hang_up(self) -> None:
        """Leave; a terminal ends only with both of its directions, so all of its answers have to be heard before."""
        self.leave()
        if os.isatty(self._read):
            self.stop_reading()

    def close(self) -> None:
        for descriptor in {self._read, self._write} - {-1}:
            with suppress(OSError):
                os.close(descriptor)


def by_pipes(folder: Path) -> Ends:
    source, write = os.pipe()
    read, target = os.pipe()
    return source, target, read, write


def by_sockets(folder: Path) -> Ends:
    first, second = socket.socketpair(), socket.socketpair()
    return first[0].detach(), second[0].detach(), second[1].detach(), first[1].detach()


def by_small_sockets(folder: Path) -> Ends:
    ends = by_sockets(folder)
    for end in ends:
        with socket.socket(fileno=os.dup(end)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    return ends


def by_one_socket(folder: Path) -> Ends:
    server, client = (end.detach() for end in socket.socketpair())
    return server, os.dup(server), os.dup(client), client


def by_pipe_and_socket(folder: Path) -> Ends:
    source, _, _, write = pipes = by_pipes(folder)
    for unused in pipes[1:3]:
        os.close(unused)
    server, client = socket.socketpair()
    return source, server.detach(), client.detach(), write


def by_terminal(folder: Path) -> Ends:
    import pty
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    return slave, os.dup(slave), master, os.dup(master)


HELLO: Message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE}
READY: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
MODERN = {"_meta": ENVELOPE}


def request(number: Any, method: str, **params: Any) -> Message:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def shake_hands(player: Player) -> None:
    player.ask(HELLO)
    player.send(READY)


def old_era(player: Player) -> None:
    shake_hands(player)
    lists = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
    player.ask(*(request(number, method) for number, method in enumerate(lists, 1)))
    player.ask(request("ping", "ping"), request(5, "no/such/method"))
    player.ask(call(6, "whoami"), call(7, "credits_balance"), call(8, "estimate", list_id="nowhere"))
    player.ask(call("ä 🦊", "find_lists", query="Přehled 李小龙"), call(9, "nope"), call(10, "whoami", x=1))


def new_era(player: Player) -> None:
    player.ask(request(1, "tools/list", **MODERN), request(2, "server/discover", **MODERN))
    player.ask(call(3, "whoami", ENVELOPE), call(4, "nope", ENVELOPE), request(5, "ping", **MODERN))
    player.ask(HELLO)


def probing(player: Player) -> None:
    player.ask(request(1, "server/discover", **MODERN), request(2, "server/discover", **MODERN))
    shake_hands(player)
    player.ask(request(3, "tools/list"))


def batches(player: Player) -> None:
    player.ask(b"[]")
    shake_hands(player)
    two = json.dumps([request(8, "ping"), request(9, "ping")]).encode()
    player.ask(two, b"[1,2]", request(10, "ping"))


def noise(player: Player) -> None:
    shake_hands(player)
    for number, line in enumerate(HOSTILE):
        player.send(line, request(f"after-{number}", "ping"))
        while f'"after-{number}"'.encode() not in player.heard:
            player.hear()


def other_encodings(player: Player) -> None:
    player.put(b"\xef\xbb\xbf")
    shake_hands(player)
    for number, encoding in enumerate(("latin-1", "cp932", "utf-16-le", "utf-8")):
        line = json.dumps(call(number, "find_lists", query="é表示"), ensure_ascii=False)
        player.send(line.encode(encoding, "replace").replace(b"\n", b""))
        player.send(request(f"after-{number}", "ping"))
        while f'"after-{number}"'.encode() not in player.heard:
            player.hear()


def cancelling(player: Player) -> None:
    shake_hands(player)
    for number in range(1, 6):
        slow = call(number, "enrich_person", email=f"slow{number}@fable.example", wait_seconds=45)
        player.send(slow)
        player.ask(request(f"ping-{number}", "ping"))
        stop = {"requestId": number, "reason": "no longer wanted"}
        player.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": stop})
        player.ask(request(f"pong-{number}", "ping"))


def half_lines(player: Player) -> None:
    for message in (HELLO, READY, request(1, "ping"), call(2, "whoami")):
        line = json.dumps(message).encode() + b"\r\n"
        for at in range(0, len(line), 11):
            player.put(line[at : at + 11])
    player.hear(3)


def last_line_without_its_end(player: Player) -> None:
    shake_hands(player)
    player.put(json.dumps(request(1, "tools/list")).encode())
    player.leave()


def half_a_line_at_the_end(player: Player) -> None:
    shake_hands(player)
    player.put(json.dumps(request(1, "tools/list")).encode()[:-9])
    player.leave()


def ended_at_once(player: Player) -> None:
    player.leave()


def all_at_once(player: Player) -> None:
    player.send(HELLO, READY, *(request(number, "ping") for number in range(1, 200)))
    player.leave()


def late_reader(player: Player) -> None:
    shake_hands(player)
    sending = threading.Thread(
        target=player.send, args=[request(number, "tools/list") for number in range(1, 101)]
    )
    sending.start()
    select.select([], [], [], 0.5)  # the pipe is full, and nobody reads
    player.hear(100)
    sending.join()


def a_long_line(player: Player) -> None:
    shake_hands(player)
    player.ask(call(1, "find_lists", query="x" * 3_000_000), request(2, "ping"))


def duplicate_ids(player: Player) -> None:
    shake_hands(player)
    player.send(request(1, "ping"), request(1, "ping"), request("1", "ping"))
    player.hear(3)


def leaving_with_calls_in_flight(player: Player) -> None:
    shake_hands(player)
    player.send(call(1, "enrich_person", email="slow@fable.example", wait_seconds=45))
    player.ask(request(2, "ping"))
    player.leave()


def ended_by_a_signal(player: Player) -> None:
    shake_hands(player)
    player.ask(request(1, "ping"))
    player.process.send_signal(signal.SIGTERM)


def vanished_with_an_answer_under_way(player: Player) -> None:
    shake_hands(player)
    player.stop_reading()
    player.send(request(1, "tools/list"))


def vanished_without_a_word(player: Player) -> None:
    shake_hands(player)
    player.stop_reading()


@dataclass(frozen=True)
class Played:
    """The outcome of a scene: all that was written to each end, and the exit status."""

    lines: list[bytes]
    log: bytes
    status: int


@dataclass(frozen=True)
class Scene:
    """One conversation, over one kind of ends. `ordered` is false if its answers may overtake each other."""

    act: Callable[[Player], None]
    ends: Callable[[Path], Ends] = by_pipes
    ordered: bool = True

    @property
    def name(self) -> str:
        return f"{self.act.__name__}-{self.ends.__name__}"


SCENES = (
    Scene(old_era),
    Scene(old_era, by_sockets),
    Scene(old_era, by_pipe_and_socket),
    Scene(old_era, by_one_socket),
    Scene(old_era, by_terminal),
    Scene(new_era),
    Scene(new_era, by_small_sockets),
    Scene(probing),
    Scene(batches),
    Scene(noise, ordered=False),
    Scene(other_encodings, by_sockets, ordered=False),
    Scene(cancelling),
    Scene(half_lines, ordered=False),
    Scene(last_line_without_its_end),
    Scene(half_a_line_at_the_end),
    Scene(ended_at_once),
    Scene(all_at_once, ordered=False),
    Scene(all_at_once, by_sockets, ordered=False),
    Scene(late_reader, ordered=False),
    Scene(late_reader, by_small_sockets, ordered=False),
    Scene(a_long_line),
    Scene(duplicate_ids),
    Scene(leaving_with_calls_in_flight),
    Scene(ended_by_a_signal),
    Scene(vanished_with_an_answer_under_way),
    Scene(vanished_without_a_word),
    Scene(vanished_with_an_answer_under_way, by_sockets),
)


UNUSUAL = (ended_at_once, batches, other_encodings)
"""Scenes whose first line is none that a front knows."""


@contextmanager
def playing(command: tuple[str, ...], folder: Path, ends: Ends, front: str) -> Iterator[Player]:
    source, target, read, write = ends
    process = subprocess.Popen(
        [*command, "--sandbox"],
        stdin=source,
        stdout=target,
        stderr=subprocess.PIPE,
        env=variables(folder) | {"CLEANLIST_FRONT": front},
    )
    os.close(source)
    os.close(target)
    player = Player(process, read, write)
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        yield player
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        player.close()


def played(scene: Scene, command: tuple[str, ...], folder: Path, front: str = "never") -> Played:
    with playing(command, folder, scene.ends(folder), front) as player:
        scene.act(player)
        player.hang_up()
        player.hear_all()
        _, log = player.process.communicate(timeout=PATIENCE)
        lines = player.heard.split(b"\n")
    return Played(lines if scene.ordered else sorted(lines), log, player.process.returncode)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the first answers of either protocol era, and of a client that probes."""
    folder = tmp_path_factory.mktemp("taught")
    for act in (old_era, new_era, probing):
        assert played(Scene(act), (sys.executable, "-c", LEARNING), folder, "auto").status == 0
    return folder


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_both_loops_write_the_same_bytes_with_a_front_and_without(
    tmp_path: Path, taught: Path, scene: Scene
) -> None:
    ours, theirs = (played(scene, command, tmp_path) for command in LOOPS.values())

    assert _difference(ours, theirs) is None
    if scene.ends is not by_terminal:  # which has no front
        (taught / "given").unlink(missing_ok=True)
        with_front = played(scene, (sys.executable, "-c", LEARNING), taught, "auto")
        assert _difference(ours, with_front) is None
        assert (taught / "given").exists() == (scene.act not in UNUSUAL)


def _difference(ours: Played, theirs: Played) -> object:
    """The first difference, in few words: pytest would compare megabytes letter by letter."""
    if (ours.status, ours.log) != (theirs.status, theirs.log):
        return ours.status, ours.log, theirs.status, theirs.log
    pairs = zip_longest(ours.lines, theirs.lines)
    return next(((one, other) for one, other in pairs if one != other), None)


def test_a_file_is_read_to_its_end_by_either_loop(tmp_path: Path) -> None:
    script = tmp_path / "script"
    messages = (HELLO, READY, request(1, "tools/list"), call(2, "whoami"))
    script.write_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    written = []
    for command in LOOPS.values():
        with script.open("rb") as source, (tmp_path / "out").open("wb") as target:
            arguments = [*command, "--sandbox"]
            done = subprocess.run(
                arguments, stdin=source, stdout=target, timeout=PATIENCE, env=variables(tmp_path), check=False
            )
        assert done.returncode == 0
        written.append(sorted((tmp_path / "out").read_bytes().splitlines()))

    assert (written[0] == written[1]) is True
    assert sorted(json.loads(line)["id"] for line in written[0]) == [0, 1, 2]
