"""The outcome for each row of real-looking files: `python -m benchmarks.files` prints a table by the files' shapes.

Each file of tests/files goes through a server into an empty list of the sandbox. What reaches the API is compared with
the people whom the file should give, which stand beside it. A row is at risk if it would cost twice, buy somebody else,
or buy what the file has already: a person too many or lost, a wrong field, an address left out.
"""

import base64
import csv
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from tests.support import World, said

FILES = Path(__file__).parents[1] / "tests" / "files"

LIST = "People of files"


@dataclass(frozen=True)
class Expected:
    """The people of a file as the API should get them, and what the answer should say about its rows."""

    name: str
    shape: str
    people: list[dict[str, str]]
    columns: dict[str, str]
    unused: list[str] = field(default_factory=list)
    merged: list[list[int]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    about: str = ""

    @staticmethod
    def read(path: Path) -> "Expected":
        """Return what stands in the JSON file at `path`."""
        return Expected(name=path.stem, **json.loads(path.read_text("utf-8")))


@dataclass(frozen=True)
class Outcome:
    """The people who were sent, by the API's names of fields, and the answer of the call or its error."""

    people: list[dict[str, str]]
    answer: dict[str, Any]


def all_expected() -> list[Expected]:
    """Return what is expected of each file, in the order of the names."""
    return [Expected.read(path) for path in sorted(FILES.glob("*.json"))]


async def play(state: Path, name: str, folder: Path = FILES, mode: str = "auto") -> Outcome:
    """Add the people of one file to an empty list."""
    world = World(state)
    world.sandbox.add_list(LIST)
    async with world.connect(mode, csv_dir=folder) as session:
        result = await session.result("add_leads", list_id=LIST, csv_path=f"{name}.csv")
    return Outcome(list(sent(world)), said(result))


def sent(world: World) -> Iterator[dict[str, str]]:
    """Yield the rows of all imports that reached the API, by its names of fields, without empty cells."""
    for record in world.sandbox.requests:
        if record.path.endswith("/csv-import"):
            text = base64.b64decode(record.body["csv_content_base64"]).decode()
            names = {title: name for name, title in record.body["column_mapping"].items()}
            for row in csv.DictReader(io.StringIO(text, newline="")):
                yield {names[title]: cell for title, cell in row.items() if cell}


def rows_at_risk(expected: Expected, outcome: Outcome) -> int:
    """Return how many people were sent otherwise than they should, or not at all, or too often."""
    wanted, came = (Counter(map(_as_text, people)) for people in (expected.people, outcome.people))
    return max((wanted - came).total(), (came - wanted).total())


def _as_text(person: dict[str, str]) -> str:
    return json.dumps(person, sort_keys=True)


@dataclass
class Score:
    """The files of one shape: how many there are, how many are right, the people in them, and how many are at risk."""

    files: int = 0
    right: int = 0
    people: int = 0
    at_risk: int = 0

    def add(self, people: int, at_risk: int) -> None:
        self.files += 1
        self.right += not at_risk
        self.people += people
        self.at_risk += at_risk


async def scores(folder: Path) -> dict[str, Score]:
    """Return the scores by shape, all of them last."""
    found: dict[str, Score] = {}
    total = Score()
    for one in all_expected():
        at_risk = rows_at_risk(one, await play(folder / one.name, one.name))
        for score in (found.setdefault(one.shape, Score()), total):
            score.add(len(one.people), at_risk)
    return dict(sorted(found.items())) | {"all": total}


def table(found: dict[str, Score]) -> str:
    """Return the scores as a Markdown table."""
    lines = ["| shape | files right | people at risk |", "|---|---|---|"]
    for shape, score in found.items():
        lines.append(f"| {shape} | {score.right} of {score.files} | {score.at_risk} of {score.people} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(anyio.run(scores, Path(folder))), end="")


if __name__ == "__main__":
    main()
