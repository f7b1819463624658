"""A team's secrets and the keys derived from them, and the secret that a laptop gets."""

import subprocess
import sys

import pytest

from cleanlist_mcp.errors import SettingsError
from cleanlist_mcp.secret_keys import SecretKeys, WrongSecret
from cleanlist_mcp.settings import Settings

OLD, NEW = "an old secret of thirty-two bytes", "a new secret of thirty-two bytes!"
DATABASE = "postgresql://team:canary-password@db.example/cleanlist"


def all_kinds(keys: SecretKeys) -> list[bytes]:
    kinds = (keys.digest_keys(), keys.request_state_keys(), keys.session_keys(), keys.proof_keys())
    return [key.secret for kind in kinds for key in kind]


def test_each_secret_derives_a_key_of_each_kind_and_all_of_them_differ() -> None:
    keys = all_kinds(SecretKeys.read(f" {NEW} , {OLD}"))
    assert len(keys) == len(set(keys)) == 8
    assert {len(key) for key in keys} == {32}
    assert all_kinds(SecretKeys.read(f"{NEW},{OLD}")) == keys


def test_the_newest_secret_comes_first_and_a_key_keeps_its_id() -> None:
    both, old = SecretKeys.read(f"{NEW},{OLD}"), SecretKeys.read(OLD)
    assert both.digest_keys()[1] == old.digest_keys()[0]
    assert both.session_keys()[1].key_id == old.session_keys()[0].key_id
    assert both.digest_keys()[0].key_id != old.digest_keys()[0].key_id


def test_a_laptops_secret_has_the_keys_of_digests_and_no_others() -> None:
    service = SecretKeys.read(f"{NEW},{OLD}")
    laptop = SecretKeys.read(service.for_laptops)
    assert laptop.digest_keys() == service.digest_keys()
    assert laptop.request_state_keys() == laptop.session_keys() == laptop.proof_keys() == ()
    assert (service.is_whole, laptop.is_whole) == (True, False)
    assert laptop.for_laptops == service.for_laptops
    assert not any(secret in service.for_laptops for secret in (NEW, OLD))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("short", "fewer than 32 bytes"),
        (f"{NEW},", "empty part"),
        (f"{NEW},{NEW}", "twice"),
        (f"{NEW},clteam_abc", "mixes"),
        ("clteam_abc", "team-secret did not print"),
        ("clteam_" + "?" * 43, "team-secret did not print"),
        ("", "is not set"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_without_showing_it(text: str, problem: str) -> None:
    with pytest.raises(WrongSecret, match=problem):
        SecretKeys.read(text)
    if text:
        with pytest.raises(SettingsError) as caught:
            Settings.from_environment({"CLEANLIST_SECRET_KEYS": text})
        assert text not in f"{caught.value.message} {caught.value.next_step}"


def test_nothing_shows_a_secret() -> None:
    settings = Settings.from_environment({"CLEANLIST_SECRET_KEYS": NEW, "CLEANLIST_DATABASE_URL": DATABASE})
    keys = settings.secret_keys
    assert keys is not None
    shown = f"{settings!r} {settings} {keys!r} {keys.digest_keys()!r}"
    assert NEW not in shown
    assert "canary" not in shown
    assert keys.digest_keys()[0].secret.hex() not in shown


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CLEANLIST_DATABASE_URL": DATABASE}, "CLEANLIST_SECRET_KEYS"),
        ({"CLEANLIST_DATABASE_URL": "mysql://canary", "CLEANLIST_SECRET_KEYS": NEW}, "PostgreSQL"),
    ],
)
def test_a_database_without_its_secret_or_of_another_kind_does_not_start(
    variables: dict[str, str], words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cleanlist_mcp"],
        env=variables,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert words in line
    assert "canary" not in line


def test_without_its_packages_a_database_is_refused_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cleanlist_mcp.settings.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        Settings.from_environment({"CLEANLIST_SECRET_KEYS": NEW, "CLEANLIST_DATABASE_URL": DATABASE})
    assert "with the extra [team] installed" in caught.value.next_step


def test_team_secret_prints_the_secret_for_laptops() -> None:
    command = [sys.executable, "-m", "cleanlist_mcp", "team-secret"]

    def run(secrets: str) -> tuple[int, str]:
        ended = subprocess.run(
            command, env={"CLEANLIST_SECRET_KEYS": secrets}, capture_output=True, text=True, timeout=60
        )
        return ended.returncode, ended.stdout.strip()

    printed = SecretKeys.read(f"{NEW},{OLD}").for_laptops
    assert run(f"{NEW},{OLD}") == (0, printed)
    assert run(printed) == (2, "")
    assert run("short") == (2, "")
