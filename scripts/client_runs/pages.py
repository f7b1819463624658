"""The pages under docs/integrations: what to install, and the programs, as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "integrations"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"^`([\w.-]+\.(?:py|mjs))`", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A recipe: the shell lines that install it, and its files by name; the first of them is the program."""

    name: str
    text: str
    install: str
    files: dict[str, str]

    @property
    def program(self) -> str:
        return next(iter(self.files))


def pages() -> list[Page]:
    """Return every page, by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.md"))]


def read(path: Path) -> Page:
    """Return the page at `path`; a program's file name begins the paragraph before it.

    Raises:
        ValueError: if a program has no name, or nothing is installed.
    """
    text = path.read_text("utf-8")
    install, files, end = list[str](), dict[str, str](), 0
    for block in BLOCK.finditer(text):
        language, code = block.groups()
        names = FILE_NAME.findall(text[end : block.start()])
        if language == "sh":
            install.append(code)
        elif names:
            files[names[-1]] = code
        else:
            raise ValueError(f"{path.name}: a block of {language} has no file name")
        end = block.end()
    if not install or not files:
        raise ValueError(f"{path.name}: nothing to install, or no program")
    return Page(path.stem, text, "".join(install), files)
