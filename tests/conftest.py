"""Fixtures that every test may use."""

import gc
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies

if TYPE_CHECKING:
    from tests.support import World

# Journals wait for the disk before they spend; in memory that is no wait. No test cuts the power.
if os.access("/dev/shm", os.W_OK):  # noqa: S108 - pytest makes folders of its own in it
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")  # noqa: S108

# A shell starts what runs in the background without SIGINT, and the processes that tests interrupt inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Some runners ignore a hang-up and hand that on too.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Rules are tried on the same few examples here, and on many at the end of scripts/check, which are others each time
# except in CI: a gate must not fall by luck. None is timed, machines differ.
settings.register_profile("quick", max_examples=25, deadline=None, database=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=100, deadline=None, database=None, derandomize="CI" in os.environ
)
settings.load_profile("quick")

WITHOUT_EPOLL = Path(__file__).with_name("without_epoll")
"""A folder that takes epoll away from every Python that has it on PYTHONPATH."""


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later search for garbage: that took a seventh of all time."""
    any_property()  # hypothesis looks for the holder of its source of chance once, and would not see a frozen one
    gc.collect()
    gc.freeze()


@given(strategies.booleans())
def any_property(drawn: bool) -> None:
    """Hold for everything."""


@pytest.fixture(scope="session", autouse=True)
def schemas_checked_once() -> Iterator[None]:
    """The SDK's client checks every published schema against the metaschema again for each connection, which
    takes longer than most tests; here each schema is checked once."""
    check = jsonschema.Draft202012Validator.check_schema
    checked: set[str] = set()

    def check_once(schema: Any, *args: Any, **kwargs: Any) -> None:
        text = json.dumps(schema, sort_keys=True)
        if text not in checked:
            check(schema, *args, **kwargs)
            checked.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonschema.Draft202012Validator, "check_schema", check_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def stdio_loop_of_servers() -> Iterator[None]:
    """With SDK_STDIO, servers that tests start serve stdio by the SDK's loop and not by ours, as `.ci/run` asks for."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("SDK_STDIO"):
            patch.setenv("PYTHONPATH", str(WITHOUT_EPOLL), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def repeatable_chance(request: pytest.FixtureRequest) -> None:
    """Whatever draws chance draws the same in each run of a test, so that no test passes by luck."""
    random.seed(request.node.nodeid)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path) -> "World":
    from tests.support import World  # here: the process that hands out the tests needs none of it

    return World(tmp_path / "state")
