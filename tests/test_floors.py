"""The house stands: imports go upward only, the network has one door, and MCP begins on the fourth floor."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "cleanlist_mcp"
ROOT = Path(__file__).parents[1] / PACKAGE

FLOORS = (
    ("ground", "errors settings models secrecy links text clock awake"),
    (
        "first",
        "reading answers retries spend polling paging normal_forms identity spellings short_forms mailboxes likeness "
        "leads csv_columns csv_file journal_records journal_schema",
    ),
    ("second", "client journal_file import_claims journal"),
    ("third", "watching workflows directory services quotes people reports results rows tallying importing"),
    ("fourth", "tools instructions resources prompts"),
    ("fifth", "server"),
    ("top", "serving snippets doctor demo cli __main__"),
)
FLOOR = {room: number for number, (_, rooms) in enumerate(FLOORS) for room in rooms.split()}
ANNEXE = "sandbox"
MAY_VISIT_THE_ANNEXE = {"server", "cli"}
FIRST, FIRST_WITH_MCP = 1, 4
READS_A_FILE = {"csv_file"}


def files() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def room(path: Path) -> str:
    """The module of the package that a file is or belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path: Path, *, at_run_time: bool = False) -> tuple[str, ...]:
    """The modules that a file imports, inside functions too; `at_run_time` leaves those for types out."""
    return tuple(_imports(path, at_run_time))


def _imports(path: Path, at_run_time: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {id(inner) for node in ast.walk(tree) if _is_type_checking(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if at_run_time and id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def ours(path: Path, *, at_run_time: bool = False) -> set[str]:
    """The other rooms that a file imports from."""
    known = {*FLOOR, ANNEXE}
    names = (name.split(".") for name in imports(path, at_run_time=at_run_time))
    return {parts[1] for parts in names if parts[0] == PACKAGE and len(parts) > 1 and parts[1] in known}


def test_every_room_has_its_floor() -> None:
    assert {room(path) for path in files()} == {*FLOOR, ANNEXE}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_upward_only(path: Path) -> None:
    here = room(path)
    if here == ANNEXE:
        assert ours(path) <= {ANNEXE}
        return
    above = {other for other in ours(path) - {here, ANNEXE} if FLOOR[other] > FLOOR[here]}
    assert not above
    assert ANNEXE not in ours(path) or here in MAY_VISIT_THE_ANNEXE


def test_no_two_rooms_need_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for path in files():
        graph.setdefault(room(path), set()).update(ours(path, at_run_time=True) - {room(path)})

    assert list(TopologicalSorter(graph).static_order())


def test_the_network_has_one_door() -> None:
    doors = {
        room(path)
        for path in files()
        for name in imports(path, at_run_time=True)
        if name.split(".")[0] in ("httpx", "httpx2", "urllib3", "aiohttp", "requests", "socket", "http")
    }

    assert doors == {"client", ANNEXE}


def test_mcp_begins_on_the_fourth_floor() -> None:
    knowing = {room(path) for path in files() for name in imports(path) if name.split(".")[0] == "mcp"} - {
        ANNEXE
    }

    assert knowing
    assert min(FLOOR[one] for one in knowing) == FIRST_WITH_MCP


def test_the_annexe_does_not_know_mcp() -> None:
    annexe = [path for path in files() if room(path) == ANNEXE]

    assert annexe
    assert not any(name.split(".")[0] == "mcp" for path in annexe for name in imports(path))


def test_the_first_floor_is_pure() -> None:
    impure = {"anyio", "asyncio", "logging", "os", "pathlib", "random", "secrets", "sqlite3", "time"}
    for path in files():
        if FLOOR.get(room(path)) == FIRST and room(path) not in READS_A_FILE:
            assert not {name.split(".")[0] for name in imports(path)} & impure, path.name
