"""Start the sandbox server for a client, and keep what the client sends, what stderr gets and how it ends.

    python watched.py FOLDER

Each start leaves FOLDER/PID.json, with the client's lines, and FOLDER/PID.stderr.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, cast


def main(folder: Path) -> int:
    """Run the server between the client's pipes; return its exit status."""
    kept = folder / f"{os.getpid()}.json"
    with kept.with_suffix(".stderr").open("wb") as errors:
        command = [sys.executable, "-m", "cleanlist_mcp", "--sandbox"]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: server.send_signal(number))
    note: dict[str, Any] = {"server": server.pid, "sent": "", "ended": None}
    keep(kept, note)
    threading.Thread(target=pump, args=(cast(IO[bytes], server.stdin), kept, note), daemon=True).start()
    note["ended"] = server.wait()
    keep(kept, note)
    return int(note["ended"])


def pump(into: IO[bytes], kept: Path, note: dict[str, Any]) -> None:
    """Hand on what the client sends, and its end; the file always holds all of it."""
    sent = b""
    with contextlib.suppress(BrokenPipeError), into:
        while chunk := os.read(0, 65_536):
            sent += chunk
            note["sent"] = sent.decode("utf-8", "replace")
            keep(kept, note)
            into.write(chunk)
            into.flush()


def keep(kept: Path, note: dict[str, Any]) -> None:
    """Replace the file at once, because a client may kill this process at any moment."""
    fresh = kept.with_suffix(f".{threading.get_ident()}")
    fresh.write_text(json.dumps(note), "utf-8")
    fresh.replace(kept)


if __name__ == "__main__":
    # Without Python's own end, which would wait for the pipe that the thread still reads.
    os._exit(main(Path(sys.argv[1])))
