"""The growth of costs: `python -m benchmarks.growth` measures four things over their sizes, and prints tables.

The API is the sandbox on loopback without rate limits. --quick takes smaller sizes and fewer rounds; --write puts the
tables into docs/performance.md and draws the pictures beside it; NAME measures only some: rows, lists, runs, waits.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from benchmarks.growth import lists, page, rows, runs, waits
from benchmarks.growth.page import Grown, Topic

MEASURED: Mapping[str, Callable[[bool], Grown]] = {
    "rows": rows.measured,
    "lists": lists.measured,
    "runs": runs.measured,
    "waits": waits.measured,
}
TOPICS: tuple[Topic, ...] = (rows.ROWS, lists.LISTS, runs.RUNS, waits.WAITS)


def main() -> None:
    """Measure, print, and write if asked to."""
    options = _options()
    found = []
    for name in options.names or MEASURED:
        began = time.monotonic()
        grown = MEASURED[name](options.quick)
        found.append(grown)
        print(f"-- {grown.topic.title} ({time.monotonic() - began:.0f} s)\n", file=sys.stderr)
        print(grown.table(), flush=True)
    if options.write:
        head = f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()}: medians."
        page.write(page.text(head, found), found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURED, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds")
    parser.add_argument(
        "--write", action="store_true", help="put them into docs/performance.md and draw them"
    )
    options = parser.parse_args()
    if options.write and (options.names or options.quick):
        parser.error("--write needs all of it, at its full size")
    return options


if __name__ == "__main__":
    main()
