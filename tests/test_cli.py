"""The command, run as a user runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cleanlist_mcp import __version__
from cleanlist_mcp.cli.arguments import CLIENTS

COMMAND = (sys.executable, "-m", "cleanlist_mcp")
posix = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals to send, no such shell and devices there"
)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        stdin=subprocess.DEVNULL,
        **options,
    )


def buffered(**changes: str) -> dict[str, str]:
    """The environment, in which output is kept back as it is for users."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | changes


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs on; what it starts holds its stderr too, so the end of that is the end of them all.

    Its stdout is buffered, as it is for users: then the interpreter flushes once more at its end.
    """
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=buffered(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], sign: str) -> str:
    """The first line of stdout with `sign` in it; what came before is dropped."""
    assert process.stdout is not None
    return next(line for line in process.stdout if sign in line)


def test_version_and_help() -> None:
    assert run("--version").stdout == f"cleanlist-mcp {__version__}\n"
    shown = run("--help").stdout
    for command in ("demo", "doctor", "config", "sandbox", "--sandbox"):
        assert command in shown


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("config",), ("config", "notepad"), ("sandbox",), ("sandbox", "--port", "70000")],
)
def test_a_wrong_command_says_what_is_accepted_and_ends_with_two(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert "usage: cleanlist-mcp" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("option", [("--port", "8000"), ("--host", "127.0.0.1"), ("--port", "0")])
def test_an_address_without_http_is_refused_and_not_passed_over(option: tuple[str, str]) -> None:
    done = run("serve", *option)

    assert done.returncode == 2
    assert "`serve --http`" in done.stderr


def test_a_config_snippet_is_all_there_is_on_stdout() -> None:
    snippet = json.loads(run("config", "claude-desktop").stdout)

    assert "cleanlist" in snippet["mcpServers"]
    assert len(CLIENTS) == 8


@pytest.mark.parametrize("arguments", [("--sandbox", "doctor"), ("doctor", "--sandbox")])
def test_the_sandbox_option_holds_for_the_doctor(arguments: tuple[str, ...]) -> None:
    examined = run(*arguments)

    assert examined.returncode == 0
    assert "no key, network or folder is needed" in " ".join(examined.stdout.split())


@pytest.mark.parametrize(
    "arguments", [("--sandbox", "config", "claude-desktop"), ("config", "claude-desktop", "--sandbox")]
)
def test_the_sandbox_option_holds_for_snippets(arguments: tuple[str, ...]) -> None:
    snippet = json.loads(run(*arguments).stdout)

    assert snippet["mcpServers"]["cleanlist"]["env"] == {"CLEANLIST_SANDBOX": "true"}


@posix
@pytest.mark.parametrize(
    ("arguments", "closed", "named"),
    [
        ((), ">&-", "stdout"),
        ((), "<&-", "stdin"),
        (("config", "cursor"), ">&-", "stdout"),
        (("demo",), ">&-", "stdout"),
    ],
)
def test_a_closed_stream_is_said_in_a_line_and_ends_with_one(
    arguments: tuple[str, ...], closed: str, named: str
) -> None:
    line = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *arguments]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", timeout=30, check=False)

    said = f"cleanlist-mcp: {named} is closed, so nothing was started.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    "arguments", [("config", "cursor"), ("--sandbox", "doctor"), ("demo",), ("sandbox", "--port", "0")]
)
def test_an_output_that_is_full_is_said_in_a_line_and_ends_with_one(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=buffered(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=30,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "cleanlist-mcp: the output cannot be written: No space left on device.\n"


def test_a_sandbox_whose_port_is_taken_says_so_and_ends_with_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("sandbox", "--port", str(taken.getsockname()[1]))

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "cannot serve on" in line


@pytest.mark.long
@posix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sandbox_says_where_it_is_and_a_signal_ends_it_quietly(number: int, status: int) -> None:
    with started("sandbox", "--port", "0") as sandbox:
        hello = json.loads(read_until(sandbox, "base_url"))
        sandbox.send_signal(number)
        said = sandbox.communicate(timeout=30)

    assert hello.keys() == {"base_url", "api_key"}
    assert (sandbox.returncode, *said) == (status, "", "")


@pytest.mark.long
def test_the_demo_plays_every_step_and_accounts_for_every_credit() -> None:
    done = run("demo", env=buffered(COLUMNS="100"))

    assert done.returncode == 0, done.stdout + done.stderr
    for tool in (
        "whoami",
        "credits_balance",
        "search_people",
        "enrich_person",
        "create_list",
        "add_leads",
        "estimate",
        "get_leads",
    ):
        assert f"call     {tool}(" in done.stdout
    for sign in (
        "dialog   Spend up to 12 credits",
        "progress ",
        "credits  5000 before",
        "every one accounted for",
    ):
        assert sign in done.stdout
    assert done.stderr == ""


@pytest.mark.long
def test_a_demo_that_nobody_reads_on_ends_quietly_with_all_that_it_started() -> None:
    with started("demo") as demo:
        read_until(demo, "1. ")
        assert demo.stdout is not None
        demo.stdout.close()
        demo.stdout = None
        _, complaints = demo.communicate(timeout=30)

    assert (demo.returncode, complaints) == (1, "")


@pytest.mark.long
@posix
def test_a_demo_that_is_interrupted_says_so_in_a_line_and_ends_with_all_that_it_started() -> None:
    with started("demo") as demo:
        read_until(demo, "1. ")
        demo.send_signal(signal.SIGINT)
        _, complaints = demo.communicate(timeout=30)

    assert (demo.returncode, complaints) == (130, "cleanlist-mcp: stopped.\n")


@pytest.mark.parametrize(("columns", "widest"), [("20", 40), ("64", 64), ("500", 100)])
def test_the_demo_is_as_wide_as_the_terminal_within_reason(
    columns: str, widest: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from cleanlist_mcp.cli import story

    monkeypatch.setenv("COLUMNS", columns)
    story.say("")
    story.show("answer", "word " * 100)

    empty, first, *later = capsys.readouterr().out.splitlines()
    assert empty == ""
    assert first.startswith("   answer   word")
    assert all(line.startswith(" " * 12 + "word") for line in later)
    assert widest - 5 < max(map(len, [first, *later])) <= widest


def test_the_demo_ends_non_zero_where_a_step_fails(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from cleanlist_mcp.cli import demo, story

    async def failing() -> None:
        raise ExceptionGroup("as a task group has it", [story.StepFailed("whoami answered nothing")])

    monkeypatch.setattr(demo, "_play", failing)

    assert demo.main() == 1
    assert "whoami answered nothing" in capsys.readouterr().out
