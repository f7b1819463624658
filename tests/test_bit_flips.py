"""One flipped bit anywhere in the journal: nobody who was paid is paid again, and no tool goes down.

500 flips. `BIT_FLIPS=120` makes one of them again, `BIT_FLIPS=1000-1499` makes others.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.hostile_api import HostileApi
from tests.paid_journals import (
    REFUSED,
    Ledger,
    PaidJournal,
    import_of,
    what_is_wrong,
    without_wait,
    write_journal,
)
from tests.server_processes import Caller, in_process
from tests.test_stdio import posix

pytestmark = [pytest.mark.long, posix]

FLIPS, BLOCK = 500, 50
LINE = 16
"""Bytes that are looked at together for whether they are in use."""


def _blocks() -> list[range]:
    """Return the numbers of the flips, in parts that can be made side by side."""
    first, _, last = os.environ.get("BIT_FLIPS", f"0-{FLIPS - 1}").partition("-")
    numbers = range(int(first), int(last or first) + 1)
    return [numbers[at : at + BLOCK] for at in range(0, len(numbers), BLOCK)]


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[PaidJournal]]:
    """Two journals with 40 paid people each: one closed in order, one whose server was killed."""
    place = tmp_path_factory.mktemp("written")
    with HostileApi() as api:

        async def write() -> list[PaidJournal]:
            return [
                await write_journal(place / "closed", api),
                await write_journal(place / "killed", api, killed=True),
            ]

        yield anyio.run(write)


def flip_a_bit(folder: Path, chance: Random) -> str:
    """Flip one bit of one file of a journal, at a byte in use, and say which."""
    files = {path: _lines_in_use(path.read_bytes()) for path in sorted(folder.glob("*"))}
    path = chance.choices(list(files), weights=[len(lines) for lines in files.values()])[0]
    content = bytearray(path.read_bytes())
    at = min(chance.choice(files[path]) * LINE + chance.randrange(LINE), len(content) - 1)
    bit = chance.randrange(8)
    content[at] ^= 1 << bit
    path.write_bytes(content)
    return f"{path.name}, byte {at}, bit {bit}"


def _lines_in_use(content: bytes) -> list[int]:
    return [at // LINE for at in range(0, len(content), LINE) if any(content[at : at + LINE])]


async def problems_of(
    caller: Caller, journal: PaidJournal, number: int, chance: Random
) -> AsyncIterator[str]:
    """Ask a server that starts on a damaged journal for what was paid; yield what is wrong, and empty texts."""
    arguments, run = chance.choice(journal.people)
    ledger = Ledger(journal.api)
    said = await caller.call("enrich_person", **without_wait(arguments))
    yield what_is_wrong(said, run, ledger)
    if number % 4 == 0:
        async for problem in problems_of_a_list(caller, journal, chance):
            yield problem
    if number % 4 == 2:
        added = await caller.call("add_leads", **import_of(journal.folder.name, number % 8 // 4))
        yield f"add_leads: {added.error}" if added.code == "internal_error" else ""
    for tool in ("whoami", "credits_balance"):
        told = await caller.call(tool)
        yield "" if told.data else f"{tool}: {told.error}"
    newest = await caller.call("workflow_status", wait_seconds=0)
    yield "" if newest.data or newest.code in REFUSED else f"workflow_status: {newest.error}"
    looked = await caller.call("workflow_status", workflow_id=run, wait_seconds=0)
    yield "" if looked.workflow_id == run else f"workflow_status of {run}: {looked.data or looked.error}"


async def problems_of_a_list(caller: Caller, journal: PaidJournal, chance: Random) -> AsyncIterator[str]:
    """Spend the quote of a list again, and then another, while the list's run goes on."""
    spent, run = chance.choice(journal.lists)
    ledger = Ledger(journal.api)
    said = await caller.call("enrich_list", **without_wait(spent))
    answered = said.workflow_id == run or said.charged in ("no", "unknown")
    yield f"list paid again: {said}" if ledger.started else "" if answered else f"list: {said}"
    quote = await caller.call("estimate", list_id=spent["list_id"], scope=spent["scope"])
    yield f"estimate: {quote.error}" if quote.code == "internal_error" else ""
    if "quote_id" in quote.data:
        ledger = Ledger(journal.api)
        other = await caller.call(
            "enrich_list", **spent | {"quote_id": quote.data["quote_id"]}, wait_seconds=0
        )
        yield f"list paid again with another quote: {other}" if ledger.started else ""


@pytest.mark.parametrize("numbers", _blocks(), ids=lambda numbers: f"{numbers[0]}-{numbers[-1]}")
async def test_a_flipped_bit_lets_nobody_be_paid_again(
    journals: list[PaidJournal], tmp_path: Path, numbers: range
) -> None:
    wrong = []
    for number in numbers:
        chance = Random(number)  # noqa: S311 - a seed, no secret
        journal = journals[number % 2]
        folder = journal.copy(tmp_path / f"{number}" / "state")
        flipped = flip_a_bit(folder, chance)
        async with in_process(folder, journal.api) as caller:
            problems = [found async for found in problems_of(caller, journal, number, chance) if found]
        if problems:
            wrong.append(f"BIT_FLIPS={number} ({journal.folder.name}, {flipped}): {problems}")

    assert not wrong, f"{len(wrong)} of {len(numbers)}:\n" + "\n".join(wrong)
