"""The files for a deployment: what a container may do, who reaches what, and what the proxy must never do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanlist_mcp.settings import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
NGINX = (ROOT / "nginx.conf").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
REPLICAS = [name for name in SERVICES if name.startswith("cleanlist-")]


def instructions(word: str) -> list[str]:
    """The instructions of the Dockerfile that begin with a word, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    return [line.removeprefix(word).strip() for line in lines if line.startswith(f"{word} ")]


def directives(text: str) -> str:
    """A configuration of nginx without its comments."""
    return re.sub(r"#.*", "", text)


def test_the_image_runs_as_nobody_in_particular_and_looks_after_its_health() -> None:
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert DOCKERFILE.index("USER ") > DOCKERFILE.rindex("\nRUN ")
    assert "/healthz" in instructions("HEALTHCHECK")[0]
    assert instructions("ENTRYPOINT") == ['["cleanlist-mcp"]']
    assert ".[team]" in DOCKERFILE


def test_images_have_a_version_and_none_that_moves_by_itself() -> None:
    bases = [line.split()[0] for line in instructions("FROM")]
    images = [service["image"] for service in SERVICES.values() if "build" not in service]

    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]*", image) for image in bases + images)


def test_only_what_the_image_is_built_from_is_sent_to_the_builder() -> None:
    lines = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] not in ("", "#")
    ]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        name for line in instructions("COPY") if not line.startswith("--from") for name in line.split()[:-1]
    }

    assert lines[0] == "*"
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_writes_nothing_gains_nothing_and_is_given_time_to_end(name: str) -> None:
    replica = SERVICES[name]

    assert replica["read_only"] is True
    assert replica["cap_drop"] == ["ALL"] and "no-new-privileges:true" in replica["security_opt"]
    assert replica["user"] == instructions("USER")[0]
    assert int(replica["stop_grace_period"].removesuffix("s")) > 55
    assert "ports" not in replica
    assert replica["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_there_are_two_replicas_that_are_alike() -> None:
    first, second = (SERVICES[name] for name in REPLICAS)

    assert first == second


def test_every_setting_exists_and_secrets_have_no_default() -> None:
    environment = SERVICES[REPLICAS[0]]["environment"]

    assert set(environment) <= set(VARIABLES)
    assert environment["CLEANLIST_SECRET_KEYS"] == "${CLEANLIST_SECRET_KEYS:?}"
    assert "${POSTGRES_PASSWORD:?}" in environment["CLEANLIST_DATABASE_URL"]
    assert "CLEANLIST_API_KEY" not in environment


def test_nothing_is_reached_from_outside_but_the_proxy_and_that_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert list(ports) == ["nginx"]
    assert all(port.startswith("127.0.0.1:") for port in ports["nginx"])


def test_the_proxy_never_repeats_a_post_and_holds_nothing_back() -> None:
    said = directives(NGINX)

    assert "non_idempotent" not in said
    assert "proxy_buffering off;" in said
    assert "access_log off;" in said
    assert "proxy_set_header Host $http_host;" in said
    assert re.findall(r"server (\S+):8000", said) == REPLICAS
    assert int(re.findall(r"proxy_read_timeout (\d+)s", said)[0]) > 50


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    here = NGINX.replace("/run/nginx.pid", str(tmp_path / "pid"))
    for name in REPLICAS:
        here = here.replace(
            f"{name}:8000", "127.0.0.1:8000"
        )  # the names are those of the containers' network
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "".join(f"{place}_temp_path {tmp_path / place};\n" for place in places)
    (tmp_path / "nginx.conf").write_text(here.replace("http {", "http {\n" + kept), "utf-8")

    done = subprocess.run(
        [program, "-t", "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
