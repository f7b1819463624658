"""The fate of each row of one `add_leads`, counted, and the sentences about it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cleanlist_mcp.answers.list_shapes import AddLeadsResult, MergedRowShown, SampleRow, SkippedRow
from cleanlist_mcp.api.wire import CsvImported
from cleanlist_mcp.errors import ApiError, CleanlistError, InvalidArguments, for_a_model
from cleanlist_mcp.imports.chunks import Chunk
from cleanlist_mcp.imports.csv_file import CsvPeople
from cleanlist_mcp.imports.preparing import Lead, Prepared
from cleanlist_mcp.imports.records import RowNote
from cleanlist_mcp.people.identity import IMPORT_WAYS, LIMITS, identity
from cleanlist_mcp.text import clean, quoted, rows_text

NAMED_ROWS = 50
"""Most skipped rows, and most notes about rows, in one answer; the rest are counted."""

NAMED_REASONS = 3
"""Most reasons that the summary names for rows of which none was added."""

ROWS_OF_A_NOTE = 10
"""Most rows that one note about several of them names."""

NAMED_COLUMNS = 30
"""Most unused columns that one answer names."""

SAMPLE_ROWS = 3
"""People who are shown as they were understood, so that a wrong reading is seen before it costs."""

SAMPLE_LENGTH = 120
"""Most characters of each of their fields."""

NOT_REPEATABLE = (
    "Their first sending is too long ago for the API to recognise a repeat. Call get_leads to see whether they are "
    "in the list; if they are not, add them to a new list with create_list and add_leads."
)

HELD_ELSEWHERE = (
    "Repeat that earlier add_leads call with the very same people, no more than 23 hours after it, which settles "
    "it; or look with get_leads."
)

_REASON = re.compile(r"[a-z][a-z_ ]{0,39}")


@dataclass
class Tally:
    """The fate of the rows so far. `stopped` is the error after which the rest was not sent, None if time ran out."""

    imported: int = 0
    earlier: int = 0
    unknown_here: int = 0
    unknown_under_way: int = 0
    unknown_elsewhere: int = 0
    unknown_for_good: int = 0
    not_sent: int = 0
    neutralised: int = 0
    capped: int = 0
    skipped: list[RowNote] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    skipped_unnamed: int = 0
    stopped: CleanlistError | None = None
    out_of_time: bool = False
    retry_after: float = 0.0
    slowest: float = 0.0

    @property
    def unknown(self) -> int:
        """Rows that may be in the list or not."""
        return self.unknown_here + self.unknown_under_way + self.unknown_elsewhere + self.unknown_for_good

    def count_earlier(self, rows: int, imported: int) -> None:
        """Count the rows of an import that an earlier call made; the API took `imported` of them."""
        self.earlier += min(imported, rows)
        self._count(rows, imported)

    def count_there(self, people: int) -> None:
        """Count people whom an earlier call had added among others."""
        self.count_earlier(people, people)

    def count_answer(self, chunk: Chunk, answer: CsvImported, *, earlier: bool) -> None:
        """Count a chunk by what the API made of its rows; `earlier` if it did so for an earlier call."""
        # No more than it left out by its own count: each row is imported or skipped, never both.
        left_out = max(len(chunk.leads) - answer.rows_imported, 0)
        named = _skipped_by_the_api(chunk, answer)[:left_out]
        self.neutralised += chunk.neutralised
        self.capped += answer.skip_reasons.get("row_cap_exceeded", 0)
        self.skipped.extend(named)
        if earlier:
            self.earlier += min(answer.rows_imported, len(chunk.leads))
        self._count(len(chunk.leads), answer.rows_imported, named=len(named))

    def _count(self, rows: int, imported: int, *, named: int = 0) -> None:
        """Count rows that the API took, so that each of them is imported or left out."""
        imported = min(imported, rows)
        self.imported += imported
        self.skipped_unnamed += max(rows - imported - named, 0)

    @property
    def is_only_skipped(self) -> bool:
        """True if every row was skipped, by reasons that are known here."""
        return bool(self.skipped) and not (
            self.imported or self.unknown or self.not_sent or self.skipped_unnamed
        )

    @property
    def left_out(self) -> int:
        """Rows that were skipped, here or by the API."""
        return len(self.skipped) + self.skipped_unnamed


def nobody(skipped: Sequence[RowNote], unused: Sequence[str] = ()) -> InvalidArguments:
    """Return the error for a call of which no row is left to send."""
    columns = f" Columns not used: {', '.join(_first_columns(unused))}." if unused else ""
    return InvalidArguments(
        f"No row identifies anybody, so nothing was sent.{columns}",
        f"Give each row {IMPORT_WAYS}.",
        field_errors=[
            {"field": f"row {note.row}", "problem": note.reason}
            for note in sorted(skipped, key=lambda note: note.row)[:NAMED_ROWS]
        ],
    )


def _skipped_by_the_api(chunk: Chunk, answer: CsvImported) -> list[RowNote]:
    """Return the rows that the API names, its numbers (its title row is 1) turned into the caller's."""
    words = [name.replace("_", " ") for name in answer.skip_reasons if _REASON.fullmatch(name)]
    reason = " or ".join(words[:3]) or "left out"
    here = dict.fromkeys(row for row in answer.sample_skip_rows if 2 <= row < len(chunk.leads) + 2)
    return [RowNote(chunk.leads[row - 2].row, f"Cleanlist: {reason}") for row in here]


def surely_imported(chunk: Chunk, answer: CsvImported) -> list[Lead]:
    """Return the leads that are in the list by the API's answer; none if it does not name the rows it left out.

    Whom it left out as a duplicate is there by another row of the same person.
    """
    imported = min(answer.rows_imported, len(chunk.leads))
    if len({identity(lead.person) for lead in chunk.leads}) == imported:
        return list(chunk.leads)
    skipped = {note.row for note in _skipped_by_the_api(chunk, answer)}
    taken = [lead for lead in chunk.leads if lead.row not in skipped]
    if len(taken) != imported:
        return []
    there = {identity(lead.person) for lead in taken}
    return [lead for lead in chunk.leads if identity(lead.person) in there]


def _first_columns(unused: Sequence[str]) -> list[str]:
    more = len(unused) - NAMED_COLUMNS
    return [*unused[:NAMED_COLUMNS], *([f"and {more} more"] if more > 0 else [])]


def _row_notes(notes: Sequence[RowNote]) -> list[str]:
    """Return one line for each different note, with the rows that it is about."""
    rows: dict[str, list[int]] = {}
    for note in notes:
        rows.setdefault(note.reason, []).append(note.row)
    said = [f"{_rows(numbers)}: {reason}" for reason, numbers in list(rows.items())[:NAMED_ROWS]]
    if len(rows) > NAMED_ROWS:
        said.append(f"{len(rows) - NAMED_ROWS} more such notes on rows")
    return said


def _rows(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    more = len(numbers) - ROWS_OF_A_NOTE
    named = ", ".join(str(number) for number in numbers[:ROWS_OF_A_NOTE])
    return f"rows {named} and {more} more" if more > 0 else f"rows {named}"


def _tally_notes(tally: Tally) -> list[str]:
    said = list(tally.remarks)
    if tally.earlier:
        said.append(
            "people whom an earlier call added are not added again; anybody removed in Cleanlist's portal since then "
            "can go into a new list"
        )
    if tally.capped:
        said.append(
            f"Cleanlist took fewer rows in one import than were sent: {tally.capped} are not in the list; "
            "get_leads shows who is, and the others go into another call"
        )
    if tally.neutralised:
        said.append(
            f"cells that a spreadsheet would run as a formula, now with an apostrophe: {tally.neutralised}"
        )
    return said


def result(
    list_id: str, name: str, tally: Tally, prepared: Prepared, table: CsvPeople | None = None
) -> AddLeadsResult:
    """Return the answer: counts of all rows, names of some, and the step that comes next.

    `table` is the file that was read, if the people came from one.
    """
    skipped = sorted(tally.skipped, key=lambda note: note.row)
    people = [lead.person for lead in prepared.accepted]
    return AddLeadsResult(
        summary=_summary(tally, prepared, table),
        next_step=_next_step(list_id, tally),
        list_id=list_id,
        list_name=name or None,
        imported=tally.imported,
        merged=len(prepared.merged),
        skipped=tally.left_out,
        unknown=tally.unknown or None,
        not_sent=tally.not_sent or None,
        with_email=sum(bool(person.email) for person in people),
        with_phone=sum(bool(person.phone) for person in people),
        with_linkedin=sum(bool(person.linkedin_url) for person in people),
        sample=[_sample(lead) for lead in prepared.accepted[:SAMPLE_ROWS]] if table else None,
        columns=dict(list(table.columns.items())[:NAMED_COLUMNS]) if table else None,
        merged_rows=[
            MergedRowShown(row=one.row, into=one.into, by=one.by) for one in prepared.merged[:NAMED_ROWS]
        ]
        or None,
        skipped_rows=[
            SkippedRow(row=note.row, name=note.name or None, reason=note.reason)
            for note in skipped[:NAMED_ROWS]
        ]
        or None,
        skipped_rows_left_out=(tally.left_out - len(skipped[:NAMED_ROWS])) or None,
        notes=[*(table.notes if table else ()), *_row_notes(prepared.notes), *_tally_notes(tally)] or None,
        unused_columns=(_first_columns(table.unused) or None) if table else None,
    )


def _sample(lead: Lead) -> SampleRow:
    fields = {name: getattr(lead.person, name) for name in LIMITS if name != "person_id"}
    return SampleRow(
        row=lead.row, **{name: clean(value, SAMPLE_LENGTH) for name, value in fields.items() if value}
    )


def _summary(tally: Tally, prepared: Prepared, table: CsvPeople | None) -> str:
    merged = f", {len(prepared.merged)} merged with another row of the same person" if prepared.merged else ""
    parts = [
        f"{_came_of_it(tally)}{merged}, {tally.left_out} skipped; nothing was enriched or charged.",
        *_why_nobody(tally),
        *_in_doubt(tally),
        *_not_used(table),
    ]
    if tally.not_sent:
        why = "the time of one call is over" if tally.out_of_time else "an answer is waited for"
        if tally.stopped is not None:
            why = tally.stopped.message.rstrip(".")
        parts.append(f"{rows_text(tally.not_sent)} not sent yet: {why}.")
    return " ".join(parts)


def _why_nobody(tally: Tally) -> list[str]:
    """Return a sentence that has the reasons of skipped rows, if nobody else is in the call."""
    if not tally.is_only_skipped:
        return []
    reasons = Counter(note.reason for note in tally.skipped).most_common(NAMED_REASONS)
    return [f"Reasons: {'; '.join(f'{reason} ({rows_text(rows)})' for reason, rows in reasons)}."]


def _not_used(table: CsvPeople | None) -> list[str]:
    """Return a sentence about unused columns that hold what would otherwise be bought; nothing without any."""
    if table is None or not table.unused_contacts:
        return []
    named, others = table.unused_contacts[:5], table.unused_contacts[5:]
    titles = ", ".join(map(quoted, named)) + (" and more" if others else "")
    return [f"Not used, although they hold addresses, profiles or numbers: {titles}."]


def _came_of_it(tally: Tally) -> str:
    """Return a sentence about the rows that this call brought into the list, and those there by an earlier one."""
    new = tally.imported - tally.earlier
    there = "in the list by an earlier call, not added again"
    if not tally.earlier:
        return f"{rows_text(new)} imported"
    if not new:
        return f"{rows_text(tally.earlier)} {there}"
    return f"{rows_text(new)} imported, {tally.earlier} {there}"


def _they(rows: int) -> str:
    return "it" if rows == 1 else "they"


def _in_doubt(tally: Tally) -> list[str]:
    """Return a sentence for each reason why rows may be in the list or not."""
    said = []
    if tally.unknown_here:
        said.append(
            f"The answer for {rows_text(tally.unknown_here)} was lost: {_they(tally.unknown_here)} may or may not be "
            "in the list."
        )
    if tally.unknown_under_way:
        said.append(
            f"{rows_text(tally.unknown_under_way)} not sent: another call has sent these people and waits for its "
            "answer: they may or may not be in the list."
        )
    if tally.unknown_elsewhere:
        said.append(
            f"{rows_text(tally.unknown_elsewhere)} not sent: an earlier call sent these people, with others or in "
            f"another spelling, and its answer was lost: they may or may not be in the list. {HELD_ELSEWHERE}"
        )
    if tally.unknown_for_good:
        said.append(
            f"{rows_text(tally.unknown_for_good)} not sent: an earlier call sent these people and its answer was "
            "lost: they may or may not be in the list, and a repeat could add them twice."
        )
    return said


def _next_step(list_id: str, tally: Tally) -> str:
    """Return the next step: the same call once more if that can help."""
    stopped = tally.stopped
    if stopped is not None and not (isinstance(stopped, ApiError) and stopped.retryable):
        return for_a_model(stopped.next_step)
    if tally.unknown_here or tally.unknown_under_way or tally.not_sent:
        seconds = round(max(tally.retry_after, (stopped and stopped.retry_after) or 0.0))
        when = f"Wait {seconds} seconds, then call" if seconds else "Call"
        return f"{when} add_leads again with the very same arguments: what is there is not added twice."
    if tally.unknown_elsewhere:
        return HELD_ELSEWHERE
    if tally.unknown_for_good:
        return NOT_REPEATABLE
    if tally.earlier and tally.earlier == tally.imported:
        return (
            f'Call estimate(list_id="{list_id}"): its row_count shows if they are still there. People who were '
            "removed in Cleanlist's portal since then can be added to a new list."
        )
    if tally.is_only_skipped:
        return "Tell the user that nobody was added, and why; skipped_rows names the rows."
    return f'Call estimate(list_id="{list_id}") for a quote and show it to the user before enriching.'
