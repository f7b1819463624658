"""Sentences about runs: where one stands, what it found and what it cost."""

from dataclasses import dataclass
from typing import Any, Literal

from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.answers.person import Asked, asked_in, found_person, person_sentences
from cleanlist_mcp.answers.run_shapes import Credits, Person, RecentRun, WorkflowReport
from cleanlist_mcp.answers.shapes import RunStatus
from cleanlist_mcp.answers.words import state_word, vendor_note
from cleanlist_mcp.api.wire import WorkflowStatus
from cleanlist_mcp.errors import CleanlistError
from cleanlist_mcp.money.prices import PRICES, Kind, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import STOPPED_STATUSES, Run, state_at
from cleanlist_mcp.runs.spending import Started
from cleanlist_mcp.text import credits_text, iso, quoted, rows_text


def recent_run(run: Run, now: float) -> RecentRun:
    """One run as a line."""
    uncertain = state_at(run, now) == "uncertain"
    return RecentRun(
        workflow_id=run.workflow_id,
        kind=run.kind,
        label=run.label,
        status="unknown" if uncertain else state_word(run.status),
        scope=scope_of(run),
        started_at=iso(run.started_at),
        credits=run.reserved if run.charged is None else run.charged,
    )


def scope_of(run: Run) -> Scope | None:
    """Return what a run was to find; a company has no scope."""
    return None if run.kind == "company" else run.scope


def credits_of(status: WorkflowStatus, run: Run | None) -> Credits:
    """Return what a run reserved, was charged and got back, as far as it is settled."""
    settled = status.finished and not status.under_review
    return Credits(
        reserved=None if run is None else run.reserved,
        charged=status.credits_charged if settled else None,
        refunded=status.credits_refunded if settled else None,
        quoted=None if run is None else run.quoted,
    )


def not_started(
    quote: Quote, word: Literal["declined", "not_confirmed", "awaiting_approval"]
) -> WorkflowReport:
    """Return the answer if there is no yes, or not yet: a normal result, and nothing was sent."""
    if word == "declined":
        summary = (
            "The spend was declined in the client's dialog; nothing was sent and nothing is charged. If nobody was "
            "asked, the client answered by itself; docs/clients.md shows what to do about that."
        )
        next_step = (
            "Do not spend. Ask the user what they want instead; estimate quotes another scope or list."
        )
    elif word == "awaiting_approval":
        summary = (
            f"Nothing was sent yet: the quote's card has a button, Approve {credits_text(quote.cost)}, and it was not "
            "pressed."
        )
        next_step = (
            "Tell the user that the button is in the card above, beside the quote. Once it is pressed, the same call "
            "returns the run. If they see no card, they can set CLEANLIST_CARDS=never in the client's configuration; "
            "then the quote alone decides."
        )
    else:
        summary = "The client's dialog brought no answer; nothing was sent and nothing is charged."
        next_step = (
            "Ask the user to try again and answer the dialog. If this client never shows one, only the user can "
            "set CLEANLIST_CONFIRM=never in its configuration; then the quote alone decides."
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


def progress_sentence(status: WorkflowStatus) -> str:
    """One line for a client that shows progress."""
    if status.finished:
        return "The run has ended."
    if status.total > 1:
        return f"{status.processed} of {rows_text(status.total)} processed."
    return (
        "The run is waiting to start." if state_word(status.status) == "pending" else "The run is going on."
    )


def _list_sentence(run: Run | None) -> list[str]:
    """Return a sentence about what the list holds since the run, if that was counted."""
    counts = run.list_now if run is not None else None
    if not counts:
        return []
    emails, phones = counts["emails"], counts["phones"]
    held = f"{emails} e-mail address{'' if emails == 1 else 'es'} and {phones} phone number{'' if phones == 1 else 's'}"
    which = "The list now has" if counts["complete"] else f"The first {rows_text(counts['rows'])} now have"
    return [f"{which} {held}.", *_grown(counts)]


def _grown(counts: dict[str, Any]) -> list[str]:
    """Return a warning if a run over a part of a list changed its number of rows: it must only fill rows."""
    before, after = counts.get("rows_before"), counts.get("rows_after")
    if before is None or before == after:
        return []
    return [
        f"Warning: the list had {before} rows when this was quoted and has {after} now: rows may have been added "
        "instead of filled, or somebody changed the list; tell the user."
    ]


def forgotten(run: Run, *, replayed: bool | None = None) -> WorkflowReport:
    """Return the report about a run that was never seen to end and that the API does not know any more."""
    report = _from_journal(
        run,
        summary="Cleanlist does not know this run any more: it ended long ago, and what it charged is not known here.",
        next_step=_THEIR_CHOICE,
        status="unknown",
        finished=True,
    )
    return report.model_copy(update={"workflow_id": run.workflow_id, "replayed": replayed})


def unstarted(run: Run, now: float) -> WorkflowReport:
    """Return the report about a run without an id: its request is still under way, or its answer was lost."""
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
    status: RunStatus = "unknown" if lost else "pending"
    report = _from_journal(run, summary=summary, next_step=next_step, status=status, finished=False)
    return report.model_copy(update={"elapsed_seconds": max(int(now - run.started_at), 0)})


def _from_journal(
    run: Run, *, summary: str, next_step: str, status: RunStatus, finished: bool
) -> WorkflowReport:
    """Return what the journal knows about a run that the API does not show."""
    return WorkflowReport(
        summary=summary,
        next_step=next_step,
        kind=run.kind,
        status=status,
        finished=finished,
        scope=scope_of(run),
        list_id=run.list_id or None,
        list_name=run.list_name or None,
        credits=Credits(reserved=run.reserved, quoted=run.quoted),
        started_at=iso(run.started_at),
    )


@dataclass(frozen=True)
class Facts:
    """The facts about one run, from the journal (`run`) and the API (`state`) together.

    `started` is the run as this call started or found it, `asked` the person it asked for. `problem` is the error of
    the last check, if it failed. `excluded` people were found who must not be contacted. `is_from_memory` is true if
    the journal alone gave the state. `now` is in epoch seconds.
    """

    run: Run | None
    state: WorkflowStatus
    workflow_id: str
    now: float
    started: Started | None = None
    problem: CleanlistError | None = None
    asked: Asked | None = None
    excluded: int = 0
    is_from_memory: bool = False

    @property
    def replayed(self) -> bool | None:
        """True if this call found the run, False if it started it, None if it only asked about it."""
        return None if self.started is None else self.started.replayed

    @property
    def kind(self) -> Kind | None:
        """The kind of the run; None if it was started elsewhere and does not show it."""
        return self.run.kind if self.run else _kind_of(self.workflow_id, self.state)

    @property
    def list_id(self) -> str:
        """The id of the list, empty if it is not known."""
        return (self.run.list_id if self.run else "") or self.state.lead_list_id

    @property
    def scope(self) -> Scope | None:
        """The scope of the run; None if it was started elsewhere and does not show it."""
        return self.run.scope if self.run else _scope_of(self.state)

    @property
    def person(self) -> Person | None:
        """The person whom a finished single run found; None if it found nobody."""
        return found_person(self.state.result) if self.kind != "list" and self.state.finished else None

    @property
    def whom(self) -> Asked:
        """The person whom the run was started for, as far as known."""
        if self.asked is not None:
            return self.asked
        return asked_in(self.run.label) if self.run is not None and self.run.kind == "person" else Asked()

    @property
    def credits(self) -> Credits:
        """The credits of the run: quoted, reserved, charged and refunded, as far as known."""
        return credits_of(self.state, self.run)

    @property
    def counted(self) -> bool:
        """True if the API counted rows."""
        return self.kind == "list" and self.state.total > 0

    @property
    def found(self) -> int | None:
        """The number of rows that brought something; None if not known, or if the search did not end."""
        if not self.state.finished or self.ended_badly:
            return None
        if self.counted:
            return self.state.completed
        return (
            int(self.person is not None) if self.kind == "person" and self.state.result is not None else None
        )

    @property
    def missed(self) -> int | None:
        """The number of rows that were searched in vain; None as for `found`."""
        return None if self.found is None else max((self.state.total if self.counted else 1) - self.found, 0)

    @property
    def note(self) -> str | None:
        """The API's remark, if it adds something to the figures."""
        state, bill = self.state, self.credits
        counts = {state.total, state.processed, state.completed, self.missed}
        return vendor_note(state, counts | {bill.charged, bill.refunded, bill.reserved, bill.quoted})

    @property
    def ended_badly(self) -> bool:
        """True if the run ended before its work was done."""
        return self.state.status.casefold() in STOPPED_STATUSES


def report(facts: Facts, offers: Offers) -> WorkflowReport:
    """Return the report of a run: everything that the journal and the API know about it."""
    run = facts.run
    state = facts.state
    return WorkflowReport(
        summary=_summary(facts),
        next_step=_next_step(offers, facts),
        workflow_id=facts.workflow_id or None,
        kind=facts.kind,
        status=state_word(state.status),
        finished=state.finished,
        scope=facts.scope,
        list_id=facts.list_id or None,
        list_name=(run.list_name if run else "") or None,
        total=state.total if facts.counted else None,
        processed=state.processed if facts.counted else None,
        found=facts.found,
        not_found=facts.missed,
        person=facts.person,
        credits=facts.credits,
        started_at=iso(run.started_at) if run else None,
        elapsed_seconds=_elapsed(run, facts.now),
        replayed=facts.replayed,
        vendor_note=facts.note,
    )


def remembered(run: Run | None) -> WorkflowStatus:
    """Return the state of a run from the journal alone."""
    if run is None:
        return WorkflowStatus(status="unknown")
    if run.report is not None:
        return WorkflowStatus.model_validate(run.report)
    return WorkflowStatus(status=run.status, credits_charged=run.charged, credits_refunded=run.refunded)


def _summary(facts: Facts) -> str:
    finished = facts.state.finished
    parts = [_replay_sentence(facts)] if facts.replayed else []
    if finished:
        parts += [*_outcome(facts), _bill(facts), *_list_sentence(facts.run)]
    else:
        parts.append(_standing(facts))
    parts += [*_beyond(facts), *_new_key_sentence(facts), *_excluded_sentence(facts.excluded)]
    if facts.problem is not None:
        goes_on = "" if finished else "; the run itself goes on"
        parts.append(f"The last check failed ({facts.problem.message.rstrip('.')}){goes_on}.")
    return " ".join(parts)


def _excluded_sentence(count: int) -> list[str]:
    """Return a warning if the result shows that somebody must not be contacted, which was not known before."""
    if not count:
        return []
    who = "This person is" if count == 1 else f"{count} of the people are"
    return [
        f"{who} in the user's file of people who must not be contacted: tell the user, and do not use the result."
    ]


def _replay_sentence(facts: Facts) -> str:
    basis = facts.started.basis if facts.started else None
    by = f" (the same {basis})" if basis not in (None, "details") else ""
    anew = (
        "; again=true would start a new search and charge again"
        if facts.kind == "person" and facts.state.finished
        else ""
    )
    return f"This was started earlier{by}; nothing new was started{anew}."


def _beyond(facts: Facts) -> list[str]:
    """Return a warning if more was reserved or charged than the price that was shown."""
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


def _new_key_sentence(facts: Facts) -> list[str]:
    if facts.started is None or not facts.started.first_of_key:
        return []
    return [
        "This is the first run with this API key on this machine: people who were enriched with another key are not "
        "recognised and are paid for again."
    ]


def _standing(facts: Facts) -> str:
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


def _outcome(facts: Facts) -> list[str]:
    if facts.ended_badly:
        return [f"The run {_HOW_IT_STOPPED.get(facts.state.status.casefold(), 'failed')}."]
    if facts.counted:
        found = f"{facts.state.completed} of {rows_text(facts.state.total)} found"
        return [f"Finished: {found}, {facts.missed} not found."]
    if facts.kind == "list":
        return ["Finished; the API gave no counts."]
    if facts.person is not None:
        return person_sentences(facts.person, facts.scope, facts.whom)
    return _nobody(facts) if facts.state.result is not None else ["Finished."]


def _nobody(facts: Facts) -> list[str]:
    asked = str(facts.whom)
    return [
        f"Finished: nothing usable was found for {quoted(asked) if asked else 'this person'}.",
        "More details (LinkedIn address, e-mail, domain) may find the person in a new search.",
    ]


def _bill(facts: Facts) -> str:
    if facts.state.under_review:
        return "The refund is under review at Cleanlist; until that is decided, the reserved credits stay debited."
    bill = facts.credits
    if bill.charged is None:
        return "The charge is not known yet; workflow_status asks again."
    refund = "" if bill.refunded is None else f", {bill.refunded} refunded"
    return f"{credits_text(bill.charged)} charged{refund}."


_THEIR_CHOICE = "Tell the user; whether to try again is their choice."


def _next_step(offers: Offers, facts: Facts) -> str | None:
    look = f'workflow_status(workflow_id="{facts.workflow_id}")'
    if not facts.state.finished:
        return f"Call {look} to follow it; do not start it again."
    if facts.ended_badly:
        return _THEIR_CHOICE
    if facts.credits.charged is None and not facts.state.under_review:
        return f"Call {look} again in a minute to see what was charged."
    if facts.kind == "person" and facts.is_from_memory:  # which keeps nobody's data
        return f"Call {look} again in a minute to see what was found."
    return _to_the_list(offers, facts.list_id) if facts.kind == "list" else None


def _to_the_list(offers: Offers, list_id: str) -> str:
    if not offers.lists or not list_id:
        return "The results are in the list; the user finds it at portal.cleanlist.ai."
    file = ", or export_list for a CSV file" if offers.spending else ""
    return f'Call get_leads(list_id="{list_id}") to see the people{file}.'


def nothing_yet(offers: Offers) -> WorkflowReport:
    """Return the report that is given before any run was started from here."""
    return WorkflowReport(
        summary="No run was started from this machine with this key yet."
        if offers.key
        else "No run is known: no usable key is set.",
        next_step=_first_step(offers),
        status="none",
        finished=True,
    )


def _first_step(offers: Offers) -> str | None:
    if not offers.key:
        return "Call whoami: it names the setting that keeps the key from being used."
    if not offers.spending:
        return "This server is read-only; runs started elsewhere can be looked up by their workflow_id."
    return None


def _kind_of(workflow_id: str, state: WorkflowStatus) -> Kind | None:
    """Return the kind of a run that was started elsewhere, by its handle and by what it shows (api/v2 schema)."""
    if state.result is not None:
        return "person"
    if workflow_id.startswith("bulk-") or state.total > 1:
        return "list"
    return "person" if workflow_id.startswith("enrich-") else None


def _scope_of(state: WorkflowStatus) -> Scope | None:
    word = state.enrichment_type.casefold().replace("-", "_")
    return next((scope for scope in PRICES if scope == word), None)


def _elapsed(run: Run | None, now: float) -> int | None:
    if run is None:
        return None
    return max(int((run.finished_at or now) - run.started_at), 0)
