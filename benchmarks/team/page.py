"""The last full output in docs/teams.md, between two markers."""

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "teams.md"
BEGIN, END = "<!-- proofs: python -m benchmarks.team --write all -->", "<!-- end of proofs -->"


def write(parts: Sequence[str]) -> None:
    """Put the parts into the page, in place of what stood between its markers."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join(parts)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
