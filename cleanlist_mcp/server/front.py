"""The first answers of a start, kept by an earlier one and given while the SDK loads.

Nearly all of a start is the SDK's, and a client begins as it began the last time. So a start keeps what it answered to
the handshake and to lists, each under a digest of all that it depends on: the request to the letter, what opened the
conversation, and `_stamp`. The next one gives the same at once, until something comes that is not known. The SDK gets
everything from the first byte; of its answers, those that the client has are compared and dropped. So what follows is
as it would be without, and an answer of another day is noticed. A start that fails keeps nothing.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import threading
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from cleanlist_mcp.server.without_waiting import WRITE_BYTES, as_socket, can_serve, reading, writing

FILE_NAME, MOST_BYTES, MOST_ANSWERS = "first-answers.json", 1 << 21, 48
_READY = "notifications/initialized"
_OPENING = frozenset({"initialize", "server/discover", _READY})
_THEN = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"})
_PACKAGE = Path(__file__).parents[1]
_Id = int | str | None


def begin() -> Front | None:
    """Return what answers until the SDK does, and learns for the next start; None for a start without."""
    given, shared = os.environ.get, os.environ.get("CLEANLIST_CSV_DIR", "")
    of_a_team = given("CLEANLIST_DATABASE_URL") or given("CLEANLIST_SECRET_KEYS")  # which a start asks first
    with suppress(Exception):  # a start needs none of this
        if (
            {"serve", "--sandbox"}.issuperset(sys.argv[1:])
            and given("CLEANLIST_FRONT", "auto") in ("auto", "")
            and not of_a_team
            and (shared.startswith("${") or not shared or os.path.isdir(shared))  # it may be gone by now
            and can_serve(sys.stdin.buffer, 1)
        ):
            ours = Path(given("XDG_STATE_HOME") or "~/.local/state", "cleanlist-mcp")
            return Front(Path(given("CLEANLIST_STATE_DIR") or ours, FILE_NAME).expanduser(), _stamp())
    return None


class Front:
    """The beginning of a connection. `came` is what the client sent, `unwritten` what it has not taken of answers."""

    def __init__(self, path: Path, stamp: str) -> None:
        self.came, self.unwritten = bytearray(), bytearray()
        self._path, self._stamp, self._kept, self._stop = path, stamp, _kept_in(path), os.eventfd(0)
        self._known = {key: answer for key, answer in self._kept.items() if key.startswith(stamp)}
        self._expected, self._opened, self._lines = _OPENING | _THEN, "", 0
        self._asked, self._given, self._learnt = dict[_Id, str](), dict[_Id, bytes](), dict[str, str]()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if self._known else ():
            if signal.getsignal(number) is not signal.SIG_IGN:  # the status that the server leaves with
                signal.signal(number, lambda number, frame: os._exit(128 + number))
        self._thread = threading.Thread(target=self._answer_what_is_known, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave all else to the SDK."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)

    def _answer_what_is_known(self) -> None:
        poll, at = select.poll(), 0
        poll.register(0, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        with suppress(Exception), as_socket(0) as asked, as_socket(1) as answered:
            read, write = reading(0, asked), writing(1, answered)
            while self._known and self._stop not in dict(poll.poll()) and (piece := read()):
                self.came += piece
                while end := self.came.find(b"\n", at) + 1:
                    self._lines += 1
                    number, key = self._understood(self.came[at:end])
                    at = end
                    if number is not None:
                        self._given[number] = _answer(number, self._known[key])
                        self.unwritten += self._given[number] + b"\n"
                    while self.unwritten:
                        del self.unwritten[: write(self.unwritten[:WRITE_BYTES])]

    def _understood(self, line: bytearray) -> tuple[_Id, str]:
        """Return id and key of the next message. After any exception, nothing is known any more."""
        expected, self._expected = self._expected, frozenset()
        message = json.loads(line.decode()) if expected else {}
        method, number, params = (message.pop(name, None) for name in ("method", "id", "params"))
        usual = "null" if method == _READY else r'-?[0-9]{1,15}|"[ !#-\[\]-~]+"'
        is_known = method in expected and message == {"jsonrpc": "2.0"} and number not in self._asked
        if not is_known or not re.fullmatch(usual, json.dumps(number)):
            raise ValueError("not known")
        key = self._asked[number] = self._key(method, None if params == {} else params)
        self._opened, self._expected = (key, expected) if method in _OPENING else (self._opened, _THEN)
        if method == _READY:
            self._learnt[self._key("ping", None)] = "{}"
        return number, key

    def _key(self, method: str, params: object) -> str:
        return self._stamp + _digest(json.dumps([self._opened, method, params], sort_keys=True))

    def hears(self, line: bytearray) -> None:
        """Note a line that the SDK gets."""
        self._lines -= 1
        if self._lines < 0 and self._expected:
            with suppress(Exception):  # after which nothing is expected
                self._understood(line)
        if self._lines < 0 and not self._expected:
            self._asked.clear()  # an id may come again

    def has_given(self, number: _Id, line: bytes) -> bool:
        """Note an answer of the SDK's; return True if the client has one already."""
        key, given = self._asked.pop(number, None), self._given.pop(number, None)
        head = _answer(number, "")[:-1]
        if key and line.startswith(head):
            self._learnt[key] = line[len(head) : -1].decode()
        if given not in (None, line):
            import logging

            logging.getLogger(__name__).warning("The first answers were out of date; restart the client.")
            self._kept, self._learnt, self._asked = {}, {}, {}
            with suppress(OSError):
                self._path.unlink()
        return given is not None

    def keep(self, folder: Path) -> None:
        """Keep what is new for later starts, if its folder is there and this start would still be the same."""
        new = self._learnt.items() - self._kept.items()
        if new and folder.is_dir() and _stamp() == self._stamp:
            body = json.dumps(dict([*self._kept.items(), *new][-MOST_ANSWERS:]))
            part = folder / f"{FILE_NAME}.{os.getpid()}"
            part.touch(0o600)
            part.write_text(f"{_digest(body)}\n{body}", "ascii")
            part.replace(folder / FILE_NAME)


def _answer(number: _Id, result: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{json.dumps(number)},"result":{result}}}'.encode()


def _stamp() -> str:
    """Return a digest of Python, arguments, variables, packages, and all files of ours: another one if one changes."""
    names = [name for name in os.environ if name.startswith(("CLEANLIST_", "HOME", "XDG_STATE"))]
    variables = {name: os.environ[name] for name in names if name != "CLEANLIST_API_KEY"}
    os.stat(__file__)  # which fails in an archive, whose files cannot be looked at
    states = [
        (path, *_states_in(path, ".dist-info", ".egg-info")) for path in sys.path if os.path.isdir(path)
    ]
    ours = [path for path, _, _ in os.walk(_PACKAGE) if not path.endswith("__pycache__")]  # made as needed
    states += [(path, *_states_in(path, ".py", ".json")) for path in sorted(ours)]
    return _digest(json.dumps([sys.version, sys.flags, sys.argv[1:], variables, states], sort_keys=True))


def _states_in(folder: str, *endings: str) -> list[tuple[str, int, int, int]]:
    found = [(entry.name, entry.stat()) for entry in os.scandir(folder) if entry.name.endswith(endings)]
    return sorted((name, state.st_ctime_ns, state.st_mtime_ns, state.st_size) for name, state in found)


def _kept_in(path: Path) -> dict[str, str]:
    """Return the answers in a file, none if it is not there, not the user's alone, or not as it was written."""
    with suppress(Exception):
        state = path.lstat()
        if state.st_uid == os.geteuid() and state.st_mode == 0o100600 and state.st_size < MOST_BYTES:
            digest, body = path.read_text("ascii").split("\n", 1)
            return dict(json.loads(body)) if digest == _digest(body) else {}
    return {}


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
