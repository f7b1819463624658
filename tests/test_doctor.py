"""The doctor names the problem, then the remedy, and ends non-zero if tools would not work."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from pydantic import SecretStr

from cleanlist_mcp.api.connections import Connections
from cleanlist_mcp.cli import doctor
from cleanlist_mcp.cli.findings import Finding, exit_status, report
from cleanlist_mcp.errors import SettingsError
from cleanlist_mcp.sandbox.accounts import ALL_SCOPES
from cleanlist_mcp.settings import Settings
from tests.support import Answering, Edited, World


async def look(
    world: World,
    settings: Settings | SettingsError | None = None,
    environment: Mapping[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    python: tuple[int, ...] = (3, 12, 1),
    *,
    allow_cards: bool = False,
) -> list[Finding]:
    """Return what the doctor finds, in virtual time."""
    findings: list[Finding] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.clock.drive)
        findings = await doctor.examine(
            world.settings() if settings is None else settings,
            environment or {},
            transport or world.transport,
            clock=world.clock,
            python=python,
            allow_cards=allow_cards,
        )
        tasks.cancel_scope.cancel()
    return findings


def the_problem(findings: list[Finding]) -> Finding:
    """The one problem, which the report shows first and with a remedy behind it."""
    assert exit_status(findings) == 1
    (problem,) = [finding for finding in findings if finding.level == "problem"]
    lines = report(findings).splitlines()
    assert lines[2].startswith("PROBLEM")
    assert problem.remedy
    text = " ".join(" ".join(lines).split())
    assert text.index(ascii_of(problem.text)) < text.index(ascii_of(problem.remedy))
    return problem


def ascii_of(text: str) -> str:
    return text.replace("→", ">").replace("…", "...")


class Unreachable(httpx.AsyncBaseTransport):
    """A network on which no connection comes about, or, by its `kind`, none that lasts."""

    def __init__(self, words: str, kind: type[httpx.TransportError] = httpx.ConnectError) -> None:
        self.words = words
        self.kind = kind

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self.kind(self.words, request=request)


async def test_a_sound_machine_has_no_problem_and_ends_with_zero(world: World) -> None:
    findings = await look(world)

    assert exit_status(findings) == 0
    assert {finding.level for finding in findings} == {"ok"}
    text = report(findings)
    assert "Northwind Sandbox" in text
    assert "5000 left" in text
    assert text.rstrip().endswith("The tools work.")
    assert world.sandbox.runs == []


async def test_a_missing_key_is_named_with_the_way_to_one(world: World) -> None:
    problem = the_problem(await look(world, world.settings(api_key=None)))

    assert problem.subject == "key"
    assert "No Cleanlist API key" in problem.text
    assert "CLEANLIST_API_KEY" in problem.remedy
    assert "CLEANLIST_SANDBOX=true" in problem.remedy
    assert world.sandbox.requests == []


async def test_an_extension_key_is_recognised_without_asking_the_api(world: World) -> None:
    environment = {"CLEANLIST_API_KEY": "clext_abcdef", "CLEANLIST_STATE_DIR": str(world.folder)}

    problem = the_problem(await look(world, doctor.read_settings(environment), environment))

    assert problem.subject == "key"
    assert "clext_" in problem.text
    assert "abcdef" not in problem.text
    assert world.sandbox.requests == []


async def test_a_key_that_the_api_does_not_know_is_the_problem(world: World) -> None:
    problem = the_problem(await look(world, world.settings(api_key=SecretStr("clapi_long_gone"))))

    assert problem.subject == "key"
    assert "does not accept" in problem.text
    assert "Ask the user" not in problem.remedy


async def test_a_plan_without_api_access_is_named_as_the_plan(world: World) -> None:
    key = world.sandbox.add_account("starter", tier="starter", api_access=False)

    problem = the_problem(await look(world, world.settings(api_key=SecretStr(key))))

    assert problem.subject == "plan"
    assert "plan does not include this" in problem.text
    assert "paid plans" in problem.remedy and "API access" in problem.remedy


async def test_a_missing_scope_is_named_with_the_tools_that_need_it(world: World) -> None:
    key = world.sandbox.add_account("reader", scopes=ALL_SCOPES - {"enrich:write"})

    findings = await look(world, world.settings(api_key=SecretStr(key)))
    problem = the_problem(findings)

    assert problem.subject == "permissions"
    assert "enrich:write" in problem.text
    assert "enrich_person, enrich_list" in problem.text
    assert any(finding.subject == "credits" for finding in findings)


async def test_a_scope_that_only_switched_off_tools_need_is_not_missed(world: World) -> None:
    key = world.sandbox.add_account("reader", scopes=ALL_SCOPES - {"enrich:write", "lists:write"})

    findings = await look(world, world.settings(api_key=SecretStr(key), read_only=True))

    assert exit_status(findings) == 0


async def test_a_key_that_may_not_see_the_balance_is_a_missing_scope_only(world: World) -> None:
    key = world.sandbox.add_account("blind", scopes=ALL_SCOPES - {"credits:read"})

    problem = the_problem(await look(world, world.settings(api_key=SecretStr(key))))

    assert problem.subject == "permissions"
    assert "credits:read" in problem.text


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("[Errno -2] Name or service not known", "its name is not known here"),
        ("All connection attempts failed", "nothing answers there"),
        ("[Errno 101] Network is unreachable", "there is no route to it"),
    ],
)
async def test_no_network_is_told_with_the_host_and_the_cause(world: World, words: str, cause: str) -> None:
    problem = the_problem(await look(world, transport=Unreachable(words)))

    assert problem.subject == "network"
    assert f"sandbox.cleanlist.example cannot be reached: {cause} (ConnectError)." in problem.text


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (httpx.ConnectTimeout, "it did not answer in time (ConnectTimeout)."),
        (httpx.ProxyError, "ProxyError."),
    ],
)
async def test_a_cause_without_words_is_named_by_its_kind(
    world: World, kind: type[httpx.TransportError], cause: str
) -> None:
    problem = the_problem(await look(world, transport=Unreachable("", kind)))

    assert f"cannot be reached: {cause}" in problem.text


@pytest.mark.parametrize("kind", [httpx.ProxyError, httpx.RemoteProtocolError])
async def test_the_words_of_the_other_side_are_not_repeated(
    world: World, kind: type[httpx.TransportError]
) -> None:
    words = f"407 user:PROXYSECRETPW {world.sandbox.key} \x1b[31m"

    text = report(await look(world, transport=Unreachable(words, kind)))

    assert kind.__name__ in text
    for leaked in ("PROXYSECRETPW", world.sandbox.key[-40:], "\x1b", "[31m", "407"):
        assert leaked not in text


async def test_a_connection_that_broke_is_not_told_as_unreachable(world: World) -> None:
    broken = Unreachable("Server disconnected without sending a response.", httpx.RemoteProtocolError)

    problem = the_problem(await look(world, transport=broken))

    assert problem.subject == "network"
    assert "cannot be reached" not in problem.text
    assert "broke the connection off" in problem.text
    assert problem.text.endswith(": RemoteProtocolError.")
    assert problem.remedy.startswith("Wait a minute, then run doctor again; if it happens again, ")


async def test_proxy_settings_that_cannot_be_used_are_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unusable(*args: Any, **kwargs: Any) -> None:
        raise ValueError("Unknown scheme for proxy URL")

    monkeypatch.setattr(Connections, "_made", unusable)

    problem = the_problem(await look(world))

    assert problem.subject == "network"
    assert "proxy settings" in problem.text
    assert problem.remedy == "Correct or remove the variables HTTPS_PROXY and ALL_PROXY."


@pytest.mark.parametrize(
    ("status", "error", "remedy"),
    [
        (
            403,
            {"code": "account_suspended"},
            "Change what the API objects to; the same call fails until then.",
        ),
        (409, {"code": "busy", "retryable": True}, "Wait a minute, then run doctor again."),
    ],
)
async def test_a_refusal_is_told_with_its_own_next_step(
    world: World, status: int, error: dict[str, Any], remedy: str
) -> None:
    body = {"error": {**error, "problem": "The account is closed for now."}}
    world.transport = Answering(world.transport, "/whoami", httpx.Response(status, json=body))

    problem = the_problem(await look(world))

    assert problem.subject == "API"
    assert "The account is closed for now." in problem.text
    assert problem.remedy == remedy


async def test_an_untrusted_certificate_is_told_apart_from_no_network(world: World) -> None:
    refused = Unreachable("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed")

    problem = the_problem(await look(world, transport=refused))

    assert problem.subject == "network"
    assert "TLS certificate" in problem.text
    assert "trust store" in problem.remedy


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("server_error", "HTTP status 500"),
        ("bad_gateway", "HTTP status 502"),
        ("unreadable", "cannot be read"),
    ],
)
async def test_an_api_that_misbehaves_is_a_problem_of_its_own(world: World, kind: Any, words: str) -> None:
    world.sandbox.faults.next("GET /whoami", kind, times=50)

    problem = the_problem(await look(world))

    assert problem.subject == "API"
    assert words in problem.text


async def test_a_state_folder_that_cannot_be_written_is_a_problem(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    problem = the_problem(await look(world, world.settings(state_dir=tmp_path / "file" / "state")))

    assert problem.subject == "state folder"
    assert "cannot be written" in problem.text
    assert "CLEANLIST_STATE_DIR" in problem.remedy


@pytest.mark.parametrize(("daily_limit", "level"), [(None, "warning"), (10, "problem")])
async def test_a_user_without_a_home_is_told_that_runs_are_forgotten(
    world: World, daily_limit: int | None, level: str
) -> None:
    findings = await look(world, world.settings(state_dir=None, daily_limit=daily_limit))

    (found,) = [finding for finding in findings if finding.subject == "state folder"]
    assert found.level == level
    assert "no home folder" in found.text
    assert "CLEANLIST_STATE_DIR" in found.remedy
    assert exit_status(findings) == (level == "problem")


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("fable.example\n=?=\n", "line 2 is not an e-mail address")]
)
async def test_a_file_of_exclusions_that_cannot_be_used_is_a_problem(
    world: World, tmp_path: Path, sandbox: bool, text: str | None, why: str
) -> None:
    path = tmp_path / "exclude.txt"
    if text is not None:
        path.write_text(text, "utf-8")

    problem = the_problem(await look(world, world.settings(exclude_file=path, sandbox=sandbox)))

    assert problem.subject == "do not contact" and why in problem.text
    assert "CLEANLIST_EXCLUDE_FILE" in problem.remedy


@pytest.mark.parametrize(
    ("text", "end"), [("fable.example", "can be used."), ("# none", "it has no entries.")]
)
async def test_a_file_of_exclusions_that_can_be_used_is_named(
    world: World, tmp_path: Path, text: str, end: str
) -> None:
    path = tmp_path / "exclude.txt"
    path.write_text(text, "utf-8")

    findings = await look(world, world.settings(exclude_file=path))

    assert exit_status(findings) == 0
    assert [one.text.endswith(end) for one in findings if one.subject == "do not contact"] == [True]


async def test_the_advice_about_a_database_that_is_away_does_not_lead_back_here(world: World) -> None:
    settings = Settings.from_environment(
        {
            "CLEANLIST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "CLEANLIST_SECRET_KEYS": "x" * 32,
        }
    )
    problems = [one for one in await look(world, settings) if one.subject == "team database"]

    assert [one.level for one in problems] == ["problem"]
    assert "ask whoever runs" in problems[0].remedy and "cleanlist-mcp doctor" not in problems[0].remedy


async def test_a_damaged_journal_stops_spending_and_says_what_to_do(world: World) -> None:
    world.folder.mkdir()
    (world.folder / "journal.sqlite3").write_bytes(b"no database at all, " * 100)

    problem = the_problem(await look(world))

    assert problem.subject == "state folder"
    assert "damaged" in problem.text and "nothing is spent" in problem.text
    assert "move journal.sqlite3" in problem.remedy


async def test_a_client_that_lost_its_button_is_named_with_the_way_to_get_it_back(world: World) -> None:
    async with world.connect(cards=True, name="Naive Host") as session:
        quote = await session.call("estimate", list_id="Q3 Prospects")
        spend = {name: quote[name] for name in ("list_id", "scope", "quote_id")}
        await session.error("approve_quote", **spend, max_credits=12, approval="forged")

    for allow_cards in (False, True, False):
        findings = await look(world, allow_cards=allow_cards)
        assert exit_status(findings) == 0
        told = [finding for finding in findings if finding.subject == "cards"]
        if allow_cards:
            assert told[0].text == 'The button is back in the cards of "naive host".'
            world.clock.now += 1
        elif world.clock.now < 1:
            assert told[0].level == "warning" and '"naive host"' in told[0].text
            assert "doctor --allow-cards" in told[0].remedy
        else:
            assert told == []


async def test_a_folder_in_place_of_the_journal_is_named(world: World) -> None:
    (world.folder / "journal.sqlite3").mkdir(parents=True)

    problem = the_problem(await look(world))

    assert problem.subject == "state folder"
    assert "journal.sqlite3" in problem.text and "damaged" not in problem.text
    assert "CLEANLIST_STATE_DIR" in problem.remedy


async def test_an_old_python_is_named_with_the_version_that_is_needed(world: World) -> None:
    problem = the_problem(await look(world, python=(3, 10, 14)))

    assert "3.10.14" in problem.text
    assert "3.11" in problem.text


async def test_a_wrong_setting_is_the_problem_and_nothing_is_asked(world: World) -> None:
    environment = {"CLEANLIST_DAILY_LIMIT": "lots"}

    problem = the_problem(await look(world, doctor.read_settings(environment), environment))

    assert problem.text.startswith("CLEANLIST_DAILY_LIMIT")
    assert problem.remedy.startswith("Correct it, then restart the client. Accepted: 0 to")
    assert world.sandbox.requests == []


async def test_a_misspelt_variable_is_a_warning_with_the_right_name(world: World) -> None:
    findings = await look(world, environment={"CLEANLIST_DAILY_LIMT": "5"})

    (warning,) = [finding for finding in findings if finding.level == "warning"]
    assert "did you mean CLEANLIST_DAILY_LIMIT" in warning.text
    assert exit_status(findings) == 0
    assert "1 warning" in report(findings)


async def test_a_placeholder_that_the_client_left_is_named(world: World) -> None:
    environment = {"CLEANLIST_API_KEY": "${user_config.api_key}", "CLEANLIST_STATE_DIR": str(world.folder)}

    findings = await look(world, doctor.read_settings(environment), environment)

    assert "No Cleanlist API key is set. The client left a placeholder" in the_problem(findings).text
    assert not any(finding.level == "warning" for finding in findings)


async def test_a_proxy_that_misbehaves_is_a_network_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer_in_another_protocol(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database here
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        settings = Settings(
            api_key=SecretStr("clapi_fictional_key"),
            base_url="https://api.cleanlist.example/api/v1/public",
            state_dir=tmp_path,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer_in_another_protocol)
            findings = await doctor.examine(settings, {})
            tasks.cancel_scope.cancel()

    problem = next(finding for finding in findings if finding.subject == "network")
    assert "cannot be reached" in problem.text and "ALL_PROXY" in problem.text


@pytest.mark.parametrize("credits_left", [0, -5])
async def test_an_empty_account_is_a_warning_for_reading_still_works(world: World, credits_left: int) -> None:
    key = world.sandbox.add_account("poor", credits=0)
    world.transport = Edited(
        world.transport, lambda data: data.update(credits=credits_left), "/credits/balance", "GET"
    )

    findings = await look(world, world.settings(api_key=SecretStr(key)))

    assert exit_status(findings) == 0
    assert any(finding.level == "warning" and finding.subject == "credits" for finding in findings)


async def test_the_sandbox_needs_nothing_and_nothing_is_asked(world: World) -> None:
    findings = await look(world, Settings(sandbox=True))

    assert exit_status(findings) == 0
    assert world.sandbox.requests == []
    assert not world.folder.exists()


async def test_the_report_is_ascii_and_holds_neither_key_nor_person(world: World) -> None:
    world.sandbox.account().organization.name = "Späte Grüße → GmbH"

    text = report(await look(world))

    assert text.isascii()
    assert "Spate Gru" in text
    assert world.sandbox.key not in text
    assert "clapi_" not in text
    assert "Ada" not in text
    assert "@" not in text
    assert max(map(len, text.splitlines())) <= 96


@pytest.mark.parametrize(("columns", "widest"), [("20", 40), ("64", 64), ("500", 96)])
async def test_the_report_is_as_wide_as_the_terminal_within_reason(
    columns: str, widest: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    lines = report(await look(world, world.settings(api_key=None, state_dir=None)))

    assert widest - 10 < max(map(len, lines.splitlines())) <= widest


def test_a_folder_below_the_home_is_shown_without_the_users_name() -> None:
    assert str(Path.home()) not in doctor._shown(Path.home() / "state" / "cleanlist")


def test_it_runs_as_a_process_and_ends_with_one_where_no_key_is_set(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    environment |= {"CLEANLIST_STATE_DIR": str(tmp_path)}
    code = "import os, sys; from cleanlist_mcp.cli import doctor; sys.exit(doctor.main(os.environ))"

    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr == ""
    assert "PROBLEM  key: No Cleanlist API key is set." in ended.stdout


async def test_a_wrong_address_of_the_api_is_told_from_a_wrong_key(world: World) -> None:
    world.transport = Answering(world.transport, "/whoami", httpx.Response(404, json={"detail": "Not Found"}))

    problem = the_problem(await look(world))

    assert problem.subject == "API"
    assert "CLEANLIST_BASE_URL" in problem.remedy


async def test_scopes_that_the_api_does_not_tell_are_a_warning_and_none_at_all_a_problem(
    world: World,
) -> None:
    real = world.transport
    world.transport = Answering(real, "/whoami", httpx.Response(200, json={"organization_id": "org_1"}))
    untold = await look(world)
    world.transport = Answering(
        real, "/whoami", httpx.Response(200, json={"organization_id": "org_1", "scopes": []})
    )

    assert any(finding.level == "warning" and finding.subject == "permissions" for finding in untold)
    assert the_problem(await look(world)).subject == "permissions"
