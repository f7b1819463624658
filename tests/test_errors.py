"""Errors: what they hold, that they do not change, and how a model reads them."""

import json

import httpx
import pytest
from mcp.types import TextContent

from cleanlist_mcp import errors
from cleanlist_mcp.errors import (
    Advice,
    Answered,
    ApiError,
    ApiRefusal,
    ApiUnavailable,
    DailyLimit,
    NotConfigured,
    OutcomeUnknown,
)
from cleanlist_mcp.server.boundary import error_body, error_result
from cleanlist_mcp.settings import Settings
from tests.support import Answering, World


@pytest.mark.parametrize(
    ("fate", "nothing_started", "unprocessed"),
    [
        ("not_sent", True, True),
        ("turned_away", True, True),
        ("refused", True, False),
        ("unknown", False, False),
    ],
)
def test_one_word_says_what_became_of_a_request(
    fate: errors.Fate, nothing_started: bool, unprocessed: bool
) -> None:
    error = ApiUnavailable("It failed.", "Try again.", fate=fate)

    assert (error.nothing_started, error.unprocessed) == (nothing_started, unprocessed)


def test_an_error_that_is_replaced_stays_as_it_was() -> None:
    first = ApiRefusal(
        "Refused.", "Stop.", api_code="busy", answered=Answered(status=409), figures={"shortfall_credits": 3}
    )
    second = first.replaced(
        message="Gone.", fate="not_sent", figures={**first.figures, "answered_with": "run-1"}
    )

    assert (first.message, str(first), first.fate, dict(first.figures)) == (
        "Refused.",
        "Refused.",
        "refused",
        {"shortfall_credits": 3},
    )
    assert isinstance(second, ApiRefusal)
    assert (second.message, str(second), second.fate) == ("Gone.", "Gone.", "not_sent")
    assert (second.code, second.next_step, second.status) == ("busy", "Stop.", 409)
    assert dict(second.figures) == {"shortfall_credits": 3, "answered_with": "run-1"}


def test_the_figures_of_an_error_cannot_be_changed_afterwards() -> None:
    figures = {"cost": 3}
    error = DailyLimit("Over.", "Wait.", figures=figures)
    figures["cost"] = 4

    assert dict(error.figures) == {"cost": 3}
    with pytest.raises(TypeError):
        error.figures["cost"] = 5  # type: ignore[index]


def test_a_misspelt_member_is_refused_and_not_published() -> None:
    with pytest.raises(TypeError, match="shortfall_credit"):
        ApiError("It failed.", "Try again.", shortfall_credit=3)  # type: ignore[call-arg]


def test_the_figures_stand_beside_the_members_that_every_error_has() -> None:
    error = OutcomeUnknown("Lost.", "Look.", charged="unknown", figures={"reserved_at_most": 11})

    assert error_body(error) == {
        "code": "outcome_unknown",
        "message": "Lost.",
        "charged": "unknown",
        "retryable": False,
        "next_step": "Look.",
        "reserved_at_most": 11,
    }


def test_advice_for_the_user_is_put_to_a_model_as_something_to_ask() -> None:
    assert (
        error_body(NotConfigured("No key.", Advice("Create a key.")))["next_step"]
        == "Ask the user: Create a key."
    )
    assert error_body(NotConfigured("No key.", "Call whoami."))["next_step"] == "Call whoami."


async def test_a_list_that_is_left_half_added_for_want_of_the_user_says_whom_to_ask(world: World) -> None:
    world.transport = Answering(
        world.transport, "/csv-import", httpx.Response(402, json={"error": {"code": "insufficient_credits"}})
    )
    async with world.connect() as session:
        answer = await session.error(
            "add_leads", list_id=world.sandbox.add_list("Fables", 0), people=[{"email": "ada@fable.example"}]
        )

    assert answer["next_step"].startswith("Ask the user: Buy credits")


def test_a_key_that_is_missing_is_one_text_for_the_doctor_and_for_models() -> None:
    settings = Settings()
    with pytest.raises(NotConfigured) as caught:
        settings.require_key()

    told = error_body(caught.value)["next_step"]
    assert told.startswith(f"Ask the user: {settings.key_problem.advice} ")


def test_the_text_of_an_error_is_no_json_by_itself() -> None:
    result = error_result(ApiRefusal("Refused.", "Stop.", api_code="busy"))

    (block,) = result.content
    assert isinstance(block, TextContent)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(block.text)
    assert block.text.startswith('Error: {"error":{"code":"busy","message":"Refused.",')
    assert json.loads(block.text.removeprefix("Error: "))["error"] == error_body(
        ApiRefusal("Refused.", "Stop.", api_code="busy")
    )
    assert result.is_error and result.structured_content is None


async def test_every_kind_of_error_reaches_the_client_in_that_form(world: World, era: str) -> None:
    async with world.connect(era, api_key=None, read_only=True) as session:
        for tool, code in (
            ("whoami", "not_configured"),  # ours, of the settings
            ("workflow_status", "invalid_arguments"),  # of the arguments
            ("enrich_person", "read_only"),  # of the server
        ):
            arguments = {"wait_seconds": 99} if tool == "workflow_status" else {}
            assert (await session.error(tool, **arguments))["code"] == code
