"""Following runs: what the journal and the API know about one, put together for its report."""

import logging
from typing import Any

import anyio

from cleanlist_mcp.answers.company import company_report
from cleanlist_mcp.answers.person import Asked
from cleanlist_mcp.answers.run import (
    Facts,
    forgotten,
    nothing_yet,
    recent_run,
    remembered,
    report,
    unstarted,
)
from cleanlist_mcp.answers.run_shapes import WorkflowReport
from cleanlist_mcp.api.failures import unknown_workflow
from cleanlist_mcp.api.fields import is_id
from cleanlist_mcp.api.wire import LEADS_PAGE, TERMINAL_STATUSES, LeadsPage, WorkflowStatus
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import covers_row, exclusions_if_readable
from cleanlist_mcp.calls.selection import listed
from cleanlist_mcp.errors import CleanlistError, InvalidArguments, JournalUnusable
from cleanlist_mcp.money.picking import still_missing
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.exclusions import Exclusions
from cleanlist_mcp.runs.spending import Started
from cleanlist_mcp.runs.watching import Watched

RECENT = 10
"""Runs listed beside the newest one."""

CHECKED = 5
"""Unfinished runs among them that are checked, one free request each."""

COUNT_SECONDS = 5.0
"""Longest wait for one page of a list, which is counted when its run has ended: the report is there already."""

log = logging.getLogger(__name__)


class RunFollower:
    """Waits for the runs that one call is about, and reports them."""

    def __init__(self, call: Call, asked: Asked | None = None) -> None:
        """`asked` is the person the call asks for, so that its report shows if somebody else was found."""
        self._call = call
        self._asked = asked
        self._journal = call.services.journal
        self._exclusions = Exclusions()

    async def follow(self, started: Started, wait_seconds: int) -> WorkflowReport:
        """Report a run that this call started or found, after waiting for its end as long as it may.

        A check that fails changes nothing about the run: the report then has what is known.
        """
        self._exclusions = await exclusions_if_readable(self._call)
        run = started.run
        kept = _kept(run)
        if kept is not None:
            return self._report(run, kept, started=started)
        if wait_seconds == 0 and not started.replayed:
            return self._report(run, None, started=started)
        watched = await self._watch(run.workflow_id or "", run.started_at, self._room(wait_seconds))
        recorded = await self._journal.run(run.run_id)
        # Without an id, its start could not be written yet.
        if recorded is not None and recorded.workflow_id is not None:
            run = recorded
        if _is_forgotten(run):
            return forgotten(run, replayed=started.replayed)
        run = await self._counted(run, watched.status)
        return self._report(run, watched.status, started=started, problem=watched.error)

    async def count(self, run: Run) -> None:
        """Look at the list of a finished run, unless that was done, to know which of its rows it missed."""
        if run.state != "finished":
            return
        if self._call.settings.lists_on:
            await self._counted(run, remembered(run))
        elif not run.is_part and await self._journal.leads_of_run(run.run_id) is None:
            page = await self._first_page(run.list_id)
            if page is not None:
                await self._note_missed(run, remembered(run), page)

    async def newest(self, wait_seconds: int) -> WorkflowReport:
        """Report the newest run that was started from here, and in `recent` the ones before it.

        Raises:
            JournalUnusable: if the journal cannot be read.
        """
        runs = await self._journal.recent(RECENT + 1)
        if not runs:
            return nothing_yet(self._call.offers)
        newest = await self._status_of(runs[0], "", wait_seconds)
        if not runs[1:]:
            return newest
        now = self._call.now()
        before = [recent_run(run, now) for run in await self._checked(runs[1:])]
        return newest.model_copy(update={"recent": before})

    async def one(self, workflow_id: str, wait_seconds: int) -> WorkflowReport:
        """Report the run of that id, wherever it was started.

        Raises:
            InvalidArguments: if the id cannot be one.
            NotFound: if it is of somebody else who uses the same key.
            JournalUnusable: if that cannot be known.
            ApiError: if the API cannot be asked, and nothing about the run is known here.
        """
        if await self._journal.is_withheld(workflow_id):
            raise unknown_workflow()
        run = await self._journal.own_by_workflow(workflow_id)
        if run is not None and run.workflow_id is None:
            run = None  # its row is damaged; the API still knows the workflow
        if run is None and not is_id(workflow_id):
            raise InvalidArguments(
                "workflow_id is not a run's id.",
                "Call workflow_status without arguments to see the known runs.",
            )
        return await self._status_of(run, workflow_id, wait_seconds)

    async def _status_of(self, run: Run | None, workflow_id: str, wait_seconds: int) -> WorkflowReport:
        if run is not None and run.kind == "company" and run.state == "finished":
            return company_report(run, self._call.now())
        if run is not None and run.workflow_id is None:
            return unstarted(run, self._call.now())
        self._exclusions = await exclusions_if_readable(self._call)
        kept = None if run is None else _kept(run)
        if kept is not None:
            return self._report(run, kept)
        wanted = workflow_id or (run.workflow_id if run and run.workflow_id else "")
        watched = await self._look(run, wanted, wait_seconds)
        unknown_here = run is None or (workflow_id and run.state != "finished")
        run = await self._journal.own_by_workflow(wanted) or run
        if watched.status is None and watched.error is not None and unknown_here and not _has_ended(run):
            raise watched.error.replaced()  # several calls may get the error of one look
        if run is not None and _is_forgotten(run):
            return forgotten(run)
        if run is not None:
            run = await self._counted(run, watched.status)
        return self._report(run, watched.status, problem=watched.error, workflow_id=wanted)

    async def _look(self, run: Run | None, wanted: str, wait_seconds: int) -> Watched:
        since = run.started_at if run else None
        seconds = 0.0 if run is not None and run.state == "finished" else self._room(wait_seconds)
        return await self._watch(wanted, since, seconds)

    async def _watch(self, workflow_id: str, since: float | None, seconds: float) -> Watched:
        return await self._call.services.watcher.watch(workflow_id, since, seconds, self._call.on_change)

    def _room(self, wait_seconds: int) -> float:
        longest = self._call.settings.max_wait_seconds  # for clients that give up early
        return min(float(wait_seconds), float(longest), self._call.deadline.room())

    def _report(
        self,
        run: Run | None,
        seen: WorkflowStatus | None,
        *,
        started: Started | None = None,
        problem: CleanlistError | None = None,
        workflow_id: str = "",
    ) -> WorkflowReport:
        """Put together what the journal and the API know; at least one of `run` and `seen` is there.

        A run that was seen to end stays ended, whatever a later check says.
        """
        is_from_memory = seen is None or (run is not None and run.state == "finished" and not seen.finished)
        if seen is None or is_from_memory:
            seen = remembered(run)
        known_id = (run.workflow_id if run else None) or workflow_id
        excluded = self._excluded(run, seen)
        facts = Facts(
            run, seen, known_id, self._call.now(), started, problem, self._asked, excluded, is_from_memory
        )
        return report(facts, self._call.offers)

    def _excluded(self, run: Run | None, seen: WorkflowStatus) -> int:
        """Return how many of those who were found must not be contacted, as far as the result shows it."""
        if seen.result is not None:
            return int(covers_row(self._exclusions, seen.result))
        return int((run.list_now or {}).get("excluded", 0)) if run is not None else 0

    async def _checked(self, runs: list[Run]) -> list[Run]:
        """Return the runs after checking the newest unsettled ones once, as far as time allows: its credits count as
        settled only once a check has shown it."""
        with anyio.move_on_after(self._call.deadline.room()):
            for run in [run for run in runs if _is_open(run)][:CHECKED]:
                await self._call.services.watcher.watch(run.workflow_id or "", run.started_at, 0)
        return [await self._journal.run(run.run_id) or run for run in runs]

    async def _counted(self, run: Run, seen: WorkflowStatus | None) -> Run:
        """Return the run, with its list counted if this is the first time that its end is seen.

        It is tried once: the list later shows less and less about this run.
        """
        if run.kind != "list" or seen is None or not seen.finished or not self._call.settings.lists_on:
            return run
        if run.workflow_id is None or run.list_now is not None:
            return run
        await self._journal.outcomes.counted(run.workflow_id, {})
        page = await self._first_page(run.list_id)
        if page is not None:
            await self._note_missed(run, seen, page)
        await self._journal.outcomes.counted(run.workflow_id, await self._list_now(run, page))
        return await self._journal.run(run.run_id) or run

    async def _first_page(self, list_id: str) -> LeadsPage | None:
        """Return the first page of a list; None if it cannot be read, or there is no time."""
        with anyio.move_on_after(min(COUNT_SECONDS, self._call.deadline.room())):
            try:
                return await self._call.services.client.leads(list_id, limit=LEADS_PAGE)
            except CleanlistError as exc:
                log.warning("A finished list could not be counted (%s).", type(exc).__name__)
                return None
        log.warning("A finished list could not be counted in time.")
        return None

    async def _list_now(self, run: Run, page: LeadsPage | None) -> dict[str, Any]:
        """Count the rows of a list that have an e-mail address and a phone number; empty if it could not be read.

        After a run over a part, the rows before and after it too: it must fill rows and add none.
        """
        if page is None:
            return {}
        counts: dict[str, Any] = {
            "emails": sum(bool(lead.email) for lead in page.leads),
            "phones": sum(bool(lead.phone) for lead in page.leads),
            "rows": len(page.leads),
            "complete": not page.cursor,
        }
        excluded = sum(covers_row(self._exclusions, lead) for lead in page.leads)
        if excluded:
            counts["excluded"] = excluded
        quote = await self._quote_of(run)
        rows_after = page.total or (0 if page.cursor else len(page.leads))
        if quote is not None and quote.part is not None and quote.rows_in_list and rows_after:
            counts |= {"rows_before": quote.rows_in_list, "rows_after": rows_after}
        return counts

    async def _quote_of(self, run: Run) -> Quote | None:
        try:
            return await self._journal.quote(run.quote_id or "")
        except JournalUnusable:
            return None

    async def _note_missed(self, run: Run, seen: WorkflowStatus, page: LeadsPage) -> None:
        """Keep which rows of the run still lack what it looked for, as far as the page shows it.

        Of a whole list nothing is kept if it has more rows than the run had: the new ones were not tried.
        """
        rows = [listed(lead) for lead in page.leads if lead.lead_id]
        missing = still_missing(rows, run.scope)
        if run.is_part:
            found = {row.lead_id for row in rows} - set(missing)
            picked = await self._journal.leads_of_run(run.run_id) or ()
            missing = [lead_id for lead_id in picked if lead_id not in found]
        elif not 0 < max(page.total, len(page.leads)) <= seen.total:
            return
        await self._journal.outcomes.missed(run, missing)


def _is_open(run: Run) -> bool:
    """Return whether a check may bring news: the run goes on, or it ended and its charge was not settled yet."""
    if run.kind == "company":
        return False  # it was answered at once, and there is nothing to look at
    unsettled = run.charged is None and run.status.casefold() in TERMINAL_STATUSES
    return run.state == "running" or (run.state == "finished" and unsettled)


def _has_ended(run: Run | None) -> bool:
    """Return whether a run was seen to end, by whatever process."""
    return run is not None and run.state == "finished" and not _is_forgotten(run)


def _is_forgotten(run: Run) -> bool:
    return run.state == "finished" and run.status == "unknown"


def _kept(run: Run) -> WorkflowStatus | None:
    """Return a settled list run as it was last seen: it is answered without a request."""
    return None if run.settled_report is None else WorkflowStatus.model_validate(run.settled_report)
