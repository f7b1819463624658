"""The API key: found in the environment or in a file, and freed of what was copied along with it."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from cleanlist_mcp.environment import HOST_CIPHERTEXT, UNFILLED, Environment, unquoted
from cleanlist_mcp.secrecy import keep
from cleanlist_mcp.text import visible

KEYS_PAGE = "portal.cleanlist.ai, Settings → API Keys"
"""Place where keys are made."""

VARIABLE, FILE_VARIABLE = "CLEANLIST_API_KEY", "CLEANLIST_API_KEY_FILE"

_READ = 4096
"""Bytes of a key's file that are read: a pipe or a device may never end."""

_BEARER = r"(?i)(?:authorization\s*:\s*)?bearer[\s:]+"


@dataclass(frozen=True)
class KeyProblem:
    """The reason why there is no usable key, and what the user can do about it. Neither repeats anything of the key."""

    text: str
    advice: str


_NEW_KEY = (
    f"Create a key at {KEYS_PAGE}, enter it in the extension's settings or as {VARIABLE} in the client's "
    "configuration, and restart the client."
)
_CHECK_FILE = (
    f"Check the path and the permissions of the file that {FILE_VARIABLE} names, and that it holds the key alone; then "
    "restart the client."
)
NO_KEY = KeyProblem("No Cleanlist API key is set.", _NEW_KEY)


def find_key(environment: Environment) -> SecretStr | KeyProblem:
    """Return the key, or the reason why there is none. A key that cannot work is blotted out of all texts too."""
    value, name = environment.given(VARIABLE), VARIABLE
    path = environment.given(FILE_VARIABLE)
    if value is None and path is not None:
        name = FILE_VARIABLE
        found = _in_file(path)
        if isinstance(found, KeyProblem):
            return found
        value = found
    value = _bare(value or "")
    if not value or value.startswith(UNFILLED):
        return NO_KEY
    if any(char.isdigit() for char in value):
        keep(value)  # a wrong key is somebody's secret too; a word of our own messages is not
    return _problem_of(name, value) or SecretStr(value)


def _bare(value: str) -> str:
    """Return a key without the quotes, the `Bearer` and the invisible characters that were copied with it."""
    value = unquoted(visible(value))
    shorter = re.sub(_BEARER, "", value, count=1) if re.match(_BEARER, value) else value
    return value if shorter == value else _bare(shorter)


def _in_file(path: str) -> str | KeyProblem:
    if path.startswith(HOST_CIPHERTEXT):
        return _still_encrypted(FILE_VARIABLE)
    try:
        value = _read(Path(path).expanduser())
    except (OSError, ValueError, RuntimeError):
        return KeyProblem(f"The file that {FILE_VARIABLE} names cannot be read.", _CHECK_FILE)
    return value or KeyProblem(f"The file that {FILE_VARIABLE} names is empty.", _CHECK_FILE)


def _read(path: Path) -> str:
    """Return the beginning of a file.

    Raises:
        OSError, ValueError: if it is no file, or cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError
    with path.open("rb") as file:
        # Some editors begin a file with a byte-order mark.
        return unquoted(file.read(_READ).decode("utf-8-sig"))


def _still_encrypted(name: str) -> KeyProblem:
    return KeyProblem(
        f"The client passed {name} still encrypted, an error of the host application.",
        "Enter it again in the extension's settings, and restart the client; if that does not help, use the snippet "
        "that `cleanlist-mcp config claude-desktop` prints.",
    )


def _problem_of(name: str, value: str) -> KeyProblem | None:
    if value.startswith(HOST_CIPHERTEXT):
        return _still_encrypted(name)
    if value.startswith("clext_"):
        return KeyProblem(
            f"{name} holds a browser-extension key (clext_…), which the API does not accept; "
            "an API key starts with clapi_.",
            _NEW_KEY,
        )
    if not value.startswith("clapi_") or not value.isascii() or not value.isprintable() or " " in value:
        return KeyProblem(
            f"{name} does not hold a Cleanlist API key; one starts with clapi_ and has no spaces.", _NEW_KEY
        )
    return None
