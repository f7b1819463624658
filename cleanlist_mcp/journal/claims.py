"""Claims: the rules decide inside the engine's claim, and the intent of a start is written in the same step."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import uuid4

from cleanlist_mcp.errors import JournalUnusable
from cleanlist_mcp.journal.late import LateWrites
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.naming import Naming
from cleanlist_mcp.journal.port import CommitLost, Reader, Store, Writer
from cleanlist_mcp.journal.records import COLUMNS, PART, Row, kept_name, label_list, marks_in, run_of
from cleanlist_mcp.measures import CLAIM_SECONDS, Stopwatch
from cleanlist_mcp.money import decisions, prices, quotes
from cleanlist_mcp.money.decisions import (
    Known,
    ListDecision,
    PersonDecision,
    Replay,
    Resend,
    Start,
    Unknown,
    Wait,
)
from cleanlist_mcp.money.limits import Limits, check_limits
from cleanlist_mcp.money.prices import Kind, Scope
from cleanlist_mcp.money.quotes import Quote
from cleanlist_mcp.money.runs import Run, may_send
from cleanlist_mcp.people.marks import Marks, united
from cleanlist_mcp.people.same_person import recognised, whose
from cleanlist_mcp.secrecy import blot

Found = TypeVar("Found")


class CallGone(Exception):
    """End of a call before the intent of its run was written: nothing is started for it."""


@dataclass(frozen=True)
class PersonWork:
    """A person to enrich. `marks` are all their identifiers, and `into` names the list for the result."""

    marks: Marks
    scope: Scope
    label: str
    into: str
    list_id: str
    list_name: str
    again: bool


@dataclass(frozen=True)
class Terms:
    """The terms of a claim: the limits, and the `seconds` for which its request may be under way.

    `is_wanted` is asked once, when the claim holds the lock and is about to write.
    """

    limits: Limits
    seconds: float
    is_wanted: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class _Person:
    """A run that may be of the person who is asked for, and the marks by which its person is recognised."""

    row: Row
    run: Run
    marks: Marks | None


class Claims:
    """Decides about spends, for one account."""

    def __init__(self, store: Store, naming: Naming, late: LateWrites) -> None:
        self._store = store
        self._naming = naming
        self._late = late

    async def person(self, work: PersonWork, terms: Terms) -> PersonDecision:
        """Decide about a single run and, if one may start, write its intent in the same claim.

        A run that is recognised keeps the identifiers of this call too, so that the next call may give those alone.

        Raises:
            HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
            CallGone: if the call has ended; then nothing is written.
            ApiError: if the API has to be asked for the organization, and does not answer.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        names = await self._naming.names_to_spend()
        asked = _Asked(names, work)
        row = new_row(names, work.scope, work.list_id, work.list_name) | {
            "context": asked.newest.context,
            "kind": "person",
            "marks": asked.newest.marks.to_json(),
            "label": blot(work.label),
            "reserved": prices.PRICES[work.scope],
        }

        async def decide(writer: Writer) -> PersonDecision:
            known, chosen = await _known_person(writer, names, asked, again=work.again)
            if known is not None and chosen is not None:
                await _learn(writer, asked, chosen)
                return known
            start = await self._begin(writer, row, terms, names)
            await writer.identify(start.run.run_id, asked.newest.context, asked.newest.marks.keys)
            return start

        async def look(reader: Reader) -> PersonDecision | None:
            known, chosen = await _known_person(reader, names, asked, again=work.again)
            # What this call gives about a person must not be lost: the next one may give that alone.
            return None if chosen is None or _teaches(asked, chosen) else known

        return await self._claim(decide, look, row["claim"], names)

    async def list(self, quote: Quote, terms: Terms, *, may_resend: bool) -> ListDecision:
        """Decide about a list run, which one quote can start once, and write its intent in the same claim.

        `may_resend` allows to take an uncertain run up again, and to send its quote once more.

        Raises:
            QuoteExpired: if it would start one and is past its time.
            DailyLimit: if the limit would be passed.
            CallGone: if the call has ended; then nothing is written.
            ApiError: if the API has to be asked for the organization, and does not answer.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        names = await self._naming.names_to_spend()
        row = new_row(names, quote.scope, quote.list_id, quote.list_name) | {
            "context": "" if quote.part is None else PART,
            "kind": "list",
            "quote_id": quote.quote_id,
            "quoted": quote.cost,
            "label": label_list(quote.list_name),
            "reserved": quote.cost,
        }

        async def decide(writer: Writer) -> ListDecision:
            known = await _known_list(writer, names, quote)
            if isinstance(known, Resend):
                return (
                    await _taken_up(writer, names, known.run, quote, terms)
                    if may_resend
                    else Unknown(known.run)
                )
            if known is not None:
                return known
            quotes.check_quote(quote, quote.list_id, quote.scope, writer.now.time)
            start = await self._begin(writer, row, terms, names)
            if quote.part is not None:
                await writer.keep_leads(start.run.run_id, quote.part.lead_ids)
            return start

        async def look(reader: Reader) -> ListDecision | None:
            known = await _known_list(reader, names, quote)
            return Unknown(known.run) if isinstance(known, Resend) else known

        return await self._claim(decide, look, row["claim"], names)

    async def newest_settled(self, list_id: str, scope: Scope) -> int:
        """Return the number of the newest run over a list that looked for the same as `scope`, such that it and all
        before it have ended. A quote of rows that are looked at from now on is good as long as it is the newest.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        names = await self._naming.names()
        async with self._store.read() as reader:
            work = await _work_on(reader, names, list_id, scope)
            return decisions.newest_settled(work, now=reader.now.time)

    async def look_at_work(self, list_id: str, scope: Scope) -> Known | None:
        """Return the run that a new quote for a list would find in its way, if there is one.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        names = await self._naming.names()
        async with self._store.read() as reader:
            work = await _work_on(reader, names, list_id, scope)
            return decisions.decide_list(None, work, now=reader.now.time)

    async def look_at_list(self, quote: Quote) -> Known | None:
        """Return what a claim for `quote` would find; None if it would start a run. Nothing is written.

        Raises:
            JournalUnusable: if the runs cannot be read.
        """
        names = await self._naming.names()
        async with self._store.read() as reader:
            return await _known_list(reader, names, quote)

    async def _claim(
        self,
        decide: Callable[[Writer], Awaitable[Found | Start]],
        look: Callable[[Reader], Awaitable[Found | None]],
        claim: str,
        names: Names,
    ) -> Found | Start:
        """Decide inside the engine's claim. If nothing can be written, what needs no writing is still answered."""
        await self._late.catch_up()
        waiting = Stopwatch()
        try:
            async with self._store.claim(names.tenants) as writer:
                CLAIM_SECONDS.add(waiting.seconds)
                await self._naming.require_current(writer, names)
                return await decide(writer)
        except CommitLost:
            return await self._looked_up(claim, look, names)
        except JournalUnusable:
            async with self._store.read() as reader:
                known = await look(reader)
            if known is None:
                raise
            return known

    async def _looked_up(
        self, claim: str, look: Callable[[Reader], Awaitable[Found | None]], names: Names
    ) -> Found | Start:
        """Return the outcome of a claim whose commit was not answered.

        Raises:
            JournalUnusable: if it is not there; then nothing may be sent.
        """
        async with self._store.read() as reader:
            row = await reader.run_of_claim(claim)
            known = await look(reader) if row is None else None
            now = reader.now
        if row is not None:
            return Start(run_of(row, now, names.whose))
        if known is None:
            raise JournalUnusable(
                "The journal of runs did not take the entry. Nothing was sent.", "Try again."
            )
        return known

    async def _begin(self, writer: Writer, row: Row, terms: Terms, names: Names) -> Start:
        """Write the intent of a new run."""
        check_limits(_kind_of(row), row["reserved"], await writer.spent(names.whose), terms.limits)
        now = writer.now
        row |= {
            "started_at": now.time,
            "in_flight_until": now.time + terms.seconds,
            "boot": now.boot,
            "ticks": now.ticks,
        }
        # Among colleagues each key is a person, and that others have spent says nothing about an exchanged key.
        is_alone = names.whose.tenants is None
        first_of_key = is_alone and await writer.is_first_of_key(names.tenants, names.accounts)
        _require_wanted(terms)
        row["run_id"] = await writer.add_run(row)
        return Start(run_of(row, now, names.whose), first_of_key)


def _kind_of(row: Row) -> Kind:
    kind: Kind = row["kind"]
    return kind


def new_row(names: Names, scope: Scope, list_id: str, list_name: str) -> Row:
    """Return the row of a run that is about to start, with all but what its kind adds."""
    return dict.fromkeys(COLUMNS) | {
        "claim": uuid4().hex,
        "tenant": names.tenant,
        "account": names.account,
        "digest_key": names.newest.key_id,
        "state": "starting",
        "status": "pending",
        "attempt": 1,
        "scope": scope,
        "list_id": list_id,
        "list_name": kept_name(list_name),
    }


def _require_wanted(terms: Terms) -> None:
    if not terms.is_wanted():
        raise CallGone


@dataclass(frozen=True)
class _AskedUnder:
    """The person who is asked for, under one key of digests, and the context within which they are recognised."""

    context: str
    marks: Marks


class _Asked:
    """The person who is asked for, under each key of digests: rows are compared under the key of their own."""

    def __init__(self, names: Names, work: PersonWork) -> None:
        self._under = {
            one.key_id: _AskedUnder(one.context(work.scope, work.into), one.marks(work.marks))
            for one in names.under
        }
        self.newest = self._under[names.newest.key_id]

    def of(self, digest_key: str | None) -> _AskedUnder:
        """Return the same person under the key that a row was written with."""
        return self._under.get(digest_key, self.newest)

    @property
    def tokens(self) -> dict[str, Collection[str]]:
        """The tokens to look the person up by, for each context."""
        return {one.context: one.marks.keys for one in self._under.values()}


async def _known_person(
    reader: Reader, names: Names, asked: _Asked, *, again: bool
) -> tuple[Replay | Wait | Unknown | None, _Person | None]:
    """Return what to do about a person, and the run that decides it; None for both if one may start."""
    found = await _runs_of(reader, names, asked)
    decision = decisions.decide_person([one.run for one in found], again=again, now=reader.now.time)
    if decision is None:
        return None, None
    chosen = next(one for one in found if one.run is decision.run)
    basis = (
        None if chosen.marks is None else recognised(asked.of(chosen.row["digest_key"]).marks, chosen.marks)
    )
    return replace(decision, basis=basis), chosen


async def _runs_of(reader: Reader, names: Names, asked: _Asked) -> Sequence[_Person]:
    """Return the runs of the one person who is asked for, newest first. A row that cannot be read counts: it was of
    somebody with one of these identifiers."""
    rows = await reader.runs_with(asked.tokens)
    found = [_Person(row, run_of(row, reader.now, names.whose), marks_in(row)) for row in rows]
    chosen: set[int] = set()
    for digest_key in {one.row["digest_key"] for one in found}:
        known = [(one, one.marks) for one in found if one.marks and one.row["digest_key"] == digest_key]
        places = whose(asked.of(digest_key).marks, [marks for _, marks in known])
        chosen |= {known[place][0].run.run_id for place in places}
    return [one for one in found if one.marks is None or one.run.run_id in chosen]


def _teaches(asked: _Asked, known: _Person) -> bool:
    return (
        known.marks is not None
        and united(known.marks, asked.of(known.row["digest_key"]).marks) != known.marks
    )


async def _learn(writer: Writer, asked: _Asked, known: _Person) -> None:
    """Keep the marks that a call gives of a person with the run that is known about them."""
    given = asked.of(known.row["digest_key"])
    if known.marks is None:
        # A damaged row: from now on it ages as an uncertain run.
        await writer.change_run(dict.fromkeys(COLUMNS, object()), known.row)
    elif _teaches(asked, known):
        both = united(known.marks, given.marks)
        await writer.change_run(known.row, known.row | {"marks": both.to_json()})
        await writer.identify(known.run.run_id, given.context, given.marks.keys)


async def _known_list(reader: Reader, names: Names, quote: Quote) -> Known | None:
    same_quote = await reader.run_of_quote(names.accounts, quote.quote_id)
    return decisions.decide_list(
        None if same_quote is None else run_of(same_quote, reader.now, names.whose),
        await _work_on(reader, names, quote.list_id, quote.scope),
        after_run=quote.after_run,
        now=reader.now.time,
    )


async def _work_on(reader: Reader, names: Names, list_id: str, scope: Scope) -> list[Run]:
    """Return the runs over a list that look for something that `scope` looks for too, newest first.

    Under any account of the tenant: a list's id names it for all of them.
    """
    rows = [
        row
        for other in prices.overlapping(scope)
        for row in await reader.work_on_list(names.tenants, list_id, other)
    ]
    return sorted(
        (run_of(row, reader.now, names.whose) for row in rows), key=lambda run: run.run_id, reverse=True
    )


async def _taken_up(writer: Writer, names: Names, run: Run, quote: Quote, terms: Terms) -> Resend | Unknown:
    """Take an uncertain list run up again, under the next attempt number, if its quote may still be sent."""
    now = writer.now
    row = await writer.any_run(run.run_id)
    # Looked at anew now that the row is held: an outcome may have come since.
    if row is None or not may_send(run_of(row, now, names.whose), quote, now.time):
        return Unknown(run)
    _require_wanted(terms)
    until = now.time + terms.seconds
    set_since = run.started_at - row["started_at"]  # the row keeps the clock of its own time
    taken = {"state": "starting", "attempt": run.attempt + 1}
    await writer.change_run(row, row | taken | {"in_flight_until": until - set_since})
    return Resend(replace(run, state="starting", attempt=run.attempt + 1, in_flight_until=until))
