"""The files of a release: one version and one owner everywhere, a workflow that tries before it publishes, and what
the registry and the directories ask for, as far as files can show it."""

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cleanlist_mcp import __version__
from cleanlist_mcp.cli import client_config
from cleanlist_mcp.server.build import build_server
from cleanlist_mcp.settings import VARIABLES, Settings

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def script() -> Any:
    loader = SourceFileLoader("release", str(ROOT / "scripts" / "release"))
    spec = spec_from_loader("release", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


RELEASE = script()


def loaded(path: str) -> dict[str, Any]:
    """Return a JSON or YAML file of this project; what is JSON is YAML too."""
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text("utf-8"))
    return found


SERVER = loaded("server.json")
MANIFEST = loaded("manifest.json")
GLAMA = loaded("glama.json")
SMITHERY = loaded("smithery.yaml")["startCommand"]
DOCKER = loaded("integrations/docker-catalogue/server.yaml")
WORKFLOW = loaded(".github/workflows/release.yml")
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
OWNER = SERVER["name"].removeprefix("io.github.").partition("/")[0]
without_owner = pytest.mark.skipif(OWNER != RELEASE.PLACEHOLDER, reason="there is an owner")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files of which the script knows."""
    for name in {
        *RELEASE.OWNED,
        *RELEASE.VERSIONED,
        *RELEASE.PLUGINS,
        str(RELEASE.PACKAGE),
        str(RELEASE.CONFIG),
        RELEASE.MARKETPLACE,
        "CHANGELOG.md",
    }:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def released(checkout: Path, version: str) -> None:
    """Do all that has to be done before a tag."""
    RELEASE.set_owner(checkout, "fable-works")
    RELEASE.set_published(checkout)
    RELEASE.set_version(checkout, version)
    for name in RELEASE.PLUGINS:
        written = json.loads((checkout / name).read_text("utf-8")) | {"version": version}
        (checkout / name).write_text(json.dumps(written), "utf-8")
    offer = checkout / RELEASE.MARKETPLACE
    offer.write_text(offer.read_text("utf-8").replace(__version__, version), "utf-8")
    (checkout / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## {version} - 2026-12-01\n\n- Good news.\n\n## 0.0.1\n", "utf-8"
    )


# One version, one owner


def test_the_version_is_the_same_wherever_it_stands() -> None:
    places = RELEASE.versions(ROOT)

    assert {version for _, version in places} == {RELEASE.version(ROOT)} == {__version__}
    # Manifests, plugins and their offer; server.json's index, bundle (thrice) and image.
    assert len(places) == 2 + 2 + 1 + 1 + 3 + 1


def test_the_owner_is_the_same_wherever_it_stands() -> None:
    assert f"<!-- mcp-name: {SERVER['name']} -->" in README
    assert SERVER["repository"]["url"] == f"https://github.com/{OWNER}/cleanlist-mcp"
    assert DOCKER["source"]["project"] == SERVER["repository"]["url"]
    assert GLAMA["maintainers"]  # people; of an organization not its own name
    owner = OWNER if OWNER == RELEASE.PLACEHOLDER else OWNER.lower()
    assert f"ghcr.io/{owner}/cleanlist-mcp" in README


@without_owner
def test_a_placeholder_stands_for_the_owner_in_the_named_files_alone() -> None:
    assert RELEASE.PLACEHOLDER == "OWNER"
    assert "scripts/release owner NAME" in CONTRIBUTING
    for name in RELEASE.OWNED:
        assert re.search(rf"\b{RELEASE.PLACEHOLDER}\b", (ROOT / name).read_text("utf-8")), name
    for path in [*ROOT.glob("*.*"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("integrations/**/*.*")]:
        if (
            path.is_file()
            and path.suffix in {".md", ".json", ".yaml", ".toml"}
            and path.name != "CONTRIBUTING.md"
        ):
            named = re.search(rf"\b{RELEASE.PLACEHOLDER}\b", path.read_text("utf-8")) is not None
            assert named == (path.relative_to(ROOT).as_posix() in RELEASE.OWNED), path


# The script


def test_nothing_is_released_with_a_placeholder(checkout: Path) -> None:
    released(checkout, "1.2.3")
    assert RELEASE.check(checkout, "v1.2.3") == []

    shutil.copyfile(ROOT / "glama.json", checkout / "glama.json")
    if OWNER == RELEASE.PLACEHOLDER:
        (problem,) = RELEASE.check(checkout, "v1.2.3")
        assert problem.startswith("glama.json has the placeholder OWNER")


@without_owner
def test_an_image_has_its_owner_in_small_letters_since_docker_takes_no_others(checkout: Path) -> None:
    RELEASE.set_owner(checkout, "Fable-Works")

    server = json.loads((checkout / "server.json").read_text("utf-8"))
    (image,) = [one["identifier"] for one in server["packages"] if one["registryType"] == "oci"]
    assert image.startswith("ghcr.io/fable-works/")
    assert server["name"] == "io.github.Fable-Works/cleanlist-mcp"


@without_owner
def test_the_index_and_the_directories_get_the_addresses_of_the_repository(checkout: Path) -> None:
    for _ in range(2):
        RELEASE.set_owner(checkout, "fable-works")

    address = "https://github.com/fable-works/cleanlist-mcp"
    manifest = json.loads((checkout / "manifest.json").read_text("utf-8"))
    assert (manifest["support"], manifest["documentation"]) == (f"{address}/issues", f"{address}#readme")
    assert manifest["privacy_policies"] == [
        f"{address}/blob/main/PRIVACY.md",
        "https://docs.cleanlist.ai/faq/privacy-and-security",
    ]
    urls = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert (urls["Homepage"], urls["Issues"]) == (address, f"{address}/issues")


@without_owner
def test_the_readme_on_the_index_has_no_link_to_a_file_beside_it(checkout: Path) -> None:
    RELEASE.set_owner(checkout, "fable-works")

    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", (checkout / "README.md").read_text("utf-8"))
    assert all(link.startswith("https://") for _, link in links)
    pictures = [link for mark, link in links if mark]
    assert pictures and all(
        link.startswith("https://raw.githubusercontent.com/fable-works/cleanlist-mcp/main/docs/")
        for link in pictures
    )
    assert ("", "https://github.com/fable-works/cleanlist-mcp/blob/main/docs/money.md") in links


def test_nothing_is_released_that_says_it_is_not_published(checkout: Path) -> None:
    released(checkout, "1.2.3")
    readme = checkout / "README.md"
    assert "Not yet" not in readme.read_text("utf-8")

    heading = RELEASE.NOT_YET
    readme.write_text(readme.read_text("utf-8").replace(heading[1], heading[0]), "utf-8")
    (problem,) = RELEASE.check(checkout, "v1.2.3")
    assert "scripts/release published" in problem


def test_nothing_is_released_under_another_tag(checkout: Path) -> None:
    released(checkout, "1.2.3")

    for tag in ("v1.2.4", "1.2.3", "v1.2.3rc1", "v"):
        assert RELEASE.check(checkout, tag) == [f"The tag is {tag}, and the version 1.2.3."]


@pytest.mark.parametrize("name", ["manifest.json", "server.json", *RELEASE.PLUGINS, RELEASE.MARKETPLACE])
def test_nothing_is_released_with_another_version_in_a_file(checkout: Path, name: str) -> None:
    released(checkout, "1.2.3")
    path = checkout / name
    path.write_text(path.read_text("utf-8").replace("1.2.3", "1.2.2", 1), "utf-8")

    (problem,) = RELEASE.check(checkout, "v1.2.3")
    assert problem.startswith(name) and problem.endswith("names version 1.2.2.")


def test_nothing_is_released_without_a_word_in_the_changelog(checkout: Path) -> None:
    released(checkout, "1.2.3")
    for text in (
        "# Changelog\n\n## Unreleased\n\n- News.\n",
        "## 1.2.3 - 2026-12-01\n\n## 1.2.2 - 2026-11-01\n- Old.\n",
    ):
        (checkout / "CHANGELOG.md").write_text(text, "utf-8")
        (problem,) = RELEASE.check(checkout, "v1.2.3")
        assert problem.startswith("CHANGELOG.md has no section")


@pytest.mark.parametrize("version", ["1.0.0rc1", "1.0.0", "1.0.1", "2.10.0"])
def test_a_version_that_is_set_is_set_everywhere_and_nothing_else_changes(
    checkout: Path, version: str
) -> None:
    released(checkout, __version__)
    before = {name: (checkout / name).read_text("utf-8") for name in RELEASE.VERSIONED}

    released(checkout, version)
    assert RELEASE.check(checkout, f"v{version}") == []
    RELEASE.set_version(checkout, __version__)

    for name, text in before.items():
        assert (checkout / name).read_text("utf-8") == text


@pytest.mark.parametrize("name", ["", "OWNER", "two words", "-fable", "fable/works", "f" * 40])
def test_an_owner_that_can_be_none_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(SystemExit):
        RELEASE.set_owner(checkout, name)


def test_the_notes_are_the_section_of_the_version_alone(checkout: Path) -> None:
    released(checkout, "1.2.3")

    assert RELEASE.notes(checkout) == "- Good news."


def test_the_entry_has_the_digest_of_the_bundle_that_is_released(tmp_path: Path) -> None:
    bundle = tmp_path / "x.mcpb"
    bundle.write_bytes(b"abc")

    (package,) = [one for one in RELEASE.entry(ROOT, bundle)["packages"] if one["registryType"] == "mcpb"]
    assert package["fileSha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# The workflow


def needed(job: str) -> set[str]:
    """Return all jobs that have to end well before this one begins."""
    direct = JOBS[job].get("needs", [])
    names = {direct} if isinstance(direct, str) else set(direct)
    return names.union(*(needed(name) for name in names))


PUBLISHING = ("image", "index", "page", "registry")


@pytest.mark.parametrize("job", PUBLISHING)
def test_nothing_is_handed_out_before_it_was_checked_built_and_tried(job: str) -> None:
    assert {"checked", "built", "tried"} <= needed(job)


def test_the_registry_comes_last_since_it_looks_at_the_index_the_page_and_the_image() -> None:
    assert needed("registry") == {*JOBS} - {"registry"}


def test_only_what_publishes_may_write_or_prove_who_it_is() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    may = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}

    assert set(may) == set(PUBLISHING)
    assert {name for name in may if "id-token" in may[name]} == {"index", "page", "registry"}
    for name in ("index", "registry"):
        assert may[name] == {"id-token": "write"}
        assert JOBS[name]["environment"] == name and f"`{name}`" in CONTRIBUTING


def test_no_secret_is_used() -> None:
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text("utf-8")


def test_only_a_tag_of_a_version_starts_it_and_it_has_to_be_this_version() -> None:
    (started,) = [
        value for key, value in WORKFLOW.items() if key in ("on", True)
    ]  # YAML takes "on" for a yes
    runs = [step.get("run", "") for step in JOBS["checked"]["steps"]]

    assert started == {"push": {"tags": ["v*"]}}
    assert 'python scripts/release check "$GITHUB_REF_NAME"' in runs and ".ci/run" in runs


def test_what_was_tried_is_what_is_handed_out() -> None:
    building = [
        job for job, body in JOBS.items() if "-m build" in json.dumps(body) or "--out" in json.dumps(body)
    ]

    assert building == ["built"]
    for job in ("tried", "index", "page", "registry"):
        assert "download-artifact" in json.dumps(JOBS[job])


def test_the_image_bears_the_name_and_the_address_that_the_registry_compares() -> None:
    run = JOBS["image"]["steps"][-1]["run"]
    (address,) = [one["identifier"] for one in SERVER["packages"] if one["registryType"] == "oci"]

    assert SERVER["name"] == f"io.github.{OWNER}/cleanlist-mcp"
    assert '"io.modelcontextprotocol.server.name=io.github.$GITHUB_REPOSITORY_OWNER/cleanlist-mcp"' in run
    assert address.endswith(f"/cleanlist-mcp:{__version__}")
    assert "owner=${GITHUB_REPOSITORY_OWNER,,}" in run
    assert "image=ghcr.io/$owner/cleanlist-mcp:${GITHUB_REF_NAME#v}" in run


# The registry


def text(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest}


REGISTRY: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "name", "title", "description", "version", "repository", "packages"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {
            "type": "string",
            "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$",
            "minLength": 3,
            "maxLength": 200,
        },
        "title": text(100),
        "description": text(100),
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+((a|b|rc)\d+)?$"},
        "websiteUrl": {"type": "string", "pattern": "^https://"},
        "repository": {
            "type": "object",
            "required": ["url", "source"],
            "properties": {"url": {"pattern": "^https://github.com/"}, "source": {"const": "github"}},
        },
        "packages": {"type": "array", "items": {"$ref": "#/definitions/package"}},
    },
    "definitions": {
        "package": {
            "type": "object",
            "required": ["registryType", "identifier", "transport"],
            "additionalProperties": False,
            "properties": {
                "registryType": {"enum": ["pypi", "mcpb", "oci"]},
                "identifier": text(400),
                "version": {"type": "string", "not": {"enum": ["latest"]}, "pattern": r"^\d[\w.]*$"},
                "fileSha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
                "runtimeHint": {"enum": ["uvx", "docker"]},
                "transport": {"const": {"type": "stdio"}},
                "packageArguments": {"type": "array"},
                "environmentVariables": {"type": "array", "items": {"$ref": "#/definitions/variable"}},
            },
            "allOf": [
                {
                    "if": {"properties": {"registryType": {"const": "pypi"}}},
                    "then": {
                        "required": ["version"],
                        "properties": {"identifier": {"const": "cleanlist-mcp"}},
                    },
                },
                {
                    "if": {"properties": {"registryType": {"const": "mcpb"}}},
                    "then": {
                        "required": ["version", "fileSha256"],
                        "properties": {
                            "identifier": {"pattern": r"^https://github\.com/.+/releases/download/.+\.mcpb$"}
                        },
                    },
                },
                {  # the tag is part of the identifier
                    "if": {"properties": {"registryType": {"const": "oci"}}},
                    "then": {
                        "not": {"required": ["version"]},
                        "properties": {"identifier": {"pattern": r"^[a-z0-9.]+/.+:\d[\w.]*$"}},
                    },
                },
            ],
        },
        "variable": {
            "type": "object",
            "required": ["name", "description"],
            "additionalProperties": False,
            "properties": {
                "name": text(100),
                "description": text(200),
                "isSecret": {"type": "boolean"},
                "isRequired": {"type": "boolean"},
                "format": {"enum": ["string", "number", "boolean", "filepath"]},
                "default": {"type": "string"},
                "choices": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}
"""The registry's rules of 2025-12-11, and the narrower ones of its publisher, for the kinds of packages we have."""


def test_the_registry_takes_the_entry() -> None:
    jsonschema.Draft7Validator(REGISTRY).validate(SERVER)


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x" * 101},
        {"name": "io.github.fable/works/mcp"},
        {"version": "latest"},
        {"version": "^1.0.0"},
        {"maintainers": []},
        {
            "packages": [
                {
                    "registryType": "mcpb",
                    "identifier": "https://fable.example/x.mcpb",
                    "transport": {"type": "stdio"},
                }
            ]
        },
        {
            "packages": [
                {"registryType": "oci", "identifier": "ghcr.io/fable/works", "transport": {"type": "stdio"}}
            ]
        },
    ],
    ids=str,
)
def test_an_entry_that_the_registry_refuses_is_noticed(change: Mapping[str, Any]) -> None:
    assert not jsonschema.Draft7Validator(REGISTRY).is_valid({**SERVER, **change})


def test_each_variable_of_the_entry_is_a_setting_and_the_key_alone_is_secret() -> None:
    variables = [one for package in SERVER["packages"] for one in package.get("environmentVariables", [])]
    defaults = {one["name"]: one["default"] for one in variables if "default" in one}

    assert {one["name"] for one in variables} <= set(VARIABLES)
    assert {one["name"] for one in variables if one.get("isSecret")} == {"CLEANLIST_API_KEY"}
    assert Settings.from_environment(defaults) == Settings.from_environment({})


# The directories


def test_glama_knows_who_may_claim_the_entry() -> None:
    assert set(GLAMA) == {"$schema", "maintainers"}
    assert GLAMA["$schema"] == "https://glama.ai/mcp/schemas/server.json"


def test_smithery_starts_the_published_package_with_settings_that_exist() -> None:
    function = SMITHERY["commandFunction"]
    fields = SMITHERY["configSchema"]["properties"]

    assert SMITHERY["type"] == "stdio"
    assert "command: 'uvx'" in function and "args: ['cleanlist-mcp']" in function
    assert set(re.findall(r"CLEANLIST_[A-Z_]+", function)) <= set(VARIABLES)
    assert set(re.findall(r"config\.(\w+)", function)) == set(fields)
    jsonschema.Draft7Validator(SMITHERY["configSchema"]).validate(SMITHERY["exampleConfig"])


def test_docker_gets_the_key_as_a_secret_and_the_other_settings_as_fields() -> None:
    config = DOCKER["config"]
    fields = {f"{{{{{DOCKER['name']}.{name}}}}}" for name in config["parameters"]["properties"]}

    assert (DOCKER["type"], DOCKER["image"]) == ("server", f"mcp/{DOCKER['name']}")
    assert [one["env"] for one in config["secrets"]] == ["CLEANLIST_API_KEY"]
    assert config["secrets"][0]["name"].startswith(f"{DOCKER['name']}.")
    assert {one["name"] for one in config["env"]} <= set(VARIABLES)
    assert {one["value"] for one in config["env"]} == fields
    assert DOCKER["run"]["command"] == ["serve"]  # over stdin and stdout; the image's own is a team's service
    assert re.fullmatch("[0-9a-f]{40}", DOCKER["source"]["commit"])


async def test_every_tool_has_the_title_and_the_hint_that_reviewers_look_for_first() -> None:
    for tool in await build_server(Settings()).list_tools():
        hints = tool.annotations
        assert tool.title and hints is not None, tool.name
        assert hints.read_only_hint or hints.destructive_hint is not None, tool.name


def test_what_the_desktop_directory_asks_for_is_there() -> None:
    assert MANIFEST["privacy_policies"] and "\n## Privacy\n" in README
    assert (ROOT / MANIFEST["icon"]).is_file()
    assert (ROOT / "LICENSE").is_file() and MANIFEST["license"] == "MIT"
    assert (ROOT / "SECURITY.md").is_file()
    conversations = (ROOT / "docs" / "conversations.md").read_text("utf-8")
    assert len(re.findall(r"^## ", conversations, re.MULTILINE)) >= 3


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "server.json",
        "manifest.json",
        "smithery.yaml",
        "integrations/docker-catalogue/server.yaml",
    ],
)
def test_no_entry_claims_to_be_the_vendors_own(path: str) -> None:
    assert not re.search(
        r"\bofficial\b|by Cleanlist\b|Cleanlist's own", (ROOT / path).read_text("utf-8"), re.IGNORECASE
    )


# The README


def test_lines_that_need_the_index_are_marked_as_long_as_it_has_no_such_package() -> None:
    published = client_config.ON_THE_INDEX
    section = README.split(f"\n{RELEASE.NOT_YET[published]}\n", 1)[1].split("\n## ", 1)[0]
    elsewhere = README.replace(section, "")

    assert section.lstrip().startswith("**Not yet:**") != published
    for way in (
        "uvx cleanlist-mcp",
        "pipx install cleanlist-mcp",
        "docker run",
        ".mcpb` from the release page",
    ):
        assert way in section and way not in elsewhere
