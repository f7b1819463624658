"""Rows in, one copy of each in the list, and an answer that accounts for every row."""

import base64
import csv
import gc
import io
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from benchmarks.import_faults import ROUTE, make_world
from cleanlist_mcp.answers import imports
from cleanlist_mcp.answers.list_shapes import AddLeadsResult
from cleanlist_mcp.calls import importing
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import (
    ApiError,
    FeatureGated,
    InvalidArguments,
    JournalUnusable,
    NotFound,
    RateLimited,
)
from cleanlist_mcp.imports import chunks
from cleanlist_mcp.imports.preparing import all_details, prepare
from cleanlist_mcp.server.boundary import CALL_SECONDS
from cleanlist_mcp.services import Services
from tests.journals import database_of
from tests.support import Answering, World

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}


def addresses(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"email": f"p{number}@fable.example"} for number in range(start, start + count)]


def father_and_son(slug: str) -> list[dict[str, str]]:
    """Two people for us and one for the API, which goes by the profile alone."""
    profile = {"linkedin_url": f"linkedin.com/in/{slug}", "first_name": "Ada"}
    return [profile | {"last_name": f"Fable {suffix}"} for suffix in ("Sr.", "Jr.")]


async def add(
    world: World, services: Services, people: list[Mapping[str, Any]] | list[dict[str, str]]
) -> AddLeadsResult:
    """Import into the list "Imported"."""
    rows = list(enumerate(people, 1))
    return await importing.add_people(Call(services, CALL_SECONDS), "Imported", rows)


async def add_file(world: World, services: Services, name: str = "people.csv") -> AddLeadsResult:
    return await importing.add_file(Call(services, CALL_SECONDS), "Imported", name)


def in_the_list_id(world: World) -> str:
    return world.sandbox.list_id("Imported")


def in_the_list(world: World) -> list[dict[str, str | None]]:
    return world.sandbox.leads(in_the_list_id(world))


def sent(world: World) -> list[list[list[str]]]:
    """The CSV of every import that reached the API, as rows."""
    files = []
    for record in world.sandbox.requests:
        if record.path.endswith("/csv-import"):
            text = base64.b64decode(record.body["csv_content_base64"]).decode()
            files.append(list(csv.reader(io.StringIO(text, newline=""))))
    return files


@pytest.fixture
def listed(tmp_path: Path) -> World:
    """A world in virtual time with an empty list and a folder to read files from."""
    world = make_world(tmp_path / "state", 0.0)
    world.sandbox.add_list("Imported")
    (tmp_path / "files").mkdir()
    return world


async def test_people_are_imported_and_nothing_is_enriched(listed: World) -> None:
    before = listed.sandbox.credits()

    async with listed.services() as services:
        answer = await add(listed, services, [ADA, {"email": "Grace@Fable.example", "title": "Admiral"}])

    assert answer.summary == "2 rows imported, 0 skipped; nothing was enriched or charged."
    assert answer.next_step == (
        f'Call estimate(list_id="{answer.list_id}") for a quote and show it to the user before enriching.'
    )
    assert [row["email"] for row in in_the_list(listed)] == [None, "grace@fable.example"]
    assert [record.body["dispatch_enrichment"] for record in listed.sandbox.requests if record.body] == [
        False
    ]
    assert listed.sandbox.credits() == before
    assert not listed.sandbox.runs


async def test_every_row_is_accounted_for_by_its_number(listed: World) -> None:
    people: list[Mapping[str, Any]] = [
        ADA,
        {"first_name": "Nameless"},
        {**ADA, "first_name": "ADA"},
        {},
        {**ADA, "email": "not an address"},
    ]

    async with listed.services() as services:
        answer = await add(listed, services, people)

    assert (answer.imported, answer.merged, answer.skipped) == (1, 2, 2)
    reasons = {row.row: (row.name, row.reason) for row in answer.skipped_rows or []}
    assert reasons[2][0] == "Nameless" and reasons[2][1].startswith("missing last_name")
    assert reasons[4] == (None, "the row is empty")
    assert [(one.row, one.into, one.by) for one in answer.merged_rows or []] == [
        (3, 1, "the same identifiers"),
        (5, 1, "the same identifiers"),
    ]
    assert answer.imported + answer.merged + answer.skipped == len(people)
    assert len(in_the_list(listed)) == answer.imported


async def test_rows_that_the_api_leaves_out_are_named_by_the_callers_numbers(listed: World) -> None:
    people = [{}, *father_and_son("fable"), *addresses(3)]

    async with listed.services() as services:
        answer = await add(listed, services, people)

    reasons = {row.row: row.reason for row in answer.skipped_rows or []}
    assert reasons == {1: "the row is empty", 3: "Cleanlist: duplicate linkedin"}
    assert (answer.imported, answer.skipped) == (4, 2)


async def test_rows_that_the_api_leaves_out_without_naming_them_are_counted(listed: World) -> None:
    twice = [one for number in range(15) for one in father_and_son(f"fable-{number}")]

    async with listed.services() as services:
        answer = await add(listed, services, twice)
        again = await add(listed, services, twice)

    for one in (answer, again):
        assert (one.imported, one.skipped) == (15, 15)
    assert (len(answer.skipped_rows or []), answer.skipped_rows_left_out) == (10, 5)


async def test_when_no_row_identifies_anybody_nothing_is_sent(listed: World) -> None:
    async with listed.services() as services:
        with pytest.raises(InvalidArguments, match="No row identifies anybody") as refused:
            await add(listed, services, [{"title": "CEO"}] * 60)

    assert listed.sandbox.requests == []
    assert refused.value.field_errors is not None
    assert refused.value.field_errors[0] == {"field": "row 1", "problem": "nothing identifies a person"}
    assert len(refused.value.field_errors) == imports.NAMED_ROWS


async def test_an_import_into_a_list_that_does_not_exist_sends_no_rows(listed: World) -> None:
    async with listed.services() as services:
        with pytest.raises(NotFound):
            await importing.add_people(Call(services, CALL_SECONDS), "No such list", [(1, ADA)])

    assert sent(listed) == []


async def test_formulas_arrive_with_an_apostrophe_and_are_counted(listed: World) -> None:
    async with listed.services() as services:
        answer = await add(listed, services, [{**ADA, "title": "=SUM(A1)"}])

    assert answer.notes == ["cells that a spreadsheet would run as a formula, now with an apostrophe: 1"]
    assert sent(listed)[0][1][-1] == "'=SUM(A1)"


async def test_the_same_call_again_sends_nothing_and_says_so(listed: World) -> None:
    async with listed.services() as services:
        await add(listed, services, addresses(2))
        answer = await add(listed, services, addresses(2))
    async with listed.services() as services:
        restarted = await add(listed, services, addresses(2))

    assert len(sent(listed)) == 1
    for one in (answer, restarted):
        assert one.imported == 2
        assert one.summary.startswith("2 rows in the list by an earlier call, not added again, 0 skipped;")
        assert "imported" not in one.summary
        assert one.next_step and "row_count shows if they are still there" in one.next_step


async def test_days_later_the_same_people_are_still_known(listed: World) -> None:
    async with listed.services() as services:
        await add(listed, services, addresses(2))
        await listed.clock.sleep(25 * 3600)
        answer = await add(listed, services, addresses(2))

    assert answer.imported == 2 and "by an earlier call" in answer.summary
    assert answer.notes and "removed in Cleanlist's portal since" in answer.notes[0]
    assert len(sent(listed)) == 1


async def test_a_corrected_row_is_added_without_those_who_are_there(listed: World) -> None:
    nobody = {"first_name": "Grace"}
    async with listed.services() as services:
        first = await add(listed, services, [*addresses(10), nobody, nobody | {"last_name": "Hopper"}])
        mended = [nobody | {"last_name": name, "domain": "fable.example"} for name in ("Fable", "Hopper")]
        again = await add(listed, services, [*addresses(10), *mended])

    assert (first.imported, first.skipped, again.imported) == (10, 2, 12)
    assert again.summary.startswith("2 rows imported, 10 in the list by an earlier call, not added again,")
    assert len(in_the_list(listed)) == 12
    assert [len(rows) - 1 for rows in sent(listed)] == [10, 2]


async def test_a_file_that_was_edited_adds_only_what_is_new(listed: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 4)
    titled = {"email": "new@fable.example", "title": "Boss"}  # a column that no chunk before had
    async with listed.services() as services:
        await add(listed, services, addresses(10))
        answer = await add(listed, services, [titled, *addresses(10)])

    assert answer.imported == 11
    assert len(in_the_list(listed)) == 11


async def test_other_details_are_nobody_new_and_another_list_is(listed: World) -> None:
    listed.sandbox.add_list("Elsewhere")
    rows = [(1, ADA)]
    async with listed.services() as services:
        await add(listed, services, [ADA])
        titled = await add(listed, services, [ADA | {"title": "Boss"}])
        elsewhere = await importing.add_people(Call(services, CALL_SECONDS), "Elsewhere", rows)

    assert "by an earlier call" in titled.summary
    assert elsewhere.notes is None
    assert len(in_the_list(listed)) == 1


async def test_whom_the_api_left_out_without_a_name_may_come_again(listed: World) -> None:
    answer = httpx.Response(201, json={"rows_imported": 1, "skip_reasons": {"duplicate": 1}})
    listed.transport = Answering(listed.transport, "/csv-import", answer)
    async with listed.services() as services:
        await add(listed, services, addresses(2))
        one = await add(listed, services, addresses(1))

    assert "earlier call" not in one.summary


async def test_rows_over_the_apis_cap_are_said_to_be_missing(listed: World) -> None:
    answer = httpx.Response(201, json={"rows_imported": 1, "skip_reasons": {"row_cap_exceeded": 1}})
    listed.transport = Answering(listed.transport, "/csv-import", answer)
    async with listed.services() as services:
        capped = await add(listed, services, addresses(2))

    assert (capped.imported, capped.skipped) == (1, 1)
    assert capped.notes and "1 are not in the list" in capped.notes[0]


@pytest.mark.parametrize("status", [401, 403, 404, 413])
async def test_a_refusal_that_only_a_proxy_explains_is_told_as_one(listed: World, status: int) -> None:
    answer = httpx.Response(status, content=b"<html>Blocked</html>")
    listed.transport = Answering(listed.transport, "/csv-import", answer)
    async with listed.services() as services:
        with pytest.raises(ApiError) as raised:
            await add(listed, services, addresses(2))

    assert raised.value.status == status
    assert "lost" not in raised.value.message


async def test_two_calls_at_once_import_once(listed: World) -> None:
    listed.sandbox.options.import_seconds = 6.0
    answers = []

    async def call(services: Services) -> None:
        answers.append(await add(listed, services, addresses(2)))

    async with listed.services() as one, listed.services() as other, anyio.create_task_group() as tasks:
        for services in (one, one, other):
            tasks.start_soon(call, services)

    assert [answer.imported for answer in answers] == [2, 2, 2]
    assert len(sent(listed)) == 1
    assert len(in_the_list(listed)) == 2
    assert listed.clock.monotonic() < 10


async def test_a_lost_answer_is_waited_out_within_the_call(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "reset_after")

    async with listed.services() as services:
        answer = await add(listed, services, addresses(2))

    assert answer.imported == 2
    assert len(in_the_list(listed)) == 2
    assert importing.SETTLE_SECONDS <= listed.clock.monotonic() < importing.SETTLE_SECONDS + 1


async def test_a_chunk_whose_answer_stays_lost_is_unknown_and_the_wait_is_named(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "reset_after", times=2)

    async with listed.services() as services:
        answer = await add(listed, services, addresses(2))

    assert (answer.imported, answer.unknown, answer.not_sent) == (0, 2, None)
    assert "The answer for 2 rows was lost: they may or may not be in the list." in answer.summary
    assert answer.next_step == (
        "Wait 30 seconds, then call add_leads again with the very same arguments: what is there is not added twice."
    )


async def test_rows_whose_answer_was_lost_stay_unknown_when_the_repeat_is_refused(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "reset_after")
    listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)

    async with listed.services() as services:
        answer = await add(listed, services, addresses(2))
        assert (answer.imported, answer.unknown, answer.not_sent) == (0, 2, None)
        assert answer.next_step
        assert answer.next_step.startswith("Wait 60 seconds, then call add_leads again")
        listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)
        await listed.clock.sleep(61)
        answer = await add(listed, services, addresses(2))
        assert (answer.imported, answer.unknown, answer.not_sent) == (0, 2, None)
        await listed.clock.sleep(61)
        assert (await add(listed, services, addresses(2))).imported == 2

    assert len(in_the_list(listed)) == 2


async def test_an_answer_lost_a_day_ago_is_not_repeated_blindly(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "reset_after", times=2)

    async with listed.services() as services:
        await add(listed, services, addresses(2))
        await listed.clock.sleep(24 * 3600)
        answer = await add(listed, services, addresses(2))

    assert (answer.imported, answer.unknown) == (0, 2)
    assert answer.next_step == imports.NOT_REPEATABLE
    assert len(sent(listed)) == 2
    assert len(in_the_list(listed)) == 2


async def test_the_rest_is_not_sent_after_a_refusal_and_the_answer_says_which_is_where(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    listed.sandbox.faults.next(ROUTE, "slow")
    listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)

    async with listed.services() as services:
        answer = await add(listed, services, addresses(6))

    assert (answer.imported, answer.not_sent, answer.unknown) == (2, 4, None)
    assert "4 rows not sent yet: The API's rate limit" in answer.summary
    assert answer.next_step
    assert answer.next_step.startswith("Wait 60 seconds, then call add_leads again")
    assert len(in_the_list(listed)) == 2


async def test_chunks_of_an_earlier_call_count_even_where_this_one_is_refused(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    async with listed.services() as services:
        await add(listed, services, addresses(2, start=4))
        listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)
        answer = await add(listed, services, addresses(6))

    assert (answer.imported, answer.not_sent) == (2, 4)


async def test_a_refusal_of_everything_is_an_error_with_the_wait(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "rate_limited", retry_after=60.0)

    async with listed.services() as services:
        with pytest.raises(RateLimited) as refused:
            await add(listed, services, addresses(2))

    assert refused.value.retry_after == 60.0
    assert in_the_list(listed) == []


async def test_an_import_that_is_switched_off_is_said_and_tried_once(listed: World) -> None:
    listed.sandbox.options.csv_import = False

    async with listed.services() as services:
        with pytest.raises(FeatureGated, match="switched off for this Cleanlist account"):
            await add(listed, services, addresses(2))

    assert len(sent(listed)) == 1
    assert listed.clock.monotonic() < 1


async def test_slow_imports_stop_in_time_and_the_same_call_goes_on(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    listed.sandbox.options.import_seconds = 11.0

    async with listed.services() as services:
        answer = await add(listed, services, addresses(12))
        assert (answer.imported, answer.not_sent, answer.unknown) == (8, 4, None)
        assert answer.summary.endswith("4 rows not sent yet: the time of one call is over.")
        assert answer.next_step == (
            "Call add_leads again with the very same arguments: what is there is not added twice."
        )
        assert listed.clock.monotonic() < CALL_SECONDS
        rest = await add(listed, services, addresses(12))

    assert rest.imported == 12
    assert len(sent(listed)) == 6
    assert len(in_the_list(listed)) == 12


async def test_an_answer_that_does_not_come_in_time_is_unknown_and_not_a_broken_call(listed: World) -> None:
    listed.sandbox.faults.next(ROUTE, "hang_before")
    listed.sandbox.options.import_seconds = 19.0

    async with listed.services() as services:
        answer = await add(listed, services, addresses(2))

    assert answer.unknown == 2
    assert listed.clock.monotonic() <= CALL_SECONDS - 1


async def test_without_a_journal_that_can_be_written_nothing_is_sent(
    listed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed.services() as services:
        database_of(services.journal).execute("PRAGMA query_only = ON")
        with pytest.raises(JournalUnusable, match="Nothing was sent"):
            await add(listed, services, addresses(2))
        database_of(services.journal).execute("PRAGMA query_only = OFF")

    assert sent(listed) == []


async def test_an_answer_names_fifty_rows_and_thirty_columns_and_counts_the_rest(
    listed: World, tmp_path: Path
) -> None:
    titles = ",".join(["Email", *(f"Extra {number}" for number in range(60))])
    rows = "\n".join(["a@fable.example", *(f"bad {number}" for number in range(200))])
    (tmp_path / "files" / "people.csv").write_text(f"{titles}\n{rows}\n")

    async with listed.services(csv_dir=tmp_path / "files") as services:
        answer = await add_file(listed, services)

    assert (answer.imported, answer.skipped) == (1, 200)
    assert answer.skipped_rows is not None
    assert (len(answer.skipped_rows), answer.skipped_rows_left_out) == (50, 150)
    assert answer.unused_columns is not None
    assert answer.unused_columns[-1] == "and 30 more"
    assert len(answer.unused_columns) == 31


def write_crowd(folder: Path, count: int) -> None:
    lines = (f"First{n},Last{n},Company {n},p{n}@fable.example,Manager" for n in range(count))
    (folder / "people.csv").write_text("\n".join(["First Name,Last Name,Company,E-mail,Position", *lines]))


@pytest.mark.long
async def test_ten_thousand_leads_take_as_few_requests_as_the_limits_allow(
    listed: World, tmp_path: Path
) -> None:
    write_crowd(tmp_path / "files", 10_000)

    async with listed.services(csv_dir=tmp_path / "files") as services:
        answer = await add_file(listed, services)
        assert (answer.imported, answer.skipped) == (10_000, 0)
        assert len(sent(listed)) == -(-10_000 // 600)
        before = len(listed.sandbox.requests)
        again = await add_file(listed, services)

    assert again.imported == 10_000
    assert len(listed.sandbox.requests) == before + 1  # which list has that name now
    assert len(in_the_list(listed)) == 10_000


async def test_a_file_beyond_the_rate_limit_goes_on_with_the_same_call(
    listed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNK_ROWS", 2)
    write_crowd(tmp_path / "files", 200)
    calls = 0

    async with listed.services(csv_dir=tmp_path / "files") as services:
        while calls < 9:
            calls += 1
            answer = await add_file(listed, services)
            if not answer.not_sent:
                break
            assert "add_leads again with the very same arguments" in (answer.next_step or "")
            await listed.clock.sleep(60)

    assert (answer.imported, answer.not_sent) == (200, None)
    assert calls == 3  # 30 requests a minute, and one call lasts less than one
    assert [record.status for record in listed.sandbox.requests if record.body].count(201) == 100
    assert len(in_the_list(listed)) == 200


@pytest.mark.long
async def test_memory_does_not_grow_with_the_files_that_were_imported(listed: World, tmp_path: Path) -> None:
    """A pool's thread may hold on to the newest file, and nothing holds on to the ones before."""
    held = []

    async with listed.services(csv_dir=tmp_path / "files") as services:
        tracemalloc.start()
        try:
            for number in range(4):
                write_crowd(tmp_path / "files", 2_000 + number)
                await add_file(listed, services)
                listed.sandbox.requests.clear()
                lead_list = listed.sandbox.lists.get(listed.sandbox.account(), in_the_list_id(listed))
                lead_list.leads.clear()
                listed.sandbox.lists._leads.clear()
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()

    assert held[3] - held[1] < 200_000


async def test_a_note_that_is_true_of_many_rows_is_said_once(listed: World) -> None:
    office = {"email": "office@fable.example", "last_name": "Fable", "domain": "no domain"}
    people = [
        office | {"first_name": f"Ada{chr(97 + number % 26)}{number // 26 * 'o'}"} for number in range(60)
    ]
    async with listed.services() as services:
        answer = await add(listed, services, people)

    assert answer.notes and answer.notes[0].startswith(
        "rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 50 more: left out"
    )
    assert answer.notes[1].endswith("left out: email stands with several people, so it is nobody's own")
    assert len(answer.notes) == 2


async def test_the_apis_own_duplicates_do_not_come_back_alone(listed: World) -> None:
    twice = father_and_son("fable")
    async with listed.services() as services:
        await add(listed, services, twice)
        before = len(in_the_list(listed))
        await add(listed, services, [*twice, {"email": "b@fable.example"}])

    assert len(in_the_list(listed)) == before + 1


async def test_a_part_whose_answer_was_lost_is_told_again_as_it_was(listed: World) -> None:
    people = addresses(3)
    async with listed.services() as services:
        await add(listed, services, people[:1])
        listed.sandbox.faults.next(ROUTE, "reset_after", times=50)
        await add(listed, services, people)
        listed.sandbox.faults.clear()
        await add(listed, services, people[1:2])
        await listed.clock.sleep(60)
        await add(listed, services, people)

    copies = [row["email"] for row in in_the_list(listed)]
    assert copies.count("p2@fable.example") == 1


async def test_a_row_appended_after_a_lost_answer_doubles_nobody(listed: World) -> None:
    async with listed.services() as services:
        listed.sandbox.faults.next(ROUTE, "reset_after", times=50)
        await add(listed, services, addresses(3))
        listed.sandbox.faults.clear()
        await listed.clock.sleep(60)
        answer = await add(listed, services, addresses(4))

    assert answer.imported == 4
    assert len(in_the_list(listed)) == 4


async def test_people_who_are_all_there_are_not_sent_again_for_a_lost_answer(listed: World) -> None:
    async with listed.services() as services:
        listed.sandbox.faults.next(ROUTE, "reset_before", times=50)
        await add(listed, services, addresses(1))
        listed.sandbox.faults.clear()
        await listed.clock.sleep(60)
        await add(listed, services, addresses(2))
        answer = await add(listed, services, addresses(1))

    assert answer.imported == 1
    assert len(in_the_list(listed)) == 2


def test_the_details_that_journals_keep_digests_of_stay_what_they_are() -> None:
    person = prepare([(1, ADA | {"email": "Ada@Fable.example"})]).accepted[0].person

    assert all_details(person) == (
        "email=ada@fable.example",
        "first_name=ada",
        "last_name=fable",
        "domain=fable.example",
    )


async def test_an_import_of_a_patient_server_is_held_for_longer_than_its_request_may_take(
    listed: World,
) -> None:
    listed.sandbox.faults.next(ROUTE, "reset_after")

    async with listed.services(timeout_seconds=90.0) as services:
        answer = await add(listed, services, addresses(2))

    assert (answer.imported, answer.unknown) == (0, 2)
    assert "Wait 100 seconds" in (answer.next_step or "")
    assert len(sent(listed)) == 1
