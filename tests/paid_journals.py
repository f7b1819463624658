"""A journal that a real server wrote: paid people, enriched lists and imports, to be damaged by tests."""

import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile_api import DEFAULT_LIST_ID, HostileApi
from tests.server_processes import Caller, Said, in_process, process

FILE_NAME = "journal.sqlite3"
LEDGER_NAME = "requests.sqlite3"

REFUSED = frozenset({"journal_unavailable", "outcome_unknown"})
"""Codes that may answer for somebody who was paid for, if the journal no longer knows."""


@dataclass
class PaidJournal:
    """A state folder with what was paid for in it. The runs of its lists go on, as long as the API is there.

    `people` are the arguments that paid each, `lists` those that spent each quote; both with their runs' ids.
    """

    folder: Path
    api: HostileApi
    people: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    lists: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def copy(self, place: Path) -> Path:
        """Copy the folder and return where to: all but the notes of requests, whose minute is used up."""
        shutil.copytree(self.folder, place, ignore=shutil.ignore_patterns(f"{LEDGER_NAME}*"))
        return place

    @property
    def files(self) -> list[Path]:
        """The files of the journal: the database and whatever lies beside it."""
        return sorted(self.folder.glob(f"{FILE_NAME}*"))


async def write_journal(
    folder: Path, api: HostileApi, *, people: int = 40, lists: int = 3, imports: int = 2, killed: bool = False
) -> PaidJournal:
    """Let a server pay and import; it ends in order, or is `killed` so that its side files are left."""
    journal = PaidJournal(folder, api)
    api.account.list_seconds = 3600.0
    async with AsyncExitStack() as stack:
        if killed:
            server = await stack.enter_async_context(process(folder, api))
            await _pay(journal, server, people, lists, imports)
            await server.kill()
        else:
            caller = await stack.enter_async_context(in_process(folder, api))
            await _pay(journal, caller, people, lists, imports)
    return journal


async def _pay(journal: PaidJournal, caller: Caller, people: int, lists: int, imports: int) -> None:
    for number in range(people):
        paid = _somebody(journal.folder.name, number)
        journal.people.append((paid, run_of(await caller.call("enrich_person", **paid))))
    for number in range(lists):
        name = f"List {number} of {journal.folder.name}"
        journal.api.account.add_list(name)
        quote = await caller.call("estimate", list_id=name)
        spent = {part: quote.data[part] for part in ("list_id", "scope", "quote_id")}
        journal.lists.append((spent, run_of(await caller.call("enrich_list", **spent, wait_seconds=0))))
    for number in range(imports):
        added = await caller.call("add_leads", **import_of(journal.folder.name, number))
        assert not added.error, added.error


def _somebody(where: str, number: int) -> dict[str, Any]:
    """Return the arguments that pay a person, who is named in one of the usual ways."""
    slug = f"kim-{where}-{number}"
    named = (
        {"email": f"{slug}@fable.example"},
        {"linkedin_url": f"https://www.linkedin.com/in/{slug}"},
        {"first_name": "Kim", "last_name": f"Fable {slug}", "domain": f"{where}-{number}.example"},
        {"first_name": "Kim", "last_name": f"Fable {slug}", "company_name": f"Fable {where} {number} Ltd"},
    )
    scope = ("partial", "full")[number % 2]
    return {**named[number % len(named)], "scope": scope, "wait_seconds": number % 3 and 0}


def import_of(where: str, number: int) -> dict[str, Any]:
    """Return the arguments that add people to a list."""
    rows = [{"email": f"row-{row}@{where}-{number}.example", "first_name": "Kim"} for row in range(5)]
    return {"list_id": DEFAULT_LIST_ID, "people": rows}


def run_of(said: Said) -> str:
    """Return the id of the run that an answer names, which it has to do."""
    assert said.workflow_id, said.error or said.data
    return said.workflow_id


class Ledger:
    """The runs that an API starts from now on."""

    def __init__(self, api: HostileApi) -> None:
        self._account = api.account
        self._before = len(api.account.runs)

    @property
    def started(self) -> list[str]:
        """The people and lists that it started runs for."""
        return [run.who for run in self._account.runs[self._before :]]


def what_is_wrong(said: Said, paid: str, ledger: Ledger) -> str:
    """Return what is wrong with an answer about paid work, empty if nothing is: it has to name its run, or to
    refuse, and nothing may have been started."""
    if ledger.started:
        return f"paid again: {ledger.started}, and the answer was {said.data or said.error}"
    if said.workflow_id == paid and said.replayed:
        return ""
    return "" if said.code in REFUSED else f"neither replayed nor refused: {said.data or said.error}"


def assert_not_paid_again(said: Said, paid: str, ledger: Ledger) -> None:
    """Hold that an answer about paid work names its run or refuses, and that nothing was started."""
    problem = what_is_wrong(said, paid, ledger)
    assert not problem, problem


def without_wait(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same arguments for a call that answers at once."""
    return {**arguments, "wait_seconds": 0}
