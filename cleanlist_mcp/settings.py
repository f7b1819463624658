"""Settings, read once from the environment and frozen.

A wrong value raises `SettingsError`, which stops the start. A missing or wrong key does not: only the calls that need
it are refused, because a host shows a server that does not start as a mere failure.
"""

import os
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, SecretStr

from cleanlist_mcp.api_key import NO_KEY, KeyProblem, find_key
from cleanlist_mcp.environment import Environment
from cleanlist_mcp.errors import Advice, NotConfigured, SettingsError
from cleanlist_mcp.links import problem_with_api
from cleanlist_mcp.secrecy import keep, keep_address
from cleanlist_mcp.toolset import TOOLSETS

if TYPE_CHECKING:
    from cleanlist_mcp.secret_keys import SecretKeys

DEFAULT_BASE_URL = "https://api.cleanlist.ai/api/v1/public"  # the vendor's quickstart
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
CONFIRM_WORDS = ("auto", "always", "never")
AUTH_WORDS = ("key", "oauth")
CARD_WORDS = ("auto", "never")
FRONT_WORDS = ("auto", "never")

HOURLY_UNQUOTED_LIMIT = 100
"""Credits that runs without a quote may use in an hour, unless the user says otherwise."""

MOST_WAIT_SECONDS = 45.0
"""Seconds of the longest wait for a run's end."""

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
    "CLEANLIST_CARDS",
    "CLEANLIST_FRONT",
    "CLEANLIST_EXCLUDE_FILE",
    "CLEANLIST_STATE_DIR",
    "CLEANLIST_CSV_DIR",
    "CLEANLIST_MAX_WAIT_SECONDS",
    "CLEANLIST_TIMEOUT_SECONDS",
    "CLEANLIST_LOG_LEVEL",
    "CLEANLIST_DATABASE_URL",
    "CLEANLIST_SECRET_KEYS",
    "CLEANLIST_AUTH",
    "CLEANLIST_OAUTH_ISSUER",
    "CLEANLIST_OAUTH_AUDIENCE",
    "CLEANLIST_ALLOWED_HOSTS",
    "CLEANLIST_ALLOWED_ORIGINS",
)


class Settings(BaseModel):
    """The user's choices. Amounts are in credits, times in seconds.

    `max_wait_seconds` caps every wait that a call makes, for clients that give up early. `state_dir` is None if
    the user has no home folder: then runs are remembered until the restart. `auth` and the two after it are for a
    service over HTTP: each caller's own key, or people of one issuer in front of `api_key`. `over_http` is true in one;
    `allowed_hosts` and `allowed_origins` are the values of the headers Host and Origin that it serves, each as a whole.
    """

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr | None = None
    key_problem: KeyProblem = NO_KEY
    base_url: str = DEFAULT_BASE_URL
    sandbox: bool = False
    toolsets: frozenset[str] = frozenset(TOOLSETS)
    read_only: bool = False
    hourly_unquoted_limit: int = HOURLY_UNQUOTED_LIMIT
    daily_limit: int | None = None
    confirm: Literal["auto", "always", "never"] = "auto"
    cards: Literal["auto", "never"] = "auto"
    front: Literal["auto", "never"] = "auto"
    exclude_file: Path | None = None
    state_dir: Path | None = None
    csv_dir: Path | None = None
    max_wait_seconds: float = MOST_WAIT_SECONDS
    timeout_seconds: float = 20.0
    log_level: str = "WARNING"
    auth: Literal["key", "oauth"] = "key"
    oauth_issuer: str | None = None
    oauth_audience: str | None = None
    database_url: SecretStr | None = None
    team_secrets: SecretStr | None = None
    over_http: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    def model_post_init(self, context: Any, /) -> None:
        """Blot the secrets out of every text from here on."""
        if self.api_key is not None:
            keep(self.api_key.get_secret_value())
        for part in (self.team_secrets.get_secret_value() if self.team_secrets else "").split(","):
            keep(part.strip())
        if self.database_url is not None:
            keep_address(self.database_url.get_secret_value())

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read the `CLEANLIST_*` variables.

        Raises:
            SettingsError: naming the variable, the problem and what is accepted.
        """
        given = Environment(os.environ if variables is None else variables)
        sandbox = given.boolean("CLEANLIST_SANDBOX")
        key = find_key(given)  # in the sandbox too, which does not use it and must not show it
        key = NO_KEY if sandbox else key
        hourly = given.credits("CLEANLIST_HOURLY_UNQUOTED_LIMIT")
        database, secrets = _database(given), _secrets(given)
        if database is not None and secrets is None and not sandbox:
            raise SettingsError(
                "CLEANLIST_SECRET_KEYS",
                "is missing, and CLEANLIST_DATABASE_URL is set",
                "the secret that all servers of the team share; on a laptop, what `cleanlist-mcp team-secret` prints",
            )
        return cls(
            api_key=None if isinstance(key, KeyProblem) else key,
            key_problem=key if isinstance(key, KeyProblem) else NO_KEY,
            base_url=_base_url(given),
            sandbox=sandbox,
            toolsets=_toolsets(given),
            read_only=given.boolean("CLEANLIST_READ_ONLY"),
            hourly_unquoted_limit=HOURLY_UNQUOTED_LIMIT if hourly is None else hourly,
            daily_limit=given.limit("CLEANLIST_DAILY_LIMIT"),
            confirm=given.word("CLEANLIST_CONFIRM", CONFIRM_WORDS, "auto"),
            cards=given.word("CLEANLIST_CARDS", CARD_WORDS, "auto"),
            front=given.word("CLEANLIST_FRONT", FRONT_WORDS, "auto"),
            exclude_file=given.path("CLEANLIST_EXCLUDE_FILE", "a file"),
            state_dir=given.path("CLEANLIST_STATE_DIR", "a folder") or _users_state_folder(),
            csv_dir=given.existing_folder("CLEANLIST_CSV_DIR"),
            max_wait_seconds=given.seconds(
                "CLEANLIST_MAX_WAIT_SECONDS", least=0, most=MOST_WAIT_SECONDS, default=MOST_WAIT_SECONDS
            ),
            timeout_seconds=given.seconds("CLEANLIST_TIMEOUT_SECONDS", least=1, most=120, default=20),
            log_level=given.word("CLEANLIST_LOG_LEVEL", LOG_LEVELS, "WARNING"),
            auth=given.word("CLEANLIST_AUTH", AUTH_WORDS, "key"),
            oauth_issuer=_address(given, "CLEANLIST_OAUTH_ISSUER", "https://login.example.com"),
            oauth_audience=_address(given, "CLEANLIST_OAUTH_AUDIENCE", "https://cleanlist.example.com/mcp"),
            database_url=database,
            team_secrets=secrets,
            allowed_hosts=_exact(given, "CLEANLIST_ALLOWED_HOSTS", _HOST, "mcp.example.com or 10.0.0.5:8000"),
            allowed_origins=_exact(
                given, "CLEANLIST_ALLOWED_ORIGINS", "https?://" + _HOST, "https://app.example.com"
            ),
        )

    @property
    def lists_on(self) -> bool:
        """True if the toolset `lists` is switched on."""
        return "lists" in self.toolsets

    @property
    def secret_keys(self) -> "SecretKeys | None":
        """The keys of the team's secrets, if any are set."""
        from cleanlist_mcp.secret_keys import SecretKeys  # here: few servers have any

        return None if self.team_secrets is None else SecretKeys.read(self.team_secrets.get_secret_value())

    @property
    def uses_database(self) -> bool:
        """True if runs are remembered in a team's database; the sandbox remembers nothing."""
        return self.database_url is not None and not self.sandbox

    def require_key(self) -> str:
        """Return the API key.

        Raises:
            NotConfigured: if there is none, or one that cannot work.
        """
        if self.api_key is None:
            raise NotConfigured(
                self.key_problem.text,
                Advice(
                    f"{self.key_problem.advice} Without a key, the setting Sandbox (CLEANLIST_SANDBOX=true) serves "
                    "made-up data."
                ),
            )
        return self.api_key.get_secret_value()


def check_sign_in(settings: Settings) -> None:
    """Check that who may call a service over HTTP is settled, one way or the other.

    Raises:
        SettingsError: if a setting for the team's sign-in is missing, or stands there without one.
    """
    parts = {
        "CLEANLIST_OAUTH_ISSUER": settings.oauth_issuer,
        "CLEANLIST_OAUTH_AUDIENCE": settings.oauth_audience,
    }
    for name, value in parts.items():
        if settings.auth == "oauth" and value is None:
            raise SettingsError(name, "is missing, and CLEANLIST_AUTH is oauth", _MEANING[name])
        if settings.auth == "key" and value is not None:
            # Whoever sets it expects a sign-in, and everybody with a key would come in without one.
            raise SettingsError(name, "is set, but CLEANLIST_AUTH is not oauth", "both, or neither of them")
    if settings.auth == "oauth" and settings.api_key is None and not settings.sandbox:
        raise SettingsError(
            "CLEANLIST_API_KEY",
            "is missing or cannot be used, and with CLEANLIST_AUTH=oauth all people use it",
            "the team's API key, which starts with clapi_",
        )


_MEANING = {
    "CLEANLIST_OAUTH_ISSUER": "the address of the issuer of sign-ins, exactly as it writes it in its tokens",
    "CLEANLIST_OAUTH_AUDIENCE": "the address of this service as clients use it, such as "
    "https://cleanlist.example.com/mcp",
}


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Return a line for each `CLEANLIST_*` variable that means nothing: a misspelt limit is no limit."""
    lines = []
    for name in sorted(environment):
        if name.startswith("CLEANLIST_") and name not in VARIABLES:
            from difflib import get_close_matches  # here, because few starts need it

            near = get_close_matches(name, VARIABLES, n=1)
            lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))
    return lines


def _database(given: Environment) -> SecretStr | None:
    value = given.text("CLEANLIST_DATABASE_URL")
    if not value:
        return None
    accepted = "an address such as postgresql://user:password@host:5432/name"
    if not value.startswith(("postgresql://", "postgres://")):
        raise SettingsError("CLEANLIST_DATABASE_URL", "is not the address of a PostgreSQL database", accepted)
    if find_spec("psycopg") is None:
        raise SettingsError(
            "CLEANLIST_DATABASE_URL",
            "needs packages that are not installed",
            "with the extra [team] installed, as docs/teams.md shows, " + accepted,
        )
    return SecretStr(value)


def _secrets(given: Environment) -> SecretStr | None:
    value = given.text("CLEANLIST_SECRET_KEYS")
    if not value:
        return None
    from cleanlist_mcp.secret_keys import SecretKeys, WrongSecret  # here: few servers have any

    try:
        SecretKeys.read(value)
    except WrongSecret as exc:
        raise SettingsError(
            "CLEANLIST_SECRET_KEYS",
            str(exc),
            "a comma-separated list of secrets, the newest first, each at least 32 bytes, such as `openssl rand "
            "-base64 32` prints",
        ) from None
    return SecretStr(value)


def _toolsets(given: Environment) -> frozenset[str]:
    value = given.text("CLEANLIST_TOOLSETS") or ",".join(TOOLSETS)
    names = {part.strip() for part in value.casefold().split(",")} - {""}
    if not names or not names <= set(TOOLSETS):
        raise SettingsError(
            "CLEANLIST_TOOLSETS",
            "names an unknown toolset",
            "a comma-separated list of " + ", ".join(TOOLSETS),
        )
    return frozenset(names | {"core"})


_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"


def _exact(given: Environment, name: str, form: str, example: str) -> tuple[str, ...]:
    """Return the items of a comma-separated list that headers are compared with as a whole: no patterns, no paths."""
    items = [part.strip().lower() for part in (given.text(name) or "").split(",")]
    items = [item for item in dict.fromkeys(items) if item]
    if not all(re.fullmatch(form, item) for item in items):
        raise SettingsError(
            name,
            "holds a value of the wrong form",
            f"a comma-separated list of exact values such as {example}",
        )
    return tuple(items)


def _base_url(given: Environment) -> str:
    value = (given.text("CLEANLIST_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
    problem = problem_with_api(value)
    if problem is not None:
        raise SettingsError(
            "CLEANLIST_BASE_URL",
            problem,
            "an https:// address, or http:// on loopback, such as " + DEFAULT_BASE_URL,
        )
    return value


def _address(given: Environment, name: str, example: str) -> str | None:
    """Return an address to the letter: issuers and tokens are compared so."""
    value = given.text(name)
    problem = None if value is None else problem_with_api(value)
    if problem is not None:
        raise SettingsError(name, problem, f"an https:// address, or http:// on loopback, such as {example}")
    return value


def _users_state_folder() -> Path | None:
    """Return the user's folder for the state of programs; None for a user without a home folder."""
    try:
        folder = Path(platformdirs.user_state_dir("cleanlist-mcp", appauthor=False)).expanduser()
    except (RuntimeError, KeyError):  # neither HOME nor an entry in the list of users
        return None
    return folder if folder.is_absolute() else None
