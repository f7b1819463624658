"""Everything that a client sees of the tools, swept in one file: definitions, sizes, portability.

With UPDATE_SNAPSHOTS=1 the snapshots are written anew; a review then sees what changed for assistants.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from mcp import Client

from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.server import kept
from cleanlist_mcp.server.build import _made_tools, build_server, make_tools
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import CORE, LISTS, PROSPECTING, TOOLS
from tests.support import ERAS, Session, World

SNAPSHOTS = Path(__file__).parent / "snapshots" / "tools"

CORE_BYTES = 3_800 * 4
ALL_BYTES = 8_000 * 4
"""3,800 and 8,000 tokens of four bytes: what every conversation pays for having this server."""

ANSWER_BYTES = 32_000
"""8,000 tokens: the most that one answer takes of a conversation, whatever the API sends."""

SPENDING = ("enrich_person", "enrich_list", "enrich_company")

TYPICAL_BYTES = {
    "whoami": 850,
    "credits_balance": 1_300,
    "estimate": 1_300,
    "enrich_person": 900,
    "enrich_list": 900,
    "workflow_status": 1_150,
    "find_lists": 1_000,
    "create_list": 350,
    "add_leads": 480,
    "get_leads": 2_400,
    "remove_leads": 750,
    "export_list": 650,
    "search_people": 8_900,
    "search_companies": 6_200,
    "enrich_company": 900,
}
"""The most bytes that an ordinary answer of each tool may take; measured, with about a third on top."""

# Words in a schema that one client or another refuses: Gemini, OpenAI's strict mode, Cursor.
_REFUSED_WORDS = {
    *("$ref", "$defs", "definitions", "const", "not", "if", "then", "else", "prefixItems"),
    *("anyOf", "oneOf", "allOf", "format", "patternProperties", "additionalProperties"),
}


def made_anew() -> str:
    """Return the kept definitions of the tools as they would be made now."""
    both = (Settings(), Settings(csv_dir=Path("/shared")))
    tools = {tool.fn.__name__: tool for one in both for tool in map(kept.made, make_tools(one))}
    return kept.text_of(tools.values())


if os.environ.get("UPDATE_SNAPSHOTS"):  # here, before any other test asks for the tools
    kept.FILE.write_text(made_anew(), "utf-8")
    kept.schemas.cache_clear()
    _made_tools.cache_clear()


def test_what_is_kept_of_the_tools_is_what_would_be_made() -> None:
    assert kept.FILE.read_text("utf-8") == made_anew()


async def definitions(mode: str = "auto", **settings: Any) -> dict[str, dict[str, Any]]:
    """Every tool as it goes over the wire, by name and in order."""
    async with Client(build_server(Settings(**settings)), mode=cast(Any, mode)) as client:
        listed = (await client.list_tools()).tools
    return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed}


def size(value: Any) -> int:
    """Bytes as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself included; names of properties are not taken for words."""
    if not isinstance(node, dict):
        return
    yield node
    for word, value in node.items():
        if word == "properties":
            for inner in value.values():
                yield from schemas(inner)
        else:
            yield from schemas(value)


async def test_every_definition_is_as_it_was_reviewed() -> None:
    live = await definitions()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(parents=True, exist_ok=True)
        for stale in SNAPSHOTS.glob("*.json"):
            stale.unlink()
        for name, definition in live.items():
            text = json.dumps(definition, indent=2, ensure_ascii=False) + "\n"
            (SNAPSHOTS / f"{name}.json").write_text(text, "utf-8")
        pytest.skip("the snapshots were written anew")

    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(live)
    for name, definition in live.items():
        assert json.loads((SNAPSHOTS / f"{name}.json").read_text("utf-8")) == definition


async def test_the_list_is_the_same_in_both_eras_with_and_without_key_and_in_the_sandbox() -> None:
    lists = [await definitions(mode) for mode in ERAS]
    lists += [await definitions(sandbox=True), await definitions(api_key="clapi_example_only")]

    assert all(list(one.items()) == list(lists[0].items()) for one in lists)
    assert tuple(lists[0])[: len(CORE)] == CORE


async def test_definitions_stay_within_their_budget() -> None:
    live = await definitions()
    with_files = await definitions(csv_dir=Path.cwd())
    core = await definitions(toolsets=frozenset({"core"}))

    assert tuple(core) == CORE
    assert size(list(with_files.values())) < ALL_BYTES
    assert size(list(core.values())) < CORE_BYTES
    assert size(list(live.values())) < ALL_BYTES


async def test_names_and_descriptions_fit_every_client() -> None:
    for name, definition in (await definitions(csv_dir=Path.cwd())).items():
        assert re.fullmatch(r"[a-z][a-z_]{0,29}", name)
        assert 80 <= len(definition["description"]) <= 1024
        assert definition["title"].strip()
        assert len(definition["description"].splitlines()[0]) <= 130


@pytest.mark.parametrize("toolsets", [{"core"}, {"core", "lists"}, {"core", "prospecting"}])
@pytest.mark.parametrize("read_only", [False, True])
async def test_no_definition_names_a_tool_that_is_off(toolsets: set[str], read_only: bool) -> None:
    left = await definitions(toolsets=frozenset(toolsets), read_only=read_only)

    for name, definition in left.items():
        text = json.dumps(definition)
        assert not [
            other for other in {spec.name for spec in TOOLS} - set(left) if re.search(rf"\b{other}\b", text)
        ], name
        assert len(definition["description"]) >= 80
        assert definition["description"].endswith(".")


async def test_every_tool_declares_all_four_hints() -> None:
    for name, definition in (await definitions()).items():
        hints = definition["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= set(hints)
        assert hints["openWorldHint"] is True
        effect = {spec.name: spec.effect for spec in TOOLS}[name]
        assert hints["readOnlyHint"] is (effect == "reads")
        spends = name in SPENDING
        assert (effect == "spends") is spends
        assert hints["destructiveHint"] is (spends or name == "remove_leads")
        assert hints["idempotentHint"] is (effect != "spends")


async def test_the_table_of_tools_has_the_contracts_order_and_toolsets() -> None:
    core = ("whoami", "credits_balance", "estimate", "enrich_person", "enrich_list", "workflow_status")
    lists = ("find_lists", "create_list", "add_leads", "get_leads", "remove_leads", "export_list")
    prospecting = ("search_people", "search_companies", "enrich_company")

    assert (core, lists, prospecting) == (CORE, LISTS, PROSPECTING)
    assert tuple(await definitions()) == (*core, *lists, *prospecting)
    assert tuple(spec.name for spec in TOOLS if spec.effect == "spends") == SPENDING


async def test_whole_numbers_from_1_on_also_take_a_0_that_leaves_them_out() -> None:
    for name, definition in (await definitions()).items():
        for argument, schema in definition["inputSchema"]["properties"].items():
            if schema["type"] == "integer":
                assert schema["minimum"] == 0, (name, argument)
    people = (await definitions())["estimate"]["inputSchema"]["properties"]["people_count"]
    assert people["description"].endswith("; 0: left out.")


def test_descriptions_survive_an_interpreter_that_drops_docstrings() -> None:
    script = (
        "import asyncio, json\n"
        "from mcp import Client\n"
        "from cleanlist_mcp.server.build import build_server\n"
        "from cleanlist_mcp.settings import Settings\n"
        "async def main():\n"
        "    async with Client(build_server(Settings())) as client:\n"
        "        shown = [*(await client.list_tools()).tools, *(await client.list_prompts()).prompts]\n"
        "        print(json.dumps([one.model_dump(mode='json', by_alias=True) for one in shown]))\n"
        "asyncio.run(main())"
    )
    plain, stripped = (
        subprocess.run(
            [sys.executable, *flags, "-c", script], capture_output=True, text=True, check=True
        ).stdout
        for flags in ((), ("-OO",))
    )

    assert stripped == plain
    assert all(len(one["description"]) > 20 for one in json.loads(stripped))


async def test_read_only_settings_leave_read_only_tools() -> None:
    left = await definitions(read_only=True)

    assert left
    assert all(one["annotations"]["readOnlyHint"] for one in left.values())


@pytest.mark.parametrize("which", ["inputSchema", "outputSchema"])
async def test_schemas_hold_nothing_that_a_client_refuses(which: str) -> None:
    for name, definition in (await definitions(csv_dir=Path.cwd())).items():
        schema = definition[which]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        for node in schemas(schema):
            assert not _REFUSED_WORDS & set(node), name
            assert "title" not in node, name
            assert isinstance(node.get("type", ""), str), name
            assert node.get("type") != "null", name
            assert None not in node.get("enum", []), name
            assert "default" not in node or node["default"] is not None, name
            assert "type" in node, name


async def test_inputs_are_flat_and_described() -> None:
    for name, definition in (await definitions(csv_dir=Path.cwd())).items():
        schema = definition["inputSchema"]
        assert set(schema.get("required", [])) <= set(schema["properties"]), name
        for argument, value in schema["properties"].items():
            assert value["description"].strip(), (name, argument)
            assert value["type"] in ("string", "integer", "boolean", "array"), (name, argument)
            if value["type"] == "array" and value["items"] != {"type": "string"}:
                record = value["items"]
                if record["type"] == "string":
                    continue
                assert record["type"] == "object"
                assert {field["type"] for field in record["properties"].values()} == {"string"}
                assert all(field["description"].strip() for field in record["properties"].values())


async def test_what_is_spent_is_visible_in_the_arguments() -> None:
    required = (await definitions())["enrich_list"]["inputSchema"]["required"]

    assert set(required) == {"list_id", "scope", "quote_id"}


@asynccontextmanager
async def played(world: World) -> AsyncIterator[tuple[Session, dict[str, int]]]:
    """A session, and the bytes of the largest answer of each tool that was called in it."""
    async with world.connect() as session:
        sizes: dict[str, int] = {}
        plain = session.call

        async def measured(tool: str, /, **arguments: Any) -> dict[str, Any]:
            answer = await plain(tool, **arguments)
            sizes[tool] = max(sizes.get(tool, 0), size(answer))
            return answer

        session.call = measured  # type: ignore[method-assign]
        yield session, sizes


async def test_a_typical_answer_takes_little_of_a_conversation(world: World) -> None:
    async with played(world) as (session, sizes):
        await session.call("whoami")
        await session.call("enrich_person", email="ada@fable.example", wait_seconds=40)
        await session.call("enrich_list", **await world.quote(session), wait_seconds=40)
        await session.call("workflow_status")
        await session.call("credits_balance", days=7, by="run")
        await session.call("find_lists")
        made = await session.call("create_list", name="Berlin leads")
        people = [
            {"first_name": "Ada", "last_name": f"Fable {n}", "domain": "fable.example"} for n in range(25)
        ]
        await session.call("add_leads", list_id=made["list_id"], people=people)
        await session.call("get_leads", list_id="Conference Leads")
        await session.call("export_list", list_id="Conference Leads")
        shown = await session.call("get_leads", list_id="Conference Leads", details=True, limit=3)
        ids = [row["lead_id"] for row in shown["leads"]]
        await session.call("remove_leads", list_id="Conference Leads", lead_ids=ids)
        world.clock.now += 61  # the API takes 30 requests a minute
        await session.call("search_people", management_levels=["VP"])
        await session.call("search_companies", industries=["Software Development", "Financial Services"])
        await session.call("enrich_company", domain="legendlabs.example")

    over = {tool: taken for tool, taken in sizes.items() if taken > TYPICAL_BYTES[tool]}
    assert set(sizes) == set(TYPICAL_BYTES) == set(await definitions())
    assert not over


async def test_the_largest_answer_stays_within_the_budget(world: World) -> None:
    sandbox, long = world.sandbox, "Größe 李 " * 55
    sandbox.account().organization.name = long
    sandbox.account().user.__dict__["name"] = long
    crowd = [
        Identity(
            first_name=f"{n} {long}",
            last_name=long,
            company=long,
            domain=f"l{n}.example",
            email=f"p{n}@l.example",
        )
        for n in range(120)
    ]
    big = sandbox.add_list("Größe 李 " * 24, crowd)
    for number in range(120):
        sandbox.add_list(f"{number} " + "Größe 李 " * 24, 1)

    async with played(world) as (session, sizes):
        await session.call("whoami")
        await session.call("credits_balance")
        for number in range(12):
            await session.call(
                "enrich_person", first_name=long[:190], last_name=f"X{number}", domain="l.example"
            )
        await session.call(
            "enrich_list", **await world.quote(session, big, only_missing=False), wait_seconds=40
        )
        await session.call("workflow_status")
        await session.call("credits_balance", days=90, by="run")
        await session.call("find_lists", limit=100)
        await session.call("create_list", name="Größe 李 " * 24, description="x" * 900)
        odd = [{"title": long[:190], "first_name": f"{n}"} for n in range(499)]
        await session.call("add_leads", list_id=big, people=[*odd, {"email": "new@fable.example"}])
        await session.call("get_leads", list_id=big, limit=100, details=True, query="größe " * 33)
        await session.call("export_list", list_id=big)
        ids = list(sandbox.lists.get(sandbox.account(), big).leads)[:100]
        await session.call(
            "remove_leads", list_id=big, lead_ids=[*ids[:60], *("x" * 125 + str(n) for n in range(100, 140))]
        )
        await session.call("search_people", countries=["United States", "Germany"], limit=100)
        await session.call("search_companies", locations=["United States", "Germany"], limit=100)
        await session.call("enrich_company", company_name=long[:190])
        refusal = await session.result("add_leads", list_id=big, people=[{"nmae": long}] * 500)

    over = {tool: taken for tool, taken in sizes.items() if taken > ANSWER_BYTES}
    assert set(sizes) == set(await definitions())
    assert not over
    assert refusal.is_error
    assert size(refusal.model_dump(mode="json")) < ANSWER_BYTES / 4
