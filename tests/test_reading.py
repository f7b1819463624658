"""Bodies of answers: nothing is unpacked without end, and damage in one text costs that text alone."""

import gzip
import json
import sys
import zlib
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.error_bodies import read_body
from cleanlist_mcp.api.reading import (
    MAX_RESPONSE_BYTES,
    SECOND_READING_BYTES,
    Body,
    BodyRefused,
    lenient_json,
    workflow_id_in,
)
from cleanlist_mcp.api.wire import (
    Balance,
    CsvImported,
    Estimate,
    Export,
    LeadList,
    LeadsPage,
    ListsPage,
    ListStarted,
    PersonStarted,
    Whoami,
    WorkflowStatus,
)
from cleanlist_mcp.errors import BadResponse
from tests.test_client import Api

HERE = "@here@"
NOTES = {"agent_instructions": HERE, "usage": {"deep": [{"note": HERE}]}}
"""Texts that the API may send with everything, and that nobody here needs."""

ANSWERS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (PersonStarted, {"workflow_id": "enrich-1", "credits_reserved": 11, "status": HERE, "lead_list_id": "l"}),
    (ListStarted, {"workflow_id": "bulk-enrich-1", "credits_reserved": 12, "status": "pending"}),
    (
        WorkflowStatus,
        {
            "workflow_id": "enrich-1",
            "status": "completed",
            "credits_charged": 1,
            "message": HERE,
            "result": {
                "lead_id": "lead_1",
                "full_name": "Ada Fable",
                "title": HERE,
                "email": "ada@fable.example",
            },
        },
    ),
    (
        Estimate,
        {
            "quote_id": "qte_1",
            "expires_at": 1_795_000_000,
            "estimated_cost": 12,
            "row_count": 12,
            "available_credits": 88,
            "tool": HERE,
        },
    ),
    (Balance, {"credits": 88, "organization_id": "org_1"}),
    (Whoami, {"organization_id": "org_1", "user_name": HERE, "tier": "pro", "scopes": ["lists:read"]}),
    (LeadList, {"list_id": "list_1", "name": HERE, "lead_count": 3}),
    (ListsPage, {"lists": [{"list_id": "list_1", "name": HERE}, {"list_id": "list_2"}], "cursor": "next"}),
    (
        LeadsPage,
        {"leads": [{"first_name": HERE, "email": "ada@fable.example"}, {"title": "Poet"}], "total": 2},
    ),
    (CsvImported, {"rows_imported": 3, "message": HERE}),
    (Export, {"download_url": "https://files.fable.example/x", "expires_at": HERE}),
]
IN_A_TEXT = (
    rb"\ud83d",
    rb"\uDE00",
    rb"\ud83d\ud83d\ude00",
    rb"\ude00\ud83d",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\xbd",
    b"\xf0\x9f\x98",
    b"\x00",
    b"\x1b[31m",
    b"\n",
)
INSTEAD_OF_A_TEXT = (
    b"9" * 5_000,
    b"-" + b"9" * 5_000,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e9999",
    b"0.1e-9999",
)


def read(model: type[BaseModel], content: bytes) -> BaseModel:
    """Read an answer as the client does."""
    from cleanlist_mcp.api.client import _read

    return _read(content, model)


def spots(value: Any) -> list[str]:
    """Each way to leave one mark in `value` and put plain text in place of the others."""
    text = json.dumps(value)
    pieces = text.split(HERE)
    return [
        HERE.join(["plain".join(pieces[: index + 1]), "plain".join(pieces[index + 1 :])])
        for index in range(len(pieces) - 1)
    ]


def but(answer: BaseModel, affected: BaseModel) -> dict[str, Any]:
    """An answer without the texts that differ from `affected`, each compared by where it stands."""

    def pruned(value: Any, other: Any) -> Any:
        if isinstance(value, dict) and isinstance(other, dict):
            return {name: pruned(item, other.get(name)) for name, item in value.items()}
        if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
            return [pruned(*pair) for pair in zip(value, other, strict=True)]
        return None if other == "plain" else value

    result: dict[str, Any] = pruned(answer.model_dump(), affected.model_dump())
    return result


NEITHER_QUOTE_NOR_CONTROL = st.characters(codec="utf-8", min_codepoint=32, exclude_characters='"\\')
DAMAGED = [(model, spot) for model, data in ANSWERS for spot in spots(data | NOTES)]
"""Each answer with each of its marked texts."""


@given(
    case=st.sampled_from(DAMAGED),
    before=st.text(NEITHER_QUOTE_NOR_CONTROL, max_size=9),
    damage=st.sampled_from(IN_A_TEXT),
)
@example(case=DAMAGED[0], before="", damage=IN_A_TEXT[0])
def test_a_damaged_text_costs_that_text_alone(
    case: tuple[type[BaseModel], str], before: str, damage: bytes
) -> None:
    model, text = case
    plain = read(model, text.replace(HERE, "plain").encode())
    damaged = read(model, text.encode().replace(HERE.encode(), before.encode() + damage + b"after"))

    assert but(damaged, plain) == but(plain, plain)
    assert damaged.model_dump_json()  # no half of a character goes further


@given(case=st.sampled_from(DAMAGED), number=st.sampled_from(INSTEAD_OF_A_TEXT))
def test_a_number_that_no_python_reads_costs_that_field_alone(
    case: tuple[type[BaseModel], str], number: bytes
) -> None:
    model, text = case
    plain = read(model, text.replace(HERE, "plain").encode())
    damaged = read(model, text.encode().replace(f'"{HERE}"'.encode(), number))

    assert but(damaged, plain) == but(plain, plain)


@pytest.mark.parametrize(("model", "data"), ANSWERS, ids=lambda item: getattr(item, "__name__", ""))
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_costs_nothing(model: type[BaseModel], data: dict[str, Any], encoding: str) -> None:
    assert read(model, json.dumps(data).encode(encoding)) == read(model, json.dumps(data).encode())


def test_the_last_of_two_members_of_one_name_counts_in_either_reading() -> None:
    twice = b'{"workflow_id":"enrich-1","workflow_id":"enrich-2"%b}'

    assert read(PersonStarted, twice % b"").model_dump()["workflow_id"] == "enrich-2"
    assert read(PersonStarted, twice % rb',"note":"\ud83d"').model_dump()["workflow_id"] == "enrich-2"


def test_a_damaged_address_never_looks_whole() -> None:
    page = read(LeadsPage, rb'{"leads":[{"email":"ada\ud83d@fable.example"}]}')

    assert page.model_dump()["leads"][0]["email"] == "ada\ufffd@fable.example"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"workflow_id":"enrich-1"}}',
        b'{"workflow_id":"enrich-1\xff"}',
        rb'{"workflow_id":"enrich-\ud83d"}',
        b'{"workflow_id":' + b"9" * 5_000 + b"}",
        b'{"workflow_id":"enrich-1","note":"\xff","padding":"' + b"x" * SECOND_READING_BYTES + b'"}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_what_is_no_answer_stays_unreadable(content: bytes) -> None:
    with pytest.raises(BadResponse) as raised:
        read(PersonStarted, content)

    assert not raised.value.nothing_started


@pytest.mark.parametrize("damage", IN_A_TEXT)
def test_a_refusal_with_a_damaged_text_is_read_like_any(damage: bytes) -> None:
    text = b'{"error":{"code":"insufficient_credits","problem":"%b","shortfall_credits":3}}' % damage
    body = read_body(text)

    assert body.readable
    assert (body.code, body.figures) == ("insufficient_credits", {"shortfall_credits": 3})


def test_deep_nesting_is_refused_and_not_raised() -> None:
    deep = "[" * 3_000 + rb'"\ud83d"'.decode() + "]" * 3_000
    with pytest.raises(ValueError, match="deep"):
        lenient_json(deep.encode())


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit")
def test_a_python_that_reads_short_numbers_alone_reads_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        started = read(PersonStarted, b'{"workflow_id":"enrich-1","note":%b,"status":"\xff"}' % (b"7" * 700))
    finally:
        sys.set_int_max_str_digits(before)

    assert started.model_dump()["workflow_id"] == "enrich-1"


@given(content=st.binary(max_size=200))
def test_reading_leniently_raises_nothing_but_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        lenient_json(content)
    workflow_id_in(content)


async def test_a_finished_run_is_not_lost_over_half_an_emoji() -> None:
    finished = (
        rb'{"status":"completed","result":{"lead_id":"lead_1","title":"Poet \ud83d"},"credits_charged":1}'
    )
    client: CleanlistClient = Api(httpx.Response(200, content=finished)).client
    status = await client.status("enrich-1")

    assert status.finished and status.credits_charged == 1
    assert status.result is not None and status.result.lead_id == "lead_1"


# The run that a body names

NAMED = '"workflow_id": "enrich-1"'


@pytest.mark.parametrize(
    "text",
    [
        f"{{{NAMED}}}",
        f'{{"error": {{"code": "duplicate_request", {NAMED}}}}}',
        f'{{"error": {{"code": "x", "details": {{{NAMED}}}}}}}',
        f'{{"detail": {{{NAMED}}}}}',
        f'{{"detail": {{"error": {{"details": {{{NAMED}}}}}}}}}',
        f'{{"status": "pending", "note": "\\ud83d", {NAMED}}}',
        f'{{"note": "\\ud83d", "error": {{{NAMED}}}}}',
        f'{{{NAMED}, "status": "pend',
        f'{{{NAMED}, "note": NaN, "deep": ' + "[" * 5_000,
        f'{{"results": [{{{NAMED}}}, {{{NAMED}',
        f"{{{NAMED}}} and something after it",
    ],
)
def test_the_run_that_a_body_names_is_found(text: str) -> None:
    assert workflow_id_in(text.encode()) == "enrich-1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b'{"workflow_id": null}',
        b'{"workflow_id": true}',
        b'{"workflow_id": ""}',
        b'{"workflow_id": "a b"}',
        b'{"workflow_id": "../whoami"}',
        b'{"workflow_id": "enrich-1\xff"}',
        b'{"workflow_id": ["enrich-1"]}',
        b'{"workflow_id": "%b"}' % (b"x" * 129),
        b'{"workflow_id": "enrich-',
        b'{"recent": [{"workflow_id": "enrich-1"}]}',
        b'{"recent": [{"workflow_id": "enrich-1"}, {"workflow_id": "enrich-2"}',
    ],
)
def test_a_body_that_names_no_run_or_several_names_none(content: bytes) -> None:
    assert workflow_id_in(content) is None


def test_a_runs_id_may_be_a_number() -> None:
    assert workflow_id_in(b'{"workflow_id": 50}') == "50"


# What is packed


def fed(body: Body, content: bytes, step: int = 1000) -> bytes:
    for start in range(0, len(content), step):
        body.feed(content[start : start + step])
    body.end()
    return body.content


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("step", [1, 2, 7, 100_000])
@pytest.mark.parametrize(
    ("encodings", "pack"),
    [
        ([], bytes),
        ([""], bytes),
        (["identity"], bytes),
        (["gzip"], gzip.compress),
        (["GZIP "], gzip.compress),
        (["x-gzip"], gzip.compress),
        (["identity", "gzip"], gzip.compress),
        (["deflate"], zlib.compress),
        (["deflate"], raw_deflate),
        (["gzip"], bytes),
    ],
)
def test_one_layer_is_decoded_though_none_was_asked_for(encodings: list[str], pack: Any, step: int) -> None:
    content = b'{"workflow_id":"enrich-1"}' * 20

    assert fed(Body(encodings), pack(content), step) == content


@pytest.mark.parametrize(
    "encodings",
    [
        ["gzip", "gzip"],
        ["gzip", "deflate"],
        ["br"],
        ["zstd"],
        ["compress"],
        ["utf-8"],
        ["gzip", "identity", "br"],
    ],
)
def test_other_encodings_are_taken_as_they_are_and_refused(encodings: list[str]) -> None:
    content = b'{"workflow_id":"enrich-1"}'
    body = Body(encodings)
    with pytest.raises(BodyRefused, match="encoded"):
        fed(body, content)

    assert body.content == content


@pytest.mark.parametrize("encodings", [["br"], ["gzip"], ["deflate"], ["gzip", "gzip"]])
def test_where_there_is_no_body_its_encoding_matters_to_nobody(encodings: list[str]) -> None:
    assert fed(Body(encodings), b"") == b""


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b" + b"x" * 50, gzip.compress(b"x" * 500, mtime=0)[:-9] + b"noise" * 20]
)
def test_what_is_not_packed_as_it_says_is_refused(content: bytes) -> None:
    with pytest.raises(BodyRefused):
        fed(Body(["gzip"]), content + b"y" * 50)


@pytest.mark.parametrize("encodings", [[], ["gzip"], ["br"]])
def test_a_body_without_end_is_refused_soon(encodings: list[str]) -> None:
    body = Body(encodings)
    with pytest.raises(BodyRefused, match="larger"):
        fed(body, (gzip.compress(b"") if encodings else b"") + bytes(2 * MAX_RESPONSE_BYTES), 65_536)

    assert len(body.content) <= MAX_RESPONSE_BYTES + 1


def test_a_packed_body_may_be_as_large_as_any() -> None:
    content = bytes(MAX_RESPONSE_BYTES)

    assert fed(Body(["gzip"]), gzip.compress(content)) == content
    with pytest.raises(BodyRefused, match="larger"):
        fed(Body(["gzip"]), gzip.compress(content + b"x"))
