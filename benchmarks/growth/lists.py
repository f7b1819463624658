"""The growth of finding a list, by the lists of an account."""

import time
from collections.abc import Callable

from benchmarks.growth.page import Grown, Topic
from benchmarks.growth.world import World, world
from benchmarks.pipe import Pipe
from cleanlist_mcp.sandbox.state import Sandbox

SIZES = (10, 100, 1_000, 3_000)
"""Of more than a thousand lists, a call looks at the first thousand."""

PAGE, SEARCH = "find_lists, the first 20, ms", "find_lists with a word, ms"
NAME, SEEN = "a list by a name that is new, ms", "by a name that was seen, ms"
REQUESTS = {
    PAGE: "requests for the first 20",
    SEARCH: "requests with a word",
    NAME: "requests for a new name",
    SEEN: "requests for a name that was seen",
}
LISTS = Topic(
    "lists",
    "How long it takes to find a list, by the lists in the account",
    "The first 20 lists and a list whose name was seen lately cost the same in any account; a word or a new name "
    "costs a request for each hundred lists, up to ten.",
    "lists in the account",
    "milliseconds",
    (PAGE, SEARCH, NAME, SEEN, *REQUESTS.values()),
    {PAGE: "the first 20", SEARCH: "lists with a word", NAME: "a new name", SEEN: "a name seen lately"},
)


def measured(quick: bool) -> Grown:
    """Return the figures, all sizes in turns; each turn has a new server, which has seen no list."""
    sizes, rounds = (SIZES[1:3], 2) if quick else (SIZES, 5)
    grown = Grown(LISTS)
    with world(Sandbox(rate_limits=False)) as here:
        keys = {size: _account(here.sandbox, size) for size in sizes}
        for _ in range(rounds):
            for size, key in keys.items():
                with here.server(key) as server:
                    _play(here, server, grown, size)
    return grown


def _account(sandbox: Sandbox, size: int) -> str:
    key = sandbox.add_account(f"owner-of-{size}")
    for number in range(size):
        sandbox.add_list(f"Campaign {number}", 1, key=key)
    return key


def _play(here: World, server: Pipe, grown: Grown, size: int) -> None:
    def take(row: str, step: Callable[[], object]) -> None:
        before, began = here.requests, time.perf_counter()
        step()
        grown.add(row, size, (time.perf_counter() - began) * 1000)
        grown.add(REQUESTS[row], size, here.requests - before)

    named = {"list_id": f"Campaign {size // 2 if size <= 1_000 else 500}", "limit": 1}
    for _ in range(2):  # the code of both tools is loaded by then
        first = server.call("find_lists", {"limit": 1})["lists"][0]["list_id"]
        server.call("get_leads", {"list_id": first, "limit": 1})
    take(NAME, lambda: server.call("get_leads", named))
    take(SEEN, lambda: server.call("get_leads", named))
    take(PAGE, lambda: server.call("find_lists"))
    take(SEARCH, lambda: server.call("find_lists", {"query": "nowhere"}))
