"""The steps of .ci/run: what goes on beside others, and that whatever fails ends the run, shown and with its status."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(os.name == "nt" or BASH is None, reason=".ci/run is for systems with bash")

FOR_EVER = "sleep 600"
"""A step that goes on until something ends it; no test waits that long."""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run lines of a script as .ci/run has them, with a folder for what happened."""
    begin = f"set -euo pipefail\nwork={folder}/work\nmkdir $work\nsource {ROOT}/.ci/steps\n"
    return subprocess.run(
        [str(BASH), "-c", begin + script],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def table(printed: str) -> dict[str, int]:
    """Return the steps of the table, each with its seconds of processor."""
    lines = printed.partition("processor, s  step\n")[2].splitlines()
    rows = [line.split(maxsplit=3) for line in lines[:-1]]
    return {name: int(used) for _, _, used, name in rows}


def test_steps_and_lanes_that_succeed_end_in_a_table_of_all(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        'side() { step "one beside" echo said beside; step "another beside" true; }\n'
        'beside side\nstep "a step" echo said\nmeet side\nstep "the last" true\n',
    )

    assert done.returncode == 0, done.stderr
    assert sorted(table(done.stdout)) == ["a step", "another beside", "one beside", "the last"]
    said = [done.stdout.index(words) for words in ("said\n", 'the lane "side"', "said beside", "the last")]
    assert said == sorted(said)
    assert not (tmp_path / "work").exists()


def test_a_step_that_fails_ends_the_run_with_its_status(tmp_path: Path) -> None:
    done = run(tmp_path, 'step good true\nstep bad bash -c "echo broken; exit 7"\ntouch reached\n')

    assert done.returncode == 7
    assert "broken" in done.stdout
    assert list(table(done.stdout)) == ["good", "bad: FAILED (7)"]
    assert not (tmp_path / "reached").exists()


def test_a_lane_that_fails_ends_the_run_at_once_though_a_step_goes_on(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        'side() { step bad bash -c "echo broken; exit 3"; touch reached; }\n'
        f"beside side\nstep long {FOR_EVER}\nmeet side\n",
    )

    assert done.returncode == 1
    assert "broken" in done.stdout
    assert 'The lane "side" failed.' in done.stdout
    assert "bad: FAILED (3)" in table(done.stdout)
    assert not (tmp_path / "reached").exists()


def test_a_lane_that_failed_before_it_was_met_fails_the_run_too(tmp_path: Path) -> None:
    # Even if its signal does not arrive.
    done = run(
        tmp_path,
        "trap '' USR1\nside() { false; }\nbeside side\n"
        "while [ ! -e $work/failed ]; do sleep 0.01; done\nmeet side\ntouch reached\n",
    )

    assert done.returncode == 1
    assert not (tmp_path / "reached").exists()


def test_no_process_is_left_when_the_run_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    with open(os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK), "rb") as held:
        done = run(
            tmp_path,
            f"""side() {{ step endless bash -c 'exec 9>held; touch holding; {FOR_EVER} & wait'; }}
beside side
while [ ! -e holding ]; do sleep 0.01; done
step bad false
""",
        )
        os.set_blocking(held.fileno(), True)

        assert done.returncode == 1
        assert held.read() == b""  # comes when all are gone who hold it


def test_a_run_that_is_stopped_stops_what_it_started(tmp_path: Path) -> None:
    done = run(tmp_path, f"(sleep 0.2; kill -TERM $$) &\nstep long {FOR_EVER}\ntouch reached\n")

    assert done.returncode == 130
    assert not (tmp_path / "reached").exists()


def test_a_step_that_computes_shows_what_it_took_of_the_processor(tmp_path: Path) -> None:
    busy = f"""{sys.executable} -c 'import time\nwhile time.process_time() < 1.2: pass'"""
    done = run(
        tmp_path,
        f"side() {{ step beside {busy}; }}\nbeside side\nstep idle sleep 0.1\nstep busy {busy}\nmeet side\n",
    )

    used = table(done.stdout)
    assert used["busy"] >= 1 and used["beside"] >= 1 and used["idle"] == 0


def test_what_comes_over_the_network_is_tried_three_times(tmp_path: Path) -> None:
    script = "sleep() { :; }\nattempt() { echo attempt; [ $(wc -l <tries) = %d ]; }\n"
    often = "tried() { echo >>tries; attempt; }\nstep network patiently tried\n"

    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    third, never = run(good, script % 3 + often), run(bad, script % 9 + often)

    assert (third.returncode, third.stdout.count("attempt\n")) == (0, 3)
    assert (never.returncode != 0, never.stdout.count("attempt\n")) == (True, 3)


@pytest.mark.parametrize("script", [".ci/run", ".ci/steps", ".ci/debian", ".ci/sdk-stdio", "scripts/check"])
def test_every_script_of_ci_is_one_that_bash_can_read(script: str) -> None:
    assert subprocess.run([str(BASH), "-n", str(ROOT / script)], check=False).returncode == 0


OF_PROCESSES = {
    "tests.test_stdio": {"SERVER", "Wire", "started", "variables"},
    "tests.server_processes": {"live", "process"},
    "tests.money_fuzz": {"World"},
}
"""Names by which suites start servers over stdio, by their module."""

LEFT_OUT = {"transcripts", "front"}
"""Suites that play both loops anyway, or what there is by one loop alone."""


def starts_servers(path: Path) -> bool:
    """Return whether a suite starts servers over stdio in the ways of these tests."""
    imports = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    return any(
        {name.name for name in one.names} & OF_PROCESSES.get(one.module or "", set()) for one in imports
    )


def test_every_suite_that_starts_servers_over_stdio_is_played_by_the_sdks_loop_too() -> None:
    text = (ROOT / ".ci" / "sdk-stdio").read_text("utf-8")
    played = set(text.partition("suites=(")[2].partition(")")[0].split())
    found = {
        path.stem.removeprefix("test_")
        for path in ROOT.glob("tests/test_*.py")
        if path.stem == "test_stdio" or starts_servers(path)
    }

    assert found - LEFT_OUT == played
    assert "export SDK_STDIO=1" in text
    assert '" .ci/sdk-stdio\n' in (ROOT / ".ci" / "run").read_text("utf-8")


def test_every_lane_is_started_and_met_and_every_script_is_run() -> None:
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    lanes = [line.partition("()")[0] for line in text.splitlines() if line.endswith("() {")]

    assert lanes
    for lane in lanes:
        assert f"beside {lane}" in text
        assert any(lane in line.split("meet ")[1] for line in text.splitlines() if "meet " in line)
    left_out = {"demo-picture", "icon", "mutants", "pictures", "release"}
    scripts = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file()} - left_out
    assert {name for name in scripts if name not in text} == set()
