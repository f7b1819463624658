"""Enrichment runs: started at once, carried on by the clock, settled when their time is over.

A run is a pure function of the clock: nothing happens in the background. A list run ends
`completed` when every row gave a result and `completed_with_errors` when some row did not; a
single person who is not found ends `completed` with `result.status` `failed`, at no charge.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cleanlist_mcp.sandbox.accounts import ApiKey
from cleanlist_mcp.sandbox.lists import Lead, Lists
from cleanlist_mcp.sandbox.magic_words import Ending, ending, is_reviewed, is_slow
from cleanlist_mcp.sandbox.people import Finding, Identity, finding, texts
from cleanlist_mcp.sandbox.problems import not_found
from cleanlist_mcp.sandbox.quotes import PRICES, EnrichmentType, Quote

RunKind = Literal["person", "list", "cohort", "import"]
TERMINAL = frozenset(
    {"completed", "completed_with_errors", "failed", "cancelled", "canceled", "terminated", "timed_out"}
)
REVIEW_MESSAGE = "This run failed; its credits are held until our team has reviewed it."

# A run waits in the queue for this part of its time before the first row is looked at.
_QUEUED_PART = 0.1
# Seconds that runs take, unless the sandbox was given a latency of its own.
_SLOW_SECONDS = 40.0
_LIST_BASE_SECONDS = 2.0
_LIST_ROW_SECONDS = 0.05
_LIST_CAP_SECONDS = 30.0


@dataclass(frozen=True)
class Work:
    """A run that is to start: for whom, for what, and what stands behind it.

    `leads` are the rows of a list that `people` are; `task_id` is the cohort handle under which the run is found too.
    """

    kind: RunKind
    list_id: str
    scope: EnrichmentType
    people: Sequence[Identity]
    leads: Sequence[Lead] = ()
    list_name: str | None = None
    quote: Quote | None = None
    task_id: str | None = None

    @property
    def words(self) -> Sequence[str | None]:
        """The texts whose magic words decide how the run ends."""
        return texts(self.people[0]) if self.kind == "person" else [self.list_name]


@dataclass(frozen=True)
class Outcome:
    """The outcome for one person: who it is, how to reach them, at how many credits."""

    person: Identity
    email: str | None = None
    email_status: str | None = None
    phone: str | None = None
    credits: int = 0

    @property
    def hit(self) -> bool:
        """True if anything that was asked for was found."""
        return bool(self.email or self.phone)


@dataclass
class Run:
    """One workflow that was really started, with what it set aside, spent and gave back.

    `leads` are the rows of a list run; a single person becomes a lead only when found.
    """

    workflow_id: str
    kind: RunKind
    list_id: str
    scope: EnrichmentType
    key: ApiKey
    people: Sequence[Identity]
    leads: Sequence[Lead]
    started_at: float
    duration: float
    ending: Ending
    reviewed: bool
    search: Callable[[Identity], Finding] = finding
    quote_id: str | None = None
    task_id: str | None = None
    status: str = "pending"
    credits_reserved: int = 0
    credits_charged: int = 0
    credits_refunded: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    lead_id: str = ""

    @property
    def finished(self) -> bool:
        """True if the run has ended, in whichever way."""
        return self.status in TERMINAL

    @property
    def under_review(self) -> bool:
        """True if the credits of a run that ended badly are held until somebody has looked at it."""
        return self.finished and self.reviewed

    @property
    def credits_held(self) -> int:
        """Credits that are set aside still: neither spent nor given back."""
        return self.credits_reserved - self.credits_charged - self.credits_refunded

    def advance(self, now: float, lists: Lists) -> None:
        """Bring the run to where it is at `now`, and settle it when its time is over."""
        age = now - self.started_at
        part = age / self.duration if self.duration > 0 else 1.0
        if part >= 1.0:
            self._work(len(self.people))
            self._settle(lists)
        else:
            self.status = "pending" if part < _QUEUED_PART else "running"
            working = max(part - _QUEUED_PART, 0.0) / (1 - _QUEUED_PART)
            self._work(int(len(self.people) * working))

    def _work(self, rows: int) -> None:
        if self.ending == "usual":
            fresh = self.people[len(self.outcomes) : rows]
            self.outcomes += [self._search(person) for person in fresh]

    def _search(self, person: Identity) -> Outcome:
        if self.kind != "person" and ending(*texts(person)) != "usual":
            return Outcome(person)
        found = self.search(person)
        email = found.email if self.scope != "phone_only" else None
        phone = found.phone if self.scope != "partial" else None
        price = (PRICES["partial"] if email else 0) + (PRICES["phone_only"] if phone else 0)
        if not price:
            return Outcome(person)
        return Outcome(found.person, email, found.email_status if email else None, phone, price)

    def _settle(self, lists: Lists) -> None:
        self.status = self._final_status()
        if self.under_review:
            return
        self.credits_charged = sum(outcome.credits for outcome in self.outcomes)
        self.credits_refunded = self.credits_reserved - self.credits_charged
        self.key.organization.settle(self.credits_reserved, self.credits_charged)
        if self.kind == "person":
            self._land_person(lists)
        for lead, outcome in zip(self.leads, self.outcomes, strict=False):
            if outcome.hit:
                lead.take(outcome.person, outcome.email, outcome.phone)
                lists.remember_profile(lead)

    def _final_status(self) -> str:
        if self.ending != "usual":
            return self.ending
        missed = any(not outcome.hit for outcome in self.outcomes)
        return "completed_with_errors" if missed and self.kind != "person" else "completed"

    def _land_person(self, lists: Lists) -> None:
        hits = [outcome for outcome in self.outcomes if outcome.hit]
        if not hits:
            return
        lead_list = lists.by_id(self.list_id)  # None if it was deleted meanwhile
        asked, (outcome,) = self.people[0], hits
        lead = None
        if lead_list is not None:
            lead = lead_list.match(asked) or lead_list.match(Identity(email=outcome.email))
        if lead is None:
            (lead,) = lists.new_leads(self.key.organization.organization_id, [asked])
            if lead_list is not None:
                lead_list.leads[lead.lead_id] = lead
        lead.take(outcome.person, outcome.email, outcome.phone)
        lists.remember_profile(lead)
        self.lead_id = lead.lead_id

    def report(self) -> dict[str, Any]:
        """The fields of a status answer; what is not known before the end is null until then."""
        total = len(self.people)
        hits = sum(1 for outcome in self.outcomes if outcome.hit)
        processed = total if self.status == "failed" else len(self.outcomes)
        over = self.finished
        return {
            "workflow_id": self.workflow_id,
            "status": self.status,
            "progress": 100 if over else processed * 100 // total,
            "total": total,
            "processed": processed,
            "completed": hits,
            "failed": processed - hits,
            "enrichment_type": self.scope,
            "lead_list_id": self.list_id,
            "summary": self._summary() if over and self.kind != "person" else None,
            "refund_status": self._refund_status() if over else None,
            "refund_message": REVIEW_MESSAGE if self.under_review else None,
            "result": self._result() if over and self.kind == "person" else None,
            "credits_charged": self._charged_so_far() if over else None,
            "credits_refunded": self.credits_refunded if over else None,
        }

    def _charged_so_far(self) -> int:
        """Return the credits that are gone from the wallet: under review, the whole reservation."""
        return self.credits_reserved if self.under_review else self.credits_charged

    def _refund_status(self) -> str:
        return "pending_review" if self.under_review else "not_applicable"

    def _summary(self) -> dict[str, int]:
        return {
            "emails_found": sum(1 for outcome in self.outcomes if outcome.email),
            "phones_found": sum(1 for outcome in self.outcomes if outcome.phone),
        }

    def _result(self) -> dict[str, Any]:
        outcome = self.outcomes[0] if self.outcomes else Outcome(self.people[0])
        person = outcome.person
        return {
            "lead_id": self.lead_id,
            "status": "completed" if outcome.hit else "failed",
            "full_name": person.full_name,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": outcome.email,
            "email_status": outcome.email_status,
            "phone": outcome.phone,
            "linkedin_url": person.linkedin_url,
            "title": person.title,
            "company": person.company,
            "enrichment_type": self.scope,
            "provider": "sandbox" if outcome.hit else None,
        }


class Runs:
    """Every run there ever was, in the order of their start."""

    def __init__(self, lists: Lists, latency: float | None) -> None:
        """`latency`: seconds that every run takes, or None for times that depend on the input."""
        self.all: list[Run] = []
        self._open: list[Run] = []
        self._by_handle: dict[str, Run] = {}
        self._lists = lists
        self._latency = latency

    def start(self, key: ApiKey, work: Work, now: float) -> Run:
        """Reserve the whole price, use the quote up and start, as one step.

        Raises `insufficient_credits`, and then none of it has happened.
        """
        reserved = PRICES[work.scope] * len(work.people)
        key.organization.reserve(reserved)
        run = Run(
            workflow_id=f"{'enrich' if work.kind == 'person' else 'bulk-enrich'}-{secrets.token_hex(12)}",
            kind=work.kind,
            list_id=work.list_id,
            scope=work.scope,
            key=key,
            people=work.people,
            leads=work.leads,
            started_at=now,
            duration=self._duration(work),
            ending=ending(*work.words),
            reviewed=is_reviewed(*work.words),
            search=self._search,
            quote_id=work.quote.quote_id if work.quote else None,
            task_id=work.task_id,
            credits_reserved=reserved,
        )
        if work.quote is not None:
            work.quote.used = True
        self._remember(run)
        return run

    def settle(self, now: float) -> None:
        """Bring every unfinished run to where it is at `now`."""
        for run in self._open:
            run.advance(now, self._lists)
        self._open = [run for run in self._open if not run.finished]

    def find(self, key: ApiKey, handle: str) -> Run:
        """A run of the caller's organization by workflow id or cohort handle, or 404."""
        run = self._by_handle.get(handle)
        if run is None or run.key.organization is not key.organization:
            raise not_found("Workflow")
        return run

    def _search(self, person: Identity) -> Finding:
        """Search for a person, who is recognised by a LinkedIn address that was given out before."""
        found = finding(self._lists.first_asked(person))
        known = [*texts(person), *texts(found.person)]
        names = [one.full_name or "" for one in (person, found.person)]
        if self._lists.unkind.is_never_found([*known, *names, found.email or ""]):
            return Finding(found.person, None, None, None)
        return found

    def _remember(self, run: Run) -> None:
        self.all.append(run)
        self._open.append(run)
        self._by_handle[run.workflow_id] = run
        if run.task_id is not None:
            self._by_handle[run.task_id] = run

    def _duration(self, work: Work) -> float:
        return self._usual_duration(work) + self._lists.unkind.extra_time(len(self.all) + 1)

    def _usual_duration(self, work: Work) -> float:
        if self._latency is not None:
            return self._latency
        if is_slow(*work.words):
            return _SLOW_SECONDS
        if work.kind == "person":
            return 1.5 + hashlib.sha256(repr(work.people[0]).encode()).digest()[0] / 255 * 1.5
        return min(_LIST_BASE_SECONDS + _LIST_ROW_SECONDS * len(work.people), _LIST_CAP_SECONDS)
