"""Putting people into a list: checked here, sent in chunks, each chunk landing exactly once.

The API remembers a chunk's idempotency key for 24 hours, but only once the first import has finished (vendor's
own SDK): a repeat while the first still runs is not protected. So a repeat after a lost answer waits first.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence

import anyio

from cleanlist_mcp import csv_file, leads, retries
from cleanlist_mcp.clock import Deadline
from cleanlist_mcp.errors import ApiError, ApiUnavailable, CleanlistError, FeatureGated
from cleanlist_mcp.journal import ImportClaim
from cleanlist_mcp.leads import Chunk, Lead, RowNote
from cleanlist_mcp.models import CsvImported, CsvImportRequest
from cleanlist_mcp.results import AddLeadsResult
from cleanlist_mcp.services import Services
from cleanlist_mcp.tallying import Tally, nobody, result, surely_imported

SETTLE_SECONDS = 30.0
"""Least wait before a chunk whose answer was lost is sent again: 600 rows are long imported by then."""

SETTLE_AFTER_TIMEOUT = 10.0
"""The same, counted from the moment at which the request has certainly been given up."""

ANSWER_ROOM = 1.5
"""Seconds kept at the end of a call for its answer."""

REQUEST_ROOM = 5.0
"""Least seconds that a call must have left to begin another chunk."""

DIGEST_LENGTH = 16
"""Characters of a person's digest that are kept: among the people of one list, 64 bits are never equal by chance."""

JOIN_STEP = 1.0
"""Seconds between looks at a chunk that another call or process may be sending right now."""

Rows = Sequence[tuple[int, Mapping[str, object]]]


async def add_people(services: Services, id_or_name: str, rows: Rows, deadline: Deadline) -> AddLeadsResult:
    """Import people given in the call; row numbers count from 1.

    Raises:
        InvalidArguments: if no row identifies anybody.
        CleanlistError: if nothing was imported, and nothing is in doubt.
    """
    return await _add(services, id_or_name, rows, deadline, skipped=(), notes=(), unused=())


async def add_file(services: Services, id_or_name: str, path: str, deadline: Deadline) -> AddLeadsResult:
    """Import the rows of a CSV file inside the shared folder, numbered as a spreadsheet shows them.

    Raises:
        InvalidArguments: if the file cannot be used, or no row identifies anybody.
        CleanlistError: if nothing was imported, and nothing is in doubt.
    """
    # In a thread: ten thousand rows take a second, and other calls must not wait for them.
    table = await anyio.to_thread.run_sync(csv_file.read_csv, path, services.settings.csv_dir)
    return await _add(
        services,
        id_or_name,
        table.rows,
        deadline,
        skipped=table.skipped,
        notes=table.notes,
        unused=table.unclear,
    )


async def _add(
    services: Services,
    id_or_name: str,
    rows: Rows,
    deadline: Deadline,
    *,
    skipped: Sequence[RowNote],
    notes: Sequence[str],
    unused: Sequence[str],
) -> AddLeadsResult:
    prepared = await anyio.to_thread.run_sync(leads.prepare, rows)
    tally = Tally(skipped=[*skipped, *prepared.skipped])
    if not prepared.accepted:
        raise nobody(tally.skipped, unused)
    list_id, name = await services.directory.resolve(id_or_name)
    there = services.journal.people_added(list_id)
    lost = services.journal.imports_without_answer(list_id)
    for chunk in leads.to_csv_chunks(prepared.accepted, list_id):
        for part in _to_send(services, list_id, chunk, there, lost, tally):
            await _take(services, list_id, part, tally, deadline)
    if tally.stopped is not None and not tally.imported and not tally.unknown:
        raise tally.stopped
    return result(list_id, name, tally, file_notes=notes, row_notes=prepared.notes, unused=unused)


def _to_send(
    services: Services,
    list_id: str,
    chunk: Chunk,
    there: frozenset[str],
    lost: Mapping[str, Sequence[str]],
    tally: Tally,
) -> Iterator[Chunk]:
    """What of a chunk is to be sent: not the people whom an earlier call added, who are counted.

    An import without an answer is told again as it was, because only the very same rows are recognised by its key:
    the chunk itself, or people of it who went out together then.
    """
    known = services.journal.import_known(chunk.idempotency_key)
    people = {_digest(services, list_id, lead): lead for lead in chunk.leads}
    was_sent = known.action != "send" or known.lost_at is not None
    if known.action == "done" or (was_sent and not there.issuperset(people)):
        yield chunk
        return
    for key, together in lost.items():
        again = _as_sent(key, [people[one] for one in together if one in people], list_id)
        if again is not None and not there.issuperset(together):
            for one in together:
                del people[one]
            yield again
    left = [lead for digest, lead in people.items() if digest not in there]
    tally.count_there(len(people) - len(left))
    if len(left) == len(chunk.leads):
        yield chunk
    elif left:
        yield from leads.to_csv_chunks(left, list_id)


def _as_sent(key: str, people: Sequence[Lead], list_id: str) -> Chunk | None:
    """The import of that key, if these are its people."""
    made = next(leads.to_csv_chunks(people, list_id), None)
    return made if made is not None and made.idempotency_key == key else None


def _digest(services: Services, list_id: str, lead: Lead) -> str:
    return services.journal.digest("lead", list_id, *leads.all_details(lead.person))[:DIGEST_LENGTH]


async def _take(services: Services, list_id: str, chunk: Chunk, tally: Tally, deadline: Deadline) -> None:
    """Import one chunk, unless something stands in the way, and count what became of its rows."""
    known = services.journal.import_known(chunk.idempotency_key)
    if known.action == "done":
        tally.count_earlier(chunk, known.rows_imported)
        return
    if known.action == "lost":
        tally.not_repeatable = True
    elif deadline.left() < max(REQUEST_ROOM, tally.slowest + ANSWER_ROOM):
        tally.out_of_time = True
    elif tally.stopped is None and not tally.retry_after:
        await _send(services, list_id, chunk, tally, deadline)
        return
    tally.leave(chunk, known.lost_at)


async def _send(services: Services, list_id: str, chunk: Chunk, tally: Tally, deadline: Deadline) -> None:
    """Send one chunk, and count what the API made of its rows."""
    try:
        answer = await _import(services, list_id, chunk, tally, deadline)
    except CleanlistError as exc:
        tally.stopped = exc
        tally.leave(chunk, services.journal.import_known(chunk.idempotency_key).lost_at)
        return
    if answer is not None:
        tally.count_answer(chunk, answer)


async def _import(
    services: Services, list_id: str, chunk: Chunk, tally: Tally, deadline: Deadline
) -> CsvImported | None:
    """Send a chunk until its answer is there.

    None: another call has imported it meanwhile, which is counted; or its answer was lost and a repeat cannot
    wait long enough, which is counted as unknown.
    """
    request = CsvImportRequest(
        csv_content_base64=base64.b64encode(chunk.content).decode(),
        column_mapping=chunk.column_mapping,
        idempotency_key=chunk.idempotency_key,
    )
    attempt = 1
    while True:
        claim = await _claim(services, list_id, chunk, tally, deadline)
        if claim is None:
            tally.unknown += len(chunk.leads)
            return None
        if claim.action == "done":
            tally.count_earlier(chunk, claim.rows_imported)
            return None
        began = services.clock.monotonic()
        try:
            answer = await _answer(services, list_id, request, deadline)
        except CleanlistError as exc:
            if _is_lost(exc):
                continue
            services.journal.import_refused(chunk.idempotency_key, claim.lost_at)
            attempt += 1
            wait = _wait_to_repeat(attempt, exc, deadline)
            if wait is None:
                raise _explained(exc) from exc
            await services.clock.sleep(wait)
        else:
            people = [_digest(services, list_id, lead) for lead in surely_imported(chunk, answer)]
            services.journal.import_finished(chunk.idempotency_key, answer.rows_imported, people)
            tally.slowest = max(tally.slowest, services.clock.monotonic() - began)
            return answer


async def _claim(
    services: Services, list_id: str, chunk: Chunk, tally: Tally, deadline: Deadline
) -> ImportClaim | None:
    """The right to send a chunk now, or that it is done; None where the wait for that does not fit in the call."""
    settle = max(SETTLE_SECONDS, services.settings.timeout_seconds + SETTLE_AFTER_TIMEOUT)
    people = [_digest(services, list_id, lead) for lead in chunk.leads]
    while True:
        claim = services.journal.claim_import(chunk.idempotency_key, list_id, people, settle)
        if claim.action == "lost":
            tally.not_repeatable = True
            return None
        if claim.action != "wait":
            return claim
        if claim.wait > deadline.left() - REQUEST_ROOM:
            tally.retry_after = max(claim.wait, 1.0)
            return None
        await services.clock.sleep(min(claim.wait, JOIN_STEP))


async def _answer(
    services: Services, list_id: str, request: CsvImportRequest, deadline: Deadline
) -> CsvImported:
    """The API's answer to a chunk; one that is not there when the call has to answer counts as lost."""
    outcome: list[CsvImported | CleanlistError] = []
    came = anyio.Event()

    async def ask() -> None:
        try:
            outcome.append(await services.client.import_csv(list_id, request))
        except CleanlistError as exc:
            outcome.append(exc)
        came.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await services.clock.wait(came, deadline.left() - ANSWER_ROOM)
        tasks.cancel_scope.cancel()
    if not outcome:
        raise ApiUnavailable("The API did not answer in time.", "Call add_leads again.", certain=False)
    if isinstance(outcome[0], CleanlistError):
        raise outcome[0]
    return outcome[0]


def _is_lost(error: CleanlistError) -> bool:
    """Whether the import may have been carried out.

    A 503 means that imports are off (vendor's own SDK), and a 4xx is a refusal even where a proxy wrote it: unlike
    a spend, an import that is sent again by its key costs nothing.
    """
    if not isinstance(error, ApiError) or error.certain or error.status == 503:
        return False
    return error.status is None or not 400 <= error.status < 500 or error.status == 408


def _wait_to_repeat(attempt: int, error: CleanlistError, deadline: Deadline) -> float | None:
    # A 503 is not repeated, whatever it says of itself; all else that may be was certainly not processed.
    if not isinstance(error, ApiError) or error.status == 503 or not retries.may_resend(error, spends=True):
        return None
    return retries.wait_before(attempt, error, patience=deadline.left() - REQUEST_ROOM, chance=0.5)


def _explained(error: CleanlistError) -> CleanlistError:
    if isinstance(error, ApiUnavailable) and error.status == 503:
        return FeatureGated(
            "CSV import is switched off for this Cleanlist account.",
            "Tell the user; people can be added to the list at portal.cleanlist.ai, or enriched one by one.",
            status=503,
            request_id=error.request_id,
        )
    return error
