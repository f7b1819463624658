"""Asking the person before a list is paid for."""

import json
from typing import Any, Literal

import anyio
import pytest
from mcp.types import INTERNAL_ERROR, METHOD_NOT_FOUND, ElicitRequestParams, ElicitResult, ErrorData

from cleanlist_mcp.server import boundary
from cleanlist_mcp.server.dialog import DIALOG_SECONDS, START_SECONDS
from tests.support import Edited, World


class Dialog:
    """A client's dialog that always gives the same answer, and remembers what it was asked."""

    def __init__(
        self, action: Literal["accept", "decline", "cancel"], content: dict[str, Any] | None = None
    ) -> None:
        self.asked: list[str] = []
        self._answer = ElicitResult(action=action, content=content)

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return self._answer


def approving() -> Dialog:
    return Dialog("accept", {"approve": True})


async def test_the_person_is_asked_with_the_quotes_own_figures_and_a_yes_spends(
    world: World, era: str
) -> None:
    dialog = approving()

    async with world.connect(era, dialog) as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["workflow_id"]
    assert len(dialog.asked) == 1
    for part in ("12 credits", "12 rows", '"Q3 Prospects"', "partial", "5000", "4988"):
        assert part in dialog.asked[0]


async def test_the_question_does_not_change_with_the_live_balance(world: World, era: str) -> None:
    dialog = approving()

    async with world.connect(era, dialog) as session:
        arguments = await world.quote(session)
        await session.call("enrich_person", email="ada@fable.example")
        await session.call("enrich_list", **arguments)

    assert "Balance when quoted: 5000" in dialog.asked[0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Dialog("decline"), "declined"),
        (Dialog("accept", {"approve": False}), "declined"),
        (Dialog("cancel"), "not_confirmed"),
    ],
)
async def test_anything_but_a_yes_sends_nothing_and_is_no_error(
    world: World, era: str, answer: Dialog, status: str
) -> None:
    async with world.connect(era, answer) as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["status"] == status
    assert "workflow_id" not in report
    assert report["credits"]["charged"] == 0
    assert ("the client answered by itself; docs/clients.md shows" in report["summary"]) == (
        status == "declined"
    )
    assert ("CLEANLIST_CONFIRM=never" in report["next_step"]) == (status == "not_confirmed")
    assert world.posts("/enrichment/bulk") == 0


async def test_a_declined_quote_can_still_be_approved_later(world: World, era: str) -> None:
    answers = iter([Dialog("decline"), approving()])
    dialog = next(answers)

    async def ask(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return await dialog(context, params)

    async with world.connect(era, ask) as session:
        arguments = await world.quote(session)
        declined = await session.call("enrich_list", **arguments)
        dialog = next(answers)
        report = await session.call("enrich_list", **arguments)

    assert declined["status"] == "declined"
    assert report["workflow_id"]
    assert world.posts("/enrichment/bulk") == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"approve": None},
        {"approve": "perhaps"},
        {"approve": "yes"},
        {"approve": "true"},
        {"approve": 1},
    ],
)
async def test_an_answer_in_which_the_box_is_not_ticked_is_declined(
    world: World, era: str, content: dict[str, Any] | None
) -> None:
    async with world.connect(era, Dialog("accept", content)) as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["status"] == "declined"
    assert "workflow_id" not in report
    assert "CLEANLIST_CONFIRM" not in json.dumps(report)
    assert world.posts("/enrichment/bulk") == 0


@pytest.mark.parametrize("code", [METHOD_NOT_FOUND, INTERNAL_ERROR])
async def test_a_client_whose_dialog_fails_has_not_confirmed(world: World, code: int) -> None:
    async def fail(context: Any, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=code, message="approved by the user")

    async with world.connect("legacy", fail) as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["status"] == "not_confirmed"
    assert "approved" not in json.dumps(report)
    assert world.posts("/enrichment/bulk") == 0


async def test_a_dialog_that_is_never_shown_ends_in_not_confirmed(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("cleanlist_mcp.server.dialog.DIALOG_SECONDS", 0.05)

    async def never(context: Any, params: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with world.connect("legacy", never) as session:
        arguments = await world.quote(session)
        with anyio.fail_after(5):
            report = await session.call("enrich_list", **arguments)

    assert report["status"] == "not_confirmed"
    assert "CLEANLIST_CONFIRM=never" in report["next_step"]
    assert world.posts("/enrichment/bulk") == 0


async def test_a_dialog_gets_no_more_time_than_its_call_has_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(context: Any, params: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with world.connect("legacy", never) as session:
        arguments = await world.quote(session)
        monkeypatch.setattr(boundary, "CALL_SECONDS", START_SECONDS + 0.05)
        with anyio.fail_after(5):
            report = await session.call("enrich_list", **arguments)

    assert report["status"] == "not_confirmed"


async def test_a_quote_that_gives_rows_away_is_no_quote(world: World) -> None:
    world.transport = Edited(world.transport, lambda data: data.update(estimated_cost=0), "/credits/estimate")

    async with world.connect(confirm="always") as session:
        error = await session.error("estimate", list_id="Q3 Prospects")

    assert error["code"] == "bad_response"
    assert error["charged"] == "no"


def test_a_dialog_is_held_open_for_45_seconds_at_most() -> None:
    assert DIALOG_SECONDS <= 45


async def test_a_client_that_cannot_ask_is_gated_by_the_quote(world: World, era: str) -> None:
    async with world.connect(era) as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["workflow_id"]


async def test_always_refuses_where_the_client_cannot_ask(world: World, era: str) -> None:
    async with world.connect(era, confirm="always") as session:
        error = await session.error("enrich_list", **await world.quote(session))

    assert error["code"] == "confirmation_unavailable"
    assert error["charged"] == "no"
    assert world.posts("/enrichment/bulk") == 0


async def test_never_does_not_ask(world: World, era: str) -> None:
    dialog = Dialog("decline")

    async with world.connect(era, dialog, confirm="never") as session:
        report = await session.call("enrich_list", **await world.quote(session))

    assert report["workflow_id"]
    assert dialog.asked == []


async def test_a_repeat_of_a_run_that_exists_asks_nobody(world: World, era: str) -> None:
    dialog = approving()

    async with world.connect(era, dialog) as session:
        arguments = await world.quote(session)
        await session.call("enrich_list", **arguments)
        repeat = await session.call("enrich_list", **arguments, max_credits=1)

    assert repeat["replayed"]
    assert len(dialog.asked) == 1


async def test_a_quote_that_does_not_fit_is_refused_before_anybody_is_asked(world: World, era: str) -> None:
    dialog = approving()

    async with world.connect(era, dialog) as session:
        dear = await world.quote(session, scope="full")
    async with world.connect(era, dialog, daily_limit=131) as session:
        arguments = await world.quote(session)
        mismatch = await session.error("enrich_list", **(arguments | {"scope": "full"}))
        over = await session.error("enrich_list", **arguments, max_credits=5)
        too_much = await session.error("enrich_list", **dear)

    assert mismatch["code"] == "quote_mismatch"
    assert over["code"] == "over_max_credits"
    assert (over["quoted_cost"], over["max_credits"]) == (12, 5)
    assert (too_much["code"], too_much["cost"]) == ("daily_limit", 132)
    assert dialog.asked == []


async def test_a_replayed_yes_starts_nothing_twice(world: World) -> None:
    async def unused(context: Any, params: ElicitRequestParams) -> ElicitResult:
        raise AssertionError("answered by hand")

    async with world.connect("auto", unused) as session:
        arguments = await world.quote(session)
        wire = session.client.session
        asked: Any = await wire.call_tool("enrich_list", arguments, allow_input_required=True)
        (key,) = asked.input_requests
        yes: Any = {key: ElicitResult(action="accept", content={"approve": True})}
        for _ in range(3):
            result: Any = await wire.call_tool(
                "enrich_list", arguments, input_responses=yes, request_state=asked.request_state
            )
            assert not result.is_error

    assert world.posts("/enrichment/bulk") == 1
    assert len(world.sandbox.runs) == 1


async def test_no_text_claims_that_a_person_approved(world: World, era: str) -> None:
    async with world.connect(era, approving()) as session:
        result = await session.result("enrich_list", **await world.quote(session), wait_seconds=20)

    assert "approved" not in result.content[0].text  # type: ignore[union-attr]
