"""Companies in the journal: looked up once, their answers kept for a day, so that nobody pays for one twice."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cleanlist_mcp.journal.claims import Claims, Terms, new_row
from cleanlist_mcp.journal.names import Names
from cleanlist_mcp.journal.port import Reader, Writer
from cleanlist_mcp.journal.records import COLUMNS, Row, company_marks_in, run_of
from cleanlist_mcp.money import decisions
from cleanlist_mcp.money.decisions import PersonDecision, Replay, Unknown, Wait
from cleanlist_mcp.money.prices import COMPANY_PRICE, COMPANY_SCOPE
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.company_marks import united, which
from cleanlist_mcp.people.marks import CompanyMarks
from cleanlist_mcp.secrecy import blot


@dataclass(frozen=True)
class CompanyWork:
    """A company to look up: `marks` are all its identifiers. `again` pays for one that was looked up already."""

    marks: CompanyMarks
    label: str
    again: bool


@dataclass(frozen=True)
class _Known:
    """A run that may be of the company that is asked for."""

    row: Row
    run: Run
    marks: CompanyMarks | None


class CompanyJournal(Claims):
    """Decides about single companies, and keeps what was found."""

    async def claim(self, work: CompanyWork, terms: Terms) -> PersonDecision:
        """Decide about a company and, if it may be looked up, write the intent in the same claim.

        A run that is recognised keeps the identifiers of this call too.

        Raises:
            HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
            CallGone: if the call has ended; then nothing is written.
            JournalUnusable: if the intent cannot be written; then nothing may be sent.
        """
        names = await self._naming.names_to_spend()
        asked = _Asked(names, work.marks)
        row = new_row(names, COMPANY_SCOPE, "", "") | {
            "context": names.newest.company_context,
            "kind": "company",
            "marks": asked.newest.to_json(),
            "label": blot(work.label),
            "reserved": COMPANY_PRICE,
        }

        async def decide(writer: Writer) -> PersonDecision:
            known, chosen = await _known_company(writer, names, asked, again=work.again)
            if known is not None:
                await _learn(writer, asked, chosen)
                return known
            start = await self._begin(writer, row, terms, names)
            await writer.identify(start.run.run_id, row["context"], asked.newest.keys)
            return start

        async def look(reader: Reader) -> PersonDecision | None:
            return (await _known_company(reader, names, asked, again=work.again))[0]

        return await self._claim(decide, look, row["claim"], names)

    async def answered(self, run: Run, marks: CompanyMarks, found: str, charged: int | None) -> Run:
        """Record the facts about a company and their cost, and return its run as it is now.

        `marks` are those of the answer, `found` its text, `charged` None if the API did not say. Never raises.
        """
        ended = await self._store.now()
        changes: dict[str, Any] = {"state": "finished", "status": "completed", "charged": charged}

        async def write(writer: Writer) -> int:
            row = await writer.any_run(run.run_id)
            if row is None:
                return 0
            answered = marks.mapped((await self._naming.under(row["digest_key"])).digest.token)
            before = company_marks_in(row)
            both = answered if before is None else united(before, answered)
            ticks = ended.ticks if ended.boot == row["boot"] else None
            times = {"finished_at": ended.time, "finished_ticks": ticks}
            await writer.change_run(row, row | changes | times | {"marks": both.to_json()})
            await writer.identify(run.run_id, row["context"], both.keys)
            await writer.keep_company(run.run_id, found)
            return 1

        await self._late.write(write)
        return replace(run, **changes, finished_at=ended.time)

    async def found(self, run: Run) -> str | None:
        """Return the facts about a company, as text; None if that is gone or cannot be believed.

        Raises:
            JournalUnusable: if it cannot be read.
        """
        async with self._store.read() as reader:
            return await reader.company(run.run_id)


class _Asked:
    """The company that is asked for, under each key of digests: rows are compared under the key of their own."""

    def __init__(self, names: Names, marks: CompanyMarks) -> None:
        self._under = {
            one.key_id: (one.company_context, marks.mapped(one.digest.token)) for one in names.under
        }
        self.newest = self._under[names.newest.key_id][1]

    def of(self, digest_key: str | None) -> CompanyMarks:
        """Return the same company under the key that a row was written with."""
        return self._under[digest_key][1] if digest_key in self._under else self.newest

    @property
    def tokens(self) -> dict[str, Collection[str]]:
        """The tokens to look the company up by, for each context."""
        return {context: marks.keys for context, marks in self._under.values()}


async def _known_company(
    reader: Reader, names: Names, asked: _Asked, *, again: bool
) -> tuple[Replay | Wait | Unknown | None, _Known | None]:
    """Return what to do about a company, and the run that decides it; None for both if it may be looked up."""
    found = await _runs_of(reader, names, asked)
    decision = decisions.decide_person([one.run for one in found], again=again, now=reader.now.time)
    if decision is None:
        return None, None
    return decision, next(one for one in found if one.run is decision.run)


async def _runs_of(reader: Reader, names: Names, asked: _Asked) -> Sequence[_Known]:
    """Return the runs of the company that is asked for, newest first; one that cannot be read counts."""
    rows = await reader.runs_with(asked.tokens)
    found = [_Known(row, run_of(row, reader.now, names.whose), company_marks_in(row)) for row in rows]
    chosen: set[int] = set()
    for digest_key in {one.row["digest_key"] for one in found}:
        readable = [(one, one.marks) for one in found if one.marks and one.row["digest_key"] == digest_key]
        places = which(asked.of(digest_key), [marks for _, marks in readable])
        chosen |= {readable[place][0].run.run_id for place in places}
    return [one for one in found if one.marks is None or one.run.run_id in chosen]


async def _learn(writer: Writer, asked_for: _Asked, known: _Known | None) -> None:
    """Keep the marks that a call gives of a company with the run that is known about it."""
    if known is None:
        return
    asked = asked_for.of(known.row["digest_key"])
    if known.marks is None:
        # A damaged row: from now on it ages as an uncertain run.
        await writer.change_run(dict.fromkeys(COLUMNS, object()), known.row)
    elif (both := united(known.marks, asked)) != known.marks:
        await writer.change_run(known.row, known.row | {"marks": both.to_json()})
        await writer.identify(known.run.run_id, known.row["context"], asked.keys)
