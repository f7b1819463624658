"""A list as a file of the user's own: fetched from nowhere private, harmless, and over no other file."""

import asyncio
import csv
import io
import os
import re
import socket
import stat
import threading
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TextIO

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from cleanlist_mcp.api import downloads
from cleanlist_mcp.api.downloads import Downloads
from cleanlist_mcp.calls import saving
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import ApiUnavailable, BadResponse, InvalidArguments
from cleanlist_mcp.imports import spreadsheets
from cleanlist_mcp.imports.csv_file import read_csv
from cleanlist_mcp.imports.saving import LONGEST_NAME, SharedFile, file_name
from cleanlist_mcp.imports.spreadsheets import harmless, rewrite
from cleanlist_mcp.links import is_public_address
from cleanlist_mcp.sandbox.people import Identity
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import Settings
from tests.support import Edited, VirtualNetwork, World, error_of, text_of

LINK = "https://files.fable.example/exports/a.csv?exp=1&sig=0a1b2c3d4e5f"
API = "https://api.fable.example/api/v1/public"
PUBLIC = "93.184.216.34"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def downloaded(world: World) -> int:
    return sum(record.path.startswith("/downloads/") for record in world.sandbox.requests)


# What a file looks like


async def test_a_list_is_saved_as_a_file_that_excel_opens(world: World, files: Path, era: str) -> None:
    people = [
        Identity(
            first_name="=1+1", last_name="Fäble", email="a@fable.example", company="@work", title="-x\ny"
        ),
        Identity(first_name="Zoë", last_name="李", phone="+1 (202) 555-0199", company='a;b,"c"'),
    ]
    list_id = world.sandbox.add_list("Späte Fälle", people)

    async with world.connect(era, csv_dir=files) as session:
        answer = await session.call("export_list", list_id="späte fälle", save_as="Fälle Q4")

    path = files / "Fälle Q4.csv"
    titles, first, second = (dict(enumerate(row)) for row in rows_of(path))
    saved = [dict(zip(titles.values(), row.values(), strict=True)) for row in (first, second)]
    assert path.read_bytes().startswith(b"\xef\xbb\xbflead_id,first_name")
    assert (saved[0]["first_name"], saved[0]["company"], saved[0]["title"]) == ("'=1+1", "'@work", "'-x\ny")
    assert (saved[1]["first_name"], saved[1]["last_name"], saved[1]["company"]) == ("Zoë", "李", 'a;b,"c"')
    assert saved[1]["phone"] == "+1 (202) 555-0199"
    assert names(files) == ["Fälle Q4.csv"]
    assert (answer["saved_as"], answer["row_count"], answer["list_id"]) == ("Fälle Q4.csv", 2, list_id)
    assert answer["file_size_bytes"] == path.stat().st_size
    assert answer["summary"].startswith(
        '"Späte Fälle" was saved as "Fälle Q4.csv" in the shared folder: 2 rows, '
    )
    assert "next_step" not in answer
    assert downloaded(world) == 1


async def test_a_saved_file_can_be_added_to_another_list(world: World, files: Path) -> None:
    async with world.connect(csv_dir=files) as session:
        saved = await session.call("export_list", list_id="Q3 Prospects", save_as="q3")
        made = await session.call("create_list", name="Copy")
        added = await session.call("add_leads", list_id=made["list_id"], csv_path=saved["saved_as"])

    assert added["imported"] == saved["row_count"] == 12
    assert len(read_csv("q3.csv", files).rows) == 12


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_a_saved_file_is_the_users_alone(world: World, files: Path) -> None:
    async with world.connect(csv_dir=files) as session:
        await session.call("export_list", list_id="Q3 Prospects", save_as="q3.csv")

    assert stat.S_IMODE((files / "q3.csv").stat().st_mode) == 0o600


async def test_the_embedded_sandbox_saves_real_files_too(files: Path, era: Any) -> None:
    server = build_server(Settings(sandbox=True, csv_dir=files))
    async with Client(server, mode=era) as client:
        link = await client.call_tool("export_list", {"list_id": "Q3 Prospects"})
        saved = await client.call_tool("export_list", {"list_id": "Q3 Prospects", "save_as": "q3"})

    assert link.structured_content and saved.structured_content
    assert link.structured_content["summary"].startswith(
        'Sandbox: "Q3 Prospects" is ready as a CSV file of 12 rows'
    )
    assert "made up" not in text_of(link)
    assert 'export_list(list_id="' in link.structured_content["next_step"]
    assert saved.structured_content["saved_as"] == "q3.csv"
    assert len(rows_of(files / "q3.csv")) == 13


async def test_without_a_shared_folder_save_as_is_no_argument(world: World, era: str) -> None:
    async with world.connect(era) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3.csv")
        link = await session.call("export_list", list_id="Q3 Prospects")

    assert error["field_errors"][0]["field"] == "save_as"
    assert "CLEANLIST_CSV_DIR" in error["field_errors"][0]["problem"]
    assert "saved_as" not in link
    assert link["summary"].startswith('"Q3 Prospects" is ready as a CSV file of 12 rows, ')
    assert link["summary"].endswith("; the link works for 24 hours.")
    assert (world.posts("/signed-url"), downloaded(world)) == (1, 0)


@pytest.mark.parametrize("blank", ["", " ", None, "null"])
async def test_a_blank_name_asks_for_the_link(world: World, files: Path, blank: Any) -> None:
    async with world.connect(csv_dir=files) as session:
        answer = await session.call("export_list", list_id="Q3 Prospects", save_as=blank)

    assert answer["download_url"]
    assert names(files) == []


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+A1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "+",
        "+()",
        "+1a",
        "+1*2",
        "\uff1d1",
        "-5",
        "+1\n2",
        " =1",
        "\u00a0@x",
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    ["", "Ada", "+49 30 901820", "+1 (202) 555-0199", "+1.202/555", "a=1", "'=1", "ada@fable.example", "1-2"],
)
def test_other_cells_and_phone_numbers_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@given(st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=5))
def test_every_cell_comes_through_and_none_begins_a_formula(rows: list[list[str]]) -> None:
    original = io.StringIO(newline="")
    csv.writer(original).writerow(["first", "second"])
    csv.writer(original).writerows(rows)
    saved = io.StringIO(newline="")

    assert rewrite(original.getvalue().encode(), saved) == len(rows)
    written = list(csv.reader(io.StringIO(saved.getvalue(), newline="")))
    assert [
        [
            cell.removeprefix("'") if cell[1:] and cell[1:] == old else cell
            for cell, old in zip(*pair, strict=True)
        ]
        for pair in zip(written[1:], rows, strict=True)
    ] == rows
    for cell in (cell for row in written for cell in row):
        assert not re.match("[=@\t\r\n-]", cell)
        assert not cell.startswith("+") or re.fullmatch(r"\+[0-9 ()\-./]+", cell)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<!DOCTYPE html><p>Sign in", "is not a CSV file"),
        (b"\n" * 100 + b"<!DOCTYPE html><p>Sign in", "is not a CSV file"),
        (b'{"error": {}}', "is not a CSV file"),
        (b"Email\nf\xfcr@fable.example\n", "is not in UTF-8"),
    ],
)
async def test_what_is_no_csv_file_is_not_saved(world: World, files: Path, content: bytes, said: str) -> None:
    world.transport = Serving(world.transport, httpx.Response(200, content=content))

    async with world.connect(csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert error["code"] == "bad_response"
    assert said in error["message"]
    assert names(files) == []


def test_blank_lines_before_the_titles_are_no_empty_file() -> None:
    saved = io.StringIO(newline="")

    assert rewrite(b"\n" * 100 + b"Email\nada@fable.example\n", saved) == 1
    assert saved.getvalue() == "Email\r\nada@fable.example\r\n"


def test_a_cell_that_is_longer_than_any_should_be_is_no_csv_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "LONGEST_CELL", 10)
    before = csv.field_size_limit(10)
    try:
        with pytest.raises(BadResponse, match="is not a CSV file"):
            rewrite(b"Email\n" + b"x" * 11, io.StringIO())
    finally:
        csv.field_size_limit(before)


async def test_a_file_with_other_rows_than_were_announced_is_saved_and_said(
    world: World, files: Path
) -> None:
    world.transport = Serving(world.transport, httpx.Response(200, content=b"Email\na@fable.example\n\n"))

    async with world.connect(csv_dir=files) as session:
        answer = await session.call("export_list", list_id="Q3 Prospects", save_as="q3")

    assert answer["row_count"] == 1
    assert answer["summary"].endswith("The API announced 12 rows: tell the user.")


class Serving(httpx.AsyncBaseTransport):
    """A network on which each download gets one answer, and each request for one is kept."""

    def __init__(self, inner: httpx.AsyncBaseTransport, answer: httpx.Response) -> None:
        self.asked: list[httpx.Request] = []
        self._inner = inner
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/"):
            return await self._inner.handle_async_request(request)
        self.asked.append(request)
        return httpx.Response(
            self._answer.status_code,
            headers=self._answer.headers,
            content=self._answer.content,
            request=request,
        )


# Under which name


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("q3", "q3.csv"),
        ("q3.csv", "q3.csv"),
        (" Q3.CSV ", "Q3.CSV"),
        ("q3.xlsx", "q3.xlsx.csv"),
        ("Fa\u0308lle", "F\u00e4lle.csv"),
        ("a b (2) - c,d;e&f.csv", "a b (2) - c,d;e&f.csv"),
        ("console", "console.csv"),
        ("com10", "com10.csv"),
        ("-rf", "-rf.csv"),
        ("x.", "x..csv"),
    ],
)
def test_a_plain_name_is_taken_and_ends_in_csv(wanted: str, name: str) -> None:
    assert file_name(wanted) == name


BAD_NAMES = [
    *(
        "a/b",
        "/etc/passwd",
        "..",
        "../a",
        "a\\b",
        "C:\\a",
        "C:a",
        "a:b",
        "~/a",
        "a?b",
        "a*b",
        'a"b',
        "a<b",
        "a|b",
    ),
    *(
        ".hidden",
        ".csv",
        "..csv",
        " .csv",
        ". .csv",
        "a\nb",
        "a\tb",
        "a\0b",
        "a\x7fb",
        "a\u202eb",
        "a\u200bb",
        "a  b",
    ),
    *("CON", "con.csv", "Nul.txt", "aux .csv", "prn", "COM1", "lpt9.x.csv", "com\u00b9", "CONIN$"),
    *("x" * 250, "é" * 101),
]


@pytest.mark.parametrize("wanted", BAD_NAMES)
async def test_any_other_name_is_refused_before_any_request(world: World, files: Path, wanted: str) -> None:
    with pytest.raises(InvalidArguments):
        file_name(wanted)
    async with world.connect(csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as=wanted)

    assert (error["code"], error["field_errors"][0]["field"]) == ("invalid_arguments", "save_as")
    assert world.sandbox.requests == []
    assert names(files) == []


@given(st.text(max_size=60))
def test_a_name_that_is_taken_stays_inside_the_folder_on_every_system(wanted: str) -> None:
    try:
        name = file_name(wanted)
    except InvalidArguments:
        return
    assert name.casefold().endswith(".csv")
    assert not name.startswith(".")
    assert not set(name) & set('/\\:<>"|?*\0')
    # What a newer Unicode has is not known to be printable here.
    assert all(char.isprintable() or unicodedata.category(char) == "Cn" for char in name)
    assert len(name.encode()) <= LONGEST_NAME


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
async def test_what_is_there_already_stays_as_it_is(world: World, files: Path, era: str, kind: str) -> None:
    path, elsewhere = files / "q3.csv", files.parent / "elsewhere.csv"
    if kind == "link":
        elsewhere.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(elsewhere)

    async with world.connect(era, csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert error["message"] == "There is a file of that name already, and it was left as it is."
    assert '"q3-2.csv"' in error["next_step"]
    assert world.sandbox.requests == []
    assert names(files) == ["q3.csv"]
    assert elsewhere.exists() == (kind == "link")
    if kind in ("file", "link"):
        assert path.read_text() == "mine"


@pytest.mark.parametrize("has_links", [True, False])
async def test_a_file_that_appears_meanwhile_stays_as_it_is(
    world: World, files: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    (files / "q3-2.csv").write_text("mine too")

    def appear(data: dict[str, Any]) -> None:
        (files / "q3.csv").write_text("mine")

    world.transport = Edited(world.transport, appear, "/export/")
    async with world.connect(csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert '"q3-3.csv"' in error["next_step"]
    assert (files / "q3.csv").read_text() == "mine"
    assert names(files) == ["q3-2.csv", "q3.csv"]


def no_links(*_: Any, **__: Any) -> None:
    raise PermissionError("this disk has no links")


async def test_a_disk_without_links_takes_the_file_too(
    world: World, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)

    async with world.connect(csv_dir=files) as session:
        await session.call("export_list", list_id="Q3 Prospects", save_as="q3")

    assert len(rows_of(files / "q3.csv")) == 13
    assert names(files) == ["q3.csv"]


async def test_two_calls_at_once_make_one_file_and_one_refusal(world: World, files: Path) -> None:
    async with world.connect(csv_dir=files) as session:
        results = await asyncio.gather(
            *(session.result("export_list", list_id="Q3 Prospects", save_as="q3") for _ in range(2))
        )

    assert sorted(bool(result.is_error) for result in results) == [False, True]
    assert names(files) == ["q3.csv"]


async def test_a_folder_that_is_gone_is_named_as_the_setting(world: World, files: Path) -> None:
    os.rmdir(files)

    async with world.connect(csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert error["message"].startswith("The folder that CLEANLIST_CSV_DIR names is not there any more")
    assert str(files) not in str(error)


async def test_a_disk_that_is_full_leaves_nothing_behind(
    world: World, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device", str(files))

    monkeypatch.setattr(os, "fsync", full)
    async with world.connect(csv_dir=files, sandbox=False) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert "cannot be written to (OSError)" in error["message"]
    assert str(files) not in str(error)
    assert names(files) == []


def test_a_file_that_is_given_up_leaves_nothing_behind(files: Path) -> None:
    def fill(text: TextIO) -> int:
        text.write("Email\n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SharedFile(files, "q3.csv").write(fill)
    with SharedFile(files, "q3.csv").write(lambda text: text.write("Email\n")):
        assert len(names(files)) == 1
    assert names(files) == []


async def test_a_call_that_is_given_up_while_the_file_is_written_leaves_none(
    world: World, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, may_end = threading.Event(), threading.Event()

    def slowly(content: bytes, into: TextIO) -> int:
        at_work.set()
        assert may_end.wait(20)
        return rewrite(content, into)

    monkeypatch.setattr(saving, "rewrite", slowly)
    async with world.services(csv_dir=files) as services:
        call = Call(services, 50)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(saving.save_list, call, "Q3 Prospects", "q3", files)
            assert await asyncio.to_thread(at_work.wait, 20)
            assert len(names(files)) == 1
            tasks.cancel_scope.cancel()
            may_end.set()

    assert names(files) == []


# From where


async def test_a_link_is_asked_without_the_key_and_its_address_is_in_no_log(
    world: World, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = world.transport = Serving(
        world.transport, httpx.Response(200, content=b"Email\na@fable.example\n")
    )
    caplog.set_level("DEBUG")

    async with world.connect(csv_dir=files) as session:
        answer = await session.call("export_list", list_id="Q3 Prospects", save_as="q3")

    (request,) = network.asked
    assert str(request.url) == answer["download_url"]
    assert "authorization" not in request.headers and "cookie" not in request.headers
    assert world.sandbox.key not in str(request.headers)
    assert httpx.URL(answer["download_url"]).params["sig"] not in caplog.text


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (httpx.Response(302, headers={"Location": LINK}), "bad_response", "leads on to another address"),
        (
            httpx.Response(307, headers={"Location": "/other.csv"}),
            "bad_response",
            "leads on to another address",
        ),
        (httpx.Response(404), "bad_response", "HTTP status 404"),
        (httpx.Response(403, content=b"<Error>expired</Error>"), "bad_response", "HTTP status 403"),
        (httpx.Response(206, content=b"Email\n"), "bad_response", "HTTP status 206"),
        (httpx.Response(429), "api_unavailable", "HTTP status 429"),
        (httpx.Response(503), "api_unavailable", "HTTP status 503"),
    ],
)
async def test_an_answer_that_is_no_file_is_an_error_and_saves_nothing(
    world: World, files: Path, era: str, answer: httpx.Response, code: str, said: str
) -> None:
    network = world.transport = Serving(world.transport, answer)

    async with world.connect(era, csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert error["code"] == code
    assert said in error["message"]
    assert "export_list without save_as" in error["next_step"]
    assert len(network.asked) == 1
    assert "sig=" not in str(error)
    assert names(files) == []


@pytest.mark.parametrize(("kind", "options"), [("reset_before", {}), ("refused", {}), ("hang_before", {})])
async def test_a_file_that_does_not_come_is_an_error_within_the_time_of_the_call(
    world: World, files: Path, kind: Any, options: dict[str, Any]
) -> None:
    world.transport = VirtualNetwork(world.transport, world.clock)
    world.sandbox.faults.next("/downloads/*", kind, **options)

    async with world.connect(csv_dir=files) as session:
        error = await session.error("export_list", list_id="Q3 Prospects", save_as="q3")

    assert (error["code"], error["retryable"], error["charged"]) == ("api_unavailable", True, "no")
    assert "sig=" not in str(error)
    assert names(files) == []


async def test_a_file_that_takes_too_long_is_given_up() -> None:
    class Never(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            raise AssertionError

    with pytest.raises(ApiUnavailable, match="did not come within"):
        await Downloads(API, transport=Never()).fetch(f"{API}/a.csv", 0.05)


class Endless(httpx.AsyncByteStream):
    """A file without an end."""

    def __init__(self) -> None:
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += 65_536
            yield b"x" * 65_536


async def test_a_file_that_is_too_big_is_given_up_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_FILE_BYTES", 200_000)
    endless = Endless()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=endless)

    with pytest.raises(BadResponse, match="larger than"):
        await Downloads(API, transport=httpx.MockTransport(answer)).fetch(f"{API}/a.csv", 5)
    assert endless.sent < 400_000


async def test_a_packed_file_is_not_unpacked() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, headers={"Content-Encoding": "br"}, stream=Endless())

    with pytest.raises(BadResponse, match="packed"):
        await Downloads(API, transport=httpx.MockTransport(answer)).fetch(f"{API}/a.csv", 5)


class Connecting(httpx.AsyncBaseTransport):
    """A network that shows how it connects, as httpcore does: to which host, and at which address that is."""

    def __init__(self, host: str, peer: str) -> None:
        self.asked: list[httpx.Request] = []
        self.closed = 0
        self._host = host
        self._peer = peer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trace = request.extensions["trace"]
        await trace("connection.connect_tcp.started", {"host": self._host, "port": 443})
        await trace("connection.connect_tcp.complete", {"return_value": self})
        self.asked.append(request)
        return httpx.Response(200, content=b"Email\n", request=request)

    def get_extra_info(self, name: str) -> tuple[str, int]:
        assert name == "server_addr"
        return self._peer, 443

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_file_on_another_public_host_is_fetched() -> None:
    network = Connecting("files.fable.example", PUBLIC)

    assert await Downloads(API, transport=network).fetch(LINK, 5) == b"Email\n"
    assert [str(request.url) for request in network.asked] == [LINK]


@pytest.mark.parametrize(
    "peer",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.1"),
        *(
            "::1",
            "fe80::1%eth0",
            "fd00::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
            "::",
            "224.0.0.1",
        ),
        *("ff02::1", "", "nonsense"),
    ],
)
async def test_a_name_that_leads_to_a_private_address_is_left_before_anything_is_sent(peer: str) -> None:
    network = Connecting("files.fable.example", peer)

    assert not is_public_address(peer)
    with pytest.raises(BadResponse, match="private address"):
        await Downloads(API, transport=network).fetch(LINK, 5)
    assert (network.asked, network.closed) == ([], 1)


@pytest.mark.parametrize("peer", [PUBLIC, "2606:2800:220:1::1", f"::ffff:{PUBLIC}", "64:ff9b::5db8:d822"])
def test_public_addresses_are_public_however_they_are_carried(peer: str) -> None:
    assert is_public_address(peer)


async def test_behind_a_proxy_only_the_apis_own_host_is_asked() -> None:
    network = Connecting("proxy.fable.example", PUBLIC)
    fetching = Downloads(API, transport=network)

    with pytest.raises(BadResponse, match="through a proxy"):
        await fetching.fetch(LINK, 5)
    assert network.asked == []
    assert await fetching.fetch("https://api.fable.example/downloads/a.csv", 5) == b"Email\n"


async def test_a_network_that_does_not_show_where_it_connects_is_not_trusted() -> None:
    silent = httpx.MockTransport(lambda request: httpx.Response(200, content=b"Email\n"))

    with pytest.raises(BadResponse, match="private address"):
        await Downloads(API, transport=silent).fetch(LINK, 5)


@pytest.mark.parametrize(
    "link", ["http://files.fable.example/a.csv", "https://10.0.0.1/a.csv", "file:///etc/passwd"]
)
async def test_a_link_that_is_no_public_https_address_is_not_asked(link: str) -> None:
    network = Connecting("files.fable.example", PUBLIC)

    with pytest.raises(BadResponse):
        await Downloads(API, transport=network).fetch(link, 5)
    assert network.asked == []


class Listening:
    """A server on loopback that keeps what it is sent, and answers a request with a file."""

    def __init__(self) -> None:
        self.heard = b""
        self.met = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.read(4096)
        self.met.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nEmail\n")
        writer.close()


async def test_over_a_real_network_nothing_is_sent_to_a_private_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Listening()
    server = await asyncio.start_server(here, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1", port))
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    async with server:
        with pytest.raises(BadResponse, match="private address"):
            await Downloads(API).fetch(f"https://files.fable.example:{port}/a.csv?sig=1", 5)
        await here.met.wait()

    assert here.heard == b""


async def test_over_a_real_network_no_proxy_is_asked_for_another_host_than_the_apis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = Listening()
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    fetching = Downloads(API)
    async with server:
        with pytest.raises(BadResponse, match="through a proxy"):
            await fetching.fetch(LINK, 5)
        assert proxy.heard == b""
        with pytest.raises(ApiUnavailable):  # it answers with no tunnel
            await fetching.fetch("https://api.fable.example/downloads/a.csv?sig=0a1b2c3d", 5)

    assert proxy.heard.startswith(b"CONNECT api.fable.example:443 ")
    assert b"0a1b2c3d" not in proxy.heard


def resolving_to(address: str, port: int) -> Callable[..., list[Any]]:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return resolve


async def test_over_a_real_network_the_link_comes_whole_and_stays_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    here = Listening()
    server = await asyncio.start_server(here, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        api = f"http://127.0.0.1:{port}/api/v2"
        content = await Downloads(api).fetch(f"http://127.0.0.1:{port}/files/a%20b.csv?exp=1&sig=0a1b2c3d", 5)

    assert content == b"Email\n"
    assert here.heard.startswith(b"GET /files/a%20b.csv?exp=1&sig=0a1b2c3d HTTP/1.1\r\n")
    assert b"uthorization" not in here.heard
    assert "0a1b2c3d" not in caplog.text


async def test_a_refusal_to_save_is_an_error_like_any_other(world: World, files: Path) -> None:
    async with world.connect(csv_dir=files) as session:
        ambiguous = [world.sandbox.add_list("Twins", 1), world.sandbox.add_list("twins", 1)]
        result = await session.result("export_list", list_id="Twins", save_as="twins")

    assert error_of(result)["list_ids"] == ambiguous
    assert names(files) == []
