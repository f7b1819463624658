"""The files that a release would hand out: the source distribution and the wheel, built and used."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from cleanlist_mcp import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "cleanlist_mcp/"
STRAY = ("notes.txt", "prospects.csv", ".env")
"""Files that lie about in a checkout and must not be handed out with it."""
PATIENCE = 240.0

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The files that git tracks, as they lie in the checkout."""
    listed = run("git", "ls-files", cwd=ROOT).splitlines()
    assert "pyproject.toml" in listed
    return {name for name in listed if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    for name in STRAY:
        (source / name).write_text("not for others", "utf-8")
    run(sys.executable, "-m", "build", "--outdir", str(out), str(source))
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = built.glob("*.whl")
    run(str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel))
    return programs


def run(*command: str, cwd: Path | None = None) -> str:
    """The output of a command that succeeds, without this shell's settings for the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    done = subprocess.run(
        command, cwd=cwd, env=kept, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_source_distribution_holds_what_git_tracks_and_nothing_else(
    built: Path, tracked: set[str]
) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}

    assert names == tracked | {"PKG-INFO"}


def test_the_wheel_holds_the_package_with_its_data_and_no_tests(built: Path, tracked: set[str]) -> None:
    (path,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(path).namelist())
    about = {name for name in names if name.startswith(f"cleanlist_mcp-{__version__}.dist-info/")}

    assert names - about == {name for name in tracked if name.startswith(PACKAGE)}
    assert PACKAGE + "py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in about)


def test_the_wheel_is_for_every_system(built: Path) -> None:
    (path,) = built.glob("*.whl")

    assert path.name == f"cleanlist_mcp-{__version__}-py3-none-any.whl"


def test_what_the_wheel_installs_runs_from_any_folder(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "cleanlist-mcp")

    assert __version__ in run(program, "--version", cwd=tmp_path)
    assert "credits" in run(program, "demo", cwd=tmp_path)
    where = run(
        str(installed / "python"), "-c", "import cleanlist_mcp; print(cleanlist_mcp.__file__)", cwd=tmp_path
    )
    assert "site-packages" in where


def test_the_index_gets_the_readme_and_the_addresses(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        metadata = archive.read(f"cleanlist_mcp-{__version__}.dist-info/METADATA").decode()

    assert metadata.endswith((ROOT / "README.md").read_text("utf-8"))
    assert "Project-URL: Cleanlist, https://www.cleanlist.ai" in metadata
    assert f"mcp-name: {json.loads((ROOT / 'server.json').read_text('utf-8'))['name']} -->" in metadata
