"""Settings, read once from the environment and frozen.

A wrong value raises `SettingsError`, which stops the start. A missing or wrong key does not: the calls
that need it say `not_configured`, because a host shows a server that will not start as a bare failure.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, SecretStr

from cleanlist_mcp.errors import NotConfigured, SettingsError
from cleanlist_mcp.secrecy import keep

DEFAULT_BASE_URL = "https://api.cleanlist.ai/api/v1/public"  # the vendor's quickstart
KEYS_PAGE = "portal.cleanlist.ai, Settings → API Keys"
TOOLSETS = ("core", "lists")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
CONFIRM_WORDS = ("auto", "always", "never")

# Windows desktop hosts have handed over their own ciphertext instead of the secret.
_HOST_CIPHERTEXT = "__encrypted__:"
UNFILLED = "${"
"""How a value begins that the host left unfilled."""

VARIABLES = (
    "CLEANLIST_API_KEY",
    "CLEANLIST_API_KEY_FILE",
    "CLEANLIST_BASE_URL",
    "CLEANLIST_SANDBOX",
    "CLEANLIST_TOOLSETS",
    "CLEANLIST_READ_ONLY",
    "CLEANLIST_HOURLY_UNQUOTED_LIMIT",
    "CLEANLIST_DAILY_LIMIT",
    "CLEANLIST_CONFIRM",
    "CLEANLIST_STATE_DIR",
    "CLEANLIST_CSV_DIR",
    "CLEANLIST_TIMEOUT_SECONDS",
    "CLEANLIST_LOG_LEVEL",
)


@dataclass(frozen=True)
class KeyFault:
    """Why there is no usable key, and what its owner can do: `remedy` goes on after "Ask the user to", and is a
    sentence of its own once its first letter is large."""

    text: str
    remedy: str


_NEW_KEY = (
    f"create a key at {KEYS_PAGE}, enter it in the extension's settings or put it in CLEANLIST_API_KEY in the env "
    "of this server's client configuration, and restart the client"
)
NO_KEY = KeyFault("No Cleanlist API key is set.", _NEW_KEY)


class Settings(BaseModel):
    """What the user chose. Amounts are in credits, times in seconds."""

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr | None = None
    key_fault: KeyFault = NO_KEY
    base_url: str = DEFAULT_BASE_URL
    sandbox: bool = False
    toolsets: frozenset[str] = frozenset(TOOLSETS)
    read_only: bool = False
    hourly_unquoted_limit: int = 100
    daily_limit: int | None = None
    confirm: Literal["auto", "always", "never"] = "auto"
    state_dir: Path | None = None
    csv_dir: Path | None = None
    timeout_seconds: float = 20.0
    log_level: str = "WARNING"

    def model_post_init(self, context: Any, /) -> None:
        """Have the key blotted out of whatever goes out from here on."""
        if self.api_key is not None:
            keep(self.api_key.get_secret_value())

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the `CLEANLIST_*` variables.

        Raises:
            SettingsError: naming the variable, the fault and what is accepted.
        """
        values = _Reader(os.environ if environment is None else environment)
        sandbox = values.boolean("CLEANLIST_SANDBOX")
        key = values.key()  # in the sandbox too, where it is not used and yet not to be shown
        key = NO_KEY if sandbox else key
        return cls(
            api_key=None if isinstance(key, KeyFault) else key,
            key_fault=key if isinstance(key, KeyFault) else NO_KEY,
            base_url=values.base_url(),
            sandbox=sandbox,
            toolsets=values.toolsets(),
            read_only=values.boolean("CLEANLIST_READ_ONLY"),
            hourly_unquoted_limit=values.credits("CLEANLIST_HOURLY_UNQUOTED_LIMIT", 100),
            daily_limit=values.credits("CLEANLIST_DAILY_LIMIT", None),
            confirm=values.word("CLEANLIST_CONFIRM", CONFIRM_WORDS, "auto"),
            state_dir=values.folder("CLEANLIST_STATE_DIR")
            or Path(platformdirs.user_state_dir("cleanlist-mcp", appauthor=False)),
            csv_dir=values.existing_folder("CLEANLIST_CSV_DIR"),
            timeout_seconds=values.timeout(),
            log_level=values.word("CLEANLIST_LOG_LEVEL", LOG_LEVELS, "WARNING"),
        )

    @property
    def lists_on(self) -> bool:
        """Whether the toolset `lists` is switched on."""
        return "lists" in self.toolsets

    def require_key(self) -> str:
        """The API key.

        Raises:
            NotConfigured: if there is none, or one that cannot work.
        """
        if self.api_key is None:
            raise NotConfigured(
                self.key_fault.text,
                f"Ask the user to {self.key_fault.remedy}. Without a key, the setting Sandbox "
                "(CLEANLIST_SANDBOX=true) serves made-up data.",
            )
        return self.api_key.get_secret_value()


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """A line for each `CLEANLIST_*` variable that means nothing: a misspelt limit is no limit."""
    lines = []
    for name in sorted(environment):
        if name.startswith("CLEANLIST_") and name not in VARIABLES:
            near = get_close_matches(name, VARIABLES, n=1)
            lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))
    return lines


class _Reader:
    """One environment, and how each kind of value is read from it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        """The value; blank and unsubstituted `${…}` values (hosts pass both) count as unset.

        Raises:
            SettingsError: for a value that the host passed as its own ciphertext.
        """
        value = self._raw(name)
        if value is not None and value.startswith(_HOST_CIPHERTEXT):
            raise SettingsError(
                name,
                "was passed still encrypted, a fault of the host application",
                "the plain value; enter it again in the extension's settings",
            )
        return value

    def _raw(self, name: str) -> str | None:
        value = self._environment.get(name, "").strip()
        return None if not value or value.startswith(UNFILLED) else value

    def boolean(self, name: str) -> bool:
        value = (self.text(name) or "false").casefold()
        if value in ("true", "1", "yes", "on"):
            return True
        if value in ("false", "0", "no", "off"):
            return False
        raise SettingsError(name, "is not a yes or no", "true or false")

    def credits(self, name: str, default: int | None) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()) or len(value) > 9:
            raise SettingsError(
                name, "is not a whole number of credits, or too large", "0 to 999999999, or unset"
            )
        return int(value)

    def word(self, name: str, words: tuple[str, ...], default: str) -> str:
        value = self.text(name)
        if value is None:
            return default
        by_folded = {word.casefold(): word for word in words}
        if value.casefold() not in by_folded:
            raise SettingsError(name, "is none of the known words", ", ".join(words))
        return by_folded[value.casefold()]

    def toolsets(self) -> frozenset[str]:
        value = self.text("CLEANLIST_TOOLSETS") or "core,lists"
        names = {part.strip() for part in value.casefold().split(",")} - {""}
        if not names or not names <= set(TOOLSETS):
            raise SettingsError(
                "CLEANLIST_TOOLSETS", "names an unknown toolset", "a comma list of " + ", ".join(TOOLSETS)
            )
        return frozenset(names | {"core"})

    def timeout(self) -> float:
        value = self.text("CLEANLIST_TIMEOUT_SECONDS")
        if value is None:
            return 20.0
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 1 <= seconds <= 120:
            raise SettingsError(
                "CLEANLIST_TIMEOUT_SECONDS", "is no number of seconds, or out of range", "1 to 120"
            )
        return seconds

    def base_url(self) -> str:
        value = (self.text("CLEANLIST_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        fault = _base_url_fault(value)
        if fault is not None:
            raise SettingsError(
                "CLEANLIST_BASE_URL",
                fault,
                "an https:// address, or http:// on loopback, such as " + DEFAULT_BASE_URL,
            )
        return value

    def folder(self, name: str) -> Path | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            path = Path(value).expanduser()
        except RuntimeError:
            raise SettingsError(
                name, "begins with a home folder that is not known", "an absolute path to a folder"
            ) from None
        if not path.is_absolute():
            raise SettingsError(name, "is not an absolute path", "an absolute path to a folder")
        return path

    def existing_folder(self, name: str) -> Path | None:
        path = self.folder(name)
        if path is not None and not _is_folder(path):
            raise SettingsError(name, "is not a folder", "an absolute path to a folder that exists")
        return path

    def key(self) -> SecretStr | KeyFault:
        """The key, or what is wrong with it in words that repeat none of it."""
        name = "CLEANLIST_API_KEY"
        value = self._raw(name)
        path = self._raw("CLEANLIST_API_KEY_FILE")
        if value is None and path is not None:
            name = "CLEANLIST_API_KEY_FILE"
            if path.startswith(_HOST_CIPHERTEXT):
                return _still_encrypted(name)
            try:
                value = _read_key_file(Path(path).expanduser())
            except (OSError, ValueError, RuntimeError):
                return KeyFault(f"The file that {name} names cannot be read.", _CHECK_FILE)
            if not value:
                return KeyFault(f"The file that {name} names is empty.", _CHECK_FILE)
        if value is None:
            return NO_KEY
        if any(char.isdigit() for char in value):
            keep(value)  # a wrong key is somebody's secret too; a word of our own messages is not
        return _key_fault(name, value) or SecretStr(value)


def _read_key_file(path: Path) -> str:
    """What stands at the beginning of a file; a pipe or a device may never come to its end.

    Raises:
        OSError, ValueError: if it is no file, or cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError
    with path.open("rb") as file:
        # An editor's byte-order mark is no part of the key.
        return file.read(4096).decode("utf-8-sig").strip()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes
        return False


_CHECK_FILE = (
    "check the path and the permissions of the file that CLEANLIST_API_KEY_FILE names, and that it holds the key "
    "alone; then restart the client"
)


def _still_encrypted(name: str) -> KeyFault:
    return KeyFault(
        f"The client passed {name} still encrypted, a fault of the host application.",
        "enter it again in the extension's settings, and restart the client; if that does not help, use the "
        "snippet that `cleanlist-mcp config claude-desktop` prints",
    )


def _key_fault(name: str, value: str) -> KeyFault | None:
    if value.startswith(_HOST_CIPHERTEXT):
        return _still_encrypted(name)
    if value.startswith("clext_"):
        return KeyFault(
            f"{name} holds a browser-extension key (clext_…), which the API does not accept; "
            "an API key starts with clapi_.",
            _NEW_KEY,
        )
    if not value.startswith("clapi_") or not value.isascii() or not value.isprintable() or " " in value:
        return KeyFault(
            f"{name} does not hold a Cleanlist API key; one starts with clapi_ and has no spaces.", _NEW_KEY
        )
    return None


def _base_url_fault(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        _ = parts.port  # urlsplit checks the port only when it is asked for
    except ValueError:
        return "is not an address"
    if not parts.hostname or not value.isascii() or not value.isprintable() or " " in value:
        return "is not an address"  # ASCII alone: a name in another script is written in punycode
    if parts.username or parts.password or parts.query or parts.fragment:
        return "has a user, a query or a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return None
    return "is not HTTPS"


def api_of(base_url: str) -> str:
    """Return the API that an address leads to, equal for all ways of writing it.

    Both prefixes of a host lead to the same accounts (vendor's documentation), and so do all names of this machine.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        host = "loopback"
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme.lower())
    path = re.sub(r"/+", "/", parts.path).rstrip("/").lower()
    return f"{host}:{port}{re.sub(r'/(v1/public|v2)$', '', path)}"


def is_loopback(host: str) -> bool:
    """Whether `host` names this very machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
