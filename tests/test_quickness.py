"""Quick starts and calls, tested without a clock: by the modules that are loaded, and when."""

import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest

from tests.test_stdio import NO_NETWORK, Wire, started

TELLING = """
import atexit, sys
before = set(sys.modules)  # what watches the tests has loaded its own
atexit.register(lambda: print("loaded:", *(set(sys.modules) - before), file=sys.stderr))
from cleanlist_mcp.cli import main as cli
from cleanlist_mcp.server import warming
warming.QUIET_SECONDS = 3600.0
sys.argv = ["cleanlist-mcp"]
cli.main()
"""

OF_A_SERVICE = (
    *("psycopg", "opentelemetry.sdk", "prometheus_client", "jwt.jwks_client"),
    *("cleanlist_mcp.journal.postgres", "cleanlist_mcp.sandbox", "cleanlist_mcp.server.tools.cards"),
    *(
        "cleanlist_mcp.http",
        "cleanlist_mcp.server.http",
        "cleanlist_mcp.cli.serve",
        "cleanlist_mcp.cli.doctor",
    ),
)
"""Modules that serve teams over HTTP, cards, or other commands, and what stands under them."""

OF_CALLS = (
    *("httpx", "httpcore", "truststore", "sqlite3", "h11._connection"),
    *(
        "cleanlist_mcp.answers.shapes",
        "cleanlist_mcp.imports",
        "cleanlist_mcp.journal",
        "cleanlist_mcp.lists",
    ),
    *(
        "cleanlist_mcp.api",
        "cleanlist_mcp.runs",
        "cleanlist_mcp.server.tools",
        "cleanlist_mcp.people.identity",
    ),
    *("argparse", "difflib", "cleanlist_mcp.cli.arguments"),
)
"""Modules that a call needs and a list does not, and those of other starts and of mistakes."""

OF_SPENDS = (
    *("cleanlist_mcp.people.same_person", "cleanlist_mcp.people.identity", "cleanlist_mcp.journal.claims"),
    *("cleanlist_mcp.journal.companies", "cleanlist_mcp.journal.import_journal", "cleanlist_mcp.runs"),
    *("cleanlist_mcp.answers.run_shapes", "cleanlist_mcp.answers.list_shapes", "cleanlist_mcp.api.prospects"),
)
"""Modules that runs, lists and searches need and the account's tools do not."""


async def loaded(wire: Wire) -> set[str]:
    """The modules of a server, which ends."""
    assert await wire.end() == 0
    (line,) = [line for line in wire.log.decode().splitlines() if line.startswith("loaded:")]
    return set(line.split()[1:])


def under(names: set[str], roots: tuple[str, ...]) -> set[str]:
    return {name for name in names for root in roots if name == root or name.startswith(f"{root}.")}


async def test_a_start_that_lists_loads_nothing_of_calls_nor_of_a_service(tmp_path: Path) -> None:
    async with started(tmp_path / "state", changes=NO_NETWORK, code=TELLING) as wire:
        await wire.shake_hands()
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"):
            await wire.ask(method, method)
        names = await loaded(wire)

    assert under(names, OF_A_SERVICE + OF_CALLS) == set()
    assert not (tmp_path / "state").exists()


async def test_a_question_about_the_account_loads_nothing_of_runs_lists_and_searches(tmp_path: Path) -> None:
    changes = NO_NETWORK | {"CLEANLIST_API_KEY": "clapi_made_up"}
    async with started(tmp_path, changes=changes, code=TELLING) as wire:
        await wire.shake_hands()
        for tool in ("whoami", "credits_balance"):
            await wire.ask(tool, "tools/call", name=tool, arguments={})
        names = await loaded(wire)

    assert under(names, OF_SPENDS) == set()


@pytest.mark.long
async def test_a_call_over_stdio_loads_nothing_of_a_service(tmp_path: Path) -> None:
    async with started(
        tmp_path, changes=NO_NETWORK | {"CLEANLIST_API_KEY": "clapi_made_up"}, code=TELLING
    ) as wire:
        await wire.shake_hands()
        for tool in ("whoami", "workflow_status", "find_lists"):
            await wire.ask(tool, "tools/call", name=tool, arguments={})
        names = await loaded(wire)

    assert {"httpx", "cleanlist_mcp.journal.sqlite.store"} <= names
    assert under(names, OF_A_SERVICE) == set()


def test_the_package_that_httpcore_tries_to_import_for_each_connection_is_there() -> None:
    # Once httpcore asks for it no longer, the dependency can go.
    asking = inspect.getsource(importlib.import_module("httpcore._synchronization"))

    assert "import sniffio" in asking
    assert importlib.util.find_spec("sniffio") is not None
