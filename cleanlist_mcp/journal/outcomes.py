"""Outcomes: what became of the requests that left, written down now or as soon as it can be."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.port import Store, Writer
from cleanlist_mcp.journal.records import Row, kept_name, kept_report, kept_status, marks_in, run_of
from cleanlist_mcp.journal.whose import Whose
from cleanlist_mcp.measures import CREDITS
from cleanlist_mcp.money import limits
from cleanlist_mcp.money.runs import Moment, Run
from cleanlist_mcp.people.marks import united

_EVERYBODYS = Whose(None, ())

RowChange = Callable[[Row, Moment], Row | None]
"""Returns a row as it is to be, or None to leave it."""


class Outcomes:
    """Records what became of runs. Nothing here raises because the journal cannot be written just now."""

    def __init__(self, store: Store, names: Callable[[], Awaitable[Names]], late: LateWrites) -> None:
        self._store = store
        self._names = names
        self._late = late

    async def started(
        self,
        run: Run,
        *,
        workflow_id: str,
        reserved: int | None,
        list_id: str,
        list_name: str,
        status: str,
    ) -> Run:
        """Record that the API accepted the run, and return it as it is now, even if it cannot be recorded yet.

        `reserved` None keeps the price as the reservation; it never counts less than that. Whatever was thought of
        the run before, this is proof, however late it comes.
        """
        changes: dict[str, Any] = {
            "state": "running",
            "workflow_id": workflow_id,
            "reserved": max(run.reserved, reserved or 0),
            "list_id": list_id,
            "list_name": kept_name(list_name),
            "status": kept_status(status),
        }
        await self._of_run(run, lambda row, now: row | changes)
        return replace(run, **changes)

    async def same_as(self, run: Run, known: Run) -> None:
        """Record that the API recognised the work of `run` as that of `known` and started nothing for it.

        Whatever identifies the person of `run` is kept with `known` from now on.
        """

        async def give_up(writer: Writer) -> int:
            row = await writer.any_run(run.run_id)
            if row is None or not _is_owned(row, run):
                return 0
            await _hand_over(writer, row, known)
            await writer.change_run(row, row | {"state": "refused"})
            return 1

        await self._late.write(give_up)

    async def refused(self, run: Run) -> bool:
        """Record that certainly nothing was started, which frees the claim.

        Returns false if another attempt has taken the run over meanwhile: then this one proves nothing.
        """
        return await self._of_run(run, _of_attempt(run, "refused")) != 0

    async def uncertain(self, run: Run) -> None:
        """Record that nobody here can know, unless another attempt has taken the run over."""
        await self._of_run(run, _of_attempt(run, "uncertain"))

    async def vanished(self, workflow_id: str) -> None:
        """Record that the API does not know a run any more: started over a day ago, it ended unseen.

        A younger one may only not be known yet.
        """

        def end(row: Row, now: Moment) -> Row | None:
            run = run_of(row, now, _EVERYBODYS)
            if run.state != "running" or run.started_at >= now.time - limits.DAY:
                return None
            at_start = {"finished_at": row["started_at"], "finished_ticks": row["ticks"]}
            return row | at_start | {"state": "finished", "status": "unknown"}

        await self._of_workflow(workflow_id, end)

    async def observed(self, workflow_id: str, *, status: str) -> None:
        """Record the API's word for the state of an unfinished run."""

        def note(row: Row, now: Moment) -> Row | None:
            return row | {"status": kept_status(status)} if row["state"] == "running" else None

        await self._of_workflow(workflow_id, note)

    async def finished(
        self,
        workflow_id: str,
        *,
        status: str,
        charged: int | None,
        refunded: int | None,
        report: dict[str, Any] | None,
    ) -> None:
        """Record the end of a run, and forget what is old.

        `report` holds a list run's figures, never a person's data.
        """
        ended = await self._store.now()
        known: Row = {
            "state": "finished",
            "status": kept_status(status),
            "charged": charged,
            "refunded": refunded,
            "report": None if report is None else json.dumps(kept_report(report)),
        }

        def end(row: Row, now: Moment) -> Row:
            if row["state"] == "finished" and row["finished_at"]:
                return row | known
            news.count(row["kind"], charged, refunded)
            ticks = ended.ticks if ended.boot == row["boot"] else None
            return row | known | {"finished_at": ended.time, "finished_ticks": ticks}

        news = _News()
        await self._of_workflow(workflow_id, end)
        await self._store.forget_old()

    async def counted(self, workflow_id: str, list_now: dict[str, Any]) -> None:
        """Record what the list of a finished run held; empty while it is being counted, or if it could not be."""
        await self._of_workflow(workflow_id, lambda row, now: row | {"list_now": json.dumps(list_now)})

    async def missed(self, run: Run, lead_ids: Sequence[str]) -> None:
        """Record which rows of a finished list run still lack what it looked for."""

        async def write(writer: Writer) -> int:
            if await writer.run(run.run_id) is None:
                return 0
            await writer.keep_leads(run.run_id, lead_ids)
            return 1

        await self._late.write(write)

    async def _of_run(self, run: Run, change: RowChange) -> int:
        async def write(writer: Writer) -> int:
            row = await writer.any_run(run.run_id)
            return 0 if row is None else await _changed(writer, [row], change)

        return await self._late.write(write)

    async def _of_workflow(self, workflow_id: str, change: RowChange) -> None:
        # Before the write: a look meanwhile takes a second connection.
        names = await self._names_if_readable()

        async def write(writer: Writer) -> int:
            tenants = (names or await self._names()).tenants
            return await _changed(writer, await writer.any_of_workflow(tenants, workflow_id), change)

        await self._late.write(write)

    async def _names_if_readable(self) -> Names | None:
        try:
            return await self._names()
        except JournalUnusable:
            return None


class _News:
    """Counts what a run did cost, once, however often its end has to be written down."""

    def __init__(self) -> None:
        self._is_counted = False

    def count(self, kind: str, charged: int | None, refunded: int | None) -> None:
        if not self._is_counted:
            self._is_counted = True
            CREDITS.add(charged or 0, state="charged", kind=kind)
            CREDITS.add(refunded or 0, state="refunded", kind=kind)


async def _changed(writer: Writer, rows: list[Row], change: RowChange) -> int:
    """Change rows and return how many of them were changed."""
    changes = [(row, change(row, writer.now)) for row in rows]
    for before, row in changes:
        if row is not None:
            await writer.change_run(before, row)
    return sum(row is not None for _, row in changes)


async def _hand_over(writer: Writer, row: Row, known: Run) -> None:
    """Let the run that is known be found by whatever identifies the person of `row`."""
    given = marks_in(row)
    if given is None:
        return
    other = await writer.any_run(known.run_id)
    marks = None if other is None else marks_in(other)
    if other is not None and marks is not None:
        await writer.change_run(other, other | {"marks": united(marks, given).to_json()})
    await writer.identify(known.run_id, row["context"], given.keys)


def _is_owned(row: Row, run: Run) -> bool:
    """Return whether the intent in `row` is that of the attempt that `run` was sent with."""
    return bool(row["state"] == "starting" and row["attempt"] == run.attempt)


def _of_attempt(run: Run, state: str) -> RowChange:
    """Return the change to `state`, which only the attempt that the run was sent with may make."""
    return lambda row, now: row | {"state": state} if _is_owned(row, run) else None
