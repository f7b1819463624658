"""The variables of an environment, read by kind: words, amounts, times, folders.

Every method takes a variable's name and raises `SettingsError` for a value that cannot be meant.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cleanlist_mcp.errors import SettingsError
from cleanlist_mcp.text import visible

HOST_CIPHERTEXT = "__encrypted__:"
"""Beginning of a value that a desktop host on Windows passed as its own ciphertext instead of the secret."""

UNFILLED = "${"
"""Beginning of a value that the host left unfilled."""

LARGEST_LIMIT = 999_999_999
"""Credits of the largest limit that can be set."""

_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\xab\xbb")
_NOTHING = frozenset({"none", "null", "nil", "undefined", "n/a", "-"})
_NO_LIMIT = frozenset({"unlimited", "no limit", "no"})
# Groups of three, with one separator throughout: of a full stop nobody knows if it ends the whole number.
_GROUPED = r"[0-9]{1,3}([,_'\u2019 \xa0\u2009\u202f])[0-9]{3}(?:\1[0-9]{3})*"


class Environment:
    """One environment. Blank and unsubstituted `${…}` values count as unset, as hosts pass both."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def given(self, name: str) -> str | None:
        """Return the value without what encloses it: white space, invisible characters, quotes; None if unset."""
        value = unquoted(self._values.get(name, ""))
        return None if not value or value.startswith(UNFILLED) else value

    def text(self, name: str) -> str | None:
        """Return the value; None if unset."""
        value = self.given(name)
        if value is not None and value.startswith(HOST_CIPHERTEXT):
            raise SettingsError(
                name,
                "was passed still encrypted, an error of the host application",
                "the plain value; enter it again in the extension's settings",
            )
        return value

    def boolean(self, name: str) -> bool:
        """Return whether the value is a yes; false if unset."""
        value = (self.text(name) or "false").casefold()
        if value in ("true", "1", "yes", "on"):
            return True
        if value in ("false", "0", "no", "off"):
            return False
        raise SettingsError(name, "is not a yes or no", "true or false")

    def credits(self, name: str) -> int | None:
        """Return a limit in whole credits; None if it is unset, or a word for nothing such as `none`."""
        value = self.text(name)
        if value is None or value.casefold() in _NOTHING:
            return None
        amount = _amount(value)
        if amount is None or amount > LARGEST_LIMIT:
            raise SettingsError(
                name, "is not a whole number of credits, or too large", f"0 to {LARGEST_LIMIT:,}, or none"
            )
        return amount

    def limit(self, name: str) -> int | None:
        """Return a limit in whole credits; None if there is to be none."""
        value = self.text(name)
        return None if value is not None and value.casefold() in _NO_LIMIT else self.credits(name)

    def word(self, name: str, words: tuple[str, ...], default: str) -> str:
        """Return the one of `words` that is given, whatever its case."""
        value = self.text(name)
        if value is None:
            return default
        by_folded = {word.casefold(): word for word in words}
        if value.casefold() not in by_folded:
            raise SettingsError(name, "is not one of the known words", ", ".join(words))
        return by_folded[value.casefold()]

    def seconds(self, name: str, *, least: float, most: float, default: float) -> float:
        """Return a number of seconds from `least` to `most`."""
        value = self.text(name)
        if value is None:
            return default
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not least <= seconds <= most:
            raise SettingsError(
                name, "is not a number of seconds, or is out of range", f"{least:g} to {most:g}"
            )
        return seconds

    def path(self, name: str, kind: str) -> Path | None:
        """Return an absolute path; `kind` names what it leads to, such as "a folder"."""
        value = self.text(name)
        if value is None:
            return None
        accepted = f"an absolute path to {kind}"
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            raise SettingsError(name, "begins with a home folder that is not known", accepted) from None
        if not path.is_absolute():
            raise SettingsError(name, "is not an absolute path", accepted)
        return path

    def existing_folder(self, name: str) -> Path | None:
        """Return an absolute path to a folder that exists."""
        path = self.path(name, "a folder")
        if path is not None and not _is_folder(path):
            raise SettingsError(name, "is not a folder", "an absolute path to a folder that exists")
        return path


def unquoted(value: str) -> str:
    """Return a pasted value without the quotes, the white space and the invisible characters around it."""
    start, end = 0, len(value)
    while start < end and not visible(value[start]):
        start += 1
    while start < end and not visible(value[end - 1]):
        end -= 1
    value = value[start:end]
    return unquoted(value[1:-1]) if len(value) > 1 and value[0] + value[-1] in _QUOTES else value


def _amount(value: str) -> int | None:
    """Return a whole number, also one in groups of three digits (`1,000`)."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return int(re.sub(r"[^0-9]", "", value)) if re.fullmatch(_GROUPED, value) else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes
        return False
