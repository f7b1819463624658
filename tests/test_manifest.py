"""The desktop bundle's manifest says what the server says; its form reaches the settings.

With UPDATE_SNAPSHOTS=1 the tools and prompts in it are written anew from the live server.
"""

import json
import os
import re
import runpy
import shutil
import struct
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import TextContent

from cleanlist_mcp import __version__
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cleanlist_mcp"
PATH = ROOT / "manifest.json"
MANIFEST: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
LAUNCH: dict[str, Any] = MANIFEST["server"]["mcp_config"]
FORM: dict[str, dict[str, Any]] = MANIFEST["user_config"]


async def live() -> dict[str, Any]:
    """Return what the server itself would put into the manifest."""
    async with Client(build_server(Settings())) as client:
        assert client.server_info is not None
        tools = (await client.list_tools()).tools
        return {
            "name": client.server_info.name,
            "display_name": client.server_info.title,
            "version": client.server_info.version,
            "tools": [
                {"name": tool.name, "description": (tool.description or "").splitlines()[0]} for tool in tools
            ],
            "prompts": [await _prompt(client, name) for name in await _prompt_names(client)],
        }


async def _prompt_names(client: Client) -> list[str]:
    capabilities = client.server_capabilities
    if capabilities is None or capabilities.prompts is None:
        return []
    return [prompt.name for prompt in (await client.list_prompts()).prompts]


async def _prompt(client: Client, name: str) -> dict[str, Any]:
    (prompt,) = [one for one in (await client.list_prompts()).prompts if one.name == name]
    arguments = [argument.name for argument in prompt.arguments or []]
    # Marks that no prompt cuts: a whole placeholder is longer than some arguments may be.
    marks = {argument: f"[{number}]" for number, argument in enumerate(arguments, 1)}
    messages = (await client.get_prompt(name, marks)).messages
    text = "\n\n".join(one.content.text for one in messages if isinstance(one.content, TextContent))
    for argument, mark in marks.items():
        text = text.replace(mark, f"${{arguments.{argument}}}")
    entry = {"name": name, "description": (prompt.description or "").splitlines()[0]}
    return entry | ({"arguments": arguments} if arguments else {}) | {"text": text}


async def test_the_manifest_says_what_the_server_says() -> None:
    said = await live()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PATH.write_text(json.dumps(MANIFEST | said, indent=2, ensure_ascii=False) + "\n", "utf-8")
        pytest.skip("manifest.json was written anew")

    assert {name: MANIFEST[name] for name in said} == said
    assert MANIFEST["version"] == __version__
    assert not MANIFEST["tools_generated"]
    assert not MANIFEST["prompts_generated"]


def test_every_argument_of_a_prompt_has_a_whole_place_in_its_text() -> None:
    for prompt in MANIFEST["prompts"]:
        for argument in prompt.get("arguments", []):
            assert f"${{arguments.{argument}}}" in prompt["text"], (prompt["name"], argument)
        assert prompt["text"].count("${") == len(prompt.get("arguments", []))


def test_the_form_shows_four_fields_and_each_reaches_a_setting() -> None:
    used = re.findall(r"\$\{user_config\.([^}]+)\}", json.dumps(LAUNCH["env"]))

    assert sorted(used) == sorted(FORM)
    assert list(FORM) == ["api_key", "sandbox", "daily_limit", "confirm"]
    assert set(LAUNCH["env"]) <= set(VARIABLES)


def test_a_blank_key_is_promised_to_work_with_the_sandbox_alone() -> None:
    assert FORM["api_key"]["description"].endswith(
        f"Blank only if {FORM['sandbox']['title']} is switched on."
    )


def test_only_the_key_is_a_secret_and_the_server_starts_without_it() -> None:
    assert [name for name, field in FORM.items() if field.get("sensitive")] == ["api_key"]
    assert FORM["api_key"]["default"] == ""
    assert not any(field["required"] for field in FORM.values())


def test_a_form_left_as_it_is_gives_the_default_settings() -> None:
    # Hosts write booleans as words.
    defaults = {name: str(field["default"]).lower() for name, field in FORM.items()}
    environment = {
        name: re.sub(r"\$\{user_config\.([^}]+)\}", lambda match: defaults[match[1]], value)
        for name, value in LAUNCH["env"].items()
    }

    assert Settings.from_environment(environment) == Settings.from_environment({})


def test_a_host_that_fills_nothing_in_gives_the_default_settings() -> None:
    assert Settings.from_environment(LAUNCH["env"]) == Settings.from_environment({})


def test_settings_travel_by_environment_alone() -> None:
    # Hosts leave placeholders in arguments as they are if a field was left blank.
    assert "user_config" not in json.dumps(LAUNCH["args"])


def test_a_checkout_without_a_lock_file_starts_too() -> None:
    assert "--frozen" not in LAUNCH["args"]
    assert "--locked" not in LAUNCH["args"]


def test_every_file_that_the_manifest_or_the_build_needs_goes_in() -> None:
    allowed = (ROOT / ".mcpbignore").read_text("utf-8").split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {
        *("manifest.json", "pyproject.toml", "uv.lock", MANIFEST["icon"], project["readme"], "PRIVACY.md"),
        *project["license-files"],
        # Packers that read the file as git does need each folder let in before what is in it.
        *("cleanlist_mcp", "cleanlist_mcp/**"),
        *("server", "server/main.py"),
    }

    assert (allowed[0], allowed[-2:]) == ("*", ["__pycache__", "*.pyc"])
    assert {line[1:] for line in allowed if line.startswith("!")} == needed
    assert (ROOT / MANIFEST["server"]["entry_point"]).is_file()


def test_a_bundle_outside_a_clone_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/bundle", ".mcpbignore", "manifest.json"):
        shutil.copyfile(ROOT / name, tmp_path / name)

    done = subprocess.run(
        [sys.executable, tmp_path / "scripts" / "bundle", "--uv", sys.executable],
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "in a git clone" in line


@pytest.mark.skipif(os.name == "nt", reason="programs are known by their suffix there")
def test_a_program_of_this_folder_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = runpy.run_path(str(ROOT / "scripts" / "bundle"))["program"]
    (tmp_path / "uv").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)

    assert program("./uv") == str(tmp_path / "uv")


def test_the_python_that_is_asked_for_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert MANIFEST["compatibility"]["runtimes"]["python"] == project["project"]["requires-python"]
    assert MANIFEST["license"] == project["project"]["license"]
    # Either would keep the desktop app's own, older uv from starting the bundle.
    assert "required-version" not in project["tool"]["uv"]
    assert not (ROOT / ".python-version").exists()


def test_names_hold_nothing_that_hosts_stumble_over() -> None:
    assert "&" not in MANIFEST["display_name"]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["name"]) for tool in MANIFEST["tools"])


def test_the_vendors_privacy_page_is_named() -> None:
    assert "https://docs.cleanlist.ai/faq/privacy-and-security" in MANIFEST["privacy_policies"]


@pytest.mark.long
def test_the_icon_is_what_its_script_draws() -> None:
    data = (ROOT / MANIFEST["icon"]).read_bytes()
    width, height, depth, colours = struct.unpack(">IIBB", data[16:26])
    length = struct.unpack(">I", data[33:37])[0]
    drawn: bytes = runpy.run_path(str(ROOT / "scripts" / "icon"))["pixels"]()

    assert (width, height, depth, colours) == (512, 512, 8, 6)
    assert data[37:41] == b"IDAT"
    assert zlib.decompress(data[41 : 41 + length]) == drawn
