"""The workflow report: where a run stands, what it found and what it cost."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from cleanlist_mcp.answers.shapes import (
    Credits,
    Person,
    WorkflowReport,
    credits_of,
    found_person,
    recent_run,
    rows_text,
    vendor_note,
)
from cleanlist_mcp.api.wire import LEADS_PAGE, STOPPED_STATUSES, TERMINAL_STATUSES, WorkflowStatus
from cleanlist_mcp.clock import Deadline
from cleanlist_mcp.errors import CleanlistError, InvalidArguments
from cleanlist_mcp.lists.directory import is_list_id
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run, state_at
from cleanlist_mcp.runs.starting import Started
from cleanlist_mcp.runs.watching import OnChange
from cleanlist_mcp.services import Services
from cleanlist_mcp.text import credits_text, iso

RECENT = 10
"""Runs listed beside the newest one."""

LOOKED_AT = 5
"""Unfinished runs among them that are looked at, one free request each."""

COUNT_SECONDS = 5.0
"""Longest wait for one page of a list, which is counted when its run has ended: the report is there already."""

log = logging.getLogger(__name__)


async def follow(
    services: Services, started: Started, wait_seconds: int, deadline: Deadline, on_change: OnChange
) -> WorkflowReport:
    """Report a run that this call started or found, after waiting for its end as long as it may.

    A look that fails changes nothing about the run: the report then says what is known.
    """
    run = started.run
    kept = _kept(run)
    if kept is not None:
        return _report(services, run, kept, started=started)
    if wait_seconds == 0 and not started.replayed:
        return _report(services, run, None, started=started)
    watched = await services.watcher.watch(
        run.workflow_id or "", run.started_at, _wait(wait_seconds, deadline), on_change
    )
    recorded = services.journal.run(run.run_id)
    if recorded is not None and recorded.workflow_id is not None:  # else its start could not be written yet
        run = recorded
    if _is_forgotten(run):
        return _forgotten(services, run, replayed=started.replayed)
    run = await _counted(services, run, watched.status, deadline)
    return _report(services, run, watched.status, started=started, fault=watched.error)


async def status(
    services: Services,
    workflow_id: str,
    wait_seconds: int,
    deadline: Deadline,
    on_change: OnChange | None = None,
) -> WorkflowReport:
    """Report the run of that id or, without one, the newest run of this machine and the ones before it.

    Raises:
        InvalidArguments: if the id cannot be one.
        ApiError: if the API cannot be asked, and nothing about the run is known here.
    """
    recent = [] if workflow_id else services.journal.recent(RECENT + 1)
    if not workflow_id and not recent:
        return WorkflowReport(
            summary="No run was started from this machine with this key yet."
            if services.settings.api_key is not None
            else "No run is known: no usable key is set.",
            next_step=_first_step(services),
            status="none",
            finished=True,
        )
    run = services.journal.by_workflow(workflow_id) if workflow_id else recent[0]
    if workflow_id and run is not None and run.workflow_id is None:
        run = None  # its row is damaged; the API still knows the workflow
    if run is None and not is_list_id(workflow_id):
        raise InvalidArguments(
            "workflow_id is not a run's id.", "Call workflow_status without arguments to see the known runs."
        )
    report = await _status_of(services, run, workflow_id, wait_seconds, deadline, on_change)
    if recent[1:]:
        now = services.clock.time()
        recent = [recent[0], *await _looked_at(services, recent[1:], deadline)]
        report = report.model_copy(update={"recent": [recent_run(item, now) for item in recent[1:]]})
    return report


def not_started(quote: Quote, word: Literal["declined", "not_confirmed"]) -> WorkflowReport:
    """What is answered where the dialog did not end in a yes: a normal result, and nothing was sent."""
    if word == "declined":
        summary = "The spend was declined in the client's dialog; nothing was sent and nothing is charged."
        next_step = (
            "Respect that. Ask the user what they want instead; estimate quotes another scope or list."
        )
    else:
        summary = "The client's dialog brought no answer; nothing was sent and nothing is charged."
        next_step = (
            "Ask the user to try again and answer the dialog. If this client never shows one, only the user can "
            "set CLEANLIST_CONFIRM=never in its configuration, so that the quote is the gate."
        )
    return WorkflowReport(
        summary=summary,
        next_step=next_step,
        kind="list",
        status=word,
        finished=True,  # nothing is going on that could be followed
        scope=quote.scope,
        list_id=quote.list_id,
        list_name=quote.list_name or None,
        credits=Credits(reserved=0, charged=0, quoted=quote.cost),
    )


async def _looked_at(services: Services, runs: list[Run], deadline: Deadline) -> list[Run]:
    """The runs, the newest unsettled ones looked at once, as far as there is time: their credits are settled only
    when seen to be."""
    with anyio.move_on_after(deadline.room()):
        for run in [run for run in runs if _is_open(run)][:LOOKED_AT]:
            await services.watcher.watch(run.workflow_id or "", run.started_at, 0)
    return [services.journal.run(run.run_id) or run for run in runs]


def _is_open(run: Run) -> bool:
    """Whether looking at the run may bring news: it goes on, or it ended and its charge was not settled yet."""
    unsettled = run.charged is None and run.status.casefold() in TERMINAL_STATUSES
    return run.state == "running" or (run.state == "finished" and unsettled)


def progress_sentence(status: WorkflowStatus) -> str:
    """One line for a client that shows progress."""
    if status.finished:
        return "The run has ended."
    if status.total > 1:
        return f"{status.processed} of {rows_text(status.total)} processed."
    return f"The run is {status.status}."


async def _status_of(
    services: Services,
    run: Run | None,
    workflow_id: str,
    wait_seconds: int,
    deadline: Deadline,
    on_change: OnChange | None,
) -> WorkflowReport:
    if run is not None and run.workflow_id is None:
        return _unstarted(services, run)
    kept = None if run is None else _kept(run)
    if kept is not None:
        return _report(services, run, kept)
    wanted = workflow_id or (run.workflow_id if run and run.workflow_id else "")
    since = run.started_at if run else None
    seconds = 0.0 if run is not None and run.state == "finished" else _wait(wait_seconds, deadline)
    watched = await services.watcher.watch(wanted, since, seconds, on_change)
    if run is None and watched.status is None and watched.error is None:
        watched = await services.watcher.watch(wanted, None, 0)  # its wait had no room for a look of its own
    unknown_here = run is None or (workflow_id and run.state != "finished")
    if watched.status is None and watched.error is not None and unknown_here:
        raise watched.error
    run = services.journal.by_workflow(wanted) or run
    if run is not None and _is_forgotten(run):
        return _forgotten(services, run)
    if run is not None:
        run = await _counted(services, run, watched.status, deadline)
    return _report(services, run, watched.status, fault=watched.error, workflow_id=wanted)


def _wait(wait_seconds: int, deadline: Deadline) -> float:
    return min(float(wait_seconds), deadline.room())


def _kept(run: Run) -> WorkflowStatus | None:
    """A settled list run as it was last seen: it is answered without a request.

    One whose refund was under review is looked at again, because that decision is still to come.
    """
    if run.state != "finished" or run.report is None or run.charged is None:
        return None
    return WorkflowStatus.model_validate(run.report)


async def _counted(services: Services, run: Run, seen: WorkflowStatus | None, deadline: Deadline) -> Run:
    """The run, its list counted where the end of the run is seen for the first time; remembered with it.

    It is tried once: what the list holds later says less and less about this run.
    """
    if run.kind != "list" or seen is None or not seen.finished or not services.settings.lists_on:
        return run
    if run.workflow_id is None or run.list_now is not None:
        return run
    services.journal.counted(run.workflow_id, {})
    services.journal.counted(run.workflow_id, await _list_now(services, run.list_id, deadline))
    return services.journal.run(run.run_id) or run


async def _list_now(services: Services, list_id: str, deadline: Deadline) -> dict[str, Any]:
    """How many rows of a list have an e-mail address and a phone number; empty if it cannot be read in time."""
    with anyio.move_on_after(min(COUNT_SECONDS, deadline.room())):
        try:
            page = await services.client.leads(list_id, limit=LEADS_PAGE)
        except CleanlistError as exc:
            log.warning("A finished list could not be counted (%s).", type(exc).__name__)
            return {}
        return {
            "emails": sum(bool(lead.email) for lead in page.leads),
            "phones": sum(bool(lead.phone) for lead in page.leads),
            "rows": len(page.leads),
            "complete": not page.cursor,
        }
    log.warning("A finished list could not be counted in time.")
    return {}


def _list_sentence(run: Run | None) -> list[str]:
    """What the list holds since the run, if it was counted."""
    counts = run.list_now if run is not None else None
    if not counts:
        return []
    emails, phones = counts["emails"], counts["phones"]
    held = f"{emails} e-mail address{'' if emails == 1 else 'es'} and {phones} phone number{'' if phones == 1 else 's'}"
    which = "The list now has" if counts["complete"] else f"The first {rows_text(counts['rows'])} now have"
    return [f"{which} {held}."]


def _is_forgotten(run: Run) -> bool:
    return run.state == "finished" and run.status == "unknown"


def _forgotten(services: Services, run: Run, *, replayed: bool | None = None) -> WorkflowReport:
    """A run that was never seen to end and that the API does not know any more."""
    report = _from_journal(
        run,
        summary="Cleanlist does not know this run any more: it ended long ago, and what it charged is not known here.",
        next_step="Whether to try again is the user's choice."
        + _another_try(services, run.kind, run.list_id),
        status="unknown",
        finished=True,
    )
    return report.model_copy(update={"workflow_id": run.workflow_id, "replayed": replayed})


def _unstarted(services: Services, run: Run) -> WorkflowReport:
    """A run without an id: its request is still under way, or its answer was lost."""
    now = services.clock.time()
    lost = state_at(run, now) == "uncertain"
    if lost:
        summary = (
            f"The answer to the request of {iso(run.started_at)} was lost: the run may or may not have started, "
            f"and up to {credits_text(run.reserved)} may be charged."
        )
        next_step = "Call credits_balance to compare; tell the user that this charge is unknown."
    else:
        summary = "The run is being started right now."
        next_step = "Call workflow_status without arguments in a few seconds."
    status = "unknown" if lost else "pending"
    report = _from_journal(run, summary=summary, next_step=next_step, status=status, finished=False)
    return report.model_copy(update={"elapsed_seconds": max(int(now - run.started_at), 0)})


def _from_journal(run: Run, *, summary: str, next_step: str, status: str, finished: bool) -> WorkflowReport:
    """What is known of a run of which the API tells nothing."""
    return WorkflowReport(
        summary=summary,
        next_step=next_step,
        kind=run.kind,
        status=status,
        finished=finished,
        scope=run.scope,
        list_id=run.list_id or None,
        list_name=run.list_name or None,
        credits=Credits(reserved=run.reserved, quoted=run.quoted),
        started_at=iso(run.started_at),
    )


@dataclass(frozen=True)
class _Facts:
    """What is known of one run, from the journal and the API together."""

    run: Run | None
    state: WorkflowStatus
    workflow_id: str
    started: Started | None
    fault: CleanlistError | None

    @property
    def replayed(self) -> bool | None:
        return None if self.started is None else self.started.replayed

    @property
    def kind(self) -> Literal["person", "list"] | None:
        return self.run.kind if self.run else _kind_of(self.workflow_id, self.state)

    @property
    def list_id(self) -> str:
        return (self.run.list_id if self.run else "") or self.state.lead_list_id

    @property
    def person(self) -> Person | None:
        """Whom a finished single run found, or that it found nobody."""
        return found_person(self.state.result) if self.kind != "list" and self.state.finished else None

    @property
    def credits(self) -> Credits:
        return credits_of(self.state, self.run)

    @property
    def counted(self) -> bool:
        """Whether rows were counted."""
        return self.kind == "list" and self.state.total > 0

    @property
    def missed(self) -> int:
        return max(self.state.total - self.state.completed, 0)

    @property
    def ended_badly(self) -> bool:
        return self.state.status.casefold() in STOPPED_STATUSES


def _report(
    services: Services,
    run: Run | None,
    seen: WorkflowStatus | None,
    *,
    started: Started | None = None,
    fault: CleanlistError | None = None,
    workflow_id: str = "",
) -> WorkflowReport:
    """Put together what the journal and the API know. At least one of `run` and `seen` is there.

    A run that was seen to end stays ended, whatever a later look says.
    """
    known_id = (run.workflow_id if run else None) or workflow_id
    if seen is None or (run is not None and run.state == "finished" and not seen.finished):
        seen = _remembered(run)
    facts = _Facts(run, seen, known_id, started, fault)
    state = facts.state
    searched = facts.counted and state.finished and not facts.ended_badly
    return WorkflowReport(
        summary=_summary(facts),
        next_step=_next_step(services, facts),
        workflow_id=known_id or None,
        kind=facts.kind,
        status=state.status,
        finished=state.finished,
        scope=run.scope if run else _scope_of(state),
        list_id=facts.list_id or None,
        list_name=(run.list_name if run else "") or None,
        total=state.total if facts.counted else None,
        processed=state.processed if facts.counted else None,
        found=state.completed if searched else None,
        not_found=facts.missed if searched else None,
        progress_percent=_percent(state) if facts.counted else None,
        person=facts.person,
        credits=facts.credits,
        started_at=iso(run.started_at) if run else None,
        elapsed_seconds=_elapsed(run, services.clock.time()),
        replayed=facts.replayed,
        vendor_note=vendor_note(state),
    )


def _remembered(run: Run | None) -> WorkflowStatus:
    """What the journal alone knows of a run."""
    if run is None:
        return WorkflowStatus(status="unknown")
    if run.report is not None:
        return WorkflowStatus.model_validate(run.report)
    return WorkflowStatus(status=run.status, credits_charged=run.charged, credits_refunded=run.refunded)


def _summary(facts: _Facts) -> str:
    finished = facts.state.finished
    parts = [_replay_sentence(facts)] if facts.replayed else []
    if finished:
        parts += [_outcome(facts), _bill(facts), *_list_sentence(facts.run)]
    else:
        parts.append(_standing(facts))
    parts += [*_beyond(facts), *_new_key_sentence(facts)]
    if facts.fault is not None:
        goes_on = "" if finished else "; the run itself goes on"
        parts.append(f"The last look failed ({facts.fault.message.rstrip('.')}){goes_on}.")
    return " ".join(parts)


def _replay_sentence(facts: _Facts) -> str:
    basis = facts.started.basis if facts.started else None
    by = f" (the same {basis})" if basis not in (None, "details") else ""
    return f"This was started earlier{by}; nothing new was started."


def _beyond(facts: _Facts) -> list[str]:
    """Say so if more was reserved or charged than the price that was shown."""
    run, figures = facts.run, facts.credits
    if run is None:
        return []
    shown, what = (PRICES[run.scope], "the price") if run.quoted is None else (run.quoted, "quoted")
    sentences = []
    for word, amount in (("charged", figures.charged), ("reserved", figures.reserved)):
        if amount is not None and amount > shown:
            sentences.append(
                f"Warning: Cleanlist {word} {credits_text(amount)}, more than {what} "
                f"({credits_text(shown)}); tell the user."
            )
    return sentences[:1]


def _new_key_sentence(facts: _Facts) -> list[str]:
    if facts.started is None or not facts.started.first_of_key:
        return []
    return [
        "This is the first run with this API key on this machine: people who were enriched with another key are not "
        "recognised and are paid for again."
    ]


def _standing(facts: _Facts) -> str:
    reserved = facts.credits.reserved
    held = "" if reserved is None else f"; reserved: up to {credits_text(reserved)}"
    if facts.counted:
        return f"Not finished: {facts.state.processed} of {rows_text(facts.state.total)} processed{held}."
    just_started = facts.replayed is False and not facts.state.total
    return f"{'Started' if just_started else 'Not finished yet'}{held}."


_HOW_IT_STOPPED = {
    **dict.fromkeys(("cancelled", "canceled"), "was cancelled"),
    "terminated": "was stopped by Cleanlist",
    "timed_out": "ran out of time at Cleanlist",
}


def _outcome(facts: _Facts) -> str:
    if facts.ended_badly:
        return f"The run {_HOW_IT_STOPPED.get(facts.state.status.casefold(), 'failed')}."
    if facts.counted:
        found = f"{facts.state.completed} of {rows_text(facts.state.total)} found"
        return f"Finished: {found}, {facts.missed} not found."
    if facts.kind == "list":
        return "Finished; the API gave no counts."
    person = facts.person
    if person is None:
        return "Finished."
    if not person.found:
        return "Finished: nothing usable was found for this person."
    kinds = [name for name, value in (("e-mail", person.email), ("phone", person.phone)) if value]
    return f"Finished: found {' and '.join(kinds) or 'the person'}."


def _bill(facts: _Facts) -> str:
    if facts.state.under_review:
        return (
            "The refund is under review at Cleanlist; until it is decided the reserved credits stay debited."
        )
    bill = facts.credits
    if bill.charged is None:
        return "The API has not said yet what was charged; workflow_status asks again."
    refund = "" if bill.refunded is None else f", {bill.refunded} refunded"
    return f"{credits_text(bill.charged)} charged{refund}."


def _next_step(services: Services, facts: _Facts) -> str | None:
    look = f'workflow_status(workflow_id="{facts.workflow_id}")'
    if not facts.state.finished:
        return f"Call {look} to follow it; do not start it again."
    if facts.ended_badly:
        again = _another_try(services, facts.kind, facts.list_id)
        return f"Whether to try again is the user's choice.{again}"
    if facts.credits.charged is None and not facts.state.under_review:
        return f"Call {look} again in a minute to see what was charged."
    if facts.kind == "list":
        return _to_the_list(services, facts.list_id)
    return None if services.settings.read_only else _after_a_person(facts)


def _to_the_list(services: Services, list_id: str) -> str:
    if not services.settings.lists_on or not list_id:
        return "The results are in the list; the user finds it at portal.cleanlist.ai."
    file = "" if services.settings.read_only else ", or export_list for a CSV file"
    return f'Call get_leads(list_id="{list_id}") to see the people{file}.'


def _after_a_person(facts: _Facts) -> str | None:
    if facts.person is None:
        return None
    if not facts.person.found:
        return (
            "More details (LinkedIn address, e-mail, domain) may find the person: call enrich_person with them and "
            "again=true; that may cost again."
        )
    if facts.replayed:
        return (
            "This is what an earlier run found. Only if the user wants a new search, paid again, call enrich_person "
            "with the same arguments and again=true."
        )
    return None


def _another_try(services: Services, kind: str | None, list_id: str) -> str:
    if services.settings.read_only:
        return ""
    if kind == "list":
        which = f'(list_id="{list_id}")' if list_id else ""
        return f" If they do, call estimate{which} for a new quote."
    return " If they do, call enrich_person with the same arguments and again=true; that may cost again."


def _first_step(services: Services) -> str:
    if services.settings.api_key is None:
        return "Call whoami: it says which setting keeps the key from being used."
    if services.settings.read_only:
        return "This server is read-only; runs started elsewhere can be looked up by their workflow_id."
    return "Start one with enrich_person, or with estimate and enrich_list for a whole list."


def _kind_of(workflow_id: str, state: WorkflowStatus) -> Literal["person", "list"] | None:
    """What a run that was started elsewhere is, by its handle and what it shows (api/v2 schema)."""
    if state.result is not None:
        return "person"
    if workflow_id.startswith("bulk-") or state.total > 1:
        return "list"
    return "person" if workflow_id.startswith("enrich-") else None


def _scope_of(state: WorkflowStatus) -> Scope | None:
    word = state.enrichment_type.casefold().replace("-", "_")
    return next((scope for scope in PRICES if scope == word), None)


def _percent(state: WorkflowStatus) -> int:
    if state.finished:
        return 100
    if state.progress is not None:
        return int(state.progress)
    return min(100 * state.processed // state.total, 99)


def _elapsed(run: Run | None, now: float) -> int | None:
    if run is None:
        return None
    return max(int((run.finished_at or now) - run.started_at), 0)
