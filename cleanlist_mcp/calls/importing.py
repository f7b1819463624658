"""Putting people into a list: checked here, sent in chunks, each person once.

The API remembers a chunk's idempotency key for 24 hours, but only once the first import has finished (vendor's
own SDK): a repeat while the first still runs is not protected, and nothing protects the same people in another
chunk. So whoever stands in an import without an answer is not sent in any other (`journal.imports`), and a repeat
sends the import again as it was, after a wait.
"""

import base64
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import anyio

from cleanlist_mcp.answers.imports import Tally, nobody, result, surely_imported
from cleanlist_mcp.answers.list_shapes import AddLeadsResult
from cleanlist_mcp.api import retries
from cleanlist_mcp.api.wire import CsvImported, CsvImportRequest
from cleanlist_mcp.calls.added_people import of_details, of_identifier
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import EXCLUDED_ROW, added_domains, allowed
from cleanlist_mcp.calls.present import present_in
from cleanlist_mcp.clock import Deadline
from cleanlist_mcp.errors import (
    ApiError,
    ApiUnavailable,
    CleanlistError,
    FeatureGated,
    JournalUnusable,
    RateLimited,
)
from cleanlist_mcp.imports import chunks, csv_file, preparing
from cleanlist_mcp.imports.chunks import Chunk
from cleanlist_mcp.imports.csv_file import CsvPeople
from cleanlist_mcp.imports.preparing import Lead, LeaveOut, OnePerson, Prepared
from cleanlist_mcp.imports.records import RowNote
from cleanlist_mcp.journal.imports import Import, Standing, decide, is_key_of
from cleanlist_mcp.journal.names import Digester

SETTLE_SECONDS = 30.0
"""Least wait before a chunk whose answer was lost is sent again: 600 rows are long imported by then."""

SETTLE_AFTER_TIMEOUT = 10.0
"""The same, counted from the moment at which the request has certainly been given up."""

REPEAT_ROOM = 2.0
"""Seconds that the call which lost an answer has to begin its repeat, before others stop waiting for it."""

ANSWER_ROOM = 1.5
"""Seconds kept at the end of a call for its answer."""

REQUEST_ROOM = 5.0
"""Least seconds that a call must have left to begin another chunk."""

JOIN_STEP = 1.0
"""Seconds between looks at a chunk that another call or process may be sending right now."""

LOOK_AGAIN = 0.05
"""Seconds before the next look if another call was faster in claiming somebody."""

_LEFT_OUT = preparing.HAS_ALREADY | {EXCLUDED_ROW}
"""The reasons for which people are left out who are known well enough to be added."""

Rows = Sequence[tuple[int, Mapping[str, object]]]


async def add_people(call: Call, id_or_name: str, rows: Rows, leave_out: LeaveOut = "") -> AddLeadsResult:
    """Import people given in the call, in rows that are numbered from 1; return the answer.

    Raises:
        InvalidArguments: if no row identifies anybody who may be added.
        Excluded: if the file of people who must not be contacted cannot be used.
        CleanlistError: if nothing was imported, and nothing is in doubt.
    """
    prepared = await anyio.to_thread.run_sync(preparing.prepare, rows, leave_out)
    return await _add(call, id_or_name, await allowed(call, prepared))


async def add_file(call: Call, id_or_name: str, path: str, leave_out: LeaveOut = "") -> AddLeadsResult:
    """Import the rows of a CSV file inside the shared folder, numbered as a spreadsheet shows them; return the answer.

    Raises:
        InvalidArguments: if the file cannot be used, or no row identifies anybody.
        CleanlistError: if nothing was imported, and nothing is in doubt.
    """
    # In a thread: ten thousand rows take seconds, and other calls must not wait for them.
    table = await anyio.to_thread.run_sync(csv_file.read_csv, path, call.settings.csv_dir)
    prepared = await anyio.to_thread.run_sync(preparing.prepare, table.rows, leave_out)
    return await _add(call, id_or_name, await allowed(call, prepared), table)


async def _add(
    call: Call,
    id_or_name: str,
    prepared: Prepared,
    table: CsvPeople | None = None,
) -> AddLeadsResult:
    skipped = [*(table.skipped if table else ()), *prepared.skipped]
    if not prepared.people and not _LEFT_OUT.intersection(note.reason for note in skipped):
        raise nobody(skipped, table.unused if table else ())
    tally = Tally(skipped=skipped)
    list_id, name = await call.services.directory.resolve(id_or_name)
    digest = await call.services.journal.digester()
    await _Adding(call, list_id, prepared.people, tally, digest).run()
    if tally.stopped is not None and not tally.imported and not tally.unknown:
        raise tally.stopped
    return result(list_id, name, tally, prepared, table)


class _Adding:
    """One call under way: it sends whom it may, waits for whom others send, and counts everybody at the end."""

    def __init__(
        self,
        call: Call,
        list_id: str,
        people: Sequence[OnePerson],
        tally: Tally,
        digest: Digester,
    ) -> None:
        self._digester = digest
        self._clock = call.services.clock
        self._client = call.services.client
        self._journal = call.services.journal.imports
        self._list_id = list_id
        self._tally = tally
        self._deadline = call.deadline
        self._patience = call.settings.max_wait_seconds
        """Seconds that this call may still spend on waits between its requests."""
        self._settle = max(SETTLE_SECONDS, call.settings.timeout_seconds + SETTLE_AFTER_TIMEOUT)
        self._rows: dict[str, Lead] = {}
        """People by their digests: as this call sends them, and each row by itself, as another call may have done."""
        identifiers = list(preparing.identifiers(people))
        known_as = list(map(self._digests_of, people, identifiers))
        self._known_as = {digest: digests for digests in known_as for digest in digests}
        """All digests of a person, by each of them."""
        self._by_digest = {digests[0]: one for digests, one in zip(known_as, people, strict=True)}
        self._is_compared = False
        known_before = map(self._older_digests_of, people, identifiers)
        self._people = {
            digests[0]: (*digests, *older) for digests, older in zip(known_as, known_before, strict=True)
        }
        """Everybody about whom nothing is counted yet, by their first digests; with those of earlier keys, by which
        they are recognised and are not written down any more."""
        self._standing: Standing | None = None
        self._begun: set[str] = set()
        """Keys of the imports that this call was the first to send."""
        self._lost: set[str] = set()
        """Keys of the imports whose answer to this call was lost."""
        self._unanswered: set[str] = set()
        """People who were sent in this call, without an answer: unless a later look shows more, they are in doubt."""
        self._attempts: Counter[str] = Counter()
        self._repeats: dict[str, Chunk | None] = {}
        """Imports without an answer as they were sent, by their keys; None for one that this call cannot repeat."""

    def _digests_of(self, one: OnePerson, identifiers: Sequence[str]) -> tuple[str, ...]:
        """Return the digests by which a person is recognised, that of what would be sent first."""
        digests = []
        for lead in (one.lead, *one.rows):
            digest = self._digest(lead)
            self._rows.setdefault(digest, lead)
            digests.append(digest)
        digests += [of_identifier(self._digester, self._list_id, text) for text in identifiers]
        return tuple(dict.fromkeys(digests))

    def _older_digests_of(self, one: OnePerson, identifiers: Sequence[str]) -> list[str]:
        return [
            known
            for older in self._digester.older
            for known in (
                *(of_details(older, self._list_id, lead.person) for lead in (one.lead, *one.rows)),
                *(of_identifier(older, self._list_id, text) for text in identifiers),
            )
        ]

    def _digest(self, lead: Lead) -> str:
        return of_details(self._digester, self._list_id, lead.person)

    async def run(self) -> None:
        """Add the people as far as the time allows, and count what became of each of their rows."""
        try:
            while self._people and await self._go_on():
                pass
        except CleanlistError as exc:
            self._tally.stopped = exc
        await self._count_rest()

    async def _go_on(self) -> bool:
        """Do what comes next; return False if nothing is left that this call has the time for."""
        standing = await self._look()
        if standing.free and not self._is_compared:
            await self._leave_out_present(standing.free)
            return True
        chunk = self._next_chunk(standing)
        if chunk is None:
            return await self._wait(standing)
        if self._deadline.left() < max(REQUEST_ROOM, self._tally.slowest + ANSWER_ROOM):
            self._tally.out_of_time = True
            return False
        await self._send(chunk)
        return True

    async def _leave_out_present(self, free: Sequence[str]) -> None:
        """Leave out whom the list shows already, before anybody new is sent."""
        present = await present_in(self._client, self._list_id)
        self._is_compared = True
        if present.remark:
            self._tally.remarks.append(present.remark)
        people = [self._by_digest[digest] for digest in free]
        for index, reason in present.reasons(people).items():
            lead = people[index].lead
            self._tally.skipped.append(RowNote(lead.row, reason, preparing.shown_name(lead.person)))
            del self._people[free[index]]

    async def _look(self) -> Standing:
        people = list(self._people.values())
        digests = [digest for one in people for digest in one]
        imports = await self._journal.into(self._list_id, digests)
        self._standing = standing = decide(people, imports)
        self._lost &= {one.key for one in imports if one.rows_imported is None}
        return standing

    def _next_chunk(self, standing: Standing) -> Chunk | None:
        """Return what to send now: an import whose answer was lost long enough ago, else people who are free.

        Nobody new goes out while an answer to this very call is missing.
        """
        for one, chunk in self._to_repeat(standing):
            if one.wait <= 0:
                return chunk
        if self._lost or not standing.free:
            return None
        return self._chunk_of(standing.free)

    def _to_repeat(self, standing: Standing) -> Iterator[tuple[Import, Chunk]]:
        """Yield the imports without an answer that can be sent again as they were, now or later."""
        for one in standing.repeatable:
            chunk = self._as_it_was(one, standing)
            if chunk is not None:
                yield one, chunk

    def _as_it_was(self, one: Import, standing: Standing) -> Chunk | None:
        """Return the import as it was sent; None if the rows of this call do not make the same one."""
        if one.key not in self._repeats:
            self._repeats[one.key] = self._same_chunk(one.key, one.people or _held_by(one, standing))
        return self._repeats[one.key]

    def _same_chunk(self, key: str, people: Sequence[str]) -> Chunk | None:
        """Return the chunk of that key among those that these people make; None if there is none."""
        if any(digest not in self._rows for digest in people):
            return None
        while people:
            chunk = self._chunk_of(people)
            if is_key_of(key, chunk.idempotency_key):
                return replace(chunk, idempotency_key=key)
            people = people[len(chunk.leads) :]
        return None

    def _chunk_of(self, digests: Sequence[str]) -> Chunk:
        """Return a chunk of as many of the rows with these digests as fit into one import, in their order.

        Its content, and so its key, follows from its own people alone: it is the same in any call that has them.
        """
        together = next(chunks.to_csv_chunks([self._rows[digest] for digest in digests], self._list_id))
        return next(chunks.to_csv_chunks(together.leads, self._list_id))

    async def _wait(self, standing: Standing) -> bool:
        """Wait a moment for an import that holds people of this call; return False if that cannot help any more.

        If an answer to this call is lost for certain, only the repeat is worth a wait.
        """
        left = self._deadline.left()
        repeats = {one.key for one, _ in self._to_repeat(standing)}
        waits = [
            self._open_for(one, repeatable=one.key in repeats)
            for one in {one.key: one for one in standing.held.values()}.values()
            if one.key not in self._lost or self._open_for(one, repeatable=True) < left - REQUEST_ROOM
        ]
        useful = [wait for wait in waits if wait > 0]
        step = max(min([JOIN_STEP, *useful]), LOOK_AGAIN)
        if not useful or step > min(left - ANSWER_ROOM, self._patience):
            return False
        await self._sleep(step)
        return True

    def _open_for(self, one: Import, *, repeatable: bool) -> float:
        """Return the seconds for which an import may still be under way, or be repeated by the call that sent it."""
        return one.wait + (0.0 if repeatable else REPEAT_ROOM)

    async def _send(self, chunk: Chunk) -> None:
        """Send a chunk once, if it may go out, and write down what came of it.

        Raises:
            CleanlistError: if it was refused, and is not to be tried again in this call.
        """
        people = [self._recognised_by(lead) for lead in chunk.leads]
        persons = [lead.person for lead in chunk.leads]
        domains = await anyio.to_thread.run_sync(added_domains, self._digester, self._list_id, persons)
        claim = await self._journal.claim(chunk.idempotency_key, self._list_id, people, self._settle, domains)
        if claim is None:
            await self._clock.sleep(LOOK_AGAIN)
            return
        key, chunk = claim.key, replace(chunk, idempotency_key=claim.key)
        self._unanswered.update(self._first_digests(chunk))
        if claim.before is None:
            self._begun.add(key)
        began = self._clock.monotonic()
        try:
            answer = await self._ask(chunk)
        except CleanlistError as exc:
            if _is_lost(exc):
                self._lost.add(key)
                return
            await self._journal.refused(claim)
            self._unanswered.difference_update(self._first_digests(chunk))
            await self._pause(key, exc)
        else:
            self._tally.slowest = max(self._tally.slowest, self._clock.monotonic() - began)
            await self._take(chunk, answer)

    async def _ask(self, chunk: Chunk) -> CsvImported:
        """Send a chunk and return the API's answer; one that is not there at the end of the call counts as lost."""
        request = CsvImportRequest(
            csv_content_base64=base64.b64encode(chunk.content).decode(),
            column_mapping=chunk.column_mapping,
            idempotency_key=chunk.idempotency_key,
        )
        outcome: list[CsvImported | CleanlistError] = []
        came = anyio.Event()

        async def ask() -> None:
            try:
                outcome.append(await self._client.import_csv(self._list_id, request))
            except CleanlistError as exc:
                outcome.append(exc)
            came.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await self._clock.wait(came, self._deadline.left() - ANSWER_ROOM)
            tasks.cancel_scope.cancel()
        if not outcome:
            raise ApiUnavailable("The API did not answer in time.", "Call add_leads again.", fate="unknown")
        if isinstance(outcome[0], CleanlistError):
            raise outcome[0]
        return outcome[0]

    async def _pause(self, key: str, refusal: CleanlistError) -> None:
        """Wait until a refused chunk may be tried again.

        Raises:
            CleanlistError: the refusal, if the chunk may not be tried again in the time that is left.
        """
        self._attempts[key] += 1
        wait = _wait_to_repeat(self._attempts[key] + 1, refusal, self._deadline)
        if wait is None or wait > self._patience:
            raise _explained(refusal) from refusal
        await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        self._patience -= seconds
        await self._clock.sleep(seconds)

    async def _take(self, chunk: Chunk, answer: CsvImported) -> None:
        """Write an answer down and count its rows."""
        key = chunk.idempotency_key
        sure = {lead.row for lead in surely_imported(chunk, answer)}
        unsure = [lead for lead in chunk.leads if lead.row not in sure]
        doubtful = [digest for lead in unsure for digest in self._recognised_by(lead)]
        await self._journal.finished(key, answer.rows_imported, doubtful)
        # An answer that the API had ready belongs to an earlier sending, which was another call's or this one's.
        earlier = bool(answer.idempotency_replayed) and key not in self._begun
        self._tally.count_answer(chunk, answer, earlier=earlier)
        for person in self._first_digests(chunk):
            del self._people[person]
        self._lost.discard(key)

    def _recognised_by(self, lead: Lead) -> list[str]:
        """Return the digests of a row's person, the one of the row itself first."""
        own = self._digest(lead)
        return [own, *(digest for digest in self._known_as[own] if digest != own)]

    def _first_digests(self, chunk: Chunk) -> list[str]:
        """Return the digests under which the people of a chunk are listed here."""
        return [self._known_as[self._digest(lead)][0] for lead in chunk.leads]

    async def _count_rest(self) -> None:
        """Count the people whom this call did not bring into the list, by what is known about each at its end."""
        with suppress(JournalUnusable):
            await self._look()  # if that fails, what was seen last has to do
        standing = self._standing
        if standing is None:
            self._tally.not_sent += len(self._people)
            return
        rest = self._people.keys()
        self._tally.count_there(len(standing.there & rest))
        for one, count in _by_import(standing.answered, rest):
            self._tally.count_earlier(count, one.rows_imported or 0)
        repeats = {one.key for one, _ in self._to_repeat(standing)} if rest >= standing.held.keys() else set()
        for one, count in _by_import(standing.held, rest):
            self._count_held(one, count, repeatable=one.key in repeats)
        free = rest & set(standing.free)
        self._tally.unknown_here += len(free & self._unanswered)
        self._tally.not_sent += len(free - self._unanswered)

    def _count_held(self, one: Import, count: int, *, repeatable: bool) -> None:
        wait = self._open_for(one, repeatable=repeatable)
        if repeatable:
            self._tally.unknown_here += count
        elif one.expired or one.people is None:
            self._tally.unknown_for_good += count
            return
        elif wait > 0:
            self._tally.unknown_under_way += count
        else:
            self._tally.unknown_elsewhere += count
        if wait > 0:
            self._tally.retry_after = max(self._tally.retry_after, wait, 1.0)


def _held_by(one: Import, standing: Standing) -> list[str]:
    return [person for person, holder in standing.held.items() if holder.key == one.key]


def _by_import(holders: Mapping[str, Import], people: Collection[str]) -> Iterator[tuple[Import, int]]:
    """Yield each import with the number of these people in it."""
    counts = Counter(one.key for person, one in holders.items() if person in people)
    for one in {one.key: one for one in holders.values()}.values():
        if counts[one.key]:
            yield one, counts[one.key]


_REFUSALS = {400, 401, 402, 403, 404, 407, 413, 422, 429, 503}
"""Statuses by which an import was certainly not carried out, also if a proxy wrote them; 503 means that imports
are off (vendor's own SDK)."""

_PERHAPS_DONE = {408, 425, 499}
"""Statuses that a gateway may write although it passed the request on."""

_EXISTS = {"already", "duplicate", "progress", "processing", "used"}
"""Words of a code for an import that is there already: it may be this one, sent twice on its way."""


def _is_lost(error: CleanlistError) -> bool:
    """Return whether the import may have been carried out."""
    if not isinstance(error, ApiError) or isinstance(error, RateLimited):
        return False
    if error.status in _PERHAPS_DONE or _EXISTS.intersection(re.split(r"[_-]", error.code.lower())):
        return True
    return error.status not in _REFUSALS and not error.nothing_started


def _wait_to_repeat(attempt: int, error: CleanlistError, deadline: Deadline) -> float | None:
    # A 503 is not repeated even if it asks for that; what else may be resent was certainly not processed.
    if not isinstance(error, ApiError) or error.status == 503 or not retries.may_resend(error, spends=True):
        return None
    return retries.wait_before(attempt, error, patience=deadline.left() - REQUEST_ROOM, chance=0.5)


def _explained(error: CleanlistError) -> CleanlistError:
    if isinstance(error, ApiUnavailable) and error.status == 503:
        return FeatureGated(
            "CSV import is switched off for this Cleanlist account.",
            "Tell the user; people can be added to the list at portal.cleanlist.ai, or enriched one by one.",
            answered=error.answered,
        )
    return error
