"""Settings from the environment."""

import os
from pathlib import Path

import pytest

from cleanlist_mcp.api_key import NO_KEY
from cleanlist_mcp.errors import NotConfigured, SettingsError
from cleanlist_mcp.links import api_of
from cleanlist_mcp.settings import DEFAULT_BASE_URL, VARIABLES, Settings, check_sign_in, unknown_variables


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_environment({})

    assert settings.base_url == DEFAULT_BASE_URL
    assert settings.toolsets == {"core", "lists", "prospecting"}
    assert (settings.hourly_unquoted_limit, settings.daily_limit) == (100, None)
    assert (settings.confirm, settings.timeout_seconds, settings.log_level) == ("auto", 20.0, "WARNING")
    assert not settings.sandbox and not settings.read_only
    assert settings.state_dir is not None and settings.csv_dir is None


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    "value", ["", "   ", "${user_config.anything}", '""', "\u200b", '"${user_config.anything}"']
)
def test_blank_and_unsubstituted_values_count_as_unset(name: str, value: str) -> None:
    assert Settings.from_environment({name: value}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("CLEANLIST_SANDBOX", "perhaps", "true or false"),
        ("CLEANLIST_READ_ONLY", "2", "true or false"),
        ("CLEANLIST_HOURLY_UNQUOTED_LIMIT", "-1", "0 to"),
        ("CLEANLIST_DAILY_LIMIT", "1e3", "0 to"),
        ("CLEANLIST_DAILY_LIMIT", "١٢", "0 to"),
        *(
            ("CLEANLIST_DAILY_LIMIT", value, "or none")
            for value in ("1.000", "1,00", "1,000.0", "10,00,000", ",100")
        ),
        ("CLEANLIST_DAILY_LIMIT", "1,000 000", "0 to"),
        ("CLEANLIST_DAILY_LIMIT", "1,000,000,000", "0 to 999,999,999"),
        ("CLEANLIST_HOURLY_UNQUOTED_LIMIT", "unlimited", "0 to"),
        ("CLEANLIST_MAX_WAIT_SECONDS", "46", "0 to 45"),
        ("CLEANLIST_MAX_WAIT_SECONDS", "-1", "0 to 45"),
        ("CLEANLIST_EXCLUDE_FILE", "blocked.csv", "an absolute path to a file"),
        ("CLEANLIST_CONFIRM", "sometimes", "auto, always, never"),
        ("CLEANLIST_TOOLSETS", "core,everything", "core, lists, prospecting"),
        ("CLEANLIST_TIMEOUT_SECONDS", "0", "1 to 120"),
        ("CLEANLIST_TIMEOUT_SECONDS", "nan", "1 to 120"),
        ("CLEANLIST_TIMEOUT_SECONDS", "soon", "1 to 120"),
        ("CLEANLIST_LOG_LEVEL", "LOUD", "DEBUG"),
        ("CLEANLIST_BASE_URL", "http://api.cleanlist.example/v1", "https://"),
        ("CLEANLIST_BASE_URL", "https://user:secret@api.cleanlist.example", "https://"),
        ("CLEANLIST_BASE_URL", "https://api.cleanlist.example/?q=1", "https://"),
        ("CLEANLIST_BASE_URL", "api.cleanlist.example", "https://"),
        ("CLEANLIST_BASE_URL", "https://[::1", "https://"),
        ("CLEANLIST_BASE_URL", "https://api.cleanlist.example:port", "https://"),
        ("CLEANLIST_BASE_URL", "https://api.clean\u200blist.example", "https://"),
        ("CLEANLIST_TOOLSETS", " , ", "core, lists"),
        ("CLEANLIST_STATE_DIR", "relative/folder", "absolute"),
        ("CLEANLIST_CSV_DIR", "/no/such/folder/anywhere", "exists"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_says_what_is_accepted(
    name: str, value: str, accepted: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value})

    line = f"{caught.value.message} {caught.value.next_step}"
    assert name in line and accepted in line
    assert "\n" not in line
    assert value not in caught.value.message or len(value) < 3


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_http_is_for_loopback_alone(host: str) -> None:
    assert Settings.from_environment({"CLEANLIST_BASE_URL": f"http://{host}:8123/api/v2/"}).base_url == (
        f"http://{host}:8123/api/v2"
    )


def test_words_are_understood_whatever_their_case() -> None:
    settings = Settings.from_environment(
        {"CLEANLIST_SANDBOX": "Yes", "CLEANLIST_CONFIRM": "NEVER", "CLEANLIST_LOG_LEVEL": "debug"}
    )

    assert (settings.sandbox, settings.confirm, settings.log_level) == (True, "never", "DEBUG")


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("0", 0),
        ("1,000", 1000),
        ("1,000,000", 1_000_000),
        ("1_000", 1000),
        ("1'000", 1000),
        ("12\u202f500", 12_500),
        ('"1,000"', 1000),
        *((word, None) for word in ("none", "None", "null", "n/a", "-", "unlimited", "No limit", '"none"')),
    ],
)
def test_a_limit_is_understood_as_people_write_it(value: str, limit: int | None) -> None:
    assert Settings.from_environment({"CLEANLIST_DAILY_LIMIT": value}).daily_limit == limit


def test_the_hourly_limit_takes_the_same_numbers_and_none_is_its_default() -> None:
    def hourly(value: str) -> int:
        return Settings.from_environment({"CLEANLIST_HOURLY_UNQUOTED_LIMIT": value}).hourly_unquoted_limit

    assert (hourly("1,000"), hourly("0"), hourly("none")) == (1000, 0, 100)


def test_a_wait_may_be_capped_at_nothing_or_at_parts_of_a_second() -> None:
    seconds = [
        Settings.from_environment({"CLEANLIST_MAX_WAIT_SECONDS": value}).max_wait_seconds
        for value in ("0", "4.5", "45", "")
    ]

    assert seconds == [0, 4.5, 45, 45]


KEY = "clapi_fictional"


@pytest.mark.parametrize(
    "pasted",
    [
        f'"{KEY}"',
        f"'{KEY}'",
        f"\u201c{KEY}\u201d",
        f"`{KEY}`",
        f"Bearer {KEY}",
        f"bearer  {KEY}",
        f"Authorization: Bearer {KEY}",
        f'"Bearer {KEY}"',
        f'Bearer "{KEY}"',
        f"\ufeff{KEY}",
        f"{KEY}\u200b",
        "clapi_\u200dfictional",
        f" \xa0{KEY}\u2060\n",
    ],
)
def test_what_was_copied_along_with_a_key_is_taken_off(tmp_path: Path, pasted: str) -> None:
    path = tmp_path / "key"
    path.write_text(pasted, "utf-8")

    assert Settings.from_environment({"CLEANLIST_API_KEY": pasted}).require_key() == KEY
    assert Settings.from_environment({"CLEANLIST_API_KEY_FILE": str(path)}).require_key() == KEY


@pytest.mark.parametrize("pasted", ["Bearer", '""', "Bearer ${api_key}", '"${user_config.api_key}"'])
def test_what_holds_no_key_is_none(pasted: str) -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY": pasted})

    with pytest.raises(NotConfigured):
        settings.require_key()


def test_a_path_keeps_its_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "My  files"
    folder.mkdir()

    assert Settings.from_environment({"CLEANLIST_CSV_DIR": f'"{folder}"'}).csv_dir == folder


@pytest.mark.skipif(os.name == "nt", reason="users are known by HOME and a list of users on POSIX")
def test_a_user_without_a_home_has_no_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert Settings.from_environment({}).state_dir is None


def test_the_core_cannot_be_switched_off() -> None:
    assert Settings.from_environment({"CLEANLIST_TOOLSETS": "lists"}).toolsets == {"core", "lists"}
    assert Settings.from_environment({"CLEANLIST_TOOLSETS": " core , "}).toolsets == {"core"}


@pytest.mark.parametrize(
    ("value", "named", "remedy"),
    [
        ("clext_abcdef", "browser-extension", "Create a key"),
        ("__encrypted__:AAAA", "still encrypted", "Enter it again in the extension's settings"),
        ("sk-something", "starts with clapi_", "Create a key"),
        ("clapi_with space", "starts with clapi_", "Create a key"),
        ("clapi_schlüssel", "starts with clapi_", "Create a key"),
    ],
)
def test_a_key_that_cannot_work_stops_calls_and_not_the_start(value: str, named: str, remedy: str) -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY": value})

    with pytest.raises(NotConfigured, match=named) as caught:
        settings.require_key()
    assert value not in str(caught.value.message)
    assert remedy in caught.value.next_step


def test_a_missing_key_is_advised_to_users_of_the_extension_and_of_a_configuration() -> None:
    with pytest.raises(NotConfigured) as caught:
        Settings().require_key()

    for words in (
        "enter it in the extension's settings or as CLEANLIST_API_KEY in the client's configuration",
        "the setting Sandbox (CLEANLIST_SANDBOX=true)",
    ):
        assert words in caught.value.next_step


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xef\xbb\xbfclapi_fictional\r\n", None),
        (b"", "is empty"),
        (None, "cannot be read"),
        (b"\xff\xfe\0", "cannot"),
    ],
)
def test_a_key_file_is_read_as_editors_write_it(
    tmp_path: Path, content: bytes | None, fault: str | None
) -> None:
    path = tmp_path / "key.txt"
    if content is not None:
        path.write_bytes(content)
    settings = Settings.from_environment({"CLEANLIST_API_KEY_FILE": str(path)})

    if fault is None:
        assert settings.require_key() == "clapi_fictional"
    else:
        assert settings.api_key is None
        assert fault in settings.key_problem.text
        assert "CLEANLIST_API_KEY_FILE" in settings.key_problem.advice


@pytest.mark.parametrize("name", sorted(set(VARIABLES) - {"CLEANLIST_API_KEY", "CLEANLIST_API_KEY_FILE"}))
def test_ciphertext_of_the_host_is_named_as_its_error(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} was passed still encrypted, an error of the host"):
        Settings.from_environment({name: "__encrypted__:AAAA"})


@pytest.mark.parametrize("name", ["CLEANLIST_STATE_DIR", "CLEANLIST_CSV_DIR"])
def test_a_home_folder_that_is_not_known_is_one_line(name: str) -> None:
    with pytest.raises(SettingsError, match="begins with a home folder that is not known"):
        Settings.from_environment({name: "~nobody-of-that-name/x"})


def test_a_key_file_in_an_unknown_home_does_not_stop_the_start() -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY_FILE": "~nobody-of-that-name/key"})

    assert "cannot be read" in settings.key_problem.text


@pytest.mark.skipif(os.name == "nt", reason="no such pipes there")
def test_a_key_file_that_never_ends_does_not_hold_up_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    settings = Settings.from_environment({"CLEANLIST_API_KEY_FILE": str(tmp_path / "pipe")})

    assert "cannot be read" in settings.key_problem.text


def test_the_key_is_in_no_repr() -> None:
    settings = Settings.from_environment({"CLEANLIST_API_KEY": "clapi_fictional"})

    assert settings.require_key() == "clapi_fictional"
    assert "fictional" not in repr(settings) + str(settings)


def test_the_key_can_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("clapi_from_a_file\n")
    assert (
        Settings.from_environment({"CLEANLIST_API_KEY_FILE": str(path)}).require_key() == "clapi_from_a_file"
    )

    path.write_text("")
    for name in (str(path), str(tmp_path / "missing"), str(tmp_path)):
        with pytest.raises(NotConfigured, match="file"):
            Settings.from_environment({"CLEANLIST_API_KEY_FILE": name}).require_key()


def test_the_sandbox_needs_no_key_and_reads_none() -> None:
    settings = Settings.from_environment({"CLEANLIST_SANDBOX": "true", "CLEANLIST_API_KEY": "clext_x"})

    assert settings.api_key is None and settings.key_problem == NO_KEY


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant() -> None:
    lines = unknown_variables(["CLEANLIST_DAILY_LIMT", "CLEANLIST_ZZZ", "CLEANLIST_CONFIRM", "PATH"])

    assert lines[0] == "CLEANLIST_DAILY_LIMT is not a setting; did you mean CLEANLIST_DAILY_LIMIT?"
    assert len(lines) == 2


def test_toolsets_are_words_in_any_case() -> None:
    assert Settings.from_environment({"CLEANLIST_TOOLSETS": "CORE"}).toolsets == {"core"}


@pytest.mark.parametrize("address", ["https://exa mple.example", "https://api.example/a b"])
def test_an_address_with_a_space_is_none(address: str) -> None:
    with pytest.raises(SettingsError, match="is not an address"):
        Settings.from_environment({"CLEANLIST_BASE_URL": address})


def test_a_folder_whose_name_no_file_system_takes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a folder"):
        Settings.from_environment({"CLEANLIST_CSV_DIR": str(tmp_path / ("x" * 300))})


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.cleanlist.ai/api/v1/public",
        "https://api.cleanlist.ai/api/v2",
        "HTTPS://API.Cleanlist.AI:443/api/v1/public/",
        "https://api.cleanlist.ai./api//v2",
    ],
)
def test_one_api_is_one_account_however_its_address_is_written(base_url: str) -> None:
    assert api_of(base_url) == api_of(DEFAULT_BASE_URL)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8000/api/v2",
        "http://127.0.0.1:8000/api/v1/public",
        "http://[::1]:8000/api/v1/public",
        "http://LOCALHOST:8000/api/v1/public",
    ],
)
def test_all_names_of_this_machine_are_one(base_url: str) -> None:
    assert api_of(base_url) == api_of("http://127.0.0.1:8000/api/v1/public")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8001/api/v2",
        "https://api.other.example/api/v2",
        "https://api.cleanlist.ai/eu/api/v2",
    ],
)
def test_another_port_host_or_path_is_another_api(base_url: str) -> None:
    assert api_of(base_url) not in (api_of(DEFAULT_BASE_URL), api_of("http://127.0.0.1:8000/api/v2"))


OAUTH = {
    "CLEANLIST_AUTH": "oauth",
    "CLEANLIST_API_KEY": "clapi_team_0000000000",
    "CLEANLIST_OAUTH_ISSUER": "https://login.acme.example/",
    "CLEANLIST_OAUTH_AUDIENCE": "https://cleanlist.acme.example/mcp",
}


def test_a_teams_sign_in_is_read_to_the_letter() -> None:
    settings = Settings.from_environment(OAUTH)

    check_sign_in(settings)
    assert (settings.auth, settings.oauth_issuer) == ("oauth", "https://login.acme.example/")
    check_sign_in(Settings.from_environment({}))
    check_sign_in(Settings.from_environment(OAUTH | {"CLEANLIST_API_KEY": "", "CLEANLIST_SANDBOX": "true"}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CLEANLIST_OAUTH_ISSUER": ""}, "CLEANLIST_OAUTH_ISSUER"),
        ({"CLEANLIST_OAUTH_AUDIENCE": ""}, "CLEANLIST_OAUTH_AUDIENCE"),
        ({"CLEANLIST_API_KEY": ""}, "CLEANLIST_API_KEY"),
        ({"CLEANLIST_API_KEY": "clext_browser_000000"}, "CLEANLIST_API_KEY"),
        ({"CLEANLIST_AUTH": ""}, "CLEANLIST_OAUTH_ISSUER"),
        ({"CLEANLIST_AUTH": "key", "CLEANLIST_OAUTH_ISSUER": ""}, "CLEANLIST_OAUTH_AUDIENCE"),
        ({"CLEANLIST_OAUTH_ISSUER": "http://login.acme.example"}, "CLEANLIST_OAUTH_ISSUER"),
        ({"CLEANLIST_OAUTH_ISSUER": "https://login.acme.example/?a=b"}, "CLEANLIST_OAUTH_ISSUER"),
        ({"CLEANLIST_OAUTH_AUDIENCE": "api://cleanlist"}, "CLEANLIST_OAUTH_AUDIENCE"),
        ({"CLEANLIST_AUTH": "basic"}, "CLEANLIST_AUTH"),
    ],
    ids=str,
)
def test_half_a_sign_in_is_refused_in_one_line(changes: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_sign_in(Settings.from_environment(OAUTH | changes))

    assert caught.value.variable == named
    assert "\n" not in f"{caught.value.message} {caught.value.next_step}"
