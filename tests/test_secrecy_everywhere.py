"""A key and personal data that the API puts into every text it can send: the key comes out nowhere, however it is
written, and personal data in no log and not in the journal."""

import io
import itertools
import json
import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult, ResourceTemplateReference

from cleanlist_mcp.cli import doctor
from cleanlist_mcp.cli.findings import Finding, report
from cleanlist_mcp.journal.sqlite.problems import FILE_NAME
from cleanlist_mcp.server.stdio import log_to_stderr
from tests.spellings import SPELLINGS, left_of
from tests.support import ERAS, Session, World

BESIDE = "Fable Works & Sons"
"""An ordinary text that stands next to the key, and has to survive."""

PERSONAL = ("grace@canary.example", "+49 30 5557711", "linkedin.com/in/grace-canary")
ALL_PERSONAL = " ".join(PERSONAL)

# What the API's answers are found by: it is planted into these only in place of all else.
HANDLES = (
    *("list_id", "lead_list_id", "workflow_id", "quote_id", "organization_id", "lead_id", "cursor"),
    *("download_url", "status", "task_id"),
)
ALSO_SENT = (
    *(
        "message",
        "agent_instructions",
        "refund_message",
        "visibility",
        "created_at",
        "tier",
        "auth_type",
        "email",
    ),
    *("user_email", "user_name", "organization_name", "name", "full_name", "title", "company", "phone"),
    *("linkedin_url", "email_status", "enrichment_type", "expires_at", "refund_status"),
    *(
        "seniority",
        "company_name",
        "company_industry",
        "city",
        "truncation_warning",
        "industry",
        "hq_location",
    ),
)

STATUSES = (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503)
SHAPES: dict[str, Callable[[str], Any]] = {
    "envelope": lambda text: {
        "error": {
            **dict.fromkeys(("code", "problem", "message", "fix", "request_id"), text),
            "docs_url": f"https://docs.fable.example/{text}",
            "details": {
                "field": text,
                "required_scopes": [text, "enrich:write"],
                "granted_scopes": text,
                "errors": [{"loc": ["body", text], "msg": text}],
            },
        }
    },
    "scopes": lambda text: {"error": {"code": "insufficient_scope", "details": {"required": text}}},
    "detail": lambda text: {"detail": f"{BESIDE} {text}"},
    "details": lambda text: {"detail": [{"loc": ["body", "lead_list_id", text], "msg": text, "type": text}]},
    "nested": lambda text: {"detail": {"error": {"code": "quote_expired", "problem": text, "field": text}}},
    "page": lambda text: f"<html><title>{text}</title></html>",
}


class Planted(httpx.AsyncBaseTransport):
    """A network on which a text is planted into every answer: beside what stands there, or, in the fields
    `instead`, in its place."""

    def __init__(self, inner: httpx.AsyncBaseTransport, text: str, instead: str = "") -> None:
        self.inner = inner
        self.text = text
        self.instead = instead

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        data = json.loads(await response.aread())
        headers = {"X-Request-Id": self.text.encode("ascii", "ignore").decode(), "Location": "/" + KEPT}
        headers = {name: value for name, value in headers.items() if value.isprintable()}
        return httpx.Response(
            response.status_code, json=self._planted(data, top=True), headers=headers, request=request
        )

    def _planted(self, value: Any, name: str = "", *, top: bool = False) -> Any:
        if isinstance(value, dict):
            also = {} if top and "quote_id" in value else dict.fromkeys(ALSO_SENT, "")
            planted = {key: self._planted(item, key) for key, item in ({**also, **value}).items()}
            return {**planted, **({self.text: 3} if name == "skip_reasons" else {})}
        if isinstance(value, list):
            return [self._planted(item, name) for item in value]
        if name == self.instead:
            return self.text
        if name in HANDLES or not (isinstance(value, str) or (value is None and name in ALSO_SENT)):
            return value
        return f"{value or ''} {BESIDE} {self.text}"


KEPT = "kept-for-the-location"


class Refusing(httpx.AsyncBaseTransport):
    """A network on which every request to a path is refused with one answer, once it is `on`."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.answer: Callable[[], httpx.Response] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.answer is None:
            return await self.inner.handle_async_request(request)
        return self.answer()


class Heard:
    """All that came out of a server: answers, errors, questions, progress, logs."""

    def __init__(self, world: World, log: io.StringIO) -> None:
        self.world = world
        self.texts: list[str] = []
        self.log = log

    def add(self, item: Any) -> None:
        self.texts.append(item if isinstance(item, str) else item.model_dump_json(by_alias=True))

    def check(self, key: str) -> None:
        """Nothing of the key came out or was kept."""
        for text in (*self.texts, self.log.getvalue(), *self.kept()):
            assert not left_of(key, text), text[:2_000]

    def kept(self) -> list[str]:
        """The bytes of the state folder's files, as text."""
        return [
            path.read_bytes().decode("latin-1") for path in self.world.folder.rglob("*") if path.is_file()
        ]

    @property
    def everything(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One that refuses nobody for asking often."""
    return World(tmp_path / "state", rate_limits=False)


@pytest.fixture
def heard(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Listen to all that comes out, with every logger there is at DEBUG."""
    log = io.StringIO()
    with everything_logged(monkeypatch, log):
        yield Heard(world, log)


@contextmanager
def everything_logged(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("cleanlist_mcp")
    before = (root.level, ours.level)
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(root, "handlers", [])
    log_to_stderr("DEBUG")
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(before[0])
        ours.setLevel(before[1])


async def tell(heard: Heard, session: Session, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and keep what it says; its structured answer, empty if it failed."""

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.add(message or "")

    result = await session.client.call_tool(tool, arguments, progress_callback=note)
    heard.add(result)
    return result.structured_content or {}


async def play(heard: Heard, era: str) -> None:
    """Go through everything that an answer can come out of."""
    world = heard.world

    async def ask(context: Any, params: ElicitRequestParams) -> ElicitResult:
        heard.add(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    ids = {"list_id": world.sandbox.list_id("Q3 Prospects")}
    async with world.connect(era, ask) as session:
        for tool in ("whoami", "credits_balance", "find_lists"):
            await tell(heard, session, tool)
        quote = await tell(heard, session, "estimate", **ids)
        spend = {name: quote.get(name, "x") for name in ("list_id", "scope", "quote_id")}
        await tell(heard, session, "enrich_list", **spend, wait_seconds=40)
        for mail in ("ada@fable.example", "bob@fable.example"):
            await tell(heard, session, "enrich_person", email=mail, wait_seconds=40, **ids)
        run = await tell(heard, session, "workflow_status")
        await tell(heard, session, "workflow_status", workflow_id=run.get("workflow_id", "enrich-1"))
        await tell(heard, session, "create_list", name="Berlin leads")
        await tell(heard, session, "add_leads", **ids, people=[{"email": "new@fable.example"}] * 2)
        await tell(heard, session, "get_leads", **ids, limit=3)
        await tell(heard, session, "get_leads", **ids, limit=3, details=True, query="a")
        await tell(heard, session, "remove_leads", **ids, lead_ids=["lead-1"])
        await tell(heard, session, "export_list", **ids)
        found = await tell(heard, session, "search_people", management_levels=["VP"], limit=3)
        if "search_id" in found:
            await tell(heard, session, "add_leads", **ids, search_id=found["search_id"])
        await tell(heard, session, "search_companies", industries=["Logistics"], limit=3)
        for _ in range(2):
            await tell(heard, session, "enrich_company", domain="legendlabs.example")
        for address in ("account", "pricing", "runs", "lists", f"lists/{ids['list_id']}", "lists/zzz"):
            await read(heard, session, address)
        await read(heard, session, f"runs/{run.get('workflow_id', 'enrich-1')}")
        for template, name in (("runs/{workflow_id}", "workflow_id"), ("lists/{list_id}", "list_id")):
            ref = ResourceTemplateReference(type="ref/resource", uri=f"cleanlist://{template}")
            heard.add(await session.client.complete(ref, {"name": name, "value": ""}))
        heard.add(await session.client.complete(ref, {"name": "list_name", "value": ""}))
    heard.add(report(await looked(world)))


async def read(heard: Heard, session: Session, address: str) -> None:
    try:
        heard.add(await session.client.read_resource(f"cleanlist://{address}"))
    except MCPError as error:
        heard.add(error.error)


async def looked(world: World) -> list[Finding]:
    return await doctor.examine(world.settings(), {}, world.transport, clock=world.clock)


QUICK = ("as it is", "JSON escapes", "base64 of user and key", "zero width between")


def in_turns(*kinds: Sequence[str | int]) -> list[tuple[str | int, ...]]:
    """Return each combination of cases with one protocol era, in turns: a key goes out of a text before a protocol sees
    it. Of two kinds of cases, each meets both eras."""
    combined = itertools.product(*(list(enumerate(cases)) for cases in kinds))
    return [
        (*(case for _, case in numbered), ERAS[sum(number for number, _ in numbered) % len(ERAS)])
        for numbered in combined
    ]


async def assert_out_of_everything(heard: Heard, era: str, spelling: str, instead: str = "") -> None:
    world = heard.world
    text = SPELLINGS[spelling](world.sandbox.key)
    world.transport = Planted(world.transport, text, instead)

    await play(heard, era)

    heard.check(world.sandbox.key)
    if not instead:
        assert heard.everything.count(BESIDE) > 20
        assert "[secret removed]" in heard.everything
        assert "internal_error" not in heard.everything


@pytest.mark.parametrize(("spelling", "era"), in_turns(QUICK))
async def test_the_key_comes_out_of_no_answer(heard: Heard, era: str, spelling: str) -> None:
    await assert_out_of_everything(heard, era, spelling)


@pytest.mark.long
@pytest.mark.parametrize(("spelling", "era"), in_turns([name for name in SPELLINGS if name not in QUICK]))
async def test_the_key_comes_out_of_no_answer_in_any_other_spelling(
    heard: Heard, era: str, spelling: str
) -> None:
    await assert_out_of_everything(heard, era, spelling)


@pytest.mark.parametrize("handle", ["list_id", "quote_id", "status"])
async def test_the_key_comes_out_of_no_handle(heard: Heard, handle: str) -> None:
    await assert_out_of_everything(heard, "auto", "as it is", handle)


@pytest.mark.long
@pytest.mark.parametrize(
    ("handle", "spelling", "era"), in_turns(HANDLES, ["as it is", "base64 of user and key"])
)
async def test_the_key_comes_out_of_no_handle_in_any_spelling(
    heard: Heard, handle: str, spelling: str, era: str
) -> None:
    await assert_out_of_everything(heard, era, spelling, handle)


CALLS: dict[str, dict[str, Any]] = {
    "whoami": {},
    "credits_balance": {},
    "estimate": {},
    "enrich_list": {},
    "enrich_person": {"email": "ada@fable.example"},
    "workflow_status": {"workflow_id": "enrich-1"},
    "find_lists": {},
    "create_list": {"name": "Berlin"},
    "add_leads": {"people": [{"email": "new@fable.example"}]},
    "get_leads": {},
    "remove_leads": {"lead_ids": ["lead-1"]},
    "export_list": {},
    "search_people": {"titles": ["CEO"]},
    "search_companies": {"industries": ["Media"]},
    "enrich_company": {"domain": "fable.example"},
}


ABOUT_A_LIST = ("estimate", "enrich_person", "add_leads", "get_leads", "remove_leads", "export_list")


async def assert_out_of_no_error(heard: Heard, era: str, status: int, spelling: str) -> None:
    world = heard.world
    text = SPELLINGS[spelling](world.sandbox.key)
    network = Refusing(world.transport)
    world.transport = network
    header = text.encode("ascii", "ignore").decode()
    headers = {name: header for name in ("X-Request-Id", "Retry-After", "Location") if header.isprintable()}
    async with world.connect(era) as session:
        listed = await session.call("find_lists")
        list_id = listed["lists"][0]["list_id"]
        quote = await world.quote(session, list_id)
        for shape in SHAPES.values():
            body = shape(text)
            content = body if isinstance(body, str) else json.dumps(body)
            network.answer = partial(httpx.Response, status, content=content.encode(), headers=headers)
            for tool, given in CALLS.items():
                arguments = quote if tool == "enrich_list" else {**given}
                if tool in ABOUT_A_LIST:
                    arguments["list_id"] = list_id
                await tell(heard, session, tool, **arguments)
                world.clock.now += 3_601  # whatever held the next request back is over
            for address in ("account", "lists", f"lists/{list_id}", "runs/enrich-1"):
                await read(heard, session, address)
            heard.add(report(await looked(world)))
            world.clock.now += 3_601
    heard.check(world.sandbox.key)
    assert "internal_error" not in heard.everything


@pytest.mark.parametrize("status", [401, 409, 500])
async def test_the_key_comes_out_of_no_error(heard: Heard, status: int) -> None:
    await assert_out_of_no_error(heard, "auto", status, "as it is")


@pytest.mark.long
@pytest.mark.parametrize(("status", "spelling", "era"), in_turns(STATUSES, QUICK))
async def test_the_key_comes_out_of_no_error_in_any_spelling(
    heard: Heard, status: int, spelling: str, era: str
) -> None:
    await assert_out_of_no_error(heard, era, status, spelling)


async def test_personal_data_is_in_no_log(heard: Heard, era: str) -> None:
    heard.world.transport = Planted(heard.world.transport, ALL_PERSONAL)

    await play(heard, era)

    for personal in PERSONAL:
        assert personal in heard.everything
        assert personal not in heard.log.getvalue()


def columns_with(heard: Heard, text: str) -> set[str]:
    """The columns of the journal in which a text stands, as `table.column`."""
    found = set()
    with closing(sqlite3.connect(heard.world.folder / FILE_NAME)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.execute(f"SELECT * FROM {table}")  # noqa: S608 - the journal's own tables
            names = [column[0] for column in rows.description]
            found |= {
                f"{table}.{name}"
                for row in rows
                for name, value in zip(names, row, strict=True)
                if text in str(value)
            }
    return found


@pytest.mark.parametrize("instead", ["", "status"])
async def test_personal_data_is_in_no_column_of_ours(heard: Heard, instead: str) -> None:
    heard.world.transport = Planted(heard.world.transport, ALL_PERSONAL, instead)

    await play(heard, "auto")

    for personal in PERSONAL:
        assert columns_with(heard, personal) == set()


@pytest.mark.parametrize("instead", ["", "status"])
async def test_personal_data_is_not_in_the_journal(heard: Heard, instead: str) -> None:
    heard.world.transport = Planted(heard.world.transport, ALL_PERSONAL, instead)

    await play(heard, "auto")

    assert heard.kept()
    assert not [text for text in heard.kept() for personal in PERSONAL if personal in text]
