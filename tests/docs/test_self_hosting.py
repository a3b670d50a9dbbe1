"""The image and the composition, and the steps of the image in a clean folder as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2a_core.settings import load_settings, setting_names
from tests.docs.documents import ROOT, snippets

DOCKERFILE = ROOT / "Dockerfile"
IMAGE_USER = 10001
INSTALL_SECONDS = 300
SECRETS_MADE = "mkdir -m 700 .secrets"


@dataclass(frozen=True)
class Instruction:
    stage: int
    word: str
    rest: str


def instructions() -> list[Instruction]:
    """The instructions of the Dockerfile, with the number of their stage."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found, stage = [], -1
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        stage += word == "FROM"
        if word:
            found.append(Instruction(stage, word, rest.strip()))
    return found


def of(stage: int, word: str) -> list[str]:
    return [item.rest for item in instructions() if (item.stage, item.word) == (stage, word)]


def image_environment() -> dict[str, str]:
    pairs = (part.partition("=") for line in of(1, "ENV") for part in shlex.split(line))
    return {name: value for name, _, value in pairs}


def composed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return document


def tool(name: str) -> str:
    """A tool of the `dev` extra; `scripts/check` runs it and fails without."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{name} is not installed; the `dev` extra has it")
    return found


def test_the_image_has_two_stages_an_ordinary_user_and_a_health_check() -> None:
    assert len(of(0, "FROM")) == len(of(1, "FROM")) == 1
    assert of(1, "USER") == [f"{IMAGE_USER}:{IMAGE_USER}"]
    assert json.loads(of(1, "ENTRYPOINT")[0]) == ["e2a"]
    assert json.loads(of(1, "CMD")[0]) == ["serve"]
    assert "/healthz" in of(1, "HEALTHCHECK")[0]
    environment = image_environment()
    assert {name for name in environment if name.startswith("E2A_")} <= set(setting_names())
    assert json.loads(of(1, "VOLUME")[0]) == [environment["E2A_HOME"]]
    ports = {environment[name].rpartition(":")[2] for name in ("E2A_SMTP_LISTEN", "E2A_HTTP_LISTEN")}
    assert set(of(1, "EXPOSE")[0].split()) == ports


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_takes_the_file_and_says_what_is_missing(tmp_path: Path) -> None:
    command = [
        tool("docker-compose"),
        "--project-directory",
        str(tmp_path),
        "-f",
        str(ROOT / "compose.yaml"),
        "config",
        "-q",
    ]
    environment = {**os.environ, "HOME": str(tmp_path)}
    missing = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert missing.returncode != 0
    assert "docs/deployment.md" in missing.stderr
    make_secrets(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def make_secrets(folder: Path) -> None:
    """As docs/deployment.md says."""
    [snippet] = [each for each in snippets("bash") if SECRETS_MADE in each.text]
    subprocess.run(["bash", "-ec", snippet.text], cwd=folder, timeout=60, check=True)


def test_the_secrets_of_the_composition_are_read_from_their_files(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made, services = tmp_path / ".secrets", composed()["services"]
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    declared = {name: Path(item["file"]).name for name, item in composed()["secrets"].items()}
    assert declared == {path.name: path.name for path in made.iterdir()}
    used = {name for service in services.values() for name in service.get("secrets", ())}
    assert used == set(declared)
    environment = {
        name: str(made / Path(value).name)
        for name, value in services["e2a"]["environment"].items()
        if name.endswith("_FILE")
    }
    settings = load_settings({"E2A_HOME": str(tmp_path), "E2A_ENV": "production", **environment})
    assert (made / "database_password").read_text().strip() in settings.database_url
    assert settings.hmac_secret == (made / "hmac_secret").read_text().strip()


def test_the_composition_is_closed_and_starts_in_order() -> None:
    services = composed()["services"]
    assert set(services) == {"e2a", "db", "relay"}
    assert services["db"]["image"].startswith("postgres:16")
    ours = services["e2a"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert ours["depends_on"]["db"]["condition"] == "service_healthy"
    assert "pg_isready" in " ".join(services["db"]["healthcheck"]["test"])
    for service in services.values():
        assert "no-new-privileges:true" in service["security_opt"]
        for port in service.get("ports", ()):
            assert port.startswith(
                ("127.0.0.1:", "${SMTP_PUBLISHED:-127.0.0.1:", "${HTTP_PUBLISHED:-127.0.0.1:")
            )
    assert {name for name in ours["environment"] if name.startswith("E2A_")} <= set(setting_names())
    [volume] = ours["volumes"]
    assert volume.rpartition(":")[2] == image_environment()["E2A_HOME"]
    named = {mount.partition(":")[0] for service in services.values() for mount in service.get("volumes", ())}
    assert named == set(composed()["volumes"])


def test_what_the_image_is_made_of_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = {name for line in of(0, "COPY") for name in line.split()[:-1]}
    assert kept == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A clean folder that the ordinary user owns; the folders of pytest are closed to others."""
    made = Path(tempfile.mkdtemp(prefix="e2a-image-"))
    if os.geteuid() == 0:
        os.chown(made, IMAGE_USER, IMAGE_USER)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def as_user() -> dict[str, Any]:
    """Makes a process run as the user of the image; whoever is no superuser is ordinary enough."""
    if os.geteuid() != 0:
        return {}
    return {"user": IMAGE_USER, "group": IMAGE_USER, "extra_groups": []}


def usable_python() -> str:
    """An interpreter that the ordinary user may run and make environments with."""
    wanted = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for candidate in (
        getattr(sys, "_base_executable", sys.executable),
        "/usr/local/bin/python3",
        "/usr/bin/python3",
    ):
        try:
            if (
                subprocess.run(
                    [candidate, "-c", wanted], cwd="/", check=False, capture_output=True, **as_user()
                ).returncode
                == 0
            ):
                return str(candidate)
        except OSError:
            continue
    pytest.skip("no Python here that a user other than root may run")


@pytest.mark.apart
@pytest.mark.timeout(600)
def test_the_steps_of_the_image_work_in_a_clean_folder_as_an_ordinary_user(folder: Path) -> None:
    environment = installed(folder)
    home, log = folder / "home", folder / "serve.log"
    settings = {
        **environment,
        "E2A_HOME": str(home),
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
    }
    command = [*json.loads(of(1, "ENTRYPOINT")[0]), *json.loads(of(1, "CMD")[0]), "--print-run"]
    command[0] = shutil.which(command[0], path=settings["PATH"]) or command[0]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, env=settings, cwd="/", stdout=subprocess.PIPE, stderr=errors, **as_user()
        ) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, log.read_text(encoding="utf-8")
            run = json.loads(line)
            assert_healthy(run["http"], settings)
            assert home.stat().st_uid == (IMAGE_USER if os.geteuid() == 0 else os.geteuid())
            assert not (folder / "opt").stat().st_mode & 0o002
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
    assert server.returncode == 0


def installed(folder: Path) -> dict[str, str]:
    """Runs what the first stage copies and runs, in `folder` instead of `/`; returns the environment of the second."""
    source, place = folder / "src-of-image", folder / "opt"
    source.mkdir()
    place.mkdir()
    for line in of(0, "COPY"):
        *names, target = line.split()
        for name in names:
            copy(ROOT / name, source / target / (name if target == "./" else ""))
    if os.geteuid() == 0:
        for path in (source, place, *source.rglob("*")):
            os.chown(path, IMAGE_USER, IMAGE_USER)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("E2A_", "VIRTUAL_ENV", "PYTHON"))
    }
    user = {**kept, "HOME": str(folder)}
    for line in of(0, "RUN"):
        step = re.sub(r"^python ", f"{usable_python()} ", line).replace("/opt/e2a", str(place / "e2a"))
        done = subprocess.run(
            ["sh", "-ec", step],
            env=user,
            cwd=source,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            **as_user(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    image = {
        name: value.replace("/opt/e2a", str(place / "e2a")) for name, value in image_environment().items()
    }
    return {**user, **image, "PATH": image["PATH"].replace("$PATH", user["PATH"])}


def copy(origin: Path, target: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, target)


def assert_healthy(url: str, environment: dict[str, str]) -> None:
    """The image's own check, at the port that is free here."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        assert answer.status == 200
    python, *rest = json.loads(of(1, "HEALTHCHECK")[0].partition("CMD ")[2])
    probe = [part.replace("http://127.0.0.1:8080", url) for part in rest]
    for check, expected in ((probe, 0), ([part.replace("/healthz", "/nowhere") for part in probe], 1)):
        done = subprocess.run(
            [shutil.which(python, path=environment["PATH"]) or python, *check],
            env=environment,
            cwd="/",
            capture_output=True,
            timeout=30,
            check=False,
            **as_user(),
        )
        assert done.returncode == expected, done.stderr
