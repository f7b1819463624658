"""The one person of a call, and what is said if nobody is meant."""

import pytest

from cleanlist_mcp.calls.person import read_person
from cleanlist_mcp.errors import InvalidArguments


def refusal(**fields: str) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as refused:
        read_person(**fields)
    return refused.value


def test_a_call_that_names_nobody_says_so_plainly() -> None:
    error = refusal(email="", first_name=" ")
    assert error.message == "No person is named."
    assert error.next_step.startswith("Give email, linkedin_url or person_id")


def test_a_person_of_whom_something_is_missing_is_told_what() -> None:
    assert refusal(first_name="Ada", last_name="🚀", domain="fable.example").message == (
        "This identifies nobody: missing last_name (or an email, linkedin_url or person_id)."
    )


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("first_name", "x" * 201, "is longer than 200 characters"),
        ("email", "x" * 5_000, "is longer than 254 characters"),
        ("domain", "linkedin.com/company/fable", "is a page on another site, not the company's own"),
    ],
)
def test_a_wrong_field_is_named_with_its_fault(field: str, value: str, problem: str) -> None:
    error = refusal(linkedin_url="linkedin.com/in/ada", **{field: value})
    assert error.message == f"Wrong arguments: {field}."
    assert error.field_errors == [{"field": field, "problem": problem}]
