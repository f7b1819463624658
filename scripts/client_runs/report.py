"""The section of docs/clients.md that a run writes, and the lines that it prints."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from client_runs.matrix import TOOLS, Outcome
from client_runs.pins import split

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
BEGIN = "<!-- scripts/clients --all --write: begin -->"
END = "<!-- scripts/clients --all --write: end -->"
COLUMNS = ("client", "version", "protocol", "dialog", "tools", "an error is", "servers", "result")
HOST_COLUMNS = ("program", "version", "what it did with our snippet")


def row(outcome: Outcome) -> list[str]:
    """Return the cells of a client, in the order of COLUMNS."""
    name, version = split(outcome.client.package)
    cells = [f"{outcome.client.name} (`{name}`)", version]
    if outcome.missing:
        return [*cells, "–", "–", "–", "–", "–", "left out: does not install here"]
    return [
        *cells,
        outcome.protocol,
        "yes" if outcome.dialog else "no",
        str(outcome.tools),
        outcome.error,
        str(outcome.servers),
        "fails: " + "; ".join(outcome.problems) if outcome.problems else "works",
    ]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; bars within cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def section(outcomes: Sequence[Outcome], hosts: Mapping[str, tuple[str, str]]) -> str:
    """Return what stands between the marks: `hosts` maps a program to its version and what it did."""
    libraries = table(COLUMNS, [row(outcome) for outcome in outcomes])
    programs = table(HOST_COLUMNS, [[name, *told] for name, told in hosts.items()])
    return (
        f"Last run: {date.today().isoformat()}. Each client in an environment of its own, over stdio, against "
        f"`cleanlist-mcp --sandbox`:\nit lists the {len(TOOLS)} tools, calls `whoami` and `estimate`, makes one "
        f"wrong call, and ends; nothing may be on stderr and no\nserver may stay behind.\n\n{libraries}\n\n{programs}"
    )


def write(text: str) -> None:
    """Put `text` between the marks of the page."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
