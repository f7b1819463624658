"""The growth of reading a list and of adding a file, by their rows."""

import time
from collections.abc import Callable

from benchmarks.growth.page import Grown, Topic
from benchmarks.growth.world import World, world
from benchmarks.pipe import Pipe
from cleanlist_mcp.sandbox.state import Sandbox

SIZES = (100, 1_000, 10_000)
"""No file may have more rows than the last, and no list shows more than it at once."""

READ, KEPT = "read all of it, 100 rows an answer, ms", "read who has no phone, all of them, ms"
NEW, AGAIN = "add it as a new CSV file, ms", "add the same file again, ms"
ONE = "one answer of 25 rows, ms"
REQUESTS = {
    READ: "requests to read all of it",
    KEPT: "requests to read who has no phone",
    NEW: "requests to add a new file",
    AGAIN: "requests to add it again",
}
ROWS = Topic(
    "rows",
    "How long a list or a CSV file takes, by its rows",
    "Reading all rows of a list and adding a CSV file take time in proportion to the rows; one answer of 25 rows "
    "takes the same in a list of a thousand rows and of ten thousand.",
    "rows",
    "milliseconds",
    (READ, KEPT, ONE, NEW, AGAIN, *REQUESTS.values()),
    {
        READ: "read all",
        KEPT: "read who has no phone",
        ONE: "one answer of 25 rows",
        NEW: "add a new file",
        AGAIN: "add it again",
    },
)


def measured(quick: bool) -> Grown:
    """Return the figures, all sizes in turns."""
    sizes, rounds = (SIZES[:2], 2) if quick else (SIZES, 5)
    grown = Grown(ROWS)
    with world(Sandbox(rate_limits=False)) as here, here.server(CLEANLIST_CSV_DIR=str(here.folder)) as server:
        lists = {size: here.sandbox.add_list(f"{size} rows", size) for size in sizes}
        _play(_Round(here, server, Grown(ROWS), sizes[0]), lists[sizes[0]], "first")  # loads what calls need
        for turn in range(rounds):
            for size, list_id in lists.items():
                _play(_Round(here, server, grown, size), list_id, f"{turn}-{size}")
    return grown


class _Round:
    """One size's turn: takes the time and the requests of each of its steps."""

    def __init__(self, here: World, server: Pipe, grown: Grown, size: int) -> None:
        self.here, self.server, self.size = here, server, size
        self._grown = grown

    def take(self, row: str, step: Callable[[], object]) -> None:
        before, began = self.here.requests, time.perf_counter()
        step()
        self._grown.add(row, self.size, (time.perf_counter() - began) * 1000)
        if row in REQUESTS:
            self._grown.add(REQUESTS[row], self.size, self.here.requests - before)


def _play(turn: _Round, list_id: str, name: str) -> None:
    server = turn.server
    people = [f"Robin,Sample{number},r{number}@f{name}.example" for number in range(turn.size)]
    (turn.here.folder / f"{name}.csv").write_text("\n".join(["First name,Last name,Email", *people]), "utf-8")
    file = {"list_id": turn.here.sandbox.add_list(f"from {name}"), "csv_path": f"{name}.csv"}
    turn.take(READ, lambda: read_all(server, list_id))
    turn.take(KEPT, lambda: read_all(server, list_id, only="missing_phone"))
    turn.take(ONE, lambda: server.call("get_leads", {"list_id": list_id}))
    turn.take(NEW, lambda: server.call("add_leads", file))
    turn.take(AGAIN, lambda: server.call("add_leads", file))


def read_all(server: Pipe, list_id: str, **wishes: str) -> int:
    """Read a list from answer to answer, and return how many rows came."""
    came, cursor = 0, ""
    while True:
        answer = server.call("get_leads", {"list_id": list_id, "limit": 100, "cursor": cursor} | wishes)
        came += len(answer["leads"])
        cursor = answer.get("cursor") or ""
        if not cursor:
            return came
