"""Arguments as clients, proxies and models write them: understood if there is one way to, else refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from cleanlist_mcp.money.prices import PRICES
from cleanlist_mcp.server.arguments import is_damaged
from cleanlist_mcp.server.build import make_tools
from cleanlist_mcp.server.kept import made
from cleanlist_mcp.server.reading import means_nothing, read
from cleanlist_mcp.server.request import understood
from cleanlist_mcp.server.schemas import validated_schema
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import TOOLS
from tests.support import World, text_of

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}
NOTHING = (
    *("", "  ", "\u200b", "null", "None", "NULL", "undefined", "NaN", "nil", "n/a", "N/A"),
    *(
        "<nil>",
        "(null)",
        "#N/A",
        "<None>",
        "null null",
        "undefined undefined",
        "-",
        "--",
        "\u2014",
        "- -",
        None,
    ),
)
SOMETHING = (
    "na",
    "Na",
    "NA",
    "None Such Records",
    "Nullmeyer",
    "Nilsson",
    "null and void",
    "0",
    "x",
    "no",
    "Nan Desu",
)
SCHEMAS = {
    tool.name: validated_schema(tool.fn_metadata.arg_model) for tool in map(made, make_tools(Settings()))
}
SPENDING = [spec.name for spec in TOOLS if spec.effect == "spends"]
CHANGING = [spec.name for spec in TOOLS if spec.effect != "reads"]
READING = [spec.name for spec in TOOLS if spec.effect == "reads"]


def paid(world: World) -> list[dict[str, Any]]:
    """The bodies of the spend requests for single people that reached the API."""
    return [
        record.body
        for record in world.sandbox.requests
        if record.method == "POST" and record.path.endswith("/enrichment/person")
    ]


# Words for nothing


@pytest.mark.parametrize("word", NOTHING, ids=ascii)
def test_words_for_nothing_mean_nothing(word: object) -> None:
    assert means_nothing(word)


@pytest.mark.parametrize("word", SOMETHING, ids=ascii)
def test_other_words_mean_something(word: str) -> None:
    assert not means_nothing(word)


@pytest.mark.parametrize(
    "person",
    [
        {"first_name": "null", "last_name": "null", "company_name": "null"},
        {"person_id": "undefined"},
        {"first_name": "undefined", "last_name": "undefined", "domain": "fable.example"},
        {"first_name": "Ada", "last_name": "<nil>", "company_name": "Fable"},
        {"first_name": "Ada", "last_name": "Fable", "company_name": "N/A"},
        {"first_name": "n/a", "last_name": "Fable", "domain": "fable.example"},
        {"email": "null", "linkedin_url": "None", "person_id": "-"},
        {"first_name": "none", "last_name": " ", "domain": "fable.example"},
    ],
    ids=ascii,
)
async def test_nobody_is_bought_for_words_that_mean_nothing(
    world: World, era: str, person: dict[str, Any]
) -> None:
    async with world.connect(era) as session:
        error = await session.error("enrich_person", **person)

    assert (error["code"], error["charged"]) == ("invalid_arguments", "no")
    assert world.sandbox.requests == []


async def test_an_id_that_means_nothing_beside_an_address_is_left_out(world: World, era: str) -> None:
    async with world.connect(era) as session:
        await session.call("enrich_person", email="jane@acme.example", person_id="None", list_id="undefined")

    (body,) = paid(world)
    assert body["email"] == "jane@acme.example"
    assert not body.get("person_id") and not body.get("lead_list_id")


@pytest.mark.parametrize(
    ("first", "last"),
    [("Null", "Fable"), ("Ada", "None"), ("nan", "Fable"), ("Ada", "NULL"), ("Nil", "Tale")],
    ids=ascii,
)
async def test_a_name_may_be_such_a_word_beside_a_real_one(
    world: World, era: str, first: str, last: str
) -> None:
    async with world.connect(era) as session:
        await session.call(
            "enrich_person", first_name=first, last_name=last, company_name="None Such Records"
        )

    (body,) = paid(world)
    assert (body["first_name"], body["last_name"]) == (first, last)
    assert body["company_name"] == "None Such Records"


@pytest.mark.parametrize("blank", ["", " ", None, "null", "undefined", "n/a", "-"], ids=ascii)
async def test_what_proxies_fill_in_is_left_out(world: World, era: str, blank: str | None) -> None:
    async with world.connect(era) as session:
        quote = await session.call("estimate", list_id="Q3 Prospects", scope=blank, people_count=0)
        run = await session.call(
            "enrich_person", **ADA, email=blank, enrichment_type=blank, wait_seconds=blank, again=blank
        )
        lists = await session.call("find_lists", query=blank, limit=0, cursor=blank)
        rows = await session.call("get_leads", list_id="Q3 Prospects", limit="0", only=blank, cursor=blank)

    assert (quote["scope"], quote["row_count"], run["scope"]) == ("partial", 12, "partial")
    assert lists["lists"] and len(rows["leads"]) == 12


@pytest.mark.parametrize("word", ["null", "", "undefined", "n/a", " \u200b ", None], ids=ascii)
@pytest.mark.parametrize(
    ("tool", "arguments", "name"),
    [
        ("get_leads", {}, "list_id"),
        ("create_list", {}, "name"),
        ("export_list", {}, "list_id"),
        ("enrich_list", {"list_id": "l", "scope": "full"}, "quote_id"),
        ("enrich_list", {"list_id": "l", "quote_id": "qte_1"}, "scope"),
    ],
    ids=ascii,
)
async def test_a_required_argument_that_means_nothing_is_named(
    world: World, tool: str, arguments: dict[str, Any], name: str, word: str | None
) -> None:
    async with world.connect() as session:
        error = await session.error(tool, **arguments, **{name: word})

    assert (error["code"], error["charged"]) == ("invalid_arguments", "no")
    assert [one["field"] for one in error["field_errors"]] == [name]
    assert world.sandbox.requests == []


@pytest.mark.parametrize(
    "limit", ["none", "null", "undefined", "n/a", "-", "no limit", True, 5.5, "5.5", "1,000", []], ids=ascii
)
async def test_a_limit_on_spending_is_never_read_as_none(world: World, era: str, limit: object) -> None:
    async with world.connect(era) as session:
        error = await session.error("enrich_list", **await world.quote(session), max_credits=limit)

    assert (error["code"], error["charged"]) == ("invalid_arguments", "no")
    assert "max_credits" in json.dumps(error["field_errors"])
    assert world.posts("/enrichment/bulk") == 0


@pytest.mark.parametrize("limit", [0, "0", 0.0, "11", 11.0], ids=ascii)
async def test_a_limit_below_the_quote_holds_however_it_is_written(
    world: World, era: str, limit: object
) -> None:
    async with world.connect(era) as session:
        error = await session.error("enrich_list", **await world.quote(session), max_credits=limit)

    assert error["code"] == "over_max_credits"
    assert world.posts("/enrichment/bulk") == 0


@pytest.mark.parametrize("limit", [None, "", " ", "12", 12.0], ids=ascii)
async def test_a_limit_that_is_blank_or_high_enough_lets_the_quote_through(
    world: World, era: str, limit: object
) -> None:
    async with world.connect(era) as session:
        report = await session.call("enrich_list", **await world.quote(session), max_credits=limit)

    assert report["workflow_id"]


# Values in other clothes


@pytest.mark.parametrize("limit", [5, 5.0, "5", " 5 ", "5.0"], ids=ascii)
async def test_whole_numbers_are_read_as_they_are_meant(world: World, era: str, limit: object) -> None:
    async with world.connect(era) as session:
        rows = await session.call("get_leads", list_id="Q3 Prospects", limit=limit)

    assert len(rows["leads"]) == 5


@pytest.mark.parametrize(
    "limit", [5.5, "5.5", True, "five", "1,0", "5e0", "\u0665", "0x5", -1, {"n": 5}, [5]], ids=ascii
)
async def test_other_numbers_are_refused(world: World, era: str, limit: object) -> None:
    async with world.connect(era) as session:
        error = await session.error("find_lists", limit=limit)

    assert error["field_errors"][0]["field"] == "limit"


@pytest.mark.parametrize(
    "word", ["with_email", "WITH_EMAIL", "With Email", "with-email", " with email ", "withEmail"], ids=ascii
)
async def test_words_are_read_in_any_case_and_with_any_sign_between(
    world: World, era: str, word: str
) -> None:
    async with world.connect(era) as session:
        meant = await session.call("get_leads", list_id="Q3 Prospects", only="with_email")
        given_so = await session.call("get_leads", list_id="Q3 Prospects", only=word)

    assert given_so == meant


@pytest.mark.parametrize(
    ("word", "scope"),
    [
        *(("email", "partial"), ("E-Mail", "partial"), ("Phone", "phone_only"), ("BOTH", "full")),
        *(
            ("phone-only", "phone_only"),
            ("Phone Only", "phone_only"),
            ("FULL", "full"),
            (" Partial ", "partial"),
        ),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["scope", "enrichment_type"], ids=ascii)
async def test_a_scope_is_understood_in_peoples_words_and_by_the_apis_name(
    world: World, era: str, name: str, word: str, scope: str
) -> None:
    async with world.connect(era) as session:
        quote = await session.call("estimate", list_id="Q3 Prospects", **{name: word})
        run = await session.call("enrich_person", **ADA, **{name: word})

    assert (quote["scope"], run["scope"]) == (scope, scope)
    assert "ignored_arguments" not in quote


@pytest.mark.parametrize("tool", ["estimate", "enrich_person"], ids=ascii)
async def test_two_scopes_that_differ_are_asked_about(world: World, era: str, tool: str) -> None:
    async with world.connect(era) as session:
        error = await session.error(tool, scope="partial", enrichment_type="full")

    assert "did you mean scope?" in json.dumps(error)
    assert world.sandbox.requests == []


@pytest.mark.parametrize("word", ["mail and phone", "everything", "partial_only", "fulll", 1], ids=ascii)
async def test_a_scope_that_is_none_is_refused(world: World, era: str, word: object) -> None:
    async with world.connect(era) as session:
        error = await session.error("enrich_person", **ADA, scope=word)

    assert [one["field"] for one in error["field_errors"]] == ["scope"]
    assert world.sandbox.requests == []


@pytest.mark.parametrize("yes", [True, "true", "TRUE", " True "], ids=ascii)
async def test_a_yes_may_be_a_word(world: World, era: str, yes: object) -> None:
    async with world.connect(era) as session:
        first = await session.call("enrich_person", **ADA, wait_seconds=40)
        second = await session.call("enrich_person", **ADA, again=yes)

    assert second["workflow_id"] != first["workflow_id"]


@pytest.mark.parametrize("other", ["yes", "1", 1, "on", "y", []], ids=ascii)
async def test_what_only_sounds_like_a_yes_buys_nothing_again(world: World, era: str, other: object) -> None:
    async with world.connect(era) as session:
        result = await session.result("enrich_person", **ADA, again=other)

    assert result.is_error
    assert paid(world) == []


async def test_a_number_may_be_a_name(world: World, era: str) -> None:
    list_id = world.sandbox.add_list("2026", 3)
    world.sandbox.add_list("1492.5", 2)

    async with world.connect(era) as session:
        for number in (2026, 2026.0, "2026"):
            assert (await session.call("estimate", list_id=number))["list_id"] == list_id
        assert (await session.call("estimate", list_id=1492.5))["row_count"] == 2
        refused = await session.error("estimate", list_id=True)

    assert refused["field_errors"][0]["field"] == "list_id"


ONE: dict[str, Any] = {"email": "ada@fable.example"}
PEOPLE: list[object] = [
    [ONE],
    ONE,
    json.dumps(ONE),
    json.dumps([ONE]),
    [json.dumps(ONE)],
    json.dumps([json.dumps(ONE)]),
    [ONE | {"title": None, "domain": "null", "first_name": "", "last_name": "none"}],
]


@pytest.mark.parametrize("people", PEOPLE, ids=ascii)
async def test_people_are_understood_as_a_record_a_list_or_the_json_of_them(
    world: World, era: str, people: object
) -> None:
    async with world.connect(era) as session:
        made = await session.call("create_list", name="Conference")
        added = await session.call("add_leads", list_id=made["list_id"], people=people)

    assert added["imported"] == 1
    assert [lead["email"] for lead in world.sandbox.leads(made["list_id"])] == ["ada@fable.example"]


async def test_rows_keep_their_numbers_beside_blank_ones(world: World, era: str) -> None:
    people = [None, ONE, "", {"email": "no address"}]

    async with world.connect(era) as session:
        made = await session.call("create_list", name="Conference")
        added = await session.call("add_leads", list_id=made["list_id"], people=people)

    assert added["imported"] == 1
    assert [row["row"] for row in added["skipped_rows"]] == [1, 3, 4]


@pytest.mark.parametrize(
    "people", ["ada@fable.example", "[", 5, [5], [[ONE]], {"people": [ONE]}, True], ids=ascii
)
async def test_people_that_are_none_are_refused(world: World, era: str, people: object) -> None:
    async with world.connect(era) as session:
        error = await session.error("add_leads", list_id="Q3 Prospects", people=people)

    assert error["code"] == "invalid_arguments"
    assert world.posts("/csv-import") == 0


STRINGS = {"properties": {"titles": {"type": "array", "items": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("given_so", "meant"),
    [
        ("VP", ["VP"]),
        (["VP", " ", None, "null", 7], ["VP", "null", "7"]),
        ('["VP", "CEO"]', ["VP", "CEO"]),
        ("VP, Sales", ["VP, Sales"]),
        (51, ["51"]),
    ],
    ids=ascii,
)
def test_a_list_of_texts_may_be_one_text(given_so: object, meant: list[str]) -> None:
    assert read({"titles": given_so}, STRINGS) == {"titles": meant}


@pytest.mark.parametrize("given_so", [[], [None], ["", " "], "[]", "null", None], ids=ascii)
def test_a_list_of_nothing_is_left_out(given_so: object) -> None:
    assert read({"titles": given_so}, STRINGS) == {}


# Names that no tool knows

HOLDING_BACK = (
    *(
        "dry_run",
        "dryRun",
        "preview",
        "simulate",
        "test_mode",
        "confirm",
        "approve",
        "email_only",
        "skipFirst",
    ),
    *(
        "exclude",
        "filter",
        "filters",
        "row_ids",
        "rows",
        "first",
        "count",
        "page",
        "offset",
        "max",
        "spendLimit",
    ),
    *("budget", "cost-cap", "credits", "maxCredit", "task_ids", "max_calls", "request_limit", "MAX_CREDITS"),
)
HOST_NAMES = (
    *("toolCallId", "tool_call_id", "task_progress", "sessionId", "requestId", "trace-id", "progressToken"),
    *(
        "reasoning",
        "thought",
        "thoughts",
        "chat_id",
        "_meta",
        "action",
        "callID",
        "task",
        "SESSION_ID",
    ),
)
OTHERS = ("timezone", "user_agent", "explanation", "locale", "id_token", "toolbox")


async def test_names_that_hold_back_are_refused_by_every_tool(world: World, era: str) -> None:
    async with world.connect(era) as session:
        for spec in TOOLS:
            for name in HOLDING_BACK:
                if name.lower() in SCHEMAS[spec.name]["properties"]:
                    continue
                error = await session.error(spec.name, **{name: "1"})
                assert name in json.dumps(error["field_errors"]), (spec.name, name)
                assert (error["code"], error["charged"]) == ("invalid_arguments", "no")

    assert world.sandbox.requests == []


async def test_names_that_hosts_add_are_dropped_without_a_word(world: World, era: str) -> None:
    added = dict.fromkeys(HOST_NAMES, "- [x] done")

    async with world.connect(era) as session:
        whoami = await session.call("whoami", **added)
        found = await session.call("find_lists", query="Q3", **added)
        run = await session.call("enrich_person", **ADA, **added)
        quoted = await world.quote(session)
        report = await session.call("enrich_list", **quoted, **added)
        made = await session.call("create_list", name="Conference", **added)
        result = await session.client.call_tool("create_list", {"name": "Fair", "tool": "create_list"})

    assert not result.is_error
    assert found["lists"] and run["workflow_id"] and report["workflow_id"] and made["list_id"]
    assert not any("ignored_arguments" in answer for answer in (whoami, found, run, report, made))


NEEDED: dict[str, dict[str, Any]] = {
    "estimate": {"list_id": "Q3 Prospects"},
    "get_leads": {"list_id": "Q3 Prospects"},
    "search_people": {"titles": ["CEO"]},
    "search_companies": {"industries": ["Media"]},
}
"""Arguments without which a tool that reads cannot answer."""


async def test_other_names_are_named_once_by_tools_that_read(world: World, era: str) -> None:
    async with world.connect(era) as session:
        for tool in READING:
            answer = await session.call(
                tool, **NEEDED.get(tool, {}), **dict.fromkeys(OTHERS, "x"), toolCallId="call_1"
            )
            assert answer["ignored_arguments"] == list(OTHERS), tool


@pytest.mark.parametrize("tool", CHANGING, ids=ascii)
async def test_other_names_are_refused_by_tools_that_write_or_spend(
    world: World, era: str, tool: str
) -> None:
    async with world.connect(era) as session:
        for name in OTHERS:
            error = await session.error(tool, **{name: None})
            assert [one["field"] for one in error["field_errors"]] == [name]

    assert world.sandbox.requests == []


@pytest.mark.parametrize(
    ("tool", "name", "meant"),
    [
        ("enrich_list", "max_credit", "max_credits"),
        ("enrich_list", "maxCredits", "max_credits"),
        ("enrich_person", "maximum_credits", None),
        ("find_lists", "querry", "query"),
        ("find_lists", "lmit", "limit"),
        ("get_leads", "list", "list_id"),
        ("get_leads", "listId", "list_id"),
        ("workflow_status", "id", "workflow_id"),
        ("workflow_status", "waitSeconds", "wait_seconds"),
        ("estimate", "peopleCount", "people_count"),
    ],
    ids=ascii,
)
async def test_a_misspelt_name_is_refused_with_the_right_one(
    world: World, era: str, tool: str, name: str, meant: str | None
) -> None:
    async with world.connect(era) as session:
        error = await session.error(tool, **{name: "1"})

    assert (f"did you mean {meant}?" if meant else name) in json.dumps(error["field_errors"])
    assert world.sandbox.requests == []


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        ("credits_balance", {"days": 2.5}, "should be a whole number"),
        ("credits_balance", {"days": 91}, "should be at most 90"),
        ("estimate", {"people_count": -3}, "should be at least 1"),
        ("enrich_person", {"email": ["ada@fable.example"]}, "should be text"),
        ("enrich_person", {"first_name": "x" * 5000}, "should have at most 4000 characters"),
        (
            "remove_leads",
            {"list_id": "Q3 Prospects", "lead_ids": ["a"] * 101},
            "should have at most 100 items, not 101",
        ),
        ("estimate", {"list_id": "Q3 Prospects", "limit": 3}, "is not an argument of this tool; known are"),
        ("whoami", {"max_credits": 3}, "is not an argument of this tool; it takes none"),
    ],
    ids=ascii,
)
async def test_a_problem_is_told_in_plain_words(
    world: World, era: str, tool: str, arguments: dict[str, object], problem: str
) -> None:
    async with world.connect(era) as session:
        error = await session.error(tool, **arguments)

    assert error["field_errors"][0]["problem"].startswith(problem)
    assert world.sandbox.requests == []


@pytest.mark.parametrize(
    ("tool", "argument", "place"),
    [
        ("search_people", "titles", "titles, item 2"),
        ("search_companies", "locations", "locations, item 2"),
        ("add_leads", "lead_ids", "lead_ids, item 2"),
        ("add_leads", "people", "row 2"),
    ],
)
async def test_a_wrong_item_of_a_list_is_told_with_the_name_of_the_list(
    world: World, era: str, tool: str, argument: str, place: str
) -> None:
    good: object = {"email": "ada@fable.example"} if argument == "people" else "a"
    listed = {"list_id": "Q3 Prospects"} if tool == "add_leads" else {}
    async with world.connect(era) as session:
        error = await session.error(tool, **listed, **{argument: [good, ["b"]]})

    assert [field["field"] for field in error["field_errors"]] == [place]
    assert world.sandbox.requests == []


async def test_a_name_that_hides_something_is_shown_without_it(world: World, era: str) -> None:
    async with world.connect(era) as session:
        answer = await session.call("whoami", **{"loc\u202eale\n": "x", "y" * 300: "x"})

    assert answer["ignored_arguments"][0] == "locale"
    assert len(answer["ignored_arguments"][1]) == 60


# Damaged text

DAMAGED = (
    *(
        "Zo\ufffd",
        "M\ufffd\ufffdller",
        "Zo\u00c3\u00ab",
        "M\u00c3\u00bcller",
        "Ren\u00c3\u00a9e",
        "\u00c5\u0081ucja",
    ),
    *("Zo\x8b", "\u00d0\u0098\u00d0\u00b2\u00d0\u00b0\u00d0\u00bd", "\ufffd"),
)
WHOLE = (
    *("Zo\u00eb", "M\u00fcller", "\u0141ucja", "CONCEI\u00c7\u00c3O", "\u00c3", "S\u00c3O \u00c9", "Ada"),
    *("\u0418\u0432\u0430\u043d", "\u674e\u5c0f\u9f99"),
)


@pytest.mark.parametrize("text", DAMAGED, ids=ascii)
def test_damage_is_seen(text: str) -> None:
    assert is_damaged(text)


@pytest.mark.parametrize("text", WHOLE, ids=ascii)
def test_letters_of_other_languages_are_no_damage(text: str) -> None:
    assert not is_damaged(text)


@pytest.mark.parametrize("text", DAMAGED, ids=ascii)
async def test_damaged_text_spends_nothing_and_writes_nothing(world: World, era: str, text: str) -> None:
    row = ADA | {"first_name": text}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("enrich_person", row, "first_name"),
        ("enrich_person", ADA | {"list_id": text}, "list_id"),
        ("create_list", {"name": text}, "name"),
        ("create_list", {"name": "x", "description": text}, "description"),
        ("add_leads", {"list_id": "Q3 Prospects", "people": [row]}, "people"),
        ("add_leads", {"list_id": "Q3 Prospects", "people": json.dumps([row])}, "people"),
        ("export_list", {"list_id": text}, "list_id"),
        ("enrich_list", {"list_id": text, "scope": "full", "quote_id": "q"}, "list_id"),
    ]
    async with world.connect(era) as session:
        for tool, arguments, name in calls:
            error = await session.error(tool, **arguments)
            assert (error["code"], error["charged"]) == ("invalid_arguments", "no"), tool
            assert error["message"].startswith(f"{name} arrived damaged")

    assert world.sandbox.requests == []


async def test_damaged_text_may_still_be_looked_for(world: World, era: str) -> None:
    async with world.connect(era) as session:
        found = await session.call("find_lists", query="Zo\ufffd")

    assert found["lists"] == []


# Requests


@pytest.mark.parametrize(
    ("given_so", "meant"),
    [
        ('{"query": "Q3"}', {"query": "Q3"}),
        (json.dumps('{"query": "Q3"}'), {"query": "Q3"}),
        (None, {}),
        ("", {}),
        ("null", {}),
        ([], {}),
        ({"query": "Q3"}, {"query": "Q3"}),
    ],
    ids=ascii,
)
def test_arguments_may_be_the_json_of_an_object(given_so: object, meant: dict[str, Any]) -> None:
    params = understood("tools/call", {"name": "find_lists", "arguments": given_so})

    assert params == {"name": "find_lists", "arguments": meant}


@pytest.mark.parametrize("given_so", ["Q3", "[1]", "{", 5, True, [1], '"x"'], ids=ascii)
def test_arguments_that_are_no_object_are_refused_by_name(given_so: object) -> None:
    with pytest.raises(MCPError, match="arguments is neither an object") as refused:
        understood("tools/call", {"name": "find_lists", "arguments": given_so})

    assert refused.value.error.code == INVALID_PARAMS


@pytest.mark.parametrize(
    "meta", [None, [], "x", 5, {}, {"progressToken": None}, {"progressToken": {}}], ids=ascii
)
def test_odd_meta_asks_for_nothing(meta: object) -> None:
    params = understood("tools/list", {"_meta": meta})

    assert params is not None and params.get("_meta", {}) == {}


def test_a_progress_token_and_what_else_stands_in_meta_stay() -> None:
    meta = {"progressToken": 7, "io.example/x": None}

    assert understood("tools/list", {"_meta": meta}) == {"_meta": meta}
    assert understood("tools/list", {"_meta": meta | {"progressToken": True}}) == {
        "_meta": {"io.example/x": None}
    }


def test_a_prompts_arguments_are_texts_and_blank_ones_left_out() -> None:
    given_so = {"list_name": 2026, "budget": 20.5, "want": None, "x": "undefined", "y": True}
    params = understood("prompts/get", {"name": "p", "arguments": given_so})

    assert params == {"name": "p", "arguments": {"list_name": "2026", "budget": "20.5", "y": True}}


# Rules

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(NOTHING),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def calls() -> Iterator[st.SearchStrategy[tuple[str, dict[str, Any]]]]:
    for name, schema in SCHEMAS.items():
        known = list(schema["properties"])
        names = st.sampled_from(known) if known else st.text(max_size=8)
        yield st.tuples(st.just(name), st.dictionaries(names, JSON, max_size=4))


@given(st.one_of(*calls()))
def test_reading_twice_is_reading_once(call: tuple[str, dict[str, Any]]) -> None:
    tool, arguments = call
    once = read(arguments, SCHEMAS[tool])

    assert repr(read(once, SCHEMAS[tool])) == repr(once)
    assert once.keys() <= arguments.keys()


@given(st.integers(-(10**14), 10**14))
def test_a_whole_number_is_the_same_in_every_form(number: int) -> None:
    schema = {"properties": {"n": {"type": "integer"}}}
    forms = (number, float(number), str(number), f" {number} ", f"{number}.0")

    assert [read({"n": form}, schema) for form in forms] == [{"n": number}] * len(forms)


@given(st.sampled_from(sorted(PRICES)), st.sampled_from(["_", "-", " ", "  ", "\u2013", ""]), st.randoms())
def test_a_scope_is_the_same_in_every_spelling(scope: str, sign: str, chance: Any) -> None:
    spelt = "".join(chance.choice((char.upper(), char)) for char in scope.replace("_", sign))

    assert read({"scope": f" {spelt} "}, SCHEMAS["enrich_person"]) == {"scope": scope}


@given(st.text(max_size=40))
def test_a_text_that_means_something_arrives_as_it_was_sent(text: str) -> None:
    expected = {} if means_nothing(text) else {"company_name": text}

    assert read({"company_name": text}, SCHEMAS["enrich_person"]) == expected


@given(JSON)
def test_a_limit_on_spending_goes_only_when_it_is_blank(value: object) -> None:
    left = read({"max_credits": value}, SCHEMAS["enrich_list"])

    assert left or value is None or (isinstance(value, str) and not value.strip(" \u200b\t\r\n"))


async def test_a_name_of_an_argument_that_is_an_address_is_not_repeated(world: World, era: str) -> None:
    async with world.connect(era) as session:
        result = await session.client.call_tool("enrich_person", {"quill@canary.example": 1})

    assert "invalid_arguments" in text_of(result)
    assert "quill" not in text_of(result)
