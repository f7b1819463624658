"""The section of docs/clients.md that a run writes, and the lines that it prints."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from client_runs.matrix import NOTHING, Outcome
from client_runs.pins import CLIENTS, HOSTS, Client, split

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
BEGIN = "<!-- written by scripts/clients --write -->"
END = "<!-- until here -->"
COLUMNS = ("client", "version", "protocol", "dialog", "tools", "an error is", "servers", "result", "tried")
HOST_COLUMNS = ("program", "version", "what it did with our snippet", "tried")
Row = list[str]


def row(outcome: Outcome) -> Row:
    """Return the cells of a client, in the order of COLUMNS."""
    cells = [first_cell(outcome.client), split(outcome.client.package)[1]]
    if outcome.missing:
        return [*cells, *[NOTHING] * 5, "left out: does not install here", today()]
    return [
        *cells,
        outcome.protocol,
        "yes" if outcome.dialog else "no",
        str(outcome.tools),
        outcome.error,
        str(outcome.servers),
        "fails: " + "; ".join(outcome.problems) if outcome.problems else "works",
        today(),
    ]


def host_row(name: str, words: str) -> Row:
    """Return the cells of a program for people, in the order of HOST_COLUMNS."""
    return [name, split(HOSTS[name])[1], words, today()]


def today() -> str:
    return date.today().isoformat()


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a Markdown table; bars within cells become slashes."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def rows_in(text: str) -> dict[str, Row]:
    """Return the rows of every table in `text`, by their first cell."""
    lines = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("| "))
    cells = ([cell.strip() for cell in line] for line in lines)
    return {line[0]: line for line in cells}


def write(fresh: Sequence[Row]) -> None:
    """Put `fresh` rows into the section between the marks of the page; clients that were not tried keep theirs."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    rows = rows_in(old) | {line[0]: line for line in fresh}
    libraries = [rows[cell] for cell in map(first_cell, CLIENTS) if cell in rows]
    programs = [rows[name] for name in HOSTS if name in rows]
    text = f"{table(COLUMNS, libraries)}\n\n{table(HOST_COLUMNS, programs)}"
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def first_cell(client: Client) -> str:
    return f"{client.name} (`{split(client.package)[0]}`)"
