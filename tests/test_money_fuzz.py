"""Several servers on one journal, people in any spelling, an API that breaks, processes that die: the money holds.

150 rounds; 150 more each week. `MONEY_FUZZ=7/3` plays one of them again, `MONEY_FUZZ=17,18` all those of other seeds.
Every fifth seed has its journal in PostgreSQL, if that is there, and connections to it that are cut.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
import pytest

from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from tests.databases import cut_connections, needs_postgres, server
from tests.hostile_api import HostileApi
from tests.money_fuzz import KINDS, Ground, World, told
from tests.test_stdio import posix

pytestmark = [pytest.mark.long, posix]

SEEDS, ROUNDS = 10, 15
AT_ONCE = 5
"""Worlds that are played at the same time: most of a round is waiting for answers that do not come."""

IN_A_DATABASE = 5
"""One of so many seeds has its journal in PostgreSQL."""

HAS_POSTGRES = not needs_postgres.args[0]

SHOWN = 3
"""Rounds that a failure shows in full."""


def _chosen() -> list[tuple[int, tuple[int, ...]]]:
    """Return the seeds, each with its rounds."""
    wanted = os.environ.get("MONEY_FUZZ")
    if not wanted:
        return [(seed, tuple(range(ROUNDS))) for seed in range(1, SEEDS + 1)]
    chosen = []
    for word in wanted.split(","):
        seed, _, number = word.partition("/")
        chosen.append((int(seed), (int(number),) if number else tuple(range(ROUNDS))))
    return chosen


def _batches() -> list[list[tuple[int, tuple[int, ...]]]]:
    chosen = _chosen()
    return [chosen[first : first + AT_ONCE] for first in range(0, len(chosen), AT_ONCE)]


def _ground(folder: Path, seed: int) -> Ground:
    """Return where the journal of a seed is kept."""
    if seed % IN_A_DATABASE or not HAS_POSTGRES:
        return Ground(folder)
    url = server().new_database()
    settings = {"CLEANLIST_DATABASE_URL": url, "CLEANLIST_SECRET_KEYS": "secret of a team " * 2}
    return Ground(folder, settings, partial(cut_connections, url))


async def play(folder: Path, seed: int, numbers: Sequence[int], report: list[str]) -> None:
    """Play the rounds of a seed in a world of its own, and report what went wrong."""
    ground = _ground(folder, seed)
    with HostileApi() as api:
        async with anyio.create_task_group() as tasks:
            world = World(ground, api, tasks, seed, numbers)
            stories = await world.play_all()
        report.extend(told(story) for story in stories if story.problems)
        unclear = [attempt for attempt in api.account.attempts if attempt.who.startswith("nobody known")]
        report.extend(f"seed {seed}: a request means {attempt.who}" for attempt in unclear)
        if ground.settings and (folder / FILE_NAME).exists():
            report.append(f"seed {seed}: the journal was kept in a file")
        report.extend(f"seed {seed}: {log}" for log in world.logs if "Traceback" in log)


@pytest.mark.parametrize("batch", _batches(), ids=lambda batch: f"seeds {[seed for seed, _ in batch]}")
async def test_nothing_is_paid_twice_lost_or_denied(
    tmp_path: Path, batch: list[tuple[int, tuple[int, ...]]]
) -> None:
    print("seeds and rounds:", batch)  # noqa: T201 - shown with a failure
    report: list[str] = []
    async with anyio.create_task_group() as tasks:
        for seed, numbers in batch:
            tasks.start_soon(play, tmp_path / str(seed), seed, numbers, report)

    if report:
        kinds = Counter(re.findall(r"^  ([a-z ]+): ", "\n".join(report), re.MULTILINE))
        rounds = [line.split()[0] for line in report]
        counted = ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()) if kind in KINDS)
        shown = "\n".join(report[:SHOWN])
        pytest.fail(
            f"{len(report)} rounds went wrong ({counted}): {' '.join(rounds)}\n{shown}", pytrace=False
        )
